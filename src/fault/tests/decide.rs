//! What follows a failure: every class in every situation that matters.

use std::time::Duration;

use super::*;

pub(super) const POLICY: Policy =
    Policy { same_model: 2, max_fallbacks: 3, wait: Duration::from_mins(1), persistent: false };

/// Every way is open.
const OPEN: Ways = Ways {
    model: true,
    account: true,
    provider: true,
    window: true,
    compact: true,
    repeatable: true,
    patient: true,
};

pub(super) const FIRST: History = History {
    retries: 0,
    fallbacks: 0,
    identical: 1,
    identical_candidates: 1,
    waited: Duration::ZERO,
    compacted: false,
    ways: OPEN,
};

/// A history with no retry left.
pub(super) const TRIED: History = History { retries: 2, ..FIRST };

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn ours(class: C) -> Failure {
    Failure::ours(class, "x")
}

fn of(class: C, scope: FaultScope) -> Failure {
    Failure { scope, ..ours(class) }
}

fn asked(class: C, seconds: f64) -> Failure {
    Failure { retry_after: Some(seconds), ..ours(class) }
}

fn told(class: C, again: bool) -> Failure {
    Failure { should_retry: Some(again), ..ours(class) }
}

/// A decision in a word.
pub(super) fn word(failure: &Failure, history: &History, policy: &Policy) -> String {
    match super::super::decide(failure, history, policy, now(), 7) {
        Decision::RetrySame { .. } => "retry".to_owned(),
        Decision::FallBack { reach } => format!("{reach:?}").to_lowercase(),
        Decision::Compact => "compact".to_owned(),
        Decision::WaitUntil { .. } => "wait".to_owned(),
        Decision::Abort => "abort".to_owned(),
        Decision::GiveUp => "give up".to_owned(),
    }
}

/// A class and its scope; what follows at first, what when it was tried, and what where no candidate is left.
#[test]
fn each_class_leads_somewhere() {
    use FaultScope::{Account, Local, Model, Provider, Request};
    let alone = Ways { model: false, account: false, provider: false, window: false, ..OPEN };
    let rows = [
        (C::RateLimited, Model, "retry", "model", "give up"),
        (C::RateLimited, Account, "retry", "account", "give up"),
        (C::RateLimited, Provider, "retry", "provider", "give up"),
        (C::QuotaExhausted, Account, "account", "account", "give up"),
        (C::QuotaExhausted, Model, "model", "model", "give up"),
        (C::Overloaded, Model, "retry", "model", "give up"),
        (C::ServerError, Provider, "retry", "provider", "give up"),
        (C::Transport, Provider, "retry", "provider", "give up"),
        (C::FirstEventTimeout, Request, "retry", "provider", "give up"),
        (C::Stall, Request, "provider", "provider", "give up"),
        (C::ToolStall, Request, "give up", "give up", "give up"),
        (C::RoundTimeout, Request, "give up", "give up", "give up"),
        (C::Auth, Account, "account", "account", "give up"),
        (C::Forbidden, Provider, "provider", "provider", "give up"),
        (C::Forbidden, Account, "account", "account", "give up"),
        (C::ConfigMissing, Local, "provider", "provider", "give up"),
        (C::ModelNotFound, Model, "model", "model", "give up"),
        (C::ContextOverflow, Request, "compact", "compact", "compact"),
        (C::RequestInvalid, Request, "give up", "give up", "give up"),
        (C::ContentPolicy, Request, "give up", "give up", "give up"),
        (C::OutputLimit, Request, "give up", "give up", "give up"),
        (C::BudgetLimit, Request, "abort", "abort", "abort"),
        (C::UserAbort, Request, "abort", "abort", "abort"),
        (C::SelfAbort, Request, "give up", "give up", "give up"),
        (C::ToolError, Request, "give up", "give up", "give up"),
        (C::NoPayload, Request, "model", "model", "give up"),
        (C::AgentCrash, Local, "provider", "provider", "give up"),
        (C::Unknown, Request, "give up", "give up", "give up"),
    ];
    for (class, scope, first, tried, last) in rows {
        let failure = of(class, scope);
        let seen =
            [FIRST, TRIED, History { ways: alone, ..TRIED }].map(|past| word(&failure, &past, &POLICY));
        assert_eq!(seen, [first, tried, last], "{class} {scope:?}");
    }
    for class in CLASSES {
        assert!(rows.iter().any(|row| row.0 == class), "{class} has no row");
    }
}

