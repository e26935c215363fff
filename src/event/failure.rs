//! The words for what went wrong. What they lead to is decided in `fault`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One variant per cause that leads to a different decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// Too many requests for now; goes away by itself.
    RateLimited,
    /// A quota, a credit or a plan is used up; waiting a minute does not help.
    QuotaExhausted,
    /// The provider says that it has no capacity.
    Overloaded,
    /// The provider failed.
    ServerError,
    /// Connect, reset, end of file, TLS, DNS, or a stream that ended before its terminal marker.
    Transport,
    /// Nothing at all came within `first_event`.
    FirstEventTimeout,
    /// Nothing came for `stall` and no tool was in flight.
    Stall,
    /// A tool ran longer than `tool`.
    ToolStall,
    /// The round hit its wall.
    RoundTimeout,
    /// The key or the login is not accepted.
    Auth,
    /// Accepted, but not allowed.
    Forbidden,
    /// A key, a binary, an endpoint is not there.
    ConfigMissing,
    /// The provider does not know the model.
    ModelNotFound,
    /// The conversation is larger than the model's window.
    ContextOverflow,
    /// The request is wrong and would be wrong anywhere.
    RequestInvalid,
    /// Refused by a safety policy.
    ContentPolicy,
    /// The answer was cut at the output limit.
    OutputLimit,
    /// A ceiling of the budget, ours or the agent's own.
    BudgetLimit,
    /// A person, or who called us, ended it.
    UserAbort,
    /// We ended it, to go on in another way.
    SelfAbort,
    /// A tool failed or was not permitted, and the agent ended on that.
    ToolError,
    /// It ended as if all were well, without an answer.
    NoPayload,
    /// The agent process died without saying why.
    AgentCrash,
    /// None of the rules matched; the raw text is kept as evidence.
    Unknown,
}

impl FaultClass {
    /// The word used in the journal and in `provost-faults(7)`.
    pub fn word(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::Transport => "transport",
            Self::FirstEventTimeout => "first_event_timeout",
            Self::Stall => "stall",
            Self::ToolStall => "tool_stall",
            Self::RoundTimeout => "round_timeout",
            Self::Auth => "auth",
            Self::Forbidden => "forbidden",
            Self::ConfigMissing => "config_missing",
            Self::ModelNotFound => "model_not_found",
            Self::ContextOverflow => "context_overflow",
            Self::RequestInvalid => "request_invalid",
            Self::ContentPolicy => "content_policy",
            Self::OutputLimit => "output_limit",
            Self::BudgetLimit => "budget_limit",
            Self::UserAbort => "user_abort",
            Self::SelfAbort => "self_abort",
            Self::ToolError => "tool_error",
            Self::NoPayload => "no_payload",
            Self::AgentCrash => "agent_crash",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for FaultClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// What a fault is about: how far one would have to go to get away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultScope {
    /// This request only.
    Request,
    /// This model.
    Model,
    /// This account with the provider.
    Account,
    /// The whole provider.
    Provider,
    /// This machine.
    Local,
}

/// A failure as it stands in the journal: classified once, where it was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What it was.
    pub class: FaultClass,
    /// How far it reaches.
    pub scope: FaultScope,
    /// HTTP status, where one was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Seconds after which the server said to come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<f64>,
    /// When a limit resets, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<Timestamp>,
    /// Whether the server said to try again, or not to; it knows more than the status tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub should_retry: Option<bool>,
    /// The first specific text that was seen, bounded.
    pub evidence: String,
    /// Whether content had already come when it failed.
    pub emitted_output: bool,
    /// Whether the request may have been taken although nothing came back: the connection ended after it was sent. What it
    /// cost, and what it did, is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maybe_accepted: bool,
    /// The id of the row of the fault table that matched.
    pub rule: String,
    /// A clean-up that failed as well; the failure above stays the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<String>,
}

/// The rule of a failure of ours: the candidate was not asked at all.
const NOT_ASKED: &str = "provost.not_asked";

impl Failure {
    /// A failure that provost itself establishes, such as a deadline.
    pub fn ours(class: FaultClass, evidence: impl Into<String>) -> Self {
        Self {
            class,
            scope: FaultScope::Request,
            status: None,
            retry_after: None,
            reset_at: None,
            should_retry: None,
            evidence: evidence.into(),
            emitted_output: false,
            maybe_accepted: false,
            rule: format!("provost.{}", class.word()),
            cleanup: None,
        }
    }

    /// Whether this is the failure of an attempt that did not ask at all, since the candidate must be left alone.
    pub fn not_asked(&self) -> bool {
        self.rule == NOT_ASKED
    }

    /// Whether the request was turned away, or not even sent: nothing was answered, and nothing can have been charged.
    pub fn is_refusal(&self) -> bool {
        let turned_away = self.status.is_some_and(|status| status >= 400) || self.not_asked();
        turned_away && !self.emitted_output && !self.maybe_accepted
    }

    /// Makes it that.
    #[must_use]
    pub fn unasked(self) -> Self {
        Self { rule: NOT_ASKED.to_owned(), ..self }
    }

    /// The reason, and the failed clean-up if there was one, in that order.
    pub fn combined(&self) -> String {
        match &self.cleanup {
            Some(cleanup) => format!("{}; clean-up failed: {cleanup}", self.evidence),
            None => self.evidence.clone(),
        }
    }
}
