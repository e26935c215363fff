//! Plain lines of a run of many cells: what a log file, a pipe or a terminal without a display gets.

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use super::narrate::{self, GridNarrator};
use super::pace::{self, Pace};
use crate::event::{Event, Kind, Live, Tally};
use crate::report::Reporter;
use crate::report::human::style::{self, Look};
use crate::report::human::{Verbosity, draining};

/// A line on how far it has come at least so often, by the time of the events.
const BEAT: SignedDuration = SignedDuration::from_secs(30);
/// And at each such part of the way.
const PARTS: u64 = 10;

/// Writes what happens, and now and then how far it has come.
pub struct GridLines {
    out: Box<dyn Write + Send>,
    narrator: GridNarrator,
    pace: Pace,
    beat: Option<(Timestamp, u64)>,
}

impl GridLines {
    /// Writes to `out`; `run_dir` is what the last line names as the place of the run.
    pub fn new(
        out: Box<dyn Write + Send>,
        look: Look,
        verbosity: Verbosity,
        run_dir: impl Into<String>,
    ) -> Self {
        let narrator = GridNarrator::new(look, verbosity, run_dir.into());
        Self { out, narrator, pace: Pace::default(), beat: None }
    }

    /// How far it has come, where it is time to say so.
    fn beat(&mut self, event: &Event, tally: &Tally) -> Option<String> {
        if !matches!(event.kind, Kind::CellStarted(_) | Kind::CellEnded(_)) || self.narrator.is_quiet() {
            return None;
        }
        let (done, planned) = (narrate::done(tally), tally.cells.planned);
        self.pace.saw(event.at, done);
        let part = done.saturating_mul(PARTS).checked_div(planned)?;
        let (last_at, last_part) = *self.beat.get_or_insert((event.at, part));
        let due = part > last_part || event.at.duration_since(last_at) >= BEAT;
        // The end has a line of its own.
        if !due || done == planned {
            return None;
        }
        self.beat = Some((event.at, part));
        let look = self.narrator.look();
        let mut parts = vec![format!("  {done}/{planned} cells")];
        parts.extend(self.pace.rate(event.at, done).map(pace::rate));
        parts.push(narrate::spent(tally));
        parts.extend(
            self.pace.left(event.at, done, planned).map(|left| format!("{} left", style::clock(left))),
        );
        parts.push(narrate::counts(tally, look));
        Some(parts.join(look.dot()))
    }
}

impl Reporter for GridLines {
    fn event(&mut self, event: &Event, _line: &[u8], tally: &Tally) -> io::Result<()> {
        let mut lines = self.narrator.event(event, tally);
        lines.extend(self.beat(event, tally));
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
