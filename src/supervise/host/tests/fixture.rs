//! A tree of files that stands for a host.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::profile::Host;
use crate::supervise::host::{Sample, Sampler, own_group};

/// The settings that a profile has when it says nothing.
pub(super) fn settings() -> Host {
    static DEFAULTS: LazyLock<Host> = LazyLock::new(|| {
        let all: toml::Table = toml::from_str(include_str!("../../../profile/default.toml")).unwrap();
        all["supervise"]["host"].clone().try_into().unwrap()
    });
    DEFAULTS.clone()
}

pub(super) struct Tree(tempfile::TempDir);

impl Tree {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A host with `group` as our control group, and one above it.
    pub(super) fn with_group() -> Self {
        let tree = Self::new();
        tree.put("proc/self/cgroup", "1:name=systemd:/x\n0::/top/leaf\n");
        for dir in ["", "top/", "top/leaf/"] {
            tree.put(&format!("sys/fs/cgroup/{dir}cgroup.controllers"), "memory\n");
        }
        tree
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn leaf(&self) -> PathBuf {
        self.root().join("sys/fs/cgroup/top/leaf")
    }

    pub(super) fn put(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(super) fn put_leaf(&self, name: &str, text: &str) -> &Self {
        self.put(&format!("sys/fs/cgroup/top/leaf/{name}"), text)
    }

    pub(super) fn leaf_has(&self, name: &str) -> String {
        std::fs::read_to_string(self.leaf().join(name)).unwrap()
    }

    /// A process with one thread, which lists its children when `listed`.
    pub(super) fn process(&self, pid: u32, parent: u32, start: u64, resident: u64) -> &Self {
        let line = format!(
            "{pid} (a) R (b) S {parent} {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start} 4096 {resident} 18446744073709551615 1"
        );
        self.put(&format!("proc/{pid}/stat"), line)
    }

    pub(super) fn children(&self, pid: u32, thread: u32, children: &str) -> &Self {
        self.put(&format!("proc/{pid}/task/{thread}/children"), children)
    }

    pub(super) fn gone(&self, pid: u32) -> &Self {
        std::fs::remove_dir_all(self.root().join(format!("proc/{pid}"))).unwrap();
        self
    }

    pub(super) fn sampler(&self) -> Sampler {
        Sampler::new(self.root(), self.root(), own_group(self.root()))
    }
}

/// A host that tells of stalls.
pub(super) fn stalls(full: f64, some: f64) -> Sample {
    Sample { memory_full_avg10: Some(full), memory_some_avg10: Some(some), ..Sample::default() }
}

/// A host that tells of free and available memory, MiB.
pub(super) fn memory(free: u64, available: u64) -> Sample {
    Sample { mem_free_mb: Some(free), mem_available_mb: Some(available), ..Sample::default() }
}

impl Sample {
    /// The same host, with so many bytes swapped out.
    pub(super) fn swapped(self, bytes: u64) -> Self {
        Self { swapped_out_bytes: Some(bytes), ..self }
    }
}
