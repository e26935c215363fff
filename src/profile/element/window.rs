//! A time of the week as people write it, and what many of them come to.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Minutes of a week.
const WEEK: u16 = 7 * DAY;

/// A time of the week, `"Mon..Fri 09:00-17:30"`: on which days it begins, from when, and until when, the end left out. One that
/// ends before it begins goes on past midnight, into the day that follows the one it is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// A bit for each day, Monday the lowest.
    days: u8,
    /// Minutes since midnight, below 1440.
    start: u16,
    /// Minutes since midnight, to 1440.
    end: u16,
}

/// Why a text is not a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not of the form.
    #[error("{}", self.expected())]
    Form,
    /// A day that there is not.
    #[error("{}", self.expected())]
    Day,
    /// A range of days that goes backwards.
    #[error("{}", self.expected())]
    Order,
    /// A time that there is not.
    #[error("{}", self.expected())]
    Time,
    /// A window begins at 24:00.
    #[error("{}", self.expected())]
    Midnight,
    /// It ends when it begins.
    #[error("{}", self.expected())]
    Empty,
}

impl WindowError {
    const ALL: [Self; 6] = [Self::Form, Self::Day, Self::Order, Self::Time, Self::Midnight, Self::Empty];

    /// What the text should have been.
    fn expected(self) -> &'static str {
        match self {
            Self::Form => "days and a time, or a time alone",
            Self::Day => "days from Mon to Sun",
            Self::Order => "a range of days that goes forwards",
            Self::Time => "times of day from 00:00 to 24:00",
            Self::Midnight => "a begin before 24:00",
            Self::Empty => "an end that is not the begin",
        }
    }

    /// What to write instead.
    fn remedy(self) -> &'static str {
        match self {
            Self::Form => {
                "write a window such as \"Mon..Fri 09:00-17:30\", \"Sat,Sun 10:00-24:00\" or \"22:00-06:00\""
            }
            Self::Day => {
                "name days as Mon, Tue, Wed, Thu, Fri, Sat, Sun: \"Mon..Fri\", \"Mon,Wed\", \"Mon..Wed,Sat\""
            }
            Self::Order => {
                "let a range go from Mon towards Sun, and write \"Sat..Sun,Mon\" for one over the week's end"
            }
            Self::Time => "write two digits for the hour and two for the minute, such as \"09:00-17:30\"",
            Self::Midnight => "write 00:00 for a window that begins at midnight; 24:00 can only end one",
            Self::Empty => "write \"00:00-24:00\" for a whole day, or leave the day out for none of it",
        }
    }
}

/// What to write instead, for what a window has `expected`.
pub(super) fn remedy(expected: &str) -> Option<&'static str> {
    WindowError::ALL.into_iter().find(|error| error.expected() == expected).map(WindowError::remedy)
}

impl Window {
    /// Whether a minute of the week lies in it; Monday 00:00 is 0.
    pub fn contains(&self, minute: u16) -> bool {
        let (day, time) = (minute / DAY, minute % DAY);
        let begins_on = |day: u16| self.days & (1 << (day % 7)) != 0;
        if self.start < self.end {
            return begins_on(day) && (self.start..self.end).contains(&time);
        }
        // What is left after midnight belongs to the day before.
        (begins_on(day) && time >= self.start) || (begins_on(day + 6) && time < self.end)
    }

    /// The minutes of the week that lie in it, those of each day together.
    fn minutes(self) -> impl Iterator<Item = u16> + use<> {
        let Self { days, start, end } = self;
        let end = if start < end { end } else { end + DAY };
        let begins = (0..7).filter(move |day| days & (1 << day) != 0);
        begins.flat_map(move |day| (start..end).map(move |minute| (day * DAY + minute) % WEEK))
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let text = text.trim();
        let (days, times) = text.rsplit_once(char::is_whitespace).unwrap_or(("", text));
        // First what it is at all: then a wrong day is a mistake in a window, and not a text of another kind.
        let (start, end) = times.split_once('-').ok_or(WindowError::Form)?;
        let (start, end) = (time_of(start)?, time_of(end)?);
        let days = if days.is_empty() { 0b111_1111 } else { days_of(days)? };
        if start == DAY {
            return Err(WindowError::Midnight);
        }
        if start == end {
            return Err(WindowError::Empty);
        }
        Ok(Self { days, start, end })
    }
}

fn days_of(text: &str) -> Result<u8, WindowError> {
    let day = |name: &str| {
        DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim())).ok_or(WindowError::Day)
    };
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once("..").or_else(|| part.split_once('-')).unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        if last < first {
            return Err(WindowError::Order);
        }
        days |= (first..=last).fold(0, |days, day| days | 1_u8 << day);
    }
    Ok(days)
}

