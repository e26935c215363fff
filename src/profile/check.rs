//! Rules between keys: what each key says is possible, but not together, not with this harness, or not yet.
//!
//! A rule is a function from the profile to problems. All are asked, so that a profile is mended in one go.

use super::capability::{HARNESSES, capabilities};
use super::diagnostic::Diagnostic;
use super::mismatch::list;
use super::template::Template;
use super::tree::{Entry, Node, Origin, Value};
use super::{Api, Fork, Isolation, Profile, Sandbox, SessionPolicy};
use crate::text::nearest;

mod chain;
mod model;
mod phase;
mod supervise;

use chain::Place;

/// What rules look at, and where they put what they find.
struct Rules<'a> {
    /// The primary alone, or one candidate of its chain.
    profile: &'a Profile,
    tree: &'a Node,
    /// The entry that the profile is resolved from; `None` for the primary.
    entry: Option<Place<'a>>,
    /// The layer of the profile's own file, blamed for what is missing.
    layer: usize,
    problems: Vec<Diagnostic>,
}

/// What to do about a template of a profile.
pub(super) const TEMPLATE_HELP: &str = "the task stands as `{{ input }}`, blocks as `{% if … %}…{% endif %}`";

/// What is wrong with how the task is put; the parser's words.
pub(super) fn wrong_template(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("empty: nothing would be said".to_owned());
    }
    let error = Template::new(text).err()?;
    let line =
        error.line.filter(|line| *line > 1).map_or(String::new(), |line| format!(" in its line {line}"));
    Some(format!("{}{line}", error.why))
}

/// Asks every rule, of the profile and of each phase of it.
pub(super) fn check(profile: &Profile, tree: &Node, layer: usize) -> Vec<Diagnostic> {
    let mut problems = rules(profile, tree, layer);
    problems.extend(phase::check(profile, tree, layer, &problems));
    problems
}

/// Asks every rule that is about one profile.
fn rules(profile: &Profile, tree: &Node, layer: usize) -> Vec<Diagnostic> {
    let mut rules = Rules { profile, tree, entry: None, layer, problems: Vec::new() };
    rules.version();
    rules.candidate();
    rules.addresses();
    rules.not_built_yet();
    rules.limits();
    rules.mcp();
    rules.prompt();
    rules.check_kind();
    rules.retry();
    rules.numbers();
    rules.times();
    rules.supervise();
    let mut problems = rules.problems;
    problems.extend(chain::check(profile, tree, layer, &problems));
    problems
}

