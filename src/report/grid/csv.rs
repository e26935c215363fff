//! The cells as CSV, for whoever wants to compute it by themselves.

use super::{GridView, words};
use crate::event::{Mark, MissingReason, Place, Row, ScoreName, Trial};

/// One row a cell, in the order of the plan; a cell that never ended is there as `not_run`.
///
/// Columns: `cell`, `arm`, `role`, `case`, `group`, `tags` (split by `;`), `trial`, `missing` (why; empty when there is an
/// answer), `cut` (whether the answer was cut at the output limit; empty without one), for each score `score.NAME` (from 0 to 1; empty is missing) and `passed.NAME` (`true`, `false` or empty), `usd`,
/// `tokens` (what a budget counts; empty is unknown), `attempts`, `duration_ms`, `output_sha256`, `key`. Numbers are
/// written so that they are read back bit by bit. Spend of attempts whose result came too late is in no row.
///
/// # Errors
/// When the text cannot be written, which is out of memory only.
pub fn csv(view: &GridView<'_>) -> Result<String, ::csv::Error> {
    let sheet = view.sheet;
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let scores: &[ScoreName] = sheet.plan().map_or(&[], |plan| &plan.scores);
    let of = |prefix: &str| scores.iter().map(|score| format!("{prefix}.{score}")).collect::<Vec<_>>();
    let mut head: Vec<String> =
        ["cell", "arm", "role", "case", "group", "tags", "trial", "missing", "cut"].map(Into::into).into();
    for (value, passed) in of("score").into_iter().zip(of("passed")) {
        head.extend([value, passed]);
    }
    head.extend(["usd", "tokens", "attempts", "duration_ms", "output_sha256", "key"].map(str::to_owned));
    writer.write_record(&head)?;
    let Some(plan) = sheet.plan() else { return finished(writer) };
    for (case, fixed) in sheet.cases().iter().enumerate() {
        for trial in 1..=plan.trials {
            for (arm, named) in plan.arms.iter().enumerate() {
                let Some(cell) = sheet.cell(Place { arm, case, trial: Trial(trial) }) else { continue };
                let mut record = vec![
                    cell.to_string(),
                    named.name.to_string(),
                    words::role(named.role).to_owned(),
                    fixed.id.to_string(),
                    fixed.group.unwrap_or_default().to_owned(),
                    fixed.tags().collect::<Vec<_>>().join(";"),
                    trial.to_string(),
                ];
                if let Some(row) = sheet.row(cell) {
                    record.extend(row_of(&row));
                } else {
                    record.push(words::key(MissingReason::NotRun));
                    record.resize(head.len(), String::new());
                }
                writer.write_record(&record)?;
            }
        }
    }
    finished(writer)
}

fn row_of(row: &Row<'_>) -> Vec<String> {
    let cut = if row.missing.is_some() { String::new() } else { row.cut.to_string() };
    let mut record = vec![row.missing.map_or_else(String::new, words::key), cut];
    for Mark { value, passed } in row.marks.iter() {
        record.push(value.map_or_else(String::new, |value| value.to_string()));
        record.push(passed.map_or_else(String::new, |passed| passed.to_string()));
    }
    record.push(row.usage.and_then(|usage| usage.usd).map_or_else(String::new, |usd| usd.to_string()));
    record.push(row.usage.map_or_else(String::new, |usage| usage.charged_tokens().to_string()));
    record.push(row.attempts.to_string());
    record.push(row.duration_ms.to_string());
    record.push(row.output.as_ref().map_or_else(String::new, ToString::to_string));
    record.push(row.key.to_string());
    record
}

pub(super) fn finished(writer: ::csv::Writer<Vec<u8>>) -> Result<String, ::csv::Error> {
    let bytes = writer.into_inner().map_err(|error| ::csv::Error::from(error.into_error()))?;
    String::from_utf8(bytes).map_err(|error| ::csv::Error::from(std::io::Error::other(error)))
}
