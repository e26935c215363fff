//! Every captured run of Claude Code 2.1.328, replayed: what it was, what it cost, and that nothing depends on how the
//! bytes arrive.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;

use proptest::prelude::*;
use provost::backend::agent::{ClaudeDialect, Dialect, ExitFacts, LineSplitter, Signal};
use provost::backend::{Answer, Report};
use provost::event::{Failure, FaultClass as C, Usage};

/// What a capture is expected to be.
enum Expected {
    Answered(&'static str),
    Fault(C, &'static str),
}
use Expected::{Answered, Fault};

struct Row {
    name: &'static str,
    expected: Expected,
    /// Input tokens, output tokens and dollars of each result.
    usage: &'static [(u64, u64, f64)],
    session: bool,
    retries: usize,
}

const fn row(
    name: &'static str,
    expected: Expected,
    usage: &'static [(u64, u64, f64)],
    session: bool,
    retries: usize,
) -> Row {
    Row { name, expected, usage, session, retries }
}

const FOUR: Expected = Answered("The answer is 4. ");
const FOUR_WHOLE: Expected = Answered("The answer is 4.");
const NOTHING: &[(u64, u64, f64)] = &[(0, 0, 0.0)];
const ONE: &[(u64, u64, f64)] = &[(1234, 56, 0.006_056)];
/// `usage` says 57, the table by model 60, and the dollars are those of 60.
const CUT_AND_REPEATED: &[(u64, u64, f64)] = &[(2468, 60, 0.011_072)];
const TWO: &[(u64, u64, f64)] = &[(2468, 112, 0.012_112)];

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
    row("529-fallback", FOUR, &[(1234, 56, 0.001_514)], true, 3),
    row("529-max0", Fault(C::Overloaded, "code.overloaded"), NOTHING, true, 0),
    row("529-max2", Fault(C::Overloaded, "code.overloaded"), NOTHING, true, 2),
    row("badjson-max0", Fault(C::Transport, "text.transport"), NOTHING, true, 0),
    row("badtool", FOUR, TWO, true, 0),
    row("bare", FOUR, ONE, true, 0),
    row("bidi-init", FOUR, &[(1234, 56, 0.001_514)], true, 0),
    row("bidi-interrupt", FOUR, &[(1234, 1, 0.004_956), (1234, 56, 0.006_056)], true, 0),
    row("bidi-steer-intool", FOUR, TWO, true, 0),
    row("bidi-steer-midturn", FOUR, &[(1234, 56, 0.006_056), (1234, 56, 0.006_056)], true, 0),
    row("bidi-two-turns", FOUR, &[(1234, 56, 0.006_056), (1234, 56, 0.006_056)], true, 0),
    row("budget", Fault(C::BudgetLimit, "terminal.budget"), TWO, true, 0),
    row("credit", Fault(C::QuotaExhausted, "code.quota"), NOTHING, true, 0),
    row("empty", Fault(C::NoPayload, "provost.no_payload"), TWO, true, 0),
    row("garbage-max0", FOUR, ONE, true, 0),
    row("hang-default", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("hang-firstbyte", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("hang-timeout5-max0", Fault(C::Transport, "text.transport"), NOTHING, true, 0),
    row("hang-timeout5-max1", Fault(C::Transport, "text.transport"), NOTHING, true, 1),
    row("html502-max0", Fault(C::ServerError, "5xx"), NOTHING, true, 0),
    row("maxtok", Fault(C::OutputLimit, "code.output-limit"), &[(4936, 224, 0.024_224)], true, 0),
    row("maxturns", Fault(C::BudgetLimit, "terminal.budget"), TWO, true, 0),
    row("mcp-http", FOUR, TWO, true, 0),
    row("mcp-stdio", FOUR, TWO, true, 0),
    row("midhang-apitimeout5", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("midhang-bytewd", FOUR_WHOLE, CUT_AND_REPEATED, true, 0),
    row("midhang-default", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("midhang-max0", Fault(C::AgentCrash, "exit.signal"), &[], true, 0),
    row("midhang-nofallback", Fault(C::Stall, "text.idle"), &[(1234, 4, 0.005_016)], true, 0),
    row("midkill-default", FOUR, CUT_AND_REPEATED, true, 1),
    row("midkill-max0", FOUR_WHOLE, CUT_AND_REPEATED, true, 0),
    row("midkill-nofallback-mr2", Fault(C::Transport, "text.transport"), &[(3702, 12, 0.015_048)], true, 2),
    row("midkill-nofallback", Fault(C::Transport, "text.transport"), NOTHING, true, 0),
    row("midoverload-max0", FOUR_WHOLE, &[(2468, 57, 0.006_056)], true, 0),
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
    row("sigint", Fault(C::UserAbort, "terminal.aborted"), &[(1234, 1, 0.004_956)], true, 0),
    row("sigterm", Fault(C::UserAbort, "exit.aborted"), &[], true, 0),
    row("sysprompt", FOUR, ONE, true, 0),
    row("sysprompt2", FOUR, ONE, true, 0),
    row("text", FOUR, ONE, true, 0),
    row("tool-denied", FOUR, TWO, true, 0),
    row("tool", FOUR, TWO, true, 0),
    row("trunc-max0", FOUR_WHOLE, CUT_AND_REPEATED, true, 0),
    row("trunc-nofallback", Fault(C::Transport, "text.transport"), &[(1234, 4, 0.005_016)], true, 0),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures/claude-2.1.328")
}

/// What the agent printed, how it ended, and what it said on stderr.
fn capture(name: &str) -> (Vec<u8>, ExitFacts, String) {
    let mut stdout = std::fs::read(folder().join(format!("{name}.jsonl"))).unwrap();
    if name.starts_with("bidi-") {
        let mut lines = Vec::new();
        for line in stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let wrapped: serde_json::Value = serde_json::from_slice(line).unwrap();
            if wrapped["dir"] == "out" {
                serde_json::to_writer(&mut lines, &wrapped["line"]).unwrap();
                lines.push(b'\n');
            }
        }
        stdout = lines;
    }
    let meta = std::fs::read_to_string(folder().join(format!("{name}.meta"))).unwrap();
    let code = meta.split("rc=").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    let exit = match code {
        // The time limit of the capture ended it.
        124 => ExitFacts { code: None, signal: Some(9) },
        code => ExitFacts { code: Some(code), signal: None },
    };
    (stdout, exit, std::fs::read_to_string(folder().join(format!("{name}.err"))).unwrap_or_default())
}

/// Signals in words, with streamed text joined: how it is portioned is up to the chunks.
struct Replay {
    signals: Vec<String>,
    text: String,
    usage: Vec<Usage>,
    session: bool,
    retries: usize,
    fatal: Option<Failure>,
    tools: (usize, usize),
    verdict: Result<Answer, Failure>,
}

fn replay(stdout: &[u8], chunk: usize, exit: ExitFacts, stderr: &str) -> Replay {
    let mut dialect = ClaudeDialect::new();
    let mut splitter = LineSplitter::new();
    let mut out = Vec::new();
    for chunk in stdout.chunks(chunk) {
        splitter.push(chunk, |line| dialect.line(line.bytes, &mut out));
        dialect.flush(&mut out);
    }
    splitter.finish(|line| dialect.line(line.bytes, &mut out));
    dialect.end(&mut out);
    let mut replay = Replay {
        signals: Vec::new(),
        text: String::new(),
        usage: Vec::new(),
        session: false,
        retries: 0,
        fatal: None,
        tools: (0, 0),
        verdict: dialect.finish(exit, stderr),
    };
    for signal in out {
        let words = format!("{signal:?}");
        match signal {
            Signal::Report(Report::Text(text)) => {
                replay.text.push_str(&text);
                continue;
            }
            Signal::Report(Report::Usage(reported)) => replay.usage.push(reported.usage),
            Signal::Report(Report::Accepted(accepted)) => {
                replay.session = accepted.session.is_some();
                assert_eq!(accepted.agent.as_deref(), Some("claude-code 2.1.328"));
            }
            Signal::Report(Report::Retrying(_)) => replay.retries += 1,
            Signal::Report(Report::ToolCalled(_)) => replay.tools.0 += 1,
            Signal::Report(Report::ToolReturned { .. }) => replay.tools.1 += 1,
            Signal::Fatal(failure) => replay.fatal = Some(failure),
            Signal::Report(_) => {}
        }
        replay.signals.push(words);
    }
    replay
}

fn whole(name: &str) -> Replay {
    let (stdout, exit, stderr) = capture(name);
    replay(&stdout, usize::MAX, exit, &stderr)
}

#[test]
fn every_capture_is_what_the_table_says() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let seen = whole(row.name);
        let verdict = match (&row.expected, &seen.verdict) {
            (Answered(text), Ok(answer)) => {
                answer.text == *text && answer.stop_reason.as_deref() == Some("end_turn")
            }
            (Fault(class, rule), Err(failure)) => {
                failure.class == *class && failure.rule == *rule && !failure.evidence.is_empty()
            }
            _ => false,
        };
        let usage = seen.usage.len() == row.usage.len()
            && seen.usage.iter().zip(row.usage).all(|(seen, (input, output, usd))| {
                (seen.input, seen.output) == (*input, *output)
                    && seen.usd.is_some_and(|seen| (seen - usd).abs() < 1e-9)
            });
        if !verdict || !usage || seen.session != row.session || seen.retries != row.retries {
            wrong.push(format!(
                "{}: {:?} {:?} session {} retries {}",
                row.name, seen.verdict, seen.usage, seen.session, seen.retries
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_leaves_no_capture_out() {
    let mut files: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".jsonl").map(str::to_owned))
        .collect();
    let mut rows: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    files.sort_unstable();
    rows.sort_unstable();
    assert_eq!(files, rows);
}

/// M2: three minutes of retries are not waited for.
#[test]
fn a_refused_key_is_fatal_at_its_first_sign() {
    let (stdout, ..) = capture("401-full");
    let first = stdout.split_inclusive(|byte| *byte == b'\n').take(2).collect::<Vec<_>>().concat();
    let seen = replay(&first, usize::MAX, ExitFacts { code: None, signal: Some(15) }, "");
    assert_eq!(seen.fatal.as_ref().map(|failure| failure.class), Some(C::Auth));
    assert_eq!(seen.verdict.unwrap_err(), seen.fatal.unwrap());
    for name in ["429-default", "500-default", "529-default", "midkill-default"] {
        assert!(whole(name).fatal.is_none(), "{name}");
    }
}

/// M5.
#[test]
fn an_interrupt_that_exits_0_is_no_success() {
    let (stdout, exit, stderr) = capture("sigint");
    assert_eq!(exit.code, Some(0));
    assert_eq!(replay(&stdout, usize::MAX, exit, &stderr).verdict.unwrap_err().class, C::UserAbort);
}

#[test]
fn tools_come_and_go_in_pairs_and_say_what_they_are_about() {
    for name in ["tool", "badtool", "tool-denied", "mcp-stdio", "bidi-steer-intool"] {
        assert_eq!(whole(name).tools, (1, 1), "{name}");
    }
    let seen = whole("tool");
    let called = seen.signals.iter().find(|signal| signal.contains("ToolCalled")).unwrap();
    assert!(called.contains("out.txt") && called.contains("Write"), "{called}");
    let turns: Vec<_> = seen.signals.iter().filter(|signal| signal.contains("Turn {")).collect();
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert!(turns[0].contains("I will write the file. ") && turns[0].contains("tool_calls: 1"), "{turns:?}");
}

#[test]
fn what_an_api_failure_says_is_no_turn() {
    for name in ["429-max0", "overflow", "nokey"] {
        assert!(!whole(name).signals.iter().any(|signal| signal.contains("Turn {")), "{name}");
    }
}

#[test]
fn streamed_text_is_shown_as_it_comes() {
    assert_eq!(whole("partial").text, "The answer is 4. ");
}

#[test]
fn chunks_of_any_size_mean_the_same() {
    for row in ROWS {
        let (stdout, exit, stderr) = capture(row.name);
        let one = replay(&stdout, usize::MAX, exit, &stderr);
        for chunk in [7, 100, 4096] {
            let many = replay(&stdout, chunk, exit, &stderr);
            assert_eq!(one.signals, many.signals, "{} in {chunk}", row.name);
            assert_eq!((&one.verdict, &one.text), (&many.verdict, &many.text), "{} in {chunk}", row.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A run that is cut anywhere before its terminal event is a failure, and never a panic.
    #[test]
    fn a_cut_run_is_a_failure(row in 0..ROWS.len(), at in 0.0..1.0_f64, chunk in 1_usize..5000) {
        let (stdout, exit, stderr) = capture(ROWS[row].name);
        let results = memchr::memmem::find_iter(&stdout, br#""type":"result""#).count();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let cut = (stdout.len() as f64 * at) as usize;
        // A last line without its newline may be whole, so the terminal event is cut by two bytes at least.
        let cut = cut.min(stdout.len().saturating_sub(2));
        let seen = replay(&stdout[..cut], chunk, exit, &stderr);
        if results <= 1 {
            prop_assert!(seen.verdict.is_err());
        }
    }

    /// Noise between the lines changes nothing that is said.
    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200), row in 0..ROWS.len()) {
        let (mut stdout, exit, stderr) = capture(ROWS[row].name);
        let at = stdout.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut noise = noise;
        noise.push(b'\n');
        stdout.splice(at..at, noise);
        let seen = replay(&stdout, 1000, exit, &stderr);
        let still = matches!(ROWS[row].expected, Answered(_)) == seen.verdict.is_ok();
        prop_assert!(still);
    }
}
