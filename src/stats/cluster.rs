//! Values that belong together: several trials of one case, or several cases of one source.

use std::collections::BTreeMap;

use super::bootstrap::{Bootstrap, Drawn, Why, settings};
use super::count::{length, real};
use super::level::two_sided;
use super::mean::{all_equal, finite, mean_of, variance_of};
use super::rate::wilson_effective;
use super::student::t_quantile;
use super::{Draws, Interval, StatsError};

/// A mean whose values come in clusters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clustered {
    /// The mean over all rows.
    pub mean: f64,
    /// Its standard error, with the rows of a cluster taken together.
    pub se: f64,
    /// The standard error that independent rows would have.
    pub naive_se: f64,
    /// How many rows.
    pub rows: usize,
    /// How many clusters.
    pub clusters: usize,
    /// Degrees of freedom: one less than the clusters.
    pub df: f64,
    /// The design effect: the square of `se / naive_se`. Where no row differs, rows per cluster, as if each cluster were one.
    pub deff: f64,
    /// As many independent rows would tell as much: the rows over the design effect, and at most the rows.
    pub effective_n: f64,
}

/// The mean of `(cluster, value)` rows with its clustered standard error.
///
/// √(Σ over clusters of (Σ of its residuals)²)/N · √(C/(C-1)) (Miller 2024, "Adding Error Bars to Evals", arXiv 2411.00640,
/// with the correction for few clusters). With equally many rows in each cluster it is the standard error of the cluster
/// means. Domain: finite values, two clusters or more.
pub fn clustered(rows: &[(usize, f64)]) -> Result<Clustered, StatsError> {
    let (values, groups) = grouped(rows)?;
    let mean = mean_of(&values);
    let count = length(&values);
    let clusters = length(&groups);
    let residuals = groups.iter().map(|group| group.iter().map(|value| value - mean).sum::<f64>().powi(2));
    let se = residuals.sum::<f64>().sqrt() / count * (clusters / (clusters - 1.0)).sqrt();
    let naive_se = (variance_of(&values) / count).sqrt();
    let deff = if naive_se > 0.0 { (se / naive_se).powi(2) } else { count / clusters };
    let effective_n = count / deff.max(1.0);
    Ok(Clustered {
        mean,
        se,
        naive_se,
        rows: values.len(),
        clusters: groups.len(),
        df: clusters - 1.0,
        deff,
        effective_n,
    })
}

/// mean ± t·se with one degree of freedom less than clusters, two-sided. Its width is zero where all clusters have one mean,
/// and then it says nothing. Domain as [`clustered`], 1e-9 ≤ confidence < 1.
pub fn clustered_interval(rows: &[(usize, f64)], confidence: f64) -> Result<Interval, StatsError> {
    let found = clustered(rows)?;
    let half = -t_quantile(two_sided(confidence)?, found.df)? * found.se;
    Ok(Interval { low: found.mean - half, high: found.mean + half })
}

/// The interval of a clustered rate: Wilson's, with the effective number of rows, made smaller by (t with N-1 degrees of
/// freedom / t with C-1)², both at the level (Korn and Graubard 1998). Rows are from 0 to 1. Domain as [`clustered`],
/// 1e-9 ≤ confidence < 1.
pub fn clustered_rate_interval(rows: &[(usize, f64)], confidence: f64) -> Result<Interval, StatsError> {
    for &(_, value) in rows {
        StatsError::check("value", value, "from 0 to 1", |value| (0.0..=1.0).contains(&value))?;
    }
    let found = clustered(rows)?;
    let tail = two_sided(confidence)?;
    let ratio = t_quantile(tail, real(found.rows as u64) - 1.0)? / t_quantile(tail, found.df)?;
    let effective = found.effective_n * ratio * ratio;
    wilson_effective((found.mean * effective).clamp(0.0, effective), effective, confidence)
}

