//! The acceptance rows of certify and of its statistics.

use super::event::{
    ArmName, CaseId, GateFixed, GateMode, Kind, MissingReason, Place, Reason, ScoreName, Sha256, Sheet,
    Trial, Verdict, VerdictReached,
};
use super::grid::{Cell, Grid, gate, scored};
use super::{GateError, decide, evidence_sha256, measure};

/// So many pairs, each of them the same.
fn alike(count: usize, old: f64, new: f64) -> Vec<(f64, f64)> {
    vec![(old, new); count]
}

fn over(gate: GateFixed, pairs: &[(f64, f64)]) -> VerdictReached {
    decide(&Grid::pairs(gate, pairs)).unwrap()
}

/// The verdict and its reasons.
fn says(found: &VerdictReached) -> (Verdict, &[Reason]) {
    (found.verdict, &found.certified.reasons)
}

fn claim(found: &VerdictReached) -> &super::event::ClaimFigures {
    &found.certified.candidates[0].claims[0]
}

/// The two scores `quality` and `safety` of each pair: of the baseline and of the candidate.
fn guarded(loss: f64, pairs: &[([f64; 2], [f64; 2])]) -> VerdictReached {
    let gate = GateFixed { guard: [(ScoreName::new("safety"), loss)].into(), ..gate() };
    let sheet = Grid::new(gate, 1, (pairs.len(), 1), 1).sheet(|place| {
        let (old, new) = pairs[place.case];
        let values = if place.arm == 0 { old } else { new };
        Some(Cell::Answered(values.map(Some).to_vec(), None))
    });
    decide(&sheet).unwrap()
}

/// A gain on each of `count` pairs, with what happens to the guard.
fn gain(count: usize, safety: impl Fn(usize) -> [f64; 2]) -> Vec<([f64; 2], [f64; 2])> {
    (0..count)
        .map(|at| ([0.4, safety(at)[0]], [0.4 + 0.1 * f64::from(u8::from(at % 3 > 0)) + 0.05, safety(at)[1]]))
        .collect()
}

/// AC-cert-01: a candidate that is the baseline is not promoted, whatever its rows.
#[test]
fn identical_champion() {
    let mut grid = Grid::new(gate(), 1, (12, 1), 1);
    grid.plan.arms[1].profile_sha256 = grid.plan.arms[0].profile_sha256.clone();
    let found = decide(&grid.sheet(|place| Some(scored(if place.arm == 0 { 0.2 } else { 0.9 })))).unwrap();
    assert_eq!(says(&found), (Verdict::Inconclusive, &[Reason::IdenticalChampion][..]));
    // The same profile under a treatment is another arm.
    grid.plan.arms[1].treatment = Some("half".to_owned());
    let found = decide(&grid.sheet(|place| Some(scored(if place.arm == 0 { 0.2 } else { 0.9 })))).unwrap();
    assert_eq!(found.verdict, Verdict::Pass);
}

/// AC-cert-02: two arms that have answered different cells cannot be compared, which is an error; where somebody has cut the run
/// short it is a verdict.
#[test]
fn nothing_shared() {
    let grid = Grid::new(gate(), 1, (12, 1), 1);
    let apart = |place: Place| (place.arm == 0) == (place.case < 6);
    let gone = || Some(Cell::Missing(MissingReason::Agent));
    let sheet = grid.sheet(|place| if apart(place) { Some(scored(1.0)) } else { gone() });
    assert_eq!(decide(&sheet), Err(GateError::NothingShared { candidate: ArmName::new("candidate-0") }));
    let found = decide(&grid.sheet(|place| apart(place).then(|| scored(1.0)))).unwrap();
    assert_eq!(found.verdict, Verdict::Inconclusive);
    assert!(found.certified.reasons.contains(&Reason::NoEvidence));
    assert!(found.certified.reasons.contains(&Reason::Interrupted));
}

