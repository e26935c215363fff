//! Reading a journal from front to back. Reading never writes and never needs the live process.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use super::error::io_error;
use super::index::Checkpoint;
use super::line::{self, Got};
use super::{Header, JournalError, RunDir};
use crate::event::{Event, Kind, RoundNumber};

const BUFFER: usize = 256 * 1024;
/// What most lines have room in.
const LINE: usize = 2048;

/// The events of a journal. A bad line is an error that names it, and the next call goes on behind it; a torn last line
/// ends the journal and is told by [`Reader::torn_bytes`].
#[derive(Debug)]
pub struct Reader {
    input: BufReader<File>,
    path: PathBuf,
    header: Header,
    /// The line that was read last, without its newline.
    line: Vec<u8>,
    /// Its number, if the journal was read from the front.
    number: u64,
    offset: u64,
    /// The `seq` that must come, while it is known.
    expected: Option<u64>,
    /// An event that came behind a gap, given after the error that tells of the gap.
    late: Option<Event>,
    torn: u64,
    done: bool,
}

impl Reader {
    /// Opens the journal and reads its header.
    pub fn open(dir: &RunDir) -> Result<Self, JournalError> {
        let path = dir.journal();
        let file = File::open(&path).map_err(io_error("open", &path))?;
        let mut input = BufReader::with_capacity(BUFFER, file);
        let mut line = Vec::new();
        let got = line::read_line(&mut input, &mut line).map_err(io_error("read", &path))?;
        if got != Got::Line {
            let reason = "the header is missing or torn".to_owned();
            return Err(JournalError::BadLine { path, line: 1, reason });
        }
        let header = Header::parse(&line, &path)?;
        let offset = line.len() as u64 + 1;
        Ok(Self {
            input,
            path,
            header,
            line,
            number: 1,
            offset,
            expected: Some(1),
            late: None,
            torn: 0,
            done: false,
        })
    }

    /// The header of the journal.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the line after the last event begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of a torn last line, once the end was reached; zero when the journal ends well.
    pub fn torn_bytes(&self) -> u64 {
        self.torn
    }

    /// Bytes of the line that was read last, with its newline.
    pub(super) fn line_bytes(&self) -> u64 {
        self.line.len() as u64 + 1
    }

    /// The line that was read last, without its newline.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Goes on behind what a checkpoint covers.
    pub(super) fn skip_to(&mut self, checkpoint: &Checkpoint) -> Result<(), JournalError> {
        self.seek(checkpoint.offset)?;
        // A checkpoint is of a journal without bad lines, so that events and lines count alike.
        self.number = checkpoint.seq.0 + 1;
        self.expected = Some(checkpoint.seq.0 + 1);
        Ok(())
    }

    fn seek(&mut self, offset: u64) -> Result<(), JournalError> {
        self.input.seek(SeekFrom::Start(offset)).map_err(io_error("read", &self.path))?;
        self.offset = offset;
        self.expected = None;
        Ok(())
    }

    pub(super) fn checkpoint(&mut self, dir: &RunDir) -> Option<Checkpoint> {
        let checkpoint = Checkpoint::load(dir, self.input.get_mut());
        // Looking at the checkpoint has moved the file under the buffer.
        let back = self.input.seek(SeekFrom::Start(self.offset));
        checkpoint.filter(|_| back.is_ok())
    }

    fn bad(&self, reason: String) -> JournalError {
        JournalError::BadLine { path: self.path.clone(), line: self.number, reason }
    }
}

impl Iterator for Reader {
    type Item = Result<Event, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(event) = self.late.take() {
            return Some(Ok(event));
        }
        if self.done {
            return None;
        }
        let got = match line::read_line(&mut self.input, &mut self.line) {
            Ok(got) => got,
            Err(error) => {
                self.done = true;
                return Some(Err(io_error("read", &self.path)(error)));
            }
        };
        match got {
            Got::End => {
                self.done = true;
                None
            }
            Got::Torn(bytes) => {
                self.torn = bytes;
                self.done = true;
                None
            }
            Got::TooLong(bytes) => {
                self.number += 1;
                self.offset += bytes;
                self.expected = None;
                Some(Err(self.bad(format!("a line of {bytes} bytes"))))
            }
            Got::Line => {
                self.number += 1;
                self.offset += self.line_bytes();
                match line::parse(&mut self.line) {
                    Ok(event) => {
                        let expected = self.expected.replace(event.seq.0.saturating_add(1));
                        match expected.filter(|expected| *expected != event.seq.0) {
                            None => Some(Ok(event)),
                            Some(expected) => {
                                let found = event.seq.0;
                                self.late = Some(event);
                                let path = self.path.clone();
                                Some(Err(JournalError::Gap { path, line: self.number, expected, found }))
                            }
                        }
                    }
                    Err(reason) => {
                        // Which event it was cannot be known, so that the next one sets the count.
                        self.expected = None;
                        Some(Err(self.bad(reason)))
                    }
                }
            }
        }
    }
}

/// The events of a journal, each by the place where its line begins.
#[derive(Debug)]
pub struct Lines {
    file: File,
    path: PathBuf,
}

impl Lines {
    /// Opens the journal.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub fn open(dir: &RunDir) -> Result<Self, JournalError> {
        let path = dir.journal();
        let file = File::open(&path).map_err(io_error("open", &path))?;
        Ok(Self { file, path })
    }

    /// The event whose line begins at `offset`, as [`Reader::offset`] was before it was read.
    ///
    /// # Errors
    ///
    /// There is none any more.
    pub fn at(&self, offset: u64) -> Result<Event, JournalError> {
        let mut line = Vec::new();
        loop {
            let before = line.len();
            line.resize(before + LINE, 0);
            let read = self.file.read_at(&mut line[before..], offset + before as u64);
            let read = read.map_err(io_error("read", &self.path))?;
            line.truncate(before + read);
            let bad = |reason| JournalError::BadLine { path: self.path.clone(), line: 0, reason };
            if let Some(end) = memchr::memchr(b'\n', &line[before..]) {
                line.truncate(before + end);
                return line::parse(&mut line).map_err(bad);
            }
            if read == 0 || line.len() as u64 > line::LONGEST {
                return Err(bad("it has changed while it was read".to_owned()));
            }
        }
    }
}

/// All events from a round's `round.started` to the next round, whatever became of it; empty when there is none.
pub fn round_events(dir: &RunDir, round: RoundNumber) -> Result<Vec<Event>, JournalError> {
    let mut reader = Reader::open(dir)?;
    if let Some(offset) = reader.checkpoint(dir).and_then(|checkpoint| checkpoint.rounds.before(round)) {
        reader.seek(offset)?;
    }
    let mut events = Vec::new();
    for event in reader {
        let event = match event {
            Ok(event) => event,
            Err(error @ JournalError::Io { .. }) => return Err(error),
            // One bad line never stops a reader from showing the rest; `snapshot` counts it.
            Err(_) => continue,
        };
        if let Kind::RoundStarted(started) = &event.kind {
            if started.round > round {
                break;
            }
            if started.round == round {
                events.clear();
                events.push(event);
                continue;
            }
        }
        if !events.is_empty() {
            events.push(event);
        }
    }
    Ok(events)
}
