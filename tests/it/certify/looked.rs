//! `provost peek` of a run of many cells: while it runs and after, and its texts byte for byte.

use std::time::Duration;

use provost::event::Sha256;
use serde_json::Value;

use super::{Bench, GATE, by_name, model, number};
use crate::support::completions::{self, Turn};
use crate::support::http::{Response, Server, Step};
use crate::support::sandbox::{finish, of_kind, wait_for};

/// A text that a terminal, a template or a line reader could spoil; its last line has no end.
const ODD: &str = "Ünder\tthe  \u{2028}roof:\r\n{{ not_a_template }}\n\n  \"quoted\" \\n";

#[test]
fn a_live_run_is_seen_and_followed_to_its_end() {
    let server = Server::answering(|_, request| {
        if number(&request.body) == 3 && model(&request.body) == "good" {
            return Some(completions::refusal(404, "not_found", "there is no such thing"));
        }
        let turn = Turn::Say(by_name(&model(&request.body), number(&request.body)));
        let wait = Response::steps(vec![Step::Wait(Duration::from_millis(100))]);
        Some(wait.and(completions::answer(request, &turn)))
    });
    let bench = Bench::against(server, 20, GATE);
    let child = bench.start(&Bench::args("good.toml", "base.toml", "run"));
    let look = || -> Option<Value> {
        let ran = bench.run(&["peek", "run", "--json"]);
        serde_json::from_str::<Value>(&ran.out)
            .ok()
            .filter(|seen| seen["cells"]["answered"].as_u64() >= Some(4))
    };
    let mut seen = Value::Null;
    wait_for("some answers", || look().map(|it| seen = it).is_some());
    let follower = bench.start(&["peek", "run", "--follow"]);
    assert_eq!((&seen["state"], &seen["cells"]["planned"]), (&"live".into(), &40.into()), "{seen}");
    assert!(seen["cells"]["open"].as_u64() > Some(0), "{seen}");
    assert!(seen["cells"]["rate_per_s"].as_f64() > Some(0.0), "{seen}");
    assert!(seen["cells"]["verdict"].is_null(), "{seen}");
    let page = bench.call(&["peek", "run"], 0).out;
    for part in ["state      live", "\ncells\n", " of 40", "\narms\n", "baseline", "spend"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let ran = finish(child);
    assert_eq!(ran.code, Some(3), "{}", ran.err);

    let end = finish(follower);
    assert_eq!(end.code, Some(3), "{}", end.err);
    assert!(end.out.contains("verdict: inconclusive"), "{}", end.out);
    assert!(end.out.contains("39 cells answered"), "{}", end.out);

    let page = bench.call(&["peek", "run"], 0).out;
    assert!(page.contains("39 answered") || page.contains("40 of 40 - 1 missing"), "{page}");
    for part in [
        "state      finished",
        "last missing",
        "good, c3, trial 1",
        "there is no such thing",
        "\nverdict\ninconclusive\nPart of the cells has no answer",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let cells = bench.call(&["peek", "run", "--select", "cells"], 0).out;
    let cells: Value = serde_json::from_str(&cells).unwrap();
    let arms = cells["arms"].as_array().unwrap();
    let of = |arm: &str| arms.iter().find(|it| it["arm"] == arm).unwrap();
    assert_eq!((&of("base")["answered"], &of("base")["mean"]), (&20.into(), &0.5.into()), "{cells}");
    assert_eq!((&of("good")["missing"], &of("good")["mean"]), (&1.into(), &1.0.into()), "{cells}");
    assert_eq!(
        (&cells["verdict"], &cells["last_missing"][0]["case"]),
        (&"inconclusive".into(), &"c3".into())
    );
}

#[test]
fn texts_are_printed_byte_for_byte() {
    let bench = Bench::new(4, "", Duration::ZERO, by_name);
    bench.sandbox.write("odd.md", ODD);
    bench.chat("good", "[prompt]\nsystem_file = \"odd.md\"\n");
    bench.call(&["certify", "-p", "good.toml", "-S", "suite.toml", "--out", "run"], 0);
    let sha256 = Sha256::of(ODD.as_bytes()).to_string();
    assert_eq!(bench.call(&["peek", "run", "--text", &sha256], 0).out, ODD);
    assert_eq!(bench.call(&["peek", "run", "--text", &sha256[..12]], 0).out, ODD, "its beginning will do");
    let ran = bench.call(&["peek", "run", "--text", "0000"], 2);
    assert!(ran.err.contains("no text of run begins with `0000`"), "{}", ran.err);

    // Of all cells each text once, of one cell all that it was sent.
    let all = bench.call(&["peek", "run", "--prompts"], 0).out;
    assert_eq!(all.matches(ODD).count(), 1, "{all}");
    for n in 0..4 {
        assert!(all.contains(&format!("Question {n}: yes or no?")), "{all}");
    }
    let events = bench.events("run");
    let cells = of_kind(&events, "cell.ended");
    let second = cells.iter().find(|cell| cell["case"] == "c2").unwrap();
    for name in [second["cell"].to_string(), second["node"].as_str().unwrap().to_owned()] {
        let one = bench.call(&["peek", "run", "--prompts", "--cell", &name], 0).out;
        assert!(one.contains(ODD) && one.contains("Question 2: yes or no?"), "{one}");
        assert!(!one.contains("Question 1:") && one.contains("· good · c2 · trial 1 · "), "{one}");
        let said = bench.call(&["peek", "run", "--outputs", "--cell", &name], 0).out;
        assert!(said.ends_with("\nyes\n") && said.lines().count() == 2, "{said}");
        let lines = bench.call(&["peek", "run", "--cell", &name], 0).out;
        assert!(lines.contains("cell.started") && lines.contains("cell.ended"), "{lines}");
    }
    assert_eq!(
        bench.call(&["peek", "run", "--outputs"], 0).out.matches("--- cell").count(),
        1,
        "all say the same"
    );
    assert!(bench.call(&["peek", "run", "--cell", "99"], 2).err.contains("cell 99 has no event"));
    bench.call(&["peek", "run", "--cell", "one"], 2);

    // A dry run has asked nobody, and its prompts can be read.
    bench.call(&["certify", "-p", "good.toml", "-S", "suite.toml", "--out", "dry", "--dry-run"], 0);
    let prompts = bench.call(&["peek", "dry", "--prompts"], 0).out;
    assert!(prompts.contains(ODD) && prompts.contains("Question 3: yes or no?"), "{prompts}");
}
