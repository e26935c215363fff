//! `provost stop` of a run that drains: what a script may believe of its words and its exit code.

use serde_json::json;

use crate::support::played::Played;
use crate::support::sandbox::{Sandbox, finish, wait_for};

fn supervised(sandbox: &Sandbox) -> Played {
    let mut played = Played::begin(&sandbox.path("out"), "supervise", "20261121T024501Z-supervise-k3f9");
    played.says(json!({"kind": "round.started", "round": 12}));
    played
}

/// Hears the request as the engine does, and answers that it drains.
fn drains(played: &mut Played) {
    wait_for("the request", || !played.dir.stop_requests().is_empty());
    let request = played.dir.stop_requests().remove(0);
    played.says(json!({"kind": "stop.requested", "id": request.id, "now": request.now}));
    played.says(json!({"kind": "stop.acknowledged", "id": request.id, "effect": "draining"}));
    played.dir.close_stop(&request.id).unwrap();
}

/// W14: it said "stopped" and exited with 0 while the loop was alive.
#[test]
fn a_run_that_drains_is_not_said_to_have_stopped() {
    let sandbox = Sandbox::new("");
    let mut played = supervised(&sandbox);
    let stop = sandbox.start(&["stop", "./out", "--timeout", "400ms"]);
    drains(&mut played);
    let ran = finish(stop);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.out.starts_with("draining: round 12 runs since "), "{}", ran.out);
    assert!(!ran.out.contains("stopped"), "{}", ran.out);
    assert!(ran.err.contains("is draining still after 400ms: round 12 runs since "), "{}", ran.err);
}

#[test]
fn a_run_that_has_drained_in_time_has_stopped() {
    let sandbox = Sandbox::new("");
    let mut played = supervised(&sandbox);
    let stop = sandbox.start(&["stop", "./out"]);
    drains(&mut played);
    played.says(json!({"kind": "round.ended", "round": 12, "outcome": "answered", "duration_ms": 5}));
    drop(played.ends("stopped"));
    let ran = finish(stop);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("supervise-k3f9: stopped after "), "{}", ran.out);
}

#[test]
fn a_run_that_is_killed_while_it_drains_has_not_stopped() {
    let sandbox = Sandbox::new("");
    let mut played = supervised(&sandbox);
    let stop = sandbox.start(&["stop", "./out"]);
    drains(&mut played);
    drop(played);
    let ran = finish(stop);
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(ran.err.contains("was killed before it could end"), "{}", ran.err);
    assert!(
        ran.err.contains("`provost supervise` with the same profile and task goes on with it"),
        "{}",
        ran.err
    );
}

#[test]
fn who_does_not_wait_is_told_that_it_drains() {
    let sandbox = Sandbox::new("");
    let mut played = supervised(&sandbox);
    let stop = sandbox.start(&["stop", "./out", "--no-wait"]);
    drains(&mut played);
    let ran = finish(stop);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("draining: round 12") && ran.out.contains("acknowledged after"), "{}", ran.out);
}
