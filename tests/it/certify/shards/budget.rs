//! The budget of a suite, over many processes at once.

use std::time::Duration;

use super::{Bench, GATE, by_name, shuffled};
use crate::support::sandbox::{finish, of_kind, signal, wait_for};

/// Tokens that the server says for one request.
const ONE: u64 = 120;

impl Bench {
    fn budget(&self, table: &str) {
        let suite = self.sandbox.read("suite.toml");
        self.sandbox.write("suite.toml", &format!("{suite}\n[budget]\n{table}\n"));
    }

    fn tokens(&self, out: &str) -> u64 {
        let spend = &self.json(&format!("{out}/result.json"))["spend"];
        spend["input"].as_u64().unwrap() + spend["output"].as_u64().unwrap()
    }
}

#[test]
fn eight_processes_at_once_keep_to_it_together() {
    let bench = Bench::new(30, GATE, Duration::from_millis(30), by_name);
    bench.budget("tokens = 6000");
    bench.plan("run");
    let ran = bench.array("run", &shuffled(60, 5), 8);
    // What xargs says where a call has not exited with 0.
    assert_eq!(ran.code, Some(123), "{}", ran.err);
    assert!(ran.out.contains("budget"), "{}", ran.out);
    let asked = bench.asked() as u64;
    assert!(asked * ONE <= 6000, "{asked} requests of {ONE} tokens");
    assert!(asked >= 30, "only {asked}: what is left is not used");
    let refused = bench.of_shards("run");
    let refused = of_kind(&refused, "budget.refused").len() as u64;
    assert_eq!(refused, 60 - asked, "each of the others says why");
    // Neither does the one that takes them in spend what is not there.
    bench.call(&["certify", "--resume", "run"], 5);
    assert_eq!(bench.asked() as u64, asked);
    assert_eq!(bench.tokens("run"), asked * ONE);
}

#[test]
fn what_a_killed_process_may_have_spent_is_charged() {
    let bench = Bench::new(8, GATE, Duration::from_secs(20), |_, _| "yes");
    bench.budget("tokens = 6000");
    bench.plan("run");
    let mut child = bench.start(&["cell", "--plan", "run", "--index", "0"]);
    wait_for("the request", || bench.asked() == 1);
    // Nobody knows yet what a cell takes, and 6000 tokens are not enough for two: the other one waits.
    let other = bench.start(&["cell", "--plan", "run", "--index", "1"]);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(bench.asked(), 1);
    signal(child.id(), "KILL");
    child.wait().unwrap();
    // What it has spent is not known, and is taken for what a cell takes.
    let ran = finish(other);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.out.starts_with("1\t") && ran.out.contains("budget"), "{}", ran.out);
    assert_eq!(bench.asked(), 1);
}

#[test]
fn of_a_price_that_nobody_knows_the_first_cell_goes_alone() {
    let bench = Bench::new(10, GATE, Duration::from_millis(100), by_name);
    // A request costs 1.2 cents: eight of them are under ten cents.
    for name in ["good", "base"] {
        let prices = "input = 100.0\noutput = 100.0";
        bench.chat(name, &format!("[prices.\"local/{name}\"]\n{prices}"));
    }
    bench.budget("usd = 0.1");
    bench.plan("run");
    bench.array("run", &shuffled(20, 9), 8);
    let asked = bench.asked();
    assert!((5..=8).contains(&asked), "{asked} requests of 1.2 cents each");
    bench.call(&["certify", "--resume", "run"], 5);
    assert!(bench.asked() <= 8);
    let usd = bench.json("run/result.json")["spend"]["usd"].as_f64().unwrap();
    assert!(usd <= 0.1 && usd > 0.05, "{usd}");
}

#[test]
fn what_was_taken_in_is_not_charged_twice() {
    let bench = Bench::new(30, GATE, Duration::ZERO, by_name);
    bench.budget("tokens = 6000");
    bench.plan("run");
    bench.cell("run", "0-9", 0);
    bench.call(&["certify", "--resume", "run", "--collect"], 3);
    bench.call(&["cell", "--plan", "run", "--index", "10-59", "--jobs", "1"], 3);
    // 48 requests are 5760 tokens, and one more may take 180.
    assert_eq!(bench.asked(), 49);
    bench.call(&["certify", "--resume", "run"], 5);
    assert_eq!(bench.asked(), 49);
    assert_eq!(bench.tokens("run"), 49 * ONE);
}
