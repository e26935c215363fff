//! `json`: the answer is JSON, of a schema or with a value at a path.

use jsonschema::Validator;
use serde_json::Value;

use crate::event::Scored;
use crate::text::truncate;

use super::mark::{graded, quoted};

/// What the answer is held against.
#[derive(Debug, Default)]
pub(super) struct Form<'a> {
    /// A schema that it must fit.
    pub(super) schema: Option<&'a Validator>,
    /// Where the value is that must be there; the whole answer when absent.
    pub(super) path: Option<&'a str>,
    /// One of these that value must be; any will do where there are none.
    pub(super) wanted: &'a [Value],
}

/// 1 when the answer, all of it, is JSON as asked for, else 0. Numbers are equal by value (`1` is `1.0`), objects whatever
/// the order of their keys; a wanted text is equal to a text and to the JSON value that it spells.
pub(super) fn json(output: &str, form: &Form<'_>, pass: f64) -> Scored {
    let refusal = judge(output, form).err();
    graded(f64::from(u8::from(refusal.is_none())), pass, || refusal.unwrap_or_default())
}

fn judge(output: &str, form: &Form<'_>) -> Result<(), String> {
    let text = output.trim();
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let fenced = if text.starts_with("```") { "; it stands in a code fence" } else { "" };
        format!("the answer is not JSON: {error}{fenced}")
    })?;
    if let Some(schema) = form.schema {
        schema.validate(&value).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the answer".to_owned() } else { format!("`{place}`") };
            format!("{place} does not fit the schema: {}", truncate(&error.to_string(), 200))
        })?;
    }
    let (found, name) = match form.path {
        None => (&value, "the answer".to_owned()),
        Some(path) => {
            let found = at(&value, path).ok_or_else(|| format!("the answer has no value at `{path}`"))?;
            (found, format!("`{path}`"))
        }
    };
    if form.wanted.is_empty() || form.wanted.iter().any(|wanted| same(found, wanted)) {
        return Ok(());
    }
    let wanted: Vec<String> = form.wanted.iter().map(|wanted| quoted(&plain(wanted))).collect();
    Err(format!("{name} is {}, not {}", quoted(&plain(found)), wanted.join(" or ")))
}

/// The value at a dotted path; a number is a place in a list.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, key| match key.parse::<usize>() {
        Ok(index) if value.is_array() => value.get(index),
        _ => value.get(key),
    })
}

fn same(found: &Value, wanted: &Value) -> bool {
    if equal(found, wanted) {
        return true;
    }
    // What comes out of a template is a text.
    let spelt = wanted.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    spelt.is_some_and(|spelt| equal(found, &spelt))
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn score(output: &str, path: Option<&str>, wanted: &[Value]) -> Scored {
        json(output, &Form { schema: None, path, wanted }, 1.0)
    }

    #[test]
    fn values_at_paths() {
        let output = r#" {"a": [{"b": 1.0}, "x"], "n": null, "o": {"p": 1, "q": [2]}} "#;
        for (path, wanted, value) in [
            (None, vec![], 1.0),
            (Some("a.0.b"), vec![json!(1)], 1.0),
            (Some("a.0.b"), vec![json!("1")], 1.0),
            (Some("a.0.b"), vec![json!(2), json!(1)], 1.0),
            (Some("a.1"), vec![json!("x")], 1.0),
            (Some("a.1"), vec![json!("y")], 0.0),
            (Some("a.2"), vec![], 0.0),
            (Some("n"), vec![json!(null)], 1.0),
            (Some("o"), vec![json!({"q": [2.0], "p": 1})], 1.0),
            (Some("o"), vec![json!(r#"{"q": [2], "p": 1}"#)], 1.0),
            (Some("o"), vec![json!({"p": 1})], 0.0),
            (Some("a.b"), vec![], 0.0),
        ] {
            assert_eq!(score(output, path, &wanted).value, Some(value), "{path:?} {wanted:?}");
        }
    }

    #[test]
    fn a_text_that_looks_like_a_number_is_not_taken_for_one() {
        assert_eq!(score(r#"{"id": "007"}"#, Some("id"), &[json!("007")]).value, Some(1.0));
        assert_eq!(score(r#"{"id": "7"}"#, Some("id"), &[json!(7)]).value, Some(0.0));
    }

    #[test]
    fn what_is_no_json_says_why() {
        let fenced = score("```json\n{}\n```", None, &[]);
        assert_eq!(fenced.value, Some(0.0));
        assert!(fenced.why.is_some_and(|why| why.contains("code fence")));
        assert_eq!(score("{} and more", None, &[]).value, Some(0.0));
        assert_eq!(score("", None, &[]).value, Some(0.0));
    }

    #[test]
    fn schemas() {
        let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
        let schema = jsonschema::validator_for(&schema).unwrap();
        let score = |output: &str| json(output, &Form { schema: Some(&schema), ..Form::default() }, 1.0);
        assert_eq!(score(r#"{"n": 3}"#).value, Some(1.0));
        let wrong = score(r#"{"n": "three"}"#);
        assert_eq!((wrong.value, wrong.passed), (Some(0.0), Some(false)));
        assert!(wrong.why.is_some_and(|why| why.contains("`/n`")));
    }
}
