//! Rules between keys: what each key says is possible, but not together, not with this harness, or not yet.
//!
//! A rule is a function from the profile to problems. All are asked, so that a profile is mended in one go.

use super::capability::{HARNESSES, capabilities};
use super::diagnostic::Diagnostic;
use super::mismatch::list;
use super::tree::{Node, Origin, Value};
use super::{Api, Fork, Isolation, Profile, Sandbox, SessionPolicy};
use crate::text::nearest;

/// What rules look at, and where they put what they find.
struct Rules<'a> {
    profile: &'a Profile,
    tree: &'a Node,
    /// The layer of the profile's own file, blamed for what is missing.
    layer: usize,
    problems: Vec<Diagnostic>,
}

/// Asks every rule.
pub(super) fn check(profile: &Profile, tree: &Node, layer: usize) -> Vec<Diagnostic> {
    let mut rules = Rules { profile, tree, layer, problems: Vec::new() };
    rules.version();
    rules.harness();
    rules.needs();
    rules.capabilities();
    rules.endpoint();
    rules.models();
    rules.not_built_yet();
    rules.mcp();
    rules.server();
    rules.lineage();
    rules.prompt();
    rules.check_kind();
    rules.numbers();
    rules.times();
    rules.problems
}

/// Whether a file says which version of the format it is written in. Each file must.
pub(super) fn version(node: &Node, layer: usize) -> Option<Diagnostic> {
    let help = "write `schema = 1` as the first line; it is the only version so far";
    match node.entry("schema") {
        None => Some(
            Diagnostic::new(
                "the profile does not say `schema = 1`",
                Origin { layer, span: 0..0 },
                "missing here",
            )
            .help(help),
        ),
        Some(entry) if !matches!(entry.node.value, Value::Integer(1)) => Some(
            Diagnostic::new(
                "this version of the profile format is not known",
                entry.node.origin.clone(),
                "only 1 is",
            )
            .help(help),
        ),
        Some(_) => None,
    }
}

