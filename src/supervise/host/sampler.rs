//! Looks at the host.

use std::path::{Path, PathBuf};

use nix::unistd::{SysconfVar, sysconf};

use super::group::{Group, group_of};
use super::kin::Kin;
use super::{MIB, Sample, disk, read};

/// Looks at the host whenever it is asked to. A look is a few dozen small reads and blocks for well under a millisecond, as long
/// as the disk answers.
#[derive(Debug)]
pub struct Sampler {
    /// Where the file system begins.
    sysroot: PathBuf,
    /// A path on the disk that is of interest.
    disk: PathBuf,
    /// Our control group.
    group: Option<Group>,
    /// The agent's descendants.
    kin: Kin,
    /// Bytes in a page.
    page: u64,
}

impl Sampler {
    /// Looks at the `/proc` below `sysroot`, which is `/` but in tests; at the file system that `disk` lies in; and at the
    /// control group with the directory `cgroup`, which [`own_group`](super::own_group) finds.
    pub fn new(sysroot: &Path, disk: &Path, cgroup: Option<PathBuf>) -> Self {
        Self {
            sysroot: sysroot.to_owned(),
            disk: disk.to_owned(),
            group: cgroup.map(Group::new),
            kin: Kin::default(),
            page: page(),
        }
    }

    /// A round begins: peaks and kills are counted from here on, and the agent of the last round is forgotten.
    pub fn begin(&mut self) {
        if let Some(group) = &mut self.group {
            group.begin();
        }
        self.kin = Kin::default();
    }

    /// Looks. `agent` is the process id of the agent while one runs. An id that has since become another process's is not
    /// mistaken for it: the start time of the process that first had it is kept.
    pub fn sample(&mut self, agent: Option<u32>) -> Sample {
        let proc = self.sysroot.join("proc");
        let file = |name: &str| read::text(&proc.join(name)).unwrap_or_default();
        let meminfo = file("meminfo");
        let mib = |name: &str| read::number(&meminfo, name).map(|kib| kib / 1024);
        let (stalls, stalls_of_io) = (file("pressure/memory"), file("pressure/io"));
        let swapped = read::number(&file("vmstat"), "pswpout");
        let (disk_used_pct, inode_used_pct) = disk::used(&self.disk);
        let group = self.group.as_mut().map(Group::look).unwrap_or_default();
        Sample {
            mem_total_mb: mib("MemTotal"),
            mem_available_mb: mib("MemAvailable"),
            mem_free_mb: mib("MemFree"),
            swap_total_mb: mib("SwapTotal"),
            swapped_out_bytes: swapped.map(|pages| pages.saturating_mul(self.page)),
            memory_some_avg10: read::avg10(&stalls, "some"),
            memory_full_avg10: read::avg10(&stalls, "full"),
            io_some_avg10: read::avg10(&stalls_of_io, "some"),
            disk_used_pct,
            inode_used_pct,
            load_1m: read::load(&file("loadavg")),
            cgroup_mb: group.now.map(|bytes| bytes / MIB),
            cgroup_peak_mb: group.peak.map(|bytes| bytes / MIB),
            oom_kills: group.oom_kills,
            agent_rss_mb: agent
                .and_then(|pid| self.kin.resident(&proc, pid))
                .map(|pages| pages.saturating_mul(self.page) / MIB),
            cap: group.cap,
            agent_in_group: agent.and_then(|pid| self.in_group(pid)),
        }
    }

    fn in_group(&self, agent: u32) -> Option<bool> {
        let ours = self.group.as_ref()?.dir()?;
        Some(group_of(&self.sysroot, &agent.to_string())?.starts_with(ours))
    }
}

/// Bytes in a page of memory.
pub(super) fn page() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(4096)
}