/// AC-cert-03: three tasks decide nothing, also with a huge difference.
#[test]
fn few_tasks() {
    let found = over(gate(), &alike(3, 0.2, 0.9));
    assert_eq!(says(&found), (Verdict::Inconclusive, &[Reason::FewTasks][..]));
    assert_eq!((claim(&found).units, claim(&found).p), (3, None));
    // So do three groups, however many cases they have.
    let grid = Grid::new(gate(), 1, (3, 20), 5);
    let found = decide(&grid.sheet(|place| Some(scored(if place.arm == 0 { 0.2 } else { 0.9 })))).unwrap();
    assert_eq!(says(&found), (Verdict::Inconclusive, &[Reason::FewTasks][..]));
}

/// AC-cert-04: twelve differences of +0.3 are decided by the sign test that the sign-flip test is then: p = 2⁻¹².
#[test]
fn constant_gain() {
    let found = over(gate(), &alike(12, 0.2, 0.5));
    assert_eq!(says(&found), (Verdict::Pass, &[Reason::Significant][..]));
    let claim = claim(&found);
    assert!((claim.effect.mean - 0.3).abs() < 1e-9);
    assert!((claim.p.unwrap() - 0.5_f64.powi(12)).abs() < 1e-12);
    // No interval without a width is claimed.
    assert!(claim.effect.low.unwrap() < 0.3 && claim.effect.low.unwrap() >= 0.0);
    assert_eq!(found, over(gate(), &alike(12, 0.2, 0.5)));
}

/// AC-cert-05: as much up as down is no margin.
#[test]
fn alternating() {
    let pairs: Vec<(f64, f64)> = (0..12).map(|at| (0.5, if at % 2 == 0 { 0.6 } else { 0.4 })).collect();
    let found = over(gate(), &pairs);
    assert_eq!(says(&found), (Verdict::Inconclusive, &[Reason::NoMargin][..]));
    assert_eq!((claim(&found).wins, claim(&found).losses), (6, 6));
}

/// AC-cert-06: non-inferiority that must also be cheaper.
#[test]
fn non_inferior_and_cheaper() {
    let gate = || GateFixed { mode: GateMode::NonInferiority, margin: 0.05, cheaper: true, ..gate() };
    let over = |count: usize, losses: usize, usd: Option<f64>| {
        let sheet = Grid::new(gate(), 1, (count, 1), 1).sheet(|place| {
            let value = if place.arm == 1 && place.case < losses { 0.0 } else { 1.0 };
            Some(Cell::Answered(vec![Some(value)], if place.arm == 0 { Some(0.03) } else { usd }))
        });
        decide(&sheet).unwrap()
    };
    for (what, found, verdict, reason) in [
        ("cheaper and equal", over(64, 0, Some(0.01)), Verdict::Pass, Reason::NonInferiorAndCheaper),
        (
            "cheaper, perhaps worse",
            over(64, 3, Some(0.01)),
            Verdict::Inconclusive,
            Reason::NonInferiorityUnproven,
        ),
        ("equal, not cheaper", over(64, 0, Some(0.03)), Verdict::Inconclusive, Reason::NotCheaper),
        ("equal, dearer", over(64, 0, Some(0.04)), Verdict::Inconclusive, Reason::NotCheaper),
        ("cost not known", over(64, 0, None), Verdict::Inconclusive, Reason::NotCheaper),
        ("few tasks come first", over(5, 0, Some(0.01)), Verdict::Inconclusive, Reason::FewTasks),
        (
            "six ties show nothing",
            over(6, 0, Some(0.01)),
            Verdict::Inconclusive,
            Reason::NonInferiorityUnproven,
        ),
        ("far worse", over(64, 30, Some(0.01)), Verdict::Fail, Reason::Inferior),
    ] {
        assert_eq!(says(&found), (verdict, &[reason][..]), "{what}");
    }
    let saved = over(64, 0, Some(0.01)).certified.candidates[0].savings_usd.unwrap();
    assert!((saved.mean - 0.02).abs() < 1e-9 && saved.low.unwrap() >= 0.0);
    assert!(over(64, 0, None).certified.candidates[0].savings_usd.is_none());
}

