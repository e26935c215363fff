//! Killed, interrupted, and called again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Bench, GATE, by_name, model, number};
use crate::support::completions::{self, Turn};
use crate::support::http::{Response, Server, Step};
use crate::support::sandbox::{finish, lives, of_kind, signal, wait_for};

const CASES: u64 = 24;

/// Draws of a small generator, so that the moments are other ones and yet the same in each call.
pub(super) fn draws(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

/// The cells with an answer on record, as the lines that are whole say.
pub(super) fn answered(journal: &str) -> BTreeSet<(String, u64)> {
    let events = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ended = events.filter(|event| event["kind"] == "cell.ended" && event["missing"].is_null());
    let name = |cell: Value| {
        let case = cell["case"].as_str().unwrap().trim_start_matches('c').parse().unwrap();
        (cell["arm"].as_str().unwrap().to_owned(), case)
    };
    ended.map(name).collect()
}

/// How often each cell was asked for, of the requests after the first so many.
fn asked(bench: &Bench, from: usize) -> BTreeMap<(String, u64), usize> {
    let mut asked = BTreeMap::new();
    for request in bench.server.requests().iter().skip(from) {
        *asked.entry((model(&request.body), number(&request.body))).or_default() += 1;
    }
    asked
}

/// Runs that are killed, each twice: twenty points.
const RUNS: u64 = 10;

#[test]
fn killed_anywhere_and_called_again_it_comes_to_the_same() {
    let bench = Bench::new(CASES, GATE, Duration::from_millis(20), by_name);
    bench.certify("good.toml", "base.toml", "whole", &[], 0);
    let whole = bench.certificate("whole");
    let mut draw = draws(7);
    let mut all_kills = 0;
    for round in 0..RUNS {
        let out = format!("run{round}");
        let args = Bench::args("good.toml", "base.toml", &out);
        let begun = bench.asked();
        let mut kills = 0_usize;
        for _ in 0..2 {
            let before = bench.asked();
            let left =
                2 * CASES - answered(&bench.sandbox.read(&format!("{out}/journal.jsonl"))).len() as u64;
            let until = before + usize::try_from(draw(left.max(2))).unwrap();
            let pause = Duration::from_millis(draw(30));
            let mut child = bench.start(&args);
            wait_for("some requests", || bench.asked() >= until || child.try_wait().unwrap().is_some());
            std::thread::sleep(pause);
            if child.try_wait().unwrap().is_none() {
                kills += 1;
                signal(child.id(), "KILL");
            }
            child.wait().unwrap();
            // Let what is in flight arrive, so that it is not counted to the next process.
            std::thread::sleep(Duration::from_millis(50));
        }
        let kept = answered(&bench.sandbox.read(&format!("{out}/journal.jsonl")));
        let from = bench.asked();
        bench.call(&args, 0);
        let again = asked(&bench, from);
        for cell in &kept {
            assert!(!again.contains_key(cell), "{cell:?} was answered, and is asked again");
        }
        assert_eq!(again.len() + kept.len(), usize::try_from(2 * CASES).unwrap());
        let all = asked(&bench, begun);
        let repeated: usize = all.values().map(|times| times - 1).sum();
        assert!(repeated <= 4 * kills, "{repeated} repeated after {kills} kills with 4 in flight");
        let certificate = bench.certificate(&out);
        assert_eq!(certificate["digest"], whole["digest"], "after {kills} kills");
        assert_eq!(certificate["body"]["verdict"], whole["body"]["verdict"]);
        assert_eq!(certificate["body"]["verdict"], "pass");
        bench.call(&["certify", "--verify", &out], 0);
        totals_equal_the_rows(&bench, &out);
        all_kills += kills;
    }
    let few = usize::try_from(RUNS).unwrap();
    assert!(all_kills >= few, "only {all_kills} of {} were killed before their end", 2 * RUNS);
}

fn totals_equal_the_rows(bench: &Bench, out: &str) {
    let events = bench.events(out);
    let cells = of_kind(&events, "cell.ended");
    let sum = |key: &str| -> u64 { cells.iter().map(|cell| cell["usage"][key].as_u64().unwrap_or(0)).sum() };
    let result = bench.json(&format!("{out}/result.json"));
    assert_eq!(result["spend"]["input"], sum("input"), "{result}");
    assert_eq!(result["spend"]["output"], sum("output"), "{result}");
    let distinct: BTreeSet<u64> = cells.iter().map(|cell| cell["cell"].as_u64().unwrap()).collect();
    assert_eq!((cells.len() as u64, distinct.len() as u64), (2 * CASES, 2 * CASES));
    let figures = &bench.certificate(out)["body"]["certified"]["arms"];
    for arm in figures.as_array().unwrap() {
        assert_eq!((&arm["dealt"], &arm["answered"]), (&CASES.into(), &CASES.into()), "{arm}");
        let of_arm = cells.iter().filter(|cell| cell["arm"] == arm["arm"]);
        let passed = of_arm.filter(|cell| cell["scores"]["right"]["value"] == 1.0).count() as u64;
        assert_eq!(arm["stable_pass"], passed, "{arm}");
    }
}

#[test]
fn an_interrupt_ends_it_with_its_reports_and_it_goes_on() {
    let bench = Bench::new(CASES, GATE, Duration::from_millis(150), by_name);
    let args = Bench::args("good.toml", "base.toml", "run");
    let child = bench.start(&[&args[..], &["--csv", "c.csv"]].concat());
    wait_for("some requests", || bench.asked() >= 10);
    let begin = Instant::now();
    signal(child.id(), "INT");
    let ran = finish(child);
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    assert_eq!(bench.json("run/result.json")["outcome"], "interrupted");
    for name in ["run/report.md", "run/report.xml", "c.csv"] {
        assert!(!bench.sandbox.read(name).is_empty(), "{name} is not there");
    }
    assert!(!bench.path("run/certificate.json").exists(), "nothing is certified yet");
    let kept = answered(&bench.sandbox.read("run/journal.jsonl"));
    assert!(!kept.is_empty() && kept.len() < 48, "{}", kept.len());
    std::thread::sleep(Duration::from_millis(300));
    let from = bench.asked();
    bench.call(&["certify", "--resume", "run"], 0);
    let again = asked(&bench, from);
    assert!(kept.iter().all(|cell| !again.contains_key(cell)), "an answer is asked for again");
    assert_eq!(again.values().sum::<usize>() + kept.len(), 48);
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn agents_that_are_at_work_end_with_an_interrupt_and_are_asked_again_from_another_place() {
    let bench = Bench::new(8, GATE, Duration::ZERO, by_name);
    let root = bench.path("");
    let root = root.display();
    // In the first call nobody answers.
    let script =
        format!("cat > /dev/null; echo $$ >> {root}/pids; [ -e {root}/go ] || sleep 600; echo yes\n");
    bench.shell("works", &script, "");
    bench.shell("none", "cat > /dev/null; echo no\n", "");
    let args = [&Bench::args("works.toml", "none.toml", "run")[..], &["--allow-stubs"]].concat();
    let child = bench.start(&args);
    wait_for("four agents", || bench.sandbox.read("pids").lines().count() >= 4);
    let begin = Instant::now();
    signal(child.id(), "INT");
    let ran = finish(child);
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    for pid in bench.sandbox.read("pids").lines() {
        assert!(!lives(pid.parse().unwrap()), "the agent {pid} lives on");
    }
    let kept = answered(&bench.sandbox.read("run/journal.jsonl"));
    assert!(kept.iter().all(|(arm, _)| arm == "none"), "{kept:?}");
    bench.sandbox.write("go", "");
    // By a relative name: the agents stand somewhere else.
    let ran = bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(bench.reasons("run"), ["significant"], "{}", ran.err);
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn answers_that_were_not_scored_are_scored_later_and_nobody_is_asked_again() {
    let bench = Bench::new(8, "", Duration::ZERO, by_name);
    let root = bench.path("");
    let root = root.display();
    bench.shell("yes", &format!("cat > /dev/null; echo x >> {root}/asked; echo yes\n"), "");
    let script = format!("cat > /dev/null; echo x >> {root}/begun; [ -e {root}/go ] || sleep 600; echo 1");
    bench.sandbox.write("score.sh", &script);
    bench.sandbox.write(
        "suite.toml",
        &format!(
            "schema = 1\nname = \"slow\"\n[cases]\nfile = \"cases.jsonl\"\n[trials]\nretries = 0\n\
             [[score]]\nname = \"right\"\nkind = \"command\"\n[score.options]\n\
             command = [\"sh\", \"{root}/score.sh\"]\ntimeout = \"15m\"\n\
             [gate]\nscore = \"right\"\nmode = \"threshold\"\nmin = 0.5\n"
        ),
    );
    let args = ["certify", "-p", "yes.toml", "-S", "suite.toml", "--out", "run", "--allow-stubs"];
    let mut child = bench.start(&args);
    let journal = || bench.sandbox.read("run/journal.jsonl");
    wait_for("all answers", || answered(&journal()).len() == 8 && !bench.sandbox.read("begun").is_empty());
    signal(child.id(), "KILL");
    child.wait().unwrap();
    assert_eq!(bench.sandbox.read("asked").lines().count(), 8);
    assert!(!journal().contains("cell.scored"));
    bench.sandbox.write("go", "");
    bench.call(&args, 0);
    assert_eq!(bench.sandbox.read("asked").lines().count(), 8, "an agent is asked again");
    assert_eq!(of_kind(&bench.events("run"), "cell.scored").len(), 8);
    assert_eq!(bench.reasons("run"), ["above-threshold"]);
    assert_eq!(
        std::fs::read_dir(bench.path("run/work")).map_or(0, Iterator::count),
        0,
        "workspaces are left"
    );
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn what_was_missing_is_tried_again_and_an_old_certificate_does_not_outlive_its_journal() {
    let bench = Bench::new(10, GATE, Duration::ZERO, by_name);
    let root = bench.path("");
    let root = root.display();
    let script = format!(
        "read -r task; n=${{task#Question }}; n=${{n%%:*}}\n\
         if [ \"$n\" -lt 4 ]; then [ -e {root}/go ] || exit 1; echo x >> {root}/again; sleep $(cat {root}/go); fi\n\
         echo yes\n"
    );
    bench.shell("flaky", &script, "");
    bench.shell("none", "cat > /dev/null; echo no\n", "");
    let args = [&Bench::args("flaky.toml", "none.toml", "run")[..], &["--allow-stubs"]].concat();
    let ran = bench.call(&args, 3);
    assert!(ran.err.contains("16 cells answered · 4 missing"), "{}", ran.err);
    assert!(bench.reasons("run").contains(&"incomplete-coverage".to_owned()));
    bench.sandbox.write("go", "600");
    let child = bench.start(&args);
    wait_for("the missing ones", || bench.sandbox.read("again").lines().count() == 4);
    assert!(!bench.path("run/certificate.json").exists(), "it is not of this journal any more");
    signal(child.id(), "INT");
    assert_eq!(finish(child).code, Some(130));
    bench.call(&["certify", "--verify", "run"], 2);
    bench.sandbox.write("go", "0");
    let ran = bench.call(&args, 0);
    let last = ran.err.lines().find(|line| line.contains("20 cells answered")).unwrap();
    assert!(!last.contains("missing"), "{last}");
    assert_eq!(bench.reasons("run"), ["significant"]);
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn a_verdict_is_shown_only_where_it_is_the_last_word() {
    let goes_on = Arc::new(AtomicBool::new(false));
    let late = Arc::clone(&goes_on);
    let server = Server::answering(move |_, request| {
        let turn = Turn::Say(by_name(&model(&request.body), number(&request.body)));
        match (number(&request.body) < 4, late.load(Ordering::SeqCst)) {
            (true, false) => Some(completions::refusal(500, "server_error", "out of order")),
            (true, true) => Some(Response::steps(vec![Step::Hang])),
            (false, _) => Some(completions::answer(request, &turn)),
        }
    });
    let bench = Bench::against(server, 12, GATE);
    let ran = bench.certify("good.toml", "base.toml", "run", &[], 3);
    assert!(ran.out.contains("INCONCLUSIVE"), "{}", ran.out);
    assert!(bench.sandbox.read("run/report.md").contains("inconclusive"));
    assert_eq!(bench.call(&["peek", "run", "--select", "cells.verdict"], 0).out, "inconclusive\n");

    goes_on.store(true, Ordering::SeqCst);
    let from = bench.asked();
    let child = bench.start(&Bench::args("good.toml", "base.toml", "run"));
    wait_for("a question that is asked again", || bench.asked() > from);
    signal(child.id(), "INT");
    let ran = finish(child);
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    let markdown = bench.sandbox.read("run/report.md");
    assert!(!markdown.contains("inconclusive") && markdown.contains("no verdict"), "{markdown}");
    assert!(!ran.out.contains("INCONCLUSIVE"), "{}", ran.out);
    let junit = bench.sandbox.read("run/report.xml");
    assert!(!junit.contains("incomplete-coverage"), "{junit}");
    assert_eq!(bench.call(&["peek", "run", "--select", "cells.verdict"], 0).out, "null\n");
    let report = bench.call(&["certify", "--report", "run"], 0);
    assert!(report.out.contains("no verdict"), "{}", report.out);
}
