//! Claude Code's `stream-json`.
//!
//! Three things that its output invites one to get wrong, each with a capture that holds us to it: `subtype` is
//! `success` in every failure of the API; `total_cost_usd` includes earlier invocations of a resumed session; an API
//! failure is also printed as a message of the assistant.

use jiff::Timestamp;
use serde_json::Value;

use super::dialect::{Begun, Dialect, ExitFacts, Signal, Tail};
use super::text::ANSWER_BYTES;
use crate::backend::{Answer, Report};
use crate::event::{
    AttemptAccepted, AttemptRetrying, Failure, FaultClass, SessionId, ToolCalled, ToolId, TurnNumber,
    UsageReported,
};

mod call;
mod stream;
mod verdict;
mod wire;

pub use call::Claude;

use stream::{STREAM, cut_tool_result};
use wire::{Block, Delta, Line, Message, StreamLine, about, content_bytes};

/// How much of a message that has not ended is kept.
const PARTIAL_BYTES: usize = 64 * 1024;

/// A message of the assistant, which comes as one line a content block.
#[derive(Debug)]
struct Turn {
    id: String,
    text: Tail,
    tool_calls: u64,
}

/// The agent's own words on an API failure.
#[derive(Debug, Default)]
struct ApiError {
    text: String,
    label: Option<String>,
    code: Option<String>,
}

/// The terminal event.
#[derive(Debug, Default)]
struct Ended {
    is_error: bool,
    text: Option<String>,
    errors: String,
    terminal: Option<String>,
    stop_reason: Option<String>,
    status: Option<u16>,
    kind: Option<String>,
    code: Option<String>,
}

/// Reads what Claude Code prints with `--output-format stream-json`.
///
/// Messages of its subagents show as tool calls only: their text is not the answer, and what they consume is in the
/// result's figures.
#[derive(Debug)]
pub struct ClaudeDialect {
    partial: Tail,
    fresh: Tail,
    emitted: bool,
    begun: Begun,
    turn: Option<Turn>,
    turns: TurnNumber,
    last_text: String,
    model: Option<String>,
    claude_code: bool,
    api_error: Option<ApiError>,
    retry: Option<(Option<u16>, String)>,
    limit: Option<(Option<Timestamp>, Option<String>)>,
    fatal: Option<Failure>,
    ended: Option<Ended>,
}

impl Default for ClaudeDialect {
    fn default() -> Self {
        Self::new()
    }
}

impl ClaudeDialect {
    /// One for a fresh process.
    pub fn new() -> Self {
        Self {
            partial: Tail::new(PARTIAL_BYTES),
            fresh: Tail::new(PARTIAL_BYTES),
            emitted: false,
            begun: Begun::default(),
            turn: None,
            turns: TurnNumber(0),
            last_text: String::new(),
            model: None,
            claude_code: false,
            api_error: None,
            retry: None,
            limit: None,
            fatal: None,
            ended: None,
        }
    }

    fn end_turn(&mut self, out: &mut Vec<Signal>) {
        let Some(mut turn) = self.turn.take() else { return };
        let text = turn.text.take();
        // Who watches sees the text before the message that it belongs to ends.
        self.flush(out);
        self.turns = self.turns.next();
        if !text.trim().is_empty() {
            self.last_text.clone_from(&text);
        }
        out.push(Signal::Report(Report::Turn {
            turn: self.turns,
            message: None,
            text,
            tool_calls: turn.tool_calls,
            // What a message carries here is as of its start; the whole is in the result.
            usage: None,
        }));
    }

