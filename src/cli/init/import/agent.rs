//! The agent: its command line, its variables, and what a phase changes of them.

use toml::Value;

use super::draft::Draft;
use super::problem::Problem;
use super::schema::dotted;
use super::source::{Leaf, Source};
use super::words::{self, Call, PROMPT};
use crate::journal::{is_secret_name, redact_shapes};

/// What reaches an agent unless the profile says otherwise.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TERM"];

/// Reads how the agent is called: as the file says, or as it does in a phase.
pub(super) fn call(source: &Source, phase: Option<&str>, work_dir: &str) -> Result<Call, Problem> {
    let own = |key: &str| phase.and_then(|phase| source.get(&["phases", phase, "agent", key]));
    let leaf = |key: &str| own(key).or_else(|| source.get(&["agent", key]));
    let missing = |key: &str| {
        let help = "mend it until `agent-runner doctor` takes it";
        Problem::new(format!("`agent.{key}` is missing"), 0..0, "nowhere in this file", help)
    };
    let command = leaf("command").ok_or_else(|| missing("command"))?;
    let template = leaf("prompt_arg_template").ok_or_else(|| missing("prompt_arg_template"))?;
    let stdin = leaf("prompt_delivery").and_then(Leaf::text) == Some("stdin");
    let prefix: Vec<String> = source.get(&["agent", "exec_prefix"]).map(Leaf::texts).unwrap_or_default();
    let prefix: Vec<String> = prefix.into_iter().map(|word| word.replace("{work_dir}", work_dir)).collect();
    let (command_words, template_words) = (command.texts(), template.texts());
    let line =
        prefix.iter().chain(&command_words).chain(&template_words).cloned().collect::<Vec<_>>().join(" ");
    if redact_shapes(&line) != line {
        // Without its place, which would be printed with the secret in it.
        return Err(Problem::new(
            "the command line of the agent holds what looks like a secret",
            0..0,
            "further down in this file",
            "take it out of the file, and put it into the environment",
        ));
    }
    let placed = template_words.iter().any(|word| word.contains(PROMPT));
    let promptless = phase
        .and_then(|phase| source.get(&["phases", phase, "prompt", "files"]))
        .is_some_and(|files| files.texts().is_empty());
    if stdin && placed {
        let help = "remove `{prompt}`: it goes to standard input";
        return Err(Problem::new(
            "the prompt would be sent twice",
            template.span.clone(),
            "has `{prompt}`",
            help,
        ));
    }
    if !stdin && !placed && !promptless {
        let help = "add `{prompt}` where the agent expects it, or `prompt_delivery = \"stdin\"`";
        return Err(Problem::new(
            "the prompt would reach nobody",
            template.span.clone(),
            "no `{prompt}`",
            help,
        ));
    }
    words::read(&prefix, &command_words, &template_words, stdin).map_err(|word| {
        Problem::new(
            format!("`{PROMPT}` is only a part of the word {}", Value::from(word)),
            template.span.clone(),
            "not a word of its own",
            "move the text around it into the prompt file",
        )
    })
}

/// What a phase may be without is said in all of them by the agent's own words: a key of the base cannot be taken back.
pub(super) fn align(base: &mut Call, phases: &mut [Call]) {
    let without = |has: fn(&Call) -> bool, phases: &[Call]| phases.iter().any(|call| !has(call));
    if without(|call| call.model.is_some(), phases) {
        base.say_model();
        phases.iter_mut().for_each(Call::say_model);
    }
    if without(|call| call.permissions.is_some(), phases) {
        base.say_permissions();
        phases.iter_mut().for_each(Call::say_permissions);
    }
    for call in phases {
        // It is what these do anyway.
        if base.prompt_via.is_some() && ["claude", "codex", "gemini"].contains(&&*call.harness) {
            call.prompt_via = Some("stdin");
        }
    }
}

