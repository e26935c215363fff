//! Values that have a form of their own in TOML.

mod argv;
mod period;
mod price;

pub use argv::Argv;
pub use period::{Period, PeriodError};
pub use price::Price;

/// What to write instead of a value of the wrong type, for the elements that name themselves in `expected`.
pub(super) fn remedy(expected: &str) -> Option<&'static str> {
    match expected {
        period::EXPECTED => Some(period::REMEDY),
        argv::EXPECTED => Some(argv::REMEDY),
        _ => None,
    }
}
