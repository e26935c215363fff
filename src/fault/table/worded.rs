//! Rows by words alone.

use FaultClass as C;
use FaultScope as S;
use Test::Says;

use super::{Rule, Test, codex, opencode, rule};
use crate::event::{FaultClass, FaultScope};
use crate::fault::phrases::{MODEL, TRANSPORT, UNREACHED};

pub(super) const ROWS: &[Rule] = &[
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
            "missing api key",
            "missing auth key",
            "unknown provider",
            "no provider available",
            "provider not available",
            "provider not found",
            "provider not configured",
            "no connected providers",
            "no models available",
            "all providers unavailable",
            "all providers are unavailable",
            "all providers exhausted",
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
            "token is expired",
            "token expired",
            "expired token",
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
            "resource exhausted",
            "all credentials for model",
            "cooling down",
            "quota will reset after",
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
            "service unavailable",
            "is temporarily unavailable",
            "暂时不可用",
            "服务不可用",
            "请稍后重试",
        ])],
    ),
    rule("text.idle", C::Stall, S::Provider, &[Says(&["stream idle timeout", "idle timeout waiting for"])]),
    rule("text.transport", C::Transport, S::Provider, &[Says(TRANSPORT)]),
    rule("text.unreached", C::Transport, S::Provider, &[Says(UNREACHED)]),
    rule(
        "text.server",
        C::ServerError,
        S::Provider,
        &[Says(&[
            "internal server error",
            "bad gateway",
            "server_error",
            "internal_server_error",
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
];
