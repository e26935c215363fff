//! The binomial distribution: successes among `n` independent tries.

use super::StatsError;
use super::beta::{probability, share_below};
use super::count::real;

/// P(X = k) for X ~ Bin(n, p).
///
/// Source: Loader 2000, "Fast and accurate computation of binomial probabilities". Domain: 0 ≤ p ≤ 1; 0 for k > n.
pub fn binomial_pmf(k: u64, n: u64, p: f64) -> Result<f64, StatsError> {
    share(p)?;
    let q = 1.0 - p;
    Ok(if k > n {
        0.0
    } else if k == 0 {
        none(n, p)
    } else if k == n {
        none(n, q)
    } else if p <= 0.0 || q <= 0.0 {
        0.0
    } else {
        probability(real(k), real(n - k), p, q)
    })
}

/// (1-p)ⁿ.
fn none(n: u64, p: f64) -> f64 {
    if n == 0 { 1.0 } else { (real(n) * (-p).ln_1p()).exp() }
}

/// P(X ≤ k) = `I_{1-p}(n-k, k+1)` (Abramowitz and Stegun 1964, 26.5.24). Domain: 0 ≤ p ≤ 1, n ≤ 1e10; 1 for k ≥ n.
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> Result<f64, StatsError> {
    share(p)?;
    if k >= n {
        return Ok(1.0);
    }
    share_below(real(n - k), real(k) + 1.0, 1.0 - p, p)
}

/// P(X > k) = `I_p(k+1, n-k)`, with all its digits where [`binomial_cdf`] is close to 1: for P(X ≥ k) ask for k - 1.
/// Domain as there; 0 for k ≥ n.
pub fn binomial_sf(k: u64, n: u64, p: f64) -> Result<f64, StatsError> {
    share(p)?;
    if k >= n {
        return Ok(0.0);
    }
    share_below(real(k) + 1.0, real(n - k), p, 1.0 - p)
}

fn share(p: f64) -> Result<f64, StatsError> {
    StatsError::check("p", p, "from 0 to 1", |p| (0.0..=1.0).contains(&p))
}
