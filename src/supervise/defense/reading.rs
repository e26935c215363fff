//! What each defense is worth now, read from profile and fold.

use std::fmt::Display;

use super::{Now, Reading, State};
use crate::event::{Kind, RunOutcome, TreeAction, WaitCause};
use crate::profile::{Alarm, Dirty, Supervise};
use crate::supervise::detect::word;

fn reading(state: State, value: impl Display) -> Reading {
    Reading { value: value.to_string(), state }
}

fn active(value: impl Display) -> Reading {
    reading(State::Active, value)
}

fn off(value: impl Display) -> Reading {
    reading(State::Off, value)
}

/// Active, or tripped where something is the case.
fn watches(tripped: bool, value: impl Display) -> Reading {
    reading(if tripped { State::Tripped } else { State::Active }, value)
}

/// A counter of rounds in a row and its limit.
fn breaker(count: u64, limit: u64) -> Reading {
    if limit == 0 { off("never") } else { watches(count >= limit, format!("{count} of {limit} in a row")) }
}

impl<'a> Now<'a> {
    fn supervised(&self, read: impl FnOnce(&'a Supervise) -> Reading) -> Reading {
        self.supervise.map_or_else(|| off("only under supervise"), read)
    }

    /// Whether an alert of this alarm is open.
    fn rings(&self, alarm: Alarm) -> bool {
        let one = word(alarm);
        let of =
            |name: &str| name.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        self.tally.alerts.iter().any(|alert| of(&alert.alert))
    }

    fn waits(&self, causes: &[WaitCause]) -> bool {
        self.tally.wait_cause.is_some_and(|cause| causes.contains(&cause))
    }

    /// Where the tree of a round is looked at; says otherwise what is done instead.
    fn tree(&self, read: impl FnOnce() -> Reading) -> Reading {
        let failed = self.tally.tree.as_ref().filter(|tree| tree.action == TreeAction::Failed);
        match (self.supervise, self.profile.workspace.dirty, failed) {
            (None, ..) => off("only under supervise"),
            (_, Dirty::Ignore, _) => off("the tree is left as it is"),
            (_, _, Some(tree)) => {
                let why = tree.reason.as_deref().unwrap_or("git failed");
                reading(State::Degraded, format!("round {}: {why}", tree.round))
            }
            _ => read(),
        }
    }
}

pub(super) fn round_wall(now: &Now<'_>) -> Reading {
    watches(now.rings(Alarm::Hung), now.profile.round.timeout)
}

pub(super) fn silence(now: &Now<'_>) -> Reading {
    let round = &now.profile.round;
    let tripped = now.rings(Alarm::NoFirstEvent) || now.rings(Alarm::TimeoutRate);
    watches(tripped, format!("first event {}, stall {}, tool {}", round.first_event, round.stall, round.tool))
}

pub(super) fn linger(now: &Now<'_>) -> Reading {
    active(now.profile.round.grace_after_result)
}

pub(super) fn grace(now: &Now<'_>) -> Reading {
    active(format!("TERM, {}, KILL", now.profile.round.grace))
}

pub(super) fn guard(_: &Now<'_>) -> Reading {
    if cfg!(target_os = "linux") {
        active("child subreaper")
    } else {
        reading(State::Degraded, "process groups only: this system has no subreaper")
    }
}

pub(super) fn drain(now: &Now<'_>) -> Reading {
    now.supervised(|_| active(format!("up to {}", now.profile.round.timeout)))
}

pub(super) fn environment(now: &Now<'_>) -> Reading {
    let agent = &now.profile.agent;
    active(format!("{} inherited, {} set", agent.inherit_env.len(), agent.env.len()))
}

pub(super) fn always(_: &Now<'_>) -> Reading {
    active("always")
}

pub(super) fn event_kinds(_: &Now<'_>) -> Reading {
    active(format!("{} kinds", Kind::WORDS.len()))
}

pub(super) fn root_lock(now: &Now<'_>) -> Reading {
    now.supervised(|_| active("one loop a root"))
}

pub(super) fn battery(now: &Now<'_>) -> Reading {
    let failed = now.tally.ended.as_ref().is_some_and(|ended| ended.outcome == RunOutcome::Misconfigured);
    now.supervised(|supervise| match supervise.min_prompt {
        Some(bytes) => watches(failed, format!("a prompt of {bytes} bytes at least")),
        None => watches(failed, "a prompt that is not empty"),
    })
}

pub(super) fn environmental(now: &Now<'_>) -> Reading {
    now.supervised(|_| watches(now.waits(&[WaitCause::Environment]), "uses up no round"))
}

pub(super) fn stash_once(now: &Now<'_>) -> Reading {
    now.tree(|| match now.profile.workspace.dirty {
        Dirty::Stash => active("one stash a round"),
        _ => off("dirty trees are committed"),
    })
}

pub(super) fn stash_by_commit(now: &Now<'_>) -> Reading {
    now.tree(|| match now.tally.orphan.as_ref().and_then(|orphan| orphan.commit.as_deref()) {
        Some(commit) => active(commit),
        None => active("by commit"),
    })
}

pub(super) fn tree_list(now: &Now<'_>) -> Reading {
    now.tree(|| active("git's list of files"))
}

pub(super) fn own_files(now: &Now<'_>) -> Reading {
    now.tree(|| active("left out"))
}

pub(super) fn index_lock(now: &Now<'_>) -> Reading {
    now.tree(|| match now.tally.tree.as_ref().and_then(|tree| tree.lock_removed.as_deref()) {
        Some(lock) => active(format!("removed {lock}")),
        None => active("only our own git's"),
    })
}

pub(super) fn orphan_chain(now: &Now<'_>) -> Reading {
    let orphans = now.tally.streak.orphans;
    now.supervised(|supervise| breaker(orphans, u64::from(supervise.detect.orphan_chain)))
}

pub(super) fn crashes(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| breaker(now.tally.streak.crashes, supervise.give_up.crashes))
}

