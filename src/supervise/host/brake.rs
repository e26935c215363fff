//! Slows the agent down before the host runs out of memory: lowers `memory.high` of our own control group.
//!
//! Off by default, since a wrong brake is worse than none. It only ever lowers the limit, gives it back after quiet looks and
//! when the round ends, and where anything about it fails the round goes on without it. A run that is killed gives nothing
//! back; the one that goes on with it does, from the record: [`Brake::mend`].

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use nix::fcntl::OFlag;

use super::{MIB, Pressure, read, sampler};
use crate::event::{DefenseActed, RoundNumber};
use crate::profile::Host;

/// The limit, in the directory of the group; a message of what was done begins with it, the limit before, and ours.
const FILE: &str = "memory.high";
/// Looks in a row with pressure that engage it.
const ENGAGES: u32 = 3;
/// Looks in a row without that release it.
const RELEASES: u32 = 3;
/// A group that uses less is not what the host suffers from, bytes.
const LEAST_USE: u64 = 128 * MIB;
/// No limit below this, bytes.
const LEAST_LIMIT: u64 = 64 * MIB;
/// How long a look waits for the kernel to take memory back.
const PATIENCE: Duration = Duration::from_millis(50);

/// `memory.high` of one control group, for one round.
#[derive(Debug)]
pub struct Brake {
    leaf: PathBuf,
    /// Looks in a row with pressure.
    pressed: u32,
    /// Looks in a row without.
    quiet: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Free,
    Engaged(Engaged),
    /// Something about it failed, and it was said.
    Broken,
}

#[derive(Debug)]
struct Engaged {
    /// Locked, so that no other round in the same group brakes too and takes our limit for the one to give back.
    _lock: File,
    /// What the file held, as it stood there.
    previous: String,
    /// What we wrote, bytes.
    written: u64,
    /// The end of that write while it is out: the kernel may take memory back before it returns.
    pending: Option<Receiver<io::Result<()>>>,
}

/// What the brake has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Braked {
    /// It lowered the limit; in words.
    Engaged(String),
    /// It gave the limit back; in words.
    Released(String),
    /// It could not, and does not try again in this round; in words.
    Failed(String),
}

impl Braked {
    /// As an event of the defense with that name.
    pub fn event(self, defense: &str, round: RoundNumber) -> DefenseActed {
        let (action, message) = match self {
            Self::Engaged(message) => ("brake_engaged", message),
            Self::Released(message) => ("brake_released", message),
            Self::Failed(message) => ("brake_failed", message),
        };
        DefenseActed { defense: defense.to_owned(), action: action.to_owned(), message, round }
    }
}

impl Brake {
    /// For the control group with the directory `leaf`, which must be our own.
    pub fn new(leaf: &Path) -> Self {
        Self { leaf: leaf.to_owned(), pressed: 0, quiet: 0, state: State::Free }
    }

    /// Gives back what a run that died has left lowered; `engaged` is the event of it that [`Tally::brake`] keeps. A limit that
    /// is not the one that was written then is left alone, and so is everything while another round brakes in the group.
    ///
    /// [`Tally::brake`]: crate::event::Tally::brake
    pub fn mend(leaf: &Path, engaged: &DefenseActed) -> Option<Braked> {
        let mut words = engaged.message.strip_prefix(FILE)?.split_ascii_whitespace();
        let previous = words.next().filter(|word| *word == "max" || read::limit(word).is_some())?.to_owned();
        let written = words.nth(1).and_then(read::limit)?;
        let path = leaf.join(FILE);
        let undone = open(&path).and_then(|lock| {
            if lock.try_lock().is_err() {
                return Ok(None);
            }
            Engaged { _lock: lock, previous, written, pending: None }.undo(&path).map(Some)
        });
        match undone {
            Ok(done) => Some(Braked::Released(format!("left by a run that died; {}", done?))),
            Err(error) => {
                Some(Braked::Failed(format!("left by a run that died; {}: {error}", path.display())))
            }
        }
    }

    /// Whether the limit is lowered now.
    pub fn is_engaged(&self) -> bool {
        matches!(self.state, State::Engaged(_))
    }

