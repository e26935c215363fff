//! The real aider against a server on this machine that plays the model.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::run::{Ran, Stage, needed};
use crate::support::sandbox::lives;

const KEY: &str = "dummy-key-of-no-account-77b2";
const SYSTEM: &str = "You are watched by Provost: «weigh each word».";
const TASK: &str = "!Write the word into answer.txt.\n\n\n  Keep «these» bytes: \"a\\b\" \u{1F980}\n";
const COMPLAINT: &str = "answer.txt does not hold the word that is wanted";

/// A profile for aider at the server; `more` is appended.
fn stage(server: &Server, more: &str) -> Stage {
    let program = needed("PROVOST_TEST_AIDER");
    let stage = Stage::new(&format!(
        r#"
schema = 1
name = "real-aider"
{more}
[agent]
harness = "aider"
model = "here/mock-model"
endpoint = "here"
command = ["{program}"]
permissions = "bypass"
[endpoints.here]
api = "openai"
base_url = "{url}"
key_env = "PROVOST_TEST_KEY"
[prompt]
system = "{SYSTEM}"
[check]
command = ["sh", "-c", "grep -qx right answer.txt || {{ echo '{COMPLAINT}'; exit 1; }}"]
[budget]
rounds = 3
wall = "120s"
[prices."here/mock-model"]
input = 1.0
output = 10.0
"#,
        program = program.display(),
        url = server.url(),
    ));
    // Else it asks the world what models cost.
    let caches = stage.path("home/.aider/caches");
    std::fs::create_dir_all(&caches).unwrap();
    std::fs::write(caches.join("model_prices_and_context_window.json"), "{\"none\": {}}").unwrap();
    stage
}

/// A completion in the form that the request asks for.
fn answer(request: &Recorded, text: &str) -> Response {
    let body = request.json();
    let whole = |object: &str, choice: Value| json!({"id": "c1", "object": object, "created": 1, "model": body["model"], "choices": [choice]});
    if body["stream"] != true {
        let message = json!({"role": "assistant", "content": text});
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        return Response::json(200, &whole("chat.completion", choice).to_string());
    }
    let delta = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        whole("chat.completion.chunk", choice).to_string()
    };
    let said = delta(json!({"role": "assistant", "content": text}), Value::Null);
    Response::stream(&[&said, &delta(json!({}), json!("stop"))])
}

fn refusal(status: u16, kind: &str, code: &str, message: &str) -> Response {
    let error = json!({"message": message, "type": kind, "param": null, "code": code});
    Response::json(status, &json!({ "error": error }).to_string())
}

