//! Rows C1 to C14 in the words of the agents that run as processes.

use provost::backend::Report;
use provost::backend::agent::{
    ClaudeDialect, CodexDialect, Dialect, ExitFacts, GeminiDialect, OpencodeDialect, Signal,
};
use provost::event::FaultClass as C;
use serde_json::{Value, json};

/// What an agent prints, and what is made of it.
struct Row {
    id: &'static str,
    says: &'static str,
    dialect: fn() -> Box<dyn Dialect>,
    lines: Vec<Value>,
    /// How many retries are told.
    retries: usize,
    /// What ends it at once.
    fatal: Option<C>,
    /// The answer, or what it failed of, should it end so.
    ends: Result<&'static str, C>,
}

fn claude() -> Box<dyn Dialect> {
    Box::new(ClaudeDialect::new())
}

fn codex() -> Box<dyn Dialect> {
    Box::new(CodexDialect::default())
}

fn opencode() -> Box<dyn Dialect> {
    Box::new(OpencodeDialect::default())
}

fn gemini() -> Box<dyn Dialect> {
    Box::new(GeminiDialect::new())
}

fn retry(attempt: u64, status: u16, label: &str, wait: f64) -> Value {
    json!({ "type": "system", "subtype": "api_retry", "attempt": attempt, "error_status": status, "error": label, "retry_delay_ms": wait })
}

fn said(text: &str) -> Value {
    json!({ "type": "assistant", "message": { "id": "m1", "content": [{ "type": "text", "text": text }] } })
}

fn result(text: &str) -> Value {
    json!({ "type": "result", "subtype": "success", "is_error": false, "result": text })
}

fn reconnecting(number: u64, why: &str) -> Value {
    json!({ "type": "error", "message": format!("Reconnecting... {number}/5 ({why})") })
}

fn message(text: &str) -> Value {
    json!({ "type": "item.completed", "item": { "id": "item_1", "type": "agent_message", "text": text } })
}

fn completed() -> Value {
    json!({ "type": "turn.completed", "usage": { "input_tokens": 10, "output_tokens": 5 } })
}

const TALK: &str = "Too Many Requests: the usage limit is reached [retrying in 27s attempt #6]";

