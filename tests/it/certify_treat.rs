//! `provost certify` with treatments, against a loopback chat server.

mod ended;

use std::collections::BTreeSet;

use provost::event::Sha256;
use serde_json::Value;

use crate::support::completions::{self, Turn, USAGE, refusal};
use crate::support::http::{Recorded, Response, Server};
use crate::support::sandbox::{Ran, Sandbox, of_kind};

/// The system prompt and the first prompt file are the same text; the second one begins as they do.
const LONG: &str = "You are a careful clerk who answers the questions of our customers about their invoices in a \
                    friendly way. Always give the number alone on the last line. Never guess, and say so when a \
                    question cannot be answered from what you know.";
const OTHER: &str = "You are a careful clerk who answers the questions of our customers about their invoices in a \
                     friendly way. Dates are written as year, month and day, and amounts are in euro, always.";
/// Too short to be compressed.
const SHORT: &str = "Be brief and kind.";

const SHORT_LONG: &str =
    "Clerk for invoices. Number alone on the last line. Never guess; say when it cannot be answered.";
const SHORT_OTHER: &str = "Clerk for invoices. Dates year-month-day; amounts in euro, always kept.";

const SUITE: &str = "schema = 1\nname = \"tiny\"\n[cases]\nfile = \"cases.jsonl\"\n[trials]\ncount = 2\nretries = 0\n\
                     [[score]]\nname = \"right\"\nkind = \"contains\"\npass = 1.0\n[score.options]\nall = [\"42\"]\n";

/// What a model says when it is asked to compress.
fn compressed(request: &Recorded) -> Option<&'static str> {
    let asked = completions::texts(request).concat();
    let text = asked.contains("BEGIN text ").then_some(asked)?;
    Some(if text.contains(LONG) { SHORT_LONG } else { SHORT_OTHER })
}

fn is_compression(request: &Recorded) -> bool {
    compressed(request).is_some()
}

/// A chat server: `compress` answers to those who are to compress.
fn server(compress: impl Fn(&Recorded, &'static str) -> Response + Send + Sync + 'static) -> Server {
    Server::answering(move |_, request| {
        Some(match compressed(request) {
            Some(text) => compress(request, text),
            None => completions::answer(request, &Turn::Say("The answer is 42")),
        })
    })
}

fn sandbox(server: &Server, treatment: &str, prompts: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!(
        "[agent]\nharness = \"chat\"\nmodel = \"local/tiny\"\nendpoint = \"local\"\ntools = []\n\
         [prompt]\n{prompts}\n\
         [endpoints.local]\napi = \"openai\"\nbase_url = \"{}\"\n\
         [prices.\"local/tiny\"]\ninput = 1.0\noutput = 2.0\n\
         [prices.\"local/small\"]\ninput = 0.1\noutput = 0.2\n",
        server.url()
    ));
    sandbox.write("one.md", LONG);
    sandbox.write("two.md", OTHER);
    sandbox.write("three.md", SHORT);
    sandbox.write("suite.toml", &format!("{SUITE}{treatment}"));
    sandbox.write(
        "cases.jsonl",
        "{\"id\": \"a\", \"input\": \"First?\"}\n{\"id\": \"b\", \"input\": \"Second?\"}\n",
    );
    sandbox
}

const PROMPTS: &str = "system_file = \"one.md\"\nfiles = [\"one.md\", \"two.md\", \"three.md\"]";
const HALF: &str = "[treatments.half]\ncompress = 0.5\nmodel = \"local/small\"\n";

fn certify(sandbox: &Sandbox) -> Ran {
    sandbox.run(&["certify", "-p", "provost.toml", "-S", "suite.toml", "--out", "out", "--csv", "cells.csv"])
}

fn events(sandbox: &Sandbox) -> Vec<Value> {
    crate::support::sandbox::events(&sandbox.path("out"))
}

/// The texts of `prompts.jsonl`, each held against its name.
fn texts(sandbox: &Sandbox) -> BTreeSet<String> {
    let text = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = line["text"].as_str().unwrap().to_owned();
        assert_eq!(line["sha256"], Sha256::of(text.as_bytes()).to_string());
        text
    };
    sandbox.read("out/prompts.jsonl").lines().map(text).collect()
}

