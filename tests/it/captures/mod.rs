//! Every captured run of every agent CLI, replayed through the parser that reads the real one: what it was, what it
//! cost, and that nothing depends on how the bytes arrive.

use std::path::PathBuf;

use proptest::prelude::*;
use provost::backend::agent::{Dialect, ExitFacts, LineSplitter, Signal};
use provost::backend::{Answer, Report};
use provost::event::{Failure, FaultClass, Usage, UsageSource};

mod aider;
mod claude;
mod codex;
mod gemini;
mod opencode;
mod qwen;

/// The agents whose captures are replayed; each file here adds its own.
const AGENTS: &[&Agent] = &[
    &aider::AGENT,
    &claude::AGENT,
    &claude::REAL,
    &codex::AGENT,
    &codex::REAL,
    &gemini::AGENT,
    &opencode::AGENT,
    &opencode::REAL_MODEL,
    &qwen::AGENT,
];

/// One folder of captures.
pub(crate) struct Agent {
    /// Below `tests/fixtures/captures`.
    pub(crate) folder: &'static str,
    /// What reads it.
    pub(crate) dialect: fn() -> Box<dyn Dialect>,
    /// What was printed on standard output, given a capture's name and its bytes.
    pub(crate) printed: fn(&str, Vec<u8>) -> Vec<u8>,
    /// What is expected of each capture.
    pub(crate) rows: &'static [Row],
    /// Captures of another protocol, which another test replays.
    pub(crate) elsewhere: fn(&str) -> bool,
    /// Whether a run that is cut before its end can be told from a whole one.
    pub(crate) tells_cuts: bool,
}

/// What a capture is expected to be.
pub(crate) enum Expected {
    /// The answer, and why the agent says that it stopped.
    Answered(&'static str, Option<&'static str>),
    /// The class, and the rule of the fault table that says so.
    Fault(FaultClass, &'static str),
}

/// One capture.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) expected: Expected,
    /// Input tokens, output tokens and dollars of each report.
    pub(crate) usage: &'static [(u64, u64, Option<f64>)],
    /// Whether the agent names its session.
    pub(crate) session: bool,
    /// How many of its own retries it tells of.
    pub(crate) retries: usize,
}

/// What a replay brought; signals in words, with streamed text joined: how it is portioned is up to the chunks.
pub(crate) struct Replay {
    pub(crate) signals: Vec<String>,
    pub(crate) text: String,
    pub(crate) usage: Vec<(Usage, UsageSource)>,
    pub(crate) session: bool,
    pub(crate) agent: Option<String>,
    pub(crate) retries: usize,
    pub(crate) fatal: Option<Failure>,
    pub(crate) runaway: bool,
    pub(crate) tools: (usize, usize),
    pub(crate) verdict: Result<Answer, Failure>,
}

impl Agent {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures").join(self.folder).join(name)
    }

    /// What the agent printed, how it ended, and what it said on stderr.
    pub(crate) fn capture(&self, name: &str) -> (Vec<u8>, ExitFacts, String) {
        let stdout = std::fs::read(self.path(&format!("{name}.jsonl"))).unwrap();
        let meta = std::fs::read_to_string(self.path(&format!("{name}.meta"))).unwrap_or_default();
        let code = meta.split("rc=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let exit = match code.map(|code| code.parse().unwrap()) {
            // The time limit of the capture ended it.
            Some(124 | 137) => ExitFacts { code: None, signal: Some(9) },
            code => ExitFacts { code: code.or(Some(0)), signal: None },
        };
        let stderr = std::fs::read_to_string(self.path(&format!("{name}.err"))).unwrap_or_default();
        ((self.printed)(name, stdout), exit, stderr)
    }

    /// Replays output in chunks of a size.
    pub(crate) fn replay(&self, stdout: &[u8], chunk: usize, exit: ExitFacts, stderr: &str) -> Replay {
        let mut dialect = (self.dialect)();
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
            agent: None,
            retries: 0,
            fatal: None,
            runaway: false,
            tools: (0, 0),
            verdict: dialect.finish(exit, stderr),
        };
        for signal in out {
            let words = format!("{signal:?}");
            match signal {
                // When it is told depends on the chunks; that it comes is asked elsewhere.
                Signal::Report(Report::Begun) => continue,
                Signal::Report(Report::Text(text)) => {
                    replay.text.push_str(&text);
                    continue;
                }
                Signal::Report(Report::Usage(reported)) => {
                    replay.usage.push((reported.usage, reported.source));
                }
                Signal::Report(Report::Turn { usage: Some(usage), .. }) => replay.usage.push(usage),
                Signal::Report(Report::Accepted(accepted)) => {
                    replay.session |= accepted.session.is_some();
                    replay.agent = accepted.agent.or(replay.agent);
                }
                Signal::Report(Report::Retrying(_)) => replay.retries += 1,
                Signal::Report(Report::ToolCalled(_)) => replay.tools.0 += 1,
                Signal::Report(Report::ToolReturned { .. }) => replay.tools.1 += 1,
                Signal::Fatal(failure) => {
                    replay.fatal.get_or_insert(failure);
                }
                Signal::Runaway(failure) => {
                    replay.fatal.get_or_insert(failure);
                    replay.runaway = true;
                }
                _ => {}
            }
            replay.signals.push(words);
        }
        replay
    }

    /// Replays a capture as it came. An attempt that would have been ended has failed, whatever came later.
    pub(crate) fn whole(&self, name: &str) -> Replay {
        let (stdout, exit, stderr) = self.capture(name);
        self.replay(&stdout, usize::MAX, exit, &stderr)
    }
}

