//! What `provost cell` and the merge refuse, and what they say then.

use std::time::Duration;

use super::{Bench, CASES, GATE, by_name, certified};

/// Lines, each with its end.
fn whole(lines: &[&str]) -> String {
    lines.join("\n") + "\n"
}

#[test]
fn a_cell_that_the_plan_does_not_have_names_those_it_has() {
    let bench = Bench::new(CASES, GATE, Duration::ZERO, by_name);
    bench.plan("run");
    let ran = bench.cell("run", "3,24", 2);
    assert!(ran.err.contains("no cell 24") && ran.err.contains("0-23"), "{}", ran.err);
    let ran = bench.cell("run", "7-3", 2);
    assert!(ran.err.contains("goes backwards"), "{}", ran.err);
    bench.cell("run", "0-18446744073709551615", 2);
    bench.call(&["cell", "--plan", "run"], 2);
    bench.call(&["cell", "--plan", "run", "--index", "1", "--missing"], 2);
    bench.call(&["cell", "--plan", "absent", "--index", "1"], 2);
    bench.call(&["cell", "--plan", "run/cases.jsonl", "--index", "1"], 2);
    assert_eq!(bench.asked(), 0);
    assert!(!bench.path("run/shards").exists(), "nothing was begun");
}

#[test]
fn a_plan_is_neither_a_dry_run_nor_a_collection() {
    let bench = Bench::new(CASES, GATE, Duration::ZERO, by_name);
    for other in ["--dry-run", "--collect"] {
        bench.certify("good.toml", "base.toml", "run", &["--plan", other], 2);
    }
    let ran = bench.certify("good.toml", "base.toml", "new", &["--collect"], 2);
    assert!(ran.err.contains("nothing to collect"), "{}", ran.err);
    bench.plan("run");
    // A plan that cannot answer is not left open.
    let power = ["--plan", "--min-power", "0.99", "--effect", "0.01"];
    bench.certify("good.toml", "base.toml", "weak", &power, 3);
    bench.call(&["certify", "--resume", "run", "--plan"], 2);
    assert_eq!(bench.asked(), 0);
}

#[test]
fn a_plan_that_was_touched_is_not_run() {
    let bench = Bench::new(CASES, GATE, Duration::ZERO, by_name);
    bench.plan("run");
    let plan = bench.sandbox.read("run/plan.json");
    bench.sandbox.write("run/plan.json", &plan.replacen("\"seed\": 0", "\"seed\": 1", 1));
    let ran = bench.cell("run", "0", 4);
    assert!(ran.err.contains("not the plan that was fixed"), "{}", ran.err);
    bench.sandbox.write("run/plan.json", &plan);
    let cases = bench.sandbox.read("run/cases.jsonl");
    bench.sandbox.write("run/cases.jsonl", &cases.replacen("yes", "no", 1));
    let ran = bench.cell("run", "0", 4);
    assert!(ran.err.contains("cases.jsonl is not what the plan was made with"), "{}", ran.err);
    bench.sandbox.write("run/cases.jsonl", &cases);
    // Killed before the plan was whole on record.
    let journal = bench.sandbox.read("run/journal.jsonl");
    let torn: Vec<&str> = journal.lines().take_while(|line| !line.contains("cases.fixed")).collect();
    bench.sandbox.write("run/journal.jsonl", &whole(&torn));
    bench.cell("run", "0", 2);
    bench.plan("run");
    bench.cell("run", "0", 0);
    assert_eq!(bench.asked(), 1);
}

