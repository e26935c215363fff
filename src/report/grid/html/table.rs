//! The table of cells: a row a case, a mark a trial, the arms side by side.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{CellIndex, Place, PlanFixed, Sheet, Trial};
use crate::report::human::clean;

use super::super::outcome::{self, Outcome};
use super::super::view::Stands;
use super::figures;

/// Cells that the page lists, at most; a browser is quick with so many.
const CELLS: usize = 10_000;

/// A row.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CaseRow {
    /// Its place in the plan.
    pub(super) at: usize,
    id: String,
    group: String,
    tags: Vec<String>,
    /// What a search looks through, in small letters.
    find: String,
    /// What it is, as words that the filter knows.
    is: String,
    arms: Vec<ArmCells>,
    /// The lift of each candidate, for sorting.
    lifts: Vec<Option<f64>>,
}

/// The cells of a case on an arm.
#[derive(Clone, Debug, Serialize)]
struct ArmCells {
    name: String,
    ink: String,
    marks: Vec<Mark>,
    mean: String,
    lift: Option<String>,
    way: &'static str,
}

/// A cell.
#[derive(Clone, Debug, Serialize)]
struct Mark {
    class: String,
    said: String,
}

/// Which cells are shown how.
pub(super) struct Columns<'a> {
    pub(super) score: usize,
    pub(super) baseline: Option<usize>,
    pub(super) inks: &'a [String],
}

/// The cases that there are rows for. Where there is no room for all, cases with something to see go first: missing cells,
/// then a difference between arms, then a difference between trials.
pub(super) fn shown(sheet: &Sheet, columns: &Columns<'_>) -> Vec<usize> {
    let Some(plan) = sheet.plan() else { return Vec::new() };
    let each = plan.arms.len() * usize::try_from(plan.trials).unwrap_or(usize::MAX).max(1);
    let room = (CELLS / each.max(1)).max(1);
    let mut cases: Vec<usize> = (0..sheet.cases().len()).collect();
    if cases.len() > room {
        cases.sort_by_cached_key(|case| rank(&glance(sheet, plan, columns, *case)));
        cases.truncate(room);
        cases.sort_unstable();
    }
    cases
}

/// What a case is, as far as its rows tell it.
fn glance(sheet: &Sheet, plan: &PlanFixed, columns: &Columns<'_>, case: usize) -> Vec<&'static str> {
    let before = before(sheet, columns, case);
    let mut is = Vec::new();
    for arm in 0..plan.arms.len() {
        let glance = |trial| outcome::glance(sheet, Place { arm, case, trial: Trial(trial) }, columns.score);
        is.extend(words_of(&(1..=plan.trials).map(glance).collect::<Vec<_>>()));
        is.push(way(lift(sheet, columns, before, arm, case)));
    }
    is
}

/// How soon a case is shown that is all that.
fn rank(is: &[&str]) -> usize {
    let order = ["missing", "worse", "better", "flaky", "failing"];
    order.iter().position(|word| is.contains(word)).unwrap_or(usize::MAX)
}

/// The baseline's mean of a case.
fn before(sheet: &Sheet, columns: &Columns<'_>, case: usize) -> Option<f64> {
    outcome::mean(sheet, columns.baseline?, case, columns.score).map(|(mean, _)| mean)
}

/// What an arm's mean of a case is more than the baseline's.
fn lift(sheet: &Sheet, columns: &Columns<'_>, before: Option<f64>, arm: usize, case: usize) -> Option<f64> {
    let (mean, _) = outcome::mean(sheet, arm, case, columns.score)?;
    (columns.baseline != Some(arm)).then_some(mean - before?)
}

fn way(lift: Option<f64>) -> &'static str {
    match lift {
        Some(lift) if lift > 1e-9 => "better",
        Some(lift) if lift < -1e-9 => "worse",
        _ => "same",
    }
}

/// The rows of some cases.
pub(super) fn rows(
    sheet: &Sheet,
    standing: &BTreeMap<CellIndex, Stands>,
    columns: &Columns<'_>,
    shown: &[usize],
) -> Vec<CaseRow> {
    shown.iter().filter_map(|case| row(sheet, standing, columns, *case)).collect()
}

