//! The rows A1 to A52 of the specification: what each input is, and what is done about it with every way open, at first
//! and when no retry is left. Who holds a row that is not the classifier's is named with it.

use super::decide::{FIRST, POLICY, TRIED, word};
use super::*;
use FaultScope as S;

struct Row {
    id: &'static str,
    facts: Facts<'static>,
    class: C,
    scope: S,
    /// What follows, and what when it was tried.
    then: [&'static str; 2],
    /// Where we decide otherwise than the older systems, and why.
    decided: &'static str,
}

/// A row that another test holds: its file, and its name.
struct Held {
    id: &'static str,
    file: &'static str,
    test: &'static str,
}

const fn row(id: &'static str, facts: Facts<'static>, class: C, scope: S, then: [&'static str; 2]) -> Row {
    Row { id, facts, class, scope, then, decided: "" }
}

/// A row where we decide otherwise.
const fn ours(decided: &'static str, row: Row) -> Row {
    Row { decided, ..row }
}

const fn text(text: &'static str) -> Facts<'static> {
    Facts { text, ..NONE }
}

const fn with(status: u16, text: &'static str) -> Facts<'static> {
    Facts { status: Some(status), text, ..NONE }
}

const fn code(status: u16, code: &'static str, text: &'static str) -> Facts<'static> {
    Facts { code: Some(code), ..with(status, text) }
}

const fn name(name: &'static str, text: &'static str) -> Facts<'static> {
    Facts { label: Some(name), text, ..NONE }
}

const RATE: [&str; 2] = ["retry", "model"];
const BUSY: [&str; 2] = ["retry", "model"];
const BROKEN: [&str; 2] = ["retry", "provider"];
const SPENT: [&str; 2] = ["account", "account"];
const SPENT_MODEL: [&str; 2] = ["model", "model"];
const ELSEWHERE: [&str; 2] = ["provider", "provider"];
const NO_MODEL: [&str; 2] = ["model", "model"];
const NO: [&str; 2] = ["give up", "give up"];

const UNIFY: &str = "预扣费额度失败, 用户剩余额度: ¥0.01, 需要预扣费额度: ¥0.20";
const FLAG: &str = "a library's flag never outvotes a status";
const LIST: &str = "there is no list of statuses to configure: what a class leads to is one decision, and a 400 is wrong anywhere";

const ROWS: &[Row] = &[
    row("A1", with(429, ""), C::RateLimited, S::Model, RATE),
    row("A2", with(503, ""), C::Overloaded, S::Model, BUSY),
    row("A2", with(500, ""), C::ServerError, S::Provider, BROKEN),
    row("A2", with(502, ""), C::ServerError, S::Provider, BROKEN),
    row("A2", with(504, ""), C::ServerError, S::Provider, BROKEN),
    row("A3", with(529, "Overloaded"), C::Overloaded, S::Model, BUSY),
    row("A4", with(400, "Bad request"), C::RequestInvalid, S::Request, NO),
    ours(LIST, row("A5", with(400, "Bad"), C::RequestInvalid, S::Request, NO)),
    row(
        "A6",
        Facts { label: Some("ContextOverflowError"), ..with(400, "too long, try again") },
        C::ContextOverflow,
        S::Request,
        ["compact", "compact"],
    ),
    row("A7", text(r#"{"data":{"statusCode":429}}"#), C::RateLimited, S::Model, RATE),
    row("A7", text(r#"{"error":{"statusCode":429}}"#), C::RateLimited, S::Model, RATE),
    row("A7", text(r#"{"cause":{"statusCode":429}}"#), C::RateLimited, S::Model, RATE),
    row("A8", text(r#"{"statusCode":"429","cause":{"statusCode":503}}"#), C::Overloaded, S::Model, BUSY),
    row("A9", text(r#"{"error":{"statusCode":429},"statusCode":400}"#), C::RequestInvalid, S::Request, NO),
    row("A9", with(400, r#"{"error":{"statusCode":429}}"#), C::RequestInvalid, S::Request, NO),
    row("A10", text("Request failed with status code 503"), C::Overloaded, S::Model, BUSY),
    row("A11", text(""), C::Unknown, S::Request, NO),
    row("A11", text("null"), C::Unknown, S::Request, NO),
    row("A11", text("undefined"), C::Unknown, S::Request, NO),
    row("A11", text("{}"), C::Unknown, S::Request, NO),
    row("A11", text("[null,[],{\"error\":null}]"), C::Unknown, S::Request, NO),
    row("A12", text("rate limit exceeded"), C::RateLimited, S::Model, RATE),
    row("A12", text("\"rate limit exceeded\""), C::RateLimited, S::Model, RATE),
    row("A13", text(r#"{"statusCode":401,"isRetryable":true}"#), C::Auth, S::Account, SPENT),
    row("A13", text(r#"{"statusCode":403,"isRetryable":true}"#), C::Forbidden, S::Provider, ELSEWHERE),
    row("A13", text(r#"{"statusCode":404,"isRetryable":true}"#), C::ModelNotFound, S::Model, NO_MODEL),
    ours(
        FLAG,
        row("A13", Facts { retryable: Some(true), ..with(400, "") }, C::RequestInvalid, S::Request, NO),
    ),
    row("A14", text(r#"{"statusCode":429,"data":{"isRetryable":true}}"#), C::RateLimited, S::Model, RATE),
    row("A14", text(r#"{"statusCode":503,"isRetryable":true}"#), C::Overloaded, S::Model, BUSY),
    row("A14", text(r#"{"message":"it broke","isRetryable":true}"#), C::Transport, S::Provider, BROKEN),
    row("A14", Facts { retryable: Some(true), ..text("it broke") }, C::Transport, S::Provider, BROKEN),
    row("A15", text(r#"{"statusCode":400,"isRetryable":"true"}"#), C::RequestInvalid, S::Request, NO),
    row("A15", text(r#"{"message":"it broke","isRetryable":"true"}"#), C::Unknown, S::Request, NO),
    row(
        "A16",
        text(
            r#"{"name":"AI_RetryError","lastError":{"name":"AI_APICallError","statusCode":524,"isRetryable":true,"responseBody":"<!DOCTYPE html><html>cloudflare: a timeout occurred</html>"}}"#,
        ),
        C::ServerError,
        S::Provider,
        BROKEN,
    ),
    row(
        "A17",
        with(429, "You exceeded your current quota, please check your plan and billing details."),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row("A17", code(429, "insufficient_quota", ""), C::QuotaExhausted, S::Account, SPENT),
    row("A18", text("Billing hard limit reached"), C::QuotaExhausted, S::Account, SPENT),
    row("A19", with(429, "Rate limit reached for requests"), C::RateLimited, S::Model, RATE),
    row("A20", text("Your account has exceeded its quota"), C::QuotaExhausted, S::Account, SPENT),
    row(
        "A21",
        text("Subscription quota exceeded. You can continue using free models."),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row(
        "A22",
        text("All credentials for model X are cooling down [retrying in ~2 weeks]"),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row("A23", text("All credentials for model X are cooldown"), C::RateLimited, S::Model, RATE),
    row(
        "A24",
        text(
            "Google Generative AI API key is missing. Pass it using the 'apiKey' parameter or an environment variable.",
        ),
        C::ConfigMissing,
        S::Local,
        ELSEWHERE,
    ),
    row(
        "A25",
        with(
            429,
            r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}"#,
        ),
        C::QuotaExhausted,
        S::Model,
        SPENT_MODEL,
    ),
    row(
        "A25",
        with(
            429,
            r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel"}]},{"retryDelay":"2s"}]}}"#,
        ),
        C::RateLimited,
        S::Model,
        RATE,
    ),
    row(
        "A25",
        text("Quota exceeded for quota metric 'Generate Content API requests'"),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    ours(
        "where the words name the minute, they are of the pace",
        row(
            "A25",
            text("Quota exceeded for quota metric 'X' and limit 'X requests per minute' of service y"),
            C::RateLimited,
            S::Model,
            RATE,
        ),
    ),
    row("A26", text("Sorry, you’ve exhausted your capacity"), C::QuotaExhausted, S::Account, SPENT),
    row("A26", text("You are out of credits"), C::QuotaExhausted, S::Account, SPENT),
    row("A26", with(402, "Payment Required"), C::QuotaExhausted, S::Account, SPENT),
    row("A26", name("BillingError", ""), C::QuotaExhausted, S::Account, SPENT),
    row("A26", name("InsufficientQuota", ""), C::QuotaExhausted, S::Account, SPENT),
    row("A26", name("QuotaExceeded", ""), C::QuotaExhausted, S::Account, SPENT),
    row("A26", name("QuotaExceededError", ""), C::QuotaExhausted, S::Account, SPENT),
    row("A26", name("RESOURCE_EXHAUSTED", ""), C::QuotaExhausted, S::Account, SPENT),
    row("A26", name("insufficient_quota", ""), C::QuotaExhausted, S::Account, SPENT),
    row("A26", text(r#"{"name":"Insufficient-Quota"}"#), C::QuotaExhausted, S::Account, SPENT),
    ours(
        "words that ask to try later are of the pace, unless a detail says otherwise",
        row("A27", text("Resource exhausted: Please try again later."), C::RateLimited, S::Model, RATE),
    ),
    row(
        "A28",
        with(
            429,
            "You have exceeded the 5-hour usage quota. It will reset at 2026-11-22 10:00:00 +0800 CST.",
        ),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row("A29", with(403, "预扣费额度失败, 用户剩余额度: ¥0.01"), C::QuotaExhausted, S::Account, SPENT),
    row("A29", with(403, UNIFY), C::QuotaExhausted, S::Account, SPENT),
    row("A29", with(403, "用户剩余额度: ¥0.01, 需要预扣费额度: ¥0.20"), C::QuotaExhausted, S::Account, SPENT),
    row(
        "A30",
        with(429, "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-11-28 10:00:00"),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row("A30", with(429, "Weekly Limit Exhausted"), C::QuotaExhausted, S::Account, SPENT),
    row("A31", text("频率限制"), C::RateLimited, S::Model, RATE),
    row("A31", text("请求过于频繁"), C::RateLimited, S::Model, RATE),
    row("A31", text("模型暂时不可用"), C::Overloaded, S::Model, BUSY),
    row("A31", text("服务不可用"), C::Overloaded, S::Model, BUSY),
    row("A31", text("系统繁忙, 请稍后重试"), C::Overloaded, S::Model, BUSY),
    row("A32", text("已达到使用上限"), C::QuotaExhausted, S::Account, SPENT),
    row("A32", text("额度不足"), C::QuotaExhausted, S::Account, SPENT),
    row("A32", text("账户余额不足"), C::QuotaExhausted, S::Account, SPENT),
    row("A32", text("配额已耗尽"), C::QuotaExhausted, S::Account, SPENT),
    row("A32", text("您已达到每周的限制"), C::QuotaExhausted, S::Account, SPENT),
    row("A33", text("Free usage exceeded, subscribe to Go"), C::QuotaExhausted, S::Account, SPENT),
    row("A34", name("ProviderModelNotFoundError", ""), C::ModelNotFound, S::Model, NO_MODEL),
    row("A34", name("UnknownError", "Model not found: p/m"), C::ModelNotFound, S::Model, NO_MODEL),
    row(
        "A35",
        text(r#"{"name":"UnknownError","data":{"error":{"name":"AI_LoadAPIKeyError","message":"none"}}}"#),
        C::ConfigMissing,
        S::Local,
        ELSEWHERE,
    ),
    ours(
        "a key that is no text is a mistake in the configuration of this provider, and none of the next one's",
        row("A36", text("api key must be a string"), C::ConfigMissing, S::Local, ELSEWHERE),
    ),
    row("A37", code(400, "model_not_supported", ""), C::ModelNotFound, S::Model, NO_MODEL),
    row("A37", with(400, "model X is not supported"), C::ModelNotFound, S::Model, NO_MODEL),
    row("A37", text("The requested model is not supported"), C::ModelNotFound, S::Model, NO_MODEL),
    row("A38", name("MessageAbortedError", "rate limit"), C::UserAbort, S::Request, ["abort", "abort"]),
    row(
        "A38",
        text(r#"{"name":"MessageAbortedError","data":{"message":"rate limit"}}"#),
        C::UserAbort,
        S::Request,
        ["abort", "abort"],
    ),
    row("A39", code(429, "1302", "您的账户已达到速率限制，请您控制请求频率"), C::RateLimited, S::Model, RATE),
    row("A39", with(429, ""), C::RateLimited, S::Model, RATE),
    row("A39", with(503, ""), C::Overloaded, S::Model, BUSY),
    row("A39", with(529, ""), C::Overloaded, S::Model, BUSY),
    row(
        "A40",
        with(429, r#"{"error":{"code":"1304","message":"当日调用次数超限"}}"#),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row(
        "A40",
        with(429, "Your account is in arrears, please recharge"),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row("A40", with(429, "blocked by the fair use policy"), C::QuotaExhausted, S::Account, SPENT),
    ours(
        "a refused key leads to another account or provider; what is refused by no known reason leads nowhere",
        row("A41", with(401, ""), C::Auth, S::Account, SPENT),
    ),
    row("A41", with(400, ""), C::RequestInvalid, S::Request, NO),
    ours("another provider may allow it", row("A41", with(403, "no"), C::Forbidden, S::Provider, ELSEWHERE)),
    row("A41", text("access to /etc/shadow is forbidden"), C::Unknown, S::Request, NO),
    row("A42", text("The provider is forbidden"), C::Forbidden, S::Provider, ELSEWHERE),
    ours(
        "it is known by the agent that asks Copilot, and is retried as any failure of a server is: twice, not once",
        row(
            "A43",
            Facts { origin: Origin::Opencode, ..with(400, "Bad Request") },
            C::ServerError,
            S::Provider,
            BROKEN,
        ),
    ),
    row(
        "A43",
        Facts { origin: Origin::Opencode, ..with(400, "Bad Request: tools.0.name is too long") },
        C::RequestInvalid,
        S::Request,
        NO,
    ),
    row(
        "A44",
        text(
            r#"{"type":"error","error":{"type":"server_error","code":"server_error","message":"it broke"}}"#,
        ),
        C::ServerError,
        S::Provider,
        BROKEN,
    ),
    row(
        "A44",
        text("An error occurred while processing your request. You can retry your request."),
        C::ServerError,
        S::Provider,
        BROKEN,
    ),
    row(
        "A45",
        with(
            429,
            r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus","resets_in_seconds":7200}}"#,
        ),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row("A46", text("All providers unavailable"), C::ConfigMissing, S::Local, ELSEWHERE),
    row("A46", text("no models available"), C::ConfigMissing, S::Local, ELSEWHERE),
    row("A47", text("Monthly usage limit reached. Resets in 6 days"), C::QuotaExhausted, S::Account, SPENT),
    row("A48", text("[503] The request queue is full"), C::Overloaded, S::Model, BUSY),
    row(
        "A49",
        name(
            "UnknownError",
            r#"{"data":{"message":"{\"error\":{\"status\":401,\"message\":\"expired\"}}"}}"#,
        ),
        C::Auth,
        S::Account,
        SPENT,
    ),
    row("A49", name("UnknownError", "OAuth token expired, log in again"), C::Auth, S::Account, SPENT),
    row("A52", text("something nobody has seen before"), C::Unknown, S::Request, NO),
    // Seen in the wild, 3.3.
    row(
        "W-threshold",
        text("All 3 accounts reached configured quota threshold (reset after 19h12m)"),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row(
        "W-session",
        text("You've hit your session limit · resets 3:45pm"),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row(
        "W-weekly",
        text("You’ve hit your weekly limit · resets 3:45pm"),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row(
        "W-opus",
        text("You've hit your Opus limit · resets 3:45pm"),
        C::QuotaExhausted,
        S::Model,
        SPENT_MODEL,
    ),
    row("W-capacity", text("Selected model is at capacity"), C::Overloaded, S::Model, BUSY),
    row("W-proxy", with(402, "terminal_quota_exhausted"), C::QuotaExhausted, S::Account, SPENT),
    row("W-proxy", with(500, "litellm: terminal_quota_exhausted"), C::QuotaExhausted, S::Account, SPENT),
    row("W-overloaded", text("The service is temporarily overloaded"), C::Overloaded, S::Model, BUSY),
    row(
        "W-suspended",
        with(429, "insufficient balance or your account is suspended, please recharge"),
        C::QuotaExhausted,
        S::Account,
        SPENT,
    ),
    row("W-soon", text("Your quota will reset after 20s."), C::RateLimited, S::Model, RATE),
    row("W-later", text("Your quota will reset after 6h2m."), C::QuotaExhausted, S::Account, SPENT),
    row("W-cn-wait", with(429, "请在 30 秒后重试"), C::RateLimited, S::Model, RATE),
    row("W-cn-wait-long", with(429, "请求受限, 请等待 2小时"), C::QuotaExhausted, S::Account, SPENT),
    row(
        "W-quoted",
        text(r#"429 {"type":"error","error":{"type":"rate_limit_error","message":"slow, please"}}"#),
        C::RateLimited,
        S::Model,
        RATE,
    ),
    row(
        "W-echo",
        text(
            r#"{"message":"it broke","requestBodyValues":{"messages":[{"content":"explain: rate limit exceeded"}]}}"#,
        ),
        C::Unknown,
        S::Request,
        NO,
    ),
    row(
        "W-proxy-around",
        with(500, r#"{"error":{"message":"litellm.RateLimitError","code":429}}"#),
        C::RateLimited,
        S::Model,
        RATE,
    ),
    // 14.6, one by one.
    row(
        "C1",
        with(400, "prompt is too long: 9 tokens > 8 maximum"),
        C::ContextOverflow,
        S::Request,
        ["compact"; 2],
    ),
    row("C2", text("input is too long for requested model"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C3", text("Your input exceeds the context window"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row(
        "C4",
        text("input token count (9) exceeds the maximum"),
        C::ContextOverflow,
        S::Request,
        ["compact"; 2],
    ),
    row("C5", text("maximum prompt length is 8192"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row(
        "C6",
        text("Please reduce the length of the messages"),
        C::ContextOverflow,
        S::Request,
        ["compact"; 2],
    ),
    row("C7", text("maximum context length is 8192 tokens"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C8", text("9000 exceeds the limit of 8192"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C9", text("exceeds the available context size"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C10", text("greater than the context length"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C11", text("context window exceeds limit"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C12", text("exceeded model token limit"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C13", code(400, "context_length_exceeded", ""), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C14", text("model_context_window_exceeded"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C15", text("Request Entity Too Large"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C16", text("context length is only 4096 tokens"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row(
        "C17",
        text("input length 9 exceeds the context length"),
        C::ContextOverflow,
        S::Request,
        ["compact"; 2],
    ),
    row(
        "C18",
        text("ran out of room in the model's context window"),
        C::ContextOverflow,
        S::Request,
        ["compact"; 2],
    ),
    row("C19", with(400, "400 status code (no body)"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C20", with(413, "413 (no body)"), C::ContextOverflow, S::Request, ["compact"; 2]),
    row("C21", with(429, "exceeds the limit of 5 requests"), C::RateLimited, S::Model, RATE),
];

const HELD: &[Held] = &[
    Held {
        id: "A50",
        file: "src/backend/agent/aider/tests.rs",
        test: "a_complaint_that_a_model_quotes_is_its_answer",
    },
    Held { id: "A51", file: "src/fault/tests.rs", test: "any_text_is_classified" },
];

#[test]
fn every_row_has_its_class_its_scope_and_what_follows() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let seen = classify(&row.facts);
        let then = [FIRST, TRIED].map(|past| word(&seen, &past, &POLICY));
        if (seen.class, seen.scope) != (row.class, row.scope) || then != row.then {
            let expected = format!("{} {:?} {:?}", row.class, row.scope, row.then);
            wrong.push(format!(
                "{} ({}): {} {:?} {then:?} by {}, not {expected} {}",
                row.id, row.facts.text, seen.class, seen.scope, seen.rule, row.decided
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_row_is_left_out() {
    for number in 1..=52 {
        let id = format!("A{number}");
        let here = ROWS.iter().any(|row| row.id == id) || HELD.iter().any(|held| held.id == id);
        assert!(here, "{id} has no row");
    }
    for held in HELD {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(held.file);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.contains(&format!("fn {}(", held.test)),
            "{}: no {} in {}",
            held.id,
            held.test,
            held.file
        );
    }
}

/// The two questions are two columns: is this account empty, and may another one be tried?
#[test]
fn an_empty_account_and_another_one_are_two_answers() {
    let rows = [
        ("A17", code(429, "insufficient_quota", ""), true, true),
        ("A26", with(402, ""), true, true),
        ("A33", text("Free usage exceeded, subscribe to Go"), true, true),
        ("A40", with(429, "account in arrears"), true, true),
        ("A25", text(r#"{"message":"quota","details":[{"quotaId":"XPerDay"}]}"#), false, true),
        ("W-opus", text("You've hit your Opus limit"), false, true),
        ("A1", with(429, ""), false, true),
        ("A41", with(401, ""), false, true),
        ("A36", text("api key must be a string"), false, true),
        ("A2", with(503, ""), false, false),
        ("A2", with(500, ""), false, false),
        ("A34", text("Model not found: p/m"), false, false),
        ("A4", with(400, ""), false, false),
        ("A6", with(400, "prompt is too long"), false, false),
        ("A38", name("MessageAbortedError", ""), false, false),
        ("A52", text("something nobody has seen before"), false, false),
    ];
    for (id, facts, spent, another) in rows {
        let seen = classify(&facts);
        assert_eq!(
            (account_is_spent(&seen), may_another_account(&seen)),
            (spent, another),
            "{id} {}",
            seen.rule
        );
    }
}

/// What a text says of time, where the wire says nothing.
#[test]
fn times_are_read_where_they_are_said() {
    let rows: [(&str, &str, Option<f64>, Option<&str>); 10] = [
        (
            "A28",
            "exceeded the 5-hour usage quota. It will reset at 2026-11-22 10:00:00 +0800",
            None,
            Some("2026-11-22T02:00:00Z"),
        ),
        ("A28", "usage quota: resets at 2026-11-22T10:00:00.123+08:00", None, Some("2026-11-22T02:00:00Z")),
        ("A28", "usage limit; regain access on 2026-12-01 at 00:00 UTC.", None, Some("2026-12-01T00:00:00Z")),
        ("A30", "Weekly Limit Exhausted. Your limit will reset at 2026-11-28 10:00:00", None, None),
        (
            "A45",
            r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":7200,"resets_at":1795266000}}"#,
            Some(7200.0),
            Some("2026-11-21T13:00:00Z"),
        ),
        (
            "A45",
            r#"{"type":"usage_limit_reached","resetsAt":1795266000000}"#,
            None,
            Some("2026-11-21T13:00:00Z"),
        ),
        ("A47", "Monthly usage limit reached. Resets in 6 days", Some(518_400.0), None),
        ("W-threshold", "quota threshold (reset after 19h12m)", Some(69_120.0), None),
        (
            "headers",
            r#"{"message":"rate limit","responseHeaders":{"Retry-After-Ms":"1500","status":"200"}}"#,
            Some(1.5),
            None,
        ),
        ("W-cn-wait", "请求过于频繁, 请在 30 秒后重试", Some(30.0), None),
    ];
    for (id, said, wait, reset) in rows {
        let seen = classify(&text(said));
        let reset = reset.map(|reset| reset.parse().unwrap());
        assert_eq!((seen.retry_after, seen.reset_at), (wait, reset), "{id}: {said}");
    }
}
