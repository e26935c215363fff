//! `[goal]`: their checks become ours.

use toml::Value;

use super::draft::Draft;
use super::source::Source;
use super::table::seconds_as_text;

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Writes `[check]`, where there are checks: one command that passes when all of them do.
pub(super) fn write(source: &mut Source, draft: &mut Draft) {
    let Some(leaf) = source.take(&["goal", "checks"]) else { return };
    let checks = leaf.value.as_array().cloned().unwrap_or_default();
    let words = |check: &Value, key: &str| -> Vec<String> {
        let items = check.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let cwd = |check: &Value| check.get("cwd").and_then(Value::as_str).map(str::to_owned);
    let timeout: i64 =
        checks.iter().map(|check| check.get("timeout_s").and_then(Value::as_integer).unwrap_or(10)).sum();
    let command = match checks.as_slice() {
        [] => return,
        [one] if cwd(one).is_none() => words(one, "cmd"),
        many => {
            let part = |check: &Value| {
                let command =
                    words(check, "cmd").iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
                match cwd(check) {
                    Some(dir) => format!("(cd {} && {command})", quoted(&dir)),
                    None => format!("({command})"),
                }
            };
            let script = many.iter().map(part).collect::<Vec<_>>().join(" && ");
            vec!["sh".to_owned(), "-c".to_owned(), script]
        }
    };
    draft.put("check", "command", command, Some(&leaf));
    let names: Vec<&str> =
        checks.iter().filter_map(|check| check.get("name").and_then(Value::as_str)).collect();
    if !names.is_empty() {
        draft.remark("check", "command", [format!("goal: {}", names.join(", "))]);
    }
    draft.put("check", "timeout", seconds_as_text(timeout), None);
    draft.put("supervise", "until", "stopped", None);
    draft.remark("supervise", "until", ["a goal that is reached does not end agent-runner; \"delivered\" ends the loop once the check has passed"]);
    draft.otherwise(
        "goal.checks",
        None,
        "they are one `[check]` now: all must exit with 0; what it prints goes into the next prompt, and it decides whether a round \
         has delivered. A number that it prints has no meaning",
    );
}
