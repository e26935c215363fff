//! One text that takes part in a profile: a file, the built-in defaults, or a `--set`.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::tree::{Entry, Node, Origin, Table, Value};

/// A `--set` names one key; no key of a profile lies deeper than this.
const DEEPEST_KEY: usize = 16;

/// A text and how it is called.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// What messages call it: a path, or `--set`.
    pub(super) name: String,
    pub(super) text: String,
    /// What relative paths in it are relative to.
    pub(super) base: PathBuf,
}

/// How a path is shown: relative to where the user stands, if it lies there.
pub(super) fn display(path: &Path, cwd: &Path) -> String {
    // A way with turns in it is shown straight, if that can be had.
    let turns = path.components().any(|part| part == std::path::Component::ParentDir);
    if turns && let (Ok(straight), Ok(cwd)) = (path.canonicalize(), cwd.canonicalize()) {
        return straight.strip_prefix(cwd).unwrap_or(path).display().to_string();
    }
    path.strip_prefix(cwd).unwrap_or(path).display().to_string()
}

/// Reads a whole document.
pub(super) fn parse(text: &str, layer: usize) -> Result<Node, Diagnostic> {
    match DeTable::parse(text) {
        Ok(document) => Ok(Node::from_document(&document, layer)),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let help = if error.message().contains("duplicate key") {
                "keep one of the two; a list takes several values"
            } else {
                "strings stand in quotes, lists in brackets, and each key on a line of its own"
            };
            Err(Diagnostic::new("this is not valid TOML", Origin { layer, span }, error.message()).help(help))
        }
    }
}

/// Reads `a.b=v`. What is no TOML value is a string, so that a model's name needs no quotes in a shell.
pub(super) fn parse_set(text: &str, layer: usize) -> Result<Node, Diagnostic> {
    let whole = || Origin { layer, span: 0..text.len() };
    let help = "write `--set KEY=VALUE`, such as `--set round.timeout=10m`";
    let Some(equals) = equals_sign(text) else {
        return Err(Diagnostic::new("`--set` needs a key and a value", whole(), "no `=` here").help(help));
    };
    let (key, value) = (&text[..equals], &text[equals + 1..]);
    let bad_key = |label: String| {
        let origin = Origin { layer, span: 0..equals };
        Diagnostic::new("`--set` needs a key in front of `=`", origin, label).help(help)
    };
    if key.matches('.').count() > DEEPEST_KEY {
        return Err(bad_key("no key lies this deep".to_owned()));
    }
    // The key is read by the TOML parser too, with a value that cannot be mistaken.
    let probe = format!("{key}=0");
    let document = DeTable::parse(&probe).map_err(|error| bad_key(error.message().to_owned()))?;
    let shape = Node::from_document(&document, layer);

    let leaf = match DeValue::parse(value) {
        Ok(parsed) => Node::from_toml(&parsed, layer, equals + 1),
        Err(_) => Node {
            value: Value::Text(value.trim().to_owned()),
            origin: Origin { layer, span: equals + 1..text.len() },
        },
    };
    plant(shape, leaf).ok_or_else(|| bad_key("not one key".to_owned()))
}

/// Puts a value at the end of a chain of tables with one key each.
fn plant(shape: Node, leaf: Node) -> Option<Node> {
    let Value::Table(table) = shape.value else { return Some(leaf) };
    let mut entries = table.into_iter();
    let (name, Entry { key, node }) = entries.next()?;
    if entries.next().is_some() {
        return None;
    }
    let entry = Entry { key, node: plant(node, leaf)? };
    Some(Node { value: Value::Table(Table::from([(name, entry)])), origin: shape.origin })
}

/// The first `=` that is not inside a quoted key.
fn equals_sign(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        None
    })
}
