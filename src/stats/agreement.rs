//! How far judges agree.

use super::StatsError;
use super::count::length;
use super::mean::finite;

/// What the distance of two ratings is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Labels: equal or not.
    Nominal,
    /// Numbers: the square of their difference.
    Interval,
}

/// Krippendorff's α: 1 less the observed disagreement over that expected by chance. 1 is full agreement, 0 is what chance
/// gives, below 0 is worse than chance.
///
/// A unit holds the ratings of one thing, `None` where a judge gave none; one with fewer than two ratings tells nothing.
/// Observed: Σ over units of the pairs' distances / (m-1), over N ratings; expected: all pairs' distances / N(N-1)
/// (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"). `Ok(None)` where it is undefined: no unit with two
/// ratings, or every rating the same, so that nothing could have disagreed. Ratings are finite.
pub fn krippendorff_alpha(units: &[Vec<Option<f64>>], level: Level) -> Result<Option<f64>, StatsError> {
    let mut every = Vec::new();
    let mut observed = 0.0;
    for unit in units {
        let ratings: Vec<f64> = unit.iter().flatten().copied().collect();
        finite(&ratings, 0)?;
        if ratings.len() >= 2 {
            observed += disagreement(&ratings, level);
            every.extend(ratings);
        }
    }
    if every.is_empty() {
        return Ok(None);
    }
    let expected = disagreement(&every, level);
    Ok((expected > 0.0).then(|| 1.0 - observed / expected))
}

/// The distances of all ordered pairs, over one less than the count of ratings; two ratings or more.
fn disagreement(ratings: &[f64], level: Level) -> f64 {
    let others = length(ratings) - 1.0;
    match level {
        // The sum of squares over all ordered pairs is 2n(n-1) times the variance.
        Level::Interval => 2.0 * length(ratings) * super::mean::variance_of(ratings),
        Level::Nominal => {
            // Minus zero is the same label as zero.
            let mut sorted: Vec<f64> = ratings.iter().map(|&rating| rating + 0.0).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted
                .chunk_by(|left, right| left.total_cmp(right).is_eq())
                .map(|same| length(same) * (length(ratings) - length(same)))
                .sum::<f64>()
                / others
        }
    }
}
