//! A real model of the smallest size as the judge of a suite. It is too small to judge well: what it says is a grade, or
//! it is missing, and never a zero that nobody gave.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::path::PathBuf;

use serde_json::Value;

use crate::support::model::Served;
use crate::support::sandbox::{Ran, Sandbox, events, of_kind};

const CASES: usize = 6;

/// A suite whose answers a script gives, and that model judges, each answer twice.
fn judged(served: &Served) -> (Sandbox, Ran) {
    let sandbox = Sandbox::new("");
    sandbox.write("agent.sh", "cat > /dev/null; echo 'Paris is the capital of France.'\n");
    let agent = sandbox.path("agent.sh");
    sandbox.write(
        "provost.toml",
        &format!(
            "schema = 1\nname = \"test\"\n[agent]\nharness = \"command\"\ncommand = [\"sh\", \"{}\"]\noffline = true\n",
            agent.display()
        ),
    );
    sandbox.write(
        "judge.toml",
        &format!(
            "schema = 1\nname = \"judge\"\n[agent]\nharness = \"chat\"\nmodel = \"local/smollm2\"\nendpoint = \"here\"\n\
             tools = []\n[model]\ntemperature = 0.7\nmax_output_tokens = 40\n\
             [endpoints.here]\napi = \"openai\"\nbase_url = \"http://127.0.0.1:{}/v1\"\nmax_concurrency = 2\n",
            served.port
        ),
    );
    let line =
        |n: usize| format!("{{\"id\": \"c{n}\", \"input\": \"What is the capital of France? ({n})\"}}\n");
    sandbox.write("cases.jsonl", &(0..CASES).map(line).collect::<String>());
    sandbox.write(
        "suite.toml",
        "schema = 1\nname = \"judged\"\n[cases]\nfile = \"cases.jsonl\"\n[trials]\nretries = 0\nconcurrency = 2\n\
         [[score]]\nname = \"quality\"\nkind = \"judge\"\npass = 0.5\n[score.options]\nprofile = \"judge.toml\"\n\
         rubric = \"Is the answer right and complete?\"\nrepeats = 2\n\
         [gate]\nscore = \"quality\"\nmode = \"threshold\"\nmin = 0.1\n\
         [budget]\nwall = \"4m\"\n",
    );
    let args = ["certify", "-p", "provost.toml", "-S", "suite.toml", "--out", "run"];
    // As long as a model on a busy machine may take; the suite itself ends after its wall.
    let output = sandbox.command(&args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    (sandbox, ran)
}

/// The scores, each held against what the judge has said: a value is the mean of its judgements, and what has none says why.
fn scores(sandbox: &Sandbox, ran: &Ran) -> Vec<Value> {
    let dir: PathBuf = sandbox.path("run");
    let events = events(&dir);
    let scored: Vec<Value> = of_kind(&events, "cell.scored").into_iter().cloned().collect();
    assert_eq!(scored.len(), CASES, "{}\n{}", ran.err, ran.out);
    for one in &scored {
        assert!(one["attempts"].as_u64().unwrap() >= 1, "{one}");
        if let Some(value) = one["value"].as_f64() {
            let said: Vec<f64> = one["judgements"]["quality"]
                .as_array()
                .unwrap()
                .iter()
                .map(|value| value.as_f64().unwrap())
                .collect();
            assert_eq!(said.len(), 2, "{one}");
            assert!((value - f64::midpoint(said[0], said[1])).abs() < 1e-12, "{one}");
            assert!((0.0..=1.0).contains(&value), "{one}");
            assert!(one["usage"]["output"].as_u64().unwrap() > 0, "{one}");
        } else {
            let why = one["why"].as_str().unwrap();
            assert!(why.contains("judge"), "{one}");
            assert!(one["passed"].is_null() && one["judgements"].is_null(), "{one}");
        }
    }
    let ended = of_kind(&events, "cell.ended");
    assert!(
        ended.iter().all(|cell| cell["missing"].is_null()),
        "the answers are there, whatever is said of them"
    );
    scored
}

#[test]
#[cfg_attr(not(real_model), ignore = "needs a model in a Python environment; .ci/install-real installs it")]
fn real_model_as_a_judge_grades_or_is_missing_and_never_zero() {
    let served = Served::start();
    let (sandbox, ran) = judged(&served);
    let scored = scores(&sandbox, &ran);
    let valued: Vec<f64> = scored.iter().filter_map(|one| one["value"].as_f64()).collect();
    let reached = of_kind(&events(&sandbox.path("run")), "verdict.reached")[0].clone();
    let arm = &reached["certified"]["arms"][0];
    assert_eq!(arm["answered"], valued.len(), "{arm}");
    if valued.len() < CASES {
        assert_eq!(reached["verdict"], "inconclusive", "{}", ran.out);
    }
    if !valued.is_empty() {
        let mean = valued.iter().sum::<f64>() / f64::from(u32::try_from(valued.len()).unwrap());
        assert!((arm["mean"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{arm}");
    }
    // Figures of nothing are no zeros.
    if valued.is_empty() {
        let reasons = reached["certified"]["reasons"].as_array().unwrap();
        assert!(reasons.contains(&"no-evidence".into()), "{reached}");
        assert!(arm["agreement"].is_null(), "{arm}");
    }
    let verified = sandbox.run(&["certify", "--verify", "run"]);
    assert_eq!(verified.code, Some(0), "{}", verified.err);
}