/// Minutes since midnight of `HH:MM`, 24:00 included.
fn time_of(text: &str) -> Result<u16, WindowError> {
    let (hours, minutes) = text.split_once(':').ok_or(WindowError::Form)?;
    let number = |text: &str| {
        let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| text.parse::<u16>().ok()).flatten().ok_or(WindowError::Time)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let time = hours * 60 + minutes;
    if minutes < 60 && time <= DAY { Ok(time) } else { Err(WindowError::Time) }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |day: usize| self.days & (1 << day) != 0;
        if self.days != 0b111_1111 {
            let mut gap = "";
            let mut day = 0;
            while day < 7 {
                let Some(first) = (day..7).find(|&day| on(day)) else { break };
                let last = (first..7).take_while(|&day| on(day)).last().unwrap_or(first);
                // Two neighbours are a list; a range begins at three.
                match last - first {
                    0 => write!(formatter, "{gap}{}", DAYS[first])?,
                    1 => write!(formatter, "{gap}{},{}", DAYS[first], DAYS[last])?,
                    _ => write!(formatter, "{gap}{}..{}", DAYS[first], DAYS[last])?,
                }
                gap = ",";
                day = last + 1;
            }
            formatter.write_str(" ")?;
        }
        let time = |minutes: u16| (minutes / 60, minutes % 60);
        let ((from, start), (to, end)) = (time(self.start), time(self.end));
        write!(formatter, "{from:02}:{start:02}-{to:02}:{end:02}")
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WindowVisitor;

        impl Visitor<'_> for WindowVisitor {
            type Value = Window;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(WindowError::Form.expected())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Window, E> {
                text.parse()
                    .map_err(|error: WindowError| E::invalid_value(Unexpected::Str(text), &error.expected()))
            }
        }

        deserializer.deserialize_str(WindowVisitor)
    }
}

impl JsonSchema for Window {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let day =
            "([Mm][Oo][Nn]|[Tt][Uu][Ee]|[Ww][Ee][Dd]|[Tt][Hh][Uu]|[Ff][Rr][Ii]|[Ss][Aa][Tt]|[Ss][Uu][Nn])";
        let part = format!(r"\s*{day}(\s*(\.\.|-)\s*{day})?\s*");
        let time = "([01][0-9]|2[0-3]):[0-5][0-9]";
        json_schema!({
            "description": "A time of the week: Mon..Fri 09:00-17:30, 22:00-06:00.",
            "type": "string",
            "pattern": format!(r"^\s*({part}(,{part})*\s)?\s*{time}-({time}|24:00)\s*$"),
            "examples": ["Mon..Fri 09:00-17:30", "22:00-06:00"],
        })
    }
}

/// The minutes of a week at which something may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Week {
    /// For each minute, whether it may; Monday 00:00 is the first.
    open: Box<[bool]>,
    /// The minutes at which it opens.
    openings: Vec<u16>,
}

impl Week {
    /// The minutes in one of `run`, or in all the week if there is none, and in none of `pause`.
    pub fn of(run: &[Window], pause: &[Window]) -> Self {
        let mut open = vec![run.is_empty(); usize::from(WEEK)].into_boxed_slice();
        for (windows, may) in [(run, true), (pause, false)] {
            for minute in windows.iter().flat_map(|window| window.minutes()) {
                if let Some(open) = open.get_mut(usize::from(minute)) {
                    *open = may;
                }
            }
        }
        let before = open.iter().cycle().skip(open.len() - 1);
        let edges = (0..WEEK).zip(open.iter().zip(before));
        let openings =
            edges.filter(|(_, (now, before))| **now && !**before).map(|(minute, _)| minute).collect();
        Self { open, openings }
    }

    /// Whether it may happen at a minute; Monday 00:00 is 0, and a week later it is Monday again.
    pub fn is_open(&self, minute: u16) -> bool {
        self.open.get(usize::from(minute % WEEK)).is_some_and(|open| *open)
    }

    /// The minutes at which it opens, in order; none, where it is always open.
    pub fn openings(&self) -> &[u16] {
        &self.openings
    }

    /// Whether it never opens.
    pub fn is_shut(&self) -> bool {
        !self.open.contains(&true)
    }

