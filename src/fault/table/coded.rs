//! Rows by what a machine said on purpose: reasons, codes and names.

use FaultClass as C;
use FaultScope as S;
use Test::{Says, Status, Terminal, Word};

use super::{Rule, Test, gemini, rule};
use crate::event::{FaultClass, FaultScope};
use crate::fault::phrases::QUOTA_CODES;

pub(super) const ROWS: &[Rule] = &[
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
    // The one text for both; only the id of the quota tells them apart.
    rule("quota.day", C::QuotaExhausted, S::Model, &[Says(&["quota id…perday", "quota id…daily"])]),
    rule("quota.minute", C::RateLimited, S::Model, &[Says(&["quota id…perminute"])]),
    // Numbers of the GLM endpoints: too many at once; and used up for the day, the plan or for fair use.
    rule("glm.rate", C::RateLimited, S::Model, &[Status(&[429]), Word(&["1302", "1303", "1305"])]),
    rule(
        "glm.quota",
        C::QuotaExhausted,
        S::Account,
        &[Status(&[429]), Word(&["1113", "1304", "1308", "1310", "1313"])],
    ),
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
            "context_length_error",
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
    rule("code.aborted", C::UserAbort, S::Request, &[Word(&["messageabortederror", "aborterror"])]),
    rule("code.config", C::ConfigMissing, S::Local, &[Word(&["ai_loadapikeyerror", "loadapikeyerror"])]),
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
];
