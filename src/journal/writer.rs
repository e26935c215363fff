//! The one writer of a journal.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::error::io_error;
use super::index::{Checkpoint, RoundTable};
use super::pack::Pack;
use super::{Header, JournalError, Manifest, Reader, RunDir, VERSION};
use crate::event::{Event, RunId, Sha256, Stored, Tally};
use crate::file;

/// A checkpoint is written each time the journal has grown by as much.
const INDEX_EVERY: u64 = 1024 * 1024;
/// A journal below is folded as fast as a checkpoint is read.
const INDEX_FROM: u64 = 256 * 1024;
/// Files that may wait for the disk at the same time; each is an open file.
const PENDING: usize = 64;
/// Names of stored bytes that are remembered, so that they are not looked at again.
const KNOWN: usize = 4096;

/// What a resume found.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// What is known of the run.
    pub tally: Tally,
    /// Bytes of a torn last line that were cut.
    pub cut_bytes: u64,
}

/// Appends to a journal, alone: the lock is held for its life.
#[derive(Debug)]
pub struct Writer {
    dir: RunDir,
    path: PathBuf,
    file: File,
    /// Where the next line begins.
    offset: u64,
    /// The last line, with its newline.
    line: Vec<u8>,
    tally: Tally,
    rounds: RoundTable,
    /// Where the last checkpoint was due.
    indexed: u64,
    /// Stored bytes that events may name and that are not on disk yet.
    pending: Vec<File>,
    /// Directories whose new names are not on disk yet.
    renamed: HashSet<PathBuf>,
    known: HashSet<(bool, Sha256)>,
    dirty: bool,
    /// A part of a line that could not be written is still in the file.
    torn: bool,
    /// Prompts and everything else, where small texts are packed.
    packs: Option<[Pack; 2]>,
}

impl Writer {
    /// Begins the journal of a new run. Its header is there whole before the file has its name.
    pub fn create(dir: &RunDir, run: &RunId, at: Timestamp) -> Result<Self, JournalError> {
        let path = dir.journal();
        let failed = |error| io_error("create", &path)(error);
        let header = Header::new(run, at).to_line(&path)?;
        let mut temp =
            tempfile::Builder::new().prefix(".tmp-").append(true).tempfile_in(dir.path()).map_err(failed)?;
        lock(temp.as_file(), &path)?;
        temp.write_all(&header).map_err(failed)?;
        temp.as_file().sync_all().map_err(failed)?;
        let file = temp.persist_noclobber(&path).map_err(|persist| failed(persist.error))?;
        file::sync_dir(dir.path()).map_err(failed)?;
        Ok(Self::at(dir, file, header.len() as u64))
    }

    /// Takes up the journal of a run that was killed or interrupted. A torn last line is cut; anything else that is
    /// wrong with it is an error. A run that was killed before its journal began starts one.
    pub fn resume(dir: &RunDir) -> Result<(Self, Recovered), JournalError> {
        Self::resume_seeing(dir, |_| {})
    }

    /// The same, and `see` is shown every event on the way.
    pub fn resume_seeing(
        dir: &RunDir,
        mut see: impl FnMut(&Event),
    ) -> Result<(Self, Recovered), JournalError> {
        let path = dir.journal();
        let file = match OpenOptions::new().read(true).append(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let manifest = Manifest::read(dir)?;
                let writer = Self::create(dir, &manifest.run, manifest.started_at)?;
                return Ok((writer, Recovered { tally: Tally::default(), cut_bytes: 0 }));
            }
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        lock(&file, &path)?;
        let length = file.metadata().map_err(io_error("read", &path))?.len();
        let mut writer = Self::at(dir, file, 0);
        if writer.has_header()? {
            writer.fold(&mut see)?;
        } else {
            let manifest = Manifest::read(dir)?;
            let header = Header::new(&manifest.run, manifest.started_at).to_line(&path)?;
            writer.cut(length)?;
            writer.file.write_all(&header).map_err(io_error("write", &path))?;
            writer.offset = header.len() as u64;
            writer.file.sync_data().map_err(io_error("sync", &path))?;
            return Ok((writer, Recovered { tally: Tally::default(), cut_bytes: length }));
        }
        let cut_bytes = length.saturating_sub(writer.offset);
        writer.cut(cut_bytes)?;
        let tally = writer.tally.clone();
        Ok((writer, Recovered { tally, cut_bytes }))
    }

    /// Packs small texts from now on: a run of many cells would have a file for each else.
    pub fn pack(&mut self) -> Result<(), JournalError> {
        let open = |stored| Pack::open(self.dir.pack(stored));
        self.packs = Some([open(Stored::Prompt)?, open(Stored::Blob)?]);
        Ok(())
    }

    /// The directory of the run.
    pub fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// What is known of the run.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Appends an event and returns its line, newline included, exactly as it is in the file. It survives the death of
    /// the process at once, and a power failure after the next [`Writer::sync`].
    pub fn append(&mut self, event: &Event) -> Result<&[u8], JournalError> {
        let expected = self.tally.last_seq.next();
        let found = event.seq;
        let unwritable = |reason| JournalError::Unwritable { path: self.path.clone(), seq: found.0, reason };
        if found != expected {
            return Err(unwritable(format!("its turn is after {expected}")));
        }
        self.line.clear();
        serde_json::to_writer(&mut self.line, event).map_err(|error| unwritable(error.to_string()))?;
        self.line.push(b'\n');
        if self.torn {
            self.file.set_len(self.offset).map_err(io_error("cut", &self.path))?;
            self.torn = false;
        }
        if let Err(error) = self.file.write_all(&self.line) {
            // A part of the line may be there; nothing may come behind it before it is cut.
            self.torn = self.file.set_len(self.offset).is_err();
            return Err(io_error("append to", &self.path)(error));
        }
        self.dirty = true;
        self.rounds.note(event, self.offset);
        self.offset += self.line.len() as u64;
        self.tally.apply(event);
        if self.offset - self.indexed >= INDEX_EVERY {
            self.index();
        }
        Ok(&self.line)
    }

