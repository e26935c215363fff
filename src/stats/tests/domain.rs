//! What lies outside of a domain is an error, and never a NaN, a panic or an endless loop.

use crate::stats::*;

const ODD: [f64; 10] =
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -0.0, 0.0, f64::MIN_POSITIVE, 0.5, 1.0, f64::MAX];

/// Each result is an error or a number.
#[test]
fn odd_arguments_give_an_error_or_a_number() {
    let mut results: Vec<(&str, [f64; 3], Result<f64, StatsError>)> = Vec::new();
    let (mut y, mut z) = (0.0, 0.0);
    for x in ODD {
        macro_rules! note {
            ($($call:expr),* $(,)?) => { $(results.push((stringify!($call), [x, y, z], $call));)* };
        }
        note![
            normal_cdf(x),
            normal_sf(x),
            normal_quantile(x),
            ln_gamma(x),
            wilson_lower(1, 2, x),
            wilson_upper(1, 2, x),
            wilson(1, 2, x).map(Interval::width),
            clopper_pearson_lower(1, 2, x),
            clopper_pearson_upper(1, 2, x),
            clopper_pearson(1, 2, x).map(Interval::width),
            jeffreys(1, 2, x).map(Interval::width),
            binomial_pmf(1, 3, x),
            binomial_cdf(1, 3, x),
            binomial_sf(1, 3, x),
            t_lower(&[x, 1.0], 0.05),
            t_upper(&[0.0, 1.0], x),
            t_interval(&[0.0, 1.0], x).map(Interval::width),
            t_interval(&[x, x, 2.0], 0.9).map(Interval::width),
            betting_lower(&[x, 1.0], 0.05),
            betting_upper(&[0.3, 0.4], x),
            clustered_interval(&[(0, 0.0), (1, x)], 0.9).map(Interval::width),
            clustered_rate_interval(&[(0, 0.0), (1, x)], 0.9).map(Interval::width),
            clustered_rate_interval(&[(0, 0.0), (1, 0.5)], x).map(Interval::width),
            variance_of_trials(&[(0, 0.0), (0, x), (1, x)]).map(|found| found.with_trials(0)),
            bca(&[0.0, 1.0, x], Statistic::Mean, 0.9, 50, 1).map(|found| found.interval.width()),
            bca(&[0.0, 1.0, 0.4], Statistic::Median, x, 50, 1).map(|found| found.interval.width()),
            cluster_bootstrap(&[(0, 0.0), (1, x)], 0.9, 50, 1).map(|found| found.interval.width()),
            krippendorff_alpha(&[vec![Some(x), Some(1.0)]], Level::Interval)
                .map(|found| found.unwrap_or(0.0)),
            krippendorff_alpha(&[vec![Some(x), Some(1.0)]], Level::Nominal).map(|found| found.unwrap_or(0.0)),
        ];
        for other in ODD {
            y = other;
            note![
                t_cdf(x, y),
                t_quantile(x, y),
                kish_deff(x, y),
                wilson_effective(x, y, 0.95).map(Interval::width),
                PlugIn::new(x, 0.1, 0.5).and_then(|mut bettor| bettor.observe(y).map(|_| bettor.wealth())),
                PlugIn::new(0.5, x, y).and_then(|mut bettor| bettor.observe(0.3).map(|_| bettor.wealth())),
                EProcess::new(x, &BETS).and_then(|mut process| process.observe(y)),
                EProcess::new(0.5, &[x, y]).and_then(|mut process| process.observe(0.3)),
                Sprt::new(x, y, 0.05, 0.1).map(|test| test.bounds().width()),
                Sprt::new(0.2, 0.3, x, y).map(|test| test.bounds().width()),
            ];
            for other in ODD {
                z = other;
                note![beta_inc(x, y, z), beta_quantile(x, y, z)];
            }
        }
    }
    let numbers = results.iter().filter(|(_, _, result)| result.is_ok()).count();
    assert!(numbers > 100 && numbers < results.len() - 100, "{numbers} of {}", results.len());
    for (call, at, result) in results {
        match result {
            Ok(number) => assert!(number.is_finite(), "{call} at {at:?} is {number}"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn too_few_values_are_refused() {
    let few = |needed, found| StatsError::TooFew { needed, found };
    assert_eq!(wilson(0, 0, 0.95), Err(few(1, 0)));
    assert_eq!(clopper_pearson_lower(0, 0, 0.05), Err(few(1, 0)));
    assert_eq!(t_interval(&[0.4], 0.95), Err(few(2, 1)));
    assert_eq!(bca(&[], Statistic::Mean, 0.95, 100, 1), Err(few(1, 0)));
    assert_eq!(betting_lower(&[], 0.05), Err(few(1, 0)));
    assert_eq!(clustered(&[(3, 0.4), (3, 0.5)]), Err(few(2, 1)));
    assert_eq!(variance_of_trials(&[(3, 0.4), (4, 0.5)]), Err(few(2, 1)));
    assert_eq!(EProcess::new(0.5, &[]), Err(few(1, 0)));
    assert!(matches!(wilson(3, 2, 0.95), Err(StatsError::Domain { name: "k", .. })));
    assert!(matches!(bca(&[0.1, 0.2], Statistic::Mean, 0.95, 0, 1), Err(StatsError::Domain { .. })));
}

/// A value that is out of range changes nothing.
#[test]
fn a_refused_value_leaves_a_stream_as_it_was() {
    let mut process = EProcess::new(0.5, &BETS).unwrap();
    process.observe(0.9).unwrap();
    let before = process.clone();
    let mut bettor = PlugIn::new(0.5, 0.05, PlugIn::MOST).unwrap();
    bettor.observe(0.9).unwrap();
    let stood = bettor.clone();
    for x in [1.01, -0.01, f64::NAN] {
        assert!(process.observe(x).is_err() && bettor.observe(x).is_err());
    }
    assert_eq!((process, bettor), (before, stood));
}