/// AC-cert-07: the same rows give the same verdict to the last bit: again, in any order of the journal, and on every machine.
#[test]
fn same_bits() {
    let grid = Grid::new(gate(), 2, (9, 2), 3);
    let value = |place: Place| {
        let at = (place.case * 7 + place.arm * 3 + usize::try_from(place.trial.0).unwrap() * 5) % 11;
        f64::from(u32::try_from(at).unwrap()) / 10.0
    };
    let mut events = grid.events(|place| Some(scored(value(place))));
    let sheet = |events: &[super::event::Event]| {
        let mut sheet = grid.blank();
        for event in events {
            sheet.apply(event);
        }
        sheet
    };
    let first = decide(&sheet(&events)).unwrap();
    events.reverse();
    let text = serde_json::to_string(&decide(&sheet(&events)).unwrap()).unwrap();
    assert_eq!(serde_json::to_string(&first).unwrap(), text);
    assert_eq!(serde_json::from_str::<VerdictReached>(&text).unwrap(), first);
    insta::assert_snapshot!(Sha256::of(text.as_bytes()).hex().as_str(), @"16a9e1be1d8141bef73527c5df8fc7bf15a86bca583a8a39c27df0ff0a041c65");
}

/// AC-cert-08: a candidate that has crashed on 20 of 26 tasks is refused, whatever the other six show; with a gate that asks
/// for less the missing ones decide.
#[test]
fn crashed_cells_are_not_dropped() {
    for reason in
        [MissingReason::Agent, MissingReason::Infrastructure, MissingReason::Timeout, MissingReason::Judge]
    {
        let over = |coverage: f64| {
            let sheet = Grid::new(GateFixed { coverage, ..gate() }, 1, (26, 1), 1).sheet(|place| {
                Some(match (place.arm, place.case) {
                    (0, _) => scored(0.5),
                    (_, 0..20) => Cell::Missing(reason),
                    _ => scored(1.0),
                })
            });
            decide(&sheet).unwrap()
        };
        assert_eq!(says(&over(1.0)), (Verdict::Inconclusive, &[Reason::IncompleteCoverage][..]));
        let found = over(0.2);
        assert_eq!(says(&found), (Verdict::Inconclusive, &[Reason::MissingDecides][..]));
        assert_eq!(claim(&found).p, Some(0.5_f64.powi(6)), "the six alone would pass");
        assert!(claim(&found).worst.mean < 0.0 && claim(&found).best.mean > 0.4);
        assert_eq!(found.certified.candidates[0].matched, 6);
        assert_eq!(found.certified.candidates[0].baseline_only, 20);
    }
}

/// AC-cert-09: what is guarded regresses while the score rises: no pass, and a fail with that reason.
#[test]
fn guard_regressed() {
    let found = guarded(0.05, &gain(40, |_| [0.9, 0.4]));
    assert_eq!(says(&found), (Verdict::Fail, &[Reason::GuardRegressed][..]));
    assert_eq!(claim(&found).p_adjusted, Some(0.5_f64.powi(40)).map(|p| format!("{p:.9e}").parse().unwrap()));
}

/// AC-cert-10: cells of another plan, or cases that are not those of the plan, are an error.
#[test]
fn cells_of_another_plan() {
    let mut grid = Grid::new(gate(), 1, (12, 1), 1);
    let mut events = grid.events(|_| Some(scored(1.0)));
    if let Kind::CellEnded(ended) = &mut events[5].kind {
        ended.case = CaseId::new("another");
    }
    let mut sheet = grid.blank();
    for event in &events {
        sheet.apply(event);
    }
    assert_eq!(decide(&sheet), Err(GateError::Strange(1)));
    grid.cases.pop();
    assert_eq!(decide(&grid.blank()), Err(GateError::Cases { planned: 12, found: 11 }));
    assert_eq!(measure(&grid.blank()), Err(GateError::Cases { planned: 12, found: 11 }));
}