#[test]
fn situations() {
    let ways = |change: fn(&mut Ways)| {
        let mut ways = OPEN;
        change(&mut ways);
        History { ways, ..FIRST }
    };
    let kept = |repeatable| History { ways: Ways { repeatable, ..OPEN }, ..FIRST };
    let came = |class| Failure { emitted_output: true, ..ours(class) };
    let taken = |class| Failure { maybe_accepted: true, ..ours(class) };
    let refused = || Failure::ours(C::Transport, "connect: Connection refused (os error 111)");
    let identical = |n, candidates| History { identical: n, identical_candidates: candidates, ..FIRST };
    let waited = |seconds| History { waited: Duration::from_secs(seconds), ..FIRST };
    let limit = |seconds| Failure { scope: FaultScope::Account, ..asked(C::QuotaExhausted, seconds) };
    let alone = |patient| History {
        ways: Ways { model: false, account: false, provider: false, patient, ..OPEN },
        ..FIRST
    };
    let until = |reset: &str| Failure { reset_at: Some(reset.parse().unwrap()), ..ours(C::QuotaExhausted) };
    let rows: [(&str, Failure, History, &str); 47] = [
        ("told not to", told(C::Overloaded, false), FIRST, "model"),
        ("told to", told(C::RequestInvalid, true), FIRST, "retry"),
        ("told to too often", told(C::RequestInvalid, true), TRIED, "give up"),
        ("told to after an abort", told(C::UserAbort, true), FIRST, "abort"),
        ("second retry", ours(C::RateLimited), History { retries: 1, ..FIRST }, "retry"),
        ("second silence", ours(C::FirstEventTimeout), History { retries: 1, ..FIRST }, "provider"),
        ("content had come", came(C::RateLimited), kept(false), "model"),
        ("content had come and is kept", came(C::RateLimited), kept(true), "retry"),
        ("content of an empty account", came(C::QuotaExhausted), kept(false), "account"),
        ("may have been taken", taken(C::Transport), kept(false), "give up"),
        ("may have been taken and is kept", taken(C::Transport), kept(true), "retry"),
        ("short wait", asked(C::RateLimited, 60.0), FIRST, "retry"),
        ("long wait", asked(C::RateLimited, 60.5), FIRST, "model"),
        ("endless wait", asked(C::RateLimited, f64::INFINITY), FIRST, "model"),
        ("backward wait", asked(C::RateLimited, -1.0), FIRST, "model"),
        ("no number", asked(C::RateLimited, f64::NAN), FIRST, "model"),
        ("what is left of the budget", asked(C::RateLimited, 20.0), waited(40), "retry"),
        ("more than what is left", asked(C::RateLimited, 21.0), waited(40), "model"),
        ("own wait, budget gone", ours(C::Overloaded), waited(61), "model"),
        ("long wait, no other", asked(C::RateLimited, 600.0), alone(false), "give up"),
        ("long wait, no other, patient", asked(C::RateLimited, 600.0), alone(true), "wait"),
        ("quota with a time", limit(7200.0), FIRST, "account"),
        ("quota with a time, patient", limit(7200.0), alone(true), "wait"),
        ("quota with a time, not patient", limit(7200.0), alone(false), "give up"),
        ("quota without a time", ours(C::QuotaExhausted), alone(true), "give up"),
        ("quota that resets today", until("2026-11-21T23:00:00Z"), alone(true), "wait"),
        ("quota that resets in two years", until("2028-11-21T23:00:00Z"), alone(true), "give up"),
        ("refused key, patient", ours(C::Auth), alone(true), "give up"),
        ("estimate, patient", ours(C::Overloaded), History { retries: 2, ..alone(true) }, "give up"),
        ("no account but a provider", limit(600.0), ways(|ways| ways.account = false), "provider"),
        ("no provider but a model", ours(C::Stall), ways(|ways| ways.provider = false), "model"),
        (
            "another model of an empty account",
            limit(1e9),
            ways(|ways| {
                ways.account = false;
                ways.provider = false;
            }),
            "give up",
        ),
        ("no switch left", limit(600.0), History { fallbacks: 3, ..FIRST }, "wait"),
        ("last switch", limit(600.0), History { fallbacks: 2, ..FIRST }, "account"),
        ("the same twice", ours(C::ServerError), identical(2, 1), "retry"),
        ("the same three times", ours(C::ServerError), identical(3, 1), "provider"),
        ("the same on two", ours(C::ServerError), identical(4, 2), "provider"),
        ("the same on three", ours(C::ServerError), identical(6, 3), "give up"),
        ("the same limit three times", limit(600.0), identical(3, 3), "give up"),
        ("no server on one", refused(), identical(2, 1), "retry"),
        ("no server on two", refused(), identical(3, 2), "give up"),
        (
            "a cut on two",
            Failure::ours(C::Transport, "connection reset by peer"),
            identical(3, 2),
            "provider",
        ),
        ("too large, told shorter", ours(C::ContextOverflow), History { compacted: true, ..FIRST }, "window"),
        ("too large, nothing to tell", ours(C::ContextOverflow), ways(|ways| ways.compact = false), "window"),
        (
            "too large, no larger",
            ours(C::ContextOverflow),
            ways(|ways| {
                ways.compact = false;
                ways.window = false;
            }),
            "give up",
        ),
        (
            "too large, no switch",
            ours(C::ContextOverflow),
            History { compacted: true, fallbacks: 3, ..FIRST },
            "give up",
        ),
        ("nothing open", ours(C::AgentCrash), History::default(), "give up"),
    ];
    for (id, failure, past, expected) in rows {
        assert_eq!(word(&failure, &past, &POLICY), expected, "{id}");
    }
    let none = Policy { same_model: 0, max_fallbacks: 0, ..POLICY };
    assert_eq!(word(&ours(C::Overloaded), &FIRST, &none), "give up", "a profile may forbid all");
}

