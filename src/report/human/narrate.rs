//! An event in words: the same words for a log and for what scrolls above the display.

use super::looped;
use super::style::{self, Ink, Look};
use crate::event::{
    AttemptRetrying, BudgetCeilings, CheckEnded, Event, Failure, Kind, RoundEnded, RunEnded, RunResumed,
    RunStarted, Tally, WaitCause, WaitStarted,
};

/// Lines of a failing check that are shown.
const CHECK_LINES: usize = 8;
/// Columns of one quoted line; what is longer is in the run directory.
const QUOTE_COLUMNS: usize = 200;

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// How it ended, and nothing else.
    Quiet,
    /// What happens.
    #[default]
    Normal,
    /// Also what the agent says and who it is.
    Verbose,
}

/// Turns events into lines.
#[derive(Clone, Debug)]
pub struct Narrator {
    look: Look,
    verbosity: Verbosity,
    run_dir: String,
}

impl Narrator {
    /// Says as much as `verbosity` allows; `run_dir` is named at the end.
    pub fn new(look: Look, verbosity: Verbosity, run_dir: impl Into<String>) -> Self {
        Self { look, verbosity, run_dir: run_dir.into() }
    }

    /// How it looks.
    pub fn look(&self) -> Look {
        self.look
    }

    /// The lines of `event`, without line ends; `tally` has the event folded in already.
    pub fn event(&self, event: &Event, tally: &Tally) -> Vec<String> {
        if let Kind::RunEnded(ended) = &event.kind {
            return self.run_ended(ended);
        }
        if self.verbosity == Verbosity::Quiet {
            return Vec::new();
        }
        match &event.kind {
            Kind::RunStarted(started) => self.run_started(started),
            Kind::RunResumed(resumed) => self.run_resumed(resumed),
            Kind::RoundStarted(started) => {
                let limit = tally.started.as_ref().and_then(|run| run.budget.rounds);
                let of = limit.map_or_else(String::new, |rounds| format!("/{rounds}"));
                let phase = started.phase.as_ref().map_or_else(String::new, |phase| format!(" ({phase})"));
                let eyes = if started.fresh_eyes { ", with fresh eyes" } else { "" };
                vec![self.paint(Ink::Strong, &format!("round {}{of}{phase}{eyes}", started.round))]
            }
            Kind::RoundEnded(ended) => self.round_ended(ended, tally),
            Kind::ToolCalled(called) => {
                let what = style::clean(&format!("{} {}", called.name, called.about));
                vec![format!("  {} {}", self.look.tool(), self.quote(&what))]
            }
            Kind::ToolReturned(returned) if !returned.ok => self.tool_failed(tally),
            Kind::AttemptRetrying(retrying) => vec![self.retrying(retrying)],
            Kind::AttemptFailed(failed) => {
                let what = format!("  ! attempt {}: {}", failed.attempt, self.failure(&failed.failure));
                vec![self.paint(Ink::Warn, &what)]
            }
            Kind::FallbackSwitched(switched) => {
                let (to, why) = (style::clean(&switched.to), style::clean(&switched.why));
                vec![self.paint(Ink::Warn, &format!("  goes on with {to}: {why}"))]
            }
            // The pause between two rounds is no news, nor is it that others have their turn.
            Kind::WaitStarted(wait) if matches!(wait.cause, Some(WaitCause::Pause | WaitCause::Turn)) => {
                self.at_length(&event.kind)
            }
            Kind::WaitStarted(wait) => vec![self.wait(wait, event)],
            Kind::WaitEnded(wait) if !wait.complete => vec!["wait cut short".to_owned()],
            Kind::CheckEnded(ended) => self.check_ended(ended),
            Kind::BudgetRefused(refused) => {
                vec![self.paint(Ink::Warn, &format!("budget: {}", style::clean(&refused.why)))]
            }
            Kind::AlertRaised(raised) => {
                let (word, ink) = style::severity(raised.severity);
                let (alert, message) = (style::clean(&raised.alert), style::clean(&raised.message));
                vec![self.paint(ink, &format!("{word}: {alert}: {message}"))]
            }
            Kind::StopRequested(asked) => {
                let how = if asked.now { "asked to stop now" } else { "asked to stop" };
                vec![format!("{how}, by request {}", style::clean(asked.id.as_str()))]
            }
            Kind::AlertCleared(cleared) => vec![format!("cleared: {}", style::clean(&cleared.alert))],
            kind => match looped::line(kind) {
                Some((text, ink)) => vec![self.paint(ink, &text)],
                None => self.at_length(kind),
            },
        }
    }

