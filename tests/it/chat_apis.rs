//! One profile and one task, under each of the three APIs of the chat harness: what a person sees is the same.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::process::{Command, Stdio};

use base64::Engine as _;
use provost::event::FaultClass;
use provost::profile::Api;
use serde_json::{Value, json};

use crate::support::attempt::{KEY, attempt};
use crate::support::chat_api::{self, APIS, CACHE_READ, CACHE_WRITE, INPUT, OUTPUT, Said};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::run::{Ran, Stage};
use crate::support::sandbox::{finish, wait_for};

const SYSTEM: &str = "You are watched: «weigh each word».";
const TASK: &str = "Write the word into answer.txt. \"Exactly\" \u{1F980}";
const KEY_VARIABLE: &str = "PROVOST_TEST_KEY";

/// The profile, which differs in the one word.
fn profile(api: Api, url: &str) -> String {
    format!(
        r#"
schema = 1
name = "one-profile"
[agent]
harness = "chat"
model = "local/tiny"
endpoint = "here"
tools = ["write", "read"]
[model]
temperature = 0.5
[endpoints.here]
api = "{api}"
base_url = "{url}"
key_env = "{KEY_VARIABLE}"
[prices]
"local/tiny" = {{ input = 1.0, output = 100.0, cache_read = 0.1, cache_write = 2.0 }}
[prompt]
system = "{SYSTEM}"
[check]
contains = "done"
[retry]
same_model = 2
[budget]
wall = "60s"
"#,
        api = api.word(),
    )
}

fn run(api: Api, server: &Server) -> Ran {
    let ran = Stage::new(&profile(api, &server.url())).run(TASK, &[(KEY_VARIABLE, KEY)], &[]);
    assert!(!ran.holds(KEY), "{api:?}: the key is on record");
    ran
}

fn done() -> Said {
    Said::text("It is ", "done.")
}

/// A turn that thinks, says something and writes two files.
fn writes() -> Said {
    let write = |path: &str| json!({ "path": path, "content": format!("{path}\n") });
    Said {
        text: ("I write ", "it."),
        calls: vec![("call_a", "write", write("answer.txt")), ("call_b", "write", write("more/ö.txt"))],
        sealed: Some("c2VhbGVkIGJ5IHRoZSBwcm92aWRlcg=="),
    }
}

/// The texts of a request, whatever its shape.
fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found == text,
        Value::Array(items) => items.iter().any(|item| holds(item, text)),
        Value::Object(entries) => entries.values().any(|item| holds(item, text)),
        _ => false,
    }
}

fn asked_as_the_api_wants(api: Api, request: &Recorded) {
    let (path, name, value) = match api {
        Api::Gemini => unreachable!("only an agent CLI speaks it"),
        Api::OpenAi => ("/v1/chat/completions", "authorization", format!("Bearer {KEY}")),
        Api::OpenAiResponses => ("/v1/responses", "authorization", format!("Bearer {KEY}")),
        Api::Anthropic => ("/v1/messages", "x-api-key", KEY.to_owned()),
    };
    assert_eq!(request.line, format!("POST {path} HTTP/1.1"));
    assert_eq!(request.header(name), Some(value.as_str()), "{api:?}");
    let version = request.header("anthropic-version");
    assert_eq!(version, (api == Api::Anthropic).then_some("2023-06-01"), "{api:?}");
    assert_eq!(request.header("authorization").is_some(), api != Api::Anthropic, "{api:?}");
    let body = request.json();
    assert_eq!((&body["model"], &body["temperature"]), (&json!("tiny"), &json!(0.5)), "{api:?}");
    assert_eq!(body["stream"], true, "{api:?}");
    assert!(holds(&body, SYSTEM) && holds(&body, &format!("{TASK}\n")), "{api:?}: {body}");
}