#[test]
fn a_wait_until_is_the_time_that_was_said() {
    let failure =
        Failure { reset_at: Some("2026-11-22T00:00:00Z".parse().unwrap()), ..ours(C::QuotaExhausted) };
    let past = History { ways: Ways { patient: true, ..Ways::default() }, ..FIRST };
    let decided = super::super::decide(&failure, &past, &POLICY, now(), 7);
    assert_eq!(decided, Decision::WaitUntil { at: failure.reset_at.unwrap() });
    // A reset within the minute is waited out as any wait is, to the second.
    let soon = Failure { reset_at: Some("2026-11-21T10:00:30Z".parse().unwrap()), ..ours(C::RateLimited) };
    let decided = super::super::decide(&soon, &FIRST, &POLICY, now(), 7);
    assert_eq!(decided, Decision::RetrySame { after: Duration::from_secs(30) });
}

fn any_class() -> impl Strategy<Value = C> {
    prop::sample::select(CLASSES.to_vec())
}

fn any_ways() -> impl Strategy<Value = Ways> {
    any::<[bool; 7]>().prop_map(|[model, account, provider, window, compact, repeatable, patient]| Ways {
        model,
        account,
        provider,
        window,
        compact,
        repeatable,
        patient,
    })
}

fn any_history() -> impl Strategy<Value = History> {
    (0..6_u32, 0..6_u32, 0..6_u32, 0..6_u32, 0..100_u64, any::<bool>(), any_ways()).prop_map(
        |(retries, fallbacks, identical, identical_candidates, waited, compacted, ways)| History {
            retries,
            fallbacks,
            identical,
            identical_candidates,
            waited: Duration::from_secs(waited),
            compacted,
            ways,
        },
    )
}

fn any_failure() -> impl Strategy<Value = Failure> {
    let scope = prop::sample::select(vec![
        FaultScope::Request,
        FaultScope::Model,
        FaultScope::Account,
        FaultScope::Provider,
        FaultScope::Local,
    ]);
    let wait = prop::option::of(prop_oneof![any::<f64>(), 0.0..100.0_f64]);
    let reset = prop::option::of(prop::sample::select(vec![
        "2026-11-21T10:00:20Z",
        "2026-11-21T20:00:00Z",
        "2026-11-21T09:59:00Z",
        "1970-01-01T00:00:00Z",
        "2199-01-01T00:00:00Z",
    ]));
    (any_class(), scope, wait, reset, prop::option::of(any::<bool>()), any::<bool>(), any::<bool>()).prop_map(
        |(class, scope, retry_after, reset, should_retry, emitted_output, maybe_accepted)| Failure {
            scope,
            retry_after,
            reset_at: reset.map(|reset| reset.parse().unwrap()),
            should_retry,
            emitted_output,
            maybe_accepted,
            ..ours(class)
        },
    )
}

