//! The profile that is being written, and what must be told about it.

use std::fmt::Write as _;

use toml::Value;

use super::source::Leaf;

/// What became of a key that has no key of ours with the same meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has no counterpart.
    Gone,
    /// It is kept, in another way.
    Otherwise,
}

/// A word on one key.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) fate: Fate,
    pub(super) key: String,
    pub(super) text: String,
    /// Comments that stood at it, which would be lost else.
    comments: Vec<String>,
}

#[derive(Debug)]
struct Line {
    key: String,
    value: String,
    above: Vec<String>,
    behind: Option<String>,
}

/// A profile in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    tables: Vec<(String, Vec<Line>)>,
    notes: Vec<Note>,
}

impl Draft {
    /// Writes a key, with the comments of the key that it stands for.
    pub(super) fn put(&mut self, table: &str, key: &str, value: impl Into<Value>, from: Option<&Leaf>) {
        let line = Line {
            key: key.to_owned(),
            value: value.into().to_string(),
            above: from.map(|leaf| leaf.above.clone()).unwrap_or_default(),
            behind: from.and_then(|leaf| leaf.behind.clone()),
        };
        self.table(table).push(line);
    }

    /// Says something above a key that was written.
    pub(super) fn remark(
        &mut self,
        table: &str,
        key: &str,
        words: impl IntoIterator<Item = impl Into<String>>,
    ) {
        if let Some(line) = self.table(table).iter_mut().find(|line| line.key == key) {
            line.above.extend(words.into_iter().map(Into::into));
        }
    }

    /// Whether a key was written.
    pub(super) fn has(&self, table: &str, key: &str) -> bool {
        let written =
            |(name, lines): &(String, Vec<Line>)| name == table && lines.iter().any(|line| line.key == key);
        self.tables.iter().any(written)
    }

    /// Gives a table its place among the others; it is written only with a key.
    pub(super) fn open(&mut self, table: &str) {
        self.table(table);
    }

    /// Tells that a key has no counterpart.
    pub(super) fn gone(&mut self, key: &str, leaf: Option<&Leaf>, text: impl Into<String>) {
        self.note(Fate::Gone, key, leaf, text.into());
    }

    /// Tells that a key is kept in another way.
    pub(super) fn otherwise(&mut self, key: &str, leaf: Option<&Leaf>, text: impl Into<String>) {
        self.note(Fate::Otherwise, key, leaf, text.into());
    }

    fn note(&mut self, fate: Fate, key: &str, leaf: Option<&Leaf>, text: String) {
        let comments = leaf.map(|leaf| leaf.comments().cloned().collect()).unwrap_or_default();
        self.notes.push(Note { fate, key: key.to_owned(), text, comments });
    }

    fn table(&mut self, name: &str) -> &mut Vec<Line> {
        let place = self.tables.iter().position(|(table, _)| table == name).unwrap_or_else(|| {
            self.tables.push((name.to_owned(), Vec::new()));
            self.tables.len() - 1
        });
        &mut self.tables[place].1
    }

    /// The notes as people read them.
    pub(super) fn list(&self) -> String {
        let mut text = String::new();
        for (fate, title) in
            [(Fate::Gone, "without a counterpart:"), (Fate::Otherwise, "kept in another way:")]
        {
            let notes: Vec<&Note> = self.notes.iter().filter(|note| note.fate == fate).collect();
            if !notes.is_empty() {
                let _ = writeln!(text, "{title}");
            }
            for note in notes {
                let _ = writeln!(text, "  {}: {}", note.key, note.text);
                for comment in note.comments.iter().filter(|comment| !comment.is_empty()) {
                    let _ = writeln!(text, "    {comment}");
                }
            }
        }
        text
    }

    /// The profile as a text. `head` and `foot` are comments of the file as a whole.
    pub(super) fn render(&self, origin: &str, head: &[String], foot: &[String]) -> String {
        let mut text = format!("# Imported from {origin}. All keys: provost-profile(5).\n");
        for line in self.list().lines() {
            comment(&mut text, line);
        }
        if !head.is_empty() {
            text.push_str("#\n");
        }
        for line in head {
            comment(&mut text, line);
        }
        for (table, lines) in self.tables.iter().filter(|(_, lines)| !lines.is_empty()) {
            if !table.is_empty() {
                let _ = writeln!(text, "\n[{table}]");
            }
            for line in lines {
                for words in &line.above {
                    comment(&mut text, words);
                }
                let _ = write!(text, "{} = {}", line.key, line.value);
                if let Some(words) = line.behind.as_ref().filter(|words| !words.is_empty()) {
                    let _ = write!(text, "   # {words}");
                }
                text.push('\n');
            }
        }
        if !foot.is_empty() {
            text.push('\n');
        }
        for line in foot {
            comment(&mut text, line);
        }
        text
    }
}

fn comment(text: &mut String, words: &str) {
    text.push_str(format!("# {words}").trim_end());
    text.push('\n');
}
