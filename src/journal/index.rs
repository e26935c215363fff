//! A checkpoint beside the journal, so that looking at a long run costs the same as looking at a short one.
//!
//! It is never trusted over the journal: it states the hash of the last line it covers, and when that line is not
//! there any more the checkpoint is as good as missing.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use serde::{Deserialize, Serialize};

use super::error::io_error;
use super::{JournalError, RunDir, VERSION, Version};
use crate::event::{Event, Kind, RoundNumber, Seq, Sha256, Tally};
use crate::file;

/// Places of rounds that are kept; when there are more, every second one goes.
const KEPT: usize = 1024;

/// The fold of a prefix of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// The version of journal and checkpoint.
    pub(super) format: Version,
    /// Bytes of journal that are covered; a line ends there.
    pub(super) offset: u64,
    /// The last event that is covered.
    pub(super) seq: Seq,
    /// Bytes of the last line that is covered, with its newline.
    pub(super) line_bytes: u64,
    /// Names those bytes.
    pub(super) line_sha256: Sha256,
    /// What is known then.
    pub(super) tally: Tally,
    /// Where rounds begin.
    pub(super) rounds: RoundTable,
}

/// Where some of the rounds begin: every one of a short run, every n-th of a long one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RoundTable {
    /// One of so many rounds is here.
    stride: u64,
    /// Rounds that were seen.
    seen: u64,
    /// Number, and offset of its `round.started`.
    entries: Vec<(RoundNumber, u64)>,
}

impl Default for RoundTable {
    fn default() -> Self {
        Self { stride: 1, seen: 0, entries: Vec::new() }
    }
}

impl RoundTable {
    /// Takes note of an event whose line begins at `offset`.
    pub(super) fn note(&mut self, event: &Event, offset: u64) {
        let Kind::RoundStarted(started) = &event.kind else { return };
        if self.seen.is_multiple_of(self.stride) {
            if self.entries.len() == KEPT {
                let mut keep = false;
                self.entries.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.stride *= 2;
            }
            // With an even number of entries, the one that is due now is due in the doubled stride as well.
            self.entries.push((started.round, offset));
        }
        self.seen += 1;
    }

    /// The last known beginning of a round that is not after `round`.
    pub(super) fn before(&self, round: RoundNumber) -> Option<u64> {
        let after = self.entries.partition_point(|(number, _)| *number <= round);
        self.entries.get(after.checked_sub(1)?).map(|(_, offset)| *offset)
    }
}

impl Checkpoint {
    /// Writes it beside the journal. It need not survive a power failure: it can be made again.
    pub(super) fn write(&self, dir: &RunDir) -> Result<(), JournalError> {
        let path = dir.index();
        let bytes = serde_json::to_vec(self).map_err(|error| JournalError::Unwritable {
            path: path.clone(),
            seq: self.seq.0,
            reason: error.to_string(),
        })?;
        file::write_atomic_unsynced(&path, &bytes).map_err(io_error("write", &path))?;
        Ok(())
    }

    /// Reads it, if there is one that fits the journal.
    pub(super) fn load(dir: &RunDir, journal: &mut File) -> Option<Self> {
        let bytes = std::fs::read(dir.index()).ok()?;
        let checkpoint: Self = serde_json::from_slice(&bytes).ok()?;
        checkpoint.fits(journal).then_some(checkpoint)
    }

    fn fits(&self, journal: &mut File) -> bool {
        // The byte before the line is read too: it must end the line before.
        let Some(start) = self.offset.checked_sub(self.line_bytes.saturating_add(1)) else { return false };
        let Ok(length) = usize::try_from(self.line_bytes + 1) else { return false };
        if self.format != VERSION || self.seq != self.tally.last_seq || self.line_bytes == 0 {
            return false;
        }
        if journal.metadata().map_or(0, |meta| meta.len()) < self.offset {
            return false;
        }
        let mut bytes = vec![0; length];
        if journal.seek(SeekFrom::Start(start)).is_err() || journal.read_exact(&mut bytes).is_err() {
            return false;
        }
        match bytes.split_first() {
            Some((b'\n', line)) => line.ends_with(b"\n") && Sha256::of(line) == self.line_sha256,
            _ => false,
        }
    }
}