/// What we estimate ourselves is no longer than what may still be waited in the turn, as what a server names is not.
#[test]
fn no_wait_of_our_own_is_longer_than_what_is_left() {
    let left = Duration::from_millis(800);
    let history = History { waited: POLICY.wait.checked_sub(left).unwrap(), ..FIRST };
    let (mut within, mut beyond) = (0, 0);
    for seed in 0..200 {
        let failure = of(C::ServerError, FaultScope::Provider);
        match super::super::decide(&failure, &history, &POLICY, now(), seed) {
            Decision::RetrySame { after } => {
                assert!(after <= left, "{after:?}");
                within += 1;
            }
            Decision::FallBack { reach: Reach::Provider } => beyond += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(within > 20 && beyond > 20, "{within} fit and {beyond} do not");
}

proptest! {
    /// I-6, and all that binds every decision.
    #[test]
    fn no_decision_leads_where_it_must_not(failure in any_failure(), past in any_history(), seed in any::<u64>()) {
        let decided = super::super::decide(&failure, &past, &POLICY, now(), seed);
        prop_assert_eq!(decided, super::super::decide(&failure, &past, &POLICY, now(), seed));
        let done = (failure.emitted_output || failure.maybe_accepted) && !past.ways.repeatable;
        match decided {
            Decision::FallBack { reach } => {
                prop_assert!(past.ways.open(reach) && past.fallbacks < POLICY.max_fallbacks);
                let never = [C::UserAbort, C::OutputLimit, C::BudgetLimit, C::RequestInvalid, C::Unknown, C::ContentPolicy,
                    C::ToolError, C::ToolStall, C::SelfAbort, C::RoundTimeout];
                prop_assert!(!never.contains(&failure.class));
                prop_assert_eq!(failure.class == C::ContextOverflow, reach == Reach::Window);
                prop_assert!(reach == Reach::Window || past.ways.repeatable || !failure.maybe_accepted);
            }
            Decision::RetrySame { after } => {
                prop_assert!(past.retries < POLICY.same_model && past.identical < 3 && !done);
                prop_assert!(past.waited.saturating_add(after) <= POLICY.wait.saturating_add(Duration::from_secs(8)));
                prop_assert!(failure.should_retry != Some(false));
                prop_assert!(failure.should_retry == Some(true) || retryable(failure.class));
            }
            Decision::Compact => prop_assert!(failure.class == C::ContextOverflow && !past.compacted && past.ways.compact),
            Decision::WaitUntil { at } => {
                prop_assert!(past.ways.patient && (past.ways.repeatable || !failure.maybe_accepted));
                prop_assert!(at.duration_since(now()).abs() <= jiff::SignedDuration::from_hours(366 * 24));
            }
            Decision::Abort => prop_assert!(matches!(failure.class, C::UserAbort | C::BudgetLimit)),
            Decision::GiveUp => {}
        }
    }

    /// A wait that was asked for is kept to the second, and one of our own is at most 8 s.
    #[test]
    fn a_wait_is_the_one_that_was_asked_for_or_ours_within_its_cap(retries in 0_u32..40, seed in any::<u64>(), wait in prop::option::of(0.0..60.0_f64)) {
        let failure = Failure { retry_after: wait, ..ours(C::Overloaded) };
        let policy = Policy { same_model: 50, ..POLICY };
        let past = History { retries, ..FIRST };
        let Decision::RetrySame { after } = super::super::decide(&failure, &past, &policy, now(), seed) else { panic!("gave up") };
        match wait {
            Some(wait) => prop_assert_eq!(after, Duration::from_secs_f64(wait)),
            None => prop_assert!(after <= Duration::from_secs(8)),
        }
    }

    /// That an account is empty and that another may be tried are two answers.
    #[test]
    fn an_empty_account_never_forbids_another(failure in any_failure()) {
        prop_assert!(!account_is_spent(&failure) || may_another_account(&failure));
        prop_assert_eq!(account_is_spent(&failure), failure.class == C::QuotaExhausted && failure.scope != FaultScope::Model);
        prop_assert_eq!(may_another_account(&failure), reaches(&failure).contains(&Reach::Account));
    }
}
