//! Stopping early without lying.

use super::decide::verdict;
use super::docket::Docket;
use super::error::GateError;
use super::units::{Units, order, units};
use crate::event::{Cases, MissingReason, Place, PlanFixed, Sha256, Sheet, Trial, Verdict};

/// The watch of a sequential gate while its cells run. The runner runs whole units in the order of [`super::order`], asks now and
/// then, and stops when there is a verdict. [`super::decide`] reads the same looks of the same units, so it comes to the same verdict
/// whatever else has ended meanwhile.
#[derive(Clone, Debug)]
pub struct Early {
    plan: Sha256,
    order: Vec<usize>,
    units: Units,
    /// Units at the front of the order that are complete.
    complete: usize,
    /// Looks that have been taken.
    taken: usize,
}

impl Early {
    /// The watch of a plan; `None` where its gate does not stop early.
    pub fn new(plan: &PlanFixed, cases: &Cases) -> Option<Self> {
        if !plan.gate.as_ref()?.sequential {
            return None;
        }
        Some(Self {
            plan: plan.plan_sha256.clone(),
            order: order(plan),
            units: units(cases),
            complete: 0,
            taken: 0,
        })
    }

    /// The verdict, if the units that are complete by now have one that stands. A unit is complete when each of its cells
    /// has ended, on every arm, answered or missing. Cheap while nothing new is complete.
    ///
    /// Errors: those of [`super::decide`], and rows of another plan than the one that was registered.
    pub fn look(&mut self, sheet: &Sheet) -> Result<Option<Verdict>, GateError> {
        let plan = sheet.plan().ok_or(GateError::NoPlan)?;
        if plan.plan_sha256 != self.plan {
            return Err(GateError::OtherPlan);
        }
        while let Some(unit) = self.order.get(self.complete)
            && is_complete(sheet, plan, self.units.get(*unit).unwrap_or_default())
        {
            self.complete += 1;
        }
        let due: Vec<usize> =
            looks(self.order.len()).skip(self.taken).take_while(|look| *look <= self.complete).collect();
        if due.is_empty() {
            return Ok(None);
        }
        let docket = Docket::open(sheet)?;
        for look in due {
            match verdict(&docket, &self.order[..look])? {
                Verdict::Inconclusive => self.taken += 1,
                found => return Ok(Some(found)),
            }
        }
        Ok(None)
    }
}

/// After how many of `all` units a sequential gate is looked at: from the sixth on, after each up to a hundred, then every two in
/// a hundred, and after the last.
pub(super) fn looks(all: usize) -> impl Iterator<Item = usize> {
    let next = move |look: &usize| (*look < all).then(|| (look + (look / 50).max(1)).min(all));
    std::iter::successors(Some(super::claim::FEW), next)
}

/// The units at the front of the plan's order all of whose cells have ended.
pub(super) fn complete(docket: &Docket<'_>) -> Vec<usize> {
    order(docket.plan)
        .into_iter()
        .take_while(|unit| {
            docket.units.get(*unit).is_some_and(|cases| is_complete(docket.sheet, docket.plan, cases))
        })
        .collect()
}

fn is_complete(sheet: &Sheet, plan: &PlanFixed, cases: &[usize]) -> bool {
    cases.iter().all(|case| {
        (0..plan.arms.len()).all(|arm| {
            (1..=plan.trials).all(|trial| {
                let row = sheet.at(Place { arm, case: *case, trial: Trial(trial) });
                // What was never begun may still be had, in this run or in one that goes on with it.
                row.is_some_and(|row| {
                    !matches!(row.missing, Some(MissingReason::NotRun | MissingReason::Budget))
                })
            })
        })
    })
}
