//! JSON-RPC 2.0 as ACP uses it: one message a line, both ways.
//!
//! A line that is no message is nothing: agents and their runtimes print to standard output what they like.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A message of the agent.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// It wants an answer, under this id.
    Request { id: &'a RawValue, method: Cow<'a, str>, params: &'a str },
    /// It tells.
    Notification { method: Cow<'a, str>, params: &'a str },
    /// It answers.
    Answer { id: u64, result: &'a str },
    /// It answers that it cannot.
    Refusal { id: u64, error: RpcError },
}

/// Why a request was not fulfilled.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Value,
}

/// The envelope, whatever it holds.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Reads a line; `None` for one that is no message.
pub(super) fn message(line: &str) -> Option<Message<'_>> {
    let envelope: Envelope<'_> = serde_json::from_str(line).ok()?;
    let params = envelope.params.map_or("null", RawValue::get);
    match (envelope.method, envelope.id) {
        (Some(method), Some(id)) => Some(Message::Request { id, method, params }),
        (Some(method), None) => Some(Message::Notification { method, params }),
        (None, Some(id)) => {
            // Ours are numbers, and some send them back as texts.
            let id = id.get().trim_matches('"').parse().ok()?;
            Some(match envelope.error {
                Some(error) => Message::Refusal { id, error: RpcError::read(error.get()) },
                None => Message::Answer { id, result: envelope.result.map_or("null", RawValue::get) },
            })
        }
        (None, None) => None,
    }
}

/// A piece of what the agent says: nearly every line is one, and so it is read in one go.
#[derive(Debug, PartialEq)]
pub(super) struct Chunk<'a> {
    pub(super) session: Cow<'a, str>,
    pub(super) message: Option<Cow<'a, str>>,
    pub(super) text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ChunkLine<'a> {
    #[serde(default)]
    id: Option<IgnoredAny>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: ChunkParams<'a>,
}

#[derive(Deserialize)]
struct ChunkParams<'a> {
    #[serde(borrow, rename = "sessionId")]
    session: Cow<'a, str>,
    #[serde(borrow)]
    update: ChunkUpdate<'a>,
}

#[derive(Deserialize)]
struct ChunkUpdate<'a> {
    #[serde(borrow, rename = "sessionUpdate")]
    kind: Cow<'a, str>,
    #[serde(borrow, default, rename = "messageId")]
    message: Cow<'a, str>,
    #[serde(borrow)]
    content: ChunkContent<'a>,
}

#[derive(Deserialize)]
struct ChunkContent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// Reads a line as a piece of what the agent says; `None` for any other, which [`message`] reads.
pub(super) fn chunk(line: &str) -> Option<Chunk<'_>> {
    static KIND: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"agent_message_chunk\""));
    KIND.find(&line.as_bytes()[..line.len().min(256)])?;
    let ChunkLine { id: None, method, params } = serde_json::from_str(line).ok()? else { return None };
    let ChunkParams { session, update: ChunkUpdate { kind, message, content } } = params;
    let said = method == "session/update" && kind == "agent_message_chunk" && content.kind == "text";
    let message = (!message.is_empty()).then_some(message);
    said.then_some(Chunk { session, message, text: content.text })
}

impl RpcError {
    /// What is said, as far as it can be read: that something failed is certain.
    fn read(error: &str) -> Self {
        serde_json::from_str(error).unwrap_or_else(|_| {
            let value: Value = serde_json::from_str(error).unwrap_or_default();
            Self {
                code: value["code"].as_i64().unwrap_or_default(),
                message: value["message"].as_str().map_or_else(|| error.to_owned(), str::to_owned),
                data: value["data"].clone(),
            }
        })
    }
}

/// A request of ours.
pub(super) fn request(id: u64, method: &str, params: &impl Serialize) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

/// A notification of ours.
pub(super) fn notification(method: &str, params: &impl Serialize) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
}

/// Our answer to a request of the agent.
pub(super) fn answer(id: &RawValue, result: &impl Serialize) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// Our answer that there is no such method here.
pub(super) fn no_such_method(id: &RawValue, method: &str) -> Vec<u8> {
    let error = json!({ "code": -32601, "message": format!("`{method}` is not offered by this client") });
    line(&json!({ "jsonrpc": "2.0", "id": id, "error": error }))
}

/// Our answer that the parameters make no sense.
pub(super) fn bad_params(id: &RawValue, why: &str) -> Vec<u8> {
    let error = json!({ "code": -32602, "message": format!("invalid params: {why}") });
    line(&json!({ "jsonrpc": "2.0", "id": id, "error": error }))
}

fn line(message: &Value) -> Vec<u8> {
    message.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_nothing() {
        for line in
            ["", "noise", "[]", "17", "{}", r#"{"id":1"#, r#"[{"id":1,"result":null}]"#, r#"{"id":"x"}"#]
        {
            assert!(message(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_chunk_is_read_in_one_go_and_nothing_else_is() {
        let line = r#"{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"a\"b"}}}}"#;
        let expected = Chunk { session: "s".into(), message: None, text: "a\"b".into() };
        assert_eq!(chunk(line), Some(expected));
        let named = line.replace(r#""content""#, r#""messageId":"m","content""#);
        assert_eq!(chunk(&named).unwrap().message.as_deref(), Some("m"));
        for (from, to) in [
            ("agent_message_chunk", "agent_thought_chunk"),
            ("session/update", "session/other"),
            (r#""type":"text""#, r#""type":"image""#),
            (r#"{"jsonrpc""#, r#"{"id":1,"jsonrpc""#),
            (r#""text":"a\"b""#, r#""text":null"#),
        ] {
            assert_eq!(chunk(&line.replace(from, to)), None, "{to}");
        }
        for end in 0..line.len() {
            assert_eq!(chunk(&line[..end]), None);
        }
    }

    #[test]
    fn messages_are_told_apart() {
        assert!(
            matches!(message(r#"{"id":"a","method":"m","params":{}}"#), Some(Message::Request { id, .. }) if id.get() == r#""a""#)
        );
        assert!(matches!(
            message(r#"{"id":null,"method":"m"}"#),
            Some(Message::Notification { params: "null", .. })
        ));
        assert!(matches!(message(r#"{"id":"7","result":null}"#), Some(Message::Answer { id: 7, .. })));
        let refused = message(r#"{"id":1,"error":{"code":"x","message":"m","data":1}}"#);
        assert!(
            matches!(refused, Some(Message::Refusal { error: RpcError { code: 0, message, .. }, .. }) if message == "m")
        );
        assert!(
            matches!(message(r#"{"id":1,"error":"no"}"#), Some(Message::Refusal { error, .. }) if error.message == "\"no\"")
        );
    }
}
