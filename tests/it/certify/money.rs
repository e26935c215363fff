//! What arms cost: those that are offline, and what a run is expected to take before its first cell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::{Bench, GATE, by_name, model, number};
use crate::support::completions::{self, Turn};
use crate::support::http::Server;
use crate::support::sandbox::of_kind;

fn expected(bench: &Bench, out: &str) -> Value {
    let events = bench.events(out);
    of_kind(&events, "plan.fixed")[0]["expected"].clone()
}

/// A table without its line ends.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn remarks(bench: &Bench, out: &str) -> String {
    bench.certificate(out)["body"]["certified"]["remarks"].to_string()
}

/// One that says so is no stub; one that says nothing is refused by its name.
#[test]
fn an_arm_that_is_offline_needs_no_usage_and_another_one_is_named() {
    let bench = Bench::new(10, GATE, Duration::ZERO, by_name);
    let root = bench.path("");
    let root = root.display();
    for (name, says) in [("yes", "yes"), ("none", "no")] {
        bench.shell(
            name,
            &format!("cat > /dev/null; echo x >> {root}/asked; echo {says}\n"),
            "offline = true\n",
        );
    }
    bench.shell("silent", "cat > /dev/null; echo no\n", "");
    let ran = bench.certify("yes.toml", "none.toml", "both", &["--set", "suite.budget.usd=1.0"], 0);
    assert_eq!(bench.reasons("both"), ["significant"]);
    assert!(flat(&ran.err).contains("offline"), "said before the first cell: {}", ran.err);
    assert!(ran.out.contains("yes (offline)"), "{}", ran.out);
    let result = bench.json("both/result.json");
    assert_eq!(
        (&result["spend"]["usd"], &result["spend"]["usd_known"]),
        (&0.0.into(), &true.into()),
        "{result}"
    );
    let certificate = bench.certificate("both");
    assert_eq!(certificate["body"]["arms"][0]["offline"], true, "{certificate}");
    assert_eq!(expected(&bench, "both")["usd"], 0.0);
    bench.call(&["certify", "--verify", "both"], 0);
    // A ceiling in dollars does not end what goes on for free.
    let asked = bench.sandbox.read("asked").lines().count();
    bench.certify("yes.toml", "none.toml", "both", &["--set", "suite.budget.usd=1.0"], 0);
    assert_eq!(bench.sandbox.read("asked").lines().count(), asked);

    let ran = bench.certify("yes.toml", "silent.toml", "mixed", &[], 3);
    assert_eq!(bench.reasons("mixed"), ["stub-cells"]);
    assert!(flat(&ran.out).contains("10 of the 10 answers of silent have no reported usage"), "{}", ran.out);
    assert!(!remarks(&bench, "mixed").contains("answers of yes"), "{}", remarks(&bench, "mixed"));
    assert!(bench.sandbox.read("mixed/report.md").contains("answers of silent"));
}

/// Who says that it costs nothing, and reports dollars, is told so; it is billed all the same.
#[test]
fn an_offline_arm_that_reports_dollars_is_told() {
    let bench = Bench::new(10, GATE, Duration::ZERO, by_name);
    bench.chat("good", "offline = true\n[prices.\"local/good\"]\ninput = 10.0\noutput = 0.0\n");
    // One without a price reports tokens, and its dollars are nothing.
    bench.chat("bad", "offline = true\n");
    let ran = bench.certify("good.toml", "bad.toml", "run", &[], 0);
    assert!(
        ran.out
            .contains("The profile of good says that it is offline, and 10 of its 10 answers report dollars"),
        "{}",
        ran.out
    );
    assert!(!flat(&ran.out).contains("The profile of bad"), "{}", ran.out);
    let spend = &bench.json("run/result.json")["spend"];
    assert_eq!(spend["usd_known"], true, "{spend}");
    assert!(
        (spend["usd"].as_f64().unwrap() - 0.01).abs() < 1e-9,
        "10 × 100 tokens at 10 dollars a million: {spend}"
    );
}

