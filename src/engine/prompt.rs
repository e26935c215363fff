//! The exact text that is sent: files, context and task, joined the same way always.

use crate::event::{CheckSummary, RoundNumber, RoundOutcome, RoundSummary};

/// Takes YAML front matter (`---` to `---`) off the beginning of a file.
///
/// A prompt that begins with dashes is read as an option by more than one agent CLI.
pub fn strip_front_matter(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(rest) = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n")) else { return text };
    let mut offset = 0;
    for line in rest.split_inclusive('\n') {
        offset += line.len();
        if matches!(line.trim_end(), "---" | "...") {
            return rest[offset..].trim_start_matches(['\n', '\r']);
        }
    }
    text
}

/// Joins what precedes the task and the task itself.
pub fn assemble(files: &[String], task: &str) -> String {
    let mut parts: Vec<&str> =
        files.iter().map(|file| file.trim_end()).filter(|file| !file.is_empty()).collect();
    parts.push(task.trim_end());
    let mut text = parts.join("\n\n");
    text.push('\n');
    text
}

/// What a later round should know of the one before; `None` when there is nothing to say.
pub(crate) fn context(
    round: RoundNumber,
    last: Option<&RoundSummary>,
    interrupted: bool,
    notes: &[String],
) -> Option<String> {
    let mut lines = Vec::new();
    if let Some(last) = last {
        lines.push(format!("This is round {round}. Round {} {}.", last.round, outcome_words(last)));
        if let Some(check) = last.check.as_ref().filter(|check| !check.delivered) {
            lines.push(check_words(check));
        }
    }
    if interrupted {
        lines.push(
            "An earlier attempt at this round was interrupted; the workspace may hold part of its work."
                .to_owned(),
        );
    }
    lines.extend_from_slice(notes);
    (!lines.is_empty()).then(|| format!("<round-context>\n{}\n</round-context>\n\n", lines.join("\n")))
}

fn outcome_words(last: &RoundSummary) -> String {
    let ended = match last.outcome {
        RoundOutcome::Answered => "ended with an answer",
        RoundOutcome::Failed => "failed",
        RoundOutcome::TimedOut => "ran into a deadline",
        RoundOutcome::Stopped => "was stopped",
        RoundOutcome::Interrupted => "was interrupted",
    };
    match &last.failure {
        Some(failure) => format!("{ended} ({}: {})", failure.class, failure.evidence.trim()),
        None => ended.to_owned(),
    }
}

fn check_words(check: &CheckSummary) -> String {
    let code = check.exit_code.map_or_else(String::new, |code| format!(" (exit code {code})"));
    let evidence = check.evidence.trim_end();
    format!("Its result did not pass the check{code}. The check said:\n```\n{evidence}\n```")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_is_stripped_only_where_it_is_closed() {
        assert_eq!(strip_front_matter("---\na: 1\n---\n\nDo it.\n"), "Do it.\n");
        assert_eq!(strip_front_matter("\u{feff}---\r\na: 1\r\n---\r\nDo it.\n"), "Do it.\n");
        assert_eq!(strip_front_matter("---\nnever closed\n"), "---\nnever closed\n");
        assert_eq!(strip_front_matter("Do it.\n"), "Do it.\n");
    }

    #[test]
    fn the_task_follows_the_files() {
        let files = ["one\n".to_owned(), "\n".to_owned(), "two".to_owned()];
        assert_eq!(assemble(&files, "task\n"), "one\n\ntwo\n\ntask\n");
    }

    #[test]
    fn the_first_round_has_nothing_to_say() {
        assert_eq!(context(RoundNumber(1), None, false, &[]), None);
        assert!(context(RoundNumber(1), None, true, &[]).is_some_and(|text| text.contains("interrupted")));
    }
}
