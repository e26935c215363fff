use serde_json::{Value, json};

use super::*;

const DONE: ExitFacts = ExitFacts { code: Some(0), signal: None };
const KILLED: ExitFacts = ExitFacts { code: None, signal: Some(9) };

fn feed(dialect: GeminiDialect, lines: &[Value]) -> (GeminiDialect, Vec<Signal>) {
    let mut dialect = dialect;
    let mut out = Vec::new();
    for line in lines {
        dialect.line(line.to_string().as_bytes(), &mut out);
    }
    dialect.end(&mut out);
    (dialect, out)
}

fn said(text: &str) -> Value {
    json!({"type": "message", "role": "assistant", "content": text, "delta": true})
}

fn result(status: &str) -> Value {
    json!({"type": "result", "status": status, "stats": {}})
}

fn failed(message: &str) -> Value {
    json!({"type": "result", "status": "error", "error": {"type": "unknown", "message": message}})
}

fn verdict(lines: &[Value], exit: ExitFacts, stderr: &str) -> Result<Answer, Failure> {
    feed(GeminiDialect::new(), lines).0.finish(exit, stderr)
}

/// M14 to M18, and what lies beside them.
#[test]
fn success_is_a_success_that_says_something() {
    let called = json!({"type": "tool_use", "tool_id": "t1", "tool_name": "write_file", "parameters": {}});
    let returned = json!({"type": "tool_result", "tool_id": "t1", "status": "success"});
    let looped =
        json!({"type": "error", "severity": "warning", "message": "Loop detected, stopping execution"});
    let cut = json!({"type": "error", "severity": "error", "message": "Model stream ended without a finish reason."});
    let key = r#"[API Error: {"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#;
    let daily = r#"[API Error: {"error":{"code":429,"message":"quota","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}]}}]"#;
    let exit = |code| ExitFacts { code: Some(code), signal: None };
    let rows: &[(&str, Vec<Value>, ExitFacts, &str, FaultClass)] = &[
        ("M14", vec![said("four")], DONE, "", FaultClass::Transport),
        ("M15", vec![said("four"), failed("[API Error: terminated]")], DONE, "", FaultClass::Transport),
        (
            "M16",
            vec![failed("You have exhausted your daily quota on this model.")],
            exit(173),
            "Error when talking to Gemini API TerminalQuotaError: You have exhausted your daily quota",
            FaultClass::QuotaExhausted,
        ),
        ("M16-details", vec![failed(daily)], exit(173), "", FaultClass::QuotaExhausted),
        ("M16-code-alone", vec![failed("[API Error: ?]")], exit(173), "", FaultClass::RateLimited),
        ("M17", vec![failed(key)], exit(144), "", FaultClass::Auth),
        ("M18", vec![said("hel"), said("hel"), cut, result("error")], DONE, "", FaultClass::Transport),
        ("blank", vec![said(" \n"), result("success")], DONE, "", FaultClass::NoPayload),
        (
            "no last word",
            vec![said("I write."), called, returned, result("success")],
            DONE,
            "",
            FaultClass::NoPayload,
        ),
        ("loop", vec![said("I write."), looped, result("success")], DONE, "", FaultClass::BudgetLimit),
        ("500", vec![failed("[API Error: ?]")], exit(244), "", FaultClass::ServerError),
        ("crash", vec![], exit(1), "SyntaxError: boom", FaultClass::AgentCrash),
        ("killed", vec![said("four")], KILLED, "", FaultClass::AgentCrash),
        ("term", vec![said("four")], exit(143), "", FaultClass::UserAbort),
    ];
    for (id, lines, exit, stderr, class) in rows {
        assert_eq!(verdict(lines, *exit, stderr).unwrap_err().class, *class, "{id}");
    }
    assert_eq!(verdict(&[said("fo"), said("ur"), result("success")], DONE, "").unwrap().text, "four");
}

/// M16: 173 is 429, and 144 is 400; neither is a signal.
#[test]
fn an_exit_code_from_144_on_is_a_status() {
    for (code, status) in
        [(144, Some(400)), (173, Some(429)), (244, Some(500)), (247, Some(503)), (143, None), (1, None)]
    {
        let failure = verdict(&[failed("[API Error: ?]")], ExitFacts { code: Some(code), signal: None }, "");
        assert_eq!(failure.unwrap_err().status, status, "{code}");
    }
}

