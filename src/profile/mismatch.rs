//! A value that is not what the key wants, kept apart until it can be said well.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::decode::visible;
use super::diagnostic::Diagnostic;
use super::element;
use super::tree::Origin;
use crate::text::{nearest, truncate};

/// What serde found wrong, where, and on the way to which key.
#[derive(Debug)]
pub(super) struct Mismatch(Box<Inner>);

#[derive(Debug)]
struct Inner {
    wrong: Wrong,
    origin: Option<Origin>,
    /// Outermost first.
    path: Vec<String>,
}

/// The kinds of mistake.
#[derive(Debug)]
pub(super) enum Wrong {
    Said(String),
    UnknownKey { key: String, known: &'static [&'static str] },
    UnknownName { name: String, known: &'static [&'static str] },
    NotAName { found: String, known: &'static [&'static str] },
    Missing(&'static str),
    Value { found: String, expected: String },
}

impl Mismatch {
    pub(super) fn new(wrong: Wrong) -> Self {
        Self(Box::new(Inner { wrong, origin: None, path: Vec::new() }))
    }

    /// Says where, unless something further in has already.
    pub(super) fn at(mut self, origin: &Origin) -> Self {
        self.0.origin.get_or_insert_with(|| origin.clone());
        self
    }

    /// Says under which key.
    pub(super) fn within(mut self, key: &str) -> Self {
        self.0.path.insert(0, key.to_owned());
        self
    }

    /// In words. `own` is the layer to blame for what is missing everywhere, and `kind` what its file is called.
    pub(super) fn diagnostic(self, own: usize, kind: &str) -> Diagnostic {
        let Inner { wrong, origin, path } = *self.0;
        let origin = visible(origin.unwrap_or(Origin { layer: own, span: 0..0 }), own);
        let path = dotted(&path);
        match wrong {
            Wrong::Said(message) => Diagnostic::new(format!("`{path}` is not valid"), origin, message),
            Wrong::UnknownKey { key, known } => {
                let place = if path.is_empty() { format!("a {kind}") } else { format!("`[{path}]`") };
                let help = match nearest(&key, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("{place} knows {}", list(known)),
                };
                Diagnostic::new(format!("unknown key `{key}` in {place}"), origin, "not a key of this table")
                    .help(help)
            }
            Wrong::UnknownName { name, known } => {
                let help = match nearest(&name, known.iter().copied()) {
                    Some(near) => format!("did you mean `\"{near}\"`?"),
                    None => format!("write one of {}", list(known)),
                };
                Diagnostic::new(
                    format!("`{path}` cannot be `{name}`"),
                    origin,
                    format!("not one of {}", list(known)),
                )
                .help(help)
            }
            Wrong::NotAName { found, known } => Diagnostic::new(
                format!("`{path}` has a value of the wrong type"),
                origin,
                format!("expected a name, found {found}"),
            )
            .help(format!("write one of {}", list(known))),
            Wrong::Missing(key) if path.is_empty() => {
                Diagnostic::new(format!("the {kind} has no `{key}`"), origin, "missing here")
                    .help(format!("add `{key} = …` above the first table"))
            }
            Wrong::Missing(key) => {
                Diagnostic::new(format!("`[{path}]` has no `{key}`"), origin, "missing here")
                    .help(format!("add `{key} = …` under `[{path}]`"))
            }
            Wrong::Value { found, expected } => {
                let problem = Diagnostic::new(
                    format!("`{path}` has a value that it cannot take"),
                    origin,
                    format!("expected {}, found {found}", plain(&expected)),
                );
                match element::remedy(&expected) {
                    Some(remedy) => problem.help(remedy),
                    None => problem.help(format!("give `{path}` {}", plain(&expected))),
                }
            }
        }
    }
}

/// Serde's names of types, in the words of somebody who writes TOML.
fn plain(expected: &str) -> &str {
    match expected {
        "u32" | "u64" => "a whole number, 0 or more",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "a table",
        "path string" => "a path",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// Joins keys as TOML writes them; a place in a list follows its key without a dot.
fn dotted(path: &[String]) -> String {
    let mut joined = String::new();
    for key in path {
        if !joined.is_empty() && !key.starts_with('[') {
            joined.push('.');
        }
        let bare = key.chars().all(|c| c.is_ascii_alphanumeric() || "_-[]".contains(c));
        if bare {
            joined.push_str(key);
        } else {
            joined.push('"');
            joined.extend(key.escape_debug());
            joined.push('"');
        }
    }
    joined
}

/// Names in a row.
pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(number) => format!("the number `{number}`"),
        Unexpected::Signed(number) => format!("the number `{number}`"),
        Unexpected::Float(number) => format!("the number `{number}`"),
        Unexpected::Str(text) => format!("the string {:?}", truncate(text, 40)),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

impl Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Wrong::Said(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            // What a text says does not matter where no text is wanted.
            Unexpected::Str(_) => "a string".to_owned(),
            other => found(other),
        };
        Self::new(Wrong::Value { found, expected: expected.to_string() })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Wrong::Value { found: found(unexpected), expected: expected.to_string() })
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let found = if length == 0 { "nothing".to_owned() } else { format!("{length} values") };
        Self::new(Wrong::Value { found, expected: expected.to_string() })
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self::new(Wrong::UnknownName { name: name.to_owned(), known })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(Wrong::UnknownKey { key: key.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(Wrong::Missing(key))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} at `{}`", self.0.wrong, dotted(&self.0.path))
    }
}

impl std::error::Error for Mismatch {}
