//! Codex 0.169.0, and what it said to a real model.

use provost::backend::agent::{CodexDialect, ExitFacts};
use provost::event::FaultClass as C;

use super::Expected::{self, Fault};
use super::{Agent, Row};
use crate::support::sandbox::{Sandbox, of_kind};

pub(super) const AGENT: Agent = Agent {
    folder: "codex-0.169.0",
    dialect: || Box::new(CodexDialect::default()),
    printed,
    rows: ROWS,
    elsewhere: |_| false,
    tells_cuts: true,
};

pub(super) const REAL: Agent = Agent {
    folder: "real-llm",
    dialect: || Box::new(CodexDialect::default()),
    printed: |_, stdout| stdout,
    rows: REAL_ROWS,
    elsewhere: |name| !name.starts_with("codex"),
    tells_cuts: true,
};

type Spent = &'static [(u64, u64, Option<f64>)];

const fn row(name: &'static str, expected: Expected, usage: Spent, session: bool, retries: usize) -> Row {
    Row { name, expected, usage, session, retries }
}

#[expect(non_snake_case, reason = "reads as the variant that it makes")]
const fn Answered(text: &'static str) -> Expected {
    Expected::Answered(text, None)
}

const FOUR: Expected = Answered("The answer is 4.");
const TRANSPORT: Expected = Fault(C::Transport, "text.transport");
const KILLED: Expected = Fault(C::AgentCrash, "exit.signal");
/// Another protocol, of which nothing is understood.
const FOREIGN: Expected = Fault(C::Transport, "exit.silent");
const NONE: Spent = &[];
/// 1234 tokens, of which 1000 came from a cache.
const ONE: Spent = &[(234, 56, None)];
const TWO: Spent = &[(468, 112, None)];

const ROWS: &[Row] = &[
    row("400", Fault(C::RequestInvalid, "word.request"), NONE, true, 0),
    row("401", Fault(C::Auth, "401"), NONE, true, 5),
    row("402", Fault(C::QuotaExhausted, "402"), NONE, true, 5),
    row("403", Fault(C::Forbidden, "403"), NONE, true, 5),
    row("404", Fault(C::ModelNotFound, "text.model-alone"), NONE, true, 0),
    row("413", Fault(C::RequestInvalid, "413"), NONE, true, 5),
    row("429-default", Fault(C::RateLimited, "429"), NONE, true, 5),
    row("429-px0", Fault(C::RateLimited, "429"), NONE, true, 0),
    row("429-then-ok", FOUR, ONE, true, 1),
    row("500-default", Fault(C::ServerError, "codex.5xx"), NONE, true, 5),
    row("500-px0", Fault(C::ServerError, "codex.5xx"), NONE, true, 0),
    row("503-default", Fault(C::Overloaded, "503-529"), NONE, true, 5),
    row("529-default", Fault(C::Overloaded, "503-529"), NONE, true, 5),
    row("app-interrupt", FOREIGN, NONE, false, 0),
    row("app-steer-intool", FOREIGN, NONE, false, 0),
    row("app-steer", FOREIGN, NONE, false, 0),
    row("app-text", FOREIGN, NONE, false, 0),
    row("badjson", TRANSPORT, NONE, true, 5),
    row("badtool", FOUR, TWO, true, 0),
    row("empty", Fault(C::NoPayload, "provost.no_payload"), ONE, true, 0),
    row("garbage", FOUR, ONE, true, 0),
    row("hang-default", KILLED, NONE, true, 0),
    row("hang-px0", KILLED, NONE, true, 0),
    row("html502", Fault(C::ServerError, "5xx"), NONE, true, 5),
    row("known-model", FOUR, ONE, true, 0),
    row("mcp-http-approve", FOUR, TWO, true, 0),
    row("mcp-http-noapproval", FOUR, TWO, true, 0),
    row("mcp-http", FOUR, TWO, true, 0),
    row("mcp-stdio", FOUR, TWO, true, 0),
    row("midhang-default", KILLED, NONE, true, 0),
    row("midhang-px0", Fault(C::Stall, "text.idle"), NONE, true, 0),
    row("midkill-px0", TRANSPORT, NONE, true, 0),
    row("midkill-then-ok", FOUR, ONE, true, 1),
    row("midkill", TRANSPORT, NONE, true, 5),
    row("midoverload", Fault(C::Overloaded, "text.overloaded"), NONE, true, 0),
    row("nokey", Fault(C::ConfigMissing, "text.config"), NONE, true, 0),
    row("nongit-untrusted", Fault(C::ConfigMissing, "codex.config"), NONE, false, 0),
    row("noserver-bounded", TRANSPORT, NONE, true, 0),
    row("noserver-px0", TRANSPORT, NONE, true, 4),
    row("overflow", Fault(C::ContextOverflow, "text.context"), NONE, true, 0),
    row("quota429", Fault(C::QuotaExhausted, "text.quota"), NONE, true, 0),
    row("reset-px0", TRANSPORT, NONE, true, 0),
    row("reset", TRANSPORT, NONE, true, 5),
    row("resp429", Fault(C::RateLimited, "text.rate"), NONE, true, 5),
    row("respoverflow", Fault(C::ContextOverflow, "text.context"), NONE, true, 0),
    row("respquota", Fault(C::QuotaExhausted, "text.quota"), NONE, true, 0),
    row("resume-1", FOUR, ONE, true, 0),
    // Alone it looks like two turns: what was consumed before is subtracted by who knows of it.
    row("resume-2", FOUR, TWO, true, 0),
    row("resume-ephemeral", FOUR, ONE, true, 0),
    row("resume-missing", Fault(C::RequestInvalid, "text.session"), NONE, false, 0),
    row("sigint", KILLED, NONE, true, 0),
    row("sysprompt", FOUR, ONE, true, 0),
    row("text", FOUR, ONE, true, 0),
    row("tool-sandbox-ro-tmpdir", FOUR, TWO, true, 0),
    row("tool-sandbox-ro", FOUR, TWO, true, 0),
    row("tool-sandbox-ww-tmpdir", FOUR, TWO, true, 0),
    row("tool-sandbox-ww", FOUR, TWO, true, 0),
    row("tool", FOUR, TWO, true, 0),
    row("trunc", TRANSPORT, NONE, true, 5),
    row("wire-chat", Fault(C::ConfigMissing, "codex.config"), NONE, false, 0),
];

