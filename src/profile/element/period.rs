//! A length of time as people write it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

pub(super) const EXPECTED: &str = "a duration";
pub(super) const REMEDY: &str = "write a duration such as \"90s\", \"30m\" or \"1h 30m\"";

/// The units, largest first: the order in which they are written.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A length of time, written `"90s"`, `"30m"`, `"1h 30m"`; milliseconds at the finest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Nothing is written.
    #[error("an empty text is not a duration")]
    Empty,
    /// A part is not a number and a unit.
    #[error("`{0}` is not a number followed by one of d, h, m, s, ms")]
    Part(String),
    /// Units out of order, or twice.
    #[error("units go from large to small, each once")]
    Order,
    /// More than can be counted.
    #[error("the duration is too long")]
    TooLong,
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(PeriodError::Empty);
        }
        let mut total = 0_u64;
        let mut smallest = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, after) = rest.split_at(digits);
            let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(letters);
            let part = || PeriodError::Part(rest.split_whitespace().next().unwrap_or(rest).to_owned());
            let place = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(part)?;
            if number.is_empty() {
                return Err(part());
            }
            if place < smallest {
                return Err(PeriodError::Order);
            }
            smallest = place + 1;
            let count: u64 = number.parse().map_err(|_| PeriodError::TooLong)?;
            total = UNITS
                .get(place)
                .and_then(|(_, millis)| count.checked_mul(*millis))
                .and_then(|millis| total.checked_add(millis))
                // A century and more is a mistake, and an `Instant` may not be able to hold it.
                .filter(|total| *total <= 100 * 366 * 86_400_000)
                .ok_or(PeriodError::TooLong)?;
            rest = after.trim_start();
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if left == 0 {
            return formatter.write_str("0s");
        }
        // "90s" stays "90s" and does not become "1m 30s": it is what people write for short times.
        if left.is_multiple_of(1_000) && left < 120_000 && !left.is_multiple_of(60_000) {
            return write!(formatter, "{}s", left / 1_000);
        }
        let mut gap = "";
        for (name, millis) in UNITS {
            let count = left / millis;
            left %= millis;
            if count > 0 {
                write!(formatter, "{gap}{count}{name}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PeriodVisitor;

        impl Visitor<'_> for PeriodVisitor {
            type Value = Period;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
                text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(PeriodVisitor)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time: 90s, 30m, 1h 30m, 250ms.",
            "type": "string",
            "pattern": r"^\s*(?=\d)(\d+d\s*)?(\d+h\s*)?(\d+m\s*)?(\d+s\s*)?(\d+ms\s*)?$",
            "examples": ["90s", "30m", "1h 30m"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(text: &str) -> Result<u128, PeriodError> {
        text.parse().map(|period: Period| period.0.as_millis())
    }

    #[test]
    fn reads_what_people_write() {
        assert_eq!(millis("90s"), Ok(90_000));
        assert_eq!(millis("1h 30m"), Ok(5_400_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("0s"), Ok(0));
        assert_eq!(millis(""), Err(PeriodError::Empty));
        assert_eq!(millis("90"), Err(PeriodError::Part("90".to_owned())));
        assert_eq!(millis("soon"), Err(PeriodError::Part("soon".to_owned())));
        assert_eq!(millis("1m 1h"), Err(PeriodError::Order));
        assert_eq!(millis("99999999999999999999d"), Err(PeriodError::TooLong));
        assert_eq!(millis("9999999d"), Err(PeriodError::TooLong));
    }

    proptest! {
        #[test]
        fn text_and_back(millis in 0_u64..=100 * 366 * 86_400_000) {
            let period = Period(Duration::from_millis(millis));
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".*") {
            let _ = text.parse::<Period>();
        }
    }
}
