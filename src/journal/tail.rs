//! The last lines of a journal, read backwards: the cost is that of what is shown.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use super::error::io_error;
use super::{JournalError, RunDir};

const BLOCK: u64 = 64 * 1024;

/// The last `n` events as they stand in the file, without their newlines, oldest first.
pub fn tail(dir: &RunDir, n: usize) -> Result<Vec<Vec<u8>>, JournalError> {
    last(dir, n, |_| true)
}

/// The last `n` events of one kind as they stand in the file, without their newlines, oldest first.
pub fn tail_kind(dir: &RunDir, kind: &str, n: usize) -> Result<Vec<Vec<u8>>, JournalError> {
    #[derive(Deserialize)]
    struct Of<'a> {
        #[serde(borrow)]
        kind: std::borrow::Cow<'a, str>,
    }
    let mark = format!("\"{kind}\"");
    let finder = memchr::memmem::Finder::new(&mark);
    last(dir, n, |line| {
        finder.find(line).is_some() && serde_json::from_slice::<Of<'_>>(line).is_ok_and(|of| of.kind == kind)
    })
}

fn last(dir: &RunDir, n: usize, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<Vec<u8>>, JournalError> {
    let path = dir.journal();
    let mut lines = Vec::new();
    if n > 0 {
        let mut backward = Backward::open(&path)?;
        while lines.len() < n {
            let Some(line) = backward.previous(&path)? else { break };
            if wanted(&line) {
                lines.push(line);
            }
        }
    }
    lines.reverse();
    Ok(lines)
}

/// Whole lines from the last to the second: the first is the header, and what follows the last newline is torn.
struct Backward {
    file: File,
    /// Where `held` begins in the file.
    start: u64,
    /// Bytes that were read and not given yet; ends with the newline of the next line to give.
    held: Vec<u8>,
}

impl Backward {
    fn open(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(io_error("open", path))?;
        let start = file.metadata().map_err(io_error("read", path))?.len();
        let mut backward = Self { file, start, held: Vec::new() };
        while backward.start > 0 && !backward.held.contains(&b'\n') {
            backward.held.clear();
            backward.fill(path)?;
        }
        let whole = memchr::memrchr(b'\n', &backward.held).map_or(0, |at| at + 1);
        backward.held.truncate(whole);
        Ok(backward)
    }

    fn previous(&mut self, path: &Path) -> Result<Option<Vec<u8>>, JournalError> {
        // Bytes at the front of `held` in which a newline has not been looked for.
        let mut fresh = self.held.len().saturating_sub(1);
        loop {
            let unseen = self.held.get(..fresh).unwrap_or_default();
            if let Some(at) = memchr::memrchr(b'\n', unseen) {
                let mut line = self.held.split_off(at + 1);
                line.pop();
                return Ok(Some(line));
            }
            if self.start == 0 {
                // What is left is the header.
                return Ok(None);
            }
            let before = self.held.len();
            self.fill(path)?;
            fresh = self.held.len() - before;
            if before == 0 {
                return Ok(None);
            }
        }
    }

    /// Puts the block before `held` in front of it; blocks grow with a long line, so that it is moved a few times only.
    fn fill(&mut self, path: &Path) -> Result<(), JournalError> {
        let size = BLOCK.max(self.held.len() as u64).min(self.start);
        self.start -= size;
        let mut block = vec![0; usize::try_from(size).unwrap_or_default()];
        self.file.seek(SeekFrom::Start(self.start)).map_err(io_error("read", path))?;
        self.file.read_exact(&mut block).map_err(io_error("read", path))?;
        block.append(&mut self.held);
        self.held = block;
        Ok(())
    }
}