/// AC-cert-11: a lift of +0.4 where it was searched, of +0.05 where it is held out: only what is held out is read, and it does
/// not hold.
#[test]
fn overfit() {
    let held_out: Vec<(f64, f64)> = (0..20).map(|at| (0.5, if at % 2 == 0 { 0.8 } else { 0.3 })).collect();
    let searched: Vec<(f64, f64)> = held_out.iter().map(|(old, new)| (*old, new + 0.2)).collect();
    let found = over(gate(), &held_out);
    assert!((claim(&found).effect.mean - 0.05).abs() < 1e-9);
    assert_eq!(says(&found), (Verdict::Inconclusive, &[Reason::NoMargin][..]));
    assert_eq!(over(gate(), &searched).verdict, Verdict::Pass);
}

/// AC-stat-01: noise holds, a clear gain ships, a regression is below zero, thin evidence is refused, a gain below the margin
/// holds.
#[test]
fn noise_gain_and_regression() {
    let noisy = |shift: f64, spread: f64, count: u32| -> Vec<(f64, f64)> {
        (0..count).map(|at| (0.5, 0.5 + shift + spread * (f64::from(at * 7 % 11) - 5.0) / 5.0)).collect()
    };
    assert_eq!(says(&over(gate(), &noisy(0.0, 0.2, 33))), (Verdict::Inconclusive, &[Reason::NoMargin][..]));
    assert_eq!(says(&over(gate(), &noisy(0.2, 0.1, 33))), (Verdict::Pass, &[Reason::Significant][..]));
    let worse = over(gate(), &noisy(-0.3, 0.1, 33));
    assert_eq!(says(&worse), (Verdict::Fail, &[Reason::Worse][..]));
    assert!(claim(&worse).effect.high.unwrap() < 0.0);
    assert_eq!(says(&over(gate(), &noisy(0.4, 0.0, 5))), (Verdict::Inconclusive, &[Reason::FewTasks][..]));
    let margin = || GateFixed { margin: 0.1, ..gate() };
    assert_eq!(
        says(&over(margin(), &noisy(0.05, 0.1, 33))),
        (Verdict::Inconclusive, &[Reason::NoMargin][..])
    );
    assert_eq!(says(&over(margin(), &noisy(0.3, 0.1, 33))), (Verdict::Pass, &[Reason::Significant][..]));
}

/// AC-stat-02: trials are paired cell by cell and make no more units of the same cases; a score outside of 0 to 1 is an error.
#[test]
fn trials_are_no_units() {
    // The candidate wins every pair of trials by 0.1, though both swing by 0.5 from trial to trial.
    let sheet = Grid::new(gate(), 1, (8, 1), 2).sheet(|place| {
        let swing = if place.trial == Trial(1) { 0.0 } else { 0.5 };
        Some(scored(0.2 + swing + if place.arm == 1 { 0.1 } else { 0.0 }))
    });
    let found = decide(&sheet).unwrap();
    assert_eq!((claim(&found).units, found.certified.candidates[0].matched), (8, 16));
    assert_eq!(claim(&found).p, Some(0.5_f64.powi(8)));
    let sheet = Grid::pairs(gate(), &alike(8, 80.0, 90.0));
    assert_eq!(decide(&sheet), Err(GateError::Scale { score: ScoreName::new("quality"), value: 80.0 }));
}

/// AC-stat-03: two arms with the same mean, one of them noisy, hold; a uniform lift ships.
#[test]
fn noisy_lift_holds() {
    let noisy: Vec<(f64, f64)> = [
        (0.91, 1.0),
        (0.95, 0.6),
        (0.9, 1.0),
        (0.92, 1.0),
        (0.88, 1.0),
        (0.93, 0.65),
        (0.9, 1.0),
        (0.91, 1.0),
        (0.94, 0.99),
        (0.9, 1.0),
    ]
    .to_vec();
    assert_eq!(says(&over(gate(), &noisy)), (Verdict::Inconclusive, &[Reason::NoMargin][..]));
    let uniform: Vec<(f64, f64)> = noisy.iter().map(|(old, _)| (*old, old + 0.04)).collect();
    assert_eq!(says(&over(gate(), &uniform)), (Verdict::Pass, &[Reason::Significant][..]));
}

