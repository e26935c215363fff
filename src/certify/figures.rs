//! The figures of an arm by itself.

use std::collections::BTreeMap;

use super::error::GateError;
use super::units::{Against, Column, Fill, Units, mean};
use crate::event::{Agreement, ArmFigures, ArmName, Estimate, Place, Reliability, Trial};
use crate::stats::{
    BoundedMean, Level, krippendorff_alpha, pass_all_k, pass_at_k, stability, variance_of_trials,
};

/// Both sides of a 95 % interval.
pub(super) const SIDE: f64 = 0.025;

/// A score of one arm.
pub(super) fn arm(
    column: &Column<'_>,
    at: usize,
    name: &ArmName,
    units: &Units,
) -> Result<ArmFigures, GateError> {
    let against = Against { candidate: at, baseline: None };
    let values: Vec<f64> =
        units.iter().filter_map(|cases| column.unit(against, cases, Fill::Observed)).collect();
    let covered = super::coverage::covered(column, at, units.all().iter().copied());
    let estimate = if values.is_empty() {
        Estimate::default()
    } else {
        let bounded = BoundedMean::new(&values)?;
        Estimate { mean: bounded.mean(), low: Some(bounded.lower(SIDE)?), high: Some(bounded.upper(SIDE)?) }
    };
    let counts: Vec<(u64, u64)> = units.all().iter().filter_map(|case| passes(column, at, *case)).collect();
    let stable = stability(&counts);
    let share = |of: fn(u64, u64, u64) -> Option<f64>| -> Vec<f64> {
        (1..=column.trials)
            .map_while(|k| mean(counts.iter().filter_map(|(passes, trials)| of(*trials, *passes, k))))
            .collect()
    };
    Ok(ArmFigures {
        arm: name.clone(),
        score: column.name.clone(),
        dealt: covered.dealt,
        answered: covered.answered,
        mean: estimate,
        interval: "Gaffke's bounds over the units, 95 %".to_owned(),
        stable_pass: stable.stable_pass as u64,
        flaky: stable.flaky as u64,
        stable_fail: stable.stable_fail as u64,
        pass_at: share(pass_at_k),
        pass_all: share(pass_all_k),
        agreement: agreement(column, at, units)?,
        trial_share: trial_share(column, at, units),
    })
}

/// How far the judgements of an arm agree, where its answers were judged several times.
fn agreement(column: &Column<'_>, arm: usize, units: &Units) -> Result<Option<Agreement>, GateError> {
    let mut by_name: BTreeMap<&str, Vec<Vec<Option<f64>>>> = BTreeMap::new();
    for case in units.all() {
        for trial in 1..=column.trials {
            let place = Place { arm, case: *case, trial: Trial(trial) };
            let found = column.sheet.cell(place).and_then(|cell| column.sheet.judgements(cell, column.score));
            for (name, values) in found.into_iter().flatten() {
                let values = values.iter().map(|value| value.is_finite().then_some(*value)).collect();
                by_name.entry(name).or_default().push(values);
            }
        }
    }
    let all: Vec<Vec<Option<f64>>> = by_name.values().flatten().cloned().collect();
    let Some(alpha) = krippendorff_alpha(&all, Level::Interval)? else { return Ok(None) };
    let mut dimensions = BTreeMap::new();
    for (name, units) in by_name.iter().filter(|_| by_name.len() > 1) {
        if let Some(alpha) = krippendorff_alpha(units, Level::Interval)? {
            dimensions.insert((*name).to_owned(), alpha);
        }
    }
    Ok(Some(Agreement { alpha, units: all.len() as u64, means: Reliability::of(alpha), dimensions }))
}

/// How many of the judged trials of a case passed, and how many there are; `None` where there is none.
fn passes(column: &Column<'_>, arm: usize, case: usize) -> Option<(u64, u64)> {
    let (mut passed, mut judged) = (0, 0);
    for trial in 1..=column.trials {
        let row = column.sheet.at(Place { arm, case, trial: Trial(trial) });
        if let Some(verdict) =
            row.filter(|row| row.missing.is_none()).and_then(|row| row.marks.get(column.score)?.passed)
        {
            judged += 1;
            passed += u64::from(verdict);
        }
    }
    (judged > 0).then_some((passed, judged))
}

/// Of the variance of the mean, the part that ever more trials would take away.
fn trial_share(column: &Column<'_>, arm: usize, units: &Units) -> Option<f64> {
    if column.trials < 2 {
        return None;
    }
    let of = |case: usize| {
        (1..=column.trials).filter_map(move |trial| Some((case, column.value(arm, case, trial)?)))
    };
    let rows: Vec<(usize, f64)> = units.all().iter().flat_map(|case| of(*case)).collect();
    variance_of_trials(&rows).ok().map(|found| found.removable())
}
