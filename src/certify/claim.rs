//! One claim about a mean: which test, which bounds.

use super::error::GateError;
use crate::stats::{BoundedMean, FlipRounded, sign_flip_rounded};

/// Fewer independent units than this decide nothing.
pub(super) const FEW: usize = 6;

/// What a mean is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Null {
    /// A difference of two arms, from −1 to 1.
    Lift(f64),
    /// A rate, from 0 to 1.
    Rate(f64),
}

impl Null {
    /// The number itself.
    pub(super) fn at(self) -> f64 {
        match self {
            Self::Lift(at) | Self::Rate(at) => at,
        }
    }

    /// A value on the scale from 0 to 1.
    pub(super) fn unit(self, value: f64) -> f64 {
        match self {
            Self::Lift(_) => f64::midpoint(value, 1.0).clamp(0.0, 1.0),
            Self::Rate(_) => value,
        }
    }

    /// A value of the scale from 0 to 1, back in its own.
    pub(super) fn own(self, value: f64) -> f64 {
        match self {
            Self::Lift(_) => 2.0 * value - 1.0,
            Self::Rate(_) => value,
        }
    }
}

/// A claim that was tested in both directions.
pub(super) trait Tested {
    /// Units that it rests on.
    fn units(&self) -> usize;
    /// Their mean; 0 where there are none.
    fn mean(&self) -> f64;
    /// Small when the mean lies above the null; 1 where nothing can be tested.
    fn p_greater(&self) -> f64;
    /// Small when it lies below.
    fn p_less(&self) -> f64;
    /// The one-sided lower bound at a level, on the same side of the null as the test at that level.
    fn low(&self, level: f64) -> Result<Option<f64>, GateError>;
    /// The one-sided upper bound.
    fn high(&self, level: f64) -> Result<Option<f64>, GateError>;
    /// The test, in words.
    fn test(&self) -> &'static str;
    /// How the bounds were made, in words.
    fn interval(&self) -> &'static str;
    /// Whether it is shown at this level only that the arms are not alike: the mean of a change of any shape might still be
    /// at its null.
    fn is_of_shape(&self, _level: f64) -> Result<bool, GateError> {
        Ok(false)
    }
    /// Whether it is about a rate, and not about a lift.
    fn is_rate(&self) -> bool;
    /// The evidence as odds, where it was gathered by bets.
    fn wealth(&self) -> Option<f64> {
        None
    }
}

/// A claim that is tested once, when all is in.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    null: Null,
    values: Vec<f64>,
    bounded: Option<BoundedMean>,
    flip: Option<FlipRounded>,
    greater: f64,
    less: f64,
}

impl Fixed {
    /// Tests one value a unit. `step` is a number such that the values are multiples of 1/`step`, where there is one.
    pub(super) fn new(values: Vec<f64>, null: Null, step: u32) -> Result<Self, GateError> {
        let mapped: Vec<f64> = values.iter().map(|value| null.unit(*value)).collect();
        let bounded = if values.is_empty() { None } else { Some(BoundedMean::new(&mapped)?) };
        let (mut flip, mut greater, mut less) = (None, 1.0, 1.0);
        if values.len() >= FEW
            && let Some(bounded) = &bounded
        {
            if null == Null::Lift(0.0) {
                let found = sign_flip_rounded(&values, step)?;
                (greater, less) = (found.p_greater, found.p_less);
                flip = Some(found);
            } else {
                let at = null.unit(null.at());
                (greater, less) = (bounded.p_greater(at)?, bounded.p_less(at)?);
            }
        }
        Ok(Self { null, values, bounded, flip, greater, less })
    }
}

impl Tested for Fixed {
    fn units(&self) -> usize {
        self.values.len()
    }

    fn mean(&self) -> f64 {
        self.bounded.as_ref().map_or(0.0, |bounded| self.null.own(bounded.mean()))
    }

    fn p_greater(&self) -> f64 {
        self.greater
    }

    fn p_less(&self) -> f64 {
        self.less
    }

    fn low(&self, level: f64) -> Result<Option<f64>, GateError> {
        let Some(bounded) = &self.bounded else { return Ok(None) };
        let low = self.null.own(bounded.lower(level)?);
        Ok(Some(match self.flip {
            // Each null has a test of its own that holds its level, so the nulls that are not rejected still are a
            // confidence set; at zero the exact test speaks.
            Some(_) if self.greater <= level => low.max(self.null.at()),
            Some(_) => low.min(self.null.at()),
            None => low,
        }))
    }

    fn high(&self, level: f64) -> Result<Option<f64>, GateError> {
        let Some(bounded) = &self.bounded else { return Ok(None) };
        let high = self.null.own(bounded.upper(level)?);
        Ok(Some(match self.flip {
            Some(_) if self.less <= level => high.min(self.null.at()),
            Some(_) => high.max(self.null.at()),
            None => high,
        }))
    }

    fn is_of_shape(&self, level: f64) -> Result<bool, GateError> {
        let (Some(_), Some(bounded)) = (self.flip, &self.bounded) else { return Ok(false) };
        // Of whole wins and losses a mean of zero is a symmetrical one.
        let whole = self.values.iter().all(|value| value.abs() < 1e-12 || (value.abs() - 1.0).abs() < 1e-12);
        Ok(!whole && self.null.own(bounded.lower(level)?) <= self.null.at())
    }

    fn is_rate(&self) -> bool {
        matches!(self.null, Null::Rate(_))
    }

    fn test(&self) -> &'static str {
        match (self.flip, self.values.len()) {
            (_, ..FEW) => "none: fewer than 6 independent units",
            (Some(_), _) => "exact sign-flip test over the units",
            (None, _) => "bounded-mean test of Gaffke over the units",
        }
    }

    fn interval(&self) -> &'static str {
        match self.flip {
            Some(_) => "Gaffke's bounds for means of a bounded score, with the sign-flip test at zero",
            None => "Gaffke's bounds for means of a bounded score",
        }
    }
}
