//! Several stored runs side by side, by their labels: a grid of models, prompts and treatments.
//!
//! Each verdict is about its own run. No claim is made of one row against another: with many rows the best one is best by
//! luck, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::columns::{Column, Columns};
use super::{figure, markdown, outcome, words};
use crate::event::{
    ArmRole, CandidateFigures, Certified, Estimate, GateMode, Reason, RunEnded, ScoreName, Sha256, Sheet,
    Spend, Verdict,
};
use crate::report::human::style::{self, Ink, Look};

/// A candidate of a stored run.
#[derive(Clone, Debug, PartialEq)]
pub struct GridRow {
    /// The run, as it was named.
    pub run: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The suite.
    pub suite: String,
    /// The candidate; or an arm of a run that only measured.
    pub arm: String,
    /// What was done to its prompt.
    pub treatment: Option<String>,
    /// The score that decides.
    pub score: Option<ScoreName>,
    /// What was to be shown.
    pub mode: Option<GateMode>,
    /// The verdict on the candidate.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The lift, or in threshold mode the rate, with its one-sided bounds.
    pub effect: Option<Estimate>,
    /// The mean of the score on this arm, 95 %, two-sided.
    pub mean: Option<Estimate>,
    /// Cells with an answer.
    pub answered: u64,
    /// Cells that were dealt.
    pub dealt: u64,
    /// What the run has consumed on this arm.
    pub spend: Spend,
    /// What the run ended with; absent where it goes on or was cut off.
    pub exit_code: Option<u8>,
    /// What must be equal for two rows to be about the same thing, by name.
    pub basis: BTreeMap<&'static str, String>,
}

/// The rows of a run: one for each candidate, or for each arm where there is none. `measured` are the figures of a run
/// without a gate; a verdict brings its own.
pub fn grid_rows(
    run: &str,
    labels: &BTreeMap<String, String>,
    sheet: &Sheet,
    measured: Option<&Certified>,
    ended: Option<&RunEnded>,
) -> Vec<GridRow> {
    let Some(plan) = sheet.plan() else { return Vec::new() };
    let certified = sheet.verdict().map(|reached| &reached.certified).or(measured);
    let score = outcome::deciding(sheet).cloned();
    let gate = plan.gate.as_ref();
    let several = plan.arms.iter().any(|arm| arm.role == ArmRole::Candidate) && gate.is_some();
    let shown =
        plan.arms.iter().zip(sheet.arms()).filter(|(arm, _)| !several || arm.role == ArmRole::Candidate);
    let row = |(arm, totals): (&crate::event::ArmFixed, &crate::event::ArmTotals)| {
        let candidate: Option<&CandidateFigures> =
            certified.and_then(|certified| certified.candidates.iter().find(|it| it.arm == arm.name));
        let claim = candidate.and_then(|candidate| candidate.claims.first());
        let of_arm = certified.and_then(|certified| {
            certified.arms.iter().find(|it| it.arm == arm.name && Some(&it.score) == score.as_ref())
        });
        GridRow {
            run: run.to_owned(),
            labels: labels.clone(),
            suite: plan.suite.clone(),
            arm: arm.name.to_string(),
            treatment: arm.treatment.clone(),
            score: score.clone(),
            mode: gate.map(|gate| gate.mode),
            verdict: candidate.and_then(|candidate| candidate.verdict),
            reasons: candidate.map(|candidate| candidate.reasons.clone()).unwrap_or_default(),
            effect: claim.map(|claim| claim.effect),
            mean: of_arm.filter(|arm| arm.answered > 0).map(|arm| arm.mean),
            answered: totals.answered,
            dealt: plan.cases.saturating_mul(plan.trials),
            spend: totals.spend,
            exit_code: ended.map(|ended| ended.exit_code),
            basis: basis(sheet),
        }
    };
    shown.map(row).collect()
}

