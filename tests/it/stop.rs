//! `provost stop`: a live run ends as it was asked to, wherever it is, says so in its journal, and goes on when taken up.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use provost::profile::Api;
use serde_json::Value;

use crate::support::chat_api::{self, Said};
use crate::support::http::{Response, Server};
use crate::support::sandbox::{Ran, Sandbox, events, finish, lives, of_kind, signal, wait_for};

/// A wait that is cut short ends long before; how long it takes exactly is measured by `benches/backoff_stop.py`.
const SOON: Duration = Duration::from_secs(5);

/// An agent that takes its time to go, and says so; where `go` is, it answers.
const TIDIES: &str = "if [ -e go ]; then echo done; exit; fi\n\
                      trap 'sleep 0.3; echo tidied > tidied; exit 1' TERM\necho $$ > pid\n\
                      while :; do sleep 0.05; done\n";
/// One that does not hear.
const DEAF: &str = "trap '' TERM INT\necho $$ > pid\nwhile :; do sleep 0.05; done\n";

/// The directory of a run that was given one.
fn out(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("out")
}

fn start(sandbox: &Sandbox, more: &[&str]) -> Child {
    sandbox.start(&[&["run", "--out", "out"], more, &["Go on."]].concat())
}

/// Waits until the last event is of this kind.
fn comes_to(dir: &Path, kind: &str) {
    wait_for(kind, || {
        let journal = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
        journal.lines().last().is_some_and(|line| line.contains(&format!("\"kind\":\"{kind}\"")))
    });
}

/// Stops the run, which has to end with 0 and soon, and gives its events.
#[track_caller]
fn stops(sandbox: &Sandbox, run: Child, more: &[&str]) -> Vec<Value> {
    let begun = Instant::now();
    let ran = sandbox.run(&[&["stop", "./out"], more].concat());
    let took = begun.elapsed();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains(": stopped after "), "{}", ran.out);
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(took < SOON, "{took:?}");
    let events = events(&out(sandbox));
    let asked = of_kind(&events, "stop.requested");
    let answered = of_kind(&events, "stop.acknowledged");
    assert_eq!((asked.len(), answered.len()), (1, 1), "{events:?}");
    assert_eq!(asked[0]["id"], answered[0]["id"]);
    assert_eq!(answered[0]["effect"], "stopping");
    let ended = events.last().unwrap();
    assert_eq!((&ended["kind"], &ended["outcome"]), (&"run.ended".into(), &"stopped".into()));
    assert_eq!((&ended["exit_code"], &ended["delivered"]), (&0.into(), &false.into()));
    let left: Vec<_> = std::fs::read_dir(out(sandbox).join("control")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    events
}

