//! What is decided before anything is asked: dry runs, power, parts, settings.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Bench, GATE, by_name};
use crate::support::sandbox::of_kind;

#[test]
fn a_dry_run_asks_nobody_and_keeps_the_prompts() {
    let bench = Bench::new(9, GATE, Duration::ZERO, by_name);
    bench.chat("good", "[prompt]\nsystem = \"You are tested.\"\n");
    bench.certify("good.toml", "base.toml", "run", &["--dry-run"], 0);
    assert_eq!(bench.asked(), 0);
    let prompts = bench.sandbox.read("run/prompts.jsonl");
    for n in 0..9 {
        assert!(prompts.contains(&format!("Question {n}: yes or no?")), "{prompts}");
    }
    assert!(prompts.contains("You are tested."), "{prompts}");
    let events = bench.events("run");
    assert_eq!(of_kind(&events, "plan.fixed").len(), 1);
    assert!(of_kind(&events, "cell.started").is_empty());
    assert!(!bench.path("run/certificate.json").exists(), "nothing is certified");
}

#[test]
fn a_plan_that_cannot_see_the_effect_is_refused_before_any_request() {
    let bench = Bench::new(8, GATE, Duration::ZERO, by_name);
    let power = ["--min-power", "0.8", "--effect", "0.05"];
    let ran = bench.certify("good.toml", "base.toml", "run", &power, 3);
    assert_eq!(bench.asked(), 0);
    assert!(ran.err.contains("the chance to see an effect of 0.05 is"), "{}", ran.err);
    let events = bench.events("run");
    assert_eq!(events.iter().rfind(|event| event["kind"] == "run.ended").unwrap()["outcome"], "inconclusive");
    assert!(!bench.path("run/certificate.json").exists());
    let power = ["--min-power", "0.01", "--effect", "1.0"];
    bench.certify("good.toml", "bad.toml", "other", &power, 0);
    assert_eq!(bench.asked(), 16);
}

#[test]
fn a_part_of_the_split_is_measured_and_its_uses_are_counted() {
    let split = "[split]\ntrain = 0.4\nselection = 0.3\ntest = 0.3\n[gate]\nscore = \"right\"\n";
    let bench = Bench::new(60, split, Duration::ZERO, by_name);
    let mut all = BTreeSet::new();
    let mut dealt = 0;
    for part in ["train", "selection", "test"] {
        bench.certify("good.toml", "bad.toml", part, &["--part", part], 0);
        let events = bench.events(part);
        let plan = of_kind(&events, "plan.fixed")[0].clone();
        assert_eq!(plan["part"], part);
        assert_eq!(plan["uses"], 0);
        for cell in of_kind(&events, "cell.ended") {
            all.insert(cell["case"].as_str().unwrap().to_owned());
        }
        dealt += plan["cases"].as_u64().unwrap();
    }
    assert_eq!((all.len(), dealt), (60, 60), "each case is in one part");
    // The held-out part is what is measured where nobody says otherwise, and it is held out no more.
    bench.certify("good.toml", "bad.toml", "again", &[], 0);
    let events = bench.events("again");
    let plan = of_kind(&events, "plan.fixed")[0];
    assert_eq!((&plan["part"], &plan["uses"]), (&"test".into(), &1.into()), "{plan}");
    bench.certify("good.toml", "bad.toml", "none", &["--part", "half"], 2);
    let bench = Bench::new(8, GATE, Duration::ZERO, by_name);
    let ran = bench.certify("good.toml", "bad.toml", "none", &["--part", "test"], 2);
    assert!(ran.err.contains("the suite has no split"), "{}", ran.err);
    assert_eq!(bench.asked(), 0);
}

#[test]
fn settings_are_of_the_plan() {
    let bench = Bench::new(8, GATE, Duration::ZERO, by_name);
    // Four units against none: 1/16 by the sign test.
    bench.certify("good.toml", "base.toml", "strict", &[], 3);
    bench.certify("good.toml", "base.toml", "loose", &["--set", "gate.alpha=0.1"], 0);
    assert_eq!(bench.certificate("loose")["body"]["gate"]["alpha"], 0.1);
    let ran = bench.certify("good.toml", "base.toml", "bad", &["--set", "gate.alhpa=0.1"], 2);
    assert!(ran.err.contains("alpha"), "{}", ran.err);
    let ran = bench.certify("good.toml", "base.toml", "bad", &["--label", "novalue"], 2);
    assert!(ran.err.contains("novalue"), "{}", ran.err);
    // What was asked for under this name cannot become something else.
    let ran = bench.certify("good.toml", "base.toml", "strict", &["--set", "gate.alpha=0.1"], 2);
    assert!(ran.err.contains("a plan is never changed"), "{}", ran.err);
    let ran = bench.call(&["certify", "-p", "good.toml", "-S", "suite.toml", "--out", "bad"], 2);
    assert!(ran.err.contains("--baseline"), "{}", ran.err);
    assert!(!bench.path("bad").exists(), "what is refused leaves nothing behind");
}