/// What a run is about.
fn basis(sheet: &Sheet) -> BTreeMap<&'static str, String> {
    let Some(plan) = sheet.plan() else { return BTreeMap::new() };
    let cases: Vec<String> = sheet.cases().iter().map(|case| case.sha256().to_string()).collect();
    let baseline = plan.arms.iter().find(|arm| arm.role == ArmRole::Baseline);
    let mut basis = BTreeMap::from([
        ("suite", plan.suite.clone()),
        ("part of the cases", plan.part.clone().unwrap_or_else(|| "all".to_owned())),
        ("cases", Sha256::of(cases.join("\n").as_bytes()).to_string()),
        ("trials", plan.trials.to_string()),
        ("baseline", baseline.map_or_else(|| "none".to_owned(), |arm| arm.provenance_sha256.to_string())),
    ]);
    if let Some(score) = outcome::deciding(sheet) {
        basis.insert("score", score.to_string());
    }
    if let Some(gate) = &plan.gate {
        let by = gate.min.unwrap_or(gate.margin);
        basis.insert("gate", format!("{} {by} at {}", words::key(gate.mode), gate.alpha));
    }
    basis
}

/// In what the rows differ so that they are not about the same thing, a sentence each; empty where they can be compared.
pub fn differences(rows: &[GridRow]) -> Vec<String> {
    let names: BTreeSet<&'static str> = rows.iter().flat_map(|row| row.basis.keys().copied()).collect();
    let mut sentences = Vec::new();
    for name in names {
        let values: BTreeSet<Option<&String>> = rows.iter().map(|row| row.basis.get(name)).collect();
        if values.len() > 1 {
            let what = match name {
                "cases" | "trials" => format!("the {name} are not the same"),
                _ => format!("the {name} is not the same"),
            };
            sentences.push(format!("{what} in all runs: {} of them", values.len()));
        }
    }
    sentences
}

/// The labels that differ between rows, and those that all share.
fn labels(rows: &[GridRow]) -> (Vec<String>, Vec<String>) {
    let names: BTreeSet<&String> = rows.iter().flat_map(|row| row.labels.keys()).collect();
    let varies = |name: &&String| {
        let values: BTreeSet<Option<&String>> = rows.iter().map(|row| row.labels.get(*name)).collect();
        values.len() > 1
    };
    let (varying, shared): (Vec<_>, Vec<_>) = names.into_iter().partition(varies);
    let value = |name: &String| rows.iter().find_map(|row| row.labels.get(name)).cloned().unwrap_or_default();
    let shared = shared.into_iter().map(|name| format!("{name}={}", value(name))).collect();
    (varying.into_iter().cloned().collect(), shared)
}

/// The directory that all runs are in, with its slash, where they are named by directories; else nothing.
fn place(rows: &[GridRow]) -> &str {
    let mut runs = rows.iter().map(|row| row.run.trim_end_matches('/'));
    let Some(first) = runs.next() else { return "" };
    let shared = |length: usize, run: &str| {
        first.bytes().zip(run.bytes()).take(length).take_while(|(one, other)| one == other).count()
    };
    let length = runs.fold(first.len(), shared);
    first.get(..length).and_then(|same| same.rfind('/')).map_or("", |at| &first[..=at])
}

/// Whether the labels and treatments of the rows say which is which, and where they do not: whether runs and treatments do.
fn named_by(rows: &[GridRow]) -> (bool, bool) {
    let all = |names: BTreeSet<_>| names.len() == rows.len();
    let labels = rows.iter().map(|row| (Some(&row.labels), None, &row.treatment)).collect();
    let runs = rows.iter().map(|row| (None, Some(&row.run), &row.treatment)).collect();
    (all(labels), all(runs))
}

/// A row in words.
struct Shown {
    run: String,
    labels: Vec<String>,
    treatment: String,
    arm: String,
    verdict: String,
    why: String,
    effect: String,
    bounds: String,
    mean: String,
    answered: String,
    spend: String,
    ink: Ink,
}

