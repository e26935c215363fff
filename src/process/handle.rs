//! Provost's end of the line: the guard, its children, and the orders to them.

use std::collections::HashMap;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::frame::{Frame, Order, Ticket, Word};
use super::line::send;
use super::{Exit, ProcessError, Spec, Stdin, Stray};

/// A frame on its way to the guard, with the descriptors that go along.
type Parcel = (Vec<u8>, Vec<OwnedFd>);

/// Who waits for which word. Dropping a sender tells its waiter that the guard has gone.
#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    ready: Option<oneshot::Sender<()>>,
    spawns: HashMap<Ticket, oneshot::Sender<Result<u32, i32>>>,
    exits: HashMap<Ticket, oneshot::Sender<Exit>>,
    questions: HashMap<u64, oneshot::Sender<Vec<Stray>>>,
    closed: Option<oneshot::Sender<Vec<Stray>>>,
    gone: bool,
}

/// What all handles share.
#[derive(Clone, Debug)]
struct Office {
    waiting: Arc<Mutex<Waiting>>,
    orders: mpsc::UnboundedSender<Parcel>,
}

impl Office {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }

    /// Orders do not fail: when the guard has gone, so has all that they could be about.
    fn order(&self, order: &Order, fds: Vec<OwnedFd>) {
        let _ = self.orders.send((order.encode(), fds));
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The guard process of a run. When the last of its handles is dropped, those of its children included, it kills all
/// that is left and ends.
#[derive(Clone, Debug)]
pub struct Guard {
    office: Office,
    reader: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Guard {
    /// Starts `<exe> guard` and waits until it listens.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Guard`] when it cannot be started, [`ProcessError::GuardGone`] when it ends at once.
    pub async fn start(exe: &Path) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Guard { source };
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let line = Arc::new(UnixStream::from_std(ours).map_err(failed)?);
        #[expect(clippy::disallowed_methods, reason = "this room spawns, and the guard is its first child")]
        let process = Command::new(exe)
            .arg("guard")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // It must not keep a directory busy that the run was started in.
            .current_dir("/")
            .spawn()
            .map_err(failed)?;
        let (ready, listens) = oneshot::channel();
        let waiting = Arc::new(Mutex::new(Waiting { ready: Some(ready), ..Waiting::default() }));
        let (orders, parcels) = mpsc::unbounded_channel();
        tokio::spawn(write(Arc::clone(&line), parcels));
        let reader = tokio::spawn(read(line, Arc::clone(&waiting), orders.downgrade(), process));
        let guard = Self { office: Office { waiting, orders }, reader: Arc::new(Mutex::new(Some(reader))) };
        listens.await.map_err(|_| ProcessError::GuardGone)?;
        Ok(guard)
    }

    /// Starts a program. If the caller gives up waiting, the program is killed.
    ///
    /// # Errors
    ///
    /// Why it does not run.
    pub async fn spawn(&self, spec: Spec) -> Result<Child, ProcessError> {
        let Spec { program, args, env, cwd, stdin } = spec;
        let failed = |source| ProcessError::Spawn { program: program.clone(), source };
        let (their_stdin, our_stdin) = input(&stdin).map_err(failed)?;
        let (stdout, their_stdout) = io::pipe().map_err(failed)?;
        let (stderr, their_stderr) = io::pipe().map_err(failed)?;
        // A flood should meet us seldom; the default of 64 KiB works too, only with more switches.
        #[cfg(target_os = "linux")]
        let _ = nix::fcntl::fcntl(&stdout, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20));

        let (spawned, started) = oneshot::channel();
        let (exited, exit) = oneshot::channel();
        let ticket = {
            let mut waiting = self.office.waiting();
            if waiting.gone {
                return Err(ProcessError::GuardGone);
            }
            waiting.last += 1;
            let ticket = waiting.last;
            waiting.spawns.insert(ticket, spawned);
            waiting.exits.insert(ticket, exited);
            ticket
        };
        let order = Order::Spawn {
            ticket,
            program: program.clone().into_os_string(),
            args,
            env,
            cwd: cwd.clone().into_os_string(),
        };
        self.office.order(&order, vec![their_stdin, their_stdout.into(), their_stderr.into()]);
        let pid = match started.await.map_err(|_| ProcessError::GuardGone)? {
            Ok(pid) => pid,
            Err(errno) => return Err(refusal(program, &cwd, io::Error::from_raw_os_error(errno))),
        };
        let (stdin, feeding) = match (our_stdin, stdin) {
            (Some(mut pipe), Stdin::Bytes(bytes)) => {
                let feeding = tokio::spawn(async move {
                    // A child need not read; then the pipe breaks, and that is all there is to it.
                    let _ = pipe.write_all(&bytes).await;
                });
                (None, Some(feeding))
            }
            (pipe, _) => (pipe, None),
        };
        let control = Control { ticket, office: self.office.clone() };
        Ok(Child {
            pid,
            control,
            stdin,
            stdout: Some(stdout),
            stderr: Some(stderr),
            exit,
            ended: None,
            feeding,
        })
    }

    /// Kills what is left, and returns it. Afterwards nothing runs any more; other handles find the guard gone.
    pub async fn close(self) -> Vec<Stray> {
        let (closed, done) = oneshot::channel();
        {
            let mut waiting = self.office.waiting();
            if waiting.gone {
                return Vec::new();
            }
            waiting.closed = Some(closed);
        }
        self.office.order(&Order::Close, Vec::new());
        let strays = done.await.unwrap_or_default();
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            let _ = reader.await;
        }
        strays
    }
}

