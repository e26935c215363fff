//! Which harness honours which key: the table that refuses a setting by name instead of dropping it.

/// The harnesses of this version, in the order of the columns of help texts.
pub const HARNESSES: [&str; 4] = ["claude", "command", "chat", "scripted"];

/// Harnesses that have a name and no code yet.
pub(super) const NOT_YET: [&str; 6] = ["codex", "opencode", "gemini", "aider", "acp", "opencode-server"];

/// A key that not every harness honours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The key's path.
    pub key: &'static str,
    /// The value it is about, where others are honoured by all.
    pub value: Option<&'static str>,
    /// Who honours it.
    pub harnesses: &'static [&'static str],
}

const fn row(key: &'static str, harnesses: &'static [&'static str]) -> Capability {
    Capability { key, value: None, harnesses }
}

/// A key that is not in this table is honoured by provost itself, whatever the harness.
const TABLE: [Capability; 18] = [
    row("agent.model", &["claude", "chat"]),
    row("agent.endpoint", &["claude", "chat"]),
    row("agent.command", &["claude", "command"]),
    row("agent.args", &["claude", "command"]),
    row("agent.script", &["scripted"]),
    row("agent.prompt_via", &["claude", "command"]),
    Capability { key: "agent.prompt_via", value: Some("file"), harnesses: &["command"] },
    row("agent.protocol", &["command"]),
    row("agent.permissions", &["claude"]),
    row("agent.tools", &["chat", "scripted"]),
    row("agent.max_turns", &["chat"]),
    row("model.max_output_tokens", &["claude", "chat"]),
    row("model.temperature", &["chat"]),
    row("model.reasoning_effort", &["chat"]),
    row("model.seed", &["chat"]),
    row("prompt.system", &["claude", "chat", "scripted"]),
    row("prompt.system_file", &["claude", "chat", "scripted"]),
    Capability { key: "lineage.session", value: Some("continue"), harnesses: &["claude"] },
];

/// Every key that not every harness honours.
pub fn capabilities() -> &'static [Capability] {
    &TABLE
}

/// The table for help texts: a line of headings, then a line for each key.
pub fn capability_table() -> String {
    let names: Vec<String> = TABLE
        .iter()
        .map(|row| match row.value {
            Some(value) => format!("{} = {value:?}", row.key),
            None => row.key.to_owned(),
        })
        .collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let line = |name: &str, cells: [&str; HARNESSES.len()]| {
        let cells =
            HARNESSES.iter().zip(cells).map(|(harness, cell)| format!("{cell:w$}", w = harness.len()));
        let columns: Vec<String> = std::iter::once(format!("{name:width$}")).chain(cells).collect();
        columns.join("  ").trim_end().to_owned() + "\n"
    };
    let rows = TABLE.iter().zip(&names).map(|(row, name)| {
        line(name, HARNESSES.map(|harness| if row.harnesses.contains(&harness) { "yes" } else { "-" }))
    });
    std::iter::once(line("key", HARNESSES)).chain(rows).collect()
}
