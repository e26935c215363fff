//! What it costs to ask for leave before each request: `cargo bench --bench admission`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::allow_attributes,
    missing_docs,
    reason = "a benchmark"
)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant;

use jiff::Timestamp;
use provost::backend::account::{Accounts, Admission, Leave, Limits, Owner, Party};
use provost::event::{Failure, FaultClass, FaultScope};

const ROUNDS: u32 = 2_000;

#[allow(clippy::cast_precision_loss, reason = "far below where it begins")]
fn micros(nanos: u128) -> f64 {
    nanos as f64 / 1000.0
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner { pid: std::process::id(), run: "bench".to_owned() };
    let accounts = Accounts::shared(dir.path().join("accounts"), &owner).unwrap();
    let account = accounts.name("http://127.0.0.1/v1", "key");
    let party = Party { provider: "http://127.0.0.1/v1".to_owned(), account, model: None };
    let start = Timestamp::from_second(1_795_000_000).unwrap();
    let at = |tenths: u32| start + jiff::SignedDuration::from_millis(100 * i64::from(tenths));
    let time = |what: &str, call: &mut dyn FnMut(u32)| {
        let mut each: Vec<u128> = (0..ROUNDS)
            .map(|round| {
                let began = Instant::now();
                call(round);
                began.elapsed().as_nanos()
            })
            .collect();
        each.sort_unstable();
        let median = each[each.len() / 2];
        println!(
            "{what:<34} median {:>6.1} us, p99 {:>6.1} us",
            micros(median),
            micros(each[each.len() * 99 / 100])
        );
    };
    time("ask and taken", &mut |round| {
        assert_eq!(accounts.ask(&party, at(round)), Admission::Go);
        accounts.taken(&party, at(round));
    });
    time("succeeded", &mut |_| accounts.succeeded(&party, at(ROUNDS)));
    // A whole request, as the engine asks for it; the imagined time goes on by 1 ms each, so that the answers of a tenth of
    // a second are written down together.
    let at_once = |round: u32| start + jiff::SignedDuration::from_millis(300_000 + i64::from(round));
    let whole = |party: &Party, round: u32| {
        let leave = accounts.leave(party, at_once(round));
        assert!(matches!(leave, Leave::Go(_)), "{leave:?}");
        accounts.taken(party, at_once(round));
        accounts.succeeded(party, at_once(round));
        drop(leave);
    };
    let stated = |port: u32, limits: Limits| {
        let provider = format!("http://127.0.0.1:{port}/v1");
        let account = accounts.name(&provider, "key");
        let party = Party { provider, account, model: None };
        accounts.limit(&party, limits);
        party
    };
    let slots = stated(1, Limits { max_concurrency: Some(64), rpm: None });
    time("a request, 64 slots", &mut |round| whole(&slots, round));
    let both = stated(2, Limits { max_concurrency: Some(64), rpm: Some(120_000) });
    time("a request, 64 slots, 120000 rpm", &mut |round| whole(&both, round));
    let full = stated(3, Limits { max_concurrency: Some(64), rpm: None });
    let passes: Vec<Leave> = (0..64).map(|_| accounts.leave(&full, at_once(0))).collect();
    time("leave while all slots are taken", &mut |round| {
        assert!(matches!(accounts.leave(&full, at_once(round)), Leave::Wait { firm: false, .. }));
    });
    drop(passes);
    let refused = Failure {
        scope: FaultScope::Account,
        retry_after: Some(3600.0),
        ..Failure::ours(FaultClass::RateLimited, "too many")
    };
    accounts.failed(&party, &refused, at(ROUNDS));
    time("ask while it cools", &mut |_| {
        assert!(matches!(accounts.ask(&party, at(ROUNDS + 10)), Admission::Wait { firm: true, .. }));
    });
}
