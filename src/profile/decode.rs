//! From the merged tree to typed keys: a serde deserializer whose errors know where the value was written.

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::mismatch::{Mismatch, Wrong};
use super::tree::{Entry, Node, Origin, Value};

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Huge(text) => Err(de::Error::invalid_value(Unexpected::Other(text), &visitor)),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::Datetime => Err(de::Error::invalid_type(Unexpected::Other("a date"), &visitor)),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            Value::Table(table) => {
                // In the order of writing, so that of several mistakes the first is told first.
                let mut entries: Vec<_> = table.iter().collect();
                entries.sort_by_key(|(_, entry)| (entry.key.layer, entry.key.span.start));
                visitor.visit_map(Keys { entries: entries.into_iter(), pending: None })
            }
        }
        .map_err(|error| error.at(&self.origin))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Text(text) => {
                let name: StrDeserializer<'_, Mismatch> = text.as_str().into_deserializer();
                visitor.visit_enum(name)
            }
            other => Err(Mismatch::new(Wrong::NotAName { found: found(other), known: variants })),
        }
        .map_err(|error| error.at(&self.origin))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A value in words, for messages.
fn found(value: &Value) -> String {
    match value {
        Value::Bool(value) => format!("`{value}`"),
        Value::Integer(number) => format!("the number `{number}`"),
        Value::Float(number) => format!("the number `{number}`"),
        Value::Huge(text) => format!("`{text}`"),
        Value::Text(_) => "a string".to_owned(),
        Value::Datetime => "a date".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

struct Items<'de> {
    items: std::slice::Iter<'de, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(node).map(Some).map_err(|error| error.at(&node.origin).within(&format!("[{index}]")))
    }
}

struct Keys<'de> {
    entries: std::vec::IntoIter<(&'de String, &'de Entry)>,
    pending: Option<(&'de String, &'de Entry)>,
}

impl<'de> MapAccess<'de> for Keys<'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        let Some((key, entry)) = self.entries.next() else { return Ok(None) };
        self.pending = Some((key, entry));
        let name: StrDeserializer<'_, Mismatch> = key.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| error.at(&entry.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        match self.pending.take() {
            Some((key, entry)) => {
                seed.deserialize(&entry.node).map_err(|error| error.at(&entry.node.origin).within(key))
            }
            None => Err(de::Error::custom("a value without a key")),
        }
    }
}

/// Where a mistake is shown that concerns a table of the defaults alone: the profile, not the built-in file.
pub(super) fn visible(origin: Origin, profile: usize) -> Origin {
    if origin.layer == 0 { Origin { layer: profile, span: 0..0 } } else { origin }
}
