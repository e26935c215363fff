//! Small texts of a run of many cells, packed: one JSON line each, under the hash of the text, instead of one file each.
//!
//! `prompts.jsonl` holds what was sent, `outputs.jsonl` what came back. A line is there before the event that names it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::io_error;
use super::{JournalError, RunDir};
use crate::event::{Sha256, Stored};

/// Bytes of a text that is packed; a longer one gets a file of its own.
const LONGEST: usize = 64 * 1024;
/// Names that are remembered at least, and at most twice as many, so that a text that comes again soon is not written again.
/// What comes again later is there twice, which costs room and nothing else.
const KNOWN: usize = 8 * 1024;

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
        let path = pack.path.clone();
        let end = each(&path, |sha256, _, _| pack.remember(sha256))?;
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
        self.remember(sha256.clone());
        Ok(true)
    }

    fn remember(&mut self, sha256: Sha256) {
        if self.known.len() >= KNOWN {
            self.older = std::mem::take(&mut self.known);
        }
        self.known.insert(sha256);
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
fn each(path: &Path, mut see: impl FnMut(Sha256, u64, usize)) -> Result<u64, JournalError> {
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

/// The lines of a pack, by the first bytes of the names.
type Lines = Vec<Spot>;

/// Where a line is. What it begins with says whose it is; the first bytes of its name are enough to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    name: u64,
    at: u64,
    length: u32,
}

impl Spot {
    /// The text, where the line is of that name.
    fn text(self, file: &File, sha256: &Sha256) -> Option<Vec<u8>> {
        let mut line = vec![0; usize::try_from(self.length).ok()?];
        file.read_exact_at(&mut line, self.at).ok()?;
        let line: Line<'_> = serde_json::from_slice(&line).ok()?;
        (*line.sha256 == *sha256.hex().as_str()).then(|| line.text.into_owned().into_bytes())
    }
}

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
            let mut spots = Lines::new();
            each(&path, |sha256, at, length| {
                let length = u32::try_from(length).unwrap_or(u32::MAX);
                spots.push(Spot { name: sha256.number(), at, length });
            })?;
            spots.sort_unstable();
            packs.push((stored, path, spots));
        }
        Ok(Self { dir: dir.clone(), packs })
    }

    /// The bytes of that name, byte for byte as they were; `None` where they are not there, or are not what the name says.
    pub fn get(&self, stored: Stored, sha256: &Sha256) -> Option<Vec<u8>> {
        let packed = self.packs.iter().find(|(kind, ..)| *kind == stored).and_then(|(_, path, spots)| {
            let from = spots.partition_point(|spot| spot.name < sha256.number());
            let mut alike = spots[from..].iter().take_while(|spot| spot.name == sha256.number()).peekable();
            alike.peek()?;
            let file = File::open(path).ok()?;
            alike.find_map(|spot| spot.text(&file, sha256))
        });
        let bytes = packed.or_else(|| std::fs::read(self.dir.stored(stored, sha256)).ok())?;
        (Sha256::of(&bytes) == *sha256).then_some(bytes)
    }

    /// The names of all texts of a kind: those that are packed as they came, then those with a file of their own by name.
    ///
    /// # Errors
    ///
    /// A pack cannot be read any more.
    pub fn names(&self, stored: Stored) -> Result<Vec<Sha256>, JournalError> {
        let (mut packed, mut seen) = (Vec::new(), HashSet::new());
        for (_, path, _) in self.packs.iter().filter(|(kind, ..)| *kind == stored) {
            each(path, |name, _, _| {
                if seen.insert(name.clone()) {
                    packed.push(name);
                }
            })?;
        }
        let dir = if stored == Stored::Prompt { self.dir.prompts() } else { self.dir.blobs() };
        let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let mut alone: Vec<Sha256> =
            files.filter_map(|file| Sha256::parse(file.path().file_stem()?.to_str()?)).collect();
        alone.sort_unstable();
        Ok(packed.into_iter().chain(alone).collect())
    }
}