pub(super) fn idle(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| {
        if supervise.give_up.idle > 0 && now.tally.streak.reporters.is_empty() {
            off("not armed: no agent has reported usage yet")
        } else {
            breaker(now.tally.streak.idle, supervise.give_up.idle)
        }
    })
}

pub(super) fn memory_loop(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| match supervise.give_up.memory {
        limit if limit > 0 && now.waits(&[WaitCause::MemoryLoop]) => {
            reading(State::Tripped, format!("pauses after {limit} in a row"))
        }
        limit => breaker(now.tally.streak.memory, limit),
    })
}

pub(super) fn backoff(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| {
        let waits = now.waits(&[WaitCause::Backoff, WaitCause::Limit]);
        watches(waits, format!("{} to {}", supervise.backoff.base, supervise.backoff.ceiling))
    })
}

pub(super) fn cooldowns(now: &Now<'_>) -> Reading {
    watches(now.rings(Alarm::RateLimit), format!("waits of {} in a turn", now.profile.retry.wait))
}

pub(super) fn refused_key(now: &Now<'_>) -> Reading {
    now.supervised(|_| watches(now.rings(Alarm::AuthFailure), "at the first refusal"))
}

pub(super) fn budget(now: &Now<'_>) -> Reading {
    let budget = &now.profile.budget;
    let ceilings: Vec<String> = [
        budget.rounds.map(|rounds| format!("{rounds} rounds")),
        budget.tokens.map(|tokens| format!("{tokens} tokens")),
        budget.usd.map(|usd| format!("${usd}")),
        budget.wall.map(|wall| wall.to_string()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let reached =
        now.tally.ended.as_ref().is_some_and(|ended| {
            matches!(ended.outcome, RunOutcome::BudgetExhausted | RunOutcome::SpendUnknown)
        });
    if ceilings.is_empty() { off("no ceiling") } else { watches(reached, ceilings.join(", ")) }
}

pub(super) fn repetition(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| {
        let detect = &supervise.detect;
        if detect.repeat_window == 0 || detect.repeat_threshold == 0 {
            return off("not looked for");
        }
        let ends = if detect.repeat_ends_round { ", ends the round" } else { "" };
        let value = format!("{} of the last {} calls{ends}", detect.repeat_threshold, detect.repeat_window);
        watches(now.rings(Alarm::RepeatedTool), value)
    })
}

pub(super) fn rates(now: &Now<'_>) -> Reading {
    let alarms = [Alarm::TimeoutRate, Alarm::NetworkFailures, Alarm::NoFirstEvent];
    now.supervised(|supervise| {
        let (share, window) = (supervise.detect.rate_threshold * 100.0, supervise.detect.rate_window);
        if window == 0 {
            return off("not looked for");
        }
        watches(
            alarms.iter().any(|alarm| now.rings(*alarm)),
            format!("{share:.0} % of the last {window} rounds"),
        )
    })
}

pub(super) fn stale(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| match supervise.detect.stale {
        Some(stale) if stale.0.is_zero() => off("never"),
        Some(stale) => active(stale),
        None => active(format!("1.5 times {}", now.profile.round.timeout)),
    })
}

