//! Which options each kind of score knows.

use crate::profile::ScoreKind;

/// Each kind, as it is written and as it is, with the keys of `[score.options]` that it honours.
pub const OPTIONS: [(&str, ScoreKind, &[&str]); 8] = [
    ("exact", ScoreKind::Exact, &["expected", "ignore_case", "ignore_space"]),
    ("contains", ScoreKind::Contains, &["expected", "all", "none", "ignore_case"]),
    ("regex", ScoreKind::Regex, &["pattern", "group", "ignore_case"]),
    ("number", ScoreKind::Number, &["expected", "pattern", "tolerance", "relative"]),
    ("json", ScoreKind::Json, &["schema", "path", "expected"]),
    ("command", ScoreKind::Command, &["command", "timeout"]),
    ("judge", ScoreKind::Judge, &["profile", "rubric", "dimensions", "scale", "compare", "repeats"]),
    ("check", ScoreKind::Check, &[]),
];

/// Whether a kind honours an option.
pub(super) fn is_known(kind: ScoreKind, option: &str) -> bool {
    OPTIONS.iter().any(|(_, of, known)| *of == kind && known.contains(&option))
}
