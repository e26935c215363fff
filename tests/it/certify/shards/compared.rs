//! Scores that compare with the baseline's answer: made where all cells come together, however often that is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::super::interrupted::answered;
use super::super::{model, number};
use super::{Bench, CASES, by_name, certified};
use crate::support::completions::{self, Turn};
use crate::support::http::{Response, Server, Step};
use crate::support::sandbox::{of_kind, signal, wait_for};

/// A judge that likes a yes, and while `holding` lets everybody wait.
fn judged(holding: &Arc<AtomicBool>) -> Bench {
    let holding = Arc::clone(holding);
    let server = Server::answering(move |_, request| {
        if model(&request.body) != "judge" {
            let turn = Turn::Say(by_name(&model(&request.body), number(&request.body)));
            return Some(completions::answer(request, &turn));
        }
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let asked = body["messages"].to_string();
        let yes = |which: &str| {
            let (_, rest) = asked.split_once(&format!("BEGIN {which} answer")).unwrap();
            rest.split_once("END ").unwrap().0.contains("yes")
        };
        let turn = Turn::Say(match (yes("first"), yes("second")) {
            (true, false) => "{\"reasoning\": \"\", \"better\": {\"right\": \"first\"}}",
            (false, true) => "{\"reasoning\": \"\", \"better\": {\"right\": \"second\"}}",
            _ => "{\"reasoning\": \"\", \"better\": {\"right\": \"tie\"}}",
        });
        let wait = if holding.load(Ordering::SeqCst) { Duration::from_mins(10) } else { Duration::ZERO };
        Some(Response::steps(vec![Step::Wait(wait)]).and(completions::answer(request, &turn)))
    });
    let bench = Bench::against(server, CASES, "");
    bench.chat("judge", "");
    let suite = bench.sandbox.read("suite.toml");
    let score = "[[score]]\nname = \"better\"\nkind = \"judge\"\n[score.options]\nprofile = \"judge.toml\"\n\
                 compare = \"baseline\"\ndimensions = { right = \"says yes\" }\n[gate]\nscore = \"better\"\n";
    bench.sandbox.write("suite.toml", &format!("{suite}{score}"));
    bench
}

#[test]
fn cells_of_their_own_are_compared_when_they_come_together() {
    let bench = judged(&Arc::default());
    bench.certify("good.toml", "bad.toml", "whole", &[], 0);
    let before = bench.asked();
    bench.certify("good.toml", "bad.toml", "run", &["--plan"], 0);
    bench.cell("run", "0-11", 0);
    bench.cell("run", "12-23", 0);
    assert_eq!(bench.asked() - before, 24, "no judge is asked for half of the answers");
    bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(bench.asked() - before, 24 + 24, "each pair in both orders");
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn a_comparison_that_was_cut_off_is_made_when_the_run_goes_on() {
    let holding = Arc::new(AtomicBool::new(true));
    let bench = judged(&holding);
    let args = Bench::args("good.toml", "bad.toml", "run");
    let mut child = bench.start(&args);
    let journal = || bench.sandbox.read("run/journal.jsonl");
    // Judges have all places of the endpoint, and keep them.
    let judging = || bench.server.requests().iter().filter(|one| model(&one.body) == "judge").count();
    wait_for("judges", || judging() == 4);
    signal(child.id(), "KILL");
    child.wait().unwrap();
    let there = answered(&journal()).len();
    assert!((3..24).contains(&there), "{there}");
    holding.store(false, Ordering::SeqCst);
    let before = bench.asked();
    bench.call(&args, 0);
    assert_eq!(judging() - 4, 24, "each pair in both orders");
    assert_eq!(bench.asked() - before, 24 + 24 - there, "what has an answer is not asked again");
    let events = bench.events("run");
    let of_candidates: Vec<&Value> = of_kind(&events, "cell.scored")
        .into_iter()
        .filter(|scored| scored["score"] == "better" && scored["cell"].as_u64().unwrap() % 2 == 1)
        .collect();
    assert_eq!(of_candidates.len(), 12);
    assert!(of_candidates.iter().all(|scored| scored["value"] == 1.0), "{}", of_candidates[0]);
    bench.call(&["certify", "--verify", "run"], 0);
}
