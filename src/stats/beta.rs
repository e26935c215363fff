//! The beta distribution: the incomplete beta function and its inverse.

use super::StatsError;
use super::gamma::{deviance, stirling_error};
use super::root;

/// The smallest parameter: the product of two is still a number.
const LEAST: f64 = 1e-100;

/// The largest parameter: the fraction takes some square root of it steps.
const MOST: f64 = 1e10;

const SHAPE: &str = "from 1e-100 to 1e10";

/// The regularised incomplete beta function `I_x(a, b)`: P(X ≤ x) for X ~ Beta(a, b).
///
/// The continued fraction of `DiDonato` and Morris 1992 by Lentz' method; where x is above (a+1)/(a+b+2) the
/// symmetry `I_x(a, b) = 1 - I_{1-x}(b, a)` is used, since the fraction is slow there. The leading factor is that of Loader
/// 2000. Domain: 1e-100 ≤ a, b ≤ 1e10; 0 ≤ x ≤ 1.
pub fn beta_inc(a: f64, b: f64, x: f64) -> Result<f64, StatsError> {
    StatsError::check("x", x, "from 0 to 1", |x| (0.0..=1.0).contains(&x))?;
    share_below(a, b, x, 1.0 - x)
}

/// The x with `I_x(a, b) = p`, by halving the range of numbers: exact to the last bits that [`beta_inc`] tells apart.
/// Domain: 1e-100 ≤ a, b ≤ 1e10; 0 ≤ p ≤ 1.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> Result<f64, StatsError> {
    StatsError::check("p", p, "from 0 to 1", |p| (0.0..=1.0).contains(&p))?;
    shapes(a, b)?;
    if p <= 0.0 {
        return Ok(0.0);
    }
    if p >= 1.0 {
        return Ok(1.0);
    }
    root::first(0.0, 1.0, |x| share_below(a, b, x, 1.0 - x).map(|share| share >= p))
}

/// [`beta_inc`], with `rest` = 1 - x from a caller who knows it to more digits.
pub(super) fn share_below(a: f64, b: f64, x: f64, rest: f64) -> Result<f64, StatsError> {
    shapes(a, b)?;
    Ok(if x <= 0.0 {
        0.0
    } else if rest <= 0.0 {
        1.0
    } else if x <= (a + 1.0) / (a + b + 2.0) {
        leading(a, b, x, rest) / fraction(a, b, x, rest)
    } else {
        1.0 - leading(b, a, rest, x) / fraction(b, a, rest, x)
    })
}

fn shapes(a: f64, b: f64) -> Result<(), StatsError> {
    StatsError::check("a", a, SHAPE, |a| (LEAST..=MOST).contains(&a))?;
    StatsError::check("b", b, SHAPE, |b| (LEAST..=MOST).contains(&b))?;
    Ok(())
}

/// xᵃ(1-x)ᵇ / B(a, b), by the way of a binomial probability of real counts, so that nothing large cancels.
fn leading(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    a * b / (a + b) * probability(a, b, x, rest)
}

/// Γ(a+b+1) / (Γ(a+1)Γ(b+1)) · xᵃ · restᵇ, where x + rest = 1 and a, b > 0 (Loader 2000).
pub(super) fn probability(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    let total = a + b;
    let corrections = stirling_error(total) - stirling_error(a) - stirling_error(b);
    let exponent = corrections - deviance(a, total * x) - deviance(b, total * rest);
    exponent.exp() * (total / (std::f64::consts::TAU * a * b)).sqrt()
}

/// The continued fraction β₀ + α₁/(β₁ + α₂/(β₂ + …)) of `DiDonato` and Morris 1992, "Algorithm 708". Its `a·rest - b·x` keeps
/// its digits where `a` is large and `x` is next to 1, which the older form of Abramowitz and Stegun loses.
fn fraction(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    // A denominator of nothing is replaced by next to nothing, which the next step makes good.
    let kept = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let lead = a * rest - b * x;
    let beta = |m: f64| {
        let odd = a + 2.0 * m + 1.0;
        let inner = if m > 0.0 { m * (b - m) * x / (a + 2.0 * m - 1.0) } else { 0.0 };
        m + inner + (a + m) * ((lead + 1.0 + m * (1.0 + rest)) / odd)
    };
    let alpha = |m: f64| {
        let share = x / (a + 2.0 * m - 1.0);
        (a + m - 1.0) * share * ((a + b + m - 1.0) * share) * m * (b - m)
    };
    let steps = 1_000.0 + 20.0 * a.max(b).sqrt();
    let mut value = kept(beta(0.0));
    let (mut above, mut below, mut m) = (value, 0.0, 0.0);
    while m < steps {
        m += 1.0;
        let (alpha, beta) = (alpha(m), beta(m));
        below = 1.0 / kept(beta + alpha * below);
        above = kept(beta + alpha / above);
        let change = above * below;
        value *= change;
        if (change - 1.0).abs() < 4e-16 {
            break;
        }
    }
    value
}
