//! The body of the guard process: one thread, one `poll`, and no allocation worth the name while nothing happens.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, setsid};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::Stray;
use super::census::{Census, Leader, MARKER, Memory, everyone, marked};
use super::frame::{Order, Ticket, Word};
use super::line::Line;
use super::ward::{KILL_AGAIN, Ward, identity};

/// The body of the guard process: serves its parent until the line between them closes, then ends everything below it.
pub fn guard() -> ExitCode {
    let Ok(mut keeper) = Keeper::new() else { return ExitCode::FAILURE };
    let served = keeper.serve();
    // However the service ended, nothing is left behind.
    keeper.close();
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Keeper {
    line: Line,
    deaths: UnixStream,
    wards: Vec<Ward>,
    memory: Memory,
    /// Tells our children from those of another guard.
    nonce: String,
    me: Pid,
    /// The kernel says that there is nobody below us, so nobody need be looked for.
    childless: bool,
}

impl Keeper {
    fn new() -> io::Result<Self> {
        let line = Line::inherited()?;
        // A session of its own, so that Ctrl-C in the terminal does not reach it. It fails for a group leader, and a
        // guard that is one is not in the terminal's foreground group either.
        let _ = setsid();
        #[cfg(target_os = "linux")]
        {
            nix::sys::prctl::set_child_subreaper(true)?;
            nix::sys::prctl::set_name(c"provost-guard")?;
        }
        // Handlers that do nothing instead of ignoring: an ignored signal would stay ignored in every child.
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        let (deaths, bell) = UnixStream::pair()?;
        deaths.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, bell)?;
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let (wards, memory) = (Vec::new(), Memory::new());
        Ok(Self { line, deaths, wards, memory, nonce, me: getpid(), childless: true })
    }

    /// Until provost wants the end, or has come to its own.
    fn serve(&mut self) -> io::Result<()> {
        self.line.say(&Word::Ready);
        loop {
            self.line.flush();
            let due = self.wards.iter().filter_map(Ward::deadline).min();
            let (ordered, died) = self.listen(due)?;
            if died {
                self.reap();
            }
            if ordered {
                let mut open = self.line.read();
                loop {
                    match self.line.order() {
                        Ok(Some((Order::Close, _))) => open = false,
                        Ok(Some((order, fds))) => self.obey(order, fds),
                        Ok(None) => break,
                        // Whoever talks nonsense is not provost, or not for long.
                        Err(_) => {
                            open = false;
                            break;
                        }
                    }
                }
                if !open {
                    return Ok(());
                }
            }
            self.tend(died);
        }
    }

    /// Sleeps until there is an order, a death, or something due.
    fn listen(&mut self, due: Option<Instant>) -> io::Result<(bool, bool)> {
        let timeout = due.map_or(PollTimeout::NONE, |due| {
            // Rounded up: a timeout of zero would spin until the last millisecond is over.
            let left = due.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        let mut wanted = PollFlags::POLLIN;
        wanted.set(PollFlags::POLLOUT, self.line.is_full());
        let mut fds =
            [PollFd::new(self.line.fd(), wanted), PollFd::new(self.deaths.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready =
            |fd: &PollFd<'_>| fd.revents().is_some_and(|flags| !(flags - PollFlags::POLLOUT).is_empty());
        let (ordered, died) = (ready(&fds[0]), ready(&fds[1]));
        if died {
            let mut bin = [0; 256];
            while matches!((&self.deaths).read(&mut bin), Ok(1..)) {}
        }
        Ok((ordered, died))
    }

    fn reap(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => {
                    self.wards.iter_mut().for_each(|ward| ward.reaped(pid, Some(code), None));
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    self.wards.iter_mut().for_each(|ward| ward.reaped(pid, None, Some(signal as i32)));
                }
                Ok(WaitStatus::StillAlive) => {
                    self.childless = false;
                    return;
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => {
                    self.childless = true;
                    return;
                }
            }
        }
    }

    fn obey(&mut self, order: Order, fds: Vec<OwnedFd>) {
        match order {
            Order::Spawn { ticket, program, args, env, cwd } => {
                #[expect(clippy::disallowed_methods, reason = "this is where children are spawned")]
                let mut command = Command::new(program);
                command.args(args).env_clear().envs(env).current_dir(cwd);
                match self.spawn(ticket, command, fds) {
                    Ok(pid) => self.line.say(&Word::Spawned { ticket, pid: pid.as_raw().cast_unsigned() }),
                    Err(error) => {
                        let errno = error.raw_os_error().unwrap_or(Errno::EINVAL as i32);
                        self.line.say(&Word::Failed { ticket, errno });
                    }
                }
            }
            Order::End { ticket, grace_ms } => {
                if self.wards.iter().any(|ward| ward.ticket == ticket) {
                    // While the leader lives, its descendants can still be told by their ancestors.
                    self.census();
                }
                let (grace, now) = (Duration::from_millis(grace_ms.into()), Instant::now());
                self.wards
                    .iter_mut()
                    .filter(|ward| ward.ticket == ticket)
                    .for_each(|ward| ward.end(grace, now));
            }
            Order::Workers { ticket, question } => {
                let census = self.census();
                let leader = self.wards.iter().map(Ward::leader).find(|leader| leader.ticket == ticket);
                let beings = leader.map(|leader| census.of(leader)).unwrap_or_default();
                let strays = beings.iter().map(super::census::Being::stray).collect();
                self.line.say(&Word::Workers { question, strays });
            }
            Order::Close => {}
        }
    }

    fn spawn(&mut self, ticket: Ticket, mut command: Command, fds: Vec<OwnedFd>) -> io::Result<Pid> {
        let mut ends = fds.into_iter().map(Stdio::from);
        let mut end = || ends.next().unwrap_or_else(Stdio::null);
        command.stdin(end()).stdout(end()).stderr(end()).process_group(0);
        command.env(MARKER, OsString::from(format!("{}.{ticket}", self.nonce)));
        #[cfg(target_os = "linux")]
        {
            let me = self.me;
            #[expect(
                unsafe_code,
                reason = "between fork and exec only; two system calls, nothing is allocated"
            )]
            unsafe {
                command.pre_exec(move || {
                    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                    // The guard may have died before the line above, and then nobody would ever send the signal.
                    if nix::unistd::getppid() == me { Ok(()) } else { Err(Errno::ESRCH.into()) }
                });
            }
        }
        let child = command.spawn()?;
        let pid = Pid::from_raw(child.id().cast_signed());
        self.wards.push(Ward::new(ticket, pid));
        self.childless = false;
        Ok(pid)
    }

    fn census(&mut self) -> Census {
        if self.childless {
            return Census::default();
        }
        let leaders: Vec<Leader> = self.wards.iter().map(Ward::leader).collect();
        let nonce = &self.nonce;
        let beings = everyone().unwrap_or_default();
        Census::sort(&beings, self.me.as_raw(), &leaders, &mut self.memory, |pid| marked(pid, nonce))
    }

    fn tend(&mut self, deaths: bool) {
        let now = Instant::now();
        if !self.wards.iter().any(|ward| ward.is_restless(deaths, now)) {
            return;
        }
        let census = self.census();
        let mut finished = HashSet::new();
        for ward in self.wards.iter_mut().filter(|ward| ward.is_restless(deaths, now)) {
            if let Some(word) = ward.tend(&census, now) {
                self.line.say(&word);
                finished.insert(ward.ticket);
            }
        }
        if !finished.is_empty() {
            self.wards.retain(|ward| !finished.contains(&ward.ticket));
            self.memory.retain(|_, ticket| !finished.contains(ticket));
        }
    }

    /// Ends everything below us, without grace, and says so if anybody still listens.
    fn close(&mut self) {
        let mut strays: BTreeMap<(i32, u64), Stray> = BTreeMap::new();
        let mut beyond_reach = HashSet::new();
        loop {
            self.reap();
            if self.childless {
                break;
            }
            let census = self.census();
            self.wards.iter().for_each(Ward::kill_group);
            let mut within_reach = false;
            for being in census.living() {
                strays.entry(identity(being)).or_insert_with(|| being.stray());
                if kill(Pid::from_raw(being.pid), Signal::SIGKILL) == Err(Errno::EPERM) {
                    beyond_reach.insert(identity(being));
                }
                within_reach |= !beyond_reach.contains(&identity(being));
            }
            let leaders = self.wards.iter().any(|ward| ward.leader().alive);
            // What is left belongs to somebody else, or cannot be seen. Otherwise there are deaths still to come.
            if !within_reach && !leaders && (!beyond_reach.is_empty() || everyone().is_none()) {
                break;
            }
            if self.pause().is_err() {
                break;
            }
        }
        for ward in std::mem::take(&mut self.wards) {
            self.line.say(&ward.last_word());
        }
        self.line.say(&Word::Closed { strays: strays.into_values().collect() });
        self.line.finish();
    }

    /// Waits for the next death, or until it is time to kill again.
    fn pause(&mut self) -> io::Result<()> {
        let timeout = PollTimeout::try_from(KILL_AGAIN).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(self.deaths.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bin = [0; 256];
        while matches!((&self.deaths).read(&mut bin), Ok(1..)) {}
        Ok(())
    }
}
