//! What is known of a run, live, dead or finished, at the cost of the last stretch of its journal.

use super::error::io_error;
use super::{JournalError, Manifest, Reader, RunDir};
use crate::event::Tally;
use crate::file;

/// Whether anything will still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A provost writes the journal.
    Live,
    /// Nobody writes it and its end is not on record: killed, and can be resumed.
    Dead,
    /// Its end is on record.
    Finished,
}

/// A look at a run.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What was asked for.
    pub manifest: Manifest,
    /// What has happened.
    pub tally: Tally,
    /// Whether anything will still happen.
    pub state: RunState,
    /// Bytes of a last line that is not whole: being written, or cut by a kill.
    pub torn_bytes: u64,
    /// What is wrong with the journal; the rest is folded all the same. Bounded.
    pub bad_lines: Vec<String>,
    /// Bytes of whole lines.
    pub journal_bytes: u64,
}

/// Bad lines that are told one by one.
const TOLD: usize = 16;

/// Looks at a run. Never writes.
pub fn snapshot(dir: &RunDir) -> Result<Snapshot, JournalError> {
    let manifest = Manifest::read(dir)?;
    let path = dir.journal();
    // Asked first: a run that ends while it is read is then at worst shown as it was a moment ago.
    let locked = file::is_locked(&path).map_err(io_error("open", &path))?;
    let mut snapshot = Snapshot {
        manifest,
        tally: Tally::default(),
        state: RunState::Dead,
        torn_bytes: 0,
        bad_lines: Vec::new(),
        journal_bytes: 0,
    };
    if path.exists() {
        fold(dir, &mut snapshot)?;
    }
    snapshot.state = match (&snapshot.tally.ended, locked) {
        (Some(_), _) => RunState::Finished,
        (None, true) => RunState::Live,
        (None, false) => RunState::Dead,
    };
    Ok(snapshot)
}

fn fold(dir: &RunDir, snapshot: &mut Snapshot) -> Result<(), JournalError> {
    let mut reader = Reader::open(dir)?;
    if let Some(checkpoint) = reader.checkpoint(dir) {
        reader.skip_to(&checkpoint)?;
        snapshot.tally = checkpoint.tally;
    }
    for event in reader.by_ref() {
        match event {
            Ok(event) => snapshot.tally.apply(&event),
            Err(error @ JournalError::Io { .. }) => return Err(error),
            Err(error) if snapshot.bad_lines.len() < TOLD => snapshot.bad_lines.push(error.to_string()),
            Err(_) => {}
        }
    }
    snapshot.torn_bytes = reader.torn_bytes();
    snapshot.journal_bytes = reader.offset();
    Ok(())
}
