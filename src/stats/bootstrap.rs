//! Intervals by drawing the values again.

use super::count::{length, place, real};
use super::level::two_sided;
use super::mean::{all_equal, finite, mean_of};
use super::normal::{normal_cdf, normal_quantile};
use super::{Draws, Interval, StatsError};

/// What of the values is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// The median; of an even count, the mean of the two in the middle.
    Median,
}

/// How an interval was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Bias-corrected and accelerated.
    Bca,
    /// The percentiles of what was drawn, and why no more.
    Percentile(Why),
}

/// Why the plain percentiles were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They were asked for.
    Asked,
    /// All values are equal, or there is but one: the interval has no width and says nothing.
    AllEqual,
    /// No resample was on one side of the estimate, so that the bias has no size.
    Bias,
    /// Leaving any one value out leaves the estimate the same, or the correction has no place: the acceleration is
    /// undefined.
    Acceleration,
}

/// An interval by resampling, and how it came about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// The statistic of the values as they are.
    pub estimate: f64,
    /// The two-sided interval.
    pub interval: Interval,
    /// How many resamples were drawn.
    pub resamples: usize,
    /// Of which seed.
    pub seed: u64,
    /// By which method.
    pub method: Method,
}

/// The most resamples of one interval.
const MOST: usize = 10_000_000;

impl Statistic {
    /// Of `values`, which are not empty, and may be put into another order.
    pub(super) fn of(self, values: &mut [f64]) -> f64 {
        match self {
            Self::Mean => mean_of(values),
            Self::Median => {
                let middle = values.len() / 2;
                let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
                if below.len() == middle && values.len() % 2 == 1 {
                    return upper;
                }
                let lower = values[..middle].iter().copied().fold(f64::NEG_INFINITY, f64::max);
                lower + (upper - lower) / 2.0
            }
        }
    }
}

/// The bias-corrected and accelerated interval of Efron 1987, "Better bootstrap confidence intervals".
///
/// With B resamples θ*, z₀ = Φ⁻¹(#{θ* < θ̂}/B), where a resample equal to the estimate counts half, as scores are coarse;
/// a = Σ(θ̄-θ₍ᵢ₎)³ / 6[Σ(θ̄-θ₍ᵢ₎)²]^{3/2} over the estimates with one value left out; the ends are the percentiles
/// Φ(z₀ + (z₀+z)/(1-a(z₀+z))) at z = ∓z₁₋α/₂. Where z₀ or a is undefined it falls back to percentiles and says why.
///
/// Not for a gate at fewer than 20 values: it is too narrow there. Domain: one finite value or more, 1e-9 ≤ confidence < 1, 1 to
/// 10 000 000 resamples.
pub fn bca(
    values: &[f64],
    statistic: Statistic,
    confidence: f64,
    resamples: usize,
    seed: u64,
) -> Result<Bootstrap, StatsError> {
    let drawn = draw(values, statistic, confidence, resamples, seed)?;
    if drawn.all_equal {
        return Ok(drawn.percentile(Why::AllEqual));
    }
    let below = drawn.sorted.partition_point(|&other| other < drawn.estimate);
    let upto = drawn.sorted.partition_point(|&other| other <= drawn.estimate);
    let share = real((below + upto) as u64) / (2.0 * length(&drawn.sorted));
    if share <= 0.0 || share >= 1.0 {
        return Ok(drawn.percentile(Why::Bias));
    }
    let bias = normal_quantile(share)?;
    let Some(acceleration) = acceleration(values, statistic) else {
        return Ok(drawn.percentile(Why::Acceleration));
    };
    let quantile = -normal_quantile(drawn.tail)?;
    let [low, high] = [-quantile, quantile].map(|z| {
        let moved = bias + z;
        let left = 1.0 - acceleration * moved;
        (left > 0.0).then(|| bias + moved / left)
    });
    let (Some(low), Some(high)) = (low, high) else {
        return Ok(drawn.percentile(Why::Acceleration));
    };
    Ok(drawn.between(normal_cdf(low)?, normal_cdf(high)?, Method::Bca))
}

