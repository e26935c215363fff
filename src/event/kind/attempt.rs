//! What one try of a round is about: prompts, the agent, its turns and tools, and the waits between tries.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{
    AttemptNumber, Failure, RoundNumber, SessionId, Sha256, ToolId, TurnNumber, Usage, UsageSource, WaitCause,
};

/// Which part of a request a prompt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptPart {
    /// The system prompt.
    System,
    /// What the user says: files, context and the task.
    User,
    /// The list of tools, as JSON.
    Tools,
    /// The whole conversation of a later turn, as JSON.
    Conversation,
    /// An image that goes along with what the user says; `blobs/<sha256>` holds it.
    Image,
}

/// On whose behalf a prompt is sent. A field of its own, so that no text can be taken for what it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// The task, as the user gave it, with what belongs to it.
    #[default]
    User,
    /// A supervisor speaks.
    Supervisor,
    /// Provost itself, to have a turn go on that a fault has cut: no turn of the user.
    Internal,
}

/// How the conversation of an attempt begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// As the round begins: with the user's turn, and nothing of an earlier attempt.
    #[default]
    Fresh,
    /// Our own loop goes on from the steps that are on record; none of them is paid or run again.
    Carried,
    /// The agent goes on with its own session, told so by a prompt that is no turn of the user.
    Resumed,
    /// A conversation of its own that begins with the user's turn and a summary of what was done.
    Retold,
}

/// A text is about to be sent; `prompts/<sha256>.txt` holds it already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptSent {
    /// Names the file.
    pub sha256: Sha256,
    /// Its size.
    pub bytes: u64,
    /// Who gets it: harness, and model where one is named.
    pub target: String,
    /// Which part of the request.
    pub part: PromptPart,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "is_default")]
    pub origin: Provenance,
    /// How many secret values were replaced in the stored copy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redacted: u64,
}

/// The agent process runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentSpawned {
    /// Its process id, which is also its process group.
    pub pid: u32,
    /// The program, without its arguments: they may hold what is nobody's business.
    pub program: String,
    /// The raw transcript, relative to the run directory.
    pub transcript: String,
}

/// What ended the agent process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// By itself, with code 0.
    Clean,
    /// By itself, with another code.
    Error,
    /// A signal that provost did not send.
    Signal,
    /// Ended by provost: a deadline.
    Deadline,
    /// Ended by provost: it lingered after its result.
    Lingered,
    /// Ended by provost: a person or a budget said stop.
    Stopped,
}

/// The agent process is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentExited {
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Who ended it.
    pub cause: ExitCause,
    /// How long it ran, milliseconds.
    pub duration_ms: u64,
    /// Bytes of its transcript.
    pub transcript_bytes: u64,
    /// Processes it left behind that had to be killed, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<String>,
    /// How many secret values were replaced in the transcript.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redacted: u64,
}

/// One try of the round's request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// Its round.
    pub round: RoundNumber,
    /// Its number in the round.
    pub attempt: AttemptNumber,
    /// The model it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The session it continues, or that was chosen for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Its place in the chain: 0 is the primary, 1 the first fallback.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub candidate: u64,
    /// How its conversation begins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub opening: Opening,
}

/// The turn goes on with another candidate of the chain, and that one has taken the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FallbackSwitched {
    /// What it leaves: harness and model.
    pub from: String,
    /// What it goes on with.
    pub to: String,
    /// The class of the failure that led to it, or `restored` for the way back to the primary.
    pub why: String,
    /// The place of `to` in the chain.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub candidate: u64,
}

/// The other side has taken the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptAccepted {
    /// The session, as the harness names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The model that really answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Name and version of the agent, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// The agent's own retry loop is at work; never success, never terminal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRetrying {
    /// Its count.
    pub attempt: u64,
    /// How long it means to wait, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The HTTP status it met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its own words.
    pub evidence: String,
}

/// The attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptFailed {
    /// Its number in the round.
    pub attempt: AttemptNumber,
    /// The classified failure.
    #[serde(flatten)]
    pub failure: Failure,
    /// The blob with what the agent had said until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_sha256: Option<Sha256>,
}

/// The attempt succeeded: an explicit terminal event and a meaningful payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptFinished {
    /// Its number in the round.
    pub attempt: AttemptNumber,
    /// Why the agent stopped, in its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// The blob that holds the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_sha256: Option<Sha256>,
}

impl AttemptFinished {
    /// Whether its answer was cut at the output limit.
    pub fn is_cut(&self) -> bool {
        self.stop_reason.as_deref().is_some_and(is_output_limit)
    }
}

/// Whether a model says by this word that it was cut at the output limit: the words of all APIs.
pub fn is_output_limit(stop_reason: &str) -> bool {
    matches!(stop_reason, "length" | "max_tokens" | "max_output_tokens")
}

/// Text as it streams. Never journaled; the transcript has it and the journal has the turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextDelta {
    /// The text.
    pub text: String,
}

/// One model inference has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnEnded {
    /// Its number in the attempt.
    pub turn: TurnNumber,
    /// The blob that holds the whole message, tool calls included; a resume reads it instead of asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_sha256: Option<Sha256>,
    /// The beginning of its text, at most 280 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub preview: String,
    /// How many tools it calls.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tool_calls: u64,
    /// What it consumed, where each turn is reported by itself; paid, and so part of the same line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Where those figures come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<UsageSource>,
}

/// A tool is about to run, or runs inside the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCalled {
    /// The call.
    pub id: ToolId,
    /// The tool.
    pub name: String,
    /// What it is about: a path, a command, a pattern; at most 200 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
}

/// A tool has answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolReturned {
    /// The call.
    pub id: ToolId,
    /// Whether it worked.
    pub ok: bool,
    /// Size of its answer.
    pub bytes: u64,
    /// The blob that holds the answer, where provost ran the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_sha256: Option<Sha256>,
}

/// Somebody said what was consumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageReported {
    /// The figures.
    #[serde(flatten)]
    pub usage: Usage,
    /// Where they come from.
    pub source: UsageSource,
    /// The model they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A wait begins; it can be seen and cut short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitStarted {
    /// Why.
    pub reason: String,
    /// Until when, at the latest.
    pub until: Timestamp,
    /// What kind of wait it is, where it is one between rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<WaitCause>,
}

/// A wait is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitEnded {
    /// Whether it ran to its end.
    pub complete: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
