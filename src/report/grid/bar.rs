//! What the display shows of a run of many cells: a bar over the cells, and what goes on.

use jiff::Timestamp;

use super::narrate;
use super::pace::{self, Pace};
use crate::event::Tally;
use crate::report::human::style::{self, Ink, Look};

/// Columns of the bar.
const BAR: u64 = 20;

/// The two lines of the display.
#[derive(Debug, Default)]
pub(in crate::report) struct CellsBar {
    pace: Pace,
}

impl CellsBar {
    /// The bar, and what goes on; `None` while there is no plan.
    pub(in crate::report) fn lines(
        &mut self,
        tally: &Tally,
        now: Timestamp,
        look: Look,
    ) -> Option<(String, String)> {
        if tally.cells.planned == 0 {
            return None;
        }
        self.pace.saw(now, tally.cells.done());
        Some((self.summary(tally, now, look), doing(tally, now, look)))
    }

    /// `━━━━━━━─────────────  412/1200 · 12/s · 58s left · $0.31`
    fn summary(&self, tally: &Tally, now: Timestamp, look: Look) -> String {
        let (done, planned) = (tally.cells.done(), tally.cells.planned);
        let mut parts = vec![format!("{done}/{planned}")];
        parts.extend(self.pace.rate(now, done).map(pace::rate));
        if done < planned {
            parts.extend(
                self.pace.left(now, done, planned).map(|left| format!("{} left", style::clock(left))),
            );
        } else {
            parts.push("scoring".to_owned());
        }
        parts.push(narrate::spent(tally));
        format!("{}  {}", bar(done, planned, look), parts.join(look.dot()))
    }
}

/// The counts, and what is waited for.
fn doing(tally: &Tally, now: Timestamp, look: Look) -> String {
    let counts = narrate::counts(tally, look);
    let waiting = tally.wait.as_ref().map(|(reason, until)| {
        let left = style::clock(style::between(now, *until));
        format!("{}waits {left}: {}", look.dot(), style::clean(reason))
    });
    format!("{counts}{}", waiting.unwrap_or_default())
}

fn bar(done: u64, planned: u64, look: Look) -> String {
    let full = done.saturating_mul(BAR).checked_div(planned).unwrap_or(0);
    let (mark, rest) = if look.unicode { ("━", "─") } else { ("=", "-") };
    let times = |text: &str, count: u64| text.repeat(usize::try_from(count).unwrap_or(0));
    let rest = look.paint(Ink::Faint, &times(rest, BAR - full.min(BAR)));
    format!("{}{rest}", look.paint(Ink::Good, &times(mark, full.min(BAR))))
}
