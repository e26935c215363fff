//! The end of a run of many cells, on a terminal: arms, claims, slices, spend, and last the verdict with its reasons.

use super::account::{self, Account};
use super::columns::{Column, Columns, wrap};
use super::{GridView, figure, foresight, outcome, words};
use crate::event::{
    Certified, ClaimFigures, GateMode, Place, Reason, ScoreName, Sheet, SliceFigures, Trial, Verdict,
};
use crate::file::redact_shapes;
use crate::report::human::style::{self, Ink, Look};
use crate::text;

/// Slices that are shown, those that stand out first.
const SHOWN_SLICES: usize = 10;
/// Cases that are named as what the loss comes from.
const SHOWN_CASES: usize = 5;
/// Under this width nothing can be laid out any more; the table is then simply too wide.
const LEAST_WIDTH: usize = 40;

/// The table, with a line end at its end.
pub fn table(view: &GridView<'_>, look: Look, width: usize) -> String {
    let mut table = Table { look, width: width.max(LEAST_WIDTH), text: String::new() };
    let certified = view.figures();
    if let Some(plan) = view.sheet.plan() {
        table.line(Ink::Strong, &foresight::size(plan));
    }
    if let Some(certified) = certified {
        table.arms(view.sheet, certified);
        table.claims(view.sheet, certified);
        table.slices(view.sheet, certified);
    }
    table.spend(view, certified);
    table.listed("missing", Ink::Warn, &account::missing(view.sheet));
    table.listed("remarks", Ink::Warn, &account::remarks(view.sheet, certified));
    table.verdict(view, certified);
    table.text
}

struct Table {
    look: Look,
    width: usize,
    text: String,
}

impl Table {
    fn line(&mut self, ink: Ink, text: &str) {
        self.wrapped(ink, text, 4);
    }

    fn wrapped(&mut self, ink: Ink, text: &str, indent: usize) {
        for line in wrap(text, self.width, indent) {
            self.text.push_str(&self.look.paint(ink, &style::fit(&line, self.width, self.look)));
            self.text.push('\n');
        }
    }

    fn title(&mut self, text: &str) {
        self.text.push('\n');
        self.line(Ink::Strong, text);
    }

