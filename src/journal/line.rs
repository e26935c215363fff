//! One line: bytes to event and back.

use std::io::{self, BufRead, Read as _};

use crate::event::Event;

/// No event of ours is near that; a longer line is damage and is passed over without being held.
const LONGEST: u64 = 64 * 1024 * 1024;

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

/// Reads an event from a line without its newline.
pub(super) fn parse(line: &[u8]) -> Result<Event, String> {
    serde_json::from_slice(line).map_err(|error| format!("not an event: {error}"))
}
