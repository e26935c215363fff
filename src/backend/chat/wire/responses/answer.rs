//! How a stream of items becomes one turn.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::lenient::Text;
use super::super::repeat::Repeat;
use super::super::{Assembly, MAX_CALLS, MAX_PARTS, ProviderError, malformed, not_json, usage};
use super::{NAME, said};
use crate::backend::chat::conversation::{Call, Carry, Turn};
use crate::backend::chat::stream::{Heard, StreamError};
use crate::event::{Usage, UsageSource};

/// One event, of any type.
#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    delta: Text<'a>,
    #[serde(borrow, default)]
    item_id: Text<'a>,
    output_index: Option<u64>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    error: Option<Value>,
}

/// One item of an answer.
#[derive(Debug)]
struct Item {
    id: String,
    index: Option<u64>,
    part: Part,
}

#[derive(Debug)]
enum Part {
    /// A message: its text, and itself once it is done.
    Message(String, Option<Value>),
    /// A call of a tool.
    Call(Call),
    /// Reasoning, and what later versions may have: as it was when it was done.
    Other(Value),
}

/// A turn that is being put together.
#[derive(Debug, Default)]
pub(super) struct Answer {
    items: Vec<Item>,
    refused: bool,
    finish: Option<String>,
    usage: Option<(Usage, UsageSource)>,
    model: Option<String>,
    bytes: usize,
    /// The item that the text is for.
    repeat: Repeat<(String, Option<u64>)>,
}

impl Answer {
    /// The item that an event is about. Not every server numbers its items, and not every one names them.
    fn at(&mut self, id: &str, index: Option<u64>) -> Option<&mut Item> {
        self.items.iter_mut().rev().find(|item| match index {
            Some(_) if item.index.is_some() => item.index == index,
            _ => id.is_empty() || item.id == id,
        })
    }

    /// Takes an item that begins, or is done; a whole answer has only the latter.
    fn item(
        &mut self,
        item: &Value,
        index: Option<u64>,
        done: bool,
        heard: &mut Heard,
    ) -> Result<(), StreamError> {
        let word = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        let id = word("id");
        let known = self.at(id, index).is_some_and(|known| {
            // Without any name only the type tells whether this is the one.
            !id.is_empty() || index.is_some() || known.part.kind() == word("type")
        });
        if !known {
            if word("type") == "function_call" {
                let calls = self.items.iter().filter(|item| matches!(item.part, Part::Call(_))).count();
                if calls >= MAX_CALLS {
                    return Err(StreamError::TooLarge);
                }
            }
            let part = match word("type") {
                "message" => Part::Message(String::new(), None),
                "function_call" => Part::Call(Call::default()),
                _ => Part::Other(Value::Null),
            };
            self.begin(Item { id: id.to_owned(), index, part })?;
        }
        let mut grown = 0;
        if let Some(found) = self.at(id, index) {
            match &mut found.part {
                Part::Call(call) => {
                    heard.calls = true;
                    for (field, key) in [(&mut call.id, "call_id"), (&mut call.name, "name")] {
                        if field.is_empty() {
                            word(key).clone_into(field);
                        }
                    }
                    if done && !word("arguments").is_empty() {
                        grown = word("arguments").len().saturating_sub(call.arguments.len());
                        word("arguments").clone_into(&mut call.arguments);
                    }
                }
                Part::Message(text, whole) if done => {
                    let all = message_text(item);
                    // Who streams says nothing new here.
                    if text.is_empty() {
                        heard.text.push_str(&all);
                        grown = all.len();
                        *text = all;
                    }
                    *whole = Some(item.clone());
                }
                Part::Other(value) => {
                    heard.thinks = true;
                    if done {
                        grown = item.to_string().len();
                        *value = item.clone();
                    }
                }
                Part::Message(..) => {}
            }
        }
        self.bytes += grown;
        self.refused |= done && refuses(item);
        Ok(())
    }

    fn text(
        &mut self,
        (id, index): (&str, Option<u64>),
        delta: &str,
        heard: &mut Heard,
    ) -> Result<(), StreamError> {
        self.bytes += delta.len();
        heard.text.push_str(delta);
        if !self.at(id, index).is_some_and(|item| matches!(item.part, Part::Message(..))) {
            self.begin(Item { id: id.to_owned(), index, part: Part::Message(String::new(), None) })?;
        }
        if let Some(Part::Message(text, _)) = self.at(id, index).map(|item| &mut item.part) {
            text.push_str(delta);
        }
        Ok(())
    }

    fn begin(&mut self, item: Item) -> Result<(), StreamError> {
        if self.items.len() >= MAX_PARTS {
            return Err(StreamError::TooLarge);
        }
        self.items.push(item);
        Ok(())
    }

    fn arguments(&mut self, event: &Event<'_>, heard: &mut Heard) -> Result<(), StreamError> {
        heard.calls = true;
        let Some(Part::Call(call)) = self.at(&event.item_id, event.output_index).map(|item| &mut item.part)
        else {
            // Whose they are would be a guess, and a guess would run a tool.
            return Err(StreamError::Malformed("arguments came for a call that has not begun".to_owned()));
        };
        let before = call.arguments.len();
        if event.kind.ends_with("done") {
            if !event.arguments.is_empty() {
                call.arguments = event.arguments.to_string();
            }
        } else {
            call.arguments.push_str(&event.delta);
        }
        self.bytes += call.arguments.len().saturating_sub(before);
        Ok(())
    }