    fn columns(&mut self, title: &str, columns: &Columns) {
        if columns.is_empty() {
            return;
        }
        self.title(title);
        for line in columns.lines(self.look, self.width) {
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }

    fn listed(&mut self, title: &str, ink: Ink, lines: &[String]) {
        if !lines.is_empty() {
            self.title(title);
            for line in lines {
                self.line(ink, &format!("  {line}"));
            }
        }
    }

    fn arms(&mut self, sheet: &Sheet, certified: &Certified) {
        let several = sheet.plan().is_some_and(|plan| plan.trials > 1);
        let mut columns = Columns::new(&[
            ("arm", Column::Name),
            ("score", Column::Name),
            ("mean", Column::Figure),
            ("95 % interval", Column::Text),
            ("answered", Column::Figure),
            ("pass/flaky/fail", Column::Text),
        ]);
        for arm in &certified.arms {
            let cases = arm.stable_pass + arm.flaky + arm.stable_fail;
            // Whether cases are flaky can be seen only where each is tried more than once.
            let stable = match (several, cases) {
                (_, 0) => String::new(),
                (true, _) => format!("{}/{}/{}", arm.stable_pass, arm.flaky, arm.stable_fail),
                (false, _) => format!("{}/-/{}", arm.stable_pass, arm.stable_fail),
            };
            let ink = if arm.answered < arm.dealt { Ink::Warn } else { Ink::Plain };
            let mean = if arm.answered == 0 { "unknown".to_owned() } else { figure::number(arm.mean.mean) };
            columns.row(
                ink,
                vec![
                    style::clean(arm.arm.as_str()),
                    style::clean(arm.score.as_str()),
                    mean,
                    figure::bounds(&arm.mean, false),
                    format!("{}/{}", arm.answered, arm.dealt),
                    stable,
                ],
            );
        }
        self.columns("each arm by itself", &columns);
    }

    fn claims(&mut self, sheet: &Sheet, certified: &Certified) {
        let Some(gate) = sheet.plan().and_then(|plan| plan.gate.as_ref()) else { return };
        let lift = gate.mode != GateMode::Threshold;
        let mut columns = Columns::new(&[
            ("candidate", Column::Name),
            ("score", Column::Name),
            ("", Column::Text),
            (words::effect(gate.mode), Column::Figure),
            ("bounds", Column::Text),
            ("p", Column::Figure),
            ("+/-", Column::Text),
            ("sees", Column::Spare),
            ("units", Column::Spare),
        ]);
        for candidate in &certified.candidates {
            let mut row = |claim: &ClaimFigures, what: &str, lift: bool, ink: Ink| {
                let p = claim.p_adjusted.or(claim.p).map_or_else(String::new, figure::chance);
                columns.row(
                    ink,
                    vec![
                        style::clean(candidate.arm.as_str()),
                        style::clean(claim.score.as_str()),
                        what.to_owned(),
                        figure::effect(claim.effect.mean, lift),
                        figure::bounds(&claim.effect, lift),
                        p,
                        if lift { format!("{}/{}", claim.wins, claim.losses) } else { String::new() },
                        claim.mde.map_or_else(String::new, figure::seen),
                        claim.units.to_string(),
                    ],
                );
            };
            for claim in &candidate.claims {
                let what = if claim.score == gate.score { "gate" } else { "also" };
                row(claim, what, lift, words::verdict(candidate.verdict).1);
            }
            for guard in &candidate.guards {
                row(guard, "guard", true, Ink::Plain);
            }
        }
        let level = account::level(gate, certified);
        let against = if lift { "against the baseline" } else { "against the threshold" };
        self.columns(&format!("{against} (bounds: {level})"), &columns);
    }

    fn slices(&mut self, sheet: &Sheet, certified: &Certified) {
        let gate = sheet.plan().and_then(|plan| plan.gate.as_ref());
        let lift = gate.is_some_and(|gate| gate.mode != GateMode::Threshold);
        let mut slices: Vec<&SliceFigures> = certified.slices.iter().collect();
        slices.sort_by(|a, b| a.q.unwrap_or(1.0).total_cmp(&b.q.unwrap_or(1.0)));
        let mut columns = Columns::new(&[
            ("tag", Column::Name),
            ("arm", Column::Name),
            ("score", Column::Name),
            ("cases", Column::Figure),
            (if lift { "lift" } else { "rate" }, Column::Figure),
            ("95 % interval", Column::Text),
            ("q", Column::Figure),
        ]);
        for slice in slices.iter().take(SHOWN_SLICES) {
            columns.row(
                Ink::Plain,
                vec![
                    style::clean(&slice.tag),
                    style::clean(slice.arm.as_str()),
                    style::clean(slice.score.as_str()),
                    slice.cases.to_string(),
                    figure::effect(slice.effect.mean, lift),
                    figure::bounds(&slice.effect, lift),
                    slice.q.map_or_else(String::new, figure::chance),
                ],
            );
        }
        self.columns("slices, exploratory: no claim rests on them", &columns);
        let more = slices.len().saturating_sub(SHOWN_SLICES) as u64;
        if more > 0 {
            self.line(Ink::Faint, &format!("  {} in the report", text::plural(more, "further slice")));
        }
    }

    fn spend(&mut self, view: &GridView<'_>, certified: Option<&Certified>) {
        let mut columns =
            Columns::new(&[("", Column::Name), ("dollars", Column::Text), ("tokens", Column::Text)]);
        for (name, spend) in account::spend(view.sheet) {
            columns.row(Ink::Plain, vec![name, style::money(&spend), style::tokens(&spend)]);
        }
        self.columns("spend", &columns);
        for line in account::treatments(view, certified) {
            self.line(Ink::Plain, &format!("  treatment {line}"));
        }
    }

    fn verdict(&mut self, view: &GridView<'_>, certified: Option<&Certified>) {
        let Some(plan) = view.sheet.plan() else { return };
        let (Some(gate), Some(certified)) = (&plan.gate, certified) else {
            let what = if plan.gate.is_some() {
                "there is no verdict yet"
            } else {
                "measured: the suite has no gate"
            };
            self.title(what);
            return;
        };
        self.title(&format!("gate: {}", foresight::demand(gate)));
        let accounts = account::accounts(view.sheet, certified);
        let several = accounts.len() > 1;
        for each in &accounts {
            self.account(view.sheet, each);
            if !each.arm.is_empty() && each.verdict != Some(Verdict::Pass) {
                let arm = crate::event::ArmName::new(candidate_name(certified, &each.arm));
                self.losses(view, &arm, &gate.score);
            }
        }
        if several && let Some(reached) = view.sheet.verdict() {
            let (word, ink) = words::verdict(Some(reached.verdict));
            let keys: Vec<String> = certified.reasons.iter().map(words::key).collect();
            self.text.push('\n');
            self.line(ink, &format!("{} as a whole ({})", word.to_uppercase(), keys.join(", ")));
        }
    }

    fn account(&mut self, sheet: &Sheet, account: &Account) {
        let (word, ink) = words::verdict(account.verdict);
        self.text.push('\n');
        let arm = if account.arm.is_empty() { String::new() } else { format!("  {}", account.arm) };
        self.line(ink, &format!("{}{arm}", word.to_uppercase()));
        for reason in &account.reasons {
            self.reason(sheet, *reason);
        }
        for settles in &account.settles {
            self.line(Ink::Plain, &format!("    {settles}"));
        }
        for fact in &account.facts {
            self.wrapped(Ink::Faint, &format!("    {fact}"), 6);
        }
    }

    fn reason(&mut self, sheet: &Sheet, reason: Reason) {
        let (title, remedy) = (words::words(reason).0, words::remedy(reason, sheet));
        self.line(Ink::Plain, &format!("  {}: {title}", words::key(reason)));
        self.line(Ink::Plain, &format!("    {remedy}"));
    }

    /// The cases that a loss comes from.
    fn losses(&mut self, view: &GridView<'_>, arm: &crate::event::ArmName, score: &ScoreName) {
        let moved = outcome::moved(view.sheet, arm, score);
        let lost: Vec<_> = moved.iter().filter(|moved| moved.after < moved.before).collect();
        if lost.is_empty() {
            return;
        }
        self.line(
            Ink::Plain,
            &format!("    lost most on ({} in all):", text::plural(lost.len() as u64, "case")),
        );
        let mut columns = Columns::new(&[("", Column::Name), ("", Column::Text), ("", Column::Name)]);
        for moved in lost.iter().take(SHOWN_CASES) {
            let (before, after) = (figure::number(moved.before), figure::number(moved.after));
            let id = format!("      {}", style::clean(view.sheet.cases().id(moved.case)));
            columns
                .row(Ink::Plain, vec![id, format!("{before} to {after}"), why(view, arm, moved.case, score)]);
        }
        for line in columns.lines(self.look, self.width).into_iter().skip(1) {
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }
}

/// What a scorer said of the first answer of a case that did not pass.
pub(super) fn why(
    view: &GridView<'_>,
    arm: &crate::event::ArmName,
    case: usize,
    score: &ScoreName,
) -> String {
    let trials = view.sheet.plan().map_or(0, |plan| plan.trials);
    let failed = view.sheet.arm(arm).and_then(|arm| {
        (1..=trials).find_map(|trial| {
            let cell = view.sheet.cell(Place { arm, case, trial: Trial(trial) })?;
            let stands = (view.stands)(cell)?;
            let scored = stands.score(score).filter(|scored| scored.passed == Some(false))?;
            scored.why.clone()
        })
    });
    style::clean(&redact_shapes(&failed.unwrap_or_default()))
}

fn candidate_name(certified: &Certified, shown: &str) -> String {
    let named = certified.candidates.iter().find(|candidate| style::clean(candidate.arm.as_str()) == shown);
    named.map_or_else(|| shown.to_owned(), |candidate| candidate.arm.to_string())
}
