//! From what the server says to what an attempt reports.
//!
//! **Invariant: pure, and each thing is told once.** Events and snapshots of the messages go through the same fold, in
//! any mix and as often as they come: a stream that was cut, a snapshot that fills the gap and an event that comes twice
//! report what one unbroken stream reports.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fault;
use super::wire::{Body, Message, Part, Status, Tool, ToolState, What};
use crate::backend::Report;
use crate::backend::agent::Signal;
use crate::event::{AttemptRetrying, Failure, FaultClass, ToolCalled, ToolId, TurnNumber};
use crate::fault::ends_run;

/// So many model calls in a row that end without a terminal marker and consume nothing are a loop that never ends.
const STRIKES: u32 = 3;

/// What is known of a part that is shown as it grows.
#[derive(Debug, Default)]
struct Shown {
    text: String,
    /// Pieces of it may have been missed: only its whole text counts from here on.
    gap: bool,
    ended: bool,
    reasoning: bool,
}

/// How far a tool's story is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    called: bool,
    returned: bool,
}

/// A message of the assistant.
#[derive(Debug, Default)]
struct Turn {
    parts: BTreeMap<String, Shown>,
    tools: BTreeMap<String, Told>,
    told: bool,
}

/// The fold of one prompt.
#[derive(Debug)]
pub(super) struct Fold {
    /// The last message that was there before the prompt; what is not after it is not ours.
    anchor: String,
    turns: BTreeMap<String, Turn>,
    turn: u64,
    begun: bool,
    emitted: bool,
    /// Whether events were missed and no snapshot has come since: what ends then may not be known whole.
    blind: bool,
    strikes: u32,
    retries: BTreeSet<(u64, Option<u64>)>,
    /// What the server's own waits may still take.
    patience: Duration,
    /// The first specific thing that went wrong.
    failed: Option<Failure>,
}

impl Fold {
    /// For a prompt after the message `anchor`, empty for none. The server's own retries may wait `patience` in all.
    pub(super) fn new(anchor: String, patience: Duration) -> Self {
        Self {
            anchor,
            turns: BTreeMap::new(),
            turn: 0,
            begun: false,
            emitted: false,
            blind: false,
            strikes: 0,
            retries: BTreeSet::new(),
            patience,
            failed: None,
        }
    }

    /// Whether the model has said or done anything.
    pub(super) fn emitted(&self) -> bool {
        self.emitted
    }

    /// What the event stream said that went wrong.
    pub(super) fn failed(&self) -> Option<&Failure> {
        self.failed.as_ref()
    }

    /// Whether a message came after the prompt. The server's ids sort by time.
    pub(super) fn is_ours(&self, message: &str) -> bool {
        message > self.anchor.as_str()
    }

    /// Takes what happened in our session. `now` is the server's clock, in milliseconds since 1970. Says whether it is a
    /// sign of life of the model or its tools; a status is none, since a server that only retries has many.
    pub(super) fn event(&mut self, what: &What, now: Option<u64>, out: &mut Vec<Signal>) -> bool {
        match what {
            What::Message(message) if self.blind && message.completed => {}
            What::Message(message) => self.message(message, out),
            What::Part(part) => self.part(&part.message, part, out),
            What::Delta { message, part, text, delta } => self.delta(message, part, *text, delta, out),
            What::Status(status) => {
                self.status(status, now, out);
                return false;
            }
            What::Failed(error) => {
                let failure = fault::classify(error, self.emitted);
                self.failed.get_or_insert(failure);
                return false;
            }
            What::Asked => {}
            What::Other => return false,
        }
        true
    }

    /// Takes messages as they stand.
    pub(super) fn snapshot(&mut self, messages: &[Message], out: &mut Vec<Signal>) {
        self.blind = false;
        for message in messages {
            if self.is_ours(&message.id) && message.assistant {
                self.turns.entry(message.id.clone()).or_default();
                for part in &message.parts {
                    self.part(&message.id, part, out);
                }
            }
            self.message(message, out);
        }
    }

    /// The stream was cut: of every text that grows, pieces may be missing from here on.
    pub(super) fn gap(&mut self) {
        self.blind = true;
        let open = self.turns.values_mut().filter(|turn| !turn.told).flat_map(|turn| turn.parts.values_mut());
        for shown in open.filter(|shown| !shown.ended) {
            shown.gap = true;
        }
    }

