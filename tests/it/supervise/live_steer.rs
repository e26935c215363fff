//! A message for an agent that works: our own loop says it in the next request, and in the prompt of the next round where none
//! follows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::completions::{self, Turn};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::sandbox::{PATIENCE, Sandbox, events, finish, of_kind, signal, wait_for};

const MESSAGE: &str = "Use tabs, «not» spaces.";

/// Where the journal is that a server looks at before it answers; known once there is a sandbox.
type Place = Arc<Mutex<Option<PathBuf>>>;

/// What the server says to the nth request.
type Saying = fn(usize, &Recorded) -> Response;

/// Waits until the journal of the only run says that.
fn until(place: &Place, kind: &str) {
    let (deadline, wanted) = (Instant::now() + PATIENCE, format!("\"kind\":\"{kind}\""));
    while Instant::now() < deadline {
        let runs = place.lock().unwrap().clone();
        let run = runs.and_then(|runs| Some(std::fs::read_dir(runs).ok()?.next()?.ok()?.path()));
        let text = run.and_then(|run| std::fs::read_to_string(run.join("journal.jsonl")).ok());
        if text.is_some_and(|text| text.contains(&wanted)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A loop with a server that answers the first request once there is a message.
fn sandbox(saying: Saying, rounds: u32) -> (Server, Sandbox, Place) {
    let place = Place::default();
    let seen = Arc::clone(&place);
    let server = Server::answering(move |index, request| {
        if index == 0 {
            until(&seen, "steer.requested");
        }
        Some(saying(index, request))
    });
    let sandbox = Sandbox::new(&format!(
        "[agent]\nharness = \"chat\"\nmodel = \"local/m\"\nendpoint = \"here\"\ntools = [\"list\"]\n\
         [endpoints.here]\napi = \"openai\"\nbase_url = \"{}\"\n[retry]\nsame_model = 0\n\
         [workspace]\ndirty = \"ignore\"\n[supervise]\npause = \"20ms\"\nrounds = {rounds}\n",
        server.url()
    ));
    *place.lock().unwrap() = Some(sandbox.path(".provost/runs"));
    (server, sandbox, place)
}

fn call(request: &Recorded) -> Response {
    completions::answer(request, &Turn::Call("call_1", "list", json!({ "path": "." })))
}

fn say(request: &Recorded, text: &'static str) -> Response {
    completions::answer(request, &Turn::Say(text))
}

fn messages(request: &Recorded) -> Vec<Value> {
    request.json()["messages"].as_array().cloned().unwrap()
}

/// How often the message is in what is sent.
fn told(request: &Recorded) -> usize {
    request.json()["messages"].to_string().matches(MESSAGE).count()
}

/// Waits until the server was asked so often. It does not say so while it still thinks about what to answer.
fn asked(server: &Server, times: usize) {
    wait_for("a request", || server.requests().len() >= times);
}

/// What became of the message.
fn answers(events: &[Value]) -> Vec<(Value, Value)> {
    let answers = of_kind(events, "steer.acknowledged");
    answers.iter().map(|answer| (answer["effect"].clone(), answer["round"].clone())).collect()
}

#[test]
fn a_message_is_said_to_a_working_agent_in_its_next_request() {
    let (server, sandbox, place) =
        sandbox(|index, request| if index == 0 { call(request) } else { say(request, "Tabs it is.") }, 1);
    let child = sandbox.start(&["supervise", "Write a table."]);
    until(&place, "prompt.sent");
    let steer = sandbox.run(&["steer", MESSAGE]);
    let ran = finish(child);
    let events = events(&sandbox.run_dir());
    assert_eq!((ran.code, steer.code), (Some(0), Some(0)), "{ran:?} {steer:?}");
    assert!(format!("{}{}", steer.out, steer.err).contains("told to the agent of round 1"), "{steer:?}");
    assert_eq!(answers(&events), [("live".into(), 1.into())]);

    let requests = server.requests();
    assert_eq!(requests.iter().map(told).collect::<Vec<_>>(), [0, 1]);
    let said = messages(&requests[1]);
    assert_eq!(said.last(), Some(&json!({ "role": "user", "content": MESSAGE })));
    assert_eq!(said[said.len() - 2]["role"], "tool", "after the tool's answer: {said:?}");
    // What is on record as sent is what was sent, and was there before.
    let sent =
        of_kind(&events, "prompt.sent").into_iter().find(|sent| sent["part"] == "conversation").unwrap();
    let path = format!("prompts/{}.txt", sent["sha256"].as_str().unwrap());
    let kept = std::fs::read_to_string(sandbox.run_dir().join(path)).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Value>>(&kept).unwrap(), said);
    let seq = |kind: &str| of_kind(&events, kind)[0]["seq"].as_u64().unwrap();
    assert!(seq("tool.returned") < seq("steer.acknowledged"));
    assert!(seq("steer.acknowledged") < sent["seq"].as_u64().unwrap());
}

#[test]
fn a_message_that_comes_too_late_for_a_round_is_in_the_prompt_of_the_next() {
    let (server, sandbox, place) = sandbox(|_, request| say(request, "That is all."), 2);
    let child = sandbox.start(&["supervise", "Write a table."]);
    until(&place, "prompt.sent");
    let steer = sandbox.run(&["steer", MESSAGE]);
    let ran = finish(child);
    assert_eq!((ran.code, steer.code), (Some(0), Some(0)), "{ran:?} {steer:?}");
    assert_eq!(answers(&events(&sandbox.run_dir())), [("next_prompt".into(), 2.into())]);
    let requests = server.requests();
    assert_eq!(requests.iter().map(told).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(messages(&requests[1]).len(), messages(&requests[0]).len(), "a part of the prompt");
}

/// The agent was told, and then provost was killed: it is told in the same place, once, and by nobody else.
#[test]
fn a_message_that_was_said_stands_in_its_place_after_a_kill() {
    let (server, sandbox, place) = sandbox(
        |index, request| match index {
            0 => call(request),
            1 => Response::steps(vec![Step::Hang]),
            _ => say(request, "Tabs it is."),
        },
        1,
    );
    let mut child = sandbox.start(&["supervise", "Write a table."]);
    until(&place, "prompt.sent");
    assert_eq!(sandbox.run(&["steer", MESSAGE]).code, Some(0));
    asked(&server, 2);
    signal(child.id(), "KILL");
    child.wait().unwrap();
    let ran = sandbox.run(&["supervise", "Write a table."]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let events = events(&sandbox.run_dir());
    assert_eq!(answers(&events), [("live".into(), 1.into())]);
    assert_eq!(of_kind(&events, "turn.ended").len(), 2, "what was paid is not paid again");
    let requests = server.requests();
    assert_eq!(requests.iter().map(told).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!(messages(&requests[2]), messages(&requests[1]));
}

/// The agent was told, and the round failed all the same: the next prompt says it again.
#[test]
fn a_message_that_a_failed_round_had_is_in_the_prompt_of_the_next() {
    let (server, sandbox, place) = sandbox(
        |index, request| match index {
            0 => call(request),
            1 => completions::refusal(400, "bad_request", "this request is no request"),
            _ => say(request, "Tabs it is."),
        },
        2,
    );
    let child = sandbox.start(&["supervise", "Write a table."]);
    until(&place, "prompt.sent");
    assert_eq!(sandbox.run(&["steer", MESSAGE]).code, Some(0));
    let ran = finish(child);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(answers(&events(&sandbox.run_dir())), [("live".into(), 1.into())]);
    let requests = server.requests();
    assert_eq!(requests.iter().map(told).collect::<Vec<_>>(), [0, 1, 1]);
    assert!(messages(&requests[2]).len() < messages(&requests[1]).len(), "a new conversation");
}
