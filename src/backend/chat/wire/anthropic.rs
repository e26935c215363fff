//! Messages: what is sent; what comes is in [`answer`].
//!
//! What costs money here is asking for the same words again, so the part that a later turn repeats is marked for the
//! provider's cache: the system prompt with the tools before it, and, where a tool loop may go on, the last message.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::{Assembly, Wire};
use crate::backend::Image;
use crate::backend::chat::conversation::{Call, Conversation, Message, ToolSpec, Turn};
use crate::backend::chat::endpoint::{ModelOptions, SecretKey};
use crate::fault::Origin;

mod answer;
#[cfg(test)]
mod tests;

use answer::Answer;

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
                Message::Image(image) => ("user", vec![image_block(image)]),
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
            && let Some(("user", blocks)) = messages.last_mut()
            && let Some(last) = blocks.last_mut()
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

fn image_block(image: &Image) -> Value {
    let data = super::base64(image);
    json!({ "type": "image", "source": { "type": "base64", "media_type": image.media_type, "data": data } })
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
