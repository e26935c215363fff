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
use provost::backend::account::{Accounts, Admission, Owner, Party};
use provost::event::{Failure, FaultClass, FaultScope};

const ROUNDS: u32 = 2_000;

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
            "{what:<22} median {:>6} us, p99 {:>6} us",
            median / 1000,
            each[each.len() * 99 / 100] / 1000
        );
    };
    time("ask and taken", &mut |round| {
        assert_eq!(accounts.ask(&party, at(round)), Admission::Go);
        accounts.taken(&party, at(round));
    });
    time("succeeded", &mut |_| accounts.succeeded(&party, at(ROUNDS)));
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
