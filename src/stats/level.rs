//! Levels of tests and intervals.

use super::StatsError;

/// The chance of error of a one-sided bound or of a test: above 0 and below 1.
pub(super) fn one_sided(alpha: f64) -> Result<f64, StatsError> {
    StatsError::check("alpha", alpha, "above 0 and below 1", |alpha| alpha > 0.0 && alpha < 1.0)
}

/// The chance beyond each end of a two-sided interval, (1 - confidence)/2: above 0 and below ½.
pub(super) fn two_sided(confidence: f64) -> Result<f64, StatsError> {
    // What is less confident has no tail below one half.
    let fits = |level: f64| (1e-9..1.0).contains(&level);
    StatsError::check("confidence", confidence, "1e-9 or more and below 1", fits)
        .map(|level| (1.0 - level) / 2.0)
}
