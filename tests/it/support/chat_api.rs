//! The three APIs of the chat harness over the scriptable server: one answer, in the words of each.

use provost::profile::Api;
use serde_json::{Value, json};

use super::http::{Recorded, Response, Step};

/// Every API.
pub(crate) const APIS: [Api; 3] = [Api::OpenAi, Api::OpenAiResponses, Api::Anthropic];

/// What a model says in one turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Text, in two pieces.
    pub(crate) text: (&'static str, &'static str),
    /// Calls of tools: id, name, arguments.
    pub(crate) calls: Vec<(&'static str, &'static str, Value)>,
    /// What only the provider can read of its thoughts; chat completions have no such thing.
    pub(crate) sealed: Option<&'static str>,
}

/// What each turn is said to have consumed.
pub(crate) const INPUT: u64 = 60;
pub(crate) const CACHE_READ: u64 = 30;
pub(crate) const CACHE_WRITE: u64 = 10;
pub(crate) const OUTPUT: u64 = 7;

impl Said {
    /// Some text.
    pub(crate) fn text(first: &'static str, second: &'static str) -> Self {
        Self { text: (first, second), ..Self::default() }
    }

    fn whole_text(&self) -> String {
        format!("{}{}", self.text.0, self.text.1)
    }
}

/// The answer as a stream, frame by frame.
pub(crate) fn frames(api: Api, said: &Said) -> Vec<String> {
    match api {
        Api::Gemini => unreachable!("only an agent CLI speaks it"),
        Api::OpenAi => completions(said),
        Api::OpenAiResponses => responses(said),
        Api::Anthropic => messages(said),
    }
}

/// The answer as a stream.
pub(crate) fn stream(api: Api, said: &Said) -> Response {
    Response::steps(frames(api, said).into_iter().map(Step::Send).collect())
}

/// The answer from a server that does not stream.
pub(crate) fn unstreamed(api: Api, said: &Said) -> Response {
    Response::json(200, &whole(api, said).to_string())
}

/// The answer as one JSON object.
pub(crate) fn whole(api: Api, said: &Said) -> Value {
    match api {
        Api::Gemini => unreachable!("only an agent CLI speaks it"),
        Api::OpenAi => {
            let message = json!({ "role": "assistant", "content": said.whole_text() });
            let message = with(message, "tool_calls", completion_calls(said));
            let reason = if said.calls.is_empty() { "stop" } else { "tool_calls" };
            json!({
                "model": "tiny-1", "choices": [{ "index": 0, "message": message, "finish_reason": reason }],
                "usage": usage(api),
            })
        }
        Api::OpenAiResponses => response(said),
        Api::Anthropic => json!({
            "type": "message", "role": "assistant", "model": "tiny-1", "content": blocks(said),
            "stop_reason": stop_reason(said), "usage": usage(api),
        }),
    }
}

/// A failure in the shape that the API gives it.
pub(crate) fn error(api: Api, kind: &str, message: &str) -> Value {
    match api {
        Api::Gemini => unreachable!("only an agent CLI speaks it"),
        Api::Anthropic => json!({ "type": "error", "error": { "type": kind, "message": message } }),
        _ => json!({ "error": { "code": kind, "message": message } }),
    }
}

/// What a request repeats of the conversation: the array that is on record.
pub(crate) fn conversation(api: Api, request: &Recorded) -> Value {
    request.json()[if api == Api::OpenAiResponses { "input" } else { "messages" }].clone()
}

/// A frame of a stream.
pub(crate) fn frame(event: &Value) -> String {
    match event["type"].as_str() {
        Some(name) => format!("event: {name}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    }
}

fn usage(api: Api) -> Value {
    let all = INPUT + CACHE_READ + CACHE_WRITE;
    let details = json!({ "cached_tokens": CACHE_READ, "cache_write_tokens": CACHE_WRITE });
    match api {
        Api::Gemini => unreachable!("only an agent CLI speaks it"),
        Api::OpenAi => json!({
            "prompt_tokens": all, "completion_tokens": OUTPUT, "prompt_tokens_details": details,
        }),
        Api::OpenAiResponses => json!({
            "input_tokens": all, "output_tokens": OUTPUT, "input_tokens_details": details,
            "output_tokens_details": { "reasoning_tokens": 2 },
        }),
        Api::Anthropic => json!({
            "input_tokens": INPUT, "output_tokens": OUTPUT, "cache_read_input_tokens": CACHE_READ,
            "cache_creation_input_tokens": CACHE_WRITE,
        }),
    }
}

fn with(mut value: Value, key: &str, list: Vec<Value>) -> Value {
    if !list.is_empty() {
        value[key] = list.into();
    }
    value
}

fn completion_calls(said: &Said) -> Vec<Value> {
    let calls = said.calls.iter().enumerate();
    calls
        .map(|(index, (id, name, arguments))| {
            let function = json!({ "name": name, "arguments": arguments.to_string() });
            json!({ "index": index, "id": id, "type": "function", "function": function })
        })
        .collect()
}

fn completions(said: &Said) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        frame(&json!({
            "id": "c", "model": "tiny-1",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        }))
    };
    let mut frames = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
    for text in [said.text.0, said.text.1].into_iter().filter(|text| !text.is_empty()) {
        frames.push(chunk(json!({ "content": text }), Value::Null));
    }
    for call in completion_calls(said) {
        let whole = call["function"]["arguments"].as_str().unwrap().to_owned();
        let (first, second) = whole.split_at(whole.len() / 2);
        let mut begun = call.clone();
        begun["function"]["arguments"] = first.into();
        frames.push(chunk(json!({ "tool_calls": [begun] }), Value::Null));
        let rest = json!({ "index": call["index"], "function": { "arguments": second } });
        frames.push(chunk(json!({ "tool_calls": [rest] }), Value::Null));
    }
    let reason = if said.calls.is_empty() { "stop" } else { "tool_calls" };
    frames.push(chunk(json!({}), reason.into()));
    frames.push(frame(&json!({ "choices": [], "usage": usage(Api::OpenAi) })));
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}

