//! Gemini's `generateContent` over the scriptable server: enough of it for a real client.

use serde_json::{Value, json};

use super::http::{Recorded, Response};

/// What the model does in one turn.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// Says something and stops.
    Say(&'static str),
    /// Says something and calls a tool: its name, its input.
    Call(&'static str, &'static str, Value),
}

/// What each turn is said to have consumed: input without what was cached, cached input, words, thoughts.
pub(crate) const USAGE: (u64, u64, u64, u64) = (70, 30, 20, 5);

/// Whether the request asks for content.
pub(crate) fn asks(request: &Recorded) -> bool {
    request.line.starts_with("POST ")
        && (path(request).ends_with(":streamGenerateContent") || path(request).ends_with(":generateContent"))
}

/// The path of a request, without its query.
pub(crate) fn path(request: &Recorded) -> &str {
    let target = request.line.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default()
}

/// Whether the client gives the model that tool.
pub(crate) fn offers(request: &Recorded, tool: &str) -> bool {
    let tools = request.json()["tools"].as_array().cloned().unwrap_or_default();
    let declared = tools.iter().filter_map(|tool| tool["functionDeclarations"].as_array());
    declared.flatten().any(|declared| declared["name"] == tool)
}

/// The parts that the user has said since the model last spoke.
fn said(request: &Recorded) -> Vec<Value> {
    let contents = request.json()["contents"].as_array().cloned().unwrap_or_default();
    let spoken = contents.iter().rposition(|content| content["role"] == "model");
    let since = &contents[spoken.map_or(0, |at| at + 1)..];
    since.iter().flat_map(|content| content["parts"].as_array().cloned().unwrap_or_default()).collect()
}

/// The texts that the user has said since the model last spoke.
pub(crate) fn texts(request: &Recorded) -> Vec<String> {
    said(request).iter().filter_map(|part| Some(part["text"].as_str()?.to_owned())).collect()
}

/// The name of the tool whose result the request brings.
pub(crate) fn returned(request: &Recorded) -> Option<String> {
    said(request).iter().rev().find_map(|part| Some(part["functionResponse"]["name"].as_str()?.to_owned()))
}

/// The system prompt, as one text.
pub(crate) fn system(request: &Recorded) -> String {
    let instruction = &request.json()["systemInstruction"];
    let parts = instruction["parts"].as_array().cloned().unwrap_or_default();
    parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// A refusal.
pub(crate) fn refusal(status: u16, word: &str, message: &str, details: &Value) -> Response {
    let error = json!({"code": status, "message": message, "status": word, "details": details});
    Response::json(status, &json!({ "error": error }).to_string())
}

/// The turn in the form that the request asks for: a stream or one JSON object.
pub(crate) fn answer(request: &Recorded, turn: &Turn) -> Response {
    let parts = match turn {
        Turn::Say(text) => json!([{"text": text}]),
        Turn::Call(text, name, args) => {
            json!([{"text": text}, {"functionCall": {"name": name, "args": args}}])
        }
    };
    let (input, cached, words, thoughts) = USAGE;
    let body = json!({
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": input + cached, "cachedContentTokenCount": cached,
            "candidatesTokenCount": words, "thoughtsTokenCount": thoughts,
            "totalTokenCount": input + cached + words + thoughts,
        },
        "modelVersion": "gemini-2.5-flash",
    });
    let body = body.to_string();
    if path(request).ends_with(":streamGenerateContent") {
        return Response::steps(vec![super::http::Step::Send(format!("data: {body}\n\n"))]);
    }
    Response::json(200, &body)
}
