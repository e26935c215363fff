//! What makes two prompts the same: a hash of what they say, however it is written down.

use serde_json::Value;

use crate::event::Sha256;

/// Names what a prompt says. Equal content has an equal key, in whatever order its fields stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Sha256);

impl Key {
    /// The key of a prompt that says this: all of it counts, texts as a whole.
    pub(crate) fn of(content: &Value) -> Self {
        Self(Sha256::of(format!("turn {}", canonical(content)).as_bytes()))
    }

    /// The one key of every "go on" of a session, whatever its words: two of them are one too many.
    pub(crate) fn continuation() -> Self {
        Self(Sha256::of(b"continuation"))
    }
}

/// What is still to be written.
enum Piece<'a> {
    Value(&'a Value),
    Name(&'a str),
    Text(&'static str),
}

/// JSON with sorted keys. A list of its own instead of calls within calls: no depth of nesting exhausts the stack.
fn canonical(content: &Value) -> String {
    let mut written = String::new();
    let mut todo = vec![Piece::Value(content)];
    while let Some(piece) = todo.pop() {
        match piece {
            Piece::Text(text) => written.push_str(text),
            // A string alone is JSON already, quoted and escaped.
            Piece::Name(name) => written.push_str(&Value::from(name).to_string()),
            Piece::Value(Value::Array(items)) => {
                todo.push(Piece::Text("]"));
                for (place, item) in items.iter().enumerate().rev() {
                    todo.push(Piece::Value(item));
                    todo.push(Piece::Text(if place == 0 { "" } else { "," }));
                }
                todo.push(Piece::Text("["));
            }
            Piece::Value(Value::Object(fields)) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_unstable_by_key(|(name, _)| *name);
                todo.push(Piece::Text("}"));
                for (place, (name, value)) in fields.into_iter().enumerate().rev() {
                    todo.push(Piece::Value(value));
                    todo.push(Piece::Text(":"));
                    todo.push(Piece::Name(name));
                    todo.push(Piece::Text(if place == 0 { "" } else { "," }));
                }
                todo.push(Piece::Text("{"));
            }
            Piece::Value(plain) => written.push_str(&plain.to_string()),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let content = json!({ "b": [1, { "d": null, "c": "\"x\"" }], "a": {}, "e": [] });
        assert_eq!(canonical(&content), r#"{"a":{},"b":[1,{"c":"\"x\"","d":null}],"e":[]}"#);
    }

    #[test]
    fn order_is_nothing_and_every_letter_counts() {
        let [one, two]: [Value; 2] = [r#"{"a":1,"b":{"c":2,"d":3}}"#, r#"{"b":{"d":3,"c":2},"a":1}"#]
            .map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(Key::of(&one), Key::of(&two));
        assert_ne!(Key::of(&json!(["a", "b"])), Key::of(&json!(["b", "a"])));
        assert_ne!(Key::of(&json!("1")), Key::of(&json!(1)));
        assert_ne!(Key::of(&json!("continuation")), Key::continuation());
    }
}
