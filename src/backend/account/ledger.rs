//! What cools: the deadlines of one provider or one account, and who tries first when one has passed. Pure.

use serde::{Deserialize, Serialize};

use super::holder::Holder;
use super::{DAY, MINUTE, SECOND, SLACK};
use crate::event::{FaultClass, FaultScope};

/// A probe that has not come out by then counts as given up.
const PROBE_LIMIT: i64 = MINUTE;
/// A deadline that passed so long ago without anybody asking is forgotten; the slow start is careful enough then.
const KEPT_AFTER: i64 = 10 * MINUTE;
/// No deadline is further away than this.
const FURTHEST: i64 = 366 * DAY;
/// Failures further apart than this are no series.
const STREAK_FADES: i64 = DAY;
/// Models of one account that can cool at the same time; those that end first are dropped.
const COOLS_LIMIT: usize = 64;

/// The deadlines of a provider or of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) cools: Vec<Cool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    streaks: Vec<Streak>,
}

/// One deadline. There are at most two for a target, a firm one and an estimated one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cool {
    #[serde(flatten)]
    pub(super) target: Target,
    /// Milliseconds since 1970, as all times here.
    pub(super) since: i64,
    pub(super) until: i64,
    pub(super) firm: bool,
    pub(super) class: FaultClass,
    pub(super) evidence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) probe: Option<Probe>,
}

/// What cools within the provider or the account whose ledger it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scope", content = "model", rename_all = "snake_case")]
pub(super) enum Target {
    /// The provider or the account as a whole.
    Whole,
    /// One model; `None` is the one that the harness chooses itself.
    Model(Option<String>),
}

/// Somebody tries whether a deadline that has passed was the right one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Probe {
    pub(super) holder: Holder,
    since: i64,
}

/// Failures of a target in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Streak {
    #[serde(flatten)]
    target: Target,
    count: u32,
    at: i64,
}

/// Whose eyes are used to see whether a process is gone.
pub(super) type Gone<'a> = &'a dyn Fn(&Holder) -> bool;

impl Probe {
    pub(super) fn is_open(&self, now: i64, gone: Gone<'_>) -> bool {
        now.saturating_sub(self.since) < PROBE_LIMIT && !gone(&self.holder)
    }
}

impl Target {
    /// Whether a request to this model is concerned.
    pub(super) fn concerns(&self, model: Option<&str>) -> bool {
        match self {
            Self::Whole => true,
            Self::Model(name) => name.as_deref() == model,
        }
    }

    /// What it is called outside; a ledger knows whether it is an account's.
    pub(super) fn scope(&self, of_account: bool) -> FaultScope {
        match (self, of_account) {
            (Self::Whole, true) => FaultScope::Account,
            (Self::Whole, false) => FaultScope::Provider,
            (Self::Model(_), _) => FaultScope::Model,
        }
    }
}

impl Ledger {
    pub(super) fn is_empty(&self) -> bool {
        self.cools.is_empty() && self.streaks.is_empty()
    }

    /// Whether it says nothing of requests to this model.
    pub(super) fn is_quiet(&self, model: Option<&str>) -> bool {
        let streak = || self.streaks.iter().any(|streak| streak.target.concerns(model));
        self.concerning(model).next().is_none() && !streak()
    }

    /// Drops what is over, and takes the sense out of what cannot be: after a clock was set back, a deadline is as far
    /// away as it was when it was written down. Whether that was so.
    pub(super) fn settle(&mut self, now: i64) -> bool {
        let mut was_set_back = false;
        for cool in &mut self.cools {
            let ahead = cool.since.saturating_sub(now);
            if ahead > SLACK {
                was_set_back = true;
                cool.until = cool.until.saturating_sub(ahead);
                cool.since = now;
            }
            cool.until = cool.until.min(now.saturating_add(FURTHEST));
            if let Some(probe) = &mut cool.probe
                && probe.since > now.saturating_add(SLACK)
            {
                probe.since = now;
                was_set_back = true;
            }
        }
        self.cools.retain(|cool| {
            let kept = if cool.firm { KEPT_AFTER } else { 0 };
            cool.until.saturating_add(kept) > now
        });
        for streak in &mut self.streaks {
            streak.at = streak.at.min(now.saturating_add(SLACK));
        }
        self.streaks.retain(|streak| now.saturating_sub(streak.at) < STREAK_FADES);
        was_set_back
    }

