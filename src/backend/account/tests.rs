//! The rows of the specification that concern the store, and what it must stand.
#![expect(clippy::disallowed_methods, reason = "tests write files as a person would")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tempfile::TempDir;

use super::*;

mod files;
mod fleet;
mod model;

const PROVIDER: &str = "https://api.example.com/v1";

/// A moment so many seconds after the beginning of the test's time.
fn at(seconds: f64) -> Timestamp {
    let start: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    start.checked_add(SignedDuration::try_from_secs_f64(seconds).unwrap()).unwrap()
}

/// A run of this process, so that it is alive.
fn run(dir: &Path, name: &str) -> Accounts {
    let owner = Owner { pid: std::process::id(), run: name.to_owned() };
    Accounts::shared(dir.to_owned(), &owner).unwrap()
}

/// A run of a process that has ended.
fn ghost(dir: &Path) -> Accounts {
    let mut ghost = Holder::new(&Owner { pid: std::process::id(), run: "ghost".to_owned() });
    ghost.pid = u32::MAX;
    let store = Store::new(Some(dir.to_owned()));
    Accounts { inner: Arc::new(Inner::new(store, store::salt(dir).unwrap(), ghost)) }
}

fn party(accounts: &Accounts, model: &str) -> Party {
    let account = accounts.name(PROVIDER, "the key");
    Party { provider: PROVIDER.to_owned(), account, model: Some(model.to_owned()) }
}

fn failure(class: FaultClass, scope: FaultScope, retry_after: Option<f64>) -> Failure {
    Failure { scope, retry_after, ..Failure::ours(class, "as it was said") }
}

fn refusal(retry_after: f64) -> Failure {
    failure(FaultClass::RateLimited, FaultScope::Account, Some(retry_after))
}

fn waits_until(admission: &Admission) -> Option<Timestamp> {
    match admission {
        Admission::Go => None,
        Admission::Wait { until, .. } => Some(*until),
    }
}

/// What happens before the question of a row.
#[derive(Clone)]
enum Step {
    Fail(f64, Failure),
    Succeed(f64),
    Take(f64),
}

struct Row {
    id: &'static str,
    what: &'static str,
    steps: Vec<Step>,
    /// Looked at from another run, then.
    at: f64,
    /// The model that is asked for; the failures are of `m`.
    model: &'static str,
    /// Seconds until which it stands, and whether the server said so.
    stands: Option<(f64, bool)>,
    /// Whether a request must wait for it.
    blocked: bool,
}

