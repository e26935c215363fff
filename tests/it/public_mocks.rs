//! Two mock providers that others have written, each with the same profile and task under each API. What one of them says
//! of how its faults are met is in `llmock_judge`.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use provost::profile::Api;
use serde_json::json;

use crate::support::chat_api::APIS;
use crate::support::mock::{Mock, llmock_url, passes};
use crate::support::run::{Ran, Stage};

fn aimock() -> Mock {
    let write = json!({ "path": "answer.txt", "content": "right\n" }).to_string();
    let fixtures = json!({ "fixtures": [
        { "match": { "hasToolResult": true }, "response": { "content": "I have written it." } },
        { "match": { "userMessage": "answer.txt" }, "response": {
            "toolCalls": [{ "name": "write", "arguments": write }],
        }},
        { "match": {}, "response": { "content": "Hello, in a few words more than one chunk holds." } },
    ]});
    let arguments = ["-c", "config.json", "-p", "0"];
    Mock::start("PROVOST_TEST_AIMOCK", &arguments, Some(("fixtures.json", fixtures)))
}

/// The profile, which differs in where the endpoint is and what it speaks.
fn run(api: Api, url: &str, rounds: u32, tools: &str, check: &str, task: &str) -> Ran {
    let profile = format!(
        r#"
schema = 1
name = "public-mock"
[agent]
harness = "chat"
model = "any/{model}"
endpoint = "mock"
tools = [{tools}]
[endpoints.mock]
api = "{api}"
base_url = "{url}"
key_env = "PROVOST_TEST_KEY"
[prompt]
system = "You write files."
context = "none"
[check]
{check}
[budget]
rounds = {rounds}
wall = "60s"
"#,
        model = if api == Api::Anthropic { "claude-sonnet-4-5" } else { "gpt-4o" },
        api = api.word(),
    );
    Stage::new(&profile).run(task, &[("PROVOST_TEST_KEY", "dummy-key-of-no-account")], &[])
}

const TASK: &str = "Write the word into answer.txt.";
const WRITTEN: &str = r#"command = ["grep", "-qx", "right", "answer.txt"]"#;

#[test]
#[cfg_attr(not(real_llmock), ignore = "needs llmock in a Python environment; .ci/install-real installs it")]
fn real_llmock_is_understood_under_each_api() {
    let mock = Mock::llmock(&["--response-style", "hello"]);
    for api in APIS {
        mock.ask("POST", "/_llmock/reset", None);
        let call = json!({ "name": "write", "arguments": { "path": "answer.txt", "content": "right\n" } });
        let scenario = json!({ "behaviors": [{ "type": "reply", "tool_calls": [call] }] });
        mock.ask("POST", "/_llmock/scenario", Some(&scenario));
        let ran = run(api, &llmock_url(&mock, api), 1, "\"write\"", WRITTEN, TASK);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(0), "{api:?}: {story}");
        assert_eq!((ran.of("round.ended").len(), ran.of("turn.ended").len()), (1, 2), "{api:?}: {story}");
        assert!(ran.ended()["spend"]["output"].as_u64().unwrap() > 0, "{api:?}: {story}");
        assert_eq!(ran.ended()["spend"]["tokens_known"], true, "{api:?}: {story}");
        let verdict = passes(&mock, api.word(), &story);
        assert_eq!((&verdict["calls"], &verdict["attempts"]), (&json!(2), &json!(2)), "{verdict}");
    }
}

#[test]
#[cfg_attr(not(real_llmock), ignore = "needs llmock in a Python environment; .ci/install-real installs it")]
fn real_llmock_sees_no_retry_where_none_can_help_under_each_api() {
    let mock = Mock::llmock(&["--response-style", "hello"]);
    for api in APIS {
        // A request that is wrong would be asked again by a next round; the others end the run.
        for (status, class, rounds) in [
            (400, "request_invalid", 1),
            (401, "auth", 3),
            (403, "forbidden", 3),
            (404, "model_not_found", 3),
        ] {
            mock.ask("POST", "/_llmock/reset", None);
            let scenario = json!({ "behaviors": [{ "type": "fail", "status": status, "times": null }] });
            mock.ask("POST", "/_llmock/scenario", Some(&scenario));
            let ran = run(api, &llmock_url(&mock, api), rounds, "", "contains = \"mock\"", "Say hello.");
            let (what, story) = (format!("{status} over {}", api.word()), ran.story());
            assert_ne!(ran.output.status.code(), Some(0), "{what}: {story}");
            assert_eq!(ran.of("attempt.failed")[0]["class"], class, "{what}: {story}");
            assert_eq!(passes(&mock, &what, &story)["attempts"], 1, "{what}: {story}");
        }
    }
}

#[test]
#[cfg_attr(not(real_aimock), ignore = "needs aimock in a node_modules; .ci/install-real installs it")]
fn real_aimock_is_understood_under_each_api() {
    let mock = aimock();
    let url = format!("http://{}/v1", mock.address);
    for api in APIS {
        let ran = run(api, &url, 1, "\"write\", \"read\"", WRITTEN, TASK);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(0), "{api:?}: {story}");
        assert_eq!(ran.ended()["output"], "I have written it.", "{api:?}: {story}");
        assert_eq!(ran.of("tool.returned").len(), 1, "{api:?}: {story}");
        let ran = run(api, &url, 1, "", "contains = \"one chunk holds.\"", "Say hello.");
        assert_eq!(ran.output.status.code(), Some(0), "{api:?}: {}", ran.story());
    }
}
