//! How a run of many cells stands while nobody has made a report of it: what `peek` shows, from the tally alone, so that it
//! costs the same whatever the number of cells.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::columns::{Column, Columns};
use super::{figure, pace, words};
use crate::event::{ArmCells, Cells, GoneCell, Tally};
use crate::file::redact_shapes;
use crate::report::human::style::{self, Ink, Look};
use crate::text;

/// What there is to see.
pub(in crate::report) struct Glance<'a> {
    cells: &'a Cells,
    /// Cells a second since the run was last taken up; `None` where none has ended since.
    rate: Option<f64>,
    /// How long the rest takes at that rate; of a live run only.
    left: Option<Duration>,
}

/// Looks at a run of many cells; `None` where it is none. Cells of a live one go on until `now`.
pub(in crate::report) fn glance(tally: &Tally, now: Timestamp, live: bool) -> Option<Glance<'_>> {
    let cells = &tally.cells;
    let until = if live { Some(now) } else { tally.last_at };
    let seconds = cells.since.zip(until).map(|(since, until)| style::between(since, until).as_secs_f64());
    let rate = seconds
        .filter(|seconds| *seconds > 0.0 && cells.ended_since > 0)
        .map(|seconds| figure::float(cells.ended_since) / seconds);
    let rest = figure::float(cells.planned.saturating_sub(cells.done()));
    let left =
        rate.filter(|_| live && rest > 0.0).and_then(|rate| Duration::try_from_secs_f64(rest / rate).ok());
    tally.has_cells().then_some(Glance { cells, rate, left })
}

impl Glance<'_> {
    /// `412 of 1200 · 3 missing · 8 in flight · 2 retries`
    pub(in crate::report) fn progress(&self, look: Look) -> String {
        let cells = self.cells;
        let mut parts = vec![format!("{} of {}", cells.done(), cells.planned)];
        parts.extend((cells.missing > 0).then(|| format!("{} missing", cells.missing)));
        parts.extend((cells.open > 0).then(|| format!("{} in flight", cells.open)));
        parts.extend((cells.retries > 0).then(|| text::plural(cells.retries, "retry")));
        parts.join(look.dot())
    }

    /// `12/s, 58s left`; empty where nothing tells it.
    pub(in crate::report) fn pace(&self) -> String {
        let left = self.left.map(|left| format!("{} left", style::clock(left)));
        self.rate.map(pace::rate).into_iter().chain(left).collect::<Vec<_>>().join(", ")
    }

    /// The verdict, and why; `None` where there is none, or it is not the last word.
    pub(in crate::report) fn verdict(&self) -> Option<(Ink, &'static str, Vec<&'static str>)> {
        let (word, ink) = words::verdict(Some(self.cells.verdict?));
        Some((ink, word, self.cells.reasons.iter().map(|reason| words::words(*reason).0).collect()))
    }

    /// A row for each arm under a head; empty before there is a plan.
    pub(in crate::report) fn arms(&self, look: Look, width: usize) -> Vec<String> {
        let score = self.cells.score.as_ref().map_or_else(String::new, |score| style::clean(score.as_str()));
        let mut columns = Columns::new(&[
            ("arm", Column::Name),
            ("role", Column::Text),
            ("answered", Column::Figure),
            ("missing", Column::Figure),
            (&score, Column::Figure),
            ("spend", Column::Figure),
        ]);
        for arm in &self.cells.arms {
            let ink = if arm.missing > 0 { Ink::Warn } else { Ink::Plain };
            columns.row(
                ink,
                vec![
                    style::clean(arm.arm.as_str()),
                    format!("{}{}", words::role(arm.role), if arm.stored { ", stored" } else { "" }),
                    format!("{}/{}", arm.answered, arm.dealt),
                    if arm.missing > 0 { arm.missing.to_string() } else { String::new() },
                    mean(arm).map_or_else(|| "-".to_owned(), figure::number),
                    if arm.stored { String::new() } else { style::money(&arm.spend) },
                ],
            );
        }
        if columns.is_empty() { Vec::new() } else { columns.lines(look, width) }
    }

    /// The last cells without an answer, and why: `cell 17, fixer, case-3, trial 1: overloaded: 529 Overloaded`
    pub(in crate::report) fn gone(&self) -> Vec<String> {
        self.cells.gone.iter().map(gone).collect()
    }

    /// The same for programs.
    pub(in crate::report) fn json(&self) -> Value {
        let cells = self.cells;
        let arm = |arm: &ArmCells| {
            let spend = &arm.spend;
            json!({
                "arm": arm.arm, "role": arm.role, "stored": arm.stored, "dealt": arm.dealt, "answered": arm.answered,
                "missing": arm.missing, "scored": arm.scored, "mean": mean(arm),
                "usd": spend.usd_known.then_some(spend.usd),
                "tokens": spend.tokens_known.then_some(spend.charged_tokens()),
            })
        };
        json!({
            "planned": cells.planned,
            "done": cells.done(),
            "answered": cells.answered,
            "missing": cells.missing,
            "open": cells.open,
            "retries": cells.retries,
            "rate_per_s": self.rate,
            "left_s": self.left.map(|left| left.as_secs_f64()),
            "score": cells.score,
            "arms": cells.arms.iter().map(arm).collect::<Vec<_>>(),
            "last_missing": cells.gone,
            "verdict": cells.verdict,
            "reasons": cells.reasons,
        })
    }
}

fn mean(arm: &ArmCells) -> Option<f64> {
    (arm.scored > 0).then(|| arm.sum / figure::float(arm.scored))
}

fn gone(gone: &GoneCell) -> String {
    let why = gone.class.map_or_else(|| words::missing(gone.reason).to_owned(), |class| class.to_string());
    let which = format!("cell {}, {}, {}, trial {}", gone.cell, gone.arm, gone.case, gone.trial);
    style::clean(&format!("{which}: {why}: {}", redact_shapes(&gone.evidence)))
}
