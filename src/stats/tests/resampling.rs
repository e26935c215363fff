//! Intervals by resampling.
#![expect(clippy::float_cmp, reason = "medians of small numbers are exact")]

use super::golden::{numbers, range, rates, vectors};
use crate::stats::*;

/// Ends of two runs of 200 000 and 20 000 resamples differ by what chance leaves: some hundredth of the width.
#[track_caller]
fn near(name: &str, found: Interval, wanted: Interval) {
    let tolerance = 0.03 * wanted.width();
    let off = (found.low - wanted.low).abs().max((found.high - wanted.high).abs());
    assert!(off <= tolerance, "{name}: {found:?} is not {wanted:?}");
}

#[test]
fn bootstrap_intervals_are_those_of_scipy() {
    for (name, row) in rates()["means"].as_object().unwrap() {
        let values = numbers(&row["values"]);
        if values.len() < 3 {
            continue;
        }
        let found = bca(&values, Statistic::Mean, 0.95, 20_000, 5).unwrap();
        assert_eq!((found.method, found.resamples, found.seed), (Method::Bca, 20_000, 5));
        near(&format!("bca of the mean of {name}"), found.interval, range(&row["bca_mean"]));
        let found = bca(&values, Statistic::Median, 0.95, 20_000, 5).unwrap();
        assert_eq!(found.method, Method::Bca);
        near(&format!("bca of the median of {name}"), found.interval, range(&row["bca_median"]));
        for (key, statistic) in
            [("percentile_mean", Statistic::Mean), ("percentile_median", Statistic::Median)]
        {
            let found = percentile_bootstrap(&values, statistic, 0.95, 20_000, 5).unwrap();
            assert_eq!(found.method, Method::Percentile(Why::Asked));
            near(&format!("{key} of {name}"), found.interval, range(&row[key]));
        }
    }
}

/// The vector was drawn with 200 000 resamples, and is good to 0.003.
#[test]
fn the_bca_interval_is_that_of_the_vectors() {
    let vectors = vectors();
    let deltas = numbers(&vectors["paired deltas"]);
    let wanted = range(&vectors["BCa 200k (tolerance 0.003)"]);
    let found = bca(&deltas, Statistic::Mean, 0.95, 50_000, 1).unwrap().interval;
    assert!(
        (found.low - wanted.low).abs() <= 0.0051 && (found.high - wanted.high).abs() <= 0.0051,
        "{found:?}"
    );
}

#[test]
fn a_seed_gives_the_same_interval_and_another_one_another() {
    let values: Vec<f64> = (0..40).map(|step| f64::from(step * step % 17)).collect();
    let with = |seed| bca(&values, Statistic::Mean, 0.9, 2_000, seed).unwrap().interval;
    assert_eq!(with(0), with(0));
    assert_ne!(with(0), with(1));
}

#[test]
fn what_bca_cannot_do_is_told() {
    let equal = bca(&[0.7; 9], Statistic::Mean, 0.95, 500, 1).unwrap();
    assert_eq!(equal.method, Method::Percentile(Why::AllEqual));
    assert_eq!(equal.interval, Interval { low: 0.7, high: 0.7 });
    let one = bca(&[0.7], Statistic::Median, 0.95, 500, 1).unwrap();
    assert_eq!((one.method, one.interval.width()), (Method::Percentile(Why::AllEqual), 0.0));
    // Leaving out any one of these leaves the median where it was.
    let still = bca(&[0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], Statistic::Median, 0.95, 500, 1).unwrap();
    assert_eq!(still.method, Method::Percentile(Why::Acceleration));
    // One resample is on one side.
    let few = bca(&[0.1, 0.5, 0.9, 0.2, 0.33], Statistic::Mean, 0.95, 1, 3).unwrap();
    assert_eq!(few.method, Method::Percentile(Why::Bias));
}

#[test]
fn medians_are_those_of_sorted_values() {
    let odd = percentile_bootstrap(&[5.0, 1.0, 3.0], Statistic::Median, 0.95, 10, 1).unwrap();
    let even = percentile_bootstrap(&[5.0, 1.0, 3.0, 4.0], Statistic::Median, 0.95, 10, 1).unwrap();
    let two = percentile_bootstrap(&[5.0, 1.0], Statistic::Median, 0.95, 10, 1).unwrap();
    assert_eq!([odd.estimate, even.estimate, two.estimate], [3.0, 3.5, 3.0]);
}

#[test]
fn pairs_are_compared_pair_by_pair() {
    let before = [0.2, 0.9, 0.4, 0.6, 0.1];
    let after = [0.3, 1.0, 0.5, 0.7, 0.2];
    let found = paired_bootstrap(&before, &after, Statistic::Median, 0.95, 2_000, 1337).unwrap();
    // Every pair gained the same, however different the cases are.
    assert!(
        (found.interval.low - 0.1).abs() < 1e-12 && (found.interval.high - 0.1).abs() < 1e-12,
        "{found:?}"
    );
    let worse = paired_bootstrap(&after, &before, Statistic::Mean, 0.95, 2_000, 1337).unwrap();
    assert!(worse.interval.high < 0.0, "{worse:?}");
    assert_eq!(
        paired_bootstrap(&before, &after[1..], Statistic::Mean, 0.95, 100, 1),
        Err(StatsError::Lengths { left: 5, right: 4 })
    );
}

/// Of 400 samples of a mean that is known, about as many intervals miss it as were said to: 5 %, and a little more, since 30
/// values are few.
#[test]
fn bca_covers_about_as_often_as_it_says() {
    let mut draws = Draws::new(77);
    let missed = (0..400)
        .filter(|&seed| {
            let values: Vec<f64> = (0..30).map(|_| draws.unit().powi(2)).collect();
            !bca(&values, Statistic::Mean, 0.95, 400, seed).unwrap().interval.contains(1.0 / 3.0)
        })
        .count();
    assert!((8..=45).contains(&missed), "{missed}");
}
