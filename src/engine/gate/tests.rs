//! The gate as a table: what is asked and what happens, step by step, and what is to come of it.

mod properties;
mod rows;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::*;

/// What somebody who asks is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Go,
    Queued(usize),
    Active,
    Reserved,
    Unavailable,
}

/// One step of a row.
#[derive(Clone, Debug)]
enum Step {
    Ask(&'static str, Value, Told),
    /// May wait for so many milliseconds.
    AskFor(&'static str, &'static str, u64, Told),
    Defer(&'static str, Value, Told),
    GoOn(&'static str, &'static str, Told),
    /// So many milliseconds pass.
    After(u64),
    /// All that is seen of the session.
    See(&'static [Seen]),
    /// What becomes of the latest prompt.
    Accepted,
    Maybe,
    Refused,
    Failed {
        attempted: bool,
    },
    /// A result of the first prompt of the row comes late; nothing may come of it.
    Stale,
    /// Who; whether there was something to give back; what is sent then.
    Release(&'static str, bool, Option<&'static str>),
    Cancel(&'static str, usize),
    /// Whom it cancels, who gives back; how many that cancels, what is sent then.
    Replace(&'static str, &'static str, usize, Option<&'static str>),
    Drain(Option<&'static str>),
    /// The waits that have ended since the last such step.
    Settled(&'static [(&'static str, Outcome)]),
    /// How many prompts had their time without a word, since the last such step.
    Lapsed(usize),
    /// In how many milliseconds the gate wants to be looked at.
    Due(Option<u64>),
    /// Who has the reservation.
    Held(Option<&'static str>),
    /// All that was sent in the row.
    Sent(&'static [&'static str]),
    Close,
    /// Nobody outside of the engine's attempt starts one.
    Audit,
}

/// One row of the specification.
struct Row {
    id: &'static str,
    says: &'static str,
    /// Where it means something else for us than for an older system: what, and why.
    decided: &'static str,
    steps: Vec<Step>,
}

/// `a` is a source, `a:` a family, `a,b:` any of these.
fn whose(text: &str) -> Whose {
    match (text.contains(','), text.ends_with(':')) {
        (true, _) => Whose::AnyOf(text.split(',').map(whose).collect()),
        (false, true) => Whose::Family(Family::new(text).unwrap()),
        (false, false) => Whose::Exactly(Source::new(text)),
    }
}

/// A row at work.
struct Play {
    gate: Gate<String>,
    start: Instant,
    now: Instant,
    session: Session,
    tickets: Vec<Ticket>,
    sent: Vec<String>,
    settled: Vec<(String, Outcome)>,
    lapsed: usize,
}

impl Play {
    fn new() -> Self {
        let now = Instant::now();
        let (tickets, sent, settled) = (Vec::new(), Vec::new(), Vec::new());
        let gate = Gate::new(Limits::default());
        Self { gate, start: now, now, session: Session::default(), tickets, sent, settled, lapsed: 0 }
    }

    fn take(&mut self, sending: &Sending<String>) {
        assert!(self.tickets.iter().all(|ticket| *ticket < sending.ticket), "tickets grow");
        self.tickets.push(sending.ticket);
        self.sent.push(sending.payload.clone());
    }

    fn ask(&mut self, prompt: Prompt<String>) -> Told {
        match self.gate.ask(prompt, self.now, self.session) {
            Asked::Dispatch(sending) => {
                self.take(&sending);
                Told::Go
            }
            Asked::Queued { position, .. } => Told::Queued(position),
            Asked::Active => Told::Active,
            Asked::Reserved => Told::Reserved,
            Asked::Unavailable => Told::Unavailable,
        }
    }

    fn drained(&mut self, drained: Drained<String>) -> Option<String> {
        let ended = drained.settled.into_iter();
        self.settled.extend(ended.map(|settled| (settled.source.as_str().to_owned(), settled.outcome)));
        self.lapsed += drained.lapsed.len();
        drained.send.map(|sending| {
            self.take(&sending);
            sending.payload
        })
    }

    fn step(&mut self, step: &Step) {
        let latest = self.tickets.last().copied();
        let (now, session) = (self.now, self.session);
        match step.clone() {
            Step::Ask(source, content, told) => {
                let prompt = Prompt::turn(Source::new(source), &content, text(&content));
                assert_eq!(self.ask(prompt), told);
            }
            Step::AskFor(source, content, wait, told) => {
                let content = json!(content);
                let expires = Some(self.now + Duration::from_millis(wait));
                let prompt = Prompt::turn(Source::new(source), &content, text(&content));
                assert_eq!(self.ask(Prompt { expires, ..prompt }), told);
            }
            Step::Defer(source, content, told) => {
                let prompt = Prompt::turn(Source::new(source), &content, text(&content));
                assert_eq!(self.ask(Prompt { mode: Mode::Defer, ..prompt }), told);
            }
            Step::GoOn(source, words, told) => {
                assert_eq!(self.ask(Prompt::continuation(Source::new(source), words.to_owned())), told);
            }
            Step::After(millis) => self.now += Duration::from_millis(millis),
            Step::See(seen) => self.session = seen.iter().fold(Session::default(), |s, seen| s.then(*seen)),
            Step::Accepted => assert!(self.gate.accepted(latest.unwrap(), now)),
            Step::Maybe => assert!(self.gate.maybe_accepted(latest.unwrap(), now)),
            Step::Refused => assert!(self.gate.refused(latest.unwrap(), now)),
            Step::Failed { attempted } => assert!(self.gate.failed(latest.unwrap(), attempted, now)),
            Step::Stale => {
                let first = self.tickets[0];
                let before = self.gate.clone();
                assert!(!self.gate.accepted(first, now) && !self.gate.maybe_accepted(first, now));
                assert!(!self.gate.refused(first, now) && !self.gate.failed(first, true, now));
                assert_eq!(self.gate.state, before.state);
            }
            Step::Release(who, released, sends) => {
                let drained = self.gate.release(&whose(who), now, session);
                assert_eq!(drained.released, released, "released");
                assert_eq!(self.drained(drained).as_deref(), sends);
            }
            Step::Cancel(who, count) => assert_eq!(self.gate.cancel(&whose(who), now), count),
            Step::Replace(cancel, release, count, sends) => {
                let drained = self.gate.cancel_and_release(&whose(cancel), &whose(release), now, session);
                assert_eq!(drained.cancelled, count, "cancelled");
                assert_eq!(self.drained(drained).as_deref(), sends);
            }
            Step::Drain(sends) => {
                let drained = self.gate.drain(now, session);
                assert_eq!(self.drained(drained).as_deref(), sends);
            }
            Step::Settled(expected) => {
                let settled: Vec<(&str, Outcome)> =
                    self.settled.iter().map(|(source, outcome)| (source.as_str(), *outcome)).collect();
                assert_eq!(settled, expected);
                self.settled.clear();
            }
            Step::Lapsed(count) => assert_eq!(std::mem::take(&mut self.lapsed), count),
            Step::Due(millis) => {
                let due = self.gate.next_deadline(now).map(|at| at.saturating_duration_since(now));
                assert_eq!(due, millis.map(Duration::from_millis));
            }
            Step::Held(by) => {
                assert_eq!(self.gate.held().map(|(source, _, _)| source.as_str()), by);
                assert!(
                    self.gate.held().is_none_or(|(_, since, until)| since >= self.start && until > since)
                );
            }
            Step::Sent(all) => assert_eq!(self.sent, all),
            Step::Close => self.gate.close(now),
            Step::Audit => audit(),
        }
    }
}

fn text(content: &Value) -> String {
    content.as_str().map_or_else(|| content["text"].as_str().unwrap_or_default().to_owned(), str::to_owned)
}

#[test]
fn every_row_of_the_gate() {
    for row in rows::rows() {
        let mut play = Play::new();
        for (place, step) in row.steps.iter().enumerate() {
            let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play.step(step)));
            let place = place + 1;
            assert!(
                played.is_ok(),
                "{} ({}; {}): step {place}, {step:?}\n{:#?}",
                row.id,
                row.says,
                row.decided,
                play.gate
            );
        }
    }
}

#[test]
fn no_row_is_missing_and_none_is_empty() {
    let rows = rows::rows();
    for number in 1..=36 {
        let id = format!("F{number}");
        assert_eq!(rows.iter().filter(|row| row.id == id).count(), 1, "{id}");
    }
    assert!(rows.iter().all(|row| !row.says.is_empty() && !row.steps.is_empty()));
}

#[test]
fn a_gate_that_holds_nothing_is_none() {
    let some = Duration::from_millis(1);
    assert_eq!(Limits::new(Duration::ZERO, some, some), None);
    assert_eq!(Limits::new(some, Duration::ZERO, some), None);
    assert_eq!(Limits::new(some, some, Duration::ZERO), None);
    assert!(Limits::new(some, some, some).is_some());
}

#[test]
fn a_family_ends_in_a_colon() {
    assert_eq!(Family::new("fallback"), None);
    assert_eq!(Family::new(":"), None);
    assert!(whose("fallback:").means(&Source::new("fallback:2")));
    assert!(!whose("fallback:").means(&Source::new("fallback")));
    assert!(!whose("user:").means(&Source::new("user:2")), "the user is of no family");
    assert!(!whose("user,retry").means(&Source::user()), "and never a passing owner");
    assert!(whose("user").means(&Source::user()));
}

/// Where the sources of this crate say `text`, outside of comments and tests.
fn said_in(text: &str) -> Vec<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories: Vec<PathBuf> = vec![src.clone()];
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let is_test = path.iter().any(|part| part == "tests" || part == "tests.rs");
            let read = std::fs::read_to_string(&path).unwrap();
            let code = read.split("#[cfg(test)]").next().unwrap();
            let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let dense: String = code.split_whitespace().collect();
            if !is_test && dense.contains(text) {
                found.push(path.strip_prefix(&src).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// A harness is asked for an attempt by the engine's attempt, which is what rounds make, and by the probe of readiness,
/// which has no session. The sandbox of opencode has a step of the same name.
fn audit() {
    let known =
        ["backend/opencode/session.rs", "backend/ready/probe.rs", "engine/attempt.rs", "engine/tries.rs"];
    let asks = said_in(".attempt(");
    assert!(asks.iter().any(|file| file == "engine/attempt.rs"), "the search finds nothing: {asks:?}");
    assert!(asks.iter().all(|file| known.contains(&file.as_str())), "who else starts an attempt? {asks:?}");
    assert_eq!(said_in("::attempt("), [""; 0]);
    assert_eq!(said_in("harness.attempt("), ["backend/ready/probe.rs", "engine/attempt.rs"]);
}
