//! A bound of the mean of values between 0 and 1 that holds at any number of values.

use super::{StatsError, beta_inc, beta_quantile, normal_cdf, normal_quantile};

/// Up to so many values the distribution is evaluated exactly, at a cost of n².
const EXACT: usize = 400;
/// Bounds are exact to this.
const FINE: f64 = 1e-12;

/// Values between 0 and 1, and what they say of their mean.
///
/// With the values sorted and a zero put before them, x₀ = 0 ≤ x₁ ≤ … ≤ xₙ, and D uniform on the simplex of n + 1
/// weights: the p-value of "the mean is at most m" is P\[Σ Dᵢ·xᵢ ≤ m\], and the lower bound at level α is the α-quantile of
/// Σ Dᵢ·xᵢ. The upper side is the same of 1 − x. Of zeros and ones this is Clopper and Pearson's bound exactly; for many
/// values it comes to that of the normal distribution; the one point put at the end is what no sample has shown yet.
/// Source: Gaffke 2005, Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
/// variable; Learned-Miller & Thomas 2019, arXiv 1905.06208. That the level holds for every distribution is proven for two
/// values and found in every simulation since, not proven in general; `benches/error_rates.rs` searches against it.
///
/// How: Σ Dᵢ·xᵢ has a B-spline with knots xᵢ as its density (Curry & Schoenberg 1966), so its distribution is a spline that
/// the recurrence of de Boor 1972 evaluates without cancellation. Of more than 400 values that are not all 0 or 1, the event
/// is Σ Eᵢ·(xᵢ − m) ≤ 0 with E exponential, and Lugannani & Rice 1980 gives its chance: to half a part in a hundred of it, and to
/// some hundredths where all rests on one or two values.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundedMean {
    rising: Vec<f64>,
    falling: Vec<f64>,
    mean: f64,
}

impl BoundedMean {
    /// Takes the values, in any order.
    ///
    /// Domain: at least one value, all from 0 to 1.
    pub fn new(values: &[f64]) -> Result<Self, StatsError> {
        if values.is_empty() {
            return Err(StatsError::TooFew { needed: 1, found: 0 });
        }
        for value in values {
            StatsError::check("a value", *value, "from 0 to 1", |x| (0.0..=1.0).contains(&x))?;
        }
        let mut rising = values.to_vec();
        rising.sort_unstable_by(f64::total_cmp);
        let mean = rising.iter().sum::<f64>() / real(rising.len());
        let falling = rising.iter().rev().map(|x| 1.0 - x).collect();
        Ok(Self { rising, falling, mean })
    }

    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The p-value of "the mean is at most `null`": small when the mean lies above. Domain: 0 ≤ `null` ≤ 1.
    pub fn p_greater(&self, null: f64) -> Result<f64, StatsError> {
        let null = StatsError::check("null", null, "from 0 to 1", |m| (0.0..=1.0).contains(&m))?;
        below(&self.rising, null)
    }

    /// The p-value of "the mean is at least `null`": small when the mean lies below. Domain: 0 ≤ `null` ≤ 1.
    pub fn p_less(&self, null: f64) -> Result<f64, StatsError> {
        let null = StatsError::check("null", null, "from 0 to 1", |m| (0.0..=1.0).contains(&m))?;
        below(&self.falling, 1.0 - null)
    }

    /// The one-sided lower bound at `alpha`: at most `alpha` of samples have one above their mean. Domain: 0 < `alpha` ≤ ½.
    pub fn lower(&self, alpha: f64) -> Result<f64, StatsError> {
        let alpha = StatsError::check("alpha", alpha, "above 0 and at most 0.5", |a| a > 0.0 && a <= 0.5)?;
        quantile(&self.rising, alpha)
    }

    /// The one-sided upper bound at `alpha`. Domain: 0 < `alpha` ≤ ½.
    pub fn upper(&self, alpha: f64) -> Result<f64, StatsError> {
        let alpha = StatsError::check("alpha", alpha, "above 0 and at most 0.5", |a| a > 0.0 && a <= 0.5)?;
        Ok(1.0 - quantile(&self.falling, alpha)?)
    }
}

/// How many of the sorted values are 1, where all of them are 0 or 1.
fn ones(sorted: &[f64]) -> Option<usize> {
    let zeros = sorted.partition_point(|x| *x <= 0.0);
    (zeros == sorted.len() || sorted[zeros] >= 1.0).then_some(sorted.len() - zeros)
}

/// P\[Σ Dᵢ·xᵢ ≤ t\] with a zero before the sorted values.
fn below(sorted: &[f64], t: f64) -> Result<f64, StatsError> {
    let top = sorted[sorted.len() - 1];
    if t >= top {
        return Ok(1.0);
    }
    if t <= 0.0 {
        return Ok(0.0);
    }
    match ones(sorted) {
        Some(ones) => beta_inc(real(ones), real(sorted.len() - ones + 1), t),
        None if sorted.len() <= EXACT => Ok(spline(sorted, t)),
        None => saddle(sorted, t),
    }
}

