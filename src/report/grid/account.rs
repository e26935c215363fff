//! A verdict in sentences: the same ones for the terminal, the pull request, the test report and the annotations.

use std::fmt::Write as _;

use super::{GridView, figure, foresight, words};
use crate::event::{
    CandidateFigures, Certified, ClaimFigures, Estimate, GateFixed, GateMode, Reason, Sheet, Verdict,
};
use crate::report::human::style;
use crate::text;

/// What there is to say of a candidate, or of a run without one.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// The candidate; empty for the run as a whole.
    pub(super) arm: String,
    /// Its verdict.
    pub(super) verdict: Option<Verdict>,
    /// Why.
    pub(super) reasons: Vec<Reason>,
    /// What the verdict rests on, a sentence each, without a full stop.
    pub(super) facts: Vec<String>,
    /// What would settle it.
    pub(super) settles: Vec<String>,
}

/// What there is to say of each candidate, in the order of the plan.
pub(super) fn accounts(sheet: &Sheet, certified: &Certified) -> Vec<Account> {
    let Some(gate) = sheet.plan().and_then(|plan| plan.gate.as_ref()) else { return Vec::new() };
    let overall = sheet.verdict().map(|reached| reached.verdict);
    if certified.candidates.is_empty() {
        return vec![Account { verdict: overall, reasons: certified.reasons.clone(), ..Account::default() }];
    }
    let level = level(gate, certified);
    certified.candidates.iter().map(|candidate| account(sheet, gate, &level, candidate)).collect()
}

fn account(sheet: &Sheet, gate: &GateFixed, level: &str, candidate: &CandidateFigures) -> Account {
    let mut facts = Vec::new();
    let mut settles = Vec::new();
    for each in &candidate.claims {
        facts.extend(claim(level, each, gate.mode));
        settles.extend(settle(each, candidate.verdict));
    }
    for guard in &candidate.guards {
        let by = gate.guard.get(&guard.score).copied().unwrap_or_default();
        let name = style::clean(guard.score.as_str());
        facts.push(format!("guard {name}: a loss of {} is tolerated", figure::number(by)));
        facts.extend(claim(level, guard, GateMode::NonInferiority));
    }
    facts.extend(coverage(sheet, candidate));
    if let Some(savings) = &candidate.savings_usd {
        let is_dearer = savings.mean < 0.0;
        let negated = |bound: Option<f64>| bound.map(|bound| -bound);
        let more = Estimate { mean: -savings.mean, low: negated(savings.high), high: negated(savings.low) };
        let (by, than) = if is_dearer { (&more, "more") } else { (savings, "less") };
        facts.push(format!("it costs {} a case {than} than the baseline", usd(by)));
    }
    Account {
        arm: style::clean(candidate.arm.as_str()),
        verdict: candidate.verdict,
        reasons: candidate.reasons.clone(),
        facts,
        settles,
    }
}

/// What a claim rests on.
fn claim(level: &str, claim: &ClaimFigures, mode: GateMode) -> Vec<String> {
    let lift = mode != GateMode::Threshold;
    let (name, what) = (style::clean(claim.score.as_str()), words::effect(mode));
    let better =
        if lift { format!(", {} better and {} worse", claim.wins, claim.losses) } else { String::new() };
    let units = text::plural(claim.units, "independent unit");
    let mut facts = vec![format!("{name}: {what} {}, {units}{better}", bounded(level, &claim.effect, lift))];
    let p = match (claim.p, claim.p_adjusted) {
        (None, _) => String::new(),
        (Some(p), Some(adjusted)) if adjusted > p => {
            format!(", p {}, {} after Holm", figure::chance(p), figure::chance(adjusted))
        }
        (Some(p), _) => format!(", p {}", figure::chance(p)),
    };
    facts.push(format!(
        "{name}: {}{p}; bounds: {}",
        style::clean(&claim.test),
        style::clean(&claim.interval)
    ));
    if claim.worst != claim.effect || claim.best != claim.effect {
        facts.push(format!(
            "{name}: had all that is missing gone against it, {what} {}; had it gone its way, {}",
            figure::estimate(&claim.worst, lift),
            figure::estimate(&claim.best, lift)
        ));
    }
    if let Some(after) = claim.stopped_after {
        let odds = claim.wealth.map_or_else(String::new, |wealth| format!(", at odds of {wealth:.1} to 1"));
        facts.push(format!("{name}: it stopped early, after {}{odds}", text::plural(after, "unit")));
    }
    match claim.mde {
        Some(seen) if figure::is_any(seen) => facts.push(format!(
            "{name}: all units differ alike, so that this evidence could see any effect at 80 % power"
        )),
        Some(seen) => facts.push(format!(
            "{name}: this evidence could see an effect of {} at 80 % power",
            figure::number(seen)
        )),
        None => {}
    }
    facts
}

