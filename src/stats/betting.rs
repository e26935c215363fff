//! Bets on a bounded mean: evidence that may be looked at as often as one likes.

use super::count::length;
use super::level::one_sided;
use super::{StatsError, root};

/// The usual grid of [`EProcess`]: the share of the most that can be staked, from 0.05 to 0.95.
pub const BETS: [f64; 19] =
    [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

const UNIT: &str = "from 0 to 1";

/// Evidence against a mean of at most `m`, from values in `[0, 1]`: the average over a grid of stakes λ of the wealth
/// Π(1 + λ(xᵢ - m)), with λ = l/m for each l of the grid.
///
/// Where the mean is at most `m` whatever came before, the wealth ever reaches 1/α with a chance of at most α (Ville 1939), so
/// that one may look after each value and stop. Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random
/// variables by betting", arXiv 2010.09686. The order of the values must owe nothing to the values.
#[derive(Clone, Debug, PartialEq)]
pub struct EProcess {
    m: f64,
    /// Each stake as a share of the most, with the logarithm of its wealth.
    bets: Vec<(f64, f64)>,
    peak: f64,
    seen: usize,
}

impl EProcess {
    /// Against a mean of at most `m`, with the stakes of `grid`: [`BETS`], or others. Domain: 0 < m < 1; one stake or more, each
    /// above 0 and below 1.
    pub fn new(m: f64, grid: &[f64]) -> Result<Self, StatsError> {
        let open = |value: f64| value > 0.0 && value < 1.0;
        StatsError::check("m", m, "above 0 and below 1", open)?;
        if grid.is_empty() {
            return Err(StatsError::TooFew { needed: 1, found: 0 });
        }
        for &share in grid {
            StatsError::check("stake", share, "above 0 and below 1", open)?;
        }
        Ok(Self { m, bets: grid.iter().map(|&share| (share, 0.0)).collect(), peak: 0.0, seen: 0 })
    }

    /// Takes the next value and gives the wealth after it. A value out of `[0, 1]` is an error, and changes nothing.
    pub fn observe(&mut self, x: f64) -> Result<f64, StatsError> {
        StatsError::check("x", x, UNIT, |x| (0.0..=1.0).contains(&x))?;
        for (share, log) in &mut self.bets {
            *log += factor(*share, x, self.m).ln();
        }
        self.seen += 1;
        self.peak = self.peak.max(self.log_wealth());
        Ok(self.wealth())
    }

    /// The wealth now, 1 before the first value; always above 0. A wealth beyond the largest number is that number, and one
    /// below the smallest is that.
    pub fn wealth(&self) -> f64 {
        self.log_wealth().exp().clamp(f64::MIN_POSITIVE, f64::MAX)
    }

    /// The natural logarithm of the wealth now.
    pub fn log_wealth(&self) -> f64 {
        let most = self.bets.iter().fold(f64::NEG_INFINITY, |most, &(_, log)| most.max(log));
        let sum: f64 = self.bets.iter().map(|&(_, log)| (log - most).exp()).sum();
        most + (sum / length(&self.bets)).ln()
    }

    /// Whether the wealth has ever reached 1/alpha: a decision that stands, whatever comes after it. Domain: 0 < alpha < 1.
    pub fn rejects(&self, alpha: f64) -> Result<bool, StatsError> {
        one_sided(alpha)?;
        Ok(self.peak >= -alpha.ln())
    }

    /// A p-value that is valid whenever one looks: one over the highest wealth so far, at most 1.
    pub fn p_value(&self) -> f64 {
        (-self.peak).exp().clamp(f64::MIN_POSITIVE, 1.0)
    }

    /// How many values it has taken.
    pub fn seen(&self) -> usize {
        self.seen
    }
}

/// 1 + (share/m)(x - m), which falls as m grows, and is at least 1 - share.
fn factor(share: f64, x: f64, m: f64) -> f64 {
    1.0 - share + share * (x / m)
}

/// A lower bound of the mean of values in `[0, 1]` that holds with 1 - alpha at every number of values at once: it stays valid
/// where the number was chosen by looking.
///
/// The lowest `m` that an [`EProcess`] over [`BETS`] does not reject. A stake of l/m makes each factor 1 - l + l·x/m fall as `m`
/// grows, so that the rejected values of `m` are all those below one point (the inversion of section 4 of Waudby-Smith and
/// Ramdas 2024). The values are taken in their order, which must owe nothing to them. Domain: one value or more, each from
/// 0 to 1; 0 < alpha < 1. No more than 1e-12 is told from 0.
pub fn betting_lower(values: &[f64], alpha: f64) -> Result<f64, StatsError> {
    bound(values, alpha, |x| x)
}

/// The upper bound of the mean: 1 less the lower bound of 1 - x. As [`betting_lower`].
pub fn betting_upper(values: &[f64], alpha: f64) -> Result<f64, StatsError> {
    bound(values, alpha, |x| 1.0 - x).map(|low| 1.0 - low)
}

fn bound(values: &[f64], alpha: f64, turned: impl Fn(f64) -> f64) -> Result<f64, StatsError> {
    one_sided(alpha)?;
    if values.is_empty() {
        return Err(StatsError::TooFew { needed: 1, found: 0 });
    }
    let mut turned_values = Vec::with_capacity(values.len());
    for &x in values {
        StatsError::check("x", x, UNIT, |x| (0.0..=1.0).contains(&x))?;
        turned_values.push(turned(x));
    }
    let least = 1e-12;
    if !reaches(&turned_values, least, alpha) {
        return Ok(0.0);
    }
    root::first(least, 1.0, |m| Ok(!reaches(&turned_values, m, alpha)))
}

/// Whether the wealth against `m` is 1/alpha or more after any of the values. As plain products: it stops long before one is
/// too large, and one too small counts as nothing, which only widens the bound.
fn reaches(values: &[f64], m: f64, alpha: f64) -> bool {
    let mut wealth = [1.0; BETS.len()];
    let enough = length(&BETS) / alpha;
    values.iter().any(|&x| {
        for (wealth, share) in wealth.iter_mut().zip(BETS) {
            *wealth *= factor(share, x, m);
        }
        wealth.iter().sum::<f64>() >= enough
    })
}
