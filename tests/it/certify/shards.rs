//! `provost cell`: cells of a plan in many processes, and what becomes of them when they come together.

mod budget;
mod compared;
mod merged;
mod refused;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::interrupted::draws;
use super::{Bench, GATE, by_name};
use crate::support::sandbox::{Ran, finish, of_kind, signal, wait_for};

const CASES: u64 = 12;
const CELLS: u64 = 2 * CASES;

impl Bench {
    /// Makes the plan of `good` against `base`.
    fn plan(&self, out: &str) -> Ran {
        self.certify("good.toml", "base.toml", out, &["--plan"], 0)
    }

    #[track_caller]
    fn cell(&self, out: &str, index: &str, code: i32) -> Ran {
        self.call(&["cell", "--plan", out, "--index", index], code)
    }

    #[track_caller]
    fn missing(&self, out: &str) -> String {
        let ran = self.call(&["cell", "--plan", &format!("{out}/plan.json"), "--missing"], 0);
        assert!(ran.out.is_empty() || ran.out.ends_with('\n'), "{:?}", ran.out);
        ran.out.trim_end().to_owned()
    }

    /// The events of all shards.
    fn of_shards(&self, out: &str) -> Vec<Value> {
        let Ok(shards) = std::fs::read_dir(self.path(out).join("shards")) else { return Vec::new() };
        let events = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(path.join("journal.jsonl")).unwrap_or_default();
            text.lines().skip(1).filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>()
        };
        shards.flat_map(|shard| events(shard.unwrap().path())).collect()
    }

    /// A shell that starts as many processes at once as an array engine would.
    fn array(&self, out: &str, indexes: &[u64], at_once: usize) -> Ran {
        let list: Vec<String> = indexes.iter().map(u64::to_string).collect();
        self.sandbox.write("list", &(list.join("\n") + "\n"));
        let script =
            format!("xargs -P {at_once} -I N \"$PROVOST\" -q cell --plan {out}/plan.json --index N < list");
        let mut command = self.sandbox.command(&[]);
        let environment: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env_clear().envs(environment).current_dir(self.path(""));
        shell.env("PROVOST", env!("CARGO_BIN_EXE_provost"));
        command = shell;
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        finish(command.spawn().unwrap())
    }
}

/// All places of a plan, in an order of their own.
fn shuffled(cells: u64, seed: u64) -> Vec<u64> {
    let mut all: Vec<u64> = (0..cells).collect();
    let mut draw = draws(seed);
    for at in (1..all.len()).rev() {
        all.swap(at, usize::try_from(draw(at as u64 + 1)).unwrap());
    }
    all
}

/// What a certificate says, whoever has run the cells.
fn certified(bench: &Bench, out: &str) -> (Value, Value) {
    let certificate = bench.certificate(out);
    (certificate["digest"].clone(), certificate["body"]["verdict"].clone())
}

#[test]
fn many_processes_come_to_what_one_comes_to() {
    let bench = Bench::new(CASES, GATE, Duration::from_millis(5), by_name);
    bench.certify("good.toml", "base.toml", "whole", &[], 0);
    let before = bench.asked();
    let ran = bench.plan("run");
    assert!(ran.out.contains("run/plan.json") && ran.out.contains("cells  24, 0-23"), "{}", ran.out);
    assert_eq!(bench.asked(), before, "a plan asks nobody");
    assert_eq!(bench.missing("run"), "0-23");
    // Made again it is the same plan, and nothing is written.
    let journal = bench.sandbox.read("run/journal.jsonl");
    bench.plan("run");
    assert_eq!(journal, bench.sandbox.read("run/journal.jsonl"));
    let mut indexes = shuffled(CELLS, 3);
    indexes.extend([5, 5, 17]);
    let ran = bench.array("run", &indexes, 4);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(bench.missing("run"), "");
    let asked = bench.asked() - before;
    assert!((24..=27).contains(&asked), "{asked}");
    assert_eq!(journal, bench.sandbox.read("run/journal.jsonl"), "cells write to nothing but their shards");
    let before = bench.asked();
    bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(bench.asked(), before, "all was there");
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    bench.call(&["certify", "--verify", "run"], 0);
    let events = bench.events("run");
    let merged: BTreeSet<&str> =
        of_kind(&events, "shard.merged").into_iter().map(|event| event["shard"].as_str().unwrap()).collect();
    let shards = std::fs::read_dir(bench.path("run/shards")).unwrap().count();
    assert_eq!(merged.len(), shards);
    // Nothing of it needs the shards any more.
    std::fs::remove_dir_all(bench.path("run/shards")).unwrap();
    bench.call(&["certify", "--verify", "run"], 0);
    bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    assert_eq!(bench.asked(), before);
}