    pub(super) fn concerning(&self, model: Option<&str>) -> impl Iterator<Item = &Cool> {
        self.cools.iter().filter(move |cool| cool.target.concerns(model))
    }

    fn concerning_mut(&mut self, model: Option<&str>) -> impl Iterator<Item = &mut Cool> {
        self.cools.iter_mut().filter(move |cool| cool.target.concerns(model))
    }

    /// How many failures in a row there have been before one of now. What comes while the target cools is of the same
    /// wave, however many processes are told of it.
    pub(super) fn strikes(&mut self, target: &Target, now: i64) -> u32 {
        let cooling = self.cools.iter().any(|cool| cool.target == *target && cool.until > now);
        let known = self.streaks.iter().position(|streak| streak.target == *target);
        let at = known.unwrap_or_else(|| {
            if self.streaks.len() >= COOLS_LIMIT {
                self.streaks.remove(0);
            }
            self.streaks.push(Streak { target: target.clone(), count: 0, at: now });
            self.streaks.len() - 1
        });
        let Some(streak) = self.streaks.get_mut(at) else { return 0 };
        streak.at = now;
        if !cooling || streak.count == 0 {
            streak.count = streak.count.saturating_add(1);
        }
        streak.count - 1
    }

    /// Writes a deadline down; the later one of two stands.
    pub(super) fn record(&mut self, cool: Cool) -> Option<Cool> {
        let same = |known: &&mut Cool| known.target == cool.target && known.firm == cool.firm;
        if let Some(known) = self.cools.iter_mut().find(same) {
            if cool.until >= known.until {
                *known = Cool { probe: known.probe.take(), ..cool };
            }
            return Some(known.clone());
        }
        if self.cools.len() >= COOLS_LIMIT {
            let first = self.cools.iter().enumerate().min_by_key(|(_, cool)| cool.until).map(|(at, _)| at);
            first.map(|at| self.cools.remove(at));
        }
        self.cools.push(cool);
        self.cools.last().cloned()
    }

    /// Takes over what another copy of this ledger has been told.
    pub(super) fn absorb(&mut self, other: Self) {
        for cool in other.cools {
            self.record(cool);
        }
    }

    /// Makes `me` the one who tries, where a deadline has passed.
    pub(super) fn probe(&mut self, model: Option<&str>, me: &Holder, now: i64) {
        for cool in self.concerning_mut(model).filter(|cool| cool.firm && cool.until <= now) {
            cool.probe = Some(Probe { holder: me.clone(), since: now });
        }
    }

    /// The server takes requests: a deadline that has passed is done with, unless somebody else is trying just now.
    pub(super) fn open(&mut self, model: Option<&str>, me: &Holder, now: i64, gone: Gone<'_>) {
        self.cools.retain(|cool| {
            let others =
                cool.probe.as_ref().is_some_and(|probe| probe.holder != *me && probe.is_open(now, gone));
            !cool.target.concerns(model) || !cool.firm || cool.until > now || others
        });
        self.give_up(model, me);
    }

    /// A whole answer came: estimates were wrong, and no series goes on.
    pub(super) fn succeed(&mut self, model: Option<&str>) {
        self.cools.retain(|cool| cool.firm || !cool.target.concerns(model));
        self.streaks.retain(|streak| !streak.target.concerns(model));
    }

    /// `me` tries no longer; whoever asks next may.
    pub(super) fn give_up(&mut self, model: Option<&str>, me: &Holder) {
        for cool in self.concerning_mut(model) {
            if cool.probe.as_ref().is_some_and(|probe| probe.holder == *me) {
                cool.probe = None;
            }
        }
    }

    /// What `me` was trying failed in a way that says nothing of the deadline itself: it begins again.
    pub(super) fn extend(&mut self, model: Option<&str>, me: &Holder, now: i64, until: i64) {
        for cool in self.concerning_mut(model) {
            if cool.probe.as_ref().is_some_and(|probe| probe.holder == *me) {
                cool.since = now;
                cool.until = cool.until.max(until.clamp(now + SECOND, now + MINUTE / 2));
            }
        }
    }
}
