//! The man pages that are not about a verb: files, events and faults, made from the tables that the code itself uses.

mod suite;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::outlook;
use crate::backend::agent::OWN_LOOPS;
use crate::event::Kind;
use crate::fault;
use crate::profile;

/// What the pages are about.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Every page: its name, its section and its text.
pub(super) fn all() -> [(&'static str, u8, String); 4] {
    [
        ("provost-profile", 5, profile()),
        ("provost-suite", 5, suite::page()),
        ("provost-events", 7, events()),
        ("provost-faults", 7, faults()),
    ]
}

/// A page as it grows. All text goes through [`escape`]; only this type writes requests.
struct Page(String);

impl Page {
    fn new(name: &str, section: u8, about: &str) -> Self {
        let mut page = Self(format!(
            ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH {name} {section} \"\" \"provost {VERSION}\"\n"
        ));
        page.heading("NAME");
        let _ = writeln!(page.0, "{} \\- {}", escape(name), escape(about));
        page
    }

    fn heading(&mut self, words: &str) {
        let _ = writeln!(self.0, ".SH \"{}\"", escape(words));
    }

    fn part(&mut self, words: &str) {
        let _ = writeln!(self.0, ".SS \"{}\"", escape(words));
    }

    fn text(&mut self, words: &str) {
        let _ = writeln!(self.0, "{}", inline(words));
    }

    fn paragraph(&mut self, words: &str) {
        self.0.push_str(".PP\n");
        self.text(words);
    }

    /// A term in bold, what stands beside it, and what it means.
    fn item(&mut self, term: &str, beside: &str, meaning: &str) {
        let beside = if beside.is_empty() { String::new() } else { format!(" {}", inline(beside)) };
        let _ = writeln!(self.0, ".TP\n\\fB{}\\fR{beside}\n{}", escape(term), inline(meaning));
    }

    /// Text as it stands, in a fixed width.
    fn verbatim(&mut self, text: &str) {
        self.0.push_str(".PP\n.nf\n");
        for line in text.lines() {
            let _ = writeln!(self.0, "{}", escape(line));
        }
        self.0.push_str(".fi\n");
    }
}

/// Text that roff prints as it is: no character of it is a request, an escape or a typographic replacement.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            escaped.push('\n');
        }
        if line.starts_with(['.', '\'']) {
            escaped.push_str("\\&");
        }
        for c in line.chars() {
            match c {
                '\\' => escaped.push_str("\\e"),
                '-' => escaped.push_str("\\-"),
                '\'' => escaped.push_str("\\(aq"),
                '`' => escaped.push_str("\\(ga"),
                '^' => escaped.push_str("\\(ha"),
                '~' => escaped.push_str("\\(ti"),
                '"' => escaped.push_str("\\(dq"),
                '…' => escaped.push_str("..."),
                c => escaped.push(c),
            }
        }
    }
    escaped
}

/// Prose in which backquotes mark what is typed as it stands.
fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd backquote marks nothing: it is a character.
    if parts.len().is_multiple_of(2) {
        return escape(text);
    }
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index % 2 == 1 {
            let _ = write!(out, "\\fB{}\\fR", escape(part).trim_start_matches("\\&"));
        } else if index == 0 {
            out.push_str(&escape(part));
        } else {
            out.push_str(escape(part).trim_start_matches("\\&"));
        }
    }
    out
}

/// `provost-profile(5)`
fn profile() -> String {
    let schema = profile::json_schema();
    let mut page = Page::new("provost-profile", 5, "the agent as data");
    page.heading("DESCRIPTION");
    page.text(
        "A profile is a TOML file that says what drives an agent, what it is told, how its result is checked and what it \
         may consume. It is resolved once: defaults, the files that it `extends`, the file itself, then each `--set`, of \
         which later ones win. A key that nobody knows, or that the harness cannot honour, is refused by name. \
         `provost schema profile` prints a JSON schema of this file for editors.",
    );
    page.heading("KEYS");
    keys(&mut page, &schema, &schema, "", &mut Vec::new());
    page.heading("HARNESSES");
    page.text("A key that is not in this table is honoured by provost itself, whatever the harness.");
    page.verbatim(&profile::capability_table());
    see_also(&mut page, &["provost(1)", "provost-run(1)", "provost-init(1)", "provost-faults(7)"]);
    page.0
}