#[test]
fn what_has_an_answer_is_not_asked_again() {
    let bench = Bench::new(CASES, GATE, Duration::ZERO, by_name);
    bench.plan("run");
    bench.cell("run", "3", 0);
    assert_eq!(bench.asked(), 1);
    let shards = bench.of_shards("run");
    assert_eq!(shards[0]["kind"], "shard.started", "{}", shards[0]);
    assert!(shards[0]["host"].is_string() && shards[0]["pid"].is_u64());
    assert_eq!(shards.last().unwrap()["kind"], "run.ended");
    let ran = bench.cell("run", "3", 0);
    assert!(ran.err.contains("nothing was asked"), "{}", ran.err);
    // A list does what is left of it.
    bench.cell("run", "2-5,3", 0);
    assert_eq!(bench.asked(), 4);
    assert_eq!(std::fs::read_dir(bench.path("run/shards")).unwrap().count(), 2);
    assert_eq!(bench.missing("run"), "0-1,6-23");
    // And so does whoever certifies, also where the shards were taken in before.
    bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(bench.asked() as u64, CELLS);
    bench.cell("run", "0-23", 0);
    assert_eq!(bench.asked() as u64, CELLS);
}

#[test]
fn killed_cells_are_missing_and_are_submitted_again() {
    let bench = Bench::new(CASES, GATE, Duration::from_millis(40), by_name);
    bench.certify("good.toml", "base.toml", "whole", &[], 0);
    bench.plan("run");
    let mut draw = draws(11);
    let mut killed = 0;
    for _ in 0..12 {
        let missing = bench.missing("run");
        if missing.is_empty() {
            break;
        }
        let before = bench.asked();
        let mut child = bench.start(&["-q", "cell", "--plan", "run", "--index", &missing, "--jobs", "2"]);
        let until = before + 1 + usize::try_from(draw(4)).unwrap();
        wait_for("requests", || bench.asked() >= until || child.try_wait().unwrap().is_some());
        std::thread::sleep(Duration::from_millis(draw(60)));
        if child.try_wait().unwrap().is_none() {
            signal(child.id(), "KILL");
            killed += 1;
        }
        child.wait().unwrap();
    }
    assert!(killed >= 3, "only {killed} were killed");
    let missing = bench.missing("run");
    if !missing.is_empty() {
        bench.cell("run", &missing, 0);
    }
    assert_eq!(bench.missing("run"), "");
    let before = bench.asked();
    let ran = bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(bench.asked(), before);
    assert!(ran.err.contains("cut off"), "what was lost is told: {}", ran.err);
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    let events = bench.events("run");
    let lost: usize = of_kind(&events, "shard.merged")
        .iter()
        .map(|event| event["lost"].as_array().map_or(0, Vec::len))
        .sum();
    assert!((1..=2 * killed).contains(&lost), "{lost} lost after {killed} kills with 2 in flight");
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn a_request_to_end_is_heard_and_what_was_cut_off_is_missing() {
    let bench = Bench::new(CASES, GATE, Duration::from_millis(200), by_name);
    bench.plan("run");
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let before = bench.asked();
        let child = bench.start(&["cell", "--plan", "run", "--index", "0-23", "--jobs", "1"]);
        wait_for("two requests", || bench.asked() >= before + 2);
        signal(child.id(), name);
        let ran = finish(child);
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert!(ran.out.lines().all(|line| line.ends_with("not run")), "{}", ran.out);
    }
    let missing = bench.missing("run");
    assert!(!missing.is_empty() && missing != "0-23", "{missing}");
    let ran = bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(ran.err.matches("1 cell cut off").count(), 2, "one was in flight each time: {}", ran.err);
    assert_eq!(bench.reasons("run"), ["significant"]);
}

