//! Rows of the fault table (eval.md section 3), short: a suite against a server that fails in one way. The whole table, 200
//! cases each, is `benches/eval_faults.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::completions::{Turn, answer, broken, refusal};
use crate::support::http::{Recorded, Response, Server, Step};

/// Cases of a row, and how many of them at once.
const CASES: usize = 24;
const AT_ONCE: u64 = 16;

/// What the server does with one request.
#[derive(Clone, Copy)]
enum Does {
    Answer,
    /// Refuses, and says after how many seconds to come back.
    Refuse(u16, Option<u64>),
    /// Closes the connection in the middle of the answer.
    Cut,
    /// Ends the stream as if all were well, without a terminal event.
    EndEarly,
    /// Says why it has finished, but never `[DONE]`.
    NoDone,
    Hang,
}

/// What the server decides by: the case, how often it was asked for before, and since when the server is asked.
struct Request {
    case: usize,
    before: usize,
    age: Duration,
}

struct Row {
    id: &'static str,
    does: Box<dyn Fn(&Request) -> Does + Send + Sync>,
    /// The cases that can have no answer.
    lost: fn(usize) -> bool,
    retries: usize,
}

fn row(id: &'static str, does: impl Fn(&Request) -> Does + Send + Sync + 'static) -> Row {
    Row { id, does: Box::new(does), lost: |_| false, retries: 5 }
}

/// A row whose failure stays for some cases.
fn permanent(id: &'static str, does: Does) -> Row {
    let lost = |case: usize| case % 10 == 5;
    let does = Box::new(move |request: &Request| if lost(request.case) { does } else { Does::Answer });
    Row { id, does, lost, retries: 1 }
}

fn once(does: Does) -> impl Fn(&Request) -> Does {
    move |request| if request.before == 0 { does } else { Does::Answer }
}

fn some_once(does: Does) -> impl Fn(&Request) -> Does {
    move |request| if request.before == 0 && request.case % 5 == 2 { does } else { Does::Answer }
}

fn outage(length: Duration, does: Does) -> impl Fn(&Request) -> Does {
    move |request| if request.age < length { does } else { Does::Answer }
}

/// A token bucket, full at the beginning.
fn bucket(rate: f64, burst: f64, does: Does) -> impl Fn(&Request) -> Does {
    let state = Mutex::new((burst, Duration::ZERO));
    move |request| {
        let (left, at) = &mut *state.lock().unwrap();
        *left = burst.min(*left + (request.age.saturating_sub(*at)).as_secs_f64() * rate);
        *at = request.age;
        if *left < 1.0 {
            return does;
        }
        *left -= 1.0;
        Does::Answer
    }
}

/// The rows that take some seconds at most; times are shorter than in the table, and so are the retries of what is lost.
fn rows() -> Vec<Row> {
    vec![
        row("50 rps bucket, Retry-After: 1", bucket(50.0, 8.0, Does::Refuse(429, Some(1)))),
        row("50 rps bucket, no Retry-After", bucket(50.0, 8.0, Does::Refuse(429, None))),
        row("every case 429 twice", |request| {
            if request.before < 2 { Does::Refuse(429, Some(1)) } else { Does::Answer }
        }),
        row("429 outage", outage(Duration::from_secs(2), Does::Refuse(429, Some(1)))),
        row("one 500 per case", once(Does::Refuse(500, None))),
        row("one 503 per case", once(Does::Refuse(503, None))),
        row("one 529 per case", once(Does::Refuse(529, None))),
        row("529 outage", outage(Duration::from_secs(2), Does::Refuse(529, None))),
        permanent("529 always for 10 %", Does::Refuse(529, None)),
        permanent("400 always for 10 %", Does::Refuse(400, None)),
        permanent("5 % hang forever", Does::Hang),
        row("5 % hang once", some_once(Does::Hang)),
        row("body cut, connection closed (20 % once)", some_once(Does::Cut)),
        permanent("body always cut for 10 %", Does::Cut),
        row("SSE ends cleanly without finish_reason/[DONE] (20 % once)", some_once(Does::EndEarly)),
        permanent("SSE always ends cleanly without finish_reason/[DONE]", Does::EndEarly),
        row("SSE has finish_reason, no [DONE]", |_| Does::NoDone),
    ]
}

/// What the server has seen.
#[derive(Default)]
struct Seen {
    begun: Option<Instant>,
    requests: BTreeMap<usize, usize>,
    /// Until when each case was told to wait.
    until: BTreeMap<usize, Instant>,
    early: usize,
}

fn respond(request: &Recorded, row: &Row, seen: &mut Seen) -> Response {
    let now = Instant::now();
    let body = request.json();
    let said = body["messages"].as_array().unwrap().last().unwrap()["content"].to_string();
    let digits = said.trim_matches(|letter: char| !letter.is_ascii_digit());
    let case: usize = digits.parse().unwrap();
    let age = now - *seen.begun.get_or_insert(now);
    let before = seen.requests.entry(case).or_default();
    let does = (row.does)(&Request { case, before: *before, age });
    *before += 1;
    seen.early += usize::from(seen.until.get(&case).is_some_and(|until| now < *until));
    let text: &'static str = Box::leak(format!("answer {case}").into_boxed_str());
    let whole = || answer(request, &Turn::Say(text));
    match does {
        Does::Answer => whole(),
        Does::Refuse(status, None) => refusal(status, "scripted", "scripted"),
        Does::Refuse(status, Some(after)) => {
            seen.until.insert(case, now + Duration::from_secs(after));
            refusal(status, "scripted", "scripted").header("retry-after", &after.to_string())
        }
        Does::Cut => whole().broken_off(1, Step::Cut),
        Does::EndEarly => broken(request, text),
        Does::NoDone => {
            let usage = json!({ "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7 });
            let delta = json!({ "role": "assistant", "content": text });
            let choice = json!({ "index": 0, "delta": delta, "finish_reason": "stop" });
            let chunk = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [choice], "usage": usage });
            Response::steps(vec![Step::Send(format!("data: {chunk}\n\n"))])
        }
        Does::Hang => Response::steps(vec![Step::Hang]),
    }
}

