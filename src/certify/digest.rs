//! The name of the evidence.

use std::fmt::Write as _;

use crate::event::{MissingReason as Why, Sha256, Sheet};

/// Names the rows that a verdict rests on: of each cell that has ended its place, its identity, its outcome (and whether it is a stub, or was cut at the output limit), its
/// answer and its scores, in the order of the plan. Times, attempts and spend are not in it, so that a run that was killed and called
/// again has the digest of one that was not.
///
/// One line a cell: `CELL KEY OUTCOME OUTPUT VALUE…`, tab between them and `-` for what is not there; a value as the 16 hex
/// digits of its bits (IEEE 754, zero without a sign).
pub fn evidence_sha256(sheet: &Sheet) -> Sha256 {
    let mut hashing = Sha256::hashing();
    let mut line = String::new();
    for (cell, _, row) in sheet.rows() {
        let answered = match (row.is_stub(), row.cut) {
            (true, _) => "stub",
            (false, true) => "cut",
            (false, false) => "answered",
        };
        let outcome = row.missing.map_or(answered, word);
        let output = row.output.as_ref().map_or_else(|| "-".to_owned(), Sha256::to_string);
        let _ = write!(line, "{cell}\t{}\t{outcome}\t{output}", row.key);
        for mark in row.marks.iter() {
            let _ = match mark.value {
                None => write!(line, "\t-"),
                Some(value) => write!(line, "\t{:016x}", (value + 0.0).to_bits()),
            };
        }
        line.push('\n');
        hashing.add(line.as_bytes());
        line.clear();
    }
    hashing.done()
}

fn word(reason: Why) -> &'static str {
    match reason {
        Why::Infrastructure => "infrastructure",
        Why::Timeout => "timeout",
        Why::Agent => "agent",
        Why::Budget => "budget",
        Why::Judge => "judge",
        Why::NotRun => "not_run",
        Why::Unknown => "unknown",
    }
}
