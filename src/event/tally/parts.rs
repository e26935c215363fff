//! What the fold is made of.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Turn;
use crate::event::{
    AttemptNumber, Failure, PhaseName, RequestId, RoundNumber, RoundOutcome, Seq, SessionId, Severity,
    Sha256, ToolId, TurnNumber,
};

/// A tool whose answer has not come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenTool {
    /// The call.
    pub id: ToolId,
    /// The tool.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Since when.
    pub since: Timestamp,
}

/// The round that is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenRound {
    /// Its number.
    pub round: RoundNumber,
    /// Since when.
    pub started_at: Timestamp,
    /// Seq of its `round.started`.
    pub seq: Seq,
    /// The attempt that is open, or the last one.
    pub attempt: AttemptNumber,
    /// Seq of that attempt's `attempt.started`.
    pub attempt_seq: Seq,
    /// Whether that attempt has no end on record.
    pub attempt_open: bool,
    /// Process id of the agent, while it runs.
    pub pid: Option<u32>,
    /// Its session.
    pub session: Option<SessionId>,
    /// Its session, once the harness has said that it is there.
    #[serde(default)]
    pub accepted: Option<SessionId>,
    /// Turns that have ended.
    pub turns: TurnNumber,
    /// Tools in flight.
    pub tools: Vec<OpenTool>,
    /// The last tool that was called.
    pub last_tool: Option<OpenTool>,
    /// The last words of the agent.
    pub last_words: String,
    /// When the last event of the round came.
    pub last_event_at: Timestamp,
    /// Whether usage was reported in this attempt.
    pub usage_reported: bool,
    /// The answer of the attempt that finished.
    pub output_sha256: Option<Sha256>,
    /// The failure of the attempt that failed last.
    pub failure: Option<Failure>,
    /// What the turn of the user has met so far.
    #[serde(default)]
    pub turn: Turn,
    /// The phase that it belongs to.
    #[serde(default)]
    pub phase: Option<PhaseName>,
    /// Whether it began without what earlier rounds have left in the agent's mind.
    #[serde(default)]
    pub fresh_eyes: bool,
    /// Whether anything was consumed in it, in whichever attempt.
    #[serde(default)]
    pub consumed: bool,
}

/// A check's decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckSummary {
    /// The round whose result it checked.
    pub round: RoundNumber,
    /// Whether it passed.
    pub delivered: bool,
    /// Its score.
    pub score: Option<f64>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// What it said.
    pub evidence: String,
    /// Names the failure.
    pub failure_sha256: Option<Sha256>,
}

/// A round that has settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundSummary {
    /// Its number.
    pub round: RoundNumber,
    /// When it started.
    pub started_at: Timestamp,
    /// How it ended.
    pub outcome: RoundOutcome,
    /// How long, milliseconds.
    pub duration_ms: u64,
    /// Exit code of the agent process.
    pub exit_code: Option<i32>,
    /// Turns.
    pub turns: TurnNumber,
    /// Tools called.
    pub tools: u64,
    /// Its session.
    pub session: Option<SessionId>,
    /// The blob with the answer.
    pub output_sha256: Option<Sha256>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What the check said, once it has.
    pub check: Option<CheckSummary>,
    /// The phase that it belongs to.
    #[serde(default)]
    pub phase: Option<PhaseName>,
}

/// A conversation that a later round can go on with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// The session.
    pub session: SessionId,
    /// The candidate whose session it is.
    pub candidate: u64,
}

/// A failure of the provider that a phase has met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limited {
    /// The failure.
    pub failure: Failure,
    /// The round.
    pub round: RoundNumber,
    /// When that round settled.
    pub at: Timestamp,
    /// How many in a row, this one included.
    pub in_a_row: u64,
}

/// A message for the agent that has not reached the end of a round yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenSteer {
    /// The request.
    pub id: RequestId,
    /// The message.
    pub text: String,
    /// The round whose prompt has it, once one has, or whose agent was told.
    pub round: Option<RoundNumber>,
    /// Where the journal says that the agent was told while it worked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Seq>,
}

/// An alert that has not been cleared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenAlert {
    /// Names it.
    pub alert: String,
    /// How loud.
    pub severity: Severity,
    /// What, in words.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}
