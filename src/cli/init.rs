//! `provost init`: a working profile for what is found on this machine.

mod import;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::backend::registry::resolve;

use super::context::Context;
use super::data;
use super::error::{CliError, environment};

/// Arguments of `init`.
#[derive(Clone, Debug, Args)]
pub(crate) struct InitArgs {
    /// Where to write it; never overwrites
    #[arg(default_value = "provost.toml")]
    file: PathBuf,
    /// The same as FILE
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    out: Option<PathBuf>,
    /// Make it from the `agent-runner.toml` of a project, and list what has no counterpart
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Print it instead
    #[arg(long)]
    print: bool,
}

/// An agent CLI that may be there: its program, which its harness is named after, and what it may do without asking.
const AGENTS: &[(&str, &str)] = &[
    ("claude", "permissions = \"accept-edits\"   # bypass | accept-edits | read-only\n"),
    ("codex", "permissions = \"accept-edits\"   # bypass | accept-edits | read-only\n"),
    ("opencode", "permissions = \"accept-edits\"   # bypass | accept-edits | read-only\n"),
    ("gemini", "permissions = \"accept-edits\"   # bypass | accept-edits | read-only\n"),
    ("aider", "permissions = \"bypass\"   # it has no other way without a person\n"),
];

/// Keys that may be there: the variable, the protocol, the address, and a model to begin with.
const KEYS: &[(&str, &str, &str, &str)] = &[
    ("ANTHROPIC_API_KEY", "anthropic", "https://api.anthropic.com/v1", "anthropic/claude-sonnet-4-5"),
    ("OPENAI_API_KEY", "openai", "https://api.openai.com/v1", "openai/gpt-5-mini"),
    ("OPENROUTER_API_KEY", "openai", "https://openrouter.ai/api/v1", "openrouter/auto"),
    ("GROQ_API_KEY", "openai", "https://api.groq.com/openai/v1", "groq/openai/gpt-oss-120b"),
];

/// Checks that may make sense, by the file that says so.
const CHECKS: &[(&str, &str)] = &[
    ("Cargo.toml", "[\"cargo\", \"test\", \"-q\"]"),
    ("package.json", "[\"npm\", \"test\", \"--silent\"]"),
    ("go.mod", "[\"go\", \"test\", \"./...\"]"),
    ("pyproject.toml", "[\"python3\", \"-m\", \"pytest\", \"-q\"]"),
    ("Makefile", "[\"make\", \"test\"]"),
];

/// Writes a first profile.
pub(crate) fn init(context: &Context, args: &InitArgs) -> Result<u8, CliError> {
    let file = args.out.as_ref().unwrap_or(&args.file);
    if let Some(from) = &args.from {
        return import::import(context, from, file, args.print);
    }
    let (profile, found) = profile(context);
    if args.print {
        return data(&profile);
    }
    write_new(&context.cwd.join(file), &profile)?;
    let shown = file.display();
    super::say(&format!(
        "wrote {shown} for {found}\n\
         next: provost run --check -p {shown}   (sees whether all is there, and asks the model for one word)\n\
         then: provost run -p {shown} \"what to do\"\n"
    ));
    Ok(0)
}

/// Writes a file that is not there yet.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => CliError::usage(format!("{} is there already", path.display()))
            .hint("name another file, or look at what would be written with `--print`"),
        _ => CliError::unavailable(format!("cannot write {}: {error}", path.display())),
    })?;
    file.write_all(text.as_bytes()).map_err(environment)
}

fn profile(context: &Context) -> (String, String) {
    let path = context.environment.get("PATH").map_or("", String::as_str);
    let agent = AGENTS.iter().find(|(program, _)| resolve(program, path, &context.cwd).is_some());
    let key =
        KEYS.iter().find(|(name, ..)| context.environment.get(*name).is_some_and(|value| !value.is_empty()));
    let (table, endpoint, found) = match (agent, key) {
        (Some((program, table)), _) => (format!("harness = \"{program}\"\n{table}"), String::new(), format!("`{program}`, found on your PATH")),
        (None, Some((name, api, url, model))) => (
            format!("harness = \"chat\"\nmodel = \"{model}\"\nendpoint = \"main\"\n"),
            format!("\n[endpoints.main]\napi = \"{api}\"\nbase_url = \"{url}\"\nkey_env = \"{name}\"   # the name of the variable; never the key\n"),
            format!("the key in `{name}`"),
        ),
        (None, None) => (
            "# Nothing was found: no agent CLI on your PATH and no key. This command only repeats its prompt;\n\
             # put your own agent here.\n\
             harness = \"command\"\ncommand = [\"cat\"]\n"
                .to_owned(),
            String::new(),
            "a placeholder: no agent CLI and no key were found".to_owned(),
        ),
    };
    let check = CHECKS.iter().find(|(file, _)| context.cwd.join(file).exists());
    let check = match check {
        Some((_, command)) => {
            format!("[check]                      # done means checked: exit 0\ncommand = {command}\n")
        }
        None => {
            "# [check]                    # done means checked: exit 0\n# command = [\"make\", \"test\"]\n"
                .to_owned()
        }
    };
    let text = format!(
        "# A profile is the whole agent as data. All keys: `provost schema profile`, provost-run(1).\n\
         schema = 1\nname = \"first\"\n\n[agent]                      # found: {found}\n{table}\n\
         [prompt]\n# system = \"You fix failing tests.\"\n# files = [\"prompts/common.md\"]   # they precede the task\n\n\
         {check}\n\
         [budget]                     # ceilings of a whole run; absent means none\n\
         rounds = 3                   # the check's output feeds the next round\n\
         # usd = 5.0                  # with it, spend of unknown price stops the run\nwall = \"1h\"\n\n\
         [round]                      # deadlines of one round\ntimeout = \"30m\"\nstall = \"10m\"\n{endpoint}"
    );
    (text, found)
}
