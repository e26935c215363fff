//! The first line of a journal and the version it states.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::JournalError;
use crate::event::RunId;

/// The version that is written here. Raise the minor for what old readers may pass over, the major for all else.
pub const VERSION: Version = Version { major: 1, minor: 1 };

/// A format version, written as `"1.1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version {
    /// A newer one is refused.
    pub major: u32,
    /// A newer one is read but not appended to.
    pub minor: u32,
}

impl Version {
    /// Refuses what cannot be read.
    pub(super) fn check_readable(self, path: &Path) -> Result<(), JournalError> {
        if self.major == VERSION.major {
            return Ok(());
        }
        Err(JournalError::TooNew { path: path.to_owned(), found: self, ours: VERSION })
    }

    /// Refuses what must not be continued.
    pub(super) fn check_writable(self, path: &Path) -> Result<(), JournalError> {
        self.check_readable(path)?;
        if self <= VERSION {
            return Ok(());
        }
        Err(JournalError::ReadOnly { path: path.to_owned(), found: self, ours: VERSION })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text
            .split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }));
        parsed.ok_or_else(|| format!("`{text}` is not a format version"))
    }
}

/// Line 1 of every journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// `journal`
    pub provost: String,
    /// The version of all lines.
    pub format: Version,
    /// The run.
    pub run: RunId,
    /// The version of provost that began the file.
    pub tool: String,
    /// When it did.
    pub at: Timestamp,
}

impl Header {
    /// The header of a new journal.
    pub fn new(run: &RunId, at: Timestamp) -> Self {
        Self {
            provost: "journal".to_owned(),
            format: VERSION,
            run: run.clone(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            at,
        }
    }

    /// The line, with its newline.
    pub(super) fn to_line(&self, path: &Path) -> Result<Vec<u8>, JournalError> {
        let mut line = serde_json::to_vec(self).map_err(|error| JournalError::Unwritable {
            path: path.to_owned(),
            seq: 0,
            reason: error.to_string(),
        })?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads line 1. The version is looked at first: the rest of a newer header may be anything.
    pub(super) fn parse(line: &[u8], path: &Path) -> Result<Self, JournalError> {
        #[derive(Deserialize)]
        struct Format {
            provost: String,
            format: Version,
        }
        let bad = |reason: String| JournalError::BadLine { path: path.to_owned(), line: 1, reason };
        let format: Format = serde_json::from_slice(line)
            .map_err(|error| bad(format!("not the header of a journal: {error}")))?;
        if format.provost != "journal" {
            return Err(bad(format!("the header of a `{}`, not of a journal", format.provost)));
        }
        format.format.check_readable(path)?;
        serde_json::from_slice(line).map_err(|error| bad(format!("not the header of a journal: {error}")))
    }
}
