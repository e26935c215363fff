//! Who holds a place or a probe, and whether that process is still there.

use serde::{Deserialize, Serialize};

use super::Owner;
use crate::process;

/// A process that has something only few may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// The run, so that several in one process are told apart.
    pub(super) run: String,
    /// When it was started; ids of processes are used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    birth: Option<u64>,
    /// Where its id means this process.
    #[serde(default)]
    world: String,
}

impl Holder {
    pub(super) fn new(owner: &Owner) -> Self {
        let birth = process::birth(owner.pid);
        Self { pid: owner.pid, run: owner.run.clone(), birth, world: process::world() }
    }

    /// Whether it is certain that this process has ended. One of another machine or container cannot be looked for.
    pub(super) fn is_gone(&self, from: &Self) -> bool {
        let visible = !self.world.is_empty() && self.world == from.world && from.birth.is_some();
        visible && self.birth.is_some() && process::birth(self.pid) != self.birth
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_only_when_that_can_be_seen() {
        let me = Holder::new(&Owner { pid: std::process::id(), run: "a".to_owned() });
        assert!(!me.is_gone(&me));
        let earlier = Holder { birth: me.birth.map(|birth| birth + 1), ..me.clone() };
        assert!(earlier.is_gone(&me), "the same id, started at another time");
        let ended = Holder { pid: u32::MAX, ..me.clone() };
        assert!(ended.is_gone(&me));
        let elsewhere = Holder { world: "another".to_owned(), ..ended.clone() };
        assert!(!elsewhere.is_gone(&me), "it may live in a place that we cannot see");
        let unknown = Holder { birth: None, ..ended };
        assert!(!unknown.is_gone(&me));
    }
}
