//! What cannot be computed.

/// An input outside of the domain of a function.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// A number is not finite, or not in its range.
    #[error("{name} is {value}, and must be {domain}")]
    Domain {
        /// The argument.
        name: &'static str,
        /// What it is.
        value: f64,
        /// What it must be, in words.
        domain: &'static str,
    },
    /// Too few values.
    #[error("{needed} values are needed, and there are {found}")]
    TooFew {
        /// At least so many.
        needed: usize,
        /// So many.
        found: usize,
    },
    /// Two slices that belong together differ in length.
    #[error("{left} values on one side and {right} on the other")]
    Lengths {
        /// Of the first.
        left: usize,
        /// Of the second.
        right: usize,
    },
}

impl StatsError {
    /// `value`, if it is finite and `fits`.
    pub(super) fn check(
        name: &'static str,
        value: f64,
        domain: &'static str,
        fits: impl FnOnce(f64) -> bool,
    ) -> Result<f64, Self> {
        if value.is_finite() && fits(value) { Ok(value) } else { Err(Self::Domain { name, value, domain }) }
    }
}
