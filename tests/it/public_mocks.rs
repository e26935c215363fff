//! Two mock providers that others have written, each with the same profile and task under each API. One of them grades
//! what its clients do when it fails.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use provost::profile::Api;
use serde_json::{Value, json};

use crate::support::chat_api::APIS;
use crate::support::run::{Ran, Stage, needed};

/// A mock that runs; it ends with the test.
struct Mock {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Mock {
    /// Starts a program that says where it listens.
    fn start(variable: &str, arguments: &[&str], file: Option<(&str, Value)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if let Some((name, content)) = file {
            let config = json!({ "llm": { "fixtures": name, "logLevel": "warn" } });
            std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
            std::fs::write(dir.path().join(name), content.to_string()).unwrap();
        }
        let (said, says) = std::io::pipe().unwrap();
        let mut child = Command::new(needed(variable))
            .args(arguments)
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(says.try_clone().unwrap())
            .stderr(says)
            .spawn()
            .unwrap();
        let address = BufReader::new(said).lines().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once(" on http://")?;
            Some(rest.split([' ', '/']).next().unwrap_or_default().to_owned())
        });
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{variable} ended before it listened");
        };
        Self { child, address, _dir: dir }
    }

    fn llmock() -> Self {
        // A pause between chunks lets it see when its client hangs up.
        let arguments =
            ["serve", "--port", "0", "--response-style", "hello", "--stream-chunk-delay-ms", "20"];
        Self::start("PROVOST_TEST_LLMOCK", &arguments, None)
    }

    fn aimock() -> Self {
        let write = json!({ "path": "answer.txt", "content": "right\n" }).to_string();
        let fixtures = json!({ "fixtures": [
            { "match": { "hasToolResult": true }, "response": { "content": "I have written it." } },
            { "match": { "userMessage": "answer.txt" }, "response": {
                "toolCalls": [{ "name": "write", "arguments": write }],
            }},
            { "match": {}, "response": { "content": "Hello, in a few words more than one chunk holds." } },
        ]});
        let arguments = ["-c", "config.json", "-p", "0"];
        Self::start("PROVOST_TEST_AIMOCK", &arguments, Some(("fixtures.json", fixtures)))
    }

    /// Asks the mock itself.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 ") || head.contains(" 201 ") || head.contains(" 204 "), "{answer}");
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

/// Where llmock speaks an API.
fn llmock_url(mock: &Mock, api: Api) -> String {
    let prefix = if api == Api::Anthropic { "/anthropic" } else { "" };
    format!("http://{}{prefix}/v1", mock.address)
}

/// llmock's verdict on us, with nothing to complain of.
fn passes(mock: &Mock, what: &str, story: &str) -> Value {
    let verdict = mock.ask("GET", "/_llmock/verdict", None);
    assert_eq!(verdict["passed"], true, "{what}: {verdict}\n{story}");
    assert_eq!(verdict["findings"], json!([]), "{what}: {verdict}\n{story}");
    verdict
}

#[test]
#[cfg_attr(not(real_llmock), ignore = "needs llmock in a Python environment; .ci/install-real installs it")]
fn real_llmock_is_understood_under_each_api() {
    let mock = Mock::llmock();
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
fn real_llmock_finds_nothing_wrong_with_how_faults_are_met_under_each_api() {
    let mock = Mock::llmock();
    let stream =
        |kind: &str, after: u64| json!({ "type": "stream_fault", "kind": kind, "after_chunks": after });
    let rows = [
        ("429 twice", json!({ "type": "fail", "status": 429, "retry_after": 1, "times": 2 }), 1),
        ("529", json!({ "type": "fail", "status": 529 }), 1),
        // Nothing was said yet: the round asks again.
        ("disconnect", stream("disconnect", 1), 1),
        ("truncate", stream("truncate", 1), 1),
        ("malformed", stream("malformed", 1), 1),
        // Half a text was: the round has failed, and the next one asks.
        ("disconnect in the text", stream("disconnect", 6), 2),
        ("truncate in the text", stream("truncate", 6), 2),
        ("malformed in the text", stream("malformed", 6), 2),
    ];
    for api in APIS {
        for (what, behavior, rounds) in &rows {
            let what = format!("{what} over {}", api.word());
            mock.ask("POST", "/_llmock/reset", None);
            // The answer that breaks is long, so that the mock sees us hang up before it has sent all of it.
            let long = json!({ "type": "reply", "text": "word ".repeat(500) });
            let breaks = behavior["type"] == "stream_fault";
            let behaviors = if breaks { json!([behavior, long]) } else { json!([behavior]) };
            mock.ask("POST", "/_llmock/scenario", Some(&json!({ "behaviors": behaviors })));
            let check = "contains = \"This is a mock response from\"";
            let ran = run(api, &llmock_url(&mock, api), 3, "", check, "Say hello.");
            let story = ran.story();
            assert_eq!(ran.output.status.code(), Some(0), "{what}: {story}");
            assert_eq!(ran.of("round.ended").len(), *rounds, "{what}: {story}");
            let verdict = passes(&mock, &what, &story);
            assert_eq!(verdict["calls"], 1, "{what}: a retry was another request: {verdict}\n{story}");
            let failed = ran.of("attempt.failed").len() as u64;
            assert_eq!(verdict["faults_injected"], failed, "{what}: {verdict}\n{story}");
        }
    }
}

#[test]
#[cfg_attr(not(real_llmock), ignore = "needs llmock in a Python environment; .ci/install-real installs it")]
fn real_llmock_sees_no_retry_where_none_can_help_under_each_api() {
    let mock = Mock::llmock();
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
    let mock = Mock::aimock();
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
