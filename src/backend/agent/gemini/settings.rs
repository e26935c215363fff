//! Gemini CLI's settings file: what the user has written, and what must hold for us over it.

use serde_json::{Map, Value};

use crate::file::is_secret_name;

/// Reads settings, in which comments are allowed; `None` where they are no object.
pub(super) fn parse(text: &str) -> Option<Value> {
    serde_json::from_str::<Value>(&without_comments(text)).ok().filter(Value::is_object)
}

/// The text with spaces in place of its comments.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    while let Some(next) = rest.chars().next() {
        let taken = match next {
            '\\' if quoted => rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at),
            '"' => {
                quoted = !quoted;
                1
            }
            '/' if !quoted && rest.starts_with("//") => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            '/' if !quoted && rest.starts_with("/*") => {
                out.push(' ');
                rest = rest[2..].find("*/").map_or("", |at| &rest[2 + at + 2..]);
                continue;
            }
            other => other.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

/// Puts `over` over `settings`: tables are merged, all else is replaced.
pub(super) fn merge(settings: &mut Value, over: &Value) {
    match (settings, over) {
        (Value::Object(settings), Value::Object(over)) => {
            for (key, value) in over {
                merge(settings.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (settings, over) => *settings = over.clone(),
    }
}

/// Takes what may be a secret out of the user's settings: the CLI expands variables in them, so that a variable can
/// stand there instead. Returns the variables.
pub(super) fn hide(settings: &mut Value) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    if let Value::Object(map) = settings {
        hide_in(map, false, &mut variables);
    }
    variables
}

fn hide_in(map: &mut Map<String, Value>, all: bool, variables: &mut Vec<(String, String)>) {
    for (key, value) in map {
        let all = all || matches!(key.as_str(), "env" | "headers" | "oauth");
        match value {
            Value::Object(map) => hide_in(map, all, variables),
            Value::Array(items) => {
                for item in items {
                    if let Value::Object(map) = item {
                        hide_in(map, all, variables);
                    }
                }
            }
            // One that names a variable is expanded by the CLI, and holds nothing.
            Value::String(text) if (all || is_secret_name(key)) && !text.contains('$') => {
                let name = format!("PROVOST_SETTING_{}", variables.len());
                let reference = format!("${{{name}}}");
                variables.push((name, std::mem::replace(text, reference)));
            }
            _ => {}
        }
    }
}

/// The name of the files that hold instructions; of several, the first.
pub(super) fn context_file(settings: &Value) -> Option<&str> {
    let names = settings.get("context")?.get("fileName")?;
    names.as_str().or_else(|| names.get(0)?.as_str()).filter(|name| !name.is_empty() && !name.contains('/'))
}

/// Whether the CLI would take a word of the text for a file to put in its place.
pub(super) fn imports(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + 1..].chars().next();
        before.is_none_or(char::is_whitespace)
            && after.is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '.' | '/' | '~'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_are_no_settings_and_text_that_looks_like_one_is() {
        let text = "{ // one\n \"a\": \"http://x/*y*/\", /* two\n\" */ \"b\\\"//\": 1 }// end";
        assert_eq!(parse(text), Some(json!({"a": "http://x/*y*/", "b\"//": 1})));
        for bad in ["", "[]", "{", "\"a", "{} x", "/*"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ours_goes_over_theirs_and_the_rest_stays() {
        let mut settings =
            json!({"general": {"vimMode": true, "maxAttempts": 9}, "ui": 1, "mcpServers": {"a": 1}});
        merge(&mut settings, &json!({"general": {"maxAttempts": 1}, "mcpServers": {"b": 2}, "ui": {"x": 2}}));
        let merged = json!({"general": {"vimMode": true, "maxAttempts": 1}, "ui": {"x": 2}, "mcpServers": {"a": 1, "b": 2}});
        assert_eq!(settings, merged);
    }

    #[test]
    fn what_may_be_a_secret_becomes_a_variable() {
        let mut settings = json!({
            "mcpServers": {"a": {"env": {"X": "s3"}, "headers": {"Authorization": "Bearer t"}, "command": "npx"}},
            "apiKey": "$KEY", "list": [{"token": "t2"}], "general": {"maxAttempts": 2},
        });
        let variables = hide(&mut settings);
        let values: Vec<&str> = variables.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["s3", "Bearer t", "t2"]);
        let text = settings.to_string();
        for (name, value) in &variables {
            assert!(text.contains(&format!("\"${{{name}}}\"")) && !text.contains(value), "{text}");
        }
        assert!(text.contains("npx") && text.contains("$KEY"), "{text}");
    }

    #[test]
    fn a_word_with_an_at_sign_before_it_is_an_import() {
        for text in ["@file.md", "see @./x", "\n@/etc/passwd"] {
            assert!(imports(text), "{text}");
        }
        for text in ["", "me@example.com", "`@file.md`", "@ home", "@1"] {
            assert!(!imports(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_settings_panic(text in any::<String>()) {
            let _ = parse(&text);
            let _ = imports(&text);
        }

        #[test]
        fn settings_without_comments_stay_what_they_are(key in "[a-z/*\"\\\\]{0,8}", word in any::<String>()) {
            let mut map = Map::new();
            map.insert(key, Value::String(word));
            let value = Value::Object(map);
            prop_assert_eq!(parse(&value.to_string()), Some(value));
        }
    }
}
