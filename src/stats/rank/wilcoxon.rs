//! The signed-rank test of paired deltas.

use super::{RANKS_EXACT, RankMethod, Tails};
use crate::stats::StatsError;
use crate::stats::count::{length, real};
use crate::stats::ties::{centred, ranks};

/// What [`wilcoxon`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wilcoxon {
    /// W₊: the sum of the ranks of the deltas above the null.
    pub statistic: f64,
    /// How many deltas were ranked.
    pub ranked: usize,
    /// How many were equal to the null, and dropped.
    pub zeros: usize,
    /// Small when the deltas lie above the null.
    pub p_greater: f64,
    /// Small when they lie below it.
    pub p_less: f64,
    /// Small when they lie on one side of it.
    pub p_two_sided: f64,
    /// How these were found.
    pub method: RankMethod,
    /// The smallest two-sided p that these ranks could have given, whatever their signs: at a level below it nothing can be
    /// found.
    pub floor: f64,
}

/// The signed-rank test of the hypothesis that the deltas lie symmetrically about `null`.
///
/// Deltas equal to the null are dropped, equal sizes share the mean of their ranks. Up to [`RANKS_EXACT`] ranked deltas the p
/// values are exact given the ties: the share of the 2ⁿ sign patterns whose W₊ is at least (at most) the observed one. Beyond:
/// normal with mean n(n+1)/4, variance n(n+1)(2n+1)/24 − Σ(t³−t)/48 over groups of t equal sizes, and half a unit for
/// continuity. Two-sided twice the smaller, at most 1. No rank at all: every p is 1.
/// Sources: Wilcoxon 1945; Conover 1999, section 5.7; the exact count with ties by Streitberg & Röhmel 1986.
///
/// It answers for the middle of the pairwise means, not for the mean: not a gate on a mean.
///
/// Domain: at least one delta, all of at most 10¹⁰⁰; sizes within 10⁻¹² of the largest are equal.
pub fn wilcoxon(deltas: &[f64], null: f64) -> Result<Wilcoxon, StatsError> {
    let mut values = centred(deltas, null)?;
    let zeros = values.len();
    values.retain(|value| *value != 0.0);
    let zeros = zeros - values.len();
    let sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    let ranks = ranks(&sizes);
    let seen: usize =
        ranks.doubled.iter().zip(&values).filter(|(_, value)| **value > 0.0).map(|(rank, _)| rank).sum();
    let all: usize = ranks.doubled.iter().sum();
    let statistic = real(seen as u64) / 2.0;
    let n = length(&values);
    let (tails, method, floor) = if values.len() <= RANKS_EXACT {
        let ways = ways(&ranks.doubled, all);
        let floor = Tails::counted(&ways, all).two_sided;
        (Tails::counted(&ways, seen), RankMethod::Exact, floor)
    } else {
        let mean = n * (n + 1.0) / 4.0;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ranks.ties / 48.0;
        let floor = Tails::approximate(real(all as u64) / 2.0, mean, variance)?.two_sided;
        (Tails::approximate(statistic, mean, variance)?, RankMethod::Asymptotic, floor)
    };
    Ok(Wilcoxon {
        statistic,
        ranked: values.len(),
        zeros,
        p_greater: tails.greater,
        p_less: tails.less,
        p_two_sided: tails.two_sided,
        method,
        floor,
    })
}

/// How many sign patterns give each sum of the ranks with a plus, up to `all`.
fn ways(ranks: &[usize], all: usize) -> Vec<f64> {
    let mut ways = vec![0.0; all + 1];
    ways[0] = 1.0;
    for rank in ranks {
        for sum in (*rank..=all).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AC-stat-08: five of five positive give the exact p 0.0625, which is all that five can give.
    #[test]
    fn five_of_five() {
        let test = wilcoxon(&[0.1, 0.4, 0.2, 0.3, 0.5], 0.0).unwrap();
        assert_eq!((test.p_two_sided, test.p_greater, test.floor), (0.0625, 0.03125, 0.0625));
        assert_eq!((test.method, test.statistic, test.p_less), (RankMethod::Exact, 15.0, 1.0));
        // With ties the floor stays that of the sign patterns.
        let tied = wilcoxon(&[0.1, 0.1, 0.1, -0.1, 0.1, 0.0], 0.0).unwrap();
        assert_eq!((tied.floor, tied.zeros, tied.ranked, tied.p_greater), (0.0625, 1, 5, 6.0 / 32.0));
    }

    /// AC-stat-08: NaN is refused.
    #[test]
    fn what_is_no_number_is_refused() {
        assert!(wilcoxon(&[1.0, f64::NAN], 0.0).is_err());
        assert!(wilcoxon(&[], 0.0).is_err());
        let nothing = wilcoxon(&[0.5; 4], 0.5).unwrap();
        assert_eq!((nothing.p_two_sided, nothing.floor, nothing.zeros), (1.0, 1.0, 4));
    }

    #[test]
    fn the_approximation_takes_over_where_the_count_ends() {
        let sign = |at: u32| if at.is_multiple_of(3) { -1.0 } else { 1.0 };
        let deltas = |n: u32| (1..=n).map(|at| sign(at) * f64::from(at)).collect::<Vec<_>>();
        let (exact, close) = (wilcoxon(&deltas(50), 0.0).unwrap(), wilcoxon(&deltas(51), 0.0).unwrap());
        assert_eq!((exact.method, close.method), (RankMethod::Exact, RankMethod::Asymptotic));
        assert!(close.floor < 1e-8 && close.floor > 0.0);
        // The two agree on what is counted at the limit: n(n+1)/4 and n(n+1)(2n+1)/24 at 50.
        let tails = Tails::approximate(exact.statistic, 637.5, 10_731.25).unwrap();
        assert!((exact.p_greater / tails.greater - 1.0).abs() < 0.05, "{exact:?} {}", tails.greater);
    }
}
