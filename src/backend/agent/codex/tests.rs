use serde_json::{Value, json};

use super::*;
use crate::event::{Usage, UsageSource};

const DONE: ExitFacts = ExitFacts { code: Some(0), signal: None };

fn feed(mut dialect: CodexDialect, lines: &[Value]) -> (CodexDialect, Vec<Signal>) {
    let mut out = Vec::new();
    for line in lines {
        dialect.line(line.to_string().as_bytes(), &mut out);
    }
    dialect.end(&mut out);
    (dialect, out)
}

fn said(text: &str) -> Value {
    json!({"type": "item.completed", "item": {"id": "item_1", "type": "agent_message", "text": text}})
}

fn completed(input: u64, cached: u64, written: u64, output: u64) -> Value {
    json!({"type": "turn.completed", "usage": {
        "input_tokens": input, "cached_input_tokens": cached, "cache_write_input_tokens": written,
        "output_tokens": output, "reasoning_output_tokens": 1,
    }})
}

fn usage(out: &[Signal]) -> Vec<(Usage, UsageSource)> {
    let reported = out.iter().filter_map(|signal| match signal {
        Signal::Report(Report::Usage(reported)) => Some((reported.usage, reported.source)),
        _ => None,
    });
    reported.collect()
}

#[test]
fn input_is_fresh_and_what_earlier_turns_consumed_is_not_counted_again() {
    let before = Total::read(&completed(1000, 300, 200, 90)["usage"]);
    let (_, out) = feed(
        CodexDialect::new(before, None, None),
        &[said("a"), completed(1100, 330, 220, 110), said("b"), completed(1150, 330, 220, 111)],
    );
    let first = Usage { input: 50, cache_read: 30, cache_write: 20, output: 20, usd: None };
    let second = Usage { input: 50, output: 1, ..Usage::default() };
    assert_eq!(usage(&out), [(first, UsageSource::Provider), (second, UsageSource::Provider)]);
}

#[test]
fn what_is_not_known_is_not_reported() {
    let known = Total::read(&completed(100, 0, 0, 10)["usage"]);
    for (name, before, line) in [
        ("a thread whose past is not on record", None, completed(100, 0, 0, 10)),
        ("a provider that does not count", Some(Total::default()), completed(0, 0, 0, 0)),
        ("a provider that has stopped to count", known, completed(100, 0, 0, 10)),
        ("a total that has shrunk", known, completed(99, 0, 0, 20)),
        ("no figures", Some(Total::default()), json!({"type": "turn.completed", "usage": null})),
        (
            "odd figures",
            Some(Total::default()),
            json!({"type": "turn.completed", "usage": {"input_tokens": "1"}}),
        ),
    ] {
        let (mut dialect, out) = feed(CodexDialect::new(before, None, None), &[said("a"), line]);
        assert!(usage(&out).is_empty(), "{name}");
        assert!(dialect.finish(DONE, "").is_ok(), "{name}");
    }
}

#[test]
fn prices_of_the_profile_make_dollars() {
    let price = Price { input: 2.0, output: 10.0, cache_read: Some(0.5), cache_write: None };
    let dialect = CodexDialect::new(Some(Total::default()), Some("p/m".to_owned()), Some(price));
    let (_, out) = feed(dialect, &[said("a"), completed(3_000_000, 1_000_000, 1_000_000, 100_000)]);
    let (usage, source) = usage(&out)[0];
    assert_eq!((usage.usd, source), (Some(5.5), UsageSource::Priced));
    let named = out.iter().any(|signal| {
        matches!(signal, Signal::Report(Report::Usage(reported)) if reported.model.as_deref() == Some("p/m"))
    });
    assert!(named);
}

#[test]
fn only_what_the_model_does_is_its_first_word() {
    let begun = |line: Value| {
        let (_, out) = feed(CodexDialect::default(), &[line]);
        out.iter().any(|signal| matches!(signal, Signal::Report(Report::Begun)))
    };
    let item = |kind: &str| json!({"type": "item.started", "item": {"id": "i", "type": kind}});
    for kind in ["reasoning", "agent_message", "command_execution", "todo_list", "web_search"] {
        assert!(begun(item(kind)), "{kind}");
    }
    assert!(!begun(item("error")));
    for line in [json!({"type": "thread.started", "thread_id": "t"}), json!({"type": "turn.started"})] {
        assert!(!begun(line));
    }
}

