//! What GitHub Actions shows of a run: annotations on standard output, and the summary of the job.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use super::{GridView, account, words};
use crate::event::Verdict;
use crate::file::redact_shapes;
use crate::report::human::style;

/// Bytes of a step's summary that are shown; a longer one is refused as a whole.
const SUMMARY_LIMIT: usize = 1024 * 1024;

/// Lines for standard output, which is where a workflow reads them, each with its end: an error for each candidate that fails, a warning for one that cannot
/// be decided and for what is missing, a notice for one that passes. Write them only where `GITHUB_ACTIONS` is `true`.
pub fn annotations(view: &GridView<'_>) -> String {
    let mut lines = String::new();
    let Some(plan) = view.sheet.plan() else { return lines };
    let mut say = |level: &str, title: &str, message: &str| {
        let (title, message) = (property(&clean(title)), data(&clean(message)));
        let _ = writeln!(lines, "::{level} title={title}::{message}");
    };
    let certified = view.figures();
    let accounts = certified.map(|certified| account::accounts(view.sheet, certified)).unwrap_or_default();
    if plan.gate.is_some() && accounts.is_empty() {
        say("error", &format!("{}: no verdict", plan.suite), "The run ended without a verdict.");
    }
    for each in accounts {
        let (word, _) = words::verdict(each.verdict);
        let level = match each.verdict {
            Some(Verdict::Pass) => "notice",
            Some(Verdict::Fail) => "error",
            Some(Verdict::Inconclusive) | None => "warning",
        };
        let arm = if each.arm.is_empty() { String::new() } else { format!(", {}", each.arm) };
        let reasons = each.reasons.iter().map(|reason| {
            let (title, remedy) = (words::words(*reason).0, words::remedy(*reason, view.sheet));
            format!("{title} {remedy}")
        });
        let told: Vec<String> = reasons.chain(each.settles).chain(each.facts.into_iter().take(1)).collect();
        say(level, &format!("{}{arm}: {word}", plan.suite), &told.join(" "));
    }
    // One annotation for all of them: a step shows ten of each level.
    let missing = account::missing(view.sheet);
    if !missing.is_empty() {
        say("warning", &format!("{}: cells are missing", plan.suite), &missing.join("; "));
    }
    lines
}

/// Appends `markdown` to the file that `GITHUB_STEP_SUMMARY` names. What would make the summary too long is cut, and that is said.
///
/// # Errors
/// When the file cannot be written.
pub fn append_summary(path: &Path, markdown: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let used = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    file.write_all(fitting(markdown, SUMMARY_LIMIT.saturating_sub(used)).as_bytes())
}

fn fitting(markdown: &str, room: usize) -> String {
    const CUT: &str = "\n\nThe rest was cut; it is in the run directory.\n";
    if markdown.len() <= room {
        return markdown.to_owned();
    }
    let Some(room) = room.checked_sub(CUT.len()) else { return String::new() };
    let end = (0..=room).rev().find(|at| markdown.is_char_boundary(*at)).unwrap_or(0);
    format!("{}{CUT}", &markdown[..end])
}

fn clean(text: &str) -> String {
    style::clean(&redact_shapes(text))
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_that_is_too_long_is_cut_and_says_so() {
        assert_eq!(fitting("short", 100), "short");
        let cut = fitting(&"ä".repeat(100), 101);
        assert!(cut.len() <= 101 && cut.starts_with("ää") && cut.ends_with("run directory.\n"), "{cut}");
        assert_eq!(fitting("no room at all", 3), "");
    }

    #[test]
    fn a_summary_is_appended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary");
        append_summary(&path, "one\n").unwrap();
        append_summary(&path, "two\n").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_command_cannot_be_broken_out_of() {
        assert_eq!(data("50 %\n::error::x"), "50 %25%0A::error::x");
        assert_eq!(property("a: b, c"), "a%3A b%2C c");
    }
}
