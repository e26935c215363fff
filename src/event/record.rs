//! What the engine hands out, in order. Whoever takes it makes it durable before it returns.

use super::{Event, Live, Sha256};

/// A text or blob that a later event names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stored {
    /// The exact text of a request: `prompts/<sha256>.txt`.
    Prompt,
    /// Everything else: `blobs/<sha256>`.
    Blob,
}

/// One thing the engine hands to its sink.
#[derive(Debug)]
pub enum Record<'a> {
    /// Bytes that the next events name; they come first, so that no event names what is not there.
    Bytes(Stored, &'a Sha256, &'a [u8]),
    /// A line of the journal.
    Event(&'a Event),
    /// The journal must be on disk before the engine goes on.
    Sync,
    /// For people who watch; may be dropped.
    Live(&'a Live),
}
