//! The exact power of tests of pairs that pass or fail, and the best that any such test can have.

use super::binary::possible;
use super::{Sides, some};
use crate::stats::binary::fair_at_least;
use crate::stats::count::place;
use crate::stats::{StatsError, binomial_pmf, binomial_sf, root};

/// The exact power of the exact test of `McNemar` with `n` pairs, where the share ψ of the pairs differ and the rates by δ (the
/// candidate better by δ; negative: worse).
///
/// Σₘ P\[Bin(n, ψ) = m\] · P\[Bin(m, (ψ + δ)/2ψ) ≥ cₘ\], with cₘ the least count that the test of m pairs that differ rejects
/// at alpha; for two sides with half of alpha, and the same on the other side. With δ = 0 it is the level that the test really
/// has.
/// Source: the unconditional power of a conditional test, Duffy 1984. Sums over the m within 9 standard deviations, outside of
/// which less than 10⁻¹⁷ lies.
///
/// Domain: 1 ≤ n ≤ 100,000, as it takes time with n (beyond, the normal [`power_paired_binary`](super::power_paired_binary)
/// is as good); |δ| ≤ ψ ≤ 1; 0 < `alpha` < 1.
pub fn mcnemar_power(n: u64, delta: f64, share: f64, alpha: f64, sides: Sides) -> Result<f64, StatsError> {
    summed(n, delta, share, alpha, sides, false)
}

/// The power of the best test there is at this level, for comparison: among tests that hold alpha whatever the share of pairs that
/// differ, the randomised test of `McNemar` is the most powerful one at every δ on the named side (uniformly most powerful
/// unbiased). It is [`mcnemar_power`] with the outcome next to the boundary rejected as often as alpha has room for it.
///
/// Source: Lehmann & Romano 2005, Testing Statistical Hypotheses, section 4.9. Domain: as [`mcnemar_power`].
pub fn optimal_power(n: u64, delta: f64, share: f64, alpha: f64, sides: Sides) -> Result<f64, StatsError> {
    summed(n, delta, share, alpha, sides, true)
}

/// The smallest difference that the exact test of `McNemar` finds with `power` among `n` pairs of which the share ψ differ; `None` where
/// even δ = ψ is not found.
///
/// By halving, on [`mcnemar_power`], which rises with δ. Domain: as there; alpha < `power` < 1.
pub fn mcnemar_mde(
    n: u64,
    share: f64,
    alpha: f64,
    power: f64,
    sides: Sides,
) -> Result<Option<f64>, StatsError> {
    StatsError::check("power", power, "above alpha and below 1", |p| p > alpha && p < 1.0)?;
    if share == 0.0 || mcnemar_power(n, share, share, alpha, sides)? < power {
        return Ok(None);
    }
    root::first(0.0, share, |delta| Ok(mcnemar_power(n, delta, share, alpha, sides)? >= power)).map(Some)
}

fn summed(
    n: u64,
    delta: f64,
    share: f64,
    alpha: f64,
    sides: Sides,
    randomised: bool,
) -> Result<f64, StatsError> {
    possible(delta, share)?;
    let tail = sides.tail(alpha)?;
    let pairs = StatsError::check("the number of pairs", some(n)?, "at most 100000", |n| n <= 1e5)?;
    let candidate = if share > 0.0 { ((share + delta) / (2.0 * share)).clamp(0.0, 1.0) } else { 0.5 };
    let (first, last) = bulk(pairs, share);
    let mut power = 0.0;
    let mut critical = 0;
    for differ in first..=last.min(n) {
        // The critical count never falls as more pairs differ.
        while fair_at_least(critical, differ)? > tail {
            critical += 1;
        }
        let mut rejects = at_least(critical, differ, candidate)?;
        if sides == Sides::Two {
            rejects += at_least(critical, differ, 1.0 - candidate)?;
        }
        if randomised && critical > 0 {
            let next = critical - 1;
            let room = tail - fair_at_least(critical, differ)?;
            let often = (room / binomial_pmf(next, differ, 0.5)?).min(1.0);
            rejects += often * binomial_pmf(next, differ, candidate)?;
            if sides == Sides::Two {
                rejects += often * binomial_pmf(next, differ, 1.0 - candidate)?;
            }
        }
        power += binomial_pmf(differ, n, share)? * rejects;
    }
    Ok(power.min(1.0))
}

/// Where nearly all of Bin(n, p) lies.
fn bulk(n: f64, p: f64) -> (u64, u64) {
    let (mean, reach) = (n * p, 9.0 * (n * p * (1.0 - p)).sqrt() + 30.0);
    (place(mean - reach, usize::MAX) as u64, place(mean + reach, usize::MAX) as u64)
}

fn at_least(k: u64, n: u64, p: f64) -> Result<f64, StatsError> {
    if k == 0 { Ok(1.0) } else { binomial_sf(k - 1, n, p) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::count::real;

    #[test]
    fn the_best_test_uses_all_of_alpha() {
        for (n, share) in [(1, 0.5), (6, 0.1), (20, 0.3), (200, 0.15), (50, 0.0)] {
            for sides in [Sides::One, Sides::Two] {
                let level = optimal_power(n, 0.0, share, 0.05, sides).unwrap();
                assert!((level - 0.05).abs() < 1e-12, "{n} {share} {level}");
                assert!(mcnemar_power(n, 0.0, share, 0.05, sides).unwrap() <= 0.05);
            }
        }
    }

    /// The exact one-sided test for a real difference of 5 points where 15 % of the pairs differ, as simulated elsewhere: 27, 51,
    /// 79 and 98 %.
    #[test]
    fn what_a_green_gate_could_have_seen() {
        for (n, simulated) in [(100, 0.27), (200, 0.51), (400, 0.79), (800, 0.98)] {
            let power = mcnemar_power(n, 0.05, 0.15, 0.05, Sides::One).unwrap();
            assert!((power - simulated).abs() < 0.015, "{n}: {power}");
            let best = optimal_power(n, 0.05, 0.15, 0.05, Sides::One).unwrap();
            assert!(best > power && best < power + 0.12, "{n}: {best} beside {power}");
            let mirror = mcnemar_power(n, -0.05, 0.15, 0.05, Sides::Two).unwrap();
            assert!((mirror - mcnemar_power(n, 0.05, 0.15, 0.05, Sides::Two).unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn the_smallest_effect_has_the_power() {
        let effect = mcnemar_mde(200, 0.15, 0.05, 0.8, Sides::One).unwrap().unwrap();
        assert!((mcnemar_power(200, effect, 0.15, 0.05, Sides::One).unwrap() - 0.8).abs() < 1e-9);
        assert_eq!(mcnemar_mde(4, 1.0, 0.05, 0.8, Sides::One).unwrap(), None, "four pairs cannot reach 5 %");
        assert_eq!(mcnemar_mde(200, 0.0, 0.05, 0.8, Sides::One).unwrap(), None);
        assert!(mcnemar_mde(200, 0.15, 0.05, f64::NAN, Sides::One).is_err());
    }

    #[test]
    fn the_bulk_holds_the_whole() {
        for (n, p) in [(1, 0.5), (1000, 0.001), (100_000, 0.3)] {
            let (first, last) = bulk(real(n), p);
            let whole: f64 = (first..=last.min(n)).map(|m| binomial_pmf(m, n, p).unwrap()).sum();
            assert!((whole - 1.0).abs() < 1e-11, "{whole}");
        }
    }
}
