//! The vocabulary that the engine speaks and that the journal and every report understand.
//!
//! **Invariant: data only.** An event owns what it says, is serde in and out, and means the same when it is read back
//! years later: no channels, no handles, no paths that only mean something while the run is alive.
//!
//! The life of a run, as a grammar (`?` at most once, `*` any number, `|` one of):
//!
//! ```text
//! run      = run.started (round | check | wait | alert | stop | run.resumed)* run.ended
//! round    = round.started attempt (wait? attempt)* round.ended
//! attempt  = attempt.started prompt.sent* wait? agent.spawned?
//!            (attempt.accepted | fallback.switched | turn | tool | usage | retry | wait)*
//!            agent.exited? (attempt.finished | attempt.failed)
//! turn     = turn.ended
//! tool     = tool.called tool.returned
//! check    = check.started check.ended
//! wait     = wait.started wait.ended
//! grid     = run.started (treatment.started? treatment.applied)* plan.fixed cases.fixed* (cell.started | cell.ended | cell.scored)*
//!            verdict.reached? run.ended              (of a run of many cells; `root.c*` events of cells in between,
//!                                                     and `shard.merged` behind what was taken over of a shard)
//! shard    = shard.started run.started (cell.started | cell.ended | cell.scored)* run.ended
//! stop     = stop.requested stop.acknowledged          (also within a round, a check and a wait)
//! ```
//!
//! A killed run stops anywhere in this grammar; `run.resumed` says what was cut and what was in doubt.

mod failure;
mod id;
mod kind;
mod live;
mod outcome;
mod record;
mod sheet;
mod tally;
mod usage;
mod verdict;

pub use failure::{Failure, FaultClass, FaultScope};
pub use id::{
    ArmName, AttemptNumber, CaseId, CellIndex, Hashing, NodeId, PhaseName, RequestId, RoundNumber, RunId,
    ScoreName, Seq, SessionId, Sha256, ShardName, ToolId, Trial, TurnNumber,
};
pub use kind::{
    AgentExited, AgentSpawned, AlertCleared, AlertRaised, ArmFixed, ArmRole, AttemptAccepted, AttemptFailed,
    AttemptFinished, AttemptRetrying, AttemptStarted, BudgetCeilings, BudgetCommitted, BudgetRefused,
    BudgetReserved, CaseFixed, CasesFixed, CellEnded, CellScored, CellStarted, CheckEnded, CheckStarted,
    DefenseActed, ExitCause, Expected, FallbackSwitched, HostSampled, Kind, LogsPruned, Missing,
    MissingReason, Opening, Origin, PhaseSkipped, PlanFixed, PromptPart, PromptSent, Provenance, RoundEnded,
    RoundStarted, RunEnded, RunResumed, RunStarted, Scored, Scores, ShardMerged, ShardStarted,
    SteerAcknowledged, SteerRequested, StopAcknowledged, StopRequested, TextDelta, ToolCalled, ToolReturned,
    TreatmentApplied, TreatmentStarted, TreeSettled, TurnEnded, UsageReported, VerdictReached, WaitEnded,
    WaitStarted, billed, is_output_limit,
};
pub use live::{Deadline, Live};
pub use outcome::{
    RoundOutcome, RunOutcome, Severity, Spend, SteerEffect, StopEffect, TreeAction, WaitCause,
};
pub use record::{Record, Stored};
pub use sheet::{ArmTotals, Cases, Mark, Marks, Place, PlannedCase, Row, Sheet};
pub use tally::{
    ArmCells, Cells, CheckSummary, Conversation, Deed, GoneCell, Limited, OpenAlert, OpenRound, OpenSteer,
    OpenTool, Outcomes, Phase, RoundSummary, Streak, Tally, Turn, blur,
};
pub use usage::{Usage, UsageSource};
pub use verdict::{
    Agreement, ArmFigures, CandidateFigures, Certified, ClaimFigures, Estimate, GateFixed, GateMode, Reason,
    Reliability, SliceFigures, Verdict,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Place in the journal, without gaps.
    pub seq: Seq,
    /// When the engine stamped it; UTC, milliseconds.
    pub at: Timestamp,
    /// Which agent of the run it is about.
    pub node: NodeId,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}
