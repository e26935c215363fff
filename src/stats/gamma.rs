//! The gamma function, and what is left of it when its leading terms cancel.

use super::StatsError;

/// Half the logarithm of 2π.
const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// From here on five terms of the series are exact to the last bits.
const LARGE: f64 = 16.0;

/// The natural logarithm of the gamma function.
///
/// Stirling's series (Abramowitz and Stegun 1964, 6.1.41); below 16 the argument is first raised by the recurrence
/// Γ(x+1) = xΓ(x). Domain: 0 < x ≤ 1e300. The error is at most some 1e-15 of the larger of the value and one.
pub fn ln_gamma(x: f64) -> Result<f64, StatsError> {
    StatsError::check("x", x, "above 0 and at most 1e300", |x| x > 0.0 && x <= 1e300).map(ln_gamma_of)
}

/// [`ln_gamma`] of an argument that is known to be above 0.
pub(super) fn ln_gamma_of(x: f64) -> f64 {
    let (mut raised, mut product) = (x, 1.0);
    while raised < LARGE {
        product *= raised;
        raised += 1.0;
    }
    (raised - 0.5) * raised.ln() - raised + HALF_LN_TWO_PI + series(raised) - f64::ln(product)
}

/// ln Γ(x+1) less its leading part (x+½)ln x - x + ½ln 2π: the error of Stirling's formula. 0 < x.
///
/// Source: Loader 2000, "Fast and accurate computation of binomial probabilities".
pub(super) fn stirling_error(x: f64) -> f64 {
    if x >= LARGE {
        return series(x);
    }
    ln_gamma_of(x + 1.0) - ((x + 0.5) * x.ln() - x + HALF_LN_TWO_PI)
}

/// The sum of B₂ₖ / (2k(2k-1)x²ᵏ⁻¹).
fn series(x: f64) -> f64 {
    let square = x * x;
    let tail =
        1.0 / 1_260.0 - (1.0 / 1_680.0 - (1.0 / 1_188.0 - 691.0 / 360_360.0 / square) / square) / square;
    (1.0 / 12.0 - (1.0 / 360.0 - tail / square) / square) / x
}

/// x ln(x/mean) + mean - x, without the loss of digits where `x` is close to `mean`. Both above 0.
///
/// Source: Loader 2000, the deviance part.
pub(super) fn deviance(x: f64, mean: f64) -> f64 {
    if (x - mean).abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() + mean - x;
    }
    let ratio = (x - mean) / (x + mean);
    let square = ratio * ratio;
    let mut power = 2.0 * x * ratio;
    let mut sum = (x - mean) * ratio;
    let mut odd = 1.0;
    // Each term is at most a hundredth of the one before.
    for _ in 0..40 {
        power *= square;
        odd += 2.0;
        let next = sum + power / odd;
        if next.to_bits() == sum.to_bits() {
            break;
        }
        sum = next;
    }
    sum
}
