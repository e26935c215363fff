//! Why git could not do what was asked of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::process::ProcessError;

/// Why git could not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// It did not end in time, and was ended.
    #[error("`{call}` did not end within {bound:?}")]
    TimedOut {
        /// What was called: `git stash`.
        call: String,
        /// What it was given.
        bound: Duration,
        /// The index lock that it left behind, and that was removed.
        lock_removed: Option<PathBuf>,
    },
    /// Another git holds the index, or one that was killed has left its lock.
    #[error(
        "{} is held: another git is at work here, or one that was killed has left it; remove it when no git runs",
        path.display()
    )]
    Locked {
        /// The lock; it is not ours, and is left alone.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("`{call}` found no space left on the disk: {said}")]
    DiskFull {
        /// What was called.
        call: String,
        /// What git said.
        said: String,
    },
    /// There is no git.
    #[error("git is not on the PATH; install it, or set `workspace.dirty = \"ignore\"`")]
    NoGit,
    /// It could not be started.
    #[error("git does not start: {0}")]
    Start(#[source] ProcessError),
    /// It refused.
    #[error("`{call}` failed{}: {said}", code.map_or_else(String::new, |code| format!(" with exit code {code}")))]
    Refused {
        /// What was called.
        call: String,
        /// What it returned; `None` when a signal ended it.
        code: Option<i32>,
        /// What it said, the end of it.
        said: String,
    },
}

impl TreeError {
    /// Whether it is the environment, which may mend by itself: the same call can go well a while later, and no round is to
    /// be counted for it. What git refuses for a reason of its own is not.
    pub fn is_environmental(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Locked { .. } | Self::DiskFull { .. } | Self::Start(_) => true,
            Self::NoGit | Self::Refused { .. } => false,
        }
    }

    /// The index lock that our own git had left, and that was removed.
    pub fn lock_removed(&self) -> Option<String> {
        match self {
            Self::TimedOut { lock_removed, .. } => {
                lock_removed.as_ref().map(|path| path.display().to_string())
            }
            _ => None,
        }
    }
}
