//! The run as Markdown: a comment on a pull request, a summary of a job.

use std::fmt::Write as _;

use super::account::{self, Account};
use super::{GridView, figure, foresight, outcome, table, words};
use crate::event::{ArmName, Certified, ClaimFigures, GateMode, PlanFixed, ScoreName, Sheet, Verdict};
use crate::file::redact_shapes;
use crate::report::human::style;
use crate::text;

/// Cases that are listed of each kind.
const SHOWN_CASES: usize = 10;
/// Slices that are listed.
const SHOWN_SLICES: usize = 20;
/// Characters of what a scorer said.
const SHOWN_WHY: usize = 120;

/// The report, with a line end at its end.
pub fn markdown(view: &GridView<'_>) -> String {
    let Some(plan) = view.sheet.plan() else { return "The run ended before there was a plan.\n".to_owned() };
    let certified = view.figures();
    let mut page = Page(String::new());
    page.head(view, plan);
    if let Some(certified) = certified {
        page.accounts(view, certified);
        page.claims(plan, certified);
        page.arms(plan, certified);
    } else {
        page.paragraph("There is no verdict yet.");
    }
    page.list("Missing", &account::missing(view.sheet));
    page.list("Remarks", &account::remarks(view.sheet, certified));
    if let Some(certified) = certified {
        page.slices(plan, certified);
        page.moved(view, plan, certified);
    }
    page.spend(view, certified);
    page.foot(view, plan);
    page.0
}

struct Page(String);

