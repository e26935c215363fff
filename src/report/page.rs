//! The page that `peek` shows to a person, and the list of runs. ASCII signs only: it is as good in a mail or a log.

mod cells;
mod runs;
mod supervised;

pub use runs::{RunRow, runs_table};

use std::time::Duration;

use jiff::Timestamp;

use super::human::style::{self, Ink};
use super::human::{Look, budget, checked, evidence};
use crate::event::{RoundSummary, Spend, Tally};

/// Rounds that the page lists.
const SHOWN_ROUNDS: usize = 10;
/// Columns that the name of a phase gets, at most.
const LONGEST_PHASE: usize = 16;
/// Under this width nothing can be laid out any more; the page is then simply too wide.
const LEAST_WIDTH: usize = 20;

/// Whether somebody still works on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Its process runs.
    Live,
    /// Its process is gone and the journal has no end.
    Dead,
    /// The journal has its end.
    Finished,
}

impl RunState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Dead => "dead",
            Self::Finished => "finished",
        }
    }

    fn ink(self) -> Ink {
        match self {
            Self::Live => Ink::Good,
            Self::Dead => Ink::Bad,
            Self::Finished => Ink::Plain,
        }
    }
}

/// All that a page or a snapshot is made of.
#[derive(Clone, Debug)]
pub struct PageView<'a> {
    /// Where the run is.
    pub run_dir: String,
    /// Whether somebody works on it.
    pub state: RunState,
    /// The task, from the manifest; empty when there is none, and then the journal's line of it is shown.
    pub task: String,
    /// Where the agent works.
    pub workspace: String,
    /// `key=value`.
    pub labels: Vec<String>,
    /// The fold of the journal.
    pub tally: &'a Tally,
    /// The time at which it is looked at.
    pub now: Timestamp,
    /// Clocks that run: the key that sets each, and what is left of it.
    pub deadlines: Vec<(String, Duration)>,
    /// Bytes of a last line without an end.
    pub torn_bytes: u64,
    /// Lines that could not be read.
    pub bad_lines: u64,
}

impl PageView<'_> {
    /// What the task is.
    pub(crate) fn task(&self) -> &str {
        match &self.tally.started {
            Some(started) if self.task.is_empty() => &started.task,
            _ => &self.task,
        }
    }

    /// Whether an attempt is open that has not said yet what it consumes.
    pub(crate) fn spend_is_pending(&self) -> bool {
        self.tally.open.as_ref().is_some_and(|open| open.attempt_open && !open.usage_reported)
    }

    /// What was consumed. Of a dead process nobody will ever report it, so it is unknown, as a resume will find too.
    pub(crate) fn spend(&self) -> Spend {
        let known = self.state == RunState::Live || !self.spend_is_pending();
        let spend = self.tally.spend;
        Spend { usd_known: spend.usd_known && known, tokens_known: spend.tokens_known && known, ..spend }
    }
}

/// The page for people, with a line end at its end.
pub fn page(view: &PageView<'_>, colour: bool, width: usize) -> String {
    let look = Look { colour, unicode: false };
    let mut page = Page { look, width: width.max(LEAST_WIDTH), text: String::new() };
    page.header(view);
    page.cells(view);
    page.rounds(view.tally);
    page.open(view);
    page.doubts(view);
    page.spend(view);
    page.alerts(view);
    page.loop_of_supervise(view);
    page.check(view.tally);
    page.result(view.tally);
    page.text
}

struct Page {
    look: Look,
    width: usize,
    text: String,
}

impl Page {
    fn line(&mut self, ink: Ink, text: &str) {
        let fitted = style::fit(text.trim_end(), self.width, self.look);
        self.text.push_str(&self.look.paint(ink, &fitted));
        self.text.push('\n');
    }

    /// A named fact; nothing when there is none.
    fn fact(&mut self, name: &str, what: &str) {
        let what = style::clean(what);
        if !what.is_empty() {
            self.line(Ink::Plain, &format!("{name:<10} {what}"));
        }
    }

    fn title(&mut self, text: &str) {
        self.text.push('\n');
        self.line(Ink::Strong, text);
    }

