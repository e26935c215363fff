//! Signs of life on standard error, and how long it waits.
//!
//! `exec --json` prints a message when it is whole, which for a model that thinks is minutes after it has begun. Its log
//! has a line for every event of the stream, so it is asked for that part of the log, and what else is in that part is
//! dropped again. A version that logs otherwise gives no sign, and then `round.first_event` runs until a message is
//! whole.
//!
//! It waits as long as a server asks for, an hour if need be, and says only in its log that it does.

use crate::backend::agent::aside::{Aside, Listener};
use crate::event::AttemptRetrying;

/// What asks for it: the variable, and its value.
pub(super) const ASK: (&str, &str) =
    ("RUST_LOG", "error,codex_otel.log_only=info,codex_core::responses_retry=warn");

/// Where a record of that part has its name; a line of another kind has it nowhere so early.
const PART: &[u8] = b" codex_otel.log_only: ";
const STREAM: &[u8] = b"event.name=\"codex.sse_event\"";
/// Stands in the last line of every record. Only what tools answer makes one longer than a line.
const LAST: &[u8] = b" conversation.id=";

/// Where a record of its own retry loop has its words, which end with the reason.
const RETRY: &[u8] = b" codex_core::responses_retry: ";
const COUNT: &str = "retrying sampling request (";
const REASON: &str = " sampling_error=";
/// From how many seconds on a wait is told. Shorter ones are its own, and it prints a line for each.
const TOLD: f64 = 1.0;

/// Tells the lines of its log apart.
pub(super) fn listener() -> Listener {
    let mut inside = false;
    Box::new(move |line| {
        let find = |line: &[u8], what| memchr::memmem::find(line, what);
        let begins = find(&line[..line.len().min(64)], PART);
        if begins.is_none() && (!inside || is_stamped(line)) {
            // Not in what tools answer, which may hold any words.
            let outside = !std::mem::take(&mut inside);
            return match find(line, RETRY).filter(|_| outside && is_stamped(line)) {
                Some(at) => retrying(&String::from_utf8_lossy(&line[at + RETRY.len()..])),
                None => Aside::Complaint,
            };
        }
        inside = find(line, LAST).is_none();
        match begins {
            Some(at) if line[at + PART.len()..].starts_with(STREAM) => Aside::Begun,
            _ => Aside::Noise,
        }
    })
}

/// Reads `stream disconnected - retrying sampling request (1/1 in 3599.998512227s)... sampling_error=…`.
fn retrying(record: &str) -> Aside {
    let read = || {
        let (_, rest) = record.split_once(COUNT)?;
        let (count, rest) = rest.split_once(" in ")?;
        let (wait, _) = rest.split_once("s)")?;
        let wait: f64 = wait.parse().ok().filter(|wait| *wait >= TOLD)?;
        let wait = std::time::Duration::try_from_secs_f64(wait).ok()?;
        let (_, reason) = record.rsplit_once(REASON)?;
        Some(AttemptRetrying {
            attempt: count.split('/').next()?.parse().ok()?,
            delay_ms: Some(u64::try_from(wait.as_millis()).ok()?),
            status: None,
            evidence: reason.trim_end().to_owned(),
        })
    };
    read().map_or(Aside::Noise, Aside::Retrying)
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
            (
                format!(
                    "{stamp}  WARN session: codex_core::responses_retry: stream disconnected - retrying sampling request (1/1 in 3599.99s)... sampling_error=x"
                ),
                Aside::Complaint,
            ),
            (format!("{stamp} ERROR other"), Aside::Complaint),
            ("more of it".to_owned(), Aside::Complaint),
            (String::new(), Aside::Complaint),
        ];
        for (line, expected) in rows {
            assert_eq!(listen(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_wait_that_a_server_asked_for_is_told_with_its_length() {
        let mut listen = listener();
        let record = |wait: &str| {
            format!(
                "2026-11-28T11:39:26.563328Z  WARN session_loop{{a=b}}:turn{{model=m}}: codex_core::responses_retry: \
                 stream disconnected - retrying sampling request (1/1 in {wait})... turn_id=t retries=1 \
                 sampling_error=exceeded retry limit, last status: 429 Too Many Requests"
            )
        };
        let Aside::Retrying(told) = listen(record("3599.998512227s").as_bytes()) else { panic!("not told") };
        assert_eq!((told.attempt, told.delay_ms, told.status), (1, Some(3_599_998), None));
        assert_eq!(told.evidence, "exceeded retry limit, last status: 429 Too Many Requests");
        for short in ["203.5ms", "0.2s", "soon", "-3s", "NaNs", "1e99s"] {
            assert_eq!(listen(record(short).as_bytes()), Aside::Noise, "{short}");
        }
    }
}
