//! What went wrong: facts in, a classified failure out. Pure.

use jiff::Timestamp;

use crate::event::Failure;

/// Who said it; some texts mean different things from different mouths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Claude Code.
    Claude,
    /// An OpenAI-compatible endpoint.
    OpenAi,
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

/// Classifies a failure. Total: what no rule matches is `unknown`, with its text kept.
pub fn classify(_facts: &Facts<'_>) -> Failure {
    Failure::ours(crate::event::FaultClass::Unknown, "")
}
