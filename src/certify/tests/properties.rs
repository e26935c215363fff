//! What must never change a verdict.

use proptest::prelude::*;

use super::decide;
use super::event::{Event, GateFixed, GateMode, MissingReason, Place, VerdictReached};
use super::grid::{Cell, Grid, gate, scored};

/// Values in fifths of each case, trial and arm; a 6 is missing.
type Cells = Vec<[[u8; 2]; 2]>;

fn cells() -> impl Strategy<Value = Cells> {
    let value = || prop_oneof![12 => 0_u8..=5, 1 => Just(6_u8)];
    proptest::collection::vec([[value(), value()], [value(), value()]], 6..14)
}

fn modes() -> impl Strategy<Value = GateFixed> {
    prop_oneof![
        Just(gate()),
        Just(GateFixed { margin: 0.1, ..gate() }),
        Just(GateFixed { mode: GateMode::NonInferiority, margin: 0.2, ..gate() }),
        Just(GateFixed { mode: GateMode::Threshold, min: Some(0.4), ..gate() }),
    ]
    .prop_map(|gate| GateFixed { coverage: 0.5, ..gate })
}

/// The trials of a case are its first index, the arms the second; in threshold mode only the candidate's count.
fn cell(gate: &GateFixed, cells: &Cells, place: Place) -> Cell {
    let arm = if gate.mode == GateMode::Threshold { 1 } else { place.arm };
    match cells[place.case][usize::try_from(place.trial.0).unwrap() - 1][arm] {
        6 => Cell::Missing(MissingReason::Infrastructure),
        fifths => scored(f64::from(fifths) / 5.0),
    }
}

fn decided(gate: &GateFixed, cells: &Cells) -> VerdictReached {
    let grid = Grid::new(gate.clone(), 1, (cells.len(), 1), 2);
    decide(&grid.sheet(|place| Some(cell(gate, cells, place)))).unwrap()
}

/// How good a verdict is.
fn rank(found: &VerdictReached) -> u8 {
    use super::event::Verdict::{Fail, Inconclusive, Pass};
    match found.verdict {
        Fail => 0,
        Inconclusive => 1,
        Pass => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Other names for the same cases, in another order, change no figure.
    #[test]
    fn relabelling_changes_nothing(gate in modes(), cells in cells(), seed in any::<u64>()) {
        let mut turned = cells.clone();
        crate::stats::Draws::new(seed).shuffle(&mut turned);
        let (first, second) = (decided(&gate, &cells), decided(&gate, &turned));
        prop_assert_eq!(first.verdict, second.verdict);
        prop_assert_eq!(first.certified, second.certified);
    }

    /// The order in which cells end changes nothing at all.
    #[test]
    fn order_of_events_changes_nothing(gate in modes(), cells in cells(), seed in any::<u64>()) {
        let grid = Grid::new(gate.clone(), 1, (cells.len(), 1), 2);
        let mut events: Vec<Event> = grid.events(|place| Some(cell(&gate, &cells, place)));
        crate::stats::Draws::new(seed).shuffle(&mut events);
        let mut sheet = grid.blank();
        for event in &events {
            sheet.apply(event);
        }
        prop_assert_eq!(decide(&sheet).unwrap(), decided(&gate, &cells));
    }

    /// A better answer of the candidate never makes the verdict worse, and a worse one of the baseline neither.
    #[test]
    fn better_is_never_worse(gate in modes(), cells in cells(), at in any::<prop::sample::Index>(), trial in 0_usize..2, arm in 0_usize..2) {
        let mut better = cells.clone();
        let at = at.index(cells.len());
        let value = &mut better[at][trial][arm];
        prop_assume!(*value < 6);
        *value = if arm == 1 { (*value + 2).min(5) } else { value.saturating_sub(2) };
        prop_assert!(rank(&decided(&gate, &better)) >= rank(&decided(&gate, &cells)));
    }

    /// The bounds of a claim stand on the side of its null that the verdict says, and hold its mean.
    #[test]
    fn bounds_agree_with_the_verdict(gate in modes(), cells in cells()) {
        let whole: Cells = cells.iter().map(|case| case.map(|trial| trial.map(|fifths| fifths.min(5)))).collect();
        let found = decided(&gate, &whole);
        let claim = &found.certified.candidates[0].claims[0];
        let null = match gate.mode {
            GateMode::Superiority => gate.margin,
            GateMode::NonInferiority => -gate.margin,
            GateMode::Threshold => gate.min.unwrap(),
        };
        let (low, high) = (claim.effect.low.unwrap(), claim.effect.high.unwrap());
        prop_assert!(low <= claim.effect.mean + 1e-9 && claim.effect.mean <= high + 1e-9);
        match rank(&found) {
            2 => prop_assert!(low >= null),
            1 => prop_assert!(low <= null && null <= high),
            _ => prop_assert!(high <= null),
        }
    }
}