#[test]
fn the_same_cell_twice_at_once_is_billed_twice_and_the_first_answer_stands() {
    let bench = Bench::new(CASES, GATE, Duration::from_millis(300), by_name);
    bench.certify("good.toml", "base.toml", "whole", &[], 0);
    bench.plan("run");
    let before = bench.asked();
    let first = bench.start(&["cell", "--plan", "run", "--index", "4"]);
    wait_for("the first", || bench.asked() > before);
    let second = bench.start(&["cell", "--plan", "run", "--index", "4"]);
    for child in [first, second] {
        let ran = finish(child);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    assert_eq!(bench.asked() - before, 2);
    bench.cell("run", "0-23", 0);
    assert_eq!(bench.asked() - before, 25);
    bench.call(&["certify", "--resume", "run"], 0);
    let events = bench.events("run");
    let ends: Vec<&Value> =
        of_kind(&events, "cell.ended").into_iter().filter(|cell| cell["cell"] == 4).collect();
    assert_eq!(ends.len(), 2);
    let late: Vec<bool> = ends.iter().map(|end| end["origin"]["late"] == true).collect();
    assert_eq!(late, [false, true]);
    assert!(ends[0]["origin"]["at"].as_str() <= ends[1]["origin"]["at"].as_str());
    // Billed are both, and the evidence is of one.
    let spend = &bench.json("run/result.json")["spend"];
    let once = &bench.json("whole/result.json")["spend"];
    let tokens = |spend: &Value| spend["input"].as_u64().unwrap() + spend["output"].as_u64().unwrap();
    assert_eq!(tokens(spend) * CELLS, tokens(once) * (CELLS + 1));
    let evidence = |out: &str| bench.certificate(out)["body"]["evidence_sha256"].clone();
    assert_eq!(evidence("run"), evidence("whole"));
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn a_cell_without_an_answer_says_why_and_is_tried_again() {
    let bench = Bench::new(4, GATE, Duration::ZERO, by_name);
    let root = bench.path("");
    let root = root.display();
    bench.shell("flaky", &format!("cat > /dev/null; [ -e {root}/go ] || exit 3; echo yes\n"), "");
    bench.shell("none", "cat > /dev/null; echo no\n", "");
    bench.certify("flaky.toml", "none.toml", "run", &["--allow-stubs", "--plan"], 0);
    // The baseline has an answer, the candidate has none.
    let ran = bench.cell("run", "0-1", 3);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ran.out);
    assert!(lines[0].starts_with("1\tflaky, c0, trial 1\tagent"), "{}", ran.out);
    assert_eq!(bench.missing("run"), "1-7");
    bench.sandbox.write("go", "");
    bench.cell("run", "1", 0);
    assert_eq!(bench.missing("run"), "2-7");
    // What is not there stays missing when nobody is to be asked.
    let ran = bench.call(&["certify", "--resume", "run", "--collect", "--csv", "cells.csv"], 3);
    assert!(ran.err.contains("2 cells answered"), "{}", ran.err);
    assert_eq!(bench.sandbox.read("cells.csv").matches("not_run").count(), 6);
    bench.call(&["certify", "--verify", "run"], 0);
    // And it still can be had.
    bench.cell("run", "2-7", 0);
    bench.call(&["certify", "--resume", "run", "--collect"], 3);
    assert_eq!(bench.reasons("run"), ["few-tasks"]);
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn what_is_enough_for_a_sequential_gate_is_enough_when_it_is_taken_in() {
    let gate = "[gate]\nscore = \"right\"\nsequential = true\n";
    let bench = Bench::new(40, gate, Duration::from_millis(5), by_name);
    bench.certify("good.toml", "bad.toml", "whole", &[], 0);
    let asked = bench.asked();
    assert!(asked < 80, "it did not stop early");
    let ended: Vec<String> =
        of_kind(&bench.events("whole"), "cell.ended").iter().map(|end| end["cell"].to_string()).collect();
    bench.certify("good.toml", "bad.toml", "run", &["--plan"], 0);
    bench.cell("run", &ended.join(","), 0);
    assert_eq!(bench.asked(), asked + ended.len());
    bench.call(&["certify", "--resume", "run"], 0);
    bench.call(&["certify", "--resume", "whole"], 0);
    assert_eq!(bench.asked(), asked + ended.len(), "more than enough was asked");
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
}
