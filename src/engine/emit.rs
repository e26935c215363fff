//! Numbers and stamps events, folds them, and hands them to the sink: the only place that does.

use std::borrow::Cow;
use std::io;

use crate::event::{Event, Kind, Live, NodeId, Record, Sha256, Stored, Tally};

use super::Clock;

/// Takes what the engine hands out; what it has returned from is on record.
pub type Sink = Box<dyn FnMut(Record<'_>) -> io::Result<()> + Send>;

/// Takes out of some bytes what must never be written, and says how many times it had to.
pub type Veiling = Box<dyn for<'a> Fn(&'a [u8]) -> (Cow<'a, [u8]>, u64) + Send>;

/// The engine's mouth.
pub struct Emitter {
    clock: Clock,
    sink: Sink,
    veiling: Veiling,
    tally: Tally,
    node: NodeId,
    /// What the driver has not heard yet.
    fresh: Vec<Event>,
}

impl Emitter {
    /// Goes on after what `tally` has folded.
    pub fn new(clock: Clock, sink: Sink, veiling: Veiling, tally: Tally, node: NodeId) -> Self {
        Self { clock, sink, veiling, tally, node, fresh: Vec::new() }
    }

    /// All that is known by now.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The clocks.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Records that something happened.
    ///
    /// # Errors
    ///
    /// The sink could not take it.
    pub fn emit(&mut self, kind: impl Into<Kind>) -> io::Result<()> {
        self.emit_of(self.node.clone(), kind)
    }

    /// Records that something happened to another node.
    ///
    /// # Errors
    ///
    /// The sink could not take it.
    pub fn emit_of(&mut self, node: NodeId, kind: impl Into<Kind>) -> io::Result<()> {
        let event =
            Event { seq: self.tally.last_seq.next(), at: self.clock.stamp(), node, kind: kind.into() };
        self.tally.apply(&event);
        (self.sink)(Record::Event(&event))?;
        self.fresh.push(event);
        Ok(())
    }

    /// What was recorded since this was asked last.
    pub fn take_fresh(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.fresh)
    }

    /// Stores bytes that the next event names.
    ///
    /// # Errors
    ///
    /// The sink could not take them.
    pub fn store(&mut self, kind: Stored, bytes: &[u8]) -> io::Result<Sha256> {
        self.store_counted(kind, bytes).map(|(sha256, _)| sha256)
    }

    /// Stores bytes, and says how many secret values were taken out of them first.
    pub(crate) fn store_counted(&mut self, kind: Stored, bytes: &[u8]) -> io::Result<(Sha256, u64)> {
        let (bytes, redacted) = (self.veiling)(bytes);
        let sha256 = Sha256::of(&bytes);
        (self.sink)(Record::Bytes(kind, &sha256, &bytes))?;
        Ok((sha256, redacted))
    }

    /// Returns once everything is on disk.
    ///
    /// # Errors
    ///
    /// The sink could not.
    pub fn sync(&mut self) -> io::Result<()> {
        (self.sink)(Record::Sync)
    }

    /// Shows something that is not kept.
    ///
    /// # Errors
    ///
    /// The sink could not take it.
    pub fn live(&mut self, live: &Live) -> io::Result<()> {
        (self.sink)(Record::Live(live))
    }
}
