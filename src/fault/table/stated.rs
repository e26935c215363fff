//! Rows by status: words that refine one, and a status alone.

use FaultClass as C;
use FaultScope as S;
use Test::{Exactly, ResetKnown, Says, Status, StatusIn, StatusNot, WaitOver, Word};

use super::{Rule, Test, anthropic, claude, openai, opencode, rule};
use crate::event::{FaultClass, FaultScope};
use crate::fault::phrases::{CONTEXT, MODEL, QUOTA, QUOTA_MODEL, RATE_CN};

pub(super) const ROWS: &[Rule] = &[
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
    // Said of the pace, in the words of a limit.
    rule("text.rate-cn", C::RateLimited, S::Model, &[Says(RATE_CN)]),
    rule(
        "text.per-minute",
        C::RateLimited,
        S::Model,
        &[Says(&["quota exceeded…per minute", "exceeded your current quota…per minute"])],
    ),
    rule("text.quota-model", C::QuotaExhausted, S::Model, &[Says(QUOTA_MODEL)]),
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
    // What Copilot says while it is being deployed; a request that is wrong is told what is wrong with it.
    opencode("opencode.bare-400", C::ServerError, S::Provider, &[Status(&[400]), Exactly(&["bad request"])]),
    rule("4xx", C::RequestInvalid, S::Request, &[StatusIn(400, 499)]),
];
