//! The fault table: one row a cause, the first that matches wins.
//!
//! Order is meaning. Reasons and codes come first because a machine said them on purpose; a status alone says less than
//! the words that come with it, so words refine a status before the status decides; words without any status come
//! after; an agent's generic label comes after those, since it calls a refused connection a server error; how a process
//! ended says the least.

use std::fmt;

use super::phrases::{CONTEXT, MODEL, QUOTA, QUOTA_CODES, TRANSPORT};
use super::read::says;
use super::{Facts, Origin};
use crate::event::{FaultClass, FaultScope};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Names the row in `Failure::rule`.
    pub id: &'static str,
    /// What it means.
    pub class: FaultClass,
    /// How far it reaches.
    pub scope: FaultScope,
    /// Only from this mouth.
    pub origin: Option<Origin>,
    /// All of these hold.
    pub tests: &'static [Test],
}

/// One condition of a row.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    /// The agent says that it ended for one of these reasons.
    Terminal(&'static [&'static str]),
    /// Code, type or label is one of these, in any case.
    Word(&'static [&'static str]),
    /// The HTTP status is one of these.
    Status(&'static [u16]),
    /// The HTTP status lies between these two.
    StatusIn(u16, u16),
    /// The HTTP status is another one, or there is none.
    StatusNot(u16),
    /// The words contain one of these phrases; `…` stands for anything.
    Says(&'static [&'static str]),
    /// The server said to come back later than this, in seconds.
    WaitOver(f64),
    /// The time at which a limit resets is known.
    ResetKnown,
    /// The process was ended by one of these signals, or reports so by 128 + n.
    Signal(&'static [i32]),
    /// The process was ended by a signal.
    AnySignal,
    /// The process exited with one of these codes.
    Exit(&'static [i32]),
    /// The process exited with a code other than 0.
    ExitFailed,
}

/// Facts, and what their words say beyond them.
pub(super) struct Seen<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) words: &'a str,
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<f64>,
}

impl Rule {
    pub(super) fn matches(&self, seen: &Seen<'_>) -> bool {
        self.origin.is_none_or(|origin| origin == seen.facts.origin)
            && self.tests.iter().all(|test| test.holds(seen))
    }
}

impl Test {
    fn holds(&self, seen: &Seen<'_>) -> bool {
        let facts = seen.facts;
        let among = |word: Option<&str>, list: &[&str]| {
            word.is_some_and(|word| list.iter().any(|entry| entry.eq_ignore_ascii_case(word.trim())))
        };
        match self {
            Self::Terminal(list) => among(facts.terminal, list),
            Self::Word(list) => [facts.code, facts.kind, facts.label].iter().any(|word| among(*word, list)),
            Self::Status(list) => seen.status.is_some_and(|status| list.contains(&status)),
            Self::StatusIn(low, high) => seen.status.is_some_and(|status| (*low..=*high).contains(&status)),
            Self::StatusNot(not) => seen.status != Some(*not),
            Self::Says(list) => list.iter().any(|phrase| says(seen.words, phrase)),
            Self::WaitOver(limit) => seen.retry_after.is_some_and(|wait| wait > *limit),
            Self::ResetKnown => facts.reset_at.is_some(),
            Self::Signal(list) => list.iter().any(|signal| {
                facts.signal == Some(*signal) || facts.exit_code.is_some_and(|code| code == 128 + signal)
            }),
            Self::AnySignal => facts.signal.is_some(),
            Self::Exit(list) => facts.exit_code.is_some_and(|code| list.contains(&code)),
            Self::ExitFailed => facts.exit_code.is_some_and(|code| code != 0),
        }
    }
}