/// M18: what was cut is no part of an answer.
#[test]
fn what_was_said_before_a_cut_is_partial_text() {
    let (mut dialect, _) = feed(GeminiDialect::new(), &[said("hel"), said("hel")]);
    assert_eq!(dialect.partial(), "helhel");
    let failure = dialect.finish(KILLED, "").unwrap_err();
    assert!(failure.emitted_output);
}

#[test]
fn a_turn_ends_where_a_tool_answers() {
    let called = |id: &str| json!({"type": "tool_use", "tool_id": id, "tool_name": "run", "parameters": {"command": "ls"}});
    let returned =
        |id: &str| json!({"type": "tool_result", "tool_id": id, "status": "error", "output": "no"});
    let lines = [
        said("I look."),
        called("a"),
        called("b"),
        returned("a"),
        returned("b"),
        said("Done."),
        result("success"),
    ];
    let (_, out) = feed(GeminiDialect::new(), &lines);
    let turns: Vec<(String, u64)> = out
        .iter()
        .filter_map(|signal| match signal {
            Signal::Report(Report::Turn { text, tool_calls, .. }) => Some((text.clone(), *tool_calls)),
            _ => None,
        })
        .collect();
    assert_eq!(turns, [("I look.".to_owned(), 2), ("Done.".to_owned(), 0)]);
    let words = format!("{out:?}");
    assert!(words.contains("about: \"ls\"") && words.contains("ok: false, bytes: 2"), "{words}");
}

#[test]
fn an_echo_is_no_answer() {
    let echo = json!({"type": "message", "role": "user", "content": "what is 2+2"});
    let init = json!({"type": "init", "session_id": "new", "model": "m"});
    let (_, out) = feed(GeminiDialect::new().in_session(SessionId::new("ours")), &[init, echo]);
    let words = format!("{out:?}");
    assert!(!words.contains("Begun") && !words.contains("Text("), "{words}");
    // On a resume it may name another session than the one that finds it again.
    assert!(words.contains("ours") && !words.contains("new"), "{words}");
}

#[test]
fn thoughts_are_output_and_a_price_is_for_every_model() {
    let stats = json!({
        "total_tokens": 1125, "input_tokens": 1000, "output_tokens": 100, "cached": 600, "input": 400,
        "models": {
            "big": {"total_tokens": 1020, "input_tokens": 900, "output_tokens": 95, "cached": 600, "input": 300},
            "small": {"total_tokens": 105, "input_tokens": 100, "output_tokens": 5, "cached": 0, "input": 100},
        },
    });
    let usage = |names: &[&str]| {
        let price = Price { input: 1e6, output: 1e6, cache_read: Some(0.0), cache_write: None };
        let prices = names.iter().map(|name| ((*name).to_owned(), price.clone())).collect();
        let line = json!({"type": "result", "status": "success", "stats": stats});
        let (_, out) = feed(GeminiDialect::new().priced(prices), &[line]);
        out.into_iter().find_map(|signal| match signal {
            Signal::Report(Report::Usage(reported)) => Some(reported),
            _ => None,
        })
    };
    let known = usage(&["google/big", "google/small"]).unwrap();
    assert_eq!((known.usage.input, known.usage.output, known.usage.cache_read), (400, 125, 600));
    assert_eq!((known.usage.usd, known.model.as_deref()), (Some(525.0), Some("big")));
    assert_eq!(usage(&["google/big"]).unwrap().usage.usd, None);
}

#[test]
fn figures_that_forget_an_answer_are_not_reported() {
    let zeros =
        json!({"type": "result", "status": "error", "stats": {"total_tokens": 0, "models": {"m": {}}}});
    let reported = |lines: &[Value]| format!("{:?}", feed(GeminiDialect::new(), lines).1).contains("Usage(");
    assert!(reported(std::slice::from_ref(&zeros)));
    assert!(!reported(&[said("partly"), zeros]));
}

#[test]
fn a_cut_tool_answer_still_ends_the_tool() {
    let mut out = Vec::new();
    GeminiDialect::new().line(
        br#"{"type":"tool_result","timestamp":"x","tool_id":"t9","status":"success","output":"aaa"#,
        &mut out,
    );
    assert!(
        matches!(&out[..], [Signal::Report(Report::ToolReturned { id, .. })] if id.as_str() == "t9"),
        "{out:?}"
    );
}
