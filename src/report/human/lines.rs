//! Plain lines: what a log file, a pipe or a terminal without a display gets.

use std::io::{self, Write};

use super::narrate::draining;
use super::voice::Voice;
use super::{Look, Verbosity};
use crate::event::{Event, Live, Tally};
use crate::report::Reporter;

/// Writes what happens; of a run of many cells also, now and then, how far it has come.
pub struct Lines {
    out: Box<dyn Write + Send>,
    voice: Voice,
}

impl Lines {
    /// Writes to `out`; `run_dir` is what the last line names as the place of the run.
    pub fn new(
        out: Box<dyn Write + Send>,
        look: Look,
        verbosity: Verbosity,
        run_dir: impl Into<String>,
    ) -> Self {
        Self { out, voice: Voice::new(look, verbosity, run_dir.into()) }
    }
}

impl Reporter for Lines {
    fn event(&mut self, event: &Event, _line: &[u8], tally: &Tally) -> io::Result<()> {
        let mut lines = self.voice.event(event, tally);
        lines.extend(self.voice.beat(event, tally));
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
