//! Two arms, several tests, effects and plans.

use serde_json::Value;

use super::golden::{close, numbers, table, vectors, whole};
use crate::stats::*;

/// What `tests/fixtures/stats/golden_pairs.py` wrote.
fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/stats/golden_pairs.json")).unwrap()
}

/// The objects of one table; at least one.
fn objects(name: &str) -> Vec<Value> {
    let objects = golden()[name].as_array().unwrap().clone();
    assert!(!objects.is_empty(), "{name} is empty");
    objects
}

/// One of the adjustments for several tests.
type Adjust = fn(&[f64]) -> Result<Vec<f64>, StatsError>;

fn sides(number: f64) -> Sides {
    if whole(number) == 1 { Sides::One } else { Sides::Two }
}

/// Each of several values.
#[track_caller]
fn close_all(name: &str, found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len(), "{name}");
    for (found, wanted) in found.iter().zip(wanted) {
        // What is zero on paper may be a rounding apart.
        if wanted.abs() < 1e-15 && found.abs() < 1e-15 {
            continue;
        }
        close(name, *found, *wanted);
    }
}

fn ends(found: RateDifference) -> [f64; 3] {
    [found.difference, found.interval.low, found.interval.high]
}

#[test]
fn pairs_that_pass_or_fail() {
    let golden = golden();
    for row in table(&golden, "mcnemar") {
        let found = mcnemar(whole(row[0]), whole(row[1])).unwrap();
        let found = [found.exact, found.mid_p, found.one_sided, found.one_sided_mid, found.statistic];
        close_all(&format!("mcnemar {row:?}"), &found, &row[2..]);
    }
    for row in table(&golden, "newcombe_independent") {
        let arm = |at: usize| (whole(row[at]), whole(row[at + 1]));
        let found = newcombe_independent(arm(0), arm(2), row[4]).unwrap();
        close_all(&format!("newcombe {row:?}"), &ends(found)[1..], &row[5..]);
    }
    for row in table(&golden, "newcombe_paired") {
        let cell = |at: usize| whole(row[at]);
        let found = newcombe_paired(cell(0), cell(1), cell(2), cell(3), row[4]).unwrap();
        close_all(&format!("newcombe paired {row:?}"), &ends(found), &row[5..]);
    }
    for row in table(&golden, "tango") {
        let found = tango_score(whole(row[0]), whole(row[1]), whole(row[2]), row[3]).unwrap();
        close_all(&format!("tango {row:?}"), &ends(found)[1..], &row[4..]);
    }
    for row in table(&golden, "tango_p") {
        let found = tango_p_greater(whole(row[0]), whole(row[1]), whole(row[2]), row[3]).unwrap();
        close(&format!("tango {row:?}"), found, row[4]);
    }
}

#[test]
fn the_vectors_of_pairs() {
    let vectors = vectors();
    for (f, g) in [(12, 2), (20, 8), (3, 0), (1, 1), (0, 0), (40, 22)] {
        let found = mcnemar(f, g).unwrap();
        let wanted = &vectors[&format!("mcnemar f={f} g={g}")];
        for (name, found) in
            [("exact", found.exact), ("midp", found.mid_p), ("one_sided_f_greater", found.one_sided)]
        {
            close(&format!("{name} {f} {g}"), found, wanted[name].as_f64().unwrap());
        }
    }
    for (a, b, c, d) in [(20, 12, 2, 16), (150, 20, 8, 22), (45, 3, 0, 2), (10, 0, 0, 0)] {
        let wanted = numbers(&vectors[&format!("newcombe-paired ({a}, {b}, {c}, {d})")]);
        close_all("newcombe paired", &ends(newcombe_paired(a, b, c, d, 0.95).unwrap()), &wanted);
    }
    for (first, second) in [((56, 70), (48, 80)), ((181, 200), (170, 200)), ((10, 10), (8, 10))] {
        let name = format!("newcombe-indep {}/{} vs {}/{}", first.0, first.1, second.0, second.1);
        let found = newcombe_independent(first, second, 0.95).unwrap();
        close_all(&name, &ends(found)[1..], &numbers(&vectors[&name]));
    }
    let deltas = numbers(&vectors["paired deltas"]);
    let flip = sign_flip(&deltas, 0.0, 1, 1).unwrap();
    close("sign flip", flip.p_two_sided, vectors["sign-flip exact p"].as_f64().unwrap());
    let p = numbers(&vectors["adj input"]);
    let adjustments: [(&str, Adjust); 4] = [
        ("bonferroni", bonferroni),
        ("holm", holm),
        ("fdr_bh", benjamini_hochberg),
        ("fdr_by", benjamini_yekutieli),
    ];
    for (name, adjust) in adjustments {
        close_all(name, &adjust(&p).unwrap(), &numbers(&vectors[&format!("adj {name}")]));
        for row in objects("adjusted") {
            close_all(name, &adjust(&numbers(&row["p"])).unwrap(), &numbers(&row[name]));
        }
    }
}

