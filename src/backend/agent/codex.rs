//! What `codex exec --json` prints.
//!
//! Three things that its output invites one to get wrong, each with a capture that holds us to it: an item of type
//! `error` and an `error` that says `Reconnecting...` are no failures; what `turn.completed` says was consumed includes
//! earlier turns of a resumed thread; it exits with code 1 whatever went wrong.

use std::collections::VecDeque;

use super::dialect::{Begun, Dialect, ExitFacts, Signal};
use crate::backend::price::priced;
use crate::backend::{Answer, Report};
use crate::event::{
    AlertRaised, AttemptAccepted, AttemptRetrying, Failure, FaultClass, SessionId, Severity, ToolCalled,
    ToolId, TurnNumber, UsageReported,
};
use crate::profile::element::Price;

mod call;
mod history;
mod log;
mod verdict;
mod wire;

pub use call::Codex;
pub use wire::Total;

use wire::{Item, Line};

/// How many tools in flight are known by their id.
const KEPT_TOOLS: usize = 256;
/// How much of a warning is passed on, characters.
const WARNING: usize = 500;

/// One inference. The output does not say where one ends, so a turn here ends where the model speaks again, or calls a
/// tool after an earlier one has answered.
#[derive(Debug, Default)]
struct Turn {
    text: String,
    tool_calls: u64,
    answered: bool,
}

/// Reads what Codex prints with `exec --json`.
#[derive(Debug)]
pub struct CodexDialect {
    /// What the thread had consumed by now; `None` when nobody knows.
    total: Option<Total>,
    model: Option<String>,
    price: Option<Price>,
    emitted: bool,
    begun: Begun,
    turn_open: bool,
    turn: Option<Turn>,
    turns: TurnNumber,
    tools: VecDeque<String>,
    last_text: String,
    fresh: String,
    /// The last error that is not about a retry.
    said: Option<String>,
    /// What it was retrying last.
    retry: Option<String>,
    retries: u64,
    fatal: Option<Failure>,
    ended: Option<Result<(), String>>,
}

impl Default for CodexDialect {
    fn default() -> Self {
        Self::new(Some(Total::default()), None, None)
    }
}

impl CodexDialect {
    /// One for a fresh process whose thread had consumed `total` before, `None` where nobody knows: then nothing is
    /// reported. `model` and `price` are the profile's, since it names neither.
    pub fn new(total: Option<Total>, model: Option<String>, price: Option<Price>) -> Self {
        Self {
            total,
            model,
            price,
            emitted: false,
            begun: Begun::default(),
            turn_open: false,
            turn: None,
            turns: TurnNumber(0),
            tools: VecDeque::new(),
            last_text: String::new(),
            fresh: String::new(),
            said: None,
            retry: None,
            retries: 0,
            fatal: None,
            ended: None,
        }
    }

    fn end_turn(&mut self, out: &mut Vec<Signal>) {
        let Some(turn) = self.turn.take() else { return };
        // Who watches sees the text before the message that it belongs to ends.
        self.flush(out);
        self.turns = self.turns.next();
        out.push(Signal::Report(Report::Turn {
            turn: self.turns,
            message: None,
            text: turn.text,
            tool_calls: turn.tool_calls,
            // It is said for all turns together.
            usage: None,
        }));
    }

    /// The turn that something of the model belongs to.
    fn turn(&mut self, speaks: bool, out: &mut Vec<Signal>) -> &mut Turn {
        let over = |turn: &Turn| turn.answered || speaks && (turn.tool_calls > 0 || !turn.text.is_empty());
        if self.turn.as_ref().is_some_and(over) {
            self.end_turn(out);
        }
        self.turn.get_or_insert_default()
    }

    fn item(&mut self, item: &Item<'_>, completed: bool, out: &mut Vec<Signal>) {
        let kind = item.kind.as_deref().unwrap_or_default();
        if kind == "error" {
            // A warning: what ends a turn comes as `turn.failed`.
            let message = wire::text(item.message.as_ref()).unwrap_or_default();
            out.push(Signal::Report(Report::Alert(AlertRaised {
                alert: "agent-warning".to_owned(),
                severity: Severity::Notice,
                message: message.chars().take(WARNING).collect(),
            })));
            return;
        }
        self.begun.begin();
        self.retry = None;
        self.said = None;
        match kind {
            "agent_message" if completed => {
                let said = wire::text(item.text.as_ref()).unwrap_or_default();
                self.emitted |= !said.is_empty();
                self.turn(true, out).text.push_str(said);
                self.fresh.push_str(said);
                if !said.is_empty() {
                    self.fresh.push('\n');
                }
                said.clone_into(&mut self.last_text);
            }
            "reasoning" => {
                self.turn(true, out);
            }
            // A plan is rewritten while the tools of a turn run.
            "agent_message" | "todo_list" => {}
            _ => self.tool(item, completed, out),
        }
    }

    fn tool(&mut self, item: &Item<'_>, completed: bool, out: &mut Vec<Signal>) {
        self.emitted = true;
        let id = item.id.as_deref().unwrap_or_default();
        let known = self.tools.iter().position(|open| open == id);
        if known.is_none() {
            self.turn(false, out).tool_calls += 1;
            out.push(Signal::Report(Report::ToolCalled(ToolCalled {
                id: ToolId::new(id),
                name: item.tool_name(),
                about: item.about(),
            })));
            if !completed {
                self.tools.truncate(KEPT_TOOLS - 1);
                self.tools.push_front(id.to_owned());
            }
        }
        if completed {
            if let Some(at) = known {
                self.tools.remove(at);
            }
            if let Some(turn) = self.turn.as_mut().filter(|_| self.tools.is_empty()) {
                turn.answered = true;
            }
            out.push(Signal::Report(Report::ToolReturned {
                id: ToolId::new(id),
                ok: item.worked(),
                bytes: item.answer_bytes(),
                result: None,
            }));
        }
    }

