//! Distributions against scipy.

use super::golden::{OfCounts, close, rates, table, whole};
use crate::stats::*;

type OfOne = fn(f64) -> Result<f64, StatsError>;

#[test]
fn distributions_of_one_argument_are_those_of_scipy() {
    let golden = rates();
    let functions: [(&str, OfOne); 4] = [
        ("normal_cdf", normal_cdf),
        ("normal_sf", normal_sf),
        ("normal_quantile", normal_quantile),
        ("ln_gamma", ln_gamma),
    ];
    for (name, function) in functions {
        for row in table(&golden, name) {
            close(&format!("{name}({})", row[0]), function(row[0]).unwrap(), row[1]);
        }
    }
}

#[test]
fn distributions_of_several_arguments_are_those_of_scipy() {
    let golden = rates();
    for row in table(&golden, "beta_inc") {
        close(&format!("beta_inc {row:?}"), beta_inc(row[0], row[1], row[2]).unwrap(), row[3]);
    }
    for row in table(&golden, "beta_quantile") {
        close(&format!("beta_quantile {row:?}"), beta_quantile(row[0], row[1], row[2]).unwrap(), row[3]);
    }
    for row in table(&golden, "t_cdf") {
        close(&format!("t_cdf {row:?}"), t_cdf(row[0], row[1]).unwrap(), row[2]);
    }
    for row in table(&golden, "t_quantile") {
        close(&format!("t_quantile {row:?}"), t_quantile(row[0], row[1]).unwrap(), row[2]);
    }
    let functions: [(&str, OfCounts<f64>); 3] =
        [("binomial_pmf", binomial_pmf), ("binomial_cdf", binomial_cdf), ("binomial_sf", binomial_sf)];
    for (name, function) in functions {
        for row in table(&golden, name) {
            let found = function(whole(row[0]), whole(row[1]), row[2]).unwrap();
            close(&format!("{name} {row:?}"), found, row[3]);
        }
    }
}

/// AC-stat-08: the normal and Student's t, where an older system was wrong by up to 3.7e-2.
#[test]
fn known_tails_of_the_normal_and_of_t() {
    close("two-sided p at 1.96", 2.0 * normal_sf(1.96).unwrap(), 0.049_995_790_296_440_87);
    close("t at 0.005 with 100", t_cdf(0.005, 100.0).unwrap(), 0.501_989_722_561_260_8);
}

#[test]
fn quantiles_undo_their_distributions() {
    for p in [1e-12, 1e-5, 0.01, 0.2, 0.49, 0.5, 0.51, 0.77, 0.975, 0.9999] {
        close("normal", normal_cdf(normal_quantile(p).unwrap()).unwrap(), p);
        for df in [0.3, 1.0, 2.5, 9.0, 400.0, 1e6, 1e10] {
            close("t", t_cdf(t_quantile(p, df).unwrap(), df).unwrap(), p);
        }
        for (a, b) in [(0.5, 0.5), (1.0, 7.0), (40.0, 3.0), (2e4, 1e5)] {
            close("beta", beta_inc(a, b, beta_quantile(p, a, b).unwrap()).unwrap(), p);
        }
    }
}

/// From one and the same side, t with ever more degrees of freedom becomes the normal, without a step.
#[test]
fn t_nears_the_normal_without_a_step() {
    let wanted = normal_sf(2.0).unwrap();
    let tails: Vec<f64> =
        [10.0, 29.0, 30.0, 31.0, 100.0, 1e3, 1e5, 1e7].map(|df| 1.0 - t_cdf(2.0, df).unwrap()).to_vec();
    assert!(tails.windows(2).all(|pair| pair[0] > pair[1] && pair[1] > wanted), "{tails:?}");
    close("with 1e10", t_cdf(-2.0, 1e10).unwrap(), wanted);
}

#[test]
fn binomial_probabilities_add_up() {
    for (n, p) in [(1_u64, 0.3), (17, 0.9), (60, 0.5)] {
        let mut sum = 0.0;
        for k in 0..=n {
            sum += binomial_pmf(k, n, p).unwrap();
            close("cdf", binomial_cdf(k, n, p).unwrap(), sum.min(1.0));
            close("both sides", binomial_cdf(k, n, p).unwrap() + binomial_sf(k, n, p).unwrap(), 1.0);
        }
    }
    let edges =
        [binomial_pmf(0, 0, 0.4), binomial_cdf(2, 5, 0.0), binomial_sf(4, 5, 1.0), binomial_pmf(5, 5, 1.0)];
    assert_eq!(edges, [const { Ok(1.0) }; 4]);
    let empty =
        [binomial_pmf(7, 5, 0.4), binomial_sf(5, 5, 0.4), binomial_pmf(2, 5, 0.0), binomial_cdf(4, 5, 1.0)];
    assert_eq!(empty, [const { Ok(0.0) }; 4]);
}