/// `+0.060, at least +0.011 and at most +0.109 (one-sided, 95 %)`
fn bounded(level: &str, effect: &Estimate, lift: bool) -> String {
    let bound = |word, bound: Option<f64>| bound.map(|it| format!("{word} {}", figure::effect(it, lift)));
    let bounds: Vec<String> =
        [bound("at least", effect.low), bound("at most", effect.high)].into_iter().flatten().collect();
    let mean = figure::effect(effect.mean, lift);
    if bounds.is_empty() { mean } else { format!("{mean}, {} ({level})", bounds.join(" and ")) }
}

/// At which level the bounds of claims hold: several claims share one error rate.
pub(super) fn level(gate: &GateFixed, certified: &Certified) -> String {
    let claims: usize = certified.candidates.iter().map(|candidate| candidate.claims.len()).sum();
    let together = if claims > 1 { " over all claims" } else { "" };
    format!("one-sided, {}{together}", figure::percent(1.0 - gate.alpha))
}

/// What would settle a claim that is not settled.
fn settle(claim: &ClaimFigures, verdict: Option<Verdict>) -> Option<String> {
    let needed = claim.units_needed.filter(|_| verdict == Some(Verdict::Inconclusive))?;
    let name = style::clean(claim.score.as_str());
    Some(format!(
        "{name}: {} would settle an effect as large as this one, at 80 % power; there were {}",
        text::plural(needed, "unit"),
        claim.units
    ))
}

/// What could not be compared.
fn coverage(sheet: &Sheet, candidate: &CandidateFigures) -> Option<String> {
    let plan = sheet.plan()?;
    let dealt = plan.cases.saturating_mul(plan.trials);
    if candidate.matched == dealt || (candidate.candidate_only, candidate.baseline_only) == (0, 0) {
        return None;
    }
    Some(format!(
        "answered on both arms: {} of {dealt}; on the candidate only {}, on the baseline only {}",
        candidate.matched, candidate.candidate_only, candidate.baseline_only
    ))
}

/// What is missing, arm by arm: `fixer-v2: 3 of 600 cells missing: 2 infrastructure: overloaded, 1 timeout: stall`.
pub(super) fn missing(sheet: &Sheet) -> Vec<String> {
    let Some(plan) = sheet.plan() else { return Vec::new() };
    let dealt = plan.cases.saturating_mul(plan.trials);
    let mut lines = Vec::new();
    for (arm, totals) in plan.arms.iter().zip(sheet.arms()) {
        let known: u64 = totals.missing.values().sum();
        let open = dealt.saturating_sub(totals.answered).saturating_sub(known);
        let mut reasons: Vec<String> = totals
            .classes
            .iter()
            .map(|((reason, class), count)| format!("{count} {}", words::gone(*reason, *class)))
            .collect();
        if open > 0 {
            reasons.push(format!("{open} not run"));
        }
        if !reasons.is_empty() {
            let (name, gone) = (style::clean(arm.name.as_str()), known + open);
            lines.push(format!("{name}: {gone} of {dealt} cells missing: {}", reasons.join(", ")));
        }
    }
    lines
}

/// What a reader must know of the run beside its figures.
pub(super) fn remarks(sheet: &Sheet, certified: Option<&Certified>) -> Vec<String> {
    let mut remarks: Vec<String> =
        certified.iter().flat_map(|certified| &certified.remarks).map(|it| style::clean(it)).collect();
    remarks.extend(certified.iter().flat_map(|certified| agreements(certified)));
    remarks.extend(sheet.plan().and_then(foresight::uses));
    if sheet.lost() > 0 {
        let cells = text::plural(sheet.lost(), "cell");
        remarks.push(format!("{cells} cut off by the end of a process: what they have spent is not known"));
    }
    if sheet.lost_treatments() > 0 {
        let asked = text::plural(sheet.lost_treatments(), "treatment");
        remarks.push(format!("{asked} cut off by the end of a process: what they have spent is not known"));
    }
    if sheet.late() > 0 {
        let results = text::plural(sheet.late(), "result");
        remarks.push(format!("{results} of cells that had an answer already: counted as cost only"));
    }
    remarks
}

/// How far judges agree with themselves, a line for each arm and score that was judged several times.
pub(super) fn agreements(certified: &Certified) -> Vec<String> {
    let said = |figures: &crate::event::ArmFigures| {
        let agreement = figures.agreement.as_ref()?;
        let what = words::reliability(agreement.means);
        let mut line = format!(
            "the judge of {} agrees with itself on {} at \u{3b1} {:.2} ({} judged more than once): {what}",
            figures.score,
            figures.arm,
            agreement.alpha,
            text::plural(agreement.units, "grade"),
        );
        let parts: Vec<String> =
            agreement.dimensions.iter().map(|(name, alpha)| format!("{name} {alpha:.2}")).collect();
        if !parts.is_empty() {
            let _ = write!(line, "; {}", parts.join(", "));
        }
        Some(style::clean(&line))
    };
    certified.arms.iter().filter_map(said).collect()
}

