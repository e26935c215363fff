//! The shapes of Claude Code's lines, as far as they are read. Fields whose type has changed before are taken as any
//! value, so that one odd field never costs the whole line.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::{Usage, UsageSource};

#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) subtype: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) session_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) claude_code_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) qwen_code_version: Option<Cow<'a, str>>,
    pub(super) model: Option<Value>,
    pub(super) fallback_model: Option<Value>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    pub(super) parent_tool_use_id: Option<Value>,
    pub(super) error: Option<Value>,
    pub(super) is_api_error_message: Option<bool>,
    pub(super) api_error_status: Option<Value>,
    pub(super) api_error_type: Option<Value>,
    pub(super) api_error_code: Option<Value>,
    pub(super) attempt: Option<Value>,
    pub(super) retry_delay_ms: Option<Value>,
    pub(super) error_status: Option<Value>,
    pub(super) is_error: Option<bool>,
    pub(super) terminal_reason: Option<Value>,
    pub(super) stop_reason: Option<Value>,
    pub(super) result: Option<Value>,
    pub(super) errors: Option<Value>,
    pub(super) usage: Option<Value>,
    pub(super) total_cost_usd: Option<Value>,
    pub(super) model_usage_since_last_result: Option<Value>,
    pub(super) rate_limit_info: Option<Value>,
    pub(super) status: Option<Value>,
    #[serde(rename = "resetsAt")]
    pub(super) resets_at: Option<Value>,
    #[serde(rename = "rateLimitType")]
    pub(super) rate_limit_type: Option<Value>,
}

impl Line<'_> {
    /// Whether it belongs to a subagent.
    pub(super) fn is_side(&self) -> bool {
        self.parent_tool_use_id.as_ref().is_some_and(Value::is_string)
    }
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Its content blocks; a content that is one string is one block of text.
    pub(super) fn blocks(&self) -> Vec<Block<'a>> {
        let Some(content) = self.content else { return Vec::new() };
        if let Ok(blocks) = serde_json::from_str::<Vec<Block<'a>>>(content.get()) {
            return blocks;
        }
        serde_json::from_str::<String>(content.get())
            .map(|text| {
                vec![Block { kind: Some("text".into()), text: Some(text.into()), ..Block::default() }]
            })
            .unwrap_or_default()
    }
}

#[derive(Default, Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use_id: Option<Cow<'a, str>>,
    pub(super) is_error: Option<bool>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct StreamLine<'a> {
    #[serde(borrow)]
    pub(super) event: StreamEvent<'a>,
}

#[derive(Deserialize)]
pub(super) struct StreamEvent<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Cow<'a, str>>,
}

/// A value that is a text with something in it.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::to_owned)
}

/// A list of texts, one a line.
pub(super) fn texts(value: Option<&Value>) -> String {
    let list: Vec<&str> =
        value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    list.join("\n")
}

/// An HTTP status, as a number or as digits.
pub(super) fn status(value: Option<&Value>) -> Option<u16> {
    let value = value?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok()
}

/// A float that counts something, as a count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is wanted"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}

/// The keys that say what a tool call is about, the most telling first.
const ABOUT: [&str; 9] =
    ["file_path", "path", "notebook_path", "pattern", "command", "url", "query", "description", "prompt"];

/// What a tool call is about, at most 200 characters.
pub(super) fn about(input: &str) -> String {
    let Ok(Value::Object(input)) = serde_json::from_str::<Value>(input) else { return String::new() };
    let said = ABOUT.iter().find_map(|key| input.get(*key)?.as_str()).unwrap_or_default();
    said.chars().take(200).collect()
}

/// Size of a tool's answer: of its text, where it is one text.
pub(super) fn content_bytes(content: &str) -> u64 {
    let bytes = serde_json::from_str::<Cow<'_, str>>(content).map_or(content.len(), |text| text.len());
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What one invocation consumed, and the one model that did it.
///
/// The two places that say it each know less than the other in some runs: `usage` forgets calls that were cut, the
/// table by model forgets calls that were repeated. The larger is nearer to what is charged.
pub(super) fn usage(line: &Line<'_>) -> Option<(Usage, UsageSource, Option<String>)> {
    let count = |value: Option<&Value>, key: &str| {
        value.and_then(|value| value.get(key)).and_then(Value::as_u64).unwrap_or(0)
    };
    let whole = line.usage.as_ref().filter(|usage| usage.is_object());
    let mut usage = Usage {
        input: count(whole, "input_tokens"),
        output: count(whole, "output_tokens"),
        cache_read: count(whole, "cache_read_input_tokens"),
        cache_write: count(whole, "cache_creation_input_tokens"),
        // Cumulative over the session when it was resumed, and so only where nothing better is said.
        usd: line.total_cost_usd.as_ref().and_then(Value::as_f64),
    };
    // Where there is a sum, as Qwen Code's, the input includes what was read from a cache.
    if whole.is_some_and(|whole| whole.get("total_tokens").is_some()) {
        usage.input = usage.input.saturating_sub(usage.cache_read);
    }
    let mut model = None;
    if let Some(Value::Object(models)) = &line.model_usage_since_last_result {
        let sum = |key: &str| models.values().map(|row| count(Some(row), key)).fold(0, u64::saturating_add);
        usage.input = usage.input.max(sum("inputTokens"));
        usage.output = usage.output.max(sum("outputTokens"));
        usage.cache_read = usage.cache_read.max(sum("cacheReadInputTokens"));
        usage.cache_write = usage.cache_write.max(sum("cacheCreationInputTokens"));
        let costs: Vec<Option<f64>> =
            models.values().map(|row| row.get("costUSD").and_then(Value::as_f64)).collect();
        // One model without a price makes the sum unknown, not smaller.
        usage.usd = costs.into_iter().try_fold(0.0, |sum, cost| Some(sum + cost?));
        if models.len() == 1 {
            model = models.keys().next().cloned();
        }
    } else if whole.is_none() && usage.usd.is_none() {
        return None;
    }
    Some((usage, UsageSource::Provider, model))
}

/// Of a `rate_limit_event`: whether the limit is hit, when it resets, and which one it is.
pub(super) fn limit(line: &Line<'_>) -> (bool, Option<Timestamp>, Option<String>) {
    let info = line.rate_limit_info.as_ref();
    let field = |key: &str, flat: Option<&Value>| info.and_then(|info| info.get(key)).or(flat).cloned();
    let rejected = field("status", line.status.as_ref()).is_some_and(|status| status == "rejected");
    let at = field("resetsAt", line.resets_at.as_ref()).and_then(|at| {
        at.as_i64().and_then(|at| Timestamp::from_second(at).ok()).or_else(|| at.as_str()?.parse().ok())
    });
    (rejected, at, text(field("rateLimitType", line.rate_limit_type.as_ref()).as_ref()))
}