/// A condition as `provost-faults(7)` says it.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list(items: &[impl fmt::Display]) -> String {
            items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        match self {
            Self::Terminal(reasons) => write!(f, "the agent ended with {}", list(reasons)),
            Self::Word(words) => write!(f, "code, type or label {}", list(words)),
            Self::Status(statuses) => write!(f, "status {}", list(statuses)),
            Self::StatusIn(low, high) => write!(f, "status {low} to {high}"),
            Self::StatusNot(status) => write!(f, "status not {status}"),
            Self::Says(phrases) => {
                let quoted: Vec<String> = phrases.iter().map(|phrase| format!("\"{phrase}\"")).collect();
                write!(f, "the text says {}", list(&quoted))
            }
            Self::WaitOver(seconds) => write!(f, "asked to wait more than {seconds} s"),
            Self::ResetKnown => f.write_str("the time of the reset is known"),
            Self::Signal(signals) => write!(f, "ended by signal {}", list(signals)),
            Self::AnySignal => f.write_str("ended by a signal"),
            Self::Exit(codes) => write!(f, "exited with {} and no result", list(codes)),
            Self::ExitFailed => f.write_str("exited with another code than 0 and no result"),
        }
    }
}

/// The table, in order.
pub fn rules() -> &'static [Rule] {
    RULES
}

const fn rule(id: &'static str, class: FaultClass, scope: FaultScope, tests: &'static [Test]) -> Rule {
    Rule { id, class, scope, origin: None, tests }
}

/// The same, from one mouth only.
macro_rules! mouths {
    ($($name:ident = $origin:ident,)*) => {
        $(
            const fn $name(
                id: &'static str,
                class: FaultClass,
                scope: FaultScope,
                tests: &'static [Test],
            ) -> Rule {
                Rule { id, class, scope, origin: Some(Origin::$origin), tests }
            }
        )*
    };
}

mouths! {
    claude = Claude,
    codex = Codex,
    opencode = Opencode,
    gemini = Gemini,
    aider = Aider,
    openai = OpenAi,
    anthropic = Anthropic,
}

use FaultClass as C;
use FaultScope as S;
use Test::{
    AnySignal, Exit, ExitFailed, ResetKnown, Says, Signal, Status, StatusIn, StatusNot, Terminal, WaitOver,
    Word,
};

