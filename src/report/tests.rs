//! One handwritten run through every reporter.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};
use proptest::prelude::*;
use serde_json::json;

use super::samples::{at, event, fold, run};
use super::*;
use crate::event::{Deadline, Event, RunOutcome, Sha256, Spend};

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const PLAIN: Look = Look { colour: false, unicode: true };

fn feed(reporter: &mut dyn Reporter, events: &[Event]) -> Tally {
    let mut tally = Tally::default();
    for event in events {
        tally.apply(event);
        let line = serde_json::to_vec(event).unwrap();
        reporter.event(event, &line, &tally).unwrap();
    }
    tally
}

fn lines(look: Look, verbosity: Verbosity, events: &[Event]) -> String {
    let out = Shared::default();
    let mut lines = Lines::new(Box::new(out.clone()), look, verbosity, ".provost/runs/x");
    let tally = feed(&mut lines, events);
    lines.finish(&tally).unwrap();
    out.text()
}

fn view(tally: &Tally, state: RunState, seconds: i64) -> PageView<'_> {
    PageView {
        run_dir: ".provost/runs/x".to_owned(),
        state,
        task: String::new(),
        workspace: "/repo".to_owned(),
        labels: vec!["case=a".to_owned(), "arm=b".to_owned()],
        tally,
        now: at(seconds),
        deadlines: Vec::new(),
        torn_bytes: 0,
        bad_lines: 0,
    }
}

#[test]
fn lines_for_people() {
    insta::assert_snapshot!("lines_normal", lines(PLAIN, Verbosity::Normal, &run()));
}

#[test]
fn lines_for_the_curious_in_ascii() {
    let ascii = Look { colour: false, unicode: false };
    insta::assert_snapshot!("lines_verbose_ascii", lines(ascii, Verbosity::Verbose, &run()));
}

#[test]
fn quiet_says_only_how_it_ended() {
    let said = lines(PLAIN, Verbosity::Quiet, &run());
    insta::assert_snapshot!(said, @"delivered · exit code 0 · 2 rounds · 1m 32s · spend unknown (at least $0.12) · .provost/runs/x");
}

#[test]
fn colours_are_only_added() {
    let coloured = lines(Look { colour: true, unicode: true }, Verbosity::Verbose, &run());
    assert!(coloured.contains("\x1b[32mdelivered\x1b[0m"), "{coloured:?}");
    assert_eq!(console::strip_ansi_codes(&coloured), lines(PLAIN, Verbosity::Verbose, &run()));
}

#[test]
fn json_lines_are_the_journals_own_bytes() {
    let out = Shared::default();
    let mut json_lines = JsonLines::new(Box::new(out.clone()));
    let events = run();
    let tally = fold(&events);
    json_lines.event(&events[0], b"{\"any\":  1}\n", &tally).unwrap();
    json_lines.event(&events[1], b"{\"no\":\"end\"}", &tally).unwrap();
    assert_eq!(out.text(), "{\"any\":  1}\n{\"no\":\"end\"}\n");
}

#[test]
fn a_broken_pipe_is_told_and_stops_no_other_reporter() {
    let out = Shared::default();
    let mut fanout = Fanout(vec![
        Box::new(JsonLines::new(Box::new(Closed))),
        Box::new(Lines::new(Box::new(out.clone()), PLAIN, Verbosity::Normal, "x")),
    ]);
    let events = run();
    let error = fanout.event(&events[0], b"{}", &fold(&events[..1])).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert!(out.text().starts_with("run 20261121T024501Z-run-k3f9\n"));
}

/// A display over the first `count` events, `seconds` after the start.
fn display(width: u16, count: usize, seconds: i64) -> (InMemoryTerm, Progress, Tally) {
    let term = InMemoryTerm::new(40, width);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 200);
    let mut progress =
        Progress::new(target, PLAIN, Verbosity::Normal, "runs/x", Box::new(move || at(seconds)));
    let tally = feed(&mut progress, &run()[..count]);
    (term, progress, tally)
}

/// Lets the draw limit pass, so that the next draw is not dropped.
fn settle() {
    std::thread::sleep(Duration::from_millis(60));
}

