use serde_json::json;

use super::*;

const DONE: ExitFacts = ExitFacts { code: Some(0), signal: None };

fn feed(lines: &[String]) -> (ClaudeDialect, Vec<Signal>) {
    let mut dialect = ClaudeDialect::new();
    let mut out = Vec::new();
    for line in lines {
        dialect.line(line.as_bytes(), &mut out);
    }
    dialect.end(&mut out);
    (dialect, out)
}

fn verdict(lines: &[serde_json::Value]) -> Result<Answer, Failure> {
    feed(&lines.iter().map(ToString::to_string).collect::<Vec<_>>()).0.finish(DONE, "")
}

fn delta(text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    format!(
        r#"{{"type":"stream_event","event":{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{text}}}}},"session_id":"s","parent_tool_use_id":null}}"#
    )
}

fn said(text: &str) -> serde_json::Value {
    json!({"type": "assistant", "message": {"id": "m1", "content": [{"type": "text", "text": text}]}})
}

const START_LINE: &str =
    r#"{"type":"stream_event","event":{"type":"message_start","message":{}},"parent_tool_use_id":null}"#;

/// An agent that never comes to the end of a message fills neither the memory nor the disk with it.
#[test]
fn of_an_endless_message_the_last_part_is_kept() {
    let mut dialect = ClaudeDialect::new();
    let mut out = Vec::new();
    let line = said(&"and on ".repeat(100_000)).to_string();
    for _ in 0..20 {
        dialect.line(line.as_bytes(), &mut out);
    }
    dialect.line(said("the end").to_string().as_bytes(), &mut out);
    dialect.end(&mut out);
    let texts: Vec<&str> = out
        .iter()
        .filter_map(|signal| match signal {
            Signal::Report(Report::Turn { text, .. }) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let [text] = texts[..] else { panic!("{} messages", texts.len()) };
    assert!(text.len() <= ANSWER_BYTES && text.ends_with("and on the end"), "{} bytes", text.len());
}

#[test]
fn an_old_result_without_text_means_the_last_message() {
    let result = json!({"type": "result", "is_error": false, "usage": {"input_tokens": 3}});
    assert_eq!(verdict(&[said("hello"), result.clone()]).unwrap().text, "hello");
    assert_eq!(verdict(&[result]).unwrap_err().class, FaultClass::NoPayload);
}

#[test]
fn success_needs_more_than_a_name_and_an_exit_code() {
    let rows = [
        (
            "M1",
            json!({"type": "result", "subtype": "success", "is_error": true, "api_error_status": 429, "result": "x"}),
            FaultClass::RateLimited,
        ),
        (
            "M5",
            json!({"type": "result", "is_error": false, "terminal_reason": "aborted_streaming", "result": "x"}),
            FaultClass::UserAbort,
        ),
        ("blank", json!({"type": "result", "is_error": false, "result": " \n"}), FaultClass::NoPayload),
        (
            "old max turns",
            json!({"type": "result", "subtype": "error_max_turns", "is_error": false}),
            FaultClass::BudgetLimit,
        ),
        (
            "refusal",
            json!({"type": "result", "is_error": false, "stop_reason": "refusal", "result": "No."}),
            FaultClass::ContentPolicy,
        ),
        (
            "new reason",
            json!({"type": "result", "is_error": false, "terminal_reason": "eaten_by_a_whale", "result": "x"}),
            FaultClass::Unknown,
        ),
    ];
    for (id, result, class) in rows {
        assert_eq!(verdict(&[said("partly"), result]).unwrap_err().class, class, "{id}");
    }
    assert_eq!(verdict(&[said("all done")]).unwrap_err().class, FaultClass::Transport);
}

#[test]
fn an_api_failure_in_the_answers_clothes_is_a_failure() {
    let error = json!({"type": "assistant", "is_api_error_message": true, "error": "rate_limit", "message": {"model": "<synthetic>", "content": [{"type": "text", "text": "You've hit your weekly limit"}]}});
    let result = json!({"type": "result", "is_error": false, "result": "You've hit your weekly limit"});
    assert_eq!(verdict(&[error.clone(), result]).unwrap_err().class, FaultClass::QuotaExhausted);
    assert_eq!(verdict(&[error]).unwrap_err().class, FaultClass::QuotaExhausted);
}

/// Qwen Code prints the same lines, and calls a failure of the API a success.
#[test]
fn a_failure_that_a_borrower_of_the_format_calls_a_success_is_a_failure() {
    let init = |name: &str| json!({"type": "system", "subtype": "init", name: "1.0"});
    let result =
        |text: &str| json!({"type": "result", "subtype": "success", "is_error": false, "result": text});
    let rows = [
        ("[API Error: 401 Incorrect API key provided]", Some(FaultClass::Auth)),
        ("The [API Error: Model stream ended without a finish reason.]", Some(FaultClass::Transport)),
        ("It says [API Error: 401] where the key is wrong.", None),
        ("four", None),
    ];
    for (text, class) in rows {
        let seen = verdict(&[init("qwen_code_version"), result(text)]);
        assert_eq!(seen.err().map(|failure| failure.class), class, "{text}");
        // Claude Code flags its own failures, and may be asked about such words.
        assert!(verdict(&[init("claude_code_version"), result(text)]).is_ok(), "{text}");
    }
    let usage = json!({"input_tokens": 2468, "output_tokens": 112, "cache_read_input_tokens": 2000, "total_tokens": 2580});
    let line = json!({"type": "result", "result": "four", "usage": usage}).to_string();
    let words = format!("{:?}", feed(&[line]).1);
    assert!(words.contains("input: 468,"), "{words}");
}

/// M6: what a cut message had said is dropped when the message starts again.
#[test]
fn a_message_that_starts_again_drops_what_was_cut() {
    let (mut dialect, out) =
        feed(&[START_LINE.into(), delta("hel"), START_LINE.into(), delta("The \"ans\\wer\"\n")]);
    assert_eq!(dialect.partial(), "The \"ans\\wer\"\n");
    assert!(
        matches!(&out[..], [Signal::Report(Report::Begun), Signal::Report(Report::Text(text))] if text == "helThe \"ans\\wer\"\n")
    );
    assert!(dialect.finish(ExitFacts { code: None, signal: Some(9) }, "").unwrap_err().emitted_output);
}

#[test]
fn the_fast_path_and_the_slow_path_read_the_same() {
    for text in [
        "",
        "plain",
        "q\"uote",
        "back\\slash\\",
        "\u{1F600} ü \u{0}",
        "\",\"type\":\"text_delta\",\"text\":\"x",
    ] {
        let fast = delta(text);
        let slow = fast.replacen("{\"type\"", "{ \"type\"", 1);
        assert_eq!(feed(&[fast]).0.partial(), text);
        assert_eq!(feed(&[slow]).0.partial(), text);
    }
    let thinking = delta("x").replace("text_delta", "thinking_delta").replace("\"text\"", "\"thinking\"");
    assert_eq!(feed(&[thinking]).0.partial(), "");
}

#[test]
fn a_subagent_is_not_the_agent() {
    let side = delta("inner").replace("null", "\"toolu_1\"");
    let mut message = said("inner");
    message["parent_tool_use_id"] = json!("toolu_1");
    let (mut dialect, out) = feed(&[side, message.to_string()]);
    assert!(out.is_empty() && dialect.partial().is_empty());
    assert!(dialect.finish(DONE, "").is_err());
}

#[test]
fn partial_text_is_bounded() {
    let (dialect, _) = feed(&vec![delta(&"ö".repeat(1000)); 200]);
    assert!(dialect.partial().len() <= PARTIAL_BYTES && dialect.partial().len() > PARTIAL_BYTES - 4);
}

#[test]
fn a_rejected_limit_says_when_it_resets_only_if_the_run_fails() {
    let limit = |status: &str| json!({"type": "rate_limit_event", "rate_limit_info": {"status": status, "resetsAt": 1_800_000_000, "rateLimitType": "five_hour"}});
    let failed = json!({"type": "result", "is_error": true, "api_error_status": 429, "result": "no"});
    let good = json!({"type": "result", "is_error": false, "result": "fine"});
    let failure = verdict(&[limit("rejected"), failed.clone()]).unwrap_err();
    assert_eq!(failure.class, FaultClass::QuotaExhausted);
    assert_eq!(failure.reset_at, Timestamp::from_second(1_800_000_000).ok());
    assert_eq!(verdict(&[limit("allowed_warning"), failed]).unwrap_err().class, FaultClass::RateLimited);
    assert!(verdict(&[limit("rejected"), good]).is_ok());
}

#[test]
fn retries_that_can_not_help_are_ended_and_others_are_not() {
    for (status, label, class) in [
        (json!(401), "authentication_failed", Some(FaultClass::Auth)),
        (json!(null), "authentication_failed", Some(FaultClass::Auth)),
        (json!(402), "unknown", Some(FaultClass::QuotaExhausted)),
        (json!(403), "unknown", Some(FaultClass::Forbidden)),
        (json!(429), "rate_limit", None),
        (json!(null), "unknown", None),
    ] {
        let line = json!({"type": "system", "subtype": "api_retry", "attempt": 1, "retry_delay_ms": 593.7, "error_status": status, "error": label});
        let (mut dialect, out) = feed(&[line.to_string()]);
        let fatal = out.iter().find_map(|signal| match signal {
            Signal::Fatal(failure) | Signal::Runaway(failure) => Some(failure.class),
            _ => None,
        });
        assert_eq!(fatal, class, "{label}");
        // M21: a result that was complete before we ended it counts.
        dialect.line(br#"{"type":"result","is_error":false,"result":"fine"}"#, &mut Vec::new());
        assert!(dialect.finish(DONE, "").is_ok());
    }
}

#[test]
fn a_run_that_died_while_it_retried_died_of_that() {
    let line = json!({"type": "system", "subtype": "api_retry", "attempt": 1, "error_status": 529, "error": "overloaded"});
    let failure =
        feed(&[line.to_string()]).0.finish(ExitFacts { code: None, signal: Some(9) }, "").unwrap_err();
    assert_eq!(failure.class, FaultClass::Overloaded);
}

#[test]
fn a_cut_tool_answer_still_ends_the_tool() {
    let line = r#"{"type":"user","message":{"content":[{"tool_use_id":"toolu_9","type":"tool_result","content":"aaaa"#;
    let (_, out) = feed(&[line.to_owned()]);
    assert!(
        matches!(&out[..], [Signal::Report(Report::ToolReturned { id, .. })] if id.as_str() == "toolu_9")
    );
}

#[test]
fn about_is_the_most_telling_key_and_short() {
    assert_eq!(about(r#"{"content":"x","file_path":"/a/b"}"#), "/a/b");
    assert_eq!(about(r#"{"description":"d","command":"ls"}"#), "ls");
    assert_eq!(about(r#"{"command":["ls"]}"#), "");
    assert_eq!(about(&json!({"command": "ö".repeat(300)}).to_string()).chars().count(), 200);
}
