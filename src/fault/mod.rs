//! What went wrong: facts in, a classified failure out.
//!
//! **Invariant: pure.** The same facts always have the same class, and the same failure the same decision: no clock, no
//! chance that is not in the seed, and no file.
//!
//! The one table is in `table/`: first row that matches wins, machine-readable facts before words. What a failure leads to
//! is in `decide.rs`, and for how long it is remembered in `cooldown.rs`. A fault that no row knows is a row to add, with
//! a test that names it.

use jiff::Timestamp;

use crate::event::{Failure, FaultClass, FaultScope};

mod cooldown;
mod decide;
mod jitter;
mod nested;
mod phrases;
mod policy;
mod read;
mod reset;
mod search;
mod table;
#[cfg(test)]
mod tests;

pub use cooldown::{Cooldown, cooldown};
pub use decide::decide;
pub use jitter::fraction;
pub use policy::{
    CLASSES, Decision, History, Policy, Reach, Ways, account_is_spent, ends_run, may_another_account,
    reaches, retryable, unavailable,
};
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
    /// Whether who said it thinks that it may be repeated: `isRetryable`. It decides only where nothing else does.
    pub retryable: Option<bool>,
    /// Whether content had come already.
    pub emitted_output: bool,
    /// Whether the request may have been taken although nothing came back.
    pub maybe_accepted: bool,
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
            retryable: None,
            emitted_output: false,
            maybe_accepted: false,
            exit_code: None,
            signal: None,
        }
    }
}

/// Classifies a failure. Total: what no rule matches is `unknown`, with its text kept.
///
/// A text that is JSON, or holds some, is read as well, and so are the texts in it. What the adapter has read off the
/// wire wins over both; a status or a wait that is only said in words counts last.
pub fn classify(facts: &Facts<'_>) -> Failure {
    let text = read::head(facts.text, READ_BYTES);
    let inner = nested::read(text);
    let words = match &inner {
        Some(inner) => read::normal(&unwrapped(text, inner)),
        None => read::normal(text),
    };
    let inner = inner.unwrap_or_default();
    let said = search::INDEX.said(&words);
    let status = facts.status.or_else(|| {
        inner.status().or_else(|| said.status.then(|| read::status(&words)).flatten()).filter(|status| {
            // Any command may print of its own errands; that a page was not found says nothing about a model.
            facts.origin != Origin::Command || matches!(status, 429 | 500..)
        })
    });
    let retry_after = facts
        .retry_after
        .filter(|wait| wait.is_finite() && *wait >= 0.0)
        .or(inner.retry_after)
        .or_else(|| said.wait.then(|| read::wait(&words)).flatten());
    let reset_at = facts.reset_at.or(inner.reset_at);
    let names = [facts.code, facts.kind, facts.label].into_iter().flatten();
    let seen = table::Seen {
        facts,
        words: &words,
        said: said.phrases,
        named: search::INDEX.named(names.chain(inner.words.iter().map(String::as_str))),
        status,
        retry_after,
        reset_known: reset_at.is_some(),
        retryable: facts.retryable.or(inner.retryable()),
    };
    let (class, scope, rule) = match seen.rule() {
        Some(rule) => (rule.class, rule.scope, rule.id),
        None => (FaultClass::Unknown, FaultScope::Request, "unmatched"),
    };
    let limit = matches!(class, FaultClass::QuotaExhausted | FaultClass::RateLimited);
    Failure {
        class,
        scope,
        status,
        retry_after,
        reset_at: reset_at.or_else(|| reset::with_zone(&words).filter(|_| limit)),
        should_retry: None,
        evidence: evidence(facts),
        emitted_output: facts.emitted_output,
        maybe_accepted: facts.maybe_accepted,
        rule: rule.to_owned(),
        cleanup: None,
    }
}

/// A text with the words of the JSON in it in its place. What an error carries beside its words, such as the request that
/// failed, says nothing of the failure.
fn unwrapped(text: &str, inner: &nested::Nested) -> String {
    if inner.texts.is_empty() && inner.quotas.is_empty() {
        return text.to_owned();
    }
    let mut words = text[..inner.from].to_owned();
    for text in &inner.texts {
        words.push_str(text);
        words.push('\n');
    }
    for quota in &inner.quotas {
        words.push_str("quota id ");
        words.push_str(quota);
        words.push('\n');
    }
    words.push_str(&text[inner.to..]);
    words
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
