use FaultClass as C;
use proptest::prelude::*;

use super::*;

mod adapters;
mod cooldown;
mod decide;
mod rows;
mod taxonomy;

const NONE: Facts<'static> = Facts {
    origin: Origin::OpenAi,
    status: None,
    code: None,
    kind: None,
    label: None,
    terminal: None,
    text: "",
    retry_after: None,
    reset_at: None,
    retryable: None,
    emitted_output: false,
    maybe_accepted: false,
    exit_code: None,
    signal: None,
};

fn said(status: u16, text: &'static str) -> Facts<'static> {
    Facts { status: (status != 0).then_some(status), text, ..NONE }
}

fn coded(status: u16, code: &'static str) -> Facts<'static> {
    Facts { code: Some(code), ..said(status, "") }
}

#[test]
fn rows_have_ids_of_their_own() {
    let mut ids: Vec<&str> = rules().iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(all, ids.len());
    for test in rules().iter().flat_map(|rule| rule.tests) {
        assert!(!test.to_string().is_empty());
    }
    assert!(rules().iter().all(|rule| !rule.tests.is_empty()));
}

/// A name that an earlier row takes from every mouth would be dead in a later one.
#[test]
fn no_row_hides_a_name_of_a_later_one() {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    let mut taken: Vec<String> = Vec::new();
    for rule in rules() {
        for name in rule.tests.iter().filter_map(Test::words).flatten() {
            assert!(!taken.contains(&plain(name)), "{}: {name} is taken by an earlier row", rule.id);
        }
        if let (None, [Test::Word(names)]) = (rule.origin, rule.tests) {
            taken.extend(names.iter().map(|name| plain(name)));
        }
    }
}

#[test]
fn no_class_is_left_out() {
    for (place, class) in CLASSES.into_iter().enumerate() {
        assert_eq!(class as usize, place, "{class}");
    }
    assert_eq!(CLASSES.len(), C::Unknown as usize + 1, "the last one is `unknown`");
}

#[test]
fn the_index_has_room_for_every_phrase_and_name() {
    let (taken, room) = search::INDEX.room();
    assert!(taken > 100 && taken <= room, "{taken} of {room}");
}

#[test]
fn scope_says_how_far_one_must_go() {
    assert_eq!(classify(&coded(429, "seven_day_opus")).scope, FaultScope::Model);
    assert_eq!(classify(&coded(429, "insufficient_quota")).scope, FaultScope::Account);
    assert_eq!(classify(&said(500, "")).scope, FaultScope::Provider);
    assert_eq!(classify(&said(0, "No API key")).scope, FaultScope::Local);
}

#[test]
fn words_give_a_status_and_a_wait_that_the_wire_did_not() {
    let seen = classify(&said(0, "API Error: 429 too many. Please try again in 250ms"));
    assert_eq!((seen.status, seen.retry_after), (Some(429), Some(0.25)));
    let wire = classify(&Facts { retry_after: Some(2.0), ..said(400, "status code 503, retry after 9s") });
    assert_eq!((wire.status, wire.retry_after), (Some(400), Some(2.0)));
    for text in ["[503 rows]", "got [404] there", "status code 4041"] {
        assert_eq!(classify(&said(0, text)).status, None, "{text}");
    }
    let command = |text| classify(&Facts::new(Origin::Command, text)).class;
    assert_eq!(command("GET /favicon.ico: status code 404"), C::Unknown);
    assert_eq!(command("status code 503"), C::Overloaded);
    assert_eq!(classify(&said(0, "try again in 4:12")).retry_after, Some(4.0));
    for (text, seconds) in [
        ("try again in 1m30.5s.", 90.5),
        ("resets in 2 days 3 hours, or so", 183_600.0),
        ("retry after 20 3 times", 20.0),
        ("try again in 6m0s", 360.0),
        ("try again in 5 seconds. 3 days ago", 5.0),
    ] {
        assert_eq!(classify(&said(0, text)).retry_after, Some(seconds), "{text}");
    }
    assert_eq!(classify(&Facts { retry_after: Some(f64::NAN), ..NONE }).retry_after, None);
}

#[test]
fn evidence_is_bounded_at_a_character_and_never_missing_when_something_was_said() {
    let long = "ö".repeat(5000);
    let seen = classify(&Facts { text: &long, ..NONE });
    assert_eq!(seen.evidence.len(), EVIDENCE_BYTES);
    assert_eq!(seen.rule, "unmatched");
    assert_eq!(classify(&coded(429, "x")).evidence, "code x");
    assert_eq!(classify(&said(500, " ")).evidence, "HTTP status 500");
}

proptest! {
    #[test]
    fn any_text_is_classified(text in ".{0,200}", status in prop::option::of(0_u16..700), wait in prop::option::of(any::<f64>())) {
        let facts = Facts { text: &text, status, retry_after: wait, ..NONE };
        prop_assert_eq!(classify(&facts), classify(&facts));
    }

    #[test]
    fn numbers_in_words_never_panic(text in "(try again in |status code |\\[|resets in )[0-9.~a-zä]{0,30}") {
        classify(&Facts { text: &text, ..NONE });
    }
}

#[test]
fn what_ends_a_run_is_unavailable_and_not_retried() {
    for class in [C::Auth, C::ConfigMissing, C::QuotaExhausted, C::ModelNotFound, C::Forbidden] {
        assert!(ends_run(class) && unavailable(class) && !retryable(class), "{class}");
    }
    for class in [C::AgentCrash, C::RoundTimeout, C::ContentPolicy, C::NoPayload, C::Unknown, C::UserAbort] {
        assert!(!ends_run(class) && !unavailable(class), "{class}");
    }
}
