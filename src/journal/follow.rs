//! New lines as they come, for a caller that asks from time to time.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use super::error::io_error;
use super::{JournalError, Reader, RunDir};
use crate::event::{Seq, Tally};

/// As much is read per call, so that following a long journal from its beginning stays in bounds.
const AT_ONCE: u64 = 1024 * 1024;

/// Yields whole lines behind an offset, each once.
#[derive(Debug)]
pub struct Follower {
    file: File,
    path: PathBuf,
    offset: u64,
}

impl Follower {
    /// Follows from `offset`, where a line begins; from 0 the header is passed over.
    pub fn open(dir: &RunDir, offset: u64) -> Result<Self, JournalError> {
        let path = dir.journal();
        let file = File::open(&path).map_err(io_error("open", &path))?;
        Ok(Self { file, path, offset })
    }

    /// Follows behind the event of that `seq`, with the fold of all that comes up to it. Costs what was written since the last
    /// checkpoint, where that is of an earlier event; else it reads the journal from its beginning.
    pub fn after(dir: &RunDir, seq: Seq) -> Result<(Self, Tally), JournalError> {
        let mut reader = Reader::open(dir)?;
        let mut tally = Tally::default();
        if let Some(checkpoint) = reader.checkpoint(dir).filter(|checkpoint| checkpoint.seq <= seq) {
            reader.skip_to(&checkpoint)?;
            tally = checkpoint.tally;
        }
        let mut offset = reader.offset();
        while tally.last_seq < seq {
            match reader.next() {
                Some(Ok(event)) if event.seq <= seq => tally.apply(&event),
                Some(Err(error @ JournalError::Io { .. })) => return Err(error),
                // One bad line never stops a reader from showing the rest.
                Some(Err(_)) => continue,
                Some(Ok(_)) | None => break,
            }
            offset = reader.offset();
        }
        Ok((Self::open(dir, offset)?, tally))
    }

    /// Where the next line begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The whole lines that have come, without their newlines; empty when there is nothing new. Ask again at once after
    /// an answer that is not empty: a call reads a bounded stretch.
    pub fn poll(&mut self) -> Result<Vec<Vec<u8>>, JournalError> {
        let failed = |error| io_error("read", &self.path)(error);
        self.file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
        let mut input = BufReader::new(&self.file);
        let mut lines = Vec::new();
        let mut read = 0;
        while read < AT_ONCE {
            let mut line = Vec::new();
            let bytes = input.by_ref().read_until(b'\n', &mut line).map_err(failed)? as u64;
            if line.pop() != Some(b'\n') {
                // Nothing, or a line that is still being written.
                break;
            }
            if self.offset + read > 0 {
                lines.push(line);
            }
            read += bytes;
        }
        self.offset += read;
        Ok(lines)
    }
}
