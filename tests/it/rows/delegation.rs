//! Rows I1 to I16: a child that is delegated to. Nobody delegates yet; what is said of a child's turn and of its parent holds
//! of a run and of its caller here, and the same engine will drive the children.

use super::stage::{ONCE, asked, candidates, chain, classes, ended, ends, story, switches};
use super::{Row, row};
use crate::support::sandbox::{Sandbox, of_kind};

const HERE: &str = "tests/it/rows/delegation.rs";
const NO_CHILDREN: &str =
    "there is no delegation before `supervise`: what is said of a child holds of an attempt";
const ALONG: (&str, &str) = (HERE, "what_fails_goes_along_the_chain_and_its_last_failure_is_returned");
const GATE: (&str, &str) = ("src/engine/gate/tests.rs", "every_row_of_the_gate");

pub(super) const ROWS: &[Row] = &[
    row("I1", "a prompt that cannot be sent", &[ALONG]),
    row("I2", "the chain is used up", &[ALONG]),
    Row {
        decided: "queued behind what is out, and told of its end",
        ..row("I3", "the gate is not free", &[GATE])
    },
    Row {
        decided: "a new attempt in place of a new child; who works is said by `fallback.switched` and by peek",
        ..row(
            "I4",
            "fails while it works: another one, and who works is published, even if that one fails as well",
            &[(HERE, "who_goes_on_is_published_even_if_that_fails_as_well")],
        )
    },
    Row { decided: NO_CHILDREN, ..row("I5", "a quota, and a chain", &[ALONG]) },
    Row {
        decided: NO_CHILDREN,
        ..row(
            "I6",
            "no chain: an error, and nobody is started",
            &[(HERE, "without_a_chain_nobody_else_is_started")],
        )
    },
    row(
        "I7",
        "words of an abort, with a result and without",
        &[(HERE, "words_of_an_abort_are_no_abort_and_a_result_stands")],
    ),
    Row {
        decided: "what is reserved is a place at the account and a round of the budget; both are given back with the attempt",
        ..row(
            "I8",
            "it cannot be started: what was reserved is given back",
            &[
                (
                    "src/backend/account/tests.rs",
                    "an_answer_about_the_request_opens_and_an_abort_decides_nothing",
                ),
                (HERE, "what_cannot_be_started_gives_back_what_was_reserved"),
            ],
        )
    },
    Row {
        decided: "no depth but the first: whoever asks to delegate is refused, in words",
        ..row("I9", "too deep", &[(HERE, "delegation_is_refused_and_not_ignored")])
    },
    Row {
        decided: "by what the session holds, and not by the name of an agent",
        ..row(
            "I10",
            "an end of the connection after the prompt",
            &[("tests/it/rows/server.rs", "each_row_of_a_polled_session_holds")],
        )
    },
    row("I11", "a request that is wrong", &[(HERE, "a_request_that_is_wrong_is_wrong_anywhere_and_is_said")]),
    Row {
        decided: "nobody is asked whom the profile does not name: a suggestion is shown, and the chain goes on",
        ..row(
            "I12",
            "no such model, but another is suggested",
            &[(HERE, "a_suggested_model_is_shown_and_not_asked")],
        )
    },
    row(
        "I13",
        "a prompt that hangs",
        &[("tests/it/rows/abort.rs", "an_end_of_ours_goes_on_along_the_chain_and_counts")],
    ),
    row(
        "I14",
        "two writers on one worktree",
        &[("tests/it/rows/abort.rs", "the_next_agent_starts_when_all_of_the_one_before_is_gone")],
    ),
    Row {
        decided: "a run that has ended is at its end: its caller was told",
        ..row(
            "I15",
            "nothing moves once the failure was returned",
            &[(HERE, "a_run_that_was_told_to_have_failed_stays_so")],
        )
    },
    Row {
        decided: "there are no teams yet; a chain that could not be walked is refused before the run",
        ..row(
            "I16",
            "nobody to call back",
            &[
                (HERE, "delegation_is_refused_and_not_ignored"),
                ("tests/it/profile_errors.rs", "each_bad_profile_says_what_is_wrong_with_it"),
            ],
        )
    },
];

