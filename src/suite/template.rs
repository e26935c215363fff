//! How a case becomes a text: the task, a rubric, what is expected. A name that no field has is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::case::Case;
use crate::text::nearest;

/// What stands in an output for a value that is none, until it is known whether it stands alone. No text has it: these
/// code points are set aside as no characters.
const NONE: &str = "\u{fdd0}\u{fdd1}\u{fdd0}";

/// The only template of its environment.
const NAME: &str = "template";

/// A template, compiled once. Cheap to clone.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

struct Compiled {
    environment: Environment<'static>,
    source: String,
    /// The fields that it may look at.
    names: Vec<String>,
    /// The same, with the way to the inner value.
    paths: Vec<String>,
}

/// Why a template gives no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// What is wrong.
    pub why: String,
    /// The line of the template, from 1; absent where nothing says it.
    pub line: Option<usize>,
    /// What to do, where that can be said.
    pub remedy: Option<String>,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        // Most templates have one line, and then it says nothing.
        if let Some(line) = self.line.filter(|line| *line > 1) {
            write!(f, " in line {line} of the template")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.0.source).finish()
    }
}

impl Template {
    /// Compiles a template in the language of minijinja, which is Jinja's: one line end at its very end is dropped.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn new(source: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(|out, state, value| {
            if value.is_none() {
                return out.write_str(NONE).map_err(Error::from);
            }
            minijinja::escape_formatter(out, state, value)
        });
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| read_error(&error))?;
        let template = environment.get_template(NAME).map_err(|error| read_error(&error))?;
        let sorted = |nested| {
            let mut names: Vec<String> = template.undeclared_variables(nested).into_iter().collect();
            names.sort_unstable();
            names
        };
        let (names, paths) = (sorted(false), sorted(true));
        Ok(Self(Arc::new(Compiled { environment, source: source.to_owned(), names, paths })))
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The names that it may look at, sorted; functions such as `range` are among them.
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// The text for a case. A field that is none is written `none`; messages are written each after its role.
    ///
    /// # Errors
    ///
    /// It names what the case does not have, or does what cannot be done.
    pub fn render(&self, case: &Case) -> Result<String, TemplateError> {
        self.render_with(case, &[])
    }

    /// The same with further fields, which win over those of the case.
    ///
    /// # Errors
    ///
    /// As [`Self::render`].
    pub fn render_with(&self, case: &Case, extra: &[(&str, &str)]) -> Result<String, TemplateError> {
        let text = self.write(case, extra)?;
        Ok(if text.contains(NONE) { text.replace(NONE, "none") } else { text })
    }

    /// The text for a case, or `None` where all that it says is none: `{{ expected | default(none) }}` for a case without
    /// `expected`. A score whose template says so does not exist for that case, which is not missing.
    ///
    /// # Errors
    ///
    /// As [`Self::render`].
    pub fn optional(&self, case: &Case) -> Result<Option<String>, TemplateError> {
        let text = self.write(case, &[])?;
        Ok(match text.trim() {
            NONE => None,
            _ if text.contains(NONE) => Some(text.replace(NONE, "none")),
            _ => Some(text),
        })
    }

    fn write(&self, case: &Case, extra: &[(&str, &str)]) -> Result<String, TemplateError> {
        let template = self.0.environment.get_template(NAME).map_err(|error| read_error(&error))?;
        let mut fields: BTreeMap<&str, Value> = BTreeMap::new();
        for name in &self.0.names {
            if let Some(value) = case.fields.get(name) {
                fields.insert(name, field(name, value));
            }
        }
        fields.extend(extra.iter().map(|(name, text)| (*name, Value::from(*text))));
        template.render(Value::from_pairs(fields)).map_err(|error| self.explain(&error, case, extra))
    }

    fn explain(&self, error: &Error, case: &Case, extra: &[(&str, &str)]) -> TemplateError {
        if error.kind() != ErrorKind::UndefinedError {
            return read_error(error);
        }
        let absent = self.0.paths.iter().find(|path| {
            let name = path.split('.').next().unwrap_or_default();
            let known = extra.iter().any(|(extra, _)| *extra == name);
            // Functions stand among the names.
            let global = self.0.environment.globals().any(|(global, _)| global == name);
            !known && !global && !reaches(&case.fields, path)
        });
        let Some(path) = absent else { return read_error(error) };
        let names = case.fields.keys().map(String::as_str).chain(extra.iter().map(|(name, _)| *name));
        let remedy = nearest(path, names).map(|near| format!("did you mean `{near}`?"));
        TemplateError {
            why: format!("the case has no field `{path}`"),
            line: error.line(),
            remedy: remedy
                .or_else(|| Some(format!("add it to the case, or write `{{{{ {path} | default(\"\") }}}}`"))),
        }
    }
}

/// Whether a dotted path leads to a value.
fn reaches(fields: &serde_json::Map<String, serde_json::Value>, path: &str) -> bool {
    let mut parts = path.split('.');
    let Some(mut value) = parts.next().and_then(|name| fields.get(name)) else { return false };
    for part in parts {
        match value.get(part) {
            Some(inner) => value = inner,
            // A method of a value is no field, and nothing of its own is looked at.
            None => return !value.is_object(),
        }
    }
    true
}

fn read_error(error: &Error) -> TemplateError {
    let why = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    TemplateError { why, line: error.line(), remedy: None }
}

fn field(name: &str, value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(messages) if name == "input" => {
            Value::from_object(Messages(messages.iter().map(|message| Value::from(Serde(message))).collect()))
        }
        value => Value::from(Serde(value)),
    }
}

/// Messages: a list for a template that goes through them, and a text for one that just writes them.
#[derive(Debug)]
struct Messages(Vec<Value>);

impl Object for Messages {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = |message: &Value| message.get_attr("content").unwrap_or_default();
        let role = |message: &Value| message.get_attr("role").unwrap_or_default();
        if let [only] = self.0.as_slice()
            && role(only).as_str() == Some("user")
        {
            return write!(f, "{}", content(only));
        }
        for (index, message) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{}: {}", role(message), content(message))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
