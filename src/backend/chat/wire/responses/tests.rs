use super::*;
use crate::backend::chat::stream::{Heard, StreamError};
use crate::event::TurnNumber;

fn conversation(messages: Vec<Message>, tools: &[&'static str]) -> Conversation {
    let tool = |name: &&'static str| ToolSpec {
        name: (*name).to_owned(),
        description: "d".to_owned(),
        parameters: json!({ "type": "object" }),
    };
    Conversation {
        system: Some("be good".to_owned()),
        messages,
        tools: tools.iter().map(tool).collect(),
        turn: TurnNumber(1),
    }
}

#[test]
fn a_request_stores_nothing_and_asks_for_sealed_thoughts_only_where_there_are_any() {
    let asked = conversation(vec![Message::User("do it".to_owned())], &["read"]);
    let body = Responses.body("m", &ModelOptions::default(), &asked);
    assert_eq!((&body["instructions"], &body["store"]), (&json!("be good"), &json!(false)));
    assert_eq!(
        body["input"],
        json!([{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "do it" }] }])
    );
    assert_eq!(
        body["tools"],
        json!([{
            "type": "function", "name": "read", "description": "d", "parameters": { "type": "object" },
            "strict": false,
        }])
    );
    for key in ["include", "reasoning", "temperature", "max_output_tokens"] {
        assert!(body.get(key).is_none(), "{key}");
    }
    let options = ModelOptions {
        reasoning_effort: Some("low".to_owned()),
        max_output_tokens: Some(5),
        temperature: Some(0.5),
        seed: None,
    };
    let body = Responses.body("m", &options, &conversation(Vec::new(), &[]));
    assert_eq!(body["reasoning"], json!({ "effort": "low" }));
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!((&body["max_output_tokens"], &body["temperature"]), (&json!(5), &json!(0.5)));
    assert!(body.get("tools").is_none());
}

fn assemble(events: &[Value]) -> Result<(Turn, Heard), StreamError> {
    let mut answer = Box::new(Answer::default());
    let mut heard = Heard::default();
    for event in events {
        answer.event(&event.to_string(), &mut heard)?;
    }
    Ok((answer.into_turn().unwrap(), heard))
}

fn item(what: &str, index: u64, item: &Value) -> Value {
    json!({ "type": format!("response.output_item.{what}"), "output_index": index, "item": item })
}

fn completed(output: &Value) -> Value {
    let response = json!({ "status": "completed", "output": output, "error": null });
    json!({ "type": "response.completed", "response": response })
}

#[test]
fn sealed_thoughts_go_back_as_they_came_and_in_their_place() {
    let thought = json!({ "type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "c2VhbGVk" });
    let call =
        json!({ "type": "function_call", "id": "fc", "call_id": "c", "name": "read", "arguments": "{}" });
    let (turn, heard) = assemble(&[
        item("added", 0, &json!({ "type": "reasoning", "id": "rs", "summary": [] })),
        item("done", 0, &thought),
        item("added", 1, &call),
        item("done", 1, &call),
        completed(&json!([])),
    ])
    .unwrap();
    assert!(heard.thinks && heard.calls);
    let turn: Turn = serde_json::from_slice(&serde_json::to_vec(&turn).unwrap()).unwrap();
    let result = Message::ToolResult { call: "c".to_owned(), ok: true, text: "r".to_owned() };
    let input = Responses.messages(&conversation(vec![Message::Assistant(turn.clone()), result], &[]));
    assert_eq!(
        Value::from(input),
        json!([
            thought,
            { "type": "function_call", "call_id": "c", "name": "read", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "c", "output": "r" },
        ])
    );
    assert_eq!(turn.carried("anthropic"), None, "nobody else can read it");
}

#[test]
fn what_did_not_come_piece_by_piece_is_taken_whole() {
    let message =
        json!({ "type": "message", "id": "m", "content": [{ "type": "output_text", "text": "all" }] });
    for events in [
        vec![
            item("added", 0, &json!({ "type": "message", "id": "m", "content": [] })),
            item("done", 0, &message),
        ],
        vec![item("done", 0, &message)],
        vec![],
    ] {
        let events = [events, vec![completed(&json!([message]))]].concat();
        let (turn, heard) = assemble(&events).unwrap();
        assert_eq!((turn.text.as_str(), heard.text.as_str()), ("all", "all"), "{events:?}");
    }
}

#[test]
fn items_without_a_number_are_told_apart_by_their_id() {
    let part = |id: &str, delta: &str| json!({ "type": "response.function_call_arguments.delta", "item_id": id, "delta": delta });
    let call = |id: &str| {
        json!({ "type": "response.output_item.added", "item": {
            "type": "function_call", "id": id, "call_id": format!("call_{id}"), "name": "read",
        }})
    };
    let (turn, _) = assemble(&[
        call("a"),
        call("b"),
        part("a", "{\"path\":"),
        part("b", "{}"),
        part("a", "\"f\"}"),
        completed(&json!([])),
    ])
    .unwrap();
    let calls: Vec<_> = turn.tool_calls.iter().map(|call| (&*call.id, &*call.arguments)).collect();
    assert_eq!(calls, [("call_a", "{\"path\":\"f\"}"), ("call_b", "{}")]);
    let stray = assemble(&[part("x", "{}")]);
    assert!(matches!(stray, Err(StreamError::Malformed(_))), "{stray:?}");
}

#[test]
fn a_refusal_is_told_from_an_answer() {
    let refusal = json!({ "type": "refusal", "refusal": "No." });
    let message = json!({ "type": "message", "id": "m", "content": [refusal] });
    let delta = json!({ "type": "response.refusal.delta", "item_id": "m", "delta": "No." });
    for events in [vec![delta, completed(&json!([]))], vec![completed(&json!([message]))]] {
        let turn = assemble(&events).unwrap().0;
        assert_eq!((turn.text.as_str(), turn.stop_reason.as_deref()), ("No.", Some("refusal")));
    }
}