#[test]
fn the_display_fits_the_terminal() {
    let (_, mut narrowest, tally) = display(1, 9, 65);
    narrowest.tick(&tally).unwrap();
    narrowest.finish(&tally).unwrap();
    for width in [20, 40, 100] {
        let (term, mut progress, tally) = display(width, 9, 65);
        settle();
        progress.tick(&tally).unwrap();
        insta::assert_snapshot!(format!("display_{width}"), term.contents());
        assert_eq!(term.width(), width);
        progress.finish(&tally).unwrap();
        assert!(!term.contents().contains('⠋'), "{}", term.contents());
    }
}

#[test]
fn the_display_shows_deadlines_words_waits_and_ends() {
    let (term, mut progress, tally) = display(100, 5, 65);
    let last = |term: &InMemoryTerm| {
        let contents = term.contents();
        contents.lines().rev().take(2).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let in_a_while = Instant::now() + Duration::from_secs(1_690);
    settle();
    progress.live(&Live::NextDeadline(Some((Deadline::Timeout, in_a_while))), &tally).unwrap();
    settle();
    progress.live(&Live::Text("one\ntwo \x1b[2Jwords".to_owned()), &tally).unwrap();
    let shown = last(&term);
    assert_eq!(shown[0], "two words");
    assert!(
        shown[1].contains("round 1/10 · 1m 05s · 0 tools · spend not yet known · timeout in 28m"),
        "{shown:?}"
    );
    settle();
    progress.live(&Live::Ending("round.timeout is over".to_owned()), &tally).unwrap();
    assert_eq!(last(&term)[0], "ending: round.timeout is over");

    let (term, mut progress, tally) = display(100, 19, 70);
    settle();
    progress.tick(&tally).unwrap();
    assert_eq!(last(&term)[0], "28s to wait: back-off");
}

#[test]
fn the_display_is_gone_at_the_end_and_the_lines_stay() {
    let events = run();
    let (term, mut progress, tally) = display(100, events.len(), 92);
    progress.finish(&tally).unwrap();
    let contents = term.contents();
    assert!(contents.trim_end().ends_with("runs/x"), "{contents}");
    assert!(!contents.contains("deciding"), "{contents}");
}

#[test]
fn page_of_a_live_a_dead_and_a_finished_run() {
    let events = run();
    let tally = fold(&events[..9]);
    let mut live = view(&tally, RunState::Live, 10);
    live.deadlines = vec![("round.timeout".to_owned(), Duration::from_secs(1_690))];
    insta::assert_snapshot!("page_live", page(&live, false, 80));
    let mut dead = view(&tally, RunState::Dead, 4_000);
    dead.torn_bytes = 17;
    insta::assert_snapshot!("page_dead", page(&dead, false, 80));
    let tally = fold(&events);
    insta::assert_snapshot!("page_finished", page(&view(&tally, RunState::Finished, 4_000), false, 80));
}

#[test]
fn a_run_without_events_has_a_page() {
    let tally = Tally::default();
    let text = page(&view(&tally, RunState::Dead, 0), false, 80);
    assert!(text.contains("start it anew"), "{text}");
    assert_eq!(select(&snapshot(&view(&tally, RunState::Dead, 0)), "run"), Ok(json!(null)));
}

#[test]
fn list_of_runs() {
    let unknown = Spend { usd_known: false, ..Spend::default() };
    let row = |run: &str, state, outcome, spend| RunRow {
        run: run.to_owned(),
        state,
        outcome,
        rounds: 2,
        spend,
        task: "Make the\ntests pass".to_owned(),
    };
    let rows = [
        row("20261121T024501Z-run-k3f9", RunState::Finished, Some(RunOutcome::Delivered), Spend::default()),
        row("20261121T024502Z-supervise-aaaa", RunState::Dead, None, unknown),
    ];
    insta::assert_snapshot!("runs", runs_table(&rows, false, 100));
}

#[test]
fn snapshot_says_what_is_not_known() {
    let events = run();
    let tally = fold(&events);
    let value = snapshot(&view(&tally, RunState::Finished, 4_000));
    insta::assert_snapshot!("snapshot_finished", serde_json::to_string_pretty(&value).unwrap());
    assert_eq!(select(&value, "schema"), Ok(json!(1)));
    assert_eq!(select(&value, "spend.usd"), Ok(json!(null)));
    assert_eq!(select(&value, "spend.usd_known"), Ok(json!(false)));
    assert_eq!(select(&value, "left.usd"), Ok(json!(null)));
    assert_eq!(select(&value, "left.rounds"), Ok(json!(8)));
    assert_eq!(select(&value, "rounds.-2.exit_code"), Ok(json!(0)));
    assert_eq!(select(&value, "rounds.-1.check.delivered"), Ok(json!(true)));
}

#[test]
fn snapshot_of_an_open_round_knows_its_price_so_far() {
    let events = run();
    let tally = fold(&events[..12]);
    let value = snapshot(&view(&tally, RunState::Live, 65));
    assert_eq!(select(&value, "spend.usd"), Ok(json!(0.12)));
    assert_eq!(select(&value, "round.elapsed_s"), Ok(json!(65.0)));
    assert_eq!(select(&value, "left.wall_s"), Ok(json!(3535.0)));
    assert_eq!(select(&value, "in_doubt"), Ok(json!([])));
    let dead = snapshot(&view(&tally, RunState::Dead, 65));
    assert_eq!(select(&dead, "in_doubt"), Ok(json!(["round 1: attempt 1"])));
}

#[test]
fn what_a_killed_agent_has_consumed_is_not_known() {
    let events = run();
    let tally = fold(&events[..9]);
    let value = snapshot(&view(&tally, RunState::Dead, 65));
    assert_eq!(select(&value, "spend.usd"), Ok(json!(null)));
    assert_eq!(select(&value, "spend.usd_known"), Ok(json!(false)));
    assert_eq!(select(&value, "left.usd"), Ok(json!(null)));
}

#[test]
fn a_wrong_path_names_the_segment_and_what_is_there() {
    let value = json!({"a": {"b": [1, 2]}, "n": null, "e": []});
    let error = |path| select(&value, path).unwrap_err();
    assert_eq!(error("x"), "no `x` in the snapshot; it has: a, n, e");
    assert_eq!(error("a.c"), "no `c` in `a`; it has: b");
    assert_eq!(error("a.b.2"), "no `2` in `a.b`; it is a list of 2: use 0 to 1, or -1 to -2");
    assert_eq!(error("a.b.-3"), "no `-3` in `a.b`; it is a list of 2: use 0 to 1, or -1 to -2");
    assert_eq!(error("a.b.-0.x"), "no `-0` in `a.b`; it is a list of 2: use 0 to 1, or -1 to -2");
    assert_eq!(error("n.x"), "no `x` in `n`; it is null");
    assert_eq!(error("e.-1"), "no `-1` in `e`; it is an empty list");
    assert_eq!(error("a.b.0.x"), "no `x` in `a.b.0`; it is a number");
    assert_eq!(error(""), "no `` in the snapshot; it has: a, n, e");
}

/// The sample run with every free text replaced.
fn hostile(texts: &[String]) -> Vec<Event> {
    let mut texts = texts.iter().cycle();
    let mut events = run();
    let wild = json!({"kind": "alert.raised", "alert": texts.next(), "severity": "critical", "message": texts.next()});
    events.insert(events.len() - 1, event(0, 91, &wild));
    for (event, seq) in events.iter_mut().zip(1..) {
        event.seq = crate::event::Seq(seq);
        event.kind.for_each_prose(|text| {
            if let Some(wild) = texts.next() {
                text.clone_from(wild);
            }
        });
        if let crate::event::Kind::ToolCalled(called) = &mut event.kind {
            called.name.clone_from(&called.about);
        }
    }
    events
}

/// Whether every escape in `text` begins one of our own colours, and nothing else in it steers a terminal.
fn harmless(text: &str) -> bool {
    let ours = ["\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"];
    let plain = ours.iter().fold(text.to_owned(), |text, ours| text.replace(ours, ""));
    plain.chars().all(|c| c == '\n' || !c.is_control())
}

fn wild_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        any::<String>(),
        "(\x1b|\u{9b}|\x07|\r|\n|\t|\\[|\\]|[0-9;mJKH漢é\u{202e}]){0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_of_an_agent_reaches_a_terminal_as_a_command(
        texts in proptest::collection::vec(wild_text(), 6),
        colour: bool,
        width in 0usize..200,
        // The emulated terminal itself cannot place a wide character on a single column.
        columns in 2u16..60,
    ) {
        let events = hostile(&texts);
        let look = Look { colour, unicode: true };
        let said = lines(look, Verbosity::Verbose, &events);
        prop_assert!(harmless(&said), "{said:?}");
        prop_assert!(colour || !said.contains('\x1b'));
        let tally = fold(&events[..9]);
        let mut dead = view(&tally, RunState::Dead, 1);
        dead.task.clone_from(&texts[0]);
        dead.workspace.clone_from(&texts[1]);
        let shown = page(&dead, colour, width);
        prop_assert!(harmless(&shown), "{shown:?}");
        for line in shown.lines() {
            prop_assert!(console::measure_text_width(line) <= width.max(20), "{line:?}");
        }

        let term = InMemoryTerm::new(10, columns);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 200);
        let mut progress = Progress::new(target, look, Verbosity::Verbose, "x", Box::new(|| at(3)));
        let tally = feed(&mut progress, &events[..9]);
        progress.live(&Live::Text(texts[2].clone()), &tally).unwrap();
        progress.live(&Live::Ending(texts[3].clone()), &tally).unwrap();
        progress.finish(&tally).unwrap();
    }

    #[test]
    fn any_path_is_answered(path in "[a-z0-9.-]{0,20}") {
        let _ = select(&json!({"a": [[1], {"b": null}]}), &path);
    }
}

