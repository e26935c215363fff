//! The verdict in words, and the figures that it rests on.

use serde::Serialize;

use crate::event::{
    ArmRole, CandidateFigures, Certified, ClaimFigures, GateFixed, GateMode, PlanFixed, Reason, ScoreName,
    Verdict,
};
use crate::report::human::{clean, style};

use super::super::{account, figure, words};
use super::figures;
use super::interval::{self, Axis};
use crate::report::grid::GridView;

/// What is on top of the page.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Top {
    /// Class and word of the verdict.
    class: &'static str,
    word: &'static str,
    sentence: String,
    reasons: Vec<Why>,
    remarks: Vec<String>,
    tiles: Vec<Tile>,
}

#[derive(Clone, Debug, Serialize)]
struct Why {
    key: String,
    title: &'static str,
    remedy: String,
}

/// A figure with its name and what is to be known of it.
#[derive(Clone, Debug, Serialize)]
struct Tile {
    name: String,
    figure: String,
    note: String,
}

impl Tile {
    fn new(name: &str, figure: impl Into<String>, note: impl Into<String>) -> Self {
        Self { name: name.to_owned(), figure: figure.into(), note: note.into() }
    }
}

/// The candidate that decides: the first whose verdict and reasons are those of the run.
pub(super) fn decides(certified: &Certified, verdict: Verdict) -> Option<&CandidateFigures> {
    let same = |candidate: &&CandidateFigures| candidate.verdict == Some(verdict);
    let mut all = certified.candidates.iter().filter(same);
    all.clone()
        .find(|candidate| candidate.reasons == certified.reasons)
        .or_else(|| all.next())
        .or(certified.candidates.first())
}

/// The top of the page.
pub(super) fn top(view: &GridView<'_>, plan: &PlanFixed) -> Top {
    let reached = view.sheet.verdict();
    let certified = view.figures();
    let verdict = reached.map(|reached| reached.verdict);
    let word = match verdict {
        None if plan.gate.is_some() => "no verdict",
        verdict => words::verdict(verdict).0,
    };
    let reason = |reason: &Reason| {
        let (title, _) = words::words(*reason);
        Why { key: words::key(*reason), title, remedy: words::remedy(*reason, view.sheet) }
    };
    let candidate = certified.zip(verdict).and_then(|(certified, verdict)| decides(certified, verdict));
    let sentence = match (verdict, &plan.gate, candidate) {
        (Some(verdict), Some(gate), Some(candidate)) => sentence(verdict, gate, plan, candidate),
        (None, Some(_), _) => "The run has not come to a verdict. What it has so far is below.".to_owned(),
        _ => "The suite has no gate: this run measures, and decides nothing.".to_owned(),
    };
    let claim = candidate.and_then(|candidate| candidate.claims.first());
    Top {
        class: class(verdict),
        word,
        sentence,
        reasons: certified.map_or(&[][..], |certified| &certified.reasons).iter().map(reason).collect(),
        remarks: certified
            .map_or(&[][..], |certified| &certified.remarks)
            .iter()
            .map(|remark| clean(remark))
            .chain(certified.iter().flat_map(|certified| account::agreements(certified)))
            .collect(),
        tiles: tiles(view, plan, claim),
    }
}

/// The verdict in one sentence.
fn sentence(verdict: Verdict, gate: &GateFixed, plan: &PlanFixed, candidate: &CandidateFigures) -> String {
    let name = clean(candidate.arm.as_str());
    let baseline = plan.arms.iter().find(|arm| arm.role == ArmRole::Baseline);
    let against = baseline.map_or_else(|| "the baseline".to_owned(), |arm| clean(arm.name.as_str()));
    let margin = figures::value(gate.margin, false);
    let line = figures::value(interval::demanded(gate), false);
    let by = if gate.margin > 0.0 { format!(" by more than {margin}") } else { String::new() };
    match (verdict, gate.mode) {
        (Verdict::Fail, _) if candidate.reasons.first() == Some(&Reason::GuardRegressed) => {
            format!("{name} makes a score worse that must not become worse.")
        }
        (Verdict::Pass, GateMode::Superiority) => format!("{name} is better than {against}{by}."),
        (Verdict::Fail, GateMode::Superiority) => format!("{name} is not better than {against}{by}."),
        (Verdict::Inconclusive, GateMode::Superiority) => {
            format!("Whether {name} is better than {against}{by} is not decided.")
        }
        (Verdict::Pass, GateMode::NonInferiority) => {
            format!("{name} is not worse than {against} by more than {margin}.")
        }
        (Verdict::Fail, GateMode::NonInferiority) => {
            format!("{name} is worse than {against} by more than {margin}.")
        }
        (Verdict::Inconclusive, GateMode::NonInferiority) => {
            format!("Whether {name} is worse than {against} by more than {margin} is not decided.")
        }
        (Verdict::Pass, GateMode::Threshold) => format!("{name} is above {line}."),
        (Verdict::Fail, GateMode::Threshold) => format!("{name} is below {line}."),
        (Verdict::Inconclusive, GateMode::Threshold) => {
            format!("Whether {name} is above {line} is not decided.")
        }
    }
}