fn row(
    sheet: &Sheet,
    standing: &BTreeMap<CellIndex, Stands>,
    columns: &Columns<'_>,
    at: usize,
) -> Option<CaseRow> {
    let plan = sheet.plan()?;
    let case = sheet.cases().get(at)?;
    let name = plan.scores.get(columns.score)?;
    let before = before(sheet, columns, at);
    let (mut arms, mut lifts, mut is) = (Vec::new(), Vec::new(), Vec::new());
    for (arm, fixed) in plan.arms.iter().enumerate() {
        let outcomes: Vec<Outcome> = (1..=plan.trials)
            .map(|trial| {
                let cell = sheet.cell(Place { arm, case: at, trial: Trial(trial) });
                outcome::outcome(cell.and_then(|cell| standing.get(&cell)), name)
            })
            .collect();
        is.extend(words_of(&outcomes));
        let mean = outcome::mean(sheet, arm, at, columns.score).map(|(mean, _)| mean);
        let lift = lift(sheet, columns, before, arm, at);
        if columns.baseline != Some(arm) {
            lifts.push(lift);
        }
        let way = way(lift);
        is.push(way);
        let marks = outcomes.iter().zip(1_u64..).map(|(outcome, trial)| mark(outcome, trial)).collect();
        arms.push(ArmCells {
            name: clean(fixed.name.as_str()),
            ink: columns.inks.get(arm).cloned().unwrap_or_default(),
            marks,
            mean: mean.map_or_else(|| "\u{2013}".to_owned(), |mean| figures::value(mean, false)),
            lift: lift.filter(|_| way != "same").map(|lift| figures::value(lift, true)),
            way,
        });
    }
    is.sort_unstable();
    is.dedup();
    let (id, tags) = (clean(case.id), case.tags().map(clean).collect::<Vec<_>>());
    let group = clean(case.group.unwrap_or_default());
    let find = format!("{id} {group} {}", tags.join(" ")).to_lowercase();
    Some(CaseRow { at, id, group, tags, find, is: is.join(" "), arms, lifts })
}

/// What the trials of a case on an arm are.
fn words_of(outcomes: &[Outcome]) -> Vec<&'static str> {
    let passed = outcomes.contains(&Outcome::Passed);
    let failed = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed { .. }));
    let missing = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Missing { .. }));
    let words = [(passed && failed, "flaky"), (failed, "failing"), (missing, "missing")];
    words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect()
}

fn mark(outcome: &Outcome, trial: u64) -> Mark {
    let class = match outcome {
        Outcome::Passed => "ok v10".to_owned(),
        Outcome::Failed { value, .. } => format!("no v{}", level(value.unwrap_or(0.0))),
        Outcome::Measured(value) => format!("of v{}", level(*value)),
        Outcome::Absent => "none".to_owned(),
        Outcome::Missing { .. } => "gone".to_owned(),
    };
    Mark { class, said: format!("trial {trial}: {}", clean(&outcome.line())) }
}

/// A value in tenths, down: only what is whole looks whole.
fn level(value: f64) -> u8 {
    (0..=10_u8).rev().find(|tenths| f64::from(*tenths) <= value * 10.0 + 1e-9).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_looks_whole() {
        assert_eq!([0.0, 0.049, 0.3, 0.99, 1.0, -1.0, f64::NAN].map(level), [0, 0, 3, 9, 10, 0, 0]);
    }

    #[test]
    fn trials_that_differ_are_flaky_and_missing_ones_are_missing() {
        let failed = Outcome::Failed { value: None, why: String::new() };
        let missing = Outcome::Missing { reason: crate::event::MissingReason::Timeout, why: String::new() };
        assert_eq!(words_of(&[Outcome::Passed, failed.clone()]), ["flaky", "failing"]);
        assert_eq!(words_of(&[failed, missing.clone()]), ["failing", "missing"]);
        assert_eq!(words_of(&[Outcome::Passed, missing]), ["missing"]);
        assert!(words_of(&[Outcome::Passed, Outcome::Absent, Outcome::Measured(0.1)]).is_empty());
    }

    #[test]
    fn what_is_to_be_seen_goes_first() {
        let ranks = ["missing worse", "worse flaky", "better", "flaky", "same failing", "same"]
            .map(|is| rank(&is.split(' ').collect::<Vec<_>>()));
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }
}
