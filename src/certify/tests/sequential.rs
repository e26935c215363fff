//! The gate that stops early.

use super::event::{GateFixed, Place, Reason, Sha256, Sheet, Trial, Verdict};
use super::grid::{Grid, gate, scored};
use super::{Early, GateError, decide, order, units};

/// Runs units in the plan's order, looks after each, and stops at a verdict; after how many.
fn run(grid: &Grid, value: impl Fn(Place) -> f64) -> (Sheet, Option<Verdict>, usize) {
    let mut sheet = grid.blank();
    let mut watch = Early::new(&grid.plan, sheet.cases()).unwrap();
    let members = units(sheet.cases());
    for (done, unit) in order(&grid.plan).into_iter().enumerate() {
        for case in &members[unit] {
            for trial in (1..=grid.plan.trials).map(Trial) {
                for arm in 0..grid.plan.arms.len() {
                    let place = Place { arm, case: *case, trial };
                    sheet.apply(&grid.ended(place, &scored(value(place))));
                }
            }
        }
        if let Some(found) = watch.look(&sheet).unwrap() {
            return (sheet, Some(found), done + 1);
        }
    }
    let all = members.len();
    (sheet, None, all)
}

fn early(margin: f64) -> GateFixed {
    GateFixed { sequential: true, margin, ..gate() }
}

/// AC-stat-06: the sequential gate: no verdict before six units; one that comes early is that of `decide`, and stands; undecided at
/// the end says that this is no evidence of no effect; no pairs are no evidence; another plan than the registered one is
/// refused; a margin moves the null.
#[test]
fn sequential_gate() {
    let grid = |margin| Grid::new(early(margin), 1, (80, 1), 1);
    let better = |place: Place| if place.arm == 1 { 1.0 } else { 0.0 };
    let (mut sheet, found, after) = run(&grid(0.0), better);
    // Six wins are odds of 18, seven of 31.
    assert_eq!((found, after), (Some(Verdict::Pass), 7));
    let verdict = decide(&sheet).unwrap();
    assert_eq!(verdict.verdict, Verdict::Pass);
    let claim = &verdict.certified.candidates[0].claims[0];
    assert_eq!((claim.units, claim.stopped_after), (7, Some(7)));
    assert!(claim.wealth.unwrap() >= 20.0 && claim.effect.low.unwrap() >= 0.0);
    // What ended after the look changes nothing, also where it is the opposite.
    let late = grid(0.0);
    for event in late.events(|place| sheet.at(place).is_none().then(|| scored(1.0 - better(place)))) {
        sheet.apply(&event);
    }
    assert_eq!(decide(&sheet).unwrap().certified.candidates, verdict.certified.candidates);

    let (_, found, _) = run(&grid(0.0), |place| 1.0 - better(place));
    assert_eq!(found, Some(Verdict::Fail));

    let (sheet, found, after) =
        run(&grid(0.0), |place| if (place.case + place.arm) % 2 == 0 { 0.4 } else { 0.6 });
    assert_eq!((found, after), (None, 80));
    let verdict = decide(&sheet).unwrap();
    assert_eq!(
        (verdict.verdict, &verdict.certified.reasons[..]),
        (Verdict::Inconclusive, &[Reason::NoMargin][..])
    );
    assert!(
        verdict.certified.remarks.iter().any(|remark| remark.contains("no evidence that there is no effect"))
    );

    let nothing = decide(&grid(0.0).blank()).unwrap();
    assert_eq!(nothing.verdict, Verdict::Inconclusive);
    assert!(nothing.certified.reasons.contains(&Reason::NoEvidence));
    assert!(nothing.certified.reasons.contains(&Reason::Interrupted));

    let mut other = grid(0.0);
    let mut watch = Early::new(&other.plan, other.blank().cases()).unwrap();
    other.plan.plan_sha256 = Sha256::of(b"another");
    assert_eq!(watch.look(&other.blank()), Err(GateError::OtherPlan));

    let quarter = |place: Place| if place.arm == 1 { 0.75 } else { 0.5 };
    assert_eq!(run(&grid(0.0), quarter).1, Some(Verdict::Pass));
    assert_eq!(run(&grid(0.25), quarter).1, None);
}

/// The order is a permutation, fixed by the seed; a gate that does not stop early has no watch.
#[test]
fn registered_order() {
    let grid = Grid::new(early(0.0), 1, (30, 2), 1);
    let mut found = order(&grid.plan);
    assert_eq!(found, order(&grid.plan));
    assert_ne!(found, (0..30).collect::<Vec<_>>());
    found.sort_unstable();
    assert_eq!(found, (0..30).collect::<Vec<_>>());
    let fixed = Grid::new(gate(), 1, (30, 1), 1);
    assert!(Early::new(&fixed.plan, fixed.blank().cases()).is_none());
}
