//! Rows by what says least: generic labels, and how a process ended.

use FaultClass as C;
use FaultScope as S;
use Test::{AnySignal, Exit, ExitFailed, NoStatus, Retryable, Signal, Terminal, Word};

use super::{Rule, Test, aider, codex, rule};
use crate::event::{FaultClass, FaultScope};

pub(super) const ROWS: &[Rule] = &[
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
    aider("aider.rate", C::RateLimited, S::Model, &[Word(&["routerratelimiterror"])]),
    aider("aider.forbidden", C::Forbidden, S::Provider, &[Word(&["permissiondeniederror"])]),
    aider("aider.context", C::ContextOverflow, S::Request, &[Word(&["contextwindowexceedederror"])]),
    aider("aider.policy", C::ContentPolicy, S::Request, &[Word(&["contentpolicyviolationerror"])]),
    aider("aider.budget", C::BudgetLimit, S::Request, &[Word(&["budgetexceedederror"])]),
    aider("aider.overloaded", C::Overloaded, S::Model, &[Word(&["serviceunavailableerror"])]),
    aider("aider.transport", C::Transport, S::Provider, &[Word(&["apiconnectionerror", "timeout"])]),
    aider("aider.server", C::ServerError, S::Provider, &[Word(&["internalservererror", "badgatewayerror"])]),
    aider(
        "aider.request",
        C::RequestInvalid,
        S::Request,
        &[Word(&["badrequesterror", "unprocessableentityerror", "unsupportedparamserror"])],
    ),
    rule("name.model", C::ModelNotFound, S::Model, &[Word(&["modelnotfounderror", "modelunavailableerror"])]),
    // By its name alone; with words or a status it may be the pace as well.
    rule("name.exhausted", C::QuotaExhausted, S::Account, &[Word(&["resource_exhausted"]), NoStatus]),
    rule(
        "name.transport",
        C::Transport,
        S::Provider,
        &[Word(&[
            "econnrefused",
            "econnreset",
            "econnaborted",
            "enotfound",
            "eai_again",
            "etimedout",
            "epipe",
            "und_err_socket",
            "und_err_connect_timeout",
            "und_err_headers_timeout",
        ])],
    ),
    // A library's own opinion counts where nothing else is known; beside a status it is often wrong.
    rule("flag.retryable", C::Transport, S::Provider, &[Retryable, NoStatus]),
    // How a process ended that gave no result.
    rule("exit.aborted", C::UserAbort, S::Local, &[Signal(&[2, 15])]),
    codex("codex.cut", C::Transport, S::Provider, &[Terminal(&["turn_without_end"]), Exit(&[0, 1])]),
    rule("exit.not-found", C::ConfigMissing, S::Local, &[Exit(&[126, 127])]),
    rule("exit.signal", C::AgentCrash, S::Local, &[AnySignal]),
    rule("exit.code", C::AgentCrash, S::Local, &[ExitFailed]),
    rule("exit.silent", C::Transport, S::Provider, &[Exit(&[0])]),
];
