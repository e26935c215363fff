//! How long what failed is left alone.

use super::*;

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

/// Seconds, and whether they are firm.
fn cools(failure: &Failure, strikes: u32) -> Option<(i64, bool)> {
    let cooling = super::super::cooldown(failure, strikes, now())?;
    Some((cooling.until.duration_since(now()).as_secs(), cooling.firm))
}

/// Lengths after 0, 1, 5 and 99 strikes, where nobody said anything.
#[test]
fn estimates_climb_a_ladder() {
    let rows = [
        (C::RateLimited, [Some(60), Some(120), Some(1800), Some(1800)], false),
        (C::Overloaded, [Some(60), Some(120), Some(1800), Some(1800)], false),
        (C::ServerError, [Some(30), Some(60), Some(960), Some(960)], false),
        (C::FirstEventTimeout, [Some(30), Some(60), Some(960), Some(960)], false),
        (C::Stall, [Some(30), Some(60), Some(960), Some(960)], false),
        (C::Transport, [None, Some(15), Some(240), Some(480)], false),
        (C::QuotaExhausted, [Some(3600); 4], false),
        (C::ModelNotFound, [Some(3600); 4], false),
        (C::Auth, [Some(86_400); 4], false),
        (C::Forbidden, [Some(86_400); 4], false),
        (C::ConfigMissing, [Some(86_400); 4], false),
    ];
    for class in CLASSES {
        let (lengths, firm) = rows
            .iter()
            .find(|(other, ..)| *other == class)
            .map_or(([None; 4], false), |(_, lengths, firm)| (*lengths, *firm));
        let failure = Failure::ours(class, "x");
        let seen = [0, 1, 5, 99].map(|strikes| cools(&failure, strikes));
        assert_eq!(seen, lengths.map(|length| length.map(|length| (length, firm))), "{class}");
    }
    // The steps between, as far as they go.
    let steps: Vec<i64> = (0..8).filter_map(|n| Some(cools(&Failure::ours(C::Stall, "x"), n)?.0)).collect();
    assert_eq!(steps, [30, 60, 120, 240, 480, 960, 960, 960]);
}

#[test]
fn what_the_server_said_is_taken_as_it_is_and_nonsense_is_not_said() {
    let at = |reset: &str| Some(reset.parse::<Timestamp>().unwrap());
    let rows = [
        ("wait", Some(7.5), None, (7, true)),
        ("a wait beyond every cap of ours", Some(100_000.0), None, (100_000, true)),
        ("reset", None, at("2026-11-21T15:00:00Z"), (18_000, true)),
        ("both", Some(5.0), at("2026-11-21T15:00:00Z"), (18_000, true)),
        ("has just reset", None, at("2026-11-21T09:59:00Z"), (-60, true)),
        ("a year ahead", None, at("2027-11-22T10:00:00Z"), (366 * 86_400, true)),
        ("more than a year ahead", None, at("2027-11-22T10:00:01Z"), (60, false)),
        ("two days ago", None, at("2026-11-19T10:00:00Z"), (60, false)),
        ("the beginning of time", None, at("1970-01-01T00:00:00Z"), (60, false)),
        ("the end of time", None, Some(Timestamp::MAX), (60, false)),
        ("nonsense, but a wait", Some(9.0), at("1970-01-01T00:00:00Z"), (9, true)),
        ("no number", Some(f64::NAN), None, (60, false)),
        ("endless", Some(f64::INFINITY), None, (60, false)),
        ("backward", Some(-3.0), None, (60, false)),
        ("too long", Some(1e12), None, (60, false)),
        ("too long for any clock", Some(f64::MAX), None, (60, false)),
    ];
    for (id, retry_after, reset_at, expected) in rows {
        let failure = Failure { retry_after, reset_at, ..Failure::ours(C::RateLimited, "x") };
        assert_eq!(cools(&failure, 0), Some(expected), "{id}");
    }
    // A key is not better after the wait that came with its refusal.
    let refused = Failure { retry_after: Some(1.0), ..Failure::ours(C::Auth, "x") };
    assert_eq!(cools(&refused, 0), Some((86_400, false)));
}

#[test]
fn what_cools_is_no_wider_than_what_failed() {
    use FaultScope::{Account, Local, Model, Provider, Request};
    let rows = [
        (C::RateLimited, Model, Some(Model)),
        (C::RateLimited, Account, Some(Account)),
        (C::RateLimited, Request, Some(Model)),
        (C::QuotaExhausted, Model, Some(Model)),
        (C::QuotaExhausted, Request, Some(Account)),
        (C::Overloaded, Request, Some(Model)),
        (C::ServerError, Provider, Some(Provider)),
        (C::Stall, Request, Some(Provider)),
        (C::Auth, Account, Some(Account)),
        (C::Forbidden, Provider, Some(Account)),
        (C::ModelNotFound, Model, Some(Model)),
        (C::ConfigMissing, Local, None),
        (C::AgentCrash, Local, None),
        (C::RequestInvalid, Request, None),
    ];
    for (class, scope, expected) in rows {
        let failure = Failure { scope, ..Failure::ours(class, "x") };
        let seen = super::super::cooldown(&failure, 1, now()).map(|cooling| cooling.scope);
        assert_eq!(seen, expected, "{class} {scope:?}");
    }
}

proptest! {
    #[test]
    fn any_numbers_make_a_time_that_is_near(wait in prop::option::of(any::<f64>()), second in prop::option::of(any::<i32>()), strikes in any::<u32>(), class in prop::sample::select(CLASSES.to_vec())) {
        let reset_at = second.and_then(|second| Timestamp::from_second(second.into()).ok());
        let failure = Failure { retry_after: wait, reset_at, ..Failure::ours(class, "x") };
        if let Some((seconds, firm)) = cools(&failure, strikes) {
            prop_assert!((-86_400..=366 * 86_400).contains(&seconds), "{}", seconds);
            prop_assert!(firm || (0..=86_400).contains(&seconds), "{}", seconds);
        }
    }
}
