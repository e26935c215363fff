//! What is expected of an answer: the field `expected` of its case, or what a template makes of the case.

use serde_json::Value;

use crate::suite::{Case, Template, TemplateError};

/// Where the expected texts come from.
#[derive(Debug)]
pub(super) enum Wanted {
    /// The field `expected`; a list means that any of its values will do.
    Field,
    /// A template.
    Template(Template),
}

impl Wanted {
    /// What an option says; absent is `{{ expected }}`, and so is that template itself.
    pub(super) fn new(option: Option<&str>) -> Result<Self, TemplateError> {
        let plain = |source: &str| source.split_whitespace().collect::<String>() == "{{expected}}";
        match option {
            Some(source) if !plain(source) => Ok(Self::Template(Template::new(source)?)),
            _ => Ok(Self::Field),
        }
    }

    /// The texts of which one will do; `None` where the case says that there is none, so that it has no such score.
    ///
    /// # Errors
    ///
    /// The case does not have what is looked for, in words.
    pub(super) fn texts(&self, case: &Case) -> Result<Option<Vec<String>>, String> {
        let value = match self {
            Self::Template(template) => return Ok(optional(template, case)?.map(|text| vec![text])),
            Self::Field => case.fields.get("expected"),
        };
        match value {
            None => Err("the case has no field `expected`".to_owned()),
            Some(Value::Null) => Ok(None),
            Some(Value::Array(values)) if values.is_empty() => {
                Err("the field `expected` of the case is an empty list".to_owned())
            }
            Some(Value::Array(values)) => Ok(Some(values.iter().map(plain).collect())),
            Some(value) => Ok(Some(vec![plain(value)])),
        }
    }

    /// The JSON values of which one will do: here a list is a value. A case without the field `expected` wants any value.
    ///
    /// # Errors
    ///
    /// As [`Self::texts`].
    pub(super) fn values(&self, case: &Case) -> Result<Option<Vec<Value>>, String> {
        match self {
            Self::Template(template) => Ok(optional(template, case)?.map(|text| vec![Value::String(text)])),
            Self::Field => Ok(Some(case.expected.iter().filter(|value| !value.is_null()).cloned().collect())),
        }
    }
}

/// The text of a template; `None` where it says none.
pub(super) fn optional(template: &Template, case: &Case) -> Result<Option<String>, String> {
    template.optional(case).map_err(|error| error.to_string())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(mut fields: Value) -> Case {
        fields["input"] = json!("?");
        Case::from_json(fields).unwrap()
    }

    #[test]
    fn the_field_and_the_template_that_says_the_same() {
        for option in [None, Some("{{ expected }}"), Some("{{expected}}")] {
            let wanted = Wanted::new(option).unwrap();
            let texts = |fields| wanted.texts(&case(fields));
            assert_eq!(texts(json!({"expected": "a"})), Ok(Some(vec!["a".to_owned()])));
            assert_eq!(texts(json!({"expected": 4.5})), Ok(Some(vec!["4.5".to_owned()])));
            assert_eq!(texts(json!({"expected": ["a", 1]})), Ok(Some(vec!["a".to_owned(), "1".to_owned()])));
            assert!(texts(json!({})).is_err_and(|why| why.contains("`expected`")));
            assert!(texts(json!({"expected": []})).is_err());
        }
    }

    #[test]
    fn a_template_may_say_that_there_is_no_such_score() {
        let wanted = Wanted::new(Some("{{ city | default(none) }}")).unwrap();
        assert_eq!(wanted.texts(&case(json!({"city": "Bern"}))), Ok(Some(vec!["Bern".to_owned()])));
        assert_eq!(wanted.texts(&case(json!({}))), Ok(None));
        let strict = Wanted::new(Some("{{ city }}")).unwrap();
        assert!(strict.texts(&case(json!({}))).is_err_and(|why| why.contains("city")));
    }

    #[test]
    fn a_list_is_a_json_value() {
        let wanted = Wanted::new(None).unwrap();
        assert_eq!(wanted.values(&case(json!({"expected": [1]}))), Ok(Some(vec![json!([1])])));
        assert_eq!(wanted.values(&case(json!({}))), Ok(Some(vec![])));
    }
}