    /// Takes a look in, which is to come once in each `settings.sample`. Does nothing unless `settings.brake` is set.
    pub fn look(&mut self, settings: &Host, pressure: &Pressure) -> Option<Braked> {
        if !settings.brake {
            return self.release("the brake is off");
        }
        if let Some(failed) = self.hear_of_work() {
            return Some(failed);
        }
        let Some(signal) = pressure.signal() else {
            self.pressed = 0;
            self.quiet = self.quiet.saturating_add(1);
            return if self.quiet >= RELEASES { self.release("three quiet looks") } else { None };
        };
        self.quiet = 0;
        self.pressed = self.pressed.saturating_add(1);
        if self.pressed < ENGAGES || !matches!(self.state, State::Free) {
            return None;
        }
        match self.engage(settings.brake_step_pct) {
            Ok(done) => done.map(|done| Braked::Engaged(format!("{done}: {}", signal.message))),
            Err(error) => Some(self.broken(&error)),
        }
    }

    /// Gives the limit back, as at the end of a round. A limit that somebody else has set meanwhile is left as it is.
    pub fn release(&mut self, why: &str) -> Option<Braked> {
        let engaged = match std::mem::replace(&mut self.state, State::Free) {
            State::Engaged(engaged) => engaged,
            other => {
                self.state = other;
                return None;
            }
        };
        self.pressed = 0;
        match engaged.undo(&self.high()) {
            Ok(done) => Some(Braked::Released(format!("{why}; {done}"))),
            Err(error) => Some(self.broken(&error)),
        }
    }

    fn high(&self) -> PathBuf {
        self.leaf.join(FILE)
    }

    fn broken(&mut self, error: &io::Error) -> Braked {
        self.state = State::Broken;
        Braked::Failed(format!("{}: {error}; the round goes on without the brake", self.high().display()))
    }

    /// What was done, in words; nothing, where a brake would be of no use.
    fn engage(&mut self, step: u32) -> io::Result<Option<String>> {
        let path = self.high();
        let current = bytes(&self.leaf.join("memory.current"))?;
        if current < LEAST_USE {
            return Ok(None);
        }
        let part = u64::from(100_u32.saturating_sub(step));
        let page = sampler::page().max(1);
        // A whole number of pages, as the kernel keeps it, so that we know our limit again.
        let wanted = (current / 100 * part).max(LEAST_LIMIT) / page * page;
        let lock = open(&path)?;
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        let previous = read::text(&path).unwrap_or_default().trim().to_owned();
        match read::limit(&previous) {
            Some(limit) if limit <= wanted => return Ok(None),
            None if previous != "max" => return Err(io::Error::other("it holds neither a number nor `max`")),
            _ => {}
        }
        let (done, end) = mpsc::channel();
        let (file, text) = (path, wanted.to_string());
        std::thread::Builder::new().name(FILE.to_owned()).spawn(move || {
            // Nobody listens when the round has ended meanwhile.
            let _ = done.send(write(&file, &text));
        })?;
        let pending = match end.recv_timeout(PATIENCE) {
            Ok(result) => result.map(|()| None)?,
            Err(RecvTimeoutError::Timeout) => Some(end),
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the write was cut short")),
        };
        let done = format!("{FILE} {previous} -> {wanted} at {} MiB in use", current / MIB);
        self.state = State::Engaged(Engaged { _lock: lock, previous, written: wanted, pending });
        Ok(Some(done))
    }

    /// What the write has come to, where that is bad news.
    fn hear_of_work(&mut self) -> Option<Braked> {
        let State::Engaged(engaged) = &mut self.state else { return None };
        let error = match engaged.pending.as_ref()?.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Ok(Ok(())) => {
                engaged.pending = None;
                return None;
            }
            Ok(Err(error)) => error,
            Err(TryRecvError::Disconnected) => io::Error::other("the write was cut short"),
        };
        // The limit may stand all the same.
        self.release("");
        Some(self.broken(&error))
    }
}

impl Engaged {
    /// Gives the limit back; says what was done.
    fn undo(self, path: &Path) -> io::Result<String> {
        let holds_ours = || read::text(path).as_deref().and_then(read::limit) == Some(self.written);
        // The limit stands as soon as the write begins. One that has not begun would undo what we do now.
        if let Some(end) = self.pending.as_ref().filter(|_| !holds_ours()) {
            let _ = end.recv();
        }
        if !holds_ours() {
            return Ok(format!("{FILE} is no longer what was written, and is left as it is"));
        }
        write(path, &self.previous)?;
        Ok(format!("{FILE} is {} again", self.previous))
    }
}

impl Drop for Brake {
    fn drop(&mut self) {
        self.release("the round has ended");
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn bytes(path: &Path) -> io::Result<u64> {
    read::text(path)
        .as_deref()
        .and_then(read::limit)
        .ok_or_else(|| io::Error::other(format!("{} holds no number", path.display())))
}

/// In one write, as the kernel wants it. Newer kernels do not take memory back before they return when the file does not
/// block; older ones do.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?
        .write_all(text.as_bytes())
}