/// The smallest PNG there is, and what it is in base 64.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[test]
fn an_image_goes_along_with_the_task_and_is_on_record_under_each_api() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(PIXEL).unwrap();
    let image = dir.path().join("pixel");
    std::fs::write(&image, &bytes).unwrap();
    for api in APIS {
        let server = Server::start(vec![chat_api::stream(api, &done())]);
        let images = format!("[prompt]\nimages = [\"{}\"]", image.display());
        let profile = profile(api, &server.url()).replace("[prompt]", &images);
        let ran = Stage::new(&profile).run(TASK, &[(KEY_VARIABLE, KEY)], &[]);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(0), "{api:?}: {story}");
        let body = server.requests()[0].json();
        let sent = match api {
            Api::Gemini => unreachable!("only an agent CLI speaks it"),
            Api::OpenAi => body["messages"][2]["content"][0]["image_url"]["url"].clone(),
            Api::OpenAiResponses => body["input"][1]["content"][0]["image_url"].clone(),
            Api::Anthropic => body["messages"][0]["content"][1]["source"]["data"].clone(),
        };
        assert!(sent.as_str().unwrap().ends_with(PIXEL), "{api:?}: {body}");
        let event = ran.of("prompt.sent").into_iter().find(|prompt| prompt["part"] == "image").unwrap();
        let stored = ran.dir.join("blobs").join(event["sha256"].as_str().unwrap());
        assert_eq!(std::fs::read(stored).unwrap(), bytes, "{api:?}");
    }
    std::fs::write(&image, "no image").unwrap();
    let stage = format!("[prompt]\nimages = [\"{}\"]", image.display());
    let profile = profile(Api::OpenAi, "http://127.0.0.1:1/v1").replace("[prompt]", &stage);
    let ran = Stage::new(&profile).run(TASK, &[(KEY_VARIABLE, KEY)], &[]);
    assert_eq!(ran.output.status.code(), Some(2), "{}", ran.story());
    assert!(!ran.dir.exists(), "there is a run");
}

#[test]
fn a_text_is_delivered_and_paid_for_under_each_api() {
    for api in APIS {
        for response in [chat_api::stream(api, &done()), chat_api::unstreamed(api, &done())] {
            let server = Server::start(vec![response]);
            let ran = run(api, &server);
            let story = ran.story();
            assert_eq!(ran.output.status.code(), Some(0), "{api:?}: {story}");
            assert_eq!(ran.ended()["output"], "It is done.", "{api:?}: {story}");
            let turn = ran.of("turn.ended")[0];
            let usd = (1.0 * 60.0 + 100.0 * 7.0 + 0.1 * 30.0 + 2.0 * 10.0) / 1e6;
            let usage = &turn["usage"];
            assert_eq!(
                [&usage["input"], &usage["output"], &usage["cache_read"], &usage["cache_write"]],
                [INPUT, OUTPUT, CACHE_READ, CACHE_WRITE].map(|count| json!(count)).each_ref(),
                "{api:?}: {story}"
            );
            assert!((usage["usd"].as_f64().unwrap() - usd).abs() < 1e-12, "{api:?}: {usage}");
            assert_eq!(turn["source"], "priced", "{api:?}: {story}");
            assert_eq!(ran.of("attempt.accepted")[0]["model"], "tiny-1", "{api:?}: {story}");
            assert_eq!(ran.prompts("system"), [SYSTEM], "{api:?}");
            assert_eq!(ran.prompts("user"), [format!("{TASK}\n")], "{api:?}");
            let requests = server.requests();
            assert_eq!(requests.len(), 1, "{api:?}");
            asked_as_the_api_wants(api, &requests[0]);
            // The tools on record are the tools that were sent, to the byte.
            assert!(requests[0].body.contains(&ran.prompts("tools")[0]), "{api:?}");
        }
    }
}

