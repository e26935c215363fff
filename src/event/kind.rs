//! Every kind of event, one struct each. Kinds are `noun.verb`, additive; a kind's meaning never changes.

use serde::{Deserialize, Serialize};

mod attempt;
mod cell;
mod control;
mod run;
mod scores;
mod shard;
mod supervise;

pub use attempt::{
    AgentExited, AgentSpawned, AttemptAccepted, AttemptFailed, AttemptFinished, AttemptRetrying,
    AttemptStarted, ExitCause, FallbackSwitched, Opening, PromptPart, PromptSent, Provenance, TextDelta,
    ToolCalled, ToolReturned, TurnEnded, UsageReported, WaitEnded, WaitStarted, is_output_limit,
};
pub use cell::{
    ArmFixed, ArmRole, CaseFixed, CasesFixed, CellEnded, CellScored, CellStarted, Expected, Missing,
    MissingReason, PlanFixed, Scored, TreatmentApplied, TreatmentStarted, VerdictReached, billed,
};
pub use control::{StopAcknowledged, StopRequested};
pub use run::{
    AlertCleared, AlertRaised, BudgetCeilings, BudgetCommitted, BudgetRefused, BudgetReserved, CheckEnded,
    CheckStarted, RoundEnded, RoundStarted, RunEnded, RunResumed, RunStarted,
};
pub use scores::Scores;
pub use shard::{Origin, ShardMerged, ShardStarted};
pub use supervise::{
    DefenseActed, HostSampled, LogsPruned, PhaseSkipped, SteerAcknowledged, SteerRequested, TreeSettled,
};

macro_rules! kinds {
    ($($name:ident = $word:literal: $about:literal,)*) => {
        /// What happened. The `kind` key of a line names the variant.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Kind {
            $(
                #[doc = concat!("`", $word, "`: ", $about)]
                #[serde(rename = $word)]
                $name($name),
            )*
            /// A kind that a newer provost wrote; readers pass over it.
            #[serde(other)]
            Unknown,
        }

        impl Kind {
            /// The `noun.verb` of the kind.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $word,)*
                    Self::Unknown => "unknown",
                }
            }

            /// All words, in the order of the first journal.
            pub const WORDS: &'static [&'static str] = &[$($word,)*];

            /// Each word with a sentence about it, for `provost-events(7)`.
            pub const ABOUT: &'static [(&'static str, &'static str)] = &[$(($word, $about),)*];
        }

        $(
            impl From<$name> for Kind {
                fn from(kind: $name) -> Self {
                    Self::$name(kind)
                }
            }
        )*
    };
}