const REAL_ROWS: &[Row] = &[
    row("codex-overflow", Fault(C::ContextOverflow, "code.context"), NONE, true, 0),
    row(
        "codex",
        Answered(
            "Hello, welcome to my world of codex. I'm Alex. I'm glad you're enjoying this unique environment. I'm here to help you explore the world of codex, share your knowledge, and assist you in your projects. I'm Alex, and I'll be your personal assistant, ready to help with whatever you need.\n\nPlease share your codex and any challenges you're facing, and we can work together to create something amazing together. What brings you to our world of codex, and what's on your mind?",
        ),
        &[(4562, 111, None)],
        true,
        0,
    ),
];

/// Of a conversation with its server, what it said.
fn printed(name: &str, stdout: Vec<u8>) -> Vec<u8> {
    if !name.starts_with("app-") {
        return stdout;
    }
    let mut lines = Vec::new();
    for line in stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let wrapped: serde_json::Value = serde_json::from_slice(line).unwrap();
        if wrapped["dir"] == "out" {
            serde_json::to_writer(&mut lines, &wrapped["line"]).unwrap();
            lines.push(b'\n');
        }
    }
    lines
}

/// The first lines of a capture, as if it had been ended then.
fn begun(name: &str, lines: usize) -> Vec<u8> {
    let (stdout, ..) = AGENT.capture(name);
    stdout.split_inclusive(|byte| *byte == b'\n').take(lines).collect::<Vec<_>>().concat()
}

/// M7: what its own retries cannot mend is not retried.
#[test]
fn a_refusal_is_fatal_at_its_first_sign() {
    for (name, class) in
        [("401", C::Auth), ("402", C::QuotaExhausted), ("403", C::Forbidden), ("413", C::RequestInvalid)]
    {
        let ended = ExitFacts { code: None, signal: Some(15) };
        let seen = AGENT.replay(&begun(name, 4), usize::MAX, ended, "");
        assert_eq!(seen.fatal.as_ref().map(|failure| failure.class), Some(class), "{name}");
        assert_eq!((seen.verdict.unwrap_err(), seen.retries), (seen.fatal.unwrap(), 1), "{name}");
    }
    for name in ["429-default", "500-default", "503-default", "midkill", "noserver-px0", "resp429"] {
        assert!(AGENT.whole(name).fatal.is_none(), "{name}");
    }
}

/// M8.
#[test]
fn a_warning_is_told_and_is_no_failure() {
    let seen = AGENT.whole("text");
    let alerts: Vec<_> = seen.signals.iter().filter(|signal| signal.contains("Alert(")).collect();
    assert!(matches!(&alerts[..], [alert] if alert.contains("Model metadata")), "{alerts:?}");
    assert!(seen.verdict.is_ok());
    assert!(!AGENT.whole("known-model").signals.iter().any(|signal| signal.contains("Alert(")));
}

