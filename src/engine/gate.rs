//! The one writer of prompts of a session. Pure: time and the state of the session come in, what to do goes out.
//!
//! Whoever wants to prompt asks. The answer is a [`Ticket`] to send it now, a place in the queue, or a plain no. A
//! ticket is a reservation, taken before anything else can happen; it is held for a while after the prompt was taken,
//! and while it stands nothing else is sent. Every wait in the queue ends in exactly one [`Outcome`], also when nobody
//! ever gives a reservation back. The tickets are the generations: an older one is dropped wherever it turns up.
//!
//! ```text
//!   ask ──▶ Dispatch ──▶ accepted ─────────▶ held ──▶ over (released, or the hold has passed)
//!     │        ▲    ├──▶ maybe_accepted ──▶ kept until a result, or its time has passed
//!     │        │    ├──▶ failed(attempted) ▶ held: it may have arrived
//!     ▼        │    └──▶ refused ──────────▶ as if it had never been asked; out of the queue: back at its head
//!   queue ── drain
//! ```
#![cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "who defers, cancels or continues is a steer or a supervisor; a run only sends and gives back"
    )
)]

mod key;
mod session;
mod source;
mod state;

use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) use key::Key;
pub(crate) use session::{Seen, Session};
pub(crate) use source::{Family, Source, Whose};
use state::{Entry, Phase, State, Waiter};

/// For how long an equal prompt counts as the same one, after it was sent.
pub(crate) const DEDUPE: Duration = Duration::from_secs(15);
/// When the head of the queue is looked at again, while the session is at work.
pub(crate) const HEAD_RETRY: Duration = Duration::from_millis(250);

/// How long a gate waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long nothing else is sent after a prompt was taken. A session shows only after a moment that it is at work.
    hold: Duration,
    /// How long it may take until it is known what became of a prompt.
    dispatch: Duration,
    /// How long the reservation of a prompt is kept that may have been taken, while no result comes.
    unanswered: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let half_a_minute = Duration::from_secs(30);
        Self { hold: Duration::from_secs(2), dispatch: half_a_minute, unanswered: half_a_minute }
    }
}

impl Limits {
    /// These times; `None` when one of them is zero: a gate that holds nothing is none.
    pub(crate) fn new(hold: Duration, dispatch: Duration, unanswered: Duration) -> Option<Self> {
        let some = [hold, dispatch, unanswered].iter().all(|length| !length.is_zero());
        some.then_some(Self { hold, dispatch, unanswered })
    }
}

/// What to do with a prompt that cannot be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It waits for its turn.
    Enqueue,
    /// It is answered with no, and never overtakes one that waits.
    Defer,
}

/// A prompt that somebody wants to send.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prompt<P> {
    /// Who.
    pub(crate) source: Source,
    /// What it says.
    pub(crate) key: Key,
    /// Whether it may wait.
    pub(crate) mode: Mode,
    /// Until when it may wait; for as long as the session lives, where that is not said.
    pub(crate) expires: Option<Instant>,
    /// What is sent.
    pub(crate) payload: P,
}

impl<P> Prompt<P> {
    /// A prompt that says `content`, and waits for its turn.
    pub(crate) fn turn(source: Source, content: &Value, payload: P) -> Self {
        Self { source, key: Key::of(content), mode: Mode::Enqueue, expires: None, payload }
    }

    /// A prompt that only has the session go on, in whatever words: one of them is enough.
    pub(crate) fn continuation(source: Source, payload: P) -> Self {
        Self { source, key: Key::continuation(), mode: Mode::Enqueue, expires: None, payload }
    }
}

/// The right to send one prompt, now. It is the generation of what follows from it, and strictly grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

/// A wait in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Wait(u64);

/// A prompt that is to be sent now. What came of it is to be said with its ticket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sending<P> {
    /// Its reservation.
    pub(crate) ticket: Ticket,
    /// Who asked for it.
    pub(crate) source: Source,
    /// What is sent.
    pub(crate) payload: P,
}

