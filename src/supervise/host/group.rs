//! Our control group, of version 2: what it uses, and what limits it.

use std::path::{Component, Path, PathBuf};

use super::{Cap, read};

/// Where the hierarchy of version 2 is, below the root of the file system: alone, or beside version 1.
const MOUNTS: [&str; 2] = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];

/// The directory of the control group that we live in; absent where there is none of version 2, or it cannot be seen.
pub fn own_group(sysroot: &Path) -> Option<PathBuf> {
    group_of(sysroot, "self")
}

/// The same for a process.
pub(super) fn group_of(sysroot: &Path, process: &str) -> Option<PathBuf> {
    let text = read::text(&sysroot.join("proc").join(process).join("cgroup"))?;
    let below = Path::new(read::group(&text)?);
    // A path with `..` leads out of our namespace: nothing of it is ours.
    if !below.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    MOUNTS.iter().map(|mount| sysroot.join(mount)).find_map(|mount| {
        let dir = mount.join(below);
        (is_group(&mount) && is_group(&dir)).then_some(dir)
    })
}

fn is_group(dir: &Path) -> bool {
    dir.join("cgroup.controllers").exists()
}

/// A control group and those above it, as far as they can be seen.
#[derive(Debug)]
pub(super) struct Group {
    /// Its own directory first.
    levels: Vec<PathBuf>,
    /// `memory.peak` and `oom_kill` when the round began.
    before: (u64, u64),
    /// The most that was seen since, bytes.
    seen: u64,
}

/// What a control group uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    /// `memory.current`, bytes.
    pub(super) now: Option<u64>,
    /// The most since the round began, bytes.
    pub(super) peak: Option<u64>,
    /// Processes that the kernel killed since then.
    pub(super) oom_kills: Option<u64>,
    /// The limit that it meets first.
    pub(super) cap: Option<Cap>,
}

impl Group {
    pub(super) fn new(dir: PathBuf) -> Self {
        let mut levels: Vec<PathBuf> =
            dir.ancestors().skip(1).take_while(|level| is_group(level)).map(Path::to_owned).collect();
        levels.insert(0, dir);
        let mut group = Self { levels, before: (0, 0), seen: 0 };
        group.begin();
        group
    }

    pub(super) fn dir(&self) -> Option<&Path> {
        self.levels.first().map(PathBuf::as_path)
    }

    /// Counts from here on.
    pub(super) fn begin(&mut self) {
        self.before = (self.bytes("memory.peak").unwrap_or(0), self.oom_kills().unwrap_or(0));
        self.seen = 0;
    }

    pub(super) fn look(&mut self) -> Use {
        let now = self.bytes("memory.current");
        self.seen = self.seen.max(now.unwrap_or(0));
        // The kernel's peak is that of the group's whole life, so it is one of this round only when it has risen in it.
        if let Some(peak) = self.bytes("memory.peak").filter(|peak| *peak > self.before.0) {
            self.seen = self.seen.max(peak);
        }
        let levels: Vec<(Option<u64>, Option<u64>)> = self
            .levels
            .iter()
            .map(|level| {
                let limit = |name: &str| read::text(&level.join(name)).as_deref().and_then(read::limit);
                (limit("memory.max"), limit("memory.swap.max"))
            })
            .collect();
        Use {
            now,
            peak: now.map(|_| self.seen),
            oom_kills: self.oom_kills().map(|kills| kills.saturating_sub(self.before.1)),
            cap: tightest(&levels),
        }
    }

    fn bytes(&self, name: &str) -> Option<u64> {
        read::limit(&read::text(&self.dir()?.join(name))?)
    }

    fn oom_kills(&self) -> Option<u64> {
        read::number(&read::text(&self.dir()?.join("memory.events"))?, "oom_kill")
    }
}

/// Of `(memory.max, memory.swap.max)` of a group and those above it, in this order: the limit that is met first.
pub(super) fn tightest(levels: &[(Option<u64>, Option<u64>)]) -> Option<Cap> {
    let (at, memory_max) = levels
        .iter()
        .enumerate()
        .filter_map(|(at, (max, _))| Some((at, (*max)?)))
        .min_by_key(|(_, max)| *max)?;
    let swap_max = levels.iter().skip(at).filter_map(|(_, swap)| *swap).min();
    Some(Cap { memory_max, swap_max })
}
