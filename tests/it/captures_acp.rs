//! Every captured conversation over ACP, replayed through the state machine that has the real ones: what it means, and
//! that we would have said the same.

use std::ffi::OsString;
use std::path::PathBuf;

use proptest::prelude::*;
use provost::backend::agent::{Acp, AcpDialect, Dialect, ExitFacts, LineSplitter, Signal};
use provost::backend::{Answer, Report, Request, SessionPlan};
use provost::event::{AttemptNumber, Failure, FaultClass as C, NodeId, RoundNumber, SessionId};
use provost::profile::{Profile, Source, load};
use serde_json::{Value, json};

/// What a conversation is expected to be.
enum Expected {
    Answered(&'static str),
    Fault(C, &'static str),
}

use Expected::{Answered, Fault};

struct Row {
    folder: &'static str,
    name: &'static str,
    expected: Expected,
    /// All text that streamed.
    text: &'static str,
    /// Name of each tool, and whether it worked.
    tools: &'static [(&'static str, bool)],
    /// Input tokens, output tokens and tokens from a cache.
    usage: Option<(u64, u64, u64)>,
    agent: &'static str,
    model: &'static str,
}

const GEMINI: Row = Row {
    folder: "gemini-0.61.0",
    name: "",
    expected: Answered("The answer is 4."),
    text: "The answer is 4.",
    tools: &[],
    usage: None,
    agent: "gemini-cli 0.61.0",
    model: "gemini-2.5-flash",
};

const OPENCODE: Row = Row {
    folder: "opencode-1.18.33",
    expected: Answered("The answer is 4. "),
    text: "The answer is 4. ",
    agent: "OpenCode 1.18.33",
    model: "mock/mock-model",
    ..GEMINI
};

const ROWS: &[Row] = &[
    Row { name: "acp-401", expected: Fault(C::Auth, "401"), text: "", ..GEMINI },
    Row {
        name: "acp-cancel",
        expected: Fault(C::UserAbort, "terminal.aborted"),
        text: "The answer ",
        ..GEMINI
    },
    Row { name: "acp-text", usage: Some((1234, 56, 0)), ..GEMINI },
    Row {
        name: "acp-tool",
        text: "I will write the file.The answer is 4.",
        tools: &[("edit", false)],
        usage: Some((2468, 112, 0)),
        ..GEMINI
    },
    Row { name: "acp-401", expected: Fault(C::Auth, "text.auth"), text: "", ..OPENCODE },
    Row { name: "acp-cancel", expected: Fault(C::UserAbort, "terminal.aborted"), text: "", ..OPENCODE },
    Row { name: "acp-text", usage: Some((234, 56, 1000)), ..OPENCODE },
    // Its usage is that of the last inference alone, and so nobody knows what the prompt consumed.
    Row {
        name: "acp-tool",
        text: "I will write the file. The answer is 4. ",
        tools: &[("write", true)],
        ..OPENCODE
    },
];

/// A line of a capture.
struct Line {
    ours: bool,
    value: Value,
}

impl Row {
    fn folder(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures").join(self.folder)
    }

    fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(self.folder().join(format!("{}.jsonl", self.name))).unwrap();
        let line = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap();
            Line { ours: value["dir"] == "in", value: value["line"].clone() }
        };
        text.lines().map(line).collect()
    }

    /// What the agent said, byte for byte but for spaces.
    fn said(&self) -> Vec<u8> {
        let theirs = self.lines().into_iter().filter(|line| !line.ours);
        theirs.flat_map(|line| format!("{}\n", line.value).into_bytes()).collect()
    }
}

fn profile(more: &str) -> Profile {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("provost.toml");
    let text = format!(
        "schema = 1\nname = \"t\"\n[agent]\nharness = \"acp\"\ncommand = [\"agent\"]\npermissions = \"bypass\"\n{more}"
    );
    std::fs::write(&path, text).unwrap();
    Profile::clone(&load(Source { path: &path, sets: &[], cwd: dir.path() }).unwrap().profile)
}

fn request(workspace: &str) -> Request {
    Request {
        node: NodeId::root(),
        round: RoundNumber(1),
        attempt: AttemptNumber(1),
        system: None,
        user: "first".to_owned(),
        session: SessionPlan::Fresh(SessionId::new("ours")),
        workspace: workspace.into(),
        transcript: "/nowhere/t.log".into(),
        directory: "/nowhere".into(),
        images: Vec::new(),
        terse: false,
        takes_cut: false,
        replay: Vec::new(),
    }
}

