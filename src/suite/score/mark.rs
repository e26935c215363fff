//! A number, whether it passes, and why.

use crate::event::Scored;
use crate::text::truncate;

/// Slack at the edge of `pass`, absolute: three thirds must pass at 1.
const SLACK: f64 = 1e-9;

/// How much of a text is quoted in a reason, characters.
const QUOTED: usize = 120;

/// A value from 0 to 1 that passes from `pass` on; `why` is told where it is not 1.
pub(super) fn graded(value: f64, pass: f64, why: impl FnOnce() -> String) -> Scored {
    let why = (value < 1.0).then(why);
    Scored { value: Some(value), passed: Some(reaches(value, pass)), why, ..Scored::default() }
}

/// Whether a value reaches `pass`.
pub(in crate::suite) fn reaches(value: f64, pass: f64) -> bool {
    value >= pass - SLACK
}

/// No value: whoever should have scored could not. It is not zero.
pub(in crate::suite) fn missing(why: impl Into<String>) -> Scored {
    Scored { why: Some(why.into()), ..Scored::default() }
}

/// A text in one short line, in quotes.
pub(super) fn quoted(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("`{}`", truncate(&line, QUOTED))
}