/// Runs a row; gives what misses its bar.
fn play(row: Row) -> Vec<String> {
    let row = Arc::new(row);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let server = {
        let (row, seen) = (Arc::clone(&row), Arc::clone(&seen));
        Server::answering(move |_, request| Some(respond(request, &row, &mut seen.lock().unwrap())))
    };
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    // Short where silence is what is served; long enough elsewhere that a busy machine is not taken for it.
    let silence = if row.id.contains("hang") { "3s" } else { "30s" };
    let profile = format!(
        "schema = 1\nname = \"mock\"\n[agent]\nharness = \"chat\"\nendpoint = \"mock\"\nmodel = \"mock/m\"\ntools = []\n\
         [round]\nfirst_event = \"{silence}\"\nstall = \"{silence}\"\n[prompt]\nsystem = \"Answer.\"\n\
         [endpoints.mock]\napi = \"openai\"\nbase_url = \"{}\"\nmax_concurrency = {AT_ONCE}\n",
        server.url()
    );
    write("profile.toml", &profile);
    let suite = format!(
        "schema = 1\nname = \"faults\"\n[cases]\nfile = \"cases.jsonl\"\n[trials]\nretries = {}\n\
         [[score]]\nname = \"said\"\nkind = \"exact\"\n\
         [gate]\nscore = \"said\"\nmode = \"threshold\"\nmin = 0.5\n",
        row.retries
    );
    write("suite.toml", &suite);
    let case = |case| {
        json!({ "id": format!("{case}"), "input": format!("say {case}"), "expected": format!("answer {case}") })
            .to_string()
    };
    write("cases.jsonl", &(0..CASES).map(case).collect::<Vec<_>>().join("\n"));
    let output = Command::new(env!("CARGO_BIN_EXE_provost"))
        .args(["certify", "-p", "profile.toml", "-S", "suite.toml", "--out", "run"])
        .current_dir(dir.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", dir.path())
        .env("XDG_STATE_HOME", dir.path().join("state"))
        .timeout(Duration::from_mins(1))
        .output()
        .unwrap();
    let journal = std::fs::read_to_string(dir.path().join("run/journal.jsonl")).unwrap_or_default();
    let events: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| events.iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
    let (mut kept, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for cell in of("cell.ended") {
        let case: usize = cell["case"].as_str().unwrap().parse().unwrap();
        if cell["missing"].is_null() {
            // A piece of an answer is none.
            assert_eq!(cell["scores"]["said"]["value"], 1.0, "{}: {cell}", row.id);
            kept.insert(case);
        } else {
            assert_eq!(cell["missing"]["reason"], "infrastructure", "{}: {cell}", row.id);
            missing.insert(case);
        }
    }
    let lost: BTreeSet<usize> = (0..CASES).filter(|case| (row.lost)(*case)).collect();
    let all: BTreeSet<usize> = (0..CASES).collect();
    let (code, verdict, reasons) = if lost.is_empty() {
        (0, "pass", json!(["above-threshold"]))
    } else {
        (3, "inconclusive", json!(["incomplete-coverage"]))
    };
    let reached = of("verdict.reached").first().map_or(Value::Null, |reached| (*reached).clone());
    let seen = seen.lock().unwrap();
    let most = seen.requests.values().copied().max().unwrap_or(0);
    let mut missed = Vec::new();
    let mut bar = |holds: bool, what: String| {
        if !holds {
            missed.push(format!("{}: {what}", row.id));
        }
    };
    bar(kept == &all - &lost, format!("kept {kept:?}"));
    bar(missing == lost, format!("missing {missing:?}"));
    bar(seen.early == 0, format!("{} came back too early", seen.early));
    bar(most <= 1 + row.retries, format!("{most} requests of one case"));
    bar(reached["verdict"] == verdict, format!("verdict {}", reached["verdict"]));
    bar(reached["certified"]["reasons"] == reasons, format!("reasons {}", reached["certified"]["reasons"]));
    let said = String::from_utf8_lossy(&output.stderr);
    bar(output.status.code() == Some(code), format!("exit {:?}: {said}", output.status.code()));
    missed
}

/// eval.md section 3: every answer is kept where the failure passes, nobody comes back before the server's time, what fails
/// for ever is tried so often and no more, and ends as missing with an honest verdict.
#[test]
fn every_row_of_the_fault_table_holds_its_bar() {
    let (mut rows, mut missed) = (rows(), Vec::new());
    // Six at a time: they wait more than they work.
    while !rows.is_empty() {
        let some: Vec<_> = rows.drain(..rows.len().min(6)).collect();
        let played: Vec<_> = some.into_iter().map(|row| std::thread::spawn(move || play(row))).collect();
        missed.extend(played.into_iter().flat_map(|row| row.join().unwrap()));
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
