//! The rank-sum test of two independent groups.

use super::{RANKS_EXACT, RankMethod, Tails};
use crate::stats::StatsError;
use crate::stats::count::{length, real};
use crate::stats::ties::{checked, ranks};

/// What [`mann_whitney`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// U of the first group: how many pairs of an x and a y have x > y, those with x = y counted half.
    pub statistic: f64,
    /// Small when the first group lies above the second.
    pub p_greater: f64,
    /// Small when it lies below.
    pub p_less: f64,
    /// Small when they differ.
    pub p_two_sided: f64,
    /// How these were found.
    pub method: RankMethod,
    /// The smallest two-sided p that these ranks could have given, whatever their division.
    pub floor: f64,
}

/// The rank-sum test of the hypothesis that two independent groups come from one distribution.
///
/// U = R − n(n+1)/2, with R the sum of the ranks of the first group of n; equal values share the mean of their ranks. Up to
/// [`RANKS_EXACT`] values in both the p values are exact given the ties: the share of all divisions whose U is at least (at
/// most) the observed one. Beyond: normal with mean nm/2, variance nm/12·((N+1) − Σ(t³−t)/(N(N−1))) and half a unit for
/// continuity. Two-sided twice the smaller, at most 1.
/// Sources: Mann & Whitney 1947; the exact count with ties by Streitberg & Röhmel 1986; the correction for ties by Conover
/// 1999, section 5.1.
///
/// Domain: at least one value in each, all of at most 10¹⁰⁰; values within 10⁻¹² of the largest are equal.
pub fn mann_whitney(x: &[f64], y: &[f64]) -> Result<MannWhitney, StatsError> {
    checked(x)?;
    checked(y)?;
    let both = [x, y].concat();
    let ranks = ranks(&both);
    let seen: usize = ranks.doubled[..x.len()].iter().sum();
    let (n, m, all) = (length(x), length(y), length(&both));
    let offset = n * (n + 1.0) / 2.0;
    let statistic = real(seen as u64) / 2.0 - offset;
    let (tails, method, floor) = if both.len() <= RANKS_EXACT {
        let ways = ways(&ranks.doubled, x.len());
        let possible = |at: &usize| ways[*at] > 0.0;
        let most = (0..ways.len()).rev().find(possible).unwrap_or(seen);
        let least = (0..ways.len()).find(possible).unwrap_or(seen);
        let floor = Tails::counted(&ways, most).two_sided.min(Tails::counted(&ways, least).two_sided);
        (Tails::counted(&ways, seen), RankMethod::Exact, floor)
    } else {
        let mean = n * m / 2.0;
        let variance = n * m / 12.0 * (all + 1.0 - ranks.ties / (all * (all - 1.0)));
        let mut sorted = ranks.doubled.clone();
        sorted.sort_unstable();
        let sum = |part: &[usize]| real(part.iter().sum::<usize>() as u64) / 2.0 - offset;
        let most = Tails::approximate(sum(&sorted[y.len()..]), mean, variance)?;
        let least = Tails::approximate(sum(&sorted[..x.len()]), mean, variance)?;
        let floor = most.two_sided.min(least.two_sided);
        (Tails::approximate(statistic, mean, variance)?, RankMethod::Asymptotic, floor)
    };
    Ok(MannWhitney {
        statistic,
        p_greater: tails.greater,
        p_less: tails.less,
        p_two_sided: tails.two_sided,
        method,
        floor,
    })
}

/// In how many ways `members` of the ranks give each sum.
fn ways(ranks: &[usize], members: usize) -> Vec<f64> {
    let all: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; all + 1]; members + 1];
    ways[0][0] = 1.0;
    let mut reached = 0;
    for rank in ranks {
        reached += rank;
        for taken in (1..=members).rev() {
            for sum in *rank..=reached {
                // The row below still is that without this rank: rows are gone through from the fullest.
                let without = ways[taken - 1][sum - rank];
                ways[taken][sum] += without;
            }
        }
    }
    ways.swap_remove(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AC-stat-08: [1,2,3] against [4,5,6] has the exact p 0.10.
    #[test]
    fn three_against_three() {
        let test = mann_whitney(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]).unwrap();
        assert!((test.p_two_sided - 0.1).abs() < 1e-15 && (test.floor - 0.1).abs() < 1e-15);
        assert_eq!((test.statistic, test.method, test.p_greater), (0.0, RankMethod::Exact, 1.0));
        assert!((test.p_less - 0.05).abs() < 1e-15);
    }

    /// AC-stat-08: NaN is refused.
    #[test]
    fn what_is_no_number_is_refused() {
        assert!(
            mann_whitney(&[f64::NAN], &[1.0]).is_err() && mann_whitney(&[1.0], &[f64::INFINITY]).is_err()
        );
        assert!(mann_whitney(&[], &[1.0]).is_err() && mann_whitney(&[1.0], &[]).is_err());
    }

    #[test]
    fn all_equal_is_no_information() {
        for n in [3, 100] {
            let test = mann_whitney(&vec![0.5; n], &vec![0.5; n]).unwrap();
            assert_eq!((test.p_two_sided, test.p_greater, test.p_less, test.floor), (1.0, 1.0, 1.0, 1.0));
        }
    }

    #[test]
    fn swapping_the_groups_turns_the_sides_round() {
        let (x, y) = ([0.3, 0.9, 0.9, 0.4, 1.0], [0.3, 0.2, 0.9, 0.1]);
        let (one, two) = (mann_whitney(&x, &y).unwrap(), mann_whitney(&y, &x).unwrap());
        assert!(
            (one.p_greater - two.p_less).abs() < 1e-14 && (one.p_two_sided - two.p_two_sided).abs() < 1e-14
        );
        assert!((one.statistic + two.statistic - 20.0).abs() < 1e-14);
    }
}
