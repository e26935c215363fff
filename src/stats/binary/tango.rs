//! The score test and score interval of a difference of paired rates.

use super::mcnemar::within;
use super::z_of;
use crate::stats::count::real;
use crate::stats::{Interval, RateDifference, StatsError, normal_sf};

/// The score statistic of the null that the difference of the rates is `null`: it falls as `null` rises.
///
/// Z(δ) = (f − g − nδ) / √(n(2q + δ(1 − δ))), where q, the chance that only the baseline passes, is the most likely one under δ:
/// the larger root of 2n·q² + ((2n − f + g)δ − f − g)·q − gδ(1 − δ).
fn score(f: f64, g: f64, n: f64, null: f64) -> f64 {
    let excess = f - g - n * null;
    let linear = (2.0 * n - f + g) * null - f - g;
    let constant = -g * null * (1.0 - null);
    let root = (linear * linear - 8.0 * n * constant).max(0.0).sqrt();
    // Of the two ways to write the root, the one in which nothing cancels.
    let q = if linear <= 0.0 {
        (root - linear) / (4.0 * n)
    } else if constant == 0.0 {
        0.0
    } else {
        -2.0 * constant / (root + linear)
    };
    let variance = n * (2.0 * q + null * (1.0 - null));
    if excess == 0.0 {
        0.0
    } else if variance > 0.0 {
        excess / variance.sqrt()
    } else {
        // A null under which every pair is certain, and not as it was seen.
        f64::INFINITY.copysign(excess)
    }
}

/// The one-sided p of the score test that the paired difference of the rates is at most `null`: small when the candidate is better
/// than that. For non-inferiority with the margin m ask for the null −m; with the null 0 it is the uncorrected test of `McNemar`.
///
/// p = P\[N(0, 1) > Z(`null`)\], with `f` and `g` as in [`mcnemar`](super::mcnemar) among `n` pairs, and
/// Z(δ) = (f − g − nδ) / √(n(2q + δ(1 − δ))), where q is the most likely chance that only the baseline passes, given δ. An
/// approximation, good from about 20 pairs.
/// Source: Tango 1998, Equivalence test and confidence interval for the difference in proportions for the paired-sample design.
///
/// Domain: n at least 1 and at least f + g; −1 < `null` < 1. f = g = 0 with the null 0 gives ½.
pub fn tango_p_greater(f: u64, g: u64, n: u64, null: f64) -> Result<f64, StatsError> {
    within(f, g, n)?;
    StatsError::check("null", null, "above -1 and below 1", |d| d > -1.0 && d < 1.0)?;
    normal_sf(score(real(f), real(g), real(n), null).clamp(-1e3, 1e3))
}

/// The score interval of the paired difference of two rates: all δ with |Z(δ)| ≤ z, for the Z of [`tango_p_greater`].
///
/// Source: Tango 1998. Domain: n at least 1 and at least f + g; 0 < `confidence` < 1.
pub fn tango_score(f: u64, g: u64, n: u64, confidence: f64) -> Result<RateDifference, StatsError> {
    within(f, g, n)?;
    let z = z_of(confidence)?;
    let (f, g, n) = (real(f), real(g), real(n));
    let difference = (f - g) / n;
    let interval = Interval {
        low: last(-1.0, difference, |delta| score(f, g, n, delta) > z),
        high: -last(-1.0, -difference, |delta| score(f, g, n, -delta) < -z),
    };
    Ok(RateDifference { difference, interval })
}

/// Where `holds`, which may hold below some number and not above it, stops to hold between `low` and `high`.
fn last(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    if !holds(low) {
        return low;
    }
    // Halving the distance 100 times leaves nothing of it: the range is at most 2.
    for _ in 0..100 {
        let middle = low + (high - low) / 2.0;
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_where_the_test_does_not_reject() {
        for (f, g, n) in [(12, 2, 50), (0, 0, 30), (3, 0, 20), (0, 7, 9), (9, 0, 9), (40, 38, 100), (1, 0, 1)]
        {
            let found = tango_score(f, g, n, 0.95).unwrap();
            let Interval { low, high } = found.interval;
            assert!(
                -1.0 <= low && low <= found.difference && found.difference <= high && high <= 1.0,
                "{found:?}"
            );
            if low > -1.0 {
                assert!((tango_p_greater(f, g, n, low).unwrap() - 0.025).abs() < 1e-9, "{f} {g} {n}");
            }
            if high < 1.0 {
                assert!((tango_p_greater(f, g, n, high).unwrap() - 0.975).abs() < 1e-9, "{f} {g} {n}");
            }
        }
    }

    #[test]
    fn without_a_pair_that_differs_it_is_the_score_interval_of_nothing_seen() {
        let z = z_of(0.95).unwrap();
        let high = tango_score(0, 0, 30, 0.95).unwrap().interval.high;
        assert!((high - z * z / (30.0 + z * z)).abs() < 1e-12);
    }

    proptest::proptest! {
        #[test]
        fn p_rises_with_the_null(f in 0_u64..40, g in 0_u64..40, same in 1_u64..40, null in -0.98..0.97_f64) {
            let p = |null| tango_p_greater(f, g, f + g + same, null).unwrap();
            assert!(p(null) <= p(null + 0.01) + 1e-12);
        }
    }

    #[test]
    fn impossible_counts_are_refused() {
        assert!(tango_score(3, 3, 5, 0.95).is_err() && tango_score(0, 0, 0, 0.95).is_err());
        assert!(tango_p_greater(1, 1, 5, -1.0).is_err() && tango_p_greater(1, 1, 5, f64::NAN).is_err());
    }
}
