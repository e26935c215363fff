//! Which numbers count as equal, and the ranks of a list with equal numbers in it.

use super::StatsError;
use super::count::length;

/// Two numbers are equal when they differ by at most this share of the largest number beside them.
///
/// Differences of scores carry the rounding of their subtraction (0.85 − 0.90 is not −0.05 to the last bit), about
/// 10⁻¹⁶ of a score. What is a tie on paper must be one here, or the rounding would decide tests.
pub(super) const TIE: f64 = 1e-12;

/// No value may be larger: sums and squares of values must stay finite.
const LARGEST: f64 = 1e100;

/// Checks that a list has at least one value, and only values a sum can hold.
pub(super) fn checked(values: &[f64]) -> Result<(), StatsError> {
    if values.is_empty() {
        return Err(StatsError::TooFew { needed: 1, found: 0 });
    }
    for value in values {
        StatsError::check("a value", *value, "a number from -1e100 to 1e100", |v| v.abs() <= LARGEST)?;
    }
    Ok(())
}

/// Every delta less `null`; what is nearer to zero than [`TIE`] of the largest number given is exactly zero.
pub(super) fn centred(deltas: &[f64], null: f64) -> Result<Vec<f64>, StatsError> {
    checked(deltas)?;
    checked(&[null])?;
    let slack = TIE * largest(deltas).max(null.abs());
    Ok(deltas.iter().map(|delta| delta - null).map(|d| if d.abs() <= slack { 0.0 } else { d }).collect())
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// Ranks of a list.
pub(super) struct Ranks {
    /// Twice the midrank of each value, in the order of the list: twice, so that they are whole numbers.
    pub(super) doubled: Vec<usize>,
    /// Σ (t³ − t) over the groups of t equal values.
    pub(super) ties: f64,
}

/// Ranks finite values from the smallest (1); equal values share the mean of their ranks.
pub(super) fn ranks(values: &[f64]) -> Ranks {
    let slack = TIE * largest(values);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut doubled = vec![0; values.len()];
    let mut ties = 0.0;
    let mut start = 0;
    while start < order.len() {
        let first = values[order[start]];
        let group = order[start..].iter().take_while(|at| values[**at] - first <= slack).count();
        let group = &order[start..start + group];
        for at in group {
            doubled[*at] = 2 * start + group.len() + 1;
        }
        let t = length(group);
        ties += t * (t * t - 1.0);
        start += group.len();
    }
    Ranks { doubled, ties }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rounding_of_a_subtraction_is_a_tie() {
        let deltas = [0.85 - 0.90, 0.3 - (0.1 + 0.2), 0.5];
        assert!(deltas[0] < -0.05 && deltas[1] < 0.0, "the rounding is there");
        let ties =
            |null| centred(&deltas, null).unwrap().iter().map(|delta| *delta == 0.0).collect::<Vec<_>>();
        assert_eq!(ties(-0.05), [true, false, false]);
        assert_eq!(ties(0.0), [false, true, false]);
        assert_eq!(centred(&[1e-15, -2e-15], 0.0).unwrap(), [1e-15, -2e-15]);
    }

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        let ranks = ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]);
        assert_eq!(ranks.doubled, [8, 2, 8, 4, 8]);
        assert!((ranks.ties - 24.0).abs() < 1e-12);
    }

    #[test]
    fn what_no_sum_can_hold_is_refused() {
        for wrong in [f64::NAN, f64::INFINITY, 1e300] {
            assert!(matches!(centred(&[1.0, wrong], 0.0), Err(StatsError::Domain { .. })));
            assert!(matches!(centred(&[1.0], wrong), Err(StatsError::Domain { .. })));
        }
        assert_eq!(centred(&[], 0.0), Err(StatsError::TooFew { needed: 1, found: 0 }));
    }
}