/// Percentiles of the mean over clusters that are drawn again with their rows: for clusters of unequal sizes or skewed
/// values (Davison and Hinkley 1997, section 3.8). Domain as [`clustered`], 1e-9 ≤ confidence < 1, 1 to 10 000 000 resamples.
pub fn cluster_bootstrap(
    rows: &[(usize, f64)],
    confidence: f64,
    resamples: usize,
    seed: u64,
) -> Result<Bootstrap, StatsError> {
    let tail = settings(confidence, resamples)?;
    let (values, groups) = grouped(rows)?;
    let origin = mean_of(&values);
    // Sums of distances from the mean lose fewer digits than sums of the values.
    let sums: Vec<(f64, f64)> = groups
        .iter()
        .map(|group| (group.iter().map(|value| value - origin).sum::<f64>(), length(group)))
        .collect();
    let mut draws = Draws::new(seed);
    let mut sorted: Vec<f64> = (0..resamples)
        .map(|_| {
            let (mut sum, mut count) = (0.0, 0.0);
            for _ in &sums {
                let (part, rows) = sums[draws.index(sums.len())];
                sum += part;
                count += rows;
            }
            origin + sum / count
        })
        .collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let means: Vec<f64> = groups.iter().map(|group| mean_of(group)).collect();
    let all_equal = all_equal(&means);
    let why = if all_equal { Why::AllEqual } else { Why::Asked };
    Ok(Drawn { estimate: origin, sorted, all_equal, tail, seed }.percentile(why))
}

/// The design effect of clusters of `size` rows with correlation `rho`: 1 + (size-1)·rho (Kish 1965). Domain: size ≥ 1 (a mean
/// size need not be whole), -1 ≤ rho ≤ 1.
pub fn kish_deff(size: f64, rho: f64) -> Result<f64, StatsError> {
    StatsError::check("size", size, "1 or more", |size| size >= 1.0)?;
    StatsError::check("rho", rho, "from -1 to 1", |rho| (-1.0..=1.0).contains(&rho))?;
    Ok((1.0 + (size - 1.0) * rho).max(0.0))
}

/// Where the variance of a mean over cases comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrialVariance {
    /// The variance of the mean, as it was measured: of the case means over the number of cases.
    pub of_mean: f64,
    /// The part of it that comes from chance within the cases, and goes away with ever more trials; at most `of_mean`.
    pub of_trials: f64,
    /// The mean over cases of one over their number of trials: one over the trials, where all have as many.
    per_trial: f64,
}

impl TrialVariance {
    /// How much of the variance more trials could take away, from 0 to 1; the rest takes more cases. Zero where there is no
    /// variance.
    pub fn removable(&self) -> f64 {
        if self.of_mean > 0.0 { self.of_trials / self.of_mean } else { 0.0 }
    }

    /// What the variance of the mean would be with the same cases and `trials` of each, 1 or more.
    pub fn with_trials(&self, trials: u64) -> f64 {
        let now = self.of_trials / self.per_trial;
        self.of_mean - self.of_trials + now / real(trials.max(1))
    }
}

/// Splits the variance of the mean over cases: [Var(x) + E(σᵢ²)/K]/n (Miller 2024). A row is `(case, score of one trial)`.
///
/// Var(x) + E(σᵢ²)/K is the variance of the case means; σᵢ² is that within a case, where it has two trials or more. Domain:
/// finite scores, two cases or more, one of them with two trials.
pub fn variance_of_trials(rows: &[(usize, f64)]) -> Result<TrialVariance, StatsError> {
    let (_, groups) = grouped(rows)?;
    let means: Vec<f64> = groups.iter().map(|group| mean_of(group)).collect();
    let within: Vec<f64> =
        groups.iter().filter(|group| group.len() > 1).map(|group| variance_of(group)).collect();
    if within.is_empty() {
        return Err(StatsError::TooFew { needed: 2, found: 1 });
    }
    let cases = length(&groups);
    let per_trial = groups.iter().map(|group| 1.0 / length(group)).sum::<f64>() / cases;
    let of_mean = variance_of(&means) / cases;
    let of_trials = (mean_of(&within) * per_trial / cases).min(of_mean);
    Ok(TrialVariance { of_mean, of_trials, per_trial })
}

/// The values, and the values by cluster, in the order of the clusters' numbers; two clusters or more.
fn grouped(rows: &[(usize, f64)]) -> Result<(Vec<f64>, Vec<Vec<f64>>), StatsError> {
    let values: Vec<f64> = rows.iter().map(|&(_, value)| value).collect();
    finite(&values, 2)?;
    let mut groups = BTreeMap::<usize, Vec<f64>>::new();
    for &(cluster, value) in rows {
        groups.entry(cluster).or_default().push(value);
    }
    if groups.len() < 2 {
        return Err(StatsError::TooFew { needed: 2, found: groups.len() });
    }
    Ok((values, groups.into_values().collect()))
}
