//! Child processes as actors, and the guard that outlives us.
//!
//! **Invariant: nothing is left behind.** Whatever was started here is waited for and its end reported, with all that it
//! started itself; no other room spawns a process.
//!
//! One [`Guard`] serves a whole run: `provost guard`, a small single-threaded process of its own session that starts
//! the children, reaps them, and knows everything they leave behind. A child is an actor: [`Child::wait`] hears its one
//! [`Exit`], [`Control`] tells it to end, and its output is drained by whoever took the pipes.
//!
//! What holds, on Linux:
//!
//! - The guard is the *child subreaper*: whatever a child starts stays below the guard, also when it calls `setsid` or
//!   forks twice. [`Child::wait`] returns only when the child and everything below it have ended.
//! - When provost dies, by SIGKILL too, the line to the guard closes and the guard kills all that is below it.
//! - When the guard dies, the direct children die with it (parent death signal). If guard *and* provost are killed with
//!   SIGKILL, only those direct children die; what they had started lives on.
//! - A process that has become another user's, through a set-user-id program, cannot be killed. It is reported and not
//!   waited for.
//! - When several children run at once, a descendant is known by its ancestors, its process group, or the variable
//!   `PROVOST_CHILD` in its environment. One that has shed all three belongs to the child that runs last.
//!
//! Elsewhere (macOS) there is neither a subreaper nor `/proc`: process groups are ended as a whole, and what has left
//! its group is not found.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

mod birth;
mod census;
mod footprint;
mod frame;
mod handle;
mod keeper;
mod line;
mod ward;

pub use birth::{birth, world};
pub use footprint::give_back_code;
pub use handle::{Child, Control, Guard};
pub use keeper::guard;

/// A program to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// What to run; a bare name is looked up in the `PATH` of [`Spec::env`].
    pub program: PathBuf,
    /// Its arguments, without the program itself.
    pub args: Vec<OsString>,
    /// Its whole environment; nothing is inherited. `PROVOST_CHILD` is added.
    pub env: Vec<(OsString, OsString)>,
    /// Where it works.
    pub cwd: PathBuf,
    /// What it can read.
    pub stdin: Stdin,
}

/// A child's standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// These bytes, and then its end. A child that never reads them blocks nobody; none mean `/dev/null`.
    Bytes(Vec<u8>),
    /// A pipe that stays open: [`Child::take_stdin`].
    Pipe,
}

impl Default for Stdin {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

/// How a child ended. Without code and signal, the guard died first and nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// What it returned.
    pub code: Option<i32>,
    /// What killed it.
    pub signal: Option<i32>,
    /// What outlived it and had to be ended: everything it left behind after an exit of its own; after
    /// [`Control::end`], what was outside its process group or did not heed TERM when it did.
    pub strays: Vec<Stray>,
}

/// A process that a child started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its process id.
    pub pid: u32,
    /// Its short name, as the kernel knows it.
    pub name: String,
}

/// Why a child does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program, or its interpreter is missing.
    #[error("program {} not found", program.display())]
    NotFound {
        /// What was asked for.
        program: PathBuf,
    },
    /// The program may not be executed.
    #[error("program {} may not be executed", program.display())]
    Denied {
        /// What was asked for.
        program: PathBuf,
    },
    /// Anything else that goes wrong when a program starts.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// What was asked for.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The guard cannot be started.
    #[error("cannot start the guard process")]
    Guard {
        /// What the system says.
        source: io::Error,
    },
    /// The guard has ended before us.
    #[error("the guard process has gone")]
    GuardGone,
}
