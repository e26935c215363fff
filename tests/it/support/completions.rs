//! The chat-completions protocol over the scriptable server: enough of it for a real client.

use serde_json::{Value, json};

use super::http::{Recorded, Response, Step};

/// What the model does in one turn.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// Says something and stops.
    Say(&'static str),
    /// Says something and is cut at the output limit.
    Cut(&'static str),
    /// Calls a tool: the call's id, the tool's name, its arguments.
    Call(&'static str, &'static str, Value),
}

/// What each turn is said to have consumed: prompt and completion tokens.
pub(crate) const USAGE: (u64, u64) = (100, 20);

/// Whether the request asks for a completion.
pub(crate) fn asks(request: &Recorded) -> bool {
    request.line.starts_with("POST ") && request.line.contains("/chat/completions ")
}

/// Whether the client gives the model that tool.
pub(crate) fn offers(request: &Recorded, tool: &str) -> bool {
    let body = request.json();
    body["tools"].as_array().is_some_and(|tools| tools.iter().any(|found| found["function"]["name"] == tool))
}

/// What has been said in a role since the model last spoke.
fn said(request: &Recorded, role: &str) -> Vec<Value> {
    let body = request.json();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let spoken = messages.iter().rposition(|message| message["role"] == "assistant");
    let since = spoken.map_or(0, |at| at + 1);
    messages[since..].iter().filter(|message| message["role"] == role).cloned().collect()
}

/// The texts that the user has said since the model last spoke.
pub(crate) fn texts(request: &Recorded) -> Vec<String> {
    said(request, "user").iter().map(|message| text(&message["content"])).collect()
}

/// The id of the last tool call whose result the request brings.
pub(crate) fn returned(request: &Recorded) -> Option<String> {
    Some(said(request, "tool").last()?["tool_call_id"].as_str()?.to_owned())
}

/// The system prompt, as one text.
pub(crate) fn system(request: &Recorded) -> String {
    let body = request.json();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let systems = messages.iter().filter(|message| message["role"] == "system");
    systems.map(|message| text(&message["content"])).collect::<Vec<_>>().join("\n")
}

/// A content that is one text or a list of parts.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// A refusal.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Response {
    Response::json(status, &json!({ "error": { "message": message, "code": code } }).to_string())
}

/// One event of a stream.
fn event(request: &Recorded, delta: &Value, finish: Option<&str>) -> Step {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": request.json()["model"],
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    });
    Step::Send(format!("data: {chunk}\n\n"))
}

/// A turn, in the form that the request asks for: a stream or one JSON object.
pub(crate) fn answer(request: &Recorded, turn: &Turn) -> Response {
    let body = request.json();
    let (delta, finish) = match turn {
        Turn::Say(text) => (json!({ "role": "assistant", "content": text }), "stop"),
        Turn::Cut(text) => (json!({ "role": "assistant", "content": text }), "length"),
        Turn::Call(id, name, arguments) => {
            let function = json!({ "name": name, "arguments": arguments.to_string() });
            let call = json!({ "index": 0, "id": id, "type": "function", "function": function });
            (json!({ "role": "assistant", "content": null, "tool_calls": [call] }), "tool_calls")
        }
    };
    let (prompt, completion) = USAGE;
    let usage = json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
    });
    if body["stream"] != true {
        let message = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{ "index": 0, "message": delta, "finish_reason": finish }], "usage": usage,
        });
        return Response::json(200, &message.to_string());
    }
    let last = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"],
        "choices": [], "usage": usage,
    });
    Response::steps(vec![
        event(request, &delta, None),
        event(request, &json!({}), Some(finish)),
        Step::Send(format!("data: {last}\n\n")),
        Step::Send("data: [DONE]\n\n".to_owned()),
    ])
}

/// A stream that ends as if all were well, in the middle of a text.
pub(crate) fn broken(request: &Recorded, text: &str) -> Response {
    Response::steps(vec![event(request, &json!({ "role": "assistant", "content": text }), None)])
}
