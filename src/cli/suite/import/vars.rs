//! The variables of a test: read from files where they say so, and one case for each combination of lists.

use std::path::Path;

use serde_json::{Map, Value};

use super::draft::Draft;
use crate::suite::{Case, Template};

/// More cases than this of one test are no table but a mistake.
const MOST: usize = 10_000;

/// One set of variables for each combination.
pub(super) fn expand(
    draft: &mut Draft,
    place: &str,
    vars: Map<String, Value>,
    dir: &Path,
) -> Vec<Map<String, Value>> {
    let mut sets = vec![Map::new()];
    for (name, value) in vars {
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        let values: Vec<Value> = values
            .into_iter()
            .filter_map(|value| match value.as_str().and_then(|text| text.strip_prefix("file://")) {
                None => Some(value),
                Some(file) => match read(dir, file) {
                    Ok(text) => Some(Value::from(text)),
                    Err(why) => {
                        draft.leave(format!("{place}.vars.{name}"), format!("`{file}` {why}"));
                        None
                    }
                },
            })
            .collect();
        if sets.len() * values.len() > MOST {
            draft.leave(
                format!("{place}.vars.{name}"),
                format!("that would be more than {MOST} cases of one test"),
            );
            continue;
        }
        if values.is_empty() {
            continue;
        }
        sets = sets
            .iter()
            .flat_map(|set: &Map<String, Value>| {
                values.iter().map(|value| {
                    let mut set = set.clone();
                    set.insert(name.clone(), value.clone());
                    set
                })
            })
            .collect();
    }
    sets
}

/// A text file beside the configuration.
pub(super) fn read(dir: &Path, file: &str) -> Result<String, String> {
    if file.contains(['*', '{']) {
        return Err("is a pattern of names; name each file".to_owned());
    }
    let extension = Path::new(file).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if ["js", "cjs", "mjs", "ts", "py", "pdf", "xlsx"].contains(&extension) {
        return Err("is a program or no text, which is not run or read".to_owned());
    }
    std::fs::read_to_string(dir.join(file)).map_err(|error| format!("cannot be read: {error}"))
}

/// A text of the configuration, with the variables of its test put in.
pub(super) fn fill(text: &str, vars: &Map<String, Value>) -> Result<String, String> {
    if !text.contains("{{") && !text.contains("{%") {
        return Ok(text.to_owned());
    }
    let mut fields = vars.clone();
    fields.insert("input".to_owned(), Value::from("x"));
    for key in ["id", "tags", "group", "files", "check"] {
        fields.remove(key);
    }
    let case = Case::from_json(Value::Object(fields)).map_err(|errors| errors.to_string())?;
    let template = Template::new(text).map_err(|error| error.to_string())?;
    template.render(&case).map_err(|error| error.to_string())
}
