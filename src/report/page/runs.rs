//! The list of runs.

use super::{Ink, LEAST_WIDTH, Look, Page, RunState, style};
use crate::event::{RunOutcome, Spend};

/// One run of the list.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// Its id.
    pub run: String,
    /// Whether somebody works on it.
    pub state: RunState,
    /// How it ended, if it has.
    pub outcome: Option<RunOutcome>,
    /// Rounds that were started.
    pub rounds: u64,
    /// What it has consumed.
    pub spend: Spend,
    /// Its task.
    pub task: String,
}

/// The list of runs, one a line, in the order given.
pub fn runs_table(rows: &[RunRow], colour: bool, width: usize) -> String {
    let look = Look { colour, unicode: false };
    let mut page = Page { look, width: width.max(LEAST_WIDTH), text: String::new() };
    let runs: Vec<String> = rows.iter().map(|row| style::clean(&row.run)).collect();
    let column = runs.iter().map(|run| console::measure_text_width(run)).max().unwrap_or(0).max(3);
    page.line(
        Ink::Faint,
        &format!(
            "{}  {:<8}  {:<16}  rounds     spend  task",
            style::cell("run", column, look),
            "state",
            "outcome"
        ),
    );
    for (row, run) in rows.iter().zip(&runs) {
        let (outcome, ink) = row.outcome.map_or(("-", row.state.ink()), style::run_outcome);
        let spend = if row.spend.usd_known { style::dollars(row.spend.usd) } else { "unknown".to_owned() };
        let line = format!(
            "{}  {:<8}  {outcome:<16}  {:>6}  {spend:>8}  {}",
            style::cell(run, column, look),
            row.state.word(),
            row.rounds,
            style::clean(&row.task),
        );
        page.line(ink, &line);
    }
    page.text
}
