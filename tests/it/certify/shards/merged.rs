//! Shards that are taken in: once, whatever happens meanwhile.

use std::time::Duration;

use serde_json::Value;

use super::{Bench, CELLS, GATE, by_name, certified};
use crate::support::sandbox::{copy, finish, of_kind, signal, wait_for};

/// What a run was billed, and what it says of its cells.
fn totals(bench: &Bench, out: &str) -> Value {
    let events = bench.events(out);
    let ends = of_kind(&events, "cell.ended");
    let late = ends.iter().filter(|end| end["origin"]["late"] == true).count();
    let result = bench.json(&format!("{out}/result.json"));
    let lost: Vec<&Value> = of_kind(&events, "shard.merged").iter().map(|merged| &merged["lost"]).collect();
    serde_json::json!({
        "input": result["spend"]["input"], "output": result["spend"]["output"], "ends": ends.len(), "late": late,
        "lost": lost, "certificate": bench.certificate(out)["digest"],
    })
}

#[test]
fn a_merge_that_is_killed_at_any_event_and_called_again_doubles_nothing() {
    let bench = Bench::new(6, GATE, Duration::from_millis(150), by_name);
    bench.certify("good.toml", "base.toml", "whole", &[], 3);
    bench.plan("run");
    // One that is cut off, and the same cells in two shards.
    let begun = bench.asked();
    let mut cut_off = bench.start(&["cell", "--plan", "run", "--index", "0"]);
    wait_for("the first", || bench.asked() > begun);
    signal(cut_off.id(), "KILL");
    cut_off.wait().unwrap();
    let two = ["0-5", "4-11"].map(|index| bench.start(&["cell", "--plan", "run", "--index", index]));
    for child in two {
        assert_eq!(finish(child).code, Some(0));
    }
    let planned = bench.sandbox.read("run/journal.jsonl").len();
    copy(&bench.path("run"), &bench.path("merged"));
    bench.call(&["certify", "--resume", "merged", "--collect"], 3);
    let want = totals(&bench, "merged");
    assert_eq!(want["certificate"], bench.certificate("whole")["digest"]);
    let asked = bench.asked();
    assert_eq!(want["ends"], asked - begun - 1, "each that has ended is there once");
    assert_eq!((&want["late"], &want["lost"][0]), (&2.into(), &serde_json::json!([0])));
    let journal = bench.sandbox.read("merged/journal.jsonl");
    let boundaries: Vec<usize> =
        journal.match_indices('\n').map(|(at, _)| at + 1).filter(|at| *at >= planned).collect();
    assert!(boundaries.len() > 16, "{}", boundaries.len());
    for (number, at) in boundaries.into_iter().enumerate() {
        let out = format!("killed{number}");
        copy(&bench.path("run"), &bench.path(&out));
        // Every third one is killed within a line.
        let at = if number % 3 == 2 { (at + 40).min(journal.len() - 1) } else { at };
        bench.sandbox.write(&format!("{out}/journal.jsonl"), &journal[..at]);
        for pack in ["prompts.jsonl", "outputs.jsonl"] {
            bench.sandbox.write(&format!("{out}/{pack}"), &bench.sandbox.read(&format!("merged/{pack}")));
        }
        bench.call(&["certify", "--resume", &out, "--collect"], 3);
        assert_eq!(totals(&bench, &out), want, "killed at byte {at}");
        bench.call(&["certify", "--verify", &out], 0);
    }
    assert_eq!(bench.asked(), asked, "nobody was asked");
}

