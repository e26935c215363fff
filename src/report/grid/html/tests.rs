//! Whole pages of made-up runs.

mod look;
mod safe;
mod sample;

use self::sample::{Sample, Wish, make};
use super::page;
use crate::event::{GateMode, Reason, Verdict};

const THREE: &[(&str, Option<&str>, f64)] =
    &[("current", None, 0.0), ("concise", None, 0.17), ("concise+compress-50", Some("compress-50"), 0.09)];
const ONE: &[(&str, Option<&str>, f64)] = &[("concise", None, 0.1)];

fn wish(name: &'static str) -> Wish {
    let large = Wish {
        cases: 67,
        trials: 5,
        arms: THREE,
        mode: Some(GateMode::Superiority),
        verdict: Some(Verdict::Pass),
        reasons: &[Reason::Significant],
        missing: 3,
        priced: true,
        hostile: false,
    };
    match name {
        "pass" => large,
        "fail" => Wish {
            arms: &[("current", None, 0.1), ("concise", None, -0.22)],
            verdict: Some(Verdict::Fail),
            mode: Some(GateMode::NonInferiority),
            reasons: &[Reason::Inferior, Reason::GuardRegressed],
            cases: 100,
            ..large
        },
        "inconclusive" => Wish {
            arms: &[("current", None, 0.0), ("concise", None, 0.02)],
            cases: 500,
            trials: 1,
            verdict: Some(Verdict::Inconclusive),
            reasons: &[Reason::IncompleteCoverage, Reason::MissingDecides],
            missing: 11,
            priced: false,
            ..large
        },
        "threshold" => {
            Wish { arms: ONE, mode: Some(GateMode::Threshold), reasons: &[Reason::AboveThreshold], ..large }
        }
        "tiny" => Wish {
            arms: &[("current", None, 0.0), ("concise", None, 0.3)],
            cases: 4,
            trials: 1,
            missing: 0,
            verdict: Some(Verdict::Inconclusive),
            reasons: &[Reason::FewTasks],
            ..large
        },
        "measured" => {
            Wish { arms: ONE, mode: None, verdict: None, reasons: &[], cases: 30, trials: 2, ..large }
        }
        "hostile" => Wish { hostile: true, cases: 20, trials: 2, missing: 20, ..large },
        other => panic!("{other}"),
    }
}

const ALL: [&str; 7] = ["pass", "fail", "inconclusive", "threshold", "tiny", "measured", "hostile"];

fn html(sample: &Sample) -> String {
    sample.view(page)
}

/// What stands between two texts, the first time.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start} is not there"));
    rest.split_once(end).unwrap_or_else(|| panic!("{end} is not there")).0
}

