//! What a trial, and a case on an arm, came to in the score that decides.

use crate::event::{ArmName, MissingReason, Place, ScoreName, Sheet, Trial};

use super::view::Stands;
use super::words;

/// What one trial of a case came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It passed.
    Passed,
    /// It did not.
    Failed {
        /// Its value.
        value: Option<f64>,
        /// What the scorer said.
        why: String,
    },
    /// It has a value, and nothing says from which value on it passes.
    Measured(f64),
    /// The case does not have this score.
    Absent,
    /// There is no answer, or no score of it.
    Missing {
        /// Why.
        reason: MissingReason,
        /// What was seen.
        why: String,
    },
}

/// One trial of a case on an arm.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    /// Which repetition.
    pub(super) trial: Trial,
    /// What it came to.
    pub(super) outcome: Outcome,
    /// What stands of its cell; absent where it never ended.
    pub(super) stands: Option<Stands>,
}

/// The score that decides; the first one where nothing does.
pub(super) fn deciding(sheet: &Sheet) -> Option<&ScoreName> {
    let plan = sheet.plan()?;
    plan.gate.as_ref().map(|gate| &gate.score).or_else(|| plan.scores.first())
}

/// The outcome of a cell in one score.
pub(super) fn outcome(stands: Option<&Stands>, score: &ScoreName) -> Outcome {
    let missing = |reason, why: &str| Outcome::Missing { reason, why: why.to_owned() };
    let Some(stands) = stands else { return missing(MissingReason::NotRun, "the run ended before its turn") };
    if let Some(gone) = &stands.ended.missing {
        let class = gone.class.map_or_else(String::new, |class| format!("{class}: "));
        return missing(gone.reason, &format!("{class}{}", gone.evidence));
    }
    let Some(scored) = stands.score(score) else { return Outcome::Absent };
    let why = scored.why.as_deref().unwrap_or_default();
    match (scored.passed, scored.value) {
        (Some(true), _) => Outcome::Passed,
        (Some(false), value) => Outcome::Failed { value, why: why.to_owned() },
        (None, Some(value)) => Outcome::Measured(value),
        (None, None) => missing(MissingReason::Judge, why),
    }
}

/// The same, as far as its row tells it: without what was seen or said.
pub(super) fn glance(sheet: &Sheet, place: Place, score: usize) -> Outcome {
    let missing = |reason| Outcome::Missing { reason, why: String::new() };
    let Some(row) = sheet.at(place) else { return missing(MissingReason::NotRun) };
    if let Some(reason) = row.missing {
        return missing(reason);
    }
    let mark = row.marks.get(score).unwrap_or_default();
    match (mark.passed, mark.value) {
        (Some(true), _) => Outcome::Passed,
        (Some(false), value) => Outcome::Failed { value, why: String::new() },
        (None, Some(value)) => Outcome::Measured(value),
        (None, None) => {
            let name = sheet.plan().and_then(|plan| plan.scores.get(score));
            let case = sheet.cases().get(place.case);
            if name.zip(case).is_some_and(|(name, case)| case.is_without(name)) {
                Outcome::Absent
            } else {
                missing(MissingReason::Judge)
            }
        }
    }
}

/// The mean of a case's values on an arm, over the trials that have one, and how many these are.
pub(super) fn mean(sheet: &Sheet, arm: usize, case: usize, score: usize) -> Option<(f64, u64)> {
    let trials = sheet.plan()?.trials;
    let value = |trial| sheet.at(Place { arm, case, trial: Trial(trial) })?.value(score);
    let values: Vec<f64> = (1..=trials).filter_map(value).collect();
    let count = values.len() as u64;
    (count > 0).then(|| (values.iter().sum::<f64>() / super::figure::float(count), count))
}

/// A case whose mean differs between the baseline and a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moved {
    /// Index into the cases.
    pub(super) case: usize,
    /// The mean on the baseline.
    pub(super) before: f64,
    /// The mean on the candidate.
    pub(super) after: f64,
}

/// The cases that differ, the largest loss first. Empty where there is no baseline.
pub(super) fn moved(sheet: &Sheet, arm: &ArmName, score: &ScoreName) -> Vec<Moved> {
    let (Some(arm), Some(score), Some(plan)) = (sheet.arm(arm), sheet.score(score), sheet.plan()) else {
        return Vec::new();
    };
    let Some(baseline) = plan.arms.iter().position(|arm| arm.role == crate::event::ArmRole::Baseline) else {
        return Vec::new();
    };
    let mut moved: Vec<Moved> = (0..sheet.cases().len())
        .filter_map(|case| {
            let (before, _) = mean(sheet, baseline, case, score)?;
            let (after, _) = mean(sheet, arm, case, score)?;
            before.total_cmp(&after).is_ne().then_some(Moved { case, before, after })
        })
        .collect();
    // Stable: equal ones stay in the order of the cases.
    moved.sort_by(|a, b| (a.after - a.before).total_cmp(&(b.after - b.before)));
    moved
}

impl Outcome {
    /// In one line.
    pub(super) fn line(&self) -> String {
        let because = |why: &str| if why.is_empty() { String::new() } else { format!(": {why}") };
        match self {
            Self::Passed => "passed".to_owned(),
            Self::Failed { value: Some(value), why } => {
                format!("failed with {}{}", super::figure::number(*value), because(why))
            }
            Self::Failed { value: None, why } => format!("failed{}", because(why)),
            Self::Measured(value) => format!("measured {}", super::figure::number(*value)),
            Self::Absent => "the case does not have this score".to_owned(),
            Self::Missing { reason, why } => format!("missing ({}){}", words::missing(*reason), because(why)),
        }
    }
}