#[test]
fn what_fails_goes_along_the_chain_and_its_last_failure_is_returned() {
    let unreachable = "begin; echo '{\"type\":\"result\",\"is_error\":true,\"result\":\"API Error: connect ECONNREFUSED\"}'; exit 1";
    for (id, first, class) in [
        ("I1", unreachable, "transport"),
        ("I4", "begin; say half; fails 503 overloaded", "overloaded"),
        ("I5", "fails 402 'credit balance is too low'", "quota_exhausted"),
    ] {
        let sandbox = chain(&[("a", first), ("b", "answer fine")], ONCE);
        let events = ends(&sandbox, 0, "fine");
        assert_eq!(classes(&events), [class], "{id}: {}", story(&events));
        assert_eq!(switches(&events), [("claude a/m", "claude b/m")], "{id}");
        assert_eq!((asked(&sandbox, "a"), asked(&sandbox, "b")), (1, 1), "{id}");
    }
    // I2
    let agents = [("a", "fails 503 overloaded"), ("b", "fails 500 boom"), ("c", "fails 401 'no such key'")];
    let sandbox = chain(&agents, ONCE);
    let events = ends(&sandbox, 4, "");
    assert_eq!(candidates(&events), [0, 1, 2], "{}", story(&events));
    let failure = &of_kind(&events, "round.ended")[0]["failure"];
    assert_eq!((&failure["class"], &failure["evidence"]), (&"auth".into(), &"no such key".into()));
}

#[test]
fn who_goes_on_is_published_even_if_that_fails_as_well() {
    let sandbox = chain(&[("a", "fails 503 overloaded"), ("b", "begin; say half; fails 500 boom")], ONCE);
    let events = ends(&sandbox, 4, "half");
    assert_eq!(switches(&events), [("claude a/m", "claude b/m")], "{}", story(&events));
    let models: Vec<_> =
        of_kind(&events, "attempt.started").iter().map(|event| event["model"].clone()).collect();
    assert_eq!(models, ["a/m", "b/m"]);
    let shown = sandbox.run(&["peek", "--events", "30"]).out;
    assert!(shown.contains("\"to\":\"claude b/m\""), "{shown}");
    assert_eq!(sandbox.run(&["peek", "--select", "goes_on_with"]).out, "claude b/m\n");
    let page = sandbox.run(&["peek"]).out;
    assert!(page.lines().any(|line| line.contains("goes on with") && line.contains("claude b/m")), "{page}");
}

#[test]
fn without_a_chain_nobody_else_is_started() {
    for script in ["fails 503 overloaded", "fails 402 'credit balance is too low'"] {
        let sandbox = chain(&[("a", script)], ONCE);
        let events = ends(&sandbox, 4, "");
        assert_eq!((asked(&sandbox, "a"), of_kind(&events, "agent.spawned").len()), (1, 1), "{script}");
    }
}

#[test]
fn words_of_an_abort_are_no_abort_and_a_result_stands() {
    let rows = [
        // The result is there, however the process ends.
        ("answer fine; kill -TERM $$", 0, "fine", ""),
        ("answer fine; exit 130", 0, "fine", ""),
        // Somebody else has ended it before it had one.
        ("begin; kill -KILL $$", 1, "", "agent_crash"),
        ("fails 500 'the request was aborted by an upstream server'", 4, "", "server_error"),
        ("fails 529 'Aborted: Overloaded'", 4, "", "overloaded"),
    ];
    for (script, code, out, class) in rows {
        let sandbox = chain(&[("a", script)], ONCE);
        let events = ends(&sandbox, code, out);
        let expected: &[&str] = if class.is_empty() { &[] } else { &[class] };
        assert_eq!(classes(&events), expected, "{script}: {}", story(&events));
    }
}

