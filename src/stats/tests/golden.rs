//! Values that others computed, and what counts as equal to them.

use serde_json::Value;

use crate::stats::{Interval, StatsError};

/// A function of counts and a level.
pub(super) type OfCounts<T> = fn(u64, u64, f64) -> Result<T, StatsError>;

/// What `tests/fixtures/stats/golden.py` wrote.
pub(super) fn rates() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/stats/golden_rates.json")).unwrap()
}

/// Values that were computed apart from both, by hand and by simulation.
pub(super) fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/stats/stat_vectors.json")).unwrap()
}

/// Numbers of a JSON array.
pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The low and the high end of a JSON array.
pub(super) fn range(value: &Value) -> Interval {
    let ends = numbers(value);
    Interval { low: ends[0], high: ends[1] }
}

/// Equal to 1e-9 of the wanted value, to 1e-7 where it is below 1e-12.
#[track_caller]
pub(super) fn close(name: &str, found: f64, wanted: f64) {
    let tolerance = if wanted.abs() < 1e-12 { 1e-7 } else { 1e-9 };
    let near = (found - wanted).abs()
        <= tolerance * wanted.abs() + f64::EPSILON * f64::from(u8::from(wanted == 0.0));
    assert!(near, "{name}: {found:e} is not {wanted:e}");
}

/// Both ends [`close`].
#[track_caller]
pub(super) fn close_ends(name: &str, found: Interval, wanted: Interval) {
    close(&format!("low of {name}"), found.low, wanted.low);
    close(&format!("high of {name}"), found.high, wanted.high);
}

/// The rows of one table, with `wanted` numbers at the end of each; at least one.
pub(super) fn table(golden: &Value, name: &str) -> Vec<Vec<f64>> {
    let rows: Vec<_> =
        golden[name].as_array().unwrap_or_else(|| panic!("no table {name}")).iter().map(numbers).collect();
    assert!(!rows.is_empty(), "{name} is empty");
    rows
}

/// A count of a table.
pub(super) fn whole(number: f64) -> u64 {
    assert!(number >= 0.0 && number.fract() == 0.0, "{number}");
    format!("{number}").parse().unwrap()
}