    /// Takes the response as its last event has it, or as a server sends it that does not stream.
    fn response(&mut self, response: &Value, heard: &mut Heard) -> Result<(), StreamError> {
        let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(error) = response.get("error").and_then(ProviderError::read) {
            return Err(StreamError::Provider(error));
        }
        if let Some(model) = word(response, "model").filter(|model| !model.is_empty()) {
            self.model = Some(model);
        }
        if let Some(figures) = response.get("usage") {
            self.usage = usage::openai(figures, &usage::RESPONSES).or(self.usage);
        }
        match response.get("status").and_then(Value::as_str) {
            Some("completed") => self.finish = Some("completed".to_owned()),
            Some("incomplete") => {
                let details = response.get("incomplete_details");
                let reason = details.and_then(|details| word(details, "reason"));
                self.finish = Some(reason.unwrap_or_else(|| "incomplete".to_owned()));
            }
            Some(status @ ("failed" | "cancelled")) => {
                let text = format!("the response is `{status}`, and nothing says why");
                return Err(StreamError::Provider(ProviderError::said(text)));
            }
            _ => return Ok(()),
        }
        // Items of a stream have come one by one already; this list is for those that did not.
        if self.items.is_empty() {
            let output = response.get("output").and_then(Value::as_array);
            for (index, item) in (0..).zip(output.into_iter().flatten()) {
                self.item(item, Some(index), true, heard)?;
            }
        }
        Ok(())
    }
}

impl Part {
    fn kind(&self) -> &str {
        match self {
            Self::Message(..) => "message",
            Self::Call(_) => "function_call",
            Self::Other(value) => value.get("type").and_then(Value::as_str).unwrap_or("reasoning"),
        }
    }
}

fn contents(item: &Value) -> impl Iterator<Item = &Value> {
    item.get("content").and_then(Value::as_array).into_iter().flatten()
}

/// What a message says, refusals included.
fn message_text(item: &Value) -> String {
    let text = |part: &Value| {
        part.get("text").or_else(|| part.get("refusal")).and_then(Value::as_str).map(str::to_owned)
    };
    contents(item).filter_map(text).collect()
}

fn refuses(item: &Value) -> bool {
    item.get("type").is_some_and(|kind| kind == "message")
        && contents(item).any(|part| part.get("type").is_some_and(|kind| kind == "refusal"))
}

impl Assembly for Answer {
    fn event(&mut self, data: &str, heard: &mut Heard) -> Result<(), StreamError> {
        let mut repeat = std::mem::take(&mut self.repeat);
        if let Some((text, (id, index))) = repeat.text(data) {
            let said = self.text((id, *index), &text, heard);
            self.repeat = repeat;
            return said;
        }
        self.repeat = repeat;
        let event: Event<'_> = serde_json::from_str(data).map_err(|error| malformed(&error))?;
        if let Some(error) = event.error.as_ref().and_then(ProviderError::read) {
            return Err(StreamError::Provider(error));
        }
        let parsed = |raw: Option<&RawValue>| {
            let text = raw.map_or("null", RawValue::get);
            serde_json::from_str::<Value>(text).map_err(|error| malformed(&error))
        };
        match &*event.kind {
            "response.output_text.delta" => {
                let about = (event.item_id.to_string(), event.output_index);
                self.repeat.learn(data, &event.delta, about);
                self.text((&event.item_id, event.output_index), &event.delta, heard)?;
            }
            "response.refusal.delta" => {
                self.refused = true;
                self.text((&event.item_id, event.output_index), &event.delta, heard)?;
            }
            "response.function_call_arguments.delta" | "response.function_call_arguments.done" => {
                self.arguments(&event, heard)?;
            }
            kind @ ("response.output_item.added" | "response.output_item.done") => {
                let done = kind.ends_with("done");
                self.item(&parsed(event.item)?, event.output_index, done, heard)?;
            }
            "response.created"
            | "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => self.response(&parsed(event.response)?, heard)?,
            "error" => {
                // Here the event itself is the error.
                let value = serde_json::from_str(data).map_err(|error| malformed(&error))?;
                let error = ProviderError::read(&value).unwrap_or_default();
                return Err(StreamError::Provider(ProviderError { kind: None, ..error }));
            }
            kind if kind.starts_with("response.reasoning") => heard.thinks = true,
            // Parts that begin and end, and what later versions may have.
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, body: &str, heard: &mut Heard) -> Result<(), StreamError> {
        let value: Value = serde_json::from_str(body).map_err(|error| not_json(&error))?;
        if let Some(error) = ProviderError::find(&value) {
            return Err(StreamError::Provider(error));
        }
        self.response(&value, heard)
    }

    fn complete(&self) -> bool {
        self.finish.is_some()
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn into_turn(self: Box<Self>) -> Result<Turn, ProviderError> {
        let refused = self.refused && self.finish.as_deref() == Some("completed");
        let stop_reason = if refused { Some("refusal".to_owned()) } else { self.finish };
        let carries = self.items.iter().any(|item| matches!(&item.part, Part::Other(Value::Object(_))));
        let mut turn = Turn { stop_reason, usage: self.usage, ..Turn::default() };
        let mut parts = Vec::new();
        for item in self.items {
            match item.part {
                Part::Message(text, whole) => {
                    parts.push(whole.unwrap_or_else(|| said("assistant", "output_text", &text)));
                    turn.text.push_str(&text);
                }
                Part::Call(call) => {
                    turn.tool_calls.push(call);
                    parts.push(json!({ "type": "function_call" }));
                }
                Part::Other(Value::Null) => {}
                Part::Other(value) => parts.push(value),
            }
        }
        turn.carry = carries.then(|| Carry::new(NAME, parts));
        Ok(turn)
    }
}
