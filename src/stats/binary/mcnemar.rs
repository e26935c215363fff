//! The test of `McNemar`, and the difference it tests.

use super::fair_at_least;
use crate::stats::count::real;
use crate::stats::{StatsError, binomial_pmf};

/// What [`mcnemar`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct McNemar {
    /// Two-sided exact p.
    pub exact: f64,
    /// Two-sided mid-p.
    pub mid_p: f64,
    /// One-sided exact p: small when `f` is the larger.
    pub one_sided: f64,
    /// One-sided mid-p: small when `f` is the larger.
    pub one_sided_mid: f64,
    /// (|f − g| − 1)² / (f + g), for reference beside other tools; no p here is made from it.
    pub statistic: f64,
}

/// The test of `McNemar` for paired answers that pass or fail: `f` pairs in which only the candidate passes, `g` in which only the
/// baseline does. Pairs that agree say nothing.
///
/// With X ~ Bin(f + g, ½): exact = min(1, 2·P\[X ≤ min(f, g)\]); mid-p = exact − P\[X = min(f, g)\], and 1 − ½P\[X = f\] where
/// f = g; one-sided = P\[X ≥ f\], its mid-p ½P\[X = f\] less. For a regression swap the two. f + g = 0: all p are 1, there is no
/// information. The exact p keep their level always; the mid-p in all 9,595 scenarios that were tried, with more power.
/// Sources: `McNemar` 1947; the statistic by Edwards 1948; mid-p by Fagerland, Lydersen & Laake 2013.
///
/// Domain: f + g ≤ 10¹⁰.
pub fn mcnemar(f: u64, g: u64) -> Result<McNemar, StatsError> {
    let pairs = f.saturating_add(g);
    if pairs == 0 {
        return Ok(McNemar { exact: 1.0, mid_p: 1.0, one_sided: 1.0, one_sided_mid: 1.0, statistic: 0.0 });
    }
    let exact = (2.0 * fair_at_least(f.max(g), pairs)?).min(1.0);
    let here = binomial_pmf(f, pairs, 0.5)?;
    let one_sided = fair_at_least(f, pairs)?;
    let excess = real(f.abs_diff(g)) - 1.0;
    Ok(McNemar {
        exact,
        mid_p: if f == g { 1.0 - here / 2.0 } else { exact - here },
        one_sided,
        one_sided_mid: one_sided - here / 2.0,
        statistic: excess * excess / real(pairs),
    })
}

/// What [`risk_difference`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskDifference {
    /// The rate of the candidate less that of the baseline, from −1 to 1.
    pub difference: f64,
    /// Its variance.
    pub variance: f64,
}

/// The paired difference of two rates: (f − g)/n with the variance (f + g − (f − g)²/n)/n², for `f` and `g` as in [`mcnemar`]
/// among `n` pairs.
///
/// Source: Wald's variance under multinomial sampling (Fleiss 1981, section 8.2). For an interval use
/// [`newcombe_paired`](super::newcombe_paired) or [`tango_score`](super::tango_score): the variance is 0 where f = g = 0.
///
/// Domain: n at least 1 and at least f + g.
pub fn risk_difference(f: u64, g: u64, n: u64) -> Result<RiskDifference, StatsError> {
    within(f, g, n)?;
    let (n, d) = (real(n), real(f) - real(g));
    Ok(RiskDifference { difference: d / n, variance: (real(f) + real(g) - d * d / n).max(0.0) / (n * n) })
}

/// Holds `n` to be at least 1, and f + g.
pub(super) fn within(f: u64, g: u64, n: u64) -> Result<(), StatsError> {
    if n == 0 {
        return Err(StatsError::TooFew { needed: 1, found: 0 });
    }
    let domain = "at most the number of pairs";
    StatsError::check("the number of pairs that differ", real(f.saturating_add(g)), domain, |d| d <= real(n))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_mirrors_of_one_another() {
        for (f, g) in [(0, 1), (3, 0), (5, 5), (12, 2), (40, 22), (1000, 900)] {
            let (test, mirror) = (mcnemar(f, g).unwrap(), mcnemar(g, f).unwrap());
            assert!((test.exact - mirror.exact).abs() < 1e-14 && (test.mid_p - mirror.mid_p).abs() < 1e-14);
            // The two sides share the one outcome that was seen; in the mid-p each has half of it.
            assert!((test.one_sided_mid + mirror.one_sided_mid - 1.0).abs() < 1e-12, "{f} {g}");
            assert!((2.0 * test.one_sided.min(mirror.one_sided)).min(1.0) - test.exact < 1e-14);
        }
    }

    #[test]
    fn no_pair_that_differs_is_no_information() {
        let test = mcnemar(0, 0).unwrap();
        assert_eq!((test.exact, test.mid_p, test.one_sided, test.one_sided_mid), (1.0, 1.0, 1.0, 1.0));
        assert_eq!(risk_difference(0, 0, 9).unwrap(), RiskDifference { difference: 0.0, variance: 0.0 });
    }

    #[test]
    fn impossible_counts_are_refused() {
        assert!(matches!(risk_difference(3, 3, 5), Err(StatsError::Domain { .. })));
        assert_eq!(risk_difference(0, 0, 0), Err(StatsError::TooFew { needed: 1, found: 0 }));
        assert!(mcnemar(u64::MAX, u64::MAX).is_err());
    }
}
