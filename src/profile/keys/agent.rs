//! `[agent]`: what drives a profile, and what it may use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Fallback;
use crate::profile::element::Argv;

/// `[agent]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// What runs: `claude`, `codex`, `opencode`, `gemini`, `aider`, `acp`, `command`, `chat`, `opencode-server` or `scripted`.
    pub harness: String,
    /// `provider/model`; optional where the harness has a default of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A table of `[endpoints]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// That it costs nothing, and need not report any usage: a script, or a model on a machine of one's own. What nobody
    /// reported is unknown of every other agent, and `certify` takes no answers of such for evidence; of this one it is nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// Context that the model takes, tokens; absent means that it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// What is tried when the primary fails, in order: models, or tables; an empty list means nothing. A model's name alone
    /// is that model on the primary's harness and endpoint.
    #[serde(default, deserialize_with = "super::fallback::chain")]
    #[schemars(schema_with = "super::fallback::schema")]
    pub fallback: Vec<Fallback>,
    /// Models that may be used, those of the chain included; empty means any.
    #[serde(default)]
    pub allowed_models: Vec<String>,
    /// The program and its arguments, for `command`; the binary, for a known harness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Argv>,
    /// The script of the `scripted` harness, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<PathBuf>,
    /// How the prompt reaches a command; absent means the harness's own way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_via: Option<PromptVia>,
    /// How a command's output is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Extra arguments, appended.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables set for the agent.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables of the caller that reach the agent, besides those that the harness needs for its credentials.
    pub inherit_env: Vec<String>,
    /// What the agent may do without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Tools of the chat harness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Turns of one round, at most; absent means 50 for the chat harness, and no ceiling for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// MCP servers by name, whose tools the agent gets. Our own loop calls them `mcp__NAME__TOOL`, ends the attempt when
    /// one is not ready within `round.first_event`, and takes a call back after `round.tool`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mcp: BTreeMap<String, McpServer>,
    /// The server of the `opencode-server` harness; absent means that provost starts one and stops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

/// `[agent.mcp.NAME]`: exactly one of `command` and `url`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpServer {
    /// A program that speaks MCP over its standard input and output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Argv>,
    /// Variables set for that program, besides those of the agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The address of a server that speaks MCP over streamable HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Name of the variable that holds the bearer token of `url`; never the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
}

/// `[agent.server]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where it is: `http://127.0.0.1:4096`. On this machine its agent works in the workspace, elsewhere where the server
    /// was started.
    pub url: String,
    /// The user name it asks for; absent means `opencode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Name of the variable that holds its password; never the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
}

/// `[agent] prompt_via`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromptVia {
    /// Written to standard input, which is then closed.
    Stdin,
    /// The last argument, or in place of `{prompt}`.
    Argv,
    /// A file whose path is the last argument, or in place of `{prompt_file}`.
    File,
}

/// `[agent] protocol`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Standard output is the answer; success is exit code 0 and a text.
    Text,
    /// JSON lines as `claude -p --output-format stream-json` prints them.
    ClaudeStreamJson,
    /// JSON lines as `codex exec --json` prints them.
    CodexJson,
    /// JSON lines as `opencode run --format json` prints them.
    OpencodeJson,
    /// JSON lines as `gemini -o stream-json` prints them.
    GeminiStreamJson,
}

/// `[agent] permissions`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Permissions {
    /// Everything, without asking.
    Bypass,
    /// Edits of files, without asking.
    AcceptEdits,
    /// Nothing that changes anything.
    ReadOnly,
}

/// A tool of the chat harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// Reads a file.
    Read,
    /// Writes a file.
    Write,
    /// Replaces a text in a file.
    Edit,
    /// Lists a directory.
    List,
    /// Runs a shell command.
    Shell,
}
