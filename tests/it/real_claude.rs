//! The real Claude Code CLI against a server on this machine that plays the model.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::anthropic::{self, Turn, USAGE};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::run::{Ran, Stage, needed};

const KEY: &str = "dummy-key-of-no-account-8c1f";
const SYSTEM: &str = "You are watched by Provost: «weigh each word».";
const TASK: &str = "Write the word into answer.txt.\n\n  Keep «these» bytes: \"a\\b\" \u{1F980}";
const COMPLAINT: &str = "answer.txt does not hold the word that is wanted";

/// A profile for the CLI at the server; `more` is appended.
fn stage(server: &Server, more: &str) -> Stage {
    let claude = needed("PROVOST_TEST_CLAUDE");
    Stage::new(&format!(
        r#"
schema = 1
name = "real-claude"
{more}
[agent]
harness = "claude"
model = "anthropic/claude-sonnet-4-5"
endpoint = "here"
command = ["{claude}"]
permissions = "bypass"
[agent.env]
IS_SANDBOX = "1"
CLAUDE_CONFIG_DIR = "{{home}}/claude"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
DISABLE_TELEMETRY = "1"
DISABLE_ERROR_REPORTING = "1"
[endpoints.here]
api = "anthropic"
base_url = "{url}"
key_env = "PROVOST_TEST_KEY"
[prompt]
system = "{SYSTEM}"
[check]
command = ["sh", "-c", "grep -qx right answer.txt || {{ echo '{COMPLAINT}'; exit 1; }}"]
[budget]
rounds = 3
wall = "90s"
"#,
        claude = claude.display(),
        url = server.url(),
    ))
}

/// A model that writes the wrong word first, and the right one once the prompt brings the check's complaint.
fn model(file: String) -> Server {
    Server::answering(move |_, request| {
        if !anthropic::asks(request) {
            return Some(anthropic::aside(request));
        }
        let write = |id, word| Turn::Call(id, "Write", json!({"file_path": file, "content": word}));
        let turn = match anthropic::returned(request).as_deref() {
            _ if !anthropic::offers(request, "Write") => Turn::Say("Aside"),
            Some("toolu_r1_write") => Turn::Say("I wrote a word."),
            // The CLI lets nobody overwrite what the session has not read.
            Some("toolu_r2_read") => write("toolu_r2_write", "right\n"),
            Some(_) => Turn::Say("I wrote the right word."),
            None if anthropic::texts(request).iter().any(|text| text.contains(COMPLAINT)) => {
                Turn::Call("toolu_r2_read", "Read", json!({"file_path": file}))
            }
            None => write("toolu_r1_write", "wrong\n"),
        };
        Some(anthropic::answer(request, &turn))
    })
}

/// Runs the task against that model, which has to know where the workspace is.
fn two_rounds(more: &str) -> (Ran, Vec<Recorded>) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("answer.txt");
    let server = model(file.to_str().unwrap().to_owned());
    let workspace = format!("{more}\n[workspace]\ndir = \"{}\"\n", place.path().display());
    let ran = stage(&server, &workspace).run(TASK, &[("PROVOST_TEST_KEY", KEY)], &[]);
    let story = ran.story();
    ran.was_delivered_in_the_second_round();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "right\n", "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
    let requests = server.requests();
    let asked: Vec<Recorded> = requests
        .into_iter()
        .filter(|request| anthropic::asks(request) && anthropic::offers(request, "Write"))
        .collect();
    for request in &asked {
        assert_eq!(anthropic::path(request), "/v1/messages");
        assert_eq!(request.header("x-api-key"), Some(KEY));
    }
    (ran, asked)
}

/// The requests that begin a round: they bring no tool's result.
fn first(asked: &[Recorded]) -> Vec<&Recorded> {
    asked.iter().filter(|request| anthropic::returned(request).is_none()).collect()
}

#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_delivers_in_the_second_round_what_the_check_refused_in_the_first() {
    let (ran, asked) = two_rounds("");
    let story = ran.story();

    // What is kept as a prompt is what went over the wire.
    let (user, system) = (ran.prompts("user"), ran.prompts("system"));
    let begun = first(&asked);
    assert_eq!((user.len(), system.len(), begun.len()), (2, 2, 2), "{story}");
    for (round, request) in begun.iter().enumerate() {
        let texts = anthropic::texts(request);
        assert!(texts.iter().any(|text| text.contains(&user[round])), "{:?} not in {texts:?}", user[round]);
        assert_eq!(system[round], SYSTEM);
        assert!(anthropic::system(request).contains(SYSTEM), "{}", anthropic::system(request));
    }
    assert!(!user[0].contains(COMPLAINT) && user[1].contains(COMPLAINT), "{user:?}");
    assert!(user.iter().all(|text| text.contains(TASK)), "{user:?}");

    // Each round is a conversation of its own, under the name that was chosen for it.
    let chosen = ran.sessions("attempt.started");
    assert_eq!(chosen.len(), 2, "{story}");
    assert_ne!(chosen[0], chosen[1]);
    assert_eq!(chosen, ran.sessions("attempt.accepted"), "{story}");

    let calls: Vec<(&str, bool)> = ran
        .of("tool.called")
        .iter()
        .zip(ran.of("tool.returned"))
        .map(|(called, returned)| {
            assert_eq!(called["id"], returned["id"], "{story}");
            (called["name"].as_str().unwrap(), returned["ok"] == true)
        })
        .collect();
    assert_eq!(calls, [("Write", true), ("Read", true), ("Write", true)], "{story}");

    let usage = ran.of("usage.reported");
    assert_eq!(usage.len(), 2, "{story}");
    let spend = &ran.ended()["spend"];
    let requests = asked.len() as u64;
    assert_eq!(requests, 5, "{story}");
    assert_eq!(spend["input"], requests * USAGE.0, "{story}");
    assert_eq!(spend["output"], requests * USAGE.1, "{story}");
    assert_eq!(spend["usd_known"], true, "{story}");
    assert!(spend["usd"].as_f64().unwrap() > 0.0, "{story}");

    // The raw transcript is JSON lines with the whole conversation.
    for round in ["rounds/root-1.log", "rounds/root-2.log"] {
        let log = std::fs::read_to_string(ran.dir.join(round)).unwrap();
        let lines: Vec<Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        assert!(lines.iter().any(|line| line["type"] == "system" && line["subtype"] == "init"), "{log}");
        assert_eq!(lines.iter().filter(|line| line["type"] == "result").count(), 1, "{log}");
    }
}

