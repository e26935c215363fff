//! A server of our own: started, found and ended.
//!
//! **Invariant: it is reachable from this machine only, with a password that is made for it and stands nowhere.** It is
//! started through the guard, so that it does not outlive the run, however the run ends.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::api::{Api, Credentials, address};
use crate::backend::agent::LineSplitter;
use crate::event::{AgentExited, ExitCause, Failure, FaultClass, FaultScope};
use crate::fault::{self, Facts, Origin};
use crate::file::{Secrets, Veil};
use crate::process::{Control, Exit, Guard, Spec, Stdin};

/// How long it may take to listen; a cold start on a busy machine is slow.
const START: Duration = Duration::from_mins(2);
/// How much of the end of its output is kept for a verdict, bytes.
const TAIL: usize = 8 * 1024;
/// What it prints in front of its address.
const LISTENING: &str = "listening on ";
/// The variable that it takes its password from.
pub(super) const PASSWORD: &str = "OPENCODE_SERVER_PASSWORD";
/// The variable that it takes its user's name from.
const USERNAME: &str = "OPENCODE_SERVER_USERNAME";

/// What a server is started from.
pub(super) struct Recipe {
    pub(super) program: PathBuf,
    /// In front of `serve`.
    pub(super) prefix: Vec<OsString>,
    /// Behind our own arguments.
    pub(super) args: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) grace: Duration,
    pub(super) guard: Guard,
    pub(super) secrets: Arc<Secrets>,
}

/// A server and how to talk to it.
pub(super) struct Server {
    pub(super) api: Arc<Api>,
    pub(super) running: Arc<Running>,
}

/// A server that was started and has not said yet where it listens.
pub(super) struct Starting {
    pub(super) running: Arc<Running>,
    told: oneshot::Receiver<String>,
    credentials: Credentials,
    directory: Option<String>,
    own: Secrets,
}

/// Its process. Dropping it ends it.
pub(super) struct Running {
    pub(super) pid: u32,
    control: Control,
    grace: Duration,
    exit: watch::Receiver<Option<Exit>>,
    tail: Arc<Mutex<Vec<u8>>>,
    started: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.control.end(self.grace);
    }
}

impl Recipe {
    /// Starts one that works in `workspace` and writes its output to `log`, and beside it what it complains about.
    ///
    /// # Errors
    ///
    /// Why there is no process.
    pub(super) async fn start(&self, workspace: &Path, log: &Path) -> Result<Starting, Failure> {
        let password = uuid::Uuid::new_v4().simple().to_string();
        let own = Secrets::new([(PASSWORD.to_owned(), password.clone())]);
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| name != PASSWORD && name != USERNAME);
        environment.push((PASSWORD.into(), password.clone().into()));
        let mut args = self.prefix.clone();
        // Port 0 is its usual one where that is free, and else any.
        args.extend(["serve", "--hostname", "127.0.0.1", "--port", "0"].map(OsString::from));
        args.extend(self.args.iter().cloned());
        let spec = Spec {
            program: self.program.clone(),
            args,
            env: environment,
            cwd: workspace.to_owned(),
            stdin: Stdin::default(),
        };
        let spawned = self.guard.spawn(spec).await;
        let mut child =
            spawned.map_err(|error| local(format!("the opencode server did not start: {error}")))?;
        let tail = Arc::new(Mutex::new(Vec::new()));
        let (tell, told) = oneshot::channel();
        let drain = |path: PathBuf| Drain {
            veils: [Veil::new(&self.secrets), Veil::new(&own)],
            log: path,
            tail: Arc::clone(&tail),
        };
        if let Some(pipe) = child.take_stdout() {
            let drain = drain(log.to_owned());
            std::thread::spawn(move || drain.read(pipe, Some(tell)));
        }
        if let Some(pipe) = child.take_stderr() {
            let drain = drain(log.with_extension("err"));
            std::thread::spawn(move || drain.read(pipe, None));
        }
        let (pid, control, started) = (child.pid(), child.control(), Instant::now());
        let (gone, exit) = watch::channel(None);
        tokio::spawn(async move {
            let _ = gone.send(Some(child.wait().await));
        });
        Ok(Starting {
            running: Arc::new(Running { pid, control, grace: self.grace, exit, tail, started }),
            told,
            credentials: Credentials { username: "opencode".to_owned(), password },
            directory: workspace.to_str().map(str::to_owned),
            own,
        })
    }
}

impl Starting {
    /// Waits until it listens.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub(super) async fn listens(mut self) -> Result<Server, Failure> {
        let url = tokio::select! {
            biased;
            url = &mut self.told => url.ok(),
            _ = self.running.gone() => None,
            () = tokio::time::sleep(START) => {
                return Err(local(format!("the opencode server does not listen after {START:?}")));
            }
        };
        let Some(url) = url else {
            self.running.gone().await;
            return Err(self.running.crashed(false));
        };
        let base = address(&url)
            .ok_or_else(|| local(format!("the opencode server listens on `{url}`, which is no address")))?;
        let api = Api::new(base, Some(self.credentials), self.directory, self.own).map_err(local)?;
        Ok(Server { api: Arc::new(api), running: self.running })
    }
}

