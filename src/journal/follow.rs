//! New lines as they come, for a caller that asks from time to time.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use super::error::io_error;
use super::{JournalError, RunDir};

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
