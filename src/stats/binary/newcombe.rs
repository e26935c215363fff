//! Hybrid score intervals of a difference of two rates.

use crate::stats::count::real;
use crate::stats::{Interval, StatsError, wilson};

/// The difference of two rates, first less second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateDifference {
    /// As observed, from −1 to 1.
    pub difference: f64,
    /// Its interval.
    pub interval: Interval,
}

/// The interval of the difference of two paired rates: `both` pass, only the `first` passes, only the `second`, `neither`.
///
/// With p₁, p₂ the two rates, \[lᵢ, uᵢ\] their Wilson intervals and d = p₁ − p₂:
/// low = d − √((p₁−l₁)² − 2φ(p₁−l₁)(u₂−p₂) + (u₂−p₂)²), high = d + √((u₁−p₁)² − 2φ(u₁−p₁)(p₂−l₂) + (p₂−l₂)²). φ is the
/// correlation of the 2 × 2 table, of whose numerator `both·neither − first·second`, where it is positive, n/2 is taken off down
/// to 0; it is 0 where a rate is 0 or 1.
/// Source: Newcombe 1998, Improved confidence intervals for the difference between binomial proportions based on paired
/// data, method 10.
///
/// Domain: at least one pair; 0 < `confidence` < 1. For a one-sided bound at α ask for the confidence 1 − 2α.
pub fn newcombe_paired(
    both: u64,
    first: u64,
    second: u64,
    neither: u64,
    confidence: f64,
) -> Result<RateDifference, StatsError> {
    let n = [first, second, neither].iter().try_fold(both, |sum, cell| sum.checked_add(*cell));
    let Some(n) = n else {
        let value = real(both) + real(first) + real(second) + real(neither);
        return Err(StatsError::Domain { name: "the number of pairs", value, domain: "below 2^64" });
    };
    let numerator = real(both) * real(neither) - real(first) * real(second);
    let corrected = if numerator > 0.0 { (numerator - real(n) / 2.0).max(0.0) } else { numerator };
    let margins = real(both + first) * real(second + neither) * real(both + second) * real(first + neither);
    let phi = if margins > 0.0 { corrected / margins.sqrt() } else { 0.0 };
    hybrid((both + first, n), (both + second, n), phi, confidence)
}

/// The interval of the difference of two independent rates, `passed` of `n` on each side: as [`newcombe_paired`] with φ = 0.
///
/// Source: Newcombe 1998, Interval estimation for the difference between independent proportions, method 10.
///
/// Domain: at least one answer on each side, `passed` ≤ `n`; 0 < `confidence` < 1.
pub fn newcombe_independent(
    first: (u64, u64),
    second: (u64, u64),
    confidence: f64,
) -> Result<RateDifference, StatsError> {
    hybrid(first, second, 0.0, confidence)
}

fn hybrid(
    first: (u64, u64),
    second: (u64, u64),
    phi: f64,
    confidence: f64,
) -> Result<RateDifference, StatsError> {
    let (one, two) = (wilson(first.0, first.1, confidence)?, wilson(second.0, second.1, confidence)?);
    let (p, q) = (real(first.0) / real(first.1), real(second.0) / real(second.1));
    // The root of a form that is never negative, but for its rounding, as |φ| ≤ 1.
    let reach = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
    let difference = p - q;
    let interval = Interval {
        low: (difference - reach(p - one.low, two.high - q)).max(-1.0),
        high: (difference + reach(one.high - p, q - two.low)).min(1.0),
    };
    Ok(RateDifference { difference, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapping_the_sides_turns_the_interval_round() {
        let one = newcombe_paired(30, 9, 4, 7, 0.9).unwrap();
        let two = newcombe_paired(30, 4, 9, 7, 0.9).unwrap();
        assert!((one.interval.low + two.interval.high).abs() < 1e-14);
        assert!((one.interval.high + two.interval.low).abs() < 1e-14);
        let wider = newcombe_paired(30, 9, 4, 7, 0.99).unwrap();
        assert!(wider.interval.low < one.interval.low && wider.interval.high > one.interval.high);
    }

    #[test]
    fn extremes_stay_in_range() {
        for (both, first, second, neither) in
            [(0, 9, 0, 0), (0, 0, 9, 0), (9, 0, 0, 0), (0, 0, 0, 9), (0, 1, 0, 0)]
        {
            let found = newcombe_paired(both, first, second, neither, 0.95).unwrap();
            assert!(found.interval.low >= -1.0 && found.interval.high <= 1.0);
            assert!(found.interval.low <= found.difference && found.difference <= found.interval.high);
            assert!(found.interval.low < found.interval.high, "{found:?}");
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(newcombe_paired(0, 0, 0, 0, 0.95).is_err());
        assert!(newcombe_paired(1, 1, 1, 1, 1.0).is_err());
        assert!(newcombe_independent((3, 2), (1, 2), 0.95).is_err());
        assert!(newcombe_independent((1, 2), (1, 2), f64::NAN).is_err());
    }
}
