//! Transcripts of old rounds: kept as many as the profile says, and never deleted in bulk unasked.
//!
//! A transcript is all that was written down of one round as it came: what the agent has printed, its complaints, what was
//! said to it, and what its servers complained of.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What is to be done with the transcripts in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// Nothing.
    Nothing,
    /// These are deleted.
    Delete {
        /// The oldest ones, each with its files.
        transcripts: Vec<Vec<PathBuf>>,
        /// How many stay.
        kept: u64,
    },
    /// More would be deleted than kept: nobody has asked for that, so nothing is.
    Deferred {
        /// How many there are.
        existing: u64,
        /// How many would be deleted.
        surplus: u64,
    },
}

/// What `keep` newest transcripts in `directory` leave to delete. 0 keeps all. `asked`: somebody wants it, however many.
///
/// Only regular files that a round has written are looked at: no links, and nothing that is named otherwise.
///
/// # Errors
///
/// When the directory cannot be read; one that is not there is empty.
pub fn pruning(directory: &Path, keep: u64, asked: bool) -> io::Result<Pruning> {
    if keep == 0 {
        return Ok(Pruning::Nothing);
    }
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pruning::Nothing),
        entries => entries?,
    };
    // By number, as R10 comes after R9.
    let mut transcripts: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
        if let Some(round) = entry.file_name().to_str().and_then(number) {
            transcripts.entry(round).or_default().push(entry.path());
        }
    }
    let existing = transcripts.len() as u64;
    let surplus = existing.saturating_sub(keep);
    if surplus == 0 {
        return Ok(Pruning::Nothing);
    }
    if surplus > keep && !asked {
        return Ok(Pruning::Deferred { existing, surplus });
    }
    let count = usize::try_from(surplus).unwrap_or(usize::MAX);
    Ok(Pruning::Delete { transcripts: transcripts.into_values().take(count).collect(), kept: keep })
}

/// The round in the name of a file of a transcript: `root-12.log`, `root-12.err`, `root-12.in`, `root-12.mcp-files.err`.
fn number(name: &str) -> Option<u64> {
    let (stem, what) = name.split_once('.')?;
    let server = what.strip_prefix("mcp-").and_then(|server| server.strip_suffix(".err"));
    let is_of_a_round = matches!(what, "log" | "err" | "in") || server.is_some();
    stem.rsplit_once('-')?.1.parse().ok().filter(|_| is_of_a_round)
}

/// Deletes, and says how many transcripts are gone. One that has gone already is no error.
pub fn prune(transcripts: &[Vec<PathBuf>]) -> u64 {
    let mut gone = 0;
    for files in transcripts {
        let deleted = files.iter().filter(|file| std::fs::remove_file(file).is_ok()).count();
        gone += u64::from(deleted > 0);
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(rounds: impl IntoIterator<Item = u64>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for round in rounds {
            crate::file::write_atomic_unsynced(&dir.path().join(format!("root-{round}.log")), b"x").unwrap();
        }
        dir
    }

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Scar "12,193 of 12,293 transcripts nearly deleted by a new default": opt-in, and never more than are kept.
    #[test]
    fn transcripts_are_not_deleted_in_bulk_unasked() {
        let dir = directory(1..=21);
        assert_eq!(pruning(dir.path(), 0, false).unwrap(), Pruning::Nothing, "off by default");
        assert_eq!(
            pruning(dir.path(), 10, false).unwrap(),
            Pruning::Deferred { existing: 21, surplus: 11 },
            "one more than is kept"
        );
        let Pruning::Delete { transcripts, kept } = pruning(dir.path(), 11, false).unwrap() else {
            panic!("not deleted")
        };
        assert_eq!((transcripts.len(), kept), (10, 11));
        assert!(matches!(pruning(dir.path(), 1, true).unwrap(), Pruning::Delete { .. }), "asked for");
        assert_eq!(pruning(&dir.path().join("absent"), 1, false).unwrap(), Pruning::Nothing);
    }

    #[test]
    fn the_newest_are_kept_by_number_and_only_transcripts_are_touched() {
        let dir = directory([8, 9, 10, 11]);
        std::os::unix::fs::symlink("/nowhere", dir.path().join("root-1.log")).unwrap();
        crate::file::write_atomic_unsynced(&dir.path().join("notes.log"), b"x").unwrap();
        crate::file::write_atomic_unsynced(&dir.path().join("root-2.log.bak"), b"x").unwrap();
        let Pruning::Delete { mut transcripts, .. } = pruning(dir.path(), 2, false).unwrap() else {
            panic!("not deleted")
        };
        transcripts.push(vec![dir.path().join("root-7.log")]);
        assert_eq!(prune(&transcripts), 2, "one was gone already");
        assert_eq!(names(&dir), ["notes.log", "root-1.log", "root-10.log", "root-11.log", "root-2.log.bak"]);
    }

    /// An agent that complains a lot fills the disk as one that talks a lot does.
    #[test]
    fn a_transcript_goes_with_all_its_files_and_counts_once() {
        let dir = directory(1..=3);
        for name in ["root-1.err", "root-2.in", "root-2.mcp-files.err", "root-3.err", "root-3.mcp-x.txt"] {
            crate::file::write_atomic_unsynced(&dir.path().join(name), b"x").unwrap();
        }
        assert_eq!(pruning(dir.path(), 3, false).unwrap(), Pruning::Nothing);
        let Pruning::Delete { transcripts, kept } = pruning(dir.path(), 1, true).unwrap() else {
            panic!("not deleted")
        };
        assert_eq!((prune(&transcripts), kept), (2, 1));
        assert_eq!(names(&dir), ["root-3.err", "root-3.log", "root-3.mcp-x.txt"]);
    }
}
