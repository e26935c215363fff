//! The mean of scores: Student's interval, which takes the mean for normal.

use super::count::length;
use super::level::{one_sided, two_sided};
use super::student::t_quantile;
use super::{Interval, StatsError};

/// The t interval: mean ± t·s/√n with n-1 degrees of freedom (Student 1908), two-sided.
///
/// For means that are near normal; skewed scores or fewer than 30 call for [`bca`](super::bca). Its width is zero where all
/// values are equal, and then it says nothing. Domain: two finite values or more, 1e-9 ≤ confidence < 1.
pub fn t_interval(values: &[f64], confidence: f64) -> Result<Interval, StatsError> {
    let (mean, half) = half_width(values, two_sided(confidence)?)?;
    Ok(Interval { low: mean - half, high: mean + half })
}

/// The one-sided lower bound of the mean: mean - t₁₋α·s/√n. As [`t_interval`], with 0 < alpha < 1.
pub fn t_lower(values: &[f64], alpha: f64) -> Result<f64, StatsError> {
    half_width(values, one_sided(alpha)?).map(|(mean, half)| mean - half)
}

/// The one-sided upper bound of the mean. As [`t_lower`].
pub fn t_upper(values: &[f64], alpha: f64) -> Result<f64, StatsError> {
    half_width(values, one_sided(alpha)?).map(|(mean, half)| mean + half)
}

/// The mean, and how far a bound with a chance of `tail` beyond it is from it.
fn half_width(values: &[f64], tail: f64) -> Result<(f64, f64), StatsError> {
    finite(values, 2)?;
    let spread = (variance_of(values) / length(values)).sqrt();
    let quantile = t_quantile(tail, length(values) - 1.0)?;
    Ok((mean_of(values), -quantile * spread))
}

/// At least `needed` values, each of them finite.
pub(super) fn finite(values: &[f64], needed: usize) -> Result<(), StatsError> {
    if values.len() < needed {
        return Err(StatsError::TooFew { needed, found: values.len() });
    }
    // The cube of what is larger has no place among the numbers.
    values.iter().try_for_each(|&value| {
        StatsError::check("value", value, "finite and below 1e100 in size", |value| value.abs() < 1e100)
            .map(|_| ())
    })
}

/// The arithmetic mean. Of equal values it is that value, to the bit: `values` is not empty.
pub(super) fn mean_of(values: &[f64]) -> f64 {
    let origin = values[0];
    origin + values.iter().map(|value| value - origin).sum::<f64>() / length(values)
}

/// The variance, with n-1 below. Zero to the bit where all are equal: `values` are two or more.
pub(super) fn variance_of(values: &[f64]) -> f64 {
    let mean = mean_of(values);
    values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (length(values) - 1.0)
}

/// Whether no two of them differ.
pub(super) fn all_equal(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0].max(pair[1]) <= pair[0].min(pair[1]))
}
