//! Samples: one row a case, with `input` and `target`, and whatever else a dataset has.

use std::path::Path;

use serde_json::{Map, Value};

use super::draft::Draft;

/// What they are called here.
const RENAMED: [(&str, &str); 2] = [("target", "expected"), ("answer", "expected")];

/// The task of a sample with choices.
const CHOICES: &str = "{{ input }}{% if choices is defined %}\n\nAnswer with the letter of one of these alone.\n\
    {% for choice in choices %}{{ \"ABCDEFGHIJKLMNOPQRSTUVWXYZ\"[loop.index0] }}) {{ choice }}\n{% endfor %}{% endif %}";

/// The rows of a file of lines or of a table.
pub(super) fn rows(path: &Path, text: &str) -> Result<Vec<Value>, String> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let text = text.trim_start_matches('\u{feff}');
    if extension.ends_with("sv") {
        let delimiter = if extension == "tsv" { b'\t' } else { b',' };
        let mut table = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
        let header = table.headers().map_err(|error| error.to_string())?.clone();
        let row = |record: Result<csv::StringRecord, csv::Error>| {
            let record = record.map_err(|error| error.to_string())?;
            let cells = header.iter().zip(&record).filter(|(_, value)| !value.is_empty());
            Ok(Value::Object(cells.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()))
        };
        return table.records().map(row).collect();
    }
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| serde_json::from_str(line).map_err(|error| format!("line {number}: {error}")))
        .collect()
}

/// A suite of samples.
pub(super) fn draft(name: &str, rows: Vec<Value>) -> Result<Draft, String> {
    let mut draft = Draft { name: name.to_owned(), template: "{{ input }}".to_owned(), ..Draft::default() };
    let (mut choices, mut several, mut targets, mut numbers) = (false, 0, 0, 0);
    for (index, row) in rows.into_iter().enumerate() {
        let Value::Object(row) = row else { return Err(format!("sample {} is not an object", index + 1)) };
        let Some(mut case) = case(&mut draft, index, row) else { continue };
        choices |= case.contains_key("choices");
        match case.get("expected") {
            None | Some(Value::Null) => {}
            Some(Value::Array(all)) => {
                several += 1;
                // Any of them was right.
                let first = all.first().cloned().unwrap_or(Value::Null);
                case.insert("targets".to_owned(), Value::Array(all.clone()));
                case.insert("expected".to_owned(), first);
                targets += 1;
            }
            Some(value) => {
                targets += 1;
                numbers += usize::from(number(value));
            }
        }
        draft.cases.push(case);
    }
    if draft.cases.is_empty() {
        return Err("no sample has an `input`".to_owned());
    }
    if choices {
        CHOICES.clone_into(&mut draft.template);
        draft.remarks.push("the choices are part of the task; look at `cases.template`".to_owned());
    }
    if several > 0 {
        draft.leave(
            format!("`target` of {several} samples"),
            "of several right answers the first is expected; all are in the field `targets`",
        );
    }
    let expected = "expected = \"{{ expected | default(none) }}\"".to_owned();
    if targets > 0 && numbers == targets {
        draft.scores.push(("number".to_owned(), "number", vec![expected]));
        draft
            .remarks
            .push("the targets are numbers: the score compares the last number of the answer".to_owned());
    } else if targets > 0 {
        draft.scores.push((
            "exact".to_owned(),
            "exact",
            vec![expected.clone(), "ignore_case = true".to_owned()],
        ));
        draft.scores.push((
            "includes".to_owned(),
            "contains",
            vec![expected, "ignore_case = true".to_owned()],
        ));
    } else {
        draft.leave("scores", "no sample has a `target`; write a `[[score]]` of your own");
        draft.scores.push(("answered".to_owned(), "regex", vec!["pattern = '\\S'".to_owned()]));
    }
    Ok(draft)
}

fn number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => text.trim().replace(',', "").parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    }
}

fn case(draft: &mut Draft, index: usize, row: Map<String, Value>) -> Option<Map<String, Value>> {
    let place = format!("sample {}", index + 1);
    let mut case = Map::new();
    for (key, value) in row {
        let renamed =
            RENAMED.iter().find(|(theirs, _)| *theirs == key).map_or(key.as_str(), |(_, ours)| *ours);
        match (renamed, value) {
            (_, Value::Null) => {}
            ("id", value) => {
                case.insert("id".to_owned(), value);
            }
            ("metadata", Value::Object(metadata)) => {
                for (key, value) in metadata {
                    if ["input", "expected", "id", "files", "tags", "group", "check"].contains(&key.as_str())
                    {
                        draft.leave(
                            format!("{place}: metadata.{key}"),
                            "the name means something else in a case",
                        );
                    } else {
                        case.entry(key).or_insert(value);
                    }
                }
            }
            ("sandbox" | "setup", _) => {
                draft.leave(
                    format!("{place}: {key}"),
                    "give the suite a `cases.workspace`, or the case `files`",
                );
            }
            ("input", Value::Array(messages)) => {
                case.insert("input".to_owned(), Value::Array(messages.into_iter().map(message).collect()));
            }
            ("files", _) => {
                draft.leave(
                    format!("{place}: files"),
                    "copy them beside cases.jsonl, and give the case `files`",
                );
            }
            ("tags", Value::String(text)) => {
                case.insert("tags".to_owned(), Value::from(vec![text]));
            }
            ("choices", Value::String(text)) => {
                let choices: Vec<Value> = text.split(';').map(|choice| Value::from(choice.trim())).collect();
                case.insert("choices".to_owned(), Value::Array(choices));
            }
            (key, value) => {
                case.insert(key.to_owned(), value);
            }
        }
    }
    if case.contains_key("input") {
        return Some(case);
    }
    draft.leave(place, "it has no `input`");
    None
}

/// A message as a case has it: content in parts is joined.
fn message(message: Value) -> Value {
    let Value::Object(mut table) = message else { return message };
    if let Some(Value::Array(parts)) = table.get("content") {
        let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
        let text = texts.join("\n");
        table.insert("content".to_owned(), Value::from(text));
    }
    Value::Object(table)
}
