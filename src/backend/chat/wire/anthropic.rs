//! Messages: what is sent, and how a stream of blocks becomes one turn.
//!
//! What costs money here is asking for the same words again, so the part that a later turn repeats is marked for the
//! provider's cache: the system prompt with the tools before it, and, where a tool loop may go on, the last message.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::lenient::Text;
use super::repeat::Repeat;
use super::{Assembly, MAX_CALLS, MAX_PARTS, ProviderError, Wire, malformed, not_json};
use crate::backend::chat::conversation::{Call, Carry, Conversation, Message, ToolSpec, Turn};
use crate::backend::chat::endpoint::{ModelOptions, SecretKey};
use crate::backend::chat::stream::{Heard, StreamError};
use crate::event::{Usage, UsageSource};
use crate::fault::Origin;

#[cfg(test)]
mod tests;

/// Names this wire in what it carries.
const NAME: &str = "anthropic";

/// The version of the API that this file speaks.
const VERSION: &str = "2023-06-01";

/// The ceiling of one answer where the profile has none; the API does not take a request without.
const MAX_TOKENS: u32 = 8192;

/// `POST /messages`.
#[derive(Debug)]
pub(in super::super) struct Messages;

impl Wire for Messages {
    fn origin(&self) -> Origin {
        Origin::Anthropic
    }

    fn path(&self) -> &'static str {
        "/messages"
    }

    fn key(&self, key: &SecretKey) -> Option<(HeaderName, HeaderValue)> {
        let value = HeaderValue::from_str(key.expose()).ok()?;
        Some((HeaderName::from_static("x-api-key"), value))
    }

    fn headers(&self) -> HeaderMap {
        let version = (HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION));
        HeaderMap::from_iter([version])
    }

    fn tools(&self, conversation: &Conversation) -> Vec<Value> {
        let describe = |tool: &ToolSpec| {
            json!({
                "name": tool.name, "description": tool.description, "input_schema": tool.parameters,
            })
        };
        let mut tools: Vec<Value> = conversation.tools.iter().map(describe).collect();
        // The cache keeps tools and system prompt as one, in this order: the mark is on the last of them.
        if let Some(last) = tools.last_mut().filter(|_| system(conversation).is_none()) {
            keep(last);
        }
        tools
    }

    fn messages(&self, conversation: &Conversation) -> Vec<Value> {
        let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
        for message in &conversation.messages {
            let (role, blocks) = match message {
                Message::User(text) => ("user", vec![text_block(text)]),
                Message::ToolResult { call, ok, text } => ("user", vec![tool_result(call, *ok, text)]),
                Message::Assistant(turn) => ("assistant", spoken(turn)),
            };
            // The answers to the calls of one turn belong into one message.
            match messages.last_mut() {
                Some((last, said)) if *last == role => said.extend(blocks),
                _ => messages.push((role, blocks)),
            }
        }
        // Without tools there is no further turn that could read what is kept.
        if !conversation.tools.is_empty()
            && let Some(last) = messages.last_mut().and_then(|(_, blocks)| blocks.last_mut())
        {
            keep(last);
        }
        messages.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect()
    }

    fn body(&self, model: &str, options: &ModelOptions, conversation: &Conversation) -> Value {
        let mut body = Map::new();
        body.insert("model".to_owned(), model.into());
        body.insert("max_tokens".to_owned(), options.max_output_tokens.unwrap_or(MAX_TOKENS).into());
        if let Some(system) = system(conversation) {
            let mut block = text_block(system);
            keep(&mut block);
            body.insert("system".to_owned(), vec![block].into());
        }
        if !conversation.tools.is_empty() {
            body.insert("tools".to_owned(), self.tools(conversation).into());
        }
        body.insert("messages".to_owned(), self.messages(conversation).into());
        body.insert("stream".to_owned(), true.into());
        if let Some(temperature) = options.temperature {
            body.insert("temperature".to_owned(), temperature.into());
        }
        body.into()
    }

    fn assembly(&self) -> Box<dyn Assembly> {
        Box::new(Answer::default())
    }
}

/// The system prompt, where there is one: an empty text is not taken.
fn system(conversation: &Conversation) -> Option<&str> {
    conversation.system.as_deref().filter(|system| !system.is_empty())
}

/// Marks a block as the end of what the provider is to keep for a while.
fn keep(block: &mut Value) {
    block["cache_control"] = json!({ "type": "ephemeral" });
}

fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn tool_result(call: &str, ok: bool, text: &str) -> Value {
    let mut block = json!({ "type": "tool_result", "tool_use_id": call, "content": text });
    if !ok {
        block["is_error"] = true.into();
    }
    block
}

fn tool_use(call: &Call) -> Value {
    let input = match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(input)) => Value::Object(input),
        _ if call.arguments.trim().is_empty() => json!({}),
        // The API takes objects only, and what it was is in the tool's answer as well.
        _ => json!({ "malformed": call.arguments }),
    };
    json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
}