const RULES: &[Rule] = &[
    // Why the agent says that it ended.
    rule(
        "terminal.aborted",
        C::UserAbort,
        S::Request,
        &[Terminal(&["aborted_streaming", "aborted_tools", "aborted", "interrupted", "cancelled"])],
    ),
    rule(
        "terminal.context",
        C::ContextOverflow,
        S::Request,
        &[Terminal(&["prompt_too_long", "blocking_limit", "model_context_window_exceeded"])],
    ),
    rule(
        "terminal.budget",
        C::BudgetLimit,
        S::Request,
        &[Terminal(&["max_turns", "max_turn_requests", "budget_exhausted", "max_budget_usd"])],
    ),
    rule("terminal.output-limit", C::OutputLimit, S::Request, &[Terminal(&["max_tokens"])]),
    rule("terminal.size", C::RequestInvalid, S::Request, &[Terminal(&["image_error"])]),
    rule("terminal.no-response", C::FirstEventTimeout, S::Provider, &[Terminal(&["no_response"])]),
    rule("terminal.refusal", C::ContentPolicy, S::Request, &[Terminal(&["refusal"])]),
    // What a machine calls it.
    gemini("gemini.quota", C::QuotaExhausted, S::Model, &[Word(&["terminalquotaerror"])]),
    // It calls a server that is overloaded a quota as well.
    gemini("gemini.rate", C::RateLimited, S::Model, &[Status(&[429]), Word(&["retryablequotaerror"])]),
    gemini(
        "gemini.validation",
        C::Forbidden,
        S::Account,
        &[Word(&["validationrequirederror", "validation_required"])],
    ),
    gemini(
        "gemini.key",
        C::Auth,
        S::Account,
        &[Word(&["api_key_invalid", "unauthenticated", "fatalauthenticationerror"])],
    ),
    gemini("gemini.turns", C::BudgetLimit, S::Request, &[Word(&["fatalturnlimitederror"])]),
    gemini("gemini.loop", C::BudgetLimit, S::Request, &[Says(&["loop detected, stopping execution"])]),
    // It says so of every limit, per minute or per day.
    gemini("gemini.429", C::RateLimited, S::Model, &[Says(&["exceeded your current quota"])]),
    gemini("gemini.empty", C::NoPayload, S::Request, &[Says(&["the model returned an empty response"])]),
    gemini("gemini.cut", C::Transport, S::Provider, &[Says(&["[api error: terminated]"])]),
    rule("code.quota-model", C::QuotaExhausted, S::Model, &[Word(&["seven_day_opus", "seven_day_sonnet"])]),
    rule("code.quota", C::QuotaExhausted, S::Account, &[Word(QUOTA_CODES)]),
    rule(
        "code.context",
        C::ContextOverflow,
        S::Request,
        &[Word(&[
            "context_length_exceeded",
            "model_context_window_exceeded",
            "exceed_context_size_error",
            "contextoverflowerror",
        ])],
    ),
    rule(
        "code.refusal",
        C::ContentPolicy,
        S::Request,
        &[Word(&["refusal", "content_filter", "content_policy_violation", "cyber_policy", "invalid_prompt"])],
    ),
    rule(
        "code.output-limit",
        C::OutputLimit,
        S::Request,
        &[Word(&["max_output_tokens", "messageoutputlengtherror"])],
    ),
    rule(
        "code.model",
        C::ModelNotFound,
        S::Model,
        &[Word(&["model_not_found", "model_not_supported", "providermodelnotfounderror"])],
    ),
    rule(
        "code.forbidden",
        C::Forbidden,
        S::Provider,
        &[Word(&["permission_error", "unsupported_country_region_territory", "permission_denied"])],
    ),
    rule(
        "code.auth",
        C::Auth,
        S::Account,
        &[Word(&["authentication_error", "invalid_api_key", "oauth_org_not_allowed", "providerautherror"])],
    ),
    rule(
        "code.too-large",
        C::RequestInvalid,
        S::Request,
        &[Word(&["request_too_large", "string_above_max_length", "unsupported_parameter"])],
    ),
    rule("code.aborted", C::UserAbort, S::Request, &[Word(&["messageabortederror"])]),
    rule("code.config", C::ConfigMissing, S::Local, &[Word(&["ai_loadapikeyerror"])]),
    rule(
        "code.overloaded",
        C::Overloaded,
        S::Model,
        &[Word(&[
            "overloaded_error",
            "overloaded",
            "server_is_overloaded",
            "slow_down",
            "engine_overloaded",
        ])],
    ),
    // Words that refine a status.
    anthropic("413.bytes", C::RequestInvalid, S::Request, &[Status(&[413])]),
    openai(
        "no-words.large",
        C::ContextOverflow,
        S::Request,
        &[Status(&[400, 413]), Word(&["large_request_no_body"])],
    ),
    openai("413.tokens", C::ContextOverflow, S::Request, &[Status(&[413]), Says(&["token"])]),
    rule("text.context", C::ContextOverflow, S::Request, &[StatusNot(429), Says(CONTEXT)]),
    rule("402", C::QuotaExhausted, S::Account, &[Status(&[402])]),
    rule("text.quota", C::QuotaExhausted, S::Account, &[Says(QUOTA)]),
    anthropic("429.rejected", C::QuotaExhausted, S::Account, &[Status(&[429]), Word(&["rejected"])]),
    claude("429.reset-known", C::QuotaExhausted, S::Account, &[Status(&[429]), ResetKnown]),
    rule("429.long-wait", C::QuotaExhausted, S::Account, &[Status(&[429]), WaitOver(300.0)]),
    rule(
        "text.long-wait",
        C::QuotaExhausted,
        S::Account,
        &[Says(&["limit", "cooling down", "cooldown", "quota"]), WaitOver(300.0)],
    ),
    rule(
        "text.key",
        C::Auth,
        S::Account,
        &[Status(&[400]), Says(&["api_key_invalid", "api key not valid", "invalid api key"])],
    ),
    rule("text.model", C::ModelNotFound, S::Model, &[StatusIn(400, 404), Says(MODEL)]),
    // A status alone.
    rule("401", C::Auth, S::Account, &[Status(&[401])]),
    rule("403", C::Forbidden, S::Provider, &[Status(&[403])]),
    rule("404", C::ModelNotFound, S::Model, &[Status(&[404])]),
    rule("408-409", C::Transport, S::Provider, &[Status(&[408, 409, 425])]),
    rule("413", C::RequestInvalid, S::Request, &[Status(&[413])]),
    rule("429", C::RateLimited, S::Model, &[Status(&[429, 499])]),
    openai(
        "5xx.around-429",
        C::RateLimited,
        S::Model,
        &[StatusIn(500, 599), Says(&["ratelimiterror", "rate_limit_exceeded", "status code 429"])],
    ),
    rule("503-529", C::Overloaded, S::Model, &[Status(&[503, 529])]),
    rule("5xx", C::ServerError, S::Provider, &[StatusIn(500, 599)]),
    rule("4xx", C::RequestInvalid, S::Request, &[StatusIn(400, 499)]),
    // Words alone.
    rule(
        "text.refusal",
        C::ContentPolicy,
        S::Request,
        &[Says(&[
            "safeguards flagged",
            "violates our usage policy",
            "violate our usage policy",
            "content policy",
            "was flagged as potentially violating",
        ])],
    ),
    rule("text.output-limit", C::OutputLimit, S::Request, &[Says(&["output token maximum"])]),
    rule(
        "text.config",
        C::ConfigMissing,
        S::Local,
        &[Says(&[
            "missing environment variable",
            "api key is missing",
            "api key must be a string",
            "no api key",
            "command not found",
            "must specify the gemini_api_key",
        ])],
    ),
    rule(
        "text.auth",
        C::Auth,
        S::Account,
        &[Says(&[
            "invalid api key",
            "incorrect api key",
            "not logged in",
            "please run /login",
            "failed to authenticate",
            "token has expired",
            "invalid bearer token",
        ])],
    ),
    rule(
        "text.forbidden",
        C::Forbidden,
        S::Provider,
        &[Says(&["provider is forbidden", "permission to use the specified resource"])],
    ),
    rule("text.model-alone", C::ModelNotFound, S::Model, &[Says(MODEL)]),
    rule(
        "text.rate",
        C::RateLimited,
        S::Model,
        &[Says(&[
            "rate limit",
            "rate_limit",
            "too many requests",
            "频率限制",
            "请求过于频繁",
            "resource exhausted",
            "all credentials for model",
        ])],
    ),
    // What it says of a 5xx, whose status it does not tell; of a model without capacity it says that.
    codex("codex.5xx", C::ServerError, S::Provider, &[Says(&["experiencing high demand"])]),
    rule(
        "text.overloaded",
        C::Overloaded,
        S::Model,
        &[Says(&[
            "overloaded",
            "at capacity",
            "request queue is full",
            "experiencing high demand",
            "暂时不可用",
            "服务不可用",
            "请稍后重试",
        ])],
    ),
    rule("text.idle", C::Stall, S::Provider, &[Says(&["stream idle timeout", "idle timeout waiting for"])]),
    rule("text.transport", C::Transport, S::Provider, &[Says(TRANSPORT)]),
    rule(
        "text.server",
        C::ServerError,
        S::Provider,
        &[Says(&[
            "internal server error",
            "bad gateway",
            "server_error",
            "an error occurred while processing",
        ])],
    ),
    rule(
        "text.session",
        C::RequestInvalid,
        S::Request,
        &[Says(&[
            "no conversation found with session id",
            "session id…is already in use",
            "no rollout found for thread id",
            "error resuming session",
            "no previous sessions found",
            "invalid session identifier",
        ])],
    ),
    codex(
        "codex.config",
        C::ConfigMissing,
        S::Local,
        &[Says(&[
            "error loading config",
            "not inside a trusted directory",
            "unknown feature flag",
            "unexpected argument",
        ])],
    ),
    opencode("opencode.session", C::RequestInvalid, S::Request, &[Says(&["session not found"])]),
    // Its own server gave up before any model was asked; what it met is in its log alone.
    opencode(
        "opencode.server",
        C::ConfigMissing,
        S::Local,
        &[Says(&["unexpected server error. check server logs"])],
    ),
    // A provider that nobody has said the address of.
    opencode("opencode.address", C::ConfigMissing, S::Local, &[Says(&["cannot be parsed as a url"])]),
    // What an agent calls it when it says nothing better.
    rule(
        "word.rate",
        C::RateLimited,
        S::Model,
        &[Word(&["rate_limit_error", "rate_limit", "rate_limit_exceeded"])],
    ),
    rule("word.auth", C::Auth, S::Account, &[Word(&["authentication_failed", "auth_required"])]),
    rule("word.not-found", C::ModelNotFound, S::Model, &[Word(&["not_found_error"])]),
    rule(
        "word.server",
        C::ServerError,
        S::Provider,
        &[Word(&["server_error", "api_error", "timeout_error"])],
    ),
    rule(
        "word.request",
        C::RequestInvalid,
        S::Request,
        &[Word(&[
            "invalid_request_error",
            "invalid_request",
            "invalid_params",
            "method_not_found",
            "resource_not_found",
        ])],
    ),
    aider("aider.rate", C::RateLimited, S::Model, &[Word(&["ratelimiterror", "routerratelimiterror"])]),
    aider("aider.auth", C::Auth, S::Account, &[Word(&["authenticationerror"])]),
    aider("aider.forbidden", C::Forbidden, S::Provider, &[Word(&["permissiondeniederror"])]),
    aider("aider.model", C::ModelNotFound, S::Model, &[Word(&["notfounderror"])]),
    aider("aider.context", C::ContextOverflow, S::Request, &[Word(&["contextwindowexceedederror"])]),
    aider("aider.policy", C::ContentPolicy, S::Request, &[Word(&["contentpolicyviolationerror"])]),
    aider("aider.budget", C::BudgetLimit, S::Request, &[Word(&["budgetexceedederror"])]),
    aider("aider.overloaded", C::Overloaded, S::Model, &[Word(&["serviceunavailableerror"])]),
    aider("aider.transport", C::Transport, S::Provider, &[Word(&["apiconnectionerror", "timeout"])]),
    aider(
        "aider.server",
        C::ServerError,
        S::Provider,
        &[Word(&["internalservererror", "badgatewayerror", "apierror"])],
    ),
    aider(
        "aider.request",
        C::RequestInvalid,
        S::Request,
        &[Word(&[
            "badrequesterror",
            "invalidrequesterror",
            "unprocessableentityerror",
            "unsupportedparamserror",
        ])],
    ),
    // How a process ended that gave no result.
    rule("exit.aborted", C::UserAbort, S::Local, &[Signal(&[2, 15])]),
    codex("codex.cut", C::Transport, S::Provider, &[Terminal(&["turn_without_end"]), Exit(&[0, 1])]),
    rule("exit.not-found", C::ConfigMissing, S::Local, &[Exit(&[126, 127])]),
    rule("exit.signal", C::AgentCrash, S::Local, &[AnySignal]),
    rule("exit.code", C::AgentCrash, S::Local, &[ExitFailed]),
    rule("exit.silent", C::Transport, S::Provider, &[Exit(&[0])]),
];
