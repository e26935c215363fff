//! Sheets made by hand: plans of some arms and cases, and cells that say what a table says. Shared with
//! `benches/error_rates.rs`, so that both speak to the gate through the events that a run writes.

use std::collections::BTreeMap;

use super::event::{
    ArmFixed, ArmName, ArmRole, CaseFixed, CaseId, CasesFixed, CellEnded, CellIndex, Event, GateFixed,
    GateMode, Kind, Missing, MissingReason, NodeId, Place, PlanFixed, ScoreName, Scored, Seq, Sha256, Sheet,
    Trial, Usage,
};

/// What a cell came to.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// A value for each score of the plan, and dollars.
    Answered(Vec<Option<f64>>, Option<f64>),
    /// No answer.
    Missing(MissingReason),
    /// An answer, and nobody reported any usage.
    Stub(Vec<Option<f64>>),
}

/// One value, and a cent.
pub(crate) fn scored(value: f64) -> Cell {
    Cell::Answered(vec![Some(value)], Some(0.01))
}

/// A plan, to be filled with cells.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(crate) plan: PlanFixed,
    pub(crate) cases: Vec<CaseFixed>,
}

/// The gate that most rows ask: superiority of `quality`, at 5 %.
pub(crate) fn gate() -> GateFixed {
    GateFixed {
        score: ScoreName::new("quality"),
        also: Vec::new(),
        guard: BTreeMap::new(),
        mode: GateMode::Superiority,
        alpha: 0.05,
        margin: 0.0,
        min: None,
        coverage: 1.0,
        cheaper: false,
        sequential: false,
        stubs: false,
    }
}

fn arm(name: &str, role: ArmRole) -> ArmFixed {
    ArmFixed {
        name: ArmName::new(name),
        role,
        profile: name.to_owned(),
        profile_sha256: Sha256::of(name.as_bytes()),
        harness: "chat".to_owned(),
        model: None,
        offline: false,
        treatment: None,
        stored: None,
        provenance_sha256: Sha256::of(name.as_bytes()),
    }
}

impl Grid {
    /// A baseline where the gate compares, so many candidates, so many units of so many cases each, so many trials.
    pub(crate) fn new(
        gate: GateFixed,
        candidates: usize,
        (units, size): (usize, usize),
        trials: u64,
    ) -> Self {
        let baseline = gate.mode != GateMode::Threshold || !gate.guard.is_empty();
        let mut arms: Vec<ArmFixed> =
            baseline.then(|| arm("baseline", ArmRole::Baseline)).into_iter().collect();
        arms.extend((0..candidates).map(|at| arm(&format!("candidate-{at}"), ArmRole::Candidate)));
        let mut scores = vec![gate.score.clone()];
        scores.extend(gate.also.iter().cloned());
        scores.extend(gate.guard.keys().cloned());
        let cases: Vec<CaseFixed> = (0..units * size)
            .map(|at| CaseFixed {
                id: CaseId::new(format!("case-{at}")),
                group: (size > 1).then(|| format!("group-{}", at / size)),
                tags: Vec::new(),
                without: Vec::new(),
                sha256: Sha256::of(&at.to_le_bytes()),
            })
            .collect();
        let count = cases.len() as u64;
        let plan = PlanFixed {
            plan_sha256: Sha256::of(b"plan"),
            suite: "suite".to_owned(),
            cells: count * trials * arms.len() as u64,
            arms,
            cases: count,
            units: units as u64,
            trials,
            part: None,
            uses: 0,
            scores,
            gate: Some(gate),
            mde: None,
            mde_assumes: None,
            expected_usd: None,
            expected: None,
            seed: 1337,
        };
        Self { plan, cases }
    }

    /// The sheet before any cell.
    pub(crate) fn blank(&self) -> Sheet {
        let mut sheet = Sheet::default();
        sheet.apply(&event(Kind::PlanFixed(self.plan.clone())));
        sheet.apply(&event(Kind::CasesFixed(CasesFixed { from: 0, cases: self.cases.clone() })));
        sheet
    }

    /// The event of a cell's end.
    pub(crate) fn ended(&self, place: Place, cell: &Cell) -> Event {
        let arms = self.plan.arms.len();
        let at = (place.case as u64 * self.plan.trials + place.trial.0 - 1) * arms as u64 + place.arm as u64;
        let (values, missing, usage) = match cell {
            Cell::Answered(values, usd) => {
                let usage = Usage { input: 10, output: 5, cache_read: 0, cache_write: 0, usd: *usd };
                (values.clone(), None, Some(usage))
            }
            Cell::Stub(values) => (values.clone(), None, None),
            Cell::Missing(reason) => {
                (Vec::new(), Some(Missing { reason: *reason, class: None, evidence: String::new() }), None)
            }
        };
        let scores = self.plan.scores.iter().cloned().zip(values);
        event(Kind::CellEnded(CellEnded {
            stored: false,
            origin: None,
            cut: false,
            cell: CellIndex(at),
            key: Sha256::of(&at.to_le_bytes()),
            arm: self.plan.arms[place.arm].name.clone(),
            case: self.cases[place.case].id.clone(),
            trial: place.trial,
            output_sha256: missing.is_none().then(|| Sha256::of(&at.to_be_bytes())),
            missing,
            prompts: Vec::new(),
            scores: scores
                .map(|(name, value)| {
                    (name, Scored { value, passed: value.map(|x| x >= 0.5), ..Scored::default() })
                })
                .collect(),
            usage,
            attempts: 1,
            rounds: 1,
            model: None,
            duration_ms: 1,
            transcript: None,
        }))
    }

    /// The ends of all cells, each as a function of arm, case and trial has it; `None` has not ended.
    pub(crate) fn events(&self, mut cell: impl FnMut(Place) -> Option<Cell>) -> Vec<Event> {
        let mut events = Vec::new();
        for case in 0..self.cases.len() {
            for trial in 1..=self.plan.trials {
                for arm in 0..self.plan.arms.len() {
                    let place = Place { arm, case, trial: Trial(trial) };
                    events.extend(cell(place).map(|found| self.ended(place, &found)));
                }
            }
        }
        events
    }

    /// The sheet of all of them.
    pub(crate) fn sheet(&self, cell: impl FnMut(Place) -> Option<Cell>) -> Sheet {
        let mut sheet = self.blank();
        for event in self.events(cell) {
            sheet.apply(&event);
        }
        sheet
    }

    /// The sheet of one trial: what the baseline has and what the candidate has, one score, a case each.
    pub(crate) fn pairs(gate: GateFixed, pairs: &[(f64, f64)]) -> Sheet {
        Self::new(gate, 1, (pairs.len(), 1), 1).sheet(|place| {
            Some(scored(if place.arm == 0 { pairs[place.case].0 } else { pairs[place.case].1 }))
        })
    }
}

pub(crate) fn event(kind: Kind) -> Event {
    Event { seq: Seq(1), at: jiff::Timestamp::UNIX_EPOCH, node: NodeId::root(), kind }
}