fn dialect(workspace: &str) -> AcpDialect {
    let none: &[(OsString, OsString)] = &[];
    Acp::new(&profile("")).talk(&request(workspace), none)
}

/// What a replay brought.
#[derive(Default)]
struct Replay {
    text: String,
    tools: Vec<(String, Option<bool>)>,
    turns: Vec<String>,
    usage: Vec<(u64, u64, u64)>,
    accepted: Vec<(String, String, String)>,
    said: Vec<Value>,
    result_seen: bool,
    closed: bool,
    alerts: Vec<String>,
    verdict: Option<Result<Answer, Failure>>,
}

impl Replay {
    fn take(&mut self, out: &mut Vec<Signal>) {
        for signal in out.drain(..) {
            match signal {
                Signal::Say(line) => self.said.push(serde_json::from_slice(&line).unwrap()),
                Signal::Close => self.closed = true,
                Signal::Fatal(failure) | Signal::Runaway(failure) => panic!("{failure:?}"),
                Signal::Report(report) => self.hear(report),
            }
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Text(text) => self.text.push_str(&text),
            Report::Turn { text, .. } => self.turns.push(text),
            Report::ToolCalled(called) => self.tools.push((called.name, None)),
            Report::ToolReturned { ok, .. } => self.tools.last_mut().unwrap().1 = Some(ok),
            Report::Usage(reported) => {
                let usage = reported.usage;
                self.usage.push((usage.input, usage.output, usage.cache_read));
            }
            Report::Accepted(accepted) => self.accepted.push((
                accepted.session.unwrap().to_string(),
                accepted.agent.unwrap_or_default(),
                accepted.model.unwrap_or_default(),
            )),
            Report::ResultSeen => self.result_seen = true,
            Report::Alert(alert) => self.alerts.push(alert.alert),
            _ => {}
        }
    }
}

/// Replays a conversation as it was: the agent's lines come, and we are told to cancel when it was told so.
fn replay(row: &Row) -> Replay {
    let lines = row.lines();
    let cwd = lines.iter().find_map(|line| line.value["params"]["cwd"].as_str()).unwrap().to_owned();
    let mut dialect = dialect(&cwd);
    let mut seen = Replay::default();
    let mut out = Vec::new();
    dialect.open(&mut out);
    for line in &lines {
        if !line.ours {
            dialect.line(line.value.to_string().as_bytes(), &mut out);
            dialect.flush(&mut out);
        } else if line.value["method"] == "session/cancel" {
            assert!(dialect.interrupt(&mut out));
        }
        seen.take(&mut out);
    }
    dialect.end(&mut out);
    seen.take(&mut out);
    seen.verdict = Some(dialect.finish(ExitFacts { code: Some(0), signal: None }, ""));
    seen
}

#[test]
fn every_conversation_is_what_the_table_says() {
    for row in ROWS {
        let seen = replay(row);
        let at = format!("{} {}", row.folder, row.name);
        match (&row.expected, seen.verdict.as_ref().unwrap()) {
            (Answered(text), Ok(answer)) => {
                assert_eq!(
                    (answer.text.as_str(), answer.stop_reason.as_deref()),
                    (*text, Some("end_turn")),
                    "{at}"
                );
            }
            (Fault(class, rule), Err(failure)) => {
                assert_eq!((failure.class, failure.rule.as_str()), (*class, *rule), "{at}: {failure:?}");
                assert_eq!(failure.emitted_output, !row.text.is_empty(), "{at}");
                assert!(!failure.evidence.is_empty(), "{at}");
            }
            (_, verdict) => panic!("{at}: {verdict:?}"),
        }
        assert_eq!(seen.text, row.text, "{at}");
        let tools: Vec<(&str, Option<bool>)> =
            seen.tools.iter().map(|(name, ok)| (name.as_str(), *ok)).collect();
        let expected: Vec<(&str, Option<bool>)> =
            row.tools.iter().map(|(name, ok)| (*name, Some(*ok))).collect();
        assert_eq!(tools, expected, "{at}");
        assert_eq!(seen.turns.concat(), row.text, "{at}");
        // A tool and what is said after it are two turns.
        assert_eq!(seen.turns.len(), usize::from(!row.text.is_empty()) + row.tools.len(), "{at}");
        assert_eq!(seen.usage, Vec::from_iter(row.usage), "{at}");
        assert!(seen.result_seen && seen.closed, "{at}");
        assert!(seen.alerts.is_empty(), "{at}: {:?}", seen.alerts);
        let [(session, agent, model)] = seen.accepted.as_slice() else { panic!("{at}") };
        assert!(!session.is_empty(), "{at}");
        assert_eq!((agent.as_str(), model.as_str()), (row.agent, row.model), "{at}");
    }
}

