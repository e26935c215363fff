//! When a limit resets, where that is only said in words and on the clock of who said it.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

use super::read;

/// How far back a time of day may lie and still be today's: a limit that has just reset is not one that resets tomorrow.
const JUST_PASSED: SignedDuration = SignedDuration::from_mins(5);

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// What comes before a moment.
const MOMENT: [&str; 10] = [
    "try again at ",
    "try again on ",
    "resets at ",
    "reset at ",
    "resets on ",
    "reset on ",
    "regain access on ",
    "将在",
    "将于",
    "resets ",
];

/// A date with its time and its zone, of which no clock is needed to know when it is: `reset at 2026-11-22 10:00:00 +0800`.
pub(super) fn with_zone(words: &str) -> Option<Timestamp> {
    let after = |lead: &&str| words.find(*lead).map(|at| &words[at + lead.len()..]);
    MOMENT.iter().filter_map(after).find_map(|rest| match written(rest.trim_start())? {
        (at, Some(offset)) => Some(offset.to_timestamp(at).ok()?),
        _ => None,
    })
}

/// When a limit resets that a text speaks of, read at `now` in the zone of who wrote it: `try again at 4:12 AM`,
/// `try again at Nov 21st, 2026 4:12 AM`, `try again in 2 days 3 hours`, `resets 3:45pm (Europe/Berlin)`.
///
/// A time without a date is the next one to come. `None` where nothing is said, or nothing that is surely meant so.
pub fn reset_said(text: &str, now: &Zoned) -> Option<Timestamp> {
    const SPAN: [&str; 5] = ["try again in ", "resets in ", "reset in ", "reset after ", "retrying in "];
    let words = read::normal(read::head(text, super::READ_BYTES));
    let after = |lead: &&str| words.find(*lead).map(|at| &words[at + lead.len()..]);
    let span = SPAN.iter().filter_map(after).find_map(span);
    span.and_then(|span| now.timestamp().checked_add(span).ok())
        .or_else(|| MOMENT.iter().filter_map(after).find_map(|rest| moment(rest, now)))
}

/// `2 days 3 hours`, `1h 30m`, `~2 weeks`, as far as it goes.
fn span(text: &str) -> Option<SignedDuration> {
    let mut rest = text.trim_start_matches('~');
    let mut sum: Option<SignedDuration> = None;
    loop {
        let (number, after) = digits(rest);
        let Some(number) = number else { return sum };
        let after = after.trim_start();
        let (unit, after) =
            after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let seconds = match unit {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return sum,
        };
        let part = SignedDuration::from_secs(number.checked_mul(seconds)?);
        sum = Some(sum.unwrap_or_default().checked_add(part)?);
        rest = after.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
}

/// `4:12 am`, `nov 21st, 2026 4:12 am`, `3:45pm (europe/berlin)`.
fn moment(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Some((at, offset)) = written(text.trim_start()) {
        return match offset {
            Some(offset) => offset.to_timestamp(at).ok(),
            None => Some(at.to_zoned(now.time_zone().clone()).ok()?.timestamp()),
        };
    }
    let (day, rest) = match day(text) {
        Some((month, day, year, rest)) => (Some((month, day, year)), rest),
        None => (None, text),
    };
    let (time, rest) = time(rest)?;
    let zone = match rest.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((name, _)) => TimeZone::get(name).ok()?,
        None => now.time_zone().clone(),
    };
    let today = now.timestamp().to_zoned(zone.clone()).date();
    let at = |date: Date| Some(date.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp());
    let oldest = now.timestamp().checked_sub(JUST_PASSED).ok()?;
    let to_come =
        |dates: [Option<Date>; 2]| dates.into_iter().flatten().filter_map(at).find(|at| *at >= oldest);
    match day {
        None => to_come([Some(today), today.tomorrow().ok()]),
        Some((month, day, Some(year))) => at(Date::new(year, month, day).ok()?),
        Some((month, day, None)) => to_come(
            [today.year(), today.year().saturating_add(1)].map(|year| Date::new(year, month, day).ok()),
        ),
    }
}

/// `2026-11-22 10:00:00 +0800`, `2026-11-22t10:00z`, `2026-12-01 at 00:00 utc`, `2026-12-01`: the date and time, and the
/// offset if it is said. A date alone is its first minute.
fn written(text: &str) -> Option<(DateTime, Option<Offset>)> {
    let (year, rest) = digits(text);
    let (month, rest) = digits(rest.strip_prefix(['-', '/'])?);
    let (day, rest) = digits(rest.strip_prefix(['-', '/'])?);
    let year = i16::try_from(year?).ok().filter(|year| *year >= 1000)?;
    let date = Date::new(year, i8::try_from(month?).ok()?, i8::try_from(day?).ok()?).ok()?;
    let after = rest.trim_start_matches([' ', ',', 't']);
    let after = after.strip_prefix("at ").unwrap_or(after);
    let (hour, after_hour) = digits(after);
    let (Some(hour), Some(after_hour)) = (hour, after_hour.strip_prefix(':')) else {
        return Some((date.to_datetime(Time::midnight()), None));
    };
    let (minute, rest) = digits(after_hour);
    let (second, rest) = match rest.strip_prefix(':').map(digits) {
        Some((Some(second), rest)) => (second, rest),
        _ => (0, rest),
    };
    // Parts of a second are no matter here.
    let rest = rest.strip_prefix('.').map_or(rest, |rest| digits(rest).1);
    let part = |number: i64| i8::try_from(number).ok();
    let time = Time::new(part(hour)?, part(minute?)?, part(second)?, 0).ok()?;
    Some((date.to_datetime(time), offset(rest.trim_start_matches([' ', '(']))))
}