#[test]
fn rows_of_the_specification() {
    use FaultClass as C;
    use FaultScope as S;
    use Step::{Fail, Succeed, Take};
    let day = 86_400.0;
    let quota =
        Failure { reset_at: Some(at(19.0 * 3_600.0)), ..failure(C::QuotaExhausted, S::Account, None) };
    let estimated = || failure(C::RateLimited, S::Account, None);
    let rows = [
        Row {
            id: "B25",
            what: "a quota with a reset in 19 h binds every run of that account until then",
            steps: vec![Fail(0.0, quota.clone())],
            at: 18.9 * 3_600.0,
            model: "m",
            stands: Some((19.0 * 3_600.0, true)),
            blocked: true,
        },
        Row {
            id: "B25",
            what: "all models of it",
            steps: vec![Fail(0.0, quota.clone())],
            at: 60.0,
            model: "other",
            stands: Some((19.0 * 3_600.0, true)),
            blocked: true,
        },
        Row {
            id: "B25",
            what: "and no longer",
            steps: vec![Fail(0.0, quota.clone())],
            at: 19.0 * 3_600.0,
            model: "m",
            stands: None,
            blocked: false,
        },
        Row {
            id: "I-8",
            what: "the later deadline stands, when the longer one came first",
            steps: vec![Fail(0.0, refusal(100.0)), Fail(1.0, refusal(5.0))],
            at: 50.0,
            model: "m",
            stands: Some((100.0, true)),
            blocked: true,
        },
        Row {
            id: "I-8",
            what: "and when it came last",
            steps: vec![Fail(0.0, refusal(5.0)), Fail(1.0, refusal(100.0))],
            at: 50.0,
            model: "m",
            stands: Some((101.0, true)),
            blocked: true,
        },
        Row {
            id: "I-8",
            what: "what concerns one model leaves the others alone",
            steps: vec![Fail(0.0, failure(C::RateLimited, S::Model, Some(30.0)))],
            at: 10.0,
            model: "other",
            stands: None,
            blocked: false,
        },
        Row {
            id: "I-8",
            what: "and binds that one",
            steps: vec![Fail(0.0, failure(C::RateLimited, S::Model, Some(30.0)))],
            at: 10.0,
            model: "m",
            stands: Some((30.0, true)),
            blocked: true,
        },
        Row {
            id: "I-8",
            what: "what the server said comes before a longer estimate",
            steps: vec![Fail(0.0, estimated()), Fail(0.0, refusal(10.0))],
            at: 5.0,
            model: "m",
            stands: Some((10.0, true)),
            blocked: true,
        },
        Row {
            id: "I-8",
            what: "an estimate is no obstacle",
            steps: vec![Fail(0.0, estimated())],
            at: 5.0,
            model: "m",
            stands: Some((60.0, false)),
            blocked: false,
        },
        Row {
            id: "W7",
            what: "isolated 429s days apart do not climb the ladder, without any success between",
            steps: (0..7_u32).map(|n| Fail(f64::from(n) * 2.0 * day, estimated())).collect(),
            at: 12.0 * day,
            model: "m",
            stands: Some((12.0 * day + 60.0, false)),
            blocked: false,
        },
        Row {
            id: "W7",
            what: "in a row they do, 2^n at most 30 minutes",
            steps: (0..6_u32).map(|n| Fail(f64::from(n) * 2_000.0, estimated())).collect(),
            at: 10_000.0,
            model: "m",
            stands: Some((11_800.0, false)),
            blocked: false,
        },
        Row {
            id: "W7",
            what: "a success between begins anew",
            steps: vec![
                Fail(0.0, estimated()),
                Fail(100.0, estimated()),
                Fail(300.0, estimated()),
                Succeed(400.0),
                Fail(600.0, estimated()),
            ],
            at: 601.0,
            model: "m",
            stands: Some((660.0, false)),
            blocked: false,
        },
        Row {
            id: "W7",
            what: "a wave of processes that are all told the same is one strike",
            steps: (0..50_u32).map(|n| Fail(f64::from(n) / 100.0, estimated())).collect(),
            at: 1.0,
            model: "m",
            stands: Some((60.49, false)),
            blocked: false,
        },
        Row {
            id: "W8",
            what: "what is wrong with this machine cools nobody",
            steps: vec![Fail(0.0, failure(C::Transport, S::Local, None)); 3],
            at: 0.0,
            model: "m",
            stands: None,
            blocked: false,
        },
        Row {
            id: "W10",
            what: "a success after an estimate ends it",
            steps: vec![Fail(0.0, estimated()), Succeed(1.0)],
            at: 2.0,
            model: "m",
            stands: None,
            blocked: false,
        },
        Row {
            id: "W10",
            what: "but not what the server said: the answer may have been on its way before",
            steps: vec![Fail(0.0, refusal(30.0)), Take(1.0), Succeed(1.0)],
            at: 2.0,
            model: "m",
            stands: Some((30.0, true)),
            blocked: true,
        },
        Row {
            id: "W10",
            what: "a reset that was given is used, however far away it is",
            steps: vec![Fail(
                0.0,
                Failure { reset_at: Some(at(7.0 * day)), ..failure(C::RateLimited, S::Account, None) },
            )],
            at: 6.0 * day,
            model: "m",
            stands: Some((7.0 * day, true)),
            blocked: true,
        },
    ];
    for row in rows {
        let dir = TempDir::new().unwrap();
        let (one, other) = (run(dir.path(), "one"), run(dir.path(), "other"));
        for step in &row.steps {
            match step {
                Step::Fail(seconds, failure) => {
                    one.failed(&party(&one, "m"), failure, at(*seconds));
                }
                Step::Succeed(seconds) => one.succeeded(&party(&one, "m"), at(*seconds)),
                Step::Take(seconds) => one.taken(&party(&one, "m"), at(*seconds)),
            }
        }
        let asked = party(&other, row.model);
        let stands = other.standing(&asked, at(row.at)).map(|cooling| (cooling.until, cooling.firm));
        assert_eq!(stands, row.stands.map(|(until, firm)| (at(until), firm)), "{}: {}", row.id, row.what);
        // Later than any pace after the last refusal.
        let admission = other.ask(&asked, at(row.at + 2.0));
        let blocked = matches!(admission, Admission::Wait { firm: true, .. });
        assert_eq!(blocked, row.blocked, "{}: {}: {admission:?}", row.id, row.what);
    }
}