kinds! {
    RunStarted = "run.started": "A run begins: what it was asked to do, with which profile and under which ceilings.",
    RunResumed = "run.resumed": "A killed or interrupted run goes on; says what was cut and what was in doubt.",
    RunEnded = "run.ended": "The last event of every run; the same object is `result.json`.",
    RoundStarted = "round.started": "A round begins: one invocation of the agent.",
    RoundEnded = "round.ended": "A round has settled, in one way or another.",
    PromptSent = "prompt.sent": "A text is about to be sent; `prompts/<sha256>.txt` holds it already.",
    AgentSpawned = "agent.spawned": "The agent process runs.",
    AgentExited = "agent.exited": "The agent process is gone, and so is all that it started.",
    AttemptStarted = "attempt.started": "One try of the round's request on one model begins.",
    AttemptAccepted = "attempt.accepted": "The other side has taken the request.",
    AttemptRetrying = "attempt.retrying": "The agent's own retry loop is at work; never success, never terminal.",
    AttemptFailed = "attempt.failed": "The attempt failed, with the classified failure.",
    AttemptFinished = "attempt.finished": "The attempt succeeded: an explicit end and a meaningful answer.",
    TextDelta = "text.delta": "Text as it streams; shown live and never journaled.",
    TurnEnded = "turn.ended": "One model inference has ended.",
    ToolCalled = "tool.called": "A tool is about to run, or runs inside the agent.",
    ToolReturned = "tool.returned": "A tool has answered.",
    UsageReported = "usage.reported": "Somebody said what was consumed.",
    WaitStarted = "wait.started": "A wait begins: why, and until when at the latest.",
    WaitEnded = "wait.ended": "A wait is over, complete or cut short.",
    FallbackSwitched = "fallback.switched": "The turn goes on with another candidate of the chain, which has taken the request.",
    CheckStarted = "check.started": "The check of a round's result begins.",
    CheckEnded = "check.ended": "The check has decided; only this makes a result a result.",
    BudgetReserved = "budget.reserved": "A part of the budget is set aside for work that begins.",
    BudgetCommitted = "budget.committed": "What was really used of a reservation, and of the budget so far.",
    BudgetRefused = "budget.refused": "The budget cannot cover what is asked for.",
    StopRequested = "stop.requested": "The run has seen a request to stop that another process left in `control/`.",
    StopAcknowledged = "stop.acknowledged": "The run's answer to it: `stopping`, or `not_live` where the run was over before.",
    SteerRequested = "steer.requested": "The run has seen a message for the agent that another process left in `control/`.",
    SteerAcknowledged = "steer.acknowledged": "The run's answer to it: `next_prompt`, `live`, or `not_live` where the run was over before.",
    TreeSettled = "tree.settled": "What became of what a round of `supervise` has left in the work tree.",
    PhaseSkipped = "phase.skipped": "A phase was passed over, since its schedule or a limit keeps it from running now.",
    HostSampled = "host.sampled": "How the host is, at the beginning and at the end of a round of `supervise`.",
    DefenseActed = "defense.acted": "A defense has done something to the agent or to the host.",
    LogsPruned = "logs.pruned": "Transcripts of old rounds were deleted, as the profile wants it.",
    PlanFixed = "plan.fixed": "What a run of many cells will do and how it will decide; `plan.json` has it whole.",
    CasesFixed = "cases.fixed": "Some of the cases of the plan.",
    TreatmentStarted = "treatment.started": "A compressor is asked for a text.",
    TreatmentApplied = "treatment.applied": "A treatment has made a prompt another one, for all cells that share it.",
    CellStarted = "cell.started": "A cell begins: one case, one trial, one arm.",
    CellEnded = "cell.ended": "A cell has an answer, or is missing with its reason.",
    CellScored = "cell.scored": "A score of an answer that came after its cell's end.",
    ShardStarted = "shard.started": "A process begins to run some cells of a plan, in a journal of its own.",
    ShardMerged = "shard.merged": "What a shard holds was taken over; nobody writes it any more.",
    VerdictReached = "verdict.reached": "The verdict, with every figure that it rests on.",
    AlertRaised = "alert.raised": "Something that a person should know.",
    AlertCleared = "alert.cleared": "What an alert was about is over.",
}

impl Kind {
    /// Hands every free text of the event to `each`, so that what must not be written can be taken out of it first.
    pub fn for_each_prose(&mut self, mut each: impl FnMut(&mut String)) {
        let mut optional = |text: &mut Option<String>| {
            if let Some(text) = text {
                each(text);
            }
        };
        match self {
            Self::RunEnded(ended) => {
                optional(&mut ended.output);
                optional(&mut ended.reason);
            }
            Self::RunStarted(started) => each(&mut started.task),
            Self::RoundEnded(ended) => {
                if let Some(failure) = &mut ended.failure {
                    optional(&mut failure.cleanup);
                    each(&mut failure.evidence);
                }
            }
            Self::AttemptFailed(failed) => {
                optional(&mut failed.failure.cleanup);
                each(&mut failed.failure.evidence);
            }
            Self::AttemptRetrying(retrying) => each(&mut retrying.evidence),
            Self::TextDelta(delta) => each(&mut delta.text),
            Self::TurnEnded(turn) => each(&mut turn.preview),
            Self::ToolCalled(tool) => each(&mut tool.about),
            Self::WaitStarted(wait) => each(&mut wait.reason),
            Self::CheckEnded(check) => each(&mut check.evidence),
            Self::BudgetRefused(refused) => each(&mut refused.why),
            Self::AlertRaised(alert) => each(&mut alert.message),
            Self::SteerRequested(steer) => each(&mut steer.text),
            Self::TreeSettled(tree) => optional(&mut tree.reason),
            Self::DefenseActed(acted) => each(&mut acted.message),
            Self::PhaseSkipped(skipped) => each(&mut skipped.why),
            Self::CellEnded(ended) => {
                if let Some(missing) = &mut ended.missing {
                    each(&mut missing.evidence);
                }
                ended.scores.values_mut().filter_map(|scored| scored.why.as_mut()).for_each(each);
            }
            Self::CellScored(scored) => optional(&mut scored.scored.why),
            Self::TreatmentApplied(applied) => optional(&mut applied.skipped),
            _ => {}
        }
    }
}
