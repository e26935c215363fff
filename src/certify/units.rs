//! Independent units: what a suite has so many of, however many rows it has.

use std::collections::HashMap;

use super::error::GateError;
use crate::event::{CaseFixed, Place, PlanFixed, ScoreName, Sheet, Trial};
use crate::stats::Draws;

/// The stream of the plan's seed that the order of units is drawn from.
const ORDER: u64 = 1;

/// The cases of each unit, as places into the plan: a group is one unit, a case without a group is one by itself. In the
/// order in which they first appear.
pub fn units(cases: &[CaseFixed]) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = Vec::new();
    let mut groups: HashMap<&str, usize> = HashMap::new();
    for (at, case) in cases.iter().enumerate() {
        match &case.group {
            None => found.push(vec![at]),
            Some(group) => {
                let unit = *groups.entry(group).or_insert(found.len());
                if unit == found.len() {
                    found.push(Vec::new());
                }
                found[unit].push(at);
            }
        }
    }
    found
}

/// The order in which the units of a plan are run, and in which a sequential gate reads them: a shuffle by the plan's seed
/// of the numbers that [`units`] gives. It owes nothing to what is answered.
pub fn order(plan: &PlanFixed) -> Vec<usize> {
    let mut order: Vec<usize> = (0..usize::try_from(plan.units).unwrap_or(0)).collect();
    Draws::stream(plan.seed, ORDER).shuffle(&mut order);
    order
}

/// What stands in for a missing value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Nothing: only what was answered counts, and of a pair only both.
    Observed,
    /// The least that the candidate can have, and the most that the baseline can.
    Worst,
    /// The most that the candidate can have, and the least that the baseline can.
    Best,
}

impl Fill {
    fn candidate(self) -> Option<f64> {
        match self {
            Self::Observed => None,
            Self::Worst => Some(0.0),
            Self::Best => Some(1.0),
        }
    }

    fn baseline(self) -> Option<f64> {
        self.candidate().map(|value| 1.0 - value)
    }
}

/// A score of an arm.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    /// The rows.
    pub(super) sheet: &'a Sheet,
    /// Which score, by its place in the plan.
    pub(super) score: usize,
    /// Its name.
    pub(super) name: &'a ScoreName,
    /// Repetitions.
    pub(super) trials: u64,
}

impl<'a> Column<'a> {
    /// The column of a score.
    pub(super) fn of(sheet: &'a Sheet, plan: &PlanFixed, name: &'a ScoreName) -> Result<Self, GateError> {
        let score = sheet.score(name).ok_or_else(|| GateError::NoScore(name.clone()))?;
        Ok(Self { sheet, score, name, trials: plan.trials })
    }

    /// Whether a case has this score at all.
    pub(super) fn has(&self, case: usize) -> bool {
        self.sheet.cases().get(case).is_some_and(|case| !case.without.contains(self.name))
    }

    /// The value of a cell, where there is one.
    pub(super) fn value(&self, arm: usize, case: usize, trial: u64) -> Option<f64> {
        let row = self.sheet.at(Place { arm, case, trial: Trial(trial) })?;
        if row.missing.is_some() { None } else { row.value(self.score) }
    }

    /// The mean of a case over its trials; `None` where it does not have the score, or nothing was answered.
    pub(super) fn case(&self, arm: usize, case: usize, fill: Fill) -> Option<f64> {
        self.over_trials(case, |trial| self.value(arm, case, trial).or(fill.candidate()))
    }

    /// The mean difference of a case over the trials that were answered on both arms.
    pub(super) fn pair(&self, candidate: usize, baseline: usize, case: usize, fill: Fill) -> Option<f64> {
        self.over_trials(case, |trial| {
            let new = self.value(candidate, case, trial).or(fill.candidate())?;
            let old = self.value(baseline, case, trial).or(fill.baseline())?;
            Some(new - old)
        })
    }

    fn over_trials(&self, case: usize, value: impl Fn(u64) -> Option<f64>) -> Option<f64> {
        if !self.has(case) {
            return None;
        }
        mean((1..=self.trials).filter_map(value))
    }

    /// One number a unit: of each of its cases the rate, or the difference from `baseline`, and the mean of these.
    pub(super) fn unit(&self, against: Against, cases: &[usize], fill: Fill) -> Option<f64> {
        mean(cases.iter().filter_map(|case| match against.baseline {
            None => self.case(against.candidate, *case, fill),
            Some(baseline) => self.pair(against.candidate, baseline, *case, fill),
        }))
    }

    /// An error where a value is not from 0 to 1.
    pub(super) fn check(&self) -> Result<(), GateError> {
        let values = self.sheet.rows().filter_map(|(_, _, row)| row.value(self.score));
        match values.into_iter().find(|value| !(0.0..=1.0).contains(value)) {
            Some(value) => Err(GateError::Scale { score: self.name.clone(), value }),
            None => Ok(()),
        }
    }
}

/// Which arm, and what it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Against {
    /// The candidate, by its place in the plan.
    pub(super) candidate: usize,
    /// The baseline; `None` where a rate is held against a number.
    pub(super) baseline: Option<usize>,
}

/// The mean, of whatever there is.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}
