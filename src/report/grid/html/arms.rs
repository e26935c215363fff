//! The arms by themselves: what they score, how steady they are, what is missing, and what they cost.

use serde::Serialize;

use crate::event::{ArmFigures, ArmRole, Estimate, PlanFixed, ScoreName, Sheet};
use crate::report::human::{clean, style};

use super::super::{figure, outcome, words};
use super::cost::{self, Priced};
use super::figures;
use super::interval::Axis;
use super::verdict::PlotRow;
use crate::report::grid::GridView;

/// The colours of the arms: the baseline is grey, candidates have one each; of many, some share one.
pub(super) fn inks(plan: &PlanFixed) -> Vec<String> {
    let mut candidates = 0;
    let ink = |arm: &crate::event::ArmFixed| {
        if arm.role == ArmRole::Baseline {
            return "a0".to_owned();
        }
        candidates += 1;
        format!("a{}", (candidates - 1) % 6 + 1)
    };
    plan.arms.iter().map(ink).collect()
}

/// An arm, as the page lists it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ArmRow {
    name: String,
    ink: String,
    role: &'static str,
    /// Profile, harness, model and treatment.
    made_of: String,
    stored: String,
    dealt: String,
    answered: String,
    missing: Vec<String>,
    spend: String,
    each: String,
    tokens: String,
    requests: String,
    duration: String,
}

/// All arms.
pub(super) fn rows(sheet: &Sheet, plan: &PlanFixed, inks: &[String]) -> Vec<ArmRow> {
    let dealt = plan.cases * plan.trials;
    let mut durations = vec![Vec::new(); plan.arms.len()];
    for (_, place, row) in sheet.rows().filter(|(_, _, row)| row.missing.is_none()) {
        durations[place.arm].push(row.duration_ms);
    }
    let arm = |(at, arm): (usize, &crate::event::ArmFixed)| {
        let totals = sheet.arms().get(at)?;
        let model = arm.model.as_deref().unwrap_or("its own model");
        let treatment =
            arm.treatment.as_deref().map_or_else(String::new, |name| format!(", treatment {name}"));
        let offline = if arm.offline { ", offline" } else { "" };
        let mut missing: Vec<String> = totals
            .classes
            .iter()
            .map(|((reason, class), count)| {
                format!("{} {}", figures::whole(*count), words::gone(*reason, *class))
            })
            .collect();
        let never = dealt.saturating_sub(totals.answered + totals.missing.values().sum::<u64>());
        if never > 0 {
            missing.push(format!("{} never ended", figures::whole(never)));
        }
        let each = match (totals.spend.usd_known, totals.answered) {
            (true, 1..) => figures::dollars(totals.spend.usd / figure::float(totals.answered)),
            _ => "unknown".to_owned(),
        };
        durations[at].sort_unstable();
        Some(ArmRow {
            name: clean(arm.name.as_str()),
            ink: inks.get(at).cloned().unwrap_or_default(),
            role: words::role(arm.role),
            made_of: clean(&format!("{}, {} with {model}{treatment}{offline}", arm.profile, arm.harness)),
            stored: arm.stored.as_deref().map_or_else(String::new, clean),
            dealt: figures::whole(dealt),
            answered: figure::part(totals.answered, dealt),
            missing,
            spend: figures::spent(&totals.spend),
            each,
            tokens: style::tokens(&totals.spend),
            requests: figures::whole(totals.attempts),
            duration: median(&durations[at]).map_or_else(|| "\u{2013}".to_owned(), style::millis),
        })
    };
    plan.arms.iter().enumerate().filter_map(arm).collect()
}

fn median(sorted: &[u64]) -> Option<u64> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// A score of all arms.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ScoreBlock {
    name: String,
    decides: bool,
    rows: Vec<PlotRow>,
    ticks: String,
    steady: Vec<Steady>,
    /// How the intervals were made; empty where there are none.
    interval: String,
}

/// How steady an arm is over its trials.
#[derive(Clone, Debug, Serialize)]
struct Steady {
    name: String,
    ink: String,
    answered: String,
    counts: [String; 3],
    /// Percent of each, for the bar.
    shares: [f64; 3],
    pass_at: String,
    pass_all: String,
    trial_share: String,
}

/// Every score of the plan, the one that decides first.
pub(super) fn scores(view: &GridView<'_>, plan: &PlanFixed, inks: &[String]) -> Vec<ScoreBlock> {
    let decides = outcome::deciding(view.sheet);
    let mut names: Vec<&ScoreName> = plan.scores.iter().collect();
    names.sort_by_key(|name| Some(*name) != decides);
    names.into_iter().filter_map(|name| score(view, plan, inks, name, Some(name) == decides)).collect()
}

