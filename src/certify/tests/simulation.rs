//! The error rates, in short; `benches/error_rates.rs` has them at length.

use super::decide;
use super::event::{GateFixed, GateMode, Place, Sheet, Verdict};
use super::grid::{Grid, gate, scored};
use crate::stats::{Draws, binomial_sf};

/// Its name, its gate, its candidates, its units and their size, its trials, the rate and the lift.
type World = (&'static str, GateFixed, usize, (usize, usize), u64, f64, f64);

/// So many draws of each world.
const DRAWS: u64 = 300;

/// Passes of cases at `rate`, of the candidates at `rate + lift`; the cells of a group mostly agree.
fn world(grid: &Grid, size: usize, rate: f64, lift: f64, draws: &mut Draws) -> Sheet {
    let mut mood = vec![0.0; grid.plan.arms.len()];
    grid.sheet(|place: Place| {
        if place.case.is_multiple_of(size) && place.trial.0 == 1 {
            mood[place.arm] = draws.unit();
        }
        let u = if size > 1 && draws.unit() < 0.7 { mood[place.arm] } else { draws.unit() };
        let candidate = place.arm > 0 || grid.plan.arms.len() == 1;
        Some(scored(f64::from(u8::from(u < rate + if candidate { lift } else { 0.0 }))))
    })
}

fn passes(
    gate: GateFixed,
    candidates: usize,
    units: (usize, usize),
    trials: u64,
    rate: f64,
    lift: f64,
    seed: u64,
) -> u64 {
    let grid = Grid::new(gate, candidates, units, trials);
    let mut draws = Draws::stream(20_261_128, seed);
    let passed =
        |_: &u64| decide(&world(&grid, units.1, rate, lift, &mut draws)).unwrap().verdict == Verdict::Pass;
    (0..DRAWS).filter(passed).count() as u64
}

/// Of changes that are none, or that are just not good enough, at most 5 % are certified: at n = 6, in groups, with trials, with
/// five candidates, by the sequential gate, against a margin and a threshold. A share that has less than a chance of one in
/// ten thousand at 5 % is a failure.
#[test]
fn null_changes_do_not_ship() {
    let threshold = || GateFixed { mode: GateMode::Threshold, min: Some(0.8), ..gate() };
    let margin = || GateFixed { mode: GateMode::NonInferiority, margin: 0.15, ..gate() };
    let early = || GateFixed { sequential: true, ..gate() };
    let worlds: [World; 11] = [
        ("6 units", gate(), 1, (6, 1), 1, 0.5, 0.0),
        ("6 units, 5 trials", gate(), 1, (6, 1), 5, 0.8, 0.0),
        ("10 groups of 4", gate(), 1, (10, 4), 1, 0.8, 0.0),
        ("20 units, 5 trials", gate(), 1, (20, 1), 5, 0.95, 0.0),
        ("50 units", gate(), 1, (50, 1), 1, 0.5, 0.0),
        ("five candidates", gate(), 5, (10, 1), 1, 0.5, 0.0),
        ("sequential", early(), 1, (30, 1), 1, 0.5, 0.0),
        ("threshold, 10 units", threshold(), 1, (10, 1), 1, 0.8, 0.0),
        ("threshold, 20 groups", threshold(), 1, (20, 4), 2, 0.8, 0.0),
        ("non-inferiority, 6 units", margin(), 1, (6, 1), 1, 1.0, -0.15),
        ("non-inferiority, 30 units", margin(), 1, (30, 1), 2, 0.9, -0.15),
    ];
    for (seed, (name, gate, candidates, units, trials, rate, lift)) in worlds.into_iter().enumerate() {
        let passed = passes(gate, candidates, units, trials, rate, lift, seed as u64);
        // The chance of so many, or more, at 5 %.
        let chance = if passed == 0 { 1.0 } else { binomial_sf(passed - 1, DRAWS, 0.05).unwrap() };
        assert!(chance > 1e-4, "{name}: {passed} of {DRAWS} null changes were certified");
    }
}

/// And the gate is not deaf: real changes are certified about as often as the best test would.
#[test]
fn real_changes_ship() {
    let share = |units, trials, rate, lift| {
        let passed = passes(gate(), 1, (units, 1), trials, rate, lift, 99);
        f64::from(u32::try_from(passed).unwrap()) / 300.0
    };
    // Independent passes of 0.3 and 0.9: differing 0.66, lift 0.6; the exact test has 83 % at ten pairs.
    assert!((0.72..0.93).contains(&share(10, 1, 0.3, 0.6)));
    assert!(share(20, 5, 0.5, 0.3) > 0.9);
}