/// Expected is what an earlier run paid, or what prices and ceilings bound, or nothing.
#[test]
fn the_expected_spend_says_where_it_is_from() {
    let bench = Bench::new(12, GATE, Duration::ZERO, by_name);
    let priced = |name: &str, more: &str| {
        bench.chat(name, &format!("{more}\n[prices.\"local/{name}\"]\ninput = 10.0\noutput = 50.0\n"));
    };
    let ran = bench.certify("good.toml", "base.toml", "unpriced", &[], 0);
    assert!(flat(&ran.err).contains("expected spend: unknown"), "{}", ran.err);
    assert!(flat(&ran.err).contains("no price of local/good"), "{}", ran.err);

    priced("good", "[model]\nmax_output_tokens = 1000");
    priced("base", "[model]\nmax_output_tokens = 1000");
    let ran = bench.certify("good.toml", "base.toml", "first", &["--set", "suite.budget.usd=1.0"], 0);
    // 24 cells of at most 1000 tokens at 50 dollars a million are 1.2 dollars, and the prompts a little more.
    let bound = expected(&bench, "first");
    let most = bound["most_usd"].as_f64().unwrap();
    assert!(most > 1.2 && most < 1.21, "{bound}");
    assert!(bound["usd"].is_null(), "a ceiling is no expectation: {bound}");
    assert!(flat(&ran.err).contains("expected spend: at most about $1.2"), "{}", ran.err);
    assert!(flat(&ran.err).contains("`budget.usd` of the suite is $1.0000: it may end"), "{}", ran.err);

    // Now it is known: 100 tokens in and 20 out a cell are 0.002 dollars.
    let ran = bench.certify("good.toml", "base.toml", "second", &["--set", "suite.budget.usd=0.03"], 5);
    let seen = expected(&bench, "second");
    assert!((seen["usd"].as_f64().unwrap() - 24.0 * 0.002).abs() < 1e-9, "{seen}");
    assert!(flat(&ran.err).contains("a cell in 12 answers of"), "{}", ran.err);
    assert!(
        flat(&ran.err).contains("$0.0480 are expected at least: it will end before the last cell"),
        "{}",
        ran.err
    );
    // Before the first cell.
    let (said, begun) = (ran.err.find("expected at least").unwrap(), ran.err.find("cells answered").unwrap());
    assert!(said < begun);
    // A ceiling that was too low is raised, and the same call does the rest.
    let asked = bench.asked();
    let kept = of_kind(&bench.events("second"), "cell.ended")
        .iter()
        .filter(|cell| cell["missing"].is_null())
        .count();
    assert!(kept > 0);
    bench.certify("good.toml", "base.toml", "second", &["--set", "suite.budget.usd=1.0"], 0);
    assert_eq!(bench.asked() - asked, 24 - kept, "what was paid for is kept");
    // Another profile is not what was measured.
    priced("good", "[model]\nmax_output_tokens = 999");
    bench.certify("good.toml", "base.toml", "third", &["--dry-run"], 0);
    let third = expected(&bench, "third");
    assert!(third["usd"].is_null() && third["most_usd"].is_number(), "{third}");
}

/// What a plan can see follows from what the stored baseline has shown.
#[test]
fn a_stored_baseline_says_how_far_values_spread() {
    let bench = Bench::new(40, GATE, Duration::ZERO, by_name);
    bench.certify("good.toml", "bad.toml", "old", &[], 0);
    bench.certify("base.toml", "bad.toml", "half", &[], 0);
    let sight = |baseline: &str| {
        let out = format!("against-{baseline}");
        bench.certify("good.toml", baseline, &out, &["--dry-run"], 0);
        let events = bench.events(&out);
        let plan = of_kind(&events, "plan.fixed")[0].clone();
        (plan["mde"].as_f64().unwrap(), plan["mde_assumes"].as_str().unwrap().to_owned())
    };
    let (nothing, says) = sight("base.toml");
    assert!(says.ends_with("where nothing is known"), "{says}");
    // All cases alike: nothing differs by chance. Half of them: as much as can.
    let (steady, says) = sight("old");
    assert!(
        says.starts_with("0 % of the cases") && says.ends_with("as the stored baseline has it"),
        "{says}"
    );
    let (wild, says) = sight("half");
    assert!(says.starts_with("25 % of the cases"), "{says}");
    assert!(steady < nothing && nothing < wild, "{steady} {nothing} {wild}");
}