    fn begin(&mut self, out: &mut Vec<Signal>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.push(Signal::Report(Report::Begun));
        }
    }

    fn message(&mut self, message: &Message, out: &mut Vec<Signal>) {
        if !message.assistant || !self.is_ours(&message.id) {
            return;
        }
        let turn = self.turns.entry(message.id.clone()).or_default();
        if !message.completed || std::mem::replace(&mut turn.told, true) {
            return;
        }
        let mut texts = Vec::new();
        for shown in std::mem::take(&mut turn.parts).into_values().filter(|shown| !shown.reasoning) {
            texts.push(shown.text);
        }
        let tool_calls = turn.tools.len();
        let text = texts.join("\n").trim().to_owned();
        if message.finish.as_deref() == Some("unknown") && message.tokens.is_zero() {
            self.strikes += 1;
        } else {
            self.strikes = 0;
        }
        if !text.is_empty() || tool_calls > 0 || message.finish.is_some() {
            self.begin(out);
            self.turn += 1;
            out.push(Signal::Report(Report::Turn {
                turn: TurnNumber(self.turn),
                message: None,
                text,
                tool_calls: u64::try_from(tool_calls).unwrap_or(u64::MAX),
                usage: None,
            }));
        }
        if self.strikes == STRIKES {
            out.push(Signal::Runaway(Failure {
                emitted_output: self.emitted,
                ..Failure::ours(
                    FaultClass::Transport,
                    "the model's stream ends without its terminal marker, and the server begins anew for ever",
                )
            }));
        }
    }

    fn part(&mut self, message: &str, part: &Part, out: &mut Vec<Signal>) {
        // A part of a message that nobody has seen yet may be the prompt's; a snapshot will tell.
        let Some(turn) = self.turns.get_mut(message).filter(|turn| !turn.told) else { return };
        match &part.body {
            Body::Text { text, ended } => {
                let shown = turn.parts.entry(part.id.clone()).or_default();
                let more = text.strip_prefix(shown.text.as_str()).unwrap_or_default().to_owned();
                if text.len() >= shown.text.len() || *ended {
                    shown.text.clone_from(text);
                }
                shown.ended |= ended;
                self.show(more, out);
            }
            Body::Reasoning { any } => {
                turn.parts.entry(part.id.clone()).or_default().reasoning = true;
                if *any {
                    self.begin(out);
                }
            }
            Body::Tool(tool) => {
                let told = turn.tools.entry(part.id.clone()).or_default();
                let news = tell(told, tool);
                self.emitted = true;
                self.begin(out);
                out.extend(news.into_iter().map(Signal::Report));
            }
            Body::Other => {}
        }
    }

    fn delta(&mut self, message: &str, part: &str, text: bool, delta: &str, out: &mut Vec<Signal>) {
        let Some(turn) = self.turns.get_mut(message).filter(|turn| !turn.told) else { return };
        let Some(shown) = turn.parts.get_mut(part).filter(|_| text) else { return };
        if shown.reasoning {
            self.begin(out);
        } else if !shown.gap && !shown.ended {
            shown.text.push_str(delta);
            self.show(delta.to_owned(), out);
        }
    }

    fn show(&mut self, text: String, out: &mut Vec<Signal>) {
        if text.is_empty() {
            return;
        }
        self.emitted = true;
        self.begin(out);
        out.push(Signal::Report(Report::Text(text)));
    }

    /// Takes what the session does. A retry is reported once, and ends the attempt where it cannot help.
    pub(super) fn status(&mut self, status: &Status, now: Option<u64>, out: &mut Vec<Signal>) {
        let Status::Retry { attempt, message, reason, next } = status else { return };
        if !self.retries.insert((*attempt, *next)) {
            return;
        }
        let delay = next.zip(now).map(|(next, now)| Duration::from_millis(next.saturating_sub(now)));
        let seconds = delay.map(|delay| delay.as_secs_f64());
        let failure = fault::retrying(message, reason.as_deref(), seconds, self.emitted);
        out.push(Signal::Report(Report::Retrying(AttemptRetrying {
            attempt: *attempt,
            delay_ms: delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            status: failure.status,
            evidence: failure.evidence.clone(),
        })));
        let left = self.patience.checked_sub(delay.unwrap_or_default());
        self.patience = left.unwrap_or_default();
        let hopeless = ends_run(failure.class)
            || matches!(
                failure.class,
                FaultClass::ContextOverflow | FaultClass::RequestInvalid | FaultClass::ContentPolicy
            );
        if hopeless || left.is_none() {
            out.push(Signal::Fatal(failure));
        }
    }
}

/// What is new of a tool.
fn tell(told: &mut Told, tool: &Tool) -> Vec<Report> {
    let mut news = Vec::new();
    let id = ToolId::new(tool.call.as_str());
    if tool.state != ToolState::Pending && !std::mem::replace(&mut told.called, true) {
        let (name, about) = (tool.name.clone(), tool.about.clone());
        news.push(Report::ToolCalled(ToolCalled { id: id.clone(), name, about }));
    }
    let (ok, bytes) = match &tool.state {
        ToolState::Done { bytes } => (true, *bytes),
        ToolState::Failed { error } => (false, error.len()),
        ToolState::Pending | ToolState::Running => return news,
    };
    if !std::mem::replace(&mut told.returned, true) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        news.push(Report::ToolReturned { id, ok, bytes, result: None });
    }
    news
}