    fn system(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        match line.subtype.as_deref() {
            Some("init") => {
                self.model = wire::text(line.model.as_ref());
                self.claude_code = line.claude_code_version.is_some();
                out.push(Signal::Report(Report::Accepted(AttemptAccepted {
                    session: line.session_id.as_deref().map(SessionId::new),
                    model: self.model.clone(),
                    agent: match (&line.claude_code_version, &line.qwen_code_version) {
                        (Some(version), _) => Some(format!("claude-code {version}")),
                        (None, Some(version)) => Some(format!("qwen-code {version}")),
                        (None, None) => None,
                    },
                })));
            }
            Some("model_fallback") => {
                if let Some(model) = wire::text(line.fallback_model.as_ref()) {
                    self.model = Some(model);
                }
            }
            Some("api_retry") => {
                let status = wire::status(line.error_status.as_ref());
                let label = wire::text(line.error.as_ref()).unwrap_or_else(|| "unknown".to_owned());
                let number = |value: Option<&Value>| value.and_then(Value::as_f64).map(wire::whole);
                out.push(Signal::Report(Report::Retrying(AttemptRetrying {
                    attempt: number(line.attempt.as_ref()).unwrap_or(0),
                    delay_ms: number(line.retry_delay_ms.as_ref()),
                    status,
                    evidence: label.clone(),
                })));
                // It would retry these for three minutes and end the same.
                let hopeless = matches!(status, Some(401..=403))
                    || matches!(label.as_str(), "authentication_failed" | "billing_error");
                self.retry = Some((status, label));
                if hopeless && self.fatal.is_none() {
                    let failure = self.retry_failure();
                    self.fatal = Some(failure.clone());
                    out.push(Signal::Fatal(failure));
                }
            }
            _ => {}
        }
    }