/// A request that was refused has cost nothing: a ceiling in dollars does not keep the gap from being filled.
#[test]
fn a_refused_cell_leaves_the_spend_known() {
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let server = Server::answering(move |_, request| {
        let number = number(&request.body);
        if number == 3 && !opened.load(Ordering::SeqCst) {
            return Some(completions::refusal(400, "invalid_request", "not this one"));
        }
        Some(completions::answer(request, &Turn::Say(by_name(&model(&request.body), number))))
    });
    let bench = Bench::against(server, 12, GATE);
    for name in ["good", "bad"] {
        bench.chat(name, &format!("[prices.\"local/{name}\"]\ninput = 10.0\noutput = 0.0\n"));
    }
    let ceiling = ["--set", "suite.budget.usd=1.0"];
    bench.certify("good.toml", "bad.toml", "run", &ceiling, 3);
    assert!(bench.reasons("run").contains(&"incomplete-coverage".to_owned()));
    let spend = bench.json("run/result.json")["spend"].clone();
    assert_eq!(spend["usd_known"], true, "{spend}");
    assert!((spend["usd"].as_f64().unwrap() - 22.0 * 0.001).abs() < 1e-9, "{spend}");
    open.store(true, Ordering::SeqCst);
    let asked = bench.asked();
    bench.certify("good.toml", "bad.toml", "run", &ceiling, 0);
    assert_eq!(bench.asked() - asked, 2);
}

/// A judge on a machine of one's own costs nothing: a ceiling in dollars does not end what it judges.
#[test]
fn an_offline_judge_is_no_unknown_spend() {
    let server = Server::answering(move |_, request| {
        let said = match model(&request.body).as_str() {
            "judge" => "{\"reasoning\": \"so\", \"grades\": {\"quality\": 5}}",
            name => by_name(name, number(&request.body)),
        };
        Some(completions::answer(request, &Turn::Say(said)))
    });
    let bench = Bench::against(server, 60, "");
    bench.chat("good", "[prices.\"local/good\"]\ninput = 10.0\noutput = 0.0\n");
    bench.suite(
        "Question {{ n }}: yes or no?",
        1,
        "[[score]]\nname = \"tone\"\nkind = \"judge\"\n[score.options]\nprofile = \"judge.toml\"\nrubric = \"Is it good?\"\n\
         [gate]\nscore = \"tone\"\nmode = \"threshold\"\nmin = 0.5\n[budget]\nusd = 1.0\n",
    );
    let call = |out: &str, code: i32| {
        bench.call(&["certify", "-p", "good.toml", "-S", "suite.toml", "--out", out], code)
    };
    bench.chat("judge", "");
    let ran = call("unknown", 3);
    assert_eq!(bench.json("unknown/result.json")["outcome"], "spend_unknown", "{}", ran.err);
    bench.chat("judge", "offline = true\n");
    call("offline", 0);
    let spend = bench.json("offline/result.json")["spend"].clone();
    assert_eq!((&spend["usd_known"], &spend["tokens_known"]), (&true.into(), &true.into()), "{spend}");
    assert!((spend["usd"].as_f64().unwrap() - 0.06).abs() < 1e-9, "{spend}");
    let scored = of_kind(&bench.events("offline"), "cell.scored")[0].clone();
    assert_eq!(
        (&scored["offline"], &scored["usage"]["usd"]),
        (&true.into(), &Value::Null),
        "as it was reported: {scored}"
    );
}
