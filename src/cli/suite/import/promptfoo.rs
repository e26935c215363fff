//! A promptfoo configuration: prompts, providers and tests.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::assert::Claims;
use super::draft::{Draft, file_name, quoted};
use super::provider::provider;
use super::{document, samples, vars};

/// What an importer of cases has no use for, and why.
const UNUSED: [(&str, &str); 12] = [
    ("outputPath", "a run directory has all outputs"),
    ("sharing", "nothing is shared"),
    ("env", "profiles name the variables that they need"),
    ("commandLineOptions", "give options to `provost certify`"),
    ("scenarios", "write their tests as cases"),
    ("derivedMetrics", "write a `command` score"),
    ("extensions", "programs of theirs are not run"),
    ("nunjucksFilters", "programs of theirs are not run"),
    ("redteam", "not a suite"),
    ("tags", "labels of a run are given by `--label`"),
    ("metadata", "not kept"),
    ("writeLatestResults", "a run directory has all results"),
];

/// Fields of a case that mean something else than a variable of this name did.
const RESERVED: [&str; 6] = ["id", "expected", "tags", "group", "files", "check"];

/// A prompt: how it is called, what is said first, and the rest, which is the task.
struct Prompt {
    name: String,
    system: Option<String>,
    /// What stands before the part that depends on the case.
    lead: String,
    template: String,
}

/// A suite of a configuration. Files in it are relative to `dir`.
pub(super) fn draft(name: &str, config: &Map<String, Value>, dir: &Path) -> Result<Draft, String> {
    if !config.contains_key("prompts") && !config.contains_key("tests") {
        return Err("it has neither `prompts` nor `tests`".to_owned());
    }
    let mut draft = Draft { name: name.to_owned(), ..Draft::default() };
    let description = config.get("description").and_then(Value::as_str).unwrap_or_default();
    description.clone_into(&mut draft.description);
    for (key, value) in config {
        match key.as_str() {
            "prompts" | "providers" | "targets" | "tests" | "defaultTest" | "description" | "$schema" => {}
            "evaluateOptions" => options(&mut draft, value),
            other => {
                let why = UNUSED.iter().find(|(unused, _)| *unused == other);
                draft.leave(other, why.map_or("nothing here is like it", |(_, why)| why));
            }
        }
    }
    let prompts = prompts(&mut draft, list(config.get("prompts")), dir);
    let providers: Vec<_> = list(config.get("providers").or_else(|| config.get("targets")))
        .iter()
        .enumerate()
        .filter_map(|(index, value)| provider(&mut draft, &format!("providers[{index}]"), value))
        .collect();
    let claims = tests(&mut draft, config, dir);
    let judge = judge(&mut draft, config, providers.first());
    profiles(&mut draft, prompts, &providers)?;
    if let Some((_, text)) = &judge
        && claims.needs_judge()
    {
        draft.others.push(("judge.toml".to_owned(), text.clone()));
    }
    claims.finish(&mut draft, judge.map(|(file, _)| file));
    if draft.cases.is_empty() {
        return Err("it has no test with variables that can be a case".to_owned());
    }
    Ok(draft)
}

/// A list, or the only item of one.
fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
    }
}

fn options(draft: &mut Draft, value: &Value) {
    for (key, value) in value.as_object().into_iter().flatten() {
        match key.as_str() {
            "repeat" => draft.trials = value.as_u64().filter(|count| *count > 0),
            "maxConcurrency" => draft.concurrency = value.as_u64().filter(|count| *count > 0),
            other => {
                draft.leave(format!("evaluateOptions.{other}"), "endpoints have `rpm` and `max_concurrency`");
            }
        }
    }
}

