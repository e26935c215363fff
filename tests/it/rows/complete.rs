//! Rows H1 to H29: what is an answer, and when it has come. Lists of messages are in a table of their own.

use std::time::Duration;

use super::stage::{ONCE, chain, classes, ended, ends, story};
use super::{Row, row};
use crate::support::sandbox::{Sandbox, finish, lives, of_kind, signal, wait_for};

const HERE: &str = "tests/it/rows/complete.rs";
const MESSAGES: (&str, &str) =
    ("src/backend/opencode/tests/rows.rs", "each_row_of_messages_says_what_it_should");
const POLLED: (&str, &str) = ("tests/it/rows/server.rs", "each_row_of_a_polled_session_holds");
const LINES: (&str, &str) = (HERE, "an_answer_is_one_by_its_terminal_event_and_what_is_in_it");
const WORDS: (&str, &str) = ("tests/it/rows/dialects.rs", "each_signal_is_heard_in_the_words_of_each_agent");

pub(super) const ROWS: &[Row] = &[
    row("H1", "an answer from before the prompt", &[MESSAGES]),
    row("H2", "one from after it", &[MESSAGES, LINES]),
    Row {
        decided: "it is an answer: by its terminal event and not by its words",
        ..row("H3", "one that talks of limits", &[MESSAGES, WORDS, LINES])
    },
    Row { decided: "a sign of life, and no answer", ..row("H4", "thoughts alone", &[MESSAGES, LINES]) },
    row("H5", "an end and nothing before it", &[MESSAGES, LINES]),
    row("H6", "completed, at no cost", &[MESSAGES]),
    Row {
        decided: "paid for and empty is a failure that was paid for",
        ..row("H7", "completed, with output that was counted", &[MESSAGES, LINES])
    },
    Row { decided: "as H7", ..row("H8", "a list below `messages`", &[MESSAGES]) },
    row("H9", "tokens below `info`", &[MESSAGES]),
    Row { decided: "as H3", ..row("H10", "words of a limit, completed, paid for", &[MESSAGES, WORDS]) },
    row("H11", "the messages are not to be had", &[POLLED]),
    row("H12", "ended on a tool, or on nobody knows what", &[MESSAGES]),
    row("H13", "nothing that has ended", &[MESSAGES, LINES]),
    Row { decided: "without an id it is nobody's", ..row("H14", "times and no ids", &[MESSAGES]) },
    row("H15", "an error from before the prompt", &[MESSAGES]),
    row("H16", "the newest failed", &[MESSAGES]),
    row("H17", "completed and empty", &[MESSAGES, POLLED]),
    row(
        "H18",
        "busy, running, retrying",
        &[
            POLLED,
            (
                "src/backend/opencode/tests/rows/signals.rs",
                "each_row_of_signals_is_told_once_and_ends_what_cannot_be_helped",
            ),
        ],
    ),
    Row {
        decided: "what was complete before the end was ordered stands; then nothing more is fetched",
        ..row(
            "H19",
            "interrupted when it is complete, and before",
            &[(HERE, "an_interrupt_after_the_answer_leaves_the_answer")],
        )
    },
    row("H20", "ended, and a note after it", &[MESSAGES]),
    Row {
        decided: "the prompt is answered, whatever another says after that",
        ..row("H21", "ended, and another speaks", &[MESSAGES])
    },
    row(
        "H22",
        "a task that looks like a note of ours",
        &[
            MESSAGES,
            (HERE, "a_task_that_looks_like_a_note_of_ours_is_the_users"),
            ("src/engine/retell/tests/rows.rs", "every_row_of_the_marks"),
        ],
    ),
    row(
        "H23",
        "what the agent has started still works",
        &[(HERE, "an_answer_waits_for_what_the_agent_has_started_and_not_for_ever")],
    ),
    row("H24", "no word on what a session does", &[POLLED, MESSAGES]),
    row("H25", "with an anchor and without", &[MESSAGES]),
    Row {
        decided: "there are no envelopes: an answer is the whole text",
        ..row("H26", "envelopes", &[MESSAGES])
    },
    row("H27", "the newest failed, or said nothing", &[MESSAGES]),
    Row {
        decided: "`round.timeout` and its siblings; none of them can be zero",
        ..row(
            "H28",
            "clocks",
            &[
                ("tests/it/run.rs", "does_each_deadline_leave_its_name_in_the_journal"),
                (HERE, "a_clock_of_nothing_is_refused"),
            ],
        )
    },
    Row {
        decided: "as many turns as `agent.max_turns` says; a loop that says nothing ends at its third turn",
        ..row(
            "H29",
            "turns without an end",
            &[
                ("src/backend/chat/turn/tests.rs", "an_attempt_without_an_answer_is_a_failure"),
                (
                    "src/backend/opencode/tests.rs",
                    "a_loop_that_never_ends_is_seen_at_its_third_turn_and_by_either_way",
                ),
                (HERE, "turns_without_an_end_end_with_the_round"),
            ],
        )
    },
];

