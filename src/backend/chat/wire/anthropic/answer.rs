//! How a stream of blocks becomes one turn.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::lenient::Text;
use super::super::repeat::Repeat;
use super::super::{Assembly, MAX_CALLS, MAX_PARTS, ProviderError, malformed, not_json};
use super::{NAME, text_block};
use crate::backend::chat::conversation::{Call, Carry, Turn};
use crate::backend::chat::stream::{Heard, StreamError};
use crate::event::{Usage, UsageSource};

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
pub(super) struct Answer {
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