#[test]
fn signs_and_flips() {
    for row in objects("sign") {
        let found = sign_test(&numbers(&row["deltas"]), row["null"].as_f64().unwrap()).unwrap();
        let found = [found.p_greater, found.p_less, found.p_two_sided];
        close_all(&format!("sign {row}"), &found, &numbers(&row["p"]));
    }
    for row in objects("flip") {
        let found = sign_flip(&numbers(&row["deltas"]), row["null"].as_f64().unwrap(), 1, 1).unwrap();
        let found = [found.p_greater, found.p_less, found.p_two_sided];
        close_all(&format!("flip {row}"), &found, &numbers(&row["p"]));
    }
    for row in objects("flip_lower") {
        let deltas = numbers(&row["deltas"]);
        let found = flip_lower(&deltas, row["alpha"].as_f64().unwrap(), 1).unwrap();
        assert_eq!(found.is_some(), row["bound"].is_number(), "{row}");
        if let Some(found) = found {
            close_all(&format!("bound {row}"), &[found], &[row["bound"].as_f64().unwrap()]);
        }
    }
}

#[test]
fn ranks_of_pairs_and_of_groups() {
    let three = |found: Wilcoxon| [found.p_greater, found.p_less, found.p_two_sided];
    for (name, method) in [
        ("wilcoxon_exact", RankMethod::Exact),
        ("wilcoxon_ties", RankMethod::Exact),
        ("wilcoxon_asymptotic", RankMethod::Asymptotic),
    ] {
        for row in objects(name) {
            let found = wilcoxon(&numbers(&row["deltas"]), 0.0).unwrap();
            assert_eq!(found.method, method);
            close_all(&format!("{name} {row}"), &three(found), &numbers(&row["p"]));
            if let Some(statistic) = row["statistic"].as_f64() {
                close(name, found.statistic, statistic);
            }
        }
    }
    for row in objects("mann_whitney") {
        let found = mann_whitney(&numbers(&row["x"]), &numbers(&row["y"])).unwrap();
        let wanted = numbers(&row["p"]);
        close_all(
            &format!("mann whitney {row}"),
            &[found.p_greater, found.p_less, found.p_two_sided],
            &wanted,
        );
        close_all("U", &[found.statistic], &[row["statistic"].as_f64().unwrap()]);
        assert!(found.floor <= found.p_two_sided);
    }
}

#[test]
fn effects_and_plans() {
    for row in objects("cliffs_delta") {
        let found = cliffs_delta(&numbers(&row["x"]), &numbers(&row["y"])).unwrap();
        close_all("cliff", &[found.delta], &[row["delta"].as_f64().unwrap()]);
    }
    for row in objects("paired_d") {
        close("paired d", paired_d(&numbers(&row["deltas"])).unwrap(), row["d"].as_f64().unwrap());
    }
    let golden = golden();
    for row in table(&golden, "mde_paired_mean") {
        let found = mde_paired_mean(row[0], whole(row[1]), row[2], row[3], sides(row[4])).unwrap();
        close(&format!("mde {row:?}"), found, row[5]);
    }
    for row in table(&golden, "n_per_arm") {
        assert_eq!(n_per_arm(row[0], row[1], row[2], sides(row[3])).unwrap(), Some(whole(row[4])), "{row:?}");
    }
    for row in table(&golden, "mcnemar_power") {
        let plan = (whole(row[0]), row[1], row[2], row[3], sides(row[4]));
        let found = mcnemar_power(plan.0, plan.1, plan.2, plan.3, plan.4).unwrap();
        let best = optimal_power(plan.0, plan.1, plan.2, plan.3, plan.4).unwrap();
        close_all(&format!("power {row:?}"), &[found, best], &row[5..]);
    }
    for row in table(&golden, "mde_one_rate") {
        let found = mde_one_rate(row[0], whole(row[1]), row[2], row[3], sides(row[4])).unwrap().unwrap();
        close(&format!("one rate {row:?}"), found, row[5]);
    }
}
