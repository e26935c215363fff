//! Chat completions: what is sent, and how a stream of pieces becomes one turn.

use std::collections::BTreeMap;

use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::lenient::{First, Text};
use super::repeat::Repeat;
use super::{Assembly, MAX_CALLS, ProviderError, Wire, bearer, malformed, not_json, usage};
use crate::backend::chat::conversation::{Call, Conversation, Message, ToolSpec, Turn};
use crate::backend::chat::endpoint::{ModelOptions, SecretKey};
use crate::backend::chat::stream::{Heard, StreamError};
use crate::event::{Usage, UsageSource};
use crate::fault::Origin;

/// `POST /chat/completions`.
#[derive(Debug)]
pub(in super::super) struct Completions;

impl Wire for Completions {
    fn origin(&self) -> Origin {
        Origin::OpenAi
    }

    fn path(&self) -> &'static str {
        "/chat/completions"
    }

    fn key(&self, key: &SecretKey) -> Option<(HeaderName, HeaderValue)> {
        bearer(key)
    }

    fn tools(&self, conversation: &Conversation) -> Vec<Value> {
        let describe = |tool: &ToolSpec| {
            json!({
                "type": "function",
                "function": {
                    "name": tool.name, "description": tool.description, "parameters": tool.parameters,
                },
            })
        };
        conversation.tools.iter().map(describe).collect()
    }

    fn messages(&self, conversation: &Conversation) -> Vec<Value> {
        let system = conversation.system.iter().map(|text| json!({ "role": "system", "content": text }));
        system.chain(conversation.messages.iter().map(message)).collect()
    }

    fn body(&self, model: &str, options: &ModelOptions, conversation: &Conversation) -> Value {
        let mut body = Map::new();
        body.insert("model".to_owned(), model.into());
        body.insert("messages".to_owned(), self.messages(conversation).into());
        if !conversation.tools.is_empty() {
            body.insert("tools".to_owned(), self.tools(conversation).into());
        }
        body.insert("stream".to_owned(), true.into());
        body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
        // What is not set is not sent: the provider's default is not ours to repeat.
        if let Some(temperature) = options.temperature {
            body.insert("temperature".to_owned(), temperature.into());
        }
        if let Some(tokens) = options.max_output_tokens {
            body.insert("max_tokens".to_owned(), tokens.into());
        }
        if let Some(seed) = options.seed {
            body.insert("seed".to_owned(), seed.into());
        }
        if let Some(effort) = &options.reasoning_effort {
            body.insert("reasoning_effort".to_owned(), effort.as_str().into());
        }
        body.into()
    }

    fn assembly(&self) -> Box<dyn Assembly> {
        Box::new(Completion::default())
    }
}

/// A message as a request repeats it.
fn message(message: &Message) -> Value {
    match message {
        Message::User(text) => json!({ "role": "user", "content": text }),
        Message::Image(image) => {
            let part = json!({ "type": "image_url", "image_url": { "url": super::data_url(image) } });
            json!({ "role": "user", "content": [part] })
        }
        Message::ToolResult { call, text, .. } => {
            json!({ "role": "tool", "tool_call_id": call, "content": text })
        }
        Message::Assistant(turn) => assistant(turn),
    }
}

fn assistant(turn: &Turn) -> Value {
    let content = if turn.text.is_empty() && !turn.tool_calls.is_empty() {
        Value::Null
    } else {
        Value::from(turn.text.as_str())
    };
    let mut message = json!({ "role": "assistant", "content": content });
    if !turn.tool_calls.is_empty() {
        let call = |call: &Call| {
            json!({
                "id": call.id,
                "type": "function",
                "function": { "name": call.name, "arguments": call.arguments },
            })
        };
        message["tool_calls"] = turn.tool_calls.iter().map(call).collect();
    }
    message
}

/// One piece of a stream, or a whole completion.
#[derive(Debug, Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    choices: First<Choice<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    message: Option<Delta<'a>>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    reasoning: Text<'a>,
    #[serde(borrow)]
    tool_calls: Option<Vec<CallPiece<'a>>>,
}

#[derive(Debug, Deserialize)]
struct CallPiece<'a> {
    index: Option<u64>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Debug, Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// A turn that is being put together.
