//! The sequential paired gate.

use crate::stats::*;

const SETTING: Setting = Setting {
    alpha: 0.05,
    min_units: 5,
    max_units: 400,
    scale: 1.0,
    min_effect: 0.0,
    direction: Direction::Increase,
};

/// Every decision over a list of deltas.
fn decisions(setting: Setting, deltas: &[f64]) -> Vec<SequentialDecision> {
    let mut gate = PairedSequential::new(setting).unwrap();
    deltas.iter().map(|delta| gate.observe(*delta).unwrap()).collect()
}

/// After how many units it promotes.
fn promoted(setting: Setting, deltas: &[f64]) -> Option<usize> {
    let at = decisions(setting, deltas).iter().position(|decision| *decision == SequentialDecision::Promote);
    at.map(|at| at + 1)
}

/// Deltas in which the candidate alone passes with chance `better`, the baseline alone with chance `worse`.
fn pairs(seed: u64, units: usize, better: f64, worse: f64) -> Vec<f64> {
    let mut draws = Draws::stream(2024, seed);
    let mut delta = || {
        let chance = draws.unit();
        if chance < better { 1.0 } else { -f64::from(u8::from(chance < better + worse)) }
    };
    (0..units).map(|_| delta()).collect()
}

/// AC-stat-06: before `min_units` nothing is promoted, however large the effect; once promoted it stands.
#[test]
fn nothing_is_promoted_before_the_least_units_and_nothing_is_taken_back() {
    let patient = Setting { min_units: 30, ..SETTING };
    assert_eq!(promoted(patient, &[1.0; 40]), Some(30));
    let early = promoted(SETTING, &[1.0; 40]).unwrap();
    assert!((5..12).contains(&early), "{early}");
    let mut turned = vec![1.0; early];
    turned.extend([-1.0; 100]);
    assert_eq!(decisions(SETTING, &turned).last(), Some(&SequentialDecision::Promote));
    // The wealth was high enough before the least number of units, and counts then.
    let mut waned = vec![1.0; 20];
    waned.extend([-1.0; 10]);
    assert_eq!(promoted(patient, &waned), Some(30));
}

/// AC-stat-06: undecided before the last unit asks for more work, no pair at all too; at the last unit it is undecided, which
/// is another word than that there is no effect.
#[test]
fn undecided_is_no_evidence_of_no_effect() {
    let gate = PairedSequential::new(SETTING).unwrap();
    assert_eq!(gate.decision().unwrap(), SequentialDecision::Continue);
    assert!((gate.p_value() - 1.0).abs() < 1e-15 && gate.units() == 0);
    let decisions = decisions(Setting { max_units: 50, ..SETTING }, &[0.0; 50]);
    assert!(decisions[..49].iter().all(|decision| *decision == SequentialDecision::Continue));
    assert_eq!(decisions[49], SequentialDecision::UndecidedAtMax);
}

/// AC-stat-06: a unit beyond the last, and a delta beyond the scale, are errors that change nothing.
#[test]
fn what_was_not_settled_before_is_refused() {
    let mut gate = PairedSequential::new(Setting { max_units: 5, ..SETTING }).unwrap();
    for wrong in [1.1, -1.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(gate.observe(wrong), Err(StatsError::Domain { name: "delta", .. })));
    }
    assert_eq!(gate.units(), 0);
    for _ in 0..5 {
        gate.observe(0.1).unwrap();
    }
    let before = gate.clone();
    assert!(matches!(gate.observe(0.1), Err(StatsError::Domain { name: "the number of the unit", .. })));
    assert_eq!(gate, before);
}

/// AC-stat-06: parameters that contradict one another are refused.
#[test]
fn settings_that_contradict_one_another_are_refused() {
    for wrong in [
        Setting { min_units: 401, ..SETTING },
        Setting { min_units: 0, ..SETTING },
        Setting { alpha: 0.0, ..SETTING },
        Setting { alpha: f64::NAN, ..SETTING },
        Setting { scale: 0.0, ..SETTING },
        Setting { scale: f64::INFINITY, ..SETTING },
        Setting { min_effect: 1.0, ..SETTING },
        Setting { min_effect: -2.0, scale: 2.0, ..SETTING },
        Setting { min_effect: f64::NAN, ..SETTING },
    ] {
        assert!(PairedSequential::new(wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(*PairedSequential::new(SETTING).unwrap().setting(), SETTING);
}

/// AC-stat-06: the direction turns the deltas round, `min_effect` shifts the null, and the scale is a unit only.
#[test]
fn direction_least_effect_and_scale() {
    let deltas = pairs(1, 400, 0.3, 0.05);
    let turned: Vec<f64> = deltas.iter().map(|delta| -delta).collect();
    let down = Setting { direction: Direction::Decrease, ..SETTING };
    let at = promoted(SETTING, &deltas);
    assert!(at.is_some());
    assert_eq!(promoted(down, &turned), at);
    assert_eq!((promoted(down, &deltas), promoted(SETTING, &turned)), (None, None));
    let hundred: Vec<f64> = deltas.iter().map(|delta| delta * 100.0).collect();
    assert_eq!(promoted(Setting { scale: 100.0, ..SETTING }, &hundred), at);
    // The mean effect is about 0.25: a least effect of 0.1 takes longer, one of 0.4 is never beaten.
    let later = promoted(Setting { min_effect: 0.1, ..SETTING }, &deltas);
    assert!(later > at, "{later:?} {at:?}");
    assert_eq!(promoted(Setting { min_effect: 0.4, ..SETTING }, &deltas), None);
    // Non-inferiority: no difference at all is above a margin of 0.1.
    let equal = pairs(2, 400, 0.05, 0.05);
    assert_eq!(promoted(SETTING, &equal), None);
    assert!(promoted(Setting { min_effect: -0.1, ..SETTING }, &equal).is_some());
}

/// AC-stat-05, AC-stat-06: at most alpha of null candidates are promoted though every unit is looked at; a clear gain is
/// found long before the last unit.
#[test]
fn null_candidates_are_promoted_at_most_alpha() {
    for share in [0.05, 0.2] {
        let wrong =
            (0..400).filter(|seed| promoted(SETTING, &pairs(*seed, 400, share, share)).is_some()).count();
        // 20 expected at most, and three standard errors.
        assert!(wrong <= 33, "{wrong} of 400 at {share}");
    }
    let mut stops: Vec<usize> =
        (0..200).map(|seed| promoted(SETTING, &pairs(seed, 400, 0.3, 0.1)).unwrap_or(400)).collect();
    stops.sort_unstable();
    assert!(stops[100] < 80, "half of the gains of 0.2 are found after {}", stops[100]);
}
