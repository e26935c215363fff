//! What a plan can see: the smallest effect that is found with a given power, and the number of cases that finds a given effect.
//!
//! In the formulas z₁₋α and zₚ are the normal quantiles at 1 − alpha and at the power.

mod binary;
mod exact;
mod rate;

pub use binary::{mde_paired_binary, n_paired_binary, power_paired_binary};
pub use exact::{mcnemar_mde, mcnemar_power, optimal_power};
pub use rate::{mde_one_rate, mde_unpaired, n_per_arm};

use super::count::real;
use super::{StatsError, level, normal_quantile};

/// On how many sides a test looks for an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// On the side that was named before: all of alpha is there.
    One,
    /// On both: half of alpha on each.
    Two,
}

impl Sides {
    /// The share of alpha on one side.
    fn tail(self, alpha: f64) -> Result<f64, StatsError> {
        level::one_sided(alpha)?;
        Ok(match self {
            Self::One => alpha,
            Self::Two => alpha / 2.0,
        })
    }

    /// The normal quantile that a statistic must pass.
    fn z(self, alpha: f64) -> Result<f64, StatsError> {
        // The lower quantile keeps its digits where alpha is small.
        normal_quantile(self.tail(alpha)?).map(|z| -z)
    }

    /// How many standard errors an effect must be away for the power: z₁₋α + zₚ, or z₁₋α/₂ + zₚ.
    fn reach(self, alpha: f64, power: f64) -> Result<f64, StatsError> {
        let reach = self.z(alpha)? + z_power(power)?;
        StatsError::check("z of alpha and power", reach, "above 0: a power above alpha", |z| z > 0.0)
    }
}

fn z_power(power: f64) -> Result<f64, StatsError> {
    StatsError::check("power", power, "above 0 and below 1", |p| p > 0.0 && p < 1.0)?;
    normal_quantile(power)
}

fn some(n: u64) -> Result<f64, StatsError> {
    if n == 0 { Err(StatsError::TooFew { needed: 1, found: 0 }) } else { Ok(real(n)) }
}

/// The least whole number that is enough; the largest there is where no number is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size, and the cast saturates")]
fn up(n: f64) -> u64 {
    n.ceil() as u64
}

/// The standard deviation of the difference of two arms on one case, from its parts: √(ω² + σ²₁/K₁ + σ²₂/K₂), with ω² =
/// `between` the variance of the true differences over cases, and for each arm the variance of its trials on one case and how
/// many trials are averaged. More trials shrink the parts of the arms only.
///
/// Source: Miller 2024, Adding Error Bars to Evals, arXiv 2411.00640. For [`mde_paired_mean`] and [`n_paired_mean`].
///
/// Domain: variances from 0; at least one trial.
pub fn sd_with_trials(between: f64, first: (f64, u64), second: (f64, u64)) -> Result<f64, StatsError> {
    let variance =
        |name, value| StatsError::check(name, value, "from 0 to 1e100", |v| (0.0..=1e100).contains(&v));
    let part =
        |(within, trials): (f64, u64)| Ok(variance("a variance within cases", within)? / some(trials)?);
    Ok((variance("the variance between cases", between)? + part(first)? + part(second)?).sqrt())
}

/// The smallest mean difference that a paired test of `n` cases finds with `power`: (z₁₋α + zₚ)·sd/√n, with z₁₋α/₂ for
/// two sides. In the unit of `sd`, the standard deviation of the differences of cases; with `sd` 1 in standard deviations.
///
/// Source: Miller 2024, arXiv 2411.00640; Cohen 1988. Normal: a little too hopeful below 30 cases.
///
/// Domain: `sd` from 0 to 10¹⁰⁰; n ≥ 1; 0 < `alpha` < 1, alpha (its half) < `power` < 1.
pub fn mde_paired_mean(sd: f64, n: u64, alpha: f64, power: f64, sides: Sides) -> Result<f64, StatsError> {
    let reach = sides.reach(alpha, power)?;
    Ok(reach * spread(sd)? / some(n)?.sqrt())
}

/// The number of cases with which a paired test finds the mean difference `delta` with `power`: ((z₁₋α + zₚ)·sd/δ)², up to
/// the next whole number; `None` for a difference of 0, which no number of cases finds.
///
/// Source, domain: as [`mde_paired_mean`]; a finite `delta`.
pub fn n_paired_mean(
    sd: f64,
    delta: f64,
    alpha: f64,
    power: f64,
    sides: Sides,
) -> Result<Option<u64>, StatsError> {
    let (reach, sd) = (sides.reach(alpha, power)?, spread(sd)?);
    let delta = StatsError::check("delta", delta, "a finite number", |_| true)?;
    Ok((delta != 0.0).then(|| up((reach * sd / delta).powi(2)).max(1)))
}

fn spread(sd: f64) -> Result<f64, StatsError> {
    StatsError::check("sd", sd, "from 0 to 1e100", |sd| (0.0..=1e100).contains(&sd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_shrink_only_what_is_theirs() {
        let sd = |trials| sd_with_trials(0.04, (0.2, trials), (0.2, trials)).unwrap();
        assert!((sd(1) - 0.44_f64.sqrt()).abs() < 1e-15);
        assert!(sd(1_000_000) > 0.2 && sd(1_000_000) < 0.2001);
        assert!(sd_with_trials(0.04, (0.2, 0), (0.2, 1)).is_err());
        assert!(sd_with_trials(-0.1, (0.2, 1), (0.2, 1)).is_err());
    }

    #[test]
    fn the_effect_and_the_number_answer_one_another() {
        for n in [1, 5, 37, 1000] {
            for sides in [Sides::One, Sides::Two] {
                let effect = mde_paired_mean(0.3, n, 0.05, 0.8, sides).unwrap();
                // A hair more, so that rounding asks for no case more.
                assert_eq!(n_paired_mean(0.3, effect * (1.0 + 1e-12), 0.05, 0.8, sides).unwrap(), Some(n));
                assert_eq!(
                    n_paired_mean(0.3, -effect * 0.99, 0.05, 0.8, sides).unwrap().map(|m| m > n),
                    Some(true)
                );
            }
        }
        assert_eq!(n_paired_mean(0.3, 0.0, 0.05, 0.8, Sides::One).unwrap(), None);
        assert_eq!(n_paired_mean(0.3, 1e-300, 0.05, 0.8, Sides::One).unwrap(), Some(u64::MAX));
    }

    #[test]
    fn plans_that_ask_for_nothing_are_refused() {
        assert!(mde_paired_mean(0.3, 0, 0.05, 0.8, Sides::One).is_err());
        assert!(mde_paired_mean(0.3, 9, 0.05, 0.04, Sides::One).is_err(), "a power below alpha");
        for wrong in [0.0, 1.0, f64::NAN] {
            assert!(mde_paired_mean(0.3, 9, wrong, 0.8, Sides::One).is_err());
            assert!(mde_paired_mean(0.3, 9, 0.05, wrong, Sides::One).is_err());
        }
        assert!(mde_paired_mean(f64::INFINITY, 9, 0.05, 0.8, Sides::One).is_err());
        assert!(n_paired_mean(0.3, f64::NAN, 0.05, 0.8, Sides::One).is_err());
    }
}
