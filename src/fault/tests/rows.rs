//! The acceptance rows of the specification, by the ids that it gives them.

use super::*;

type Row = (&'static str, Facts<'static>, C);

fn hold(rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .map(|(id, facts, class)| (id, classify(facts), class))
        .filter(|(_, seen, class)| seen.class != **class)
        .map(|(id, seen, class)| format!("{id}: {} by {}, not {class}", seen.class, seen.rule))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rows_of_12_a_on_classification() {
    hold(&[
        ("A1", said(429, ""), C::RateLimited),
        ("A2-503", said(503, ""), C::Overloaded),
        ("A2-500", said(500, ""), C::ServerError),
        ("A2-502", said(502, ""), C::ServerError),
        ("A2-504", said(504, ""), C::ServerError),
        ("A3", said(529, "Overloaded"), C::Overloaded),
        ("A4", said(400, "Bad request"), C::RequestInvalid),
        ("A6", said(400, "maximum context length is 8192 tokens, try again"), C::ContextOverflow),
        ("A10", said(0, "Request failed with status code 503"), C::Overloaded),
        ("A11", NONE, C::Unknown),
        ("A12", said(0, "rate limit exceeded"), C::RateLimited),
        ("A16", said(524, "<html>cloudflare</html>"), C::ServerError),
        (
            "A17",
            said(429, "You exceeded your current quota, please check your plan and billing"),
            C::QuotaExhausted,
        ),
        ("A17-code", coded(429, "insufficient_quota"), C::QuotaExhausted),
        ("A18", said(0, "Billing hard limit reached"), C::QuotaExhausted),
        ("A19", said(429, "Rate limit reached for requests"), C::RateLimited),
        ("A20", said(0, "Your account has exceeded its quota"), C::QuotaExhausted),
        (
            "A21",
            said(0, "Subscription quota exceeded. You can continue using free models."),
            C::QuotaExhausted,
        ),
        (
            "A22",
            said(0, "All credentials for model X are cooling down [retrying in ~2 weeks]"),
            C::QuotaExhausted,
        ),
        ("A23", said(0, "All credentials for model X are cooldown"), C::RateLimited),
        ("A24", said(0, "Google API key is missing; set the environment variable"), C::ConfigMissing),
        ("A26", said(0, "Sorry, you\u{2019}ve exhausted your capacity"), C::QuotaExhausted),
        ("A26-402", said(402, ""), C::QuotaExhausted),
        ("A26-name", coded(0, "QuotaExceededError"), C::QuotaExhausted),
        ("A27", said(0, "Resource exhausted: Please try again later."), C::RateLimited),
        ("A28", said(429, "exceeded the 5-hour usage quota"), C::QuotaExhausted),
        ("A29", said(403, "预扣费额度失败, 用户剩余额度"), C::QuotaExhausted),
        ("A30", said(429, "Weekly/Monthly Limit Exhausted. Your limit will reset at 9"), C::QuotaExhausted),
        ("A31", said(0, "请求过于频繁"), C::RateLimited),
        ("A31-busy", said(0, "服务不可用"), C::Overloaded),
        ("A32", said(0, "账户余额不足"), C::QuotaExhausted),
        ("A33", said(0, "Free usage exceeded, subscribe to Go"), C::QuotaExhausted),
        ("A34", said(0, "Model not found: p/m"), C::ModelNotFound),
        ("A36", said(0, "api key must be a string"), C::ConfigMissing),
        ("A37", said(400, "model X is not supported"), C::ModelNotFound),
        ("A40", said(429, "account in arrears"), C::QuotaExhausted),
        ("A41", said(401, ""), C::Auth),
        ("A41-403", said(403, ""), C::Forbidden),
        ("A42", said(0, "provider is forbidden"), C::Forbidden),
        ("A44", coded(0, "server_error"), C::ServerError),
        ("A45", coded(429, "usage_limit_reached"), C::QuotaExhausted),
        ("A47", said(0, "Monthly usage limit reached. Resets in 6 days"), C::QuotaExhausted),
        ("A48", said(0, "[503] The request queue is full"), C::Overloaded),
        ("A52", said(0, "something nobody has seen before"), C::Unknown),
    ]);
}

#[test]
fn rows_of_14_2_to_14_4_on_endpoints() {
    let reset_at = Some("2026-11-22T00:00:00Z".parse().unwrap());
    hold(&[
        (
            "14.2-too-long",
            said(400, "prompt is too long: 250000 tokens > 200000 maximum"),
            C::ContextOverflow,
        ),
        ("14.2-credit", said(400, "Your credit balance is too low to access the API"), C::QuotaExhausted),
        (
            "14.2-usage",
            said(
                400,
                "You have reached your specified API usage limits. You will regain access on 2026-12-01",
            ),
            C::QuotaExhausted,
        ),
        ("14.2-signature", said(400, "invalid thinking signature"), C::RequestInvalid),
        ("14.2-404", Facts { kind: Some("not_found_error"), ..said(404, "model: x") }, C::ModelNotFound),
        ("14.2-409", said(409, ""), C::Transport),
        ("14.2-413", Facts { kind: Some("request_too_large"), ..said(413, "") }, C::RequestInvalid),
        ("14.2-413-bare", said(413, ""), C::RequestInvalid),
        ("14.2-wait-60", Facts { retry_after: Some(60.0), ..said(429, "") }, C::RateLimited),
        ("14.2-wait-301", Facts { retry_after: Some(301.0), ..said(429, "") }, C::QuotaExhausted),
        ("14.2-reset", Facts { origin: Origin::Claude, reset_at, ..said(429, "") }, C::QuotaExhausted),
        ("14.2-spend", coded(429, "enforced_spend_limit_reached"), C::QuotaExhausted),
        ("14.2-refusal", coded(0, "refusal"), C::ContentPolicy),
        ("14.3-seconds", said(429, "Rate limit reached. Please try again in 1.2s"), C::RateLimited),
        ("14.3-busy", coded(503, "slow_down"), C::Overloaded),
        ("14.3-context", coded(400, "context_length_exceeded"), C::ContextOverflow),
        ("14.3-long", coded(400, "string_above_max_length"), C::RequestInvalid),
        ("14.3-key", coded(401, "invalid_api_key"), C::Auth),
        ("14.3-country", coded(403, "unsupported_country_region_territory"), C::Forbidden),
        ("14.3-router", said(404, "No endpoints found for x/y"), C::ModelNotFound),
        ("14.3-filter", coded(0, "content_filter"), C::ContentPolicy),
        ("14.3-cap", coded(0, "max_output_tokens"), C::OutputLimit),
        ("14.3-wrapped", coded(500, "terminal_quota_exhausted"), C::QuotaExhausted),
        ("14.4-key", said(400, "API key not valid. API_KEY_INVALID"), C::Auth),
        ("14.4-tokens", said(400, "The input token count (9) exceeds the maximum"), C::ContextOverflow),
    ]);
}

#[test]
fn rows_of_14_5_on_agents() {
    let claude =
        |status, label, text| Facts { origin: Origin::Claude, label: Some(label), ..said(status, text) };
    let ended =
        |terminal| Facts { origin: Origin::Claude, terminal: Some(terminal), status: Some(400), ..NONE };
    let codex = |text| Facts { origin: Origin::Codex, ..said(0, text) };
    let opencode = |label, text| Facts { origin: Origin::Opencode, label: Some(label), ..said(0, text) };
    let acp = |terminal| Facts { origin: Origin::Acp, terminal: Some(terminal), ..NONE };
    hold(&[
        ("14.5-402", claude(402, "unknown", ""), C::QuotaExhausted),
        (
            "14.5-limit",
            claude(0, "rate_limit", "You\u{2019}ve hit your weekly limit · resets 3:45pm"),
            C::QuotaExhausted,
        ),
        ("14.5-refused", claude(0, "server_error", "Connection refused (ECONNREFUSED)"), C::Transport),
        (
            "14.5-opus",
            Facts { code: Some("seven_day_opus"), ..claude(429, "rate_limit", "") },
            C::QuotaExhausted,
        ),
        ("14.5-turns", ended("max_turns"), C::BudgetLimit),
        ("14.5-dollars", ended("budget_exhausted"), C::BudgetLimit),
        ("14.5-aborted", ended("aborted_streaming"), C::UserAbort),
        ("14.5-window", ended("blocking_limit"), C::ContextOverflow),
        ("14.5-silent", ended("no_response"), C::FirstEventTimeout),
        (
            "14.6-llama",
            said(400, "request (12031 tokens) exceeds the available context size (8192 tokens)"),
            C::ContextOverflow,
        ),
        ("14.6-not-429", said(429, "exceeds the limit of 5 requests"), C::RateLimited),
        (
            "14.5-demand",
            codex("We\u{2019}re currently experiencing high demand, which may cause temporary errors."),
            C::ServerError,
        ),
        (
            "14.5-capacity",
            codex("Selected model is at capacity. Please try a different model."),
            C::Overloaded,
        ),
        (
            "14.5-plan",
            codex("You\u{2019}ve hit your usage limit. Upgrade to Pro or try again at 4:12 AM."),
            C::QuotaExhausted,
        ),
        ("14.5-thread", codex("thread/resume failed: no rollout found for thread id 7"), C::RequestInvalid),
        ("14.5-config", codex("Error loading config.toml: `wire_api = \"chat\"`"), C::ConfigMissing),
        ("M10", Facts { terminal: Some("turn_without_end"), exit_code: Some(1), ..codex("") }, C::Transport),
        (
            "M10-killed",
            Facts { terminal: Some("turn_without_end"), exit_code: Some(143), ..codex("") },
            C::UserAbort,
        ),
        ("14.5-oc-session", opencode("", "Error: Session not found"), C::RequestInvalid),
        (
            "14.5-oc-server",
            opencode("UnknownError", "Unexpected server error. Check server logs for details."),
            C::ConfigMissing,
        ),
        (
            "14.5-oc-address",
            opencode("UnknownError", "\"undefined/chat/completions\" cannot be parsed as a URL."),
            C::ConfigMissing,
        ),
        ("14.5-oc-login", opencode("ProviderAuthError", "log in first"), C::Auth),
        ("14.5-oc-aborted", opencode("MessageAbortedError", "The operation was aborted."), C::UserAbort),
        ("14.5-oc-only", said(0, "Session not found"), C::Unknown),
        ("acp-cancelled", acp("cancelled"), C::UserAbort),
        ("acp-turns", acp("max_turn_requests"), C::BudgetLimit),
        ("acp-tokens", acp("max_tokens"), C::OutputLimit),
        ("acp-refusal", acp("refusal"), C::ContentPolicy),
        ("acp-unknown", acp("tired"), C::Unknown),
        ("acp-login", coded(0, "auth_required"), C::Auth),
        (
            "acp-no-session",
            said(0, "Internal error: No previous sessions found for this project."),
            C::RequestInvalid,
        ),
        ("acp-session", coded(0, "resource_not_found"), C::RequestInvalid),
        ("acp-params", coded(0, "invalid_params"), C::RequestInvalid),
        ("acp-method", coded(0, "method_not_found"), C::RequestInvalid),
        ("exit-term", Facts { exit_code: Some(143), ..NONE }, C::UserAbort),
        ("exit-int", Facts { signal: Some(2), ..NONE }, C::UserAbort),
        ("exit-kill", Facts { signal: Some(9), ..NONE }, C::AgentCrash),
        ("exit-1", Facts { exit_code: Some(1), ..NONE }, C::AgentCrash),
        ("exit-0", Facts { exit_code: Some(0), ..NONE }, C::Transport),
        ("exit-127", Facts { exit_code: Some(127), ..NONE }, C::ConfigMissing),
        ("compiler", said(0, "error: unterminated string literal"), C::Unknown),
        ("git", said(0, "git fetch failed"), C::Unknown),
        (
            "far-apart",
            said(
                0,
                "model loaded. the weather today is fine and so on and on and on and on, and then after all of that and quite some more the hat is not found",
            ),
            C::Unknown,
        ),
    ]);
}

/// 14.4, as Gemini CLI tells it, and the names of aider's library.
#[test]
fn table_of_gemini_and_aider() {
    let gemini = |status, label, text| Facts {
        label: Some(label),
        ..Facts { origin: Origin::Gemini, ..said(status, text) }
    };
    let kind = |status, kind, text| Facts { kind: Some(kind), ..gemini(status, "", text) };
    let aider = |name, text| Facts { origin: Origin::Aider, label: Some(name), ..said(0, text) };
    let quota = "You exceeded your current quota, please check your plan and billing details.";
    let rows: &[(&str, Facts<'_>, C, FaultScope)] = &[
        ("14.4-per-day", gemini(429, "TerminalQuotaError", quota), C::QuotaExhausted, FaultScope::Model),
        ("14.4-per-minute", gemini(429, "RetryableQuotaError", quota), C::RateLimited, FaultScope::Model),
        ("14.4-429-in-words", gemini(0, "", quota), C::RateLimited, FaultScope::Model),
        ("14.4-429-bare", kind(429, "RESOURCE_EXHAUSTED", ""), C::RateLimited, FaultScope::Model),
        (
            "14.4-400-key",
            Facts { code: Some("API_KEY_INVALID"), ..kind(400, "INVALID_ARGUMENT", "no") },
            C::Auth,
            FaultScope::Account,
        ),
        (
            "14.4-400-tokens",
            kind(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum"),
            C::ContextOverflow,
            FaultScope::Request,
        ),
        ("14.4-400", kind(400, "INVALID_ARGUMENT", "bad"), C::RequestInvalid, FaultScope::Request),
        ("14.4-401", kind(401, "UNAUTHENTICATED", ""), C::Auth, FaultScope::Account),
        ("14.4-403", kind(403, "PERMISSION_DENIED", "denied"), C::Forbidden, FaultScope::Provider),
        (
            "14.4-validation",
            Facts { code: Some("VALIDATION_REQUIRED"), ..kind(403, "PERMISSION_DENIED", "") },
            C::Forbidden,
            FaultScope::Account,
        ),
        (
            "14.4-404",
            gemini(0, "ModelNotFoundError", "[API Error: models/x is not found]"),
            C::ModelNotFound,
            FaultScope::Model,
        ),
        ("14.4-499", kind(499, "CANCELLED", ""), C::RateLimited, FaultScope::Model),
        (
            "14.4-500",
            kind(500, "INTERNAL", "An internal error has occurred."),
            C::ServerError,
            FaultScope::Provider,
        ),
        (
            "14.4-503",
            gemini(503, "RetryableQuotaError", "The model is overloaded."),
            C::Overloaded,
            FaultScope::Model,
        ),
        (
            "14.4-no-end",
            gemini(0, "", "Model stream ended without a finish reason."),
            C::Transport,
            FaultScope::Provider,
        ),
        ("14.4-cut", gemini(0, "", "[API Error: terminated]"), C::Transport, FaultScope::Provider),
        (
            "14.4-empty",
            gemini(0, "", "The model returned an empty response with no text or thoughts."),
            C::NoPayload,
            FaultScope::Request,
        ),
        ("14.5-turns", gemini(0, "FatalTurnLimitedError", ""), C::BudgetLimit, FaultScope::Request),
        (
            "14.5-loop",
            gemini(0, "", "Loop detected, stopping execution"),
            C::BudgetLimit,
            FaultScope::Request,
        ),
        ("13.1-quota", aider("RateLimitError", quota), C::QuotaExhausted, FaultScope::Account),
        ("13.1-rate", aider("RateLimitError", "slow, please"), C::RateLimited, FaultScope::Model),
        ("13.1-auth", aider("AuthenticationError", "no"), C::Auth, FaultScope::Account),
        ("13.1-permission", aider("PermissionDeniedError", "no"), C::Forbidden, FaultScope::Provider),
        ("13.1-model", aider("NotFoundError", "no"), C::ModelNotFound, FaultScope::Model),
        ("13.1-context", aider("ContextWindowExceededError", "no"), C::ContextOverflow, FaultScope::Request),
        ("13.1-policy", aider("ContentPolicyViolationError", "no"), C::ContentPolicy, FaultScope::Request),
        ("13.1-budget", aider("BudgetExceededError", "no"), C::BudgetLimit, FaultScope::Request),
        ("13.1-busy", aider("ServiceUnavailableError", "no"), C::Overloaded, FaultScope::Model),
        ("13.1-timeout", aider("Timeout", "no"), C::Transport, FaultScope::Provider),
        (
            "13.1-connection",
            aider("InternalServerError", "Connection error."),
            C::Transport,
            FaultScope::Provider,
        ),
        ("13.1-server", aider("InternalServerError", "no"), C::ServerError, FaultScope::Provider),
        ("13.1-request", aider("BadRequestError", "no"), C::RequestInvalid, FaultScope::Request),
    ];
    let wrong: Vec<String> = rows
        .iter()
        .map(|(id, facts, class, scope)| (id, classify(facts), class, scope))
        .filter(|(_, seen, class, scope)| (seen.class, seen.scope) != (**class, **scope))
        .map(|(id, seen, class, scope)| {
            format!("{id}: {} {:?} by {}, not {class} {scope:?}", seen.class, seen.scope, seen.rule)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // From another mouth the same names mean nothing of their own.
    let other = Facts { origin: Origin::OpenAi, ..aider("ServiceUnavailableError", "no") };
    assert_eq!(classify(&other).class, C::Unknown);
    // This one is a name of the Messages API, written in one word.
    let other = Facts { origin: Origin::OpenAi, ..aider("NotFoundError", "no") };
    assert_eq!(classify(&other).class, C::ModelNotFound);
}