/// A turn of the model as a request repeats it.
fn spoken(turn: &Turn) -> Vec<Value> {
    let mut calls = turn.tool_calls.iter();
    let Some(parts) = turn.carried(NAME) else {
        let text = (!turn.text.trim().is_empty()).then(|| text_block(&turn.text));
        return text.into_iter().chain(calls.map(tool_use)).collect();
    };
    let is_call = |part: &Value| part["type"] == "tool_use";
    parts
        .iter()
        .filter_map(|part| if is_call(part) { calls.next().map(tool_use) } else { Some(part.clone()) })
        .collect()
}

/// One event, of any type.
#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    content_block: Option<Value>,
    #[serde(borrow)]
    message: Option<MessageHead<'a>>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    partial_json: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(borrow, default)]
    signature: Text<'a>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
}

impl<'a> Delta<'a> {
    /// A piece of text.
    fn said(text: Text<'a>) -> Self {
        Self { kind: Text("text_delta".into()), text, ..Self::default() }
    }
}

#[derive(Debug, Deserialize)]
struct MessageHead<'a> {
    #[serde(borrow, default)]
    model: Text<'a>,
    usage: Option<Value>,
}

/// One block of an answer.
#[derive(Debug)]
enum Block {
    Text(String),
    Thinking {
        text: String,
        signature: String,
    },
    /// Until a piece of its input comes, `input` is what the block began with.
    Call {
        call: Call,
        begun: bool,
    },
    /// Redacted thinking, and what later versions may have: kept as it came.
    Other(Value),
}

/// Figures so far; a later report replaces an earlier one where it has a figure.
#[derive(Debug, Default)]
struct Figures {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
}

impl Figures {
    fn take(&mut self, usage: &Value) {
        for (figure, key) in [
            (&mut self.input, "input_tokens"),
            (&mut self.output, "output_tokens"),
            (&mut self.cache_read, "cache_read_input_tokens"),
            (&mut self.cache_write, "cache_creation_input_tokens"),
        ] {
            *figure = usage.get(key).and_then(Value::as_u64).or(*figure);
        }
    }

    fn usage(&self) -> Option<(Usage, UsageSource)> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let count = |figure: Option<u64>| figure.unwrap_or(0);
        let usage = Usage {
            input: count(self.input),
            output: count(self.output),
            cache_read: count(self.cache_read),
            cache_write: count(self.cache_write),
            usd: None,
        };
        Some((usage, UsageSource::Provider))
    }
}

/// A turn that is being put together.
#[derive(Debug, Default)]
struct Answer {
    blocks: BTreeMap<u64, Block>,
    stop_reason: Option<String>,
    stopped: bool,
    figures: Figures,
    model: Option<String>,
    calls: usize,
    bytes: usize,
    /// The block that the text is for.
    repeat: Repeat<u64>,
}

impl Answer {
    fn start(&mut self, index: u64, block: &Value, heard: &mut Heard) -> Result<(), StreamError> {
        let word = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
        if self.blocks.len() >= MAX_PARTS && !self.blocks.contains_key(&index) {
            return Err(StreamError::TooLarge);
        }
        let started = match word("type") {
            "text" => {
                heard.text.push_str(word("text"));
                Block::Text(word("text").to_owned())
            }
            "thinking" => {
                heard.thinks = true;
                Block::Thinking { text: word("thinking").to_owned(), signature: word("signature").to_owned() }
            }
            "tool_use" => {
                heard.calls = true;
                self.calls += 1;
                if self.calls > MAX_CALLS {
                    return Err(StreamError::TooLarge);
                }
                let arguments = match block.get("input") {
                    Some(Value::Object(input)) if !input.is_empty() => Value::from(input.clone()).to_string(),
                    _ => String::new(),
                };
                let call = Call { id: word("id").to_owned(), name: word("name").to_owned(), arguments };
                Block::Call { call, begun: false }
            }
            _ => {
                heard.thinks = true;
                Block::Other(block.clone())
            }
        };
        self.bytes += match &started {
            Block::Text(text) => text.len(),
            Block::Thinking { text, signature } => text.len() + signature.len(),
            Block::Call { call, .. } => call.arguments.len(),
            Block::Other(value) => value.to_string().len(),
        };
        self.blocks.insert(index, started);
        Ok(())
    }

