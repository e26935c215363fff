//! Which harness honours which key: the table that refuses a setting by name instead of dropping it.

/// A key, or one value of it, that not every harness honours.
type Key = (&'static str, Option<&'static str>);

/// What one harness honours of [`KEYS`].
struct Column {
    harness: &'static str,
    honours: &'static [Key],
}

/// The harnesses of this version, in the order of the columns of help texts.
pub const HARNESSES: [&str; COLUMNS.len()] = {
    let mut names = [""; COLUMNS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = COLUMNS[index].harness;
        index += 1;
    }
    names
};

/// A key that not every harness honours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The key's path.
    pub key: &'static str,
    /// The value it is about, where others are honoured by all who honour the key, or by all.
    pub value: Option<&'static str>,
    /// Who honours it.
    pub harnesses: Vec<&'static str>,
}

const MODEL: Key = ("agent.model", None);
const ENDPOINT: Key = ("agent.endpoint", None);
const COMMAND: Key = ("agent.command", None);
const ARGS: Key = ("agent.args", None);
const SCRIPT: Key = ("agent.script", None);
const SERVER: Key = ("agent.server", None);
const PROMPT_VIA: Key = ("agent.prompt_via", None);
const PROMPT_FILE: Key = ("agent.prompt_via", Some("file"));
const PROTOCOL: Key = ("agent.protocol", None);
const PERMISSIONS: Key = ("agent.permissions", None);
const BYPASS: Key = ("agent.permissions", Some("bypass"));
const ACCEPT_EDITS: Key = ("agent.permissions", Some("accept-edits"));
const READ_ONLY: Key = ("agent.permissions", Some("read-only"));
const MCP: Key = ("agent.mcp", None);
const TOOLS: Key = ("agent.tools", None);
const MAX_TURNS: Key = ("agent.max_turns", None);
const MAX_OUTPUT: Key = ("model.max_output_tokens", None);
const TEMPERATURE: Key = ("model.temperature", None);
const EFFORT: Key = ("model.reasoning_effort", None);
const SEED: Key = ("model.seed", None);
const SYSTEM: Key = ("prompt.system", None);
const SYSTEM_FILE: Key = ("prompt.system_file", None);
const IMAGES: Key = ("prompt.images", None);
const CONTINUE: Key = ("lineage.session", Some("continue"));
const FORK: Key = ("lineage.fork", Some("require"));
const POLL: Key = ("stream.mode", Some("poll"));

/// The rows. A key that is not among them is honoured by provost itself, whatever the harness.
const KEYS: [Key; 26] = [
    MODEL,
    ENDPOINT,
    COMMAND,
    ARGS,
    SCRIPT,
    SERVER,
    PROMPT_VIA,
    PROMPT_FILE,
    PROTOCOL,
    PERMISSIONS,
    BYPASS,
    ACCEPT_EDITS,
    READ_ONLY,
    MCP,
    TOOLS,
    MAX_TURNS,
    MAX_OUTPUT,
    TEMPERATURE,
    EFFORT,
    SEED,
    SYSTEM,
    SYSTEM_FILE,
    IMAGES,
    CONTINUE,
    FORK,
    POLL,
];

/// The columns: a new harness adds its own and touches no other.
const COLUMNS: [Column; 10] = [
    Column {
        harness: "claude",
        honours: &[
            MODEL,
            ENDPOINT,
            COMMAND,
            ARGS,
            PROMPT_VIA,
            PERMISSIONS,
            BYPASS,
            ACCEPT_EDITS,
            READ_ONLY,
            MCP,
            MAX_OUTPUT,
            SYSTEM,
            SYSTEM_FILE,
            CONTINUE,
            FORK,
        ],
    },
    Column {
        harness: "codex",
        honours: &[
            MODEL,
            ENDPOINT,
            COMMAND,
            ARGS,
            PROMPT_VIA,
            PERMISSIONS,
            BYPASS,
            ACCEPT_EDITS,
            READ_ONLY,
            MCP,
            EFFORT,
            SYSTEM,
            SYSTEM_FILE,
            IMAGES,
            CONTINUE,
            FORK,
        ],
    },
    Column {
        harness: "opencode",
        honours: &[
            MODEL,
            ENDPOINT,
            COMMAND,
            ARGS,
            PERMISSIONS,
            BYPASS,
            ACCEPT_EDITS,
            READ_ONLY,
            MCP,
            MAX_TURNS,
            MAX_OUTPUT,
            TEMPERATURE,
            SYSTEM,
            SYSTEM_FILE,
            CONTINUE,
            FORK,
        ],
    },
    Column {
        harness: "gemini",
        honours: &[
            MODEL,
            ENDPOINT,
            COMMAND,
            ARGS,
            PROMPT_VIA,
            PERMISSIONS,
            BYPASS,
            ACCEPT_EDITS,
            READ_ONLY,
            MCP,
            SYSTEM,
            SYSTEM_FILE,
            CONTINUE,
        ],
    },
    Column {
        harness: "aider",
        honours: &[MODEL, ENDPOINT, COMMAND, ARGS, PERMISSIONS, BYPASS, SYSTEM, SYSTEM_FILE, CONTINUE],
    },
    Column {
        harness: "acp",
        honours: &[MODEL, COMMAND, ARGS, PERMISSIONS, BYPASS, ACCEPT_EDITS, READ_ONLY, MCP, CONTINUE],
    },
    Column { harness: "command", honours: &[COMMAND, ARGS, PROMPT_VIA, PROMPT_FILE, PROTOCOL] },
    Column {
        harness: "chat",
        honours: &[
            MODEL,
            ENDPOINT,
            TOOLS,
            MAX_TURNS,
            MCP,
            MAX_OUTPUT,
            TEMPERATURE,
            EFFORT,
            SEED,
            SYSTEM,
            SYSTEM_FILE,
            IMAGES,
        ],
    },
    Column {
        harness: "opencode-server",
        honours: &[
            MODEL,
            ENDPOINT,
            COMMAND,
            ARGS,
            SERVER,
            PERMISSIONS,
            BYPASS,
            ACCEPT_EDITS,
            READ_ONLY,
            MCP,
            MAX_OUTPUT,
            TEMPERATURE,
            SYSTEM,
            SYSTEM_FILE,
            CONTINUE,
            FORK,
            POLL,
        ],
    },
    Column { harness: "scripted", honours: &[SCRIPT, TOOLS, MCP, SYSTEM, SYSTEM_FILE] },
];

/// Every key that not every harness honours.
pub fn capabilities() -> Vec<Capability> {
    KEYS.iter()
        .map(|row| Capability {
            key: row.0,
            value: row.1,
            harnesses: COLUMNS
                .iter()
                .filter(|column| column.honours.contains(row))
                .map(|column| column.harness)
                .collect(),
        })
        .collect()
}

/// The table for help texts: a line of headings, then a line for each key.
pub fn capability_table() -> String {
    let rows = capabilities();
    let names: Vec<String> = rows
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
    let lines = rows.iter().zip(&names).map(|(row, name)| {
        line(name, HARNESSES.map(|harness| if row.harnesses.contains(&harness) { "yes" } else { "-" }))
    });
    std::iter::once(line("key", HARNESSES)).chain(lines).collect()
}
