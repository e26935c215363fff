//! The shapes of Codex' lines, as far as they are read. Fields whose type may change are taken as any value, so that one
//! odd field never costs the whole line.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::event::Usage;

/// A line.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) thread_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) item: Option<Item<'a>>,
    pub(super) message: Option<Value>,
    pub(super) error: Option<Value>,
    pub(super) usage: Option<Value>,
}

/// Something that the model or the agent did.
#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) status: Option<Value>,
    pub(super) text: Option<Value>,
    pub(super) message: Option<Value>,
    pub(super) command: Option<Value>,
    pub(super) aggregated_output: Option<Value>,
    pub(super) exit_code: Option<Value>,
    pub(super) changes: Option<Value>,
    pub(super) server: Option<Value>,
    pub(super) tool: Option<Value>,
    pub(super) arguments: Option<Value>,
    pub(super) result: Option<Value>,
    pub(super) query: Option<Value>,
    pub(super) prompt: Option<Value>,
}

/// How much of what a tool call is about is shown, characters.
const ABOUT: usize = 200;

impl Item<'_> {
    /// The name of a tool, in the form in which MCP tools are named everywhere.
    pub(super) fn tool_name(&self) -> String {
        match (text(self.server.as_ref()), text(self.tool.as_ref())) {
            (Some(server), Some(tool)) => format!("mcp__{server}__{tool}"),
            (None, Some(tool)) => tool.to_owned(),
            _ => self.kind.as_deref().unwrap_or_default().to_owned(),
        }
    }

    /// What a tool call is about, at most 200 characters.
    pub(super) fn about(&self) -> String {
        let said = if let Some(text) =
            [&self.command, &self.query, &self.prompt].into_iter().find_map(|value| text(value.as_ref()))
        {
            text.to_owned()
        } else if let Some(Value::Array(changes)) = &self.changes {
            let paths: Vec<&str> = changes.iter().filter_map(|change| change.get("path")?.as_str()).collect();
            paths.join(", ")
        } else {
            self.arguments.as_ref().map(Value::to_string).unwrap_or_default()
        };
        said.chars().take(ABOUT).collect()
    }

    /// Whether a tool did what it was asked to.
    pub(super) fn worked(&self) -> bool {
        let code = self.exit_code.as_ref().and_then(Value::as_i64);
        text(self.status.as_ref()).is_none_or(|status| status == "completed")
            && code.is_none_or(|code| code == 0)
    }

    /// Size of a tool's answer, bytes.
    pub(super) fn answer_bytes(&self) -> u64 {
        let bytes = match (text(self.aggregated_output.as_ref()), &self.result) {
            (Some(output), _) => output.len(),
            (None, Some(result)) if !result.is_null() => result.to_string().len(),
            _ => 0,
        };
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// A value that is a text.
pub(super) fn text(value: Option<&Value>) -> Option<&str> {
    value?.as_str()
}

/// What a thread has consumed since it began, as `turn.completed` says: input includes what went to and came from a
/// cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
}

impl Total {
    /// Reads it; `None` when it is not there.
    pub(super) fn read(usage: &Value) -> Option<Self> {
        let count = |key: &str| usage.get(key).and_then(Value::as_u64);
        Some(Self {
            input: count("input_tokens")?,
            output: count("output_tokens")?,
            cache_read: count("cached_input_tokens").unwrap_or(0),
            cache_write: count("cache_write_input_tokens").unwrap_or(0),
        })
    }

    /// What was consumed since `before`. `None` when nothing was, which no turn can do and so means that the provider
    /// did not say, or when the total has shrunk and so means something else.
    pub(super) fn since(self, before: Self) -> Option<Usage> {
        let input = self.input.checked_sub(before.input)?;
        let cache_read = self.cache_read.checked_sub(before.cache_read)?.min(input);
        let cache_write = self.cache_write.checked_sub(before.cache_write)?.min(input - cache_read);
        let output = self.output.checked_sub(before.output)?;
        let usage =
            Usage { input: input - cache_read - cache_write, output, cache_read, cache_write, usd: None };
        (!usage.is_empty()).then_some(usage)
    }
}
