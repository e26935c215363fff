//! Why rows cannot be decided over at all.

use crate::event::{ArmName, ScoreName};
use crate::stats::StatsError;

/// Rows that do not fit their plan, or a plan that a gate cannot be asked about. Never a verdict: a verdict is about evidence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GateError {
    /// The journal has no plan.
    #[error("there is no plan among the events; is this the journal of a certify run?")]
    NoPlan,
    /// The plan has no gate.
    #[error("the plan has no gate; add a [gate] to the suite, or only measure")]
    NoGate,
    /// A gate that compares has nothing to compare with.
    #[error("the gate compares with a baseline, and the plan has none; name one with --baseline")]
    NoBaseline,
    /// There is nothing that may ship.
    #[error("the plan has no candidate; name one with -p")]
    NoCandidate,
    /// The rows are of another plan than the one that was registered before the first cell.
    #[error("the plan among the events is not the one that was registered before the first cell")]
    OtherPlan,
    /// The gate names a score that the plan does not have.
    #[error("the gate names the score {0}, which the plan does not have")]
    NoScore(ScoreName),
    /// Threshold mode without a threshold.
    #[error("the gate is to hold a rate against a number, and gate.min is not set")]
    NoMin,
    /// The cases are not those of the plan.
    #[error("the plan is about {planned} cases, and the events name {found}; the journal is not whole")]
    Cases {
        /// As the plan says.
        planned: u64,
        /// Cases that were named.
        found: u64,
    },
    /// Cells whose case, arm or trial is not the one that the plan has at their place.
    #[error(
        "{0} results belong to another case, arm or trial than the plan has at their place; they are of another plan"
    )]
    Strange(u64),
    /// All cells have ended, both arms have answers, and no case has one on both.
    #[error("{candidate} and the baseline have answered different cells: not one can be compared")]
    NothingShared {
        /// The candidate.
        candidate: ArmName,
    },
    /// A score outside of its range.
    #[error(
        "the score {score} has the value {value}; scores go from 0 to 1, divide it by the largest that there is"
    )]
    Scale {
        /// The score.
        score: ScoreName,
        /// One of its values.
        value: f64,
    },
    /// A figure could not be computed.
    #[error(transparent)]
    Stats(#[from] StatsError),
}
