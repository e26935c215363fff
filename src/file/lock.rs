//! One writer at a time. The lock is on an open file and goes with its process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::redact_shapes;

/// A reader that asks whether a lock is held must hold it for an instant itself; a writer outwaits that.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// Takes the exclusive lock of an open file; false means that somebody else holds it.
pub fn try_lock(file: &File) -> io::Result<bool> {
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether somebody holds the exclusive lock of the file; a file that is not there is locked by nobody.
///
/// Several may ask at the same time without seeing each other: asking takes the shared lock only.
pub fn is_locked(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// As much of a holder's command line is kept, characters.
const LONGEST_COMMAND: usize = 80;
/// What is longer is no record of a holder.
const LONGEST_RECORD: u64 = 4096;

/// Who holds a lock, as its file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Since when.
    pub started_at: Timestamp,
    /// Its command line, at most 80 characters.
    pub command: String,
}

/// A lock that is held until this is dropped, or the process ends in whichever way.
#[derive(Debug)]
pub struct Held {
    file: File,
}

/// Why a lock is not held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Somebody else holds it.
    #[error("{} is held by {}", path.display(), describe(holder.as_ref(), *now))]
    Held {
        /// The file.
        path: PathBuf,
        /// Who; `None` when its record cannot be read.
        holder: Option<Holder>,
        /// When it was asked for.
        now: Timestamp,
    },
    /// The file cannot be opened or locked.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// `process 123 for 2h 3m (provost supervise -p x.toml)`.
fn describe(holder: Option<&Holder>, now: Timestamp) -> String {
    let Some(holder) = holder else {
        return "another process, whose record in it cannot be read".to_owned();
    };
    let Holder { pid, started_at, command } = holder;
    let age = SignedDuration::from_secs(now.duration_since(*started_at).as_secs().max(0));
    let seen = if lives(*pid) { "" } else { ", which is not to be seen from here," };
    format!("process {pid}{seen} for {age:#} ({command})")
}

/// Whether there is such a process, as far as we may see.
fn lives(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH)
}

/// Holds the lock of `path`, which is made when it is not there, and writes into it who we are. What an earlier holder has
/// written is no obstacle: only the lock counts, and that has gone with its process.
///
/// `command` is our command line, without secret values; what looks like a key is taken out of it here.
///
/// # Errors
///
/// [`HoldError::Held`] when somebody else holds it, and otherwise why it cannot be had.
pub fn hold(path: &Path, command: &str, now: Timestamp) -> Result<Held, HoldError> {
    let failed = |source| HoldError::Io { path: path.to_owned(), source };
    let mut open = OpenOptions::new();
    let open = open.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = open.open(path).map_err(failed)?;
    if !try_lock(&file).map_err(failed)? {
        return Err(HoldError::Held { path: path.to_owned(), holder: record(path), now });
    }
    let holder = Holder { pid: std::process::id(), started_at: now, command: shortened(command) };
    // The lock is what counts; on a full disk nobody can be told who has it.
    let _ = write(&file, &holder);
    Ok(Held { file })
}

/// In place, since the lock is on this very file; the old record goes first, so that no mixture can be read.
fn write(mut file: &File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    let mut text = serde_json::to_vec(holder)?;
    text.push(b'\n');
    file.write_all(&text)
}

/// The record of who holds the lock. Who has just taken it has not written one yet, or another's is still there.
fn record(path: &Path) -> Option<Holder> {
    let mut found = None;
    for _ in 0..TRIES {
        found = read(path).or(found);
        if found.as_ref().is_some_and(|holder| lives(holder.pid)) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    found
}

fn read(path: &Path) -> Option<Holder> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(LONGEST_RECORD).read_to_end(&mut text).ok()?;
    let holder: Holder = serde_json::from_slice(&text).ok()?;
    // Whoever wrote it may be another program.
    Some(Holder { command: shortened(&holder.command), ..holder })
}

/// One line of it, without what looks like a key. Both before it is cut: half a key looks like nothing.
fn shortened(command: &str) -> String {
    let command = redact_shapes(command);
    let line = command.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(LONGEST_COMMAND).collect()
}

impl Drop for Held {
    fn drop(&mut self) {
        // Nobody is named any more who does not hold it.
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_lock_that_is_held_names_its_holder_and_is_free_when_that_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held =
            hold(&path, "provost supervise\n--set key=sk-ant-api03-0123456789abcdefghij0123456789", at(100))
                .unwrap();
        let error = hold(&path, "another", at(7_300)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("held by process {} for 2h", std::process::id())), "{text}");
        assert!(text.contains("provost supervise --set key="), "{text}");
        assert!(!text.contains("0123456789abcdefghij"), "{text}");
        // A clock that was set back makes nobody younger than nothing.
        assert!(hold(&path, "another", at(1)).unwrap_err().to_string().contains("for 0s"));
        drop(held);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        hold(&path, "another", at(101)).unwrap();
    }

    #[test]
    fn what_a_dead_holder_has_written_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let long = "x".repeat(5_000);
        for stale in [
            r#"{"pid":4194303,"started_at":"2026-01-01T00:00:00Z","command":"provost supervise"}"#,
            // Its id belongs to somebody else now.
            &format!(r#"{{"pid":{},"started_at":"2026-01-01T00:00:00Z","command":"x"}}"#, std::process::id()),
            "{\"pid\":true}",
            "half a rec",
            &long,
            "",
        ] {
            crate::file::write_atomic_unsynced(&path, stale.as_bytes()).unwrap();
            let held = hold(&path, "mine", at(5)).unwrap();
            assert_eq!(read(&path).unwrap().command, "mine", "{stale}");
            drop(held);
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_or_names_nobody_is_said_to_be_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let file = File::create(&path).unwrap();
        assert!(try_lock(&file).unwrap());
        let refused = || hold(&path, "mine", at(5)).unwrap_err().to_string();
        assert!(refused().contains("whose record in it cannot be read"), "{}", refused());
        (&file)
            .write_all(br#"{"pid":4194303,"started_at":"1970-01-01T00:00:00Z","command":"gone"}"#)
            .unwrap();
        assert!(
            refused().contains("process 4194303, which is not to be seen from here, for 5s (gone)"),
            "{}",
            refused()
        );
    }

    #[test]
    fn of_a_long_command_the_beginning_is_kept() {
        assert_eq!(shortened(&"é".repeat(200)).chars().count(), LONGEST_COMMAND);
        assert_eq!(shortened("a\u{1b}[31m"), "a [31m");
    }

    #[test]
    fn is_held_until_the_file_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(!is_locked(&path).unwrap());
        let first = File::create(&path).unwrap();
        assert!(try_lock(&first).unwrap());
        assert!(is_locked(&path).unwrap());
        let second = File::open(&path).unwrap();
        assert!(!try_lock(&second).unwrap());
        drop(first);
        assert!(!is_locked(&path).unwrap());
        assert!(try_lock(&second).unwrap());
    }

    #[test]
    fn a_glance_does_not_stop_a_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        reader.try_lock_shared().unwrap();
        let glance = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(10));
            drop(reader);
        });
        assert!(try_lock(&writer).unwrap());
        glance.join().unwrap();
    }
}