/// What was said, role by role.
fn messages(request: &Recorded) -> Vec<(String, String)> {
    let body = request.json();
    let messages = body["messages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

/// A model that writes the wrong word first, and the right one once the prompt brings the check's complaint.
fn model() -> Server {
    Server::answering(|_, request| {
        if !request.line.starts_with("POST /v1/chat/completions") {
            return Some(Response::json(404, "{}"));
        }
        let told = request.body.contains(COMPLAINT);
        let (lead, word) = if told { ("Then this one.", "right") } else { ("A first word.", "wrong") };
        Some(answer(request, &format!("{lead}\n\nanswer.txt\n```\n{word}\n```\n")))
    })
}

/// Runs the task against that model.
fn two_rounds(more: &str) -> (Ran, Vec<Recorded>) {
    let server = model();
    let place = tempfile::tempdir().unwrap();
    let workspace = format!("{more}\n[workspace]\ndir = \"{}\"\n", place.path().display());
    let ran = stage(&server, &workspace).run(TASK, &[("PROVOST_TEST_KEY", KEY)], &[]);
    let story = ran.story();
    ran.was_delivered_in_the_second_round();
    assert_eq!(std::fs::read_to_string(place.path().join("answer.txt")).unwrap(), "right\n", "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
    // It made no repository, and left no file of its own in the workspace.
    let left: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["answer.txt"], "{story}");
    let asked = server.requests();
    for request in &asked {
        assert_eq!(request.line, "POST /v1/chat/completions HTTP/1.1");
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(request.json()["model"], "mock-model");
    }
    (ran, asked)
}

#[test]
#[cfg_attr(not(real_aider), ignore = "needs aider; .ci/install-real installs it")]
fn real_aider_delivers_in_the_second_round_what_the_check_refused_in_the_first() {
    let (ran, asked) = two_rounds("");
    let story = ran.story();
    let (user, system) = (ran.prompts("user"), ran.prompts("system"));
    assert_eq!((user.len(), system.len(), asked.len()), (2, 2, 2), "{story}");
    for (round, request) in asked.iter().enumerate() {
        let said = messages(request);
        assert!(said.iter().any(|(role, text)| role == "user" && text.contains(&user[round])), "{said:?}");
        assert_eq!(system[round], SYSTEM);
        assert!(said.iter().any(|(_, text)| text.contains(SYSTEM)), "{said:?}");
    }
    assert!(!user[0].contains(COMPLAINT) && user[1].contains(COMPLAINT), "{user:?}");
    assert!(!asked[1].body.contains("A first word."), "{story}");
    // What it says is the answer; what it says about itself is not.
    let output = ran.ended()["output"].as_str().unwrap();
    assert_eq!(output, "Then this one.\n\nanswer.txt\n```\nright\n```", "{story}");
    let usage = ran.of("usage.reported");
    assert_eq!(usage.len(), 2, "{story}");
    assert!(usage.iter().all(|usage| usage["source"] == "estimated"), "{story}");
    assert!(usage.iter().all(|usage| usage["input"].as_u64() > Some(100)), "{story}");
    assert!(ran.ended()["spend"]["usd"].as_f64().unwrap() > 0.0, "{story}");
    assert_eq!(ran.of("attempt.accepted")[0]["agent"], "aider 0.86.2", "{story}");
}

#[test]
#[cfg_attr(not(real_aider), ignore = "needs aider; .ci/install-real installs it")]
fn real_aider_resumes_the_session_where_the_profile_says_continue() {
    let (ran, asked) = two_rounds("[lineage]\nsession = \"continue\"\n");
    let story = ran.story();
    assert_eq!(asked.len(), 2, "{story}");
    assert!(!asked[0].body.contains("A first word."), "{story}");
    let said = messages(&asked[1]);
    let assistant = |text: &str| said.iter().any(|(role, said)| role == "assistant" && said.contains(text));
    assert!(assistant("A first word."), "{said:?}");
}

#[test]
#[cfg_attr(not(real_aider), ignore = "needs aider; .ci/install-real installs it")]
fn real_aider_commits_in_a_repository_as_its_user_expects() {
    let server = Server::answering(|_, request| {
        let commits = request.json()["stream"] != true;
        let edit = "A word.\n\nanswer.txt\n```\nright\n```\n";
        let text = if commits { "feat: say the right word" } else { edit };
        Some(answer(request, text))
    });
    let place = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git").args(args).current_dir(place.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    git(&["config", "user.name", "T"]);
    git(&["config", "user.email", "t@example.com"]);
    let more = format!("[workspace]\ndir = \"{}\"\ndirty = \"ignore\"\n", place.path().display());
    let ran = stage(&server, &more).run(TASK, &[("PROVOST_TEST_KEY", KEY)], &[]);
    assert_eq!(ran.output.status.code(), Some(0), "{}", ran.story());
    assert!(git(&["log", "--format=%s"]).contains("say the right word"), "{}", ran.story());
    let output = ran.ended()["output"].as_str().unwrap();
    assert_eq!(output, "A word.\n\nanswer.txt\n```\nright\n```", "{}", ran.story());
}

#[test]
#[cfg_attr(not(real_aider), ignore = "needs aider; .ci/install-real installs it")]
fn real_aider_with_a_bad_key_ends_as_unavailable_though_it_exits_with_0() {
    let words = "Incorrect API key provided.";
    let server =
        Server::answering(|_, _| Some(refusal(401, "invalid_request_error", "invalid_api_key", words)));
    let ran = stage(&server, "").run(TASK, &[("PROVOST_TEST_KEY", KEY)], &[]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(4), "{story}");
    assert_eq!(ran.classes(), ["auth"], "{story}");
    assert_eq!(ran.of("agent.exited")[0]["code"], 0, "{story}");
    assert_eq!(server.requests().len(), 1, "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
}

#[test]
#[cfg_attr(not(real_aider), ignore = "needs aider; .ci/install-real installs it")]
fn real_aider_is_not_left_to_ask_again_for_a_quota_that_is_used_up() {
    let words = "You exceeded your current quota, please check your plan and billing details.";
    let server =
        Server::answering(|_, _| Some(refusal(429, "insufficient_quota", "insufficient_quota", words)));
    let ran = stage(&server, "").run(TASK, &[("PROVOST_TEST_KEY", KEY)], &[]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(4), "{story}");
    assert_eq!(ran.classes(), ["quota_exhausted"], "{story}");
    assert!(server.requests().len() < 10, "{} requests: {story}", server.requests().len());
}

#[test]
#[cfg_attr(not(real_aider), ignore = "needs aider; .ci/install-real installs it")]
fn real_aider_at_a_silent_server_is_ended_by_our_clock() {
    let server = Server::answering(|_, _| Some(Response::steps(vec![Step::Hang])));
    let more = "[round]\nfirst_event = \"30s\"\ngrace = \"2s\"\n[retry]\nsame_model = 0\n";
    let ran = stage(&server, more).run(TASK, &[("PROVOST_TEST_KEY", KEY)], &["--set", "budget.rounds=1"]);
    let story = ran.story();
    assert_eq!(ran.classes(), ["first_event_timeout"], "{story}");
    assert!(ran.took < Duration::from_secs(100), "{:?}: {story}", ran.took);
    assert!(server.hung_up(), "{story}");
    assert_eq!(ran.of("agent.exited").len(), 1, "{story}");
    let pid = ran.of("agent.spawned")[0]["pid"].as_u64().unwrap();
    assert!(!lives(u32::try_from(pid).unwrap()), "{story}");
}