/// A sealed thought as it comes, and as it has to go back.
pub(crate) fn thought(api: Api, sealed: &str) -> Value {
    match api {
        Api::Gemini => unreachable!("only an agent CLI speaks it"),
        Api::Anthropic => json!({ "type": "thinking", "thinking": "Hm. So", "signature": sealed }),
        _ => json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed }),
    }
}

fn blocks(said: &Said) -> Vec<Value> {
    let mut blocks: Vec<Value> = said.sealed.iter().map(|sealed| thought(Api::Anthropic, sealed)).collect();
    if !said.whole_text().is_empty() {
        blocks.push(json!({ "type": "text", "text": said.whole_text() }));
    }
    let call = |(id, name, input): &(&str, &str, Value)| json!({ "type": "tool_use", "id": id, "name": name, "input": input });
    blocks.extend(said.calls.iter().map(call));
    blocks
}

fn stop_reason(said: &Said) -> &'static str {
    if said.calls.is_empty() { "end_turn" } else { "tool_use" }
}

fn messages(said: &Said) -> Vec<String> {
    // The counts of the start are as of the start; those of the end are the whole.
    let begun = json!({ "input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": CACHE_READ });
    let message = json!({ "type": "message", "model": "tiny-1", "content": [], "usage": begun });
    let mut events = vec![json!({ "type": "message_start", "message": message }), json!({ "type": "ping" })];
    for (index, block) in blocks(said).into_iter().enumerate() {
        let (empty, deltas) = match block["type"].as_str().unwrap() {
            "text" => (
                json!({ "type": "text", "text": "" }),
                vec![
                    json!({ "type": "text_delta", "text": said.text.0 }),
                    json!({ "type": "text_delta", "text": said.text.1 }),
                ],
            ),
            "thinking" => (
                json!({ "type": "thinking", "thinking": "", "signature": "" }),
                vec![
                    json!({ "type": "thinking_delta", "thinking": "Hm. " }),
                    json!({ "type": "thinking_delta", "thinking": "So" }),
                    json!({ "type": "signature_delta", "signature": block["signature"] }),
                ],
            ),
            _ => {
                let whole = block["input"].to_string();
                let (first, second) = whole.split_at(whole.len() / 2);
                (
                    json!({ "type": "tool_use", "id": block["id"], "name": block["name"], "input": {} }),
                    vec![
                        json!({ "type": "input_json_delta", "partial_json": first }),
                        json!({ "type": "input_json_delta", "partial_json": second }),
                    ],
                )
            }
        };
        events.push(json!({ "type": "content_block_start", "index": index, "content_block": empty }));
        for delta in deltas {
            events.push(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        }
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let end = json!({ "stop_reason": stop_reason(said), "stop_sequence": null });
    events.push(json!({ "type": "message_delta", "delta": end, "usage": usage(Api::Anthropic) }));
    events.push(json!({ "type": "message_stop" }));
    events.iter().map(frame).collect()
}

fn items(said: &Said) -> Vec<Value> {
    let mut items: Vec<Value> = said.sealed.iter().map(|it| thought(Api::OpenAiResponses, it)).collect();
    if !said.whole_text().is_empty() {
        let part = json!({ "type": "output_text", "text": said.whole_text(), "annotations": [] });
        items.push(json!({ "type": "message", "id": "msg_1", "role": "assistant", "content": [part] }));
    }
    let call = |(id, name, arguments): &(&str, &str, Value)| {
        json!({
            "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name,
            "arguments": arguments.to_string(),
        })
    };
    items.extend(said.calls.iter().map(call));
    items
}

fn response(said: &Said) -> Value {
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "tiny-1", "error": null,
        "incomplete_details": null, "output": items(said), "usage": usage(Api::OpenAiResponses),
    })
}

fn responses(said: &Said) -> Vec<String> {
    let begun =
        json!({ "id": "resp_1", "status": "in_progress", "model": "tiny-1", "output": [], "error": null });
    let mut events = vec![json!({ "type": "response.created", "response": begun })];
    for (index, item) in items(said).into_iter().enumerate() {
        let mut empty = item.clone();
        let delta = |kind: &str, delta: &str| json!({ "type": kind, "item_id": item["id"], "output_index": index, "delta": delta });
        let deltas = match item["type"].as_str().unwrap() {
            "message" => {
                empty["content"] = json!([]);
                vec![
                    delta("response.output_text.delta", said.text.0),
                    delta("response.output_text.delta", said.text.1),
                ]
            }
            "reasoning" => {
                empty["encrypted_content"] = "half".into();
                vec![delta("response.reasoning_summary_text.delta", "Hm.")]
            }
            _ => {
                let whole = item["arguments"].as_str().unwrap();
                let (first, second) = whole.split_at(whole.len() / 2);
                empty["arguments"] = "".into();
                let kind = "response.function_call_arguments.delta";
                let done = json!({
                    "type": "response.function_call_arguments.done", "item_id": item["id"],
                    "output_index": index, "arguments": whole,
                });
                vec![delta(kind, first), delta(kind, second), done]
            }
        };
        events.push(json!({ "type": "response.output_item.added", "output_index": index, "item": empty }));
        events.extend(deltas);
        events.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
    }
    events.push(json!({ "type": "response.completed", "response": response(said) }));
    events.iter().map(frame).collect()
}