    fn header(&mut self, view: &PageView<'_>) {
        let tally = view.tally;
        let started = tally.started.as_ref();
        let run = started.map_or("a run without a first event", |started| started.run.as_str());
        self.line(Ink::Strong, &style::clean(run));
        self.line(view.state.ink(), &format!("{:<10} {}", "state", view.state.word()));
        if view.state == RunState::Dead {
            match started {
                Some(started) => {
                    self.fact("resume", &goes_on(&started.verb, started.run.as_str()));
                }
                None => self.fact("resume", "nothing was done yet; start it anew"),
            }
        }
        let many = tally.has_cells();
        self.fact(if many { "suite" } else { "task" }, view.task());
        if let Some(started) = started.filter(|_| !many) {
            let model = tally.served_model.as_deref().or(started.model.as_deref()).unwrap_or("its own model");
            self.fact("profile", &format!("{}, {} with {model}", started.profile, started.harness));
            self.fact("goes on with", tally.goes_on_with.as_deref().unwrap_or_default());
            self.line(Ink::Plain, checked(&started.verb, started.checked));
        }
        self.fact("workspace", &view.workspace);
        self.fact("labels", &view.labels.join(", "));
        self.fact("directory", &view.run_dir);
        if let Some(at) = tally.started_at {
            let until = tally.ended.as_ref().and(tally.last_at).unwrap_or(view.now);
            let resumed = match tally.resumes {
                0 => String::new(),
                times => format!(", resumed {}", style::plural(times, "time")),
            };
            let lasted = style::clock(style::between(at, until));
            self.fact("started", &format!("{} ({lasted}){resumed}", style::date(at)));
        }
        if let Some(at) = tally.last_at {
            let ago = style::clock(style::between(at, view.now));
            self.fact("events", &format!("{}, the last {ago} ago", tally.last_seq));
        }
        if view.torn_bytes > 0 {
            self.line(Ink::Warn, &format!("{:<10} last line, {} bytes", "torn", view.torn_bytes));
        }
        if view.bad_lines > 0 {
            self.line(Ink::Warn, &format!("{:<10} {}", "unreadable", style::plural(view.bad_lines, "line")));
        }
    }

    fn rounds(&mut self, tally: &Tally) {
        if tally.settled.is_empty() {
            return;
        }
        self.title("rounds");
        let skipped = tally.settled.len().saturating_sub(SHOWN_ROUNDS);
        let phases = tally.settled.iter().skip(skipped).filter_map(|round| round.phase.as_ref());
        let longest = phases.map(|phase| console::measure_text_width(&style::clean(phase.as_str()))).max();
        let column = longest.map(|longest| longest.clamp("phase".len(), LONGEST_PHASE));
        let look = self.look;
        let of = |text: &str| column.map_or_else(String::new, |width| style::cell(text, width, look) + "  ");
        let head = format!("round  {}outcome      duration  turns  tools  check   failure", of("phase"));
        self.line(Ink::Faint, &head);
        for round in tally.settled.iter().skip(skipped) {
            let (_, ink) = style::round_outcome(round.outcome);
            let phase = round.phase.as_ref().map_or_else(String::new, |phase| style::clean(phase.as_str()));
            self.line(ink, &row(round, &of(&phase)));
        }
        let hidden = tally.settled_rounds().saturating_sub((tally.settled.len() - skipped) as u64);
        if hidden > 0 {
            self.line(Ink::Faint, &format!("{} before these", style::plural(hidden, "round")));
        }
    }

    fn open(&mut self, view: &PageView<'_>) {
        let tally = view.tally;
        if let Some((reason, until)) = &tally.wait {
            let left = style::clock(style::between(view.now, *until));
            self.title("waiting");
            self.fact("for", tally.wait_cause.map_or("", supervised::cause));
            self.fact("until", &format!("{} ({left} left)", style::date(*until)));
            self.fact("because", reason);
        }
        let Some(open) = &tally.open else { return };
        self.title(&format!("round {} is open", open.round));
        self.fact("since", &style::clock(style::between(open.started_at, view.now)));
        if let Some(phase) = &open.phase {
            self.fact("phase", phase.as_str());
        }
        if open.fresh_eyes {
            self.fact("eyes", "fresh: it was not told of earlier rounds");
        }
        self.fact("attempt", &open.attempt.to_string());
        if let Some(session) = &open.session {
            self.fact("session", session.as_str());
        }
        let (turns, tools) = (style::plural(open.turns.0, "turn"), style::plural(tally.round_tools, "tool"));
        self.fact("done", &format!("{turns}, {tools}"));
        if view.state == RunState::Live {
            for tool in &open.tools {
                let age = style::clock(style::between(tool.since, view.now));
                self.fact("tool", &format!("{} {} ({age})", tool.name, tool.about));
            }
        }
        if let Some(tool) = open.last_tool.as_ref().filter(|_| open.tools.is_empty()) {
            self.fact("last tool", &format!("{} {}", tool.name, tool.about));
        }
        self.fact("last words", &open.last_words);
        let silent = style::clock(style::between(open.last_event_at, view.now));
        self.fact("silent for", &silent);
        if let Some(failure) = &open.failure {
            self.fact("failed", &format!("{}: {}", failure.class, failure.combined()));
        }
        for (key, left) in &view.deadlines {
            self.fact("deadline", &format!("{key} in {}", style::clock(*left)));
        }
    }

