//! The rows M1 to M21 of the specification: those of which the words decide, here, and each with the test that holds it
//! with what the agent really printed.

use super::*;

/// What the adapter makes of a row, where the class is in that, and the class.
type Seen = Option<(Facts<'static>, C, FaultScope)>;

struct Row {
    id: &'static str,
    facts: Seen,
    /// The file, and the test in it.
    held_by: (&'static str, &'static str),
}

const fn row(id: &'static str, file: &'static str, test: &'static str, facts: Seen) -> Row {
    Row { id, facts, held_by: (file, test) }
}

const fn facts(origin: Origin, status: u16, text: &'static str) -> Facts<'static> {
    Facts { origin, status: if status == 0 { None } else { Some(status) }, text, ..NONE }
}

const CLAUDE: &str = "src/backend/agent/claude/tests.rs";
const CLAUDE_SEEN: &str = "tests/it/captures/claude.rs";
const CODEX_SEEN: &str = "tests/it/captures/codex.rs";
const OPENCODE: &str = "src/backend/agent/opencode/tests.rs";
const OPENCODE_SEEN: &str = "tests/it/captures/opencode.rs";
const GEMINI: &str = "src/backend/agent/gemini/tests.rs";
const UNWRAPPED: &str = "an_error_is_what_the_provider_said_and_not_what_it_is_wrapped_in";
const SAYS_SOMETHING: &str = "success_is_a_success_that_says_something";

const ROWS: &[Row] = &[
    row(
        "M1",
        CLAUDE,
        "success_needs_more_than_a_name_and_an_exit_code",
        Some((facts(Origin::Claude, 429, "x"), C::RateLimited, FaultScope::Model)),
    ),
    row(
        "M2",
        CLAUDE_SEEN,
        "a_refused_key_is_fatal_at_its_first_sign",
        Some((
            Facts { label: Some("authentication_failed"), ..facts(Origin::Claude, 401, "") },
            C::Auth,
            FaultScope::Account,
        )),
    ),
    // What its own loop has waited counts against the budget.
    row("M3", "src/fault/tests/decide.rs", "situations", None),
    row(
        "M4",
        "tests/it/real_claude.rs",
        "real_claude_before_a_silent_server_is_ended_by_our_own_clock",
        None,
    ),
    row(
        "M5",
        CLAUDE_SEEN,
        "an_interrupt_that_exits_0_is_no_success",
        Some((
            Facts { terminal: Some("aborted_streaming"), ..facts(Origin::Claude, 0, "x") },
            C::UserAbort,
            FaultScope::Request,
        )),
    ),
    row("M6", CLAUDE, "a_message_that_starts_again_drops_what_was_cut", None),
    row(
        "M7",
        CODEX_SEEN,
        "a_refusal_is_fatal_at_its_first_sign",
        Some((
            facts(
                Origin::Codex,
                0,
                "Reconnecting... 1/5 (unexpected status 401 Unauthorized: {\"error\":{\"message\":\"no\"}}, url: x)",
            ),
            C::Auth,
            FaultScope::Account,
        )),
    ),
    row("M8", CODEX_SEEN, "a_warning_is_told_and_is_no_failure", None),
    row(
        "M9",
        "src/fault/reset.rs",
        "words_become_a_moment_on_the_clock_of_who_said_them",
        Some((
            facts(Origin::Codex, 0, "You’ve hit your usage limit. Visit x or try again at 12:10 AM."),
            C::QuotaExhausted,
            FaultScope::Account,
        )),
    ),
    row(
        "M10",
        CODEX_SEEN,
        "a_turn_that_begins_and_does_not_end_is_a_lost_connection",
        Some((
            Facts { terminal: Some("turn_without_end"), exit_code: Some(1), ..facts(Origin::Codex, 0, "") },
            C::Transport,
            FaultScope::Provider,
        )),
    ),
    row(
        "M11",
        "tests/it/real_opencode.rs",
        "real_opencode_before_a_silent_server_is_ended_by_our_own_clock",
        None,
    ),
    row(
        "M11b",
        OPENCODE,
        UNWRAPPED,
        Some((
            Facts {
                retryable: Some(true),
                ..facts(Origin::Opencode, 429, r#"{"error":{"code":"insufficient_quota","message":"no"}}"#)
            },
            C::QuotaExhausted,
            FaultScope::Account,
        )),
    ),
    row(
        "M11c",
        OPENCODE,
        UNWRAPPED,
        Some((
            Facts {
                label: Some("UnknownError"),
                ..facts(Origin::Opencode, 0, r#"{"code":502,"message":"upstream"}"#)
            },
            C::ServerError,
            FaultScope::Provider,
        )),
    ),
    row("M12", OPENCODE_SEEN, "a_loop_over_a_stream_that_breaks_off_is_ended_at_its_second_turn", None),
    row(
        "M13",
        OPENCODE,
        UNWRAPPED,
        Some((
            Facts { label: Some("ContextOverflowError"), ..facts(Origin::Opencode, 0, "too much") },
            C::ContextOverflow,
            FaultScope::Request,
        )),
    ),
    row(
        "M14",
        GEMINI,
        SAYS_SOMETHING,
        Some((
            Facts { exit_code: Some(0), ..facts(Origin::Gemini, 0, "") },
            C::Transport,
            FaultScope::Provider,
        )),
    ),
    row(
        "M15",
        GEMINI,
        SAYS_SOMETHING,
        Some((
            Facts { exit_code: Some(0), ..facts(Origin::Gemini, 0, "[API Error: terminated]") },
            C::Transport,
            FaultScope::Provider,
        )),
    ),
    row(
        "M16",
        GEMINI,
        "an_exit_code_from_144_on_is_a_status",
        Some((
            Facts {
                label: Some("TerminalQuotaError"),
                ..facts(Origin::Gemini, 429, "You have exhausted your daily quota on this model.")
            },
            C::QuotaExhausted,
            FaultScope::Model,
        )),
    ),
    row(
        "M17",
        GEMINI,
        SAYS_SOMETHING,
        Some((
            facts(
                Origin::Gemini,
                0,
                r#"[API Error: {"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#,
            ),
            C::Auth,
            FaultScope::Account,
        )),
    ),
    row("M18", GEMINI, "what_was_said_before_a_cut_is_partial_text", None),
    row(
        "M19",
        "tests/it/chat_faults.rs",
        "every_row_of_the_openai_apis_has_its_class",
        Some((
            facts(Origin::OpenAi, 0, r#"{"error":{"code":429,"message":"slow, please"}}"#),
            C::RateLimited,
            FaultScope::Model,
        )),
    ),
    row("M20", "tests/it/chat_streams.rs", "a_stream_that_is_cut_anywhere_is_never_an_answer", None),
    row(
        "M21",
        "src/backend/agent/codex/tests.rs",
        "a_complete_result_counts_whatever_came_before_or_comes_after",
        None,
    ),
];

#[test]
fn each_row_of_14_8_has_its_class() {
    for Row { id, facts, .. } in ROWS {
        let Some((facts, class, scope)) = facts else { continue };
        let seen = classify(facts);
        assert_eq!((seen.class, seen.scope), (*class, *scope), "{id}: by {}", seen.rule);
    }
}

#[test]
fn each_row_of_14_8_is_held_by_a_test_that_is_there() {
    let ids = (1..=21).map(|number| format!("M{number}")).chain(["M11b".to_owned(), "M11c".to_owned()]);
    for id in ids {
        assert!(ROWS.iter().any(|row| row.id == id), "{id} has no row");
    }
    for Row { id, held_by: (file, test), .. } in ROWS {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "{id}: no {test} in {file}");
    }
}
