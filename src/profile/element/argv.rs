//! A program and its arguments.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

pub(super) const EXPECTED: &str = "a list of a program and its arguments";
pub(super) const REMEDY: &str = "write a list; a shell line is `[\"sh\", \"-c\", \"…\"]`";

/// A program and its arguments: a non-empty list of strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Argv(pub Vec<String>);

impl<'de> Deserialize<'de> for Argv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArgvVisitor;

        impl<'de> Visitor<'de> for ArgvVisitor {
            type Value = Argv;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(EXPECTED)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Argv, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = items.next_element::<String>()? {
                    words.push(word);
                }
                match words.first() {
                    None => Err(A::Error::invalid_length(0, &self)),
                    Some(program) if program.is_empty() => {
                        Err(A::Error::custom("the program must not be an empty string"))
                    }
                    Some(_) => Ok(Argv(words)),
                }
            }
        }

        deserializer.deserialize_seq(ArgvVisitor)
    }
}

impl JsonSchema for Argv {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Argv".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A program and its arguments.",
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
        })
    }
}
