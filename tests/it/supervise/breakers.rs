//! What ends a loop that gets nowhere, and what only makes it wait.

use serde_json::Value;

use crate::support::looped::story;
use crate::support::sandbox::{Sandbox, finish, of_kind, signal};

fn scripted(script: &str, rest: &str) -> Sandbox {
    let sandbox = Sandbox::scripted(script, rest);
    sandbox.repository();
    sandbox
}

/// Scar "Run 6: ~100 empty rounds": crashes in a row are waited for longer and longer, and end the loop.
#[test]
fn crashes_in_a_row_end_the_loop() {
    let keys = "[retry]\nsame_model = 0\n[supervise]\npause = \"20ms\"\ngive_up = { crashes = 3 }\n";
    let sandbox = Sandbox::looped("cat > /dev/null\necho boom >&2\nexit 3\n", keys);
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let (outcome, code, rounds, reason) = sandbox.ended();
    assert_eq!((outcome.as_str(), code, rounds), ("gave_up", 6, 3));
    assert!(reason.starts_with("crash loop: 3 rounds in a row") && reason.contains("boom"), "{reason}");
    let events = sandbox.events();
    let waits = of_kind(&events, "wait.started");
    assert!(waits.iter().all(|wait| wait["cause"] == "backoff"), "{}", story(&events));
}

/// Scar "back-off counter lost at restart": the crashes that are on record count, whoever has seen them.
#[test]
fn a_restart_does_not_make_the_crashes_undone() {
    let keys = "[retry]\nsame_model = 0\n[supervise]\npause = \"1s\"\ngive_up = { crashes = 2 }\n";
    let sandbox = Sandbox::looped("cat > /dev/null\nexit 3\n", keys);
    let run = sandbox.begin(&[]);
    sandbox.comes_to("wait.started", 1);
    signal(run.id(), "KILL");
    finish(run);
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    assert_eq!(sandbox.ended().2, 2);
}

/// Scar "pi exits 0 on a rejected key": rounds that end well at once and use no model, of an agent that reports usage.
#[test]
fn rounds_in_a_row_without_any_use_of_a_model_end_the_loop() {
    let script = "[[round]]\n[[round.turn]]\ntext = \"a\"\nusage = { input = 1, output = 1 }\n[[round]]\n[[round.turn]]\ntext = \"b\"\n";
    let sandbox = scripted(script, "[supervise]\npause = \"20ms\"\nrounds = 9\ngive_up = { idle = 2 }\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let (outcome, code, rounds, reason) = sandbox.ended();
    assert_eq!((outcome.as_str(), code, rounds), ("gave_up", 6, 3), "{reason}");
    assert!(reason.starts_with("no progress: 2 rounds in a row"), "{reason}");
}

/// Scar "usage-less CLIs tripped that breaker": one that never reports any is not judged by it.
#[test]
fn an_agent_that_never_reports_usage_is_not_idle() {
    let keys = "[supervise]\npause = \"20ms\"\nrounds = 4\ngive_up = { idle = 2 }\n";
    let sandbox = Sandbox::looped("cat > /dev/null\necho done\n", keys);
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.ended().2, 4);
}

#[test]
fn a_program_that_is_gone_ends_the_loop_as_misconfigured() {
    let sandbox = Sandbox::new(
        "[agent]\nharness = \"command\"\ncommand = [\"./ctl/agent\"]\n[retry]\nsame_model = 0\n[supervise]\npause = \"20ms\"\n",
    );
    sandbox.repository();
    let write = |text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        sandbox.write("ctl/agent", text);
        std::fs::set_permissions(sandbox.path("ctl/agent"), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("#!/bin/sh\ncat > /dev/null\nrm ctl/agent\necho done\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert_eq!(sandbox.ended().0, "misconfigured");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("ctl/agent"), "{}", ran.err);
}

/// An agent that prints what a real one has printed.
fn prints(capture: &str, rest: &str) -> Sandbox {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/captures/claude-2.1.328");
    let program = format!("cat > /dev/null\necho x >> ctl/rounds\ncat {place}/{capture}\nexit 1\n");
    let sandbox = Sandbox::shell(&program, "protocol = \"claude-stream-json\"\n", rest);
    sandbox.repository();
    sandbox
}

/// Scar "pi exits 0 on a rejected key": a key that is refused ends the loop at once, with a critical alert.
#[test]
fn a_refused_key_ends_the_loop_at_once() {
    for capture in ["401-max0.jsonl", "401-full.jsonl"] {
        let sandbox = prints(capture, "[supervise]\npause = \"20ms\"\n");
        let ran = sandbox.supervise(&[]);
        assert_eq!(ran.code, Some(4), "{capture}: {}", ran.err);
        let (outcome, code, rounds, reason) = sandbox.ended();
        assert_eq!((outcome.as_str(), code, rounds), ("unavailable", 4, 1), "{capture}: {reason}");
        assert_eq!(sandbox.read("ctl/rounds"), "x\n", "{capture}");
        let events = sandbox.events();
        let alerts = of_kind(&events, "alert.raised");
        assert_eq!(
            (&alerts[0]["alert"], &alerts[0]["severity"]),
            (&"auth_failure".into(), &"critical".into())
        );
        let peeked = sandbox.run(&["peek", "--alerts"]);
        assert_eq!(peeked.code, Some(3), "{}{}", peeked.out, peeked.err);
        assert!(peeked.out.contains("auth_failure"), "{}", peeked.out);
    }
}

fn time(event: &Value, key: &str) -> jiff::Timestamp {
    event[key].as_str().unwrap().parse().unwrap()
}

/// A time that the server gives is waited to the letter, and can be seen while it is; nobody asks sooner.
#[test]
fn the_time_of_a_limit_is_honoured_and_can_be_seen() {
    let script = "[[round]]\n[[round.turn]]\nfault = { status = 429, text = \"slow down\", retry_after = 3 }\n\
                  [[round]]\n[[round.turn]]\ntext = \"done\"\n";
    let keys = "[retry]\nsame_model = 0\nwait = \"1s\"\n[supervise]\npause = \"20ms\"\nrounds = 2\n";
    let sandbox = scripted(script, keys);
    let run = sandbox.begin(&[]);
    sandbox.comes_to("wait.started", 1);
    let peeked = sandbox.run(&["peek", "--json"]);
    let seen: Value = serde_json::from_str(&peeked.out).unwrap();
    let told = sandbox.run(&["peek"]);
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = sandbox.events();
    let wait = of_kind(&events, "wait.started")[0];
    assert_eq!(wait["cause"], "limit", "{}", story(&events));
    let failed = of_kind(&events, "round.ended")[0];
    let asked = time(wait, "until").duration_since(time(failed, "at")).as_secs_f64();
    assert!((2.5..=3.5).contains(&asked), "{asked}");
    let second = of_kind(&events, "round.started")[1];
    let early = time(wait, "until").duration_since(time(second, "at")).as_secs_f64();
    assert!(early <= 0.05, "{early} s too early");
    let until = wait["until"].as_str().unwrap();
    assert!(peeked.out.contains(until), "{seen:#}");
    assert!(told.out.contains("slow down") || told.out.contains("rate_limited"), "{}", told.out);
}

#[test]
fn a_limit_ends_the_loop_where_the_profile_says_so() {
    let script =
        "[[round]]\n[[round.turn]]\nfault = { status = 429, text = \"slow down\", retry_after = 3600 }\n";
    let sandbox = scripted(script, "[supervise]\non_limit = \"stop\"\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert_eq!(sandbox.ended().0, "unavailable");
}
