//! `provost peek --alerts`: what a monitor reads.

use jiff::{SignedDuration, Timestamp};
use provost::profile::{self, Source};
use serde_json::{Value, json};

use crate::support::played::Played;
use crate::support::sandbox::Sandbox;

fn begin(sandbox: &Sandbox, run: &str) -> Played {
    std::fs::create_dir_all(sandbox.path(".provost/runs")).unwrap();
    Played::begin(&sandbox.path(&format!(".provost/runs/{run}")), "supervise", run)
}

fn raise(played: &mut Played, alert: &str, severity: &str) {
    played
        .says(json!({"kind": "alert.raised", "alert": alert, "severity": severity, "message": "look at it"}));
}

const FIRST: &str = "20261121T024501Z-supervise-aaaa";
const SECOND: &str = "20261121T024502Z-supervise-bbbb";

#[test]
fn the_exit_code_says_how_bad_it_is() {
    let sandbox = Sandbox::new("");
    assert_eq!(sandbox.run(&["peek", "--alerts"]).code, Some(2), "there is no run");
    let mut first = begin(&sandbox, FIRST);
    let mut second = begin(&sandbox, SECOND);
    let ran = sandbox.run(&["peek", "--alerts"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "no alert is open\n"), "{}", ran.err);
    raise(&mut first, "rate_limit", "notice");
    let ran = sandbox.run(&["peek", "--alerts"]);
    assert_eq!(ran.code, Some(0), "a notice is no alarm: {}", ran.out);
    assert!(ran.out.starts_with("notice: rate_limit: look at it (for "), "{}", ran.out);
    raise(&mut first, "disk_warning", "warning");
    let ran = sandbox.run(&["peek", "--alerts"]);
    assert_eq!(ran.code, Some(1), "every live run counts: {}", ran.out);
    raise(&mut second, "auth_failure", "critical");
    let ran = sandbox.run(&["peek", "--alerts"]);
    assert_eq!(ran.code, Some(3));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("critical: auth_failure") && lines[0].contains(SECOND), "{lines:?}");
    assert!(lines[1].starts_with("warning: disk_warning") && lines[1].contains(FIRST), "{lines:?}");
    let ran = sandbox.run(&["peek", "--alerts", FIRST]);
    assert_eq!(ran.code, Some(1), "only the run that is named: {}", ran.out);
    second.says(json!({"kind": "alert.cleared", "alert": "auth_failure"}));
    let ran = sandbox.run(&["peek", "--alerts", "--json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &value["exit_code"]), (Some(1), &1.into()));
    assert_eq!(value["alerts"][0]["alert"], "disk_warning");
    assert_eq!(value["alerts"][0]["run"], FIRST);
    assert_eq!(value["runs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_run_that_was_killed_is_critical_and_one_that_has_ended_well_is_not() {
    let sandbox = Sandbox::new("");
    drop(begin(&sandbox, FIRST));
    let ran = sandbox.run(&["peek", "--alerts"]);
    assert_eq!(ran.code, Some(3), "{}", ran.out);
    assert!(ran.out.starts_with("critical: run_dead: it was killed before it could end"), "{}", ran.out);
    let mut second = begin(&sandbox, SECOND);
    raise(&mut second, "disk_warning", "warning");
    drop(second.ends("done"));
    let ran = sandbox.run(&["peek", "--alerts"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(0), "no alert is open\n"),
        "the newest has ended as it should"
    );
    drop(begin(&sandbox, "20261121T024503Z-supervise-cccc").ends("gave_up"));
    let ran = sandbox.run(&["peek", "--alerts"]);
    assert_eq!(ran.code, Some(3), "{}", ran.out);
    assert!(
        ran.out.starts_with("critical: run_ended: the loop has ended (gave_up): it was time"),
        "{}",
        ran.out
    );
}

#[test]
fn what_follows_an_event_is_shown_and_nothing_before_it() {
    let sandbox = Sandbox::new("");
    let mut played = begin(&sandbox, FIRST);
    for round in 1..=3 {
        played.says(json!({"kind": "round.started", "round": round}));
        played.says(json!({"kind": "round.ended", "round": round, "outcome": "answered", "duration_ms": 5}));
    }
    drop(played.ends("done"));
    let ran = sandbox.run(&["peek", "--follow", "--json", "--after", "5"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let seqs: Vec<u64> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [6, 7, 8]);
    let ran = sandbox.run(&["peek", "--follow", "--json", "--after", "800"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
    let ran = sandbox.run(&["peek", "--after", "5"]);
    assert_eq!(ran.code, Some(2), "without --follow it means nothing");
}

/// A live run of `supervise` with a profile that is whole.
fn supervised(sandbox: &Sandbox) -> Played {
    let source = Source { path: &sandbox.path("provost.toml"), sets: &[], cwd: &sandbox.path("") };
    let profile = profile::load(source).unwrap().profile;
    std::fs::create_dir_all(sandbox.path(".provost/runs")).unwrap();
    let path = sandbox.path(&format!(".provost/runs/{FIRST}"));
    Played::with(&path, "supervise", FIRST, serde_json::to_value(&*profile).unwrap())
}

fn keeping_watch() -> Sandbox {
    let sandbox = "[supervise]\ndriver = \"restart\"\n[supervise.detect]\nstale = \"10m\"\n";
    Sandbox::shell("echo done", "", sandbox)
}

/// Scar: the monitor's own events hid a dead supervisor. Looking leaves no event, and a loop that is silent is told.
#[test]
fn a_loop_that_lives_and_has_gone_silent_is_critical_unless_it_waits() {
    let sandbox = keeping_watch();
    let mut played = supervised(&sandbox);
    let ago = |minutes: i64| Timestamp::now() - SignedDuration::from_mins(minutes);
    played.said(json!({"kind": "round.started", "round": 1}), ago(30));
    for _ in 0..2 {
        let ran = sandbox.run(&["peek", "--alerts"]);
        assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
        assert!(ran.out.starts_with("critical: supervisor_stale: nothing was written since "), "{}", ran.out);
    }
    let ended = json!({"kind": "round.ended", "round": 1, "outcome": "answered", "duration_ms": 5});
    played.said(ended, ago(29));
    let until = Timestamp::now() + SignedDuration::from_hours(1);
    let waits =
        json!({"kind": "wait.started", "reason": "the schedule", "until": until, "cause": "schedule"});
    played.said(waits, ago(29));
    let ran = sandbox.run(&["peek", "--alerts"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "no alert is open\n"), "{}", ran.err);
}

#[test]
fn each_defense_is_listed_with_how_it_stands_and_what_it_stands_for() {
    let sandbox = keeping_watch();
    let _played = supervised(&sandbox);
    let ran = sandbox.run(&["peek", "--defenses", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let rows: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert!(rows.len() >= 15, "{}", rows.len());
    let text = sandbox.run(&["peek", "--defenses"]).out;
    assert_eq!(text.lines().count(), 2 * rows.len());
    for row in &rows {
        let (name, state) = (row["name"].as_str().unwrap(), row["state"].as_str().unwrap());
        assert!(["active", "off", "tripped", "degraded"].contains(&state), "{row}");
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        assert!(line.is_some_and(|line| line.contains(state)), "{name}: {text}");
        assert!(text.contains(row["incident"].as_str().unwrap()), "{name}");
    }
}
