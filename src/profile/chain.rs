//! The chain of candidates: the primary, then each entry of `agent.fallback`, each a whole profile.
//!
//! **Invariant: what an entry names stays with it.** A candidate is resolved from the primary and its own entry alone, so
//! that it is the same whichever candidates were tried before it.

use super::{Fallback, Fork, Profile, SessionPolicy, StreamMode, Without};

/// Keys of `[agent]` that are about the primary's own harness: another one does not get them.
pub(super) const OWN: [&str; 8] = [
    "agent.command",
    "agent.args",
    "agent.prompt_via",
    "agent.protocol",
    "agent.script",
    "agent.server",
    "agent.tools",
    "agent.max_turns",
];

/// Keys of `[agent]` that are about the primary's own model, and never carried.
pub(super) const OF_THE_MODEL: [&str; 2] = ["agent.model", "agent.window"];

impl Profile {
    /// The primary, then each entry of the chain, in order and resolved: their own `agent.fallback` is empty.
    pub fn candidates(&self) -> Vec<Profile> {
        let primary = self.alone();
        let entries: Vec<Profile> =
            self.agent.fallback.iter().map(|entry| primary.with_entry(entry)).collect();
        std::iter::once(primary).chain(entries).collect()
    }

    /// Who would be asked, in words: harness, model, endpoint, such as `chat local/qwen3 at local`.
    pub fn describes(&self) -> String {
        let agent = &self.agent;
        let model = agent.model.iter().map(|model| format!(" {model}"));
        let endpoint = agent.endpoint.iter().map(|endpoint| format!(" at {endpoint}"));
        std::iter::once(agent.harness.clone()).chain(model).chain(endpoint).collect()
    }

    /// Context that the model takes, tokens; `None` when the profile does not say.
    pub fn window(&self) -> Option<u64> {
        self.agent.window
    }

    fn alone(&self) -> Self {
        let mut alone = self.clone();
        alone.agent.fallback.clear();
        alone
    }

    /// This profile as an entry changes it.
    fn with_entry(&self, entry: &Fallback) -> Self {
        let mut candidate = self.alone();
        let agent = &mut candidate.agent;
        if !entry.keeps_the_harness_of(self) {
            agent.command = None;
            agent.args = Vec::new();
            agent.prompt_via = None;
            agent.protocol = None;
            agent.script = None;
            agent.server = None;
            agent.tools = None;
            agent.max_turns = None;
        }
        agent.model.clone_from(&entry.model);
        agent.window = entry.window;
        for key in &entry.without {
            candidate.go_without(*key);
        }
        let (agent, model) = (&mut candidate.agent, &mut candidate.model);
        if let Some(harness) = &entry.harness {
            agent.harness.clone_from(harness);
        }
        if let Some(args) = &entry.args {
            agent.args.clone_from(args);
        }
        put(&mut agent.endpoint, entry.endpoint.as_ref());
        put(&mut agent.command, entry.command.as_ref());
        put(&mut agent.prompt_via, entry.prompt_via.as_ref());
        put(&mut agent.protocol, entry.protocol.as_ref());
        put(&mut agent.script, entry.script.as_ref());
        put(&mut agent.permissions, entry.permissions.as_ref());
        put(&mut agent.tools, entry.tools.as_ref());
        put(&mut agent.max_turns, entry.max_turns.as_ref());
        put(&mut model.max_output_tokens, entry.max_output_tokens.as_ref());
        put(&mut model.temperature, entry.temperature.as_ref());
        put(&mut model.reasoning_effort, entry.reasoning_effort.as_ref());
        put(&mut model.seed, entry.seed.as_ref());
        candidate
    }

    fn go_without(&mut self, key: Without) {
        match key {
            Without::Endpoint => self.agent.endpoint = None,
            Without::Permissions => self.agent.permissions = None,
            Without::Mcp => self.agent.mcp.clear(),
            Without::MaxOutputTokens => self.model.max_output_tokens = None,
            Without::Temperature => self.model.temperature = None,
            Without::ReasoningEffort => self.model.reasoning_effort = None,
            Without::Seed => self.model.seed = None,
            Without::Session => self.lineage.session = SessionPolicy::Fresh,
            Without::Fork => self.lineage.fork = Fork::Off,
            Without::Stream => self.stream.mode = StreamMode::Sse,
        }
    }

    /// Whether two candidates would send the same request to the same place. What a profile knows of a model, its window,
    /// is not sent.
    pub(super) fn asks_the_same_as(&self, other: &Self) -> bool {
        let plain = |profile: &Self| {
            let mut plain = profile.alone();
            plain.agent.window = None;
            plain
        };
        plain(self) == plain(other)
    }
}

impl Fallback {
    /// Whether the entry runs on the primary's own harness.
    pub(super) fn keeps_the_harness_of(&self, primary: &Profile) -> bool {
        self.harness.as_ref().is_none_or(|harness| *harness == primary.agent.harness)
    }

    /// What the entry calls a key of the profile that it may set itself.
    pub(super) fn word_for(key: &str) -> Option<&str> {
        let word = key.strip_prefix("agent.").or_else(|| key.strip_prefix("model."))?;
        WORDS.contains(&key).then_some(word)
    }
}

/// The keys of a profile that an entry may set itself.
const WORDS: [&str; 16] = [
    "agent.model",
    "agent.harness",
    "agent.endpoint",
    "agent.window",
    "model.max_output_tokens",
    "model.temperature",
    "model.reasoning_effort",
    "model.seed",
    "agent.command",
    "agent.args",
    "agent.prompt_via",
    "agent.protocol",
    "agent.script",
    "agent.permissions",
    "agent.tools",
    "agent.max_turns",
];

fn put<T: Clone>(place: &mut Option<T>, own: Option<&T>) {
    if own.is_some() {
        *place = own.cloned();
    }
}
