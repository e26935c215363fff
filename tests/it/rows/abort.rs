//! Rows E1 to E12: who has ended an attempt, and what follows; and what else only a user does (B23, D4).

use super::stage::{ONCE, asked, candidates, chain, classes, ended, ends, story, switches};
use super::{Row, row};
use crate::support::sandbox::{finish, lives, of_kind, signal, wait_for};

const HERE: &str = "tests/it/rows/abort.rs";
const BY_CONSTRUCTION: &str =
    "there is no flag: the attempt that is ended keeps the reason, and it ends with the attempt";
const NO_RESERVATION: &str = "an attempt gives back its own place at the gate, by its name, and no other";

pub(super) const ROWS: &[Row] = &[
    Row {
        decided: BY_CONSTRUCTION,
        ..row(
            "E1",
            "ended by us: the state stays",
            &[(HERE, "an_end_of_ours_goes_on_along_the_chain_and_counts")],
        )
    },
    row(
        "E2",
        "ended by the user: no fallback, and from the primary when it goes on",
        &[(HERE, "an_interrupt_ends_the_turn_whoever_is_at_work")],
    ),
    row(
        "D4",
        "ended by the user while it waits",
        &[
            ("tests/it/run.rs", "does_a_run_that_is_interrupted_while_it_waits_go_on_when_asked"),
            (HERE, "an_interrupt_ends_the_turn_whoever_is_at_work"),
        ],
    ),
    Row {
        decided: "the model is the profile's: with another one it is another run, and one that is taken up keeps its own",
        ..row(
            "B23",
            "the user takes another model",
            &[
                (HERE, "another_model_of_the_users_begins_anew"),
                ("tests/it/run.rs", "does_the_same_call_with_out_do_nothing_twice"),
            ],
        )
    },
    row(
        "E3",
        "ended by us twice: two are counted",
        &[(HERE, "an_end_of_ours_goes_on_along_the_chain_and_counts")],
    ),
    row(
        "E4",
        "nothing moves after the interrupt until it is asked for",
        &[(HERE, "an_interrupt_ends_the_turn_whoever_is_at_work")],
    ),
    Row {
        decided: NO_RESERVATION,
        ..row(
            "E5",
            "its own reservation is given back",
            &[
                ("src/engine/gate/tests.rs", "every_row_of_the_gate"),
                (HERE, "an_end_of_ours_goes_on_along_the_chain_and_counts"),
            ],
        )
    },
    Row {
        decided: NO_RESERVATION,
        ..row("E6", "the user's is not", &[("src/engine/gate/tests.rs", "every_row_of_the_gate")])
    },
    Row {
        decided: BY_CONSTRUCTION,
        ..row(
            "E7",
            "an end of ours is not taken for a later one of the user's",
            &[(HERE, "an_end_of_ours_leaves_nothing_behind_that_hides_the_users")],
        )
    },
    row("E8", "a deadline is ours", &[(HERE, "an_end_of_ours_leaves_nothing_behind_that_hides_the_users")]),
    row(
        "E9",
        "what an earlier attempt still says",
        &[(HERE, "what_an_earlier_attempt_still_says_changes_nothing")],
    ),
    row("E10", "two writers", &[(HERE, "the_next_agent_starts_when_all_of_the_one_before_is_gone")]),
    Row {
        decided: "who is delegated to and who is not is the same here; a quota does not come back while one waits",
        ..row(
            "E11",
            "a quota and no chain: ended once",
            &[(HERE, "without_a_chain_only_what_cannot_help_is_ended")],
        )
    },
    row(
        "E12",
        "a limit that passes and no chain: not ended",
        &[(HERE, "without_a_chain_only_what_cannot_help_is_ended")],
    ),
];

const SILENT: &str = "begin; exec sleep 60";
const QUICK: &str = "[round]\nfirst_event = \"500ms\"\ngrace = \"2s\"\n";

