//! Chat completions as JSON: what is sent, and how a stream of pieces becomes one turn.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::openai::ModelOptions;
use super::turn::{Call, Conversation, Turn};
use crate::event::{Usage, UsageSource};
use crate::profile::element::Price;

/// Calls in one turn; a model that wants more has lost its way.
const MAX_CALLS: usize = 128;

/// The body of a request.
pub(super) fn body(model: &str, options: &ModelOptions, conversation: &Conversation) -> Value {
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), conversation.messages.clone().into());
    if conversation.tools.as_array().is_some_and(|tools| !tools.is_empty()) {
        body.insert("tools".to_owned(), conversation.tools.clone());
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

/// An error object, wherever it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct WireError {
    /// A numeric code, where it can be read as an HTTP status.
    pub(super) status: Option<u16>,
    /// The code as text.
    pub(super) code: Option<String>,
    /// The type.
    pub(super) kind: Option<String>,
    /// The message, or the whole object.
    pub(super) text: String,
    /// Seconds until the limit resets, where the body says so.
    pub(super) resets_in: Option<f64>,
    /// When the limit resets, seconds since 1970.
    pub(super) resets_at: Option<i64>,
}

impl WireError {
    /// Finds an error in a body; `None` when it has none.
    pub(super) fn find(value: &Value) -> Option<Self> {
        let value = value.as_array().and_then(|items| items.first()).unwrap_or(value);
        let error = value.get("error").filter(|error| !error.is_null())?;
        // Routers wrap the error of the provider; the inner one says more.
        let text = match error {
            Value::String(text) => text.clone(),
            _ => error
                .pointer("/metadata/raw")
                .or_else(|| error.get("message"))
                .and_then(Value::as_str)
                .map_or_else(|| error.to_string(), str::to_owned),
        };
        let code = error.get("code").filter(|code| !code.is_null());
        let status = code
            .and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()))
            .or_else(|| error.get("status")?.as_u64())
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (100..600).contains(status));
        let code = code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        let kind = error.get("type").and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            status,
            code,
            kind,
            text,
            resets_in: error.get("resets_in_seconds").and_then(Value::as_f64),
            resets_at: error.get("resets_at").and_then(Value::as_i64),
        })
    }
}

/// What one piece brought.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Text, perhaps none.
    Text(String),
    /// A piece of a tool call.
    Call,
    /// The model thinks; not part of the answer, but a sign of life.
    Thought,
    /// The provider failed in the middle.
    Error(WireError),
}

/// A turn that is being put together.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    text: String,
    calls: BTreeMap<u64, Call>,
    finish: Option<String>,
    usage: Option<(Usage, UsageSource)>,
    /// The model that answers, as soon as it is known.
    pub(super) model: Option<String>,
}

impl Assembly {
    /// Adds one chunk, or a whole completion where the server does not stream.
    pub(super) fn add(&mut self, chunk: &Value, price: Option<&Price>) -> Piece {
        if let Some(error) = WireError::find(chunk) {
            return Piece::Error(error);
        }
        if self.model.is_none() {
            let model = chunk.get("model").and_then(Value::as_str).filter(|model| !model.is_empty());
            self.model = model.map(str::to_owned);
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            self.usage = read_usage(usage, price).or(self.usage);
        }
        let Some(choice) = chunk.pointer("/choices/0") else { return Piece::Text(String::new()) };
        if let Some(error) = WireError::find(choice) {
            return Piece::Error(error);
        }
        if let Some(finish) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(finish.to_owned());
        }
        let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) else {
            return Piece::Text(String::new());
        };
        let text = delta.get("content").and_then(Value::as_str).unwrap_or_default();
        self.text.push_str(text);
        let calls = delta.get("tool_calls").and_then(Value::as_array);
        for call in calls.into_iter().flatten() {
            self.call(call);
        }
        let thinks = ["reasoning_content", "reasoning"]
            .iter()
            .any(|key| delta.get(key).and_then(Value::as_str).is_some_and(|thought| !thought.is_empty()));
        if text.is_empty() && calls.is_some_and(|calls| !calls.is_empty()) {
            Piece::Call
        } else if text.is_empty() && thinks {
            Piece::Thought
        } else {
            Piece::Text(text.to_owned())
        }
    }

    fn call(&mut self, piece: &Value) {
        let id = piece.get("id").and_then(Value::as_str).unwrap_or_default();
        let last = self.calls.last_key_value().map(|(index, call)| (*index, call.id.as_str()));
        // Some servers leave the index out; then a new id begins a new call.
        let index = piece.get("index").and_then(Value::as_u64).unwrap_or(match last {
            None => 0,
            Some((index, last)) if id.is_empty() || id == last => index,
            Some((index, _)) => index.saturating_add(1),
        });
        if !self.calls.contains_key(&index) && self.calls.len() >= MAX_CALLS {
            return;
        }
        let call = self.calls.entry(index).or_insert_with(|| Call {
            id: String::new(),
            name: String::new(),
            arguments: String::new(),
        });
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        let function = piece.get("function");
        if call.name.is_empty()
            && let Some(name) = function.and_then(|function| function.get("name")).and_then(Value::as_str)
        {
            name.clone_into(&mut call.name);
        }
        match function.and_then(|function| function.get("arguments")) {
            Some(Value::String(text)) => call.arguments.push_str(text),
            // Not what the protocol says, but it can only mean one thing.
            Some(object @ Value::Object(_)) => call.arguments.push_str(&object.to_string()),
            _ => {}
        }
    }

    /// How much the model has said.
    pub(super) fn bytes(&self) -> usize {
        let calls = self.calls.values().map(|call| call.arguments.len());
        self.text.len() + calls.sum::<usize>()
    }

    /// Whether the model has said why it stopped.
    pub(super) fn finished(&self) -> Option<&str> {
        self.finish.as_deref()
    }

    /// The turn.
    pub(super) fn into_turn(self) -> Turn {
        Turn {
            text: self.text,
            tool_calls: self.calls.into_values().collect(),
            stop_reason: self.finish,
            usage: self.usage,
        }
    }
}

