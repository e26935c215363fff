//! How durations, money, tokens and foreign text look. Everything that an agent said passes [`clean`] before it is shown.

use std::time::Duration;

use console::Style;
use jiff::{SignedDuration, Timestamp};

use crate::event::{RoundOutcome, RunOutcome, Severity, Spend};

/// What the place that is written to can show; the caller has found that out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether to use colours.
    pub colour: bool,
    /// Whether the locale is UTF-8; else our own signs are ASCII.
    pub unicode: bool,
}

impl Look {
    /// Between the parts of a line.
    pub(crate) fn dot(self) -> &'static str {
        if self.unicode { " · " } else { " - " }
    }

    /// Before a tool.
    pub(crate) fn tool(self) -> &'static str {
        if self.unicode { "▸" } else { ">" }
    }

    /// Before quoted output.
    pub(crate) fn bar(self) -> &'static str {
        if self.unicode { "│" } else { "|" }
    }

    /// For what was left out.
    pub(crate) fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// `text` in `ink`, if there are colours.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        // Forced, because the library would otherwise look at the environment by itself.
        let style = Style::new().force_styling(true);
        let style = match ink {
            Ink::Plain => return text.to_owned(),
            Ink::Good => style.green(),
            Ink::Bad => style.red(),
            Ink::Warn => style.yellow(),
            Ink::Strong => style.bold(),
            Ink::Faint => style.dim(),
        };
        style.apply_to(text).to_string()
    }
}

/// What a piece of text means; the colour follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Good,
    Bad,
    Warn,
    Strong,
    Faint,
}

