//! Early stops.
#![expect(clippy::float_cmp, reason = "what nothing was staked on is exactly what it was")]

use proptest::prelude::*;

use super::golden::{close, numbers, rates, vectors};
use crate::stats::*;

fn after(process: &EProcess, values: &[f64]) -> EProcess {
    let mut process = process.clone();
    for &x in values {
        process.observe(x).unwrap();
    }
    process
}

#[test]
fn the_wealth_is_that_of_the_vectors() {
    let wanted = numbers(&vectors()["e-process x=1101111111 m0=.5 lambda=l/m0 l in .05..95 uniform"]);
    let mut process = EProcess::new(0.5, &BETS).unwrap();
    for (&wanted, passed) in wanted.iter().zip([1, 1, 0, 1, 1, 1, 1, 1, 1, 1]) {
        close("wealth", process.observe(f64::from(passed)).unwrap(), wanted);
    }
    assert_eq!((process.rejects(0.05), process.rejects(0.052), process.seen()), (Ok(false), Ok(true), 10));
    close("p", process.p_value(), 1.0 / wanted[9]);
}

#[test]
fn bounds_are_those_of_another_inversion() {
    for row in rates()["betting"].as_array().unwrap() {
        let values = numbers(&row["values"]);
        let process = after(&EProcess::new(0.5, &BETS).unwrap(), &values);
        close("wealth", process.wealth(), row["wealth_half"].as_f64().unwrap());
        close("lower", betting_lower(&values, 0.05).unwrap(), row["lower_05"].as_f64().unwrap());
        close("upper", betting_upper(&values, 0.05).unwrap(), row["upper_05"].as_f64().unwrap());
    }
}

/// AC-stat-05: the first stake is zero; a decision stands; the wealth stays above zero.
#[test]
fn a_bettor_starts_with_nothing_and_keeps_its_decision() {
    let mut bettor = PlugIn::new(0.3, 0.05, PlugIn::MOST).unwrap();
    assert_eq!(bettor.stake(), 0.0);
    bettor.observe(1.0).unwrap();
    assert_eq!(bettor.wealth(), 1.0);
    // μ̂ = ¾, σ̂² = (¼ + 1/16)/2, and 0.45/(0.15625 + 0.2025) is more than is allowed.
    assert_eq!(bettor.stake(), 0.5);
    while !bettor.observe(1.0).unwrap() {}
    for _ in 0..2_000 {
        assert!(bettor.observe(0.0).unwrap());
    }
    assert!(bettor.wealth() > 0.0 && bettor.wealth() < 1.0 && bettor.decided());
    let mut grid = after(&EProcess::new(0.3, &BETS).unwrap(), &[1.0; 20]);
    assert_eq!(grid.rejects(0.05), Ok(true));
    for _ in 0..2_000 {
        assert!(grid.observe(0.0).unwrap() > 0.0);
    }
    assert_eq!(grid.rejects(0.05), Ok(true));
}

/// AC-stat-05: of 200 streams without an effect, looked at 400 times each, at most 1.5·α are stopped.
#[test]
fn null_streams_stop_no_more_often_than_alpha() {
    let mut draws = Draws::new(2024);
    let (mut learned, mut grid) = (0_u32, 0_u32);
    for _ in 0..200 {
        let mut bettor = PlugIn::new(0.5, 0.05, PlugIn::MOST).unwrap();
        let mut process = EProcess::new(0.5, &BETS).unwrap();
        for _ in 0..400 {
            let x = draws.unit();
            bettor.observe(x).unwrap();
            process.observe(x).unwrap();
        }
        learned += u32::from(bettor.decided());
        grid += u32::from(process.rejects(0.05).unwrap());
    }
    assert!(learned <= 15 && grid <= 15, "{learned} {grid}");
}

/// AC-stat-05: a gain of 0.2 in paired differences that spread by ±0.7 is seen after some 68 of them.
#[test]
fn a_real_gain_stops_early() {
    let mut draws = Draws::new(68);
    let mut stops: Vec<u32> = (0..201)
        .map(|_| {
            let mut bettor = PlugIn::new(0.5, 0.05, PlugIn::MOST).unwrap();
            let mut seen = 1;
            while !bettor.observe((0.2 + 0.7 * (2.0 * draws.unit() - 1.0) + 1.0) / 2.0).unwrap_or(true) {
                seen += 1;
            }
            seen
        })
        .collect();
    stops.sort_unstable();
    assert!((55..=85).contains(&stops[100]), "{}", stops[100]);
}