/// Takes the run up again.
#[track_caller]
fn goes_on(sandbox: &Sandbox, outcome: &str) -> Ran {
    let ran = sandbox.run(&["run", "--resume", "./out"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = events(&out(sandbox));
    assert_eq!(of_kind(&events, "run.resumed").len(), 1);
    assert_eq!(events.last().unwrap()["outcome"], outcome, "{}", ran.err);
    ran
}

/// A server that tells the first caller to wait for an hour, and answers the next ones.
fn told_to_wait() -> Server {
    let refused = Response::json(429, r#"{"error":{"code":"rate_limit_exceeded","message":"slow down"}}"#)
        .header("retry-after", "3600");
    Server::answering(move |index, _| match index {
        0 => Some(refused.clone()),
        _ => Some(chat_api::stream(Api::OpenAi, &Said::text("do", "ne"))),
    })
}

fn chat(server: &Server, rest: &str) -> Sandbox {
    Sandbox::new(&format!(
        "[agent]\nharness = \"chat\"\nmodel = \"local/m\"\nendpoint = \"main\"\n[endpoints.main]\napi = \"openai\"\n\
         base_url = \"{}/v1\"\n{rest}",
        server.url()
    ))
}

const REFUSED: &str = "[[round]]\n[[round.turn]]\nfault = { status = 429, text = \"slow down\", retry_after = 30 }\n\
                       [[round]]\n[[round.turn]]\ntext = \"done\"\n";

#[test]
fn does_a_run_that_waits_between_attempts_stop_at_once_and_go_on_when_asked() {
    let sandbox = Sandbox::scripted(REFUSED, "");
    let run = start(&sandbox, &[]);
    comes_to(&out(&sandbox), "wait.started");
    let events = stops(&sandbox, run, &[]);
    assert_eq!(of_kind(&events, "wait.ended")[0]["complete"], false);
    assert_eq!(of_kind(&events, "round.ended")[0]["outcome"], "stopped");
    assert_eq!(goes_on(&sandbox, "settled").out, "done\n");
}

#[test]
fn does_a_run_that_waits_for_an_hour_stop_at_once() {
    let server = told_to_wait();
    let sandbox = chat(&server, "");
    let run = start(&sandbox, &["--wait"]);
    comes_to(&out(&sandbox), "wait.started");
    stops(&sandbox, run, &[]);
    assert_eq!(sandbox.run(&["peek", "--clear", "all"]).code, Some(0));
    assert_eq!(goes_on(&sandbox, "settled").out, "done\n");
}

#[test]
fn does_a_run_that_waits_for_leave_stop_at_once() {
    let server = told_to_wait();
    let sandbox = chat(&server, "[retry]\nwait = \"2h\"\n");
    let told = sandbox.start(&["run", "--wait", "--out", "told", "Go on."]);
    comes_to(&sandbox.path("told"), "wait.started");
    let run = start(&sandbox, &["--wait"]);
    comes_to(&out(&sandbox), "wait.started");
    let events = stops(&sandbox, run, &[]);
    assert_eq!(of_kind(&events, "wait.ended")[0]["complete"], false);
    assert_eq!(of_kind(&events, "attempt.failed")[0]["class"], "user_abort");
    assert_eq!(sandbox.run(&["stop", "./told"]).code, Some(0));
    assert_eq!(finish(told).code, Some(0));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(sandbox.run(&["peek", "--clear", "all"]).code, Some(0));
    assert_eq!(goes_on(&sandbox, "settled").out, "done\n");
}

#[test]
fn does_an_agent_that_is_stopped_get_its_grace() {
    let sandbox = Sandbox::shell(TIDIES, "", "");
    let run = start(&sandbox, &[]);
    let agent = sandbox.pid("pid");
    let events = stops(&sandbox, run, &[]);
    assert_eq!(sandbox.read("tidied"), "tidied\n");
    assert!(!lives(agent));
    assert_eq!(of_kind(&events, "attempt.failed")[0]["class"], "user_abort");
    sandbox.write("go", "");
    assert_eq!(goes_on(&sandbox, "settled").out, "done\n");
}

#[test]
fn does_asking_twice_change_nothing_and_asking_for_now_end_a_deaf_agent() {
    let sandbox = Sandbox::shell(DEAF, "", "[round]\ngrace = \"10m\"\n");
    let run = sandbox.start(&["run", "Go on."]);
    let agent = sandbox.pid("pid");
    for _ in 0..2 {
        let ran = sandbox.run(&["stop", "--no-wait"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.out.contains(": acknowledged after "), "{}", ran.out);
    }
    let ran = sandbox.run(&["stop", "--timeout", "300ms"]);
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(ran.err.contains("has acknowledged") && ran.err.contains("round 1: attempt 1"), "{}", ran.err);
    assert!(lives(agent));
    let ran = sandbox.run(&["stop", "--now"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(finish(run).code, Some(0));
    assert!(!lives(agent));
    let events = sandbox.events();
    let asked: Vec<bool> =
        of_kind(&events, "stop.requested").iter().map(|asked| asked["now"].as_bool().unwrap()).collect();
    assert_eq!(asked, [false, false, false, true]);
    assert_eq!(of_kind(&events, "stop.acknowledged").len(), 4);
    assert_eq!(of_kind(&events, "run.ended").len(), 1);
}

#[test]
fn does_a_run_stop_in_its_check_and_check_again_when_asked() {
    let check = "[check]\ncommand = [\"sh\", \"-c\", \"if [ -e go ]; then exit 0; fi; echo $$ > pid; exec sleep 60\"]\n";
    let sandbox = Sandbox::shell("echo done", "", check);
    let run = start(&sandbox, &[]);
    let check = sandbox.pid("pid");
    let events = stops(&sandbox, run, &[]);
    assert!(!lives(check));
    assert_eq!(of_kind(&events, "check.ended").len(), 0);
    sandbox.write("go", "");
    goes_on(&sandbox, "delivered");
    let events = self::events(&out(&sandbox));
    assert_eq!(of_kind(&events, "round.started").len(), 1, "what was paid for is not done again");
}

#[test]
fn is_it_said_when_there_is_no_live_run_to_stop() {
    let sandbox = Sandbox::shell("echo done", "", "");
    let refused = |args: &[&str], code: i32, words: &str| {
        let ran = sandbox.run(&[&["stop"], args].concat());
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
    };
    refused(&[], 1, "is live");
    refused(&["no-such-run"], 2, "no-such-run");
    assert_eq!(sandbox.run(&["run", "--out", "out", "Go on."]).code, Some(0));
    refused(&["./out"], 1, "it has ended already (settled)");
    refused(&[], 1, "is live");
    assert_eq!(std::fs::read_dir(out(&sandbox).join("control")).unwrap().count(), 0);
}

#[test]
fn is_a_request_to_a_dead_run_answered_and_without_effect_when_the_run_goes_on() {
    let sandbox = Sandbox::shell(TIDIES, "", "");
    let run = start(&sandbox, &[]);
    let agent = sandbox.pid("pid");
    signal(run.id(), "KILL");
    finish(run);
    wait_for("the end of the agent", || !lives(agent));
    let ran = sandbox.run(&["stop", "./out"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("it was killed before it could end"), "{}", ran.err);
    // As it is when the run dies between the look at it and the request.
    let request = r#"{"id":"late","at":"2026-11-21T02:45:01Z","now":true,"pid":1}"#;
    std::fs::write(out(&sandbox).join("control/stop-late.json"), request).unwrap();
    sandbox.write("go", "");
    assert_eq!(goes_on(&sandbox, "settled").out, "done\n");
    let events = events(&out(&sandbox));
    let answered = of_kind(&events, "stop.acknowledged");
    assert_eq!(answered.len(), 1);
    assert_eq!((&answered[0]["id"], &answered[0]["effect"]), (&"late".into(), &"not_live".into()));
    assert_eq!(std::fs::read_dir(out(&sandbox).join("control")).unwrap().count(), 0);
}

#[test]
fn is_a_stopped_run_done_to_its_end_by_the_same_call() {
    let sandbox = Sandbox::shell(TIDIES, "", "");
    let run = start(&sandbox, &[]);
    sandbox.pid("pid");
    stops(&sandbox, run, &["--now"]);
    sandbox.write("go", "");
    let ran = finish(start(&sandbox, &[]));
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "done\n"), "{}", ran.err);
}

#[test]
fn does_the_wall_of_the_run_cut_a_wait_short() {
    let server = told_to_wait();
    // First the wait that it is told itself, then the one for leave.
    let sandbox = chat(&server, "[retry]\nwait = \"2h\"\n[budget]\nwall = \"700ms\"\n");
    for name in ["told", "out"] {
        let begun = Instant::now();
        let ran = sandbox.run(&["run", "--wait", "--out", name, "Go on."]);
        assert_eq!(ran.code, Some(5), "{name}: {}", ran.err);
        assert!(begun.elapsed() < SOON + SOON, "{name}");
        let events = events(&sandbox.path(name));
        assert_eq!(of_kind(&events, "wait.ended")[0]["complete"], false, "{name}");
        assert_eq!(events.last().unwrap()["outcome"], "budget_exhausted", "{name}");
    }
}