/// The keys of one table: its own first, then the tables in it. A table that was `told` before is named only.
fn keys<'a>(page: &mut Page, schema: &'a Value, table: &'a Value, path: &str, told: &mut Vec<&'a Value>) {
    let Some(properties) = table.get("properties").and_then(Value::as_object) else { return };
    let mut tables = Vec::new();
    for (name, property) in properties {
        let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let (inner, path) = match property.get("additionalProperties") {
            Some(each @ Value::Object(_)) => (target(schema, each), format!("{key}.NAME")),
            _ => (target(schema, property), key.clone()),
        };
        let is_told = told.iter().any(|table| std::ptr::eq(*table, inner));
        if inner.get("properties").is_some() && !is_told {
            let heading = if is_list(property) { format!("[[{path}]]") } else { format!("[{path}]") };
            tables.push((heading, path, inner, description(property)));
        } else {
            page.item(&key, &default(property), &meaning(property, inner));
        }
    }
    for (heading, path, inner, about) in tables {
        page.part(&heading);
        page.text(about);
        told.push(inner);
        keys(page, schema, inner, &path, told);
    }
}

/// Whether a property is, or may be, a list.
fn is_list(property: &Value) -> bool {
    let forms = property.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    property.get("items").is_some() || forms.into_iter().any(is_list)
}

/// The definition that a property refers to, or the property itself.
fn target<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    /// The name of a definition: of the value itself, of one of its forms, or of what may stand in the list that it is.
    fn reference(value: &Value) -> Option<&str> {
        let forms = |key: &str| value.get(key)?.as_array()?.iter().find_map(reference);
        let own = || value.get("$ref")?.as_str()?.strip_prefix("#/$defs/");
        own().or_else(|| forms("anyOf")).or_else(|| forms("oneOf")).or_else(|| reference(value.get("items")?))
    }
    let name = reference(property);
    name.and_then(|name| schema.get("$defs")?.get(name)).unwrap_or(property)
}

fn description(property: &Value) -> &str {
    property.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// The description, and the words that a choice allows.
fn meaning(property: &Value, target: &Value) -> String {
    let mut meaning = description(property).replace('\n', " ");
    let choices = target.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    for (index, choice) in choices.filter_map(Value::as_object).enumerate() {
        let word = |choice: &Map<String, Value>| Some(choice.get("const")?.as_str()?.to_owned());
        let Some(word) = word(choice) else { continue };
        let about = choice.get("description").and_then(Value::as_str).unwrap_or_default();
        let about = about.trim_end_matches('.').replace('\n', " ");
        meaning.push_str(if index == 0 { " One of" } else { ";" });
        let _ = write!(meaning, " `\"{word}\"`: {about}");
        if index + 1 == target.get("oneOf").and_then(Value::as_array).map_or(0, Vec::len) {
            meaning.push('.');
        }
    }
    if let Some(about) = target.get("pattern").and(target.get("description")).and_then(Value::as_str) {
        let _ = write!(meaning, " {about}");
    }
    meaning
}

fn default(property: &Value) -> String {
    match property.get("default") {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(list)) if list.is_empty() => String::new(),
        Some(Value::Object(table)) if table.is_empty() => String::new(),
        Some(value) => format!("(default `{value}`)"),
    }
}

/// `provost-events(7)`
fn events() -> String {
    let mut page = Page::new("provost-events", 7, "what a journal tells");
    page.heading("DESCRIPTION");
    page.text(
        "The journal of a run, `journal.jsonl`, holds a header line and then one JSON object a line. Each has `seq`, its \
         place without gaps; `at`, the time in UTC; `node`, the agent of the run that it is about; `kind`, one of the \
         words below; and the keys of that kind. `--json` prints the same lines.",
    );
    page.paragraph(
        "Kinds and keys are only ever added. A reader passes over a kind and a key that it does not know. A key that \
         is absent is unknown, which is not zero.",
    );
    page.heading("ORDER");
    page.text("In every run (`?` at most once, `*` any number, `+` at least one, `|` one of):");
    page.verbatim(GRAMMAR);
    page.paragraph(
        "A killed run stops anywhere in this grammar; `run.resumed` says what was cut and what was in doubt.",
    );
    page.heading("KINDS");
    for (word, about) in Kind::ABOUT {
        page.item(word, "", about);
    }
    see_also(&mut page, &["provost(1)", "provost-peek(1)", "provost-faults(7)"]);
    page.0
}

