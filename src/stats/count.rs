//! Counts as numbers, and numbers as places in a sorted slice.

/// A count. Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of cases, trials and resamples are far below 2^53")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

/// The length of a slice.
pub(super) fn length<T>(values: &[T]) -> f64 {
    real(values.len() as u64)
}

/// A place in a sorted slice of `len` values: `place` without its fraction, held inside of the slice.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held in range first")]
pub(super) fn place(place: f64, len: usize) -> usize {
    (place.max(0.0) as usize).min(len.saturating_sub(1))
}
