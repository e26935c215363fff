//! The stream of events: bytes in, events out, and how it is noticed that it is dead.

use std::time::Duration;

use super::api::{Api, ApiError};
use super::wire::Event;
use crate::backend::agent::LineSplitter;

/// The server sends a heartbeat every 10 seconds, so that a stream that is silent for so long is dead.
pub(super) const SILENCE: Duration = Duration::from_secs(25);

/// One event, as it came and as it is read.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) raw: Vec<u8>,
    pub(super) event: Event,
}

/// Assembles events from chunks. Bounded: an event that is longer than a line may be is left out.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    lines: LineSplitter,
    data: Vec<u8>,
    spoiled: bool,
}

impl Assembly {
    /// Takes a chunk and appends the events that it completes, each after `veil` has taken secrets out of it.
    pub(super) fn push(&mut self, chunk: &[u8], veil: impl Fn(Vec<u8>) -> Vec<u8>, out: &mut Vec<Heard>) {
        let Self { lines, data, spoiled } = self;
        lines.push(chunk, |line| {
            if line.bytes.is_empty() && !line.cut {
                let raw = veil(std::mem::take(data));
                if let Some(event) = Event::read(&raw).filter(|_| !std::mem::take(spoiled)) {
                    out.push(Heard { raw, event });
                }
            } else if let Some(more) = line.bytes.strip_prefix(b"data:") {
                let more = more.strip_prefix(b" ").unwrap_or(more);
                *spoiled |= line.cut || data.len() + more.len() > crate::backend::agent::lines::LINE_BYTES;
                if !*spoiled {
                    if !data.is_empty() {
                        data.push(b'\n');
                    }
                    data.extend_from_slice(more);
                }
            }
        });
    }
}

/// An open stream.
pub(super) struct Stream {
    response: reqwest::Response,
    assembly: Assembly,
}

impl Stream {
    /// Opens one. What happens from here on is in it.
    pub(super) async fn open(api: &Api) -> Result<Self, ApiError> {
        Ok(Self { response: api.events().await?, assembly: Assembly::default() })
    }

    /// Waits for events. `Err` says why there will be none any more. May be given up and called again.
    pub(super) async fn next(&mut self, api: &Api) -> Result<Vec<Heard>, String> {
        let mut heard = Vec::new();
        while heard.is_empty() {
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk()).await;
            match chunk {
                Ok(Ok(Some(chunk))) => self.assembly.push(&chunk, |raw| api.veil(raw), &mut heard),
                Ok(Ok(None)) => return Err("the event stream ended".to_owned()),
                Ok(Err(error)) => return Err(format!("the event stream broke: {error}")),
                Err(_) => return Err(format!("the event stream was silent for {SILENCE:?}")),
            }
        }
        Ok(heard)
    }
}