/// AC-stat-04: a guarded score that falls with a net gain holds; one that is flat ships with the gain, where there is enough of
/// it to say so.
#[test]
fn guards() {
    let falls = guarded(0.05, &gain(60, |at| [0.9, if at % 4 == 0 { 0.6 } else { 0.9 }]));
    assert_eq!(says(&falls), (Verdict::Inconclusive, &[Reason::GuardUnproven][..]));
    let flat = guarded(0.05, &gain(60, |_| [0.9, 0.9]));
    assert_eq!(says(&flat), (Verdict::Pass, &[Reason::Significant][..]));
    assert!(flat.certified.candidates[0].guards[0].effect.low.unwrap() > -0.05);
    let thin = guarded(0.05, &gain(12, |_| [0.9, 0.9]));
    assert_eq!(says(&thin), (Verdict::Inconclusive, &[Reason::GuardUnproven][..]));
    assert_eq!(thin.certified.candidates[0].guards[0].units, 12);
}

/// AC-stat-07: a gate that compares without a baseline is an error; rows without a partner are told, and make it incomplete.
#[test]
fn missing_baseline() {
    let mut grid = Grid::new(gate(), 1, (12, 1), 1);
    let half = grid.sheet(|place| {
        Some(if place.arm == 0 && place.case >= 10 {
            Cell::Missing(MissingReason::Agent)
        } else {
            scored(0.5)
        })
    });
    let found = decide(&half).unwrap();
    assert_eq!(says(&found), (Verdict::Inconclusive, &[Reason::IncompleteCoverage][..]));
    assert_eq!(found.certified.candidates[0].candidate_only, 2);
    grid.plan.arms.remove(0);
    assert_eq!(decide(&grid.blank()), Err(GateError::NoBaseline));
    grid.plan.gate = Some(GateFixed { mode: GateMode::Threshold, ..gate() });
    assert_eq!(decide(&grid.blank()), Err(GateError::NoMin));
    grid.plan.gate = None;
    assert_eq!(decide(&grid.blank()), Err(GateError::NoGate));
    assert_eq!(decide(&Sheet::default()), Err(GateError::NoPlan));
}

/// A threshold is never passed by a mean alone: 19 of 20 are not shown to be above 0.9, 59 of 59 are above 0.95.
#[test]
fn threshold() {
    let over = |min: f64, passes: usize, of: usize| {
        let gate = GateFixed { mode: GateMode::Threshold, min: Some(min), ..gate() };
        let grid = Grid::new(gate, 1, (of, 1), 1);
        decide(&grid.sheet(|place| Some(scored(f64::from(u8::from(place.case < passes)))))).unwrap()
    };
    for (min, passes, of, verdict, reason) in [
        (0.9, 19, 20, Verdict::Inconclusive, Reason::ThresholdUnproven),
        (0.95, 58, 58, Verdict::Inconclusive, Reason::ThresholdUnproven),
        (0.95, 59, 59, Verdict::Pass, Reason::AboveThreshold),
        (0.9, 10, 20, Verdict::Fail, Reason::BelowThreshold),
        (0.5, 6, 6, Verdict::Pass, Reason::AboveThreshold),
        (0.5, 5, 5, Verdict::Inconclusive, Reason::FewTasks),
    ] {
        assert_eq!(says(&over(min, passes, of)), (verdict, &[reason][..]), "{passes} of {of} above {min}");
    }
    // Clopper and Pearson's bound, exactly.
    let low = claim(&over(0.5, 45, 50)).effect.low.unwrap();
    assert!((low - crate::stats::clopper_pearson_lower(45, 50, 0.05).unwrap()).abs() < 1e-9);
}

