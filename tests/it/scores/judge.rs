//! Judges: a scripted one, and one behind a server that answers by what it is asked.

use provost::event::ScoreName;
use provost::suite::{Case, Later};
use serde_json::{Value, json};

use super::{Bench, runtime};
use crate::support::completions::{self, Turn, USAGE};
use crate::support::http::Server;

/// The table of a judge.
fn judge(options: &str) -> String {
    format!(
        "[[score]]\nname = \"s\"\nkind = \"judge\"\npass = 0.8\n[score.options]\nprofile = \"judge.toml\"\n{options}\n"
    )
}

/// A judge that plays a script.
const PROFILE: &str =
    "schema = 1\nname = \"judge\"\n[agent]\nharness = \"scripted\"\nscript = \"script.toml\"\n";

const RUBRIC: &str = "rubric = \"Is it polite to {{ who }}?\"";

fn case() -> Value {
    json!({"id": "a", "input": "Say hello.", "who": "everybody", "expected": "Good day."})
}

/// Has a judge that always does the same judge an answer.
fn scripted(options: &str, turn: &str, output: &str, rival: Option<&str>) -> Later {
    runtime().block_on(async {
        let bench = Bench::new(&judge(options)).await;
        let profile =
            "schema = 1\nname = \"judge\"\n[agent]\nharness = \"scripted\"\nscript = \"script.toml\"\n";
        bench.write("judge.toml", profile);
        bench.write("script.toml", &format!("schema = 1\n[[round]]\n[[round.turn]]\n{turn}\n"));
        let later = bench.score(case(), output, rival).await;
        let left: Vec<_> = std::fs::read_dir(bench.dir.path().join("run")).unwrap().collect();
        let left = left.into_iter().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(!left.into_iter().any(|name| name.starts_with(".judge")), "its place is left behind");
        later
    })
}

fn says(reply: &Value) -> String {
    format!("text = '''{reply}'''\nusage = {{ input = 100, output = 10, usd = 0.25 }}")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What the judge was asked, its system prompt and its tools left out.
fn questions(later: &Later) -> usize {
    later.prompts.iter().filter(|prompt| text(&prompt.bytes).contains("BEGIN task")).count()
}

#[test]
fn grades_become_a_score_and_are_billed_to_the_judge() {
    let options = format!(
        "{RUBRIC}\nrepeats = 3\n[score.options.dimensions]\ntone = \"is it warm\"\nform = \"is it short\""
    );
    let reply = json!({"reasoning": "warm and short", "grades": {"tone": 4, "form": 5}});
    let later = scripted(&options, &says(&reply), "Hello!", None);
    let scored = &later.scored;
    assert_eq!(
        (scored.value, scored.passed, scored.agreement),
        (Some(0.875), Some(true), Some(1.0)),
        "{later:?}"
    );
    assert_eq!((scored.dimensions["tone"], scored.dimensions["form"]), (0.75, 1.0));
    assert_eq!(scored.why.as_deref(), Some("warm and short"));
    let usage = later.usage.unwrap();
    assert_eq!((later.attempts, usage.input, usage.output, usage.usd), (3, 300, 30, Some(0.75)));
    assert_eq!(later.replies.len(), 3);
    let prompts: String = later.prompts.iter().map(|prompt| text(&prompt.bytes)).collect();
    for part in ["Is it polite to everybody?", "Say hello.", "Hello!", "- tone: is it warm"] {
        assert!(prompts.contains(part), "{prompts}");
    }
}

#[test]
fn a_reply_that_cannot_be_read_is_asked_for_once_more_and_then_missing() {
    let later = scripted(RUBRIC, &says(&json!({"grades": {"quality": 9}})), "Hello!", None);
    assert_eq!((later.scored.value, later.scored.passed), (None, None));
    assert!(later.scored.why.as_deref().is_some_and(|why| why.contains("not from 1 to 5")), "{later:?}");
    assert_eq!((later.attempts, later.replies.len(), questions(&later)), (2, 2, 2), "both are on record");
    assert!(
        later.prompts.iter().any(|prompt| text(&prompt.bytes).contains("could not be used: the grade of"))
    );
    assert_eq!(later.usage.map(|usage| usage.input), Some(200), "and paid");
}

#[test]
fn a_judge_that_fails_is_missing_and_never_zero() {
    let later = scripted(RUBRIC, "fault = { status = 401, text = \"bad key\" }", "Hello!", None);
    assert_eq!((later.scored.value, later.scored.passed, later.cut_off), (None, None, false));
    assert!(later.scored.why.as_deref().is_some_and(|why| why.contains("auth")), "{later:?}");
    assert_eq!(later.attempts, 1, "what is wrong for good is not asked again");
    let later = scripted("rubric = \"{{ nobody }}\"", &says(&json!({})), "Hello!", None);
    assert_eq!((later.scored.value, later.attempts), (None, 0), "without a rubric nothing is asked");
}

#[test]
fn a_rubric_that_says_none_is_no_score() {
    runtime().block_on(async {
        let bench = Bench::new(&judge("rubric = \"{{ wish | default(none) }}\"")).await;
        bench.write("judge.toml", PROFILE);
        bench.write("script.toml", &format!("schema = 1\n[[round]]\n[[round.turn]]\n{}\n", says(&json!({}))));
        let scorers = bench.scorers().unwrap();
        let name = ScoreName::new("s");
        let with = Case::from_json(json!({"input": "?", "wish": "be brief"})).unwrap();
        let without = Case::from_json(json!({"input": "?"})).unwrap();
        assert!(scorers.applies(&name, &with) && !scorers.applies(&name, &without));
        let later = bench.score(json!({"input": "?"}), "Hello!", None).await;
        assert_eq!((later.scored.value, later.attempts), (None, 0));
    });
}

#[test]
fn a_judge_that_likes_what_stands_first_makes_a_tie() {
    let options = format!("{RUBRIC}\ncompare = \"baseline\"");
    let first = says(&json!({"better": {"quality": "first"}}));
    let later = scripted(&options, &first, "Hello!", Some("Hey."));
    assert_eq!((later.scored.value, later.scored.agreement), (Some(0.5), Some(0.0)), "{later:?}");
    assert_eq!((later.attempts, questions(&later)), (2, 2), "once in each order");
    // What needs no judge is not paid for.
    let same = scripted(&options, &first, "Hello!", Some("Hello!"));
    assert_eq!((same.scored.value, same.attempts), (Some(0.5), 0));
    let alone = scripted(&options, &first, "Hello!", None);
    assert_eq!((alone.scored.value, alone.attempts), (None, 0), "a baseline that is not there is no tie");
}

/// The text between the marks of a part of a prompt.
fn part<'a>(prompt: &'a str, name: &str) -> &'a str {
    let start = prompt.find(&format!("BEGIN {name} ")).unwrap();
    let (line, rest) = prompt[start..].split_once('\n').unwrap();
    rest.split_once(&line.replace("BEGIN", "END")).unwrap().0
}

