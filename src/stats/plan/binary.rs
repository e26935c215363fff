//! Plans for pairs that pass or fail, by the normal approximation.

use super::{Sides, some, up, z_power};
use crate::stats::{StatsError, normal_cdf};

/// Holds a difference and the share of pairs that differ to what is possible: |δ| ≤ ψ ≤ 1.
pub(super) fn possible(delta: f64, share: f64) -> Result<(), StatsError> {
    StatsError::check("the share of pairs that differ", share, "from 0 to 1", |s| (0.0..=1.0).contains(&s))?;
    let domain = "at most the share of pairs that differ, on both sides of 0";
    StatsError::check("delta", delta, domain, |d| d.abs() <= share).map(drop)
}

/// The smallest difference of two paired rates that `n` pairs find with `power`, where the share ψ of the pairs differ:
/// (z₁₋α + zₚ)·√(ψ/n), with z₁₋α/₂ for two sides. `None` where that is more than ψ, which no difference can be.
///
/// Source: Connor 1987; Lachin 1992; without the −δ² in the variance, so a little too large, never too hopeful for it. From
/// about 10 pairs that differ; below that use [`mcnemar_mde`](super::mcnemar_mde).
///
/// Domain: n ≥ 1; 0 ≤ ψ ≤ 1; 0 < `alpha` < 1, alpha (its half) < `power` < 1.
pub fn mde_paired_binary(
    n: u64,
    share: f64,
    alpha: f64,
    power: f64,
    sides: Sides,
) -> Result<Option<f64>, StatsError> {
    possible(0.0, share)?;
    let effect = sides.reach(alpha, power)? * (share / some(n)?).sqrt();
    Ok((effect <= share && share > 0.0).then_some(effect))
}

/// The number of pairs with which the test of `McNemar` finds the difference δ of two paired rates with `power`, where the share ψ
/// of the pairs differ: (z₁₋α√ψ + zₚ√(ψ − δ²))² / δ², up to the next whole number. `None` for δ = 0.
///
/// Source: Connor 1987; Lachin 1992. Domain: |δ| ≤ ψ ≤ 1; 0 < `alpha` < 1, alpha (its half) < `power` < 1.
pub fn n_paired_binary(
    delta: f64,
    share: f64,
    alpha: f64,
    power: f64,
    sides: Sides,
) -> Result<Option<u64>, StatsError> {
    possible(delta, share)?;
    sides.reach(alpha, power)?;
    let needed = needed(delta, share, sides.z(alpha)?, z_power(power)?);
    Ok((delta != 0.0).then(|| up(needed).max(1)))
}

fn needed(delta: f64, share: f64, z_alpha: f64, z_power: f64) -> f64 {
    let root = z_alpha * share.sqrt() + z_power * (share - delta * delta).max(0.0).sqrt();
    // The root is below 0 only for powers that any number of pairs has.
    (root.max(0.0) / delta).powi(2)
}

/// The power of the test of `McNemar` with `n` pairs for the difference δ, where the share ψ of the pairs differ:
/// Φ((|δ|√n − z₁₋α√ψ) / √(ψ − δ²)), with z₁₋α/₂ for two sides; for δ = 0 it is alpha. The exact one is
/// [`mcnemar_power`](super::mcnemar_power).
///
/// Source: Connor 1987; Lachin 1992. Domain: n ≥ 1; |δ| ≤ ψ ≤ 1; 0 < `alpha` < 1.
pub fn power_paired_binary(
    n: u64,
    delta: f64,
    share: f64,
    alpha: f64,
    sides: Sides,
) -> Result<f64, StatsError> {
    possible(delta, share)?;
    let (z, n) = (sides.z(alpha)?, some(n)?);
    if delta == 0.0 {
        return Ok(alpha);
    }
    let (excess, variance) = (delta.abs() * n.sqrt() - z * share.sqrt(), share - delta * delta);
    if variance <= 0.0 {
        // Every pair differs, all in one direction.
        return Ok(if excess > 0.0 { 1.0 } else { 0.0 });
    }
    normal_cdf((excess / variance.sqrt()).clamp(-1e3, 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_before_it_is_rounded_up() {
        let (z_alpha, z_power) = (Sides::Two.z(0.05).unwrap(), z_power(0.8).unwrap());
        assert!((needed(0.05, 0.15, z_alpha, z_power) / 468.567_979_460_319_24 - 1.0).abs() < 1e-9);
        assert_eq!(n_paired_binary(0.05, 0.15, 0.05, 0.8, Sides::Two).unwrap(), Some(469));
        assert_eq!(n_paired_binary(-0.05, 0.15, 0.05, 0.8, Sides::Two).unwrap(), Some(469));
        let seen = mde_paired_binary(200, 0.15, 0.05, 0.8, Sides::Two).unwrap().unwrap();
        assert!((seen / 0.076_724_571_036_675_18 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_number_has_the_power_and_one_less_has_not() {
        for (delta, share) in [(0.05, 0.15), (0.1, 0.1), (-0.02, 0.3), (0.3, 0.9)] {
            for sides in [Sides::One, Sides::Two] {
                let n = n_paired_binary(delta, share, 0.05, 0.8, sides).unwrap().unwrap();
                assert!(power_paired_binary(n, delta, share, 0.05, sides).unwrap() >= 0.8 - 1e-12);
                assert!(power_paired_binary(n - 1, delta, share, 0.05, sides).unwrap() < 0.8);
            }
        }
    }

    #[test]
    fn no_difference_is_never_found() {
        assert_eq!(n_paired_binary(0.0, 0.15, 0.05, 0.8, Sides::One).unwrap(), None);
        assert!((power_paired_binary(99, 0.0, 0.15, 0.05, Sides::Two).unwrap() - 0.05).abs() < 1e-15);
        assert_eq!(mde_paired_binary(5, 0.1, 0.05, 0.8, Sides::One).unwrap(), None);
        assert_eq!(mde_paired_binary(5, 0.0, 0.05, 0.8, Sides::One).unwrap(), None);
        assert!((power_paired_binary(9, 1.0, 1.0, 0.05, Sides::One).unwrap() - 1.0).abs() < 1e-15);
        assert!(n_paired_binary(0.2, 0.1, 0.05, 0.8, Sides::One).is_err());
        assert!(power_paired_binary(9, f64::NAN, 0.1, 0.05, Sides::One).is_err());
    }
}
