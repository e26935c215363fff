//! Whatever is asked of two arms, several tests and plans: an error or a finite number, and an end.

use crate::stats::*;

const ODD: [f64; 15] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    -0.0,
    0.0,
    1e-12,
    0.05,
    0.5,
    1.0 - f64::EPSILON / 2.0,
    1.0,
    -0.3,
    1e100,
];
const COUNTS: [u64; 7] = [0, 1, 2, 19, 20_000, 1 << 40, u64::MAX];

/// No number of an answer is odd itself.
#[track_caller]
fn finite<const N: usize>(found: &Result<[f64; N], StatsError>) {
    if let Ok(numbers) = found {
        assert!(numbers.iter().all(|number| number.is_finite()), "{numbers:?}");
    }
}

fn ends(found: RateDifference) -> [f64; 3] {
    [found.difference, found.interval.low, found.interval.high]
}

#[test]
fn pairs_that_pass_or_fail() {
    for f in COUNTS {
        for g in COUNTS {
            finite(&mcnemar(f, g).map(|m| [m.exact, m.mid_p, m.one_sided, m.one_sided_mid, m.statistic]));
            for n in COUNTS {
                finite(&risk_difference(f, g, n).map(|d| [d.difference, d.variance]));
                for odd in ODD {
                    finite(&tango_p_greater(f, g, n, odd).map(|p| [p]));
                    finite(&tango_score(f, g, n, odd).map(ends));
                    finite(&newcombe_paired(f, g, n, 1, odd).map(ends));
                    finite(&newcombe_independent((f, n), (g, n), odd).map(ends));
                }
            }
        }
    }
}

#[test]
fn deltas() {
    for one in ODD {
        for two in ODD {
            let list = [one, two, 0.25, two];
            let many = list.repeat(20);
            for null in ODD {
                finite(&sign_test(&list, null).map(|s| [s.p_greater, s.p_less, s.p_two_sided]));
                finite(&sign_flip(&list, null, 1, 9).map(|f| [f.p_greater, f.p_less, f.p_two_sided]));
                finite(&sign_flip(&many, null, 1, 9).map(|f| [f.p_greater, f.p_less, f.p_two_sided]));
                finite(&wilcoxon(&list, null).map(|w| [w.p_greater, w.p_less, w.floor, w.statistic]));
                finite(&wilcoxon(&many, null).map(|w| [w.p_greater, w.p_less, w.floor, w.statistic]));
                finite(&flip_lower(&list, null, 1).map(|bound| [bound.unwrap_or(0.0)]));
                finite(&significant(&[one, two], null).map(|_| []));
            }
            finite(&mann_whitney(&list, &[one, 0.5]).map(|m| [m.p_greater, m.p_less, m.floor, m.statistic]));
            finite(&mann_whitney(&many, &list).map(|m| [m.p_greater, m.p_less, m.floor, m.statistic]));
            finite(&cliffs_delta(&list, &[one, 0.5]).map(|c| [c.delta]));
            finite(&paired_d(&list).map(|d| [d]));
            for adjust in [bonferroni, holm, benjamini_hochberg, benjamini_yekutieli] {
                finite(&adjust(&[one, two, 0.5]).map(|p| [p[0], p[1], p[2]]));
            }
        }
    }
}

#[test]
fn plans() {
    for sides in [Sides::One, Sides::Two] {
        for alpha in ODD {
            for power in ODD {
                for value in ODD {
                    for n in COUNTS {
                        finite(&mde_paired_mean(value, n, alpha, power, sides).map(|e| [e]));
                        finite(&mde_paired_binary(n, value, alpha, power, sides).map(|e| [e.unwrap_or(0.0)]));
                        finite(&mde_unpaired(value, n, alpha, power, sides).map(|e| [e]));
                        finite(&power_paired_binary(n, power, value, alpha, sides).map(|p| [p]));
                        finite(&sd_with_trials(value, (alpha, n), (power, n)).map(|sd| [sd]));
                    }
                    let n = n_paired_mean(value, power, alpha, 0.8, sides);
                    assert!(!matches!(n, Ok(Some(0))));
                    let n = n_paired_binary(power, value, alpha, 0.8, sides);
                    assert!(!matches!(n, Ok(Some(0))));
                    finite(&mcnemar_power(9, power, value, alpha, sides).map(|p| [p]));
                    finite(&optimal_power(9, power, value, alpha, sides).map(|p| [p]));
                    finite(&mcnemar_mde(9, value, alpha, power, sides).map(|e| [e.unwrap_or(0.0)]));
                    finite(&mde_one_rate(value, 9, alpha, power, sides).map(|e| [e.unwrap_or(0.0)]));
                }
                assert!(!matches!(n_per_arm(power, alpha, 0.8, sides), Ok(Some(0))));
            }
        }
    }
    // The largest numbers end, too.
    assert!(mcnemar_power(u64::MAX, 0.1, 0.2, 0.05, Sides::One).is_err());
    assert!(mde_one_rate(0.5, u64::MAX, 0.05, 0.8, Sides::One).is_err());
    assert!(mde_one_rate(0.5, 10_000_000, 0.05, 0.8, Sides::One).unwrap().unwrap() < 0.001);
    assert!(mcnemar_power(100_000, 0.01, 0.2, 0.05, Sides::One).unwrap() > 0.999);
}
