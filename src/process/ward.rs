//! One child in the guard's care, from its start until nothing of it is left.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::Stray;
use super::census::{Being, Census, Leader};
use super::frame::{Ticket, Word};

/// What a child leaves behind is asked to go, and has this long to do so.
const LEFTOVER_GRACE: Duration = Duration::from_millis(200);

/// SIGKILL is sent again this often: a process may have forked between the look and the kill.
pub(super) const KILL_AGAIN: Duration = Duration::from_millis(50);

/// A process, told from a later one with the same id by its start time.
type Identity = (i32, u64);

/// See the module.
pub(super) struct Ward {
    pub(super) ticket: Ticket,
    pid: Pid,
    /// Exit code and signal, once the leader is reaped.
    gone: Option<(Option<i32>, Option<i32>)>,
    /// When SIGKILL is due.
    deadline: Option<Instant>,
    /// Somebody asked for the end while the leader lived.
    ended: bool,
    killed: bool,
    /// Asked to go, and not to be asked twice: many programs take a second TERM as a demand to skip their cleanup.
    asked: HashSet<Identity>,
    /// Killed together with their leader, as its group always is; nothing to report.
    quiet: HashSet<Identity>,
    beyond_reach: HashSet<Identity>,
    strays: BTreeMap<Identity, Stray>,
}

impl Ward {
    pub(super) fn new(ticket: Ticket, pid: Pid) -> Self {
        Self {
            ticket,
            pid,
            gone: None,
            deadline: None,
            ended: false,
            killed: false,
            asked: HashSet::new(),
            quiet: HashSet::new(),
            beyond_reach: HashSet::new(),
            strays: BTreeMap::new(),
        }
    }

    pub(super) fn leader(&self) -> Leader {
        Leader { ticket: self.ticket, pid: self.pid.as_raw(), alive: self.gone.is_none() }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes note of a reaped process, if it is the leader.
    pub(super) fn reaped(&mut self, pid: Pid, code: Option<i32>, signal: Option<i32>) {
        if pid == self.pid && self.gone.is_none() {
            self.gone = Some((code, signal));
            // Without a census nothing else would find the rest of the group.
            #[cfg(not(target_os = "linux"))]
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }

    /// Asks the group to go and sets the deadline, or brings it forward. Never back.
    pub(super) fn end(&mut self, grace: Duration, now: Instant) {
        let deadline = now + grace;
        if self.gone.is_none() && !self.ended && !grace.is_zero() {
            let _ = killpg(self.pid, Signal::SIGTERM);
            // A stopped process could not heed it.
            let _ = killpg(self.pid, Signal::SIGCONT);
        }
        self.ended |= self.gone.is_none();
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    /// Whether there is something to do for it: after a death, or because its time is up.
    pub(super) fn is_restless(&self, deaths: bool, now: Instant) -> bool {
        (deaths && (self.gone.is_some() || self.killed))
            || self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Does what is due. The last word, once nothing is left.
    pub(super) fn tend(&mut self, census: &Census, now: Instant) -> Option<Word> {
        let mut left = census.of(self.leader());
        left.retain(|being| !self.beyond_reach.contains(&identity(being)));
        if let Some((code, signal)) = self.gone {
            if left.is_empty() {
                let strays = std::mem::take(&mut self.strays).into_values().collect();
                return Some(Word::Exited { ticket: self.ticket, code, signal, strays });
            }
            let deadline = *self.deadline.get_or_insert(now + LEFTOVER_GRACE);
            if !self.killed && deadline > now {
                self.ask(&left);
                return None;
            }
        } else if self.deadline.is_none_or(|deadline| deadline > now) && !self.killed {
            return None;
        }
        self.kill(&left, now);
        None
    }

    fn ask(&mut self, left: &[Being]) {
        for being in left {
            let in_group = being.group == self.pid.as_raw();
            if !self.ended || !in_group {
                self.strays.entry(identity(being)).or_insert_with(|| being.stray());
            }
            if self.asked.insert(identity(being)) && !(self.ended && in_group) {
                self.signal(being, Signal::SIGTERM);
                self.signal(being, Signal::SIGCONT);
            }
        }
    }

    fn kill(&mut self, left: &[Being], now: Instant) {
        for being in left {
            if self.gone.is_none() && being.group == self.pid.as_raw() {
                self.quiet.insert(identity(being));
            }
            if !self.quiet.contains(&identity(being)) {
                self.strays.entry(identity(being)).or_insert_with(|| being.stray());
            }
        }
        if self.gone.is_none() {
            let _ = killpg(self.pid, Signal::SIGKILL);
        }
        for being in left {
            self.signal(being, Signal::SIGKILL);
        }
        self.killed = true;
        self.deadline = Some(now + KILL_AGAIN);
    }

    fn signal(&mut self, being: &Being, signal: Signal) {
        if kill(Pid::from_raw(being.pid), signal) == Err(Errno::EPERM) {
            self.beyond_reach.insert(identity(being));
        }
    }

    /// The last word when the guard itself has ended everything.
    pub(super) fn last_word(self) -> Word {
        let (code, signal) = self.gone.unwrap_or_default();
        Word::Exited { ticket: self.ticket, code, signal, strays: self.strays.into_values().collect() }
    }

    /// Kills the group of a leader that lives; its id is its own as long as we have not reaped it.
    pub(super) fn kill_group(&self) {
        if self.gone.is_none() {
            let _ = killpg(self.pid, Signal::SIGKILL);
        }
    }
}

/// What tells a process from every other.
pub(super) fn identity(being: &Being) -> Identity {
    (being.pid, being.start)
}
