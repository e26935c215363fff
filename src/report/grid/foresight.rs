//! What is said of a plan before its first cell: what will be done, what it must show, what it can see and what it may cost.

use super::{figure, words};
use crate::event::{ArmFixed, GateFixed, GateMode, PlanFixed};
use crate::report::human::style::{self, Look};
use crate::text;

/// The lines of a plan, plain.
pub(super) fn lines(plan: &PlanFixed, look: Look) -> Vec<String> {
    let mut lines = vec![size(plan)];
    lines.extend(plan.arms.iter().map(|each| arm(each, look)));
    if let Some(gate) = &plan.gate {
        lines.push(format!("gate: {}", demand(gate)));
        lines.extend(also(gate));
        lines.push(sight(plan));
    } else {
        lines.push("no gate: the suite only measures".to_owned());
    }
    lines.push(format!("expected spend: {}", expected(plan)));
    lines.extend(plan.expected.iter().filter_map(|expected| expected.over.as_deref()).map(style::clean));
    lines.extend(uses(plan));
    lines
}

/// What it is expected to cost, and where that is from.
pub(super) fn expected(plan: &PlanFixed) -> String {
    let most = plan.expected.as_ref().and_then(|expected| expected.most_usd);
    let what = match (plan.expected_usd, most) {
        (Some(usd), _) => style::dollars(usd),
        (None, Some(most)) => format!("at most about {}", style::dollars(most)),
        (None, None) => "unknown".to_owned(),
    };
    match plan.expected.as_ref().map(|expected| style::clean(&expected.says)).filter(|says| !says.is_empty())
    {
        Some(says) => format!("{what} ({says})"),
        None => what,
    }
}

/// How worn out the part is.
pub(super) fn uses(plan: &PlanFixed) -> Option<String> {
    let before = text::plural(plan.uses, "run");
    let part =
        plan.part.as_deref().map_or_else(|| "these cases".to_owned(), |part| format!("the part {part}"));
    (plan.uses > 0).then(|| format!("{before} of this root measured {part} before: each look wears it out"))
}

/// `suite triage, part test: 120 cases (40 independent units) x 5 trials x 2 arms, 1200 cells`
pub(super) fn size(plan: &PlanFixed) -> String {
    let part = plan.part.as_deref().map_or_else(String::new, |part| format!(", part {}", style::clean(part)));
    let arms = text::plural(plan.arms.len() as u64, "arm");
    let (trials, cells) = (text::plural(plan.trials, "trial"), text::plural(plan.cells, "cell"));
    format!("suite {}{part}: {} x {trials} x {arms}, {cells} to run", style::clean(&plan.suite), cases(plan))
}

/// `120 cases`, and how many of them are independent where they are not all.
pub(super) fn cases(plan: &PlanFixed) -> String {
    let cases = text::plural(plan.cases, "case");
    if plan.units == plan.cases {
        return cases;
    }
    format!("{cases} ({})", text::plural(plan.units, "independent unit"))
}

fn arm(arm: &ArmFixed, look: Look) -> String {
    let model = arm.model.as_deref().unwrap_or("its own model");
    let mut parts = vec![format!("{} with {model}", arm.harness)];
    if arm.profile != arm.name.as_str() {
        parts.push(format!("profile {}", arm.profile));
    }
    parts.extend(arm.offline.then(|| "offline".to_owned()));
    parts.extend(arm.treatment.as_ref().map(|treatment| format!("treatment {treatment}")));
    parts.extend(arm.stored.as_ref().map(|run| format!("stored, from {run}")));
    let parts: Vec<String> = parts.iter().map(|part| style::clean(part)).collect();
    let role = words::role(arm.role);
    format!("{role:<9} {}: {}", style::clean(arm.name.as_str()), parts.join(look.dot()))
}

/// What must be shown.
pub(super) fn demand(gate: &GateFixed) -> String {
    let (score, margin) = (style::clean(gate.score.as_str()), figure::number(gate.margin));
    let error = figure::percent(gate.alpha);
    let what = match gate.mode {
        GateMode::Superiority => format!("the lift of {score} must be above {margin}"),
        GateMode::NonInferiority => {
            let cheaper = if gate.cheaper { ", and it must cost less" } else { "" };
            format!("the loss of {score} must be within {margin}{cheaper}")
        }
        GateMode::Threshold => {
            let min = gate.min.map_or_else(|| "an unknown rate".to_owned(), figure::number);
            format!("the rate of {score} must be above {min}")
        }
    };
    let early =
        if gate.sequential { "; it may stop early, by a test that is valid at every look" } else { "" };
    format!("{what}; at most {error} of null changes pass{early}")
}

/// What else the gate holds, a line each.
fn also(gate: &GateFixed) -> Vec<String> {
    let mut lines = Vec::new();
    if !gate.also.is_empty() {
        let names: Vec<String> = gate.also.iter().map(|score| style::clean(score.as_str())).collect();
        lines.push(format!("also claimed, under the same error rate: {}", names.join(", ")));
    }
    if !gate.guard.is_empty() {
        let guards: Vec<String> = gate
            .guard
            .iter()
            .map(|(score, by)| format!("{} (by {})", style::clean(score.as_str()), figure::number(*by)))
            .collect();
        lines.push(format!("must not become worse: {}", guards.join(", ")));
    }
    if gate.coverage > 0.0 {
        lines.push(format!(
            "answers are demanded for {} of the cells of each arm",
            figure::percent(gate.coverage)
        ));
    }
    if gate.stubs {
        lines.push("cells without reported usage are accepted".to_owned());
    }
    lines
}

/// The smallest effect that it can see.
fn sight(plan: &PlanFixed) -> String {
    let Some(mde) = plan.mde else { return "the smallest effect that it can see is not known".to_owned() };
    let assumes = plan.mde_assumes.as_deref().map(style::clean).filter(|assumes| !assumes.is_empty());
    let assumes = assumes.map_or_else(String::new, |assumes| format!(" ({assumes})"));
    format!("it can see an effect of {} at 80 % power{assumes}", figure::number(mde))
}
