//! Scores that must not become worse, and what the candidate costs.

use super::claim::{Fixed, Null, Tested};
use super::docket::Docket;
use super::error::GateError;
use super::round::{Step, steps};
use super::sequence::Bets;
use super::units::{Against, Fill, mean};
use crate::event::{ArmFixed, Estimate, Place, Trial};
use crate::stats::{BoundedMean, StatsError};

/// A guard of a candidate.
pub(super) struct Guarded {
    /// The test of its loss against what is tolerated.
    pub(super) tested: Box<dyn Tested>,
    /// It is shown that the loss is within what is tolerated.
    pub(super) held: bool,
    /// It is shown that it is beyond.
    pub(super) regressed: bool,
    /// That it is beyond, after the correction for all guards.
    pub(super) below: Step,
}

/// All guards of all candidates. Each one must be held for a pass, so alpha is right for each; that any of them regressed is
/// one claim among all, and corrected.
pub(super) fn guards(
    docket: &Docket<'_>,
    scope: &[usize],
    fill: Fill,
) -> Result<Vec<Vec<Guarded>>, GateError> {
    let mut tested = Vec::new();
    for against in &docket.candidates {
        for (column, loss) in &docket.guards {
            let values = docket.values(column, docket.guarded(*against), scope, fill);
            tested.push(docket.test(values, Null::Lift(0.0 - loss))?);
        }
    }
    let alpha = docket.gate.alpha;
    let below = steps(&tested.iter().map(|test| test.p_less()).collect::<Vec<_>>(), alpha)?;
    let mut guarded = tested.into_iter().zip(below).map(|(tested, below)| Guarded {
        held: tested.p_greater() <= alpha,
        regressed: below.rejected,
        tested,
        below,
    });
    Ok(docket.candidates.iter().map(|_| guarded.by_ref().take(docket.guards.len()).collect()).collect())
}

/// What a candidate costs less than the baseline.
pub(super) struct Savings {
    /// Dollars a case, with one-sided bounds at alpha.
    pub(super) estimate: Estimate,
    /// It is shown that it costs less.
    pub(super) cheaper: bool,
}

/// Dollars a case that the baseline costs more; `None` where the spend of any pair that counts is not known, or there is no
/// pair. A cost has no upper end, so only its sign can be tested at every look, and its bounds are for the range that was seen.
pub(super) fn savings(
    docket: &Docket<'_>,
    against: Against,
    scope: &[usize],
) -> Result<Option<Savings>, GateError> {
    let Some(baseline) = docket.baseline() else { return Ok(None) };
    let alpha = docket.gate.alpha;
    let mut values = Vec::new();
    for unit in scope {
        match unit_savings(docket, against.candidate, baseline, &docket.units[*unit]) {
            Ok(Some(value)) => values.push(value),
            Ok(None) => {}
            Err(Unknown) => return Ok(None),
        }
    }
    let largest = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let Some(mean) = mean(values.iter().copied()) else { return Ok(None) };
    if !largest.is_finite() {
        return Err(StatsError::Domain { name: "a cost", value: largest, domain: "a finite number" }.into());
    }
    let scale = if largest > 0.0 { largest } else { 1.0 };
    let scaled: Vec<f64> = values.iter().map(|value| value / scale).collect();
    let zero = Null::Lift(0.0);
    let p = if docket.gate.sequential {
        let signs: Vec<f64> =
            scaled.iter().map(|value| if *value == 0.0 { 0.0 } else { value.signum() }).collect();
        Bets::new(&signs, zero)?.p_greater()
    } else {
        Fixed::new(scaled.clone(), zero, 1)?.p_greater()
    };
    let bounded = BoundedMean::new(&scaled.iter().map(|value| zero.unit(*value)).collect::<Vec<_>>())?;
    let cheaper = p <= alpha;
    let (low, high) = (zero.own(bounded.lower(alpha)?) * scale, zero.own(bounded.upper(alpha)?) * scale);
    let low = if cheaper { low.max(0.0) } else { low.min(0.0) };
    Ok(Some(Savings { estimate: Estimate { mean, low: Some(low), high: Some(high) }, cheaper }))
}

/// Nobody said what it cost.
struct Unknown;

/// What the pairs of a unit that were answered on both arms cost less.
fn unit_savings(
    docket: &Docket<'_>,
    candidate: usize,
    baseline: usize,
    cases: &[usize],
) -> Result<Option<f64>, Unknown> {
    let cost = |arm, case, trial| {
        let row = docket.sheet.at(Place { arm, case, trial: Trial(trial) })?;
        let billed = docket.plan.arms.get(arm).and_then(|fixed: &ArmFixed| fixed.billed(row.usage));
        row.missing.is_none().then_some(billed.and_then(|usage| usage.usd))
    };
    let mut of_cases = Vec::new();
    for case in cases {
        let mut of_trials = Vec::new();
        for trial in 1..=docket.plan.trials {
            if let (Some(new), Some(old)) = (cost(candidate, *case, trial), cost(baseline, *case, trial)) {
                of_trials.push(old.ok_or(Unknown)? - new.ok_or(Unknown)?);
            }
        }
        of_cases.extend(mean(of_trials.into_iter()));
    }
    Ok(mean(of_cases.into_iter()))
}