#[derive(Debug, Default)]
struct Completion {
    text: String,
    refused: bool,
    calls: BTreeMap<u64, Call>,
    finish: Option<String>,
    usage: Option<(Usage, UsageSource)>,
    model: Option<String>,
    bytes: usize,
    repeat: Repeat<()>,
}

impl Chunk<'_> {
    /// The text, where the chunk says nothing else.
    fn only_text(&self) -> Option<&Text<'_>> {
        let choice = self.choices.0.as_ref()?;
        let delta = choice.delta.as_ref()?;
        let more = [&choice.finish_reason, &delta.refusal, &delta.reasoning_content, &delta.reasoning];
        let plain = self.error.is_none() && self.usage.is_none() && choice.error.is_none();
        (plain && delta.tool_calls.is_none() && more.iter().all(|text| text.some().is_none()))
            .then_some(&delta.content)
    }
}

impl Completion {
    fn say(&mut self, text: &str, heard: &mut Heard) {
        self.text.push_str(text);
        heard.text.push_str(text);
        self.bytes += text.len();
    }

    fn chunk(&mut self, chunk: Chunk<'_>, heard: &mut Heard) -> Result<(), StreamError> {
        if let Some(error) = chunk.error.as_ref().and_then(ProviderError::read) {
            return Err(StreamError::Provider(error));
        }
        if self.model.is_none() {
            self.model = chunk.model.some().map(str::to_owned);
        }
        if let Some(raw) = chunk.usage {
            let figures: Value = serde_json::from_str(raw.get()).map_err(|error| malformed(&error))?;
            self.usage = usage::openai(&figures, &usage::COMPLETIONS).or(self.usage);
        }
        let Some(choice) = chunk.choices.0 else { return Ok(()) };
        if let Some(error) = choice.error.as_ref().and_then(ProviderError::read) {
            return Err(StreamError::Provider(error));
        }
        if let Some(finish) = choice.finish_reason.some() {
            self.finish = Some(finish.to_owned());
        }
        let Some(delta) = choice.delta.or(choice.message) else { return Ok(()) };
        self.say(&delta.content, heard);
        self.say(&delta.refusal, heard);
        self.refused |= delta.refusal.some().is_some();
        heard.thinks |= delta.reasoning_content.some().or(delta.reasoning.some()).is_some();
        for call in delta.tool_calls.iter().flatten() {
            heard.calls = true;
            self.call(call)?;
        }
        Ok(())
    }

    fn call(&mut self, piece: &CallPiece<'_>) -> Result<(), StreamError> {
        let id = &*piece.id;
        let last = self.calls.last_key_value().map(|(index, call)| (*index, call.id.as_str()));
        // Some servers leave the index out; then a new id begins a new call.
        let index = piece.index.unwrap_or(match last {
            None => 0,
            Some((index, last)) if id.is_empty() || id == last => index,
            Some((index, _)) => index.saturating_add(1),
        });
        if !self.calls.contains_key(&index) && self.calls.len() >= MAX_CALLS {
            return Ok(());
        }
        let call = self.calls.entry(index).or_default();
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        let Some(function) = &piece.function else { return Ok(()) };
        if call.name.is_empty() {
            call.name = function.name.to_string();
        }
        let before = call.arguments.len();
        match function.arguments.map(RawValue::get) {
            Some(text) if text.starts_with('"') => {
                let text: Text<'_> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
                call.arguments.push_str(&text);
            }
            // Not what the protocol says, but it can only mean one thing.
            Some(object) if object.starts_with('{') => call.arguments.push_str(object),
            _ => {}
        }
        self.bytes += call.arguments.len() - before;
        Ok(())
    }
}