    /// Stores bytes that the next events name. What is there already is not written again.
    pub fn bytes(&mut self, stored: Stored, sha256: &Sha256, bytes: &[u8]) -> Result<(), JournalError> {
        if let Some([prompts, outputs]) = &mut self.packs {
            let pack = if stored == Stored::Prompt { prompts } else { outputs };
            if pack.take(sha256, bytes)? {
                return Ok(());
            }
        }
        let key = (stored == Stored::Prompt, sha256.clone());
        if self.known.contains(&key) {
            return Ok(());
        }
        let path = self.dir.stored(stored, sha256);
        let file = match holding(&path, bytes) {
            Some(file) => file,
            None => file::write_atomic_unsynced(&path, bytes).map_err(io_error("write", &path))?,
        };
        // Also what was there may still have been on its way to the disk when an earlier process died.
        self.pending.push(file);
        if let Some(parent) = path.parent() {
            self.renamed.insert(parent.to_owned());
        }
        if self.known.len() == KNOWN {
            self.known.clear();
        }
        self.known.insert(key);
        if self.pending.len() >= PENDING { self.sync_pending() } else { Ok(()) }
    }

    /// Returns once everything so far would survive a power failure: first what events name, then the events.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.sync_pending()?;
        for pack in self.packs.iter_mut().flatten() {
            pack.sync()?;
        }
        if self.dirty {
            self.file.sync_data().map_err(io_error("sync", &self.path))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Puts all on disk and gives a long journal a fresh checkpoint, at the end of a run that goes on being shown.
    pub fn settle(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        if self.offset > INDEX_FROM && self.indexed != self.offset {
            self.index();
        }
        Ok(())
    }

    /// Ends the writing, settled.
    pub fn finish(mut self) -> Result<Tally, JournalError> {
        self.settle()?;
        Ok(self.tally)
    }

    fn at(dir: &RunDir, file: File, offset: u64) -> Self {
        Self {
            dir: dir.clone(),
            path: dir.journal(),
            file,
            offset,
            line: Vec::new(),
            tally: Tally::default(),
            rounds: RoundTable::default(),
            indexed: 0,
            pending: Vec::new(),
            renamed: HashSet::new(),
            known: HashSet::new(),
            dirty: false,
            torn: false,
            packs: None,
        }
    }

    /// Whether line 1 is whole; a kill can only have torn it if there is no line at all.
    fn has_header(&self) -> Result<bool, JournalError> {
        let mut start = Vec::new();
        let file = File::open(&self.path).map_err(io_error("open", &self.path))?;
        file.take(64 * 1024).read_to_end(&mut start).map_err(io_error("read", &self.path))?;
        Ok(start.contains(&b'\n') || start.len() == 64 * 1024)
    }

    /// Folds the whole journal: what is continued must be right in every line, so that the checkpoint is no help here.
    fn fold(&mut self, see: &mut impl FnMut(&Event)) -> Result<(), JournalError> {
        let mut reader = Reader::open(&self.dir)?;
        reader.header().format.check_writable(&self.path)?;
        self.offset = reader.offset();
        while let Some(event) = reader.next() {
            let event = event?;
            self.rounds.note(&event, self.offset);
            self.tally.apply(&event);
            see(&event);
            self.offset = reader.offset();
            // For the checkpoint; a torn line that follows overwrites the reader's own copy.
            self.line.clear();
            self.line.extend_from_slice(reader.line());
            self.line.push(b'\n');
        }
        if self.offset >= INDEX_EVERY {
            self.index();
        }
        Ok(())
    }

    fn cut(&mut self, bytes: u64) -> Result<(), JournalError> {
        if bytes == 0 {
            return Ok(());
        }
        self.file.set_len(self.offset).map_err(io_error("cut", &self.path))?;
        self.file.sync_data().map_err(io_error("sync", &self.path))
    }

    fn sync_pending(&mut self) -> Result<(), JournalError> {
        for file in &self.pending {
            file.sync_data().map_err(io_error("sync", self.dir.path()))?;
        }
        for dir in &self.renamed {
            file::sync_dir(dir).map_err(io_error("sync", dir))?;
        }
        self.pending.clear();
        self.renamed.clear();
        Ok(())
    }

    /// Writes the checkpoint. Without one everything works, only slower, so that failing here fails nothing.
    fn index(&mut self) {
        self.indexed = self.offset;
        let checkpoint = Checkpoint {
            format: VERSION,
            offset: self.offset,
            seq: self.tally.last_seq,
            line_bytes: self.line.len() as u64,
            line_sha256: Sha256::of(&self.line),
            tally: self.tally.clone(),
            rounds: self.rounds.clone(),
        };
        let _ = checkpoint.write(&self.dir);
    }
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    if file::try_lock(file).map_err(io_error("lock", path))? {
        return Ok(());
    }
    Err(JournalError::Locked { path: path.to_owned() })
}

/// The file, if it holds exactly these bytes; after a power failure one can be there that does not.
fn holding(path: &Path, bytes: &[u8]) -> Option<File> {
    let mut file = File::open(path).ok()?;
    if file.metadata().ok()?.len() != bytes.len() as u64 {
        return None;
    }
    let mut held = Vec::with_capacity(bytes.len());
    file.read_to_end(&mut held).ok()?;
    (held == bytes).then_some(file)
}