pub(super) fn auto_stop(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| {
        let words: Vec<&str> = supervise.auto_stop.iter().map(|alarm| word(*alarm)).collect();
        if words.is_empty() {
            return off("nothing ends the loop by itself");
        }
        watches(supervise.auto_stop.iter().any(|alarm| now.rings(*alarm)), words.join(", "))
    })
}

pub(super) fn sampling(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| match &now.tally.host {
        Some(host) if host.mem_available_mb.is_none() && host.disk_used_pct.is_none() => {
            reading(State::Degraded, "this host tells neither of its memory nor of its disk")
        }
        _ => active(format!("every {}", supervise.host.sample)),
    })
}

pub(super) fn disk_gate(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| {
        let limit = supervise.host.disk_critical_pct;
        let tripped = now.rings(Alarm::DiskCritical) || now.waits(&[WaitCause::Disk]);
        match now.tally.host.as_ref().map(|host| host.disk_used_pct) {
            Some(None) => reading(State::Degraded, "this host does not tell how full its disk is"),
            Some(Some(used)) => watches(tripped, format!("{used:.1} of {limit:.1} %")),
            None => watches(tripped, format!("from {limit:.1} %")),
        }
    })
}

pub(super) fn memory_gate(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| {
        if now.rings(Alarm::MemoryUnknown) {
            return reading(State::Degraded, "this host tells nothing of its memory");
        }
        let tripped = now.rings(Alarm::MemoryPressure) || now.waits(&[WaitCause::Memory]);
        watches(tripped, format!("from {:.1} % of 10 s stalled", supervise.host.memory_full_critical))
    })
}

pub(super) fn memory_floor(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| {
        let host = &supervise.host;
        if !host.memory_terminate {
            return off("no round is ended for it");
        }
        if now.rings(Alarm::MemoryUnknown) {
            return reading(State::Degraded, "this host tells nothing of its memory");
        }
        watches(now.tally.streak.memory > 0, format!("{} critical looks in a row", host.memory_looks))
    })
}

pub(super) fn memory_brake(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| {
        let host = &supervise.host;
        if !host.brake || host.brake_step_pct == 0 {
            off("not wanted")
        } else if cfg!(target_os = "linux") {
            active(format!("{} % lower", host.brake_step_pct))
        } else {
            reading(State::Degraded, "this system has no control groups")
        }
    })
}

pub(super) fn bulk_prune(now: &Now<'_>) -> Reading {
    now.supervised(|supervise| match supervise.keep_rounds {
        0 => off("all transcripts are kept"),
        kept => watches(now.rings(Alarm::PruneDeferred), format!("keeps {kept}")),
    })
}
