//! Treatments that are ended in the middle, and those that the budget of the suite does not cover.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::{HALF, LONG, OTHER, PROMPTS, SHORT_LONG, SHORT_OTHER, events, is_compression, sandbox, sha};
use crate::support::completions::{self, Turn, USAGE};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::sandbox::{Sandbox, finish, of_kind, signal, wait_for};

const BY_PROFILE: &str = "[treatments.half]\ncompress = 0.5\nprofile = \"squeeze.toml\"\n";

const ARGS: [&str; 7] = ["certify", "-p", "provost.toml", "-S", "suite.toml", "--out", "out"];

/// A server whose compressor does not come to an end with the second text while it is held. It calls itself by the date.
fn held() -> (Server, Arc<AtomicBool>) {
    let hold = Arc::new(AtomicBool::new(true));
    let holds = Arc::clone(&hold);
    let server = super::server(move |request, text| {
        if text == SHORT_OTHER && holds.load(Ordering::SeqCst) {
            return Response::steps(vec![Step::Hang]);
        }
        let dated = request.body.replace("\"squeezer\"", "\"squeezer-2026\"");
        completions::answer(&Recorded { body: dated, ..request.clone() }, &Turn::Say(text))
    });
    (server, hold)
}

fn squeeze(sandbox: &Sandbox, server: &Server, temperature: f64) {
    sandbox.write(
        "squeeze.toml",
        &format!(
            "schema = 1\nname = \"squeeze\"\n[agent]\nharness = \"chat\"\nmodel = \"local/squeezer\"\nendpoint = \"there\"\n\
             tools = []\n[model]\ntemperature = {temperature:?}\nmax_output_tokens = 500\n\
             [endpoints.there]\napi = \"openai\"\nbase_url = \"{}\"\n\
             [prices.\"local/squeezer\"]\ninput = 1.0\noutput = 1.0\n",
            server.url()
        ),
    );
}

/// How often each text was sent to a compressor.
fn compressions(server: &Server) -> [usize; 2] {
    let requests = server.requests();
    let asked = |text: &str| {
        let of = |request: &&Recorded| {
            is_compression(request) && completions::texts(request).concat().contains(text)
        };
        requests.iter().filter(of).count()
    };
    [asked(LONG), asked(OTHER)]
}

