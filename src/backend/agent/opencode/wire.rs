//! The shapes of opencode's lines, as far as they are read. Fields whose type may change are taken as any value, so
//! that one odd field never costs the whole line.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::Usage;

#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(rename = "sessionID", borrow)]
    pub(super) session: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) part: Option<&'a RawValue>,
    pub(super) error: Option<Value>,
}

#[derive(Default, Deserialize)]
pub(super) struct Part<'a> {
    #[serde(rename = "messageID", borrow)]
    pub(super) message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) tool: Option<Cow<'a, str>>,
    #[serde(rename = "callID", borrow)]
    pub(super) call: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) state: Option<State<'a>>,
    #[serde(borrow)]
    pub(super) reason: Option<Cow<'a, str>>,
    pub(super) tokens: Option<Value>,
    pub(super) cost: Option<Value>,
}

/// How a tool call went; it is told of only once it is over.
#[derive(Default, Deserialize)]
pub(super) struct State<'a> {
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) output: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<Cow<'a, str>>,
}

/// The keys that say what a tool call is about, the most telling first.
const ABOUT: [&str; 8] = ["filePath", "path", "pattern", "command", "url", "query", "description", "prompt"];

/// What a tool call is about, at most 200 characters.
pub(super) fn about(input: &str) -> String {
    let Ok(Value::Object(input)) = serde_json::from_str::<Value>(input) else { return String::new() };
    let said = ABOUT.iter().find_map(|key| input.get(*key)?.as_str()).unwrap_or_default();
    said.chars().take(200).collect()
}

/// Size of what a tool gave back.
pub(super) fn bytes(state: &State<'_>) -> u64 {
    let bytes = match (state.output, &state.error) {
        (Some(output), _) => {
            serde_json::from_str::<Cow<'_, str>>(output.get()).map_or(output.get().len(), |text| text.len())
        }
        (None, Some(error)) => error.len(),
        (None, None) => 0,
    };
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What a step consumed; `None` where the provider said nothing, which opencode shows as zeros.
pub(super) fn usage(part: &Part<'_>) -> Option<Usage> {
    let tokens = part.tokens.as_ref()?;
    let count = |path: &str| tokens.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let usage = Usage {
        input: count("/input"),
        output: count("/output").saturating_add(count("/reasoning")),
        cache_read: count("/cache/read"),
        cache_write: count("/cache/write"),
        // A model without a price costs nothing here.
        usd: part.cost.as_ref().and_then(Value::as_f64).filter(|usd| usd.is_finite() && *usd > 0.0),
    };
    (!usage.is_empty()).then_some(usage)
}

/// An `error` event, and what the texts in it say that are JSON themselves.
#[derive(Debug, Default)]
pub(super) struct WireError {
    /// opencode's name for it.
    pub(super) name: Option<String>,
    /// In words.
    pub(super) text: String,
    /// HTTP status.
    pub(super) status: Option<u16>,
    /// The provider's code.
    pub(super) code: Option<String>,
    /// The provider's type.
    pub(super) kind: Option<String>,
    /// Seconds after which the server said to come back.
    pub(super) retry_after: Option<f64>,
    /// Under which the log tells more.
    pub(super) reference: Option<String>,
}

impl WireError {
    pub(super) fn read(error: &Value) -> Self {
        let text = |path: &str| error.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let mut read = Self {
            name: text("/name"),
            text: text("/data/message").or_else(|| text("/message")).unwrap_or_default(),
            status: error.pointer("/data/statusCode").and_then(status),
            reference: text("/data/ref"),
            ..Self::default()
        };
        if let Some(headers) = error.pointer("/data/responseHeaders") {
            let number = |name: &str| headers.get(name)?.as_str()?.trim().parse::<f64>().ok();
            read.retry_after =
                number("retry-after-ms").map(|millis| millis / 1000.0).or_else(|| number("retry-after"));
        }
        if let Some(body) = error.pointer("/data/responseBody").and_then(Value::as_str) {
            read.unwrap(body, 0);
        }
        let message = read.text.clone();
        read.unwrap(&message, 0);
        read
    }

    /// Takes what a JSON text says that is not known yet: gateways wrap one failure in another.
    fn unwrap(&mut self, text: &str, depth: u8) {
        let text = text.trim();
        // An agent prefixes what it was told at times: `Error: {"code":…}`.
        let Some(inner) = text.find('{').filter(|at| *at < 64).map(|at| &text[at..]) else { return };
        let Ok(value) = serde_json::from_str::<Value>(inner) else { return };
        let body = value.get("error").filter(|error| error.is_object()).unwrap_or(&value);
        let word = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        if self.status.is_none() {
            self.status =
                ["code", "status", "statusCode"].iter().find_map(|key| body.get(*key).and_then(status));
        }
        self.code = self.code.take().or_else(|| word("code"));
        self.kind = self.kind.take().or_else(|| word("type"));
        if let Some(message) = word("message").filter(|message| !message.trim().is_empty()) {
            if self.text.trim().is_empty() || self.text.contains(inner) {
                self.text.clone_from(&message);
            }
            if depth < 3 {
                self.unwrap(&message, depth + 1);
            }
        }
    }
}

/// An HTTP status of a failure.
fn status(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|status| (400..=599).contains(status))
}