fn tiles(view: &GridView<'_>, plan: &PlanFixed, claim: Option<&ClaimFigures>) -> Vec<Tile> {
    let mut tiles = Vec::new();
    if let Some((gate, claim)) = plan.gate.as_ref().zip(claim) {
        let lift = gate.mode != GateMode::Threshold;
        let name = format!("{} of {}", if lift { "Lift" } else { "Rate" }, clean(claim.score.as_str()));
        let alpha = figures::percent(gate.alpha);
        let bounds = match figures::bounds(&claim.effect, lift) {
            bounds if bounds.is_empty() => "no bounds".to_owned(),
            bounds => format!("{bounds}: one-sided bounds, {alpha} error each"),
        };
        tiles.push(Tile::new(&name, figures::value(claim.effect.mean, lift), bounds));
        let (named, what) = match gate.mode {
            GateMode::Superiority => ("Must exceed", "the lower bound must lie above it"),
            GateMode::NonInferiority => ("Tolerated", "the lower bound must lie above it"),
            GateMode::Threshold => ("Threshold", "the lower bound must lie above it"),
        };
        let p = claim.p_adjusted.or(claim.p).map_or_else(String::new, |p| format!("; p\u{a0}{}", chance(p)));
        let demanded = figures::value(interval::demanded(gate), lift);
        tiles.push(Tile::new(named, demanded, format!("{what}{p}")));
        let trials = if plan.trials == 1 { String::new() } else { format!(", {} trials each", plan.trials) };
        let units =
            format!("{} better, {} worse{trials}", figures::whole(claim.wins), figures::whole(claim.losses));
        tiles.push(Tile::new("Independent units", figures::whole(claim.units), units));
        tiles.push(could_see(claim, lift));
        tiles.push(missing(view, claim, lift));
    } else {
        let trials = style::plural(plan.trials, "trial");
        tiles.push(Tile::new(
            "Cases",
            figures::whole(plan.cases),
            format!("{} arms, {trials} each", plan.arms.len()),
        ));
        let answered: u64 = view.sheet.arms().iter().map(|arm| arm.answered).sum();
        let dealt = plan.cases * plan.trials * plan.arms.len() as u64;
        tiles.push(Tile::new(
            "Answered",
            figure::part(answered, dealt),
            format!("{} of {} cells", figures::whole(answered), figures::whole(dealt)),
        ));
    }
    let spend = view.sheet.spend();
    let judges = view.sheet.judges();
    // What is not known is a word, and how much it is at least stands below it.
    let (word, least) = if spend.usd_known {
        (figures::spent(&spend), String::new())
    } else {
        ("unknown".to_owned(), format!("at least {}; ", style::dollars(spend.usd)))
    };
    let note = if judges.usd > 0.0 || !judges.usd_known {
        format!("of it judges {}", figures::spent(judges))
    } else {
        style::tokens(&spend)
    };
    tiles.push(Tile::new("Spend", word, least + &note));
    tiles
}