/// What was spent, by whom: name and amount.
pub(super) fn spend(sheet: &Sheet) -> Vec<(String, crate::event::Spend)> {
    let plan = sheet.plan();
    let called = |arm: &crate::event::ArmFixed| {
        let offline = if arm.offline { " (offline)" } else { "" };
        format!("{}{offline}", style::clean(arm.name.as_str()))
    };
    let arms = plan.iter().flat_map(|plan| &plan.arms).map(called);
    let mut rows: Vec<_> = arms.zip(sheet.arms()).map(|(name, totals)| (name, totals.spend)).collect();
    for (name, spend) in [("judges", sheet.judges()), ("treatments", sheet.treatments())] {
        if !spend.tokens_known || spend.charged_tokens() > 0 || spend.usd > 0.0 {
            rows.push((name.to_owned(), *spend));
        }
    }
    rows.push(("in all".to_owned(), sheet.spend()));
    rows
}

/// What treatments came to, a line each: words before and after, what it cost, and after how many cases that is earned.
pub(super) fn treatments(view: &GridView<'_>, certified: Option<&Certified>) -> Vec<String> {
    let mut names: Vec<&str> = view.treatments.iter().map(|applied| applied.treatment.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut lines = Vec::new();
    for name in names {
        let of = || view.treatments.iter().filter(|applied| applied.treatment == name);
        let done = || of().filter(|applied| applied.skipped.is_none());
        let before: u64 = done().map(|applied| applied.words_before).sum();
        let after: u64 = done().map(|applied| applied.words_after).sum();
        let mut models: Vec<&str> = done().filter_map(|applied| applied.model.as_deref()).collect();
        models.sort_unstable();
        models.dedup();
        let mut spend = crate::event::Spend::default();
        of().filter(|applied| applied.attempts > 0).for_each(|applied| spend.bill(applied.usage.as_ref()));
        let count = done().count() as u64;
        // What was asked for in vain ended the run, and came when it was called again.
        let skipped = of().filter(|applied| applied.skipped.is_some() && applied.attempts == 0).count();
        let by = if models.is_empty() { String::new() } else { format!(" by {}", models.join(", ")) };
        let kept = figure::part(after, before);
        let left = if skipped == 0 { String::new() } else { format!("; {skipped} left as they are") };
        let texts = text::plural(count, "text");
        let mut line = format!("{name}: {texts} from {before} to {after} words ({kept}){by}{left}");
        let _ = write!(line, "; it cost {}", style::money(&spend));
        if count > 0 {
            line.push_str(&earned(view.sheet, certified, name, &spend));
        }
        lines.push(style::clean(&line));
    }
    lines
}

/// After how many cases the cost of a treatment is earned back: ceil(what it cost / what it saves on each).
fn earned(sheet: &Sheet, certified: Option<&Certified>, name: &str, spend: &crate::event::Spend) -> String {
    let arms = sheet.plan().map_or(&[][..], |plan| &plan.arms);
    let treated = |arm: &crate::event::ArmName| {
        arms.iter().any(|fixed| fixed.name == *arm && fixed.treatment.as_deref() == Some(name))
    };
    let mut of = certified.iter().flat_map(|certified| &certified.candidates).filter(|one| treated(&one.arm));
    let saved = of.next().and_then(|candidate| candidate.savings_usd).map(|saved| saved.mean);
    let unknown = |what: &str| format!("; after how many cases that is earned back is unknown: {what}");
    match saved {
        _ if !spend.usd_known => unknown("its price is"),
        None => unknown("what a case saves is"),
        Some(saved) if saved <= 0.0 => ", and it saves nothing".to_owned(),
        Some(saved) => format!(", earned back after {:.0} cases", (spend.usd / saved).ceil()),
    }
}

/// Dollars with their bounds.
fn usd(estimate: &Estimate) -> String {
    let dollars = |usd: f64| {
        let amount = style::dollars(usd.abs());
        if usd < 0.0 { format!("-{amount}") } else { amount }
    };
    let mean = dollars(estimate.mean);
    match (estimate.low, estimate.high) {
        (None, None) => mean,
        (low, high) => {
            let bound = |bound: Option<f64>| bound.map_or_else(|| "-".to_owned(), dollars);
            format!("{mean} [{}, {}]", bound(low), bound(high))
        }
    }
}