#[test]
fn we_say_what_was_said_then() {
    for row in ROWS {
        let ours: Vec<Value> =
            row.lines().into_iter().filter(|line| line.ours).map(|line| line.value).collect();
        let mut said = replay(row).said;
        // Who the client is may differ.
        said[0]["params"]["clientInfo"] = ours[0]["params"]["clientInfo"].clone();
        let capabilities = &mut said[0]["params"]["clientCapabilities"];
        assert_eq!(capabilities["fs"], json!({"readTextFile": false, "writeTextFile": false}));
        assert_eq!(capabilities["terminal"], false);
        *capabilities = ours[0]["params"]["clientCapabilities"].clone();
        assert_eq!(said, ours, "{} {}", row.folder, row.name);
    }
}

#[test]
fn the_table_leaves_no_conversation_out() {
    for folder in [GEMINI.folder, OPENCODE.folder] {
        let dir = Row { folder, ..GEMINI }.folder();
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut files: Vec<String> = names
            .filter_map(|name| name.to_str()?.strip_suffix(".jsonl").map(str::to_owned))
            .filter(|name| name.starts_with("acp-"))
            .collect();
        files.sort();
        let mut rows: Vec<&str> =
            ROWS.iter().filter(|row| row.folder == folder).map(|row| row.name).collect();
        rows.sort_unstable();
        assert_eq!(files, rows, "{folder}");
    }
}

#[test]
fn no_line_that_is_cut_at_any_byte_panics() {
    for row in ROWS {
        let said = row.said();
        let lines: Vec<&[u8]> = said.split(|byte| *byte == b'\n').collect();
        for (at, line) in lines.iter().enumerate() {
            let mut dialect = dialect("/w");
            let mut out = Vec::new();
            dialect.open(&mut out);
            for before in &lines[..at] {
                dialect.line(before, &mut out);
            }
            for end in 0..line.len().min(3000) {
                dialect.line(&line[..end], &mut out);
            }
            dialect.end(&mut out);
            let _ = dialect.finish(ExitFacts::default(), "");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A conversation that ends anywhere before its terminal event is a failure, however it arrives.
    #[test]
    fn a_cut_conversation_is_no_success(row in 0..ROWS.len(), at in 0.0..1.0_f64, chunk in 1_usize..5000) {
        let said = ROWS[row].said();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let cut = ((said.len() as f64 * at) as usize).min(said.len().saturating_sub(3));
        let mut dialect = dialect("/w");
        let mut out = Vec::new();
        let mut lines = LineSplitter::new();
        dialect.open(&mut out);
        for piece in said[..cut].chunks(chunk) {
            lines.push(piece, |line| dialect.line(line.bytes, &mut out));
            dialect.flush(&mut out);
        }
        lines.finish(|line| dialect.line(line.bytes, &mut out));
        dialect.end(&mut out);
        let verdict = dialect.finish(ExitFacts { code: Some(0), signal: None }, "");
        prop_assert!(verdict.is_err());
    }

    /// Noise between the lines changes nothing that is said or meant.
    #[test]
    fn noise_is_nothing(noise in prop::collection::vec(any::<u8>(), 0..200), row in 0..ROWS.len(), at in 0_usize..4) {
        let row = &ROWS[row];
        let quiet = replay(row);
        let said = row.said();
        let mut dialect = dialect("/w");
        let mut loud = Replay::default();
        let mut out = Vec::new();
        dialect.open(&mut out);
        for (index, line) in said.split(|byte| *byte == b'\n').enumerate() {
            if index == at {
                for piece in noise.split(|byte| *byte == b'\n') {
                    dialect.line(piece, &mut out);
                }
            }
            dialect.line(line, &mut out);
        }
        dialect.end(&mut out);
        loud.take(&mut out);
        prop_assert_eq!(loud.text, quiet.text);
        prop_assert_eq!(loud.tools, quiet.tools);
        let same = dialect.finish(ExitFacts::default(), "").ok() == quiet.verdict.unwrap().ok();
        prop_assert!(same);
    }
}
