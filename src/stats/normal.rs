//! The normal distribution.

use super::StatsError;

/// 1/√(2π).
const DENSITY_AT_ZERO: f64 = 0.398_942_280_401_432_7;

/// P(Z ≤ z) for a standard normal Z.
///
/// Up to |z| = 2.5 the series of Marsaglia 2004, "Evaluating the normal distribution"; beyond it Laplace's continued
/// fraction (Abramowitz and Stegun 1964, 26.2.14). Relative error below 1e-13, also far out in the tail. Domain: finite z.
pub fn normal_cdf(z: f64) -> Result<f64, StatsError> {
    StatsError::check("z", z, "finite", |_| true).map(|z| upper_tail(-z))
}

/// P(Z > z), with all its digits where [`normal_cdf`] is close to 1. As there.
pub fn normal_sf(z: f64) -> Result<f64, StatsError> {
    StatsError::check("z", z, "finite", |_| true).map(upper_tail)
}

/// The z with P(Z ≤ z) = p.
///
/// Newton's steps on the logarithm of the tail, from the start of Hastings 1955 (Abramowitz and Stegun 1964, 26.2.23).
/// Domain: 0 < p < 1.
pub fn normal_quantile(p: f64) -> Result<f64, StatsError> {
    StatsError::check("p", p, "above 0 and below 1", |p| p > 0.0 && p < 1.0)?;
    // The smaller tail keeps its digits, and half is exactly zero.
    Ok(if p < 0.5 { -above_half(p) } else { above_half(1.0 - p) })
}

/// The z ≥ 0 with `tail` above it; 0 < tail ≤ ½.
fn above_half(tail: f64) -> f64 {
    if tail >= 0.5 {
        return 0.0;
    }
    let wanted = tail.ln();
    let root = (-2.0 * wanted).sqrt();
    let start = root
        - (2.515_517 + root * (0.802_853 + root * 0.010_328))
            / (1.0 + root * (1.432_788 + root * (0.189_269 + root * 0.001_308)));
    let mut z = start.max(0.0);
    // The start is right to 4.5e-4, and each step squares the error.
    for _ in 0..4 {
        let (log, over_density) = log_tail(z);
        z += (log - wanted) * over_density;
    }
    z
}

/// The logarithm of P(Z > z), and that probability over the density at z: both are numbers, however far out z is.
fn log_tail(z: f64) -> (f64, f64) {
    if z > 2.5 {
        let below = mills(z);
        (DENSITY_AT_ZERO.ln() - 0.5 * z * z - below.ln(), 1.0 / below)
    } else {
        let tail = upper_tail(z);
        (tail.ln(), tail / density(z))
    }
}

fn density(z: f64) -> f64 {
    DENSITY_AT_ZERO * (-0.5 * z * z).exp()
}

/// P(Z > z).
fn upper_tail(z: f64) -> f64 {
    if z > 2.5 {
        far_tail(z)
    } else if z < -2.5 {
        1.0 - far_tail(-z)
    } else {
        0.5 - near(z)
    }
}

/// P(0 < Z ≤ z) for |z| ≤ 2.5: φ(z)(z + z³/3 + z⁵/15 + …).
fn near(z: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    for _ in 0..60 {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    density(z) * sum
}

/// P(Z > z) for z > 2.5.
fn far_tail(z: f64) -> f64 {
    density(z) / mills(z)
}

/// φ(z)/P(Z > z) for z > 2.5: z + 1/(z + 2/(z + …)), from its far end.
fn mills(z: f64) -> f64 {
    (1..=120_u8).rev().fold(z, |below, step| z + f64::from(step) / below)
}