impl Rules<'_> {
    /// A problem with the value of a key; with the file as a whole, if nobody has written the key.
    fn refuse(&mut self, key: &str, title: impl Into<String>, label: &str, help: impl Into<String>) {
        self.refuse_at(&key.split('.').collect::<Vec<_>>(), title, label, help);
    }

    /// The same for a path whose keys may have dots in them.
    fn refuse_at(&mut self, path: &[&str], title: impl Into<String>, label: &str, help: impl Into<String>) {
        let origin = match self.tree.entry_at(path) {
            Some(entry) if entry.node.origin.layer > 0 => match entry.node.value {
                // A table is shown by its name; its span may be its whole content.
                Value::Table(_) => entry.key.clone(),
                _ => entry.node.origin.clone(),
            },
            _ => Origin { layer: self.layer, span: 0..0 },
        };
        self.problems.push(Diagnostic::new(title, origin, label).help(help));
    }

    /// Whether anybody but the defaults has written the key. An empty list asks for nothing.
    fn is_set(&self, key: &str) -> bool {
        self.tree.entry(key).is_some_and(|entry| {
            let empty = match &entry.node.value {
                Value::Array(items) => items.is_empty(),
                Value::Table(table) => table.is_empty(),
                _ => false,
            };
            entry.node.origin.layer > 0 && !empty
        })
    }

    fn version(&mut self) {
        if self.profile.schema != 1 {
            self.refuse(
                "schema",
                "this version of the profile format is not known",
                "only 1 is",
                "leave `schema` as the file has it",
            );
        }
    }

    fn harness(&mut self) {
        let name = self.profile.agent.harness.as_str();
        if HARNESSES.contains(&name) {
            return;
        }
        let help = match nearest(name, HARNESSES) {
            Some(near) => format!("did you mean `\"{near}\"`?"),
            None => format!("use one of {}", list(&HARNESSES)),
        };
        self.refuse("agent.harness", format!("there is no harness `{name}`"), "unknown", help);
    }

    /// Keys without which a harness cannot start.
    fn needs(&mut self) {
        let agent = &self.profile.agent;
        let rows = [
            ("command", "agent.command", agent.command.is_some(), "command = [\"my-agent\"]"),
            ("chat", "agent.model", agent.model.is_some(), "model = \"provider/model\""),
            ("chat", "agent.endpoint", agent.endpoint.is_some(), "endpoint = \"NAME\""),
            ("scripted", "agent.script", agent.script.is_some(), "script = \"FILE\""),
            ("acp", "agent.command", agent.command.is_some(), "command = [\"gemini\", \"--acp\"]"),
        ];
        for (harness, key, present, example) in rows {
            if agent.harness == harness && !present {
                let title = format!("the `{harness}` harness needs `{key}`");
                self.refuse("agent.harness", title, "this one", format!("add `{example}` under `[agent]`"));
            }
        }
    }

    fn capabilities(&mut self) {
        let harness = self.profile.agent.harness.as_str();
        if !HARNESSES.contains(&harness) {
            return;
        }
        let mut refused: Option<&str> = None;
        for row in capabilities() {
            let concerned = self.is_set(row.key)
                && row.value.is_none_or(|value| {
                    self.tree.entry(row.key).and_then(|entry| entry.node.text()) == Some(value)
                });
            if !concerned || row.harnesses.contains(&harness) || refused == Some(row.key) {
                continue;
            }
            refused = Some(row.key);
            let what = match row.value {
                Some(value) => format!("`{} = {value:?}`", row.key),
                None => format!("`{}`", row.key),
            };
            self.refuse(
                row.key,
                format!("{what} cannot be honoured by the `{harness}` harness"),
                "would be dropped",
                format!("remove it, or use a harness that honours it: {}", list(&row.harnesses)),
            );
        }
    }

    fn endpoint(&mut self) {
        let profile = self.profile;
        for (name, endpoint) in &profile.endpoints {
            if !endpoint.base_url.starts_with("http://") && !endpoint.base_url.starts_with("https://") {
                let title = format!("`endpoints.{name}.base_url` is not a web address");
                let key = ["endpoints", name, "base_url"];
                self.refuse_at(&key, title, "no scheme", "write it as `http://…` or `https://…`");
            }
        }
        let Some(name) = &profile.agent.endpoint else { return };
        let Some(endpoint) = profile.endpoints.get(name) else {
            let help = match nearest(name, profile.endpoints.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `\"{near}\"`?"),
                None => format!("add a table `[endpoints.{name}]`"),
            };
            self.refuse(
                "agent.endpoint",
                format!("there is no endpoint `{name}`"),
                "not in `[endpoints]`",
                help,
            );
            return;
        };
        // Which protocols a harness speaks to an endpoint that the profile names.
        let spoken: &[Api] = match profile.agent.harness.as_str() {
            "aider" => &[Api::OpenAi],
            "claude" => &[Api::Anthropic],
            "codex" => &[Api::OpenAiResponses],
            "gemini" => &[Api::Gemini],
            "chat" | "opencode" | "opencode-server" => &[Api::OpenAi, Api::OpenAiResponses, Api::Anthropic],
            _ => return,
        };
        let api = endpoint.api;
        if !spoken.contains(&api) {
            let title =
                format!("the `{}` harness cannot speak to the endpoint `{name}`", profile.agent.harness);
            let words: Vec<String> = spoken.iter().map(|api| format!("`api = \"{}\"`", api.word())).collect();
            let help = format!("it needs an endpoint with {}", words.join(" or "));
            self.refuse_at(&["endpoints", name, "api"], title, "another protocol", help);
        }
        if profile.agent.harness == "chat" {
            self.chat_over(api);
        }
    }

    /// Settings that the `chat` harness honours, but that one of its protocols has no field for.
    fn chat_over(&mut self, api: Api) {
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
                let help = format!("remove it, or use an endpoint with `api = \"{}\"`", Api::OpenAi.word());
                self.refuse(key, title, "would be dropped", help);
            }
        }
        if api == Api::Anthropic && hot {
            let title = "`model.temperature` is above what `anthropic` takes";
            self.refuse("model.temperature", title, "not from 0 to 1", "write a number from 0 to 1");
        }
    }

    fn models(&mut self) {
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
                "name the model in `agent.model`, or remove the list",
            ),
            _ => {}
        }
    }

    /// Keys of the format that nothing honours in this version.
    fn not_built_yet(&mut self) {
        let profile = self.profile;
        let rows = [
            ("agent.fallback", !profile.agent.fallback.is_empty(), "remove it, or write `fallback = []`"),
            (
                "workspace.isolation",
                profile.workspace.isolation != Isolation::None,
                "write `isolation = \"none\"`",
            ),
            ("workspace.sandbox", profile.workspace.sandbox != Sandbox::None, "write `sandbox = \"none\"`"),
        ];
        for (key, used, help) in rows {
            if used {
                self.refuse(
                    key,
                    format!("this value of `{key}` is not available in this version"),
                    "not available",
                    help,
                );
            }
        }
        for (name, endpoint) in &profile.endpoints {
            for (key, used) in
                [("max_concurrency", endpoint.max_concurrency.is_some()), ("rpm", endpoint.rpm.is_some())]
            {
                if used {
                    let title = format!("`endpoints.{name}.{key}` is not available in this version");
                    self.refuse_at(&["endpoints", name, key], title, "would not be kept to", "remove it");
                }
            }
        }
    }

    fn mcp(&mut self) {
        for (name, server) in &self.profile.agent.mcp {
            let path = ["agent", "mcp", name];
            if server.command.is_some() == server.url.is_some() {
                let title = format!("`agent.mcp.{name}` needs exactly one of `command` and `url`");
                let label = if server.url.is_some() { "both" } else { "neither" };
                let help = "write `command = [\"program\"]` or `url = \"https://…\"`";
                self.refuse_at(&path, title, label, help);
            } else if server.key_env.is_some() && server.url.is_none() {
                let title = format!("`agent.mcp.{name}.key_env` needs a `url`");
                self.refuse_at(&path, title, "no request would carry it", "use `env` for a program");
            } else if !server.env.is_empty() && server.command.is_none() {
                let title = format!("`agent.mcp.{name}.env` needs a `command`");
                self.refuse_at(&path, title, "nothing is started", "use `key_env` for a token");
            }
        }
    }

    /// A server that somebody else starts has its own configuration, and provost can put nothing into it.
    fn server(&mut self) {
        let Some(server) = &self.profile.agent.server else { return };
        let web = server.url.strip_prefix("http://").or_else(|| server.url.strip_prefix("https://"));
        let plain = web.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#']));
        if !plain {
            let help = "write it as `http://HOST:PORT`, and the password's variable in `password_env`";
            let title = "`agent.server.url` is not an address without credentials and query";
            // Not at the line itself, which would be printed with the password in it.
            self.refuse("agent.server", title, "here", help);
        }
        if self.profile.agent.harness != "opencode-server" {
            return;
        }
        let keys = [
            "agent.endpoint",
            "agent.command",
            "agent.args",
            "agent.env",
            "agent.mcp",
            "model.temperature",
            "model.max_output_tokens",
        ];
        for key in keys {
            if self.is_set(key) {
                let title = format!("`{key}` cannot be honoured by a server that provost does not start");
                let help =
                    "set it where the server is started, or remove `agent.server` so that provost starts one";
                self.refuse(key, title, "would be dropped", help);
            }
        }
        if self.is_set("agent.server.username") && server.password_env.is_none() {
            let help = "add `password_env = \"VARIABLE\"`, or remove it";
            let title = "`agent.server.username` needs `agent.server.password_env`";
            self.refuse("agent.server.username", title, "would not be sent", help);
        }
    }

    fn lineage(&mut self) {
        let lineage = &self.profile.lineage;
        if lineage.fork == Fork::Require && lineage.session == SessionPolicy::Fresh {
            self.refuse(
                "lineage.fork",
                "there is nothing to fork when each round starts a conversation of its own",
                "forks what?",
                "add `session = \"continue\"` under `[lineage]`",
            );
        }
    }

    fn prompt(&mut self) {
        if self.profile.prompt.system.is_some() && self.profile.prompt.system_file.is_some() {
            self.refuse(
                "prompt.system_file",
                "`prompt.system` and `prompt.system_file` are both set",
                "one too many",
                "keep one of them",
            );
        }
    }

    fn check_kind(&mut self) {
        let Some(check) = &self.profile.check else { return };
        let kinds = [
            ("command", check.command.is_some()),
            ("regex", check.regex.is_some()),
            ("contains", check.contains.is_some()),
            ("json", check.json.is_some()),
        ];
        let used: Vec<&str> = kinds.iter().filter(|(_, used)| *used).map(|(kind, _)| *kind).collect();
        match used.as_slice() {
            [_] => {}
            [] => self.refuse(
                "check",
                "`[check]` does not say how to check",
                "no kind",
                format!("add one of {}", list(&kinds.map(|(kind, _)| kind))),
            ),
            [.., last] => self.refuse(
                &format!("check.{last}"),
                format!("`[check]` has more than one kind: {}", list(&used)),
                "one too many",
                "keep one; a `command` can do all of it",
            ),
        }
        if let Some(Err(error)) = check.regex.as_deref().map(regex::Regex::new) {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
            self.refuse(
                "check.regex",
                "`check.regex` is not a regular expression",
                &reason,
                "mend it, or use `contains` for a plain text",
            );
        }
        if let Some(json) = &check.json {
            if json.schema.is_none() && json.path.is_none() {
                let help = "add `path = \"a.b\"` or `schema = \"FILE\"`";
                self.refuse(
                    "check.json",
                    "`check.json` does not say what to look for",
                    "no `path`, no `schema`",
                    help,
                );
            } else if json.equals.is_some() && json.path.is_none() {
                let help = "add `path = \"a.b\"`";
                self.refuse("check.json.equals", "`check.json.equals` needs a `path`", "equals what?", help);
            }
        }
    }

    fn numbers(&mut self) {
        let profile = self.profile;
        for (key, zero) in [
            ("budget.rounds", profile.budget.rounds == Some(0)),
            ("agent.max_turns", profile.agent.max_turns == Some(0)),
            ("model.max_output_tokens", profile.model.max_output_tokens == Some(0)),
        ] {
            if zero {
                let help = "write 1 or more, or remove it";
                self.refuse(key, format!("`{key}` must not be 0"), "nothing could be done", help);
            }
        }
        let amount = |value: f64| value.is_finite() && value >= 0.0;
        if profile.budget.usd.is_some_and(|usd| !amount(usd)) {
            let help = "write an amount such as 5.0, or remove it for no ceiling";
            self.refuse("budget.usd", "`budget.usd` is not an amount of dollars", "not an amount", help);
        }
        if profile.model.temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
            let help = "write a number from 0 to 2";
            self.refuse("model.temperature", "`model.temperature` is out of range", "not from 0 to 2", help);
        }
        for (model, price) in &profile.prices {
            let values = [
                ("input", Some(price.input)),
                ("output", Some(price.output)),
                ("cache_read", price.cache_read),
                ("cache_write", price.cache_write),
            ];
            for (key, value) in values {
                if value.is_some_and(|value| !amount(value)) {
                    let title = format!("the {key} price of `{model}` is not an amount of dollars");
                    let help = "write dollars per million tokens";
                    self.refuse_at(&["prices", model, key], title, "not an amount", help);
                }
            }
        }
    }

    fn times(&mut self) {
        let round = &self.profile.round;
        let rows = [
            ("round.timeout", Some(round.timeout)),
            ("round.first_event", Some(round.first_event)),
            ("round.stall", Some(round.stall)),
            ("round.tool", Some(round.tool)),
            ("budget.wall", self.profile.budget.wall),
            ("check.timeout", self.profile.check.as_ref().and_then(|check| check.timeout)),
        ];
        for (key, period) in rows {
            if period.is_some_and(|period| period.0.is_zero()) {
                let help = "write a duration such as \"10m\"";
                self.refuse(key, format!("`{key}` must not be zero"), "nothing could be done in it", help);
            }
        }
    }
}