/// The same as in the header of the room `event`.
const GRAMMAR: &str = "\
run      = run.started (round | check | wait | alert | run.resumed)* run.ended
round    = round.started attempt+ round.ended
attempt  = attempt.started prompt.sent* agent.spawned?
           (attempt.accepted | turn | tool | usage | retry)*
           agent.exited? (attempt.finished | attempt.failed)
turn     = turn.ended
tool     = tool.called tool.returned
check    = check.started check.ended
wait     = wait.started wait.ended
";

/// `provost-faults(7)`
fn faults() -> String {
    let mut page = Page::new("provost-faults", 7, "how failures are classified");
    page.heading("DESCRIPTION");
    page.text(
        "Each failure is classified once, where it is seen, by the first rule below that matches. The journal names the \
         rule in `rule`, the class in `class`, and how far it reaches in `scope`: the `request`, the `model`, the \
         `account`, the `provider`, or this machine (`local`). What no rule matches is `unknown`, with its text kept.",
    );
    page.paragraph(
        "A failure that is retried is tried again on the same model, `retry.same_model` times at most and only while \
         nothing of an answer had come, or while what was done is kept. A failure that ends the run would be the same \
         in another round.",
    );
    page.heading("WHAT FOLLOWS");
    page.text(
        "Of each class and how far it reaches: how often the same candidate is asked again, in what another one must \
         differ, the nearest first, and for how long what failed is left alone. `Until told` is a time that the server \
         gave; without one, the time that stands there. An estimate doubles with each failure that follows without a \
         success between, up to 32 times and 30 minutes, and binds nobody who has no other candidate. A conversation \
         that is too large is told shorter once, and then told to a larger window.",
    );
    page.paragraph(
        "A wait that the server asked for is waited out where it fits into `retry.wait`; our own wait is a random time \
         below 1 s, then 2 s, 4 s and 8 s. The same failure three times in a row ends the retries, and on three \
         candidates in a row the turn: then it is not the candidate that fails.",
    );
    for (failure, follows) in outlook::table() {
        page.item(&failure, "", &follows);
    }
    page.heading("WHAT AGENTS REPEAT BY THEMSELVES");
    for (harness, loops) in OWN_LOOPS {
        page.item(harness, "", loops);
    }
    page.heading("RULES");
    for rule in fault::rules() {
        let scope = outlook::word(rule.scope);
        let next = if fault::retryable(rule.class) {
            "retried"
        } else if fault::ends_run(rule.class) {
            "ends the run"
        } else {
            "not retried"
        };
        let tests: Vec<String> = rule.tests.iter().map(ToString::to_string).collect();
        let origin = match rule.origin {
            Some(fault::Origin::Claude) => "From claude: ",
            Some(fault::Origin::Codex) => "From codex: ",
            Some(fault::Origin::Opencode) => "From opencode: ",
            Some(fault::Origin::Gemini) => "From gemini: ",
            Some(fault::Origin::Aider) => "From aider: ",
            Some(fault::Origin::Acp) => "From an ACP agent: ",
            Some(fault::Origin::OpenAi) => "From an OpenAI-compatible endpoint: ",
            Some(fault::Origin::Anthropic) => "From an Anthropic endpoint: ",
            Some(fault::Origin::Command) => "From a command: ",
            None => "",
        };
        let class = format!("`{}`, scope {scope}, {next}", rule.class);
        page.item(rule.id, &class, &format!("{origin}{}.", tests.join("; and ")));
    }
    see_also(&mut page, &["provost(1)", "provost-profile(5)", "provost-events(7)"]);
    page.0
}

fn see_also(page: &mut Page, pages: &[&str]) {
    page.heading("SEE ALSO");
    let names: Vec<String> = pages
        .iter()
        .filter_map(|page| page.split_once('('))
        .map(|(name, section)| format!("`{name}`({section}"))
        .collect();
    page.text(&names.join(", "));
}

#[cfg(test)]
mod tests {
    use super::{escape, inline};

    #[test]
    fn nothing_in_a_text_is_a_request() {
        assert_eq!(escape(".git is 'here'"), "\\&.git is \\(aqhere\\(aq");
        assert_eq!(escape("'tis\n.x"), "\\&\\(aqtis\n\\&.x");
        assert_eq!(escape("a\\d --set"), "a\\ed \\-\\-set");
    }

    #[test]
    fn backquotes_mark_what_is_typed() {
        assert_eq!(inline("see `a-b`."), "see \\fBa\\-b\\fR.");
        assert_eq!(inline("a ` alone"), "a \\(ga alone");
        assert_eq!(inline("`.x` first"), "\\fB.x\\fR first");
    }
}