/// Writes `[agent]`.
pub(super) fn base(source: &mut Source, draft: &mut Draft, call: &Call) {
    let command = source.take(&["agent", "command"]);
    let template = source.take(&["agent", "prompt_arg_template"]);
    let delivery = source.take(&["agent", "prompt_delivery"]);
    let prefix = source.take(&["agent", "exec_prefix"]);
    draft.put("agent", "harness", call.harness.as_str(), command.as_ref());
    for leaf in [&template, &delivery, &prefix].into_iter().flatten() {
        draft.remark("agent", "harness", leaf.comments().cloned());
    }
    write(draft, "agent", call, &Call::default());
    if let Some(system) = &call.system {
        draft.put("prompt", "system", system.as_str(), None);
    }
    resumes(draft, "agent.command", call);
    if call.harness == "command" {
        let name = call.command.as_ref().and_then(|words| words.first()).map_or("it", String::as_str);
        draft.otherwise(
            "agent.command",
            None,
            format!("there is no harness for `{name}`: its output is read as plain text, so that usage and limits are not known"),
        );
    } else if delivery.as_ref().and_then(Leaf::text) != Some("stdin") {
        let harness = &call.harness;
        draft.otherwise(
            "agent.prompt_delivery",
            None,
            format!("`{harness}` gets its prompt on standard input"),
        );
    }
    let inherited = environment(source, draft, "agent.env", &["agent", "env"]);
    let mut names: Vec<String> = inherited;
    for phase in phases(source) {
        for name in source.below(&["phases", &phase, "agent", "env"]) {
            if is_secret_name(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if !names.is_empty() {
        let names = INHERITED.iter().map(|&name| name.to_owned()).chain(names).collect::<Vec<_>>();
        draft.put("agent", "inherit_env", names, None);
    }
    draft.otherwise(
        "agent.env",
        None,
        "an agent gets only the variables of `agent.inherit_env` and those that its harness needs, not all that you have; \
         AGENT_RUNNER_* are not set",
    );
}

/// The phases that have a table.
pub(super) fn phases(source: &Source) -> Vec<String> {
    source.below(&["phases"]).into_iter().filter(|name| name != "list" && name != "phase_policy").collect()
}

/// Writes what a phase changes of the agent.
pub(super) fn phase(
    source: &mut Source,
    draft: &mut Draft,
    name: &str,
    table: &str,
    call: &Call,
    base: &Call,
) {
    let theirs = dotted(&["phases".to_owned(), name.to_owned(), "agent".to_owned()]);
    let agent = format!("{table}.agent");
    let mut comments = Vec::new();
    for key in ["command", "prompt_arg_template", "prompt_delivery"] {
        if let Some(leaf) = source.take(&["phases", name, "agent", key]) {
            comments.extend(leaf.comments().cloned());
        }
    }
    if call.harness != base.harness {
        draft.put(&agent, "harness", call.harness.as_str(), None);
    }
    write(draft, &agent, call, base);
    let first = ["harness", "command", "model", "args", "permissions", "prompt_via"];
    if let Some(key) = first.into_iter().find(|key| draft.has(&agent, key)) {
        draft.remark(&agent, key, comments);
    }
    if call.system != base.system
        && let Some(system) = &call.system
    {
        draft.put(&format!("{table}.prompt"), "system", system.as_str(), None);
    }
    if call.resumes != base.resumes {
        resumes(draft, &format!("{theirs}.command"), call);
    }
    for (key, unset) in [
        ("prompt_via", call.prompt_via.is_none() && base.prompt_via.is_some()),
        ("prompt.system", call.system.is_none() && base.system.is_some()),
    ] {
        if unset {
            draft.otherwise(
                &theirs,
                None,
                format!("the phase cannot be without `{key}`: set it there, or take it out of the base"),
            );
        }
    }
    if let Some(leaf) = source.take(&["phases", name, "agent", "sigterm_grace_s"]) {
        let grace = super::table::seconds_as_text(leaf.whole().unwrap_or(10));
        draft.put(&format!("{table}.round"), "grace", grace, Some(&leaf));
    }
    for (key, why) in [
        ("name", "a phase has the name that it has in the rotation"),
        (
            "terminal_marker",
            "the end of the work is read from the agent's event stream, or is the end of its process",
        ),
    ] {
        if let Some(leaf) = source.take(&["phases", name, "agent", key]) {
            draft.gone(&format!("{theirs}.{key}"), Some(&leaf), why);
        }
    }
    if !source.below(&["phases", name, "agent", "env"]).is_empty() {
        environment(source, draft, &format!("{agent}.env"), &["phases", name, "agent", "env"]);
        draft.otherwise(
            &format!("{theirs}.env"),
            None,
            "it is laid over the variables of the base, and does not replace them",
        );
    }
}

/// The keys of a call that differ from those below it.
fn write(draft: &mut Draft, table: &str, call: &Call, below: &Call) {
    let texts = |words: &[String]| Value::from(words.to_vec());
    if call.command != below.command {
        let program = [call.harness.clone()];
        draft.put(table, "command", texts(call.command.as_deref().unwrap_or(&program)), None);
    }
    for (key, ours, theirs) in [
        ("model", call.model.as_deref(), below.model.as_deref()),
        ("permissions", call.permissions, below.permissions),
        ("prompt_via", call.prompt_via, below.prompt_via),
    ] {
        if ours != theirs
            && let Some(value) = ours
        {
            draft.put(table, key, value, None);
        }
    }
    if call.args != below.args {
        draft.put(table, "args", texts(&call.args), None);
    }
}

/// What went on with a conversation.
fn resumes(draft: &mut Draft, key: &str, call: &Call) {
    if !call.resumes.is_empty() {
        let words = call.resumes.join(" ");
        let text = format!(
            "`{words}` is left out: conversations are kept by provost; `lineage.session = \"continue\"` goes on with one"
        );
        draft.otherwise(key, None, text);
    }
}

/// Moves variables over; the names of those that hold a secret come back instead.
fn environment(source: &mut Source, draft: &mut Draft, table: &str, path: &[&str]) -> Vec<String> {
    let mut inherited = Vec::new();
    for name in source.below(path) {
        let way: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
        let Some(leaf) = source.take(&way) else { continue };
        let value = match &leaf.value {
            Value::String(text) => text.clone(),
            // What theirs makes of it.
            Value::Boolean(true) => "True".to_owned(),
            Value::Boolean(false) => "False".to_owned(),
            other => other.to_string(),
        };
        if is_secret_name(&name) {
            let key = dotted(&way.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
            draft.otherwise(
                &key,
                Some(&leaf),
                format!(
                    "a secret is not written down again: export `{name}`, which is in `agent.inherit_env` now"
                ),
            );
            inherited.push(name);
        } else {
            draft.put(table, &dotted(std::slice::from_ref(&name)), value, Some(&leaf));
        }
    }
    inherited
}
