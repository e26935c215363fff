//! Sizes of effects without a unit.

use super::StatsError;
use super::count::{length, real};
use super::ties::{TIE, checked};

/// How large an effect is, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// Below 0.147.
    Negligible,
    /// From 0.147.
    Small,
    /// From 0.33.
    Medium,
    /// From 0.474.
    Large,
}

/// What [`cliffs_delta`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CliffsDelta {
    /// From −1 (every y is above every x) to 1 (every x is above every y).
    pub delta: f64,
    /// Its size in words.
    pub size: Size,
}

/// Cliff's δ = (#{x > y} − #{x < y}) / (n·m) over all pairs of an x and a y.
///
/// Sources: Cliff 1993; the words by Romano, Kromrey, Coraggio & Skowronek 2006 (0.147, 0.33, 0.474).
/// Domain: at least one value on each side, none of a size above 10¹⁰⁰.
pub fn cliffs_delta(x: &[f64], y: &[f64]) -> Result<CliffsDelta, StatsError> {
    checked(x)?;
    checked(y)?;
    let mut sorted = y.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut balance = 0.0;
    for value in x {
        // `total_cmp` puts −0 before 0, and both partitions ask for numbers only, which see them equal.
        let below = sorted.partition_point(|other| other < value);
        let above = sorted.len() - sorted.partition_point(|other| other <= value);
        balance += real(below as u64) - real(above as u64);
    }
    let delta = balance / (length(x) * length(y));
    let size = match delta.abs() {
        ..0.147 => Size::Negligible,
        ..0.33 => Size::Small,
        ..0.474 => Size::Medium,
        _ => Size::Large,
    };
    Ok(CliffsDelta { delta, size })
}

/// The standardised mean of paired deltas, d = mean / standard deviation (with n − 1).
///
/// Source: Cohen 1988 (his d′ for pairs). Domain: at least two deltas of at most 10¹⁰⁰ that are not all the same: the effect
/// of a constant has no standard deviation to be measured by.
pub fn paired_d(deltas: &[f64]) -> Result<f64, StatsError> {
    if deltas.len() < 2 {
        return Err(StatsError::TooFew { needed: 2, found: deltas.len() });
    }
    checked(deltas)?;
    let mean = deltas.iter().sum::<f64>() / length(deltas);
    let squares: f64 = deltas.iter().map(|delta| (delta - mean) * (delta - mean)).sum();
    let deviation = (squares / (length(deltas) - 1.0)).sqrt();
    let floor = TIE * mean.abs();
    StatsError::check("the standard deviation of the deltas", deviation, "above 0", |sd| sd > floor)?;
    Ok(mean / deviation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_of_cliff() {
        let delta = |x: &[f64], y: &[f64]| cliffs_delta(x, y).unwrap();
        assert_eq!(delta(&[4.0, 5.0], &[1.0, 2.0, 3.0]), CliffsDelta { delta: 1.0, size: Size::Large });
        assert_eq!(delta(&[1.0], &[1.0, 2.0, 3.0, 1.0]), CliffsDelta { delta: -0.5, size: Size::Large });
        assert_eq!(delta(&[0.0], &[-0.0]), CliffsDelta { delta: 0.0, size: Size::Negligible });
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 3.5, 0.5, 2.2]);
        let both_ways = delta(&x, &y).delta + delta(&y, &x).delta;
        assert!(both_ways.abs() < 1e-15 && delta(&x, &y).size == Size::Small, "{:?}", delta(&x, &y));
        assert!(cliffs_delta(&[], &y).is_err() && cliffs_delta(&x, &[f64::NAN]).is_err());
    }

    #[test]
    fn a_constant_has_no_standardised_mean() {
        assert!((paired_d(&[1.0, 3.0]).unwrap() - 2.0 / 2.0_f64.sqrt()).abs() < 1e-15);
        assert!(matches!(paired_d(&[0.1 + 0.2, 0.3, 0.3]), Err(StatsError::Domain { .. })));
        assert!(matches!(paired_d(&[0.0; 9]), Err(StatsError::Domain { .. })));
        assert_eq!(paired_d(&[1.0]), Err(StatsError::TooFew { needed: 2, found: 1 }));
    }
}
