//! The paired gate that may be looked at after every unit.

use super::count::real;
use super::{BETS, EProcess, StatsError, level};

/// Which way a delta must go to be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    Increase,
    /// Less is better.
    Decrease,
}

/// What is settled before the first unit is seen. Changed later it would void the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// The chance of a promotion when there is no effect beyond `min_effect`: at most this.
    pub alpha: f64,
    /// Nothing is promoted before so many units (5 is usual).
    pub min_units: u64,
    /// Nothing is observed beyond so many.
    pub max_units: u64,
    /// The largest size a delta can have, in its own unit: 1 for scores from 0 to 1.
    pub scale: f64,
    /// The mean effect in the good direction that must be beaten, in the unit of the deltas; 0 for any gain, below 0 for
    /// non-inferiority with that margin.
    pub min_effect: f64,
    /// Which way is good.
    pub direction: Direction,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequentialDecision {
    /// The mean effect is above `min_effect`, with an error of at most alpha. It stands, whatever comes after.
    Promote,
    /// Not known yet: more units are needed. So it is, too, when nothing was observed.
    Continue,
    /// `max_units` are used up without a decision. Hold; this is **not** evidence that there is no effect.
    UndecidedAtMax,
}

/// A sequential test of paired deltas: valid however often one looks, and wherever one stops.
///
/// A delta d, turned so that more is better, becomes x = (d/scale + 1)/2 in \[0, 1\]; the hypothesis is that the mean of x is at
/// most ½ + `min_effect`/(2·scale), against which an [`EProcess`] over [`BETS`] collects wealth. Promoted once the wealth has
/// reached 1/alpha and `min_units` are seen (the wealth may have been there before: its highest counts, by Ville's
/// inequality).
/// Source: Waudby-Smith & Ramdas 2024, Estimating means of bounded random variables by betting, arXiv 2010.09686. The mixture
/// over fixed stakes decides earlier here than a learned stake held to ½ ([`PlugIn`](super::PlugIn)), since paired deltas
/// have a small variance.
///
/// The order of the units must owe nothing to their deltas: shuffle them by a seed before the first is run. A unit is a case:
/// of several trials give the mean.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedSequential {
    setting: Setting,
    wealth: EProcess,
    units: u64,
}

impl PairedSequential {
    /// Starts with nothing seen.
    ///
    /// Domain: 0 < `alpha` < 1; 1 ≤ `min_units` ≤ `max_units`; 0 < `scale` ≤ 10¹⁰⁰; −`scale` < `min_effect` < `scale`.
    pub fn new(setting: Setting) -> Result<Self, StatsError> {
        let Setting { alpha, min_units, max_units, scale, min_effect, .. } = setting;
        level::one_sided(alpha)?;
        StatsError::check("min_units", real(min_units), "at least 1", |units| units >= 1.0)?;
        let least = |units| units >= real(min_units);
        StatsError::check("max_units", real(max_units), "at least min_units", least)?;
        StatsError::check("scale", scale, "above 0 and at most 1e100", |s| s > 0.0 && s <= 1e100)?;
        let inside = |effect: f64| effect.abs() < scale;
        StatsError::check("min_effect", min_effect, "between -scale and scale", inside)?;
        let wealth = EProcess::new(f64::midpoint(1.0, min_effect / scale), &BETS)?;
        Ok(Self { setting, wealth, units: 0 })
    }

    /// Takes the delta of the next unit, candidate less baseline.
    ///
    /// A delta larger than the scale and a unit beyond `max_units` are errors, and change nothing.
    pub fn observe(&mut self, delta: f64) -> Result<SequentialDecision, StatsError> {
        let Setting { max_units, scale, direction, .. } = self.setting;
        let domain = "at most the max_units that were settled before the first";
        StatsError::check("the number of the unit", real(self.units + 1), domain, |n| n <= real(max_units))?;
        StatsError::check("delta", delta, "from -scale to scale", |d| d.abs() <= scale)?;
        let good = if direction == Direction::Increase { delta } else { -delta };
        self.wealth.observe(f64::midpoint(1.0, good / scale))?;
        self.units += 1;
        self.decision()
    }

    /// What is to be done after the units seen so far.
    pub fn decision(&self) -> Result<SequentialDecision, StatsError> {
        let Setting { alpha, min_units, max_units, .. } = self.setting;
        Ok(if self.units >= min_units && self.wealth.rejects(alpha)? {
            SequentialDecision::Promote
        } else if self.units < max_units {
            SequentialDecision::Continue
        } else {
            SequentialDecision::UndecidedAtMax
        })
    }

    /// A p value that is valid at any look: the level at which the highest wealth so far would have been enough.
    pub fn p_value(&self) -> f64 {
        self.wealth.p_value()
    }

    /// How many units were seen.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// As it was settled.
    pub fn setting(&self) -> &Setting {
        &self.setting
    }
}
