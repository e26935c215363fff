//! The shapes of Gemini CLI's lines, as far as they are read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::backend::price::listed;
use crate::event::{Usage, UsageSource};
use crate::profile::element::Price;

#[derive(Default, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) session_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) tool_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) tool_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
    pub(super) output: Option<Value>,
    pub(super) error: Option<Value>,
    pub(super) message: Option<Value>,
    pub(super) stats: Option<Value>,
}

/// A piece of what is said: nearly every line is one, and so it is read without the rest.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Cow<'a, str>,
}

/// Who says what, if the line is a piece of that in the form that we know.
pub(super) fn said(line: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    if !line.starts_with(r#"{"type":"message","#) {
        return None;
    }
    let Said { role, content } = serde_json::from_str(line).ok()?;
    Some((role, content))
}

impl Line<'_> {
    /// Type and words of a result's error.
    pub(super) fn failure(&self) -> (Option<String>, Option<String>) {
        let word = |key: &str| Some(self.error.as_ref()?.get(key)?.as_str()?.to_owned());
        (word("type"), word("message"))
    }

    /// What an `error` event says, whatever its severity.
    pub(super) fn complaint(&self) -> Option<String> {
        self.message.as_ref()?.as_str().map(str::to_owned)
    }
}

/// The keys that say what a tool call is about, the most telling first.
const ABOUT: [&str; 8] = ["file_path", "path", "dir_path", "pattern", "command", "url", "query", "prompt"];

/// What a tool call is about, at most 200 characters.
pub(super) fn about(input: &str) -> String {
    let Ok(Value::Object(input)) = serde_json::from_str::<Value>(input) else { return String::new() };
    let said = ABOUT.iter().find_map(|key| input.get(*key)?.as_str()).unwrap_or_default();
    said.chars().take(200).collect()
}

/// What a line that was cut still says: which tool has answered.
pub(super) fn cut_tool_result(line: &str) -> Option<String> {
    let rest = line.strip_prefix(r#"{"type":"tool_result""#)?;
    let rest = &rest[rest.find(r#""tool_id":""#)? + r#""tool_id":""#.len()..];
    Some(rest[..rest.find('"')?].to_owned())
}

/// The figures of a run.
#[derive(Debug)]
pub(super) struct Stats {
    pub(super) usage: Usage,
    /// The model that consumed most.
    pub(super) model: Option<String>,
    models: Vec<(String, Usage)>,
}

impl Stats {
    pub(super) fn read(stats: &Value) -> Self {
        let models: Vec<(String, Usage)> = stats
            .get("models")
            .and_then(Value::as_object)
            .map(|models| models.iter().map(|(name, row)| (name.clone(), usage(row))).collect())
            .unwrap_or_default();
        let size = |usage: &Usage| usage.charged_tokens().saturating_add(usage.cache_read);
        let model = models.iter().max_by_key(|(_, usage)| size(usage)).map(|(name, _)| name.clone());
        Self { usage: usage(stats), model, models }
    }

    /// With dollars: nothing costs nothing; else what the list says, if it has every model.
    pub(super) fn priced(&self, prices: &BTreeMap<String, Price>) -> (Usage, UsageSource) {
        if self.usage.is_empty() {
            return (Usage { usd: Some(0.0), ..self.usage }, UsageSource::Provider);
        }
        let each = self.models.iter().filter(|(_, usage)| !usage.is_empty());
        let usd = each.map(|(model, usage)| listed(prices, model, usage)).collect::<Option<Vec<f64>>>();
        match usd.filter(|parts| !parts.is_empty()) {
            Some(parts) => (Usage { usd: Some(parts.iter().sum()), ..self.usage }, UsageSource::Priced),
            None => (self.usage, UsageSource::Provider),
        }
    }
}

/// One row of figures. Output is what the total has beyond the input, for the CLI leaves thoughts out of its own sum.
fn usage(row: &Value) -> Usage {
    let count = |key: &str| row.get(key).and_then(Value::as_u64).unwrap_or(0);
    let (prompt, cached) = (count("input_tokens"), count("cached"));
    let thoughts_and_words = count("total_tokens").saturating_sub(prompt);
    let fresh = row.get("input").and_then(Value::as_u64);
    Usage {
        input: fresh.unwrap_or_else(|| prompt.saturating_sub(cached)),
        output: count("output_tokens").max(thoughts_and_words),
        cache_read: cached,
        cache_write: 0,
        usd: None,
    }
}