fn sha(text: &str) -> String {
    Sha256::of(text.as_bytes()).to_string()
}

/// AC-art-02: a text that several prompts, cells and trials share is compressed once; one with the same beginning is
/// another text. AC-art-03: the run directory has the exact prompts that each cell was sent.
#[test]
fn a_shared_prompt_is_compressed_once_and_every_prompt_is_kept() {
    let server = server(|request, text| completions::answer(request, &Turn::Say(text)));
    let sandbox = sandbox(&server, HALF, PROMPTS);
    let ran = certify(&sandbox);
    assert_eq!(ran.code, Some(0), "{}", ran.err);

    let requests = server.requests();
    let (asked, cells): (Vec<_>, Vec<_>) = requests.iter().partition(|request| is_compression(request));
    assert_eq!(asked.len(), 2, "LONG once, OTHER once");
    for request in &asked {
        let body = request.json();
        assert_eq!(
            (body["model"].as_str(), body["temperature"].as_f64()),
            (Some("small"), Some(0.2)),
            "{body}"
        );
        let ceiling = body.get("max_tokens").or_else(|| body.get("max_completion_tokens"));
        assert_eq!(ceiling, Some(&Value::from(2048)), "{body}");
        assert!(body.get("tools").is_none(), "{body}");
    }
    assert_eq!(cells.len(), 8, "two arms, two cases, two trials");
    let kept = texts(&sandbox);
    for request in &requests {
        for sent in completions::texts(request).into_iter().chain([completions::system(request)]) {
            assert!(sent.is_empty() || kept.contains(&sent), "not kept: {sent}");
        }
    }
    let treated = cells.iter().filter(|request| completions::system(request) == SHORT_LONG);
    for request in treated.clone() {
        let sent = completions::texts(request).concat();
        assert!(sent.contains(SHORT_LONG) && sent.contains(SHORT_OTHER) && sent.contains(SHORT), "{sent}");
        assert!(!sent.contains(LONG) && !sent.contains(OTHER), "{sent}");
    }
    assert_eq!(treated.count(), 4);

    let events = events(&sandbox);
    let applied = of_kind(&events, "treatment.applied");
    assert_eq!(applied.len(), 3, "{applied:?}");
    for (one, (before, after)) in
        applied.iter().zip([(LONG, SHORT_LONG), (OTHER, SHORT_OTHER), (SHORT, SHORT)])
    {
        assert_eq!((&one["before_sha256"], &one["after_sha256"]), (&sha(before).into(), &sha(after).into()));
        assert_eq!(one["words_before"], before.split_whitespace().count());
        assert_eq!(one["words_after"], after.split_whitespace().count());
        assert!(kept.contains(before) && kept.contains(after));
    }
    assert_eq!((&applied[0]["model"], &applied[0]["attempts"]), (&"local/small".into(), &1.into()));
    assert_eq!(applied[0]["usage"]["input"], USAGE.0);
    assert!(applied[2]["skipped"].as_str().unwrap().contains("4 words"), "{:?}", applied[2]);
    let first = events.iter().position(|event| event["kind"] == "cell.started").unwrap();
    let last = events.iter().rposition(|event| event["kind"] == "treatment.applied").unwrap();
    assert!(last < first, "treated before the first cell");

    // Each cell names its prompts, and they are those that were sent.
    let by_name: std::collections::BTreeMap<String, &String> =
        kept.iter().map(|text| (sha(text), text)).collect();
    for ended in of_kind(&events, "cell.ended") {
        let prompts = ended["prompts"].as_array().unwrap();
        let said: Vec<&str> = prompts.iter().map(|name| by_name[name.as_str().unwrap()].as_str()).collect();
        let all = said.join("\n");
        let is_treated = ended["arm"].as_str().unwrap().ends_with("+half");
        assert_eq!((all.contains(SHORT_OTHER), all.contains(OTHER)), (is_treated, !is_treated), "{all}");
    }
    let report = sandbox.read("out/report.md");
    assert!(
        report.contains("half: 2 texts from") && report.contains("by local/small; 1 left as they are"),
        "{report}"
    );

    // The same call again: the plan has the treated texts.
    let again = certify(&sandbox);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert_eq!(server.requests().len(), requests.len(), "nothing is asked again");
}

