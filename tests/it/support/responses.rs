//! The `OpenAI` Responses protocol over the scriptable server: enough of it for a real client.

use serde_json::{Value, json};

use super::http::{Recorded, Response, Step};

/// What the model does in one turn.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// Says something and stops.
    Say(&'static str),
    /// Calls a tool: its id, its name, its input.
    Call(&'static str, &'static str, Value),
    /// Calls a tool of an MCP server: its id, the server, its name, its input.
    CallMcp(&'static str, &'static str, &'static str, Value),
}

/// What each turn is said to have consumed.
pub(crate) const USAGE: Spent = Spent { input: 100, cached: 30, output: 20 };

/// Tokens of one turn; `cached` is a part of `input`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) output: u64,
}

/// Whether the request asks for a turn.
pub(crate) fn asks(request: &Recorded) -> bool {
    request.line.starts_with("POST ") && path(request).ends_with("/responses")
}

/// The path of a request, without its query.
pub(crate) fn path(request: &Recorded) -> &str {
    let target = request.line.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default()
}

/// What is sent, in order.
pub(crate) fn input(request: &Recorded) -> Vec<Value> {
    request.json()["input"].as_array().cloned().unwrap_or_default()
}

/// What has come since the model last did something.
pub(crate) fn said(request: &Recorded) -> Vec<Value> {
    let items = input(request);
    let of_model = |item: &Value| {
        item["role"] == "assistant" || matches!(item["type"].as_str(), Some("function_call" | "reasoning"))
    };
    let since = items.iter().rposition(of_model).map_or(0, |at| at + 1);
    items[since..].to_vec()
}

/// The texts that the user has said since the model last did something.
pub(crate) fn texts(request: &Recorded) -> Vec<String> {
    said(request).iter().filter(|item| item["role"] == "user").flat_map(pieces).collect()
}

/// The id of the tool call whose result the request brings, and the result.
pub(crate) fn returned(request: &Recorded) -> Option<(String, String)> {
    said(request).iter().rev().find(|item| item["type"] == "function_call_output").map(|item| {
        let output = &item["output"];
        let text = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
        (item["call_id"].as_str().unwrap().to_owned(), text)
    })
}

/// All that is said to the model as its system, as one text.
pub(crate) fn system(request: &Recorded) -> String {
    let items = input(request);
    let pieces: Vec<String> = items
        .iter()
        .filter(|item| matches!(item["role"].as_str(), Some("developer" | "system")))
        .flat_map(pieces)
        .collect();
    pieces.join("\n")
}

fn pieces(item: &Value) -> Vec<String> {
    match &item["content"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(pieces) => {
            pieces.iter().filter_map(|piece| Some(piece["text"].as_str()?.to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

/// An answer to what is asked besides turns.
pub(crate) fn aside() -> Response {
    Response::json(404, r#"{"error":{"message":"there is nothing"}}"#)
}

/// A refusal; `more` are further fields of its error.
pub(crate) fn refusal(status: u16, kind: &str, message: &str, more: &Value) -> Response {
    let mut error = json!({"type": kind, "message": message});
    for (key, value) in more.as_object().into_iter().flatten() {
        error[key] = value.clone();
    }
    Response::json(status, &json!({ "error": error }).to_string())
}

/// The turn as a stream.
pub(crate) fn answer(turn: &Turn) -> Response {
    Response::steps(events(turn))
}

/// The turn as a stream that begins at once, and goes on after this step.
pub(crate) fn held(turn: &Turn, step: Step) -> Response {
    let mut steps = events(turn);
    steps.insert(1, step);
    Response::steps(steps)
}

fn events(turn: &Turn) -> Vec<Step> {
    let item = match turn {
        Turn::Say(text) => json!({
            "type": "message", "id": format!("msg_{}", unique()), "role": "assistant",
            "content": [{"type": "output_text", "text": text}],
        }),
        Turn::Call(id, name, input) => call(id, name, input),
        Turn::CallMcp(id, server, name, input) => {
            let mut call = call(id, name, input);
            call["namespace"] = json!(format!("mcp__{server}"));
            call
        }
    };
    let id = format!("resp_{}", unique());
    let usage = json!({
        "input_tokens": USAGE.input, "input_tokens_details": {"cached_tokens": USAGE.cached},
        "output_tokens": USAGE.output, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": USAGE.input + USAGE.output,
    });
    let mut events = vec![
        json!({"type": "response.created", "response": {"id": id}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
    ];
    if let Turn::Say(text) = turn {
        events.push(json!({
            "type": "response.output_text.delta", "item_id": item["id"], "output_index": 0, "content_index": 0,
            "delta": text,
        }));
    }
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    events.push(json!({"type": "response.completed", "response": {"id": id, "usage": usage}}));
    let line = |event: &Value| {
        Step::Send(format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()))
    };
    events.iter().map(line).collect()
}

fn call(id: &str, name: &str, input: &Value) -> Value {
    json!({
        "type": "function_call", "id": format!("fc_{}", unique()), "call_id": id, "name": name,
        "arguments": input.to_string(),
    })
}

/// Something that no two items share.
fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
