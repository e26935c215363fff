//! Every case as a mark: candidate against baseline, and the differences by size; or, without a baseline, the scores.

use serde::Serialize;

use crate::event::Sheet;

use super::super::{figure, outcome};
use super::figures;
use super::scale::{Scale, jitter};
use super::svg::{Anchor, Svg};

/// Height of a drawing, pixels.
const HEIGHT: f64 = 280.0;
/// Dots of a drawing, at most; of more cases a draw is shown, which says so.
const DOTS: usize = 2_000;
/// Bars of a drawing, at most; of more cases each bar stands for several, which says so.
const BARS: usize = 1_000;
/// How far a dot may be from its place, as a share of the axis: less than half of the step between two trials, so that it
/// never seems to be at another place.
fn stray(trials: u64) -> f64 {
    match trials {
        0..=1 => 0.13,
        2..=3 => 0.07,
        _ => 0.035,
    }
}

/// The drawings of one candidate.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Drawn {
    /// The arm.
    pub(super) name: String,
    /// Its colour.
    pub(super) ink: String,
    /// What it is held against; empty where nothing is.
    pub(super) against: String,
    /// Candidate against baseline, a dot a case.
    pub(super) dots: Option<String>,
    /// A bar a case.
    pub(super) bars: String,
    /// Cases that were compared.
    pub(super) cases: String,
    /// Better, equal, worse.
    pub(super) counts: Option<[String; 3]>,
    /// What is not shown, in words; empty when all is.
    pub(super) left_out: String,
}

/// A case with its means.
struct Mean {
    case: usize,
    before: f64,
    after: f64,
}

impl Mean {
    fn lift(&self) -> f64 {
        self.after - self.before
    }

    fn class(&self) -> &'static str {
        match self.lift() {
            lift if lift > 1e-9 => "better",
            lift if lift < -1e-9 => "worse",
            _ => "same",
        }
    }
}

/// A candidate against the baseline: arms and score by their places in the plan. `None` where no case has both.
pub(super) fn against(sheet: &Sheet, baseline: usize, arm: usize, score: usize, ink: &str) -> Option<Drawn> {
    let plan = sheet.plan()?;
    let names =
        [&plan.arms.get(baseline)?.name, &plan.arms.get(arm)?.name].map(|name| name.as_str().to_owned());
    let mut means: Vec<Mean> = (0..sheet.cases().len())
        .filter_map(|case| {
            let (before, _) = outcome::mean(sheet, baseline, case, score)?;
            let (after, _) = outcome::mean(sheet, arm, case, score)?;
            Some(Mean { case, before, after })
        })
        .collect();
    if means.is_empty() {
        return None;
    }
    let count =
        |class: &str| figures::whole(means.iter().filter(|mean| mean.class() == class).count() as u64);
    let counts = [count("better"), count("same"), count("worse")];
    let all = means.len();
    let title = |mean: &Mean| {
        let id = sheet.cases().id(mean.case);
        let [before, after] = [mean.before, mean.after].map(|value| figures::value(value, false));
        format!("{id}: {before} on {}, {after} on {}", names[0], names[1])
    };
    let dots = dots(&means, (plan.seed, stray(plan.trials)), &names, title);
    means.sort_by(|a, b| b.lift().total_cmp(&a.lift()));
    let said = format!(
        "differences between {} and {}, a bar a case: {} better, {} equal, {} worse",
        names[1], names[0], counts[0], counts[1], counts[2]
    );
    let lifts: Vec<(usize, f64, String)> =
        means.iter().map(|mean| (mean.case, mean.lift(), title(mean))).collect();
    let reach = lifts.iter().map(|(_, lift, _)| lift.abs()).fold(0.05, f64::max);
    let bars = bars(&lifts, Scale::between(-reach * 1.05, reach * 1.05), None, &said);
    let [against, name] = names;
    Some(Drawn {
        name,
        ink: ink.to_owned(),
        against,
        dots: Some(dots),
        bars,
        cases: figures::whole(all as u64),
        counts: Some(counts),
        left_out: left_out(all, DOTS),
    })
}

/// An arm by itself.
pub(super) fn alone(sheet: &Sheet, arm: usize, score: usize, ink: &str) -> Option<Drawn> {
    let name = sheet.plan()?.arms.get(arm)?.name.as_str().to_owned();
    let mut means: Vec<(usize, f64, String)> = (0..sheet.cases().len())
        .filter_map(|case| {
            let (mean, _) = outcome::mean(sheet, arm, case, score)?;
            let title = format!("{}: {} on {name}", sheet.cases().id(case), figures::value(mean, false));
            Some((case, mean, title))
        })
        .collect();
    if means.is_empty() {
        return None;
    }
    means.sort_by(|a, b| b.1.total_cmp(&a.1));
    let said = format!("scores of {name}, a bar a case, the best first");
    let bars = bars(&means, Scale::between(0.0, 1.0), Some(ink), &said);
    let all = means.len();
    Some(Drawn {
        name,
        ink: ink.to_owned(),
        against: String::new(),
        dots: None,
        bars,
        cases: figures::whole(all as u64),
        counts: None,
        left_out: left_out(all, usize::MAX),
    })
}

fn left_out(all: usize, dots: usize) -> String {
    let mut words = Vec::new();
    if all > dots {
        words.push(format!(
            "{} of {} cases are drawn as dots, by lot.",
            figures::whole(dots as u64),
            figures::whole(all as u64)
        ));
    }
    if all > BARS {
        words.push(format!("Each bar is the mean of about {} cases.", all.div_ceil(BARS)));
    }
    words.join(" ")
}

