//! The bound of a bounded mean, and the sign-flip test that is counted at any number of deltas.

use serde_json::Value;

use super::golden::{close, numbers};
use crate::stats::{
    BoundedMean, Draws, clopper_pearson_lower, clopper_pearson_upper, sign_flip, sign_flip_rounded, sign_test,
};

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/stats/golden_bounded.json")).unwrap()
}

#[test]
fn as_exact_fractions_have_it() {
    for row in golden()["bounded"].as_array().unwrap() {
        let (values, at) = (numbers(&row["values"]), row["at"].as_f64().unwrap());
        let found = BoundedMean::new(&values).unwrap().p_greater(at).unwrap();
        close(&format!("{} values at {at}", values.len()), found, row["p"].as_f64().unwrap());
    }
    for row in golden()["flips"].as_array().unwrap() {
        let deltas = numbers(&row["deltas"]);
        let unit = u32::try_from(row["unit"].as_u64().unwrap()).unwrap();
        let found = sign_flip_rounded(&deltas, unit).unwrap();
        close("greater", found.p_greater, row["greater"].as_f64().unwrap());
        close("less", found.p_less, row["less"].as_f64().unwrap());
    }
}

#[test]
fn of_passes_it_is_clopper_and_pearson() {
    for (passes, of) in [(0, 6), (6, 6), (3, 10), (45, 50), (59, 59), (100, 128)] {
        let values: Vec<f64> = (0..of).map(|at| f64::from(u8::from(at < passes))).collect();
        let bounded = BoundedMean::new(&values).unwrap();
        let (low, high) = (bounded.lower(0.05).unwrap(), bounded.upper(0.05).unwrap());
        assert!((low - clopper_pearson_lower(passes, of, 0.05).unwrap()).abs() < 1e-9, "{passes} of {of}");
        assert!((high - clopper_pearson_upper(passes, of, 0.05).unwrap()).abs() < 1e-9, "{passes} of {of}");
    }
}

/// At the mean of the weights, where the formula of the saddle point has a pole, the chance goes through smoothly.
#[test]
fn the_saddle_point_has_no_pole() {
    let values: Vec<f64> = (0..500).map(|at| f64::from(at) / 499.0).collect();
    let bounded = BoundedMean::new(&values).unwrap();
    let mean = values.iter().sum::<f64>() / 501.0;
    let around: Vec<f64> = [-1e-4, -1e-6, -1e-8, 0.0, 1e-8, 1e-6, 1e-4]
        .iter()
        .map(|off| bounded.p_greater(mean + off).unwrap())
        .collect();
    assert!(around.windows(2).all(|pair| pair[0] <= pair[1] + 1e-6), "{around:?}");
    assert!(around.iter().all(|p| (p - 0.5).abs() < 0.02), "{around:?}");
}

#[test]
fn bounds_hold_their_mean_and_rise_with_it() {
    let mut draws = Draws::new(7);
    for count in [1, 6, 40, 128, 500] {
        let values: Vec<f64> = (0..count).map(|_| draws.unit()).collect();
        let bounded = BoundedMean::new(&values).unwrap();
        let (low, high) = (bounded.lower(0.05).unwrap(), bounded.upper(0.05).unwrap());
        assert!(low < bounded.mean() && bounded.mean() < high);
        assert!((bounded.p_greater(low).unwrap() - 0.05).abs() < 1e-6);
        assert!((bounded.p_less(high).unwrap() - 0.05).abs() < 1e-6);
        let more: Vec<f64> = values.iter().map(|value| (value + 0.05).min(1.0)).collect();
        assert!(BoundedMean::new(&more).unwrap().lower(0.05).unwrap() > low);
    }
}

#[test]
fn flips_are_those_of_the_other_test() {
    let mut draws = Draws::new(11);
    for count in [6_u32, 12, 18] {
        let deltas: Vec<f64> = (0..count).map(|_| (draws.unit() * 20.0).round() / 10.0 - 1.0).collect();
        let (rounded, counted) =
            (sign_flip_rounded(&deltas, 10).unwrap(), sign_flip(&deltas, 0.0, 1, 1).unwrap());
        close("greater", rounded.p_greater, counted.p_greater);
        close("less", rounded.p_less, counted.p_less);
    }
    // Constant deltas are the sign test, at any number.
    for count in [6, 30, 200] {
        let found = sign_flip_rounded(&vec![0.3; count], 1).unwrap().p_greater;
        close("constant", found, sign_test(&vec![0.3; count], 0.0).unwrap().p_greater);
    }
    assert!(sign_flip_rounded(&[0.0; 8], 1).unwrap().p_greater >= 1.0);
}

#[test]
fn out_of_domain_is_an_error() {
    assert!(BoundedMean::new(&[]).is_err());
    assert!(BoundedMean::new(&[0.5, f64::NAN]).is_err());
    assert!(BoundedMean::new(&[1.5]).is_err());
    let bounded = BoundedMean::new(&[0.0, 0.0]).unwrap();
    assert!((bounded.lower(0.05).unwrap()).abs() < 1e-12);
    for alpha in [0.0, -1.0, 0.6, f64::NAN] {
        assert!(bounded.lower(alpha).is_err() && bounded.upper(alpha).is_err());
    }
    assert!(bounded.p_greater(2.0).is_err() && bounded.p_less(f64::NAN).is_err());
    assert!(sign_flip_rounded(&[], 1).is_err());
    assert!(sign_flip_rounded(&[2.0], 1).is_err());
    assert!(sign_flip_rounded(&[0.5], 0).is_err());
}
