//! Rates, means, trials and agreement of one arm.

use super::golden::{OfCounts, close, close_ends, numbers, range, rates, table, vectors, whole};
use crate::stats::*;

#[test]
fn intervals_of_a_rate_are_those_of_statsmodels() {
    let golden = rates();
    let intervals: [(&str, OfCounts<Interval>); 3] =
        [("wilson", wilson), ("clopper_pearson", clopper_pearson), ("jeffreys", jeffreys)];
    for (name, function) in intervals {
        for row in table(&golden, name) {
            let found = function(whole(row[0]), whole(row[1]), row[2]).unwrap();
            close_ends(&format!("{name} {row:?}"), found, Interval { low: row[3], high: row[4] });
        }
    }
    let bounds: [(&str, OfCounts<f64>); 4] = [
        ("wilson_lower", wilson_lower),
        ("wilson_upper", wilson_upper),
        ("clopper_pearson_lower", clopper_pearson_lower),
        ("clopper_pearson_upper", clopper_pearson_upper),
    ];
    for (name, function) in bounds {
        for row in table(&golden, name) {
            close(
                &format!("{name} {row:?}"),
                function(whole(row[0]), whole(row[1]), row[2]).unwrap(),
                row[3],
            );
        }
    }
}

#[test]
fn intervals_of_a_rate_are_those_of_the_vectors() {
    let vectors = vectors();
    for (k, n) in [(0, 10), (8, 10), (10, 10), (45, 50), (181, 200), (950, 1000)] {
        let wanted = |name: &str| range(&vectors[&format!("{name} {k}/{n}")]);
        close_ends("wilson", wilson(k, n, 0.95).unwrap(), wanted("wilson"));
        close_ends("clopper-pearson", clopper_pearson(k, n, 0.95).unwrap(), wanted("clopper-pearson"));
        close_ends("jeffreys", jeffreys(k, n, 0.95).unwrap(), wanted("jeffreys"));
    }
    let wanted = vectors["one-sided 95% lower (wilson) 181/200"].as_f64().unwrap();
    close("one-sided", wilson_lower(181, 200, 0.05).unwrap(), wanted);
    let wanted = vectors["exact upper 95% one-sided 0/30"].as_f64().unwrap();
    close("none of 30", clopper_pearson_upper(0, 30, 0.05).unwrap(), wanted);
}

#[test]
fn an_effective_count_that_is_whole_gives_the_interval_of_that_count() {
    close_ends("9 of 12", wilson_effective(9.0, 12.0, 0.9).unwrap(), wilson(9, 12, 0.9).unwrap());
    let half = wilson_effective(4.5, 6.0, 0.9).unwrap();
    assert!(half.width() > wilson(9, 12, 0.9).unwrap().width(), "{half:?}");
}

/// The chance that the exact interval covers, summed over all outcomes, is at least its level at every rate.
#[test]
fn the_exact_interval_holds_its_level_at_every_rate() {
    for rate in [0.02, 0.1, 0.37, 0.5, 0.9, 0.98] {
        let covered = |one: OfCounts<Interval>| -> f64 {
            let covers = |k: &u64| one(*k, 50, 0.95).unwrap().contains(rate);
            (0..=50).filter(covers).map(|k| binomial_pmf(k, 50, rate).unwrap()).sum()
        };
        assert!(covered(clopper_pearson) >= 0.95, "{rate}: {}", covered(clopper_pearson));
        assert!(covered(wilson) >= 0.90, "{rate}: {}", covered(wilson));
    }
}

#[test]
fn intervals_of_a_mean_are_those_of_scipy() {
    let golden = rates();
    for (name, row) in golden["means"].as_object().unwrap() {
        let values = numbers(&row["values"]);
        close_ends(name, t_interval(&values, 0.95).unwrap(), range(&row["t"]));
        let lower = row["t_lower"].as_f64().unwrap();
        close(name, t_lower(&values, 0.05).unwrap(), lower);
        let turned: Vec<f64> = values.iter().map(|value| -value).collect();
        close(name, t_upper(&turned, 0.05).unwrap(), -lower);
    }
    let vectors = vectors();
    let deltas = numbers(&vectors["paired deltas"]);
    close_ends("paired t", t_interval(&deltas, 0.95).unwrap(), range(&vectors["paired t"]["ci"]));
    assert_eq!(t_interval(&[0.1, 0.1, 0.1], 0.95), Ok(Interval { low: 0.1, high: 0.1 }));
}

