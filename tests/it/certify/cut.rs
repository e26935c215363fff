//! Answers that were cut at the output limit.

use serde_json::Value;

use super::{Bench, GATE, ended, model, number};
use crate::support::completions::{self, Turn};
use crate::support::http::Server;
use crate::support::sandbox::{Sandbox, of_kind};

/// `good` is cut in every third of its answers; what comes of it is `cut`.
fn bench(cut: Turn) -> Bench {
    let server = Server::answering(move |_, request| {
        let number = number(&request.body);
        let turn = match model(&request.body).as_str() {
            "good" if number.is_multiple_of(3) => cut.clone(),
            "good" => Turn::Say("yes"),
            _ => Turn::Say("no"),
        };
        Some(completions::answer(request, &turn))
    });
    Bench::against(server, 12, GATE)
}

/// A text without the line ends that a table puts into it, and without the marks by which Markdown takes it as it is.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\\', "")
}

#[test]
fn a_text_that_was_cut_is_an_answer_and_is_told_with_the_verdict() {
    let bench = bench(Turn::Cut("yes"));
    let ran =
        bench.certify("good.toml", "base.toml", "run", &["--markdown", "pr.md", "--csv", "cells.csv"], 0);
    let events = bench.events("run");
    let cut: Vec<&Value> =
        of_kind(&events, "cell.ended").into_iter().filter(|cell| cell["cut"] == true).collect();
    assert_eq!(cut.len(), 4);
    assert!(cut.iter().all(|cell| cell["arm"] == "good" && cell["missing"].is_null()), "{cut:?}");
    assert!(cut.iter().all(|cell| cell["scores"]["right"]["value"] == 1.0), "{cut:?}");
    assert!(ended(&events, "base").iter().all(|cell| cell.get("cut").is_none()));
    assert_eq!(bench.asked(), 24, "nobody is asked again, nor somebody else");
    let certificate = bench.certificate("run");
    let remarks = certificate["body"]["certified"]["remarks"].to_string();
    assert!(
        remarks.contains("scored as they are: base 0 of 12, good 4 of 12. The shares differ"),
        "{remarks}"
    );
    for said in [&ran.out, &bench.sandbox.read("pr.md")] {
        assert!(unwrapped(said).contains("cut at the output limit"), "{said}");
    }
    bench.call(&["certify", "--verify", "run"], 0);
    // Whether an answer was cut is part of the evidence.
    let evidence = certificate["body"]["evidence_sha256"].as_str().unwrap();
    let journal = bench.sandbox.read("run/journal.jsonl");
    bench.sandbox.write("run/journal.jsonl", &journal.replace(",\"cut\":true", ""));
    let ran = bench.call(&["certify", "--verify", "run"], 1);
    assert!(ran.out.contains("the evidence"), "{evidence}: {}", ran.out);
}

#[test]
fn a_limit_that_left_no_text_is_missing_with_its_class_and_its_remedy() {
    let bench = bench(Turn::Cut(""));
    let more = ["--markdown", "pr.md", "--junit", "junit.xml"];
    let ran = bench.certify("good.toml", "base.toml", "run", &more, 3);
    let events = bench.events("run");
    let missing: Vec<&Value> =
        ended(&events, "good").into_iter().filter(|cell| !cell["missing"].is_null()).collect();
    assert_eq!(missing.len(), 4);
    assert!(missing.iter().all(|cell| cell["missing"]["reason"] == "agent"), "{missing:?}");
    assert!(missing.iter().all(|cell| cell["missing"]["class"] == "output_limit"), "{missing:?}");
    assert!(bench.reasons("run").contains(&"incomplete-coverage".to_owned()));
    let (markdown, junit) = (bench.sandbox.read("pr.md"), bench.sandbox.read("junit.xml"));
    for said in [&ran.out, &markdown] {
        assert!(unwrapped(said).contains("good: 4 of 12 cells missing: 4 agent: output_limit"), "{said}");
    }
    for said in [&ran.out, &markdown, &junit] {
        assert!(unwrapped(said).contains("Raise `model.max_output_tokens`"), "{said}");
        assert!(!said.contains("it does only what is missing"), "{said}");
    }
    assert!(junit.contains("missing (agent): output_limit"), "{junit}");
}

/// What an agent with tools was about to do is not known where its last word was cut.
#[test]
fn an_agent_with_tools_that_was_cut_has_no_answer() {
    let bench = bench(Turn::Cut("yes"));
    let text = bench.sandbox.read("good.toml").replace("tools = []", "tools = [\"read\"]");
    bench.sandbox.write("good.toml", &text);
    bench.certify("good.toml", "base.toml", "run", &[], 3);
    let events = bench.events("run");
    let missing =
        ended(&events, "good").into_iter().filter(|cell| cell["missing"]["class"] == "output_limit");
    assert_eq!(missing.count(), 4);
}

/// Outside of suites it is no answer.
#[test]
fn a_run_whose_model_was_cut_has_failed() {
    let server =
        Server::answering(|_, request| Some(completions::answer(request, &Turn::Cut("half of an answer"))));
    let sandbox = Sandbox::new(&format!(
        "[agent]\nharness = \"chat\"\nmodel = \"local/one\"\nendpoint = \"here\"\ntools = []\n\
         [endpoints.here]\napi = \"openai\"\nbase_url = \"{}\"\n",
        server.url()
    ));
    let ran = sandbox.run(&["run", "Go."]);
    assert_ne!(ran.code, Some(0), "{}", ran.out);
    assert!(ran.err.contains("output_limit"), "{}", ran.err);
}
