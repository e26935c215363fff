//! Pass, fail and inconclusive, by exit code, and why.

use std::time::Duration;

use serde_json::Value;

use super::{Bench, GATE, by_name, ended};
use crate::support::sandbox::of_kind;

fn bench(cases: u64) -> Bench {
    Bench::new(cases, GATE, Duration::ZERO, by_name)
}

#[test]
fn a_better_candidate_passes_and_all_reports_are_written() {
    let bench = bench(20);
    let more =
        ["--junit", "j.xml", "--markdown", "m.md", "--html", "h.html", "--csv", "c.csv", "--label", "k=v"];
    let ran = bench.certify("good.toml", "base.toml", "run", &more, 0);
    assert!(ran.out.contains("PASS"), "{}", ran.out);
    assert_eq!(bench.asked(), 40, "one request a cell");
    assert_eq!(bench.reasons("run"), ["significant"]);
    let certificate = bench.certificate("run");
    assert_eq!(certificate["body"]["verdict"], "pass");
    let claim = &certificate["body"]["certified"]["candidates"][0]["claims"][0];
    assert_eq!(claim["effect"]["mean"], 0.5);
    assert_eq!((&claim["wins"], &claim["losses"]), (&Value::from(10), &Value::from(0)));
    // 2^-10, by the sign test: the ties say nothing.
    assert!((claim["p"].as_f64().unwrap() - 0.5_f64.powi(10)).abs() < 1e-9, "{claim}");
    let csv = bench.sandbox.read("c.csv");
    assert_eq!(csv.lines().count(), 41, "{csv}");
    let junit = bench.sandbox.read("j.xml");
    // The gate is a test of its own.
    assert_eq!(junit.matches("<testcase").count(), 41, "{junit}");
    assert_eq!(junit.matches("<failure").count(), 10, "{junit}");
    assert_eq!(junit, bench.sandbox.read("run/report.xml"));
    assert_eq!(bench.sandbox.read("m.md"), bench.sandbox.read("run/report.md"));
    assert!(bench.sandbox.read("m.md").contains("questions"));
    assert!(bench.sandbox.read("h.html").contains("</html>"));
    let schema = bench.call(&["schema", "result"], 0).out;
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let events = bench.events("run");
    for result in [&certificate["body"], of_kind(&events, "verdict.reached")[0]] {
        let wrong: Vec<String> = schema.iter_errors(result).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    let mut wrong = certificate["body"].clone();
    wrong["certified"]["candidates"][0]["claims"][0]["effect"]["mean"] = "half".into();
    assert!(!schema.is_valid(&wrong));
    let manifest = bench.json("run/manifest.json");
    assert_eq!(manifest["labels"], serde_json::json!({"k": "v"}));
    let result = bench.json("run/result.json");
    assert_eq!((&result["exit_code"], &result["outcome"]), (&Value::from(0), &Value::from("certified")));
    // Again: nothing is left to do, and it comes to the same.
    bench.certify("good.toml", "base.toml", "run", &["--label", "k=v"], 0);
    assert_eq!(bench.asked(), 40);
    assert_eq!(bench.certificate("run")["digest"], certificate["digest"]);
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn a_worse_candidate_fails() {
    let bench = bench(20);
    let ran = bench.certify("bad.toml", "base.toml", "run", &[], 1);
    assert!(ran.out.contains("FAIL"), "{}", ran.out);
    assert_eq!(bench.certificate("run")["body"]["verdict"], "fail");
    assert_eq!(bench.reasons("run"), ["worse"]);
}

#[test]
fn an_equal_candidate_is_inconclusive() {
    let bench = bench(12);
    bench.chat("other", "");
    bench.certify("other.toml", "base.toml", "run", &[], 3);
    assert_eq!(bench.reasons("run"), ["no-margin"]);
}

/// AC-cert-01: the same profile on both arms is not promoted, and the reason is its own.
#[test]
fn a_candidate_against_itself_is_the_champion() {
    let bench = bench(8);
    bench.certify("good.toml", "good.toml", "run", &[], 3);
    assert_eq!(bench.certificate("run")["body"]["verdict"], "inconclusive");
    assert!(bench.reasons("run").contains(&"identical-champion".to_owned()), "{:?}", bench.reasons("run"));
}

/// AC-cert-03: fewer than six cases decide nothing, whatever they show.
#[test]
fn five_cases_are_too_few() {
    let bench = bench(5);
    bench.certify("good.toml", "bad.toml", "run", &[], 3);
    assert_eq!(bench.reasons("run"), ["few-tasks"]);
    let certificate = bench.certificate("run");
    assert_eq!(certificate["body"]["certified"]["candidates"][0]["claims"][0]["units"], 5);
}

/// AC-cert-08: a candidate that crashes on 20 of 26 cases is refused for its coverage, whatever the other 6 show.
#[test]
fn a_candidate_that_crashes_is_not_certified() {
    let bench = bench(26);
    bench.shell(
        "crash",
        "read -r task; n=${task#Question }; n=${n%%:*}\n[ \"$n\" -lt 6 ] && echo yes && exit 0\nexit 1\n",
        "",
    );
    bench.shell("none", "cat > /dev/null; echo no\n", "");
    let ran = bench.certify("crash.toml", "none.toml", "run", &["--allow-stubs", "--junit", "j.xml"], 3);
    assert!(ran.out.contains("INCONCLUSIVE"), "{}", ran.out);
    assert!(bench.reasons("run").contains(&"incomplete-coverage".to_owned()), "{:?}", bench.reasons("run"));
    let events = bench.events("run");
    let cells = ended(&events, "crash");
    assert_eq!(cells.len(), 26, "none is dropped");
    let missing: Vec<&&Value> = cells.iter().filter(|cell| !cell["missing"].is_null()).collect();
    assert_eq!(missing.len(), 20);
    for cell in missing {
        assert_eq!(cell["missing"]["reason"], "agent", "{cell}");
        assert_eq!(cell["missing"]["class"], "agent_crash", "{cell}");
        assert!(cell["scores"].is_null(), "no zero in its place: {cell}");
    }
    let junit = bench.sandbox.read("j.xml");
    // The gate that cannot decide is an error too.
    assert_eq!(junit.matches("<error").count(), 21, "{junit}");
    assert_eq!(junit.matches("<failure").count(), 26, "the baseline answers, and is wrong: {junit}");
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn stubs_are_refused_unless_they_are_allowed() {
    let bench = bench(10);
    bench.shell("yes", "cat > /dev/null; echo yes\n", "");
    bench.shell("none", "cat > /dev/null; echo no\n", "");
    bench.certify("yes.toml", "none.toml", "refused", &[], 3);
    assert_eq!(bench.reasons("refused"), ["stub-cells"]);
    bench.certify("yes.toml", "none.toml", "accepted", &["--allow-stubs"], 0);
    assert_eq!(bench.reasons("accepted"), ["significant"]);
    // Whether they are allowed is part of the plan.
    let ran = bench.certify("yes.toml", "none.toml", "refused", &["--allow-stubs"], 2);
    assert!(ran.err.contains("holds a run of other profiles, cases or settings"), "{}", ran.err);
}

#[test]
fn a_threshold_needs_no_baseline() {
    let gate = "[gate]\nscore = \"right\"\nmode = \"threshold\"\nmin = 0.8\n";
    let bench = Bench::new(30, gate, Duration::ZERO, by_name);
    let call = |candidate: &str, out: &str, code: i32| {
        bench.call(&["certify", "-p", candidate, "-S", "suite.toml", "--out", out], code)
    };
    call("good.toml", "good", 0);
    assert_eq!(bench.reasons("good"), ["above-threshold"]);
    call("base.toml", "base", 1);
    assert_eq!(bench.reasons("base"), ["below-threshold"]);
    let events = bench.events("base");
    assert_eq!(of_kind(&events, "cell.ended").len(), 30);
}

#[test]
fn without_a_gate_it_measures() {
    let bench = Bench::new(8, "", Duration::ZERO, by_name);
    let ran = bench.call(&["certify", "-p", "base.toml", "-S", "suite.toml", "--out", "run"], 0);
    assert!(ran.out.contains("0.500"), "{}", ran.out);
    assert!(!bench.path("run/certificate.json").exists());
    assert_eq!(bench.json("run/result.json")["outcome"], "measured");
}
