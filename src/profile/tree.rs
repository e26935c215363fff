//! What a TOML text says, with the place of every word of it kept: the form in which layers are merged.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Index of the layer; the higher one wins.
    pub(super) layer: usize,
    /// Bytes of its text.
    pub(super) span: Range<usize>,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value of TOML.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Bool(bool),
    Integer(i64),
    /// An integer that no 64 bits hold; kept as text for the message.
    Huge(String),
    Float(f64),
    Text(String),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
}

/// The keys of a table.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where the key was written; for unknown keys, this is the place to show.
    pub(super) key: Origin,
    pub(super) node: Node,
}

impl Node {
    /// Takes over what the parser found. `shift` is how far into the layer's text its input starts.
    pub(super) fn from_toml(value: &Spanned<DeValue<'_>>, layer: usize, shift: usize) -> Self {
        let origin = Origin { layer, span: shifted(value.span(), shift) };
        let value = match value.get_ref() {
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::Huge(number.to_string()), Value::Integer),
            DeValue::Float(number) => {
                number.as_str().parse().map_or_else(|_| Value::Huge(number.as_str().to_owned()), Value::Float)
            }
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Datetime(_) => Value::Datetime,
            DeValue::Array(items) => {
                Value::Array(items.iter().map(|item| Self::from_toml(item, layer, shift)).collect())
            }
            DeValue::Table(table) => Value::Table(Self::table_from_toml(table, layer, shift)),
        };
        Self { value, origin }
    }

    /// Takes over a whole document.
    pub(super) fn from_document(document: &Spanned<DeTable<'_>>, layer: usize) -> Self {
        Self {
            value: Value::Table(Self::table_from_toml(document.get_ref(), layer, 0)),
            // The span of a document is all of it; a message about it as a whole belongs at its beginning.
            origin: Origin { layer, span: 0..0 },
        }
    }

    fn table_from_toml(table: &DeTable<'_>, layer: usize, shift: usize) -> Table {
        table
            .iter()
            .map(|(key, value)| {
                let entry = Entry {
                    key: Origin { layer, span: shifted(key.span(), shift) },
                    node: Self::from_toml(value, layer, shift),
                };
                (key.get_ref().clone().into_owned(), entry)
            })
            .collect()
    }

    /// Lays another node over this one: tables are merged, everything else is replaced.
    pub(super) fn merge(&mut self, over: Self) {
        match (&mut self.value, over) {
            (Value::Table(below), Self { value: Value::Table(above), origin }) => {
                self.origin = origin;
                for (key, entry) in above {
                    match below.get_mut(&key) {
                        Some(old) => {
                            old.key = entry.key;
                            old.node.merge(entry.node);
                        }
                        None => {
                            below.insert(key, entry);
                        }
                    }
                }
            }
            (_, over) => *self = over,
        }
    }

    /// The entry under a dotted path of bare keys.
    pub(super) fn entry(&self, path: &str) -> Option<&Entry> {
        self.entry_at(&path.split('.').collect::<Vec<_>>())
    }

    /// The entry under a path whose keys may have dots in them, as names of models have.
    pub(super) fn entry_at(&self, path: &[&str]) -> Option<&Entry> {
        let (first, rest) = path.split_first()?;
        let Value::Table(table) = &self.value else { return None };
        let entry = table.get(*first)?;
        if rest.is_empty() { Some(entry) } else { entry.node.entry_at(rest) }
    }

    /// The items of a list; nothing for any other value.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn shifted(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}