/// The end of stdin that the child gets, and the one that we write.
fn input(stdin: &Stdin) -> io::Result<(OwnedFd, Option<pipe::Sender>)> {
    if *stdin == Stdin::default() {
        return Ok((std::fs::File::open("/dev/null")?.into(), None));
    }
    let (theirs, ours) = io::pipe()?;
    Ok((theirs.into(), Some(pipe::Sender::from_owned_fd(ours.into())?)))
}

/// A missing directory looks like a missing program, so it is told apart here.
fn refusal(program: PathBuf, cwd: &Path, source: io::Error) -> ProcessError {
    match source.kind() {
        _ if !cwd.is_dir() => {
            let text = format!("working directory {}: {source}", cwd.display());
            ProcessError::Spawn { program, source: io::Error::new(source.kind(), text) }
        }
        io::ErrorKind::NotFound => ProcessError::NotFound { program },
        io::ErrorKind::PermissionDenied => ProcessError::Denied { program },
        _ => ProcessError::Spawn { program, source },
    }
}

/// Sends orders one after the other. When there is nobody left to give any, the line is closed.
async fn write(line: Arc<UnixStream>, mut parcels: mpsc::UnboundedReceiver<Parcel>) {
    while let Some((bytes, mut fds)) = parcels.recv().await {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let sent = line.async_io(Interest::WRITABLE, || send(line.as_fd(), rest, &fds)).await;
            let Ok(sent) = sent else { return };
            // They have gone with the first byte.
            fds.clear();
            rest = &rest[sent..];
        }
    }
    // The reader holds the line as well, so that it is not closed by being dropped.
    let _ = nix::sys::socket::shutdown(
        std::os::fd::AsRawFd::as_raw_fd(&*line),
        nix::sys::socket::Shutdown::Write,
    );
}

/// Hands every word to whom it concerns, until the guard ends.
async fn read(
    line: Arc<UnixStream>,
    waiting: Arc<Mutex<Waiting>>,
    orders: mpsc::WeakUnboundedSender<Parcel>,
    mut process: std::process::Child,
) {
    let mut inbox = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while line.readable().await.is_ok() {
        match line.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => inbox.extend(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        }
        while let Ok(Some(word)) = Word::decode(&mut inbox) {
            if let Some(order) = lock(&waiting).hear(word)
                && let Some(orders) = orders.upgrade()
            {
                let _ = orders.send((order.encode(), Vec::new()));
            }
        }
    }
    *lock(&waiting) = Waiting { gone: true, ..Waiting::default() };
    // It closes the line by ending, so this does not wait.
    let _ = process.wait();
}

