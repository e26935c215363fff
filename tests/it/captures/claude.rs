//! Claude Code 2.1.328.

use provost::backend::agent::{ClaudeDialect, ExitFacts};
use provost::event::FaultClass as C;

use super::Expected::{self, Fault};
use super::{Agent, Row};

pub(super) const AGENT: Agent = Agent {
    folder: "claude-2.1.328",
    dialect: || Box::new(ClaudeDialect::new()),
    printed,
    rows: ROWS,
    elsewhere: |_| false,
    tells_cuts: true,
};

/// What it said to a real model.
pub(super) const REAL: Agent = Agent {
    folder: "real-llm",
    printed: |_, stdout| stdout,
    rows: REAL_ROWS,
    elsewhere: |name| !name.starts_with("claude"),
    ..AGENT
};

type Spent = &'static [(u64, u64, Option<f64>)];

const fn row(name: &'static str, expected: Expected, usage: Spent, session: bool, retries: usize) -> Row {
    Row { name, expected, usage, session, retries }
}

#[expect(non_snake_case, reason = "reads as the variant that it makes")]
const fn Answered(text: &'static str) -> Expected {
    Expected::Answered(text, Some("end_turn"))
}

const FOUR: Expected = Answered("The answer is 4. ");
const FOUR_WHOLE: Expected = Answered("The answer is 4.");
const NOTHING: Spent = &[(0, 0, Some(0.0))];
const ONE: Spent = &[(1234, 56, Some(0.006_056))];
/// `usage` says 57, the table by model 60, and the dollars are those of 60.
const CUT_AND_REPEATED: Spent = &[(2468, 60, Some(0.011_072))];
const TWO: Spent = &[(2468, 112, Some(0.012_112))];

