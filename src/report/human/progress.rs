//! The display on a terminal: the lines scroll, and below them stands what goes on right now.

use std::io;
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::Verbosity;
use super::narrate::draining;
use super::style::{self, Look};
use super::voice::Voice;
use crate::event::{Deadline, Event, Kind, Live, Phase, Tally};
use crate::report::Reporter;
use crate::report::grid::CellsBar;

/// Characters of streamed text that are kept for the display.
const KEPT_WORDS: usize = 400;
/// Columns of the last words; a longer line shows its end, which is what moves.
const WORDS_COLUMNS: usize = 100;

/// Tells the time of day. Given by the caller, so that a test and `peek` can stand still.
pub type Now = Box<dyn Fn() -> Timestamp + Send>;

/// Lines above, two lines of display below. Use it only where the target is a terminal: a hidden target swallows all.
pub struct Progress {
    voice: Voice,
    multi: MultiProgress,
    head: ProgressBar,
    activity: ProgressBar,
    now: Now,
    ending: Option<String>,
    shown: bool,
    round: RoundSight,
    cells: CellsBar,
}

impl Progress {
    /// Draws to `target`.
    pub fn new(
        target: ProgressDrawTarget,
        look: Look,
        verbosity: Verbosity,
        run_dir: impl Into<String>,
        now: Now,
    ) -> Self {
        Self {
            voice: Voice::new(look, verbosity, run_dir.into()),
            multi: MultiProgress::with_draw_target(target),
            head: bar("{spinner} {wide_msg}", look),
            activity: bar("  {wide_msg}", look),
            now,
            ending: None,
            shown: false,
            round: RoundSight::default(),
            cells: CellsBar::default(),
        }
    }

    fn redraw(&mut self, tally: &Tally) {
        if matches!(tally.phase, Phase::Empty | Phase::Ended) {
            return;
        }
        let (now, look) = ((self.now)(), self.voice.look());
        let lines = if tally.has_cells() {
            self.cells.lines(tally, now, look)
        } else {
            Some((self.round.summary(tally, now, look), self.round.doing(tally, now, look)))
        };
        let Some((head, doing)) = lines else { return };
        if !self.shown {
            if tally.has_cells() {
                // The bar shows that it moves.
                self.head = bar("{wide_msg}", look);
            }
            // Added only now, so that what comes before the first event leaves no empty lines.
            self.head = self.multi.add(self.head.clone());
            self.activity = self.multi.add(self.activity.clone());
            self.shown = true;
        }
        self.activity.set_message(self.ending.clone().unwrap_or(doing));
        self.head.set_message(head);
        self.head.tick();
        self.activity.tick();
    }
}

/// A line of the display. It is drawn by us: the library would ask the environment for colours by itself.
fn bar(template: &str, look: Look) -> ProgressBar {
    // A template that does not parse would be our own mistake; the plain one shows the message too.
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_chars(if look.unicode { "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ " } else { "-\\|/ " });
    ProgressBar::new_spinner().with_style(style)
}

/// What is shown of the round of one agent.
#[derive(Debug, Default)]
struct RoundSight {
    words: String,
    deadline: Option<(Deadline, Instant)>,
}

impl RoundSight {
    /// `round 2/10 · 1m 05s · 14 tools · $0.12 · timeout in 28m`
    fn summary(&self, tally: &Tally, now: Timestamp, look: Look) -> String {
        let limit = tally.started.as_ref().and_then(|run| run.budget.rounds);
        let of = limit.map_or_else(String::new, |rounds| format!("/{rounds}"));
        let since = tally.open.as_ref().map(|open| open.started_at).or(tally.started_at);
        let mut parts = vec![format!("round {}{of}", tally.rounds)];
        if let Some(since) = since {
            parts.push(style::clock(style::between(since, now)));
        }
        parts.push(style::plural(tally.round_tools, "tool"));
        parts.push(spent(tally));
        if let Some((deadline, at)) = self.deadline {
            let left = style::clock(at.saturating_duration_since(Instant::now()));
            let key = deadline.key();
            let name = key.rsplit('.').next().unwrap_or(key).replace('_', " ");
            parts.push(format!("{name} in {left}"));
        }
        parts.join(look.dot())
    }

