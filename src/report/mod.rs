//! What is shown of a run: machine formats first, then people.
//!
//! **Invariant: a report cannot steer.** It takes events and the one fold of them, and writes. The live run and `peek`
//! feed the very same reporters, so they cannot disagree. Nothing here reads the environment, and the time of day
//! comes from the caller.

mod alerts;
mod cooldowns;
mod defenses;
pub mod grid;
pub mod human;
mod jsonl;
mod metrics;
mod page;
mod prefixed;
mod snapshot;

#[cfg(test)]
mod samples;

pub use alerts::{AlertRow, alerts};
pub use cooldowns::{CoolingRow, cleared, cooldowns};
pub use defenses::{DefenseRow, defenses};
pub use grid::{GridRow, GridView, Stands, page as grid_page};
pub use human::{Lines, Look, Narrator, Now, Progress, Verbosity, clean};
pub use jsonl::JsonLines;
pub use metrics::{Board, Metrics};
pub use page::{PageView, RunRow, RunState, page, runs_table};
pub use prefixed::Prefixed;
pub use snapshot::{select, snapshot};

use std::io;

use crate::event::{Event, Live, Tally};

/// Somebody who is told about a run.
///
/// An error of kind [`io::ErrorKind::BrokenPipe`] says that nobody listens any more; whether that matters is the
/// caller's to decide.
pub trait Reporter: Send {
    /// An event, the bytes of its journal line, and the tally that has it folded in already.
    fn event(&mut self, event: &Event, line: &[u8], tally: &Tally) -> io::Result<()>;

    /// A passing sight of the run.
    fn live(&mut self, _live: &Live, _tally: &Tally) -> io::Result<()> {
        Ok(())
    }

    /// Time has passed.
    fn tick(&mut self, _tally: &Tally) -> io::Result<()> {
        Ok(())
    }

    /// Nothing more will come.
    fn finish(&mut self, tally: &Tally) -> io::Result<()>;
}

/// Several reporters as one. Put machine formats before people: a terminal that hangs must not hold up a file.
///
/// One that fails does not keep the others from being told; the first error is returned.
#[derive(Default)]
pub struct Fanout(pub Vec<Box<dyn Reporter>>);

impl Fanout {
    fn each(&mut self, mut tell: impl FnMut(&mut dyn Reporter) -> io::Result<()>) -> io::Result<()> {
        let mut first = Ok(());
        for reporter in &mut self.0 {
            let told = tell(reporter.as_mut());
            if first.is_ok() {
                first = told;
            }
        }
        first
    }
}

impl Reporter for Fanout {
    fn event(&mut self, event: &Event, line: &[u8], tally: &Tally) -> io::Result<()> {
        self.each(|reporter| reporter.event(event, line, tally))
    }

    fn live(&mut self, live: &Live, tally: &Tally) -> io::Result<()> {
        self.each(|reporter| reporter.live(live, tally))
    }

    fn tick(&mut self, tally: &Tally) -> io::Result<()> {
        self.each(|reporter| reporter.tick(tally))
    }

    fn finish(&mut self, tally: &Tally) -> io::Result<()> {
        self.each(|reporter| reporter.finish(tally))
    }
}

#[cfg(test)]
mod tests;