    fn doubts(&mut self, view: &PageView<'_>) {
        // What a live process has begun is under way; only what nobody works on any more is in doubt.
        if view.state == RunState::Live {
            return;
        }
        let doubts = view.tally.in_doubt();
        if doubts.is_empty() {
            return;
        }
        self.title("in doubt");
        for doubt in doubts {
            self.line(Ink::Warn, &style::clean(&doubt));
        }
    }

    fn spend(&mut self, view: &PageView<'_>) {
        let spend = view.spend();
        self.title("spend");
        self.fact("dollars", &style::money(&spend));
        self.fact("tokens", &style::tokens(&spend));
        if view.state == RunState::Live && view.spend_is_pending() {
            self.fact("pending", "the open attempt has not reported yet");
        }
        if !view.tally.has_cells() {
            self.fact("work", &work(view.tally));
        }
        if let Some(started) = &view.tally.started {
            self.fact("budget", &budget(&started.budget));
        }
    }

    fn alerts(&mut self, view: &PageView<'_>) {
        if view.tally.alerts.is_empty() {
            return;
        }
        self.title("alerts");
        for alert in &view.tally.alerts {
            let (word, ink) = style::severity(alert.severity);
            let age = style::clock(style::between(alert.since, view.now));
            let (name, message) = (style::clean(&alert.alert), style::clean(&alert.message));
            self.line(ink, &format!("{word}: {name}: {message} (for {age})"));
        }
    }

    fn check(&mut self, tally: &Tally) {
        if let Some(round) = tally.checking {
            self.title(&format!("check of round {round} has begun"));
        }
        let Some(check) = &tally.check else { return };
        let (word, ink) = if check.delivered { ("passed", Ink::Good) } else { ("failed", Ink::Bad) };
        self.title(&format!("check of round {}", check.round));
        self.line(ink, word);
        if let Some(score) = check.score {
            self.fact("score", &score.to_string());
        }
        if let Some(code) = check.exit_code {
            self.fact("exit code", &code.to_string());
        }
        for line in evidence(&check.evidence, self.look, self.width) {
            self.line(Ink::Plain, &line);
        }
    }

    fn result(&mut self, tally: &Tally) {
        let Some(ended) = &tally.ended else { return };
        let (word, ink) = style::run_outcome(ended.outcome);
        self.title("result");
        self.line(ink, &format!("{word}, exit code {}", ended.exit_code));
        if ended.outcome.can_go_on() {
            self.fact("resume", &goes_on(&ended.verb, ended.run.as_str()));
        }
        if let Some(reason) = &ended.reason {
            self.fact("reason", reason);
        }
        if let Some(reset) = ended.reset_at {
            self.fact("again", &format!("not before {}", style::date(reset)));
        }
        if let Some(output) = &ended.output {
            self.fact("answer", output);
        }
    }
}

/// How a run is taken up again.
fn goes_on(verb: &str, run: &str) -> String {
    match verb {
        // It finds its own unfinished run, by profile and task.
        "supervise" => "provost supervise, with the same profile and task".to_owned(),
        verb => format!("provost {verb} --resume {run}"),
    }
}

fn work(tally: &Tally) -> String {
    let (rounds, turns) = (style::plural(tally.rounds.0, "round"), style::plural(tally.turns, "turn"));
    format!("{rounds}, {turns}, {}", style::plural(tally.tools, "tool"))
}

/// One settled round; `phase` is its column, with the space behind it.
fn row(round: &RoundSummary, phase: &str) -> String {
    let (outcome, _) = style::round_outcome(round.outcome);
    let check = match &round.check {
        None => "-",
        Some(check) if check.delivered => "passed",
        Some(_) => "failed",
    };
    let failure = round.failure.as_ref().map_or_else(String::new, |failure| {
        style::clean(&format!("{}: {}", failure.class, failure.combined()))
    });
    format!(
        "{:>5}  {phase}{outcome:<11}  {:>8}  {:>5}  {:>5}  {check:<6}  {failure}",
        round.round.to_string(),
        style::millis(round.duration_ms),
        round.turns.to_string(),
        round.tools,
    )
}