impl Waiting {
    /// What is to be ordered in return: the end of a child that nobody waits for any more.
    fn hear(&mut self, word: Word) -> Option<Order> {
        match word {
            Word::Ready => {
                let _ = self.ready.take()?.send(());
            }
            Word::Spawned { ticket, pid } => {
                if self.spawns.remove(&ticket)?.send(Ok(pid)).is_err() {
                    return Some(Order::End { ticket, grace_ms: 0 });
                }
            }
            Word::Failed { ticket, errno } => {
                self.exits.remove(&ticket);
                let _ = self.spawns.remove(&ticket)?.send(Err(errno));
            }
            Word::Exited { ticket, code, signal, strays } => {
                let _ = self.exits.remove(&ticket)?.send(Exit { code, signal, strays });
            }
            Word::Workers { question, strays } => {
                let _ = self.questions.remove(&question)?.send(strays);
            }
            Word::Closed { strays } => {
                let _ = self.closed.take()?.send(strays);
            }
        }
        None
    }
}

/// A running program. Dropping it kills the program and all that it has started.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    control: Control,
    stdin: Option<pipe::Sender>,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    exit: oneshot::Receiver<Exit>,
    ended: Option<Exit>,
    feeding: Option<JoinHandle<()>>,
}

impl Child {
    /// Its process id, which is the id of its process group too.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it reads from, once, if [`Stdin::Pipe`] was asked for. Dropping it is the end of its input.
    pub fn take_stdin(&mut self) -> Option<pipe::Sender> {
        self.stdin.take()
    }

    /// What it prints, once; for a thread that may block. It must be drained, or the child stops when the pipe is full.
    pub fn take_stdout(&mut self) -> Option<PipeReader> {
        self.stdout.take()
    }

    /// What it complains about, once; as with [`Child::take_stdout`].
    pub fn take_stderr(&mut self) -> Option<PipeReader> {
        self.stderr.take()
    }

    /// What ends it, for whoever needs to.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Waits until it and everything that it has started have ended. What outlives it is told to go with TERM, and
    /// killed after 200 ms, or when the grace of [`Control::end`] is over. May be given up and called again.
    pub async fn wait(&mut self) -> Exit {
        if let Some(exit) = &self.ended {
            return exit.clone();
        }
        let exit = (&mut self.exit).await.unwrap_or_default();
        self.ended = Some(exit.clone());
        exit
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.control.end(Duration::ZERO);
        }
        if let Some(feeding) = &self.feeding {
            feeding.abort();
        }
    }
}

/// What ends a child.
#[derive(Clone, Debug)]
pub struct Control {
    ticket: Ticket,
    office: Office,
}

impl Control {
    /// TERM to its group now, KILL to the group and to every descendant after `grace`; at once if that is zero. A second
    /// call can only make the grace shorter.
    pub fn end(&self, grace: Duration) {
        let grace_ms = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX);
        self.office.order(&Order::End { ticket: self.ticket, grace_ms }, Vec::new());
    }

    /// What it has started and what still lives. Nothing when the guard has gone.
    pub async fn workers(&self) -> Vec<Stray> {
        let (answer, answered) = oneshot::channel();
        let question = {
            let mut waiting = self.office.waiting();
            if waiting.gone {
                return Vec::new();
            }
            waiting.last += 1;
            let question = waiting.last;
            waiting.questions.insert(question, answer);
            question
        };
        self.office.order(&Order::Workers { ticket: self.ticket, question }, Vec::new());
        answered.await.unwrap_or_default()
    }
}
