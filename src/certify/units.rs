//! Independent units: what a suite has so many of, however many rows it has.

use std::collections::HashMap;
use std::ops::Index;

use super::error::GateError;
use crate::event::{Cases, Place, PlanFixed, ScoreName, Sheet, Trial};
use crate::stats::Draws;

/// The stream of the plan's seed that the order of units is drawn from.
const ORDER: u64 = 1;

/// The cases of each unit, as places into the plan, in the order in which the units first appear.
#[derive(Clone, Debug)]
pub struct Units {
    cases: Vec<usize>,
    /// Where the cases of each end.
    ends: Vec<usize>,
}

impl Units {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The cases of a unit; `None` past the last.
    pub fn get(&self, unit: usize) -> Option<&[usize]> {
        (unit < self.len()).then(|| &self[unit])
    }

    /// The cases of each.
    pub fn iter(&self) -> impl Iterator<Item = &[usize]> {
        (0..self.len()).filter_map(|unit| self.get(unit))
    }

    /// All cases, unit by unit.
    pub fn all(&self) -> &[usize] {
        &self.cases
    }
}

impl Index<usize> for Units {
    type Output = [usize];

    fn index(&self, unit: usize) -> &[usize] {
        let begin = unit.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.cases[begin..self.ends[unit]]
    }
}

/// The units of some cases: a group is one unit, a case without a group is one by itself.
pub fn units(cases: &Cases) -> Units {
    let mut groups: HashMap<&str, usize> = HashMap::new();
    let mut ends = Vec::new();
    // First how many cases each unit has, then where they begin, then each case into its place.
    let mut unit_of = Vec::with_capacity(cases.len());
    for case in cases.iter() {
        let next = ends.len();
        let unit = case.group.map_or(next, |group| *groups.entry(group).or_insert(next));
        if unit == next {
            ends.push(0);
        }
        ends[unit] += 1;
        unit_of.push(unit);
    }
    let mut begin = 0;
    for end in &mut ends {
        begin += std::mem::replace(end, begin);
    }
    let mut placed = vec![0; unit_of.len()];
    for (case, unit) in unit_of.into_iter().enumerate() {
        placed[ends[unit]] = case;
        ends[unit] += 1;
    }
    Units { cases: placed, ends }
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
        self.sheet.cases().get(case).is_some_and(|case| !case.is_without(self.name))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CaseFixed, CaseId, CasesFixed, Event, Kind, NodeId, Seq, Sha256};

    #[test]
    fn cases_of_a_group_are_one_unit_wherever_they_stand() {
        let groups = [None, Some("a"), Some("b"), None, Some("a"), Some("b"), Some("a"), None];
        let case = |(at, group): (usize, Option<&str>)| CaseFixed {
            id: CaseId::new(at.to_string()),
            group: group.map(str::to_owned),
            tags: Vec::new(),
            without: Vec::new(),
            sha256: Sha256::of(b"case"),
        };
        let cases = groups.into_iter().enumerate().map(case).collect();
        let kind = Kind::CasesFixed(CasesFixed { from: 0, cases });
        let mut sheet = Sheet::default();
        sheet.apply(&Event { seq: Seq(1), at: jiff::Timestamp::UNIX_EPOCH, node: NodeId::root(), kind });
        let units = units(sheet.cases());
        let expected: [&[usize]; 5] = [&[0], &[1, 4, 6], &[2, 5], &[3], &[7]];
        assert_eq!(units.iter().collect::<Vec<_>>(), expected);
        assert_eq!((units.len(), units.is_empty(), units.get(5)), (5, false, None));
        assert_eq!((&units[1], &units[4]), (expected[1], expected[4]));
        assert_eq!(units.all(), expected.concat());
    }
}
