//! The test that may be looked at after every unit.

use super::claim::{FEW, Null, Tested};
use super::error::GateError;
use crate::stats::{BETS, EProcess, betting_lower, betting_upper};

/// A claim that is tested by bets, unit by unit in the plan's order.
#[derive(Clone, Debug)]
pub(super) struct Bets {
    null: Null,
    mapped: Vec<f64>,
    mean: f64,
    up: EProcess,
    down: EProcess,
}

impl Bets {
    /// Bets on one value a unit, in the order given.
    pub(super) fn new(values: &[f64], null: Null) -> Result<Self, GateError> {
        let at = null.unit(null.at());
        let (mut up, mut down) = (EProcess::new(at, &BETS)?, EProcess::new(1.0 - at, &BETS)?);
        let mapped: Vec<f64> = values.iter().map(|value| null.unit(*value)).collect();
        for x in &mapped {
            up.observe(*x)?;
            down.observe(1.0 - x)?;
        }
        let mean = super::units::mean(values.iter().copied()).unwrap_or(0.0);
        Ok(Self { null, mapped, mean, up, down })
    }

    fn p(&self, bets: &EProcess) -> f64 {
        if self.mapped.len() < FEW { 1.0 } else { bets.p_value() }
    }
}

impl Tested for Bets {
    fn units(&self) -> usize {
        self.mapped.len()
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn p_greater(&self) -> f64 {
        self.p(&self.up)
    }

    fn p_less(&self) -> f64 {
        self.p(&self.down)
    }

    fn low(&self, level: f64) -> Result<Option<f64>, GateError> {
        if self.mapped.is_empty() {
            return Ok(None);
        }
        let (low, at) = (self.null.own(betting_lower(&self.mapped, level)?), self.null.at());
        Ok(Some(if self.p_greater() <= level { low.max(at) } else { low.min(at) }))
    }

    fn high(&self, level: f64) -> Result<Option<f64>, GateError> {
        if self.mapped.is_empty() {
            return Ok(None);
        }
        let (high, at) = (self.null.own(betting_upper(&self.mapped, level)?), self.null.at());
        Ok(Some(if self.p_less() <= level { high.min(at) } else { high.max(at) }))
    }

    fn is_rate(&self) -> bool {
        matches!(self.null, Null::Rate(_))
    }

    fn test(&self) -> &'static str {
        if self.mapped.len() < FEW {
            "none: fewer than 6 independent units"
        } else {
            "betting e-process over the units, valid at every look"
        }
    }

    fn interval(&self) -> &'static str {
        "confidence sequence by betting, valid at every look"
    }

    fn wealth(&self) -> Option<f64> {
        Some(self.up.wealth())
    }
}