impl Row {
    fn wrong(&self, seen: &Replay) -> Option<String> {
        let verdict = match (&self.expected, &seen.verdict) {
            (Expected::Answered(text, stop), Ok(answer)) => {
                answer.text == *text && answer.stop_reason.as_deref() == *stop
            }
            (Expected::Fault(class, rule), Err(failure)) => {
                failure.class == *class && failure.rule == *rule && !failure.evidence.is_empty()
            }
            _ => false,
        };
        let same = |seen: Option<f64>, usd: Option<f64>| match (seen, usd) {
            (Some(seen), Some(usd)) => (seen - usd).abs() < 1e-9,
            (seen, usd) => seen.is_none() && usd.is_none(),
        };
        let usage = seen.usage.len() == self.usage.len()
            && seen.usage.iter().zip(self.usage).all(|((seen, _), (input, output, usd))| {
                (seen.input, seen.output) == (*input, *output) && same(seen.usd, *usd)
            });
        if verdict && usage && seen.session == self.session && seen.retries == self.retries {
            return None;
        }
        Some(format!(
            "{}: {:?} {:?} session {} retries {}",
            self.name, seen.verdict, seen.usage, seen.session, seen.retries
        ))
    }
}

#[test]
fn every_capture_is_what_the_table_says() {
    let wrong: Vec<String> = AGENTS
        .iter()
        .flat_map(|agent| {
            let wrong = agent.rows.iter().filter_map(|row| row.wrong(&agent.whole(row.name)));
            wrong.map(|wrong| format!("{} {wrong}", agent.folder))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_leaves_no_capture_out() {
    for agent in AGENTS {
        let mut files: Vec<String> = std::fs::read_dir(agent.path(""))
            .unwrap()
            .filter_map(|entry| {
                entry.unwrap().file_name().to_str()?.strip_suffix(".jsonl").map(str::to_owned)
            })
            .filter(|name| !(agent.elsewhere)(name))
            .collect();
        let mut rows: Vec<&str> = agent.rows.iter().map(|row| row.name).collect();
        files.sort_unstable();
        rows.sort_unstable();
        assert_eq!(files, rows, "{}", agent.folder);
    }
}

#[test]
fn chunks_of_any_size_mean_the_same() {
    for agent in AGENTS {
        for row in agent.rows {
            let (stdout, exit, stderr) = agent.capture(row.name);
            // What is a megabyte of the same is not cut into sevens.
            let stdout = &stdout[..stdout.len().min(200_000)];
            let one = agent.replay(stdout, usize::MAX, exit, &stderr);
            for chunk in [7, 100, 4096] {
                let many = agent.replay(stdout, chunk, exit, &stderr);
                let at = format!("{} {} in {chunk}", agent.folder, row.name);
                assert_eq!(one.signals, many.signals, "{at}");
                assert_eq!((&one.verdict, &one.text), (&many.verdict, &many.text), "{at}");
            }
        }
    }
}

#[test]
fn no_capture_that_is_cut_at_any_byte_panics() {
    for agent in AGENTS {
        for row in agent.rows {
            let (stdout, exit, stderr) = agent.capture(row.name);
            let mut dialect = (agent.dialect)();
            for line in stdout.split(|byte| *byte == b'\n').take(60) {
                for end in 0..line.len().min(3000) {
                    // The beginning of a line is what a cut leaves as the last one.
                    dialect.line(&line[..end], &mut Vec::new());
                }
                dialect = (agent.dialect)();
                dialect.line(line, &mut Vec::new());
                dialect.end(&mut Vec::new());
            }
            let _ = dialect.finish(exit, &stderr);
        }
    }
}

/// One of all captures.
fn any_row() -> impl Strategy<Value = (usize, usize)> {
    (0..AGENTS.len()).prop_flat_map(|agent| (Just(agent), 0..AGENTS[agent].rows.len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A run that is cut anywhere before its terminal event is a failure, and never a panic.
    #[test]
    fn a_cut_run_is_no_success((agent, row) in any_row(), at in 0.0..1.0_f64, chunk in 1_usize..5000) {
        let agent = AGENTS[agent];
        let (stdout, exit, stderr) = agent.capture(agent.rows[row].name);
        let results = memchr::memmem::find_iter(&stdout, br#""type":"result""#).count();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let cut = (stdout.len() as f64 * at) as usize;
        // A last line without its newline may be whole, so the terminal event is cut by two bytes at least.
        let cut = cut.min(stdout.len().saturating_sub(2));
        let seen = agent.replay(&stdout[..cut], chunk, exit, &stderr);
        if results <= 1 && agent.tells_cuts {
            prop_assert!(seen.verdict.is_err(), "{} {} at {cut}", agent.folder, agent.rows[row].name);
        }
    }

    /// Noise between the lines changes nothing that is said.
    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200), (agent, row) in any_row()) {
        let agent = AGENTS[agent];
        let row = &agent.rows[row];
        let (mut stdout, exit, stderr) = agent.capture(row.name);
        let at = stdout.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut noise = noise;
        noise.push(b'\n');
        stdout.splice(at..at, noise);
        let seen = agent.replay(&stdout, 1000, exit, &stderr);
        if agent.tells_cuts {
            prop_assert_eq!(matches!(row.expected, Expected::Answered(..)), seen.verdict.is_ok());
        }
    }
}
