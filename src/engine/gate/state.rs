//! What a gate knows: the reservation, the queue behind it, and what was sent a moment ago.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Key, Outcome, Sent, Source, Ticket, Wait};

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) wait: Wait,
    pub(super) source: Source,
    pub(super) expires: Option<Instant>,
}

/// A prompt, and all who wait for it; the first of them brought it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry<P> {
    pub(super) source: Source,
    pub(super) key: Key,
    pub(super) payload: P,
    pub(super) waiters: Vec<Waiter>,
}

/// How far a prompt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is being sent.
    Sending,
    /// It may have been taken.
    Unanswered,
    /// It was taken, or at least tried.
    Held,
}

/// The reservation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reservation<P> {
    pub(super) ticket: Ticket,
    pub(super) entry: Entry<P>,
    /// Whether it came out of the queue: its first waiter is then the one who brought it.
    pub(super) queued: bool,
    /// Cancelled while it was being sent: it does not go back to the queue.
    pub(super) recalled: bool,
    pub(super) phase: Phase,
    pub(super) reserved_at: Instant,
    pub(super) until: Instant,
}

impl<P> Reservation<P> {
    /// Ends the waits for it: it was sent.
    pub(super) fn over(&mut self, sent: Sent) -> Vec<(Waiter, Outcome)> {
        let outcome = |place| match place {
            0 if self.queued => Outcome::Dispatched(sent),
            _ => Outcome::Coalesced,
        };
        let waiters = std::mem::take(&mut self.entry.waiters);
        waiters.into_iter().enumerate().map(|(place, waiter)| (waiter, outcome(place))).collect()
    }
}

/// A prompt that was sent a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recent {
    pub(super) key: Key,
    pub(super) source: Source,
    pub(super) until: Instant,
}

/// All of it. Two gates whose states are equal answer alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State<P> {
    pub(super) held: Option<Reservation<P>>,
    pub(super) queue: VecDeque<Entry<P>>,
    pub(super) recent: Vec<Recent>,
    pub(super) closed: bool,
}

impl<P> Default for State<P> {
    fn default() -> Self {
        Self { held: None, queue: VecDeque::new(), recent: Vec::new(), closed: false }
    }
}

impl<P> State<P> {
    pub(super) fn reserve(
        &mut self,
        ticket: Ticket,
        entry: Entry<P>,
        queued: bool,
        now: Instant,
        until: Instant,
    ) {
        let phase = Phase::Sending;
        self.held =
            Some(Reservation { ticket, entry, queued, recalled: false, phase, reserved_at: now, until });
    }

    /// Whose prompt is equal to this one: being sent, waiting, or sent a moment ago.
    pub(super) fn equal_to(&self, key: &Key) -> Option<Source> {
        let held = self.held.iter().map(|held| &held.entry);
        let there = held.chain(&self.queue).find(|entry| entry.key == *key).map(|entry| &entry.source);
        let recent = || self.recent.iter().find(|recent| recent.key == *key).map(|recent| &recent.source);
        there.or_else(recent).cloned()
    }

    /// Waits together with the equal prompt; gives the waiter back where that one was sent already.
    pub(super) fn join(&mut self, key: &Key, waiter: Waiter) -> Option<Waiter> {
        let sending = self.held.iter_mut().filter(|held| held.phase == Phase::Sending);
        let entry = sending.map(|held| &mut held.entry).find(|entry| entry.key == *key);
        match entry.or_else(|| self.queue.iter_mut().find(|entry| entry.key == *key)) {
            Some(entry) => {
                entry.waiters.push(waiter);
                None
            }
            None => Some(waiter),
        }
    }

    /// Keeps in mind that the reservation's prompt was sent.
    pub(super) fn remember(&mut self, until: Instant) {
        let Some(held) = &self.held else { return };
        let (key, source) = (held.entry.key.clone(), held.entry.source.clone());
        self.recent.retain(|recent| recent.key != key);
        self.recent.push(Recent { key, source, until });
    }

    /// Takes out of the queue who is meant, and prompts that nobody waits for any more.
    pub(super) fn cancel(&mut self, meant: impl Fn(&Waiter) -> bool) -> Vec<Waiter> {
        let mut over = Vec::new();
        if let Some(held) = self.held.as_mut().filter(|held| held.phase == Phase::Sending) {
            // Who brought it is served by what is being sent already.
            let brought = usize::from(held.queued).min(held.entry.waiters.len());
            held.recalled |= held.entry.waiters[..brought].iter().any(&meant);
            let mut joined = held.entry.waiters.split_off(brought);
            over.extend(joined.extract_if(.., |waiter| meant(waiter)));
            held.entry.waiters.append(&mut joined);
        }
        self.queue.retain_mut(|entry| {
            over.extend(entry.waiters.extract_if(.., |waiter| meant(waiter)));
            match entry.waiters.first() {
                Some(first) => entry.source = first.source.clone(),
                None => return false,
            }
            true
        });
        over
    }

    /// Takes out of the queue whose time has passed.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Waiter> {
        let mut over = Vec::new();
        self.queue.retain_mut(|entry| {
            let late = |waiter: &mut Waiter| waiter.expires.is_some_and(|at| at <= now);
            over.extend(entry.waiters.extract_if(.., late));
            match entry.waiters.first() {
                Some(first) => entry.source = first.source.clone(),
                None => return false,
            }
            true
        });
        over
    }
}
