//! `agent.fallback`: what is tried when the primary fails.
//!
//! An entry is a model's name or a table. Serde's untagged enums would lose the place of a mistake in a table, so the two
//! forms are told apart by hand, and a table is read by the same code as every other one.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Permissions, PromptVia, Protocol, Tool};
use crate::profile::element::{Argv, FALLBACK, FALLBACKS};

/// An entry of `agent.fallback`: what it names is its own, everything else is the primary's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Fallback {
    /// `provider/model`; never the primary's, so that it is optional only beside a `harness` with a default of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What runs it; absent means the primary's harness. Another harness does not get the primary's `command`, `args`,
    /// `prompt_via`, `protocol`, `script`, `server`, `tools` and `max_turns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness: Option<String>,
    /// A table of `[endpoints]`; absent means the primary's, which the harness must be able to speak to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Context that this model takes, tokens; absent means that it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// In place of `model.max_output_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// In place of `model.temperature`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// In place of `model.reasoning_effort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// In place of `model.seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// In place of `agent.command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Argv>,
    /// In place of `agent.args`; an empty list means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// In place of `agent.prompt_via`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_via: Option<PromptVia>,
    /// In place of `agent.protocol`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// In place of `agent.script`, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<PathBuf>,
    /// In place of `agent.permissions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// In place of `agent.tools`; an empty list means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// In place of `agent.max_turns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// Keys of the profile that this entry goes without, such as `["agent.permissions"]`: what its harness cannot honour
    /// is refused unless it stands here. The system prompt and the images are part of what is asked, and always go along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Without>,
}

/// A key of the profile that an entry of the chain may go without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Without {
    /// The harness asks where it would by itself.
    #[serde(rename = "agent.endpoint")]
    Endpoint,
    /// The harness has its own rule of what may be done.
    #[serde(rename = "agent.permissions")]
    Permissions,
    /// No MCP server.
    #[serde(rename = "agent.mcp")]
    Mcp,
    /// The model's own ceiling.
    #[serde(rename = "model.max_output_tokens")]
    MaxOutputTokens,
    /// The model's own temperature.
    #[serde(rename = "model.temperature")]
    Temperature,
    /// The model's own effort.
    #[serde(rename = "model.reasoning_effort")]
    ReasoningEffort,
    /// No seed.
    #[serde(rename = "model.seed")]
    Seed,
    /// As with `fresh`.
    #[serde(rename = "lineage.session")]
    Session,
    /// As with `off`.
    #[serde(rename = "lineage.fork")]
    Fork,
    /// As with `sse`.
    #[serde(rename = "stream.mode")]
    Stream,
}

impl Without {
    /// Every one of them.
    pub const ALL: [Self; 10] = [
        Self::Endpoint,
        Self::Permissions,
        Self::Mcp,
        Self::MaxOutputTokens,
        Self::Temperature,
        Self::ReasoningEffort,
        Self::Seed,
        Self::Session,
        Self::Fork,
        Self::Stream,
    ];

    /// The key, as it is written.
    pub fn key(self) -> &'static str {
        match self {
            Self::Endpoint => "agent.endpoint",
            Self::Permissions => "agent.permissions",
            Self::Mcp => "agent.mcp",
            Self::MaxOutputTokens => "model.max_output_tokens",
            Self::Temperature => "model.temperature",
            Self::ReasoningEffort => "model.reasoning_effort",
            Self::Seed => "model.seed",
            Self::Session => "lineage.session",
            Self::Fork => "lineage.fork",
            Self::Stream => "stream.mode",
        }
    }
}

impl From<&str> for Fallback {
    /// A model on the primary's harness and endpoint.
    fn from(model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..Self::default() }
    }
}

impl Serialize for Fallback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.model {
            Some(model) if *self == Self::from(&**model) => serializer.serialize_str(model),
            _ => Self::serialize(self, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Fallback {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;

        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Fallback;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(FALLBACK)
            }

            fn visit_str<E: Error>(self, model: &str) -> Result<Fallback, E> {
                Ok(Fallback::from(model))
            }

            fn visit_map<A: MapAccess<'de>>(self, keys: A) -> Result<Fallback, A::Error> {
                // The derived function, not this one.
                Fallback::deserialize(MapAccessDeserializer::new(keys))
            }
        }

        deserializer.deserialize_any(EntryVisitor)
    }
}

/// Reads the chain: a list, or one model's name.
pub(super) fn chain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Fallback>, D::Error> {
    struct ChainVisitor;

    impl<'de> Visitor<'de> for ChainVisitor {
        type Value = Vec<Fallback>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(FALLBACKS)
        }

        fn visit_str<E: Error>(self, model: &str) -> Result<Vec<Fallback>, E> {
            Ok(vec![Fallback::from(model)])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Fallback>, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = items.next_element()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_any(ChainVisitor)
}

/// The schema of the chain, for editors.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let table = generator.subschema_for::<Fallback>();
    json_schema!({
        "oneOf": [
            { "type": "string" },
            { "type": "array", "items": { "oneOf": [{ "type": "string" }, table] } },
        ],
    })
}
