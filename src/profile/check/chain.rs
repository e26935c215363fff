//! Rules for the chain: each entry is held to what the primary is held to, and what is wrong is shown in the entry.

use super::{Diagnostic, Entry, Node, Profile, Rules, is_written};
use crate::profile::chain::{OF_THE_MODEL, OWN};
use crate::profile::{Fallback, Without};

/// One entry of the chain.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    index: usize,
    pub(super) node: &'a Node,
    entry: &'a Fallback,
    /// Whether it runs on the primary's harness.
    keeps: bool,
    /// What is wrong with the primary.
    told: &'a [Diagnostic],
}

impl<'a> Place<'a> {
    /// What the entry itself says of a key of the profile.
    pub(super) fn own(&self, key: &str) -> Option<&'a Entry> {
        self.node.entry(Fallback::word_for(key)?)
    }

    /// What the entry is known by: its harness, else its model.
    pub(super) fn name(&self) -> Option<&'a Entry> {
        self.own("agent.harness").or_else(|| self.own("agent.model"))
    }

    /// Whether the primary's value of a key is the candidate's too, where the entry has none.
    pub(super) fn is_carried(&self, key: &str) -> bool {
        let left = self.entry.without.iter().any(|without| without.key() == key);
        !left && !OF_THE_MODEL.contains(&key) && (self.keeps || !OWN.contains(&key))
    }

    /// Whether the same is wrong with the primary, and told there.
    pub(super) fn is_told(&self, title: &str) -> bool {
        self.told.iter().any(|problem| problem.title == title)
    }

    /// A title that says which entry it is about.
    pub(super) fn title(&self, title: &str) -> String {
        format!("`agent.fallback[{}]`: {title}", self.index)
    }

    /// How the entry goes without a key of the primary's, in words.
    pub(super) fn remedy(&self, key: &str) -> String {
        if !Without::ALL.iter().any(|without| without.key() == key) {
            return format!("take `{key}` out of the profile");
        }
        match self.node.text() {
            Some(model) => format!("write `{{ model = {model:?}, without = [{key:?}] }}`"),
            None => format!("add `without = [{key:?}]` to the entry"),
        }
    }
}

/// Asks the rules for each entry. What is wrong with the primary in the same way, `told`, is not told again.
pub(super) fn check(profile: &Profile, tree: &Node, layer: usize, told: &[Diagnostic]) -> Vec<Diagnostic> {
    let Some(written) = tree.entry("agent.fallback").map(|entry| &entry.node) else { return Vec::new() };
    let candidates = profile.candidates();
    let mut problems = Vec::new();
    for (index, entry) in profile.agent.fallback.iter().enumerate() {
        // One model's name may stand for the list.
        let Some(node) = written.items().get(index).or(written.text().map(|_| written)) else { continue };
        let (Some(candidate), Some(before)) = (candidates.get(index + 1), candidates.get(..=index)) else {
            continue;
        };
        let keeps = entry.keeps_the_harness_of(profile);
        let place = Place { index, node, entry, keeps, told };
        let mut rules = Rules { profile: candidate, tree, entry: Some(place), layer, problems: Vec::new() };
        rules.entry(&place, before);
        problems.extend(rules.problems);
    }
    problems
}

impl Rules<'_> {
    fn entry(&mut self, place: &Place<'_>, before: &[Profile]) {
        if place.entry.model.is_none() && place.entry.harness.is_none() {
            let help = "add `model = \"provider/model\"`, or a harness that has a default of its own";
            self.refuse("agent.model", "the entry has no `model`", "missing here", help);
            return;
        }
        self.candidate();
        self.goes_without(place);
        if self.problems.is_empty() {
            self.is_another(place, before);
        }
    }

    /// What an entry goes without must be there, and not be set by it.
    fn goes_without(&mut self, place: &Place<'_>) {
        let items = place.node.entry("without").map_or(&[][..], |entry| entry.node.items());
        for (without, node) in place.entry.without.iter().zip(items) {
            let key = without.key();
            let (title, label, help) = if place.own(key).is_some() {
                (format!("it goes without `{key}`, and sets it"), "one too many", "keep one of them")
            } else if !self.tree.entry(key).is_some_and(is_written) {
                (format!("there is no `{key}` to go without"), "not set in the profile", "remove it")
            } else {
                continue;
            };
            let problem = Diagnostic::new(place.title(&title), node.origin.clone(), label);
            self.problems.push(problem.help(help));
        }
    }

    /// An entry that asks for what was asked for before can only fail in the same way.
    fn is_another(&mut self, place: &Place<'_>, before: &[Profile]) {
        let Some(same) = before.iter().position(|other| other.asks_the_same_as(self.profile)) else { return };
        let whose = match same.checked_sub(1) {
            None => "the primary".to_owned(),
            Some(earlier) => format!("`agent.fallback[{earlier}]`"),
        };
        let title = place.title(&format!("it asks for the same as {whose}"));
        let help = "remove it, or give it another model, endpoint, harness or setting; `retry.same_model` is for trying again";
        let problem = Diagnostic::new(title, place.node.origin.clone(), "the same again");
        self.problems.push(problem.help(help));
    }
}
