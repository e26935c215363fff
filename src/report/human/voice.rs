//! Who tells of a run: one narrator for a run of one agent, another one for a run of many cells.

use super::{Look, Narrator, Verbosity};
use crate::event::{Event, Tally};
use crate::report::grid::GridNarrator;

/// Tells a run in the words of its kind. Which kind that is, its first event says.
pub(super) struct Voice {
    verbosity: Verbosity,
    run_dir: String,
    plain: Narrator,
    cells: Option<GridNarrator>,
}

impl Voice {
    /// Says as much as `verbosity` allows; `run_dir` is named at the end.
    pub(super) fn new(look: Look, verbosity: Verbosity, run_dir: String) -> Self {
        Self { verbosity, plain: Narrator::new(look, verbosity, run_dir.clone()), run_dir, cells: None }
    }

    /// How it looks.
    pub(super) fn look(&self) -> Look {
        self.plain.look()
    }

    /// The lines of `event`, without line ends; `tally` has the event folded in already.
    pub(super) fn event(&mut self, event: &Event, tally: &Tally) -> Vec<String> {
        match self.of_cells(tally) {
            Some(cells) => cells.event(event, tally),
            None => self.plain.event(event, tally),
        }
    }

    /// How far it has come, where that is worth a line.
    pub(super) fn beat(&mut self, event: &Event, tally: &Tally) -> Option<String> {
        self.of_cells(tally)?.beat(event, tally)
    }

    fn of_cells(&mut self, tally: &Tally) -> Option<&mut GridNarrator> {
        let (look, verbosity, run_dir) = (self.look(), self.verbosity, &self.run_dir);
        let narrator = || GridNarrator::new(look, verbosity, run_dir.clone());
        tally.has_cells().then(|| self.cells.get_or_insert_with(narrator))
    }
}
