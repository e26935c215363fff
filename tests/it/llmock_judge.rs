//! What an independent judge says of the chat harness: llmock plays each of its faults, under each API, and grades how
//! its client met them. It has to find nothing.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use provost::profile::Api;
use serde_json::{Value, json};

use crate::support::chat_api::APIS;
use crate::support::mock::{Mock, llmock_url, passes};
use crate::support::run::{Ran, Stage};

/// One row: what llmock does, and what has to come of it.
struct Row {
    id: &'static str,
    behaviors: Value,
    /// Requests, all of one call.
    attempts: u64,
    /// What failed, in order.
    classes: &'static [&'static str],
    /// Rounds: a second one where the first is not to be tried again.
    rounds: usize,
}

impl Row {
    /// What llmock counts as a fault of its own: not that it was slow.
    fn faults(&self) -> usize {
        if self.id.contains("slow") { 0 } else { self.classes.len() }
    }
}

fn row(id: &'static str, behaviors: Value, attempts: u64, classes: &'static [&'static str]) -> Row {
    Row { id, behaviors, attempts, classes, rounds: 1 }
}

/// A refusal as often as said.
fn refused(status: u16, times: u64) -> Value {
    json!({ "type": "fail", "status": status, "times": times })
}

fn asked_to_wait(status: u16, seconds: f64, times: u64) -> Value {
    json!({ "type": "fail", "status": status, "retry_after": seconds, "times": times })
}

/// A stream that breaks. What it says is long, so that the mock sees us hang up before it has sent all of it.
fn broken(kind: &str, after: u64, times: u64) -> Value {
    let fault = json!({
        "type": "stream_fault", "kind": kind, "after_chunks": after, "times": times, "stall_seconds": 20,
    });
    json!([fault, { "type": "reply", "text": "word ".repeat(500), "times": times }])
}

fn rows() -> Vec<Row> {
    let one = |behavior: Value| json!([behavior]);
    vec![
        // What says when to come back.
        row("429-after-1s-twice", one(asked_to_wait(429, 1.0, 2)), 3, &["rate_limited", "rate_limited"]),
        row("429-after-300ms", one(asked_to_wait(429, 0.3, 1)), 2, &["rate_limited"]),
        row("529", one(json!({ "type": "fail", "status": 529 })), 2, &["overloaded"]),
        row("503-after-1s", one(asked_to_wait(503, 1.0, 1)), 2, &["overloaded"]),
        row("500-after-2s", one(asked_to_wait(500, 2.0, 1)), 2, &["server_error"]),
        // What does not.
        row("500", one(refused(500, 1)), 2, &["server_error"]),
        row("500-twice", one(refused(500, 2)), 3, &["server_error", "server_error"]),
        row("502-twice", one(refused(502, 2)), 3, &["server_error", "server_error"]),
        row("408", one(refused(408, 1)), 2, &["transport"]),
        row("409", one(refused(409, 1)), 2, &["transport"]),
        // Before anything was said, and after.
        row("disconnect", broken("disconnect", 1, 1), 2, &["transport"]),
        row("disconnect-twice", broken("disconnect", 1, 2), 3, &["transport", "transport"]),
        row("truncate", broken("truncate", 1, 1), 2, &["transport"]),
        row("malformed", broken("malformed", 1, 1), 2, &["transport"]),
        row("disconnect-in-the-text", broken("disconnect", 8, 1), 2, &["transport"]),
        row("truncate-in-the-text-twice", broken("truncate", 8, 2), 3, &["transport", "transport"]),
        row("malformed-in-the-text", broken("malformed", 8, 1), 2, &["transport"]),
        // A model that stopped in the middle may be at work: that is for the next round.
        Row { rounds: 2, ..row("stall-in-the-text", broken("stall", 8, 1), 2, &["stall"]) },
        row("stall", broken("stall", 0, 1), 2, &["first_event_timeout"]),
        // Slow is not silent.
        row("slow-first-token", json!([{ "type": "slow_first_token", "seconds": 1.0 }]), 1, &[]),
        row(
            "too-slow-first-token",
            json!([{ "type": "slow_first_token", "seconds": 20 }]),
            2,
            &["first_event_timeout"],
        ),
        row("delay", json!([{ "type": "delay", "seconds": 1.0 }]), 1, &[]),
    ]
}

/// A profile against the mock: what the model may use is said in `tools`, how long it may be silent in `patience`.
fn run(api: Api, url: &str, tools: &str, task: &str, patience: &str, flags: &[&str]) -> Ran {
    let profile = format!(
        r#"
schema = 1
name = "judged"
[agent]
harness = "chat"
model = "any/{model}"
endpoint = "mock"
tools = [{tools}]
[endpoints.mock]
api = "{api}"
base_url = "{url}"
key_env = "PROVOST_TEST_KEY"
[prompt]
context = "none"
[round]
first_event = "{patience}"
stall = "{patience}"
[check]
contains = "mock response from"
[budget]
rounds = 2
wall = "2m"
"#,
        model = if api == Api::Anthropic { "claude-sonnet-4-5" } else { "gpt-4o" },
        api = api.word(),
    );
    Stage::new(&profile).run(task, &[("PROVOST_TEST_KEY", "dummy-key-of-no-account")], flags)
}

/// Works through a list on several threads, and says all that is wrong.
fn each<T: Sync>(items: &[T], threads: usize, work: impl Fn(&T) -> Result<(), String> + Sync) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(complaint) = work(item) {
                        wrong.lock().unwrap().push(complaint);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), items.len(), wrong.join("\n\n"));
}

