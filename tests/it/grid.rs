//! `examples/grid.sh` as somebody calls it, with real processes: swept, killed, swept again, and shown.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::completions::{self, Turn};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::sandbox::{Ran, Sandbox, finish, signal, wait_for};

fn start(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grid.sh");
    Command::new("sh")
        .args([script.as_os_str(), "out".as_ref()])
        .current_dir(sandbox.path(""))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", sandbox.path(""))
        .env("LANG", "C.UTF-8")
        .env("PROVOST", env!("CARGO_BIN_EXE_provost"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// `large` is always right and every other model never; who is to compress keeps the beginning.
fn said(request: &Recorded) -> Turn {
    let text = completions::texts(request).concat();
    let between = |from: &str, to: &str| text.split_once(from)?.1.split_once(to).map(|(it, _)| it.to_owned());
    if let Some(material) = between("\n\nBEGIN text ", "\nEND text ") {
        let words: Vec<&str> = material.split_whitespace().skip(1).collect();
        return Turn::Say(words[..words.len() / 2].join(" ").leak());
    }
    let sum: u64 = between("What is ", "?").unwrap().split(" + ").map(|it| it.parse::<u64>().unwrap()).sum();
    let is_right = request.json()["model"] == "large";
    Turn::Say((if is_right { sum } else { sum + 1 }).to_string().leak())
}

/// The lines of a journal that are whole.
fn events(sandbox: &Sandbox, run: &str) -> Vec<Value> {
    let journal = sandbox.read(&format!("out/{run}/journal.jsonl"));
    journal.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The cells that it has asked for itself and has an answer of.
fn answered(events: &[Value]) -> usize {
    let ended = events.iter().filter(|event| event["kind"] == "cell.ended" && event["stored"] != true);
    ended.filter(|event| event["missing"].is_null()).count()
}

/// The combinations that the report has a row for: model, prompt, treatment.
fn combinations(sandbox: &Sandbox) -> BTreeSet<String> {
    let mut reader = csv::Reader::from_path(sandbox.path("out/grid.csv")).unwrap();
    let head = reader.headers().unwrap().clone();
    let row = |row: csv::StringRecord| {
        let of = |name: &str| &row[head.iter().position(|it| it == name).unwrap()];
        let treatment = of("arm").split_once('+').map_or("as is", |(_, treatment)| treatment);
        assert_eq!((of("answered"), of("dealt")), ("24", "24"), "{row:?}");
        format!("{} {} {treatment}", of("label.model"), of("label.prompt"))
    };
    reader.into_records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn a_sweep_that_is_called_again_fills_its_gaps_and_asks_nothing_twice() {
    let server = Server::answering(|_, request| {
        let wait = Response::steps(vec![Step::Wait(Duration::from_millis(20))]);
        Some(wait.and(completions::answer(request, &said(request))))
    });
    let sandbox = Sandbox::new("");
    let url = server.url();
    let environment = [("BASE_URL", url.as_str()), ("PROMPTS", "plain careful"), ("JOBS", "2")];
    let call = || -> Ran { finish(start(&sandbox, &environment)) };

    // One run of it is killed in its midst: the others go on, and it is told.
    let sweep = start(&sandbox, &environment);
    let killed = "large-careful";
    wait_for("some answers", || answered(&events(&sandbox, killed)) >= 5);
    let begun = events(&sandbox, killed);
    let begun = begun.iter().find(|event| event["kind"] == "run.started").unwrap();
    signal(u32::try_from(begun["pid"].as_u64().unwrap()).unwrap(), "KILL");
    let ran = finish(sweep);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("large-careful has no result: exit code 137"), "{}", ran.err);
    assert!(ran.err.contains("1 pass, 0 fail, 2 inconclusive, 1 without a result"), "{}", ran.err);
    let left = 48 - answered(&events(&sandbox, killed));
    assert!(left > 0 && left <= 43);
    assert_eq!(combinations(&sandbox).len(), 6, "what has a result is shown");

    let before = server.requests().len();
    let ran = call();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("2 pass, 0 fail, 2 inconclusive, 0 without a result"), "{}", ran.err);
    assert_eq!(server.requests().len() - before, left, "only what had no answer");

    let before = server.requests().len();
    let ran = call();
    assert_eq!((ran.code, server.requests().len()), (Some(0), before), "{}", ran.err);
    let mut all = BTreeSet::new();
    for model in ["small", "large"] {
        for prompt in ["plain", "careful"] {
            all.extend(["as is", "half"].map(|treatment| format!("{model} {prompt} {treatment}")));
        }
    }
    assert_eq!(combinations(&sandbox), all);
    // A head for the rows, and a line before and after them.
    assert_eq!(ran.out.lines().count(), all.len() + 3, "{}", ran.out);
    let markdown = sandbox.read("out/grid.md");
    assert_eq!(markdown.lines().filter(|line| line.starts_with("| `")).count(), all.len(), "{markdown}");
}

#[test]
fn it_runs_without_a_key_and_a_network() {
    let sandbox = Sandbox::new("");
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let environment = [("PORT", port.to_string())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let ran = finish(start(&sandbox, &environment));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    // Whoever is told not to think is worse, and whoever goes step by step is better.
    assert!(ran.err.contains("4 pass, 1 fail, 1 inconclusive, 0 without a result"), "{}", ran.err);
    assert!(sandbox.read("out/codes").contains("1 small-hasty\n"), "{}", sandbox.read("out/codes"));
    assert_eq!(combinations(&sandbox).len(), 12);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the toy has gone home");

    let wrong = [environment[0], ("PROMPTS", "plain there-is-no-such-prompt")];
    let ran = finish(start(&sandbox, &wrong));
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("there-is-no-such-prompt"), "{}", ran.err);
}