/// Ended by a signal while the second text is at the compressor, and called again.
fn ended_by(name: &str, code: Option<i32>, treatment: &str) {
    let (server, hold) = held();
    let sandbox = sandbox(&server, treatment, PROMPTS);
    squeeze(&sandbox, &server, 0.1);
    let child = sandbox.start(&ARGS);
    let journal = || sandbox.read("out/journal.jsonl");
    wait_for("the second text", || {
        compressions(&server) == [1, 1] && journal().contains("\"treatment.applied\"")
    });
    signal(child.id(), name);
    let ran = finish(child);
    assert_eq!(ran.code, code, "{}", ran.err);
    assert!(!sandbox.path("out/plan.json").exists(), "there is no plan yet");
    // Without what it was called with, nobody can make its plan; it says how to go on.
    let ran = sandbox.run(&["certify", "--resume", "out"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("`--out") && ran.err.contains("what was treated is kept"), "{}", ran.err);

    hold.store(false, Ordering::SeqCst);
    let ran = sandbox.run(&ARGS);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(compressions(&server), [1, 2], "the first one is paid, and not asked for again");
    let events = events(&sandbox);
    let done: Vec<&Value> = of_kind(&events, "treatment.applied");
    let done: Vec<&&Value> =
        done.iter().filter(|one| one["skipped"].is_null() && one["attempts"].as_u64() > Some(0)).collect();
    let afters: Vec<&str> = done.iter().map(|one| one["after_sha256"].as_str().unwrap()).collect();
    assert_eq!(afters, [sha(SHORT_LONG), sha(SHORT_OTHER)]);
    let by = if treatment == BY_PROFILE { "local/squeezer (squeezer-2026)" } else { "local/small" };
    assert!(done.iter().all(|one| one["model"] == by), "{done:?}");
    // Both texts reach the cells, also the one of the process before.
    let cells = server.requests().into_iter().filter(|request| !is_compression(request));
    let treated = cells.filter(|request| completions::system(request) == SHORT_LONG);
    let texts: Vec<String> = treated.map(|request| completions::texts(&request).concat()).collect();
    assert_eq!(texts.len(), 4);
    assert!(texts.iter().all(|text| text.contains(SHORT_LONG) && text.contains(SHORT_OTHER)), "{texts:?}");
    // Ten answers came: two texts, eight cells; the one that was cut off has said nothing.
    let spend = &of_kind(&events, "run.ended").last().unwrap()["spend"];
    assert_eq!(spend["input"], 10 * USAGE.0, "{spend}");
    let lost = sandbox.read("out/report.md").contains("1 treatment cut off by the end of a process");
    assert_eq!(lost, name == "KILL", "an interrupt has put its end on record");
}

#[test]
fn an_interrupted_treatment_is_taken_up_and_nothing_is_paid_twice() {
    ended_by("TERM", Some(143), HALF);
    ended_by("TERM", Some(143), BY_PROFILE);
}

#[test]
fn a_killed_treatment_is_taken_up_and_nothing_is_paid_twice() {
    ended_by("KILL", None, HALF);
    ended_by("KILL", None, BY_PROFILE);
}

/// Another compressor gives another treatment: what the first one has made is not its.
#[test]
fn a_compressor_that_was_changed_meanwhile_is_asked_for_all_of_it() {
    let (server, hold) = held();
    let sandbox = sandbox(&server, BY_PROFILE, PROMPTS);
    squeeze(&sandbox, &server, 0.1);
    let mut child = sandbox.start(&ARGS);
    let journal = || sandbox.read("out/journal.jsonl");
    wait_for("the second text", || {
        compressions(&server) == [1, 1] && journal().contains("\"treatment.applied\"")
    });
    signal(child.id(), "KILL");
    child.wait().unwrap();
    squeeze(&sandbox, &server, 0.9);
    hold.store(false, Ordering::SeqCst);
    let ran = sandbox.run(&ARGS);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(compressions(&server), [2, 2]);
    let asked: Vec<Value> =
        server.requests().iter().filter(|one| is_compression(one)).map(Recorded::json).collect();
    let warm = |body: &Value| (body["model"].clone(), body["temperature"].as_f64());
    assert_eq!(asked.iter().map(warm).collect::<Vec<_>>()[2..], vec![("squeezer".into(), Some(0.9)); 2]);
}

/// The budget of the suite covers treatments as it covers cells: what does not fit is not asked for.
#[test]
fn a_treatment_that_the_budget_does_not_cover_is_not_asked_for() {
    let whole = |request: &Recorded, text| completions::answer(request, &Turn::Say(text));
    // So many tokens may the answer alone take; so many dollars cost it by the price of `local/small`.
    for ceiling in ["suite.budget.tokens=2048", "suite.budget.usd=0.0004"] {
        let server = super::server(whole);
        let sandbox = sandbox(&server, HALF, PROMPTS);
        let ran = sandbox.run(&[&ARGS[..], &["--set", ceiling]].concat());
        assert_eq!(ran.code, Some(5), "{ceiling}: {}", ran.err);
        assert!(server.requests().is_empty(), "{ceiling}: nothing is asked");
        let events = events(&sandbox);
        let refused = of_kind(&events, "budget.refused");
        let why = refused[0]["why"].as_str().unwrap();
        assert!(why.contains("the treatment `half` takes about"), "{why}");
        assert!(refused[0]["shortfall"].as_f64().unwrap() > 0.0, "{refused:?}");
        let ended = of_kind(&events, "run.ended");
        assert_eq!(ended[0]["outcome"], "budget_exhausted");
        assert!(of_kind(&events, "cell.started").is_empty());
    }
    // A first text of a compressor without a price can be had; after it nobody knows what was spent.
    let server = super::server(whole);
    let unpriced = "[treatments.half]\ncompress = 0.5\nmodel = \"local/second\"\n";
    let sandbox = sandbox(&server, unpriced, PROMPTS);
    let ran = sandbox.run(&[&ARGS[..], &["--set", "suite.budget.usd=5.0"]].concat());
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert_eq!(compressions(&server), [1, 0]);
    assert_eq!(of_kind(&events(&sandbox), "run.ended")[0]["outcome"], "spend_unknown");
}
