//! Gemini CLI's `stream-json`.
//!
//! What its output invites one to get wrong, each with a capture that holds us to it: it exits with 0 on a stream that
//! was cut; its exit code is the HTTP status modulo 256, which looks like a signal and is none; every failure has the
//! type `unknown`; a stream that it retries by itself prints its text again, without a word; a loop that it detects
//! ends as a success.

use std::collections::BTreeMap;

use crate::backend::{Answer, Report};
use crate::event::{
    AttemptAccepted, Failure, FaultClass, SessionId, ToolCalled, ToolId, TurnNumber, UsageReported,
};
use crate::profile::element::Price;

use super::dialect::{Begun, Dialect, ExitFacts, Signal, Tail};

mod call;
mod home;
mod settings;
mod verdict;
mod wire;

pub use call::Gemini;

use wire::{Line, Stats};

/// How much of a message that has not ended is kept.
const PARTIAL_BYTES: usize = 64 * 1024;
/// How much of a message is kept as an answer; of more, the last part.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A message of the model, which comes in pieces and without a mark at its end.
#[derive(Debug)]
struct Turn {
    text: Tail,
    tool_calls: u64,
}

/// The terminal event.
#[derive(Debug)]
struct Ended {
    success: bool,
    kind: Option<String>,
    message: Option<String>,
}

/// Reads what Gemini CLI prints with `-o stream-json`.
///
/// It marks no turns: a message ends where a tool answers, or where the run ends.
#[derive(Debug)]
pub struct GeminiDialect {
    session: Option<SessionId>,
    prices: BTreeMap<String, Price>,
    partial: Tail,
    fresh: Tail,
    emitted: bool,
    begun: Begun,
    turn: Option<Turn>,
    turns: TurnNumber,
    last_text: String,
    complaint: Option<String>,
    ended: Option<Ended>,
}

impl Default for GeminiDialect {
    fn default() -> Self {
        Self::new()
    }
}

impl GeminiDialect {
    /// One for a fresh process.
    pub fn new() -> Self {
        Self {
            session: None,
            prices: BTreeMap::new(),
            partial: Tail::new(PARTIAL_BYTES),
            fresh: Tail::new(PARTIAL_BYTES),
            emitted: false,
            begun: Begun::default(),
            turn: None,
            turns: TurnNumber(0),
            last_text: String::new(),
            complaint: None,
            ended: None,
        }
    }

    /// One for a process that was given this conversation: what it may call it when it resumes is not what it is found
    /// by the next time.
    #[must_use]
    pub fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// One that knows prices, which the CLI does not.
    #[must_use]
    pub fn priced(mut self, prices: BTreeMap<String, Price>) -> Self {
        self.prices = prices;
        self
    }

    fn turn(&mut self) -> &mut Turn {
        self.begun.begin();
        self.emitted = true;
        self.turn.get_or_insert_with(|| Turn { text: Tail::new(ANSWER_BYTES), tool_calls: 0 })
    }

    fn end_turn(&mut self, out: &mut Vec<Signal>) {
        let Some(mut turn) = self.turn.take() else { return };
        // Who watches sees the text before the message that it belongs to ends.
        self.flush(out);
        self.turns = self.turns.next();
        let text = turn.text.take();
        // What comes with a tool call announces it; the last word comes without one.
        self.last_text = if turn.tool_calls == 0 { text.clone() } else { String::new() };
        self.partial.clear();
        out.push(Signal::Report(Report::Turn {
            turn: self.turns,
            message: None,
            text,
            tool_calls: turn.tool_calls,
            // The figures come at the end, for the run as a whole.
            usage: None,
        }));
    }

    fn init(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        let session = self.session.clone().or_else(|| line.session_id.as_deref().map(SessionId::new));
        let model = line.model.as_deref().map(str::to_owned);
        out.push(Signal::Report(Report::Accepted(AttemptAccepted { session, model, agent: None })));
    }