fn shown(row: &GridRow, varying: &[String], place: &str) -> Shown {
    let lift = row.mode != Some(GateMode::Threshold);
    let (word, ink) = words::verdict(row.verdict);
    let reasons: Vec<String> = row.reasons.iter().map(words::key).collect();
    let verdict = if row.verdict.is_none() && row.mode.is_some() { "no verdict" } else { word };
    Shown {
        run: style::clean(row.run.strip_prefix(place).unwrap_or(&row.run)),
        labels: varying
            .iter()
            .map(|name| row.labels.get(name).map_or_else(String::new, |it| style::clean(it)))
            .collect(),
        treatment: row.treatment.as_deref().map_or_else(String::new, style::clean),
        arm: style::clean(&row.arm),
        verdict: verdict.to_owned(),
        why: reasons.join(", "),
        effect: row.effect.map_or_else(String::new, |effect| figure::effect(effect.mean, lift)),
        bounds: row.effect.map_or_else(String::new, |effect| figure::bounds(&effect, lift)),
        mean: row.mean.map_or_else(|| "unknown".to_owned(), |mean| figure::number(mean.mean)),
        answered: format!("{}/{}", row.answered, row.dealt),
        spend: if row.spend.usd_known { style::dollars(row.spend.usd) } else { "unknown".to_owned() },
        ink,
    }
}

/// The rows on a terminal, in the order given, with a line end at the end.
pub fn rows_table(rows: &[GridRow], look: Look, width: usize) -> String {
    let (varying, mut shared) = labels(rows);
    let place = place(rows);
    shared.extend((!place.is_empty()).then(|| format!("in {place}")));
    let (by_labels, by_run) = named_by(rows);
    let mut head: Vec<(&str, Column)> =
        vec![("run", if by_labels { Column::SpareName } else { Column::Name })];
    head.extend(varying.iter().map(|name| (name.as_str(), Column::Name)));
    head.extend([
        ("treatment", Column::Name),
        ("arm", Column::Name),
        ("verdict", Column::Text),
        ("effect", Column::Figure),
        ("bounds", Column::Text),
        ("mean", Column::Figure),
        ("spend", Column::Spare),
        ("answered", Column::Spare),
        ("why", Column::SpareName),
    ]);
    let mut columns = Columns::new(&head);
    for row in rows {
        let shown = shown(row, &varying, place);
        let mut cells = vec![shown.run];
        cells.extend(shown.labels);
        cells.push(shown.treatment);
        cells.push(if by_labels || by_run { String::new() } else { shown.arm });
        cells.extend([shown.verdict, shown.effect, shown.bounds, shown.mean]);
        cells.extend([shown.spend, shown.answered, shown.why]);
        columns.row(shown.ink, cells);
    }
    let mut lines = Vec::new();
    if !shared.is_empty() {
        lines.push(look.paint(Ink::Faint, &style::fit(&style::clean(&shared.join(", ")), width, look)));
    }
    if !columns.is_empty() {
        lines.extend(columns.lines(look, width));
    }
    for difference in differences(rows) {
        lines.push(look.paint(Ink::Warn, &style::fit(&format!("not comparable: {difference}"), width, look)));
    }
    lines.push(look.paint(Ink::Faint, &style::fit(NOTE, width, look)));
    lines.into_iter().map(|line| line + "\n").collect()
}

const NOTE: &str = "each verdict is about its own run; no claim is made of one row against another";

/// The rows as a Markdown table.
pub fn rows_markdown(rows: &[GridRow]) -> String {
    let (varying, mut shared) = labels(rows);
    let place = place(rows);
    shared.extend((!place.is_empty()).then(|| format!("in {place}")));
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    let mut head: Vec<String> = vec!["run".to_owned()];
    head.extend(varying.iter().map(|name| markdown::code(name)));
    let treated = rows.iter().any(|row| row.treatment.is_some());
    head.extend(treated.then(|| "treatment".to_owned()));
    head.extend(["arm", "verdict", "effect", "bounds", "mean", "answered", "spend"].map(str::to_owned));
    let names = head.len() - 5;
    let rule = (0..head.len()).map(|at| if at < names { ":--" } else { "--:" }.to_owned());
    let rule: Vec<String> = rule.collect();
    line(head);
    line(rule);
    for row in rows {
        let shown = shown(row, &varying, place);
        let mut cells = vec![markdown::code(&shown.run)];
        cells.extend(shown.labels.iter().map(|label| markdown::code(label)));
        cells.extend(treated.then(|| markdown::code(&shown.treatment)));
        cells.extend([
            markdown::code(&shown.arm),
            if shown.why.is_empty() { shown.verdict } else { format!("{}: {}", shown.verdict, shown.why) },
            shown.effect,
            shown.bounds.replace('[', "\\["),
            shown.mean,
            shown.answered,
            shown.spend,
        ]);
        line(cells);
    }
    text.push('\n');
    if !shared.is_empty() {
        let shared: Vec<String> = shared.iter().map(|label| markdown::code(label)).collect();
        let _ = writeln!(text, "All of them: {}\n", shared.join(" "));
    }
    for difference in differences(rows) {
        let _ = writeln!(text, "**Not comparable**: {}.\n", markdown::escaped(&difference));
    }
    let _ = writeln!(text, "<sub>{NOTE}</sub>");
    text
}

