//! What each failure on the wire is taken for: the tables of `runtime-fallback.md` 14.2 and 14.3, row by row, through a
//! real server, a real client and the one fault table.

use provost::event::FaultClass as C;
use provost::event::FaultScope as S;
use provost::profile::Api;
use serde_json::{Value, json};

use crate::support::attempt::attempt;
use crate::support::chat_api::{self, APIS, Said, frame};
use crate::support::http::{Response, Step};

/// One row: its id, what the server does, and what that is.
struct Row {
    id: &'static str,
    api: Api,
    response: Response,
    class: C,
    scope: S,
    /// Whether content had come.
    emitted: bool,
}

fn row(id: &'static str, api: Api, response: Response, class: C, scope: S) -> Row {
    Row { id, api, response, class, scope, emitted: false }
}

fn emitted(row: Row) -> Row {
    Row { emitted: true, ..row }
}

/// Asks the server of each row and compares.
async fn hold(rows: Vec<Row>, user: &str) {
    let mut wrong = Vec::new();
    for Row { id, api, response, class, scope, emitted } in rows {
        let attempted = attempt(api, vec![response], user).await;
        assert_eq!(attempted.requests, 1, "{id}: a retry is the engine's decision");
        match attempted.ended {
            Ok(answer) => wrong.push(format!("{id}: a success: {answer:?}")),
            Err(failure)
                if (failure.class, failure.scope, failure.emitted_output) == (class, scope, emitted) => {}
            Err(failure) => {
                wrong.push(format!("{id}: {failure:?}, not {class}, {scope:?}, emitted {emitted}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn messages(status: u16, kind: &str, text: &str) -> Response {
    Response::json(status, &chat_api::error(Api::Anthropic, kind, text).to_string())
}

fn openai(status: u16, error: &Value) -> Response {
    Response::json(status, &json!({ "error": error }).to_string())
}

fn events(events: &[Value]) -> Response {
    Response::steps(events.iter().map(|event| Step::Send(frame(event))).collect())
}

/// The first frames of an answer, and then these.
fn begun(api: Api, frames: usize, then: Vec<Step>) -> Response {
    let said = Said::text("half ", "of it");
    let begun = chat_api::frames(api, &said).into_iter().take(frames).map(Step::Send);
    Response::steps(begun.chain(then).collect())
}

/// How many frames of an answer it takes until some of its text is there.
fn half(api: Api) -> usize {
    let frames = chat_api::frames(api, &Said::text("half ", "of it"));
    1 + frames.iter().position(|frame| frame.contains("half ")).unwrap()
}

fn stopped(reason: &str) -> Response {
    let delta = json!({ "type": "message_delta", "delta": { "stop_reason": reason } });
    let then = [frame(&delta), frame(&json!({ "type": "message_stop" }))].map(Step::Send);
    begun(Api::Anthropic, half(Api::Anthropic), then.to_vec())
}

#[tokio::test]
async fn every_row_of_the_messages_api_has_its_class() {
    const A: Api = Api::Anthropic;
    let limit = || messages(429, "rate_limit_error", "This request would exceed your rate limit.");
    let dated = || limit().header("date", "Sat, 21 Nov 2026 10:00:00 GMT");
    let plan = |claim: &str| {
        dated()
            .header("anthropic-ratelimit-unified-status", "rejected")
            .header("anthropic-ratelimit-unified-representative-claim", claim)
            .header("anthropic-ratelimit-unified-reset", "1795266000")
    };
    let spend = json!({ "type": "error", "error": {
        "type": "rate_limit_error", "message": "m", "details": { "error_code": "enforced_spend_limit_reached" },
    }});
    let event = |kind: &str| Step::Send(frame(&chat_api::error(A, kind, "m")));
    let html =
        Response::json(520, "<html><title>520: Web server is returning an unknown error</title></html>");
    let rows = vec![
        row(
            "14.2-too-long",
            A,
            messages(400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
            C::ContextOverflow,
            S::Request,
        ),
        row(
            "14.2-credit",
            A,
            messages(400, "invalid_request_error", "Your credit balance is too low to access the API"),
            C::QuotaExhausted,
            S::Account,
        ),
        row(
            "14.2-usage-limits",
            A,
            messages(
                400,
                "invalid_request_error",
                "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
            ),
            C::QuotaExhausted,
            S::Account,
        ),
        row(
            "14.2-signature",
            A,
            messages(
                400,
                "invalid_request_error",
                "messages.1.content.0: Invalid `signature` in `thinking` block",
            ),
            C::RequestInvalid,
            S::Request,
        ),
        row(
            "14.2-prefill",
            A,
            messages(400, "invalid_request_error", "This model does not support assistant message prefill."),
            C::RequestInvalid,
            S::Request,
        ),
        row(
            "14.2-tool-id",
            A,
            messages(
                400,
                "invalid_request_error",
                "tool_use ids were found without tool_result blocks: toolu_1",
            ),
            C::RequestInvalid,
            S::Request,
        ),
        row("14.2-401", A, messages(401, "authentication_error", "invalid x-api-key"), C::Auth, S::Account),
        row("14.2-402", A, messages(402, "billing_error", "m"), C::QuotaExhausted, S::Account),
        row("14.2-403", A, messages(403, "permission_error", "m"), C::Forbidden, S::Provider),
        row("14.2-404", A, messages(404, "not_found_error", "model: x"), C::ModelNotFound, S::Model),
        row("14.2-408", A, messages(408, "timeout_error", "m"), C::Transport, S::Provider),
        row("14.2-409", A, messages(409, "conflict_error", "m"), C::Transport, S::Provider),
        row(
            "14.2-413",
            A,
            messages(413, "request_too_large", "Request exceeds the maximum size"),
            C::RequestInvalid,
            S::Request,
        ),
        row(
            "14.2-413-no-json",
            A,
            Response::json(413, "<html><h1>413 Request Entity Too Large</h1></html>"),
            C::RequestInvalid,
            S::Request,
        ),
        row("14.2-429-wait-60", A, dated().header("retry-after", "60"), C::RateLimited, S::Model),
        row("14.2-429-wait-301", A, dated().header("retry-after", "301"), C::QuotaExhausted, S::Account),
        row("14.2-429-five-hour", A, plan("five_hour"), C::QuotaExhausted, S::Account),
        row("14.2-429-seven-day", A, plan("seven_day"), C::QuotaExhausted, S::Account),
        row("14.2-429-opus", A, plan("seven_day_opus"), C::QuotaExhausted, S::Model),
        row("14.2-429-unknown-claim", A, plan("fortnight"), C::QuotaExhausted, S::Account),
        row(
            "14.2-429-plan-allows",
            A,
            dated()
                .header("anthropic-ratelimit-unified-status", "allowed")
                .header("anthropic-ratelimit-unified-reset", "1795266000"),
            C::RateLimited,
            S::Model,
        ),
        row("14.2-429-spend", A, Response::json(429, &spend.to_string()), C::QuotaExhausted, S::Account),
        row("14.2-500", A, messages(500, "api_error", "Internal server error"), C::ServerError, S::Provider),
        row("14.2-529", A, messages(529, "overloaded_error", "Overloaded"), C::Overloaded, S::Model),
        row("14.2-520-html", A, html, C::ServerError, S::Provider),
        row(
            "14.2-event-overloaded",
            A,
            begun(A, 1, vec![event("overloaded_error")]),
            C::Overloaded,
            S::Model,
        ),
        row("14.2-event-rate", A, begun(A, 1, vec![event("rate_limit_error")]), C::RateLimited, S::Model),
        row("14.2-event-auth", A, begun(A, 1, vec![event("authentication_error")]), C::Auth, S::Account),
        emitted(row(
            "14.2-event-api-error-mid-stream",
            A,
            begun(A, half(A), vec![event("api_error")]),
            C::ServerError,
            S::Provider,
        )),
        row("14.2-eof-at-once", A, begun(A, 1, Vec::new()), C::Transport, S::Request),
        emitted(row("14.2-eof-mid-stream", A, begun(A, half(A), Vec::new()), C::Transport, S::Request)),
        emitted(row(
            "14.2-eof-before-message-stop",
            A,
            begun(
                A,
                half(A),
                vec![Step::Send(frame(&json!({
                    "type": "message_delta", "delta": { "stop_reason": "end_turn" },
                })))],
            ),
            C::Transport,
            S::Request,
        )),
        emitted(row("14.2-refusal", A, stopped("refusal"), C::ContentPolicy, S::Request)),
        emitted(row("14.2-max-tokens", A, stopped("max_tokens"), C::OutputLimit, S::Request)),
        emitted(row(
            "14.2-window",
            A,
            stopped("model_context_window_exceeded"),
            C::ContextOverflow,
            S::Request,
        )),
    ];
    hold(rows, "do it").await;
}

#[tokio::test]
async fn a_used_up_plan_says_when_it_is_whole_again_and_whether_to_try() {
    let limit = messages(429, "rate_limit_error", "m").header("date", "Sat, 21 Nov 2026 10:00:00 GMT");
    let plan = limit
        .clone()
        .header("anthropic-ratelimit-unified-status", "rejected")
        .header("anthropic-ratelimit-unified-reset", "1795266000")
        .header("x-should-retry", "false");
    let failure = attempt(Api::Anthropic, vec![plan], "do it").await.ended.unwrap_err();
    assert_eq!(failure.reset_at.unwrap().as_second(), 1_795_266_000);
    assert_eq!((failure.should_retry, failure.rule.as_str()), (Some(false), "429.rejected"));
    let long = limit.header("retry-after", "3600").header("x-should-retry", "true");
    let failure = attempt(Api::Anthropic, vec![long], "do it").await.ended.unwrap_err();
    assert_eq!(failure.reset_at.unwrap().to_string(), "2026-11-21T11:00:00Z");
    assert_eq!((failure.should_retry, failure.retry_after), (Some(true), Some(3600.0)));
}

fn error(code: &str, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

/// The same rows over both of them.
#[tokio::test]
async fn every_row_of_the_openai_apis_has_its_class() {
    for api in [Api::OpenAi, Api::OpenAiResponses] {
        let line = |error: &Value| begun(api, 1, vec![Step::Send(frame(&json!({ "error": error })))]);
        let rows = vec![
            row(
                "14.3-rate",
                api,
                openai(429, &error("rate_limit_exceeded", "Please try again in 1.2s")),
                C::RateLimited,
                S::Model,
            ),
            row(
                "14.3-quota",
                api,
                openai(429, &error("insufficient_quota", "m")),
                C::QuotaExhausted,
                S::Account,
            ),
            row(
                "14.3-quota-type",
                api,
                openai(429, &json!({ "type": "insufficient_quota", "message": "m" })),
                C::QuotaExhausted,
                S::Account,
            ),
            row(
                "14.3-credit",
                api,
                openai(429, &error("credit_balance_exhausted", "m")),
                C::QuotaExhausted,
                S::Account,
            ),
            row(
                "14.3-billing",
                api,
                openai(429, &error("billing_hard_limit_reached", "m")),
                C::QuotaExhausted,
                S::Account,
            ),
            row(
                "14.3-usage-limit",
                api,
                openai(429, &json!({ "type": "usage_limit_reached", "resets_in_seconds": 90 })),
                C::QuotaExhausted,
                S::Account,
            ),
            row("14.3-503", api, openai(503, &error("server_is_overloaded", "m")), C::Overloaded, S::Model),
            row("14.3-slow-down", api, openai(503, &error("slow_down", "m")), C::Overloaded, S::Model),
            row("14.3-500", api, openai(500, &error("server_error", "m")), C::ServerError, S::Provider),
            row("14.3-502", api, Response::json(502, "Bad gateway"), C::ServerError, S::Provider),
            row("14.3-504", api, Response::json(504, ""), C::ServerError, S::Provider),
            row(
                "14.3-context",
                api,
                openai(400, &error("context_length_exceeded", "m")),
                C::ContextOverflow,
                S::Request,
            ),
            row(
                "14.3-context-phrase",
                api,
                openai(400, &json!({ "message": "This model's maximum context length is 8192 tokens." })),
                C::ContextOverflow,
                S::Request,
            ),
            row(
                "14.3-413-tokens",
                api,
                openai(413, &json!({ "message": "Request too large: limit 6000 tokens, requested 9000" })),
                C::ContextOverflow,
                S::Request,
            ),
            row(
                "14.3-413",
                api,
                openai(413, &json!({ "message": "too many bytes" })),
                C::RequestInvalid,
                S::Request,
            ),
            row("14.3-400-no-body", api, Response::json(400, ""), C::RequestInvalid, S::Request),
            row(
                "14.3-string-too-long",
                api,
                openai(400, &error("string_above_max_length", "m")),
                C::RequestInvalid,
                S::Request,
            ),
            row(
                "14.3-parameter",
                api,
                openai(400, &error("unsupported_parameter", "Unsupported parameter: 'seed'")),
                C::RequestInvalid,
                S::Request,
            ),
            row("14.3-401", api, openai(401, &error("invalid_api_key", "m")), C::Auth, S::Account),
            row(
                "14.3-403",
                api,
                openai(403, &error("unsupported_country_region_territory", "m")),
                C::Forbidden,
                S::Provider,
            ),
            row("14.3-402", api, openai(402, &json!({ "message": "m" })), C::QuotaExhausted, S::Account),
            row("14.3-404", api, openai(404, &error("model_not_found", "m")), C::ModelNotFound, S::Model),
            row(
                "14.3-404-router",
                api,
                openai(404, &json!({ "message": "No endpoints found for x/y" })),
                C::ModelNotFound,
                S::Model,
            ),
            row(
                "M19-200-error-body",
                api,
                openai(200, &json!({ "code": 429, "message": "m" })),
                C::RateLimited,
                S::Model,
            ),
            row(
                "14.3-200-line",
                api,
                line(&json!({ "code": 502, "message": "m" })),
                C::ServerError,
                S::Provider,
            ),
            row(
                "14.3-200-line-quota",
                api,
                line(&error("insufficient_quota", "m")),
                C::QuotaExhausted,
                S::Account,
            ),
            emitted(row("M20-no-marker", api, begun(api, half(api), Vec::new()), C::Transport, S::Request)),
            emitted(row(
                "14.3-done-without-reason",
                api,
                begun(api, half(api), vec![Step::Send("data: [DONE]\n\n".to_owned())]),
                C::Transport,
                S::Request,
            )),
            row(
                "14.3-proxy-402",
                api,
                openai(402, &error("terminal_quota_exhausted", "m")),
                C::QuotaExhausted,
                S::Account,
            ),
            row(
                "14.3-proxy-500-around-429",
                api,
                openai(500, &error("429", "upstream is busy")),
                C::RateLimited,
                S::Model,
            ),
            row(
                "14.3-proxy-500-words",
                api,
                openai(500, &json!({ "message": "litellm.RateLimitError: OpenAIException - slow down" })),
                C::RateLimited,
                S::Model,
            ),
        ];
        hold(rows, "do it").await;
        // A prompt of this size that is refused without a word.
        let rows = vec![
            row("14.3-400-no-body-large", api, Response::json(400, ""), C::ContextOverflow, S::Request),
            row("14.3-413-no-body-large", api, Response::json(413, " "), C::ContextOverflow, S::Request),
        ];
        hold(rows, &"long ".repeat(30_000)).await;
    }
}

#[tokio::test]
async fn waits_and_resets_of_the_openai_apis_are_read() {
    for api in [Api::OpenAi, Api::OpenAiResponses] {
        let said = |response| async move { attempt(api, vec![response], "do it").await.ended.unwrap_err() };
        let failure = said(openai(429, &error("rate_limit_exceeded", "Please try again in 6m0s"))).await;
        assert_eq!(failure.retry_after, Some(360.0));
        let bucket = openai(429, &error("rate_limit_exceeded", "m"))
            .header("x-ratelimit-remaining-requests", "0")
            .header("x-ratelimit-reset-requests", "1m12s");
        assert_eq!(said(bucket).await.retry_after, Some(72.0));
        let plan = json!({ "type": "usage_limit_reached", "message": "m", "resets_at": 1_795_266_000 });
        assert_eq!(said(openai(429, &plan)).await.reset_at.unwrap().as_second(), 1_795_266_000);
    }
}

#[tokio::test]
async fn a_finish_reason_of_chat_completions_has_its_class() {
    const A: Api = Api::OpenAi;
    let finished = |reason: &str| {
        let end = json!({ "choices": [{ "delta": {}, "finish_reason": reason }] });
        begun(A, half(A), vec![Step::Send(frame(&end))])
    };
    let rows = vec![
        emitted(row("14.3-finish-length", A, finished("length"), C::OutputLimit, S::Request)),
        emitted(row("14.3-finish-filter", A, finished("content_filter"), C::ContentPolicy, S::Request)),
        emitted(row("14.3-finish-error", A, finished("error"), C::Unknown, S::Request)),
    ];
    hold(rows, "do it").await;
}

#[tokio::test]
async fn a_response_that_failed_or_stayed_incomplete_has_its_class() {
    const A: Api = Api::OpenAiResponses;
    let failed = |code: &str, text: &str| {
        let response = json!({ "status": "failed", "error": { "code": code, "message": text } });
        events(&[json!({ "type": "response.failed", "response": response })])
    };
    let incomplete = |reason: &str| {
        let response = json!({ "status": "incomplete", "incomplete_details": { "reason": reason } });
        let event = json!({ "type": "response.incomplete", "response": response });
        begun(A, half(A), vec![Step::Send(frame(&event))])
    };
    let event = json!({ "type": "error", "code": "server_error", "message": "m", "param": null });
    let rows = vec![
        row("14.3-failed-rate", A, failed("rate_limit_exceeded", "m"), C::RateLimited, S::Model),
        row("14.3-failed-quota", A, failed("insufficient_quota", "m"), C::QuotaExhausted, S::Account),
        row("14.3-failed-server", A, failed("server_error", "m"), C::ServerError, S::Provider),
        row("14.3-failed-busy", A, failed("server_is_overloaded", "m"), C::Overloaded, S::Model),
        row("14.3-failed-context", A, failed("context_length_exceeded", "m"), C::ContextOverflow, S::Request),
        row("14.3-failed-prompt", A, failed("invalid_prompt", "m"), C::ContentPolicy, S::Request),
        row("14.3-error-event", A, events(&[event]), C::ServerError, S::Provider),
        emitted(row(
            "14.3-incomplete-length",
            A,
            incomplete("max_output_tokens"),
            C::OutputLimit,
            S::Request,
        )),
        emitted(row("14.3-incomplete-filter", A, incomplete("content_filter"), C::ContentPolicy, S::Request)),
    ];
    hold(rows, "do it").await;
}

#[tokio::test]
async fn a_paid_turn_is_on_record_also_when_it_is_no_answer() {
    for (api, frames, end) in [
        (Api::OpenAi, 2, json!({ "choices": [{ "delta": {}, "finish_reason": "length" }] })),
        (
            Api::OpenAiResponses,
            3,
            json!({ "type": "response.incomplete", "response": {
                "status": "incomplete", "incomplete_details": { "reason": "max_output_tokens" },
            }}),
        ),
    ] {
        let response = begun(api, frames, vec![Step::Send(frame(&end))]);
        assert_eq!(attempt(api, vec![response], "do it").await.turns, 1, "{api:?}");
    }
    assert_eq!(attempt(Api::Anthropic, vec![stopped("max_tokens")], "do it").await.turns, 1);
}

#[tokio::test]
async fn a_connection_that_breaks_keeps_what_was_shown_and_fails() {
    for api in APIS {
        let all = chat_api::frames(api, &Said::text("half ", "of it")).len();
        for frames in 1..=all {
            let attempted = attempt(api, vec![begun(api, frames, vec![Step::Cut])], "do it").await;
            let what = format!("{api:?} cut after {frames} of {all}");
            match attempted.ended {
                // Chat completions have said why they stopped before they say what it cost.
                Ok(answer) => {
                    assert_eq!(answer.text, "half of it", "{what}");
                    assert!(frames >= all - if api == Api::OpenAi { 2 } else { 0 }, "{what}");
                }
                Err(failure) => {
                    assert_eq!(failure.class, C::Transport, "{what}");
                    assert_eq!(failure.emitted_output, !attempted.shown.is_empty(), "{what}");
                    assert_eq!(attempted.turns, 0, "{what}");
                }
            }
            assert_eq!(attempted.shown.contains("half"), frames >= half(api), "{what}");
        }
    }
}
