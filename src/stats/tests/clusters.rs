//! Values that belong together.
#![expect(clippy::float_cmp, reason = "what does not differ has a spread of exactly nothing")]

use super::golden::{close, close_ends, range, rates, vectors};
use crate::stats::*;

fn example() -> Vec<(usize, f64)> {
    let vectors = vectors();
    let cases = vectors["cluster example"]["rows"].as_array().unwrap();
    let trials = |(case, row): (usize, &serde_json::Value)| -> Vec<(usize, f64)> {
        row.as_str().unwrap().bytes().map(|trial| (case, f64::from(trial - b'0'))).collect()
    };
    cases.iter().enumerate().flat_map(trials).collect()
}

#[test]
fn equal_clusters_have_the_error_of_their_means() {
    let wanted = &vectors()["cluster example"];
    let found = clustered(&example()).unwrap();
    close("mean", found.mean, wanted["mean"].as_f64().unwrap());
    close("naive", found.naive_se, wanted["naive_se"].as_f64().unwrap());
    close("clustered", found.se, wanted["clustered_se_C_over_Cminus1"].as_f64().unwrap());
    close("of the means", found.se, wanted["item_mean_se"].as_f64().unwrap());
    assert_eq!((found.rows, found.clusters, found.df), (150, 30, 29.0));
    assert!(found.effective_n < 100.0 && found.effective_n > 30.0, "{found:?}");
}

#[test]
fn unequal_clusters_have_the_error_of_statsmodels() {
    let golden = &rates()["clustered"];
    let rows: Vec<(usize, f64)> = serde_json::from_value(golden["rows"].clone()).unwrap();
    let found = clustered(&rows).unwrap();
    close("mean", found.mean, golden["mean"].as_f64().unwrap());
    close("se", found.se, golden["se"].as_f64().unwrap());
    close_ends("interval", clustered_interval(&rows, 0.95).unwrap(), range(&golden["t_interval"]));

    let drawn = cluster_bootstrap(&rows, 0.95, 4_000, 3).unwrap();
    close("estimate", drawn.estimate, found.mean);
    // Percentiles are a little narrower than t at 17 clusters.
    let ratio = drawn.interval.width() / clustered_interval(&rows, 0.95).unwrap().width();
    assert!((0.75..1.05).contains(&ratio), "{ratio}");
}

#[test]
fn the_order_and_the_names_of_clusters_do_not_matter() {
    let rows = example();
    let turned: Vec<(usize, f64)> = rows.iter().rev().map(|&(case, value)| (1_000 - case, value)).collect();
    let (left, right) = (clustered(&rows).unwrap(), clustered(&turned).unwrap());
    close("se", right.se, left.se);
    close("effective n", right.effective_n, left.effective_n);
}

#[test]
fn clusters_without_any_difference_count_as_one_row_each() {
    let rows: Vec<(usize, f64)> = (0..40).map(|row| (row / 5, 1.0)).collect();
    let found = clustered(&rows).unwrap();
    assert_eq!((found.se, found.deff, found.effective_n), (0.0, 5.0, 8.0));
    let interval = clustered_rate_interval(&rows, 0.95).unwrap();
    // Eight of eight, made a little less by the few clusters; by no means forty of forty.
    assert!(interval.low < wilson(8, 8, 0.95).unwrap().low && interval.high == 1.0, "{interval:?}");
    let drawn = cluster_bootstrap(&rows, 0.95, 100, 1).unwrap();
    assert_eq!((drawn.method, drawn.interval.width()), (Method::Percentile(Why::AllEqual), 0.0));
}

/// 40 cases of 5 trials, whose rates differ: intervals that take the trials as independent miss the mean far too often.
#[test]
fn clustered_intervals_cover_where_independent_rows_do_not() {
    let (mut naive, mut rate, mut student) = (0_u32, 0_u32, 0_u32);
    let mut draws = Draws::new(4);
    for _ in 0..600 {
        let rows: Vec<(usize, f64)> = (0..40)
            .flat_map(|case| {
                // Beta(1, ½) by its inverse: the mean of the rates is 2/3.
                let level = 1.0 - draws.unit().powi(2);
                [(); 5].map(|()| (case, f64::from(u8::from(draws.unit() < level))))
            })
            .collect();
        let passes = rows.iter().filter(|row| row.1 > 0.0).count() as u64;
        let missed = |interval: Interval| u32::from(!interval.contains(2.0 / 3.0));
        naive += missed(wilson(passes, 200, 0.95).unwrap());
        rate += missed(clustered_rate_interval(&rows, 0.95).unwrap());
        student += missed(clustered_interval(&rows, 0.95).unwrap());
    }
    // 30 are meant, with a standard deviation of 5.3.
    assert!(naive > 60, "{naive}");
    assert!((10..=50).contains(&rate) && (10..=50).contains(&student), "{rate} {student}");
}

#[test]
fn the_design_effect_is_that_of_kish() {
    assert_eq!(kish_deff(5.0, 0.25), Ok(2.0));
    assert_eq!(kish_deff(1.0, 0.9), Ok(1.0));
}

#[test]
fn trials_take_away_only_their_own_part_of_the_variance() {
    let rows = example();
    let found = variance_of_trials(&rows).unwrap();
    let se = clustered(&rows).unwrap().se;
    close("as measured", found.of_mean, se * se);
    close("as many trials", found.with_trials(5), found.of_mean);
    close("one trial", found.with_trials(1) - found.of_mean, 4.0 * found.of_trials);
    assert!(found.with_trials(1_000_000) < found.of_mean * (1.0 - found.removable()) * 1.001);
    // Cases that always pass or always fail: no number of trials helps.
    let fixed: Vec<(usize, f64)> = (0..40).map(|row| (row / 4, f64::from(u8::from(row < 20)))).collect();
    assert_eq!(variance_of_trials(&fixed).unwrap().removable(), 0.0);
    // Every case the same: trials are all there is.
    let same: Vec<(usize, f64)> = (0..40).map(|row| (row / 4, f64::from(u8::from(row % 2 == 0)))).collect();
    assert_eq!(variance_of_trials(&same).unwrap().of_mean, 0.0);
}
