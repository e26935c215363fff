//! opencode's `run --format json`.
//!
//! There is no terminal event: a run has answered when its last step finished with `stop` and a text, and the process
//! did not say otherwise. Text comes a whole block at a time, so that the start of a step is the only sign that the
//! model has begun; a step that starts again is a retry, and is told as one, since otherwise opencode is silent about
//! them. It asks a model without end whose stream breaks off before its finish reason: that is ended here.
//!
//! What subagents consume is not in the events, and so the figures of a run that had one are not the whole.

use crate::backend::{Answer, Report};
use crate::event::{
    AlertRaised, AttemptAccepted, AttemptRetrying, Failure, FaultClass, SessionId, Severity, ToolCalled,
    ToolId, TurnNumber, Usage, UsageReported, UsageSource,
};
use crate::profile::element::Price;

use super::dialect::{Begun, Dialect, ExitFacts, Signal, Tail};

mod call;
pub(crate) mod config;
mod verdict;
mod wire;

pub use call::Opencode;

use crate::backend::price::catalogued;
use wire::{Line, Part, WireError};

/// How much of a step's text is kept.
const PARTIAL_BYTES: usize = 64 * 1024;
/// How often a step may start again; this version gives up by itself before, older ones never did.
const RESTARTS: u64 = 5;
/// How many steps in a row may end without a finish reason. Each is a paid request, and the next follows at once.
const UNFINISHED: u32 = 2;

/// One request to the model.
#[derive(Debug, Default)]
struct Step {
    message: String,
    text: String,
    tool_calls: u64,
}

/// Reads what opencode prints with `run --format json`.
#[derive(Debug)]
pub struct OpencodeDialect {
    price: Option<Price>,
    max_turns: Option<u32>,
    partial: Tail,
    fresh: Tail,
    emitted: bool,
    begun: Begun,
    accepted: bool,
    step: Option<Step>,
    turns: TurnNumber,
    restarts: u64,
    unfinished: u32,
    rejected: Option<String>,
    side_told: bool,
    /// The last step that has ended: its finish reason and its text.
    ended: Option<(String, String)>,
    error: Option<WireError>,
    fatal: Option<Failure>,
}