/// The rows as CSV: `run`, each label as `label.NAME`, `suite`, `arm`, `treatment`, `score`, `verdict`, `reasons` (split by `;`), `effect`,
/// `effect_low`, `effect_high`, `mean`, `mean_low`, `mean_high`, `answered`, `dealt`, `usd` and `tokens` (empty is unknown),
/// `exit_code`.
///
/// # Errors
/// When the text cannot be written, which is out of memory only.
pub fn rows_csv(rows: &[GridRow]) -> Result<String, ::csv::Error> {
    let names: BTreeSet<&String> = rows.iter().flat_map(|row| row.labels.keys()).collect();
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut head = vec!["run".to_owned()];
    head.extend(names.iter().map(|name| format!("label.{name}")));
    head.extend(
        [
            "suite",
            "arm",
            "treatment",
            "score",
            "verdict",
            "reasons",
            "effect",
            "effect_low",
            "effect_high",
            "mean",
            "mean_low",
        ]
        .map(str::to_owned),
    );
    head.extend(["mean_high", "answered", "dealt", "usd", "tokens", "exit_code"].map(str::to_owned));
    writer.write_record(&head)?;
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for row in rows {
        let mut record = vec![row.run.clone()];
        record.extend(names.iter().map(|name| row.labels.get(*name).cloned().unwrap_or_default()));
        record.extend([row.suite.clone(), row.arm.clone(), row.treatment.clone().unwrap_or_default()]);
        record.push(row.score.as_ref().map_or_else(String::new, ToString::to_string));
        record.push(row.verdict.map_or_else(String::new, words::key));
        record.push(row.reasons.iter().map(words::key).collect::<Vec<_>>().join(";"));
        for estimate in [row.effect, row.mean] {
            record.push(number(estimate.map(|it| it.mean)));
            record.push(number(estimate.and_then(|it| it.low)));
            record.push(number(estimate.and_then(|it| it.high)));
        }
        record.extend([row.answered.to_string(), row.dealt.to_string()]);
        record.push(number(row.spend.usd_known.then_some(row.spend.usd)));
        record.push(
            row.spend
                .tokens_known
                .then_some(row.spend.charged_tokens())
                .map_or_else(String::new, |it| it.to_string()),
        );
        record.push(row.exit_code.map_or_else(String::new, |code| code.to_string()));
        writer.write_record(&record)?;
    }
    super::csv::finished(writer)
}

/// The rows as JSON: the same names as in the CSV, `labels` as a table, and what makes them not comparable.
pub fn rows_json(rows: &[GridRow]) -> Value {
    let row = |row: &GridRow| {
        json!({
            "run": row.run, "labels": row.labels, "suite": row.suite, "arm": row.arm, "treatment": row.treatment, "score": row.score,
            "verdict": row.verdict, "reasons": row.reasons, "effect": row.effect, "mean": row.mean,
            "answered": row.answered, "dealt": row.dealt,
            "usd": row.spend.usd_known.then_some(row.spend.usd),
            "tokens": row.spend.tokens_known.then_some(row.spend.charged_tokens()),
            "exit_code": row.exit_code,
        })
    };
    json!({ "schema": 1, "rows": rows.iter().map(row).collect::<Vec<_>>(), "differences": differences(rows) })
}