#[test]
fn one_tries_after_the_deadline_and_the_others_wait_for_it() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (run(dir.path(), "one"), run(dir.path(), "two"));
    let party = party(&one, "m");
    one.failed(&party, &refusal(20.0), at(0.0));
    assert_eq!(waits_until(&two.ask(&party, at(19.9))), Some(at(20.0)));
    assert_eq!(one.ask(&party, at(20.0)), Admission::Go);
    let shown = two.list(at(20.1)).unwrap();
    assert_eq!(shown[0].probe, Some(std::process::id()));
    assert!(matches!(two.ask(&party, at(20.1)), Admission::Wait { firm: true, .. }));
    // It is refused again: all wait, and nobody is probing.
    one.failed(&party, &refusal(20.0), at(20.2));
    assert_eq!(waits_until(&two.ask(&party, at(21.0))), Some(at(40.2)));
    // It takes its request back: another may try at once.
    assert_eq!(one.ask(&party, at(43.0)), Admission::Go);
    one.left(&party, at(43.1));
    assert_eq!(two.ask(&party, at(46.0)), Admission::Go);
    // An error of the server says nothing of the limit: the deadline begins again, shortly.
    two.failed(&party, &failure(FaultClass::ServerError, FaultScope::Provider, None), at(46.1));
    assert!(matches!(one.ask(&party, at(47.0)), Admission::Wait { firm: true, .. }));
    assert_eq!(one.ask(&party, at(77.0)), Admission::Go);
    one.taken(&party, at(78.0));
    assert!(two.list(at(78.0)).unwrap().iter().all(|cooling| !cooling.firm));
    assert_eq!(two.ask(&party, at(81.0)), Admission::Go);
}

#[test]
fn a_probe_of_a_process_that_is_gone_or_silent_holds_nobody_up() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (run(dir.path(), "one"), run(dir.path(), "two"));
    let party = party(&one, "m");
    one.failed(&party, &refusal(20.0), at(0.0));
    if cfg!(target_os = "linux") {
        assert_eq!(ghost(dir.path()).ask(&party, at(20.0)), Admission::Go);
        assert_eq!(one.ask(&party, at(23.0)), Admission::Go, "the other has ended");
    } else {
        assert_eq!(one.ask(&party, at(23.0)), Admission::Go);
    }
    assert!(matches!(two.ask(&party, at(82.9)), Admission::Wait { firm: true, .. }));
    assert_eq!(two.ask(&party, at(83.0)), Admission::Go, "it was silent for a minute");
    // The first one comes back after all; that is not the answer of the one who is trying now.
    one.taken(&party, at(83.5));
    assert!(matches!(one.ask(&party, at(84.0)), Admission::Wait { firm: true, .. }));
    two.taken(&party, at(85.0));
    assert!(two.list(at(85.0)).unwrap().is_empty());
}

#[test]
fn an_answer_about_the_request_opens_and_an_abort_decides_nothing() {
    for (class, opens) in [
        (FaultClass::RequestInvalid, true),
        (FaultClass::ContextOverflow, true),
        (FaultClass::UserAbort, false),
        (FaultClass::BudgetLimit, false),
        (FaultClass::Unknown, false),
    ] {
        let dir = TempDir::new().unwrap();
        let one = run(dir.path(), "one");
        let party = party(&one, "m");
        one.failed(&party, &refusal(20.0), at(0.0));
        assert_eq!(one.ask(&party, at(20.0)), Admission::Go);
        assert_eq!(one.failed(&party, &failure(class, FaultScope::Request, None), at(20.5)), None);
        assert_eq!(one.list(at(20.5)).unwrap().is_empty(), opens, "{class}");
        assert_eq!(one.ask(&party, at(23.0)), Admission::Go, "{class}");
    }
}

#[test]
fn an_account_starts_slowly() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (run(dir.path(), "one"), run(dir.path(), "two"));
    let party = party(&one, "m");
    assert_eq!(one.ask(&party, at(0.0)), Admission::Go);
    let wait = two.ask(&party, at(0.1));
    assert!(
        matches!(wait, Admission::Wait { firm: false, .. }) && waits_until(&wait) < Some(at(0.2)),
        "{wait:?}"
    );
    assert_eq!(two.ask(&party, at(1.0)), Admission::Go, "a place is held for a second at most");
    assert!(waits_until(&one.ask(&party, at(1.1))).is_some());
    two.left(&party, at(1.2));
    assert_eq!(two.ask(&party, at(1.2)), Admission::Go);
    two.taken(&party, at(1.3));
    let mut answers = 1_u32;
    let mut now = 1.3;
    loop {
        let mut going = 0;
        while one.ask(&party, at(now)) == Admission::Go && going < 200 {
            going += 1;
        }
        if answers >= 8 * 63 {
            assert_eq!(going, 200, "no bound after {answers} answers");
            break;
        }
        assert_eq!(going, 1 + answers / 8, "after {answers} answers");
        for _ in 0..going {
            one.taken(&party, at(now + 0.01));
        }
        answers += going;
        now += 0.02;
    }
    // A minute of silence, or one refusal, and it begins again.
    assert_eq!(two.ask(&party, at(now + 62.0)), Admission::Go);
    assert!(waits_until(&two.ask(&party, at(now + 62.0))).is_some());
}

