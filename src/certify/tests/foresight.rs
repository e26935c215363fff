//! What is said before the first cell.

use super::event::{GateFixed, GateMode, Verdict};
use super::grid::{Grid, gate, scored};
use super::{Forecast, Foresight, Known, decide, detectable, foresight};
use crate::stats::Draws;

fn of(gate: &GateFixed, units: u64, cases: u64, trials: u64) -> Foresight {
    foresight(&Forecast { units, cases, trials, candidates: 1, gate, known: None }).unwrap()
}

/// The effect that is named is the one with a power of 80 %; more units, trials and less noise see smaller ones.
#[test]
fn the_effect_that_can_be_seen() {
    let early = GateFixed { sequential: true, ..gate() };
    let loss = GateFixed { mode: GateMode::NonInferiority, margin: 0.1, ..gate() };
    let rate = GateFixed { mode: GateMode::Threshold, min: Some(0.5), ..gate() };
    for gate in [gate(), early, loss, rate] {
        let mut last = 2.0;
        for units in [20, 50, 200, 1000] {
            let found = of(&gate, units, units, 1);
            let mde = found.mde.unwrap();
            assert!(mde < last, "{units} units of {gate:?}");
            assert!((found.power_at(mde) - 0.8).abs() < 0.05, "{units} units of {gate:?}");
            assert!(found.power_at(mde / 2.0) < 0.5 && !found.assumes.is_empty());
            assert!(of(&gate, units, units, 5).mde.unwrap() <= mde + 1e-9);
            // Half of it takes more units, and those that it takes are enough.
            let more = found.units_for(mde / 2.0).unwrap();
            assert!(more > units && of(&gate, more, more, 1).power_at(mde / 2.0) >= 0.8, "{more}: {gate:?}");
            assert!(of(&gate, more - 1, more - 1, 1).power_at(mde / 2.0) < 0.8, "{more}: {gate:?}");
            last = mde;
        }
        let few = of(&gate, 5, 5, 1);
        assert!(of(&gate, 5, 500, 5).mde.is_none() && few.mde.is_none(), "five units decide nothing");
        let enough = few.least_units().unwrap();
        assert!(enough >= 6 && of(&gate, enough, enough, 1).mde.is_some(), "{enough} units of {gate:?}");
        assert!(of(&gate, enough - 1, enough - 1, 1).mde.is_none(), "{enough} units of {gate:?}");
        // Cases of a group are not units.
        assert!(of(&gate, 50, 200, 2).mde > of(&gate, 200, 200, 2).mde);
    }
    assert_eq!(detectable(200, 1, &gate()).map(|found| found.0), of(&gate(), 200, 200, 1).mde);
    let quiet = Known { mean: 0.95, within: Some(0.01) };
    let known =
        Forecast { units: 200, cases: 200, trials: 1, candidates: 1, gate: &gate(), known: Some(quiet) };
    assert!(foresight(&known).unwrap().mde < of(&gate(), 200, 200, 1).mde);
    // Five candidates share alpha.
    let five = Forecast { candidates: 5, ..known };
    assert!(foresight(&five).unwrap().mde > foresight(&known).unwrap().mde);
}

/// What it says comes true: of 50 pairs of which 20 % differ by chance, an effect of 20 points is found as often as foretold.
#[test]
fn foretold_power_comes_true() {
    let grid = Grid::new(gate(), 1, (50, 1), 1);
    let mut draws = Draws::new(5);
    let mut passed = 0_u32;
    for _ in 0..300 {
        let wins: Vec<bool> = (0..50).map(|_| draws.unit() < 0.2).collect();
        let sheet = grid.sheet(|place| Some(scored(f64::from(u8::from(place.arm == 1 && wins[place.case])))));
        passed += u32::from(decide(&sheet).unwrap().verdict == Verdict::Pass);
    }
    let foretold = of(&gate(), 50, 50, 1).power_at(0.2);
    assert!((f64::from(passed) / 300.0 - foretold).abs() < 0.06, "{passed} of 300, foretold {foretold}");
}
