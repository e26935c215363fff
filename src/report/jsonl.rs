//! `--json`: the journal's own bytes, as they happen.

use std::io::{self, Write};

use super::Reporter;
use crate::event::{Event, Tally};

/// Writes each line as the journal has it, and hands it on at once.
pub struct JsonLines {
    out: Box<dyn Write + Send>,
}

impl JsonLines {
    /// Writes to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }
}

impl Reporter for JsonLines {
    fn event(&mut self, _event: &Event, line: &[u8], _tally: &Tally) -> io::Result<()> {
        self.out.write_all(line)?;
        // The caller may hand the line with or without its end; a reader downstream needs exactly one.
        if line.last() != Some(&b'\n') {
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }

    fn finish(&mut self, _tally: &Tally) -> io::Result<()> {
        self.out.flush()
    }
}