const ROWS: &[Row] = &[
    row("400", Fault(C::RequestInvalid, "4xx"), NOTHING, true, 0),
    row("401-full", Fault(C::Auth, "code.auth"), NOTHING, true, 10),
    row("401-max0", Fault(C::Auth, "code.auth"), NOTHING, true, 0),
    row("401", Fault(C::Auth, "401"), &[], true, 7),
    row("403", Fault(C::Forbidden, "code.forbidden"), NOTHING, true, 0),
    row("404", Fault(C::ModelNotFound, "code.model"), NOTHING, true, 0),
    row("413", Fault(C::RequestInvalid, "terminal.size"), NOTHING, true, 0),
    row("429-default", Fault(C::RateLimited, "429"), NOTHING, true, 10),
    row("429-max0", Fault(C::RateLimited, "429"), NOTHING, true, 0),
    row("429-max2", Fault(C::RateLimited, "429"), NOTHING, true, 2),
    row("429-ra120-max1", Fault(C::RateLimited, "429"), NOTHING, true, 0),
    row("429-ra5-max1", Fault(C::RateLimited, "429"), NOTHING, true, 1),
    row("429-then-ok", FOUR, ONE, true, 2),
    row("500-default", Fault(C::ServerError, "5xx"), NOTHING, true, 10),
    row("500-max0", Fault(C::ServerError, "5xx"), NOTHING, true, 0),
    row("503-max0", Fault(C::Overloaded, "503-529"), NOTHING, true, 0),
    row("529-default", Fault(C::Overloaded, "code.overloaded"), NOTHING, true, 10),
    row("529-fallback", FOUR, &[(1234, 56, Some(0.001_514))], true, 3),
    row("529-max0", Fault(C::Overloaded, "code.overloaded"), NOTHING, true, 0),
    row("529-max2", Fault(C::Overloaded, "code.overloaded"), NOTHING, true, 2),
    row("badjson-max0", Fault(C::Transport, "text.transport"), NOTHING, true, 0),
    row("badtool", FOUR, TWO, true, 0),
    row("bare", FOUR, ONE, true, 0),
    row("bidi-init", FOUR, &[(1234, 56, Some(0.001_514))], true, 0),
    row("bidi-interrupt", FOUR, &[(1234, 1, Some(0.004_956)), (1234, 56, Some(0.006_056))], true, 0),
    row("bidi-steer-intool", FOUR, TWO, true, 0),
    row("bidi-steer-midturn", FOUR, &[(1234, 56, Some(0.006_056)), (1234, 56, Some(0.006_056))], true, 0),
    row("bidi-two-turns", FOUR, &[(1234, 56, Some(0.006_056)), (1234, 56, Some(0.006_056))], true, 0),
    row("budget", Fault(C::BudgetLimit, "terminal.budget"), TWO, true, 0),
    row("credit", Fault(C::QuotaExhausted, "code.quota"), NOTHING, true, 0),
    row("empty", Fault(C::NoPayload, "provost.no_payload"), TWO, true, 0),
    row("garbage-max0", FOUR, ONE, true, 0),
    row("hang-default", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("hang-firstbyte", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("hang-timeout5-max0", Fault(C::Transport, "text.transport"), NOTHING, true, 0),
    row("hang-timeout5-max1", Fault(C::Transport, "text.transport"), NOTHING, true, 1),
    row("html502-max0", Fault(C::ServerError, "5xx"), NOTHING, true, 0),
    row("maxtok", Fault(C::OutputLimit, "code.output-limit"), &[(4936, 224, Some(0.024_224))], true, 0),
    row("maxturns", Fault(C::BudgetLimit, "terminal.budget"), TWO, true, 0),
    row("mcp-http", FOUR, TWO, true, 0),
    row("mcp-stdio", FOUR, TWO, true, 0),
    row("midhang-apitimeout5", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("midhang-bytewd", FOUR_WHOLE, CUT_AND_REPEATED, true, 0),
    row("midhang-default", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("midhang-max0", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("midhang-nofallback", Fault(C::Stall, "text.idle"), &[(1234, 4, Some(0.005_016))], true, 0),
    row("midkill-default", FOUR, CUT_AND_REPEATED, true, 1),
    row("midkill-max0", FOUR_WHOLE, CUT_AND_REPEATED, true, 0),
    row(
        "midkill-nofallback-mr2",
        Fault(C::Transport, "text.transport"),
        &[(3702, 12, Some(0.015_048))],
        true,
        2,
    ),
    row("midkill-nofallback", Fault(C::Transport, "text.transport"), NOTHING, true, 0),
    row("midoverload-max0", FOUR_WHOLE, &[(2468, 57, Some(0.006_056))], true, 0),
    row("midoverload-nofallback", Fault(C::Overloaded, "code.overloaded"), NOTHING, true, 0),
    row("nokey", Fault(C::Auth, "text.auth"), NOTHING, true, 0),
    row("nomodel", FOUR, ONE, true, 0),
    row("noserver-max0", Fault(C::Transport, "text.transport"), NOTHING, true, 0),
    row("overflow", Fault(C::ContextOverflow, "terminal.context"), NOTHING, true, 0),
    row("partial", FOUR, ONE, true, 0),
    row("refusal", Fault(C::ContentPolicy, "code.refusal"), TWO, true, 0),
    row("reset-max0", Fault(C::Transport, "text.transport"), NOTHING, true, 0),
    row("resume-1", FOUR, ONE, true, 0),
    row("resume-2", FOUR, ONE, true, 0),
    row("resume-3-fork", FOUR, ONE, true, 0),
    row("resume-dup-sessionid", Fault(C::RequestInvalid, "text.session"), &[], false, 0),
    row("resume-missing", Fault(C::RequestInvalid, "text.session"), NOTHING, false, 0),
    row("resume-othercwd", FOUR, ONE, true, 0),
    row("sigint-tool", Fault(C::ModelNotFound, "code.model"), NOTHING, true, 0),
    row("sigint", Fault(C::UserAbort, "terminal.aborted"), &[(1234, 1, Some(0.004_956))], true, 0),
    row("sigterm", Fault(C::UserAbort, "exit.aborted"), &[], true, 0),
    row("sysprompt", FOUR, ONE, true, 0),
    row("sysprompt2", FOUR, ONE, true, 0),
    row("text", FOUR, ONE, true, 0),
    row("tool-denied", FOUR, TWO, true, 0),
    row("tool", FOUR, TWO, true, 0),
    row("trunc-max0", FOUR_WHOLE, CUT_AND_REPEATED, true, 0),
    row("trunc-nofallback", Fault(C::Transport, "text.transport"), &[(1234, 4, Some(0.005_016))], true, 0),
];

const REAL_ROWS: &[Row] = &[
    row("claude-bare", Answered("Negative"), &[(41, 2, Some(0.000_214_8))], true, 0),
    row(
        "claude-full",
        Answered(
            "You can use the CLI to create a project, and you can set your permissions to prevent others from using your project to create new projects. \n\nWhen you run a CLI, you can use a command to create a new project. \n\nWhen you run a CLI, you can use a command to create a new project.",
        ),
        &[(4222, 70, Some(0.018_288))],
        true,
        0,
    ),
    row("claude-overflow", Fault(C::ContextOverflow, "terminal.context"), NOTHING, true, 0),
];

/// Of a conversation with live control, what the agent said.
fn printed(name: &str, stdout: Vec<u8>) -> Vec<u8> {
    if !name.starts_with("bidi-") {
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

#[test]
fn the_version_is_told() {
    for row in ROWS.iter().filter(|row| row.session) {
        assert_eq!(AGENT.whole(row.name).agent.as_deref(), Some("claude-code 2.1.328"), "{}", row.name);
    }
}

/// M2: three minutes of retries are not waited for.
#[test]
fn a_refused_key_is_fatal_at_its_first_sign() {
    let (stdout, ..) = AGENT.capture("401-full");
    let first = stdout.split_inclusive(|byte| *byte == b'\n').take(2).collect::<Vec<_>>().concat();
    let seen = AGENT.replay(&first, usize::MAX, ExitFacts { code: None, signal: Some(15) }, "");
    assert_eq!(seen.fatal.as_ref().map(|failure| failure.class), Some(C::Auth));
    assert_eq!(seen.verdict.unwrap_err(), seen.fatal.unwrap());
    for name in ["429-default", "500-default", "529-default", "midkill-default"] {
        assert!(AGENT.whole(name).fatal.is_none(), "{name}");
    }
}

/// M5.
#[test]
fn an_interrupt_that_exits_0_is_no_success() {
    let (stdout, exit, stderr) = AGENT.capture("sigint");
    assert_eq!(exit.code, Some(0));
    assert_eq!(AGENT.replay(&stdout, usize::MAX, exit, &stderr).verdict.unwrap_err().class, C::UserAbort);
}

#[test]
fn tools_come_and_go_in_pairs_and_say_what_they_are_about() {
    for name in ["tool", "badtool", "tool-denied", "mcp-stdio", "bidi-steer-intool"] {
        assert_eq!(AGENT.whole(name).tools, (1, 1), "{name}");
    }
    let seen = AGENT.whole("tool");
    let called = seen.signals.iter().find(|signal| signal.contains("ToolCalled")).unwrap();
    assert!(called.contains("out.txt") && called.contains("Write"), "{called}");
    let turns: Vec<_> = seen.signals.iter().filter(|signal| signal.contains("Turn {")).collect();
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert!(turns[0].contains("I will write the file. ") && turns[0].contains("tool_calls: 1"), "{turns:?}");
}

#[test]
fn what_an_api_failure_says_is_no_turn() {
    for name in ["429-max0", "overflow", "nokey"] {
        assert!(!AGENT.whole(name).signals.iter().any(|signal| signal.contains("Turn {")), "{name}");
    }
}

#[test]
fn streamed_text_is_shown_as_it_comes() {
    assert_eq!(AGENT.whole("partial").text, "The answer is 4. ");
}
