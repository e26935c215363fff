//! How far a judge agrees with itself over an arm.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Bench, model, number};
use crate::support::completions::{self, Turn};
use crate::support::http::Server;
use crate::support::sandbox::of_kind;

const CASES: u64 = 12;

/// Grades `steady N` by its number, and of `loose N` something else each time.
fn grade(seen: &Mutex<BTreeMap<u64, u64>>, answer: &str) -> u64 {
    let number: u64 = answer.split(' ').nth(1).unwrap().parse().unwrap();
    if answer.starts_with("steady") {
        return 1 + number % 5;
    }
    let mut seen = seen.lock().unwrap();
    let times = seen.entry(number).or_default();
    *times += 1;
    if *times % 2 == 1 { 1 } else { 5 }
}

#[test]
fn the_agreement_of_a_judge_with_itself_is_told_for_each_arm() {
    let seen = Mutex::new(BTreeMap::new());
    let server = Server::answering(move |_, request| {
        let text = completions::texts(request).concat();
        let said = match model(&request.body).as_str() {
            "judge" => {
                let answer =
                    text.lines().find(|line| line.starts_with("steady ") || line.starts_with("loose "));
                format!(
                    "{{\"reasoning\": \"so\", \"grades\": {{\"quality\": {}}}}}",
                    grade(&seen, answer.unwrap())
                )
            }
            name => format!("{name} {}", number(&request.body)),
        };
        Some(completions::answer(request, &Turn::Say(said.leak())))
    });
    let bench = Bench::against(server, CASES, "");
    for name in ["steady", "loose", "judge"] {
        bench.chat(name, &format!("[prices.\"local/{name}\"]\ninput = 10.0\noutput = 0.0\n"));
    }
    bench.suite(
        "Question {{ n }}: yes or no?",
        1,
        "[[score]]\nname = \"tone\"\nkind = \"judge\"\n[score.options]\nprofile = \"judge.toml\"\n\
         rubric = \"Is it good?\"\nrepeats = 3\n[gate]\nscore = \"tone\"\n",
    );
    let ran = bench.run(&Bench::args("steady.toml", "loose.toml", "run"));
    assert!(ran.code.is_some_and(|code| [0, 1, 3].contains(&code)), "{}", ran.err);
    let events = bench.events("run");
    let reached = of_kind(&events, "verdict.reached")[0].clone();
    let arms = reached["certified"]["arms"].as_array().unwrap().clone();
    let of = |arm: &str| {
        let found = arms.iter().find(|figures| figures["arm"] == arm && figures["score"] == "tone").unwrap();
        found["agreement"].clone()
    };
    assert_eq!((&of("steady")["alpha"], &of("steady")["means"]), (&1.0.into(), &"reliable".into()));
    assert_eq!((&of("steady")["units"], &of("loose")["units"]), (&CASES.into(), &CASES.into()));
    // Each answer has the grades 1, 5, 1: within answers they differ more than chance has it between them.
    assert!(of("loose")["alpha"].as_f64().unwrap() < 0.0, "{}", of("loose"));
    assert_eq!(of("loose")["means"], "unreliable");
    let right = arms.iter().find(|figures| figures["score"] == "right").unwrap();
    assert!(right["agreement"].is_null(), "nobody judges that: {right}");
    let flat = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("the judge of tone agrees with itself on steady at α 1.00 (12 grades"),
        "{}",
        ran.out
    );
    assert!(bench.sandbox.read("run/report.md").contains("unreliable; its grades are noise"), "{}", ran.out);
    // It follows from the journal alone.
    bench.call(&["certify", "--verify", "run"], 0);
    // A stored arm brings its judgements along.
    let bare = bench.run(&Bench::args("steady.toml", "run", "again"));
    assert!(bare.code.is_some_and(|code| [0, 1, 3].contains(&code)), "{}", bare.err);
    let again = of_kind(&bench.events("again"), "verdict.reached")[0].clone();
    let stored =
        again["certified"]["arms"].as_array().unwrap().iter().find(|figures| figures["score"] == "tone");
    assert_eq!(stored.unwrap()["agreement"]["alpha"], 1.0, "the candidate of that run: {again}");
    // What judging takes is expected as those runs had it: 24 answers, and three judgements of each, a tenth of a cent each.
    let third = [&Bench::args("steady.toml", "loose.toml", "third")[..], &["--dry-run"]].concat();
    bench.call(&third, 0);
    let plan = of_kind(&bench.events("third"), "plan.fixed")[0].clone();
    let usd = plan["expected_usd"].as_f64().unwrap_or_else(|| panic!("{plan}"));
    assert!((usd - 0.096).abs() < 1e-9, "{plan}");
}
