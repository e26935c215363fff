//! From a file to rows, whatever its form.

use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Reading;
use crate::text::nearest;

/// The forms, by extension.
const FORMS: [&str; 6] = ["jsonl", "json", "csv", "tsv", "yaml", "yml"];

/// Reads a file and hands over at most `limit` rows, and what was wrong on the way.
pub(super) fn rows(file: &Path, limit: usize, reading: &mut Reading<'_>) {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                _ => error.to_string(),
            };
            reading.refuse(None, format!("the cases cannot be read: {why}"), "look at `cases.file`");
            return;
        }
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" => lines(bytes, limit, reading),
        "json" => list(bytes, limit, reading),
        "csv" => table(bytes, b',', limit, reading),
        "tsv" => table(bytes, b'\t', limit, reading),
        "yaml" | "yml" => yaml(bytes, limit, reading),
        other => {
            let remedy = match nearest(other, FORMS) {
                Some(near) => format!("did you mean `.{near}`?"),
                None => "name it `.jsonl`, `.json`, `.csv`, `.tsv` or `.yaml`, as it is written".to_owned(),
            };
            let what = if other.is_empty() {
                "the name says no format".to_owned()
            } else {
                format!("`.{other}` is no format of cases")
            };
            reading.refuse(None, what, remedy);
        }
    }
}

fn lines(bytes: &[u8], limit: usize, reading: &mut Reading<'_>) {
    let mut taken = 0;
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if taken == limit {
            break;
        }
        taken += 1;
        match serde_json::from_slice(text) {
            Ok(row) => reading.take(Some(line), row),
            Err(error) => {
                let what = format!("this is not JSON: {} (column {})", message(&error), error.column());
                reading.refuse(Some(line), what, "write one object a line");
            }
        }
    }
}

/// What serde says, without its place.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn list(bytes: &[u8], limit: usize, reading: &mut Reading<'_>) {
    let rows: Vec<&RawValue> = match serde_json::from_slice(bytes) {
        Ok(rows) => rows,
        Err(error) => {
            let line = u64::try_from(error.line()).ok().filter(|line| *line > 0);
            let remedy = "write a list of objects, or one object a line into a file that ends in `.jsonl`";
            reading.refuse(line, format!("this is not a list of cases: {}", message(&error)), remedy);
            return;
        }
    };
    let (mut at, mut line) = (0, 1);
    for row in rows.into_iter().take(limit) {
        // A raw value is a part of the bytes.
        let start = row.get().as_ptr().addr().saturating_sub(bytes.as_ptr().addr()).min(bytes.len());
        line += memchr::memchr_iter(b'\n', &bytes[at..start]).count() as u64;
        at = start;
        match serde_json::from_str(row.get()) {
            Ok(row) => reading.take(Some(line), row),
            Err(error) => reading.refuse(Some(line), message(&error), "write an object"),
        }
    }
}

fn table(bytes: &[u8], separator: u8, limit: usize, reading: &mut Reading<'_>) {
    let mut table = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(bytes);
    let header = match table.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            reading.refuse(Some(1), format!("this is not a table: {error}"), "save it as UTF-8");
            return;
        }
    };
    for (index, name) in header.iter().enumerate() {
        if name.trim().is_empty() {
            reading.refuse(
                Some(1),
                format!("column {} has no name", index + 1),
                "name each column in the first line",
            );
        } else if header.iter().take(index).any(|other| other == name) {
            reading.refuse(Some(1), format!("two columns are called `{name}`"), "rename one");
        }
    }
    if !reading.problems.is_empty() {
        return;
    }
    for record in table.records().take(limit) {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map(csv::Position::line);
                reading.refuse(line, format!("this is not a row: {error}"), "save it as UTF-8");
                continue;
            }
        };
        let line = record.position().map(csv::Position::line);
        if record.len() != header.len() {
            let what = format!("{} values, but {} columns", record.len(), header.len());
            reading.refuse(line, what, "put a value with the separator in it between quotes");
            continue;
        }
        let mut fields = Map::new();
        for (name, value) in header.iter().zip(&record) {
            match cell(name, value) {
                Ok(Some(value)) => {
                    fields.insert(name.to_owned(), value);
                }
                Ok(None) => {}
                Err(why) => {
                    reading.refuse(line, format!("`{name}` is not JSON: {why}"), "write it as one object");
                }
            }
        }
        reading.take(line, Value::Object(fields));
    }
}

/// A value of a table. Nothing in a column that provost knows means that the case does not have it.
fn cell(name: &str, value: &str) -> Result<Option<Value>, String> {
    let parts = || value.split(';').map(|part| Value::from(part.trim())).collect::<Vec<Value>>();
    match name {
        "id" | "input" | "expected" | "group" | "tags" | "files" | "check" if value.trim().is_empty() => {
            Ok(None)
        }
        "tags" | "files" => Ok(Some(Value::Array(parts()))),
        "check" => serde_json::from_str(value).map(Some).map_err(|error| message(&error)),
        _ => Ok(Some(Value::from(value))),
    }
}

fn yaml(bytes: &[u8], limit: usize, reading: &mut Reading<'_>) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count() as u64 + 1;
            reading.refuse(Some(line), "the file is not text", "save it as UTF-8");
            return;
        }
    };
    match serde_saphyr::from_str::<Vec<serde_saphyr::Spanned<Value>>>(text) {
        Ok(rows) => {
            for row in rows.into_iter().take(limit) {
                reading.take(Some(row.referenced.line()), row.value);
            }
        }
        Err(error) => {
            let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
            let text = error.without_snippet().to_string();
            let why = text.lines().next().unwrap_or_default().to_owned();
            reading.refuse(
                line,
                format!("this is not a YAML list of cases: {why}"),
                "write `- id: …` for each case",
            );
        }
    }
}
