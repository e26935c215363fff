//! The display of a run of many cells: the lines scroll, and below them a bar over the cells and what goes on.

use std::io;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::narrate::{self, GridNarrator};
use super::pace::{self, Pace};
use crate::event::{Event, Kind, Live, Phase, Tally};
use crate::report::Reporter;
use crate::report::human::style::{self, Ink, Look};
use crate::report::human::{Now, Verbosity, draining};

/// Columns of the bar.
const BAR: u64 = 20;

/// Lines above, two lines of display below. Use it only where the target is a terminal: a hidden target swallows all.
pub struct GridProgress {
    narrator: GridNarrator,
    multi: MultiProgress,
    head: ProgressBar,
    activity: ProgressBar,
    now: Now,
    pace: Pace,
    ending: Option<String>,
    shown: bool,
}

impl GridProgress {
    /// Draws to `target`.
    pub fn new(
        target: ProgressDrawTarget,
        look: Look,
        verbosity: Verbosity,
        run_dir: impl Into<String>,
        now: Now,
    ) -> Self {
        // The bar is drawn by us: the library would ask the environment for colours by itself.
        let line = || {
            let style = ProgressStyle::with_template("{wide_msg}");
            ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        };
        Self {
            narrator: GridNarrator::new(look, verbosity, run_dir.into()),
            multi: MultiProgress::with_draw_target(target),
            head: line(),
            activity: line(),
            now,
            pace: Pace::default(),
            ending: None,
            shown: false,
        }
    }

    fn redraw(&mut self, tally: &Tally) {
        if tally.phase == Phase::Ended || tally.cells.planned == 0 {
            return;
        }
        if !self.shown {
            self.head = self.multi.add(self.head.clone());
            self.activity = self.multi.add(self.activity.clone());
            self.shown = true;
        }
        self.pace.saw((self.now)(), narrate::done(tally));
        self.activity.set_message(self.doing(tally));
        self.head.set_message(self.summary(tally));
        self.head.tick();
        self.activity.tick();
    }

    /// `━━━━━━━─────────────  412/1200 · 12/s · 58s left · $0.31`
    fn summary(&self, tally: &Tally) -> String {
        let look = self.narrator.look();
        let now = (self.now)();
        let (done, planned) = (narrate::done(tally), tally.cells.planned);
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

    /// What goes on: the end that is under way, a wait, or the counts.
    fn doing(&self, tally: &Tally) -> String {
        let look = self.narrator.look();
        if let Some(why) = &self.ending {
            return format!("  {why}");
        }
        let counts = narrate::counts(tally, look);
        let waiting = tally.wait.as_ref().map(|(reason, until)| {
            let left = style::clock(style::between((self.now)(), *until));
            format!("{}waits {left}: {}", look.dot(), style::clean(reason))
        });
        format!("  {counts}{}", waiting.unwrap_or_default())
    }
}

fn bar(done: u64, planned: u64, look: Look) -> String {
    let full = done.saturating_mul(BAR).checked_div(planned).unwrap_or(0);
    let (mark, rest) = if look.unicode { ("━", "─") } else { ("=", "-") };
    let times = |text: &str, count: u64| text.repeat(usize::try_from(count).unwrap_or(0));
    let rest = look.paint(Ink::Faint, &times(rest, BAR - full.min(BAR)));
    format!("{}{rest}", look.paint(Ink::Good, &times(mark, full.min(BAR))))
}

impl Reporter for GridProgress {
    fn event(&mut self, event: &Event, _line: &[u8], tally: &Tally) -> io::Result<()> {
        if matches!(event.kind, Kind::RunEnded(_)) {
            self.ending = None;
            self.multi.clear()?;
        }
        let lines = self.narrator.event(event, tally);
        if !lines.is_empty() {
            self.multi.println(lines.join("\n"))?;
        }
        self.redraw(tally);
        Ok(())
    }

    fn live(&mut self, live: &Live, tally: &Tally) -> io::Result<()> {
        match live {
            Live::Ending(why) => self.ending = Some(format!("ending: {}", style::clean(why))),
            Live::Draining(why) => self.ending = Some(draining(why)),
            Live::Text(_) | Live::Transcript(_) | Live::NextDeadline(_) => {}
        }
        self.redraw(tally);
        Ok(())
    }

    fn tick(&mut self, tally: &Tally) -> io::Result<()> {
        self.redraw(tally);
        Ok(())
    }

    fn finish(&mut self, _tally: &Tally) -> io::Result<()> {
        self.activity.finish_and_clear();
        self.head.finish_and_clear();
        self.multi.clear()
    }
}