/// A run of `supervise` that waits, with all that its loop has to say.
fn supervised() -> Vec<Event> {
    let kinds = [
        (
            0,
            json!({"kind": "run.started", "run": "20261121T024501Z-supervise-k3f9", "verb": "supervise", "profile": "fixer",
            "harness": "claude", "model": null, "checked": false, "task": "Fix it.", "budget": {}, "seed": 0, "pid": 7, "task_sha256": Sha256::of(b"")}),
        ),
        (1, json!({"kind": "round.started", "round": 1, "phase": "build"})),
        (2, json!({"kind": "attempt.started", "round": 1, "attempt": 1})),
        (
            3,
            json!({"kind": "attempt.failed", "attempt": 1, "class": "agent_crash", "scope": "local", "rule": "exit",
            "evidence": "exit code 3", "emitted_output": false}),
        ),
        (
            4,
            json!({"kind": "round.ended", "round": 1, "outcome": "failed", "duration_ms": 3000, "failure": {
            "class": "agent_crash", "scope": "local", "rule": "exit", "evidence": "exit code 3", "emitted_output": false}}),
        ),
        (
            5,
            json!({"kind": "tree.settled", "round": 1, "action": "stashed", "commit": "0123abc", "files": 3}),
        ),
        (
            5,
            json!({"kind": "host.sampled", "round": 1, "mem_available_mb": 1536, "memory_full_avg10": 2.4,
            "disk_used_pct": 91.2, "load_1m": 0.5, "agent_rss_mb": 300, "oom_kills": 1}),
        ),
        (6, json!({"kind": "steer.requested", "id": "s1", "text": "use\ttabs\u{1b}[2J"})),
        (
            7,
            json!({"kind": "wait.started", "reason": "1 crash in a row", "until": at(67), "cause": "backoff"}),
        ),
    ];
    kinds.iter().zip(1..).map(|((seconds, kind), seq)| event(seq, *seconds, kind)).collect()
}

#[test]
fn the_page_of_a_supervised_run() {
    let tally = fold(&supervised());
    insta::assert_snapshot!("page_supervised", page(&view(&tally, RunState::Live, 20), false, 100));
    let dead = page(&view(&tally, RunState::Dead, 20), false, 100);
    assert!(dead.contains("provost supervise, with the same profile and task"), "{dead}");
}

/// G12: what is declared is filled.
#[test]
fn a_snapshot_has_what_the_loop_knows() {
    let tally = fold(&supervised());
    let value = snapshot(&view(&tally, RunState::Live, 20));
    let of = |path: &str| select(&value, path).unwrap();
    assert_eq!(of("wait.cause"), "backoff");
    assert_eq!(of("streak.crashes"), 1);
    assert_eq!(of("tree.action"), "stashed");
    assert_eq!(of("orphan.commit"), "0123abc");
    assert_eq!(of("steers.0.id"), "s1");
    assert_eq!(of("host.disk_used_pct"), 91.2);
    assert_eq!(of("rounds.-1.phase"), "build");
}
