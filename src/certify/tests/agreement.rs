//! Judges that agree with themselves, and those that do not.

use std::collections::BTreeMap;

use super::grid::{Grid, event, gate, scored};
use crate::certify::measure;
use crate::event::{ArmFigures, CellScored, Kind, Reliability, Scored, Sha256, Sheet};

/// Twelve answers on each of two arms; the judge said so of each, by arm and case.
fn judged(said: impl Fn(usize, usize) -> BTreeMap<String, Vec<f64>>) -> Sheet {
    let grid = Grid::new(gate(), 1, (12, 1), 1);
    let mut sheet = grid.sheet(|_| Some(scored(0.5)));
    let cells: Vec<_> = sheet.rows().map(|(cell, place, _)| (cell, place)).collect();
    for (cell, place) in cells {
        let judgements = said(place.arm, place.case);
        sheet.apply(&event(Kind::CellScored(CellScored {
            cell,
            score: gate().score,
            scorer_sha256: Sha256::of(b"judge"),
            scored: Scored { value: Some(0.5), judgements, ..Scored::default() },
            usage: None,
            attempts: 2,
            prompts: Vec::new(),
            replies: Vec::new(),
            model: None,
            origin: None,
        })));
    }
    sheet
}

fn arms(sheet: &Sheet) -> Vec<ArmFigures> {
    measure(sheet).unwrap().arms
}

fn grades(of: &[(&str, [f64; 2])]) -> BTreeMap<String, Vec<f64>> {
    of.iter().map(|(name, values)| ((*name).to_owned(), values.to_vec())).collect()
}

fn step(case: usize) -> f64 {
    [0.0, 0.25, 0.5, 0.75, 1.0][case % 5]
}

#[test]
fn each_arm_says_how_far_its_judge_agrees_with_itself() {
    let sheet = judged(|arm, case| {
        let (first, other) = (step(case), step(case * 3 + 1));
        grades(&[("quality", if arm == 0 { [first, first] } else { [first, other] })])
    });
    let arms = arms(&sheet);
    let steady = arms[0].agreement.as_ref().unwrap();
    assert_eq!((steady.alpha, steady.units, steady.means), (1.0, 12, Reliability::Reliable));
    assert!(steady.dimensions.is_empty(), "one dimension says nothing that the whole does not");
    let loose = arms[1].agreement.as_ref().unwrap();
    assert!(loose.alpha < 0.667, "{loose:?}");
    assert_eq!(loose.means, Reliability::Unreliable);
}

#[test]
fn dimensions_are_told_apart_and_what_was_judged_once_has_none() {
    let sheet = judged(|arm, case| match arm {
        0 => grades(&[("clear", [step(case), step(case)]), ("kind", [step(case), step(case * 3 + 1)])]),
        _ => BTreeMap::new(),
    });
    let arms = arms(&sheet);
    let agreement = arms[0].agreement.as_ref().unwrap();
    assert_eq!((agreement.dimensions["clear"], agreement.units), (1.0, 24));
    assert!(agreement.dimensions["kind"] < agreement.alpha && agreement.alpha < 1.0, "{agreement:?}");
    assert_eq!(arms[1].agreement, None);
    // Every grade the same: nothing could have disagreed, and nothing is shown.
    let same = judged(|_, _| grades(&[("quality", [0.5, 0.5])]));
    assert_eq!(measure(&same).unwrap().arms[0].agreement, None);
}

#[test]
fn what_is_scored_again_is_judged_anew() {
    let mut sheet = judged(|_, case| grades(&[("quality", [step(case), step(case)])]));
    assert!(arms(&sheet)[0].agreement.is_some());
    let cells: Vec<_> = sheet.rows().map(|(cell, ..)| cell).collect();
    for cell in cells {
        sheet.apply(&event(Kind::CellScored(CellScored {
            cell,
            score: gate().score,
            scorer_sha256: Sha256::of(b"program"),
            scored: Scored { value: Some(1.0), ..Scored::default() },
            usage: None,
            attempts: 0,
            prompts: Vec::new(),
            replies: Vec::new(),
            model: None,
            origin: None,
        })));
    }
    assert_eq!(arms(&sheet)[0].agreement, None);
}

#[test]
fn the_marks_are_krippendorffs() {
    for (alpha, means) in [
        (1.0, Reliability::Reliable),
        (0.8, Reliability::Reliable),
        (0.79, Reliability::Tentative),
        (0.667, Reliability::Tentative),
        (0.66, Reliability::Unreliable),
        (-0.3, Reliability::Unreliable),
    ] {
        assert_eq!(Reliability::of(alpha), means, "{alpha}");
    }
}