/// The answer to somebody who asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked<P> {
    /// Send it now.
    Dispatch(Sending<P>),
    /// It waits, and this wait ends in one [`Outcome`].
    Queued {
        /// The wait.
        wait: Wait,
        /// What it waits for; `None` when that is the session itself.
        behind: Option<Source>,
        /// Its place, from 1; 0 when an equal prompt stands for it.
        position: usize,
    },
    /// No: the session is at work, or waits for an answer of its user.
    Active,
    /// No: another prompt is being sent, or waits already.
    Reserved,
    /// No: the session is over, or cannot be seen.
    Unavailable,
}

/// What became of a prompt that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The other side has taken it.
    Accepted,
    /// It may have.
    MaybeAccepted,
    /// It was tried, and failed or was given up before an answer.
    Failed,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was sent.
    Dispatched(Sent),
    /// An equal prompt was sent in its place.
    Coalesced,
    /// Somebody cancelled it, or the session is over.
    Cancelled,
    /// Its time has passed.
    Expired,
}

/// The end of one wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Which.
    pub(crate) wait: Wait,
    /// Who waited.
    pub(crate) source: Source,
    /// How it ended.
    pub(crate) outcome: Outcome,
}

/// All that follows at one moment.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub(crate) struct Drained<P> {
    /// What is to be sent now; at most one.
    pub(crate) send: Option<Sending<P>>,
    /// Waits that have ended since the last time.
    pub(crate) settled: Vec<Settled>,
    /// Tickets whose time has passed without a word: what they sent has to be ended.
    pub(crate) lapsed: Vec<Ticket>,
    /// Whether a reservation, or the memory of one, was given back.
    pub(crate) released: bool,
    /// How many waits were cancelled.
    pub(crate) cancelled: usize,
}

/// The gate of one session. What it hands out is sent by its owner; it does nothing itself.
///
/// After every call, and at [`next_deadline`](Self::next_deadline), its owner calls [`drain`](Self::drain).
#[derive(Clone, Debug)]
pub(crate) struct Gate<P> {
    limits: Limits,
    tickets: u64,
    waits: u64,
    state: State<P>,
    /// The head of the queue was refused and is not tried again before.
    rest: Option<Instant>,
    /// The head of the queue was blocked, and is looked at again then at the latest.
    look: Option<Instant>,
    settled: Vec<Settled>,
    lapsed: Vec<Ticket>,
}

