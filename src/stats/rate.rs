//! One rate: what `k` successes among `n` tries say of the rate behind them.

use super::beta::beta_quantile;
use super::count::real;
use super::level::{one_sided, two_sided};
use super::normal::normal_quantile;
use super::{Interval, StatsError};

/// The score interval of Wilson 1927: (p̂ + z²/2n ± z√(p̂(1-p̂)/n + z²/4n²)) / (1 + z²/n), two-sided.
///
/// Close to its level already at small n, on average; not a guarantee at every rate, as [`clopper_pearson`] is. Domain:
/// k ≤ n, n ≥ 1, 1e-9 ≤ confidence < 1.
pub fn wilson(k: u64, n: u64, confidence: f64) -> Result<Interval, StatsError> {
    tries(k, n)?;
    Ok(score(real(k), real(n), above(two_sided(confidence)?)?))
}

/// The lower bound of Wilson's one-sided interval: the rate is above it, but for a chance of `alpha`. Domain: k ≤ n, n ≥ 1,
/// 0 < alpha < 1.
pub fn wilson_lower(k: u64, n: u64, alpha: f64) -> Result<f64, StatsError> {
    tries(k, n)?;
    Ok(score_side(real(k), real(n), above(one_sided(alpha)?)?, -1.0))
}

/// The upper bound of Wilson's one-sided interval. As [`wilson_lower`].
pub fn wilson_upper(k: u64, n: u64, alpha: f64) -> Result<f64, StatsError> {
    tries(k, n)?;
    Ok(score_side(real(k), real(n), above(one_sided(alpha)?)?, 1.0))
}

/// Wilson's interval of a clustered rate: `k` and `n` are what independent tries would have told as much, the rate times
/// the effective number and that number, and need not be whole.
///
/// The idea of Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive
/// counts estimated from survey data". Domain: 0 ≤ k ≤ n, n ≥ 1e-9, 1e-9 ≤ confidence < 1.
pub fn wilson_effective(k: f64, n: f64, confidence: f64) -> Result<Interval, StatsError> {
    StatsError::check("n", n, "1e-9 or more", |n| n >= 1e-9)?;
    StatsError::check("k", k, "from 0 to n", |k| (0.0..=n).contains(&k))?;
    Ok(score(k, n, above(two_sided(confidence)?)?))
}

/// The exact interval of Clopper and Pearson 1934: the quantiles α/2 of `Beta(k, n-k+1)` and 1-α/2 of `Beta(k+1, n-k)`.
///
/// Holds its level at every rate, and is wider than needed at most of them. Domain: k ≤ n, 1 ≤ n ≤ 1e9,
/// 1e-9 ≤ confidence < 1.
pub fn clopper_pearson(k: u64, n: u64, confidence: f64) -> Result<Interval, StatsError> {
    let alpha = two_sided(confidence)?;
    tries(k, n)?;
    Ok(Interval { low: exact_lower(k, n, alpha)?, high: exact_upper(k, n, alpha)? })
}

/// The exact one-sided lower bound: the lowest rate at which `k` or more successes have a chance of `alpha`. Domain: k ≤ n,
/// 1 ≤ n ≤ 1e9, 0 < alpha < 1.
pub fn clopper_pearson_lower(k: u64, n: u64, alpha: f64) -> Result<f64, StatsError> {
    one_sided(alpha)?;
    tries(k, n)?;
    exact_lower(k, n, alpha)
}

/// The exact one-sided upper bound: 1 - α^(1/n) where nothing was seen. As [`clopper_pearson_lower`].
pub fn clopper_pearson_upper(k: u64, n: u64, alpha: f64) -> Result<f64, StatsError> {
    one_sided(alpha)?;
    tries(k, n)?;
    exact_upper(k, n, alpha)
}

/// The equal-tailed interval of the posterior `Beta(k+½, n-k+½)` of Jeffreys' prior (Brown, Cai and `DasGupta` 2001, without
/// their changes at k = 0 and k = n). Domain: k ≤ n, 1 ≤ n ≤ 1e9, 1e-9 ≤ confidence < 1.
pub fn jeffreys(k: u64, n: u64, confidence: f64) -> Result<Interval, StatsError> {
    let alpha = two_sided(confidence)?;
    tries(k, n)?;
    let (hits, misses) = (real(k) + 0.5, real(n - k) + 0.5);
    // The upper bound from its own side, where its distance from 1 has the digits.
    Ok(Interval { low: beta_quantile(alpha, hits, misses)?, high: 1.0 - beta_quantile(alpha, misses, hits)? })
}

fn exact_lower(k: u64, n: u64, alpha: f64) -> Result<f64, StatsError> {
    if k == 0 {
        return Ok(0.0);
    }
    beta_quantile(alpha, real(k), real(n - k) + 1.0)
}

fn exact_upper(k: u64, n: u64, alpha: f64) -> Result<f64, StatsError> {
    // The failures bound their own rate from below.
    Ok(1.0 - exact_lower(n - k, n, alpha)?)
}

fn tries(k: u64, n: u64) -> Result<(), StatsError> {
    if n == 0 {
        return Err(StatsError::TooFew { needed: 1, found: 0 });
    }
    StatsError::check("k", real(k), "at most n", |_| k <= n).map(|_| ())
}

/// The z with a chance of `tail` above it.
fn above(tail: f64) -> Result<f64, StatsError> {
    normal_quantile(tail).map(|z| -z)
}

fn score(k: f64, n: f64, z: f64) -> Interval {
    Interval { low: score_side(k, n, z, -1.0), high: score_side(k, n, z, 1.0) }
}

/// One end of the score interval; `side` is 1 or -1.
fn score_side(k: f64, n: f64, z: f64, side: f64) -> f64 {
    let (rate, square) = (k / n, z * z);
    let half = z * (rate * (1.0 - rate) / n + square / (4.0 * n * n)).sqrt();
    let end = (rate + square / (2.0 * n) + side * half) / (1.0 + square / n);
    // At the ends of the scale the two terms are equal, but for their last bits.
    let nothing = side * z < 0.0 && k <= 0.0;
    let everything = side * z > 0.0 && k >= n;
    if nothing {
        0.0
    } else if everything {
        1.0
    } else {
        end.clamp(0.0, 1.0)
    }
}
