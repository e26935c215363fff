//! A handwritten run, for the tests of this room.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::event::{Event, Tally};

pub(crate) fn start() -> Timestamp {
    "2026-11-21T02:45:01Z".parse().unwrap()
}

/// `seconds` after the start of the run.
pub(crate) fn at(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

pub(crate) fn event(seq: u64, seconds: i64, kind: &Value) -> Event {
    let mut line = json!({"seq": seq, "at": at(seconds), "node": "root"});
    line.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
    serde_json::from_value(line).unwrap()
}

/// Two rounds: the first fails its check, the second is answered, checked and delivered; part of the price is unknown.
pub(crate) fn run() -> Vec<Event> {
    let sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let failure = json!({"class": "overloaded", "scope": "provider", "status": 529, "evidence": "Overloaded \u{1b}[31mtry later",
        "emitted_output": false, "rule": "http.529"});
    let mut failed = json!({"kind": "attempt.failed", "attempt": 1});
    failed.as_object_mut().unwrap().extend(failure.as_object().unwrap().clone());
    let kinds = vec![
        (
            0,
            json!({"kind": "run.started", "run": "20261121T024501Z-run-k3f9", "verb": "run", "profile": "default",
            "harness": "claude", "model": "anthropic/m-1", "task_sha256": sha, "task": "Make the tests pass", "seed": 1,
            "budget": {"rounds": 10, "usd": 5.0, "wall_s": 3600.0}, "checked": true, "pid": 7}),
        ),
        (0, json!({"kind": "round.started", "round": 1})),
        (0, json!({"kind": "attempt.started", "round": 1, "attempt": 1})),
        (
            1,
            json!({"kind": "agent.spawned", "pid": 8, "program": "claude", "transcript": "rounds/root-1.log"}),
        ),
        (2, json!({"kind": "attempt.accepted", "session": "s-1", "model": "m-1", "agent": "claude 2.1"})),
        (
            3,
            json!({"kind": "turn.ended", "turn": 1, "preview": "I look at the\nfiles first.", "tool_calls": 1}),
        ),
        (3, json!({"kind": "tool.called", "id": "t1", "name": "edit", "about": "src/a.py"})),
        (5, json!({"kind": "tool.returned", "id": "t1", "ok": true, "bytes": 10})),
        (
            6,
            json!({"kind": "tool.called", "id": "t2", "name": "bash", "about": "make \u{1b}]0;pwned\u{7}test"}),
        ),
        (9, json!({"kind": "tool.returned", "id": "t2", "ok": false, "bytes": 10})),
        (
            10,
            json!({"kind": "attempt.retrying", "attempt": 2, "delay_ms": 5000, "status": 529, "evidence": "overloaded_error"}),
        ),
        (
            60,
            json!({"kind": "usage.reported", "input": 12345, "output": 678, "usd": 0.12, "source": "provider"}),
        ),
        (
            61,
            json!({"kind": "agent.exited", "code": 0, "cause": "clean", "duration_ms": 60000, "transcript_bytes": 99}),
        ),
        (62, json!({"kind": "attempt.finished", "attempt": 1})),
        (65, json!({"kind": "round.ended", "round": 1, "outcome": "answered", "duration_ms": 65000})),
        (65, json!({"kind": "check.started", "round": 1})),
        (
            68,
            json!({"kind": "check.ended", "round": 1, "delivered": false, "score": 0.5, "exit_code": 1, "duration_ms": 3200,
            "evidence": "FAIL a\n\n  assert 1 == 2\nl3\nl4\nl5\nl6\nl7\nl8\nl9\n"}),
        ),
        (
            68,
            json!({"kind": "alert.raised", "alert": "no_progress", "severity": "warning", "message": "nothing has changed"}),
        ),
        (68, json!({"kind": "wait.started", "reason": "back-off", "until": at(98)})),
        (80, json!({"kind": "wait.ended", "complete": false})),
        (80, json!({"kind": "round.started", "round": 2})),
        (80, json!({"kind": "attempt.started", "round": 2, "attempt": 1})),
        (82, failed),
        (83, json!({"kind": "attempt.started", "round": 2, "attempt": 2})),
        (84, json!({"kind": "tool.called", "id": "t3", "name": "read", "about": "日本語/ファイル.txt"})),
        (85, json!({"kind": "tool.returned", "id": "t3", "ok": true, "bytes": 10})),
        (90, json!({"kind": "attempt.finished", "attempt": 2})),
        (91, json!({"kind": "round.ended", "round": 2, "outcome": "answered", "duration_ms": 11000})),
        (91, json!({"kind": "alert.cleared", "alert": "no_progress"})),
        (91, json!({"kind": "check.started", "round": 2})),
        (
            92,
            json!({"kind": "check.ended", "round": 2, "delivered": true, "score": 1.0, "exit_code": 0, "duration_ms": 900,
            "evidence": "ok"}),
        ),
        (
            92,
            json!({"kind": "run.ended", "run": "20261121T024501Z-run-k3f9", "verb": "run", "outcome": "delivered",
            "exit_code": 0, "delivered": true, "score": 1.0, "output": "Done.", "rounds": 2,
            "spend": {"input": 12345, "output": 678, "usd": 0.12, "usd_known": false, "tokens_known": false, "wall_s": 92.0}}),
        ),
    ];
    kinds.into_iter().zip(1..).map(|((seconds, kind), seq)| event(seq, seconds, &kind)).collect()
}

pub(crate) fn fold(events: &[Event]) -> Tally {
    let mut tally = Tally::default();
    for event in events {
        tally.apply(event);
    }
    tally
}
