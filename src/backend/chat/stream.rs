//! A response as it comes: bytes in, what the model says out, one turn at its end.
//!
//! **A turn is complete only when the wire says so.** Bytes that stop before the terminal marker are a failure, however
//! much has come; so is an error in a body whose status was 200.

use super::conversation::Turn;
use super::sse::{self, Parser};
use super::wire::{self, Assembly, ProviderError};
use crate::profile::Api;

/// Bytes of one turn; a model that never ends must not fill our memory.
pub(super) const TURN_BYTES: usize = 8 * 1024 * 1024;

/// What has come since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Text of the answer.
    pub text: String,
    /// Whether a tool is being called.
    pub calls: bool,
    /// Whether the model thinks; no part of the answer, but a sign of life.
    pub thinks: bool,
}

/// Why a response is no turn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StreamError {
    /// The provider says that it failed.
    #[error("{}", .0.text)]
    Provider(ProviderError),
    /// It is not what the protocol has.
    #[error("{0}")]
    Malformed(String),
    /// It ended before its terminal marker.
    #[error("the stream ended before the model had finished")]
    Unfinished,
    /// The turn is larger than 8 MiB.
    #[error("the turn is larger than {TURN_BYTES} bytes")]
    TooLarge,
}

impl From<sse::TooLarge> for StreamError {
    fn from(error: sse::TooLarge) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// Puts one response together, streamed or whole, in the dialect of one API.
///
/// Bounded: neither an event nor a turn may be larger than 16 and 8 MiB.
#[derive(Debug)]
pub struct Stream {
    form: Form,
    reading: Reading,
}

/// How the response comes. Not every server streams, and not every one that does or does not says so in its header.
#[derive(Debug)]
enum Form {
    /// Nothing has come.
    Unknown,
    /// Server-sent events.
    Events(Parser),
    /// One JSON value.
    Whole(Vec<u8>),
}

/// What has been understood so far.
#[derive(Debug)]
struct Reading {
    assembly: Box<dyn Assembly>,
    heard: Heard,
    begun: bool,
    /// Nothing that comes now belongs to the turn.
    over: bool,
}

impl Stream {
    /// A response over `api` of which nothing has come; `None` for an API that only an agent CLI speaks.
    pub fn new(api: Api) -> Option<Self> {
        wire::of(api).map(Self::on)
    }

    /// A response over a wire of which nothing has come.
    pub(super) fn on(wire: &dyn wire::Wire) -> Self {
        let reading =
            Reading { assembly: wire.assembly(), heard: Heard::default(), begun: false, over: false };
        Self { form: Form::Unknown, reading }
    }

    /// Takes the next bytes, in any chunking.
    ///
    /// # Errors
    ///
    /// The response has failed; what had come before that can still be [heard](Self::heard).
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        let bytes = match self.form {
            Form::Unknown => {
                let bytes = bytes.trim_ascii_start();
                let Some(first) = bytes.first() else { return Ok(()) };
                self.form = match first {
                    b'{' | b'[' => Form::Whole(Vec::new()),
                    _ => Form::Events(Parser::default()),
                };
                bytes
            }
            _ => bytes,
        };
        let reading = &mut self.reading;
        match &mut self.form {
            Form::Whole(body) if body.len() + bytes.len() > TURN_BYTES => Err(StreamError::TooLarge),
            Form::Whole(body) => {
                body.extend_from_slice(bytes);
                Ok(())
            }
            Form::Events(parser) => parser.feed(bytes, |event| reading.event(event)),
            Form::Unknown => Ok(()),
        }
    }

    /// Takes out what has come since this was last asked.
    pub fn heard(&mut self) -> Heard {
        std::mem::take(&mut self.reading.heard)
    }

    /// Whether the model has begun to answer.
    pub fn begun(&self) -> bool {
        self.reading.begun
    }

    /// The model that answers, as soon as it is known.
    pub fn model(&self) -> Option<&str> {
        self.reading.assembly.model()
    }

    /// Whether the turn is complete, so that what is lost from here on is no part of it.
    pub fn complete(&self) -> bool {
        self.reading.assembly.complete()
    }

    /// Whether nothing more is to come.
    pub fn over(&self) -> bool {
        self.reading.over
    }

    /// Reads what can only be read once all of it is there; call it before [`Stream::finish`].
    ///
    /// # Errors
    ///
    /// As [`Stream::push`].
    pub fn end(&mut self) -> Result<(), StreamError> {
        let Form::Whole(body) = &mut self.form else { return Ok(()) };
        let body = std::mem::take(body);
        let reading = &mut self.reading;
        if reading.over {
            return Ok(());
        }
        reading.over = true;
        let text = String::from_utf8_lossy(&body);
        reading.assembly.whole(&text, &mut reading.heard)?;
        reading.begun = true;
        Ok(())
    }

    /// The turn.
    ///
    /// # Errors
    ///
    /// [`StreamError::Unfinished`] without the terminal marker, and what the provider says instead of a turn.
    pub fn finish(mut self) -> Result<Turn, StreamError> {
        self.end()?;
        if !self.complete() {
            return Err(StreamError::Unfinished);
        }
        self.reading.assembly.into_turn().map_err(StreamError::Provider)
    }
}

impl Reading {
    fn event(&mut self, event: sse::Event<'_>) -> Result<(), StreamError> {
        if self.over {
            return Ok(());
        }
        let data = String::from_utf8_lossy(event.data);
        if data.trim_ascii() == "[DONE]" {
            self.over = true;
            return Ok(());
        }
        match self.assembly.event(&data, &mut self.heard) {
            // Some proxies say in plain words what went wrong.
            Err(StreamError::Malformed(_)) if event.name == b"error" => {
                let error = ProviderError { text: data.into_owned(), ..ProviderError::default() };
                return Err(StreamError::Provider(error));
            }
            taken => taken?,
        }
        self.begun = true;
        if self.assembly.bytes() > TURN_BYTES {
            return Err(StreamError::TooLarge);
        }
        self.over = self.assembly.over();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