#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_resumes_the_session_where_the_profile_says_continue() {
    let (ran, asked) = two_rounds("[lineage]\nsession = \"continue\"\n");
    let story = ran.story();
    let accepted = ran.sessions("attempt.accepted");
    assert_eq!(accepted.len(), 2, "{story}");
    assert_eq!(accepted[0], accepted[1], "{story}");
    // The second round's first request brings the first round's conversation along.
    let begun = first(&asked);
    assert_eq!(begun.len(), 2, "{story}");
    assert!(!begun[0].body.contains("toolu_r1_write"));
    assert!(begun[1].body.contains("toolu_r1_write") && begun[1].body.contains("I wrote a word."), "{story}");
    // What the CLI sums up over a resumed session is not counted twice.
    let requests = asked.len() as u64;
    let spend = &ran.ended()["spend"];
    assert_eq!(spend["input"], requests * USAGE.0, "{story}");
    let dollars: Vec<f64> =
        ran.of("usage.reported").iter().map(|usage| usage["usd"].as_f64().unwrap()).collect();
    assert_eq!(dollars.len(), 2, "{story}");
    // Two requests, then three of the same size.
    assert!((dollars[1] / dollars[0] - 1.5).abs() < 0.01, "{dollars:?}");
}

#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_with_a_bad_key_ends_fast_as_unavailable() {
    let server = Server::answering(|_, request| {
        Some(if anthropic::asks(request) {
            anthropic::refusal(401, "authentication_error", "invalid x-api-key")
        } else {
            anthropic::aside(request)
        })
    });
    let ran = stage(&server, "").run(TASK, &[("PROVOST_TEST_KEY", KEY)], &[]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(4), "{story}");
    let failed = ran.of("attempt.failed");
    assert!(!failed.is_empty() && failed.iter().all(|failure| failure["class"] == "auth"), "{story}");
    let requests = server.requests().iter().filter(|request| anthropic::asks(request)).count();
    assert!((1..=2).contains(&requests), "{requests} requests: {story}");
    assert!(ran.took < Duration::from_secs(30), "{:?}: {story}", ran.took);
    assert!(!ran.holds(KEY), "the key is on record");
}

#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_forks_a_session_that_knows_its_parent_and_leaves_it_as_it_was() {
    let (ran, asked) = two_rounds("[lineage]\nsession = \"continue\"\nfork = \"require\"\n");
    let story = ran.story();
    let accepted = ran.sessions("attempt.accepted");
    assert_eq!(accepted, ran.sessions("attempt.started"), "{story}");
    assert_ne!(accepted[0], accepted[1], "{story}");
    let begun = first(&asked);
    assert!(begun[1].body.contains("toolu_r1_write") && begun[1].body.contains("I wrote a word."), "{story}");
    assert_eq!(ran.ended()["spend"]["input"], asked.len() as u64 * USAGE.0, "{story}");
}

/// M4: it says at once that it is there; that is no answer of a model.
#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_before_a_silent_server_is_ended_by_our_own_clock() {
    let server = Server::answering(|_, request| {
        Some(if anthropic::asks(request) {
            Response::steps(vec![Step::Hang])
        } else {
            anthropic::aside(request)
        })
    });
    let deadlines = "[round]\nfirst_event = \"3s\"\ngrace = \"2s\"\n[retry]\nsame_model = 0\n";
    let ran =
        stage(&server, deadlines).run(TASK, &[("PROVOST_TEST_KEY", KEY)], &["--set", "budget.rounds=1"]);
    let story = ran.story();
    let classes: Vec<&Value> = ran.of("attempt.failed").iter().map(|failed| &failed["class"]).collect();
    assert_eq!(classes, ["first_event_timeout"], "{story}");
    assert_eq!(ran.of("attempt.accepted").len(), 1, "{story}");
    assert_eq!(ran.output.status.code(), Some(1), "{story}");
    assert!(server.hung_up(), "the agent is still there");
}