    /// A line that was cut, such as a huge answer of an MCP tool: the tool has returned all the same.
    fn cut(&mut self, line: &[u8], out: &mut Vec<Signal>) {
        const COMPLETED: &[u8] = br#"{"type":"item.completed","item":{"id":""#;
        let id = line.strip_prefix(COMPLETED).and_then(|rest| rest.split(|byte| *byte == b'"').next());
        let Some(at) = id.and_then(|id| self.tools.iter().position(|open| open.as_bytes() == id)) else {
            return;
        };
        let id = self.tools.remove(at).unwrap_or_default();
        if let Some(turn) = self.turn.as_mut().filter(|_| self.tools.is_empty()) {
            turn.answered = true;
        }
        out.push(Signal::Report(Report::ToolReturned {
            id: ToolId::new(id),
            ok: true,
            bytes: u64::try_from(line.len()).unwrap_or(u64::MAX),
            result: None,
        }));
    }

    fn error(&mut self, message: &str, out: &mut Vec<Signal>) {
        let Some(retry) = message.strip_prefix("Reconnecting... ") else {
            self.said = Some(message.to_owned());
            return;
        };
        self.retries += 1;
        let (count, reason) = retry.split_once(" (").unwrap_or((retry, retry));
        let reason = reason.strip_suffix(')').unwrap_or(reason);
        let failure = self.failure(reason);
        out.push(Signal::Report(Report::Retrying(AttemptRetrying {
            // It does not count while it waits for a network.
            attempt: count.split('/').next().and_then(|count| count.parse().ok()).unwrap_or(self.retries),
            delay_ms: None,
            status: failure.status,
            evidence: failure.evidence.clone(),
        })));
        self.retry = Some(reason.to_owned());
        if verdict::hopeless(failure.class) && self.fatal.is_none() {
            self.fatal = Some(failure.clone());
            out.push(Signal::Fatal(failure));
        }
    }

    fn completed(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        self.end_turn(out);
        let total = line.usage.as_ref().and_then(Total::read);
        if let (Some(before), Some(total)) = (self.total, total)
            && let Some(usage) = total.since(before)
        {
            let (usage, source) = priced(usage, self.price.as_ref());
            out.push(Signal::Report(Report::Usage(UsageReported {
                usage,
                source,
                model: self.model.clone(),
            })));
        }
        self.total = total;
        self.ended = Some(Ok(()));
        out.push(Signal::Report(Report::ResultSeen));
    }
}

impl Dialect for CodexDialect {
    fn line(&mut self, line: &[u8], out: &mut Vec<Signal>) {
        let line = line.trim_ascii();
        if !line.starts_with(b"{") {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let Ok(line) = serde_json::from_str::<Line<'_>>(&text) else {
            self.cut(line, out);
            return;
        };
        match line.kind.as_deref() {
            Some("thread.started") => {
                out.push(Signal::Report(Report::Accepted(AttemptAccepted {
                    session: line.thread_id.as_deref().map(SessionId::new),
                    model: None,
                    agent: None,
                })));
            }
            Some("turn.started") => self.turn_open = true,
            Some("item.started" | "item.updated") => {
                if let Some(item) = &line.item {
                    self.item(item, false, out);
                }
            }
            Some("item.completed") => {
                if let Some(item) = &line.item {
                    self.item(item, true, out);
                }
            }
            Some("error") => self.error(wire::text(line.message.as_ref()).unwrap_or_default(), out),
            Some("turn.completed") => self.completed(&line, out),
            Some("turn.failed") => {
                self.end_turn(out);
                let message = line.error.as_ref().and_then(|error| error.get("message"));
                let said =
                    wire::text(message).or(self.said.as_deref()).unwrap_or("turn.failed without a reason");
                self.ended = Some(Err(said.to_owned()));
                out.push(Signal::Report(Report::ResultSeen));
            }
            _ => {}
        }
    }

    fn flush(&mut self, out: &mut Vec<Signal>) {
        self.begun.tell(out);
        if !self.fresh.is_empty() {
            out.push(Signal::Report(Report::Text(std::mem::take(&mut self.fresh))));
        }
    }

    fn end(&mut self, out: &mut Vec<Signal>) {
        self.flush(out);
        self.end_turn(out);
    }

    fn partial(&self) -> &'static str {
        // It prints messages whole.
        ""
    }

    fn finish(&mut self, exit: ExitFacts, stderr_tail: &str) -> Result<Answer, Failure> {
        match self.ended.take() {
            None => Err(self.ended_without_result(exit, stderr_tail)),
            Some(Err(said)) => Err(self.failure(&said)),
            Some(Ok(())) if self.last_text.trim().is_empty() => {
                let mut failure =
                    Failure::ours(FaultClass::NoPayload, "ended as completed without a message");
                failure.emitted_output = self.emitted;
                Err(failure)
            }
            Some(Ok(())) => Ok(Answer { text: std::mem::take(&mut self.last_text), stop_reason: None }),
        }
    }
}

#[cfg(test)]
mod tests;
