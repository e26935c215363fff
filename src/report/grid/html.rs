//! The run as one HTML page that needs nothing else: no network, no library, no file beside it but raw transcripts.
//!
//! All drawings are made here, as text. The script of the page only filters, sorts and opens; without it everything but
//! prompts and answers can be read. A policy in the page itself forbids every connection and every script but this one,
//! whatever an agent has written.

mod arms;
mod cases;
mod cost;
mod data;
mod figures;
mod interval;
mod scale;
mod svg;
mod table;
mod verdict;

use std::collections::BTreeMap;

use base64::Engine as _;
use minijinja::{Environment, Value, context, value};
use serde::Serialize;
use sha2::Digest as _;

use self::interval::Axis;
use self::verdict::PlotRow;
use super::{GridView, Stands, figure, foresight, outcome, words};
use crate::event::{ArmRole, CellIndex, GateMode, PlanFixed, TreatmentApplied};
use crate::report::human::{clean, style};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Characters of a treated text that are shown, and treatments that are listed, at most.
const TREATED: usize = 20_000;
const TREATMENTS: usize = 100;

/// The page. The same view gives the same bytes.
pub fn page(view: &GridView<'_>) -> String {
    // The template is a part of this program, and tests render all of it: what remains is memory that has run out.
    render(view).unwrap_or_else(|error| {
        format!(
            "<!doctype html><meta charset=\"utf-8\"><title>provost</title><pre>{}</pre>",
            svg::escape(&error.to_string())
        )
    })
}

fn render(view: &GridView<'_>) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    // Its name ends in `.html`: everything is escaped that is not marked as safe below.
    environment.add_filter("coded", coded);
    environment.add_template("page.html", TEMPLATE)?;
    environment.get_template("page.html")?.render(facts(view))
}

/// A sentence in which names stand between backquotes, with these as code.
fn coded(sentence: String) -> Value {
    let parts: Vec<&str> = sentence.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // One of them has no partner, and means nothing.
        return Value::from(sentence);
    }
    let part = |(at, part): (usize, &&str)| match at % 2 {
        0 => svg::escape(part),
        _ => format!("<code>{}</code>", svg::escape(part)),
    };
    Value::from_safe_string(parts.iter().enumerate().map(part).collect())
}

/// All that the template names.
fn facts(view: &GridView<'_>) -> Value {
    let script = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(SCRIPT));
    let frame = context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        script_sha256 => script,
        run_dir => clean(&view.run_dir),
        labels => view.labels.iter().map(|(key, value)| [clean(key), clean(value)]).collect::<Vec<_>>(),
        ended => view.ended.map(|ended| context! {
            words => style::run_outcome(ended.outcome).0,
            exit_code => ended.exit_code,
            reason => clean(ended.reason.as_deref().unwrap_or_default()),
            run => clean(ended.run.as_str()),
        }),
    };
    let Some(plan) = view.sheet.plan() else {
        return context! { plan => (), ..frame };
    };
    let inks = arms::inks(plan);
    let baseline = plan.arms.iter().position(|arm| arm.role == ArmRole::Baseline);
    let score = outcome::deciding(view.sheet).and_then(|name| view.sheet.score(name));
    let columns = table::Columns { score: score.unwrap_or_default(), baseline, inks: &inks };
    let shown = table::shown(view.sheet, &columns);
    let left = view.sheet.cases().len() - shown.len();
    let standing = standing(view, plan, &shown);
    let rows = table::rows(view.sheet, &standing, &columns, &shown);
    let candidates: Vec<String> = plan
        .arms
        .iter()
        .enumerate()
        .filter(|(at, _)| Some(*at) != baseline)
        .map(|(_, arm)| clean(arm.name.as_str()))
        .collect();
    let ink = |name: &str| {
        plan.arms
            .iter()
            .position(|arm| arm.name.as_str() == name)
            .and_then(|at| inks.get(at))
            .cloned()
            .unwrap_or_default()
    };
    let gated = plan.gate.as_ref().zip(view.figures());
    context! {
        plan => of_plan(view, plan),
        top => value::Serde(verdict::top(view, plan)),
        plot => value::Serde(gated.and_then(|(gate, certified)| verdict::plot(gate, certified, ink))),
        claim_columns => verdict::CLAIM_COLUMNS,
        claims => value::Serde(gated.map(|(gate, certified)| verdict::claims(gate, certified))),
        arms => value::Serde(arms::rows(view.sheet, plan, &inks)),
        scores => value::Serde(arms::scores(view, plan, &inks)),
        pictures => value::Serde(pictures(view, plan, baseline, score, &inks)),
        costs => value::Serde(arms::costs(view, plan, &inks)),
        slices => value::Serde(slices(view, plan, &ink)),
        treatments => view.treatments.iter().take(TREATMENTS).map(|treatment| applied(view, treatment)).collect::<Vec<_>>(),
        treatments_left => view.treatments.len().saturating_sub(TREATMENTS),
        rows => value::Serde(rows),
        rows_left => (left > 0).then(|| figures::whole(left as u64)),
        candidates => candidates,
        has_baseline => baseline.is_some(),
        tags => tags(view),
        data => Value::from_safe_string(data::json(view, &standing, &shown)),
        ..frame
    }
}

