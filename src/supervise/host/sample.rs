//! What one look at the host has shown.

use super::MIB;
use crate::event::{HostSampled, RoundNumber};

/// The host at one moment; absent is what it does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Memory of the host, MiB.
    pub mem_total_mb: Option<u64>,
    /// Memory that can be had without swapping, MiB. The kernel's guess: on some hosts it counts far too much as had.
    pub mem_available_mb: Option<u64>,
    /// Memory that is in no use at all, MiB.
    pub mem_free_mb: Option<u64>,
    /// Swap space of the host, MiB.
    pub swap_total_mb: Option<u64>,
    /// What was swapped out since the host booted, bytes: two looks are held against a limit of few MiB.
    pub swapped_out_bytes: Option<u64>,
    /// Share of the last 10 s in which some task waited for memory, percent.
    pub memory_some_avg10: Option<f64>,
    /// Share of the last 10 s in which all tasks waited for memory, percent.
    pub memory_full_avg10: Option<f64>,
    /// Share of the last 10 s in which some task waited for a disk, percent.
    pub io_some_avg10: Option<f64>,
    /// How full the file system is for us, percent: what root alone may use counts as used.
    pub disk_used_pct: Option<f64>,
    /// How many of its inodes are used, percent; absent where it has no fixed number of them.
    pub inode_used_pct: Option<f64>,
    /// Load of the last minute.
    pub load_1m: Option<f64>,
    /// Memory of our control group and all below it, MiB; the page cache is part of it.
    pub cgroup_mb: Option<u64>,
    /// The most that it had since [`Sampler::begin`](super::Sampler::begin), MiB.
    pub cgroup_peak_mb: Option<u64>,
    /// Processes of it that the kernel killed for want of memory since then.
    pub oom_kills: Option<u64>,
    /// Resident memory of the agent and all that it started, MiB; pages that they share count once for each.
    pub agent_rss_mb: Option<u64>,
    /// The limit that our control group meets first; absent when there is none.
    pub cap: Option<Cap>,
    /// Whether the agent lives in our control group or below it.
    pub agent_in_group: Option<bool>,
}

/// A limit of a control group, with what lets it be evaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// `memory.max`, bytes.
    pub memory_max: u64,
    /// The least `memory.swap.max` there and above, bytes; absent when the group may swap without end.
    pub swap_max: Option<u64>,
}

impl Sample {
    /// Whether the kernel will kill in our control group before the host suffers: only then may it be left to the kernel.
    ///
    /// The limit must be lower than the host's memory, and what the group may swap no more than the host's swap; and the
    /// agent must live in the group. What is not told counts as no.
    pub fn cap_can_bind(&self) -> bool {
        let (Some(cap), Some(ram), Some(swap)) = (self.cap, self.mem_total_mb, self.swap_total_mb) else {
            return false;
        };
        self.agent_in_group == Some(true)
            && cap.memory_max < ram.saturating_mul(MIB)
            // The host's swap was rounded down.
            && cap.swap_max.is_some_and(|most| most / MIB <= swap)
    }

    /// As an event of `round`.
    pub fn event(&self, round: RoundNumber) -> HostSampled {
        HostSampled {
            round,
            mem_available_mb: self.mem_available_mb,
            mem_free_mb: self.mem_free_mb,
            swapped_out_mb: self.swapped_out_bytes.map(|bytes| bytes / MIB),
            memory_some_avg10: self.memory_some_avg10,
            memory_full_avg10: self.memory_full_avg10,
            io_some_avg10: self.io_some_avg10,
            disk_used_pct: self.disk_used_pct.map(cut),
            inode_used_pct: self.inode_used_pct.map(cut),
            load_1m: self.load_1m,
            cgroup_mb: self.cgroup_mb,
            cgroup_peak_mb: self.cgroup_peak_mb,
            oom_kills: self.oom_kills,
            agent_rss_mb: self.agent_rss_mb,
        }
    }
}

/// Two places are enough for a record.
fn cut(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}