    fn at_length(&self, kind: &Kind) -> Vec<String> {
        if self.verbosity == Verbosity::Verbose { self.detail(kind) } else { Vec::new() }
    }

    /// What only the verbose are told.
    fn detail(&self, kind: &Kind) -> Vec<String> {
        let text = match kind {
            Kind::TurnEnded(turn) if !turn.preview.is_empty() => {
                format!("  {} {}", self.look.bar(), style::clean(&turn.preview))
            }
            Kind::AttemptStarted(started) if started.attempt.0 > 1 => {
                format!("  attempt {}", started.attempt)
            }
            Kind::AttemptAccepted(accepted) => {
                let parts = [
                    accepted.agent.clone(),
                    accepted.model.clone(),
                    accepted.session.as_ref().map(|session| format!("session {session}")),
                ];
                let parts: Vec<_> = parts.into_iter().flatten().map(|part| style::clean(&part)).collect();
                if parts.is_empty() {
                    return Vec::new();
                }
                format!("  {}", parts.join(self.look.dot()))
            }
            Kind::AgentSpawned(spawned) => {
                format!("  process {}: {}", spawned.pid, style::clean(&spawned.program))
            }
            Kind::AgentExited(exited) if !exited.strays.is_empty() => {
                format!("  left behind and killed: {}", style::clean(&exited.strays.join(", ")))
            }
            Kind::CheckStarted(started) => format!("check of round {}", started.round),
            Kind::WaitStarted(wait) => {
                format!("  {} until {}", style::clean(&wait.reason), style::time(wait.until))
            }
            _ => return Vec::new(),
        };
        vec![self.paint(Ink::Faint, &text)]
    }

    fn run_started(&self, started: &RunStarted) -> Vec<String> {
        let dot = self.look.dot();
        let model = started.model.as_deref().unwrap_or("its own model");
        let who = style::clean(&format!("{} with {model}", started.harness));
        let profile = style::clean(&started.profile);
        vec![
            self.paint(
                Ink::Strong,
                &format!("{} {}", style::clean(&started.verb), style::clean(started.run.as_str())),
            ),
            format!("  profile {profile}{dot}{who}{dot}{}", budget(&started.budget)),
            format!("  task: {}", self.quote(&style::clean(&started.task))),
            format!("  {}", checked(&started.verb, started.checked)),
        ]
    }

    fn run_resumed(&self, resumed: &RunResumed) -> Vec<String> {
        let cut = match resumed.cut_bytes {
            0 => String::new(),
            bytes => format!(", {} of a torn line cut", style::plural(bytes, "byte")),
        };
        let first = self.paint(Ink::Strong, &format!("resumed after event {}{cut}", resumed.after));
        let doubts = resumed
            .in_doubt
            .iter()
            .map(|doubt| self.paint(Ink::Warn, &format!("  in doubt: {}", self.quote(&style::clean(doubt)))));
        std::iter::once(first).chain(doubts).collect()
    }

    fn round_ended(&self, ended: &RoundEnded, tally: &Tally) -> Vec<String> {
        let (word, ink) = style::round_outcome(ended.outcome);
        let mut parts = vec![
            format!("round {} {}", ended.round, self.paint(ink, word)),
            style::millis(ended.duration_ms),
        ];
        if let Some(round) = tally.last_round().filter(|round| round.round == ended.round) {
            parts.push(style::plural(round.turns.0, "turn"));
            parts.push(style::plural(round.tools, "tool"));
        }
        let mut lines = vec![parts.join(self.look.dot())];
        if let Some(failure) = &ended.failure {
            lines.push(self.paint(Ink::Bad, &format!("  {}", self.failure(failure))));
        }
        lines
    }

    fn tool_failed(&self, tally: &Tally) -> Vec<String> {
        // The tally has dropped the tool already; its name is known only when it was the last one.
        let open = tally.open.as_ref();
        let last = open.and_then(|open| open.last_tool.as_ref().filter(|_| open.tools.is_empty()));
        let name = last.map_or_else(|| "a tool".to_owned(), |tool| style::clean(&tool.name));
        vec![self.paint(Ink::Warn, &format!("    {name} failed"))]
    }

