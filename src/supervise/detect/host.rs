//! What a look at the host says, alarm by alarm.

use crate::event::Severity;
use crate::profile::{Alarm, Host};

/// How bad one thing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Nothing is wrong.
    #[default]
    Fine,
    /// Worth an alert, with what is seen.
    Warning(String),
    /// No round should begin, with what is seen.
    Critical(String),
}

/// What one look at the host has found; absent is what it does not tell, and no alert is raised of that.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The disk, or its inodes, whichever is worse.
    pub disk: Level,
    /// How much fuller the disk gets, percent of it an hour.
    pub disk_growth_pct_per_hour: Option<f64>,
    /// The same of its inodes.
    pub inode_growth_pct_per_hour: Option<f64>,
    /// Memory by the first sign that can be read; `None` where none can.
    pub memory: Option<Level>,
    /// Why a gate that looks at available memory alone would not see that memory is short, where that is so.
    pub gate_inert: Option<String>,
    /// How fast the control group, or else the agent, grows, MiB a minute.
    pub cgroup_mb_per_min: Option<f64>,
}

type Finding = Option<(Severity, String)>;

/// Of each alarm: what is wrong now, if anything.
pub(super) fn findings(settings: &Host, seen: &Seen) -> [(Alarm, Finding); 7] {
    let (disk_warning, disk_critical) = match &seen.disk {
        Level::Fine => (None, None),
        Level::Warning(message) => (Some((Severity::Warning, message.clone())), None),
        Level::Critical(message) => (None, Some((Severity::Critical, message.clone()))),
    };
    let memory = match &seen.memory {
        None | Some(Level::Fine) => None,
        Some(Level::Warning(message)) => Some((Severity::Warning, message.clone())),
        Some(Level::Critical(message)) => Some((Severity::Critical, message.clone())),
    };
    let inert = seen.gate_inert.clone().map(|message| (Severity::Warning, message));
    let unknown = seen.memory.is_none().then(|| {
        let message = "the host tells nothing of its memory: no gate and no floor can see that it is short";
        (Severity::Warning, message.to_owned())
    });
    [
        (Alarm::DiskWarning, disk_warning),
        (Alarm::DiskCritical, disk_critical),
        (Alarm::DiskGrowth, disk_growth(settings, seen)),
        (Alarm::MemoryPressure, memory),
        (Alarm::MemoryUnknown, unknown),
        (Alarm::MemoryGateInert, inert),
        (Alarm::CgroupGrowth, cgroup_growth(settings, seen)),
    ]
}

fn disk_growth(settings: &Host, seen: &Seen) -> Finding {
    let limit = settings.disk_growth_pct_per_hour;
    let grows = |what: &str, rate: Option<f64>| {
        let rate = rate.filter(|rate| limit > 0.0 && *rate >= limit)?;
        Some((Severity::Warning, format!("{what} fill up by {rate:.1} % an hour, {limit:.1} % is the limit")))
    };
    grows("the blocks of the disk", seen.disk_growth_pct_per_hour)
        .or_else(|| grows("the inodes of the disk", seen.inode_growth_pct_per_hour))
}

fn cgroup_growth(settings: &Host, seen: &Seen) -> Finding {
    let limit = settings.cgroup_growth_mb_per_min;
    let rate = seen.cgroup_mb_per_min.filter(|rate| limit > 0.0 && *rate >= limit)?;
    Some((Severity::Warning, format!("memory grows by {rate:.0} MiB a minute, {limit:.0} MiB is the limit")))
}
