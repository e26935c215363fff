//! One line: bytes to event and back.

use std::io::{self, BufRead, Read as _};

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::event::{self, Event, Kind, NodeId, Seq};

/// No event of ours is near that; a longer line is damage and is passed over without being held.
pub(super) const LONGEST: u64 = 64 * 1024 * 1024;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// A whole line; the buffer has it without its newline.
    Line,
    /// Bytes without a newline at the end of the file.
    Torn(u64),
    /// A whole line that was too long to be held; the bytes it had, newline included.
    TooLong(u64),
    /// Nothing more.
    End,
}

/// Reads one line into `buffer`.
pub(super) fn read_line(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> io::Result<Got> {
    buffer.clear();
    let read = input.by_ref().take(LONGEST).read_until(b'\n', buffer)? as u64;
    if read == 0 {
        return Ok(Got::End);
    }
    if buffer.last() == Some(&b'\n') {
        buffer.pop();
        return Ok(Got::Line);
    }
    if read < LONGEST {
        return Ok(Got::Torn(read));
    }
    buffer.clear();
    let mut passed = read;
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            return Ok(Got::Torn(passed));
        }
        let newline = memchr::memchr(b'\n', chunk);
        let used = newline.map_or(chunk.len(), |at| at + 1);
        input.consume(used);
        passed += used as u64;
        if newline.is_some() {
            return Ok(Got::TooLong(passed));
        }
    }
}

/// Reads an event from a line without its newline. The line is as before when this returns.
pub(super) fn parse(line: &mut [u8]) -> Result<Event, String> {
    match parse_own(line) {
        Some(event) => Ok(event),
        None => parse_any(line),
    }
}

fn parse_any(line: &[u8]) -> Result<Event, String> {
    serde_json::from_slice(line).map_err(|error| format!("not an event: {error}"))
}

/// Reads a line with the keys in the order in which they are written here. A tagged and flattened type makes serde
/// collect a line before it knows what it is; here the kind is known first and its fields are read in place.
fn parse_own(line: &mut [u8]) -> Option<Event> {
    let (seq, at, node, word, body) = envelope(line)?;
    let read = reader_of(word)?;
    let node = NodeId::new(node);
    // The fields of the kind become an object of their own for as long as they are read.
    let fields = line.get_mut(body..)?;
    if fields.first() != Some(&b',') {
        return None;
    }
    if let Some(first) = fields.first_mut() {
        *first = b'{';
    }
    let kind = read(fields);
    if let Some(first) = fields.first_mut() {
        *first = b',';
    }
    Some(Event { seq, at, node, kind: kind? })
}

fn envelope(line: &[u8]) -> Option<(Seq, Timestamp, &str, &str, usize)> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let seq = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
    let (at, rest) = text(rest.get(digits..)?.strip_prefix(b",\"at\":\"")?)?;
    let (node, rest) = text(rest.strip_prefix(b",\"node\":\"")?)?;
    let (word, rest) = text(rest.strip_prefix(b",\"kind\":\"")?)?;
    Some((Seq(seq), at.parse().ok()?, node, word, line.len() - rest.len()))
}

/// A text up to its closing quote, if it has no escapes, and what follows.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr2(b'"', b'\\', bytes)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(text).ok()?, rest.strip_prefix(b"\"")?))
}

/// Reads the fields of one kind from an object that has nothing else.
type ReadFields = fn(&[u8]) -> Option<Kind>;

/// The kinds that long journals are made of; all others are read the general way.
fn reader_of(word: &str) -> Option<ReadFields> {
    fn read<K: DeserializeOwned + Into<Kind>>(fields: &[u8]) -> Option<Kind> {
        serde_json::from_slice::<K>(fields).ok().map(Into::into)
    }
    Some(match word {
        "tool.called" => read::<event::ToolCalled>,
        "tool.returned" => read::<event::ToolReturned>,
        "turn.ended" => read::<event::TurnEnded>,
        "usage.reported" => read::<event::UsageReported>,
        "prompt.sent" => read::<event::PromptSent>,
        "round.started" => read::<event::RoundStarted>,
        "round.ended" => read::<event::RoundEnded>,
        "attempt.started" => read::<event::AttemptStarted>,
        "attempt.accepted" => read::<event::AttemptAccepted>,
        "attempt.finished" => read::<event::AttemptFinished>,
        "agent.spawned" => read::<event::AgentSpawned>,
        "agent.exited" => read::<event::AgentExited>,
        "check.started" => read::<event::CheckStarted>,
        "check.ended" => read::<event::CheckEnded>,
        "wait.started" => read::<event::WaitStarted>,
        "wait.ended" => read::<event::WaitEnded>,
        "budget.reserved" => read::<event::BudgetReserved>,
        "budget.committed" => read::<event::BudgetCommitted>,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = r#"{"seq":7,"at":"2026-11-21T02:45:01.123Z","node":"root","kind":"tool.called","id":"t","name":"b\"","new":[1]}"#;

    #[test]
    fn both_ways_of_reading_agree_and_leave_the_line_alone() {
        let mut line = OWN.as_bytes().to_vec();
        assert_eq!(parse_own(&mut line), parse_any(OWN.as_bytes()).ok());
        assert!(parse_own(&mut line).is_some());
        assert_eq!(line, OWN.as_bytes());
    }

    #[test]
    fn what_is_written_otherwise_is_read_all_the_same() {
        for line in [
            r#"{"kind":"tool.returned","id":"t","ok":true,"bytes":1,"node":"r","at":"2026-11-21T02:45:01Z","seq":7}"#,
            r#"{"seq":7,"at":"2026-11-21T02:45:01Z","node":"r\u0041","kind":"wait.ended","complete":true}"#,
            r#"{"seq":7,"at":"2026-11-21T02:45:01Z","node":"r","kind":"star.born","mass":1}"#,
        ] {
            let event = parse(&mut line.as_bytes().to_vec()).unwrap();
            assert_eq!(event, parse_any(line.as_bytes()).unwrap());
        }
        assert!(
            parse(&mut br#"{"seq":7,"at":"2026-11-21T02:45:01Z","node":"r","kind":"wait.ended"}"#.to_vec())
                .is_err()
        );
        assert!(parse(&mut OWN.replace("\"t\"", "[]").into_bytes()).is_err());
        assert!(parse(&mut Vec::new()).is_err());
    }

    #[test]
    fn a_torn_line_is_told_from_a_whole_one() {
        let mut input = io::Cursor::new(b"one\n\ntw".to_vec());
        let mut buffer = Vec::new();
        assert_eq!(
            (read_line(&mut input, &mut buffer).unwrap(), buffer.as_slice()),
            (Got::Line, &b"one"[..])
        );
        assert_eq!((read_line(&mut input, &mut buffer).unwrap(), buffer.as_slice()), (Got::Line, &b""[..]));
        assert_eq!(read_line(&mut input, &mut buffer).unwrap(), Got::Torn(2));
        assert_eq!(read_line(&mut input, &mut buffer).unwrap(), Got::End);
    }
}