/// Stubs are no evidence, unless the gate was told of them.
#[test]
fn stubs() {
    for (accepted, verdict, reason) in
        [(false, Verdict::Inconclusive, Reason::StubCells), (true, Verdict::Pass, Reason::Significant)]
    {
        let grid = Grid::new(GateFixed { stubs: accepted, ..gate() }, 1, (12, 1), 1);
        let sheet = grid.sheet(|place| Some(Cell::Stub(vec![Some(if place.arm == 0 { 0.0 } else { 1.0 })])));
        assert_eq!(says(&decide(&sheet).unwrap()), (verdict, &[reason][..]));
    }
}

/// An arm whose profile says that it is offline needs no usage; another one without is named.
#[test]
fn stubs_of_an_arm_that_is_offline() {
    let value = |place: Place| vec![Some(if place.arm == 0 { 0.0 } else { 1.0 })];
    let over = |offline: [bool; 2], cell: fn(Vec<Option<f64>>) -> Cell| {
        let mut grid = Grid::new(gate(), 1, (12, 1), 1);
        grid.plan.arms.iter_mut().zip(offline).for_each(|(arm, offline)| arm.offline = offline);
        let sheet = grid.sheet(|place| Some(cell(value(place))));
        (decide(&sheet).unwrap(), sheet)
    };
    let (both, sheet) = over([true, true], Cell::Stub);
    assert_eq!(says(&both), (Verdict::Pass, &[Reason::Significant][..]));
    assert!(both.certified.remarks.is_empty(), "{:?}", both.certified.remarks);
    let spend = sheet.spend();
    assert_eq!(
        (spend.usd, spend.usd_known, spend.tokens_known),
        (0.0, true, false),
        "no dollars, and nobody counted"
    );
    assert_eq!(both.certified.candidates[0].savings_usd.map(|saved| saved.mean), Some(0.0));
    for (offline, named, other) in
        [([true, false], "candidate-0", "baseline"), ([false, true], "baseline", "candidate-0")]
    {
        let (one, sheet) = over(offline, Cell::Stub);
        assert_eq!(says(&one), (Verdict::Inconclusive, &[Reason::StubCells][..]));
        let remarks = one.certified.remarks.join("\n");
        assert!(
            remarks.contains(&format!("12 of the 12 answers of {named} have no reported usage")),
            "{remarks}"
        );
        assert!(!remarks.contains(other), "{remarks}");
        assert!(!sheet.spend().usd_known, "what nobody said is not nothing");
    }
    let (paid, sheet) = over([true, false], |values| Cell::Answered(values, Some(0.25)));
    assert_eq!(paid.verdict, Verdict::Pass, "it is told, and decides nothing");
    let remarks = paid.certified.remarks.join("\n");
    assert!(
        remarks.contains("baseline says that it is offline, and 12 of its 12 answers report dollars"),
        "{remarks}"
    );
    assert!((sheet.spend().usd - 6.0).abs() < 1e-9, "what was reported is billed");
}

/// Five claims of the same p are one in five: Holm over candidates and claims.
#[test]
fn many_candidates() {
    let pairs = |place: Place, wins: usize| f64::from(u8::from(place.arm > 0 && place.case < wins));
    let over = |candidates: usize| {
        let grid = Grid::new(gate(), candidates, (12, 1), 1);
        decide(&grid.sheet(|place| Some(scored(pairs(place, 5))))).unwrap()
    };
    assert_eq!(over(1).verdict, Verdict::Pass, "1/32 alone");
    let five = over(5);
    assert_eq!(says(&five), (Verdict::Inconclusive, &[Reason::NoMargin][..]));
    assert_eq!(claim(&five).p_adjusted, Some(5.0 / 32.0));
    assert!(claim(&five).effect.low.unwrap() <= 0.0, "the bound agrees");
    // One that is better passes, and is the one that decides.
    let grid = Grid::new(gate(), 3, (12, 1), 1);
    let found =
        decide(&grid.sheet(|place| Some(scored(pairs(place, if place.arm == 2 { 12 } else { 2 }))))).unwrap();
    assert_eq!(says(&found), (Verdict::Pass, &[Reason::Significant][..]));
    let verdicts: Vec<_> = found.certified.candidates.iter().map(|found| found.verdict.unwrap()).collect();
    assert_eq!(verdicts, [Verdict::Inconclusive, Verdict::Pass, Verdict::Inconclusive]);
}

