//! Tests of ranks: the signed ranks of pairs, and the ranks of two independent groups.

mod mann_whitney;
mod wilcoxon;

pub use mann_whitney::{MannWhitney, mann_whitney};
pub use wilcoxon::{Wilcoxon, wilcoxon};

/// Up to so many ranked values the p values are exact.
pub const RANKS_EXACT: usize = 50;

/// How p values of ranks were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankMethod {
    /// Every arrangement of the ranks that were seen, ties included, was counted.
    Exact,
    /// By the normal distribution, with corrections for ties and for continuity.
    Asymptotic,
}

/// The three p values of a rank statistic.
struct Tails {
    greater: f64,
    less: f64,
    two_sided: f64,
}

impl Tails {
    fn of(greater: f64, less: f64) -> Self {
        Self { greater: greater.min(1.0), less: less.min(1.0), two_sided: (2.0 * greater.min(less)).min(1.0) }
    }

    /// From how often each sum of (doubled) ranks can come about.
    fn counted(ways: &[f64], seen: usize) -> Self {
        let all: f64 = ways.iter().sum();
        Self::of(ways[seen..].iter().sum::<f64>() / all, ways[..=seen].iter().sum::<f64>() / all)
    }

    /// From the normal distribution; half a unit of the statistic is taken off for continuity.
    fn approximate(seen: f64, mean: f64, variance: f64) -> Result<Self, super::StatsError> {
        if variance <= 0.0 {
            return Ok(Self::of(1.0, 1.0));
        }
        let (above, deviation) = (seen - mean, variance.sqrt());
        let greater = super::normal_sf((above - 0.5) / deviation)?;
        let less = super::normal_sf((-above - 0.5) / deviation)?;
        Ok(Self::of(greater, less))
    }
}