/// `z`, `utc`, `gmt`, `+0800`, `+08:00`, `-05`, `utc+8`.
fn offset(text: &str) -> Option<Offset> {
    let named = ["utc", "gmt", "z"].iter().find_map(|name| text.strip_prefix(*name));
    let rest = named.unwrap_or(text);
    let (sign, rest) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        _ => return named.map(|_| Offset::UTC),
    };
    let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (Some(number), rest) = digits(rest) else { return None };
    let (hours, minutes) = match length {
        1 | 2 => (number, rest.strip_prefix(':').and_then(|rest| digits(rest).0).unwrap_or(0)),
        4 => (number / 100, number % 100),
        _ => return None,
    };
    let seconds = i32::try_from(sign * (hours * 3600 + minutes.min(59) * 60)).ok()?;
    Offset::from_seconds(seconds).ok()
}

/// `nov 21st, 2026 `: month, day, the year if it is said, and what follows.
fn day(text: &str) -> Option<(i8, i8, Option<i16>, &str)> {
    let month = MONTHS.iter().position(|month| text.starts_with(month))?;
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches(['.', ' ']);
    let (number, rest) = digits(rest);
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches([',', ' ']);
    let (year, after) = digits(rest);
    let (year, rest) = match year {
        Some(year @ 1000..) => (i16::try_from(year).ok(), after.trim_start_matches([',', ' '])),
        _ => (None, rest),
    };
    let rest = rest.strip_prefix("at ").unwrap_or(rest);
    Some((i8::try_from(month + 1).ok()?, i8::try_from(number?).ok()?, year, rest))
}

/// `4:12 am`, `3pm`, `16:12`, and what follows.
fn time(text: &str) -> Option<(Time, &str)> {
    let (hour, rest) = digits(text);
    let (minute, rest) = match rest.strip_prefix(':').map(digits) {
        Some((Some(minute), rest)) => (Some(minute), rest),
        _ => (None, rest),
    };
    let half = rest.trim_start();
    let (hour, rest) = match (hour?, half.get(..2)) {
        (hour @ 1..=12, Some("am")) => (hour % 12, &half[2..]),
        (hour @ 1..=12, Some("pm")) => (hour % 12 + 12, &half[2..]),
        // Without a half of the day, a bare number may be anything.
        (hour, _) if minute.is_some() => (hour, rest),
        _ => return None,
    };
    let minute = i8::try_from(minute.unwrap_or(0)).ok()?;
    Some((Time::new(i8::try_from(hour).ok()?, minute, 0, 0).ok()?, rest))
}

/// A number at the beginning, and what follows; none if it is longer than any that is meant.
fn digits(text: &str) -> (Option<i64>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (if end <= 6 { number.parse().ok() } else { None }, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is said is read late on a Saturday in Berlin.
    fn read(text: &str) -> Option<String> {
        let now: Zoned = "2026-11-21T23:50:30+01:00[Europe/Berlin]".parse().unwrap();
        reset_said(text, &now).map(|at| at.to_zoned(now.time_zone().clone()).datetime().to_string())
    }

    #[test]
    fn words_become_a_moment_on_the_clock_of_who_said_them() {
        let rows = [
            // M9.
            (
                "You\u{2019}ve hit your usage limit. Visit x or try again at 12:10 AM.",
                Some("2026-11-22T00:10:00"),
            ),
            ("try again at 11:55 PM.", Some("2026-11-21T23:55:00")),
            // It said the minute that runs, or one that has just passed.
            ("try again at 11:50 PM.", Some("2026-11-21T23:50:00")),
            ("try again at 11:46 pm", Some("2026-11-21T23:46:00")),
            ("try again at 11:40 pm", Some("2026-11-22T23:40:00")),
            ("try again at 12:00 PM", Some("2026-11-22T12:00:00")),
            ("try again at Nov 22nd, 2026 8:17 AM.", Some("2026-11-22T08:17:00")),
            ("try again at Mar 5th, 2027 11:17 PM.", Some("2027-03-05T23:17:00")),
            ("try again at December 1, 2026, 16:12", Some("2026-12-01T16:12:00")),
            ("try again in 2 days 3 hours.", Some("2026-11-24T02:50:30")),
            ("try again in 2 days, 3 hours and 5 minutes", Some("2026-11-24T02:55:30")),
            ("cooling down [retrying in ~2 weeks]", Some("2026-12-05T23:50:30")),
            ("Monthly usage limit reached. Resets in 6 days", Some("2026-11-27T23:50:30")),
            ("You\u{2019}ve hit your weekly limit · resets 3:45pm", Some("2026-11-22T15:45:00")),
            ("hit your limit · resets 11pm (America/New_York)", Some("2026-11-22T05:00:00")),
            ("resets Nov 23, 3pm (UTC)", Some("2026-11-23T16:00:00")),
            ("resets Jan 2 at 9am", Some("2027-01-02T09:00:00")),
            ("resets 3pm (Middle/Earth)", None),
            ("resets 5 counters", None),
            ("try again at Feb 30th, 2027 8:17 AM", None),
            ("try again at 25:10", None),
            ("try again at 13:10 pm", Some("2026-11-22T13:10:00")),
            ("try again in 99999999999999999999 days", None),
            ("try again in a while", None),
            ("try again later", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_time_that_a_change_of_the_clocks_leaves_out_is_still_one() {
        let now: Zoned = "2026-03-28T22:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let at = reset_said("try again at 2:30 AM", &now).unwrap();
        assert_eq!(at, "2026-03-29T01:30:00Z".parse::<Timestamp>().unwrap());
    }

    proptest! {
        #[test]
        fn words_never_panic(text in "(try again (at|in) |resets ?)(nov |feb 29|[0-9:apm ,sthdö()]{0,20}){0,4}") {
            let _ = read(&text);
        }
    }
}
