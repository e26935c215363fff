//! The chat harness against a server on this machine.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provost::backend::chat::{ChatHarness, Endpoint, ModelOptions, SecretKey, Settings};
use provost::backend::{Answer, Harness as _, Link, Replayed, Report, Request, SessionPlan, Stop};
use provost::event::{
    AttemptNumber, Failure, FaultClass, NodeId, PromptPart, RoundNumber, SessionId, Usage, UsageSource,
};
use provost::profile::Api;
use provost::profile::element::Price;
use serde_json::{Value, json};

use crate::support::http::{Response, Server, Step};

const KEY: &str = "sk-never-to-be-seen";

/// A turn's message and what it consumed.
type Paid = (Vec<u8>, Option<(Usage, UsageSource)>);

/// What an engine would see of an attempt.
#[derive(Debug, Default)]
struct Seen {
    prompts: Vec<(PromptPart, String)>,
    text: String,
    turns: Vec<Paid>,
    returned: Vec<(bool, String)>,
    model: Option<String>,
    /// How many requests the server had when a report came in.
    order: Vec<(String, usize)>,
}

struct Stage {
    dir: tempfile::TempDir,
    server: Arc<Server>,
    options: ModelOptions,
}

impl Stage {
    fn new(responses: Vec<Response>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("ws")).unwrap();
        let server = Arc::new(Server::start(responses));
        Self { dir, server, options: ModelOptions::default() }
    }

    fn workspace(&self, file: &str) -> std::path::PathBuf {
        self.dir.path().join("ws").join(file)
    }

    async fn attempt(&self) -> (Result<Answer, Failure>, Seen) {
        self.with(Vec::new(), false).await
    }

    async fn with(&self, replay: Vec<Replayed>, stop_at_text: bool) -> (Result<Answer, Failure>, Seen) {
        let price = Price { input: 1.0, output: 2.0, cache_read: None, cache_write: None };
        let key = Some(SecretKey::new(KEY));
        let model = "local/tiny/one";
        let endpoint =
            Endpoint::new(Api::OpenAi, &self.server.url(), key, model, self.options.clone(), Some(price))
                .unwrap();
        let harness = ChatHarness::new(endpoint, Settings::default());
        let (link, mut ear, switch) = Link::new();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (notes, server) = (Arc::clone(&seen), Arc::clone(&self.server));
        let engine = tokio::spawn(async move {
            while let Some(message) = ear.recv().await {
                let asked = server.requests().len();
                let mut seen = notes.lock().unwrap();
                match message.report {
                    Report::Prompt { target, part, text } => {
                        assert_eq!(target, "chat local/tiny/one");
                        seen.order.push((format!("{part:?}"), asked));
                        seen.prompts.push((part, text));
                    }
                    Report::Text(text) => {
                        seen.text.push_str(&text);
                        if stop_at_text {
                            switch.send_replace(Some(Stop::Gracefully));
                        }
                    }
                    Report::Turn { message, usage, .. } => seen.turns.push((message.unwrap(), usage)),
                    Report::ToolReturned { ok, result, .. } => {
                        seen.returned.push((ok, String::from_utf8(result.unwrap()).unwrap()));
                    }
                    Report::Accepted(accepted) => seen.model = accepted.model,
                    _ => {}
                }
                drop(seen);
                if let Some(recorded) = message.recorded {
                    recorded.send(()).unwrap();
                }
            }
            switch
        });
        let attempt = harness.attempt(request(self.dir.path(), replay), link);
        let ended = tokio::time::timeout(Duration::from_secs(20), attempt).await.unwrap();
        drop(engine.await.unwrap());
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        let everything = format!("{ended:?} {seen:?}");
        assert!(!everything.contains(KEY), "the key has come out: {everything}");
        (ended, seen)
    }
}

fn request(dir: &Path, replay: Vec<Replayed>) -> Request {
    Request {
        node: NodeId::root(),
        round: RoundNumber(1),
        attempt: AttemptNumber(1),
        system: Some("be good".to_owned()),
        user: "do it".to_owned(),
        session: SessionPlan::Fresh(SessionId::new("s")),
        workspace: dir.join("ws"),
        transcript: dir.join("transcript.log"),
        directory: dir.to_owned(),
        images: Vec::new(),
        terse: false,
        takes_cut: false,
        replay,
    }
}

fn text(text: &str) -> String {
    json!({"model": "tiny-0.1", "choices": [{"delta": {"content": text}}]}).to_string()
}

fn finish(reason: &str) -> String {
    json!({"choices": [{"delta": {}, "finish_reason": reason}]}).to_string()
}

fn call(index: u64, id: &str, name: &str, arguments: &str) -> String {
    let function = json!({"name": name, "arguments": arguments});
    json!({"choices": [{"delta": {"tool_calls": [{"index": index, "id": id, "function": function}]}}]})
        .to_string()
}