    /// What goes on: a wait, a check, a tool, or the last words.
    fn doing(&self, tally: &Tally, now: Timestamp, look: Look) -> String {
        if let Some((reason, until)) = &tally.wait {
            let left = style::clock(style::between(now, *until));
            return format!("{left} to wait: {}", style::clean(reason));
        }
        if let Some(round) = tally.checking {
            return format!("check of round {round}");
        }
        let Some(open) = &tally.open else {
            return "deciding".to_owned();
        };
        if let Some(tool) = open.tools.last() {
            let age = style::clock(style::between(tool.since, now));
            let others = match open.tools.len() - 1 {
                0 => String::new(),
                others => format!(" (+{others})"),
            };
            // The age comes first: what the tool is about may be long, and is cut at the end.
            let what = style::clean(&format!("{} {}", tool.name, tool.about));
            return format!("{age}{others} {} {what}", look.tool());
        }
        let streamed = style::clean_lines(&self.words).last();
        let words = streamed.unwrap_or_else(|| style::clean(&open.last_words));
        if words.trim().is_empty() {
            return "waiting for the agent".to_owned();
        }
        tail(words.trim(), look)
    }

    fn listen(&mut self, text: &str) {
        self.words.push_str(text);
        let surplus = self.words.chars().count().saturating_sub(KEPT_WORDS);
        if surplus > 0 {
            let cut = self.words.char_indices().nth(surplus).map_or(0, |(at, _)| at);
            self.words.drain(..cut);
        }
    }
}

/// The dollars so far. An attempt that has not reported yet has cost something, and nobody knows what.
fn spent(tally: &Tally) -> String {
    let pending = tally.open.as_ref().is_some_and(|open| open.attempt_open && !open.usage_reported);
    if !tally.spend.usd_known {
        "spend unknown".to_owned()
    } else if !pending {
        style::dollars(tally.spend.usd)
    } else if tally.spend.usd > 0.0 {
        format!("{} before this round", style::dollars(tally.spend.usd))
    } else {
        "spend not yet known".to_owned()
    }
}

/// The end of a long line, by columns.
fn tail(words: &str, look: Look) -> String {
    let width = console::measure_text_width(words);
    if width <= WORDS_COLUMNS {
        return words.to_owned();
    }
    let mut kept = words;
    while console::measure_text_width(kept) > WORDS_COLUMNS {
        let mut chars = kept.chars();
        chars.next();
        kept = chars.as_str();
    }
    format!("{}{kept}", look.ellipsis())
}

impl Reporter for Progress {
    fn event(&mut self, event: &Event, _line: &[u8], tally: &Tally) -> io::Result<()> {
        match &event.kind {
            // That a cell ends says nothing of the run.
            Kind::RoundStarted(_) | Kind::RoundEnded(_) if tally.has_cells() => {}
            Kind::RoundStarted(_) | Kind::RoundEnded(_) | Kind::RunEnded(_) => {
                self.round = RoundSight::default();
                self.ending = None;
            }
            Kind::AttemptStarted(_) | Kind::AttemptFailed(_) | Kind::ToolCalled(_) | Kind::TurnEnded(_) => {
                self.round.words.clear();
            }
            _ => {}
        }
        if matches!(event.kind, Kind::RunEnded(_)) {
            self.multi.clear()?;
        }
        let lines = self.voice.event(event, tally);
        if !lines.is_empty() {
            self.multi.println(lines.join("\n"))?;
        }
        self.redraw(tally);
        Ok(())
    }

    fn live(&mut self, live: &Live, tally: &Tally) -> io::Result<()> {
        match live {
            Live::Text(text) => self.round.listen(text),
            Live::Transcript(_) => {}
            Live::NextDeadline(next) => self.round.deadline = *next,
            Live::Ending(why) => self.ending = Some(format!("ending: {}", style::clean(why))),
            Live::Draining(why) => self.ending = Some(draining(why)),
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
