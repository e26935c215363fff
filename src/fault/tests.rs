use std::time::Duration;

use FaultClass as C;
use proptest::prelude::*;

use super::*;

const NONE: Facts<'static> = Facts {
    origin: Origin::OpenAi,
    status: None,
    code: None,
    kind: None,
    label: None,
    terminal: None,
    text: "",
    retry_after: None,
    reset_at: None,
    emitted_output: false,
    exit_code: None,
    signal: None,
};

fn said(status: u16, text: &'static str) -> Facts<'static> {
    Facts { status: (status != 0).then_some(status), text, ..NONE }
}

fn coded(status: u16, code: &'static str) -> Facts<'static> {
    Facts { code: Some(code), ..said(status, "") }
}

#[test]
#[expect(clippy::large_stack_arrays, reason = "rows")]
fn table() {
    let reset_at = Some("2026-11-22T00:00:00Z".parse().unwrap());
    let claude =
        |status, label, text| Facts { origin: Origin::Claude, label: Some(label), ..said(status, text) };
    let ended =
        |terminal| Facts { origin: Origin::Claude, terminal: Some(terminal), status: Some(400), ..NONE };
    let codex = |text| Facts { origin: Origin::Codex, ..said(0, text) };
    let opencode = |label, text| Facts { origin: Origin::Opencode, label: Some(label), ..said(0, text) };
    let acp = |terminal| Facts { origin: Origin::Acp, terminal: Some(terminal), ..NONE };
    let rows: &[(&str, Facts<'_>, C)] = &[
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
    ];
    let wrong: Vec<String> = rows
        .iter()
        .map(|(id, facts, class)| (id, classify(facts), class))
        .filter(|(_, seen, class)| seen.class != **class)
        .map(|(id, seen, class)| format!("{id}: {} by {}, not {class}", seen.class, seen.rule))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
    let other = Facts { origin: Origin::OpenAi, ..aider("NotFoundError", "no") };
    assert_eq!(classify(&other).class, C::Unknown);
}

#[test]
fn rows_have_ids_of_their_own() {
    let mut ids: Vec<&str> = rules().iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(all, ids.len());
    for test in rules().iter().flat_map(|rule| rule.tests) {
        assert!(!test.to_string().is_empty());
    }
    assert!(rules().iter().all(|rule| !rule.tests.is_empty()));
}

#[test]
fn scope_says_how_far_one_must_go() {
    assert_eq!(classify(&coded(429, "seven_day_opus")).scope, FaultScope::Model);
    assert_eq!(classify(&coded(429, "insufficient_quota")).scope, FaultScope::Account);
    assert_eq!(classify(&said(500, "")).scope, FaultScope::Provider);
    assert_eq!(classify(&said(0, "No API key")).scope, FaultScope::Local);
}

#[test]
fn words_give_a_status_and_a_wait_that_the_wire_did_not() {
    let seen = classify(&said(0, "API Error: 429 too many. Please try again in 250ms"));
    assert_eq!((seen.status, seen.retry_after), (Some(429), Some(0.25)));
    let wire = classify(&Facts { retry_after: Some(2.0), ..said(400, "status code 503, retry after 9s") });
    assert_eq!((wire.status, wire.retry_after), (Some(400), Some(2.0)));
    for text in ["[503 rows]", "got [404] there", "status code 4041"] {
        assert_eq!(classify(&said(0, text)).status, None, "{text}");
    }
    let command = |text| classify(&Facts::new(Origin::Command, text)).class;
    assert_eq!(command("GET /favicon.ico: status code 404"), C::Unknown);
    assert_eq!(command("status code 503"), C::Overloaded);
    assert_eq!(classify(&said(0, "try again in 4:12")).retry_after, Some(4.0));
    for (text, seconds) in [
        ("try again in 1m30.5s.", 90.5),
        ("resets in 2 days 3 hours, or so", 183_600.0),
        ("retry after 20 3 times", 20.0),
        ("try again in 6m0s", 360.0),
        ("try again in 5 seconds. 3 days ago", 5.0),
    ] {
        assert_eq!(classify(&said(0, text)).retry_after, Some(seconds), "{text}");
    }
    assert_eq!(classify(&Facts { retry_after: Some(f64::NAN), ..NONE }).retry_after, None);
}

#[test]
fn evidence_is_bounded_at_a_character_and_never_missing_when_something_was_said() {
    let long = "ö".repeat(5000);
    let seen = classify(&Facts { text: &long, ..NONE });
    assert_eq!(seen.evidence.len(), EVIDENCE_BYTES);
    assert_eq!(seen.rule, "unmatched");
    assert_eq!(classify(&coded(429, "x")).evidence, "code x");
    assert_eq!(classify(&said(500, " ")).evidence, "HTTP status 500");
}

proptest! {
    #[test]
    fn any_text_is_classified(text in ".{0,200}", status in prop::option::of(0_u16..700), wait in prop::option::of(any::<f64>())) {
        let facts = Facts { text: &text, status, retry_after: wait, ..NONE };
        prop_assert_eq!(classify(&facts), classify(&facts));
    }

    #[test]
    fn numbers_in_words_never_panic(text in "(try again in |status code |\\[|resets in )[0-9.~a-zä]{0,30}") {
        classify(&Facts { text: &text, ..NONE });
    }

    #[test]
    fn a_wait_is_never_shorter_than_asked_nor_our_own_longer_than_its_cap(tries in 0_u32..40, seed in any::<u64>(), wait in prop::option::of(0.0..60.0_f64)) {
        let failure = Failure { retry_after: wait, ..Failure::ours(C::Overloaded, "x") };
        let policy = Policy { same_model: 50, wait: Duration::from_mins(1) };
        let Decision::RetrySame { after } = decide(&failure, tries, &policy, seed) else { panic!("gave up") };
        match wait {
            Some(wait) => prop_assert!(after >= Duration::from_secs_f64(wait) && after.as_secs_f64() <= wait + 1.001),
            None => prop_assert!(after <= Duration::from_secs(30)),
        }
    }
}

#[test]
fn a_retry_is_made_only_where_it_can_help() {
    let policy = Policy { same_model: 2, wait: Duration::from_mins(1) };
    let base = Failure::ours(C::RateLimited, "x");
    let told = |class, again| Failure { should_retry: Some(again), ..Failure::ours(class, "x") };
    let rows: [(&str, Failure, u32, bool); 14] = [
        ("told not to", told(C::Overloaded, false), 0, false),
        ("told to", told(C::RequestInvalid, true), 0, true),
        ("told to too often", told(C::RequestInvalid, true), 2, false),
        ("first", base.clone(), 0, true),
        ("last", base.clone(), 1, true),
        ("no tries left", base.clone(), 2, false),
        ("content had come", Failure { emitted_output: true, ..base.clone() }, 0, false),
        ("short wait", Failure { retry_after: Some(60.0), ..base.clone() }, 0, true),
        ("long wait", Failure { retry_after: Some(60.5), ..base.clone() }, 0, false),
        ("endless wait", Failure { retry_after: Some(f64::INFINITY), ..base.clone() }, 0, false),
        ("backward wait", Failure { retry_after: Some(-1.0), ..base }, 0, false),
        ("quota", Failure::ours(C::QuotaExhausted, "x"), 0, false),
        ("silence", Failure::ours(C::FirstEventTimeout, "x"), 0, true),
        ("silence again", Failure::ours(C::FirstEventTimeout, "x"), 1, false),
    ];
    for (id, failure, tries, again) in rows {
        assert_eq!(decide(&failure, tries, &policy, 7) != Decision::GiveUp, again, "{id}");
    }
}

#[test]
fn what_ends_a_run_is_unavailable_and_not_retried() {
    for class in [C::Auth, C::ConfigMissing, C::QuotaExhausted, C::ModelNotFound, C::Forbidden] {
        assert!(ends_run(class) && unavailable(class) && !retryable(class), "{class}");
    }
    for class in [C::AgentCrash, C::RoundTimeout, C::ContentPolicy, C::NoPayload, C::Unknown, C::UserAbort] {
        assert!(!ends_run(class) && !unavailable(class), "{class}");
    }
}
