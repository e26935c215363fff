//! The sign-flip test, counted exactly at any number of deltas.

use super::StatsError;

/// So many additions are spent on it at most.
const COST: f64 = 6e7;
/// Deltas are told apart down to one part in so many of the largest.
const GRID: f64 = 2_000.0;

/// What [`sign_flip_rounded`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlipRounded {
    /// Small when the deltas lie above zero.
    pub p_greater: f64,
    /// Small when they lie below zero.
    pub p_less: f64,
}

/// The sign-flip test of the hypothesis that deltas lie symmetrically about zero, all 2ⁿ patterns counted.
///
/// Deltas are rounded to whole multiples of a step, and the number of patterns of each sum is built delta by delta, as
/// for Wilcoxon's statistic. Rounding turns round with the sign and keeps the order, so the level holds exactly and a
/// larger delta never has a larger p. The step is `1 / unit` where all deltas are multiples of it (pass rates of a few
/// trials), else 1/2000, and coarser where counting would take more than about a tenth of a second (from about 170 deltas
/// on). Unlike a Monte Carlo test it depends neither on a seed nor on the order.
/// Source: Fisher 1935; Pagano & Tritchler 1983, On obtaining permutation distributions in polynomial time.
///
/// Domain: at least one delta, all from −1 to 1; `unit` at least 1.
pub fn sign_flip_rounded(deltas: &[f64], unit: u32) -> Result<FlipRounded, StatsError> {
    if deltas.is_empty() {
        return Err(StatsError::TooFew { needed: 1, found: 0 });
    }
    if unit == 0 {
        return Err(StatsError::Domain { name: "unit", value: 0.0, domain: "at least 1" });
    }
    for delta in deltas {
        StatsError::check("a delta", *delta, "from -1 to 1", |d| (-1.0..=1.0).contains(&d))?;
    }
    let steps = step(deltas, f64::from(unit));
    let mut sizes: Vec<usize> = Vec::with_capacity(deltas.len());
    let mut reached = 0;
    for delta in deltas {
        let size = whole((delta.abs() * steps).round());
        if size > 0 {
            sizes.push(size);
            reached += if *delta > 0.0 { size } else { 0 };
        }
    }
    sizes.sort_unstable();
    let total: usize = sizes.iter().sum();
    // The chance that the deltas with a plus add up to so much.
    let mut chances = vec![0.0_f64; total + 1];
    chances[0] = 1.0;
    let mut top = 0;
    for size in sizes {
        top += size;
        for sum in (0..=top).rev() {
            let with = if sum >= size { chances[sum - size] } else { 0.0 };
            chances[sum] = 0.5 * (chances[sum] + with);
        }
    }
    // Small ones first, so that none is lost.
    let p_greater = chances[reached..].iter().rev().sum::<f64>().min(1.0);
    let p_less = chances[..=reached].iter().sum::<f64>().min(1.0);
    Ok(FlipRounded { p_greater, p_less })
}

/// How many steps make 1.
fn step(deltas: &[f64], unit: f64) -> f64 {
    let all =
        |steps: f64| deltas.iter().all(|delta| ((delta * steps) - (delta * steps).round()).abs() < 1e-9);
    let size: f64 = deltas.iter().map(|delta| delta.abs()).sum();
    let count = deltas.iter().filter(|delta| **delta != 0.0).count();
    let affordable = (2.0 * COST / (real(count).max(1.0) * size.max(f64::MIN_POSITIVE))).max(1.0);
    if unit <= affordable && all(unit) { unit } else { GRID.min(affordable.floor()) }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 deltas")]
fn real(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the grid")]
fn whole(size: f64) -> usize {
    size as usize
}