#[test]
fn a_complete_result_counts_whatever_came_before_or_comes_after() {
    // M21: we had ordered its end already.
    let refused =
        json!({"type": "error", "message": "Reconnecting... 1/1 (unexpected status 401 Unauthorized: x)"});
    let killed = ExitFacts { code: None, signal: Some(15) };
    let (mut dialect, out) = feed(CodexDialect::default(), &[refused, said("fine"), completed(1, 0, 0, 1)]);
    assert!(out.iter().any(|signal| matches!(signal, Signal::Fatal(_))));
    assert_eq!(dialect.finish(killed, "").unwrap().text, "fine");
    // The answer is the last message, and a blank one is none.
    let (mut dialect, _) =
        feed(CodexDialect::default(), &[said("first"), said("last"), completed(1, 0, 0, 1)]);
    assert_eq!(dialect.finish(DONE, "").unwrap().text, "last");
    let (mut dialect, _) = feed(CodexDialect::default(), &[said("first"), said(" "), completed(1, 0, 0, 1)]);
    let failure = dialect.finish(DONE, "").unwrap_err();
    assert_eq!((failure.class, failure.emitted_output), (FaultClass::NoPayload, true));
}

#[test]
fn a_refused_request_is_read_inside_of_its_json() {
    for (message, class, evidence) in [
        (
            json!({"error": {"message": "maximum context length is 8 tokens", "type": "invalid_request_error"}}).to_string(),
            FaultClass::ContextOverflow,
            "maximum context length is 8 tokens",
        ),
        (json!({"error": {"code": 403, "message": "no"}}).to_string(), FaultClass::Forbidden, "no"),
        (json!({"type": "invalid_request_error", "message": "flat"}).to_string(), FaultClass::RequestInvalid, "flat"),
        (json!({"detail": "x"}).to_string(), FaultClass::Unknown, "{\"detail\":\"x\"}"),
    ] {
        let line = json!({"type": "turn.failed", "error": {"message": message}});
        let failure = feed(CodexDialect::default(), &[line]).0.finish(DONE, "").unwrap_err();
        assert_eq!((failure.class, failure.evidence.as_str()), (class, evidence));
    }
}

#[test]
fn a_run_that_died_while_it_retried_died_of_that() {
    let turn = json!({"type": "turn.started"});
    let retry = json!({"type": "error", "message": "Reconnecting... 1/1 (unexpected status 503 Service Unavailable: x)"});
    let killed = ExitFacts { code: None, signal: Some(9) };
    let failure =
        feed(CodexDialect::default(), &[turn.clone(), retry.clone()]).0.finish(killed, "").unwrap_err();
    assert_eq!(failure.class, FaultClass::Overloaded);
    // A retry that helped is no reason.
    let failure = feed(CodexDialect::default(), &[turn, retry, said("on")]).0.finish(killed, "").unwrap_err();
    assert_eq!((failure.class, failure.emitted_output), (FaultClass::AgentCrash, true));
}

#[test]
fn what_tools_log_while_a_turn_runs_is_not_its_reason() {
    let turn = json!({"type": "turn.started"});
    let log = "2026 ERROR codex_core::tools: rate limit exceeded\n";
    let exit = ExitFacts { code: Some(1), signal: None };
    let (mut dialect, _) = feed(CodexDialect::default(), std::slice::from_ref(&turn));
    assert_eq!(dialect.finish(exit, log).unwrap_err().class, FaultClass::Transport);
    let (mut dialect, _) = feed(CodexDialect::default(), &[turn]);
    let failure = dialect.finish(exit, &format!("{log}Error: invalid api key\n")).unwrap_err();
    assert_eq!((failure.class, failure.evidence.as_str()), (FaultClass::Auth, "Error: invalid api key"));
}

#[test]
fn a_cut_answer_of_a_tool_still_ends_the_tool_and_an_unknown_one_comes_with_its_call() {
    let started = json!({"type": "item.started", "item": {"id": "item_3", "type": "mcp_tool_call", "server": "s", "tool": "t", "arguments": {}}});
    let (mut dialect, _) = feed(CodexDialect::default(), &[started]);
    let mut out = Vec::new();
    dialect.line(
        br#"{"type":"item.completed","item":{"id":"item_3","type":"mcp_tool_call","result":"aaaa"#,
        &mut out,
    );
    assert!(matches!(&out[..], [Signal::Report(Report::ToolReturned { id, .. })] if id.as_str() == "item_3"));
    let search =
        json!({"type": "item.completed", "item": {"id": "item_4", "type": "web_search", "query": "q"}});
    let (_, out) = feed(CodexDialect::default(), &[search]);
    let [
        Signal::Report(Report::ToolCalled(called)),
        Signal::Report(Report::ToolReturned { ok: true, .. }),
        ..,
    ] = &out[..]
    else {
        panic!("{out:?}")
    };
    assert_eq!((called.name.as_str(), called.about.as_str()), ("web_search", "q"));
    let change = json!({"type": "item.completed", "item": {"id": "item_5", "type": "file_change", "status": "failed",
        "changes": [{"path": "/a", "kind": "add"}, {"path": "/b", "kind": "update"}]}});
    let (_, out) = feed(CodexDialect::default(), &[change]);
    let [
        Signal::Report(Report::ToolCalled(called)),
        Signal::Report(Report::ToolReturned { ok: false, .. }),
        ..,
    ] = &out[..]
    else {
        panic!("{out:?}")
    };
    assert_eq!(called.about, "/a, /b");
}