#[test]
fn what_cannot_be_started_gives_back_what_was_reserved() {
    // It is there when the profile is read, and gone when it is to be started.
    let first = "rm -f gone; fails 503 overloaded";
    let sandbox = chain(&[("a", first), ("b", "answer never"), ("c", "answer fine")], ONCE);
    let profile = sandbox.read("provost.toml").replace("[\"sh\", \"b.sh\"]", "[\"./gone\"]");
    sandbox.write("provost.toml", &profile);
    std::fs::copy("/bin/true", sandbox.path("gone")).unwrap();
    let events = ends(&sandbox, 0, "fine");
    assert_eq!(candidates(&events), [0, 1, 2], "{}", story(&events));
    assert_eq!(classes(&events), ["overloaded", "config_missing"]);
    assert_eq!(switches(&events), [("claude a/m", "claude c/m")], "{}", story(&events));
    let (reserved, committed) = (of_kind(&events, "budget.reserved"), of_kind(&events, "budget.committed"));
    assert_eq!((reserved.len(), committed.len()), (1, 1));
}

#[test]
fn delegation_is_refused_and_not_ignored() {
    let sandbox = chain(&[("a", "answer fine")], "");
    let profile = sandbox.read("provost.toml") + "\n[supervise]\ndriver = \"agent\"\n";
    sandbox.write("provost.toml", &profile);
    for verb in ["run", "supervise"] {
        let ran = sandbox.run(&[verb, "Paint the wall."]);
        assert_eq!(ran.code, Some(2), "{verb}: {}", ran.err);
        assert!(ran.err.contains("supervise"), "{verb}: {}", ran.err);
        assert_eq!(asked(&sandbox, "a"), 0, "{verb}");
    }
    let ran = sandbox.run(&["run", "Paint the wall."]);
    assert!(
        ran.err.contains("`supervise.driver` is not available") && ran.err.contains("help: "),
        "{}",
        ran.err
    );
}

#[test]
fn a_request_that_is_wrong_is_wrong_anywhere_and_is_said() {
    let sandbox = chain(&[("a", "fails 400 'messages.0: content is missing'"), ("b", "answer never")], "");
    let ran = sandbox.run(&["run", "Paint the wall."]);
    let events = ended(&sandbox, &ran, 1, "");
    assert_eq!(classes(&events), ["request_invalid"], "{}", story(&events));
    assert!(ran.err.contains("messages.0: content is missing"), "{}", ran.err);
    assert_eq!(asked(&sandbox, "b"), 0);
}

#[test]
fn a_suggested_model_is_shown_and_not_asked() {
    let sandbox =
        chain(&[("a", "fails 404 'model m is not found. Did you mean n?'"), ("b", "answer fine")], "");
    let ran = sandbox.run(&["run", "Paint the wall."]);
    let events = ended(&sandbox, &ran, 0, "fine");
    assert_eq!(classes(&events), ["model_not_found"], "{}", story(&events));
    assert!(ran.err.contains("Did you mean n?"), "{}", ran.err);
    assert_eq!(candidates(&events), [0, 1]);
}

#[test]
fn a_run_that_was_told_to_have_failed_stays_so() {
    let sandbox = chain(
        &[("a", "fails 503 overloaded"), ("b", "[ -e go ] && { answer late; exit; }; fails 500 boom")],
        ONCE,
    );
    let call = |sandbox: &Sandbox| sandbox.run(&["run", "--out", "here", "Paint the wall."]);
    let first = call(&sandbox);
    assert_eq!(first.code, Some(4), "{}", first.err);
    let journal = sandbox.read("here/journal.jsonl");
    // Nothing lives on that could still fall back.
    sandbox.write("go", "");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(sandbox.read("here/journal.jsonl"), journal);
    assert_eq!((asked(&sandbox, "a"), asked(&sandbox, "b")), (1, 1));
    let second = call(&sandbox);
    assert_eq!((second.code, sandbox.read("here/journal.jsonl")), (Some(4), journal), "{}", second.err);
    assert_eq!((asked(&sandbox, "a"), asked(&sandbox, "b")), (1, 1));
}