#[test]
fn a_plan_of_a_dry_run_or_with_a_secret_is_not_run() {
    let bench = Bench::new(CASES, GATE, Duration::ZERO, by_name);
    let rest = "env = { OTHER_TOKEN = \"swordfish-77-swordfish\" }\n";
    bench.shell("holds", "cat > /dev/null; echo yes\n", rest);
    bench.certify("holds.toml", "base.toml", "run", &["--plan", "--allow-stubs"], 0);
    let ran = bench.cell("run", "1", 2);
    assert!(ran.err.contains("agent.env.OTHER_TOKEN"), "{}", ran.err);
    assert!(!bench.path("run/shards").exists());
    let treated = "[treatments]\nhalf = { compress = 0.5, model = \"local/base\" }\n";
    bench.chat("told", "[prompt]\nsystem = \"Say yes or no, and nothing else, whatever the question is.\"\n");
    bench.suite("Question {{ n }}: yes or no?", 1, &format!("{GATE}{treated}"));
    bench.certify("told.toml", "base.toml", "dry", &["--dry-run"], 0);
    let ran = bench.cell("dry", "1", 2);
    assert!(ran.err.contains("--dry-run"), "{}", ran.err);
}

#[test]
fn a_judge_that_has_changed_since_does_not_score() {
    let bench = Bench::new(CASES, "", Duration::ZERO, by_name);
    bench.chat("judge", "");
    let suite = bench.sandbox.read("suite.toml");
    let judged = "[[score]]\nname = \"judged\"\nkind = \"judge\"\n[score.options]\nprofile = \"judge.toml\"\nrubric = \"Good?\"\n";
    bench.sandbox.write("suite.toml", &format!("{suite}{judged}"));
    bench.call(&["certify", "-p", "good.toml", "-S", "suite.toml", "--out", "run", "--plan"], 0);
    bench.chat("judge", "[model]\ntemperature = 0.5\n");
    let ran = bench.cell("run", "0", 4);
    assert!(ran.err.contains("the score `judged`"), "{}", ran.err);
    assert_eq!(std::fs::read_dir(bench.path("run/shards")).unwrap().count(), 0, "an empty shard is left");
    bench.call(&["certify", "--resume", "run"], 4);
    assert_eq!(bench.asked(), 0);
}

#[test]
fn shards_that_cannot_be_read_or_are_of_another_plan_are_named() {
    let bench = Bench::new(CASES, GATE, Duration::ZERO, by_name);
    bench.certify("good.toml", "base.toml", "whole", &[], 0);
    bench.plan("run");
    bench.cell("run", "0-23", 0);
    let shard = std::fs::read_dir(bench.path("run/shards")).unwrap().next().unwrap().unwrap().path();
    let name = shard.file_name().unwrap().to_str().unwrap().to_owned();
    let before = bench.sandbox.read("run/journal.jsonl");
    let tampered = |file: &str, change: &dyn Fn(&str) -> String, says: &str| {
        let path = format!("run/shards/{name}/{file}");
        let text = bench.sandbox.read(&path);
        let other = change(&text);
        assert_ne!(other, text);
        bench.sandbox.write(&path, &other);
        let ran = bench.call(&["certify", "--resume", "run"], 4);
        assert!(ran.err.contains(says) && ran.err.contains(&name), "{}", ran.err);
        bench.sandbox.write(&path, &text);
    };
    let line = |text: &str, number: usize, to: &str| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines[number] = to;
        whole(&lines)
    };
    tampered("journal.jsonl", &|text| line(text, 5, "{\"seq\":5,"), "journal.jsonl:6");
    tampered(
        "journal.jsonl",
        &|text| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.remove(4);
            whole(&lines)
        },
        "expected event",
    );
    tampered(
        "journal.jsonl",
        &|text| {
            let (before, rest) = text.split_once("\"plan_sha256\":\"").unwrap();
            format!("{before}\"plan_sha256\":\"{}{}", "0".repeat(64), &rest[64..])
        },
        "another plan",
    );
    assert!(!bench.sandbox.read("run/journal.jsonl").replace(&before, "").contains("cell.ended"));
    tampered("outputs.jsonl", &|text| text.replace("yes", "yet"), "lacks the answer");
    bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    // After the merge a shard is no evidence any more.
    std::fs::write(shard.join("outputs.jsonl"), "").unwrap();
    std::fs::write(shard.join("prompts.jsonl"), "no").unwrap();
    bench.call(&["certify", "--verify", "run"], 0);
    bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    assert_eq!(bench.asked(), 48);
}