/// M10.
#[test]
fn a_turn_that_begins_and_does_not_end_is_a_lost_connection() {
    let noise = AGENT.capture("text").2;
    let with = |code| {
        AGENT.replay(&begun("text", 3), usize::MAX, ExitFacts { code: Some(code), signal: None }, &noise)
    };
    for (code, class) in [(0, C::Transport), (1, C::Transport), (101, C::AgentCrash), (143, C::UserAbort)] {
        assert_eq!(with(code).verdict.unwrap_err().class, class, "{code}");
    }
    assert!(!with(1).verdict.unwrap_err().evidence.contains("Reading"), "what it always says is no reason");
}

#[test]
fn what_it_always_says_on_standard_error_is_no_evidence() {
    let failure = AGENT.whole("resume-missing").verdict.unwrap_err();
    assert!(failure.evidence.starts_with("Error: thread/resume"), "{failure:?}");
    assert!(!failure.evidence.contains("<unknown>"), "{failure:?}");
}

#[test]
fn tools_come_and_go_in_pairs_and_say_what_they_are_about() {
    for (name, ok) in [
        ("tool", true),
        ("tool-sandbox-ro", false),
        ("tool-sandbox-ww-tmpdir", true),
        ("mcp-stdio", true),
        ("mcp-http-noapproval", false),
    ] {
        let seen = AGENT.whole(name);
        assert_eq!(seen.tools, (1, 1), "{name}");
        let returned = seen.signals.iter().find(|signal| signal.contains("ToolReturned")).unwrap();
        assert!(returned.contains(&format!("ok: {ok}")), "{name}: {returned}");
    }
    let called = |name: &str| {
        let seen = AGENT.whole(name);
        seen.signals.into_iter().find(|signal| signal.contains("ToolCalled")).unwrap()
    };
    assert!(called("tool").contains("out.txt") && called("tool").contains("command_execution"));
    assert!(
        called("mcp-stdio").contains("mcp__sup__spawn_agent") && called("mcp-stdio").contains("count to 3")
    );
}

#[test]
fn a_turn_ends_where_the_model_speaks_again() {
    // Events of a tool may be missing; that the model has spoken twice is there.
    for (name, calls) in [("tool", 1), ("tool-sandbox-ww", 0)] {
        let seen = AGENT.whole(name);
        let turns: Vec<_> = seen.signals.iter().filter(|signal| signal.contains("Turn {")).collect();
        assert_eq!(turns.len(), 2, "{turns:?}");
        assert!(
            turns[0].contains("I will write the file.") && turns[0].contains(&format!("tool_calls: {calls}"))
        );
        assert!(turns[1].contains("The answer is 4.") && turns[1].contains("tool_calls: 0"));
        assert_eq!(seen.text, "I will write the file.\nThe answer is 4.\n");
    }
    for name in ["401", "429-px0", "overflow"] {
        assert!(!AGENT.whole(name).signals.iter().any(|signal| signal.contains("Turn {")), "{name}");
    }
}

/// Another program may print the same.
#[test]
fn a_command_that_speaks_the_protocol_is_read_and_a_reset_is_on_its_clock() {
    let speaks = |lines: &str| {
        let keys = "protocol = \"codex-json\"\nenv = { TZ = \"Asia/Tokyo\" }";
        let sandbox = Sandbox::shell(&format!("cat <<'END'\n{lines}\nEND\n"), keys, "");
        let ran = sandbox.run(&["run", "Go on."]);
        (ran, sandbox.events())
    };
    let (ran, events) = speaks(
        r#"{"type":"item.completed","item":{"id":"i","type":"agent_message","text":"Done."}}
{"type":"turn.completed","usage":{"input_tokens":10,"cached_input_tokens":4,"output_tokens":2}}"#,
    );
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "Done.\n"), "{}", ran.err);
    let usage = &of_kind(&events, "usage.reported")[0];
    assert_eq!((&usage["input"], &usage["cache_read"]), (&6.into(), &4.into()), "{usage}");

    let (ran, events) = speaks(
        r#"{"type":"turn.failed","error":{"message":"You’ve hit your usage limit. Try again at Nov 21st, 2090 4:12 AM."}}"#,
    );
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    let failure = &of_kind(&events, "attempt.failed")[0];
    assert_eq!(failure["class"], "quota_exhausted", "{failure}");
    assert_eq!(failure["reset_at"], "2090-11-20T19:12:00Z", "{failure}");
}