/// Plays one row, on a mock of its own mind: what it has to play next is for whoever asks next.
fn judged(mock: &Mock, api: Api, row: &Row, seed: u64) -> Result<(), String> {
    mock.ask("POST", "/_llmock/reset", None);
    mock.ask("POST", "/_llmock/scenario", Some(&json!({ "behaviors": row.behaviors })));
    // Short where it is the point, and not where a busy machine would be taken for a silent server.
    let patience = if row.id.contains("slow") || row.id.contains("stall") { "3s" } else { "30s" };
    let seed_flags = ["--seed", &seed.to_string()];
    let ran = run(api, &llmock_url(mock, api), "", "Say hello.", patience, &seed_flags);
    let verdict = mock.ask("GET", "/_llmock/verdict", None);
    let mut wrong = Vec::new();
    if verdict["findings"] != json!([]) {
        wrong.push(format!("it finds {}", verdict["findings"]));
    }
    let (calls, attempts) = (&verdict["calls"], &verdict["attempts"]);
    if attempts != row.attempts || row.rounds == 1 && calls != 1 {
        wrong.push(format!("{attempts} attempts at {calls} calls"));
    }
    let (code, rounds) = (ran.output.status.code(), ran.of("round.ended").len());
    if code != Some(0) || rounds != row.rounds {
        wrong.push(format!("exit code {code:?} after {rounds} rounds"));
    }
    if ran.classes() != row.classes {
        wrong.push(format!("failed as {:?}", ran.classes()));
    }
    // Nothing that it did was missed, and nothing was seen that it did not do.
    let faults = verdict["faults_injected"].as_u64();
    if row.rounds == 1 && faults != u64::try_from(row.faults()).ok() {
        wrong.push(format!("it counts {faults:?} faults"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let (id, api) = (row.id, api.word());
    Err(format!("{id} over {api}, seed {seed}:\n- {}\n{}", wrong.join("\n- "), ran.story()))
}

#[test]
#[cfg_attr(not(real_llmock), ignore = "needs llmock in a Python environment; .ci/install-real installs it")]
fn real_llmock_finds_nothing_wrong_with_how_each_fault_is_met() {
    let rows = rows();
    // A mock plays one row at a time; with several, rows need not wait for each other.
    let parts: Vec<(Api, &[Row])> =
        APIS.iter().flat_map(|api| rows.chunks(rows.len().div_ceil(3)).map(|part| (*api, part))).collect();
    each(&parts, 9, |&(api, part)| {
        let mock = Mock::llmock(&["--response-style", "hello"]);
        let wrong: Vec<String> = part.iter().filter_map(|row| judged(&mock, api, row, 0).err()).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n\n")) }
    });
}

/// The waits between tries are drawn; whichever are drawn, they grow.
#[test]
#[cfg_attr(not(real_llmock), ignore = "needs llmock in a Python environment; .ci/install-real installs it")]
fn real_llmock_finds_that_waits_grow_whatever_the_seed() {
    let seeds: Vec<u64> = (0..16).collect();
    let rows = rows();
    let twice = rows.iter().find(|row| row.id == "500-twice").unwrap();
    each(&[0, 1, 2, 3], 4, |&part| {
        let mock = Mock::llmock(&["--response-style", "hello"]);
        let mine = seeds.iter().filter(|seed| *seed % 4 == part);
        let wrong: Vec<String> = mine.filter_map(|seed| found_each_time(&mock, twice, *seed).err()).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n\n")) }
    });
}

/// What is found each of three times. A seed draws the same waits always, so what is wrong with them is found each time; a mock
/// that takes half a second for an answer, since the machine is busy, is not.
fn found_each_time(mock: &Mock, row: &Row, seed: u64) -> Result<(), String> {
    let mut found = Ok(());
    for _ in 0..3 {
        found = judged(mock, Api::OpenAi, row, seed);
        if found.is_ok() {
            break;
        }
    }
    found
}

/// A call that cannot be made is the model's business: it is told, and goes on.
#[test]
#[cfg_attr(not(real_llmock), ignore = "needs llmock in a Python environment; .ci/install-real installs it")]
fn real_llmock_that_calls_what_is_not_there_is_told_so_under_each_api() {
    let mock = Mock::llmock(&["--response-style", "hello"]);
    for api in APIS {
        for kind in ["unknown_tool", "malformed_arguments"] {
            mock.ask("POST", "/_llmock/reset", None);
            let fault = json!({ "type": "tool_fault", "kind": kind });
            mock.ask("POST", "/_llmock/scenario", Some(&json!({ "behaviors": [fault] })));
            let ran = run(api, &llmock_url(&mock, api), "\"write\", \"read\"", "Say hello.", "30s", &[]);
            let (what, story) = (format!("{kind} over {}", api.word()), ran.story());
            assert_eq!(ran.output.status.code(), Some(0), "{what}: {story}");
            let returned = ran.of("tool.returned");
            assert_eq!(returned.len(), 1, "{what}: {story}");
            assert_eq!(returned[0]["ok"], false, "{what}: {story}");
            assert_eq!(ran.of("attempt.started").len(), 1, "{what}: {story}");
            let verdict = passes(&mock, &what, &story);
            assert_eq!(
                (&verdict["calls"], &verdict["attempts"]),
                (&json!(2), &json!(2)),
                "{what}: {verdict}"
            );
        }
    }
}

/// What each fails with and how often, as chance has it. No stall: the round after one begins at once, which the judge may
/// take for a wait that does not grow.
const RATES: [(&str, &str); 7] = [
    ("--error-rate", "429=0.06"),
    ("--error-rate", "500=0.06"),
    ("--error-rate", "503=0.04"),
    ("--error-rate", "529=0.04"),
    ("--stream-fault", "disconnect=0.05"),
    ("--stream-fault", "truncate=0.05"),
    ("--stream-fault", "malformed=0.05"),
];

/// A third of all requests fail; there are tries enough for all to succeed, and fewer than what the judge takes for a
/// storm.
#[test]
#[cfg_attr(not(real_llmock), ignore = "needs llmock in a Python environment; .ci/install-real installs it")]
fn real_llmock_finds_nothing_wrong_where_chance_decides_what_fails() {
    let rates = RATES.iter().flat_map(|(flag, rate)| [*flag, *rate]);
    let arguments: Vec<&str> = ["--response-style", "hello"].into_iter().chain(rates).collect();
    let mock = Mock::llmock(&arguments);
    let cells: Vec<(Api, u64)> = APIS.iter().flat_map(|api| (0..16).map(|seed| (*api, seed))).collect();
    let mut verdict = judged_together(&mock, &cells);
    for _ in 0..2 {
        // It takes a wait from the end of its answer to the next request, and on a busy machine either comes late. What we
        // chose to wait is looked at in each journal, each time; what the judge finds of that is asked again.
        let findings = verdict["findings"].as_array().unwrap();
        if findings.is_empty() || findings.iter().any(|finding| finding["code"] != "no_backoff") {
            break;
        }
        verdict = judged_together(&mock, &cells);
    }
    assert_eq!(verdict["findings"], json!([]), "{verdict}");
    assert_eq!(verdict["calls"], cells.len(), "{verdict}");
    assert!(verdict["faults_injected"].as_u64().unwrap() > 0, "{verdict}");
}

/// What the judge says of many runs at the same time, all of which have to come to their end.
fn judged_together(mock: &Mock, cells: &[(Api, u64)]) -> Value {
    mock.ask("POST", "/_llmock/reset", None);
    each(cells, 6, |&(api, cell)| {
        let task = format!("Say hello, number {cell} of {}.", api.word());
        let flags = ["--seed", &cell.to_string(), "--set", "retry.same_model=8"];
        let ran = run(api, &llmock_url(mock, api), "", &task, "30s", &flags);
        let chosen = chosen_waits(&ran);
        let grow = chosen.windows(2).all(|two| two[1] > two[0] * 1.1 || two[0] >= LONG);
        if ran.output.status.code() == Some(0) && grow {
            return Ok(());
        }
        Err(format!("{task}: waits of our own choice {chosen:?}, s\n{}", ran.story()))
    });
    mock.ask("GET", "/_llmock/verdict", None)
}

/// Seconds; a wait of our own choice that is as long as this need not grow any more.
const LONG: f64 = 4.8;

/// What a run chose to wait after each failure whose answer did not say how long, seconds.
fn chosen_waits(ran: &Ran) -> Vec<f64> {
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let waits = ran.events.windows(2).filter(|two| {
        two[0]["kind"] == "attempt.failed"
            && two[0]["retry_after"].is_null()
            && two[1]["kind"] == "wait.started"
    });
    waits.map(|two| at(&two[1]["until"]).duration_since(at(&two[1]["at"])).as_secs_f64()).collect()
}
