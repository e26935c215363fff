//! How far a run of many cells has come: counts only, whatever the number of cells.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{
    ArmName, ArmRole, CaseId, CellEnded, CellIndex, Event, FaultClass, Kind, MissingReason, NodeId,
    PlanFixed, Reason, ScoreName, Spend, Tally, Trial, Usage, Verdict, billed,
};

/// Cells without an answer that are kept, the last ones.
const KEPT_GONE: usize = 5;

/// What is counted of cells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    /// Cells of the plan.
    pub planned: u64,
    /// Of them, those that are in flight.
    pub open: u64,
    /// With an answer.
    pub answered: u64,
    /// Without one, each with its reason. What is tried again is not counted any more.
    pub missing: u64,
    /// Requests beyond the first of each cell.
    pub retries: u64,
    /// The score that decides, or the first one.
    pub score: Option<ScoreName>,
    /// Cells that have a value of it.
    pub scored: u64,
    /// The sum of these values.
    pub sum: f64,
    /// The verdict; absent where the run has gone on since.
    pub verdict: Option<Verdict>,
    /// Why.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// Each arm, in the order of the plan.
    #[serde(default)]
    pub arms: Vec<ArmCells>,
    /// The last cells that ended without an answer, oldest first; those that have one by now are not among them.
    #[serde(default)]
    pub gone: VecDeque<GoneCell>,
    /// When the first cell began since the run was last taken up.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Cells that have ended since then.
    #[serde(default)]
    pub ended_since: u64,
    /// The cell that the run itself is, where it is played as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<NodeId>,
}

/// What is counted of the cells of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmCells {
    /// The arm.
    pub arm: ArmName,
    /// What it is there for.
    pub role: ArmRole,
    /// Whether its cells are taken from another run.
    pub stored: bool,
    /// Whether it is offline: what nobody says of it is nothing.
    #[serde(default)]
    pub offline: bool,
    /// Cells that were dealt to it.
    pub dealt: u64,
    /// With an answer.
    pub answered: u64,
    /// Without one, each with its reason. What is tried again is not counted any more.
    pub missing: u64,
    /// Cells that have a value of the score that decides.
    pub scored: u64,
    /// The sum of these values.
    pub sum: f64,
    /// What its agents consumed.
    pub spend: Spend,
}

/// A cell that ended without an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoneCell {
    /// The cell.
    pub cell: CellIndex,
    /// Its arm.
    pub arm: ArmName,
    /// Its case.
    pub case: CaseId,
    /// Which repetition; starts at 1.
    pub trial: Trial,
    /// What kind of reason.
    pub reason: MissingReason,
    /// The class of the last failure.
    pub class: Option<FaultClass>,
    /// What was seen, short.
    pub evidence: String,
}

impl Tally {
    /// Whether it is of a run of many cells.
    pub fn has_cells(&self) -> bool {
        self.started.as_ref().is_some_and(|started| started.verb == "certify")
    }
}

impl Cells {
    /// Cells that have ended, never more than there are.
    pub fn done(&self) -> u64 {
        (self.answered + self.missing).min(self.planned)
    }

    /// Whether an event is about the run itself. A cell is played as a whole run, with a beginning of its own; what a run of
    /// many cells keeps of it has none, and is not about that run.
    pub(super) fn concerns(&mut self, event: &Event) -> bool {
        if event.node.is_cell() && matches!(event.kind, Kind::RunStarted(_)) {
            self.part = Some(event.node.clone());
        }
        !event.node.is_cell() || self.part.as_ref() == Some(&event.node)
    }

    /// Folds one event in, and what was consumed into `spend`.
    pub(super) fn apply(&mut self, event: &Event, spend: &mut Spend) {
        match &event.kind {
            Kind::PlanFixed(plan) => self.planned(plan),
            Kind::ShardStarted(started) => self.planned = started.count,
            Kind::CellStarted(_) => {
                self.open += 1;
                self.since.get_or_insert(event.at);
            }
            Kind::CellEnded(ended) => self.ended(ended, spend),
            Kind::CellScored(scored) => {
                if scored.attempts > 0 {
                    spend.bill(scored.usage.as_ref());
                }
                let late = scored.origin.as_ref().is_some_and(|origin| origin.late);
                if self.score.as_ref() == Some(&scored.score) && !late {
                    self.count(self.arm_of(scored.cell), scored.scored.value, false);
                }
            }
            Kind::TreatmentApplied(applied) if applied.attempts > 0 => spend.bill(applied.usage.as_ref()),
            Kind::RunResumed(_) => self.resumed(),
            Kind::VerdictReached(reached) => {
                self.verdict = Some(reached.verdict);
                self.reasons.clone_from(&reached.certified.reasons);
            }
            _ => {}
        }
    }