#[test]
fn an_end_of_ours_goes_on_along_the_chain_and_counts() {
    let agents = [("a", SILENT), ("b", SILENT), ("c", "answer fine")];
    // Retries on the same candidate count, too; the third failure of the same words is the last one anywhere.
    let sandbox = chain(&agents[..2], &format!("{QUICK}[retry]\nsame_model = 1\n"));
    let events = ends(&sandbox, 1, "");
    assert_eq!(candidates(&events), [0, 0, 1], "{}", story(&events));
    // One switch is allowed, and who comes after that would have answered.
    let sandbox = chain(&agents, &format!("{QUICK}{ONCE}max_fallbacks = 1\n"));
    let events = ends(&sandbox, 1, "");
    assert_eq!(candidates(&events), [0, 1], "{}", story(&events));
    assert_eq!(classes(&events), ["first_event_timeout"; 2]);
    assert_eq!(events.last().unwrap()["outcome"], "agent_failed");
    let sandbox = chain(&agents, &format!("{QUICK}{ONCE}"));
    let events = ends(&sandbox, 0, "fine");
    assert_eq!(candidates(&events), [0, 1, 2]);
}

#[test]
fn an_interrupt_ends_the_turn_whoever_is_at_work() {
    let works = "begin; [ -e go ] && { say done; result done; exit; }; echo $$ > pid; exec sleep 60";
    for (first, at) in [(works, 0), ("fails 503 overloaded", 1)] {
        let sandbox = chain(&[("a", first), ("b", works), ("c", "answer never")], ONCE);
        let child = sandbox.start(&["run", "Paint the wall."]);
        let agent = sandbox.pid("pid");
        signal(child.id(), "INT");
        let ran = finish(child);
        let events = ended(&sandbox, &ran, 130, "");
        assert!(!lives(agent));
        assert_eq!(*candidates(&events).last().unwrap(), at, "{}", story(&events));
        assert_eq!(*classes(&events).last().unwrap(), "user_abort");
        assert_eq!(of_kind(&events, "round.ended")[0]["outcome"], "stopped");
        assert_eq!(events.last().unwrap()["outcome"], "interrupted");
        assert_eq!(asked(&sandbox, "c"), 0);
        // A primary that has just failed is no better than it was.
        sandbox.write("go", "");
        let ran = sandbox.run(&["run", "--resume", sandbox.run_dir().to_str().unwrap()]);
        let events = ended(&sandbox, &ran, 0, "done");
        assert_eq!(*candidates(&events).last().unwrap(), at, "{}", story(&events));
        assert_eq!(asked(&sandbox, "c"), 0);
    }
}

#[test]
fn an_end_of_ours_leaves_nothing_behind_that_hides_the_users() {
    let works = "begin; say hm; echo $$ > pid; exec sleep 60";
    let sandbox = chain(&[("a", SILENT), ("b", works), ("c", "answer never")], &format!("{QUICK}{ONCE}"));
    let child = sandbox.start(&["run", "Paint the wall."]);
    sandbox.pid("pid");
    signal(child.id(), "INT");
    let ran = finish(child);
    let events = ended(&sandbox, &ran, 130, "hm");
    assert_eq!(classes(&events), ["first_event_timeout", "user_abort"], "{}", story(&events));
    assert_eq!(asked(&sandbox, "c"), 0);
}

/// Refused for its key, heeds no TERM, and has started somebody who goes on.
fn stubborn(goes_on: &str) -> String {
    format!(
        "trap '' TERM\nbegin\nsetsid sh -c \"trap '' TERM HUP; {goes_on}\" &\nsleep 0.2\n\
         retries 1 401 authentication_failed 1000\nwhile :; do sleep 0.05; done"
    )
}

