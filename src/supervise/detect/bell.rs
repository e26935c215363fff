//! Which alerts are open, and what changes in them: each is raised once until it is cleared.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::Act;
use crate::event::{AlertCleared, AlertRaised, OpenAlert, Severity};
use crate::profile::Alarm;

/// So many alerts are open at most, as many as the fold keeps; a further one waits until one of them is over.
const OPEN_AT_MOST: usize = 64;

/// The name of an alarm in the journal and in `auto_stop`.
pub fn word(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::RateLimit => "rate_limit",
        Alarm::AuthFailure => "auth_failure",
        Alarm::RepeatedTool => "repeated_tool",
        Alarm::Hung => "hung",
        Alarm::NoFirstEvent => "no_first_event",
        Alarm::NetworkFailures => "network_failures",
        Alarm::TimeoutRate => "timeout_rate",
        Alarm::OrphanChain => "orphan_chain",
        Alarm::DiskWarning => "disk_warning",
        Alarm::DiskCritical => "disk_critical",
        Alarm::DiskGrowth => "disk_growth",
        Alarm::MemoryPressure => "memory_pressure",
        Alarm::MemoryUnknown => "memory_unknown",
        Alarm::MemoryGateInert => "memory_gate_inert",
        Alarm::CgroupGrowth => "cgroup_growth",
        Alarm::SupervisorStale => "supervisor_stale",
        Alarm::PruneDeferred => "prune_deferred",
    }
}

/// What one event, or one look, changes in the alerts that the fold has.
pub(super) struct Bell<'a> {
    open: BTreeMap<&'a str, &'a OpenAlert>,
    /// Names that differ from the fold by now: open with a severity, or over.
    changed: BTreeMap<String, Option<Severity>>,
    acts: Vec<Act>,
}

impl<'a> Bell<'a> {
    /// The alerts as the fold has them.
    pub(super) fn new(open: &'a VecDeque<OpenAlert>) -> Self {
        let open = open.iter().map(|alert| (alert.alert.as_str(), alert)).collect();
        Self { open, changed: BTreeMap::new(), acts: Vec::new() }
    }

    /// How loud the alert of this name is; `None` where it is not open.
    pub(super) fn severity(&self, name: &str) -> Option<Severity> {
        match self.changed.get(name) {
            Some(changed) => *changed,
            None => self.open.get(name).map(|alert| alert.severity),
        }
    }

    /// The alerts of one alarm that the fold has and that are not over by now.
    pub(super) fn open_of(&self, alarm: Alarm) -> Vec<&'a OpenAlert> {
        let one = word(alarm);
        let of =
            |name: &str| name.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        let open = self.open.iter().filter(|(name, _)| of(name) && self.severity(name).is_some());
        open.map(|(_, alert)| *alert).collect()
    }

    /// Raises it, unless it is open; one that has become louder is raised anew.
    pub(super) fn raise(&mut self, name: String, severity: Severity, message: String) {
        match self.severity(&name) {
            Some(before) if before >= severity => return,
            Some(_) => self.clear(&name),
            None => {}
        }
        if self.count() >= OPEN_AT_MOST {
            return;
        }
        self.changed.insert(name.clone(), Some(severity));
        self.act(Act::Tell(Box::new(AlertRaised { alert: name, severity, message }.into())));
    }

    /// Clears it, if it is open.
    pub(super) fn clear(&mut self, name: &str) {
        if self.severity(name).is_some() {
            self.changed.insert(name.to_owned(), None);
            self.act(Act::Tell(Box::new(AlertCleared { alert: name.to_owned() }.into())));
        }
    }

    /// Something else is to be done, after what was said so far.
    pub(super) fn act(&mut self, act: Act) {
        self.acts.push(act);
    }

    /// All that is to be done, in order.
    pub(super) fn acts(self) -> Vec<Act> {
        self.acts
    }

    fn count(&self) -> usize {
        let raised =
            self.changed.iter().filter(|(name, now)| now.is_some() && !self.open.contains_key(name.as_str()));
        let cleared =
            self.changed.iter().filter(|(name, now)| now.is_none() && self.open.contains_key(name.as_str()));
        (self.open.len() + raised.count()).saturating_sub(cleared.count())
    }
}
