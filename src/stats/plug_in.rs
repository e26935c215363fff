//! A bettor that learns its stake from what it has seen.

use super::StatsError;

/// Evidence against a mean of at most `m`, from values in `[0, 1]`: W = Π(1 + λₜ(xₜ - m)), whose stake λₜ is set before xₜ is
/// seen.
///
/// λ₁ = 0; then λ = (μ̂-m)/(σ̂² + (μ̂-m)²), held between 0 and `most`, with μ̂ = (½ + Σx)/(t+1) and
/// σ̂² = (¼ + Σ(xᵢ-μ̂ᵢ)²)/(t+1) over the values before (the approximate growth-optimal stake of Waudby-Smith and Ramdas 2024,
/// arXiv 2010.09686, with μ̂ᵢ as it was at each value). It decides where the wealth reaches 1/α, and a decision stands.
#[derive(Clone, Debug, PartialEq)]
pub struct PlugIn {
    m: f64,
    alpha: f64,
    most: f64,
    seen: f64,
    sum: f64,
    squares: f64,
    log_wealth: f64,
    decided: bool,
}

impl PlugIn {
    /// The largest stake that is usual.
    pub const MOST: f64 = 0.5;

    /// Against a mean of at most `m`, at the level `alpha`, with stakes up to `most`. Domain: 0 < m < 1, 0 < alpha < 1,
    /// 0 < most < 1: what is staked is never lost whole.
    pub fn new(m: f64, alpha: f64, most: f64) -> Result<Self, StatsError> {
        for (name, value) in [("m", m), ("alpha", alpha), ("most", most)] {
            StatsError::check(name, value, "above 0 and below 1", |value| value > 0.0 && value < 1.0)?;
        }
        Ok(Self { m, alpha, most, seen: 0.0, sum: 0.0, squares: 0.0, log_wealth: 0.0, decided: false })
    }

    /// The stake on the next value.
    pub fn stake(&self) -> f64 {
        if self.seen < 1.0 {
            return 0.0;
        }
        let variance = (0.25 + self.squares) / (self.seen + 1.0);
        let lead = self.mean() - self.m;
        (lead / (variance + lead * lead)).clamp(0.0, self.most)
    }

    /// Takes the next value, and tells whether it has decided. A value out of `[0, 1]` is an error, and changes nothing.
    pub fn observe(&mut self, x: f64) -> Result<bool, StatsError> {
        StatsError::check("x", x, "from 0 to 1", |x| (0.0..=1.0).contains(&x))?;
        self.log_wealth += (self.stake() * (x - self.m)).ln_1p();
        self.decided |= self.log_wealth >= -self.alpha.ln();
        self.seen += 1.0;
        self.sum += x;
        self.squares += (x - self.mean()).powi(2);
        Ok(self.decided)
    }

    /// Whether the wealth has ever reached 1/alpha.
    pub fn decided(&self) -> bool {
        self.decided
    }

    /// The wealth now, 1 before the first value; above 0, and at most the largest number.
    pub fn wealth(&self) -> f64 {
        self.log_wealth.exp().clamp(f64::MIN_POSITIVE, f64::MAX)
    }

    fn mean(&self) -> f64 {
        (0.5 + self.sum) / (self.seen + 1.0)
    }
}