#[test]
fn a_clock_that_is_set_back_prolongs_nothing() {
    let dir = TempDir::new().unwrap();
    let one = run(dir.path(), "one");
    let party = party(&one, "m");
    let late = 30.0 * 86_400.0;
    one.failed(&party, &refusal(20.0), at(late));
    assert_eq!(waits_until(&one.ask(&party, at(0.0))), Some(at(20.0)));
    assert_eq!(
        waits_until(&one.ask(&party, at(19.0))),
        Some(at(20.0)),
        "it does not begin again at each look"
    );
    assert_eq!(one.ask(&party, at(20.0)), Admission::Go);
    one.failed(&party, &refusal(20.0), at(late));
    assert_eq!(one.ask(&party, at(late + 20.0)), Admission::Go);
    assert!(matches!(one.ask(&party, at(22.0)), Admission::Wait { firm: true, .. }));
    assert!(matches!(one.ask(&party, at(81.0)), Admission::Wait { firm: true, .. }));
    assert_eq!(one.ask(&party, at(83.0)), Admission::Go, "a probe of the future is over after a minute");
    one.taken(&party, at(84.0));
    one.failed(&party, &refusal(1.0), at(late));
    assert_eq!(
        one.ask(&party, at(90.0)),
        Admission::Wait { until: at(91.0), why: "rate_limited: as it was said".to_owned(), firm: true }
    );
}

#[test]
fn an_overview_lists_and_clears() {
    let dir = TempDir::new().unwrap();
    let nowhere = Overview::new(dir.path().join("nowhere"));
    assert!(nowhere.list(at(0.0)).unwrap().is_empty() && nowhere.clear("all", at(0.0)).unwrap().is_empty());
    assert!(!dir.path().join("nowhere").exists(), "a look makes nothing");
    let one = run(dir.path(), "one");
    let first = party(&one, "m");
    let second = Party { account: one.name(PROVIDER, "another"), ..first.clone() };
    let third = Party { provider: "claude".to_owned(), account: one.name("claude", ""), model: None };
    let overview = Overview::new(dir.path().to_owned());
    let setup = || {
        one.failed(&first, &refusal(20.0), at(0.0));
        one.failed(&second, &refusal(30.0), at(0.0));
        one.failed(&third, &failure(FaultClass::ModelNotFound, FaultScope::Model, None), at(0.0));
        one.failed(&first, &failure(FaultClass::Overloaded, FaultScope::Provider, Some(40.0)), at(0.0));
    };
    let rows: [(&str, usize); 9] = [
        ("all", 4),
        (PROVIDER, 3),
        ("api.example.com", 3),
        ("claude", 1),
        (first.account.as_str(), 1),
        (&first.account.as_str()[..4], 1),
        (&first.account.as_str()[..3], 0),
        ("", 0),
        ("nobody", 0),
    ];
    for (which, cleared) in rows {
        setup();
        assert_eq!(overview.list(at(1.0)).unwrap().len(), 4, "{which}");
        assert_eq!(overview.clear(which, at(1.0)).unwrap().len(), cleared, "{which}");
        assert_eq!(overview.list(at(1.0)).unwrap().len(), 4 - cleared, "{which}");
    }
    setup();
    overview.clear("all", at(1.0)).unwrap();
    assert_eq!(one.ask(&first, at(1.0)), Admission::Go);
}

#[test]
fn without_a_directory_it_works_for_this_process() {
    let one = Accounts::private(&Owner { pid: std::process::id(), run: "one".to_owned() });
    let party = party(&one, "m");
    let clone = one.clone();
    assert_eq!(one.ask(&party, at(0.0)), Admission::Go);
    assert!(waits_until(&clone.ask(&party, at(0.5))).is_some());
    one.failed(&party, &refusal(20.0), at(0.6));
    assert_eq!(waits_until(&clone.ask(&party, at(1.0))), Some(at(20.6)));
    assert_eq!(clone.list(at(1.0)).unwrap().len(), 1);
    assert_eq!(one.trouble(), None);
}
