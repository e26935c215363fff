//! A range of values.

/// From `low` to `high`, both of them in it. In the unit of the values it was made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Interval {
    /// `high - low`. Zero where all values were equal: such an interval says nothing of what other values may be, and a
    /// gate must not rest on it.
    pub fn width(self) -> f64 {
        self.high - self.low
    }

    /// Whether `value` lies in it.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}