    fn retrying(&self, retrying: &AttemptRetrying) -> String {
        let wait = retrying.delay_ms.map_or_else(String::new, |ms| format!(" in {}", style::millis(ms)));
        let status = retrying.status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
        let evidence = self.quote(&style::clean(&retrying.evidence));
        let text = format!("  ! the agent's retry {}{wait}{status}: {evidence}", retrying.attempt);
        self.paint(Ink::Warn, &text)
    }

    fn wait(&self, wait: &WaitStarted, event: &Event) -> String {
        let left = style::clock(style::between(event.at, wait.until));
        let text =
            format!("waiting until {} ({left}): {}", style::time(wait.until), style::clean(&wait.reason));
        self.paint(Ink::Warn, &text)
    }

    fn check_ended(&self, ended: &CheckEnded) -> Vec<String> {
        let (word, ink) = if ended.delivered { ("passed", Ink::Good) } else { ("failed", Ink::Bad) };
        let mut parts = vec![format!("check {}", self.paint(ink, word)), style::millis(ended.duration_ms)];
        if let Some(score) = ended.score {
            parts.push(format!("score {score}"));
        }
        if let Some(code) = ended.exit_code.filter(|code| *code != 0) {
            parts.push(format!("exit code {code}"));
        }
        let mut lines = vec![parts.join(self.look.dot())];
        if !ended.delivered {
            lines.extend(evidence(&ended.evidence, self.look, QUOTE_COLUMNS));
        }
        lines
    }

    fn run_ended(&self, ended: &RunEnded) -> Vec<String> {
        let (word, ink) = style::run_outcome(ended.outcome);
        let parts = [
            self.paint(ink, word),
            format!("exit code {}", ended.exit_code),
            style::plural(ended.rounds, "round"),
            style::seconds(ended.spend.wall_s),
            format!("spend {}", style::money(&ended.spend)),
            style::clean(&self.run_dir),
        ];
        let last = parts.join(self.look.dot());
        if self.verbosity == Verbosity::Quiet {
            return vec![last];
        }
        let mut lines = Vec::new();
        if let Some(reason) = &ended.reason {
            lines.push(format!("  {}", self.quote(&style::clean(reason))));
        }
        if let Some(reset) = ended.reset_at {
            lines.push(format!("  worth trying again after {}", style::date(reset)));
        }
        lines.push(format!("  tokens: {}", style::tokens(&ended.spend)));
        lines.push(last);
        lines
    }

    fn failure(&self, failure: &Failure) -> String {
        let status = failure.status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
        format!("{}{status}: {}", failure.class, self.quote(&style::clean(&failure.combined())))
    }

    fn quote(&self, text: &str) -> String {
        style::fit(text, QUOTE_COLUMNS, self.look)
    }

    fn paint(&self, ink: Ink, text: &str) -> String {
        self.look.paint(ink, text)
    }
}

/// The first lines of what a check said.
pub(crate) fn evidence(text: &str, look: Look, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = style::clean_lines(text).take(CHECK_LINES + 1).collect();
    let more = lines.len() > CHECK_LINES;
    lines.truncate(CHECK_LINES);
    if more {
        lines.push(look.ellipsis().to_owned());
    }
    lines.into_iter().map(|line| format!("  {} {}", look.bar(), style::fit(&line, width, look))).collect()
}

/// Whether a check decides, in words.
pub(crate) fn checked(verb: &str, checked: bool) -> &'static str {
    match (checked, verb) {
        (true, _) => "checked: only a passed check delivers",
        (false, "supervise") => "no check: round after round, until it is stopped",
        (false, _) => "no check: a settled round is the result",
    }
}

/// What whoever asked for the end is told while the round goes on.
pub(crate) fn draining(why: &str) -> String {
    let why = style::clean(why);
    format!("draining: {why}; the round goes on to its end, and a second request ends the agent")
}

/// The ceilings, in words.
pub(crate) fn budget(budget: &BudgetCeilings) -> String {
    let parts = [
        budget.rounds.map(|rounds| style::plural(rounds, "round")),
        budget.tokens.map(|tokens| style::plural(tokens, "token")),
        budget.usd.map(style::dollars),
        budget.wall_s.map(style::seconds),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no ceiling".to_owned() } else { format!("at most {}", parts.join(", ")) }
}