/// The bound fails at most as often as it says, although it is looked at after each value.
#[test]
fn a_bound_that_is_watched_holds() {
    let mut draws = Draws::new(9);
    let missed = (0..300)
        .filter(|_| {
            let values: Vec<f64> = (0..80).map(|_| f64::from(u8::from(draws.unit() < 0.8))).collect();
            // The bound at 80 values is the highest of the bounds before it.
            betting_lower(&values, 0.1).unwrap() > 0.8
        })
        .count();
    // 30 are allowed, with a standard deviation of 5.2.
    assert!(missed <= 45, "{missed}");
}

#[test]
fn the_ratio_test_is_that_of_the_vectors() {
    let wanted = &vectors()["SPRT p0=.8 p1=.9"];
    let new = || Sprt::new(0.8, 0.9, 0.05, 0.2).unwrap();
    close("A", new().bounds().high, wanted["A"].as_f64().unwrap());
    close("B", new().bounds().low, wanted["B"].as_f64().unwrap());
    for (key, passed) in [("inc_pass", true), ("inc_fail", false)] {
        let mut test = new();
        assert_eq!(test.step(passed), Decision::Continue);
        close(key, test.log_ratio(), wanted[key].as_f64().unwrap());
    }
    let stops = |passed| {
        let mut test = new();
        let steps = (1..1_000).find(|_| test.step(passed) != Decision::Continue).unwrap();
        // What comes later changes nothing.
        (steps, test.step(passed), test.step(!passed), test.step(!passed))
    };
    assert_eq!(stops(true), (24, Decision::AcceptH1, Decision::AcceptH1, Decision::AcceptH1));
    assert_eq!(stops(false), (3, Decision::AcceptH0, Decision::AcceptH0, Decision::AcceptH0));
}

/// Wald's bounds hold, up to what a step goes beyond them.
#[test]
fn the_ratio_test_errs_as_seldom_as_it_says() {
    let accepted = |rate: f64| {
        let mut draws = Draws::new(45);
        (0..500)
            .filter(|_| {
                let mut test = Sprt::new(0.6, 0.8, 0.05, 0.1).unwrap();
                loop {
                    match test.step(draws.unit() < rate) {
                        Decision::Continue => {}
                        decision => break decision == Decision::AcceptH1,
                    }
                }
            })
            .count()
    };
    assert!(accepted(0.6) <= 40, "{}", accepted(0.6));
    assert!(accepted(0.8) >= 425, "{}", accepted(0.8));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn wealth_stays_positive_and_the_future_does_not_change_the_past(
        past in prop::collection::vec(0.0..=1.0_f64, 1..40),
        mut future in prop::collection::vec(0.0..=1.0_f64, 2..40),
        m in 0.01..0.99_f64,
    ) {
        let run = |future: &[f64]| {
            let mut process = EProcess::new(m, &BETS).unwrap();
            let mut bettor = PlugIn::new(m, 0.05, PlugIn::MOST).unwrap();
            past.iter().chain(future).map(|&x| {
                bettor.observe(x).unwrap();
                (process.observe(x).unwrap(), bettor.wealth(), bettor.decided())
            }).collect::<Vec<_>>()
        };
        let before = run(&future);
        future.reverse();
        let after = run(&future);
        prop_assert!(before.iter().all(|&(grid, learned, _)| grid > 0.0 && learned > 0.0));
        prop_assert_eq!(&before[..past.len()], &after[..past.len()]);
    }

    /// What the bound leaves out is what the process rejects, and more values never lower it.
    #[test]
    fn the_bound_is_where_the_process_begins_to_reject(values in prop::collection::vec(0.0..=1.0_f64, 1..60)) {
        let low = betting_lower(&values, 0.05).unwrap();
        let high = betting_upper(&values, 0.05).unwrap();
        prop_assert!(0.0 <= low && low < high && high <= 1.0, "{low} {high}");
        prop_assert!(betting_lower(&values[..values.len() - 1], 0.05).unwrap_or(0.0) <= low);
        if low > 1e-6 {
            let rejects = |m| after(&EProcess::new(m, &BETS).unwrap(), &values).rejects(0.05).unwrap();
            prop_assert!(rejects(low * (1.0 - 1e-9)));
            prop_assert!(!rejects(low + (1.0 - low) * 1e-9));
        }
    }
}
