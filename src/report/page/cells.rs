//! What the page says of a run of many cells.

use super::{Ink, Page, PageView, RunState};
use crate::report::grid::{Glance, glance};

impl Page {
    /// Nothing for a run of one agent.
    pub(super) fn cells(&mut self, view: &PageView<'_>) {
        let Some(seen) = glance(view.tally, view.now, view.state == RunState::Live) else { return };
        if view.tally.cells.planned > 0 {
            self.title("cells");
            self.fact("done", &seen.progress(self.look));
            self.fact("pace", &seen.pace());
        }
        self.arms(&seen);
        let gone = seen.gone();
        if !gone.is_empty() {
            self.title("last missing");
            for line in &gone {
                self.line(Ink::Warn, line);
            }
        }
        if let Some((ink, verdict, reasons)) = seen.verdict() {
            self.title("verdict");
            self.line(ink, verdict);
            for reason in reasons {
                self.line(Ink::Plain, reason);
            }
        }
    }

    fn arms(&mut self, seen: &Glance<'_>) {
        let lines = seen.arms(self.look, self.width);
        if !lines.is_empty() {
            self.title("arms");
            for line in &lines {
                self.painted(line);
            }
        }
    }

    /// A line that is laid out and has its colours.
    fn painted(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}