fn prompts(draft: &mut Draft, values: Vec<Value>, dir: &Path) -> Vec<Prompt> {
    let mut prompts = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let place = format!("prompts[{index}]");
        let (raw, label) = match &value {
            Value::String(text) => (Some(text.clone()), None),
            Value::Object(table) => {
                let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
                (text("raw").or_else(|| text("id")).or_else(|| text("path")), text("label"))
            }
            _ => (None, None),
        };
        let Some(raw) = raw else {
            draft.leave(place, "it is no text");
            continue;
        };
        let is_file = |text: &str| {
            !text.contains('\n') && [".txt", ".json", ".md", ".j2"].iter().any(|end| text.ends_with(end))
        };
        let file = raw.strip_prefix("file://").or_else(|| is_file(&raw).then_some(raw.as_str()));
        let text = match file {
            None => raw.clone(),
            Some(file) => match vars::read(dir, file) {
                Ok(text) => text,
                Err(why) => {
                    draft.leave(place, format!("`{file}` {why}"));
                    continue;
                }
            },
        };
        let name = label.unwrap_or_else(|| match file {
            Some(file) => {
                Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or(file).to_owned()
            }
            None => format!("prompt-{}", index + 1),
        });
        // Several prompts stand in one file, between lines of dashes.
        let parts: Vec<&str> =
            if file.is_some() { text.split("\n---\n").collect() } else { vec![text.as_str()] };
        for (part, text) in parts.iter().enumerate() {
            let name = if parts.len() > 1 { format!("{name}-{}", part + 1) } else { name.clone() };
            match prompt(name, text.trim_end()) {
                Ok(prompt) => prompts.push(prompt),
                Err(why) => draft.leave(&place, why),
            }
        }
    }
    prompts
}

fn prompt(name: String, text: &str) -> Result<Prompt, String> {
    let (system, user) = match serde_json::from_str::<Vec<Map<String, Value>>>(text) {
        Ok(messages) => {
            let content = |role: &str| -> Vec<String> {
                let of = messages
                    .iter()
                    .filter(|message| message.get("role").and_then(Value::as_str) == Some(role));
                of.filter_map(|message| Some(message.get("content")?.as_str()?.to_owned())).collect()
            };
            let (system, user) = (content("system"), content("user"));
            if system.len() + user.len() != messages.len() || user.len() != 1 {
                return Err(format!(
                    "`{name}` is a conversation; write it as messages in the `input` of the cases"
                ));
            }
            (Some(system.join("\n\n")).filter(|system| !system.is_empty()), user.concat())
        }
        Err(_) => (None, text.to_owned()),
    };
    if system.as_deref().is_some_and(|system| system.contains("{{") || system.contains("{%")) {
        return Err(format!(
            "the system prompt of `{name}` depends on the case, which that of a profile cannot"
        ));
    }
    crate::suite::Template::new(&user).map_err(|error| format!("`{name}` is no template here: {error}"))?;
    // What does not depend on the case belongs to the profile: whole lines before the first variable.
    let first = [user.find("{{"), user.find("{%")].into_iter().flatten().min().unwrap_or(user.len());
    let cut = user[..first].rfind('\n').map_or(0, |at| at + 1);
    let (lead, template) = user.split_at(cut);
    Ok(Prompt { name, system, lead: lead.trim_end().to_owned(), template: template.to_owned() })
}

