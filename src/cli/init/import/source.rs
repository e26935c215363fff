//! An `agent-runner.toml`, read strictly: each key with its value, its place and the comments that stand at it.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::remark::{Remark, remarks};
use super::schema::{self, Found};

/// The way to a key.
pub(super) type Path = Vec<String>;

/// One key.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) value: Value,
    /// Where its name stands, and where its value does.
    pub(super) key: Range<usize>,
    pub(super) span: Range<usize>,
    /// Comments above it and within it.
    pub(super) above: Vec<String>,
    /// The comment behind it.
    pub(super) behind: Option<String>,
}

impl Leaf {
    pub(super) fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    pub(super) fn whole(&self) -> Option<i64> {
        self.value.as_integer()
    }

    /// The texts of a list; an empty list when it is none.
    pub(super) fn texts(&self) -> Vec<String> {
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// All its comments.
    pub(super) fn comments(&self) -> impl Iterator<Item = &String> {
        self.above.iter().chain(&self.behind)
    }
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Source {
    leaves: BTreeMap<Path, Leaf>,
    /// Comments about the file as a whole: those in front of its first table that an empty line sets apart.
    pub(super) head: Vec<String>,
    /// Comments after the last key.
    pub(super) foot: Vec<String>,
    /// Tables and keys at the top that agent-runner ignores, too.
    pub(super) ignored: Vec<String>,
}

impl Source {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// Everything that agent-runner itself would refuse.
    pub(super) fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let document = DeTable::parse(text).map_err(|error| {
            let help = "mend it until `agent-runner doctor` takes it";
            vec![Problem::new("this is not valid TOML", error.span().unwrap_or(0..0), error.message(), help)]
        })?;
        version(document.get_ref())?;
        let mut source = Self::default();
        let mut problems = Vec::new();
        source.table(&mut Vec::new(), document.get_ref(), &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        source.place(text, remarks(text));
        Ok(source)
    }

    /// A key, by its words.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Leaf> {
        self.leaves.get(&path.iter().map(|&word| word.to_owned()).collect::<Path>())
    }

    /// Takes a key out. What nobody takes out was forgotten.
    pub(super) fn take(&mut self, path: &[&str]) -> Option<Leaf> {
        self.leaves.remove(&path.iter().map(|&word| word.to_owned()).collect::<Path>())
    }

    /// What is left, with its way in words.
    pub(super) fn left(&self) -> impl Iterator<Item = (String, &Leaf)> {
        self.leaves.iter().map(|(path, leaf)| (schema::dotted(path), leaf))
    }

    /// The last words of the keys directly below a table.
    pub(super) fn below(&self, table: &[&str]) -> Vec<String> {
        let depth = table.len();
        let mut names: Vec<String> = self
            .leaves
            .keys()
            .filter(|path| path.len() > depth && path.iter().zip(table).all(|(a, b)| a == b))
            .filter_map(|path| path.get(depth).cloned())
            .collect();
        names.dedup();
        names
    }

    fn table(&mut self, path: &mut Path, table: &DeTable<'_>, problems: &mut Vec<Problem>) {
        for (key, value) in table {
            path.push(key.get_ref().clone().into_owned());
            match (schema::find(path), value.get_ref()) {
                (Found::Table, DeValue::Table(below)) => self.table(path, below, problems),
                (Found::Table, _) => problems.push(Problem::new(
                    format!("`{}` must be a table", schema::dotted(path)),
                    value.span(),
                    "not a table",
                    format!("write `[{}]` on a line of its own, and its keys below", schema::dotted(path)),
                )),
                (Found::Key(form), _) => {
                    let plain = plain(value.get_ref());
                    match form.check(&plain) {
                        Ok(()) => {
                            let leaf = Leaf {
                                value: plain,
                                key: key.span(),
                                span: value.span(),
                                above: Vec::new(),
                                behind: None,
                            };
                            self.leaves.insert(path.clone(), leaf);
                        }
                        Err(wanted) => problems.push(Problem::new(
                            format!("`{}` has a value that it cannot take", schema::dotted(path)),
                            value.span(),
                            format!("expected {wanted}"),
                            "mend it until `agent-runner doctor` takes it",
                        )),
                    }
                }
                (Found::Unknown, _) if path.len() == 1 => self.ignored.push(schema::dotted(path)),
                (Found::Unknown, _) => problems.push(Problem::new(
                    format!("agent-runner has no key `{}`", schema::dotted(path)),
                    key.span(),
                    "unknown",
                    schema::near(path),
                )),
            }
            path.pop();
        }
    }

    /// Gives each comment to the key that it stands at: within it, behind it, or else above the next one.
    fn place(&mut self, text: &str, remarks: Vec<Remark>) {
        let first = text.lines().scan(0, |at, line| {
            let start = *at;
            *at += line.len() + 1;
            Some((start, line))
        });
        let first = first.filter(|(_, line)| line.starts_with('[')).map(|(start, _)| start).next();
        let top =
            remarks.iter().rposition(|remark| remark.apart && first.is_none_or(|first| remark.at < first));
        for (index, remark) in remarks.into_iter().enumerate() {
            let mut leaves: Vec<&mut Leaf> = self.leaves.values_mut().collect();
            leaves.sort_by_key(|leaf| leaf.key.start);
            if let Some(leaf) = leaves.iter_mut().find(|leaf| leaf.span.contains(&remark.at)) {
                leaf.above.push(remark.text);
                continue;
            }
            let before = leaves.iter_mut().rev().find(|leaf| leaf.span.end <= remark.at);
            let line = |end: usize| text.get(end..remark.at).is_some_and(|gap| !gap.contains('\n'));
            if let Some(leaf) = before.filter(|leaf| !remark.own_line && line(leaf.span.end)) {
                leaf.behind = Some(remark.text);
            } else if remark.own_line && top.is_some_and(|top| index <= top) {
                self.head.push(remark.text);
            } else if let Some(leaf) = leaves.into_iter().find(|leaf| leaf.key.start > remark.at) {
                leaf.above.push(remark.text);
            } else {
                self.foot.push(remark.text);
            }
        }
    }
}

/// Whether the file says that it is of the version that is known.
fn version(document: &DeTable<'_>) -> Result<(), Vec<Problem>> {
    let Some((_, value)) = document.iter().find(|(key, _)| *key.get_ref() == "schema_version") else {
        return Err(vec![Problem::new(
            "the file does not say `schema_version = 1`: it is older than what can be imported",
            0..0,
            "missing here",
            "run `agent-runner migrate`, which brings it up to date, and import it again",
        )]);
    };
    match plain(value.get_ref()) {
        Value::Integer(1) => Ok(()),
        Value::Integer(newer @ 2..) => Err(vec![Problem::new(
            format!("`schema_version = {newer}` is newer than what can be imported"),
            value.span(),
            "only 1 is known",
            "import it with a newer provost",
        )]),
        _ => Err(vec![Problem::new(
            "this `schema_version` cannot be imported",
            value.span(),
            "only the number 1 is known",
            "run `agent-runner migrate`, which brings it up to date, and import it again",
        )]),
    }
}

/// A value without its places.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        // What is too large to count is kept as a text, and refused wherever a number is wanted.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::String(number.as_str().to_owned()), Value::Float)
        }
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| plain(item.get_ref())).collect()),
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().clone().into_owned(), plain(value.get_ref())))
                .collect(),
        ),
    }
}
