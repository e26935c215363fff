//! Rules for the model: whether it may be used, how it is called, and what is set of it.

use super::{Api, Rules};

impl Rules<'_> {
    /// Settings that the `chat` harness honours, but that one of its protocols has no field for.
    pub(super) fn chat_over(&mut self, api: Api) {
        let model = &self.profile.model;
        let hot = model.temperature.is_some_and(|value| value > 1.0 && value <= 2.0);
        let rows = [
            ("model.seed", model.seed.is_some(), Api::Anthropic),
            ("model.seed", model.seed.is_some(), Api::OpenAiResponses),
            ("model.reasoning_effort", model.reasoning_effort.is_some(), Api::Anthropic),
        ];
        for (key, used, over) in rows {
            if used && over == api {
                let title = format!("`{key}` cannot be honoured by the `chat` harness over `{}`", api.word());
                let removed = self.removed(key);
                let help = format!("{removed}, or use an endpoint with `api = \"{}\"`", Api::OpenAi.word());
                self.refuse(key, title, "would be dropped", help);
            }
        }
        if api == Api::Anthropic && hot {
            let title = "`model.temperature` is above what `anthropic` takes";
            self.refuse("model.temperature", title, "not from 0 to 1", "write a number from 0 to 1");
        }
    }

    pub(super) fn models(&mut self) {
        let agent = &self.profile.agent;
        if agent.allowed_models.is_empty() {
            return;
        }
        match &agent.model {
            Some(model) if !agent.allowed_models.contains(model) => {
                // No guess here: a near name may be another model at another price.
                let help = "choose one of the list, or add the model to it";
                let title = format!("the model `{model}` is not among `agent.allowed_models`");
                self.refuse("agent.model", title, "not allowed", help);
            }
            // The scripted harness calls no model, so none can be forbidden to it.
            None if agent.harness != "scripted" => self.refuse(
                "agent.allowed_models",
                "`agent.allowed_models` cannot be held without `agent.model`",
                "the harness would choose by itself",
                if self.entry.is_some() {
                    "name the model in the entry, or remove the list"
                } else {
                    "name the model in `agent.model`, or remove the list"
                },
            ),
            _ => {}
        }
    }

    /// How a model is called: a name that would be sent as it is and known to nobody is a mistake.
    pub(super) fn names(&mut self) {
        let agent = &self.profile.agent;
        let Some(model) = &agent.model else { return };
        if model.trim().is_empty() {
            let help = "write it as `\"provider/model\"`, or remove the key for the harness's own default";
            self.refuse("agent.model", "the model's name is empty", "no name", help);
        } else if let Some((name, effort)) = variant(model) {
            let help = match &self.entry {
                Some(place) if place.node.text().is_some() => {
                    format!("write `{{ model = \"{name}\", reasoning_effort = \"{effort}\" }}`")
                }
                Some(_) => format!("write `\"{name}\"`, and `reasoning_effort = \"{effort}\"` in the entry"),
                None => format!("write `\"{name}\"`, and `reasoning_effort = \"{effort}\"` under `[model]`"),
            };
            let title = format!("the model `{model}` has an effort in its name");
            self.refuse("agent.model", title, "would be sent as a name", help);
        } else if PREFIXED.contains(&&*agent.harness) && !prefixed(model) {
            let title = format!("the model `{model}` does not say its provider");
            let help = format!(
                "write it as `\"provider/{}\"`; the `{}` harness needs both",
                model.trim_matches('/'),
                agent.harness
            );
            self.refuse("agent.model", title, "no `provider/`", help);
        }
    }

    pub(super) fn settings(&mut self) {
        let (agent, model) = (&self.profile.agent, &self.profile.model);
        for (key, zero) in [
            ("agent.max_turns", agent.max_turns == Some(0)),
            ("agent.window", agent.window == Some(0)),
            ("model.max_output_tokens", model.max_output_tokens == Some(0)),
        ] {
            if zero {
                self.zero(key);
            }
        }
        if model.temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
            let help = "write a number from 0 to 2";
            self.refuse("model.temperature", "`model.temperature` is out of range", "not from 0 to 2", help);
        }
    }
}

/// Harnesses that have no provider of their own, so that a model's name must say it.
const PREFIXED: [&str; 3] = ["chat", "opencode", "opencode-server"];

fn prefixed(model: &str) -> bool {
    model.split_once('/').is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty())
}

/// Words that other tools take for an effort when they stand behind a model's name.
const EFFORTS: [&str; 9] = ["none", "minimal", "low", "medium", "high", "xhigh", "max", "auto", "thinking"];

/// A model's name and the effort behind it: `p/m(high)`, `p/m high`.
fn variant(model: &str) -> Option<(&str, String)> {
    let (name, word) = match model.strip_suffix(')') {
        Some(open) => open.rsplit_once('(')?,
        None => model.rsplit_once(' ')?,
    };
    let (name, word) = (name.trim(), word.trim().to_ascii_lowercase());
    (!name.is_empty() && EFFORTS.contains(&&*word)).then_some((name, word))
}
