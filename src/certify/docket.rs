//! What is to be decided: the plan and its rows, with every name of the gate looked up once.

use super::claim::{Fixed, Null, Tested};
use super::error::GateError;
use super::sequence::Bets;
use super::units::{Against, Column, Fill, Units, units};
use crate::event::{ArmRole, GateFixed, GateMode, PlanFixed, Sheet};

/// A plan, its rows and its gate.
pub(super) struct Docket<'a> {
    /// The rows.
    pub(super) sheet: &'a Sheet,
    /// The plan.
    pub(super) plan: &'a PlanFixed,
    /// The gate.
    pub(super) gate: &'a GateFixed,
    /// The cases of each unit.
    pub(super) units: Units,
    /// The candidates, each with what it is held against.
    pub(super) candidates: Vec<Against>,
    /// The scores that are claimed, the one that decides first.
    pub(super) claims: Vec<Column<'a>>,
    /// The scores that must not become worse, each with the loss that is tolerated.
    pub(super) guards: Vec<(Column<'a>, f64)>,
    /// Values of whole units are multiples of one over this, where scores are 0 or 1.
    step: u32,
}

/// The plan of a sheet whose cases and cells are those that it plans.
pub(super) fn planned(sheet: &Sheet) -> Result<&PlanFixed, GateError> {
    let plan = sheet.plan().ok_or(GateError::NoPlan)?;
    let found = sheet.cases().len() as u64;
    if found != plan.cases {
        return Err(GateError::Cases { planned: plan.cases, found });
    }
    if sheet.strange() > 0 {
        return Err(GateError::Strange(sheet.strange()));
    }
    Ok(plan)
}

impl<'a> Docket<'a> {
    /// Looks everything up.
    pub(super) fn open(sheet: &'a Sheet) -> Result<Self, GateError> {
        let plan = planned(sheet)?;
        let gate = plan.gate.as_ref().ok_or(GateError::NoGate)?;
        let role = |wanted| (0..plan.arms.len()).filter(move |at| plan.arms[*at].role == wanted);
        let baseline = role(ArmRole::Baseline).next();
        let baseline = match gate.mode {
            GateMode::Threshold => None,
            _ => Some(baseline.ok_or(GateError::NoBaseline)?),
        };
        if gate.mode == GateMode::Threshold && gate.min.is_none() {
            return Err(GateError::NoMin);
        }
        let candidates: Vec<Against> =
            role(ArmRole::Candidate).map(|candidate| Against { candidate, baseline }).collect();
        if candidates.is_empty() {
            return Err(GateError::NoCandidate);
        }
        let claims = std::iter::once(&gate.score)
            .chain(&gate.also)
            .map(|name| Column::of(sheet, plan, name))
            .collect::<Result<Vec<_>, _>>()?;
        let guards = gate
            .guard
            .iter()
            .map(|(name, loss)| Ok((Column::of(sheet, plan, name)?, *loss)))
            .collect::<Result<Vec<_>, GateError>>()?;
        // A guard speaks of a loss, and a loss of two arms.
        if !guards.is_empty() && !plan.arms.iter().any(|arm| arm.role == ArmRole::Baseline) {
            return Err(GateError::NoBaseline);
        }
        for column in claims.iter().chain(guards.iter().map(|(column, _)| column)) {
            column.check()?;
        }
        let units = units(sheet.cases());
        let step = step(plan.trials, &units);
        Ok(Self { sheet, plan, gate, units, candidates, claims, guards, step })
    }

    /// What a claim is held against.
    pub(super) fn null(&self) -> Null {
        match self.gate.mode {
            GateMode::Superiority => Null::Lift(self.gate.margin),
            // No −0: it is shown, and compared with zero.
            GateMode::NonInferiority => Null::Lift(0.0 - self.gate.margin),
            GateMode::Threshold => Null::Rate(self.gate.min.unwrap_or(1.0)),
        }
    }

    /// The baseline's place, also where the claim is about a rate and only guards compare.
    pub(super) fn baseline(&self) -> Option<usize> {
        self.plan.arms.iter().position(|arm| arm.role == ArmRole::Baseline)
    }

    /// A guard of a candidate compares with the baseline, whatever the claim does.
    pub(super) fn guarded(&self, against: Against) -> Against {
        Against { baseline: self.baseline(), ..against }
    }

    /// One value a unit, of those units that have one.
    pub(super) fn values(
        &self,
        column: &Column<'_>,
        against: Against,
        scope: &[usize],
        fill: Fill,
    ) -> Vec<f64> {
        scope.iter().filter_map(|unit| column.unit(against, &self.units[*unit], fill)).collect()
    }

    /// Tests the values of some units, in their order, by the test that the plan has registered.
    pub(super) fn test(&self, values: Vec<f64>, null: Null) -> Result<Box<dyn Tested>, GateError> {
        Ok(if self.gate.sequential {
            Box::new(Bets::new(&values, null)?)
        } else {
            Box::new(Fixed::new(values, null, self.step)?)
        })
    }

    /// The cases of some units.
    pub(super) fn cases(&self, scope: &[usize]) -> Vec<usize> {
        scope.iter().flat_map(|unit| self.units[*unit].iter().copied()).collect()
    }
}

/// The trials times the least common multiple of the sizes of units; 1 where that is no help.
fn step(trials: u64, units: &Units) -> u32 {
    let mut common = trials.max(1);
    let mut multiple: u64 = 1;
    for size in units.iter().map(|cases| cases.len() as u64) {
        let (mut a, mut b) = (multiple, size);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        multiple = multiple / a * size;
        if multiple > 10_000 {
            return 1;
        }
    }
    common *= multiple;
    u32::try_from(common).unwrap_or(1)
}
