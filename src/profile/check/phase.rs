//! Rules for phases: each is held to what the profile is held to, and what is wrong is shown in the phase.

use super::{Diagnostic, Node, Profile, rules};
use crate::profile::phase;
use crate::profile::tree::{Entry, Origin, Value};

/// Asks every rule of the profile as it is in each phase. What is wrong without it, `told`, is not told again.
pub(super) fn check(profile: &Profile, tree: &Node, layer: usize, told: &[Diagnostic]) -> Vec<Diagnostic> {
    let Some(Value::Table(phases)) = tree.entry("supervise.phase").map(|entry| &entry.node.value) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for (name, entry) in phases {
        let within = phase::within(tree, &entry.node);
        // The loop is the same in each phase; what a phase says of it is asked with the profile.
        let alone = Profile { supervise: None, ..profile.phased(name) };
        for mut problem in rules(&alone, &within, layer) {
            if told.iter().any(|known| known.title == problem.title && known.origin == problem.origin) {
                continue;
            }
            if problem.title.starts_with("`agent.fallback[") {
                let out = "`fallback = []` under the phase's `agent` leaves the chain out";
                problem.help = problem.help.map(|help| format!("{help}; {out}"));
            }
            problem.title = format!("in the phase `{name}`: {}", problem.title);
            if !problem.origin.as_ref().is_some_and(|origin| is_own(origin, &entry.node, tree)) {
                // The profile's key is right for the profile: it is the phase that it is wrong in.
                problem.origin = Some(place(entry, tree));
                problem.help = problem.help.map(|help| match help.strip_prefix("remove it") {
                    Some(rest) => format!("move it from the profile into the phases that want it{rest}"),
                    None => help,
                });
            }
            problems.push(problem);
        }
    }
    problems
}

/// Where a phase is shown: at the harness that it names, else at its name.
fn place(entry: &Entry, tree: &Node) -> Origin {
    let harness = entry.node.entry("agent.harness").map(|harness| &harness.node.origin);
    harness.filter(|origin| is_own(origin, &entry.node, tree)).unwrap_or(&entry.key).clone()
}

/// Whether something was written in the phase, and not carried into it.
fn is_own(origin: &Origin, phase: &Node, tree: &Node) -> bool {
    let carried = phase::TABLES.into_iter().filter_map(|name| tree.entry(name));
    holds(phase, origin) && !carried.into_iter().any(|table| holds(&table.node, origin))
}

/// Whether a tree has something that was written there.
fn holds(node: &Node, origin: &Origin) -> bool {
    node.origin == *origin
        || match &node.value {
            Value::Table(table) => {
                table.values().any(|entry| entry.key == *origin || holds(&entry.node, origin))
            }
            Value::Array(items) => items.iter().any(|item| holds(item, origin)),
            _ => false,
        }
}