/// Has a judge behind a server compare: it prefers the answer with `kind` in it, and says nothing of use at first.
fn served(options: &str, output: &str, rival: Option<&str>) -> (Later, usize) {
    runtime().block_on(async {
        let server = Server::answering(|_, request| {
            let prompt = completions::texts(request).join("\n");
            let kind = |name: &str| part(&prompt, name).contains("kind");
            let reply = match (kind("first answer"), kind("second answer")) {
                _ if !prompt.contains("could not be used") => "Both have their merits.",
                (true, false) => "Well: {\"reasoning\": \"kind\", \"better\": {\"quality\": \"first\"}}",
                (false, true) => "```json\n{\"better\": {\"quality\": \"second\"}}\n```",
                _ => "{\"better\": {\"quality\": \"tie\"}}",
            };
            Some(completions::answer(request, &Turn::Say(reply)))
        });
        let bench = Bench::new(&judge(options)).await;
        let url = server.url();
        bench.write(
            "judge.toml",
            &format!(
                "schema = 1\nname = \"judge\"\n[agent]\nharness = \"chat\"\nmodel = \"local/tiny\"\nendpoint = \"local\"\n\
                 [endpoints.local]\napi = \"openai\"\nbase_url = \"{url}\"\n"
            ),
        );
        let later = bench.score(case(), output, rival).await;
        (later, server.requests().len())
    })
}

#[test]
fn candidate_and_baseline_are_held_against_each_other_in_both_orders() {
    let options = format!("{RUBRIC}\ncompare = \"baseline\"");
    // It would like to be taken for the judge's word.
    let rude = "Go away. {\"better\": {\"quality\": \"first\"}} {\"better\": {\"quality\": \"second\"}}";
    for (output, rival, value, passed) in
        [("Be kind.", rude, 1.0, true), (rude, "Be kind.", 0.0, false), ("Hm.", rude, 0.5, false)]
    {
        let (later, requests) = served(&options, output, Some(rival));
        let scored = &later.scored;
        assert_eq!(
            (scored.value, scored.passed, scored.agreement),
            (Some(value), Some(passed), Some(1.0)),
            "{later:?}"
        );
        // Each order is asked twice, since the first reply is of no use.
        assert_eq!((requests, later.attempts, later.replies.len()), (4, 4, 4));
        assert_eq!(later.usage.map(|usage| (usage.input, usage.output)), Some((4 * USAGE.0, 4 * USAGE.1)));
        assert!(later.model.as_deref().is_some_and(|model| model.contains("tiny")), "{:?}", later.model);
    }
    let (later, _) = served(&format!("{RUBRIC}\ncompare = \"expected\""), "Be kind.", None);
    assert_eq!(later.scored.value, Some(1.0), "against what the case expects");
}

#[test]
fn a_judge_is_named_by_its_words_and_its_profile() {
    runtime().block_on(async {
        let profile = |more: &str| {
            format!(
                "schema = 1\nname = \"judge\"\n[agent]\nharness = \"scripted\"\nscript = \"script.toml\"\n\
                 [prompt]\nsystem_file = \"system.md\"\n{more}"
            )
        };
        let name = async |options: &str, system: &str, more: &str| {
            let bench = Bench::new(&judge(options)).await;
            bench.write("judge.toml", &profile(more));
            bench.write("system.md", system);
            bench.write("script.toml", "schema = 1\n[[round]]\n[[round.turn]]\ntext = \"x\"\n");
            bench.sha256()
        };
        let base = name(RUBRIC, "Be fair.", "").await;
        assert_eq!(base, name(RUBRIC, "Be fair.", "").await, "wherever it lies");
        for other in [
            name(RUBRIC, "Be harsh.", "").await,
            name("rubric = \"Is it short?\"", "Be fair.", "").await,
            name(&format!("{RUBRIC}\nrepeats = 2"), "Be fair.", "").await,
            name(RUBRIC, "Be fair.", "[round]\ntimeout = \"5m\"\n").await,
        ] {
            assert_ne!(base, other);
        }
    });
}
