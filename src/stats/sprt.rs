//! Two rates told apart while the trials come in.

use super::StatsError;

/// What is known so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Not enough.
    Continue,
    /// The rate is `p1` rather than `p0`.
    AcceptH1,
    /// The rate is `p0` rather than `p1`.
    AcceptH0,
}

/// The sequential probability ratio test of two rates (Wald 1945): adds ln(p₁/p₀) on a pass and ln((1-p₁)/(1-p₀)) on a fail,
/// and stops at ln((1-β)/α) or ln(β/(1-α)).
///
/// The chance to accept `p1` at `p0` is at most about `alpha`, and that to accept `p0` at `p1` about `beta`, whenever one looks.
/// The trials must be independent: of one case, or the first of each case in an order of chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sprt {
    pass: f64,
    fail: f64,
    upper: f64,
    lower: f64,
    sum: f64,
    decision: Decision,
}

impl Sprt {
    /// A test of `p1` against `p0`. Domain: both between 0 and 1 and not equal; alpha, beta > 0, and alpha + beta < 1.
    pub fn new(p0: f64, p1: f64, alpha: f64, beta: f64) -> Result<Self, StatsError> {
        let open = |value: f64| value > 0.0 && value < 1.0;
        StatsError::check("p0", p0, "above 0 and below 1", open)?;
        StatsError::check("p1", p1, "above 0, below 1 and not p0", |p1| open(p1) && (p1 - p0).abs() > 0.0)?;
        StatsError::check("alpha", alpha, "above 0 and below 1", open)?;
        StatsError::check("beta", beta, "above 0 and below 1 - alpha", |beta| {
            beta > 0.0 && alpha + beta < 1.0
        })?;
        Ok(Self {
            pass: p1.ln() - p0.ln(),
            fail: (1.0 - p1).ln() - (1.0 - p0).ln(),
            upper: (1.0 - beta).ln() - alpha.ln(),
            lower: beta.ln() - (1.0 - alpha).ln(),
            sum: 0.0,
            decision: Decision::Continue,
        })
    }

    /// Takes one trial. A decision stands: what comes after it changes nothing.
    pub fn step(&mut self, passed: bool) -> Decision {
        if self.decision == Decision::Continue {
            self.sum += if passed { self.pass } else { self.fail };
            if self.sum >= self.upper {
                self.decision = Decision::AcceptH1;
            } else if self.sum <= self.lower {
                self.decision = Decision::AcceptH0;
            }
        }
        self.decision
    }

    /// The logarithm of the likelihood ratio, up to the decision.
    pub fn log_ratio(&self) -> f64 {
        self.sum
    }

    /// Where it stops: the lower and the upper bound of [`Sprt::log_ratio`].
    pub fn bounds(&self) -> super::Interval {
        super::Interval { low: self.lower, high: self.upper }
    }
}
