//! The Anthropic Messages protocol over the scriptable server: enough of it for a real client.

use serde_json::{Value, json};

use super::http::{Recorded, Response, Step};

/// What the model does in one turn.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// Says something and stops.
    Say(&'static str),
    /// Calls a tool: its id, its name, its input.
    Call(&'static str, &'static str, Value),
}

/// What each turn is said to have consumed: input and output tokens.
pub(crate) const USAGE: (u64, u64) = (100, 20);

/// Whether the request asks for a message.
pub(crate) fn asks(request: &Recorded) -> bool {
    request.line.starts_with("POST ") && path(request).ends_with("/messages")
}

/// Whether the client gives the model that tool.
pub(crate) fn offers(request: &Recorded, tool: &str) -> bool {
    request.json()["tools"].as_array().is_some_and(|tools| tools.iter().any(|found| found["name"] == tool))
}

/// The path of a request, without its query.
pub(crate) fn path(request: &Recorded) -> &str {
    let target = request.line.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default()
}

/// The blocks that the user has said since the model last spoke.
pub(crate) fn said(request: &Recorded) -> Vec<Value> {
    let body = request.json();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let spoken = messages.iter().rposition(|message| message["role"] == "assistant");
    let since = spoken.map_or(0, |at| at + 1);
    messages[since..].iter().flat_map(|message| blocks(&message["content"])).collect()
}

/// The texts that the user has said since the model last spoke.
pub(crate) fn texts(request: &Recorded) -> Vec<String> {
    said(request).iter().filter_map(|block| Some(block["text"].as_str()?.to_owned())).collect()
}

/// The id of the tool call whose result the request brings.
pub(crate) fn returned(request: &Recorded) -> Option<String> {
    said(request).iter().rev().find_map(|block| Some(block["tool_use_id"].as_str()?.to_owned()))
}

/// The system prompt, as one text.
pub(crate) fn system(request: &Recorded) -> String {
    let blocks = blocks(&request.json()["system"]);
    blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

/// An answer to what is asked besides messages.
pub(crate) fn aside(request: &Recorded) -> Response {
    let counts = path(request).ends_with("/count_tokens");
    Response::json(200, if counts { r#"{"input_tokens":10}"# } else { "{}" })
}

/// A refusal.
pub(crate) fn refusal(status: u16, kind: &str, message: &str) -> Response {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    Response::json(status, &body.to_string())
}

/// The turn in the form that the request asks for: a stream or one JSON object.
pub(crate) fn answer(request: &Recorded, turn: &Turn) -> Response {
    let body = request.json();
    let (block, start, delta, stop) = match turn {
        Turn::Say(text) => (
            json!({"type": "text", "text": text}),
            json!({"type": "text", "text": ""}),
            json!({"type": "text_delta", "text": text}),
            "end_turn",
        ),
        Turn::Call(id, name, input) => (
            json!({"type": "tool_use", "id": id, "name": name, "input": input}),
            json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": input.to_string()}),
            "tool_use",
        ),
    };
    let (input, output) = USAGE;
    let usage = |output| {
        json!({
            "input_tokens": input, "output_tokens": output,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        })
    };
    let mut message = json!({
        "id": format!("msg_{}", uuid()), "type": "message", "role": "assistant", "model": body["model"],
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage(1),
    });
    if body["stream"] != true {
        message["content"] = json!([block]);
        message["stop_reason"] = json!(stop);
        message["usage"] = usage(output);
        return Response::json(200, &message.to_string());
    }
    let events = [
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": start}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null},
            "usage": {"output_tokens": output},
        }),
        json!({"type": "message_stop"}),
    ];
    let line = |event: &Value| {
        Step::Send(format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()))
    };
    Response::steps(events.iter().map(line).collect())
}

/// Something that no two messages share; a client takes messages of one id for one.
fn uuid() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
