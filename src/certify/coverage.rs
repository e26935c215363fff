//! What was dealt and what came back.

use super::units::Column;
use crate::event::{ArmFixed, MissingReason, Place, Reason, Sheet, Trial};

/// What an arm has of a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Covered {
    /// Cells that were dealt.
    pub(super) dealt: u64,
    /// Cells with a value.
    pub(super) answered: u64,
}

impl Covered {
    /// Whether it is the share that the gate demands.
    pub(super) fn reaches(self, share: f64) -> bool {
        // Whole numbers far below 2^53.
        #[expect(clippy::cast_precision_loss, reason = "counts of cells")]
        let (answered, dealt) = (self.answered as f64, self.dealt as f64);
        answered >= share * dealt * (1.0 - 1e-12)
    }
}

/// Counts an arm of a column, over some cases.
pub(super) fn covered(column: &Column<'_>, arm: usize, cases: impl Iterator<Item = usize>) -> Covered {
    let mut found = Covered::default();
    for case in cases.filter(|case| column.has(*case)) {
        for trial in 1..=column.trials {
            found.dealt += 1;
            found.answered += u64::from(column.value(arm, case, trial).is_some());
        }
    }
    found
}

/// Which cells both arms have, and which only one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Matched {
    /// Answered on both.
    pub(super) both: u64,
    /// On the candidate only.
    pub(super) candidate: u64,
    /// On the baseline only.
    pub(super) baseline: u64,
}

/// Counts the pairs of a column, over some cases. Without a baseline, what the candidate has counts as had by both.
pub(super) fn matched(
    column: &Column<'_>,
    candidate: usize,
    baseline: Option<usize>,
    cases: impl Iterator<Item = usize>,
) -> Matched {
    let mut found = Matched::default();
    for case in cases.filter(|case| column.has(*case)) {
        for trial in 1..=column.trials {
            let new = column.value(candidate, case, trial).is_some();
            let old = baseline.map_or(new, |arm| column.value(arm, case, trial).is_some());
            match (new, old) {
                (true, true) => found.both += 1,
                (true, false) => found.candidate += 1,
                (false, true) => found.baseline += 1,
                (false, false) => {}
            }
        }
    }
    found
}

/// Why the run is not whole, as far as its rows tell: its budget ended, or somebody ended it.
pub(super) fn cut_short(sheet: &Sheet, arms: &[usize], cases: &[usize], trials: u64) -> Vec<Reason> {
    let (mut budget, mut ended) = (false, false);
    for arm in arms {
        for case in cases {
            for trial in 1..=trials {
                let place = Place { arm: *arm, case: *case, trial: Trial(trial) };
                match sheet.at(place).map(|row| row.missing) {
                    Some(Some(MissingReason::Budget)) => budget = true,
                    Some(Some(MissingReason::NotRun)) | None => ended = true,
                    Some(_) => {}
                }
            }
        }
    }
    // Where the budget ended it, what was not begun any more is its doing too.
    match (budget, ended) {
        (true, _) => vec![Reason::BudgetExhausted],
        (false, true) => vec![Reason::Interrupted],
        (false, false) => Vec::new(),
    }
}

/// The answers of an arm: how many there are, how many of them have no reported usage, and how many cost something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reported {
    answered: u64,
    stubs: u64,
    paid: u64,
}

/// Counts the answers of each arm.
fn reported(sheet: &Sheet) -> Vec<Reported> {
    let mut found = vec![Reported::default(); sheet.plan().map_or(0, |plan| plan.arms.len())];
    for (_, place, row) in sheet.rows().filter(|(_, _, row)| row.missing.is_none()) {
        let Some(arm) = found.get_mut(place.arm) else { continue };
        arm.answered += 1;
        arm.stubs += u64::from(row.is_stub());
        arm.paid += u64::from(row.usage.and_then(|usage| usage.usd).is_some_and(|usd| usd > 0.0));
    }
    found
}

/// Whether one of some arms has answers without any reported usage, and its profile does not say that it is offline.
pub(super) fn has_stubs(sheet: &Sheet, arms: &[usize]) -> bool {
    let fixed = sheet.plan().map_or(&[][..], |plan| &plan.arms);
    let suspect = |arm: &usize| arms.contains(arm) && fixed.get(*arm).is_some_and(|fixed| !fixed.offline);
    sheet.rows().any(|(_, place, row)| row.is_stub() && suspect(&place.arm))
}

/// What a reader must know of what the arms reported, a sentence each: answers without any reported usage, unless the gate accepts
/// them; and dollars of an arm whose profile says that it costs nothing.
pub(super) fn on_usage(sheet: &Sheet) -> Vec<String> {
    let Some(plan) = sheet.plan() else { return Vec::new() };
    let accepted = plan.gate.as_ref().is_none_or(|gate| gate.stubs);
    let said = |(fixed, found): (&ArmFixed, Reported)| {
        let Reported { answered, stubs, paid } = found;
        let name = &fixed.name;
        if fixed.offline {
            return (paid > 0).then(|| {
                format!("The profile of {name} says that it is offline, and {paid} of its {answered} answers report dollars.")
            });
        }
        (stubs > 0 && !accepted).then(|| {
            format!("{stubs} of the {answered} answers of {name} have no reported usage, and its profile does not say that it is offline.")
        })
    };
    plan.arms.iter().zip(reported(sheet)).filter_map(said).collect()
}
