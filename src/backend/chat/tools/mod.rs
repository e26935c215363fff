//! The tools of the loop. Whatever goes wrong in one is told to the model as text; it never ends the attempt.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::conversation::ToolSpec;
use super::mcp::McpTools;
use crate::backend::Link;
use crate::profile::Tool;

mod edit;
mod list;
mod path;
mod read;
mod shell;
mod write;

#[cfg(test)]
mod tests;

pub use shell::{NoShell, Running, Shell, ShellCall, ShellOutput};

/// Bytes that one tool call may add to the conversation.
pub(super) const OUTPUT_LIMIT: usize = 64 * 1024;

/// A tool's answer as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToolAnswer {
    /// Whether it worked.
    pub(super) ok: bool,
    /// The text; begins with `ERROR: ` when it did not work.
    pub(super) text: String,
}

impl ToolAnswer {
    /// An answer that says what went wrong.
    pub(super) fn error(text: &str) -> Self {
        Self { ok: false, text: format!("ERROR: {text}") }
    }
}

impl From<Result<String, String>> for ToolAnswer {
    fn from(result: Result<String, String>) -> Self {
        match result {
            Ok(text) => Self { ok: true, text },
            Err(text) => Self::error(&text),
        }
    }
}

/// The tools that a model is offered, in one workspace.
pub(super) struct Toolbox {
    tools: Vec<Tool>,
    root: PathBuf,
    shell: Arc<dyn Shell>,
    timeout: Duration,
    mcp: McpTools,
}

impl Toolbox {
    /// Offers `tools` below `root`.
    pub(super) fn new(tools: Vec<Tool>, root: PathBuf, shell: Arc<dyn Shell>, timeout: Duration) -> Self {
        Self { tools, root, shell, timeout, mcp: McpTools::default() }
    }

    /// Offers the tools of MCP servers as well.
    pub(super) fn add(&mut self, mcp: McpTools) {
        self.mcp = mcp;
    }

    /// Whether the order to stop cuts a call of this tool short, so that what it returns then is no result.
    pub(super) fn is_cut(&self, name: &str) -> bool {
        name == word(Tool::Shell) || self.mcp.has(name)
    }

    /// Ends what the tools have started.
    pub(super) async fn close(&mut self, link: &Link) {
        self.mcp.close(link).await;
    }

    /// The tools as a model is told of them.
    pub(super) fn specs(&self) -> Vec<ToolSpec> {
        self.tools.iter().map(|tool| describe(*tool)).chain(self.mcp.offers().iter().cloned()).collect()
    }

    /// Runs one call. `again` says that the same call may have run before an interruption.
    pub(super) async fn run(&self, name: &str, arguments: &str, again: bool, link: &Link) -> ToolAnswer {
        if self.mcp.has(name) {
            return self.mcp.call(name, arguments, link).await;
        }
        let Some(tool) = self.tools.iter().copied().find(|tool| word(*tool) == name) else {
            let own = self.tools.iter().map(|tool| word(*tool));
            let known: Vec<&str> = own.chain(self.mcp.names()).collect();
            return ToolAnswer::error(&format!("there is no tool `{name}`; there are: {}", known.join(", ")));
        };
        let root = self.root.clone();
        match tool {
            Tool::Read => on_disk(tool, arguments, move |given| read::run(&root, given)).await,
            Tool::Write => on_disk(tool, arguments, move |given| write::run(&root, given)).await,
            Tool::Edit => on_disk(tool, arguments, move |given| edit::run(&root, given, again)).await,
            Tool::List => on_disk(tool, arguments, move |given| list::run(&root, given)).await,
            Tool::Shell => match parse(tool, arguments) {
                Ok(given) => {
                    shell::run(self.shell.as_ref(), &self.root, self.timeout, &given, link).await.into()
                }
                Err(error) => ToolAnswer::error(&error),
            },
        }
    }
}

/// What a call is about, in one short line.
pub(super) fn about(arguments: &str) -> String {
    let value: Value = serde_json::from_str(arguments).unwrap_or(Value::Null);
    let text = value.get("path").or_else(|| value.get("command")).and_then(Value::as_str).unwrap_or_default();
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// Cuts a text to `limit` bytes and says so. The end is kept as well: that is where errors are.
pub(super) fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(limit / 2);
    let tail = text.ceil_char_boundary(text.len() - limit / 2);
    format!("{}\n[cut: {} bytes]\n{}", &text[..head], tail - head, &text[tail..])
}

/// File systems can block; the engine's thread must not.
async fn on_disk<A, F>(tool: Tool, arguments: &str, run: F) -> ToolAnswer
where
    A: DeserializeOwned + Send + 'static,
    F: FnOnce(&A) -> Result<String, String> + Send + 'static,
{
    let given: A = match parse(tool, arguments) {
        Ok(given) => given,
        Err(error) => return ToolAnswer::error(&error),
    };
    match tokio::task::spawn_blocking(move || run(&given)).await {
        Ok(result) => result.into(),
        Err(error) => ToolAnswer::error(&format!("the tool failed: {error}")),
    }
}

fn parse<A: DeserializeOwned>(tool: Tool, arguments: &str) -> Result<A, String> {
    // Some models send nothing at all for a call without arguments.
    let text = if arguments.trim().is_empty() { "{}" } else { arguments };
    serde_json::from_str(text).map_err(|error| {
        format!("the arguments of `{}` are not valid: {error}; expected: {}", word(tool), parameters(tool))
    })
}

/// Opens a regular file; a pipe or a device would never end.
fn open_file(file: &Path, given: &str) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("`{given}`: {error}");
    if !std::fs::metadata(file).map_err(failed)?.is_file() {
        return Err(format!("`{given}` is not a regular file"));
    }
    File::open(file).map_err(failed)
}

fn word(tool: Tool) -> &'static str {
    match tool {
        Tool::Read => "read",
        Tool::Write => "write",
        Tool::Edit => "edit",
        Tool::List => "list",
        Tool::Shell => "shell",
    }
}

fn describe(tool: Tool) -> ToolSpec {
    let description = match tool {
        Tool::Read => "Reads a text file of the workspace, or a range of its lines.",
        Tool::Write => "Writes a whole file of the workspace; parent directories are created.",
        Tool::Edit => "Replaces a text in a file. The old text must be in the file exactly once.",
        Tool::List => "Lists a directory of the workspace; directories end in `/`, links in `@`.",
        Tool::Shell => "Runs a command with `sh -c` in the workspace and returns its output.",
    };
    ToolSpec {
        name: word(tool).to_owned(),
        description: description.to_owned(),
        parameters: parameters(tool),
    }
}

fn parameters(tool: Tool) -> Value {
    let path = json!({ "type": "string", "description": "relative to the workspace" });
    let text = json!({ "type": "string" });
    let count = json!({ "type": "integer", "minimum": 1 });
    let (properties, required) = match tool {
        Tool::Read => (json!({ "path": path, "offset": count, "limit": count }), json!(["path"])),
        Tool::Write => (json!({ "path": path, "content": text }), json!(["path", "content"])),
        Tool::Edit => (json!({ "path": path, "old": text, "new": text }), json!(["path", "old", "new"])),
        Tool::List => (json!({ "path": path }), json!([])),
        Tool::Shell => (json!({ "command": text }), json!(["command"])),
    };
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