/// The budget's end and an interruption are told where they are why the evidence is not there.
#[test]
fn cut_short() {
    let over = |cell: fn() -> Option<Cell>| {
        let grid = Grid::new(gate(), 1, (12, 1), 1);
        decide(&grid.sheet(|place| if place.case < 9 { Some(scored(0.5)) } else { cell() })).unwrap()
    };
    let budget = over(|| Some(Cell::Missing(MissingReason::Budget)));
    assert_eq!(says(&budget).1, [Reason::IncompleteCoverage, Reason::BudgetExhausted]);
    let interrupted = over(|| None);
    assert_eq!(says(&interrupted).1, [Reason::IncompleteCoverage, Reason::Interrupted]);
}

/// A case that does not have a score is not missing it.
#[test]
fn without_a_score() {
    let mut grid = Grid::new(gate(), 1, (14, 1), 1);
    grid.cases[3].without.push(ScoreName::new("quality"));
    let sheet = grid.sheet(|place| {
        let value = if place.arm == 0 { 0.2 } else { 0.9 };
        Some(if place.case == 3 { Cell::Answered(vec![None], None) } else { scored(value) })
    });
    let found = decide(&sheet).unwrap();
    assert_eq!((found.verdict, claim(&found).units, found.certified.arms[0].dealt), (Verdict::Pass, 13, 13));
}

/// The digest of the evidence changes with an answer, a value and a reason, and not with times and spend.
#[test]
fn digest() {
    let grid = Grid::new(gate(), 1, (6, 1), 1);
    let of = |cell: Cell| {
        evidence_sha256(&grid.sheet(|place| Some(if place.case == 2 { cell.clone() } else { scored(0.5) })))
    };
    let first = of(scored(0.5));
    assert_eq!(first, of(Cell::Answered(vec![Some(0.5)], Some(7.0))));
    for other in [
        scored(0.25),
        Cell::Stub(vec![Some(0.5)]),
        Cell::Missing(MissingReason::Agent),
        Cell::Missing(MissingReason::Timeout),
        Cell::Answered(vec![None], Some(0.01)),
    ] {
        assert_ne!(first, of(other.clone()), "{other:?}");
    }
}

/// A pass that the bound of the mean does not support by itself says so: six gains of 0.1 do not exclude a rare large loss; whole
/// wins do, and so do sixty.
#[test]
fn what_a_pass_does_not_show() {
    for (pairs, remarks) in [(alike(6, 0.5, 0.6), 1), (alike(6, 0.0, 1.0), 0), (alike(60, 0.5, 0.6), 0)] {
        let found = over(gate(), &pairs);
        assert_eq!((found.verdict, found.certified.remarks.len()), (Verdict::Pass, remarks), "{pairs:?}");
    }
}

/// Slices carry an interval and a q-value, and no claim.
#[test]
fn slices_are_exploratory() {
    let mut grid = Grid::new(gate(), 1, (20, 1), 1);
    for (at, case) in grid.cases.iter_mut().enumerate() {
        case.tags = vec![if at < 12 { "easy" } else { "hard" }.to_owned()];
    }
    let sheet = grid.sheet(|place| Some(scored(if place.arm == 1 && place.case < 12 { 0.8 } else { 0.5 })));
    let found = decide(&sheet).unwrap();
    let slices = &found.certified.slices;
    let tags: Vec<_> = slices.iter().map(|slice| (slice.tag.as_str(), slice.cases)).collect();
    assert_eq!(tags, [("easy", 12), ("hard", 8)]);
    assert!(slices[0].q.unwrap() < 0.01 && slices[1].q.unwrap() > 0.99);
    assert!(slices[0].effect.low.unwrap() < 0.3 && slices[0].effect.high.unwrap() > 0.3);
}