fn rows() -> Vec<Row> {
    let row =
        |id, says, dialect, lines, ends| Row { id, says, dialect, lines, retries: 0, fatal: None, ends };
    let step = |text: &str| {
        vec![
            json!({ "type": "text", "sessionID": "s", "part": { "id": "p", "messageID": "m", "type": "text", "text": text, "time": { "end": 2 } } }),
            json!({ "type": "step_finish", "sessionID": "s", "part": { "id": "f", "messageID": "m", "type": "step-finish", "reason": "stop", "tokens": { "input": 9, "output": 9 } } }),
        ]
    };
    let failed = |status: u16, body: &str| json!({ "type": "error", "sessionID": "s", "error": { "name": "APIError", "data": { "message": "x", "statusCode": status, "isRetryable": true, "responseBody": body } } });
    vec![
        Row {
            retries: 1,
            fatal: Some(C::QuotaExhausted),
            ..row(
                "C1",
                "codex: two weeks",
                codex,
                vec![reconnecting(
                    1,
                    "Too Many Requests: all credentials are cooling down, retrying in 2 weeks attempt #1",
                )],
                Err(C::QuotaExhausted),
            )
        },
        Row {
            retries: 1,
            fatal: Some(C::QuotaExhausted),
            ..row(
                "C1",
                "claude: an account without money",
                claude,
                vec![retry(1, 402, "billing_error", 1000.0)],
                Err(C::QuotaExhausted),
            )
        },
        Row {
            retries: 1,
            fatal: Some(C::QuotaExhausted),
            ..row(
                "C2",
                "codex: a limit of a plan",
                codex,
                vec![reconnecting(6, "You've hit your usage limit. Try again in 27s")],
                Err(C::QuotaExhausted),
            )
        },
        row("C3", "claude: words of the model", claude, vec![said(TALK), result(TALK)], Ok(TALK)),
        row("C3", "codex: words of the model", codex, vec![message(TALK), completed()], Ok(TALK)),
        row("C3", "opencode: words of the model", opencode, step(TALK), Ok(TALK)),
        row(
            "C3",
            "gemini: words of the model",
            gemini,
            vec![
                json!({ "type": "init", "session_id": "s", "model": "m" }),
                json!({ "type": "message", "role": "assistant", "content": TALK, "delta": true }),
                json!({ "type": "result", "status": "success" }),
            ],
            Ok(TALK),
        ),
        Row {
            retries: 3,
            ..row(
                "C5",
                "claude: each try is told once",
                claude,
                vec![
                    retry(1, 429, "rate_limit", 500.0),
                    retry(2, 429, "rate_limit", 900.0),
                    retry(3, 429, "rate_limit", 2000.0),
                    said("x"),
                    result("x"),
                ],
                Ok("x"),
            )
        },
        Row {
            retries: 2,
            ..row(
                "C6",
                "codex: the number rises, and then it answers",
                codex,
                vec![
                    reconnecting(1, "stream disconnected before completion"),
                    reconnecting(2, "stream disconnected before completion"),
                    message("x"),
                    completed(),
                ],
                Ok("x"),
            )
        },
        Row {
            retries: 1,
            ..row(
                "C9",
                "codex: words that nobody knows",
                codex,
                vec![reconnecting(1, "the flux is not aligned"), message("x"), completed()],
                Ok("x"),
            )
        },
        Row {
            retries: 1,
            ..row(
                "C9",
                "claude: a label that nobody knows",
                claude,
                vec![
                    json!({ "type": "system", "subtype": "api_retry", "attempt": 1, "error_status": null, "error": "flux", "retry_delay_ms": 5 }),
                    said("x"),
                    result("x"),
                ],
                Ok("x"),
            )
        },
        Row {
            retries: 1,
            fatal: Some(C::QuotaExhausted),
            ..row(
                "C11",
                "codex: a usage quota",
                codex,
                vec![reconnecting(1, "you have exceeded the usage quota")],
                Err(C::QuotaExhausted),
            )
        },
        row(
            "C12",
            "claude: a status that says that all is well",
            claude,
            vec![
                json!({ "type": "system", "subtype": "status", "status": "ok" }),
                json!({ "type": "rate_limit_event", "rate_limit_info": { "status": "allowed" } }),
                said("x"),
                result("x"),
            ],
            Ok("x"),
        ),
        row(
            "C13",
            "claude: words, and then an error",
            claude,
            vec![
                said("partly"),
                json!({ "type": "result", "subtype": "success", "is_error": true, "api_error_status": 529, "result": "Overloaded" }),
            ],
            Err(C::Overloaded),
        ),
        row(
            "C13",
            "codex: an error alone",
            codex,
            vec![
                json!({ "type": "turn.failed", "error": { "message": "Selected model is at capacity. Please try a different model." } }),
            ],
            Err(C::Overloaded),
        ),
        row(
            "C13",
            "opencode: words, and then an error",
            opencode,
            [step("partly"), vec![failed(429, r#"{"error":{"message":"slow down"}}"#)]].concat(),
            Err(C::RateLimited),
        ),
        row("C13", "opencode: an error alone", opencode, vec![failed(503, "")], Err(C::Overloaded)),
        row(
            "C14",
            "codex: a warning",
            codex,
            vec![
                json!({ "type": "item.completed", "item": { "id": "i", "type": "error", "message": "rate limit: model metadata not found" } }),
                message("x"),
                completed(),
            ],
            Ok("x"),
        ),
        row(
            "C14",
            "claude: what a tool answered",
            claude,
            vec![
                json!({ "type": "assistant", "message": { "id": "m0", "content": [{ "type": "tool_use", "id": "t", "name": "Bash", "input": {} }] } }),
                json!({ "type": "user", "message": { "content": [{ "type": "tool_result", "tool_use_id": "t", "is_error": true, "content": "HTTP 429 rate limit" }] } }),
                said("x"),
                result("x"),
            ],
            Ok("x"),
        ),
    ]
}

#[test]
fn each_signal_is_heard_in_the_words_of_each_agent() {
    for Row { id, says, dialect, lines, retries, fatal, ends } in rows() {
        let mut dialect = dialect();
        let mut out = Vec::new();
        for line in &lines {
            dialect.line(line.to_string().as_bytes(), &mut out);
        }
        dialect.end(&mut out);
        let told = out.iter().filter(|signal| matches!(signal, Signal::Report(Report::Retrying(_)))).count();
        let ended = out.iter().find_map(|signal| match signal {
            Signal::Fatal(failure) | Signal::Runaway(failure) => Some(failure.class),
            _ => None,
        });
        let code = i32::from(ends.is_err());
        let verdict = dialect.finish(ExitFacts { code: Some(code), signal: None }, "");
        let verdict = verdict.map(|answer| answer.text).map_err(|failure| failure.class);
        assert_eq!((told, ended), (retries, fatal), "{id} {says}");
        assert_eq!(verdict, ends.map(str::to_owned), "{id} {says}");
    }
}