    fn assistant(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        let Some(message) = line.message.and_then(|raw| serde_json::from_str::<Message<'_>>(raw.get()).ok())
        else {
            return;
        };
        let blocks = message.blocks();
        let label = wire::text(line.error.as_ref());
        if line.is_api_error_message == Some(true)
            || label.is_some()
            || message.model.as_deref() == Some("<synthetic>")
        {
            self.end_turn(out);
            let text = blocks.iter().filter_map(|block| block.text.as_deref()).collect();
            // An empty one is a place-holder of an interrupted turn and says nothing.
            if label.is_some() || line.is_api_error_message == Some(true) {
                self.api_error =
                    Some(ApiError { text, label, code: wire::text(line.api_error_code.as_ref()) });
            }
            return;
        }
        let side = line.is_side();
        if !side {
            self.begun.begin();
            let id = message.id.as_deref().unwrap_or_default();
            if self.turn.as_ref().is_none_or(|turn| turn.id != id || id.is_empty()) {
                self.end_turn(out);
                self.turn = Some(Turn { id: id.to_owned(), text: Tail::new(ANSWER_BYTES), tool_calls: 0 });
            }
            self.api_error = None;
            self.retry = None;
            self.partial.clear();
        }
        for block in &blocks {
            match block.kind.as_deref() {
                Some("text") if !side => {
                    let text = block.text.as_deref().unwrap_or_default();
                    self.emitted |= !text.is_empty();
                    if let Some(turn) = &mut self.turn {
                        turn.text.push(text);
                    }
                }
                Some("tool_use") => self.tool_use(block, side, out),
                _ => {}
            }
        }
    }

    fn tool_use(&mut self, block: &Block<'_>, side: bool, out: &mut Vec<Signal>) {
        self.emitted = true;
        if let Some(turn) = self.turn.as_mut().filter(|_| !side) {
            turn.tool_calls += 1;
        }
        out.push(Signal::Report(Report::ToolCalled(ToolCalled {
            id: ToolId::new(block.id.as_deref().unwrap_or_default()),
            name: block.name.as_deref().unwrap_or_default().to_owned(),
            about: block.input.map(|input| about(input.get())).unwrap_or_default(),
        })));
    }

    fn user(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        if !line.is_side() {
            self.end_turn(out);
        }
        let Some(message) = line.message.and_then(|raw| serde_json::from_str::<Message<'_>>(raw.get()).ok())
        else {
            return;
        };
        for block in message.blocks() {
            if let (Some("tool_result"), Some(id)) = (block.kind.as_deref(), &block.tool_use_id) {
                out.push(Signal::Report(Report::ToolReturned {
                    id: ToolId::new(id.as_ref()),
                    ok: block.is_error != Some(true),
                    bytes: block.content.map_or(0, |content| content_bytes(content.get())),
                    result: None,
                }));
            }
        }
    }

    fn result(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        self.end_turn(out);
        if let Some((usage, source, model)) = wire::usage(line) {
            let model = model.or_else(|| self.model.clone());
            out.push(Signal::Report(Report::Usage(UsageReported { usage, source, model })));
        }
        let terminal = wire::text(line.terminal_reason.as_ref()).or_else(|| {
            // Older versions have no reason of their own and flag no error when they meet one of their limits.
            match line.subtype.as_deref() {
                Some("error_max_turns") => Some("max_turns".to_owned()),
                Some("error_max_budget_usd") => Some("budget_exhausted".to_owned()),
                _ => None,
            }
        });
        let failed_by_name = line.subtype.as_deref().is_some_and(|subtype| subtype.starts_with("error"));
        self.ended = Some(Ended {
            is_error: line.is_error == Some(true) || failed_by_name,
            text: wire::text(line.result.as_ref()),
            errors: wire::texts(line.errors.as_ref()),
            terminal,
            stop_reason: wire::text(line.stop_reason.as_ref()),
            status: wire::status(line.api_error_status.as_ref()),
            kind: wire::text(line.api_error_type.as_ref()),
            code: wire::text(line.api_error_code.as_ref()),
        });
        out.push(Signal::Report(Report::ResultSeen));
    }
}

impl Dialect for ClaudeDialect {
    fn line(&mut self, line: &[u8], out: &mut Vec<Signal>) {
        if line.starts_with(STREAM) && self.streamed(line) {
            return;
        }
        let line = line.trim_ascii();
        if !line.starts_with(b"{") {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let Ok(parsed) = serde_json::from_str::<Line<'_>>(&text) else {
            // A line that was cut, such as a huge image that a tool gave back: the tool has returned all the same.
            if line.starts_with(br#"{"type":"user""#) {
                out.extend(cut_tool_result(line));
            }
            return;
        };
        match parsed.kind.as_deref() {
            Some("system") => self.system(&parsed, out),
            Some("assistant") => self.assistant(&parsed, out),
            Some("user") => self.user(&parsed, out),
            Some("result") => self.result(&parsed, out),
            Some("rate_limit_event") => {
                let (rejected, at, which) = wire::limit(&parsed);
                self.limit = rejected.then_some((at, which));
            }
            Some("stream_event") if !parsed.is_side() => {
                match serde_json::from_str::<StreamLine<'_>>(&text).map(|line| line.event) {
                    Ok(event) if event.kind.as_deref() == Some("message_start") => self.partial.clear(),
                    Ok(event) => {
                        if let Some(Delta { text: Some(text) }) = &event.delta {
                            self.delta(text);
                        }
                    }
                    Err(_) => {}
                }
            }
            _ => {}
        }
    }

    fn flush(&mut self, out: &mut Vec<Signal>) {
        self.begun.tell(out);
        let text = self.fresh.take();
        if !text.is_empty() {
            out.push(Signal::Report(Report::Text(text)));
        }
    }

    fn end(&mut self, out: &mut Vec<Signal>) {
        self.flush(out);
        self.end_turn(out);
    }

    fn partial(&self) -> &str {
        self.partial.as_str()
    }

    fn finish(&mut self, exit: ExitFacts, stderr_tail: &str) -> Result<Answer, Failure> {
        self.end_turn(&mut Vec::new());
        let Some(ended) = self.ended.take() else { return Err(self.ended_without_result(exit, stderr_tail)) };
        // Older versions report a failure of the API as the answer and flag no error.
        let said_as_answer =
            self.api_error.as_ref().is_some_and(|error| ended.text.as_ref() == Some(&error.text));
        let completed = ended.terminal.as_deref().is_none_or(|reason| reason == "completed");
        let refused = ended.stop_reason.as_deref() == Some("refusal");
        if ended.is_error || said_as_answer || !completed || refused {
            return Err(self.ended_badly(&ended));
        }
        if let Some(error) = ended.text.as_deref().and_then(|text| self.error_as_answer(text)) {
            return Err(error);
        }
        let text = ended.text.unwrap_or_else(|| std::mem::take(&mut self.last_text));
        if text.trim().is_empty() {
            let mut failure = Failure::ours(FaultClass::NoPayload, "ended as completed with a blank result");
            failure.emitted_output = self.emitted;
            return Err(failure);
        }
        Ok(Answer { text, stop_reason: ended.stop_reason })
    }
}

#[cfg(test)]
mod tests;