    fn planned(&mut self, plan: &PlanFixed) {
        self.planned = plan.cells;
        let gate = plan.gate.as_ref().map(|gate| gate.score.clone());
        self.score = gate.or_else(|| plan.scores.first().cloned());
        let arm = |arm: &crate::event::ArmFixed| ArmCells {
            arm: arm.name.clone(),
            role: arm.role,
            stored: arm.stored.is_some(),
            offline: arm.offline,
            dealt: plan.cases.saturating_mul(plan.trials),
            answered: 0,
            missing: 0,
            scored: 0,
            sum: 0.0,
            spend: Spend::default(),
        };
        self.arms = plan.arms.iter().map(arm).collect();
    }

    /// What was in flight was cut off, what is missing is tried again, and a verdict is not the last word any more.
    fn resumed(&mut self) {
        self.open = 0;
        self.missing = 0;
        // Nobody tries again what another run did not have.
        for arm in self.arms.iter_mut().filter(|arm| !arm.stored) {
            arm.missing = 0;
        }
        self.verdict = None;
        self.reasons.clear();
        self.since = None;
        self.ended_since = 0;
    }

    fn ended(&mut self, ended: &CellEnded, spend: &mut Spend) {
        let at = self.arm_of(ended.cell);
        let bill = |spend: &mut Spend, usage: Option<&Usage>| {
            if ended.attempts > 0 && !ended.stored {
                spend.bill(usage);
            }
        };
        let offline = at.and_then(|at| self.arms.get(at)).is_some_and(|arm| arm.offline);
        let usage = billed(offline, ended.usage);
        bill(spend, usage.as_ref());
        if let Some(arm) = at.and_then(|at| self.arms.get_mut(at)) {
            bill(&mut arm.spend, usage.as_ref());
        }
        if ended.origin.as_ref().is_some_and(|origin| origin.late) {
            // It has an answer already, which stands.
            return;
        }
        self.gone.retain(|gone| gone.cell != ended.cell);
        if let Some(missing) = &ended.missing {
            if self.gone.len() == KEPT_GONE {
                self.gone.pop_front();
            }
            self.gone.push_back(GoneCell {
                cell: ended.cell,
                arm: ended.arm.clone(),
                case: ended.case.clone(),
                trial: ended.trial,
                reason: missing.reason,
                class: missing.class,
                evidence: missing.evidence.clone(),
            });
        }
        if let Some(arm) = at.and_then(|at| self.arms.get_mut(at)) {
            *(if ended.missing.is_none() { &mut arm.answered } else { &mut arm.missing }) += 1;
            // A cell that was missing and is tried again ends twice; no cell is both.
            arm.missing = arm.missing.min(arm.dealt.saturating_sub(arm.answered));
        }
        let value = self.score.as_ref().and_then(|name| ended.scores.get(name)?.value);
        self.count(at, value, ended.stored);
        if ended.stored {
            return;
        }
        if ended.origin.is_none() {
            self.open = self.open.saturating_sub(1);
            self.ended_since += 1;
        }
        *(if ended.missing.is_none() { &mut self.answered } else { &mut self.missing }) += 1;
        self.missing = self.missing.min(self.planned.saturating_sub(self.answered));
        self.retries += ended.attempts.saturating_sub(1);
    }

    fn arm_of(&self, cell: CellIndex) -> Option<usize> {
        usize::try_from(cell.0.checked_rem(self.arms.len() as u64)?).ok()
    }

    fn count(&mut self, arm: Option<usize>, value: Option<f64>, stored: bool) {
        // A scorer's NaN is no value.
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        if let Some(arm) = arm.and_then(|at| self.arms.get_mut(at)) {
            arm.scored += 1;
            arm.sum += value;
        }
        if !stored {
            self.scored += 1;
            self.sum += value;
        }
    }
}