    fn message(&mut self, role: Option<&str>, content: Option<&str>) {
        let Some(text) = content.filter(|text| !text.is_empty()) else { return };
        // The rest is an echo of what was sent.
        if role == Some("assistant") {
            self.turn().text.push(text);
            self.partial.push(text);
            self.fresh.push(text);
        }
    }

    fn tool_use(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        self.turn().tool_calls += 1;
        self.flush(out);
        out.push(Signal::Report(Report::ToolCalled(ToolCalled {
            id: ToolId::new(line.tool_id.as_deref().unwrap_or_default()),
            name: line.tool_name.as_deref().unwrap_or_default().to_owned(),
            about: line.parameters.map(|input| wire::about(input.get())).unwrap_or_default(),
        })));
    }

    fn tool_result(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        self.end_turn(out);
        let bytes = line.output.as_ref().map_or(0, |output| output.as_str().map_or(0, str::len));
        out.push(Signal::Report(Report::ToolReturned {
            id: ToolId::new(line.tool_id.as_deref().unwrap_or_default()),
            ok: line.status.as_deref() == Some("success"),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            result: None,
        }));
    }

    fn result(&mut self, line: &Line<'_>, out: &mut Vec<Signal>) {
        self.end_turn(out);
        let (kind, message) = line.failure();
        let success = line.status.as_deref() == Some("success");
        if let Some(stats) = line.stats.as_ref().map(Stats::read) {
            // After a failure in the middle of an answer its figures forget what was answered.
            let known = success || !stats.usage.is_empty() || !self.emitted;
            if known {
                let (usage, source) = stats.priced(&self.prices);
                let reported = UsageReported { usage, source, model: stats.model };
                out.push(Signal::Report(Report::Usage(reported)));
            }
        }
        self.ended = Some(Ended { success, kind, message });
        out.push(Signal::Report(Report::ResultSeen));
    }
}

impl Dialect for GeminiDialect {
    fn line(&mut self, line: &[u8], out: &mut Vec<Signal>) {
        let line = line.trim_ascii();
        if !line.starts_with(b"{") {
            return;
        }
        let text = String::from_utf8_lossy(line);
        if let Some((role, content)) = wire::said(&text) {
            self.message(Some(&role), Some(&content));
            return;
        }
        let Ok(parsed) = serde_json::from_str::<Line<'_>>(&text) else {
            // A line that was cut, such as the huge answer of a tool: the tool has returned all the same.
            if let Some(id) = wire::cut_tool_result(&text) {
                let cut =
                    Line { tool_id: Some(id.into()), status: Some("success".into()), ..Line::default() };
                self.tool_result(&cut, out);
            }
            return;
        };
        match parsed.kind.as_deref() {
            Some("init") => self.init(&parsed, out),
            Some("message") => self.message(parsed.role.as_deref(), parsed.content.as_deref()),
            Some("tool_use") => self.tool_use(&parsed, out),
            Some("tool_result") => self.tool_result(&parsed, out),
            Some("error") => self.complaint = parsed.complaint().or(self.complaint.take()),
            Some("result") => self.result(&parsed, out),
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
    }

    fn partial(&self) -> &str {
        self.partial.as_str()
    }

    fn finish(&mut self, exit: ExitFacts, stderr_tail: &str) -> Result<Answer, Failure> {
        let Some(ended) = self.ended.take() else { return Err(self.ended_without_result(exit, stderr_tail)) };
        // A loop that it detects is only warned of.
        let looped = self.complaint.as_deref().is_some_and(|said| said.starts_with("Loop detected"));
        if !ended.success || looped {
            return Err(self.ended_badly(&ended, exit, stderr_tail));
        }
        if self.last_text.trim().is_empty() {
            let mut failure = Failure::ours(FaultClass::NoPayload, "ended as a success without a last word");
            failure.emitted_output = self.emitted;
            return Err(failure);
        }
        Ok(Answer { text: std::mem::take(&mut self.last_text), stop_reason: None })
    }
}

#[cfg(test)]
mod tests;