/// Reads the figures; `None` when there are none.
fn read_usage(usage: &Value, price: Option<&Price>) -> Option<(Usage, UsageSource)> {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let prompt = count("/prompt_tokens");
    let output = count("/completion_tokens");
    if prompt.is_none() && output.is_none() {
        return None;
    }
    let prompt = prompt.unwrap_or(0);
    let cache_read = count("/prompt_tokens_details/cached_tokens").unwrap_or(0).min(prompt);
    let mut usage_of_turn = Usage {
        input: prompt - cache_read,
        output: output.unwrap_or(0),
        cache_read,
        cache_write: 0,
        usd: usage.get("cost").and_then(Value::as_f64).filter(|usd| usd.is_finite() && *usd >= 0.0),
    };
    // What the provider reports wins over our list.
    let source = match (usage_of_turn.usd, price) {
        (None, Some(price)) => {
            usage_of_turn.usd = Some(dollars(&usage_of_turn, price));
            UsageSource::Priced
        }
        _ => UsageSource::Provider,
    };
    Some((usage_of_turn, source))
}

#[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
fn dollars(usage: &Usage, price: &Price) -> f64 {
    let part = |tokens: u64, price: f64| tokens as f64 * price / 1e6;
    part(usage.input, price.input)
        + part(usage.output, price.output)
        + part(usage.cache_read, price.cache_read.unwrap_or(price.input))
        + part(usage.cache_write, price.cache_write.unwrap_or(price.input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_calls_are_put_together_by_index() {
        let mut assembly = Assembly::default();
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
            assert!(!matches!(assembly.add(chunk, None), Piece::Error(_)));
        }
        let turn = assembly.into_turn();
        assert_eq!(turn.text, "a");
        assert_eq!(turn.tool_calls[0].arguments, r#"{"path":"f"}"#);
        assert_eq!(turn.tool_calls[1].arguments, r#"{"path":"."}"#);
        assert_eq!(turn.stop_reason.as_deref(), Some("tool_calls"));
        let usage = Usage { input: 6, output: 2, cache_read: 4, ..Usage::default() };
        assert_eq!(turn.usage, Some((usage, UsageSource::Provider)));
    }

    #[test]
    fn calls_without_an_index_are_told_apart_by_id() {
        let mut assembly = Assembly::default();
        for call in [
            json!({"id": "x", "function": {"name": "list", "arguments": "{"}}),
            json!({"function": {"arguments": "}"}}),
            json!({"id": "y", "function": {"name": "list", "arguments": "{}"}}),
        ] {
            assembly.add(&json!({"choices": [{"delta": {"tool_calls": [call]}}]}), None);
        }
        let arguments: Vec<_> =
            assembly.into_turn().tool_calls.into_iter().map(|call| call.arguments).collect();
        assert_eq!(arguments, ["{}", "{}"]);
    }

    #[test]
    fn dollars_come_from_the_provider_or_from_the_prices() {
        let price = Price { input: 2.0, output: 10.0, cache_read: Some(0.5), cache_write: None };
        let usage = json!({
            "prompt_tokens": 3_000_000, "completion_tokens": 100_000,
            "prompt_tokens_details": {"cached_tokens": 2_000_000},
        });
        let (priced, source) = read_usage(&usage, Some(&price)).unwrap();
        assert_eq!((priced.usd, source), (Some(4.0), UsageSource::Priced));
        assert_eq!(read_usage(&usage, None).unwrap().0.usd, None);
        let told = json!({"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.25});
        let (told, source) = read_usage(&told, Some(&price)).unwrap();
        assert_eq!((told.usd, source), (Some(0.25), UsageSource::Provider));
        assert_eq!(read_usage(&json!({}), Some(&price)), None);
    }

    #[test]
    fn errors_are_found_in_every_shape() {
        let find = |value: Value| WireError::find(&value);
        assert_eq!(find(json!({"choices": []})), None);
        assert_eq!(find(json!({"error": null})), None);
        let error = find(json!({"error": {"code": 429, "message": "slow"}})).unwrap();
        assert_eq!((error.status, error.text.as_str()), (Some(429), "slow"));
        let error =
            find(json!([{"error": {"code": "insufficient_quota", "type": "t", "message": "m"}}])).unwrap();
        assert_eq!((error.status, error.code.as_deref()), (None, Some("insufficient_quota")));
        assert_eq!(error.kind.as_deref(), Some("t"));
        assert_eq!(find(json!({"error": "down"})).unwrap().text, "down");
    }

    #[test]
    fn thinking_is_a_sign_of_life_and_no_answer() {
        let mut assembly = Assembly::default();
        let chunk = json!({"choices": [{"delta": {"content": null, "reasoning_content": "hm"}}]});
        assert_eq!(assembly.add(&chunk, None), Piece::Thought);
        assert_eq!(assembly.into_turn().text, "");
    }
}
