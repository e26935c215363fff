//! Small texts of a run of many cells, packed: one JSON line each, under the hash of the text, instead of one file each.
//!
//! `prompts.jsonl` holds what was sent, `outputs.jsonl` what came back. A line is there before the event that names it.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::io_error;
use super::{JournalError, RunDir};
use crate::event::{Sha256, Stored};

/// Bytes of a text that is packed; a longer one gets a file of its own.
const LONGEST: usize = 64 * 1024;
/// Names that are remembered, so that a text that comes again is not written again.
const KNOWN: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    sha256: std::borrow::Cow<'a, str>,
    text: std::borrow::Cow<'a, str>,
}

/// A file of texts that is being written.
#[derive(Debug)]
pub(super) struct Pack {
    file: File,
    path: PathBuf,
    known: HashSet<Sha256>,
    /// The names that were new before the last time the memory was full.
    older: HashSet<Sha256>,
    line: Vec<u8>,
    dirty: bool,
}

impl Pack {
    /// Opens it for appending; a torn last line is cut.
    pub(super) fn open(path: PathBuf) -> Result<Self, JournalError> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let mut pack =
            Self { file, path, known: HashSet::new(), older: HashSet::new(), line: Vec::new(), dirty: false };
        let end = each(&pack.path, |sha256, _, _| pack.known.insert(sha256))?;
        if pack.file.metadata().map_err(io_error("read", &pack.path))?.len() > end {
            pack.file.set_len(end).map_err(io_error("cut", &pack.path))?;
        }
        Ok(pack)
    }

    /// Takes a text, if it is one that is packed.
    pub(super) fn take(&mut self, sha256: &Sha256, bytes: &[u8]) -> Result<bool, JournalError> {
        if self.known.contains(sha256) || self.older.contains(sha256) {
            return Ok(true);
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= LONGEST => text,
            _ => return Ok(false),
        };
        self.line.clear();
        let hex = sha256.hex();
        let line = Line { sha256: hex.as_str().into(), text: text.into() };
        serde_json::to_writer(&mut self.line, &line)
            .map_err(std::io::Error::from)
            .map_err(io_error("write", &self.path))?;
        self.line.push(b'\n');
        let before = self.file.metadata().map_err(io_error("read", &self.path))?.len();
        if let Err(error) = self.file.write_all(&self.line) {
            // A part of it may be there; what comes next must begin a line.
            let _ = self.file.set_len(before);
            return Err(io_error("append to", &self.path)(error));
        }
        self.dirty = true;
        if self.known.len() >= KNOWN {
            self.older = std::mem::take(&mut self.known);
        }
        self.known.insert(sha256.clone());
        Ok(true)
    }

    /// Returns once all is on disk.
    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        if std::mem::take(&mut self.dirty) {
            self.file.sync_data().map_err(io_error("sync", &self.path))?;
        }
        Ok(())
    }
}

/// Goes over the whole lines of a pack: the name of the text, where its line begins, and how long that is. Gives where the
/// last whole line ends.
fn each(path: &Path, mut see: impl FnMut(Sha256, u64, usize) -> bool) -> Result<u64, JournalError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let mut input = BufReader::with_capacity(256 * 1024, file);
    let (mut line, mut at, mut number) = (Vec::new(), 0_u64, 0_u64);
    loop {
        line.clear();
        let length = input.read_until(b'\n', &mut line).map_err(io_error("read", path))?;
        if length == 0 || !line.ends_with(b"\n") {
            return Ok(at);
        }
        number += 1;
        let name = line.strip_prefix(br#"{"sha256":""#).and_then(|rest| rest.get(..64));
        let name = name.and_then(|name| std::str::from_utf8(name).ok()).and_then(Sha256::parse);
        let Some(name) = name else {
            let reason = "it does not begin with the hash of a text".to_owned();
            return Err(JournalError::BadLine { path: path.to_owned(), line: number, reason });
        };
        see(name, at, length);
        at += length as u64;
    }
}

/// All texts of a run, packed or in files of their own.
#[derive(Debug)]
pub struct Texts {
    dir: RunDir,
    packs: Vec<(Stored, PathBuf, Lines)>,
}

/// Where the line of each text begins, and how long it is.
type Lines = HashMap<Sha256, (u64, usize)>;

impl Texts {
    /// Looks over the packs of a run; a run without any has none.
    ///
    /// # Errors
    ///
    /// A pack cannot be read.
    pub fn open(dir: &RunDir) -> Result<Self, JournalError> {
        let mut packs = Vec::new();
        for stored in [Stored::Prompt, Stored::Blob] {
            let path = dir.pack(stored);
            let mut places = Lines::new();
            each(&path, |sha256, at, length| places.insert(sha256, (at, length)).is_none())?;
            packs.push((stored, path, places));
        }
        Ok(Self { dir: dir.clone(), packs })
    }

    /// The bytes of that name, byte for byte as they were; `None` where they are not there, or are not what the name says.
    pub fn get(&self, stored: Stored, sha256: &Sha256) -> Option<Vec<u8>> {
        let packed = self.packs.iter().find(|(kind, ..)| *kind == stored).and_then(|(_, path, places)| {
            let (at, length) = *places.get(sha256)?;
            let mut file = File::open(path).ok()?;
            file.seek(SeekFrom::Start(at)).ok()?;
            let mut line = vec![0; length];
            file.read_exact(&mut line).ok()?;
            let line: Line<'_> = serde_json::from_slice(&line).ok()?;
            Some(line.text.into_owned().into_bytes())
        });
        let bytes = packed.or_else(|| std::fs::read(self.dir.stored(stored, sha256)).ok())?;
        (Sha256::of(&bytes) == *sha256).then_some(bytes)
    }

    /// The names of all texts of a kind: those that are packed as they came, then those with a file of their own by name.
    pub fn names(&self, stored: Stored) -> Vec<Sha256> {
        let packs = self.packs.iter().filter(|(kind, ..)| *kind == stored);
        let mut packed: Vec<(u64, &Sha256)> =
            packs.flat_map(|(.., places)| places.iter().map(|(name, (at, _))| (*at, name))).collect();
        packed.sort_unstable();
        let dir = if stored == Stored::Prompt { self.dir.prompts() } else { self.dir.blobs() };
        let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let mut alone: Vec<Sha256> =
            files.filter_map(|file| Sha256::parse(file.path().file_stem()?.to_str()?)).collect();
        alone.sort_unstable();
        packed.into_iter().map(|(_, name)| name.clone()).chain(alone).collect()
    }
}
