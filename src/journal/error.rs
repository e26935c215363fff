//! What can be wrong with a run directory.

use std::io;
use std::path::{Path, PathBuf};

use super::Version;

/// Names the thing and the path, so that a person can go and look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The disk said no.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A new run needs a directory of its own.
    #[error("{} is not empty; a new run needs a directory of its own", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// There is neither a manifest nor a journal.
    #[error("{} is not a run directory: no manifest.json and no journal.jsonl", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// There is no run at all.
    #[error("no run under {}", root.display())]
    NoRun {
        /// Where runs were looked for.
        root: PathBuf,
    },
    /// No run goes by that name.
    #[error("no run `{text}` under {}", root.display())]
    UnknownRun {
        /// What was asked for.
        text: String,
        /// Where runs were looked for.
        root: PathBuf,
    },
    /// More than one run goes by that name.
    #[error("`{text}` could be any of {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// Some of those it could be.
        candidates: Vec<String>,
    },
    /// Written in a format that this provost cannot read.
    #[error("{} has format {found}; this provost reads {ours} and needs to be updated", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: Version,
        /// The version that is written here.
        ours: Version,
    },
    /// Written by a newer provost: readable, but what is not understood must not be continued.
    #[error("{} has format {found}, newer than {ours}: it can be read but not appended to", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: Version,
        /// The version that is written here.
        ours: Version,
    },
    /// Somebody else holds the lock.
    #[error("{} is being written by another provost", path.display())]
    Locked {
        /// The journal.
        path: PathBuf,
    },
    /// A complete line that is none of ours.
    #[error("{}:{line}: {reason}", path.display())]
    BadLine {
        /// The journal.
        path: PathBuf,
        /// Counted from 1; the header is line 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// An event is missing, or is there twice.
    #[error("{}:{line}: expected event {expected}, found {found}", path.display())]
    Gap {
        /// The journal.
        path: PathBuf,
        /// Counted from 1; the header is line 1.
        line: u64,
        /// The `seq` that had to come.
        expected: u64,
        /// The `seq` that came.
        found: u64,
    },
    /// The manifest does not say what a manifest says.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that has no JSON form.
    #[error("cannot write event {seq} to {}: {reason}", path.display())]
    Unwritable {
        /// The journal.
        path: PathBuf,
        /// The event.
        seq: u64,
        /// Why.
        reason: String,
    },
}

/// For `map_err`.
pub(super) fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> JournalError + use<'a> {
    move |source| JournalError::Io { action, path: path.to_owned(), source }
}
