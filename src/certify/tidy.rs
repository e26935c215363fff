//! Figures as they are written down.

use crate::event::{Certified, ClaimFigures, Estimate};

/// Rounds every figure to ten significant digits. The decisions are made before; the logarithms of two machines may differ in
/// the last bit, and a certificate must not.
pub(super) fn tidy(certified: &mut Certified) {
    for candidate in &mut certified.candidates {
        candidate.claims.iter_mut().chain(&mut candidate.guards).for_each(claim);
        candidate.savings_usd.iter_mut().for_each(estimate);
    }
    for arm in &mut certified.arms {
        estimate(&mut arm.mean);
        let agreement = arm.agreement.iter_mut();
        agreement.flat_map(|found| found.dimensions.values_mut().chain([&mut found.alpha])).for_each(number);
        arm.pass_at.iter_mut().chain(&mut arm.pass_all).chain(&mut arm.trial_share).for_each(number);
    }
    for slice in &mut certified.slices {
        estimate(&mut slice.effect);
        slice.q.iter_mut().for_each(number);
    }
}

fn claim(figures: &mut ClaimFigures) {
    [&mut figures.effect, &mut figures.worst, &mut figures.best].into_iter().for_each(estimate);
    let numbers = [&mut figures.p, &mut figures.p_adjusted, &mut figures.mde, &mut figures.wealth];
    numbers.into_iter().flatten().for_each(number);
}

fn estimate(figures: &mut Estimate) {
    number(&mut figures.mean);
    figures.low.iter_mut().chain(&mut figures.high).for_each(number);
}

fn number(figure: &mut f64) {
    *figure = format!("{figure:.9e}").parse().unwrap_or(*figure);
}
