//! Phases: what is different in a phase, laid over the profile.
//!
//! **Invariant: a phase is a profile.** In a resolved profile each table of a phase is whole, so that whoever runs it need
//! not know how it came about; what is wrong with it was found as if it were a profile of its own.

use super::Profile;
use super::chain::{OF_THE_MODEL, OWN};
use super::tree::{Entry, Node, Table, Value};

/// The tables of a profile that a phase may change.
pub(super) const TABLES: [&str; 4] = ["agent", "model", "prompt", "round"];

impl Profile {
    /// The profile as it is in a phase; as it stands, in one that changes nothing.
    ///
    /// Its `supervise.schedule` is that of the phase.
    #[must_use]
    pub fn phased(&self, name: &str) -> Self {
        let mut phased = self.clone();
        let Some(keys) = self.supervise.as_ref().and_then(|supervise| supervise.phase.get(name)) else {
            return phased;
        };
        put(&mut phased.agent, keys.agent.as_ref());
        put(&mut phased.model, keys.model.as_ref());
        put(&mut phased.prompt, keys.prompt.as_ref());
        put(&mut phased.round, keys.round.as_ref());
        if let (Some(supervise), Some(schedule)) = (&mut phased.supervise, &keys.schedule) {
            supervise.schedule = Some(schedule.clone());
        }
        phased
    }
}

fn put<T: Clone>(place: &mut T, own: Option<&T>) {
    if let Some(own) = own {
        place.clone_from(own);
    }
}

/// Whether a profile has phases that change something.
pub(super) fn has_phases(tree: &Node) -> bool {
    tree.entry("supervise.phase").is_some()
}

/// The tree without what phases change.
pub(super) fn without_phases(tree: &Node) -> Node {
    let mut tree = tree.clone();
    if let Some(Value::Table(supervise)) = value(&mut tree, "supervise") {
        supervise.remove("phase");
    }
    tree
}

/// The tree with each table of a phase made whole.
pub(super) fn whole(tree: &Node) -> Node {
    let mut whole = tree.clone();
    if let Some(Value::Table(phases)) = value(&mut whole, "supervise").and_then(|node| match node {
        Value::Table(table) => table.get_mut("phase").map(|entry| &mut entry.node.value),
        _ => None,
    }) {
        for phase in phases.values_mut() {
            let Value::Table(keys) = &mut phase.node.value else { continue };
            for (name, entry) in keys {
                lay(entry, name, tree);
            }
        }
    }
    whole
}

/// The tree of a profile as it is in a phase, whose tables are whole.
pub(super) fn within(tree: &Node, phase: &Node) -> Node {
    let mut within = tree.clone();
    if let Value::Table(root) = &mut within.value {
        for name in TABLES {
            if let Some(entry) = phase.entry(name) {
                root.insert(name.to_owned(), entry.clone());
            }
        }
    }
    within
}

/// Lays what a phase says of a table over what the profile says of it. What is no table is left for the reader to refuse.
fn lay(entry: &mut Entry, name: &str, tree: &Node) {
    let Value::Table(own) = &entry.node.value else { return };
    let base = if name == "schedule" {
        tree.entry("supervise.schedule")
    } else if TABLES.contains(&name) {
        tree.entry(name)
    } else {
        return;
    };
    let Some(Value::Table(base)) = base.map(|base| &base.node.value) else { return };
    let mut below = base.clone();
    match name {
        "schedule" => below.retain(|key, _| key == "timezone"),
        "agent" => leave_behind(&mut below, own),
        "prompt" => {
            let pairs = [("system", "system_file"), ("template", "template_file")];
            for (one, other) in pairs.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
                if own.contains_key(one) {
                    below.remove(other);
                }
            }
        }
        _ => {}
    }
    let over = entry.node.clone();
    entry.node = Node { value: Value::Table(below), origin: over.origin.clone() };
    entry.node.merge(over);
}

/// Takes out what belongs to the profile's own harness or model where a phase has another.
fn leave_behind(below: &mut Table, own: &Table) {
    let text =
        |table: &Table, key: &str| table.get(key).and_then(|entry| entry.node.text().map(str::to_owned));
    let differs = |key: &str| own.contains_key(key) && text(own, key) != text(below, key);
    let (harness, model) = (differs("harness"), differs("model"));
    let plain = |key: &'static str| key.strip_prefix("agent.").unwrap_or(key);
    if harness {
        for key in OWN.into_iter().chain(OF_THE_MODEL) {
            below.remove(plain(key));
        }
    } else if model {
        below.remove("window");
    }
}

fn value<'a>(tree: &'a mut Node, key: &str) -> Option<&'a mut Value> {
    match &mut tree.value {
        Value::Table(table) => table.get_mut(key).map(|entry| &mut entry.node.value),
        _ => None,
    }
}