fn said(words: &str) -> Response {
    Response::stream(&[&text(words), &finish("stop")])
}

#[tokio::test]
async fn text_streams_and_the_request_is_what_was_asked_for() {
    let usage = json!({"choices": [], "usage": {
        "prompt_tokens": 1_000_000, "completion_tokens": 500_000,
        "prompt_tokens_details": {"cached_tokens": 400_000},
    }});
    let mut stage = Stage::new(vec![
        Response::stream(&[&text("hel"), &text("lo"), &finish("stop"), &usage.to_string()]),
        said("again"),
    ]);
    stage.options = ModelOptions { temperature: Some(0.5), seed: Some(7), ..ModelOptions::default() };
    let (ended, seen) = stage.attempt().await;
    assert_eq!(ended.unwrap(), Answer { text: "hello".to_owned(), stop_reason: Some("stop".to_owned()) });
    assert_eq!(seen.text, "hello");
    assert_eq!(seen.model.as_deref(), Some("tiny-0.1"));
    let expected =
        Usage { input: 600_000, output: 500_000, cache_read: 400_000, cache_write: 0, usd: Some(2.0) };
    assert_eq!(seen.turns[0].1, Some((expected, UsageSource::Priced)));

    let asked = &stage.server.requests()[0];
    assert_eq!(asked.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let body = asked.json();
    assert_eq!(body["model"], "tiny/one");
    assert_eq!(body["messages"][0], json!({"role": "system", "content": "be good"}));
    assert_eq!(body["messages"][1], json!({"role": "user", "content": "do it"}));
    assert_eq!(
        (&body["stream"], &body["temperature"], &body["seed"]),
        (&json!(true), &json!(0.5), &json!(7))
    );
    assert_eq!(body["stream_options"]["include_usage"], true);
    assert!(body.get("max_tokens").is_none() && body.get("reasoning_effort").is_none());
    // The tools on record are the tools that were sent, and all of it was on record before.
    let tools: Value = serde_json::from_str(&seen.prompts[1].1).unwrap();
    assert_eq!(tools, body["tools"]);
    assert!(seen.order.iter().all(|(_, asked)| *asked == 0), "{:?}", seen.order);
}

fn tool_loop() -> Vec<Response> {
    let fragment = json!({"choices": [{"delta": {"tool_calls": [
        {"index": 0, "function": {"arguments": "\"content\":\"hi\"}"}},
    ]}}]});
    vec![
        Response::stream(&[
            &call(0, "a", "write", "{\"path\":\"f\","),
            &fragment.to_string(),
            &call(1, "b", "read", "{\"pth\": "),
            &call(2, "c", "dance", "{}"),
            &finish("tool_calls"),
        ]),
        said("done"),
    ]
}

#[tokio::test]
async fn tools_run_and_malformed_calls_go_back_to_the_model() {
    let stage = Stage::new(tool_loop());
    let (ended, seen) = stage.attempt().await;
    assert_eq!(ended.unwrap().text, "done");
    assert_eq!(std::fs::read_to_string(stage.workspace("f")).unwrap(), "hi");
    assert_eq!(seen.returned.iter().map(|(ok, _)| *ok).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(seen.order.last().unwrap(), &("Conversation".to_owned(), 1));

    let second = stage.server.requests()[1].json();
    let messages = second["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 6);
    assert_eq!(messages[2]["tool_calls"][0]["function"]["arguments"], r#"{"path":"f","content":"hi"}"#);
    assert_eq!(messages[3]["tool_call_id"], "a");
    let malformed = messages[4]["content"].as_str().unwrap();
    assert!(malformed.starts_with("ERROR: ") && malformed.contains("expected: {"), "{malformed}");
    assert!(messages[5]["content"].as_str().unwrap().contains("there is no tool `dance`"));
    let recorded: Value = serde_json::from_str(&seen.prompts[3].1).unwrap();
    assert_eq!(recorded, second["messages"]);
}

#[tokio::test]
async fn what_is_on_record_is_neither_asked_nor_run_again() {
    let first = Stage::new(tool_loop());
    let (_, seen) = first.attempt().await;
    let id = provost::event::ToolId::new;
    let replay = vec![
        Replayed::Turn(seen.turns[0].0.clone()),
        Replayed::Tool { id: id("a"), ok: true, result: b"as recorded".to_vec() },
        Replayed::InDoubt(id("b")),
    ];
    let stage = Stage::new(vec![said("resumed")]);
    let (ended, seen) = stage.with(replay, false).await;
    assert_eq!(ended.unwrap().text, "resumed");
    assert!(!stage.workspace("f").exists(), "a recorded tool has run again");
    assert_eq!(seen.prompts.len(), 1);
    assert_eq!(seen.returned.len(), 2);
    let requests = stage.server.requests();
    assert_eq!(requests.len(), 1);
    let messages = requests[0].json()["messages"].clone();
    assert_eq!(messages[3]["content"], "as recorded");
    assert!(messages[4]["content"].as_str().unwrap().starts_with("ERROR: interrupted before"));
}

#[tokio::test]
async fn errors_of_the_provider_end_the_attempt() {
    let limit = r#"{"error":{"message":"slow down sk-never-to-be-seen","code":"rate_limit_exceeded"}}"#;
    for response in [
        Response::json(429, limit).header("retry-after", "7"),
        Response::json(200, r#"{"error":{"code":502,"message":"upstream"}}"#),
        Response::stream(&[r#"{"error":{"code":429,"message":"busy"}}"#]),
        Response::steps(vec![Step::Send("event: error\ndata: broken\n\n".to_owned())]),
        Response::stream(&[&finish("error")]),
        Response::json(503, "not json"),
        Response::steps(vec![Step::Send("{\"error\":{\"message\":\"in disguise\"}}".to_owned())]),
    ] {
        let stage = Stage::new(vec![response]);
        let (ended, seen) = stage.attempt().await;
        assert!(!ended.unwrap_err().emitted_output);
        assert!(seen.turns.is_empty());
        assert_eq!(stage.server.requests().len(), 1, "a retry is the engine's decision");
    }
}

#[tokio::test]
async fn a_stream_without_its_end_is_no_answer() {
    let send = |event: &str| Step::Send(format!("data: {event}\n\n"));
    for body in [
        vec![send(&text("half")), Step::Cut],
        vec![send(&text("half"))],
        vec![send(&text("half")), send("[DONE]")],
        vec![send(&text("half")), send("{\"choices\":")],
    ] {
        let (ended, seen) = Stage::new(vec![Response::steps(body)]).attempt().await;
        let failure = ended.unwrap_err();
        assert_eq!((failure.class, failure.emitted_output), (FaultClass::Transport, true), "{failure:?}");
        assert_eq!(seen.text, "half");
    }
    let complete = vec![send(&text("all")), send(&finish("stop")), Step::Cut];
    let (ended, _) = Stage::new(vec![Response::steps(complete)]).attempt().await;
    assert_eq!(ended.unwrap().text, "all");
}

#[tokio::test]
async fn an_answer_must_be_one() {
    for (words, reason, class) in [
        ("cut", "length", FaultClass::OutputLimit),
        ("", "stop", FaultClass::NoPayload),
        (" \n", "stop", FaultClass::NoPayload),
        ("no", "content_filter", FaultClass::ContentPolicy),
        ("let me", "tool_calls", FaultClass::NoPayload),
    ] {
        let stage = Stage::new(vec![Response::stream(&[&text(words), &finish(reason)])]);
        let (ended, seen) = stage.attempt().await;
        let failure = ended.unwrap_err();
        assert_eq!((failure.class, failure.emitted_output), (class, !words.is_empty()), "{reason}");
        assert_eq!(seen.turns.len(), 1, "a paid turn is on record");
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let body = json!({
        "choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    });
    let (ended, _) = Stage::new(vec![Response::json(200, &body.to_string())]).attempt().await;
    assert_eq!(ended.unwrap().text, "whole");
}

#[tokio::test]
async fn a_stop_drops_the_request() {
    let event = format!("data: {}\n\n", text("first"));
    let pause = Step::Wait(Duration::from_millis(20));
    let stage = Stage::new(vec![Response::steps(vec![pause, Step::Send(event), Step::Hang])]);
    let (ended, _) = stage.with(Vec::new(), true).await;
    let failure = ended.unwrap_err();
    assert_eq!((failure.class, failure.emitted_output), (FaultClass::UserAbort, true));
    assert!(stage.server.hung_up(), "the connection is still open");
}

#[tokio::test]
async fn nobody_there_is_a_transport_failure() {
    let dir = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint =
        Endpoint::new(Api::OpenAi, &format!("http://{free}/v1"), None, "m", ModelOptions::default(), None)
            .unwrap();
    let (link, mut ear, _switch) = Link::new();
    tokio::spawn(async move {
        while let Some(message) = ear.recv().await {
            message.recorded.map(|recorded| recorded.send(()));
        }
    });
    let harness = ChatHarness::new(endpoint, Settings::default());
    let failure = harness.attempt(request(dir.path(), Vec::new()), link).await.unwrap_err();
    assert_eq!(failure.class, FaultClass::Transport);
    assert!(failure.evidence.contains("refused"), "{}", failure.evidence);
}
