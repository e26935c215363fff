//! What went wrong: facts in, a classified failure out.
//!
//! **Invariant: pure.** The same facts always have the same class, and the same failure the same decision: no clock, no
//! chance that is not in the seed, and no file.
//!
//! The one table is in `table.rs`: first row that matches wins, machine-readable facts before words. What a class leads
//! to is in `policy.rs`. A fault that no row knows is a row to add, with a test that names it.

use jiff::Timestamp;

use crate::event::{Failure, FaultClass, FaultScope};

mod phrases;
mod policy;
mod read;
mod reset;
mod table;
#[cfg(test)]
mod tests;

pub use policy::{Decision, Policy, decide, ends_run, retryable, unavailable};
pub use reset::reset_said;
pub use table::{Rule, Test, rules};

/// How much of a failure's own words is kept.
pub const EVIDENCE_BYTES: usize = 2 * 1024;

/// How much of a text is looked at for phrases.
const READ_BYTES: usize = 64 * 1024;

/// Who said it; some texts mean different things from different mouths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// opencode, its server included.
    Opencode,
    /// Gemini CLI.
    Gemini,
    /// aider.
    Aider,
    /// An agent that speaks the Agent Client Protocol.
    Acp,
    /// An OpenAI-compatible endpoint.
    OpenAi,
    /// An endpoint that speaks Anthropic's messages.
    Anthropic,
    /// Any other command.
    Command,
}

/// All that is known about a failure, as it was seen at the wire.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Who said it.
    pub origin: Origin,
    /// HTTP status.
    pub status: Option<u16>,
    /// Machine-readable code: `insufficient_quota`.
    pub code: Option<&'a str>,
    /// Machine-readable type: `rate_limit_error`.
    pub kind: Option<&'a str>,
    /// The agent's own label: `authentication_failed`.
    pub label: Option<&'a str>,
    /// Why the agent says that it ended: `prompt_too_long`.
    pub terminal: Option<&'a str>,
    /// What it says in words.
    pub text: &'a str,
    /// Seconds after which the server said to come back.
    pub retry_after: Option<f64>,
    /// When a limit resets.
    pub reset_at: Option<Timestamp>,
    /// Whether content had come already.
    pub emitted_output: bool,
    /// Exit code of the process, when it ended without a terminal event.
    pub exit_code: Option<i32>,
    /// Signal that ended the process.
    pub signal: Option<i32>,
}

impl<'a> Facts<'a> {
    /// Facts of which only the mouth and the words are known.
    pub fn new(origin: Origin, text: &'a str) -> Self {
        Self {
            origin,
            status: None,
            code: None,
            kind: None,
            label: None,
            terminal: None,
            text,
            retry_after: None,
            reset_at: None,
            emitted_output: false,
            exit_code: None,
            signal: None,
        }
    }
}

/// Classifies a failure. Total: what no rule matches is `unknown`, with its text kept.
pub fn classify(facts: &Facts<'_>) -> Failure {
    let words = read::normal(read::head(facts.text, READ_BYTES));
    // A status or a wait that is only said in words counts like one from the wire; the wire wins.
    let status = facts.status.or_else(|| read::status(&words)).filter(|status| {
        // Any command may print of its own errands; that a page was not found says nothing about a model.
        facts.status.is_some() || facts.origin != Origin::Command || matches!(status, 429 | 500..)
    });
    let retry_after =
        facts.retry_after.filter(|wait| wait.is_finite() && *wait >= 0.0).or_else(|| read::wait(&words));
    let seen = table::Seen { facts, words: &words, status, retry_after };
    let (class, scope, rule) = match rules().iter().find(|rule| rule.matches(&seen)) {
        Some(rule) => (rule.class, rule.scope, rule.id),
        None => (FaultClass::Unknown, FaultScope::Request, "unmatched"),
    };
    Failure {
        class,
        scope,
        status,
        retry_after,
        reset_at: facts.reset_at,
        should_retry: None,
        evidence: evidence(facts),
        emitted_output: facts.emitted_output,
        maybe_accepted: false,
        rule: rule.to_owned(),
        cleanup: None,
    }
}

/// The words as they came, or the next best thing that was said.
fn evidence(facts: &Facts<'_>) -> String {
    let text = facts.text.trim();
    if !text.is_empty() {
        return read::head(text, EVIDENCE_BYTES).to_owned();
    }
    for (what, word) in
        [("code", facts.code), ("type", facts.kind), ("label", facts.label), ("ended with", facts.terminal)]
    {
        if let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) {
            return read::head(&format!("{what} {word}"), EVIDENCE_BYTES).to_owned();
        }
    }
    match (facts.status, facts.signal, facts.exit_code) {
        (Some(status), _, _) => format!("HTTP status {status}"),
        (_, Some(signal), _) => format!("ended by signal {signal} without a result"),
        (_, _, Some(code)) => format!("exited with code {code} without a result"),
        _ => String::new(),
    }
}
