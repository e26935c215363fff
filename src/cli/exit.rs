//! The exit codes: one table, for the code, `provost help exit-codes` and `provost(1)`.

use std::fmt::Write as _;

/// A code and what it means.
pub(crate) const TABLE: &[(&str, &str)] = &[
    ("0", "done and good: check passed, settled without a check, stopped as asked"),
    (
        "1",
        "done and not good: check failed, the same failure three times, the agent failed; nothing live to stop or to steer; a \
         warning is open (`peek --alerts`)",
    ),
    ("2", "usage, profile or suite error"),
    (
        "3",
        "refused or inconclusive: cost unknown where it decides; still under way when `--timeout` was over (`stop`, `steer`); \
         cells without an answer (`cell`); a critical alert is open, or the run is dead (`peek --alerts`)",
    ),
    (
        "4",
        "unavailable: backend, credentials or environment; all who can be asked must be left alone for now",
    ),
    ("5", "budget exhausted"),
    ("6", "gave up: crash loop, no progress, memory loop (supervise)"),
    ("70", "a bug of ours"),
    ("128+n", "ended by signal n"),
];

/// Done and not good.
pub(crate) const NOT_GOOD: u8 = 1;
/// Usage, profile or suite error.
pub(crate) const USAGE: u8 = 2;
/// Refused or inconclusive; of a run or a service that was asked to stop, that it drains.
pub(crate) const INCONCLUSIVE: u8 = 3;
/// Backend, credentials or environment.
pub(crate) const UNAVAILABLE: u8 = 4;
/// A bug of ours.
pub(crate) const BUG: u8 = 70;

/// Ended by a signal.
pub(crate) fn of_signal(signal: i32) -> u8 {
    128 + u8::try_from(signal).unwrap_or(2).min(127)
}

/// The table as text.
pub(crate) fn table() -> String {
    let mut text = String::new();
    for (code, meaning) in TABLE {
        let _ = writeln!(text, "{code:>6}  {meaning}");
    }
    text
}
