//! opencode 1.18.33.

use provost::backend::agent::{ExitFacts, OpencodeDialect};
use provost::event::FaultClass as C;

use super::Expected::{self, Fault};
use super::{Agent, Row};
use crate::support::run::Stage;

pub(super) const AGENT: Agent = Agent {
    folder: "opencode-1.18.33",
    dialect: || Box::new(OpencodeDialect::default()),
    printed: |_, stdout| stdout,
    rows: ROWS,
    elsewhere: |name| name.starts_with("acp-"),
    tells_cuts: true,
};

/// The same CLI before a real model.
pub(super) const REAL_MODEL: Agent = Agent {
    folder: "real-llm",
    rows: &[row("opencode", Fault(C::OutputLimit, "code.output-limit"), &[(2201, 200, None)], true, 0)],
    elsewhere: |name| name != "opencode",
    ..AGENT
};

type Spent = &'static [(u64, u64, Option<f64>)];

const fn row(name: &'static str, expected: Expected, usage: Spent, session: bool, retries: usize) -> Row {
    Row { name, expected, usage, session, retries }
}

const FOUR: Expected = Expected::Answered("The answer is 4. ", Some("stop"));
const STEP: (u64, u64, Option<f64>) = (234, 56, Some(0.000_346));
const NONE: Spent = &[];
const ONE: Spent = &[STEP];
const TWO: Spent = &[STEP, STEP];

const ROWS: &[Row] = &[
    row("400", Fault(C::RequestInvalid, "4xx"), NONE, true, 0),
    row("401", Fault(C::Auth, "code.auth"), NONE, true, 0),
    row("403", Fault(C::Forbidden, "code.forbidden"), NONE, true, 0),
    row("404", Fault(C::ModelNotFound, "code.model"), NONE, true, 0),
    row("429-default", Fault(C::RateLimited, "429"), NONE, true, 0),
    row("429-then-ok", FOUR, ONE, true, 0),
    row("500-default", Fault(C::ServerError, "5xx"), NONE, true, 0),
    row("529-default", Fault(C::Overloaded, "code.overloaded"), NONE, true, 0),
    row("badjson", Fault(C::Transport, "text.transport"), NONE, true, 0),
    row("badprovider", Fault(C::ConfigMissing, "opencode.server"), NONE, true, 0),
    row("badtool", FOUR, TWO, true, 0),
    row("empty", Fault(C::NoPayload, "provost.no_payload"), ONE, true, 0),
    row("garbage", Fault(C::AgentCrash, "exit.signal"), NONE, true, 4),
    row("hang-default", Fault(C::AgentCrash, "exit.signal"), NONE, false, 0),
    row("html502", Fault(C::AgentCrash, "exit.signal"), NONE, false, 0),
    row("maxsteps", Fault(C::AgentCrash, "exit.signal"), &[STEP; 463], true, 0),
    row("maxtok", Fault(C::OutputLimit, "code.output-limit"), ONE, true, 0),
    row("mcp-http", FOUR, TWO, true, 0),
    row("mcp-stdio", FOUR, TWO, true, 0),
    row("midhang", Fault(C::AgentCrash, "exit.signal"), NONE, true, 0),
    row("midkill", Fault(C::Transport, "text.transport"), NONE, true, 4),
    row("midoverload", Fault(C::AgentCrash, "exit.signal"), NONE, true, 4),
    row("nomodel", Fault(C::ConfigMissing, "opencode.server"), NONE, true, 0),
    row("overflow", Fault(C::ContextOverflow, "code.context"), NONE, true, 0),
    row("provider-anthropic", FOUR, &[(1234, 56, Some(0.001_346))], true, 0),
    row("provider-openai-responses", FOUR, ONE, true, 0),
    row("quota429", Fault(C::AgentCrash, "exit.signal"), NONE, false, 0),
    row("reset", Fault(C::AgentCrash, "exit.signal"), NONE, false, 0),
    row("resume-1", FOUR, ONE, true, 0),
    row("resume-2", FOUR, ONE, true, 0),
    row("resume-missing", Fault(C::RequestInvalid, "opencode.session"), NONE, false, 0),
    row("text", FOUR, ONE, true, 0),
    row("tool-ask-auto", FOUR, TWO, true, 0),
    row("tool-ask", Fault(C::ToolError, "provost.tool_error"), ONE, true, 0),
    row("tool", FOUR, TWO, true, 0),
    row("trunc", Fault(C::Transport, "text.transport"), NONE, true, 0),
    row("unbundled-provider", Fault(C::ModelNotFound, "404"), NONE, true, 0),
];