impl Page {
    fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.0, "{text}\n");
    }

    fn list(&mut self, title: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(self.0, "**{title}**\n");
        for line in lines {
            let _ = writeln!(self.0, "- {}", escaped(line));
        }
        self.0.push('\n');
    }

    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let _ = writeln!(self.0, "| {} |", head.join(" | "));
        // Figures stand to the right; names, which come first, to the left.
        let rule: Vec<&str> = (0..head.len()).map(|at| if at < 2 { ":--" } else { "--:" }).collect();
        let _ = writeln!(self.0, "|{}|", rule.join("|"));
        for row in rows {
            let _ = writeln!(self.0, "| {} |", row.join(" | "));
        }
        self.0.push('\n');
    }

    fn folded(&mut self, title: &str, body: impl FnOnce(&mut Self)) {
        let _ = writeln!(self.0, "<details><summary>{title}</summary>\n");
        body(self);
        let _ = writeln!(self.0, "</details>\n");
    }

    fn head(&mut self, view: &GridView<'_>, plan: &PlanFixed) {
        let verdict = view.sheet.verdict().map(|reached| reached.verdict);
        let (word, _) = words::verdict(verdict);
        let sign = match verdict {
            Some(Verdict::Pass) => "✅ ",
            Some(Verdict::Fail) => "❌ ",
            Some(Verdict::Inconclusive) => "⚠️ ",
            None => "",
        };
        let word = if verdict.is_none() && plan.gate.is_some() { "no verdict" } else { word };
        // Whoever posts it again finds the last one by this line.
        let _ = writeln!(self.0, "<!-- provost certify: {} -->", comment(&plan.suite));
        let _ = writeln!(self.0, "### {sign}{} {word}\n", code(&plan.suite));
        let mut line = escaped(&foresight::size(plan));
        if !view.labels.is_empty() {
            let labels: Vec<String> =
                view.labels.iter().map(|(name, value)| code(&format!("{name}={value}"))).collect();
            let _ = write!(line, " · {}", labels.join(" "));
        }
        self.paragraph(&line);
        if let Some(gate) = &plan.gate {
            self.paragraph(&format!("Gate: {}.", escaped(&foresight::demand(gate))));
        }
    }

    fn accounts(&mut self, view: &GridView<'_>, certified: &Certified) {
        for account in account::accounts(view.sheet, certified) {
            self.account(view.sheet, &account);
        }
    }

    fn account(&mut self, sheet: &Sheet, account: &Account) {
        let (word, _) = words::verdict(account.verdict);
        let arm = if account.arm.is_empty() { String::new() } else { format!("{}: ", code(&account.arm)) };
        let _ = writeln!(self.0, "**{arm}{word}**\n");
        for reason in &account.reasons {
            let (title, remedy) = (words::words(*reason).0, words::remedy(*reason, sheet));
            let _ = writeln!(self.0, "- `{}`: {title} {remedy}", words::key(reason));
        }
        for settles in &account.settles {
            let _ = writeln!(self.0, "- {}", escaped(settles));
        }
        self.0.push('\n');
        if !account.facts.is_empty() {
            let facts = account.facts.clone();
            self.folded("What it rests on", |page| {
                for fact in facts {
                    let _ = writeln!(page.0, "- {}", escaped(&fact));
                }
                page.0.push('\n');
            });
        }
    }

    fn claims(&mut self, plan: &PlanFixed, certified: &Certified) {
        let Some(gate) = &plan.gate else { return };
        let lift = gate.mode != GateMode::Threshold;
        let mut rows = Vec::new();
        for candidate in &certified.candidates {
            let mut row = |claim: &ClaimFigures, what: &str, lift: bool| {
                let or = |figure: Option<String>| figure.unwrap_or_else(|| "-".to_owned());
                // Bounds on what is missing are worth a look only where something is.
                let whole = claim.worst == claim.effect && claim.best == claim.effect;
                let missing = (!whole).then(|| {
                    format!(
                        "{} to {}",
                        figure::effect(claim.worst.mean, lift),
                        figure::effect(claim.best.mean, lift)
                    )
                });
                rows.push(vec![
                    code(candidate.arm.as_str()),
                    format!("{}{what}", code(claim.score.as_str())),
                    format!("**{}**", figure::effect(claim.effect.mean, lift)),
                    figure::bounds(&claim.effect, lift).replace('[', "\\["),
                    or(claim.p_adjusted.or(claim.p).map(figure::chance)),
                    or(missing),
                    claim.units.to_string(),
                    or(claim.mde.map(figure::seen)),
                ]);
            };
            for claim in &candidate.claims {
                row(claim, "", lift);
            }
            for guard in &candidate.guards {
                row(guard, " (guard)", true);
            }
        }
        let bounds = format!("bounds ({})", account::level(gate, certified));
        let head = [
            "candidate",
            "score",
            words::effect(gate.mode),
            &bounds,
            "p",
            "if missing cells decide",
            "units",
            "sees at 80 % power",
        ];
        if !rows.is_empty() {
            self.table(&head, &rows);
        }
    }

    fn arms(&mut self, plan: &PlanFixed, certified: &Certified) {
        let rows: Vec<Vec<String>> = certified
            .arms
            .iter()
            .map(|arm| {
                let stable = if plan.trials > 1 && arm.stable_pass + arm.flaky + arm.stable_fail > 0 {
                    format!("{} / {} / {}", arm.stable_pass, arm.flaky, arm.stable_fail)
                } else {
                    "-".to_owned()
                };
                let mean =
                    if arm.answered == 0 { "unknown".to_owned() } else { figure::number(arm.mean.mean) };
                vec![
                    code(arm.arm.as_str()),
                    code(arm.score.as_str()),
                    mean,
                    figure::bounds(&arm.mean, false).replace('[', "\\["),
                    format!("{} of {} ({})", arm.answered, arm.dealt, figure::part(arm.answered, arm.dealt)),
                    stable,
                ]
            })
            .collect();
        if !rows.is_empty() {
            self.table(
                &["arm", "score", "mean", "95 % interval", "answered", "cases that pass / are flaky / fail"],
                &rows,
            );
        }
    }

    fn slices(&mut self, plan: &PlanFixed, certified: &Certified) {
        if certified.slices.is_empty() {
            return;
        }
        let lift = plan.gate.as_ref().is_some_and(|gate| gate.mode != GateMode::Threshold);
        let rows: Vec<Vec<String>> = certified
            .slices
            .iter()
            .take(SHOWN_SLICES)
            .map(|slice| {
                vec![
                    code(&slice.tag),
                    code(slice.arm.as_str()),
                    code(slice.score.as_str()),
                    slice.cases.to_string(),
                    figure::effect(slice.effect.mean, lift),
                    figure::bounds(&slice.effect, lift).replace('[', "\\["),
                    slice.q.map_or_else(|| "-".to_owned(), figure::chance),
                ]
            })
            .collect();
        let what = if lift { "lift" } else { "rate" };
        let count = text::plural(certified.slices.len() as u64, "slice");
        self.folded(&format!("{count}, exploratory: no claim rests on them"), |page| {
            page.table(&["tag", "arm", "score", "cases", what, "95 % interval", "q"], &rows);
        });
    }

    /// The cases that differ from the baseline.
    fn moved(&mut self, view: &GridView<'_>, plan: &PlanFixed, certified: &Certified) {
        let Some(gate) = &plan.gate else { return };
        for candidate in &certified.candidates {
            let moved = outcome::moved(view.sheet, &candidate.arm, &gate.score);
            let lost = moved.iter().filter(|moved| moved.after < moved.before).count();
            if moved.is_empty() {
                continue;
            }
            let title = format!(
                "{}: {} lost, {} gained",
                html(candidate.arm.as_str()),
                text::plural(lost as u64, "case"),
                moved.len() - lost
            );
            let gained = moved.iter().skip(lost).rev().take(SHOWN_CASES);
            let shown: Vec<outcome::Moved> =
                moved.iter().take(lost.min(SHOWN_CASES)).chain(gained).copied().collect();
            let rows: Vec<Vec<String>> =
                shown.iter().map(|moved| row(view, &candidate.arm, &gate.score, moved)).collect();
            let left = moved.len() - shown.len();
            self.folded(&title, |page| {
                page.table(&["case", "what the scorer said", "baseline", "candidate", "difference"], &rows);
                if left > 0 {
                    page.paragraph(&format!("{left} more in the report."));
                }
            });
        }
    }

    fn spend(&mut self, view: &GridView<'_>, certified: Option<&Certified>) {
        let rows: Vec<Vec<String>> = account::spend(view.sheet)
            .into_iter()
            .map(|(name, spend)| vec![code(&name), style::tokens(&spend), style::money(&spend)])
            .collect();
        let treatments = account::treatments(view, certified);
        self.folded("Spend", |page| {
            page.table(&["", "tokens", "dollars"], &rows);
            page.list("Treatments", &treatments);
        });
    }

    fn foot(&mut self, view: &GridView<'_>, plan: &PlanFixed) {
        let mut parts = vec![format!("plan `{:.12}`", plan.plan_sha256)];
        if let Some(reached) = view.sheet.verdict() {
            parts.push(format!("evidence `{:.12}`", reached.evidence_sha256));
        }
        parts.push(format!("seed {}", plan.seed));
        if let Some(ended) = view.ended {
            parts.push(format!("exit code {}", ended.exit_code));
            parts.push(code(ended.run.as_str()));
        }
        let _ = writeln!(self.0, "<sub>{}</sub>", parts.join(" · "));
    }
}