/// A profile for each prompt and provider, and the template that they share.
fn profiles(
    draft: &mut Draft,
    mut prompts: Vec<Prompt>,
    providers: &[super::provider::Provider],
) -> Result<(), String> {
    let Some(first) = prompts.first() else {
        return Err("it has no prompt that can be taken over".to_owned());
    };
    let differ = prompts.iter().any(|prompt| prompt.template != first.template);
    // With one prompt all of it may as well be in the suite.
    if prompts.len() == 1 && first.system.is_none() {
        draft.template = [first.lead.as_str(), first.template.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n\n");
        prompts[0].lead.clear();
    } else {
        draft.template.clone_from(&first.template);
    }
    draft.own_templates = differ;
    if differ {
        draft.remarks.push(
            "the prompts differ in what they make of a case: each profile has its own `prompt.template`, which stands in \
             place of `cases.template`"
                .to_owned(),
        );
    }
    if providers.is_empty() {
        draft.leave("profiles", "no provider could be taken over, so there is none to measure");
    }
    let mut names: Vec<String> = Vec::new();
    // The first two are two prompts where there are two: these are to be held against each other first.
    for provider in providers {
        for prompt in &prompts {
            let wanted = match (prompts.len(), providers.len()) {
                (1, _) => provider.name.clone(),
                (_, 1) => prompt.name.clone(),
                _ => format!("{}-{}", prompt.name, provider.name),
            };
            let taken: Vec<&str> = names.iter().map(String::as_str).chain(["suite", "judge"]).collect();
            let name = file_name(&wanted, &taken);
            let mut text = format!("schema = 1\nname = {}\n\n{}", quoted(&name), provider.tables);
            let mut said = String::new();
            if let Some(system) = &prompt.system {
                let _ = writeln!(said, "system = {}", quoted(system));
            }
            if !prompt.lead.is_empty() {
                let file = format!("prompts/{name}.md");
                let _ = writeln!(said, "files = [{}]   # precede the task", quoted(&file));
                draft.others.push((file, format!("{}\n", prompt.lead)));
            }
            if differ {
                let _ = writeln!(said, "template = {}", quoted(&prompt.template));
            }
            if !said.is_empty() {
                let _ = write!(text, "\n[prompt]\n{said}");
            }
            draft.profiles.push((format!("{name}.toml"), text));
            names.push(name);
        }
    }
    Ok(())
}

/// The profile that judges: the provider that the tests name for it, else the first one.
fn judge(
    draft: &mut Draft,
    config: &Map<String, Value>,
    first: Option<&super::provider::Provider>,
) -> Option<(String, String)> {
    let named = config.get("defaultTest").and_then(|test| test.get("options")?.get("provider"));
    let named = named.map(|value| value.get("text").unwrap_or(value)).cloned();
    let made = named.and_then(|value| provider(draft, "defaultTest.options.provider", &value));
    let tables = made.as_ref().or(first).map(|provider| provider.tables.clone())?;
    Some(("judge.toml".to_owned(), format!("schema = 1\nname = \"judge\"\n\n{tables}")))
}

/// Makes cases of the tests, and returns what they claim.
fn tests(draft: &mut Draft, config: &Map<String, Value>, dir: &Path) -> Claims {
    let mut claims = Claims::default();
    let common = match config.get("defaultTest") {
        Some(Value::Object(common)) => common.clone(),
        Some(Value::String(file)) => {
            draft.leave("defaultTest", format!("`{file}` is a file; write it into the configuration"));
            Map::new()
        }
        _ => Map::new(),
    };
    let mut tests: Vec<(String, Value)> = Vec::new();
    for (index, test) in list(config.get("tests")).into_iter().enumerate() {
        let place = format!("tests[{index}]");
        match test.as_str() {
            None => tests.push((place, test)),
            Some(file) => match read_tests(dir, file.strip_prefix("file://").unwrap_or(file)) {
                Ok(found) => {
                    tests.extend((1..).zip(found).map(|(row, test)| (format!("{file} test {row}"), test)));
                }
                Err(why) => draft.leave(place, why),
            },
        }
    }
    if tests.is_empty() && !common.is_empty() {
        tests.push(("defaultTest".to_owned(), Value::Object(Map::new())));
    }
    leave_options(draft, "defaultTest", &common);
    for (place, test) in tests {
        let Value::Object(test) = test else {
            draft.leave(place, "it is no test");
            continue;
        };
        leave_options(draft, &place, &test);
        let mut values = common.get("vars").and_then(Value::as_object).cloned().unwrap_or_default();
        values.extend(test.get("vars").and_then(Value::as_object).cloned().unwrap_or_default());
        let mut asserts = list(common.get("assert"));
        asserts.extend(list(test.get("assert")));
        // A set of assertions is taken apart: each is a score of its own.
        let asserts: Vec<Value> = asserts
            .into_iter()
            .flat_map(|assert| match assert.get("type").and_then(Value::as_str) {
                Some("assert-set") => list(assert.get("assert")),
                _ => vec![assert],
            })
            .collect();
        for mut case in vars::expand(draft, &place, values, dir) {
            for name in RESERVED {
                if let Some(value) = case.remove(name) {
                    if ["id", "group"].contains(&name) && (value.is_string() || value.is_u64())
                        || name == "expected"
                    {
                        case.insert(name.to_owned(), value);
                    } else {
                        draft
                            .leave(format!("{place}.vars.{name}"), "the name means something else in a case");
                    }
                }
            }
            claims.take(draft, &place, &asserts, &mut case);
            if let Some(Value::String(about)) = test.get("description") {
                case.entry("description").or_insert_with(|| Value::from(about.as_str()));
            }
            if !case.get("input").is_some_and(Value::is_string) {
                let input = input(&case);
                case.insert("input".to_owned(), Value::from(input));
            }
            draft.cases.push(case);
        }
    }
    claims
}

/// What a case asks, in the absence of a variable of that name: its only variable, or all of them.
fn input(case: &Map<String, Value>) -> String {
    let ours = |name: &str| {
        let slot = name.rsplit_once('_').is_some_and(|(begin, number)| {
            begin.trim_start_matches("not_").trim_start_matches('i') == "contains"
                && number.parse::<u8>().is_ok()
        });
        slot || ["equals", "expected", "rubric", "check", "description"].contains(&name)
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let vars: Vec<(&String, &Value)> = case.iter().filter(|(name, _)| !ours(name)).collect();
    match vars.as_slice() {
        [(_, only)] => text(only),
        vars => {
            vars.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join("\n")
        }
    }
}

/// What a test says beside its variables and assertions.
fn leave_options(draft: &mut Draft, place: &str, test: &Map<String, Value>) {
    for (key, value) in test {
        match key.as_str() {
            "vars" | "assert" | "description" => {}
            "options" => {
                let names = value.as_object().into_iter().flatten().map(|(name, _)| name.clone());
                for name in names.filter(|name| name != "provider" || place != "defaultTest") {
                    draft.leave(format!("{place}.options.{name}"), "nothing here is like it");
                }
            }
            "threshold" => draft.leave(format!("{place}.threshold"), "each score decides by itself"),
            "metadata" => {
                draft
                    .leave(format!("{place}.metadata"), "give the case `tags`, by which reports make slices");
            }
            other => draft.leave(format!("{place}.{other}"), "nothing here is like it"),
        }
    }
}

/// Tests in a file of their own.
fn read_tests(dir: &Path, file: &str) -> Result<Vec<Value>, String> {
    let text = vars::read(dir, file).map_err(|why| format!("`{file}` {why}"))?;
    let path = Path::new(file);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if ["csv", "tsv"].contains(&extension) {
        return Ok(samples::rows(path, &text)?.into_iter().map(row).collect());
    }
    if extension == "jsonl" {
        return samples::rows(path, &text);
    }
    match document(&text)? {
        Value::Array(tests) => Ok(tests),
        one => Ok(vec![one]),
    }
}

/// A row of a table of tests: columns are variables, and those with two underscores say what is expected.
fn row(row: Value) -> Value {
    let Value::Object(row) = row else { return row };
    let (mut vars, mut asserts, mut test) = (Map::new(), Vec::new(), Map::new());
    for (name, value) in row {
        match name.strip_prefix("__") {
            None => {
                vars.insert(name, value);
            }
            Some("description") => {
                test.insert("description".to_owned(), value);
            }
            Some(name) if name.starts_with("expected") => {
                if let Some(text) = value.as_str() {
                    asserts.push(expectation(text));
                }
            }
            Some(other) => {
                test.insert(other.to_owned(), value);
            }
        }
    }
    test.insert("vars".to_owned(), Value::Object(vars));
    test.insert("assert".to_owned(), Value::Array(asserts));
    Value::Object(test)
}

/// `contains: x`, `is-json`, `grade: …`, or the expected text itself.
fn expectation(text: &str) -> Value {
    let known = [
        "equals",
        "contains",
        "icontains",
        "contains-all",
        "contains-any",
        "icontains-all",
        "icontains-any",
        "not-contains",
        "not-icontains",
        "regex",
        "starts-with",
        "is-json",
        "llm-rubric",
        "javascript",
        "python",
        "similar",
        "cost",
        "latency",
        "not-regex",
        "not-equals",
    ];
    if text.trim() == "is-json" {
        return serde_json::json!({ "type": "is-json" });
    }
    if let Some((head, value)) = text.split_once(':') {
        let kind = match head.split('(').next().unwrap_or_default().trim() {
            "grade" => "llm-rubric",
            "fn" | "eval" => "javascript",
            other => other,
        };
        if known.contains(&kind) {
            return serde_json::json!({ "type": kind, "value": value.trim() });
        }
    }
    serde_json::json!({ "type": "equals", "value": text })
}
