//! Values that have a form of their own in TOML.

mod argv;
mod period;
mod price;
mod window;
mod zone;

pub use argv::Argv;
pub use period::{Period, PeriodError};
pub use price::Price;
pub use window::{Week, Window, WindowError};
pub use zone::Zone;

/// What an entry of the chain is, in words.
pub(super) const FALLBACK: &str = "a model's name or a table";
/// What a chain is, in words.
pub(super) const FALLBACKS: &str = "a list of models' names and tables";

/// What to write instead of a value of the wrong type, for the elements that name themselves in `expected`.
pub(super) fn remedy(expected: &str) -> Option<&'static str> {
    match expected {
        period::EXPECTED => Some(period::REMEDY),
        argv::EXPECTED => Some(argv::REMEDY),
        zone::EXPECTED => Some(zone::REMEDY),
        FALLBACK => Some("write `\"provider/model\"`, or `{ model = \"provider/model\", … }`"),
        FALLBACKS => Some(
            "write `[\"provider/model\", { model = \"provider/model\", harness = \"chat\" }]`, or `[]` for none",
        ),
        _ => window::remedy(expected),
    }
}