fn row(view: &GridView<'_>, arm: &ArmName, score: &ScoreName, moved: &outcome::Moved) -> Vec<String> {
    let why = table::why(view, arm, moved.case, score);
    let why =
        if moved.after < moved.before { text::truncate(&why, SHOWN_WHY).into_owned() } else { String::new() };
    vec![
        code(case(view.sheet, moved.case)),
        if why.is_empty() { String::new() } else { code(&why) },
        figure::number(moved.before),
        figure::number(moved.after),
        figure::signed(moved.after - moved.before),
    ]
}

fn case(sheet: &Sheet, at: usize) -> &str {
    sheet.cases().id(at)
}

/// Foreign text as code: nothing in it is markup, a link or a mention of somebody.
pub(super) fn code(foreign: &str) -> String {
    let clean = style::clean(&redact_shapes(foreign)).replace('`', "'");
    // A bar ends a cell of a table, even within code.
    if clean.is_empty() { String::new() } else { format!("`{}`", clean.replace('|', "\\|")) }
}

/// A sentence with foreign names in it.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in style::clean(&redact_shapes(text)).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // Without it, the sign would mention a person.
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

fn html(text: &str) -> String {
    style::clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn comment(text: &str) -> String {
    style::clean(text).replace("--", "-").replace('>', "")
}
