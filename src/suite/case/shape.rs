//! The form of one case.

use std::path::Path;

use serde_json::{Map, Value};

use super::files::{self, Digests};
use super::{Case, CaseFile};
use crate::event::{CaseId, Sha256};
use crate::profile::Check;

/// What is wrong, and what to do.
type Wrong = (String, String);

/// Makes a case of its fields. Paths in it are relative to `dir`.
pub(super) fn case(
    fields: Map<String, Value>,
    dir: &Path,
    digests: &mut Digests,
) -> Result<Case, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let id = name(&fields, "id", &mut wrong);
    let group = name(&fields, "group", &mut wrong);
    let input = input(&fields, &mut wrong);
    let tags = tags(&fields, &mut wrong);
    let files = match fields.get("files").map_or(Ok(Vec::new()), |value| files::read(value, dir)) {
        Ok(files) => files,
        Err(more) => {
            wrong.extend(more);
            Vec::new()
        }
    };
    let mut contents = Vec::new();
    for CaseFile { from, to } in &files {
        match digests.of(from) {
            Ok(sha256) => contents.push((to.as_path(), sha256)),
            Err(why) => {
                let what = format!("the file `{}` of the case cannot be read: {why}", from.display());
                wrong.push((what, "paths are relative to the file of the cases".to_owned()));
            }
        }
    }
    let check =
        fields.get("check").filter(|value| !value.is_null()).and_then(|value| match check(value, dir) {
            Ok(check) => Some(Box::new(check)),
            Err(problem) => {
                wrong.push(problem);
                None
            }
        });
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let schema = check.as_ref().and_then(|check| check.json.as_ref()?.schema.as_deref());
    if let Some(schema) = schema {
        match digests.of(schema) {
            Ok(sha256) => contents.push((Path::new(""), sha256)),
            Err(why) => {
                let what = format!("the schema `{}` of the check cannot be read: {why}", schema.display());
                return Err(vec![(what, "paths are relative to the file of the cases".to_owned())]);
            }
        }
    }
    let sha256 = digest(&fields, &contents);
    let id = CaseId::new(id.unwrap_or_else(|| format!("c-{sha256:.16}")));
    let expected = fields.get("expected").filter(|value| !value.is_null()).cloned();
    Ok(Case { id, input, expected, tags, group, files, check, fields, sha256 })
}

/// A name: a text, or a whole number.
fn name(fields: &Map<String, Value>, key: &str, wrong: &mut Vec<Wrong>) -> Option<String> {
    match fields.get(key)? {
        Value::Null => None,
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::String(_) => {
            wrong.push((format!("`{key}` is empty"), "write a name, or leave it out".to_owned()));
            None
        }
        _ => {
            wrong.push((format!("`{key}` is not a name"), "write a text or a whole number".to_owned()));
            None
        }
    }
}

fn input(fields: &Map<String, Value>, wrong: &mut Vec<Wrong>) -> Value {
    let message = |message: &Value| {
        let text = |key| message.get(key).is_some_and(Value::is_string);
        text("role") && text("content")
    };
    match fields.get("input") {
        Some(text @ Value::String(_)) => return text.clone(),
        Some(Value::Array(messages)) if !messages.is_empty() && messages.iter().all(message) => {
            return Value::Array(messages.clone());
        }
        None | Some(Value::Null) => {
            let near = fields.keys().find(|key| {
                matches!(
                    key.to_lowercase().as_str(),
                    "input" | "inputs" | "prompt" | "question" | "task" | "text"
                )
            });
            let remedy = match near {
                Some(near) => format!("rename `{near}`, or add `input` beside it"),
                None => "add what the agent is asked".to_owned(),
            };
            wrong.push(("the case has no `input`".to_owned(), remedy));
        }
        Some(Value::Array(_)) => wrong.push((
            "`input` is a list, and not of messages".to_owned(),
            "write objects with a text `role` and a text `content`".to_owned(),
        )),
        Some(_) => wrong.push((
            "`input` is neither a text nor a list of messages".to_owned(),
            "put other values beside it, as fields that the template names".to_owned(),
        )),
    }
    Value::Null
}

fn tags(fields: &Map<String, Value>, wrong: &mut Vec<Wrong>) -> Vec<String> {
    let tags = match fields.get("tags") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::String(tag)) => Some(vec![tag.clone()]),
        Some(Value::Array(tags)) => tags.iter().map(|tag| tag.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    };
    if tags.is_none() {
        let remedy = "write a list of words such as `[\"short\", \"billing\"]`";
        wrong.push(("`tags` is not a list of words".to_owned(), remedy.to_owned()));
    }
    tags.unwrap_or_default()
}

/// Reads the check of a case; the same keys as `[check]` of a profile.
fn check(value: &Value, dir: &Path) -> Result<Check, Wrong> {
    let mut check: Check = serde_json::from_value(value.clone()).map_err(|error| {
        (format!("`check` is not one: {error}"), "write it as `[check]` of provost-profile(5)".to_owned())
    })?;
    let kinds =
        [check.command.is_some(), check.regex.is_some(), check.contains.is_some(), check.json.is_some()];
    if kinds.iter().filter(|kind| **kind).count() != 1 {
        let remedy = "give it exactly one of `command`, `regex`, `contains`, `json`";
        return Err(("`check` does not say in one way how to check".to_owned(), remedy.to_owned()));
    }
    if let Some(Err(error)) = check.regex.as_deref().map(regex::Regex::new) {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        return Err((
            format!("`check.regex` is not a regular expression: {reason}"),
            "mend it, or use `contains`".to_owned(),
        ));
    }
    if let Some(json) = &mut check.json {
        if json.schema.is_none() && json.path.is_none() {
            let what = "`check.json` does not say what to look for".to_owned();
            return Err((what, "add `path` or `schema`".to_owned()));
        }
        if json.equals.is_some() && json.path.is_none() {
            return Err(("`check.json.equals` needs a `path`".to_owned(), "add one".to_owned()));
        }
        if let Some(schema) = &mut json.schema {
            *schema = dir.join(&*schema);
        }
    }
    Ok(check)
}

/// Names the content of a case: its fields with their keys in order, and what is in its files.
fn digest(fields: &Map<String, Value>, contents: &[(&Path, Sha256)]) -> Sha256 {
    let mut bytes = Vec::with_capacity(256);
    object(fields, &mut bytes);
    for (to, sha256) in contents {
        bytes.push(b'\n');
        bytes.extend_from_slice(sha256.hex().as_str().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(to.to_string_lossy().as_bytes());
    }
    Sha256::of(&bytes)
}

/// Writes JSON with the keys in order and nothing between.
fn canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(table) => object(table, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                canonical(item, out);
            }
            out.push(b']');
        }
        // Writing to a vector does not fail, and these are JSON by themselves.
        plain => out.extend_from_slice(plain.to_string().as_bytes()),
    }
}

fn object(table: &Map<String, Value>, out: &mut Vec<u8>) {
    let mut entries: Vec<(&String, &Value)> = table.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    out.push(b'{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text(key, out);
        out.push(b':');
        match value {
            Value::String(value) => text(value, out),
            value => canonical(value, out),
        }
    }
    out.push(b'}');
}

/// A text between quotes; the common one without anything to escape is copied.
fn text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.extend_from_slice(Value::from(text).to_string().as_bytes());
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}
