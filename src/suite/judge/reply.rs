//! What a judge said: JSON, wherever it stands in the reply, and nothing that has to be guessed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fold::Judgement;

/// Places of a reply that are tried as the beginning of an object.
const TRIES: usize = 1_000;

/// Where the answer stood that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    First,
    Second,
}

/// The grades of a reply, each from 0 (the worst) to 1 (the best).
///
/// # Errors
///
/// What is wrong with it, for the judge: no object, a dimension that is not graded, a grade off the scale, or objects that
/// say different things.
pub(super) fn grades(
    reply: &str,
    dimensions: &BTreeMap<String, String>,
    scale: [f64; 2],
) -> Result<Judgement, String> {
    let [worst, best] = scale;
    read(reply, dimensions, "grades", |name, value| {
        let grade = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let grade = grade.ok_or_else(|| format!("the grade of `{name}` is {value}, not a number"))?;
        if !(worst.min(best)..=worst.max(best)).contains(&grade) {
            return Err(format!("the grade of `{name}` is {grade}, which is not from {worst} to {best}"));
        }
        Ok((grade - worst) / (best - worst))
    })
}

/// The preferences of a reply, for the answer that stood at `side`: 1 is better, 0 is worse, 0.5 is neither.
///
/// # Errors
///
/// As [`grades`].
pub(super) fn preferences(
    reply: &str,
    dimensions: &BTreeMap<String, String>,
    side: Side,
) -> Result<Judgement, String> {
    read(reply, dimensions, "better", |name, value| {
        let word = value.as_str().map(|word| word.trim().to_lowercase());
        match (word.as_deref(), side) {
            (Some("tie"), _) => Ok(0.5),
            (Some("first"), Side::First) | (Some("second"), Side::Second) => Ok(1.0),
            (Some("first" | "second"), _) => Ok(0.0),
            _ => Err(format!("`{name}` is {value}, not \"first\", \"second\" or \"tie\"")),
        }
    })
}

fn read(
    reply: &str,
    dimensions: &BTreeMap<String, String>,
    key: &str,
    value: impl Fn(&str, &Value) -> Result<f64, String>,
) -> Result<Judgement, String> {
    // What a model thinks aloud first is a draft.
    let said = reply.rsplit_once("</think>").map_or(reply, |(_, said)| said);
    let mut found: Option<Judgement> = None;
    let mut wrong = None;
    for object in objects(said) {
        // The inner object may stand alone.
        let inner = match object.get(key) {
            Some(Value::Object(inner)) => inner,
            _ if dimensions.keys().any(|name| object.contains_key(name)) => &object,
            _ => continue,
        };
        let reasoning = object.get("reasoning").and_then(Value::as_str).unwrap_or_default().to_owned();
        let of = |name: &String| {
            let said = inner.get(name).ok_or_else(|| format!("`{name}` is not in `{key}`"))?;
            Ok((name.clone(), value(name, said)?))
        };
        let values: Result<BTreeMap<String, f64>, String> = dimensions.keys().map(of).collect();
        match (values, &found) {
            (Err(why), _) => wrong = Some(why),
            (Ok(values), Some(before)) if before.values != values => {
                return Err("it has two objects that say different things".to_owned());
            }
            (Ok(values), _) => found = Some(Judgement { values, reasoning }),
        }
    }
    match (found, wrong) {
        (Some(judgement), None) => Ok(judgement),
        (_, Some(why)) => Err(why),
        (None, None) => Err(format!("it has no JSON object with `{key}`")),
    }
}

/// The JSON objects of a text, in order, those within others left out.
fn objects(text: &str) -> Vec<Map<String, Value>> {
    let mut objects = Vec::new();
    let mut rest = text;
    for _ in 0..TRIES {
        let Some(start) = rest.find('{') else { break };
        rest = rest.get(start..).unwrap_or_default();
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Map<String, Value>>();
        let step = match stream.next() {
            Some(Ok(object)) => {
                objects.push(object);
                stream.byte_offset()
            }
            _ => 1,
        };
        rest = rest.get(step..).unwrap_or_default();
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimensions(names: &[&str]) -> BTreeMap<String, String> {
        names.iter().map(|&name| (name.to_owned(), String::new())).collect()
    }

    fn grade(reply: &str) -> Result<f64, String> {
        grades(reply, &dimensions(&["q"]), [1.0, 5.0]).map(|judgement| judgement.values["q"])
    }

    #[test]
    fn grades_are_found_wherever_they_stand() {
        for (reply, value) in [
            (r#"{"reasoning": "fine", "grades": {"q": 4}}"#, 0.75),
            ("Sure!\n```json\n{\"grades\": {\"q\": 5}}\n```\nDone.", 1.0),
            (r#"{"q": "1"}"#, 0.0),
            (r#"I think {this} is good: {"grades": {"q": 3.0}}"#, 0.5),
            ("<think>{\"grades\": {\"q\": 1}}</think>{\"grades\": {\"q\": 5}}", 1.0),
            (r#"{"grades": {"q": 5}} and again {"grades": {"q": 5.0}}"#, 1.0),
        ] {
            assert_eq!(grade(reply), Ok(value), "{reply}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for (reply, why) in [
            ("five of five", "no JSON object"),
            ("", "no JSON object"),
            (r#"{"grades": {"q": 6}}"#, "not from 1 to 5"),
            (r#"{"grades": {"q": 0}}"#, "not from 1 to 5"),
            (r#"{"grades": {"q": "good"}}"#, "not a number"),
            (r#"{"grades": {"q": "NaN"}}"#, "not from 1 to 5"),
            (r#"{"grades": {"q": true}}"#, "not a number"),
            (r#"{"grades": {"r": 5}}"#, "`q` is not in"),
            (r#"{"grades": {"q": 5}} or {"grades": {"q": 2}}"#, "different things"),
            (r#"{"grades": {"q": 5}} or {"grades": {"q": 9}}"#, "not from 1 to 5"),
            (r#"{"grades": {"q": 5"#, "no JSON object"),
        ] {
            let said = grade(reply).unwrap_err();
            assert!(said.contains(why), "{reply}: {said}");
        }
    }

    #[test]
    fn the_best_grade_may_be_the_lowest_number() {
        let grade =
            |reply| grades(reply, &dimensions(&["q"]), [6.0, 1.0]).map(|judgement| judgement.values["q"]);
        assert_eq!(grade(r#"{"grades": {"q": 1}}"#), Ok(1.0));
        assert_eq!(grade(r#"{"grades": {"q": 6}}"#), Ok(0.0));
    }

    #[test]
    fn preferences_are_of_the_answer_that_is_judged() {
        let of = |word: &str, side| {
            let reply = format!(r#"{{"better": {{"q": "{word}"}}}}"#);
            preferences(&reply, &dimensions(&["q"]), side).map(|judgement| judgement.values["q"])
        };
        assert_eq!(of("first", Side::First), Ok(1.0));
        assert_eq!(of("First", Side::Second), Ok(0.0));
        assert_eq!(of("second", Side::Second), Ok(1.0));
        assert_eq!(of("tie", Side::Second), Ok(0.5));
        assert!(of("both", Side::First).is_err());
    }

    #[test]
    fn a_long_reply_of_nothing_is_read_in_no_time() {
        assert!(grade(&"{".repeat(200_000)).is_err());
        assert!(grade(&"{\"a\":".repeat(50_000)).is_err());
    }
}