/// What the second request must bring of the first answer.
fn repeats_the_first_turn(api: Api, request: &Recorded) {
    let said = chat_api::conversation(api, request);
    let sealed = writes().sealed.unwrap();
    let blocks = |role: &str| -> Vec<Value> {
        let messages = said.as_array().unwrap();
        let found = messages.iter().rfind(|message| message["role"] == role).unwrap();
        found["content"].as_array().unwrap().clone()
    };
    match api {
        Api::Gemini => unreachable!("only an agent CLI speaks it"),
        Api::OpenAi => {
            assert_eq!(said[2]["tool_calls"][1]["id"], "call_b", "{said}");
            assert_eq!(
                (&said[3]["role"], &said[3]["tool_call_id"]),
                (&json!("tool"), &json!("call_a")),
                "{said}"
            );
            assert_eq!(said[4]["tool_call_id"], "call_b", "{said}");
        }
        Api::OpenAiResponses => {
            assert_eq!(said[1], chat_api::thought(api, sealed), "as it came, and before its call");
            assert_eq!(said[2]["content"][0]["text"], "I write it.", "{said}");
            assert_eq!((&said[3]["type"], &said[3]["call_id"]), (&json!("function_call"), &json!("call_a")));
            let last = said.as_array().unwrap().last().unwrap();
            assert_eq!(
                (&last["type"], &last["call_id"]),
                (&json!("function_call_output"), &json!("call_b")),
                "{said}"
            );
        }
        Api::Anthropic => {
            let spoken = blocks("assistant");
            assert_eq!(spoken[0], chat_api::thought(api, sealed), "as it came, and before its call");
            assert_eq!((&spoken[2]["id"], &spoken[3]["id"]), (&json!("call_a"), &json!("call_b")), "{said}");
            let results = blocks("user");
            assert_eq!(results.len(), 2, "both answers in one message: {said}");
            assert_eq!(results[1]["tool_use_id"], "call_b", "{said}");
            assert_eq!(results[1]["cache_control"]["type"], "ephemeral", "{said}");
        }
    }
}

#[test]
fn tools_run_and_their_answers_go_back_under_each_api() {
    for api in APIS {
        let server = Server::start(vec![chat_api::stream(api, &writes()), chat_api::stream(api, &done())]);
        // A home for the workspace that is there after the run.
        let stage = Stage::new(&profile(api, &server.url()));
        let work = stage.path("work");
        let ran = stage.run(TASK, &[(KEY_VARIABLE, KEY)], &[]);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(0), "{api:?}: {story}");
        assert_eq!(std::fs::read_to_string(work.join("answer.txt")).unwrap(), "answer.txt\n", "{api:?}");
        assert_eq!(std::fs::read_to_string(work.join("more/ö.txt")).unwrap(), "more/ö.txt\n", "{api:?}");
        assert_eq!(ran.of("tool.returned").len(), 2, "{api:?}: {story}");
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "{api:?}: {story}");
        repeats_the_first_turn(api, &requests[1]);
        let recorded = ran.prompts("conversation");
        assert_eq!(recorded.len(), 1, "{api:?}");
        assert!(requests[1].body.contains(&recorded[0]), "{api:?}: what is on record is not what was sent");
        assert_eq!(
            serde_json::from_str::<Value>(&recorded[0]).unwrap(),
            chat_api::conversation(api, &requests[1])
        );
    }
}

#[test]
fn a_run_that_is_killed_after_a_paid_turn_does_not_pay_it_again_under_each_api() {
    for api in APIS {
        let begun = chat_api::frames(api, &done()).remove(0);
        let server = Server::answering(move |index, _| match index {
            0 => Some(chat_api::stream(api, &writes())),
            1 => Some(Response::steps(vec![Step::Send(begun.clone()), Step::Hang])),
            _ => Some(chat_api::stream(api, &done())),
        });
        let stage = Stage::new(&profile(api, &server.url()));
        let (work, run) = (stage.path("work"), stage.path("run"));
        let provost = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
            command.args(arguments).current_dir(&work).env_clear().env(KEY_VARIABLE, KEY);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let profile = stage.path("provost.toml");
        let (profile, run) = (profile.to_str().unwrap(), run.to_str().unwrap());
        let mut killed = provost(&["run", "--profile", profile, "--out", run, TASK]);
        wait_for("the second request", || server.requests().len() == 2);
        killed.kill().unwrap();
        killed.wait().unwrap();
        // What the tools did is done; if they ran again it would come back.
        std::fs::remove_file(work.join("answer.txt")).unwrap();
        let resumed = finish(provost(&["run", "--resume", run]));
        assert_eq!(resumed.code, Some(0), "{api:?}: {}", resumed.err);
        assert!(!work.join("answer.txt").exists(), "{api:?}: a recorded tool has run again");
        let requests = server.requests();
        assert_eq!(requests.len(), 3, "{api:?}: a paid turn was asked for again");
        repeats_the_first_turn(api, &requests[2]);
        assert_eq!(requests[1].body, requests[2].body, "{api:?}: the resumed request is another one");
    }
}

