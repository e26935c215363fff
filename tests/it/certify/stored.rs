//! Stored runs: as a baseline, scored again, and side by side.

use std::time::Duration;

use super::{Bench, GATE, by_name, ended};
use crate::support::sandbox::of_kind;

#[test]
fn a_stored_run_is_a_baseline_only_where_it_can_be_compared() {
    let bench = Bench::new(12, "", Duration::ZERO, by_name);
    bench.call(&["certify", "-p", "base.toml", "-S", "suite.toml", "--out", "old"], 0);
    assert_eq!(bench.asked(), 12);
    let template = "Question {{ n }}: yes or no?";
    bench.suite(template, 1, GATE);
    bench.certify("good.toml", "old", "new", &[], 0);
    assert_eq!(bench.asked(), 24, "only the candidate is run");
    let events = bench.events("new");
    let stored = ended(&events, "base");
    assert_eq!(stored.len(), 12);
    assert!(stored.iter().all(|cell| cell["stored"] == true));
    assert_eq!(bench.reasons("new"), ["significant"]);
    bench.call(&["certify", "--verify", "new"], 0);
    // What it has consumed was billed then.
    let result = bench.json("new/result.json");
    assert_eq!(result["spend"]["input"], 12 * 100, "{result}");

    bench.suite("Now, Question {{ n }}: yes or no?", 1, GATE);
    let ran = bench.certify("good.toml", "old", "other", &[], 2);
    assert!(ran.err.contains("the template differ"), "{}", ran.err);
    assert_eq!(bench.asked(), 24);
    bench.certify("good.toml", "old", "different", &["--allow-different"], 0);
    assert_eq!(bench.asked(), 36);
    assert_eq!(ended(&bench.events("different"), "base").len(), 12);
}

#[test]
fn stored_answers_are_scored_again_without_an_agent() {
    let bench = Bench::new(12, GATE, Duration::ZERO, by_name);
    bench.certify("good.toml", "base.toml", "old", &[], 0);
    let asked = bench.asked();
    let score = "[[score]]\nname = \"negative\"\nkind = \"regex\"\n[score.options]\npattern = \"^no$\"\n";
    bench.suite("Question {{ n }}: yes or no?", 1, &format!("{score}[gate]\nscore = \"negative\"\n"));
    bench.call(&["certify", "--rescore", "old", "-S", "suite.toml", "--out", "new"], 1);
    assert_eq!(bench.asked(), asked, "nobody is asked");
    assert_eq!(bench.reasons("new"), ["worse"]);
    let certificate = bench.certificate("new");
    let arms = certificate["body"]["certified"]["arms"].as_array().unwrap();
    let mean = |arm: &str, score: &str| {
        let found = arms.iter().find(|figures| figures["arm"] == arm && figures["score"] == score);
        found.unwrap()["mean"]["mean"].as_f64().unwrap()
    };
    assert_eq!((mean("base", "negative"), mean("good", "negative")), (0.5, 0.0));
    assert_eq!((mean("base", "right"), mean("good", "right")), (0.5, 1.0));
    bench.call(&["certify", "--verify", "new"], 0);
    bench.call(&["certify", "--verify", "old"], 0);
}

#[test]
fn stored_runs_are_shown_side_by_side() {
    let bench = Bench::new(10, GATE, Duration::ZERO, by_name);
    for (candidate, label) in [("good", "model=good"), ("bad", "model=bad")] {
        let code = i32::from(candidate == "bad");
        bench.certify(&format!("{candidate}.toml"), "base.toml", candidate, &["--label", label], code);
    }
    let asked = bench.asked();
    let more = ["--csv", "rows.csv", "--markdown", "rows.md"];
    let ran = bench.call(&[&["certify", "--report", "good", "bad"], &more[..]].concat(), 0);
    assert!(ran.out.contains("pass") && ran.out.contains("fail"), "{}", ran.out);
    assert!(bench.sandbox.read("rows.csv").lines().count() >= 3, "{}", bench.sandbox.read("rows.csv"));
    assert!(bench.sandbox.read("rows.md").contains("fail"));
    let json = bench.call(&["certify", "--report", "good", "bad", "--json"], 0);
    let rows: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert!(rows.to_string().contains("\"model\":\"bad\""), "{rows}");
    assert_eq!(bench.asked(), asked);
    // Other trials are another measurement.
    bench.suite("Question {{ n }}: yes or no?", 2, GATE);
    bench.certify("good.toml", "base.toml", "twice", &[], 0);
    let ran = bench.call(&["certify", "--report", "good", "twice"], 2);
    assert!(ran.err.contains("cannot be compared"), "{}", ran.err);
    bench.call(&["certify", "--report", "good", "twice", "--allow-different"], 0);
    assert_eq!(of_kind(&bench.events("twice"), "cell.ended").len(), 40);
}

#[test]
fn a_run_that_was_ended_while_it_took_cells_over_takes_the_others_over_too() {
    let bench = Bench::new(10, GATE, Duration::ZERO, by_name);
    bench.call(
        &[
            "certify",
            "-p",
            "base.toml",
            "-S",
            "suite.toml",
            "--set",
            "gate.mode=\"threshold\"",
            "--set",
            "gate.min=0.1",
            "--out",
            ".provost/runs/old",
        ],
        0,
    );
    let name = bench.json(".provost/runs/old/manifest.json")["run"].as_str().unwrap().to_owned();
    std::fs::rename(bench.path(".provost/runs/old"), bench.path(".provost/runs").join(&name)).unwrap();
    bench.certify("good.toml", &name, "run", &[], 0);
    let certificate = bench.certificate("run");
    // As if it had been killed after the first cells: what the journal does not hold has not happened.
    let journal = bench.sandbox.read("run/journal.jsonl");
    let whole: Vec<&str> = journal.split_inclusive('\n').collect();
    let third =
        whole.iter().enumerate().filter(|(_, line)| line.contains("\"cell.ended\"")).nth(2).unwrap().0;
    for (left, how) in [(third, "out"), (4, "resume")] {
        bench.sandbox.write("run/journal.jsonl", &whole[..left].concat());
        std::fs::remove_file(bench.path("run/certificate.json")).unwrap();
        if how == "out" {
            bench.certify("good.toml", &name, "run", &[], 0);
        } else {
            bench.call(&["certify", "--resume", "run"], 0);
        }
        assert_eq!(ended(&bench.events("run"), "base").len(), 10, "{how}");
        assert_eq!(bench.certificate("run")["digest"], certificate["digest"], "{how}");
        bench.call(&["certify", "--verify", "run"], 0);
    }
}