type OfTrials = fn(u64, u64, u64) -> Option<f64>;

#[test]
fn several_trials_give_the_published_rates() {
    let golden = rates();
    let functions: [(&str, OfTrials); 2] = [("pass_at_k", pass_at_k), ("pass_all_k", pass_all_k)];
    for (name, function) in functions {
        for row in table(&golden, name) {
            let found = function(whole(row[0]), whole(row[1]), whole(row[2])).unwrap();
            close(&format!("{name} {row:?}"), found, row[3]);
        }
    }
    for (n, c, k) in [(5, 3, 1), (5, 3, 2), (5, 3, 5), (8, 6, 4), (10, 9, 8)] {
        let wanted = &vectors()[&format!("n={n} c={c} k={k}")];
        close("pass@k", pass_at_k(n, c, k).unwrap(), wanted["pass@k"].as_f64().unwrap());
        close("pass^k", pass_all_k(n, c, k).unwrap(), wanted["pass^k"].as_f64().unwrap());
    }
    for (n, c, k) in [(3, 3, 4), (0, 0, 1), (3, 1, 0), (3, 4, 1)] {
        assert_eq!((pass_at_k(n, c, k), pass_all_k(n, c, k)), (None, None), "{n} {c} {k}");
    }
    // Whatever the counts, it ends, and at once.
    assert_eq!(pass_all_k(u64::MAX, u64::MAX, u64::MAX), Some(1.0));
}

#[test]
fn flaky_cases_are_told_from_stable_ones() {
    let found = stability(&[(5, 5), (0, 5), (1, 5), (4, 5), (1, 1), (0, 0)]);
    assert_eq!(found, Stability { stable_pass: 2, flaky: 2, stable_fail: 1, untried: 1 });
}

#[test]
fn agreement_is_that_of_its_definition() {
    let golden = &rates()["agreement"];
    let units = units(&golden["units"]);
    for (name, level) in [("nominal", Level::Nominal), ("interval", Level::Interval)] {
        let found = krippendorff_alpha(&units, level).unwrap().unwrap();
        close(name, found, golden[name].as_f64().unwrap());
    }
}

/// The example of Krippendorff 2011: four observers, twelve units, some ratings missing.
#[test]
fn agreement_is_that_of_the_published_example() {
    let none = f64::NAN;
    let observers = [
        [1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 4.0, 1.0, 2.0, none, none, none],
        [1.0, 2.0, 3.0, 3.0, 2.0, 2.0, 4.0, 1.0, 2.0, 5.0, none, 3.0],
        [none, 3.0, 3.0, 3.0, 2.0, 3.0, 4.0, 2.0, 2.0, 5.0, 1.0, none],
        [1.0, 2.0, 3.0, 3.0, 2.0, 4.0, 4.0, 1.0, 2.0, 5.0, 1.0, none],
    ];
    let units: Vec<Vec<Option<f64>>> = (0..12)
        .map(|unit| observers.iter().map(|row| Some(row[unit]).filter(|rating| !rating.is_nan())).collect())
        .collect();
    let alpha = |level| krippendorff_alpha(&units, level).unwrap().unwrap();
    assert!((alpha(Level::Nominal) - 0.743).abs() < 5e-4, "{}", alpha(Level::Nominal));
    assert!((alpha(Level::Interval) - 0.849).abs() < 5e-4, "{}", alpha(Level::Interval));

    let same = vec![vec![Some(1.0), Some(1.0)]; 5];
    let alone = vec![vec![Some(1.0), None], vec![None, Some(2.0)]];
    for undefined in [same, alone, Vec::new()] {
        assert_eq!(krippendorff_alpha(&undefined, Level::Nominal), Ok(None));
        assert_eq!(krippendorff_alpha(&undefined, Level::Interval), Ok(None));
    }
}

fn units(value: &serde_json::Value) -> Vec<Vec<Option<f64>>> {
    let unit =
        |unit: &serde_json::Value| unit.as_array().unwrap().iter().map(serde_json::Value::as_f64).collect();
    value.as_array().unwrap().iter().map(unit).collect()
}