impl Assembly for Completion {
    fn event(&mut self, data: &str, heard: &mut Heard) -> Result<(), StreamError> {
        if let Some((text, ())) = self.repeat.text(data) {
            self.say(&text, heard);
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_str(data).map_err(|error| malformed(&error))?;
        if let Some(text) = chunk.only_text() {
            self.repeat.learn(data, text, ());
        }
        self.chunk(chunk, heard)
    }

    fn whole(&mut self, body: &str, heard: &mut Heard) -> Result<(), StreamError> {
        let value: Value = serde_json::from_str(body).map_err(|error| not_json(&error))?;
        if let Some(error) = ProviderError::find(&value) {
            return Err(StreamError::Provider(error));
        }
        self.chunk(serde_json::from_str(body).map_err(|error| not_json(&error))?, heard)
    }

    fn complete(&self) -> bool {
        self.finish.is_some()
    }

    /// Usage comes after the reason to stop.
    fn over(&self) -> bool {
        false
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn into_turn(self: Box<Self>) -> Result<Turn, ProviderError> {
        if self.finish.as_deref() == Some("error") {
            return Err(ProviderError::said("the model's turn ended with finish_reason `error`"));
        }
        // A refusal has a field of its own, and a reason to stop that does not show it.
        let refused = self.refused && self.finish.as_deref() == Some("stop");
        Ok(Turn {
            text: self.text,
            tool_calls: self.calls.into_values().collect(),
            stop_reason: if refused { Some("refusal".to_owned()) } else { self.finish },
            carry: None,
            usage: self.usage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(completion: &mut Completion, chunk: &Value) -> Heard {
        let mut heard = Heard::default();
        completion.event(&chunk.to_string(), &mut heard).unwrap();
        heard
    }

    fn turn(completion: Completion) -> Turn {
        Box::new(completion).into_turn().unwrap()
    }

    #[test]
    fn pieces_of_calls_are_put_together_by_index() {
        let mut completion = Completion::default();
        let chunks = [
            json!({"model": "m", "choices": [{"delta": {"content": "a"}}]}),
            json!({"choices": [{"delta": {"tool_calls": [
                {"index": 0, "id": "x", "function": {"name": "read", "arguments": "{\"pa"}},
                {"index": 1, "id": "y", "function": {"name": "list", "arguments": ""}},
            ]}}]}),
            json!({"choices": [{"delta": {"tool_calls": [
                {"index": 0, "function": {"arguments": "th\":\"f\"}"}},
                {"index": 1, "function": {"arguments": {"path": "."}}},
            ]}, "finish_reason": "tool_calls"}]}),
            json!({"choices": [], "usage": {
                "prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4},
            }}),
        ];
        for chunk in &chunks {
            add(&mut completion, chunk);
        }
        let turn = turn(completion);
        assert_eq!(turn.text, "a");
        assert_eq!(turn.tool_calls[0].arguments, r#"{"path":"f"}"#);
        assert_eq!(turn.tool_calls[1].arguments, r#"{"path":"."}"#);
        assert_eq!(turn.stop_reason.as_deref(), Some("tool_calls"));
        let usage = Usage { input: 6, output: 2, cache_read: 4, ..Usage::default() };
        assert_eq!(turn.usage, Some((usage, UsageSource::Provider)));
    }

    #[test]
    fn calls_without_an_index_are_told_apart_by_id() {
        let mut completion = Completion::default();
        for call in [
            json!({"id": "x", "function": {"name": "list", "arguments": "{"}}),
            json!({"function": {"arguments": "}"}}),
            json!({"id": "y", "function": {"name": "list", "arguments": "{}"}}),
        ] {
            add(&mut completion, &json!({"choices": [{"delta": {"tool_calls": [call]}}]}));
        }
        let arguments: Vec<_> = turn(completion).tool_calls.into_iter().map(|call| call.arguments).collect();
        assert_eq!(arguments, ["{}", "{}"]);
    }

    #[test]
    fn thinking_is_a_sign_of_life_and_no_answer() {
        let mut completion = Completion::default();
        let chunk = json!({"choices": [{"delta": {"content": null, "reasoning_content": "hm"}}]});
        let heard = add(&mut completion, &chunk);
        assert_eq!(heard, Heard { thinks: true, ..Heard::default() });
        assert_eq!(turn(completion).text, "");
    }

    #[test]
    fn a_refusal_is_told_from_an_answer() {
        let mut completion = Completion::default();
        add(&mut completion, &json!({"choices": [{"delta": {"refusal": "No."}, "finish_reason": "stop"}]}));
        assert_eq!(turn(completion).stop_reason.as_deref(), Some("refusal"));
    }
}
