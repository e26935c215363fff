use super::*;
use crate::backend::chat::stream::{Heard, StreamError};
use crate::event::{TurnNumber, Usage, UsageSource};

fn conversation(messages: Vec<Message>, tools: usize) -> Conversation {
    let tool = |name| ToolSpec {
        name: String::from(name),
        description: "d".to_owned(),
        parameters: json!({ "type": "object" }),
    };
    Conversation {
        system: Some("be good".to_owned()),
        messages,
        tools: ["read", "write"].into_iter().take(tools).map(tool).collect(),
        turn: TurnNumber(1),
    }
}

fn call(id: &str, arguments: &str) -> Call {
    Call { id: id.to_owned(), name: "write".to_owned(), arguments: arguments.to_owned() }
}

fn result(call: &str, ok: bool) -> Message {
    Message::ToolResult { call: call.to_owned(), ok, text: "r".to_owned() }
}

fn marks(value: &Value) -> usize {
    value.to_string().matches("cache_control").count()
}

#[test]
fn a_request_has_what_the_api_asks_for() {
    let options = ModelOptions { temperature: Some(0.5), ..ModelOptions::default() };
    let asked = conversation(vec![Message::User("do it".to_owned())], 2);
    let body = Messages.body("m", &options, &asked);
    assert_eq!(body["max_tokens"], 8192);
    assert_eq!(body["temperature"], 0.5);
    assert_eq!(body["stream"], true);
    let system = json!([{ "type": "text", "text": "be good", "cache_control": { "type": "ephemeral" } }]);
    assert_eq!(body["system"], system);
    assert_eq!(
        body["tools"][0],
        json!({ "name": "read", "description": "d", "input_schema": { "type": "object" } })
    );
    // One mark behind what every turn repeats, one behind what the next turn repeats.
    assert_eq!((marks(&body), marks(&body["tools"]), marks(&body["messages"])), (2, 0, 1));
    let capped = ModelOptions { max_output_tokens: Some(5), ..ModelOptions::default() };
    let body = Messages.body("m", &capped, &conversation(vec![Message::User("do it".to_owned())], 0));
    assert_eq!(body["max_tokens"], 5);
    assert!(body.get("tools").is_none() && body.get("temperature").is_none());
    assert_eq!(marks(&body["messages"]), 0, "no later turn reads what would be kept");
}

#[test]
fn without_a_system_prompt_the_tools_are_what_is_kept() {
    let asked = Conversation { system: None, ..conversation(vec![Message::User("u".to_owned())], 2) };
    let body = Messages.body("m", &ModelOptions::default(), &asked);
    assert!(body.get("system").is_none());
    assert_eq!(body["tools"][1]["cache_control"], json!({ "type": "ephemeral" }));
    assert_eq!(marks(&body["tools"]), 1);
}

#[test]
fn the_answers_to_parallel_calls_are_one_message() {
    let turn = Turn {
        text: "two".to_owned(),
        tool_calls: vec![call("a", "{\"path\":\"f\"}"), call("b", "{\"path\": "), call("c", "")],
        ..Turn::default()
    };
    let said = vec![
        Message::User("do it".to_owned()),
        Message::Assistant(turn),
        result("a", true),
        result("b", false),
        result("c", true),
    ];
    let messages = Messages.messages(&conversation(said, 2));
    assert_eq!(messages.len(), 3);
    let content = messages[1]["content"].as_array().unwrap();
    assert_eq!(content[0], json!({ "type": "text", "text": "two" }));
    assert_eq!(
        content[1],
        json!({ "type": "tool_use", "id": "a", "name": "write", "input": { "path": "f" } })
    );
    assert_eq!(content[2]["input"], json!({ "malformed": "{\"path\": " }));
    assert_eq!(content[3]["input"], json!({}));
    let results = messages[2]["content"].as_array().unwrap();
    assert_eq!(results[0], json!({ "type": "tool_result", "tool_use_id": "a", "content": "r" }));
    assert_eq!(results[1]["is_error"], true);
    assert_eq!(results[2]["cache_control"], json!({ "type": "ephemeral" }));
    assert_eq!(marks(&Value::from(messages)), 1);
}

