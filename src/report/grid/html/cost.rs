//! What an answer costs against what it scores, a dot an arm.

use crate::event::Estimate;

use super::figures;
use super::scale::Scale;
use super::svg::{Anchor, Svg};

/// Height of the drawing, pixels.
const HEIGHT: f64 = 260.0;
/// Between two names, pixels.
const LEADING: f64 = 16.0;

/// An arm with what it costs.
#[derive(Clone, Debug)]
pub(super) struct Priced {
    /// The arm.
    pub(super) name: String,
    /// Its colour.
    pub(super) ink: String,
    /// What one answer costs; dollars, or tokens where no price is known.
    pub(super) cost: f64,
    /// What it scores.
    pub(super) score: Estimate,
}

/// The drawing; `word` says a cost.
pub(super) fn drawing(arms: &[Priced], word: fn(f64) -> String) -> String {
    let said: Vec<String> = arms
        .iter()
        .map(|arm| {
            format!(
                "{}: {} an answer, score {}",
                arm.name,
                word(arm.cost),
                figures::value(arm.score.mean, false)
            )
        })
        .collect();
    let mut svg = Svg::new(HEIGHT, &format!("cost against score. {}", said.join("; ")));
    let dearest = arms.iter().map(|arm| arm.cost).fold(0.0, f64::max);
    let across = Scale::between(0.0, if dearest > 0.0 { dearest * 1.15 } else { 1.0 });
    let seen = |arm: &Priced| {
        [Some(arm.score.mean), arm.score.low, arm.score.high].into_iter().flatten().collect::<Vec<_>>()
    };
    let up = Scale::around(arms.iter().flat_map(seen)).within(0.0, 1.0);
    let y = |value: f64| (100.0 - up.place(value)) / 100.0 * HEIGHT;
    for tick in across.ticks(5) {
        let x = across.place(tick);
        svg.line("grid", (x, 0.0), (x, HEIGHT));
        svg.word(
            "tick",
            (x, HEIGHT + 17.0),
            0.0,
            if x < 5.0 { Anchor::Start } else { Anchor::Middle },
            &word(tick),
        );
    }
    for tick in up.ticks(6) {
        svg.line("grid", (0.0, y(tick)), (100.0, y(tick)));
        svg.word("tick", (0.0, y(tick) + 4.0), -8.0, Anchor::End, &figures::tick(tick, false));
    }
    for arm in arms {
        let x = across.place(arm.cost);
        if let (Some(low), Some(high)) = (arm.score.low, arm.score.high) {
            svg.line(&format!("span {}", arm.ink), (x, y(low)), (x, y(high)));
        }
        svg.dot(&format!("mean {}", arm.ink), (x, y(arm.score.mean)), 5.5, None);
    }
    for (arm, middle) in names(arms, y) {
        let x = across.place(arm.cost);
        // A name stands on the side where there is room.
        let (shift, anchor) = if x > 62.0 { (-12.0, Anchor::End) } else { (12.0, Anchor::Start) };
        svg.word(&format!("name {}", arm.ink), (x, middle + 4.0), shift, anchor, &arm.name);
    }
    svg.finish()
}

/// The height of each name: at its dot, or as far below the one above it as it needs.
fn names(arms: &[Priced], y: impl Fn(f64) -> f64) -> Vec<(&Priced, f64)> {
    let mut placed: Vec<(&Priced, f64)> = arms.iter().map(|arm| (arm, y(arm.score.mean))).collect();
    placed.sort_by(|a, b| a.1.total_cmp(&b.1));
    for at in 1..placed.len() {
        placed[at].1 = placed[at].1.max(placed[at - 1].1 + LEADING);
    }
    // The last ones must not leave the drawing: they push the others up again.
    let mut limit = HEIGHT - 6.0;
    for (_, middle) in placed.iter_mut().rev() {
        *middle = middle.min(limit);
        limit = *middle - LEADING;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(name: &str, cost: f64, mean: f64) -> Priced {
        let score = Estimate { mean, low: Some(mean - 0.05), high: Some(mean + 0.05) };
        Priced { name: name.to_owned(), ink: "a1".to_owned(), cost, score }
    }

    #[test]
    fn names_never_overlap_nor_leave_the_drawing() {
        let arms = [arm("a", 1.0, 0.7), arm("b", 1.0, 0.7), arm("c", 1.0, 0.699), arm("d", 1.0, 0.1)];
        for all_at in [0.0, 130.0, 259.0] {
            let heights: Vec<f64> = names(&arms, |_| all_at).iter().map(|(_, middle)| *middle).collect();
            assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= LEADING - 1e-9), "{heights:?}");
            assert!(heights.iter().all(|height| (0.0..=HEIGHT).contains(height)), "{heights:?}");
        }
    }

    #[test]
    fn costs_begin_at_zero_and_free_ones_are_drawn() {
        let drawn = drawing(&[arm("free", 0.0, 0.5), arm("dear", 0.002, 0.6)], figures::dollars);
        assert!(drawn.contains(r#"cx="0.00%""#) && drawn.contains(r#"cx="86.96%""#), "{drawn}");
        assert!(drawn.contains(">$0<") && drawn.contains("$0.0010<"), "{drawn}");
        assert!(drawing(&[arm("free", 0.0, 0.5)], figures::dollars).contains("mean a1"));
    }
}