#[test]
fn a_real_kill_of_a_merge_doubles_nothing() {
    let bench = Bench::new(12, GATE, Duration::ZERO, by_name);
    bench.certify("good.toml", "base.toml", "whole", &[], 0);
    bench.plan("run");
    for cell in (0..CELLS).step_by(3) {
        bench.cell("run", &format!("{cell}-{}", cell + 2), 0);
    }
    let (asked, mut draw) = (bench.asked(), super::draws(5));
    for _ in 0..12 {
        let mut child = bench.start(&["certify", "--resume", "run"]);
        std::thread::sleep(Duration::from_millis(20 + draw(60)));
        let _ = child.kill();
        child.wait().unwrap();
    }
    bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    let events = bench.events("run");
    assert_eq!(of_kind(&events, "cell.ended").len() as u64, CELLS);
    assert_eq!(of_kind(&events, "shard.merged").len(), 8);
    assert_eq!(bench.asked(), asked);
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn a_torn_last_line_is_left_out_and_told() {
    let bench = Bench::new(12, GATE, Duration::ZERO, by_name);
    bench.certify("good.toml", "base.toml", "whole", &[], 0);
    bench.plan("run");
    bench.cell("run", "0-23", 0);
    let shard = std::fs::read_dir(bench.path("run/shards")).unwrap().next().unwrap().unwrap().path();
    let path = shard.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let last = text.rfind("cell.ended").unwrap();
    std::fs::write(&path, &text[..last + 200]).unwrap();
    let before = bench.asked();
    let ran = bench.call(&["certify", "--resume", "run"], 0);
    assert!(ran.err.contains("a torn last line of") && ran.err.contains("1 cell cut off"), "{}", ran.err);
    assert_eq!(bench.asked(), before + 1, "what was in the line is run again");
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn a_shard_that_is_still_written_is_taken_in_as_far_as_it_is_there() {
    let bench = Bench::new(12, GATE, Duration::from_millis(100), by_name);
    bench.certify("good.toml", "base.toml", "whole", &[], 0);
    let before = bench.asked();
    bench.plan("run");
    let child = bench.start(&["cell", "--plan", "run", "--index", "0-23", "--jobs", "1"]);
    wait_for("some cells", || bench.asked() >= before + 6);
    // Next to the live shard: what that has in flight is left to it, and what is not there is run.
    let ran = bench.call(&["certify", "--resume", "run"], 0);
    assert!(ran.err.contains("is still written by process"), "{}", ran.err);
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    assert!(of_kind(&bench.events("run"), "shard.merged").is_empty(), "it lives");
    assert_eq!(finish(child).code, Some(0));
    let asked = bench.asked();
    bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(bench.asked(), asked);
    assert_eq!(certified(&bench, "run"), certified(&bench, "whole"));
    let events = bench.events("run");
    let merged = of_kind(&events, "shard.merged");
    assert!(merged.len() == 1 && merged[0]["lost"].is_null(), "{merged:?}");
    // All that was asked for is billed, each once.
    let ends = of_kind(&events, "cell.ended");
    assert_eq!(ends.len(), asked - before);
    let sum: u64 = ends.iter().map(|end| end["usage"]["input"].as_u64().unwrap()).sum();
    assert_eq!(bench.json("run/result.json")["spend"]["input"], sum);
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn transcripts_lie_where_the_run_says_and_stubs_stay_stubs() {
    let bench = Bench::new(8, GATE, Duration::ZERO, by_name);
    bench.shell("yes", "cat > /dev/null; echo yes\n", "");
    bench.shell("none", "cat > /dev/null; echo no\n", "");
    bench.certify("yes.toml", "none.toml", "run", &["--allow-stubs", "--plan"], 0);
    bench.cell("run", "0-15", 0);
    bench.call(&["certify", "--resume", "run"], 0);
    let events = bench.events("run");
    for end in of_kind(&events, "cell.ended") {
        let transcript = end["transcript"].as_str().unwrap();
        assert!(transcript.starts_with("shards/"), "{transcript}");
        assert!(bench.path("run").join(transcript).is_file(), "{transcript}");
    }
    let shard = std::fs::read_dir(bench.path("run/shards")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_dir(shard.join("work")).map_or(0, Iterator::count), 0, "workspaces are left");
    // A shard can be looked at like a run.
    let ran = bench.call(&["peek", shard.to_str().unwrap()], 0);
    assert!(ran.out.contains("cell") && ran.out.contains("finished"), "{}", ran.out);
}

#[test]
fn answers_of_a_killed_process_are_scored_where_they_are_taken_in() {
    let bench = Bench::new(8, "", Duration::ZERO, by_name);
    let root = bench.path("");
    let root = root.display();
    bench.shell("yes", &format!("cat > /dev/null; echo x >> {root}/asked; echo yes\n"), "");
    let script = format!("cat > /dev/null; [ -e {root}/go ] || sleep 600; echo 1");
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
    bench.call(
        &["certify", "-p", "yes.toml", "-S", "suite.toml", "--out", "run", "--allow-stubs", "--plan"],
        0,
    );
    let mut child = bench.start(&["cell", "--plan", "run", "--index", "0-7"]);
    wait_for("all answers", || of_kind(&bench.of_shards("run"), "cell.ended").len() == 8);
    signal(child.id(), "KILL");
    child.wait().unwrap();
    assert_eq!(bench.missing("run"), "", "an answer is an answer");
    bench.sandbox.write("go", "");
    bench.call(&["certify", "--resume", "run"], 0);
    assert_eq!(bench.sandbox.read("asked").lines().count(), 8, "an agent is asked again");
    assert_eq!(bench.reasons("run"), ["above-threshold"]);
    bench.call(&["certify", "--verify", "run"], 0);
}