#[test]
fn what_an_earlier_attempt_still_says_changes_nothing() {
    let late = r#"echo '{\"type\":\"assistant\",\"message\":{\"id\":\"late\",\"content\":[{\"type\":\"text\",\"text\":\"late\"}]}}'"#;
    let a = stubborn(&format!("while :; do {late}; sleep 0.02; done"));
    let b = "begin; sleep 0.5; say 'of b'; result 'of b'";
    let sandbox = chain(&[("a", &a), ("b", b)], &format!("[round]\ngrace = \"300ms\"\n{ONCE}"));
    let events = ends(&sandbox, 0, "of b");
    assert_eq!(classes(&events), ["auth"], "{}", story(&events));
    let second = events.iter().rposition(|event| event["kind"] == "attempt.started").unwrap();
    let turns = of_kind(&events[second..], "turn.ended");
    assert!(turns.iter().all(|turn| turn["preview"] == "of b"), "{turns:?}");
    let log = std::fs::read_to_string(sandbox.run_dir().join("rounds/root-1.log")).unwrap();
    assert!(log.contains("late"), "it did not go on at all: {log}");
    assert!(!log.split_once("of b").unwrap().1.contains("late"));
}

#[test]
fn the_next_agent_starts_when_all_of_the_one_before_is_gone() {
    let a = stubborn("echo \\$\\$ > writer; while :; do echo x >> grows; sleep 0.01; done");
    let b = "wc -c < grows > first; sleep 0.5; wc -c < grows > then; answer fine";
    let sandbox = chain(&[("a", &a), ("b", b)], &format!("[round]\ngrace = \"300ms\"\n{ONCE}"));
    let events = ends(&sandbox, 0, "fine");
    let (first, then) = (sandbox.read("first"), sandbox.read("then"));
    assert!(first.trim().parse::<u64>().unwrap() > 0, "it has never written");
    assert_eq!(first, then, "two writers at once");
    assert!(!lives(sandbox.pid("writer")));
    assert_eq!(switches(&events), [("claude a/m", "claude b/m")], "{}", story(&events));
    let exited = events.iter().position(|event| event["kind"] == "agent.exited").unwrap();
    let second = events.iter().rposition(|event| event["kind"] == "attempt.started").unwrap();
    assert!(exited < second);
}

#[test]
fn without_a_chain_only_what_cannot_help_is_ended() {
    let quota = "trap 'echo t >> terms; exit 143' TERM\nbegin; retries 1 402 billing_error 100\n\
                 while :; do sleep 0.02; done";
    let sandbox = chain(&[("a", quota)], "");
    let events = ends(&sandbox, 4, "");
    assert_eq!(classes(&events), ["quota_exhausted"], "{}", story(&events));
    assert_eq!(of_kind(&events, "agent.exited")[0]["cause"], "stopped");
    assert_eq!(sandbox.read("terms"), "t\n");
    let limit = "begin; retries 1 429 rate_limit 100; sleep 0.1; retries 2 429 rate_limit 200; sleep 0.2\n\
                 say fine; result fine";
    let sandbox = chain(&[("a", limit)], "");
    let events = ends(&sandbox, 0, "fine");
    assert_eq!(classes(&events), [""; 0], "{}", story(&events));
    assert_eq!(of_kind(&events, "attempt.retrying").len(), 2);
    assert_eq!(of_kind(&events, "agent.exited")[0]["cause"], "clean");
    wait_for("its end", || asked(&sandbox, "a") == 1);
}

#[test]
fn another_model_of_the_users_begins_anew() {
    let a = "case \" $* \" in *' --model n '*) answer 'of n';; *) fails 401 'no such key';; esac";
    let sandbox = chain(&[("a", a), ("b", "answer fine")], ONCE);
    assert_eq!(sandbox.run(&["run", "--out", "first", "Paint the wall."]).out, "fine\n");
    // The primary of before is refused for good, and nothing of that is held against another provider's.
    let ran = sandbox.run(&["run", "--set", "agent.model=x/n", "Paint the wall."]);
    let events = ended(&sandbox, &ran, 0, "of n");
    assert_eq!(candidates(&events), [0], "{}", story(&events));
    assert_eq!(of_kind(&events, "attempt.started")[0]["model"], "x/n");
}
