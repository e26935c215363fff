//! Run directories: where they are, what is in them, and how they are found again.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::JournalError;
use super::error::io_error;
use crate::event::{RunId, Sha256, Stored};
use crate::file;

/// As many are named when a name fits several runs.
const SHOWN: usize = 5;

/// The directory of one run; for its owner alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory of a new run; one that holds anything is refused.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        match fs::read_dir(&path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(JournalError::NotEmpty { path });
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("read", &path)(error)),
        }
        let dir = Self { path };
        for made in [dir.path.clone(), dir.prompts(), dir.blobs(), dir.rounds(), dir.control()] {
            file::ensure_private_dir(&made).map_err(io_error("create", &made))?;
        }
        Ok(dir)
    }

    /// The directory of a run that is there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let dir = Self { path: path.into() };
        if dir.is_run() { Ok(dir) } else { Err(JournalError::NotARun { path: dir.path }) }
    }

    fn is_run(&self) -> bool {
        self.manifest().is_file() || self.journal().is_file()
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The truth.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// What was asked for.
    pub fn manifest(&self) -> PathBuf {
        self.path.join("manifest.json")
    }

    /// The exact texts that were sent.
    pub fn prompts(&self) -> PathBuf {
        self.path.join("prompts")
    }

    /// Outputs, replies and whatever else events name.
    pub fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    /// Raw transcripts.
    pub fn rounds(&self) -> PathBuf {
        self.path.join("rounds")
    }

    /// Requests to a live run.
    pub fn control(&self) -> PathBuf {
        self.path.join("control")
    }

    /// The last fold, for scripts.
    pub fn result(&self) -> PathBuf {
        self.path.join("result.json")
    }

    /// The checkpoint beside the journal; may be missing.
    pub(super) fn index(&self) -> PathBuf {
        self.path.join("index.json")
    }

    /// Where small texts of that kind are packed, in a run of many cells.
    pub fn pack(&self, stored: Stored) -> PathBuf {
        self.path.join(match stored {
            Stored::Prompt => "prompts.jsonl",
            Stored::Blob => "outputs.jsonl",
        })
    }

    /// What a run of many cells will do.
    pub fn plan(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// Where processes that run some of its cells each have a directory.
    pub fn shards(&self) -> PathBuf {
        self.path.join("shards")
    }

    /// The verdict of such a run, sealed.
    pub fn certificate(&self) -> PathBuf {
        self.path.join("certificate.json")
    }

    /// Where bytes of that name are.
    pub fn stored(&self, stored: Stored, sha256: &Sha256) -> PathBuf {
        match stored {
            Stored::Prompt => self.prompts().join(format!("{sha256}.txt")),
            Stored::Blob => self.blobs().join(sha256.hex().as_str()),
        }
    }
}

/// `20261121T024501Z-run-k3f9`: sorts by time, says the verb, and differs from the others of that second.
pub fn new_run_id(verb: &str, now: Timestamp, random: u32) -> RunId {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = random;
    let mut suffix = String::with_capacity(4);
    for _ in 0..4 {
        suffix.push(char::from(DIGITS.get((rest % 36) as usize).copied().unwrap_or(b'0')));
        rest /= 36;
    }
    RunId::new(format!("{}-{verb}-{suffix}", now.strftime("%Y%m%dT%H%M%SZ")))
}

/// The runs under a root, newest first. Reads names only, whatever the number of runs.
pub fn list(root: &Path) -> Result<Vec<RunId>, JournalError> {
    let runs = root.join("runs");
    let entries = match fs::read_dir(&runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", &runs)(error)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry.map_err(io_error("read", &runs))?.file_name();
        if let Some(name) = name.to_str().filter(|name| looks_like_id(name)) {
            ids.push(RunId::new(name));
        }
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    Ok(ids)
}

/// The newest run under the root; or the one of that id, of a unique beginning or end of an id, or of that path.
pub fn find(root: &Path, which: Option<&str>) -> Result<RunDir, JournalError> {
    let at = |id: &RunId| RunDir::open(root.join("runs").join(id.as_str()));
    let ids = list(root)?;
    let Some(text) = which else {
        // A directory that was made and never filled is no run yet.
        let newest = ids.iter().find_map(|id| at(id).ok());
        return newest.ok_or_else(|| JournalError::NoRun { root: root.to_owned() });
    };
    if let Some(id) = ids.iter().find(|id| id.as_str() == text) {
        return at(id);
    }
    if text.contains('/') || RunDir::open(text).is_ok() {
        return RunDir::open(text);
    }
    let fitting: Vec<&RunId> = ids
        .iter()
        .filter(|id| !text.is_empty() && (id.as_str().starts_with(text) || id.as_str().ends_with(text)))
        .collect();
    match fitting.as_slice() {
        [] => Err(JournalError::UnknownRun { text: text.to_owned(), root: root.to_owned() }),
        [id] => at(id),
        several => Err(JournalError::Ambiguous {
            text: text.to_owned(),
            candidates: several.iter().take(SHOWN).map(ToString::to_string).collect(),
        }),
    }
}

fn looks_like_id(name: &str) -> bool {
    let shape = b"dddddddTddddddZ-";
    let name = name.as_bytes();
    name.len() > shape.len() + 1
        && name.iter().skip(1).zip(shape).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            exact => byte == exact,
        })
        && name.first().is_some_and(u8::is_ascii_digit)
}
