//! Every key of a profile, typed: the one definition that the loader, the JSON schema and `provost-profile(5)` share.
//!
//! Defaults are not here but in `default.toml`, which is a profile like any other and the lowest layer of each.
//! An `Option` therefore means that absence has a meaning of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::element::{Argv, Period, Price};

mod agent;
mod fallback;
mod suite;
mod supervise;

pub use agent::{Agent, McpServer, Permissions, PromptVia, Protocol, Server, Tool};
pub use fallback::{Fallback, Without};
pub use suite::{
    Cases, Compare, Gate, GateMode, Score, ScoreKind, ScoreOptions, Split, Suite, SuiteBudget, Treatment,
    Trials,
};
pub use supervise::{
    Alarm, Backoff, Detect, Driver, GiveUp, Host, Member, OnLimit, PhaseKeys, PhasePolicy, Schedule,
    Supervise, Until,
};

/// A profile: the whole agent as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of this file format; must be 1.
    pub schema: u32,
    /// Name of the profile, for people and reports.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A file to layer this one over, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// What drives the profile.
    pub agent: Agent,
    /// Settings of the model; refused where the harness cannot send them.
    #[serde(default)]
    pub model: ModelSettings,
    /// What is said to the agent before the task.
    pub prompt: Prompt,
    /// The independent completion oracle; absent means a settled round is the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// Ceilings of the whole run.
    #[serde(default)]
    pub budget: Budget,
    /// Deadlines of one round.
    pub round: Round,
    /// What happens after a fault.
    pub retry: Retry,
    /// Where the agent works.
    pub workspace: Workspace,
    /// How rounds relate to each other's conversation.
    pub lineage: Lineage,
    /// How events are received, where the harness has more than one way.
    pub stream: Stream,
    /// Model endpoints by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Prices by `provider/model`; what the provider reports wins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prices: BTreeMap<String, Price>,
    /// How `provost supervise` drives this profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervise: Option<Supervise>,
}

/// `[model]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Ceiling of one answer, tokens; over `anthropic`, which takes no request without, 8192 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// 0 to 2; to 1 over `anthropic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// `minimal`, `low`, `medium`, `high`, as the provider knows them; refused over `anthropic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Sent to providers that draw with it; refused over `anthropic` and `openai-responses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// `[prompt]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// The system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A file that holds the system prompt, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_file: Option<PathBuf>,
    /// Files that precede the task, relative to this file; front matter of the first is stripped.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// How the task is put to the agent, as a template (minijinja, the language of Jinja) in which `{{ input }}` is the task and
    /// any other name is an error. In a suite it stands in place of `cases.template`, and all fields of the case have their
    /// names. What precedes the task is no part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A file that holds the template, relative to this file; read when the run begins, and when it is taken up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_file: Option<PathBuf>,
    /// Images that go along with the task, relative to this file: PNG, JPEG, GIF or WebP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<PathBuf>,
    /// Where the context block of a later round goes.
    pub context: Context,
}

/// `[prompt] context`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// In front of the prompt.
    Prepend,
    /// Into a file that the prompt names.
    File,
    /// Nowhere.
    None,
}

/// `[check]`: exactly one of the kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Exit code 0 means delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Argv>,
    /// The agent's answer must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// The agent's answer must contain this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// The agent's answer must be JSON of this form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonCheck>,
    /// How long the check may take.
    pub timeout: Option<Period>,
}

/// `[check] json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonCheck {
    /// A JSON schema file, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<PathBuf>,
    /// Dotted path of a value that must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the value at `path` must equal, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
}

/// `[budget]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Rounds; `run` does one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u64>,
    /// Fresh input, cache writes and output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Dollars; with it, spend of unknown price stops the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Wall time of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<Period>,
}

/// `[round]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// Hard wall; activity never extends it.
    pub timeout: Period,
    /// Something must come within this time.
    pub first_event: Period,
    /// No event and no tool in flight for this long.
    pub stall: Period,
    /// One tool call.
    pub tool: Period,
    /// From TERM to KILL.
    pub grace: Period,
    /// The process lingers after its result and has no live worker.
    pub grace_after_result: Period,
}

/// `[retry]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Retries of one request on the same entry of the chain, 0 to 10, for what goes away by itself.
    pub same_model: u32,
    /// Steps along `agent.fallback` in one turn of the user, 0 to 20; 0 leaves the chain alone.
    pub max_fallbacks: u32,
    /// What one turn of the user may spend on waits, those of the agent's own retries included. A time that a server names is
    /// waited out within it; a longer one moves on along the chain.
    pub wait: Period,
    /// Whether the next turn of the user begins with the primary again, once that has cooled down; else it begins where
    /// the one before ended.
    pub restore_primary: bool,
}

/// `[workspace]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// Where the agent works, relative to the caller's directory.
    pub dir: PathBuf,
    /// How the work is kept apart from the caller's tree.
    pub isolation: Isolation,
    /// How the agent is confined.
    pub sandbox: Sandbox,
    /// What a round of `supervise` leaves behind.
    pub dirty: Dirty,
}

/// `[workspace] isolation`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// In place.
    None,
    /// A git worktree.
    Worktree,
    /// A copy.
    Copy,
    /// An overlay mount.
    Overlay,
}

/// `[workspace] sandbox`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// Not at all.
    None,
    /// Landlock rules.
    Landlock,
    /// Bubblewrap.
    Bwrap,
}

/// `[workspace] dirty`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dirty {
    /// Stashed by commit id.
    Stash,
    /// Left as it is.
    Ignore,
    /// Committed.
    Commit,
}

/// `[lineage]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// Whether a later round continues the conversation of the one before.
    pub session: SessionPolicy,
    /// Whether sessions are forked.
    pub fork: Fork,
}

/// `[lineage] session`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionPolicy {
    /// Each round starts a conversation of its own.
    Fresh,
    /// A later round continues the one before.
    Continue,
}

/// `[lineage] fork`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fork {
    /// Never.
    Off,
    /// Where the harness can.
    Prefer,
    /// Refused where the harness cannot.
    Require,
}

/// `[stream]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// `sse` follows live; `poll` dispatches and detaches.
    pub mode: StreamMode,
}

/// `[stream] mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StreamMode {
    /// Live.
    Sse,
    /// Detached.
    Poll,
}

/// `[endpoints.NAME]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The protocol it speaks.
    pub api: Api,
    /// Where it is, with the version path the protocol has: `http://127.0.0.1:8080/v1`.
    pub base_url: String,
    /// Name of the variable that holds the key; never the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Requests in flight, at most, from 1 on: those of all runs of this user with the same address and key together. For
    /// the `chat` harness; such an endpoint is not started slowly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// Requests per minute, at most, from 1 on: in any minute, and those of all runs of this user with the same address and
    /// key together. For the `chat` harness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u32>,
}

/// `[endpoints.NAME] api`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// Chat completions.
    #[serde(rename = "openai")]
    OpenAi,
    /// Responses.
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    /// Messages.
    Anthropic,
    /// Gemini's `generateContent`; for the `gemini` harness only.
    Gemini,
}

impl Api {
    /// The word that a profile says.
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}
