//! Who lives below the guard, and to which child each of them belongs.

use std::collections::HashMap;

use super::Stray;
use super::frame::Ticket;

/// The variable by which a descendant is known after it has left its group and lost its parents.
pub(super) const MARKER: &str = "PROVOST_CHILD";

/// A process at one moment. The start time tells it from a later one with the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Being {
    pub(super) pid: i32,
    pub(super) ppid: i32,
    pub(super) group: i32,
    pub(super) start: u64,
    pub(super) alive: bool,
    pub(super) name: String,
}

impl Being {
    /// What it is called in a report.
    pub(super) fn stray(&self) -> Stray {
        Stray { pid: self.pid.cast_unsigned(), name: self.name.clone() }
    }

    /// Reads a line of `/proc/PID/stat`. The name may hold anything, a parenthesis too, so it ends at the last one.
    pub(super) fn parse(pid: i32, stat: &[u8]) -> Option<Self> {
        let stat = String::from_utf8_lossy(stat);
        let (head, tail) = stat.rsplit_once(") ")?;
        let (_, name) = head.split_once('(')?;
        let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
        let threads: u32 = fields.get(17)?.parse().ok()?;
        let dead = matches!(*fields.first()?, "Z" | "X" | "x");
        Some(Self {
            pid,
            ppid: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
            // A process whose first thread has ended looks like a zombie while its other threads go on.
            alive: !dead || threads > 1,
            name: name.to_owned(),
        })
    }
}

/// A child as the census must know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leader {
    pub(super) ticket: Ticket,
    pub(super) pid: i32,
    /// Not reaped yet, so that its id is still its own.
    pub(super) alive: bool,
}

/// Everything below the guard at one moment, leaders included.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    below: Vec<(Being, Option<Ticket>)>,
}

/// Whom a process was found to belong to before; it stays so when its ancestors are gone.
pub(super) type Memory = HashMap<(i32, u64), Ticket>;

impl Census {
    /// Sorts out `beings`. `marker` reads the ticket out of a process's environment.
    pub(super) fn sort(
        beings: &[Being],
        root: i32,
        leaders: &[Leader],
        memory: &mut Memory,
        marker: impl Fn(i32) -> Option<Ticket>,
    ) -> Self {
        let by_pid: HashMap<i32, &Being> = beings.iter().map(|being| (being.pid, being)).collect();
        let mut below = Vec::new();
        for being in beings {
            let Some(line) = ancestry(being, root, &by_pid) else { continue };
            let owner = line
                .iter()
                .find_map(|one| leaders.iter().find(|leader| leader.alive && leader.pid == one.pid))
                .map(|leader| leader.ticket)
                .or_else(|| {
                    line.iter().find_map(|one| {
                        memory
                            .get(&(one.pid, one.start))
                            .copied()
                            .or_else(|| {
                                leaders
                                    .iter()
                                    .find(|leader| leader.pid == one.group)
                                    .map(|leader| leader.ticket)
                            })
                            .or_else(|| marker(one.pid))
                            .filter(|ticket| leaders.iter().any(|leader| leader.ticket == *ticket))
                    })
                });
            // A guess is not remembered: with a second child it would be worth nothing.
            if let Some(ticket) = owner {
                memory.insert((being.pid, being.start), ticket);
            }
            let only = match leaders {
                [one] => Some(one.ticket),
                _ => None,
            };
            below.push((being.clone(), owner.or(only)));
        }
        Self { below }
    }

    /// Living descendants of one child, itself not among them.
    pub(super) fn of(&self, leader: Leader) -> Vec<Being> {
        self.below
            .iter()
            .filter(|(being, ticket)| {
                being.alive && *ticket == Some(leader.ticket) && !(leader.alive && being.pid == leader.pid)
            })
            .map(|(being, _)| being.clone())
            .collect()
    }

    /// All that live.
    pub(super) fn living(&self) -> impl Iterator<Item = &Being> {
        self.below.iter().map(|(being, _)| being).filter(|being| being.alive)
    }
}

/// From a process up to the guard's direct child; `None` for one that is not below the guard.
fn ancestry<'a>(being: &'a Being, root: i32, by_pid: &HashMap<i32, &'a Being>) -> Option<Vec<&'a Being>> {
    let mut line = vec![being];
    let mut top = being;
    // The list is not of one moment, so parents could form a ring in it.
    while top.ppid != root && line.len() <= by_pid.len() {
        top = by_pid.get(&top.ppid)?;
        line.push(top);
    }
    (top.ppid == root).then_some(line)
}

/// Every process of the system that can be seen; `None` where there is no `/proc`.
#[cfg(target_os = "linux")]
pub(super) fn everyone() -> Option<Vec<Being>> {
    let mut beings = Vec::new();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // A process may end between the listing and the look at it.
        let Ok(stat) = std::fs::read(format!("/proc/{pid}/stat")) else { continue };
        beings.extend(Being::parse(pid, &stat));
    }
    (!beings.is_empty()).then_some(beings)
}

/// Every process of the system that can be seen; `None` where there is no `/proc`.
#[cfg(not(target_os = "linux"))]
pub(super) fn everyone() -> Option<Vec<Being>> {
    None
}

/// The ticket in a process's environment, if it was started under this guard's `nonce`.
pub(super) fn marked(pid: i32, nonce: &str) -> Option<Ticket> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    ticket_in(&environ, nonce)
}

fn ticket_in(environ: &[u8], nonce: &str) -> Option<Ticket> {
    environ.split(|byte| *byte == 0).find_map(|variable| {
        let value = std::str::from_utf8(variable).ok()?.strip_prefix(MARKER)?.strip_prefix('=')?;
        value.strip_prefix(nonce)?.strip_prefix('.')?.parse().ok()
    })
}

#[cfg(test)]
mod tests;