/// AC-art-04: a fallback that did it is on record by its own name, whether the first model was refused or said what is
/// no compression.
#[test]
fn a_fallback_is_recorded_by_its_own_name() {
    let half = format!("{HALF}fallback = \"local/second\"\n");
    let first_fails: [fn(&Recorded) -> Response; 2] = [
        |request| completions::answer(request, &Turn::Say("Clerk.")),
        |_| refusal(404, "model_not_found", "The model `small` does not exist"),
    ];
    for first in first_fails {
        let server = server(move |request, text| match request.json()["model"].as_str() {
            Some("small") => first(request),
            _ => completions::answer(request, &Turn::Say(text)),
        });
        let sandbox = sandbox(&server, &half, "system_file = \"one.md\"");
        let ran = certify(&sandbox);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let asked: Vec<Value> =
            server.requests().iter().filter(|one| is_compression(one)).map(Recorded::json).collect();
        let models: Vec<_> = asked.iter().map(|body| body["model"].as_str().unwrap()).collect();
        assert_eq!(models, ["small", "second"], "each is asked once");
        let events = events(&sandbox);
        let applied = of_kind(&events, "treatment.applied");
        assert_eq!(applied.len(), 1);
        assert_eq!((&applied[0]["model"], &applied[0]["attempts"]), (&"local/second".into(), &2.into()));
        assert_eq!(applied[0]["after_sha256"], sha(SHORT_LONG).as_str());
        let report = sandbox.read("out/report.md");
        assert!(report.contains("by local/second"), "{report}");
        assert!(report.contains("earned back is unknown"), "nobody said what `second` costs: {report}");
    }
}

/// The replies that no guard lets through: before any cell, with exit code 4.
#[test]
fn a_degenerate_compression_ends_the_run_before_any_cell() {
    // AC-art-05: an empty answer too.
    for (reply, said) in
        [("Clerk.", "keeps 1 of the 22 words"), ("<think>so much to think about", "is empty")]
    {
        let server = server(move |request, _| completions::answer(request, &Turn::Say(reply)));
        let sandbox = sandbox(&server, HALF, "system_file = \"one.md\"");
        let ran = certify(&sandbox);
        assert_eq!(ran.code, Some(4), "{}", ran.err);
        assert!(ran.err.contains(said) && ran.err.contains("local/small"), "{}", ran.err);
        assert_eq!(server.requests().len(), 1, "no cell is run");
        let events = events(&sandbox);
        assert!(of_kind(&events, "cell.started").is_empty());
        let ended = of_kind(&events, "run.ended");
        assert_eq!((&ended[0]["outcome"], &ended[0]["exit_code"]), (&"unavailable".into(), &4.into()));
        assert_eq!(ended[0]["spend"]["input"], USAGE.0, "what was asked in vain is billed");
    }
}

#[test]
fn what_cannot_be_treated_is_refused_before_anything_is_asked() {
    let server = server(|request, text| completions::answer(request, &Turn::Say(text)));
    let bare = sandbox(&server, HALF, "");
    let ran = certify(&bare);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("nothing to treat"), "{}", ran.err);
    let gone = sandbox(&server, &format!("{HALF}endpoint = \"gone\"\n"), "system_file = \"one.md\"");
    let ran = certify(&gone);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("[endpoints.gone]"), "{}", ran.err);
    assert!(server.requests().is_empty());
}

#[test]
fn a_dry_run_asks_nobody_and_its_plan_is_not_run_untreated() {
    let server = server(|request, text| completions::answer(request, &Turn::Say(text)));
    let sandbox = sandbox(&server, HALF, "system_file = \"one.md\"");
    let dry = ["certify", "-p", "provost.toml", "-S", "suite.toml", "--out", "out", "--dry-run"];
    let ran = sandbox.run(&dry);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        of_kind(&events(&sandbox), "treatment.applied")[0]["skipped"].as_str().unwrap().contains("dry run")
    );
    let ran = certify(&sandbox);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("is not treated in it"), "{}", ran.err);
    assert!(server.requests().is_empty());
}
