//! Where a condition begins to hold.

use super::StatsError;

/// The first number in `(low, high]` at which `holds`, where it holds at every number above it, too; `high` where it holds
/// nowhere below. `0 ≤ low < high`.
///
/// Halves the count of representable numbers between the two, not the distance: at most 64 steps, and small results have as
/// many digits as large ones.
pub(super) fn first(
    low: f64,
    high: f64,
    mut holds: impl FnMut(f64) -> Result<bool, StatsError>,
) -> Result<f64, StatsError> {
    // The bits of numbers from 0 up are in the order of the numbers.
    let (mut without, mut with) = (low.to_bits(), high.to_bits());
    while with - without > 1 {
        let middle = without + (with - without) / 2;
        if holds(f64::from_bits(middle))? { with = middle } else { without = middle }
    }
    Ok(f64::from_bits(with))
}
