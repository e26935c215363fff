//! The JSON schemas of profile and suite files, for editors.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::load::DEFAULTS;
use super::{Profile, Suite, suite};

/// The schema of a profile *file*, draft 2020-12.
///
/// It asks for no key but `schema`: whatever else a profile needs may come from a file that it extends, from the
/// defaults, or from `--set`.
pub fn json_schema() -> Value {
    file_schema::<Profile>("Provost profile", DEFAULTS)
}

/// The same of a suite file.
pub fn suite_schema() -> Value {
    file_schema::<Suite>("Provost suite", suite::DEFAULTS)
}

fn file_schema<T: JsonSchema>(title: &str, defaults: &str) -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    walk(&mut schema, &mut |object| {
        object.remove("required");
    });
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), json!(title));
        root.insert("required".to_owned(), json!(["schema"]));
        if let Some(version) = root.get_mut("properties").and_then(|keys| keys.get_mut("schema")) {
            *version = json!({ "description": "Version of this file format.", "const": 1 });
        }
    }
    add_defaults(&mut schema, defaults);
    schema
}

/// Visits every schema in a schema.
fn walk(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            // A key that is called `required` is a schema itself; the list of names is what is meant.
            if object.get("required").is_some_and(Value::is_array) {
                visit(object);
            }
            object.values_mut().for_each(|inner| walk(inner, visit));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| walk(inner, visit)),
        _ => {}
    }
}

/// Writes the built-in defaults beside the keys that have them.
fn add_defaults(schema: &mut Value, defaults: &str) {
    let Ok(Value::Object(defaults)) = toml::from_str::<Value>(defaults) else { return };
    let tables = defaults.into_iter().filter(|(_, value)| value.is_object()).collect();
    add_to("", tables, schema);
}

/// The same for the table at a place in the schema.
fn add_to(place: &str, defaults: Map<String, Value>, schema: &mut Value) {
    for (key, default) in defaults {
        let place = format!("{place}/properties/{key}");
        let Some(property) = schema.pointer_mut(&place) else { continue };
        match (default, definition(property)) {
            (Value::Object(inner), Some(table)) => add_to(&format!("/$defs/{table}"), inner, schema),
            (default, _) => {
                if let Value::Object(property) = property {
                    property.insert("default".to_owned(), default);
                }
            }
        }
    }
}

/// The name of the definition that a key refers to.
fn definition(property: &Value) -> Option<String> {
    let reference = |value: &Value| value.get("$ref")?.as_str()?.strip_prefix("#/$defs/").map(str::to_owned);
    reference(property).or_else(|| property.get("anyOf")?.as_array()?.iter().find_map(reference))
}
