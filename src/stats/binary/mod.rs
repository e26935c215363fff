//! Two arms whose answers pass or fail.

mod mcnemar;
mod newcombe;
mod tango;

pub use mcnemar::{McNemar, RiskDifference, mcnemar, risk_difference};
pub use newcombe::{RateDifference, newcombe_independent, newcombe_paired};
pub use tango::{tango_p_greater, tango_score};

use super::{StatsError, binomial_cdf, level, normal_quantile};

/// P\[Bin(n, ½) ≥ k\], by the symmetry of a fair coin; 1 where k = 0.
pub(super) fn fair_at_least(k: u64, n: u64) -> Result<f64, StatsError> {
    if k > n { Ok(0.0) } else { binomial_cdf(n - k, n, 0.5) }
}

/// Holds a confidence to its domain, and gives the normal quantile of its upper end.
fn z_of(confidence: f64) -> Result<f64, StatsError> {
    // The lower quantile keeps its digits where the confidence is close to 1.
    normal_quantile(level::two_sided(confidence)?).map(|z| -z)
}
