//! Rows C1 to C14: what an agent says of its own retries, and what becomes of it. What each harness makes of the words is in
//! tables of its own.

use super::stage::{ONCE, asked, candidates, chain, classes, ends, story, switches};
use super::{Row, row};
use crate::support::sandbox::of_kind;

const HERE: &str = "tests/it/rows/signals.rs";
const WORDS: (&str, &str) = ("tests/it/rows/dialects.rs", "each_signal_is_heard_in_the_words_of_each_agent");
const STATUS: (&str, &str) = (
    "src/backend/opencode/tests/rows/signals.rs",
    "each_row_of_signals_is_told_once_and_ends_what_cannot_be_helped",
);
const MESSAGES: (&str, &str) =
    ("src/backend/opencode/tests/rows.rs", "each_row_of_messages_says_what_it_should");
const BY_ITS_END: &str = "words of the model's are never a signal; what an agent says of its own loop is";

pub(super) const ROWS: &[Row] = &[
    row("C1", "a wait of two weeks", &[WORDS, STATUS]),
    row("C2", "a limit of a plan, in half a minute", &[WORDS, STATUS]),
    Row { decided: BY_ITS_END, ..row("C3", "a signal in a text", &[WORDS, STATUS, MESSAGES]) },
    Row {
        decided: "there is no clock to switch off: an agent's own retries are borne for as long as `retry.wait` says, and a chain is left alone meanwhile",
        ..row(
            "C4",
            "retries that are borne",
            &[(HERE, "an_agents_own_retries_are_borne_within_the_wait_of_a_turn")],
        )
    },
    row("C5", "ticks of one countdown", &[WORDS, STATUS]),
    row(
        "C6",
        "the number rises",
        &[STATUS, (HERE, "an_agents_own_retries_are_borne_within_the_wait_of_a_turn")],
    ),
    row(
        "C7",
        "a signal of a candidate that has not answered yet",
        &[(HERE, "a_candidate_that_is_refused_before_it_answers_is_passed_by")],
    ),
    row(
        "C8",
        "a signal of one that goes on for ever",
        &[(HERE, "a_candidate_that_is_refused_before_it_answers_is_passed_by")],
    ),
    row("C9", "words that nobody knows", &[WORDS, STATUS]),
    row(
        "C10",
        "the same signal again, after an answer",
        &[STATUS, (HERE, "what_was_waited_is_forgotten_with_the_turn")],
    ),
    row("C11", "a usage quota", &[WORDS, STATUS]),
    row("C12", "a status that says that all is well", &[WORDS, STATUS]),
    row("C13", "words and an error, an error alone", &[WORDS, MESSAGES]),
    row("C14", "no error, or one of what the user said", &[WORDS, MESSAGES]),
];

#[test]
fn an_agents_own_retries_are_borne_within_the_wait_of_a_turn() {
    let patient =
        "begin; retries 1 429 rate_limit 100; retries 2 529 overloaded 200; sleep 0.3; say fine; result fine";
    let sandbox = chain(&[("a", patient), ("b", "answer never")], ONCE);
    let events = ends(&sandbox, 0, "fine");
    assert_eq!(
        (of_kind(&events, "attempt.retrying").len(), asked(&sandbox, "b")),
        (2, 0),
        "{}",
        story(&events)
    );
    // The second announcement does not fit, and nobody waits until it has come true.
    let slow = "begin; retries 1 529 overloaded 600; retries 2 529 overloaded 600; exec sleep 60";
    let sandbox = chain(&[("a", slow), ("b", "answer fine")], &format!("{ONCE}wait = \"1s\"\n"));
    let events = ends(&sandbox, 0, "fine");
    assert_eq!(classes(&events), ["overloaded"], "{}", story(&events));
    assert_eq!((asked(&sandbox, "a"), asked(&sandbox, "b")), (1, 1));
}

#[test]
fn a_candidate_that_is_refused_before_it_answers_is_passed_by() {
    let refused = "begin; retries 1 401 authentication_failed 500; exec sleep 60";
    // Not a word of its own: it is in the middle of being asked.
    let silent = "retries 1 402 billing_error 500; exec sleep 60";
    let sandbox = chain(&[("a", refused), ("b", silent), ("c", "answer fine")], ONCE);
    let events = ends(&sandbox, 0, "fine");
    assert_eq!(candidates(&events), [0, 1, 2], "{}", story(&events));
    assert_eq!(classes(&events), ["auth", "quota_exhausted"]);
    // Who has never taken the request has not become the one that works.
    assert_eq!(switches(&events), [("claude a/m", "claude c/m")]);
    let causes: Vec<&str> =
        of_kind(&events, "agent.exited").iter().map(|exited| exited["cause"].as_str().unwrap()).collect();
    assert_eq!(causes, ["stopped", "stopped", "clean"]);
}

#[test]
fn what_was_waited_is_forgotten_with_the_turn() {
    let retries = "begin; retries 1 529 overloaded 700; say fine; result fine; echo x >> wall.txt";
    let check =
        "[check]\ncommand = [\"sh\", \"-c\", \"[ $(wc -l < wall.txt) = 2 ]\"]\n[budget]\nrounds = 3\n";
    let sandbox = chain(&[("a", retries), ("b", "answer never")], &format!("{ONCE}wait = \"1s\"\n{check}"));
    let events = ends(&sandbox, 0, "fine");
    assert_eq!(of_kind(&events, "attempt.retrying").len(), 2, "{}", story(&events));
    assert_eq!((of_kind(&events, "round.ended").len(), asked(&sandbox, "b")), (2, 0));
}
