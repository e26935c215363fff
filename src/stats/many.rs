//! Several hypotheses at once.

use super::count::{length, real};
use super::{StatsError, level};

/// Holds p values to their domain.
fn checked(p_values: &[f64]) -> Result<f64, StatsError> {
    for p in p_values {
        StatsError::check("a p value", *p, "from 0 to 1", |p| (0.0..=1.0).contains(&p))?;
    }
    Ok(length(p_values))
}

/// The order of p values from the smallest.
fn order(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    order
}

/// Adjusted p values of Bonferroni: min(1, m·p). Controls the chance of any false rejection, whatever the dependence.
///
/// Source: Dunn 1961. Domain: p values from 0 to 1; in the order given. Compare them by [`significant`].
pub fn bonferroni(p_values: &[f64]) -> Result<Vec<f64>, StatsError> {
    let tests = checked(p_values)?;
    Ok(p_values.iter().map(|p| (tests * p).min(1.0)).collect())
}

/// Adjusted p values of Holm: with p₍₁₎ ≤ … ≤ p₍ₘ₎, the i-th is the largest of min(1, (m − j + 1)·p₍ⱼ₎) over j ≤ i. Controls the
/// chance of any false rejection, whatever the dependence, and never rejects less than [`bonferroni`].
///
/// Source: Holm 1979. Domain: p values from 0 to 1; in the order given. Compare them by [`significant`].
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, StatsError> {
    let tests = checked(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rejected, at) in (0..).zip(order(p_values)) {
        largest = largest.max(((tests - real(rejected)) * p_values[at]).min(1.0));
        adjusted[at] = largest;
    }
    Ok(adjusted)
}

/// Adjusted p values of Benjamini and Hochberg: the i-th is the smallest of min(1, (m/j)·p₍ⱼ₎) over j ≥ i. Controls the expected
/// share of false rejections among the rejections, for tests that are independent or positively dependent.
///
/// Source: Benjamini & Hochberg 1995. Domain: p values from 0 to 1; in the order given. Compare them by [`significant`].
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, StatsError> {
    step_up(p_values, 1.0)
}

/// Adjusted p values of Benjamini and Yekutieli: those of [`benjamini_hochberg`] times 1 + 1/2 + … + 1/m, which holds whatever the
/// dependence.
///
/// Source: Benjamini & Yekutieli 2001. Domain: p values from 0 to 1; in the order given. Compare them by [`significant`].
pub fn benjamini_yekutieli(p_values: &[f64]) -> Result<Vec<f64>, StatsError> {
    step_up(p_values, (1..=p_values.len() as u64).map(|rank| 1.0 / real(rank)).sum())
}

fn step_up(p_values: &[f64], factor: f64) -> Result<Vec<f64>, StatsError> {
    let tests = checked(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (place, at) in order(p_values).into_iter().enumerate().rev() {
        smallest = smallest.min(factor * (tests / real(place as u64 + 1)) * p_values[at]);
        adjusted[at] = smallest;
    }
    Ok(adjusted)
}

/// Which adjusted p values reject at the level `alpha`. The boundary rejects: p ≤ α, where a rounding of the last bits
/// above it (3 · (0.05 / 3)) still counts as equal.
///
/// Domain: p values from 0 to 1; 0 < `alpha` < 1.
pub fn significant(adjusted: &[f64], alpha: f64) -> Result<Vec<bool>, StatsError> {
    checked(adjusted)?;
    level::one_sided(alpha)?;
    Ok(adjusted.iter().map(|p| *p <= alpha * (1.0 + 4.0 * f64::EPSILON)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AC-stat-08: the boundary is inclusive, for Bonferroni [0.0125] × 4 at 0.05 and for every other division.
    #[test]
    fn the_boundary_rejects() {
        assert_eq!(significant(&bonferroni(&[0.0125; 4]).unwrap(), 0.05).unwrap(), [true; 4]);
        for tests in 1..200_u32 {
            let at_the_boundary = vec![0.05 / f64::from(tests); tests as usize];
            for adjust in [bonferroni, holm] {
                assert!(
                    significant(&adjust(&at_the_boundary).unwrap(), 0.05).unwrap().into_iter().all(|r| r)
                );
            }
            // Those of rank i at alpha·i/m all reject under Benjamini and Hochberg.
            let ladder: Vec<f64> =
                (1..=tests).map(|rank| 0.05 * f64::from(rank) / f64::from(tests)).collect();
            let adjusted = benjamini_hochberg(&ladder).unwrap();
            assert!(significant(&adjusted, 0.05).unwrap().into_iter().all(|r| r), "{adjusted:?}");
        }
        assert_eq!(significant(&[0.05 + 1e-9], 0.05).unwrap(), [false]);
    }

    #[test]
    fn what_is_no_p_value_is_refused() {
        for adjust in [bonferroni, holm, benjamini_hochberg, benjamini_yekutieli] {
            for wrong in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
                assert!(adjust(&[0.5, wrong]).is_err());
            }
            assert_eq!(adjust(&[]).unwrap(), [0.0; 0]);
        }
        assert!(significant(&[0.5], 0.0).is_err());
        assert!(significant(&[0.5], f64::NAN).is_err());
    }

    proptest::proptest! {
        #[test]
        fn adjustments_keep_their_order(p_values in proptest::collection::vec(0.0..=1.0_f64, 1..30)) {
            let bonferroni = bonferroni(&p_values).unwrap();
            let holm = holm(&p_values).unwrap();
            let hochberg = benjamini_hochberg(&p_values).unwrap();
            let yekutieli = benjamini_yekutieli(&p_values).unwrap();
            for at in 0..p_values.len() {
                assert!(p_values[at] <= hochberg[at] + 1e-15 && hochberg[at] <= holm[at] + 1e-15);
                assert!(holm[at] <= bonferroni[at] && hochberg[at] <= yekutieli[at]);
                assert!(yekutieli[at] <= 1.0 && bonferroni[at] <= 1.0);
            }
        }
    }
}