fn score(
    view: &GridView<'_>,
    plan: &PlanFixed,
    inks: &[String],
    name: &ScoreName,
    decides: bool,
) -> Option<ScoreBlock> {
    let at = view.sheet.score(name)?;
    let of_arm = |arm: &crate::event::ArmFixed| -> Option<&ArmFigures> {
        view.figures()?.arms.iter().find(|figures| figures.arm == arm.name && figures.score == *name)
    };
    let means: Vec<Option<Estimate>> =
        (0..plan.arms.len()).map(|arm| estimate(view, plan, arm, at, name)).collect();
    let values = means.iter().flatten().flat_map(|mean| [Some(mean.mean), mean.low, mean.high]).flatten();
    let axis = Axis::of_rates(values);
    let mut block = ScoreBlock {
        name: clean(name.as_str()),
        decides,
        rows: Vec::new(),
        ticks: axis.ticks("scale"),
        steady: Vec::new(),
        interval: String::new(),
    };
    for ((arm, ink), mean) in plan.arms.iter().zip(inks).zip(&means) {
        let Some(mean) = mean else { continue };
        let (figure, bounds) = (figures::value(mean.mean, false), figures::bounds(mean, false));
        let shown = clean(arm.name.as_str());
        let said = format!("{shown}, {}: {figure}, {bounds}", block.name);
        block.rows.push(PlotRow {
            name: shown.clone(),
            note: words::role(arm.role).to_owned(),
            ink: ink.clone(),
            drawn: axis.row(&said, ink, mean, None),
            figure,
            bounds,
            badge: None,
        });
        let Some(figures) = of_arm(arm) else { continue };
        block.interval = clean(&figures.interval);
        block.steady.extend(steady(figures, shown, ink));
    }
    (!block.rows.is_empty()).then_some(block)
}

fn steady(arm: &ArmFigures, name: String, ink: &str) -> Option<Steady> {
    let counts = [arm.stable_pass, arm.flaky, arm.stable_fail];
    let all: u64 = counts.iter().sum();
    let chance = |chances: &[f64]| {
        chances.last().map_or_else(|| "\u{2013}".to_owned(), |chance| figures::value(*chance, false))
    };
    (all > 0).then(|| Steady {
        name,
        ink: ink.to_owned(),
        answered: format!("{} of {}", figures::whole(arm.answered), figures::whole(arm.dealt)),
        counts: counts.map(figures::whole),
        shares: counts.map(|count| (figure::float(count) / figure::float(all) * 10_000.0).round() / 100.0),
        pass_at: chance(&arm.pass_at),
        pass_all: chance(&arm.pass_all),
        trial_share: arm.trial_share.map_or_else(|| "\u{2013}".to_owned(), figures::percent),
    })
}

/// The mean of an arm: as certified, else bare.
fn estimate(
    view: &GridView<'_>,
    plan: &PlanFixed,
    arm: usize,
    at: usize,
    name: &ScoreName,
) -> Option<Estimate> {
    if let Some(certified) = view.figures() {
        let figures = certified
            .arms
            .iter()
            .find(|figures| figures.arm == plan.arms[arm].name && figures.score == *name)?;
        return (figures.answered > 0).then_some(figures.mean);
    }
    let means: Vec<f64> = (0..view.sheet.cases().len())
        .filter_map(|case| outcome::mean(view.sheet, arm, case, at))
        .map(|(mean, _)| mean)
        .collect();
    (!means.is_empty()).then(|| Estimate {
        mean: means.iter().sum::<f64>() / figure::float(means.len() as u64),
        low: None,
        high: None,
    })
}

/// Cost against score, with what its x axis is.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Costs {
    drawn: String,
    axis: &'static str,
    score: String,
    /// What is not drawn, and why.
    left_out: String,
}

/// Cost against the score that decides; `None` where neither price nor tokens of any arm are known.
pub(super) fn costs(view: &GridView<'_>, plan: &PlanFixed, inks: &[String]) -> Option<Costs> {
    let name = outcome::deciding(view.sheet)?;
    let at = view.sheet.score(name)?;
    let totals = view.sheet.arms();
    let in_dollars = totals.iter().any(|arm| arm.spend.usd_known && arm.answered > 0 && arm.spend.usd > 0.0);
    let (mut arms, mut left) = (Vec::new(), Vec::new());
    for (place, arm) in plan.arms.iter().enumerate() {
        let spend = totals.get(place)?;
        let cost = if in_dollars {
            spend.spend.usd_known.then_some(spend.spend.usd)
        } else {
            spend
                .spend
                .tokens_known
                .then_some(figure::float(spend.spend.charged_tokens()))
                .filter(|tokens| *tokens > 0.0)
        };
        let shown = clean(arm.name.as_str());
        match (cost, estimate(view, plan, place, at, name), spend.answered) {
            (Some(cost), Some(score), answered @ 1..) => {
                arms.push(Priced {
                    name: shown,
                    ink: inks[place].clone(),
                    cost: cost / figure::float(answered),
                    score,
                });
            }
            _ => left.push(shown),
        }
    }
    let left_out = if left.is_empty() {
        String::new()
    } else {
        format!("Not drawn, since the cost is not known: {}.", left.join(", "))
    };
    let (axis, word): (_, fn(f64) -> String) = if in_dollars {
        ("dollars an answer, failed requests included", figures::dollars)
    } else {
        ("tokens an answer, failed requests included; no price is known", figures::tokens)
    };
    (!arms.is_empty()).then(|| Costs {
        drawn: cost::drawing(&arms, word),
        axis,
        score: clean(name.as_str()),
        left_out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_lower_one() {
        assert_eq!([&[][..], &[7], &[1, 9], &[1, 2, 9]].map(median), [None, Some(7), Some(1), Some(2)]);
    }
}