fn data(html: &str) -> serde_json::Value {
    serde_json::from_str(between(html, r#"<script type="application/json" id="data">"#, "</script>")).unwrap()
}

#[test]
fn every_cell_is_a_mark_and_every_case_a_row() {
    for name in ALL {
        let wish = wish(name);
        let html = html(&make(&wish));
        let rows = html.matches("<tr class=\"row\"").count();
        let marks = between(&html, "<table id=\"cells\">", "</table>").matches("<i class=").count();
        assert_eq!(rows, wish.cases, "{name}");
        assert_eq!(marks, wish.cases * wish.arms.len() * usize::try_from(wish.trials).unwrap(), "{name}");
    }
}

#[test]
fn the_verdict_comes_first_with_its_reasons_and_all_that_it_rests_on() {
    let wish = wish("inconclusive");
    let sample = make(&wish);
    let html = html(&sample);
    let reached = sample.sheet.verdict().unwrap();
    let places = ["Inconclusive", "is not decided", "Independent units", "What was claimed", "exploratory"]
        .map(|word| {
            if word == "Inconclusive" {
                html.find("<p class=\"word\">inconclusive").unwrap()
            } else {
                html.find(word).unwrap()
            }
        });
    assert!(places.is_sorted(), "{places:?}");
    for reason in wish.reasons {
        let (title, remedy) = super::words::words(*reason);
        for said in [title, remedy] {
            assert!(html.contains(&super::coded(said.to_owned()).to_string()), "{reason:?}");
        }
    }
    let claim = &reached.certified.candidates[0].claims[0];
    for value in [
        claim.effect.mean,
        claim.effect.low.unwrap(),
        claim.effect.high.unwrap(),
        claim.worst.mean,
        claim.best.mean,
        claim.mde.unwrap(),
    ] {
        assert!(html.contains(&super::figures::value(value, true)), "{value}");
    }
    for digest in [&reached.plan_sha256, &reached.evidence_sha256] {
        assert!(html.contains(digest.hex().as_str()));
    }
    assert!(html.contains("1,240 units would settle"));
}

#[test]
fn names_in_a_sentence_are_code_and_nothing_else_is_markup() {
    for (said, shown) in [
        ("`gate.min` & `<b>` stay", "<code>gate.min</code> &amp; <code>&lt;b&gt;</code> stay"),
        ("plain <i>", "plain &lt;i&gt;"),
        ("one ` alone <i>", "one ` alone &lt;i&gt;"),
        ("", ""),
    ] {
        let mut page = minijinja::Environment::new();
        page.add_filter("coded", super::coded);
        page.add_template("it.html", "{{ said|coded }}").unwrap();
        let got = page.get_template("it.html").unwrap().render(minijinja::context! { said }).unwrap();
        assert_eq!(got, shown);
    }
}

#[test]
fn texts_open_from_the_page_and_are_what_was_written() {
    let sample = make(&wish("hostile"));
    let data = data(&html(&sample));
    let answered = sample.cells().find(|cell| cell.missing.is_none()).unwrap();
    let held = data["cases"]["0"].as_array().unwrap();
    let cell = held.iter().find(|cell| cell["index"] == answered.cell.0).unwrap();
    let text = |place: &serde_json::Value| {
        data["texts"][usize::try_from(place.as_u64().unwrap()).unwrap()]["is"].clone()
    };
    assert_eq!(text(&cell["output"]), sample.texts[answered.output_sha256.as_ref().unwrap()].as_str());
    assert_eq!(text(&cell["prompts"][0]), sample.texts[&answered.prompts[0]].as_str());
    let judged = cell["scores"].as_array().unwrap().iter().find(|score| score["name"] == "clarity").unwrap();
    assert_eq!(
        text(&judged["replies"][0]),
        sample.texts[&sample.scored().next().unwrap().replies[0]].as_str()
    );
    let linked = held
        .iter()
        .chain(data["cases"]["1"].as_array().unwrap())
        .find(|cell| !cell["log"].is_null())
        .unwrap();
    assert_eq!(linked["log"], format!("./rounds/root.c{}-1.log", linked["index"]));
}

#[test]
fn a_page_takes_five_megabytes_of_texts_along_and_answers_before_prompts() {
    let mut sample = make(&wish("tiny"));
    for text in sample.texts.values_mut() {
        *text = "x".repeat(1 << 20);
    }
    let html = html(&sample);
    assert!(html.len() < 6 << 20, "{}", html.len());
    let texts = data(&html)["texts"].as_array().unwrap().clone();
    let kept = texts.iter().filter(|text| text.get("is").is_some()).count();
    assert_eq!(kept, 5);
    assert!(texts[..5].iter().all(|text| text.get("is").is_some()), "answers come first");
    assert!(texts[5..].iter().all(|text| text["left"].as_str().is_some_and(|sha256| sha256.len() == 64)));
}

#[test]
fn of_a_huge_run_what_is_to_be_seen_is_listed_and_the_rest_is_counted() {
    let huge = Wish { cases: 700, missing: 1, ..wish("pass") };
    let sample = make(&huge);
    let html = html(&sample);
    assert_eq!(html.matches("<tr class=\"row\"").count(), 10_000 / 15);
    assert!(html.contains("34 more cases are not listed here"));
    let missing = sample.cells().filter(|cell| cell.missing.is_some()).count();
    assert_eq!(html.matches("class=\"gone\" title").count(), missing);
}

#[test]
fn a_run_without_a_plan_or_a_verdict_says_so() {
    let mut sample = make(&wish("measured"));
    assert!(html(&sample).contains("decides nothing"));
    sample.measured = None;
    let bare = html(&sample);
    assert!(bare.contains("no bounds") && !bare.contains("not drawn, since"), "bare means have no bounds");
    sample.sheet = crate::event::Sheet::default();
    assert!(html(&sample).contains("The journal has no plan"));
}

#[test]
fn the_same_view_gives_the_same_page() {
    let wish = wish("pass");
    assert_eq!(html(&make(&wish)), html(&make(&wish)));
}