impl Default for OpencodeDialect {
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl OpencodeDialect {
    /// One for a fresh process; the attempt is ended after `max_turns` requests to the model.
    pub fn new(price: Option<Price>, max_turns: Option<u32>) -> Self {
        Self {
            price,
            max_turns,
            partial: Tail::new(PARTIAL_BYTES),
            fresh: Tail::new(PARTIAL_BYTES),
            emitted: false,
            begun: Begun::default(),
            accepted: false,
            step: None,
            turns: TurnNumber(0),
            restarts: 0,
            unfinished: 0,
            rejected: None,
            side_told: false,
            ended: None,
            error: None,
            fatal: None,
        }
    }

    fn accepted(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        if let Some(session) = line.session.as_deref().filter(|id| !id.is_empty() && !self.accepted) {
            self.accepted = true;
            out.push(Signal::Report(Report::Accepted(AttemptAccepted {
                session: Some(SessionId::new(session)),
                model: None,
                agent: None,
            })));
        }
    }

    fn step_start(&mut self, part: &Part<'_>, out: &mut Vec<Signal>) {
        self.begun.begin();
        let message = part.message.as_deref().unwrap_or_default();
        if self.step.as_ref().is_some_and(|step| step.message == message && step.text.is_empty()) {
            self.restarts += 1;
            let evidence = "the same message is asked for again".to_owned();
            let attempt = self.restarts;
            out.push(Signal::Report(Report::Retrying(AttemptRetrying {
                attempt,
                delay_ms: None,
                status: None,
                evidence,
            })));
            if self.restarts > RESTARTS {
                let text = format!("the model's stream ended early {attempt} times");
                self.fatal(self.endless(&text), out, Signal::Fatal);
            }
        } else {
            self.end_turn(None, out);
            self.restarts = 0;
        }
        self.partial.clear();
        self.ended = None;
        self.step = Some(Step { message: message.to_owned(), ..Step::default() });
    }

    fn text(&mut self, part: &Part<'_>) {
        let text = part.text.as_deref().unwrap_or_default();
        self.begun.begin();
        self.emitted |= !text.trim().is_empty();
        self.partial.push(text);
        self.fresh.push(text);
        let step = self.step.get_or_insert_default();
        // A whole answer is bounded as a line is; many of them in one step are not.
        if step.text.len() < super::text::ANSWER_BYTES {
            step.text.push_str(text);
        }
    }

    fn tool_use(&mut self, part: &Part<'_>, out: &mut Vec<Signal>) {
        let Some(state) = &part.state else { return };
        let ok = match state.status.as_deref() {
            Some("completed") => part.tool.as_deref() != Some("invalid"),
            Some("error") => false,
            _ => return,
        };
        self.begun.begin();
        self.emitted = true;
        self.step.get_or_insert_default().tool_calls += 1;
        let id = ToolId::new(part.call.as_deref().unwrap_or_default());
        let name = part.tool.as_deref().unwrap_or_default().to_owned();
        let side = name == "task";
        let about = state.input.map(|input| wire::about(input.get())).unwrap_or_default();
        out.push(Signal::Report(Report::ToolCalled(ToolCalled { id: id.clone(), name, about })));
        out.push(Signal::Report(Report::ToolReturned { id, ok, bytes: wire::bytes(state), result: None }));
        if let Some(error) = state.error.as_deref().filter(|error| error.contains("rejected permission")) {
            self.rejected = Some(error.to_owned());
        }
        if side && !std::mem::replace(&mut self.side_told, true) {
            out.push(Signal::Report(Report::Usage(UsageReported {
                usage: Usage::default(),
                source: UsageSource::Provider,
                model: None,
            })));
            out.push(Signal::Report(Report::Alert(AlertRaised {
                alert: "subagent-usage".to_owned(),
                severity: Severity::Notice,
                message: "a subagent worked, and opencode does not say what it consumed".to_owned(),
            })));
        }
    }

    fn step_finish(&mut self, part: &Part<'_>, out: &mut Vec<Signal>) {
        self.begun.begin();
        let reason = part.reason.as_deref().unwrap_or_default().to_owned();
        let step = self.step.get_or_insert_default();
        let called = step.tool_calls > 0;
        self.ended = Some((reason.clone(), step.text.clone()));
        let usage = wire::usage(part);
        self.end_turn(usage, out);
        if reason == "unknown" && !called {
            self.unfinished += 1;
            if self.unfinished >= UNFINISHED {
                let text = "the model's stream ended early, without a finish reason, and opencode asks again \
                            without end";
                self.fatal(self.endless(text), out, Signal::Runaway);
            }
            return;
        }
        self.unfinished = 0;
        match reason.as_str() {
            "stop" => out.push(Signal::Report(Report::ResultSeen)),
            "tool-calls" | "unknown" if self.rejected.is_none() => {
                if let Some(max) = self.max_turns.filter(|max| self.turns.0 >= u64::from(*max)) {
                    let failure = Failure {
                        emitted_output: self.emitted,
                        ..Failure::ours(FaultClass::BudgetLimit, format!("no answer after {max} turns"))
                    };
                    self.fatal(failure, out, Signal::Runaway);
                }
            }
            _ => {}
        }
    }

    /// Ends the attempt, once.
    fn fatal(&mut self, failure: Failure, out: &mut Vec<Signal>, signal: fn(Failure) -> Signal) {
        if self.fatal.is_none() {
            self.fatal = Some(failure.clone());
            out.push(signal(failure));
        }
    }

    fn end_turn(&mut self, usage: Option<Usage>, out: &mut Vec<Signal>) {
        let Some(step) = self.step.take() else { return };
        // Who watches sees the text before the message that it belongs to ends.
        self.flush(out);
        self.turns = self.turns.next();
        out.push(Signal::Report(Report::Turn {
            turn: self.turns,
            message: None,
            text: step.text,
            tool_calls: step.tool_calls,
            usage: usage.map(|usage| catalogued(usage, self.price.as_ref())),
        }));
    }
}

impl Dialect for OpencodeDialect {
    fn line(&mut self, line: &[u8], out: &mut Vec<Signal>) {
        let line = line.trim_ascii();
        if !line.starts_with(b"{") {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let Ok(parsed) = serde_json::from_str::<Line<'_>>(&text) else { return };
        let part = parsed.part.and_then(|part| serde_json::from_str::<Part<'_>>(part.get()).ok());
        let part = part.unwrap_or_default();
        match parsed.kind.as_deref() {
            Some("step_start" | "text" | "tool_use" | "step_finish" | "error" | "reasoning") => {
                self.accepted(&parsed, out);
            }
            _ => return,
        }
        match parsed.kind.as_deref() {
            Some("step_start") => self.step_start(&part, out),
            Some("text") => self.text(&part),
            Some("tool_use") => self.tool_use(&part, out),
            Some("step_finish") => self.step_finish(&part, out),
            Some("error") => {
                // The first one is the cause; a context that is too long is told of twice.
                if let (None, Some(error)) = (&self.error, &parsed.error) {
                    self.error = Some(WireError::read(error));
                }
            }
            _ => self.begun.begin(),
        }
    }

    fn flush(&mut self, out: &mut Vec<Signal>) {
        self.begun.tell(out);
        let text = self.fresh.take();
        if !text.is_empty() {
            out.push(Signal::Report(Report::Text(text)));
        }
    }

    fn partial(&self) -> &str {
        self.partial.as_str()
    }

    fn finish(&mut self, exit: ExitFacts, stderr_tail: &str) -> Result<Answer, Failure> {
        if let Some(fatal) = self.fatal.take() {
            return Err(fatal);
        }
        let failed = exit.code.is_some_and(|code| code != 0);
        match (self.ended.take(), &self.error) {
            (Some((reason, text)), _) if reason == "stop" && !failed && !text.trim().is_empty() => {
                Ok(Answer { text, stop_reason: Some(reason) })
            }
            (_, Some(error)) => Err(self.failure(error, stderr_tail)),
            (Some((reason, _)), None) if !failed && exit.signal.is_none() => Err(self.ended_badly(&reason)),
            _ => Err(self.ended_silently(exit, stderr_tail)),
        }
    }
}

#[cfg(test)]
mod tests;