fn assemble(events: &[Value]) -> Result<(Turn, Heard), StreamError> {
    let mut answer = Box::new(Answer::default());
    let mut heard = Heard::default();
    for event in events {
        answer.event(&event.to_string(), &mut heard)?;
    }
    Ok((answer.into_turn().unwrap(), heard))
}

fn start(index: u64, block: &Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn delta(index: u64, delta: &Value) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": delta })
}

#[test]
fn what_the_model_said_last_is_not_marked() {
    let turn = Turn { text: "on and".to_owned(), ..Turn::default() };
    let said =
        vec![Message::User("u".to_owned()), Message::Assistant(turn.clone()), Message::Assistant(turn)];
    let messages = Messages.messages(&conversation(said, 2));
    assert_eq!((messages.len(), marks(&Value::from(messages))), (2, 0));
}

#[test]
fn thoughts_go_back_as_they_came_and_in_their_place() {
    let redacted = json!({ "type": "redacted_thinking", "data": "c2VhbGVk" });
    let (turn, heard) = assemble(&[
        start(0, &json!({ "type": "thinking", "thinking": "", "signature": "" })),
        delta(0, &json!({ "type": "thinking_delta", "thinking": "Hm." })),
        delta(0, &json!({ "type": "signature_delta", "signature": "U2ln" })),
        start(1, &redacted),
        start(2, &json!({ "type": "text", "text": "" })),
        start(3, &json!({ "type": "tool_use", "id": "", "name": "write", "input": {} })),
        delta(3, &json!({ "type": "input_json_delta", "partial_json": "{\"path\":" })),
        delta(3, &json!({ "type": "input_json_delta", "partial_json": "\"f\"}" })),
    ])
    .unwrap();
    assert_eq!((heard.text.as_str(), heard.thinks, heard.calls), ("", true, true));
    // It goes through the record, and the id is mended before it does.
    let mut turn = Turn { usage: None, ..turn };
    turn.name_calls(TurnNumber(1));
    let turn: Turn = serde_json::from_slice(&serde_json::to_vec(&turn).unwrap()).unwrap();
    let said =
        vec![Message::User("u".to_owned()), Message::Assistant(turn.clone()), result("call_1_0", true)];
    let messages = Messages.messages(&conversation(said, 2));
    assert_eq!(
        messages[1]["content"],
        json!([
            { "type": "thinking", "thinking": "Hm.", "signature": "U2ln" },
            redacted,
            { "type": "tool_use", "id": "call_1_0", "name": "write", "input": { "path": "f" } },
        ])
    );
    assert_eq!(turn.carried("openai-responses"), None, "nobody else can read it");
}

#[test]
fn later_figures_win_where_there_are_any() {
    let usage = |usage: Value| json!({ "type": "message_start", "message": { "usage": usage } });
    let (turn, _) = assemble(&[
        usage(json!({
            "input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 2,
        })),
        json!({ "type": "message_delta", "delta": {}, "usage": { "output_tokens": 9, "input_tokens": 6 } }),
    ])
    .unwrap();
    let expected = Usage { input: 6, output: 9, cache_read: 7, cache_write: 2, usd: None };
    assert_eq!(turn.usage, Some((expected, UsageSource::Provider)));
    assert_eq!(assemble(&[]).unwrap().0.usage, None, "unknown is not zero");
}

#[test]
fn a_second_start_begins_the_message_anew() {
    let (turn, _) = assemble(&[
        json!({ "type": "message_start", "message": { "model": "m" } }),
        start(0, &json!({ "type": "text", "text": "first" })),
        json!({ "type": "message_start", "message": {} }),
        start(0, &json!({ "type": "text", "text": "second" })),
    ])
    .unwrap();
    assert_eq!(turn.text, "second");
}

#[test]
fn a_piece_for_another_kind_of_block_is_a_fault() {
    let wrong = assemble(&[delta(0, &json!({ "type": "input_json_delta", "partial_json": "{" }))]);
    assert!(matches!(wrong, Err(StreamError::Malformed(_))), "{wrong:?}");
}