/// What stands of the cells of some cases.
fn standing(view: &GridView<'_>, plan: &PlanFixed, cases: &[usize]) -> BTreeMap<CellIndex, Stands> {
    let each = plan.arms.len() as u64 * plan.trials;
    let cells = cases.iter().flat_map(|case| (*case as u64 * each..(*case as u64 + 1) * each).map(CellIndex));
    cells.filter_map(|cell| Some((cell, (view.stands)(cell)?))).collect()
}

/// The plan, for the head and the foot of the page.
fn of_plan(view: &GridView<'_>, plan: &PlanFixed) -> Value {
    let arms: Vec<Value> = plan
        .arms
        .iter()
        .map(|arm| {
            context! {
                name => clean(arm.name.as_str()),
                profile => arm.profile_sha256.to_string(),
                provenance => arm.provenance_sha256.to_string(),
            }
        })
        .collect();
    context! {
        suite => clean(&plan.suite),
        cases => figures::whole(plan.cases),
        units => figures::whole(plan.units),
        trials => plan.trials,
        arms_count => plan.arms.len(),
        cells => figures::whole(plan.cases * plan.trials * plan.arms.len() as u64),
        part => plan.part.as_deref().map(clean),
        uses => plan.uses,
        seed => plan.seed.to_string(),
        sha256 => plan.plan_sha256.to_string(),
        evidence => view.sheet.verdict().map(|reached| reached.evidence_sha256.to_string()),
        mde => plan.mde.map(|mde| figures::value(mde, plan.gate.as_ref().is_none_or(|gate| gate.mode != GateMode::Threshold))),
        mde_assumes => clean(plan.mde_assumes.as_deref().unwrap_or_default()),
        expected => (plan.expected.is_some() || plan.expected_usd.is_some()).then(|| foresight::expected(plan)),
        lost => view.sheet.lost(),
        late => view.sheet.late(),
        arms => arms,
        gate => plan.gate.as_ref().map(|gate| context! {
            score => clean(gate.score.as_str()),
            mode => words::key(gate.mode),
            alpha => figures::percent(gate.alpha),
            coverage => figures::percent(gate.coverage),
            sequential => gate.sequential,
        }),
    }
}

/// The drawings of cases: each candidate against the baseline, or each arm by itself.
fn pictures(
    view: &GridView<'_>,
    plan: &PlanFixed,
    baseline: Option<usize>,
    score: Option<usize>,
    inks: &[String],
) -> Vec<cases::Drawn> {
    let Some(score) = score else { return Vec::new() };
    let arms = (0..plan.arms.len()).filter(|arm| Some(*arm) != baseline);
    arms.filter_map(|arm| match baseline {
        Some(baseline) => cases::against(view.sheet, baseline, arm, score, &inks[arm]),
        None => cases::alone(view.sheet, arm, score, &inks[arm]),
    })
    .collect()
}

/// Parts of the suite by tag, on one axis.
#[derive(Clone, Debug, Serialize)]
struct Slices {
    rows: Vec<PlotRow>,
    ticks: String,
    lift: bool,
}

fn slices(view: &GridView<'_>, plan: &PlanFixed, ink: &impl Fn(&str) -> String) -> Option<Slices> {
    let slices = &view.figures()?.slices;
    let lift = plan.gate.as_ref().is_none_or(|gate| gate.mode != GateMode::Threshold);
    let values: Vec<f64> = slices
        .iter()
        .flat_map(|slice| [Some(slice.effect.mean), slice.effect.low, slice.effect.high])
        .flatten()
        .collect();
    let axis = if lift { Axis::of_lifts(values) } else { Axis::of_rates(values) };
    let rows: Vec<PlotRow> = slices
        .iter()
        .map(|slice| {
            let (tag, arm, cases) =
                (clean(&slice.tag), clean(slice.arm.as_str()), style::plural(slice.cases, "case"));
            let q = slice.q.map_or_else(String::new, |q| format!(", q\u{a0}{}", figure::chance(q)));
            let (figure, bounds) =
                (figures::value(slice.effect.mean, lift), figures::bounds(&slice.effect, lift));
            PlotRow {
                drawn: axis.row(
                    &format!("{tag}, {arm}: {figure}, {bounds}"),
                    &ink(slice.arm.as_str()),
                    &slice.effect,
                    None,
                ),
                note: format!("{arm}, {}, {cases}{q}", clean(slice.score.as_str())),
                name: tag,
                ink: ink(slice.arm.as_str()),
                figure,
                bounds,
                badge: None,
            }
        })
        .collect();
    (!rows.is_empty()).then(|| Slices { rows, ticks: axis.ticks("scale"), lift })
}

/// A treatment with its texts.
fn applied(view: &GridView<'_>, treatment: &TreatmentApplied) -> Value {
    let text = |sha256| (view.texts)(sha256).map(|text| crate::text::truncate(&text, TREATED).into_owned());
    context! {
        name => clean(&treatment.treatment),
        before => figures::whole(treatment.words_before),
        target => figures::whole(treatment.words_target),
        after => figures::whole(treatment.words_after),
        skipped => clean(treatment.skipped.as_deref().unwrap_or_default()),
        model => clean(treatment.model.as_deref().unwrap_or("no model")),
        spend => figures::usage(treatment.usage.as_ref()),
        duration => style::millis(treatment.duration_ms),
        text_before => text(&treatment.before_sha256),
        text_after => text(&treatment.after_sha256),
    }
}

/// All tags of the suite, each once.
fn tags(view: &GridView<'_>) -> Vec<String> {
    let all = view.sheet.cases().iter().flat_map(crate::event::PlannedCase::tags).map(clean);
    all.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests;