/// Whether a file says which version of the format it is written in. Each file must.
pub(super) fn version(node: &Node, layer: usize, kind: &str) -> Option<Diagnostic> {
    let help = "write `schema = 1` as the first line; it is the only version so far";
    match node.entry("schema") {
        None => Some(
            Diagnostic::new(
                format!("the {kind} does not say `schema = 1`"),
                Origin { layer, span: 0..0 },
                "missing here",
            )
            .help(help),
        ),
        Some(entry) if !matches!(entry.node.value, Value::Integer(1)) => Some(
            Diagnostic::new(
                format!("this version of the {kind} format is not known"),
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
        let key = path.join(".");
        let found = match &self.entry {
            // What is wrong with a candidate is wrong with its entry, wherever the key was written.
            Some(place) => place.own(&key),
            None => self.tree.entry_at(path),
        };
        let mut title = title.into();
        if let Some(place) = &self.entry {
            if found.is_none() && place.is_told(&title) {
                return;
            }
            title = place.title(&title);
        }
        let origin = match (found.or_else(|| self.entry?.name()), &self.entry) {
            (Some(entry), _) if entry.node.origin.layer > 0 => match entry.node.value {
                // A table is shown by its name; its span may be its whole content.
                Value::Table(_) => entry.key.clone(),
                _ => entry.node.origin.clone(),
            },
            (_, Some(place)) => place.node.origin.clone(),
            _ => Origin { layer: self.layer, span: 0..0 },
        };
        self.problems.push(Diagnostic::new(title, origin, label).help(help));
    }

    /// How to be rid of a key, in words.
    fn removed(&self, key: &str) -> String {
        match &self.entry {
            Some(place) if place.own(key).is_none() => place.remedy(key),
            _ => "remove it".to_owned(),
        }
    }

    /// What was written for a key, as far as it concerns the candidate.
    fn written(&self, key: &str) -> Option<&Entry> {
        match &self.entry {
            Some(place) => place.own(key).or_else(|| self.tree.entry(key).filter(|_| place.is_carried(key))),
            None => self.tree.entry(key),
        }
    }

    /// Whether anybody but the defaults has written the key. An empty list asks for nothing.
    fn is_set(&self, key: &str) -> bool {
        self.written(key).is_some_and(is_written)
    }

    /// The rules for what is asked: of the primary, and of each entry of its chain.
    fn candidate(&mut self) {
        self.harness();
        self.needs();
        self.capabilities();
        self.endpoint();
        self.models();
        self.names();
        self.server();
        self.lineage();
        self.settings();
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
                let place = if self.entry.is_some() { "to the entry" } else { "under `[agent]`" };
                self.refuse("agent.harness", title, "this one", format!("add `{example}` {place}"));
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
                    self.written(row.key).and_then(|entry| entry.node.text()) == Some(value)
                });
            if !concerned || row.harnesses.contains(&harness) || refused == Some(row.key) {
                continue;
            }
            refused = Some(row.key);
            let what = match row.value {
                Some(value) => format!("`{} = {value:?}`", row.key),
                None => format!("`{}`", row.key),
            };
            let remedy = format!("use a harness that honours it: {}", list(&row.harnesses));
            self.refuse(
                row.key,
                format!("{what} cannot be honoured by the `{harness}` harness"),
                "would be dropped",
                format!("{}, or {remedy}", self.removed(row.key)),
            );
        }
    }

    fn addresses(&mut self) {
        for (name, endpoint) in &self.profile.endpoints {
            if !endpoint.base_url.starts_with("http://") && !endpoint.base_url.starts_with("https://") {
                let title = format!("`endpoints.{name}.base_url` is not a web address");
                let key = ["endpoints", name, "base_url"];
                self.refuse_at(&key, title, "no scheme", "write it as `http://…` or `https://…`");
            }
        }
    }

    fn endpoint(&mut self) {
        let profile = self.profile;
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
            if self.entry.is_some() {
                let help = format!("name one in the entry, or {}; {help}", self.removed("agent.endpoint"));
                self.refuse("agent.endpoint", title, "another protocol", help);
                return;
            }
            self.refuse_at(&["endpoints", name, "api"], title, "another protocol", help);
        }
        if profile.agent.harness == "chat" {
            self.chat_over(api);
        }
    }

    /// Keys of the format that nothing honours in this version.
    fn not_built_yet(&mut self) {
        let profile = self.profile;
        let rows = [
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
    }

    /// The limits of an endpoint are kept where requests are sent by us.
    fn limits(&mut self) {
        let profile = self.profile;
        let candidates = profile.candidates();
        let ours = |one: &Profile| one.agent.harness == "chat";
        for (name, endpoint) in &profile.endpoints {
            let uses = |one: &&Profile| one.agent.endpoint.as_deref() == Some(name);
            // What no candidate uses may be meant for another profile that extends the same file.
            let others = candidates.iter().find(|one| uses(one) && !ours(one));
            let other = others.or_else(|| candidates.iter().find(|_| !candidates.iter().any(ours)));
            for (key, limit) in [("max_concurrency", endpoint.max_concurrency), ("rpm", endpoint.rpm)] {
                let path = ["endpoints", name, key];
                if limit == Some(0) {
                    let title = format!("`endpoints.{name}.{key}` is 0, so nothing could ever be sent");
                    self.refuse_at(&path, title, "at least 1", "write the limit, or remove it for none");
                } else if let Some(other) = other.filter(|_| limit.is_some()) {
                    let harness = &other.agent.harness;
                    let title = format!("`endpoints.{name}.{key}` cannot be kept by the `{harness}` harness");
                    self.refuse_at(&path, title, "it sends requests of its own", "remove it, or use `chat`");
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
        let prompt = &self.profile.prompt;
        if prompt.system.is_some() && prompt.system_file.is_some() {
            self.refuse(
                "prompt.system_file",
                "`prompt.system` and `prompt.system_file` are both set",
                "one too many",
                "keep one of them",
            );
        }
        if prompt.template.is_some() && prompt.template_file.is_some() {
            self.refuse(
                "prompt.template_file",
                "`prompt.template` and `prompt.template_file` are both set",
                "one too many",
                "keep one of them",
            );
        }
        if let Some(why) = prompt.template.as_deref().and_then(wrong_template) {
            self.refuse("prompt.template", "`prompt.template` is not a template", &why, TEMPLATE_HELP);
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

    fn zero(&mut self, key: &str) {
        let help = "write 1 or more, or remove it";
        self.refuse(key, format!("`{key}` must not be 0"), "nothing could be done", help);
    }

    fn retry(&mut self) {
        let retry = &self.profile.retry;
        for (key, value, most) in
            [("retry.same_model", retry.same_model, 10), ("retry.max_fallbacks", retry.max_fallbacks, 20)]
        {
            if value > most {
                let label = format!("not from 0 to {most}");
                let help = format!("write a number from 0 to {most}");
                self.refuse(key, format!("`{key}` is out of range"), &label, help);
            }
        }
    }

    fn numbers(&mut self) {
        let profile = self.profile;
        if profile.budget.rounds == Some(0) {
            self.zero("budget.rounds");
        }
        let amount = |value: f64| value.is_finite() && value >= 0.0;
        if profile.budget.usd.is_some_and(|usd| !amount(usd)) {
            let help = "write an amount such as 5.0, or remove it for no ceiling";
            self.refuse("budget.usd", "`budget.usd` is not an amount of dollars", "not an amount", help);
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

/// Whether anybody but the defaults has written it, and it asks for something.
fn is_written(entry: &Entry) -> bool {
    let empty = match &entry.node.value {
        Value::Array(items) => items.is_empty(),
        Value::Table(table) => table.is_empty(),
        _ => false,
    };
    entry.node.origin.layer > 0 && !empty
}