/// The percentile interval of Efron 1979: of B sorted resamples the one at index floor(α/2·B) and the one at
/// ceil((1-α/2)·B)-1. Domain as [`bca`].
pub fn percentile_bootstrap(
    values: &[f64],
    statistic: Statistic,
    confidence: f64,
    resamples: usize,
    seed: u64,
) -> Result<Bootstrap, StatsError> {
    let drawn = draw(values, statistic, confidence, resamples, seed)?;
    let why = if drawn.all_equal { Why::AllEqual } else { Why::Asked };
    Ok(drawn.percentile(why))
}

/// [`percentile_bootstrap`] of the differences `after - before`, pair by pair. The slices are of one length.
pub fn paired_bootstrap(
    before: &[f64],
    after: &[f64],
    statistic: Statistic,
    confidence: f64,
    resamples: usize,
    seed: u64,
) -> Result<Bootstrap, StatsError> {
    if before.len() != after.len() {
        return Err(StatsError::Lengths { left: before.len(), right: after.len() });
    }
    finite(before, 1)?;
    finite(after, 1)?;
    let deltas: Vec<f64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    percentile_bootstrap(&deltas, statistic, confidence, resamples, seed)
}

/// What was drawn.
pub(super) struct Drawn {
    pub(super) estimate: f64,
    pub(super) sorted: Vec<f64>,
    pub(super) all_equal: bool,
    /// Beyond each end.
    pub(super) tail: f64,
    pub(super) seed: u64,
}

impl Drawn {
    pub(super) fn percentile(self, why: Why) -> Bootstrap {
        let tail = self.tail;
        self.between(tail, 1.0 - tail, Method::Percentile(why))
    }

    fn between(self, low: f64, high: f64, method: Method) -> Bootstrap {
        let (resamples, count) = (self.sorted.len(), length(&self.sorted));
        // A share that is meant to be whole, such as 0.05 of 2000, must not fall to the next one by its last bits.
        let interval = Interval {
            low: self.sorted[place((low * count + 1e-6).floor(), resamples)],
            high: self.sorted[place((high * count - 1e-6).ceil() - 1.0, resamples)],
        };
        Bootstrap { estimate: self.estimate, interval, resamples, seed: self.seed, method }
    }
}

/// The chance beyond each end, where the level and the number of resamples are in their range.
pub(super) fn settings(confidence: f64, resamples: usize) -> Result<f64, StatsError> {
    let fits = (1..=MOST).contains(&resamples);
    StatsError::check("resamples", real(resamples as u64), "from 1 to 10 000 000", |_| fits)?;
    two_sided(confidence)
}

fn draw(
    values: &[f64],
    statistic: Statistic,
    confidence: f64,
    resamples: usize,
    seed: u64,
) -> Result<Drawn, StatsError> {
    let tail = settings(confidence, resamples)?;
    finite(values, 1)?;
    let mut draws = Draws::new(seed);
    let mut again = values.to_vec();
    let estimate = statistic.of(&mut again);
    let mut sorted: Vec<f64> = (0..resamples)
        .map(|_| {
            again.fill_with(|| values[draws.index(values.len())]);
            statistic.of(&mut again)
        })
        .collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let all_equal = all_equal(values);
    Ok(Drawn { estimate, sorted, all_equal, tail, seed })
}

/// The a of [`bca`]; `None` where it is undefined.
fn acceleration(values: &[f64], statistic: Statistic) -> Option<f64> {
    let mut rest = Vec::with_capacity(values.len());
    let without: Vec<f64> = (0..values.len())
        .map(|left_out| {
            rest.clear();
            rest.extend_from_slice(&values[..left_out]);
            rest.extend_from_slice(&values[left_out + 1..]);
            statistic.of(&mut rest)
        })
        .collect();
    let mean = mean_of(&without);
    let sum = |power| without.iter().map(|other| (mean - other).powi(power)).sum::<f64>();
    let squares = sum(2);
    let found = sum(3) / (6.0 * squares * squares.sqrt());
    (squares > 0.0 && found.is_finite()).then_some(found)
}
