//! Answers that were cut at the output limit: what is said of them, and how the fold counts them.

use super::grid::{Grid, gate, scored};
use crate::certify::cut::remark;
use crate::certify::{decide, measure};
use crate::event::{CellIndex, FaultClass, Kind, Missing, MissingReason, Sheet};

/// The sheet of two arms of six cases, of which so many were cut on each.
fn sheet(cut: [usize; 2]) -> Sheet {
    let grid = Grid::new(gate(), 1, (6, 1), 1);
    let mut sheet = grid.blank();
    for mut event in grid.events(|_| Some(scored(1.0))) {
        if let Kind::CellEnded(ended) = &mut event.kind
            && let Some(place) = sheet.place(ended.cell)
        {
            ended.cut = place.case < cut[place.arm];
        }
        sheet.apply(&event);
    }
    sheet
}

#[test]
fn answers_that_were_cut_are_told_by_arm() {
    assert_eq!(remark(&sheet([0, 0])), None);
    for (cut, differ) in [([1, 3], true), ([0, 6], true), ([2, 2], false)] {
        let sheet = sheet(cut);
        let said = remark(&sheet).unwrap();
        let counts = format!("baseline {} of 6, candidate-0 {} of 6.", cut[0], cut[1]);
        assert!(said.contains(&counts), "{said}");
        assert_eq!(said.contains("The shares differ"), differ, "{said}");
        assert!(decide(&sheet).unwrap().certified.remarks.contains(&said));
        assert!(measure(&sheet).unwrap().remarks.contains(&said));
    }
}

#[test]
fn whether_an_answer_was_cut_is_part_of_the_evidence() {
    let digest = |cut| decide(&sheet(cut)).unwrap().evidence_sha256;
    assert_ne!(digest([0, 0]), digest([0, 1]));
    assert_eq!(digest([0, 1]), digest([0, 1]));
}

/// A cell that was missing is replaced by one that is not, also where missing cells are counted by their class.
#[test]
fn an_answer_takes_the_place_of_what_was_missing() {
    let grid = Grid::new(gate(), 1, (6, 1), 1);
    let mut sheet = grid.blank();
    let events = grid.events(|_| Some(scored(1.0)));
    let key = (MissingReason::Agent, Some(FaultClass::OutputLimit));
    for event in &events[..2] {
        let mut event = event.clone();
        if let Kind::CellEnded(ended) = &mut event.kind {
            ended.missing =
                Some(Missing { reason: MissingReason::Agent, class: key.1, evidence: String::new() });
        }
        sheet.apply(&event);
    }
    assert!(sheet.arms().iter().all(|arm| arm.classes.get(&key) == Some(&1)), "{:?}", sheet.arms());
    assert_eq!(sheet.row(CellIndex(0)).unwrap().class, key.1);
    for event in &events {
        sheet.apply(event);
    }
    assert!(sheet.arms().iter().all(|arm| arm.classes.is_empty() && arm.missing.is_empty()));
    assert!(sheet.arms().iter().all(|arm| arm.answered == 6 && arm.cut == 0));
}
