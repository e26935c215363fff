//! The agent and all that it started, as `/proc` shows them.

use std::collections::HashMap;
use std::path::Path;

use super::read::{self, Stat};

/// Whom the agent has started, as far as was ever seen: one whose parent has ended still belongs to it.
#[derive(Debug, Default)]
pub(super) struct Kin {
    /// The agent and its start time.
    agent: Option<(u32, u64)>,
    /// Process ids with their start times, the agent's too. An id that another process has since got has another time.
    known: HashMap<u32, u64>,
}

impl Kin {
    /// Pages that the agent and its descendants keep resident; absent when none of them lives.
    ///
    /// The kernel's own lists of children are followed, so that the cost is that of the agent's tree and not of the host;
    /// where the kernel has none, all processes are looked at once.
    pub(super) fn resident(&mut self, proc: &Path, agent: u32) -> Option<u64> {
        if self.agent.is_none_or(|(pid, _)| pid != agent) {
            let start = stat(proc, agent)?.start;
            *self = Self { agent: Some((agent, start)), known: HashMap::from([(agent, start)]) };
        }
        let mut all = None;
        let mut found = HashMap::new();
        let mut pages = 0_u64;
        let mut next: Vec<(u32, Option<u64>)> =
            self.known.iter().map(|(pid, start)| (*pid, Some(*start))).collect();
        while let Some((pid, wanted)) = next.pop() {
            if found.contains_key(&pid) {
                continue;
            }
            // A process may end between the list and the look at it.
            let Some(seen) = stat(proc, pid) else { continue };
            if wanted.is_some_and(|start| start != seen.start) {
                continue;
            }
            found.insert(pid, seen.start);
            pages = pages.saturating_add(seen.resident);
            let children = match listed(proc, pid) {
                Some(children) => children,
                None => all.get_or_insert_with(|| everyone(proc)).get(&pid).cloned().unwrap_or_default(),
            };
            next.extend(children.into_iter().map(|child| (child, None)));
        }
        self.known = found;
        (!self.known.is_empty()).then_some(pages)
    }
}

fn stat(proc: &Path, pid: u32) -> Option<Stat> {
    read::stat(&read::text(&proc.join(pid.to_string()).join("stat"))?)
}

/// The children of a process, each of which one of its threads has started; `None` where the kernel does not list them.
fn listed(proc: &Path, pid: u32) -> Option<Vec<u32>> {
    let mut children = Vec::new();
    let mut told = false;
    for thread in std::fs::read_dir(proc.join(pid.to_string()).join("task")).ok()?.flatten() {
        let Some(text) = read::text(&thread.path().join("children")) else { continue };
        told = true;
        children.extend(text.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    told.then_some(children)
}

/// The children of every process that can be seen.
fn everyone(proc: &Path) -> HashMap<u32, Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(seen) = stat(proc, pid) {
            children.entry(seen.parent).or_default().push(pid);
        }
    }
    children
}
