//! A time zone by its name.

use std::fmt;

use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

pub(super) const EXPECTED: &str = "the name of a time zone";
pub(super) const REMEDY: &str = "write a name such as \"Europe/Berlin\" or \"UTC\", or remove the key for the host's own; \
                                 names are those of the host's time zone database (tzdata)";

/// A time zone that is known on this host, by its IANA name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// The zone of that name; `None` where this host's database has none.
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())?;
        // As the database spells it, so that two spellings are one zone.
        let name = zone.iana_name()?.to_owned();
        Some(Self { name, zone })
    }

    /// The name, as the database spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says of times.
    pub fn rules(&self) -> &TimeZone {
        &self.zone
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ZoneVisitor;

        impl Visitor<'_> for ZoneVisitor {
            type Value = Zone;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Zone, E> {
                Zone::named(name).ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
            }
        }

        deserializer.deserialize_str(ZoneVisitor)
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Zone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The IANA name of a time zone.",
            "type": "string",
            "minLength": 1,
            "examples": ["Europe/Berlin", "UTC"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_one_name_however_it_is_written() {
        let berlin = Zone::named("europe/berlin").unwrap();
        assert_eq!(berlin.name(), "Europe/Berlin");
        assert_eq!(Some(berlin), Zone::named("Europe/Berlin"));
        assert!(Zone::named("UTC").is_some());
        for wrong in ["", "Berlin", "Etc/Unknown", "../../etc/passwd", "CET-1CEST", "\0"] {
            assert_eq!(Zone::named(wrong), None, "{wrong:?}");
        }
    }
}