/// What the evidence could have shown, and what would settle it.
fn could_see(claim: &ClaimFigures, lift: bool) -> Tile {
    let needed = match claim.units_needed {
        Some(units) => format!("; {} units would settle what was seen", figures::whole(units)),
        None => String::new(),
    };
    match claim.mde {
        Some(mde) if figure::is_any(mde) => {
            Tile::new("Could see", figure::seen(mde), format!("effect: all units differ alike{needed}"))
        }
        Some(mde) => Tile::new(
            "Could see",
            figures::value(mde, lift),
            format!("the smallest effect seen in 80 % of runs{needed}"),
        ),
        None => {
            Tile::new("Could see", "unknown", format!("too little to say what it could have seen{needed}"))
        }
    }
}

/// How far the missing cells could move the effect.
fn missing(view: &GridView<'_>, claim: &ClaimFigures, lift: bool) -> Tile {
    let gone: u64 = view.sheet.arms().iter().flat_map(|arm| arm.missing.values()).sum();
    let dealt = view.sheet.plan().map_or(0, |plan| plan.cases * plan.trials * plan.arms.len() as u64);
    let ended = view.sheet.rows().count() as u64;
    let all = gone + dealt.saturating_sub(ended);
    let range =
        format!("{} to {}", figures::value(claim.worst.mean, lift), figures::value(claim.best.mean, lift));
    if claim.worst == claim.best {
        return Tile::new("Missing cells", figures::whole(all), "nothing that is missing could change it");
    }
    Tile::new(
        "Missing cells",
        figures::whole(all),
        format!("{range}, had they all gone against it or for it"),
    )
}

/// A p-value.
fn chance(p: f64) -> String {
    let text = figure::chance(p);
    if text.starts_with('<') { text } else { format!("=\u{a0}{text}") }
}

/// Class and word of a verdict.
fn badge(verdict: Option<Verdict>) -> Option<(&'static str, &'static str)> {
    Some((class(Some(verdict?)), words::verdict(verdict).0))
}

fn class(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Pass) => "pass",
        Some(Verdict::Fail) => "fail",
        Some(Verdict::Inconclusive) => "open",
        None => "none",
    }
}

/// The claims and guards, on one axis.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plot {
    rows: Vec<PlotRow>,
    ticks: String,
    line: String,
    has_missing: bool,
}

/// A row of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PlotRow {
    pub(super) name: String,
    pub(super) note: String,
    pub(super) ink: String,
    pub(super) drawn: String,
    pub(super) figure: String,
    pub(super) bounds: String,
    /// The verdict, as class and word, on the row that it belongs to.
    pub(super) badge: Option<(&'static str, &'static str)>,
}

/// The plot of all claims and guards. `ink` gives an arm's colour.
pub(super) fn plot(gate: &GateFixed, certified: &Certified, ink: impl Fn(&str) -> String) -> Option<Plot> {
    let tolerances = gate.guard.values().map(|tolerance| -tolerance);
    let axis = Axis::of_gate(gate, interval::values(certified).into_iter().chain(tolerances));
    let (mut rows, mut has_missing) = (Vec::new(), false);
    for candidate in &certified.candidates {
        let arm = clean(candidate.arm.as_str());
        let claims = candidate.claims.iter().map(|claim| (claim, false));
        for (claim, guard) in claims.chain(candidate.guards.iter().map(|guard| (guard, true))) {
            // A guard is a lift also where the claim is a rate: it has no place on that axis.
            if guard && gate.mode == GateMode::Threshold {
                continue;
            }
            let lift = gate.mode != GateMode::Threshold;
            let line = if guard {
                gate.guard.get(&claim.score).map(|loss| -loss)
            } else {
                Some(interval::demanded(gate))
            };
            let (figure, bounds) =
                (figures::value(claim.effect.mean, lift), figures::bounds(&claim.effect, lift));
            let score = clean(claim.score.as_str());
            let note = match (guard, line) {
                (true, Some(line)) => format!("{score}, guarded: {}", figures::value(line, true)),
                _ => score.clone(),
            };
            let moved = claim.worst != claim.best;
            has_missing |= moved;
            let said = format!("{arm}, {score}: {figure}, {bounds}");
            rows.push(PlotRow {
                name: arm.clone(),
                note,
                ink: ink(candidate.arm.as_str()),
                drawn: axis.with_line(line).row(
                    &said,
                    &ink(candidate.arm.as_str()),
                    &claim.effect,
                    moved.then_some((&claim.worst, &claim.best)),
                ),
                figure,
                bounds,
                badge: (!guard && claim.score == gate.score).then(|| badge(candidate.verdict)).flatten(),
            });
        }
    }
    let line = interval::demanded(gate);
    let named = match gate.mode {
        GateMode::Threshold => format!("threshold {}", figures::value(line, false)),
        GateMode::NonInferiority => format!("tolerated {}", figures::value(line, true)),
        GateMode::Superiority if line == 0.0 => "must exceed 0".to_owned(),
        GateMode::Superiority => format!("must exceed {}", figures::value(line, true)),
    };
    (!rows.is_empty()).then(|| Plot {
        rows,
        ticks: axis.ticks("scale"),
        line: axis.line_name(&named),
        has_missing,
    })
}

