//! `provost steer`: a message is left, and it is said what became of it.

use std::io::Write as _;
use std::process::Stdio;

use provost::journal::SteerRequest;
use serde_json::json;

use crate::support::played::Played;
use crate::support::sandbox::{Sandbox, finish, wait_for};

fn live(sandbox: &Sandbox) -> Played {
    Played::begin(&sandbox.path("out"), "supervise", "20261121T024501Z-supervise-k3f9")
}

/// Sees the message as the engine does.
fn sees(played: &mut Played) -> SteerRequest {
    wait_for("the message", || !played.dir.steer_requests().is_empty());
    let request = played.dir.steer_requests().remove(0);
    played.says(json!({"kind": "steer.requested", "id": request.id, "text": request.text}));
    request
}

fn answers(played: &mut Played, request: &SteerRequest, effect: &str) {
    let answer = json!({"kind": "steer.acknowledged", "id": request.id, "effect": effect, "round": 7});
    played.says(answer);
    played.dir.close_steer(&request.id).unwrap();
}

#[test]
fn a_message_is_seen_and_then_told() {
    let sandbox = Sandbox::new("");
    let mut played = live(&sandbox);
    let steer = sandbox.start(&["steer", "./out", "Use tabs."]);
    let request = sees(&mut played);
    assert_eq!(request.text, "Use tabs.");
    answers(&mut played, &request, "next_prompt");
    let ran = finish(steer);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.ends_with("supervise-k3f9: told to round 7, in its prompt\n"), "{}", ran.out);
}

#[test]
fn who_does_not_wait_hears_that_it_was_seen() {
    let sandbox = Sandbox::new("");
    let mut played = live(&sandbox);
    let steer = sandbox.start(&["steer", "--no-wait", "./out", "Use tabs."]);
    sees(&mut played);
    let ran = finish(steer);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.out.contains("seen; an agent is told in the prompt of the next round, or sooner where it can be"),
        "{}",
        ran.out
    );
}

#[test]
fn a_message_that_was_seen_and_not_told_in_time_is_on_record() {
    let sandbox = Sandbox::new("");
    let mut played = live(&sandbox);
    let steer = sandbox.start(&["steer", "./out", "Use tabs.", "--timeout", "500ms"]);
    sees(&mut played);
    let ran = finish(steer);
    assert_eq!(ran.code, Some(3), "{}", ran.out);
    assert!(ran.err.contains("the message is on record"), "{}", ran.err);
}

#[test]
fn a_message_that_nobody_sees_is_taken_back() {
    let sandbox = Sandbox::new("");
    let played = live(&sandbox);
    let ran = sandbox.run(&["steer", "./out", "Use tabs.", "--timeout", "100ms"]);
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(ran.err.contains("it is taken back"), "{}", ran.err);
    assert_eq!(played.dir.steer_requests(), []);
}

#[test]
fn a_run_that_ends_first_says_that_nobody_was_told() {
    let sandbox = Sandbox::new("");
    let mut played = live(&sandbox);
    let steer = sandbox.start(&["steer", "./out", "Use tabs."]);
    let request = sees(&mut played);
    answers(&mut played, &request, "not_live");
    drop(played.ends("done"));
    let ran = finish(steer);
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(ran.err.contains("has ended before an agent was told"), "{}", ran.err);
}

#[test]
fn a_run_that_is_not_live_is_not_steered() {
    let sandbox = Sandbox::new("");
    let refused = |args: &[&str], code: i32, words: &str| {
        let ran = sandbox.run(&[&["steer"], args].concat());
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
    };
    refused(&["Use tabs."], 1, "is live");
    refused(&["no-such-run", "Use tabs."], 2, "no-such-run");
    let dir = live(&sandbox).ends("done");
    refused(&["./out", "Use tabs."], 1, "it has ended already (done)");
    std::fs::remove_dir_all(dir.path()).unwrap();
    drop(live(&sandbox));
    refused(&["./out", "Use tabs."], 1, "`provost supervise` with the same profile and task goes on with it");
    assert_eq!(std::fs::read_dir(sandbox.path("out/control")).unwrap().count(), 0);
}

#[test]
fn a_message_comes_from_an_argument_a_file_or_standard_input_and_has_to_say_something() {
    let sandbox = Sandbox::new("");
    let mut played = live(&sandbox);
    sandbox.write("message", "from a file");
    let steer = sandbox.start(&["steer", "--no-wait", "--file", "message", "./out"]);
    assert_eq!(sees(&mut played).text, "from a file");
    assert_eq!(finish(steer).code, Some(0));
    for request in played.dir.steer_requests() {
        played.dir.close_steer(&request.id).unwrap();
    }
    let mut steer =
        sandbox.command(&["steer", "--no-wait", "./out", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    steer.stdin.take().unwrap().write_all(b"from a pipe\n").unwrap();
    assert_eq!(sees(&mut played).text, "from a pipe\n");
    assert_eq!(finish(steer).code, Some(0));

    sandbox.write("long", &"x".repeat(16 * 1024 + 1));
    sandbox.write("empty", " \n");
    std::fs::write(sandbox.path("binary"), [0xff, 0xfe]).unwrap();
    for (args, words) in [
        (&["./out", ""][..], "there is no message"),
        (&[][..], "there is no message"),
        (&["--file", "empty", "./out"], "there is no message"),
        (&["--file", "long", "./out"], "longer than 16384 bytes"),
        (&["--file", "binary", "./out"], "not UTF-8"),
        (&["--file", "missing", "./out"], "cannot read the message"),
        (&["--file", "message", "./out", "x"], "given twice"),
    ] {
        let ran = sandbox.run(&[&["steer"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
    }
}