/// The distribution as a spline of degree n, by de Boor's recurrence; 0 < t < the largest knot.
fn spline(sorted: &[f64], t: f64) -> f64 {
    let n = sorted.len();
    // The knots are 0, x₁, …, xₙ; before them stand zeros, behind them copies of the last.
    let knot = |at: usize| match at.checked_sub(n + 2) {
        None => 0.0,
        Some(behind) => sorted[behind.min(n - 1)],
    };
    // The zero is knot n + 1, and its interval the last one that begins at or before t.
    let span = n + 1 + sorted.partition_point(|x| *x <= t);
    let mut chances: Vec<f64> = (0..=n).map(|j| if span - n + j > n { 1.0 } else { 0.0 }).collect();
    for level in 1..=n {
        for j in (level..=n).rev() {
            let at = span - n + j;
            let left = knot(at);
            let share = (t - left) / (knot(at + n - level + 1) - left);
            chances[j] = (1.0 - share) * chances[j - 1] + share * chances[j];
        }
    }
    chances[n].clamp(0.0, 1.0)
}

/// The same by the saddle point of the sum of exponentials.
fn saddle(sorted: &[f64], t: f64) -> Result<f64, StatsError> {
    let low = -t;
    let high = sorted[sorted.len() - 1] - t;
    let points = || std::iter::once(low).chain(sorted.iter().map(|x| x - t));
    // K′ rises from −∞ to ∞ between the poles.
    let (mut left, mut right) = (1.0 / low, 1.0 / high);
    let mut at = 0.0_f64;
    for _ in 0..200 {
        let (mut slope, mut bend) = (0.0, 0.0);
        for a in points() {
            let ratio = a / (1.0 - at * a);
            slope += ratio;
            bend += ratio * ratio;
        }
        if slope > 0.0 {
            right = at;
        } else {
            left = at;
        }
        let newton = at - slope / bend;
        let next = if newton > left && newton < right { newton } else { f64::midpoint(left, right) };
        if (next - at).abs() <= 1e-13 * (1.0 + at.abs()) {
            at = next;
            break;
        }
        at = next;
    }
    let (mut height, mut bend, mut skew, mut flat) = (0.0, 0.0, 0.0, 0.0);
    for a in points() {
        let ratio = a / (1.0 - at * a);
        height -= (-at * a).ln_1p();
        bend += ratio * ratio;
        skew += 2.0 * a * a * a;
        flat += a * a;
    }
    let w = at.signum() * (-2.0 * height).max(0.0).sqrt();
    let u = at * bend.sqrt();
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    // At the mean both terms have a pole, and the limit is taken.
    let chance = if w.abs() < 1e-4 {
        0.5 + skew / (6.0 * (2.0 * std::f64::consts::PI).sqrt() * flat * flat.sqrt())
    } else {
        // P[Z ≤ 0], where the saddle lies left of zero when the mean of Z is above it.
        normal_cdf(w)? + density(w) * (1.0 / w - 1.0 / u)
    };
    Ok(chance.clamp(0.0, 1.0))
}

/// Where the distribution reaches `alpha`.
fn quantile(sorted: &[f64], alpha: f64) -> Result<f64, StatsError> {
    let (mut low, mut high) = (0.0, sorted[sorted.len() - 1]);
    if high <= 0.0 {
        return Ok(0.0);
    }
    if let Some(ones) = ones(sorted) {
        return beta_quantile(alpha, real(ones), real(sorted.len() - ones + 1));
    }
    // On the scale of the normal distribution the chance is nearly a straight line, so secants find it in a few steps; the
    // first is that of the mean and the spread of Σ Dᵢ·xᵢ.
    let wanted = normal_quantile(alpha)?;
    let count = real(sorted.len() + 1);
    let mean = sorted.iter().sum::<f64>() / count;
    let squares = sorted.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() + mean * mean;
    let spread = (squares / (count * (count + 1.0))).sqrt();
    let (mut at, mut slope) = (mean + wanted * spread, 1.0 / spread);
    let mut last: Option<(f64, f64)> = None;
    for _ in 0..100 {
        if !(at > low && at < high) {
            at = f64::midpoint(low, high);
        }
        let chance = below(sorted, at)?;
        if chance > alpha {
            high = at;
        } else {
            low = at;
        }
        if high - low <= FINE || (chance - alpha).abs() <= FINE * alpha {
            return Ok(at);
        }
        let off = normal_quantile(chance.clamp(1e-300, 1.0 - 1e-15))? - wanted;
        if let Some((before, was)) = last
            && (at - before).abs() > 0.0
            && (off - was) / (at - before) > 0.0
        {
            slope = (off - was) / (at - before);
        }
        last = Some((at, off));
        let step = off / slope;
        if step.abs() <= 0.25 * FINE {
            return Ok(at);
        }
        at -= step;
    }
    Ok(low)
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 values")]
fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two ways to evaluate agree where both can be had.
    #[test]
    fn the_saddle_point_is_near() {
        for (odd, part) in [(0, 0.06), (1, 0.06), (5, 5e-3), (100, 5e-3), (300, 5e-3)] {
            let mut values: Vec<f64> =
                (0..300_u32).map(|at| if at < odd { 0.0 } else { 0.5 + f64::from(at % 3) / 4.0 }).collect();
            values.sort_unstable_by(f64::total_cmp);
            if odd == 300 {
                values = (0..300_u32).map(|at| f64::from(at) / 299.0).collect();
            }
            for alpha in [0.005, 0.025, 0.05, 0.3] {
                let at = quantile(&values, alpha).unwrap();
                let (exact, near) = (spline(&values, at), saddle(&values, at).unwrap());
                assert!((exact / alpha - 1.0).abs() < 1e-9, "{odd} {alpha}: {exact}");
                assert!((near / exact - 1.0).abs() < part, "{odd} {alpha}: {near} is not {exact}");
            }
        }
    }
}
