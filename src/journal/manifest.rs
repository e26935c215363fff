//! What was asked for: written before anything happens, never changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::io_error;
use super::{JournalError, RunDir, Version};
use crate::event::{BudgetCeilings, RunId, Sha256};
use crate::file;

/// `manifest.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the run directory.
    pub format: Version,
    /// The version of provost.
    pub version: String,
    /// The command line, without secret values.
    pub argv: Vec<String>,
    /// The verb.
    pub verb: String,
    /// The run.
    pub run: RunId,
    /// The resolved profile.
    pub profile: serde_json::Value,
    /// Names its bytes.
    pub profile_sha256: Sha256,
    /// The resolved suite, where the verb has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<serde_json::Value>,
    /// The task, as it was given.
    pub task: String,
    /// Names its bytes.
    pub task_sha256: Sha256,
    /// The seed of everything random.
    pub seed: u64,
    /// The ceilings.
    pub budget: BudgetCeilings,
    /// Labels of a grid.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// HEAD of the repository that the agent works in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_head: Option<String>,
    /// When the run began.
    pub started_at: Timestamp,
    /// The run that began this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// Where provost was called.
    pub cwd: PathBuf,
    /// Where the agent works.
    pub workspace: PathBuf,
}

impl Manifest {
    /// Writes it; returns once it would survive a power failure.
    pub fn write(&self, dir: &RunDir) -> Result<(), JournalError> {
        let path = dir.manifest();
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| JournalError::Manifest { path: path.clone(), reason: error.to_string() })?;
        bytes.push(b'\n');
        file::write_atomic(&path, &bytes).map_err(io_error("write", &path))
    }

    /// Reads it back; refuses a newer major before it looks at anything else.
    pub fn read(dir: &RunDir) -> Result<Self, JournalError> {
        #[derive(Deserialize)]
        struct Format {
            format: Version,
        }
        let path = dir.manifest();
        let bytes = std::fs::read(&path).map_err(io_error("read", &path))?;
        let bad = |error: serde_json::Error| JournalError::Manifest {
            path: path.clone(),
            reason: format!("not a manifest: {error}"),
        };
        let format: Format = serde_json::from_slice(&bytes).map_err(bad)?;
        format.format.check_readable(&path)?;
        serde_json::from_slice(&bytes).map_err(bad)
    }
}
