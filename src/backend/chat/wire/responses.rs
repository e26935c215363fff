//! Responses: what is sent; what comes is in [`answer`].
//!
//! Nothing is stored with the provider: each request repeats the conversation, and where the model reasons, its sealed
//! reasoning comes along and goes back.

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::{Assembly, Wire, bearer};
use crate::backend::chat::conversation::{Call, Conversation, Message, ToolSpec, Turn};
use crate::backend::chat::endpoint::{ModelOptions, SecretKey};
use crate::fault::Origin;

mod answer;
#[cfg(test)]
mod tests;

use answer::Answer;

/// Names this wire in what it carries.
const NAME: &str = "openai-responses";

/// `POST /responses`.
#[derive(Debug)]
pub(in super::super) struct Responses;

impl Wire for Responses {
    fn origin(&self) -> Origin {
        Origin::OpenAi
    }

    fn path(&self) -> &'static str {
        "/responses"
    }

    fn key(&self, key: &SecretKey) -> Option<(HeaderName, HeaderValue)> {
        bearer(key)
    }

    fn tools(&self, conversation: &Conversation) -> Vec<Value> {
        let describe = |tool: &ToolSpec| {
            json!({
                "type": "function", "name": tool.name, "description": tool.description,
                "parameters": tool.parameters,
                // Strict schemas know no optional arguments.
                "strict": false,
            })
        };
        conversation.tools.iter().map(describe).collect()
    }

    fn messages(&self, conversation: &Conversation) -> Vec<Value> {
        let mut items = Vec::new();
        for message in &conversation.messages {
            match message {
                Message::User(text) => items.push(said("user", "input_text", text)),
                Message::Image(image) => {
                    let part = json!({ "type": "input_image", "image_url": super::data_url(image) });
                    items.push(json!({ "type": "message", "role": "user", "content": [part] }));
                }
                Message::ToolResult { call, text, .. } => {
                    items.push(json!({ "type": "function_call_output", "call_id": call, "output": text }));
                }
                Message::Assistant(turn) => spoken(turn, &mut items),
            }
        }
        items
    }

    fn body(&self, model: &str, options: &ModelOptions, conversation: &Conversation) -> Value {
        let mut body = Map::new();
        body.insert("model".to_owned(), model.into());
        if let Some(system) = &conversation.system {
            body.insert("instructions".to_owned(), system.as_str().into());
        }
        body.insert("input".to_owned(), self.messages(conversation).into());
        if !conversation.tools.is_empty() {
            body.insert("tools".to_owned(), self.tools(conversation).into());
        }
        body.insert("stream".to_owned(), true.into());
        body.insert("store".to_owned(), false.into());
        if let Some(effort) = &options.reasoning_effort {
            body.insert("reasoning".to_owned(), json!({ "effort": effort }));
            body.insert("include".to_owned(), json!(["reasoning.encrypted_content"]));
        }
        if let Some(temperature) = options.temperature {
            body.insert("temperature".to_owned(), temperature.into());
        }
        if let Some(tokens) = options.max_output_tokens {
            body.insert("max_output_tokens".to_owned(), tokens.into());
        }
        body.into()
    }

    fn assembly(&self) -> Box<dyn Assembly> {
        Box::new(Answer::default())
    }
}

fn said(role: &str, kind: &str, text: &str) -> Value {
    json!({ "type": "message", "role": role, "content": [{ "type": kind, "text": text }] })
}

fn function_call(call: &Call) -> Value {
    json!({
        "type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments,
    })
}

/// A turn of the model as a request repeats it.
fn spoken(turn: &Turn, items: &mut Vec<Value>) {
    let mut calls = turn.tool_calls.iter();
    let Some(parts) = turn.carried(NAME) else {
        if !turn.text.is_empty() {
            items.push(said("assistant", "output_text", &turn.text));
        }
        items.extend(calls.map(function_call));
        return;
    };
    for part in parts {
        if part["type"] == "function_call" {
            items.extend(calls.next().map(function_call));
        } else {
            items.push(part.clone());
        }
    }
}