/// Foreign text on one line, without anything a terminal would obey.
pub fn clean(text: &str) -> String {
    let stripped = console::strip_ansi_codes(text);
    let mut clean = String::with_capacity(stripped.len());
    for c in stripped.chars() {
        if c.is_whitespace() {
            if !clean.is_empty() && !clean.ends_with(' ') {
                clean.push(' ');
            }
        } else if !c.is_control() && !reorders(c) {
            clean.push(c);
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// Marks that make a terminal show text in another order than it stands, or that hide text.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// The lines of a foreign text that say something, clean, with their indentation.
pub(crate) fn clean_lines(text: &str) -> impl Iterator<Item = String> {
    // Escape sequences may span lines, so they go first.
    let stripped = console::strip_ansi_codes(text).into_owned();
    let lines: Vec<String> = stripped
        .lines()
        .map(|line| {
            let indent = line.chars().take_while(|c| *c == ' ').count().min(24);
            format!("{}{}", " ".repeat(indent), clean(line))
        })
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines.into_iter()
}

/// At most `width` columns of `text`, which is plain.
pub(crate) fn fit(text: &str, width: usize, look: Look) -> String {
    if console::measure_text_width(text) <= width {
        return text.to_owned();
    }
    let ellipsis = look.ellipsis();
    if width <= ellipsis.chars().count() {
        return console::truncate_str(text, width, "").into_owned();
    }
    console::truncate_str(text, width, ellipsis).into_owned()
}

/// `text` filled up or cut to exactly `width` columns.
pub(crate) fn cell(text: &str, width: usize, look: Look) -> String {
    let mut cell = fit(text, width, look);
    let used = console::measure_text_width(&cell);
    cell.push_str(&" ".repeat(width.saturating_sub(used)));
    cell
}

/// `900ms`, `3.2s`, `1m 05s`, `2h 03m`, `4d 07h`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.subsec_millis()),
        1..10 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// The same in whole seconds, for what is shown again and again: it must not flicker.
pub(crate) fn clock(duration: Duration) -> String {
    if duration.as_secs() < 60 { format!("{}s", duration.as_secs()) } else { span(duration) }
}

/// A duration in milliseconds.
pub(crate) fn millis(ms: u64) -> String {
    span(Duration::from_millis(ms))
}

/// A duration in seconds; what is no duration is shown as unknown.
pub(crate) fn seconds(s: f64) -> String {
    Duration::try_from_secs_f64(s).map_or_else(|_| "unknown".to_owned(), span)
}

/// How long from `since` to `now`; a clock that went back gives zero.
pub(crate) fn between(since: Timestamp, now: Timestamp) -> Duration {
    let passed: SignedDuration = now.duration_since(since);
    Duration::try_from(passed).unwrap_or(Duration::ZERO)
}

/// The time of day of an instant, UTC.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

/// Date and time of an instant, UTC.
pub(crate) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `$0.12`, with more places where two would say zero.
pub(crate) fn dollars(usd: f64) -> String {
    if usd != 0.0 && usd.abs() < 0.01 { format!("${usd:.4}") } else { format!("${usd:.2}") }
}

/// `999`, `12.3k`, `4.5M`.
pub(crate) fn count(n: u64) -> String {
    // The cut is made in whole numbers: 999_999 is `999.9k`, never `1000.0k`.
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{}.{}k", n / 1_000, n % 1_000 / 100),
        _ => format!("{}.{}M", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// `1 turn`, `2 turns`.
pub(crate) fn plural(n: u64, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{} {word}s", count(n)) }
}

/// Dollars that were spent; what is not known is said so, with what is known of it.
pub(crate) fn money(spend: &Spend) -> String {
    match (spend.usd_known, spend.usd > 0.0) {
        (true, _) => dollars(spend.usd),
        (false, true) => format!("unknown (at least {})", dollars(spend.usd)),
        (false, false) => "unknown".to_owned(),
    }
}

/// Tokens that were used, in words.
pub(crate) fn tokens(spend: &Spend) -> String {
    let (input, output) = (count(spend.input), count(spend.output));
    let parts = if spend.cache_read > 0 || spend.cache_write > 0 {
        let (read, written) = (count(spend.cache_read), count(spend.cache_write));
        format!("{input} in, {output} out, cache {read} read, {written} written")
    } else {
        format!("{input} in, {output} out")
    };
    match (spend.tokens_known, spend.charged_tokens().saturating_add(spend.cache_read)) {
        (true, _) => parts,
        (false, 0) => "unknown".to_owned(),
        (false, _) => format!("unknown (at least {parts})"),
    }
}

/// The word and the meaning of how a round ended.
pub(crate) fn round_outcome(outcome: RoundOutcome) -> (&'static str, Ink) {
    match outcome {
        RoundOutcome::Answered => ("answered", Ink::Good),
        RoundOutcome::Failed => ("failed", Ink::Bad),
        RoundOutcome::TimedOut => ("timed out", Ink::Bad),
        RoundOutcome::Stopped => ("stopped", Ink::Warn),
        RoundOutcome::Interrupted => ("interrupted", Ink::Warn),
    }
}

/// The words and the meaning of how a run ended.
pub(crate) fn run_outcome(outcome: RunOutcome) -> (&'static str, Ink) {
    match outcome {
        RunOutcome::Delivered => ("delivered", Ink::Good),
        RunOutcome::Settled => ("settled", Ink::Good),
        RunOutcome::CheckFailed => ("check failed", Ink::Bad),
        RunOutcome::Stuck => ("stuck", Ink::Bad),
        RunOutcome::AgentFailed => ("agent failed", Ink::Bad),
        RunOutcome::Unavailable => ("unavailable", Ink::Bad),
        RunOutcome::BudgetExhausted => ("budget exhausted", Ink::Warn),
        RunOutcome::SpendUnknown => ("spend unknown", Ink::Warn),
        RunOutcome::Interrupted => ("interrupted", Ink::Warn),
        RunOutcome::Stopped => ("stopped", Ink::Warn),
        RunOutcome::Done => ("done", Ink::Good),
        RunOutcome::GaveUp => ("gave up", Ink::Bad),
        RunOutcome::Misconfigured => ("misconfigured", Ink::Bad),
        RunOutcome::DryRun => ("dry run", Ink::Plain),
        RunOutcome::Certified => ("certified", Ink::Good),
        RunOutcome::NotCertified => ("not certified", Ink::Bad),
        RunOutcome::Inconclusive => ("inconclusive", Ink::Warn),
        RunOutcome::Measured => ("measured", Ink::Good),
    }
}

/// The word and the meaning of how loud an alert is.
pub(crate) fn severity(severity: Severity) -> (&'static str, Ink) {
    match severity {
        Severity::Notice => ("notice", Ink::Plain),
        Severity::Warning => ("warning", Ink::Warn),
        Severity::Critical => ("critical", Ink::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let shown: Vec<_> =
            [0, 950, 3_250, 59_999, 65_000, 7_380_000, 400_000_000].into_iter().map(millis).collect();
        assert_eq!(shown, ["0ms", "950ms", "3.2s", "59s", "1m 05s", "2h 03m", "4d 15h"]);
        assert_eq!(seconds(f64::NAN), "unknown");
        assert_eq!(seconds(-1.0), "unknown");
    }

    #[test]
    fn counts_and_money_never_round_up_to_a_wrong_unit() {
        assert_eq!([999, 12_345, 999_999, 4_500_000].map(count), ["999", "12.3k", "999.9k", "4.5M"]);
        assert_eq!([0.0, 0.004, 0.126, 12.0].map(dollars), ["$0.00", "$0.0040", "$0.13", "$12.00"]);
    }

    #[test]
    fn unknown_is_never_zero() {
        let unknown = Spend { usd_known: false, tokens_known: false, ..Spend::default() };
        assert_eq!((money(&unknown).as_str(), tokens(&unknown).as_str()), ("unknown", "unknown"));
        let partly = Spend { usd: 0.5, ..unknown };
        assert_eq!(money(&partly), "unknown (at least $0.50)");
    }

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(clean("a\x1b[31mb\x1b]0;title\x07c\r\nd\u{9b}2Je\u{202e}f\0"), "abc def");
        assert_eq!(clean_lines("x\n\n  y\x1b[2J\n").collect::<Vec<_>>(), ["x", "  y"]);
    }

    #[test]
    fn wide_text_is_cut_by_columns() {
        let look = Look { colour: false, unicode: true };
        assert_eq!(fit("漢字漢字", 5, look), "漢字…");
        assert_eq!(cell("漢字漢字", 6, look), "漢字… ");
        assert_eq!(fit("漢字", 1, look), "");
        assert_eq!(fit("abc", 0, look), "");
    }
}