impl Running {
    /// Waits for its end.
    pub(super) async fn gone(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or_default(),
            Err(_) => Exit::default(),
        }
    }

    /// Whether it has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// What it failed of, by its last words.
    pub(super) fn crashed(&self, emitted_output: bool) -> Failure {
        let exit = self.exit.borrow().clone().unwrap_or_default();
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&tail);
        let text = match said.trim() {
            "" => "the opencode server has ended".to_owned(),
            said => format!("the opencode server has ended: {said}"),
        };
        let facts = Facts::new(Origin::Opencode, &text);
        // An end without a word is a crash, also one with exit code 0.
        let code = exit.code.filter(|code| *code != 0).or((exit.signal.is_none()).then_some(1));
        fault::classify(&Facts { exit_code: code, signal: exit.signal, emitted_output, ..facts })
    }

    /// Ends it and all that it has started, and waits until that has happened.
    pub(super) async fn end(&self, grace: Duration) {
        self.control.end(grace);
        self.gone().await;
    }

    /// Its end, as it is reported.
    pub(super) fn exited(&self, asked: bool) -> AgentExited {
        let exit = self.exit.borrow().clone().unwrap_or_default();
        let cause = match (asked, exit.signal, exit.code) {
            (true, ..) => ExitCause::Stopped,
            (false, Some(_), _) => ExitCause::Signal,
            (false, None, Some(0)) => ExitCause::Clean,
            (false, None, _) => ExitCause::Error,
        };
        AgentExited {
            code: exit.code,
            signal: exit.signal,
            cause,
            duration_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            transcript_bytes: 0,
            strays: exit.strays.iter().map(|stray| format!("{} ({})", stray.name, stray.pid)).collect(),
            redacted: 0,
        }
    }
}

fn local(text: String) -> Failure {
    Failure { scope: FaultScope::Local, ..Failure::ours(FaultClass::ConfigMissing, text) }
}

/// Keeps what a server prints.
struct Drain {
    veils: [Veil; 2],
    log: PathBuf,
    tail: Arc<Mutex<Vec<u8>>>,
}

impl Drain {
    /// Reads to the end, whatever happens on the way: the server must never block on a full pipe. Tells the address that
    /// it prints.
    fn read(mut self, mut pipe: impl Read, mut tell: Option<oneshot::Sender<String>>) {
        let mut chunk = vec![0; 64 * 1024];
        let mut lines = LineSplitter::with_limit(64 * 1024);
        let mut file: Option<File> = None;
        loop {
            let read = match pipe.read(&mut chunk) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.unwrap_or(0),
            };
            lines.push(&chunk[..read], |line| {
                if let Some(url) = listens(line.bytes)
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(url);
                }
            });
            let clear = self.clear(&chunk[..read], read == 0);
            if !clear.is_empty() {
                if file.is_none() {
                    file = OpenOptions::new().create(true).append(true).open(&self.log).ok();
                }
                // What cannot be written is lost; the server goes on.
                let _ = file.as_mut().map(|file| file.write_all(&clear));
                let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
                tail.extend_from_slice(&clear);
                let over = tail.len().saturating_sub(TAIL);
                tail.drain(..over);
            }
            if read == 0 {
                return;
            }
        }
    }

    /// Takes both kinds of secrets out: those of the profile, and the server's own.
    fn clear(&mut self, piece: &[u8], end: bool) -> Vec<u8> {
        let [first, second] = &mut self.veils;
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        first.push(piece, &mut once);
        if end {
            first.finish(&mut once);
        }
        second.push(&once, &mut twice);
        if end {
            second.finish(&mut twice);
        }
        twice
    }
}

/// The address in a line that names one.
fn listens(line: &[u8]) -> Option<String> {
    let line = str::from_utf8(line).ok()?;
    let (_, url) = line.split_once(LISTENING)?;
    let url = url.split_whitespace().next()?;
    url.starts_with("http").then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_names_it() {
        let url = |line: &str| listens(line.as_bytes());
        assert_eq!(
            url("opencode server listening on http://127.0.0.1:4096").as_deref(),
            Some("http://127.0.0.1:4096")
        );
        assert_eq!(url("listening on http://[::1]:5 (pid 3)").as_deref(), Some("http://[::1]:5"));
        for none in ["", "listening on", "listening on ", "listening on port 3", "Warning: no password"] {
            assert_eq!(url(none), None, "{none}");
        }
    }

    #[test]
    fn both_kinds_of_secrets_are_taken_out_wherever_the_output_is_cut() {
        let text = b"a profile-key b server-password c";
        for cut in 0..=text.len() {
            let secret =
                |name: &str, value: &str| Veil::new(&Secrets::new([(name.to_owned(), value.to_owned())]));
            let mut drain = Drain {
                veils: [secret("A", "profile-key"), secret("B", "server-password")],
                log: PathBuf::new(),
                tail: Arc::default(),
            };
            let mut clear = drain.clear(&text[..cut], false);
            clear.extend(drain.clear(&text[cut..], false));
            clear.extend(drain.clear(b"", true));
            assert_eq!(String::from_utf8(clear).unwrap(), "a [secret:A] b [secret:B] c", "cut at {cut}");
        }
    }
}
