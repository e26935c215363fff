//! What was dealt and what came back.

use super::units::Column;
use crate::event::{MissingReason, Place, Reason, Sheet, Trial};

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

/// Whether an arm has answers without any reported usage.
pub(super) fn has_stubs(sheet: &Sheet, arms: &[usize]) -> bool {
    sheet.rows().any(|(_, place, row)| arms.contains(&place.arm) && row.is_stub())
}
