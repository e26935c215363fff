//! Signs of life on standard error.
//!
//! `exec --json` prints a message when it is whole, which for a model that thinks is minutes after it has begun. Its log
//! has a line for every event of the stream, so it is asked for that part of the log, and what else is in that part is
//! dropped again. A version that logs otherwise gives no sign, and then `round.first_event` runs until a message is
//! whole.

use crate::backend::agent::aside::{Aside, Listener};

/// What asks for it: the variable, and its value.
pub(super) const ASK: (&str, &str) = ("RUST_LOG", "error,codex_otel.log_only=info");

/// Where a record of that part has its name; a line of another kind has it nowhere so early.
const PART: &[u8] = b" codex_otel.log_only: ";
const STREAM: &[u8] = b"event.name=\"codex.sse_event\"";
/// Stands in the last line of every record. Only what tools answer makes one longer than a line.
const LAST: &[u8] = b" conversation.id=";

/// Tells the lines of its log apart.
pub(super) fn listener() -> Listener {
    let mut inside = false;
    Box::new(move |line| {
        let find = |line: &[u8], what| memchr::memmem::find(line, what);
        let begins = find(&line[..line.len().min(64)], PART);
        if begins.is_none() && (!inside || is_stamped(line)) {
            inside = false;
            return Aside::Complaint;
        }
        inside = find(line, LAST).is_none();
        match begins {
            Some(at) if line[at + PART.len()..].starts_with(STREAM) => Aside::Begun,
            _ => Aside::Noise,
        }
    })
}

/// Whether a line begins as records of a log do: `2026-11-21T07:41:03.141689Z  INFO `.
fn is_stamped(line: &[u8]) -> bool {
    let digits =
        |from: usize, to: usize| line.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    digits(0, 4)
        && line.get(4) == Some(&b'-')
        && digits(5, 7)
        && line.get(10) == Some(&b'T')
        && digits(11, 13)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_the_stream_is_told_from_complaints() {
        let mut listen = listener();
        let stamp = "2026-11-21T07:41:03.141689Z";
        let part = format!("{stamp}  INFO codex_otel.log_only: event.name=");
        let rest = "event.timestamp=x conversation.id=01a1 app.version=0.169.0";
        let rows = [
            ("WARNING: proceeding".to_owned(), Aside::Complaint),
            (format!("{part}\"codex.user_prompt\" prompt=[REDACTED] {rest}"), Aside::Noise),
            (format!("{part}\"codex.sse_event\" event.kind=response.created {rest}"), Aside::Begun),
            (format!("{stamp} ERROR codex_core::tools: codex_otel.log_only: no"), Aside::Complaint),
            (format!("{part}\"codex.tool_result\" output=one"), Aside::Noise),
            ("Error: of the tool".to_owned(), Aside::Noise),
            (format!(" mcp_server= {rest}"), Aside::Noise),
            ("Error: of the program".to_owned(), Aside::Complaint),
            (format!("{part}\"codex.tool_result\" output=one"), Aside::Noise),
            (format!("{stamp} ERROR other"), Aside::Complaint),
            ("more of it".to_owned(), Aside::Complaint),
            (String::new(), Aside::Complaint),
        ];
        for (line, expected) in rows {
            assert_eq!(listen(line.as_bytes()), expected, "{line}");
        }
    }
}
