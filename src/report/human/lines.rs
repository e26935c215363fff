//! Plain lines: what a log file, a pipe or a terminal without a display gets.

use std::io::{self, Write};

use super::narrate::draining;
use super::{Look, Narrator, Verbosity};
use crate::event::{Event, Live, Tally};
use crate::report::Reporter;

/// Writes what the [`Narrator`] says.
pub struct Lines {
    out: Box<dyn Write + Send>,
    narrator: Narrator,
}

impl Lines {
    /// Writes to `out`; `run_dir` is what the last line names as the place of the run.
    pub fn new(
        out: Box<dyn Write + Send>,
        look: Look,
        verbosity: Verbosity,
        run_dir: impl Into<String>,
    ) -> Self {
        Self { out, narrator: Narrator::new(look, verbosity, run_dir) }
    }
}

impl Reporter for Lines {
    fn event(&mut self, event: &Event, _line: &[u8], tally: &Tally) -> io::Result<()> {
        let lines = self.narrator.event(event, tally);
        if lines.is_empty() {
            return Ok(());
        }
        for line in lines {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }

    fn live(&mut self, live: &Live, _tally: &Tally) -> io::Result<()> {
        // Whoever has pressed Ctrl-C wants to know why it goes on.
        if let Live::Draining(why) = live {
            writeln!(self.out, "{}", draining(why))?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn finish(&mut self, _tally: &Tally) -> io::Result<()> {
        self.out.flush()
    }
}
