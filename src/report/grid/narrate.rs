//! Events of a run of many cells in words. A cell that went well is not worth a line; the display counts it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::pace::{self, Pace};
use super::{figure, foresight, words};
use crate::event::{
    CellEnded, CellScored, Event, FaultClass, Kind, MissingReason, RunEnded, RunStarted, ShardMerged,
    ShardStarted, Tally, TreatmentApplied, VerdictReached,
};
use crate::file::redact_shapes;
use crate::report::human::style::{self, Ink, Look};
use crate::report::human::{Narrator, Verbosity, budget};
use crate::text;

/// Cells of one kind of reason that get a line each; further ones are only counted.
const TOLD_MISSING: u64 = 5;
/// Treated texts that get a line each.
const TOLD_TREATMENTS: u64 = 5;
/// A line on how far it has come at least so often, by the time of the events.
const BEAT: SignedDuration = SignedDuration::from_secs(30);
/// And at each such part of the way.
const PARTS: u64 = 10;
/// Columns of one quoted line.
const QUOTE_COLUMNS: usize = 160;

/// Turns events into lines.
pub(in crate::report) struct GridNarrator {
    look: Look,
    verbosity: Verbosity,
    run_dir: String,
    /// For what a run of one agent has too.
    plain: Narrator,
    missing: BTreeMap<(MissingReason, Option<FaultClass>), u64>,
    treated: u64,
    waits_until: Option<Timestamp>,
    pace: Pace,
    beat: Option<(Timestamp, u64)>,
}

impl GridNarrator {
    /// Says as much as `verbosity` allows; `run_dir` is named at the end.
    pub(in crate::report) fn new(look: Look, verbosity: Verbosity, run_dir: String) -> Self {
        Self {
            look,
            verbosity,
            plain: Narrator::new(look, verbosity, run_dir.clone()),
            run_dir,
            missing: BTreeMap::new(),
            treated: 0,
            waits_until: None,
            pace: Pace::default(),
            beat: None,
        }
    }

    /// How far it has come, where it is time to say so: for whoever sees no display.
    pub(in crate::report) fn beat(&mut self, event: &Event, tally: &Tally) -> Option<String> {
        let is_quiet = self.verbosity == Verbosity::Quiet;
        if is_quiet || !matches!(event.kind, Kind::CellStarted(_) | Kind::CellEnded(_)) {
            return None;
        }
        let (done, planned) = (tally.cells.done(), tally.cells.planned);
        self.pace.saw(event.at, done);
        let part = done.saturating_mul(PARTS).checked_div(planned)?;
        let (last_at, last_part) = *self.beat.get_or_insert((event.at, part));
        let due = part > last_part || event.at.duration_since(last_at) >= BEAT;
        // The end has a line of its own.
        if !due || done == planned {
            return None;
        }
        self.beat = Some((event.at, part));
        let mut parts = vec![format!("  {done}/{planned} cells")];
        parts.extend(self.pace.rate(event.at, done).map(pace::rate));
        parts.push(spent(tally));
        let left = self.pace.left(event.at, done, planned);
        parts.extend(left.map(|left| format!("{} left", style::clock(left))));
        parts.push(counts(tally, self.look));
        Some(parts.join(self.look.dot()))
    }

    /// The lines of `event`, without line ends; `tally` has the event folded in already.
    pub(in crate::report) fn event(&mut self, event: &Event, tally: &Tally) -> Vec<String> {
        if let Kind::RunEnded(ended) = &event.kind {
            return self.run_ended(ended, tally);
        }
        if self.verbosity == Verbosity::Quiet {
            return Vec::new();
        }
        let verbose = self.verbosity == Verbosity::Verbose;
        match &event.kind {
            Kind::RunStarted(started) => vec![self.run_started(started)],
            Kind::PlanFixed(plan) => {
                let mut lines = foresight::lines(plan, self.look);
                if verbose {
                    lines.push(format!("plan {}", plan.plan_sha256));
                }
                lines.into_iter().map(|line| format!("  {line}")).collect()
            }
            Kind::TreatmentApplied(applied) => self.treated(applied),
            Kind::ShardStarted(started) => vec![shard_started(started)],
            Kind::ShardMerged(merged) => self.merged(merged, verbose),
            Kind::CellEnded(ended) => match &ended.missing {
                Some(_) => self.gone(ended),
                None if verbose => vec![self.paint(Ink::Faint, &answered(ended, self.look))],
                None => Vec::new(),
            },
            Kind::CellScored(scored) if verbose => vec![self.paint(Ink::Faint, &later(scored, self.look))],
            Kind::CellScored(_) | Kind::CellStarted(_) | Kind::CasesFixed(_) => Vec::new(),
            Kind::VerdictReached(reached) => vec![self.verdict(reached)],
            // Many cells wait for the same thing: only what moves the end is news.
            Kind::WaitStarted(wait)
                if self.waits_until.is_some_and(|until| wait.until <= until) && !verbose =>
            {
                Vec::new()
            }
            Kind::WaitStarted(wait) => {
                self.waits_until = Some(wait.until);
                self.plain.event(event, tally)
            }
            Kind::WaitEnded(_) if !verbose => Vec::new(),
            // Of a cell that did not go smoothly its end has the last word.
            Kind::AttemptFailed(_)
            | Kind::AttemptRetrying(_)
            | Kind::FallbackSwitched(_)
            | Kind::RoundStarted(_)
            | Kind::RoundEnded(_)
            | Kind::CheckEnded(_)
                if !verbose =>
            {
                Vec::new()
            }
            _ => self.of_cell(event, tally),
        }
    }

