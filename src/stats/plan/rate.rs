//! Plans for one rate, and for two arms without pairs.

use super::{Sides, some, up};
use crate::stats::{StatsError, binomial_sf, root};

/// The smallest difference of the rates of two independent arms of `n` answers each, found with `power`:
/// (z₁₋α + zₚ)·√(2p(1 − p)/n) at the rate p, with z₁₋α/₂ for two sides.
///
/// Source: Cohen 1988; Fleiss 1981. Normal, with the variance at p on both sides. Domain: 0 < p < 1; n ≥ 1; 0 < `alpha` < 1,
/// alpha (its half) < `power` < 1.
pub fn mde_unpaired(p: f64, n: u64, alpha: f64, power: f64, sides: Sides) -> Result<f64, StatsError> {
    StatsError::check("the rate", p, "above 0 and below 1", |p| p > 0.0 && p < 1.0)?;
    Ok(sides.reach(alpha, power)? * (2.0 * p * (1.0 - p) / some(n)?).sqrt())
}

/// The number of values in each of two independent arms that finds a difference of `d` standard deviations with `power`:
/// 2((z₁₋α + zₚ)/d)², up to the next whole number, with z₁₋α/₂ for two sides. `None` for d = 0.
///
/// Source: Cohen 1988. Domain: finite d; 0 < `alpha` < 1, alpha (its half) < `power` < 1.
pub fn n_per_arm(d: f64, alpha: f64, power: f64, sides: Sides) -> Result<Option<u64>, StatsError> {
    let d = StatsError::check("d", d, "a finite number", |_| true)?;
    let reach = sides.reach(alpha, power)?;
    Ok((d != 0.0).then(|| up(2.0 * (reach / d).powi(2)).max(1)))
}

/// How far above `p` a rate must be for the exact binomial test of "the rate is at most p" with `n` answers to find it with `power`.
/// `None` where no rate is found, since even n of n do not reject.
///
/// With c the least count of which P\[Bin(n, p) ≥ c\] ≤ alpha (its half for two sides): the least q with
/// P\[Bin(n, q) ≥ c\] ≥ `power`, less p. For a rate below p ask for 1 − p: the failures.
/// Source: Clopper & Pearson 1934, the test that their interval inverts.
///
/// Domain: 0 ≤ p < 1; 1 ≤ n ≤ 10¹⁰; 0 < `alpha` < 1; alpha (its half) < `power` < 1.
pub fn mde_one_rate(p: f64, n: u64, alpha: f64, power: f64, sides: Sides) -> Result<Option<f64>, StatsError> {
    StatsError::check("the rate", p, "from 0 to below 1", |p| (0.0..1.0).contains(&p))?;
    sides.reach(alpha, power)?;
    some(n)?;
    let tail = sides.tail(alpha)?;
    // The last count that does not reject, and the first that does.
    let (mut kept, mut rejected) = (0, n.saturating_add(1));
    while rejected - kept > 1 {
        let middle = kept + (rejected - kept) / 2;
        if binomial_sf(middle - 1, n, p)? <= tail { rejected = middle } else { kept = middle }
    }
    if rejected > n {
        return Ok(None);
    }
    // −0 is 0 to the tests above, but not to a search by the bits of numbers.
    let found = root::first(p.abs(), 1.0, |q| Ok(binomial_sf(rejected - 1, n, q)? >= power))?;
    Ok(Some(found - p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rate() {
        let seen = mde_one_rate(0.8, 50, 0.05, 0.8, Sides::One).unwrap().unwrap();
        // 45 of 50 has P[Bin(50, 0.8) >= 45] = 0.048, and 44 has 0.103.
        assert!(binomial_sf(44, 50, 0.8).unwrap() <= 0.05 && binomial_sf(43, 50, 0.8).unwrap() > 0.05);
        assert!((binomial_sf(44, 50, 0.8 + seen).unwrap() - 0.8).abs() < 1e-9);
        assert!(mde_one_rate(0.8, 50, 0.05, 0.8, Sides::Two).unwrap().unwrap() > seen);
        assert!(mde_one_rate(0.8, 500, 0.05, 0.8, Sides::One).unwrap().unwrap() < seen);
        // A rate of nothing is left by the first success.
        let first = mde_one_rate(0.0, 30, 0.05, 0.8, Sides::One).unwrap().unwrap();
        assert!((first - (1.0 - 0.2_f64.powf(1.0 / 30.0))).abs() < 1e-12);
        assert_eq!(mde_one_rate(0.8, 10, 0.05, 0.8, Sides::One).unwrap(), None, "0.8¹⁰ is above 5 %");
    }

    #[test]
    fn two_arms() {
        let seen = mde_unpaired(0.8, 200, 0.05, 0.8, Sides::Two).unwrap();
        assert!((seen / 0.112_063_408_724_518_74 - 1.0).abs() < 1e-9);
        assert_eq!(n_per_arm(0.5, 0.05, 0.8, Sides::Two).unwrap(), Some(63));
        assert_eq!(n_per_arm(0.0, 0.05, 0.8, Sides::Two).unwrap(), None);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for wrong in [-0.1, 1.0, f64::NAN] {
            assert!(mde_one_rate(wrong, 9, 0.05, 0.8, Sides::One).is_err());
            assert!(mde_unpaired(wrong, 9, 0.05, 0.8, Sides::One).is_err());
        }
        assert!(mde_one_rate(0.5, 0, 0.05, 0.8, Sides::One).is_err());
        assert!(n_per_arm(f64::INFINITY, 0.05, 0.8, Sides::One).is_err());
    }
}