    fn delta(&mut self, index: u64, delta: &Delta<'_>, heard: &mut Heard) -> Result<(), StreamError> {
        self.bytes +=
            delta.text.len() + delta.partial_json.len() + delta.thinking.len() + delta.signature.len();
        if self.blocks.len() >= MAX_PARTS && !self.blocks.contains_key(&index) {
            return Err(StreamError::TooLarge);
        }
        // Some servers say no more of a block than its pieces; of a call that would not be enough.
        let block = self.blocks.entry(index).or_insert_with(|| match &*delta.kind {
            "thinking_delta" | "signature_delta" => {
                Block::Thinking { text: String::new(), signature: String::new() }
            }
            _ => Block::Text(String::new()),
        });
        match (block, &*delta.kind) {
            (Block::Text(text), "text_delta") => {
                text.push_str(&delta.text);
                heard.text.push_str(&delta.text);
            }
            (Block::Thinking { text, signature }, "thinking_delta" | "signature_delta") => {
                text.push_str(&delta.thinking);
                signature.push_str(&delta.signature);
                heard.thinks = true;
            }
            (Block::Call { call, begun }, "input_json_delta") => {
                if !std::mem::replace(begun, true) && !delta.partial_json.is_empty() {
                    call.arguments.clear();
                }
                call.arguments.push_str(&delta.partial_json);
                heard.calls = true;
            }
            (_, "text_delta" | "thinking_delta" | "signature_delta" | "input_json_delta") => {
                let text = format!("a `{}` is for a block of another type", &*delta.kind);
                return Err(StreamError::Malformed(text));
            }
            // Citations, and what later versions may have.
            _ => heard.thinks = true,
        }
        Ok(())
    }

    fn stop(&mut self, reason: &str, usage: Option<&Value>) {
        if !reason.is_empty() {
            self.stop_reason = Some(reason.to_owned());
        }
        if let Some(usage) = usage {
            self.figures.take(usage);
        }
    }
}

impl Assembly for Answer {
    fn event(&mut self, data: &str, heard: &mut Heard) -> Result<(), StreamError> {
        if let Some((text, &index)) = self.repeat.text(data) {
            return self.delta(index, &Delta::said(text), heard);
        }
        let event: Event<'_> = serde_json::from_str(data).map_err(|error| malformed(&error))?;
        if let Some(error) = event.error.as_ref().and_then(ProviderError::read) {
            return Err(StreamError::Provider(error));
        }
        let index = event.index.unwrap_or(0);
        match &*event.kind {
            "content_block_delta" => {
                if let Some(delta) = &event.delta {
                    if &*delta.kind == "text_delta" {
                        self.repeat.learn(data, &delta.text, index);
                    }
                    self.delta(index, delta, heard)?;
                }
            }
            "message_start" => {
                // A second start is a proxy's second try: what came of the first belongs to no turn.
                self.blocks.clear();
                self.calls = 0;
                if let Some(head) = event.message {
                    self.model = head.model.some().map(str::to_owned).or(self.model.take());
                    self.stop("", head.usage.as_ref());
                }
            }
            "content_block_start" => {
                if let Some(block) = &event.content_block {
                    self.start(index, block, heard)?;
                }
            }
            "message_delta" => {
                let reason = event.delta.as_ref().map_or("", |delta| &*delta.stop_reason);
                self.stop(reason, event.usage.as_ref());
            }
            "message_stop" => self.stopped = true,
            "error" => return Err(StreamError::Provider(ProviderError::said(data))),
            // A block that stops, a ping, and what later versions may have.
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, body: &str, heard: &mut Heard) -> Result<(), StreamError> {
        let value: Value = serde_json::from_str(body).map_err(|error| not_json(&error))?;
        if let Some(error) = ProviderError::find(&value) {
            return Err(StreamError::Provider(error));
        }
        self.model = value.get("model").and_then(Value::as_str).map(str::to_owned);
        let blocks = value.get("content").and_then(Value::as_array);
        for (index, block) in (0..).zip(blocks.into_iter().flatten()) {
            self.start(index, block, heard)?;
        }
        let reason = value.get("stop_reason").and_then(Value::as_str).unwrap_or_default();
        self.stop(reason, value.get("usage"));
        self.stopped = !reason.is_empty();
        Ok(())
    }

    fn complete(&self) -> bool {
        self.stopped
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn into_turn(self: Box<Self>) -> Result<Turn, ProviderError> {
        let usage = self.figures.usage();
        let plain = |block: &Block| matches!(block, Block::Text(_) | Block::Call { .. });
        let carries = !self.blocks.values().all(plain);
        let mut turn = Turn { stop_reason: self.stop_reason, usage, ..Turn::default() };
        let mut parts = Vec::new();
        for block in self.blocks.into_values() {
            parts.push(match block {
                Block::Text(text) => {
                    turn.text.push_str(&text);
                    // An empty text is not taken back.
                    if text.trim().is_empty() {
                        continue;
                    }
                    text_block(&text)
                }
                Block::Thinking { text, signature } => {
                    json!({ "type": "thinking", "thinking": text, "signature": signature })
                }
                Block::Call { mut call, .. } => {
                    // A call without arguments may come without a single piece of them.
                    if call.arguments.is_empty() {
                        call.arguments.push_str("{}");
                    }
                    turn.tool_calls.push(call);
                    json!({ "type": "tool_use" })
                }
                Block::Other(value) => value,
            });
        }
        turn.carry = carries.then(|| Carry::new(NAME, parts));
        Ok(turn)
    }
}