    /// The first minute at which both are open, in words: `Mon 09:00`.
    pub fn overlap(&self, other: &Self) -> Option<String> {
        let minute = (0..WEEK).find(|&minute| self.is_open(minute) && other.is_open(minute))?;
        let time = minute % DAY;
        let day = DAYS.get(usize::from(minute / DAY))?;
        Some(format!("{day} {:02}:{:02}", time / 60, time % 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(text: &str) -> Window {
        text.parse().unwrap()
    }

    /// `Tue 09:30` as a minute of the week.
    fn at(day: u16, time: &str) -> u16 {
        day * DAY + time_of(time).unwrap() % DAY
    }

    #[test]
    fn reads_what_people_write() {
        for (text, canonical) in [
            ("Mon..Fri 09:00-17:30", "Mon..Fri 09:00-17:30"),
            ("  mon-FRI   09:00-17:30 ", "Mon..Fri 09:00-17:30"),
            ("Sat,Sun 10:00-24:00", "Sat,Sun 10:00-24:00"),
            ("Sun, Mon .. Wed 00:00-00:01", "Mon..Wed,Sun 00:00-00:01"),
            ("22:00-06:00", "22:00-06:00"),
            ("Mon..Sun 22:00-00:00", "22:00-00:00"),
        ] {
            assert_eq!(window(text).to_string(), canonical);
        }
        for (text, error) in [
            ("", WindowError::Form),
            ("Mon", WindowError::Form),
            ("09:00", WindowError::Form),
            ("9-17", WindowError::Form),
            ("Monday 09:00-17:00", WindowError::Day),
            ("Mon, 09:00-17:00", WindowError::Day),
            ("Fri..Mon 09:00-17:00", WindowError::Order),
            ("9:00-17:00", WindowError::Time),
            ("09:60-17:00", WindowError::Time),
            ("09:00-24:01", WindowError::Time),
            ("+9:00-17:00", WindowError::Time),
            ("24:00-06:00", WindowError::Midnight),
            ("09:00-09:00", WindowError::Empty),
        ] {
            assert_eq!(text.parse::<Window>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_end_is_left_out() {
        let window = window("Tue 09:00-17:00");
        assert!(!window.contains(at(1, "08:59")) && window.contains(at(1, "09:00")));
        assert!(window.contains(at(1, "16:59")) && !window.contains(at(1, "17:00")));
        assert!(!window.contains(at(0, "09:00")) && !window.contains(at(2, "09:00")));
        let all_day = self::window("Sun 00:00-24:00");
        assert!(all_day.contains(at(6, "23:59")) && !all_day.contains(at(0, "00:00")));
    }

    #[test]
    fn what_is_left_after_midnight_belongs_to_the_day_it_began_on() {
        let night = window("Fri 22:00-06:00");
        assert!(night.contains(at(4, "22:00")) && night.contains(at(5, "05:59")));
        assert!(
            !night.contains(at(4, "05:00"))
                && !night.contains(at(5, "06:00"))
                && !night.contains(at(5, "22:00"))
        );
        // Over the end of the week.
        let sunday = window("Sun 23:00-01:00");
        assert!(sunday.contains(at(6, "23:00")) && sunday.contains(at(0, "00:59")));
        assert!(!sunday.contains(at(0, "23:00")) && !sunday.contains(at(6, "00:30")));
    }

    #[test]
    fn a_week_is_its_windows_without_its_pauses() {
        let week = Week::of(&[window("Mon..Fri 09:00-17:00")], &[window("12:00-13:00")]);
        assert!(
            week.is_open(at(0, "09:00")) && !week.is_open(at(0, "12:30")) && week.is_open(at(0, "13:00"))
        );
        assert_eq!(week.openings().len(), 10);
        assert!(Week::of(&[], &[window("00:00-24:00")]).is_shut());
        assert_eq!(Week::of(&[], &[]).openings().len(), 0);
        let afternoon = Week::of(&[window("Wed 11:00-14:00")], &[]);
        assert_eq!(week.overlap(&afternoon).as_deref(), Some("Wed 11:00"));
        assert_eq!(week.overlap(&Week::of(&[window("Wed 12:00-13:00")], &[])), None);
    }

    fn any_window() -> impl Strategy<Value = Window> {
        let parts = (1_u8..128, 0..DAY, 0..=DAY);
        parts
            .prop_filter("an end that is not the begin", |(_, start, end)| start != end)
            .prop_map(|(days, start, end)| Window { days, start, end })
    }

    proptest! {
        #[test]
        fn text_and_back(window in any_window()) {
            prop_assert_eq!(window.to_string().parse(), Ok(window));
        }

        #[test]
        fn a_window_is_as_long_as_it_says(window in any_window()) {
            let each = if window.start < window.end { window.end - window.start } else { DAY - window.start + window.end };
            let minutes: Vec<u16> = (0..WEEK).filter(|&minute| window.contains(minute)).collect();
            prop_assert_eq!(minutes.len(), usize::from(each) * window.days.count_ones() as usize);
            let mut listed: Vec<u16> = window.minutes().collect();
            listed.sort_unstable();
            prop_assert_eq!(listed, minutes);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "(\\PC|[A-Za-z0-9:., -]){0,40}") {
            let _ = text.parse::<Window>();
        }
    }
}
