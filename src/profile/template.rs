//! How fields become a text: the task of a case, a rubric, what is expected, and how a task is put to an agent. A name that
//! no field has is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::Prompt;
use crate::text::nearest;

/// What stands in an output for a value that is none, until it is known whether it stands alone. No text has it: these
/// code points are set aside as no characters.
const NONE: &str = "\u{fdd0}\u{fdd1}\u{fdd0}";

/// The only template of its environment.
const NAME: &str = "template";

/// The field that is the task.
const INPUT: &str = "input";

/// What a template can name.
pub type Fields = serde_json::Map<String, serde_json::Value>;

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

    /// The text for fields; `extra` win over those of the same name. A field that is none is written `none`; messages are
    /// written each after its role.
    ///
    /// # Errors
    ///
    /// It names what the case does not have, or does what cannot be done.
    pub fn of_fields(&self, fields: &Fields, extra: &[(&str, &str)]) -> Result<String, TemplateError> {
        let text = self.write(fields, extra).map_err(|error| self.explain(&error, fields, extra))?;
        Ok(if text.contains(NONE) { text.replace(NONE, "none") } else { text })
    }

    /// The same, or `None` where all that it says is none: `{{ expected | default(none) }}` without `expected`.
    ///
    /// # Errors
    ///
    /// As [`Self::of_fields`].
    pub fn optional_of_fields(&self, fields: &Fields) -> Result<Option<String>, TemplateError> {
        let text = self.write(fields, &[]).map_err(|error| self.explain(&error, fields, &[]))?;
        Ok(match text.trim() {
            NONE => None,
            _ if text.contains(NONE) => Some(text.replace(NONE, "none")),
            _ => Some(text),
        })
    }

    /// How a task is put that is no case: it is `input`, and there is nothing else. A template that does not look at it
    /// takes no task but the empty one.
    ///
    /// # Errors
    ///
    /// It names something else, or would drop the task, or does what cannot be done.
    pub fn of_task(&self, task: &str) -> Result<String, TemplateError> {
        if !task.trim().is_empty() && !self.0.names.iter().any(|name| name == INPUT) {
            return Err(TemplateError {
                why: "the task would be dropped".to_owned(),
                line: None,
                remedy: Some("say `{{ input }}` where it belongs".to_owned()),
            });
        }
        let none = Fields::new();
        let extra = [(INPUT, task)];
        let text = self.write(&none, &extra).map_err(|error| match self.absent(&error, &none, &extra) {
            None => read_error(&error),
            Some(path) => TemplateError {
                why: format!("there is no `{path}` where a task is no case of a suite"),
                line: error.line(),
                remedy: Some(format!(
                    "the task is `{{{{ input }}}}`, and nothing else is there; or write `{{{{ {path} | default(\"\") }}}}`"
                )),
            },
        })?;
        Ok(text.replace(NONE, "none"))
    }

    fn write(&self, fields: &Fields, extra: &[(&str, &str)]) -> Result<String, Error> {
        let template = self.0.environment.get_template(NAME)?;
        let mut values: BTreeMap<&str, Value> = BTreeMap::new();
        for name in &self.0.names {
            if let Some(value) = fields.get(name) {
                values.insert(name, field(name, value));
            }
        }
        values.extend(extra.iter().map(|(name, text)| (*name, Value::from(*text))));
        template.render(Value::from_pairs(values))
    }

    /// The first name that nothing has, where that is what is wrong.
    fn absent(&self, error: &Error, fields: &Fields, extra: &[(&str, &str)]) -> Option<&str> {
        if error.kind() != ErrorKind::UndefinedError {
            return None;
        }
        let absent = self.0.paths.iter().find(|path| {
            let name = path.split('.').next().unwrap_or_default();
            let known = extra.iter().any(|(extra, _)| *extra == name);
            // Functions stand among the names.
            let global = self.0.environment.globals().any(|(global, _)| global == name);
            !known && !global && !reaches(fields, path)
        });
        absent.map(String::as_str)
    }

    fn explain(&self, error: &Error, fields: &Fields, extra: &[(&str, &str)]) -> TemplateError {
        let Some(path) = self.absent(error, fields, extra) else { return read_error(error) };
        let names = fields.keys().map(String::as_str).chain(extra.iter().map(|(name, _)| *name));
        let remedy = nearest(path, names).map(|near| format!("did you mean `{near}`?"));
        TemplateError {
            why: format!("the case has no field `{path}`"),
            line: error.line(),
            remedy: remedy
                .or_else(|| Some(format!("add it to the case, or write `{{{{ {path} | default(\"\") }}}}`"))),
        }
    }
}

impl Prompt {
    /// How the task is put to the agent, as it was written; absent where the task is said as it is.
    ///
    /// # Errors
    ///
    /// The file that holds it, and why it cannot be read.
    pub fn template_text(&self) -> Result<Option<String>, (PathBuf, std::io::Error)> {
        match (&self.template, &self.template_file) {
            (Some(template), _) => Ok(Some(template.clone())),
            (None, Some(file)) => {
                std::fs::read_to_string(file).map(Some).map_err(|error| (file.clone(), error))
            }
            (None, None) => Ok(None),
        }
    }
}

/// Whether a dotted path leads to a value.
fn reaches(fields: &Fields, path: &str) -> bool {
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
        serde_json::Value::Array(messages) if name == INPUT => {
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