fn dots(
    means: &[Mean],
    (seed, stray): (u64, f64),
    names: &[String; 2],
    title: impl Fn(&Mean) -> String,
) -> String {
    let said = format!(
        "a dot a case: {} to the right, {} upwards; above the diagonal the candidate is better",
        names[0], names[1]
    );
    let mut svg = Svg::new(HEIGHT, &said);
    let scale = Scale::between(-0.03 - stray, 1.03 + stray);
    let (x, y) =
        (|value: f64| scale.place(value), |value: f64| (100.0 - scale.place(value)) / 100.0 * HEIGHT);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.line("grid", (x(tick), 0.0), (x(tick), HEIGHT));
        svg.line("grid", (0.0, y(tick)), (100.0, y(tick)));
        let word = figures::tick(tick, false);
        svg.word("tick", (x(tick), HEIGHT + 17.0), 0.0, Anchor::Middle, &word);
        svg.word("tick", (0.0, y(tick) + 4.0), -8.0, Anchor::End, &word);
    }
    svg.line("zero", (0.0, HEIGHT), (100.0, 0.0));
    let mut shown: Vec<&Mean> = means.iter().collect();
    if shown.len() > DOTS {
        shown.sort_by(|a, b| jitter(seed, a.case as u64, 2).total_cmp(&jitter(seed, b.case as u64, 2)));
        shown.truncate(DOTS);
    }
    let radius = if shown.len() > 400 { 2.5 } else { 3.5 };
    for mean in shown {
        let moved = |axis| jitter(seed, mean.case as u64, axis) * stray;
        let place = (x(mean.before + moved(0)), y(mean.after + moved(1)));
        svg.dot(&format!("case {}", mean.class()), place, radius, Some((mean.case, &title(mean))));
    }
    svg.finish()
}

/// Bars from zero, in the order that they come in; in the colour of an arm, or as lifts by their sign.
fn bars(items: &[(usize, f64, String)], scale: Scale, ink: Option<&str>, said: &str) -> String {
    let mut svg = Svg::new(HEIGHT, said);
    let y = |value: f64| (100.0 - scale.place(value)) / 100.0 * HEIGHT;
    for tick in scale.ticks(6) {
        svg.line("grid", (0.0, y(tick)), (100.0, y(tick)));
        svg.word("tick", (0.0, y(tick) + 4.0), -8.0, Anchor::End, &figures::tick(tick, ink.is_none()));
    }
    let each = items.len().div_ceil(BARS).max(1);
    let count = items.len().div_ceil(each);
    let width = 100.0 / figure::float(count as u64);
    let gap = if count <= 150 { width * 0.16 } else { 0.0 };
    for (at, group) in items.chunks(each).enumerate() {
        let value = group.iter().map(|(_, value, _)| value).sum::<f64>() / figure::float(group.len() as u64);
        let class = match (ink, value) {
            (Some(ink), _) => format!("arm {ink}"),
            (None, value) if value.abs() <= 1e-9 => "same".to_owned(),
            (None, value) if value > 0.0 => "better".to_owned(),
            (None, _) => "worse".to_owned(),
        };
        let (top, bottom) = (y(value.max(0.0)), y(value.min(0.0)));
        // What is zero is still a case: a hair of it is seen.
        let (top, height) = if bottom - top < 2.0 { (top - 1.0, 2.0) } else { (top, bottom - top) };
        let corner = (figure::float(at as u64) * width + gap / 2.0, top);
        if let [(case, _, title)] = group {
            svg.bar_of(&format!("case {class}"), corner, (width - gap, height), (*case, title));
        } else {
            svg.bar(&format!("case {class}"), corner, (width - gap, height));
        }
    }
    svg.line("zero", (0.0, y(0.0)), (100.0, y(0.0)));
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stay_nearer_to_their_place_than_to_the_next() {
        // Beyond ten trials the places are so near to each other that a dot is read as about there anyway.
        for trials in 1..=10_u32 {
            assert!(stray(u64::from(trials)) < 0.5 / f64::from(trials), "{trials}");
        }
    }

    #[test]
    fn what_is_not_drawn_is_said() {
        assert_eq!(left_out(1_000, DOTS), "");
        assert_eq!(left_out(2_000, DOTS), "Each bar is the mean of about 2 cases.");
        assert_eq!(
            left_out(4_500, DOTS),
            "2,000 of 4,500 cases are drawn as dots, by lot. Each bar is the mean of about 5 cases."
        );
    }

    #[test]
    fn bars_rise_and_fall_from_zero_and_many_share_one() {
        let item = |at: usize, value: f64| (at, value, format!("case {at}"));
        let drawn = bars(&[item(0, 0.5), item(1, 0.0), item(2, -1.0)], Scale::between(-1.0, 1.0), None, "x");
        for part in [
            r#"class="case better" x="2.667%" y="70.0" width="28.000%" height="70.0" data-case="0""#,
            r#"class="case same" x="36.000%" y="139.0" width="28.000%" height="2.0" data-case="1""#,
            r#"class="case worse" x="69.333%" y="140.0" width="28.000%" height="140.0" data-case="2""#,
        ] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        let many: Vec<_> = (0..2_499).map(|at| item(at, 0.25)).collect();
        let drawn = bars(&many, Scale::between(0.0, 1.0), Some("a1"), "x");
        assert_eq!(drawn.matches("class=\"case arm a1\"").count(), 833);
        assert!(!drawn.contains("data-case"));
    }
}