#[test]
fn a_stream_that_breaks_before_it_says_anything_is_tried_again_under_each_api() {
    for api in APIS {
        let first = chat_api::frames(api, &done()).remove(0);
        for (what, broken) in [
            ("cut", Response::steps(vec![Step::Send(first.clone()), Step::Cut])),
            ("no terminal marker", Response::steps(vec![Step::Send(first.clone())])),
            ("not JSON", Response::steps(vec![Step::Send("data: {\"type\":\n\n".to_owned())])),
        ] {
            let server = Server::start(vec![broken, chat_api::stream(api, &done())]);
            let ran = run(api, &server);
            let story = ran.story();
            assert_eq!(ran.output.status.code(), Some(0), "{api:?} {what}: {story}");
            let failed = ran.of("attempt.failed");
            assert_eq!(failed.len(), 1, "{api:?} {what}: {story}");
            assert_eq!(failed[0]["class"], "transport", "{api:?} {what}: {story}");
            assert_eq!(server.requests().len(), 2, "{api:?} {what}");
        }
    }
}

#[test]
fn half_an_answer_is_none_under_each_api() {
    for api in APIS {
        // As far as the text goes, and no further.
        let frames = chat_api::frames(api, &done());
        let half =
            frames.iter().rposition(|frame| frame.contains("done.\"") && frame.contains("delta")).unwrap();
        let shown: Vec<Step> = frames[..=half].iter().cloned().map(Step::Send).collect();
        for (what, end) in [("cut", vec![Step::Cut]), ("no terminal marker", vec![])] {
            let server = Server::start(vec![Response::steps([shown.clone(), end].concat())]);
            let ran = run(api, &server);
            let story = ran.story();
            let failure = ran.of("attempt.failed")[0];
            assert_eq!(failure["class"], "transport", "{api:?} {what}: {story}");
            assert_eq!(failure["emitted_output"], true, "{api:?} {what}: {story}");
            assert_ne!(ran.output.status.code(), Some(0), "{api:?} {what}: {story}");
            assert!(ran.of("turn.ended").is_empty(), "{api:?} {what}: {story}");
        }
    }
}

#[test]
fn an_error_in_a_body_of_status_200_is_a_failure_under_each_api() {
    for api in APIS {
        let error = chat_api::error(
            api,
            if api == Api::Anthropic { "billing_error" } else { "insufficient_quota" },
            "m",
        );
        let server = Server::start(vec![Response::json(200, &error.to_string())]);
        let ran = run(api, &server);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(4), "{api:?}: {story}");
        assert_eq!(ran.of("attempt.failed")[0]["class"], "quota_exhausted", "{api:?}: {story}");
        assert_eq!(server.requests().len(), 1, "{api:?}: what no retry can mend was tried again");
    }
}

#[test]
fn a_server_that_says_not_to_try_again_is_not_tried_again_under_each_api() {
    for api in APIS {
        let busy = || Response::json(503, &chat_api::error(api, "overloaded_error", "m").to_string());
        for (advice, requests) in [(Some("false"), 1), (None, 2)] {
            let refusal = advice.map_or_else(busy, |advice| busy().header("x-should-retry", advice));
            let server = Server::start(vec![refusal, chat_api::stream(api, &done())]);
            let story = run(api, &server).story();
            assert_eq!(server.requests().len(), requests, "{api:?} {advice:?}: {story}");
        }
    }
}

#[tokio::test]
async fn a_paused_turn_goes_on() {
    let paused = |said: &Said| {
        let frames = chat_api::frames(Api::Anthropic, said).concat();
        Response::steps(vec![Step::Send(frames.replace("end_turn", "pause_turn"))])
    };
    let responses = vec![paused(&Said::text("a long ", "search")), chat_api::stream(Api::Anthropic, &done())];
    let attempted = attempt(Api::Anthropic, responses, "do it").await;
    assert_eq!((attempted.ended.unwrap().text.as_str(), attempted.requests), ("It is done.", 2));
    // With nothing to give back there is nothing to go on from.
    let attempted = attempt(Api::Anthropic, vec![paused(&Said::default())], "do it").await;
    assert_eq!((attempted.ended.unwrap_err().class, attempted.requests), (FaultClass::Unknown, 1));
}
