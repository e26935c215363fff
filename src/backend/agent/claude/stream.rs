//! The fast path: nearly all of a transcript with partial messages is one kind of line, and it is read without parsing.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::ClaudeDialect;
use crate::backend::Report;
use crate::backend::agent::Signal;
use crate::backend::agent::scan::{string_end, unescaped};
use crate::event::ToolId;

/// How the lines begin that make up nearly all of a transcript with partial messages.
pub(super) const STREAM: &[u8] = br#"{"type":"stream_event""#;
const DELTA: &[u8] = br#"{"type":"stream_event","event":{"type":"content_block_delta""#;
const START: &[u8] = br#"{"type":"stream_event","event":{"type":"message_start""#;

static TEXT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""type":"text_delta","text":""#));
static SIDE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""parent_tool_use_id":""#));
static TOOL_USE_ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""tool_use_id":""#));

impl ClaudeDialect {
    /// Takes a line of a streamed message without parsing it; false if it does not look as expected.
    pub(super) fn streamed(&mut self, line: &[u8]) -> bool {
        if line.starts_with(DELTA) {
            let Some(at) = TEXT.find(&line[..line.len().min(256)]) else {
                // Thinking, or a tool's input; a text delta in an unexpected order of keys is left to the slow path.
                return memchr::memmem::find(line, b"text_delta").is_none();
            };
            let text = &line[at + TEXT.needle().len()..];
            let Some(end) = string_end(text) else { return false };
            if SIDE.find(&text[end..]).is_none() {
                self.delta(&unescaped(&text[..end]));
            }
        } else if line.starts_with(START) {
            if SIDE.find(line).is_none() {
                self.begun.begin();
                self.partial.clear();
            }
        } else {
            // Blocks and messages that start and stop say nothing that the whole message does not say again, as long
            // as the line has the shape we know.
            return line.get(STREAM.len()..).is_some_and(|rest| rest.starts_with(br#","event":{"type":""#));
        }
        true
    }

    pub(super) fn delta(&mut self, text: &str) {
        self.emitted |= !text.is_empty();
        self.partial.push(text);
        self.fresh.push(text);
    }
}

/// What a line still says that was cut: which tool has returned.
pub(super) fn cut_tool_result(line: &[u8]) -> Option<Signal> {
    let id = &line[TOOL_USE_ID.find(line)? + TOOL_USE_ID.needle().len()..];
    let id = str::from_utf8(&id[..string_end(id)?]).ok()?;
    Some(Signal::Report(Report::ToolReturned {
        id: ToolId::new(id),
        ok: true,
        bytes: u64::try_from(line.len()).unwrap_or(u64::MAX),
        result: None,
    }))
}