/// A claim in figures.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClaimRow {
    name: String,
    score: String,
    role: &'static str,
    verdict: &'static str,
    class: &'static str,
    reasons: Vec<String>,
    cells: Vec<String>,
    how: String,
}

/// All claims and guards in figures, in the order of the plan.
pub(super) fn claims(gate: &GateFixed, certified: &Certified) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    for candidate in &certified.candidates {
        let (class, verdict) = badge(candidate.verdict).unwrap_or(("none", ""));
        let claims = candidate.claims.iter().map(|claim| (claim, "claim"));
        for (at, (claim, role)) in
            claims.chain(candidate.guards.iter().map(|guard| (guard, "guard"))).enumerate()
        {
            rows.push(ClaimRow {
                name: clean(candidate.arm.as_str()),
                score: clean(claim.score.as_str()),
                role,
                verdict: if at == 0 { verdict } else { "" },
                class,
                reasons: if at == 0 {
                    candidate.reasons.iter().map(words::key).collect()
                } else {
                    Vec::new()
                },
                cells: cells(gate, claim, role == "guard"),
                how: how(&claim.score, claim, candidate),
            });
        }
    }
    rows
}

/// The names of [`cells`].
pub(super) const CLAIM_COLUMNS: [&str; 9] = [
    "effect",
    "low",
    "high",
    "if missing fail",
    "if missing pass",
    "p adjusted",
    "units",
    "better / worse",
    "could see",
];

fn cells(gate: &GateFixed, claim: &ClaimFigures, guard: bool) -> Vec<String> {
    let lift = guard || gate.mode != GateMode::Threshold;
    let or_none =
        |value: Option<f64>| value.map_or_else(|| "\u{2013}".to_owned(), |value| figures::value(value, lift));
    let p = claim.p_adjusted.or(claim.p);
    vec![
        figures::value(claim.effect.mean, lift),
        or_none(claim.effect.low),
        or_none(claim.effect.high),
        figures::value(claim.worst.mean, lift),
        figures::value(claim.best.mean, lift),
        p.map_or_else(|| "\u{2013}".to_owned(), figure::chance),
        figures::whole(claim.units),
        format!("{} / {}", figures::whole(claim.wins), figures::whole(claim.losses)),
        claim.mde.filter(|mde| figure::is_any(*mde)).map_or_else(|| or_none(claim.mde), figure::seen),
    ]
}

/// How a claim was tested, in words.
fn how(score: &ScoreName, claim: &ClaimFigures, candidate: &CandidateFigures) -> String {
    let mut parts = vec![
        format!("{}, {}: {}", clean(candidate.arm.as_str()), clean(score.as_str()), clean(&claim.test)),
        format!("bounds by {}", clean(&claim.interval)),
        format!(
            "{} pairs of cells answered on both arms, {} on the candidate only, {} on the baseline only",
            figures::whole(candidate.matched),
            figures::whole(candidate.candidate_only),
            figures::whole(candidate.baseline_only)
        ),
    ];
    parts.extend(claim.units_needed.map(|units| {
        format!(
            "an effect as large as the one seen would be settled by {} units, at 80 % power",
            figures::whole(units)
        )
    }));
    parts.extend(
        claim.stopped_after.map(|units| format!("stopped early, after {} units", figures::whole(units))),
    );
    parts.extend(
        claim
            .wealth
            .map(|wealth| format!("the sequential test ended with odds of {wealth:.1} against the null")),
    );
    parts.extend(candidate.savings_usd.map(|saved| format!("saves {} a case", figures::dollars(saved.mean))));
    parts.join("; ") + "."
}