    /// What a run of one agent would say, and which cell it is about.
    fn of_cell(&self, event: &Event, tally: &Tally) -> Vec<String> {
        let lines = self.plain.event(event, tally);
        match event.node.as_str().split_once('.') {
            Some((_, cell)) => {
                lines.into_iter().map(|line| format!("{}: {}", cell, line.trim_start())).collect()
            }
            None => lines,
        }
    }

    fn run_started(&self, started: &RunStarted) -> String {
        let head = format!("{} {}", style::clean(&started.verb), style::clean(started.run.as_str()));
        format!("{}{}{}", self.paint(Ink::Strong, &head), self.look.dot(), budget(&started.budget))
    }

    /// A shard that was whole is not worth a line.
    fn merged(&self, merged: &ShardMerged, verbose: bool) -> Vec<String> {
        let who = format!("shard {} (process {} on {})", merged.shard, merged.pid, merged.host);
        let mut parts = vec![style::clean(&who)];
        if !merged.lost.is_empty() {
            let lost = text::plural(merged.lost.len() as u64, "cell");
            parts.push(format!("{lost} cut off, what that has spent is not known"));
        }
        if merged.torn_bytes > 0 {
            parts.push(format!("a torn last line of {} left out", text::plural(merged.torn_bytes, "byte")));
        }
        let whole = parts.len() == 1;
        if whole && !verbose {
            return Vec::new();
        }
        let ink = if whole { Ink::Faint } else { Ink::Warn };
        vec![self.paint(ink, &format!("  {}", parts.join(self.look.dot())))]
    }

    fn treated(&mut self, applied: &TreatmentApplied) -> Vec<String> {
        self.treated += 1;
        if self.treated > TOLD_TREATMENTS && self.verbosity != Verbosity::Verbose {
            let more = "  further texts are treated without a line each";
            let once = self.treated == TOLD_TREATMENTS + 1;
            return if once { vec![self.paint(Ink::Faint, more)] } else { Vec::new() };
        }
        let name = style::clean(&applied.treatment);
        let words = text::plural(applied.words_before, "word");
        if let Some(why) = &applied.skipped {
            let line = format!("  {name}: {words} left as they are: {}", self.quote(why));
            return vec![self.paint(Ink::Warn, &line)];
        }
        let by = applied.model.as_deref().map_or_else(String::new, |model| format!(" by {model}"));
        let (asked, after) = (applied.words_target, applied.words_after);
        let took = style::millis(applied.duration_ms);
        let line = format!("{name}: {words} to {after}, {asked} were asked for{by}{}{took}", self.look.dot());
        vec![format!("  {}", style::clean(&line))]
    }

    fn gone(&mut self, ended: &CellEnded) -> Vec<String> {
        let Some(missing) = &ended.missing else { return Vec::new() };
        let told = self.missing.entry((missing.reason, missing.class)).or_default();
        *told += 1;
        let (told, verbose) = (*told, self.verbosity == Verbosity::Verbose);
        let class = missing.class.map_or_else(String::new, |class| format!(", {class}"));
        let reason = format!("{}{class}", words::missing(missing.reason));
        if told > TOLD_MISSING && !verbose {
            let more = format!("  ! further cells are missing ({reason}) and only counted");
            return if told == TOLD_MISSING + 1 { vec![self.paint(Ink::Warn, &more)] } else { Vec::new() };
        }
        let line = format!("  ! {} is missing ({reason}): {}", cell(ended), self.quote(&missing.evidence));
        vec![self.paint(Ink::Warn, &line)]
    }