/// What was printed up to and with the nth line that holds a text.
fn until(name: &str, text: &str, nth: usize) -> Vec<u8> {
    let (stdout, ..) = AGENT.capture(name);
    let mut lines = stdout.split_inclusive(|byte| *byte == b'\n');
    let mut kept = Vec::new();
    let mut found = 0;
    while found < nth {
        let line = lines.next().unwrap();
        found += usize::from(memchr::memmem::find(line, text.as_bytes()).is_some());
        kept.extend_from_slice(line);
    }
    kept
}

const KILLED: ExitFacts = ExitFacts { code: None, signal: Some(9) };

/// M12: hundreds of requests a minute, so there is no grace; one alone may have been a connection that broke.
#[test]
fn a_loop_over_a_stream_that_breaks_off_is_ended_at_its_second_turn() {
    for name in ["trunc", "badjson"] {
        let seen = |nth| AGENT.replay(&until(name, "\"unknown\"", nth), usize::MAX, KILLED, "");
        let (once, twice) = (seen(1), seen(2));
        assert!(once.fatal.is_none(), "{name}");
        assert!(twice.runaway, "{name}");
        assert_eq!(twice.fatal.unwrap(), twice.verdict.unwrap_err(), "{name}");
    }
}

/// An agent that calls tools for ever does what it is for; only the profile says how often is enough.
#[test]
fn a_loop_over_tools_is_ended_by_the_turns_of_the_profile_alone() {
    assert!(AGENT.whole("maxsteps").fatal.is_none());
    let capped = Agent { dialect: || Box::new(OpencodeDialect::new(None, Some(2))), ..AGENT };
    let seen = |nth| capped.replay(&until("maxsteps", "\"tool-calls\"", nth), usize::MAX, KILLED, "");
    assert!(seen(1).fatal.is_none());
    let twice = seen(2);
    assert!(twice.runaway);
    assert_eq!(twice.verdict.unwrap_err().class, C::BudgetLimit);
    // An answer in the last turn that is allowed is an answer.
    assert!(capped.whole("tool").verdict.is_ok());
}

/// M11: what it says late is better than nothing.
#[test]
fn retries_that_show_are_told_and_the_wait_that_was_asked_for_is_known() {
    assert_eq!(AGENT.whole("429-default").verdict.unwrap_err().retry_after, Some(1.0));
    assert!(AGENT.whole("midkill").fatal.is_none());
}

/// The event says where to look, and the log says what it is.
#[test]
fn what_only_the_log_tells_is_the_reason() {
    let (stdout, exit, _) = AGENT.capture("nomodel");
    let log = "timestamp=2026-11-21T07:25:52.674Z level=ERROR run=08f2dc31 message=failed ref=err_4e70b6b5 \
               error=\"ProviderModelNotFoundError: Model not found: mock/nosuch.\" cause=\"at x\"\n";
    let failure = AGENT.replay(&stdout, usize::MAX, exit, log).verdict.unwrap_err();
    assert_eq!(failure.class, C::ModelNotFound);
    assert_eq!(failure.evidence, "ProviderModelNotFoundError: Model not found: mock/nosuch.");
}

#[test]
fn tools_come_and_go_in_pairs_and_say_what_they_are_about() {
    for name in ["tool", "badtool", "tool-ask", "mcp-stdio"] {
        assert_eq!(AGENT.whole(name).tools, (1, 1), "{name}");
    }
    let seen = AGENT.whole("tool");
    let called = seen.signals.iter().find(|signal| signal.contains("ToolCalled")).unwrap();
    assert!(called.contains("out.txt") && called.contains("write"), "{called}");
    let turns: Vec<_> = seen.signals.iter().filter(|signal| signal.contains("Turn {")).collect();
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert!(turns[0].contains("I will write the file. ") && turns[0].contains("tool_calls: 1"), "{turns:?}");
    for (name, ok) in [("tool", true), ("badtool", false), ("tool-ask", false)] {
        let seen = AGENT.whole(name);
        let returned = seen.signals.iter().find(|signal| signal.contains("ToolReturned")).unwrap();
        assert!(returned.contains(&format!("ok: {ok}")), "{returned}");
    }
}

/// What prints the same is read the same, whatever it is called.
#[test]
fn any_command_may_speak_it() {
    let profile = "schema = 1\nname = \"x\"\n[agent]\nharness = \"command\"\nprotocol = \"opencode-json\"\n";
    let stage = Stage::new(&format!("{profile}command = [\"cat\", {:?}]\n", AGENT.path("tool.jsonl")));
    let ran = stage.run("What is 2+2?", &[], &[]);
    assert_eq!(ran.ended()["output"], "The answer is 4. ", "{}", ran.story());
    assert_eq!((ran.of("turn.ended").len(), ran.of("tool.returned").len()), (2, 1), "{}", ran.story());
    assert_eq!(ran.of("turn.ended")[0]["source"], "priced");
}