impl<P: Clone> Gate<P> {
    /// A gate with nothing before it.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            tickets: 0,
            waits: 0,
            state: State::default(),
            rest: None,
            look: None,
            settled: Vec::new(),
            lapsed: Vec::new(),
        }
    }

    /// Somebody wants to send a prompt.
    pub(crate) fn ask(&mut self, prompt: Prompt<P>, now: Instant, session: Session) -> Asked<P> {
        self.pass(now);
        if self.state.closed {
            return Asked::Unavailable;
        }
        let blocked = session.blocks(&prompt.source);
        if prompt.mode == Mode::Defer {
            if self.state.held.is_some() || !self.state.queue.is_empty() {
                return Asked::Reserved;
            }
            if blocked {
                return if session.is_unreadable() { Asked::Unavailable } else { Asked::Active };
            }
        }
        let Prompt { source, key, mode: _, expires, payload } = prompt;
        let entry = Entry { source: source.clone(), key, payload, waiters: Vec::new() };
        let waiter = |wait| Waiter { wait, source, expires };
        if let Some(behind) = self.state.equal_to(&entry.key) {
            let wait = self.wait();
            if let Some(over) = self.state.join(&entry.key, waiter(wait)) {
                self.settle(over, Outcome::Coalesced);
            }
            return Asked::Queued { wait, behind: Some(behind), position: 0 };
        }
        if self.state.held.is_none() && self.state.queue.is_empty() && !blocked {
            return Asked::Dispatch(self.dispatch(entry, false, now));
        }
        let behind = self.state.queue.back().map(|last| &last.source);
        let behind = behind.or(self.state.held.as_ref().map(|held| &held.entry.source)).cloned();
        let wait = self.wait();
        self.state.queue.push_back(Entry { waiters: vec![waiter(wait)], ..entry });
        Asked::Queued { wait, behind, position: self.state.queue.len() }
    }

    /// The other side has taken the prompt. False, and nothing happens, when the ticket is not the one that is out.
    pub(crate) fn accepted(&mut self, ticket: Ticket, now: Instant) -> bool {
        self.result(ticket, Sent::Accepted, now)
    }

    /// It may have taken it: the connection ended before an answer. Nothing is sent until a result or its time.
    pub(crate) fn maybe_accepted(&mut self, ticket: Ticket, now: Instant) -> bool {
        self.result(ticket, Sent::MaybeAccepted, now)
    }

    /// It failed. Where it was tried it may have arrived, and the hold is kept; else it is [`refused`](Self::refused).
    pub(crate) fn failed(&mut self, ticket: Ticket, attempted: bool, now: Instant) -> bool {
        if attempted { self.result(ticket, Sent::Failed, now) } else { self.refused(ticket, now) }
    }

    /// It was surely not taken: all is as if it had not been tried. A prompt out of the queue is its head again, and is
    /// tried again a little later, unless it was cancelled meanwhile.
    pub(crate) fn refused(&mut self, ticket: Ticket, now: Instant) -> bool {
        self.pass(now);
        let Some(held) = self.state.held.take_if(|held| held.ticket == ticket && held.phase != Phase::Held)
        else {
            return false;
        };
        if held.phase == Phase::Unanswered {
            // That it was sent is on record; that it was taken is not so after all.
            self.state.recent.retain(|recent| recent.key != held.entry.key);
        }
        let mut entry = held.entry;
        if held.recalled && held.queued && !entry.waiters.is_empty() {
            let first = entry.waiters.remove(0);
            self.settle(first, Outcome::Cancelled);
        }
        self.put_back(entry, now);
        true
    }

    /// Takes prompts out of the queue, and says how many waits that ended. A reservation is never touched.
    pub(crate) fn cancel(&mut self, whose: &Whose, now: Instant) -> usize {
        self.pass(now);
        let over = self.state.cancel(|waiter| whose.means(&waiter.source));
        let count = over.len();
        self.settle_all(over, Outcome::Cancelled);
        count
    }

    /// Gives a reservation back, forgets that its prompt was sent, and sends what comes next.
    ///
    /// Only the exact owner gives back a prompt that may have been taken, or one of the user. Any other release of
    /// these, and that of somebody who has no reservation, changes nothing.
    pub(crate) fn release(&mut self, whose: &Whose, now: Instant, session: Session) -> Drained<P> {
        self.pass(now);
        let released = self.give_back(whose, now);
        Drained { released, ..self.drain(now, session) }
    }

    /// Cancels, gives back and sends what comes next, as one: what is cancelled is not sent in between.
    pub(crate) fn cancel_and_release(
        &mut self,
        cancel: &Whose,
        release: &Whose,
        now: Instant,
        session: Session,
    ) -> Drained<P> {
        let cancelled = self.cancel(cancel, now);
        let released = self.give_back(release, now);
        Drained { released, cancelled, ..self.drain(now, session) }
    }

    /// The session is over: every wait ends, and nothing is asked for any more.
    pub(crate) fn close(&mut self, now: Instant) {
        self.pass(now);
        self.state.closed = true;
        let over = self.state.cancel(|_| true);
        self.settle_all(over, Outcome::Cancelled);
    }

    /// What is to be done at this moment.
    pub(crate) fn drain(&mut self, now: Instant, session: Session) -> Drained<P> {
        self.pass(now);
        self.look = None;
        let mut send = None;
        let resting = self.rest.is_some_and(|rest| rest > now);
        if self.state.held.is_none() && !resting {
            self.rest = None;
            match self.state.queue.front() {
                // Those behind it wait as well: they do not overtake.
                Some(head) if session.blocks(&head.source) => self.look = Some(now + HEAD_RETRY),
                Some(_) => {
                    let head = self.state.queue.pop_front();
                    send = head.map(|head| self.dispatch(head, true, now));
                }
                None => {}
            }
        }
        let settled = std::mem::take(&mut self.settled);
        let lapsed = std::mem::take(&mut self.lapsed);
        Drained { send, settled, lapsed, released: false, cancelled: 0 }
    }

    /// When to drain next, at the latest; `None` when nothing is under way.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if !self.settled.is_empty() || !self.lapsed.is_empty() {
            return Some(now);
        }
        let head = match (&self.state.held, self.state.queue.is_empty()) {
            (Some(held), _) => Some(held.until),
            (None, true) => None,
            (None, false) => Some(self.rest.or(self.look).unwrap_or(now)),
        };
        let waiters = self.state.queue.iter().flat_map(|entry| &entry.waiters);
        waiters.filter_map(|waiter| waiter.expires).chain(head).min()
    }

    /// Who has the reservation, since when, and until when at the latest.
    pub(crate) fn held(&self) -> Option<(&Source, Instant, Instant)> {
        self.state.held.as_ref().map(|held| (&held.entry.source, held.reserved_at, held.until))
    }

    /// Whether nothing is sent, held or waiting.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.held.is_none() && self.state.queue.is_empty()
    }

    fn wait(&mut self) -> Wait {
        self.waits += 1;
        Wait(self.waits)
    }

    fn settle(&mut self, waiter: Waiter, outcome: Outcome) {
        self.settled.push(Settled { wait: waiter.wait, source: waiter.source, outcome });
    }

    fn settle_all(&mut self, waiters: Vec<Waiter>, outcome: Outcome) {
        for waiter in waiters {
            self.settle(waiter, outcome);
        }
    }

    fn settle_each(&mut self, waiters: Vec<(Waiter, Outcome)>) {
        for (waiter, outcome) in waiters {
            self.settle(waiter, outcome);
        }
    }

    fn dispatch(&mut self, entry: Entry<P>, queued: bool, now: Instant) -> Sending<P> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let sending = Sending { ticket, source: entry.source.clone(), payload: entry.payload.clone() };
        self.state.reserve(ticket, entry, queued, now, now + self.limits.dispatch);
        sending
    }

    fn result(&mut self, ticket: Ticket, sent: Sent, now: Instant) -> bool {
        self.pass(now);
        let Some(held) = self.state.held.as_mut().filter(|held| held.ticket == ticket) else { return false };
        match (held.phase, sent) {
            (Phase::Sending, Sent::MaybeAccepted) => {
                (held.phase, held.until) = (Phase::Unanswered, now + self.limits.unanswered);
            }
            (Phase::Held, _) | (Phase::Unanswered, Sent::MaybeAccepted) => return false,
            (Phase::Sending | Phase::Unanswered, _) => {
                (held.phase, held.until) = (Phase::Held, now + self.limits.hold);
            }
        }
        let over = held.over(sent);
        self.state.remember(now + DEDUPE);
        self.settle_each(over);
        true
    }

    /// Ends what has had its time.
    fn pass(&mut self, now: Instant) {
        let late = self.state.held.as_ref().is_some_and(|held| held.until <= now);
        if late && self.state.held.as_ref().is_some_and(|held| held.phase == Phase::Sending) {
            self.state.remember(now + DEDUPE);
        }
        if late && let Some(mut held) = self.state.held.take() {
            if held.phase != Phase::Held {
                self.lapsed.push(held.ticket);
            }
            self.settle_each(held.over(Sent::Failed));
        }
        self.state.recent.retain(|recent| recent.until > now);
        let over = self.state.expire(now);
        self.settle_all(over, Outcome::Expired);
    }

    fn give_back(&mut self, whose: &Whose, now: Instant) -> bool {
        let held = self.state.held.take_if(|held| {
            whose.means(&held.entry.source) && (whose.is_exact() || held.phase != Phase::Unanswered)
        });
        let before = self.state.recent.len();
        let kept = self.state.held.as_ref().map(|held| &held.entry.key);
        self.state.recent.retain(|recent| !whose.means(&recent.source) || Some(&recent.key) == kept);
        let forgotten = self.state.recent.len() < before;
        let Some(mut held) = held else { return forgotten };
        self.state.recent.retain(|recent| recent.key != held.entry.key);
        if held.queued && !held.entry.waiters.is_empty() {
            let first = held.entry.waiters.remove(0);
            self.settle(first, Outcome::Dispatched(Sent::Failed));
        }
        // Others who asked for the same still wait for it.
        self.put_back(held.entry, now);
        self.rest = None;
        true
    }

    /// What was not sent and is still waited for is the head of the queue again.
    fn put_back(&mut self, mut entry: Entry<P>, now: Instant) {
        let Some(first) = entry.waiters.first() else { return };
        entry.source = first.source.clone();
        self.state.queue.push_front(entry);
        self.rest = Some(now + HEAD_RETRY);
    }
}

#[cfg(test)]
mod tests;