    fn verdict(&self, reached: &VerdictReached) -> String {
        let (word, ink) = words::verdict(Some(reached.verdict));
        let why: Vec<&str> = reached.certified.reasons.iter().map(|reason| words::words(*reason).0).collect();
        format!("verdict: {}  {}", self.paint(ink, word), why.join(" ")).trim_end().to_owned()
    }

    fn run_ended(&self, ended: &RunEnded, tally: &Tally) -> Vec<String> {
        let (word, ink) = style::run_outcome(ended.outcome);
        let cells = &tally.cells;
        let mut parts = vec![self.paint(ink, word), format!("exit code {}", ended.exit_code)];
        parts.push(format!("{} answered", text::plural(cells.answered, "cell")));
        parts.extend((cells.missing > 0).then(|| format!("{} missing", cells.missing)));
        parts.push(style::seconds(ended.spend.wall_s));
        parts.push(format!("spend {}", style::money(&ended.spend)));
        parts.push(style::clean(&self.run_dir));
        let last = parts.join(self.look.dot());
        if self.verbosity == Verbosity::Quiet {
            return vec![last];
        }
        let mut lines = Vec::new();
        lines.extend(ended.reason.as_ref().map(|reason| format!("  {}", self.quote(reason))));
        lines.extend(ended.reset_at.map(|at| format!("  worth trying again after {}", style::date(at))));
        lines.push(last);
        lines
    }

    fn quote(&self, text: &str) -> String {
        style::fit(&style::clean(&redact_shapes(text)), QUOTE_COLUMNS, self.look)
    }

    fn paint(&self, ink: Ink, text: &str) -> String {
        self.look.paint(ink, text)
    }
}

/// `3 cells of a plan, in the shard 20261121T024501Z-host-77`
fn shard_started(started: &ShardStarted) -> String {
    let cells = text::plural(started.count, "cell");
    style::clean(&format!("{cells} of a plan, in the shard {}", started.shard))
}

/// `fixer-v2, case-17, trial 2`
fn cell(ended: &CellEnded) -> String {
    style::clean(&format!("{}, {}, trial {}", ended.arm, ended.case, ended.trial))
}

/// `  fixer-v2, case-17, trial 2 · exact 1.000 · 120 tokens · 1.2s`
fn answered(ended: &CellEnded, look: Look) -> String {
    let mut parts = vec![format!("  {}", cell(ended))];
    for (score, scored) in ended.scores.iter() {
        let value = scored.value.map_or_else(|| "unknown".to_owned(), figure::number);
        parts.push(format!("{} {value}", style::clean(score.as_str())));
    }
    let tokens = ended.usage.map(|usage| usage.charged_tokens());
    parts.push(tokens.map_or_else(|| "usage unknown".to_owned(), |tokens| text::plural(tokens, "token")));
    parts.push(style::millis(ended.duration_ms));
    parts.join(look.dot())
}

fn later(scored: &CellScored, look: Look) -> String {
    let value = scored.scored.value.map_or_else(|| "unknown".to_owned(), figure::number);
    let mut parts = vec![format!("  cell {}: {} {value}", scored.cell, style::clean(scored.score.as_str()))];
    parts.extend(scored.model.as_deref().map(style::clean));
    parts.join(look.dot())
}

/// What the display says of cells beside its bar, the most wanted first.
pub(super) fn counts(tally: &Tally, look: Look) -> String {
    let cells = &tally.cells;
    let mut parts = vec![format!("{} in flight", cells.open), format!("{} missing", cells.missing)];
    if cells.retries > 0 {
        parts.push(text::plural(cells.retries, "retry"));
    }
    if let (Some(score), true) = (&cells.score, cells.scored > 0) {
        let mean = figure::number(cells.sum / figure::float(cells.scored));
        parts.push(format!("{} {mean} over all arms", style::clean(score.as_str())));
    }
    parts.join(look.dot())
}

/// `$0.31`, `over $0.31`, `spend unknown`: short, for the display.
pub(super) fn spent(tally: &Tally) -> String {
    match (tally.spend.usd_known, tally.spend.usd > 0.0) {
        (true, _) => style::dollars(tally.spend.usd),
        (false, true) => format!("over {}", style::dollars(tally.spend.usd)),
        (false, false) => "spend unknown".to_owned(),
    }
}
