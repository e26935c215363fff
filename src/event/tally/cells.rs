//! How far a run of many cells has come: counts only, whatever the number of cells.

use serde::{Deserialize, Serialize};

use crate::event::{ArmName, Event, Kind, NodeId, ScoreName, Spend, Verdict};

/// What is counted of cells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    /// Cells of the plan.
    pub planned: u64,
    /// Of them, those that are in flight.
    pub open: u64,
    /// With an answer.
    pub answered: u64,
    /// Without one, each with its reason.
    pub missing: u64,
    /// Requests beyond the first of each cell.
    pub retries: u64,
    /// The score that decides, or the first one.
    pub score: Option<ScoreName>,
    /// Cells that have a value of it.
    pub scored: u64,
    /// The sum of these values.
    pub sum: f64,
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// The arms that are offline: what nobody says of them is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offline: Vec<ArmName>,
    /// The cell that the run itself is, where it is played as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<NodeId>,
}

impl Cells {
    /// Whether an event is about the run itself. A cell is played as a whole run, with a beginning of its own; what a run of
    /// many cells keeps of it has none, and is not about that run.
    pub(super) fn concerns(&mut self, event: &Event) -> bool {
        if event.node.is_cell() && matches!(event.kind, Kind::RunStarted(_)) {
            self.part = Some(event.node.clone());
        }
        !event.node.is_cell() || self.part.as_ref() == Some(&event.node)
    }

    /// Folds one event in, and what was consumed into `spend`.
    pub(super) fn apply(&mut self, kind: &Kind, spend: &mut Spend) {
        match kind {
            Kind::PlanFixed(plan) => {
                self.planned = plan.cells;
                let offline = plan.arms.iter().filter(|arm| arm.offline);
                self.offline = offline.map(|arm| arm.name.clone()).collect();
                let gate = plan.gate.as_ref().map(|gate| gate.score.clone());
                self.score = gate.or_else(|| plan.scores.first().cloned());
            }
            Kind::CellStarted(_) => self.open += 1,
            Kind::CellEnded(ended) if ended.stored => {}
            Kind::CellEnded(ended) => {
                self.open = self.open.saturating_sub(1);
                match &ended.missing {
                    None => self.answered += 1,
                    Some(_) => self.missing += 1,
                }
                // A cell that was missing and is tried again ends twice; no cell is both.
                self.missing = self.missing.min(self.planned.saturating_sub(self.answered));
                self.retries += ended.attempts.saturating_sub(1);
                if ended.attempts > 0 {
                    let offline = self.offline.contains(&ended.arm);
                    spend.bill_of(offline, ended.usage.as_ref());
                }
                let value = self.score.as_ref().and_then(|name| ended.scores.get(name)?.value);
                self.count(value);
            }
            Kind::CellScored(scored) => {
                if scored.attempts > 0 {
                    spend.bill_of(scored.offline, scored.usage.as_ref());
                }
                if self.score.as_ref() == Some(&scored.score) {
                    self.count(scored.scored.value);
                }
            }
            Kind::TreatmentApplied(applied) if applied.attempts > 0 => spend.bill(applied.usage.as_ref()),
            // What was in flight was cut off.
            Kind::RunResumed(_) => self.open = 0,
            Kind::VerdictReached(reached) => self.verdict = Some(reached.verdict),
            _ => {}
        }
    }

    fn count(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.scored += 1;
            self.sum += value;
        }
    }
}