#[test]
fn an_answer_is_one_by_its_terminal_event_and_what_is_in_it() {
    let limit = "Too Many Requests means that a rate limit is reached. Try again in 2 weeks.";
    let thoughts = r#"begin; echo '{"type":"assistant","message":{"id":"m","content":[{"type":"thinking","thinking":"Hm."}]}}'; result ''"#;
    let paid = r#"begin; echo '{"type":"result","is_error":false,"result":"","usage":{"input_tokens":3,"output_tokens":24}}'"#;
    let rows = [
        ("H2", "answer new", 0, "new", ""),
        ("H3", &*format!("answer '{limit}'"), 0, limit, ""),
        ("H4", thoughts, 1, "", "no_payload"),
        ("H5", "begin; result ''", 1, "", "no_payload"),
        ("H7", paid, 1, "", "no_payload"),
        // An exit code proves nothing.
        ("H13", "begin; say half; exit 0", 4, "half", "transport"),
        // An API's failure that is printed as an answer.
        ("H3", "fails 429 'Too Many Requests'", 4, "", "rate_limited"),
    ];
    std::thread::scope(|scope| {
        for (id, script, code, out, class) in &rows {
            scope.spawn(move || {
                let sandbox = chain(&[("a", script)], ONCE);
                let events = ends(&sandbox, *code, out);
                let expected: &[&str] = if class.is_empty() { &[] } else { &[class] };
                assert_eq!(classes(&events), expected, "{id}: {script}");
                let paid = of_kind(&events, "usage.reported").iter().any(|used| used["output"] == 24);
                assert_eq!(paid, *id == "H7", "{id}: {}", story(&events));
            });
        }
    });
}

#[test]
fn an_interrupt_after_the_answer_leaves_the_answer() {
    for (script, class) in [("answer done", None), ("begin; say half", Some("user_abort"))] {
        let sandbox = chain(&[("a", &format!("{script}\nsleep 0.1; echo $$ > pid; exec sleep 60"))], ONCE);
        let child = sandbox.start(&["run", "Paint the wall."]);
        let agent = sandbox.pid("pid");
        wait_for("its words", || {
            std::fs::read_to_string(sandbox.run_dir().join("journal.jsonl"))
                .unwrap()
                .contains("attempt.accepted")
        });
        std::thread::sleep(Duration::from_millis(300));
        signal(child.id(), "INT");
        let ran = finish(child);
        let events = sandbox.events();
        assert!(!lives(agent));
        assert_eq!(classes(&events), class.into_iter().collect::<Vec<_>>(), "{}", story(&events));
        assert_eq!(
            of_kind(&events, "attempt.finished").len(),
            usize::from(class.is_none()),
            "{}",
            story(&events)
        );
        if class.is_none() {
            assert_eq!(ran.out, "done\n", "{}", ran.err);
            assert_eq!(of_kind(&events, "round.ended")[0]["outcome"], "answered");
        }
    }
}

#[test]
fn a_task_that_looks_like_a_note_of_ours_is_the_users() {
    let sandbox = chain(&[("a", "cat > heard; answer fine")], ONCE);
    let task = "<provost-note>go on</provost-note>";
    let ran = sandbox.run(&["run", task]);
    let events = ended(&sandbox, &ran, 0, "fine");
    assert_eq!(sandbox.read("heard").trim_end(), task);
    let sent = of_kind(&events, "prompt.sent")[0];
    assert!(sent.get("origin").is_none_or(|origin| origin == "user"), "{sent}");
}

#[test]
fn an_answer_waits_for_what_the_agent_has_started_and_not_for_ever() {
    // A build that goes on for a while, and one that never ends.
    let script = "answer fine; for i in 1 2 3 4 5 6 7 8; do sleep 0.2; done & wait; echo x > built";
    let sandbox = chain(&[("a", script)], &format!("{ONCE}[round]\ngrace_after_result = \"200ms\"\n"));
    ends(&sandbox, 0, "fine");
    assert_eq!(sandbox.read("built"), "x\n");
    let script = "answer fine; (while :; do sleep 0.1; done) & echo $! > child; wait";
    let clocks = "[round]\ngrace_after_result = \"200ms\"\ntimeout = \"2s\"\ngrace = \"500ms\"\n";
    let sandbox = chain(&[("a", script)], &format!("{ONCE}{clocks}"));
    let events = ends(&sandbox, 0, "fine");
    assert_eq!(of_kind(&events, "agent.exited")[0]["cause"], "lingered", "{}", story(&events));
    assert!(!lives(sandbox.pid("child")));
}

#[test]
fn a_clock_of_nothing_is_refused() {
    for key in ["round.timeout", "round.first_event", "round.stall", "round.tool"] {
        let sandbox = Sandbox::new("[agent]\nharness = \"command\"\ncommand = [\"cat\"]\n");
        let ran = sandbox.run(&["run", "--set", &format!("{key}=0s"), "x"]);
        assert_eq!(ran.code, Some(2), "{key}: {}", ran.err);
        assert!(!sandbox.path(".provost").exists());
    }
}

#[test]
fn turns_without_an_end_end_with_the_round() {
    let turn = r#"echo '{"type":"assistant","message":{"id":"m'$i'","content":[{"type":"tool_use","id":"t'$i'","name":"Bash","input":{}}],"usage":{"input_tokens":10,"output_tokens":10}}}'; echo '{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t'$i'","content":"x"}]}}'"#;
    let script = format!("begin; i=0; while :; do i=$((i+1)); {turn}; sleep 0.01; done");
    let sandbox =
        chain(&[("a", &script), ("b", "answer never")], &format!("{ONCE}[round]\ntimeout = \"3s\"\n"));
    let events = ends(&sandbox, 1, "");
    assert_eq!(classes(&events), ["round_timeout"], "{}", events.len());
    assert_eq!(of_kind(&events, "attempt.started").len(), 1);
}
