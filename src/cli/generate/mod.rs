//! What is made from the definitions themselves: man pages, completions, schemas, help texts.

mod outlook;
mod pages;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use crate::cli::error::{CliError, environment};
use crate::cli::{data, exit};

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The kind of file
    kind: FileKind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FileKind {
    /// An agent profile
    Profile,
    /// A suite of cases, scores and a gate
    Suite,
    /// A verdict with its figures: `verdict.reached` in a journal, and the `body` of `certificate.json`
    Result,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The page, with or without `provost-`: `run`, `profile`; `suite` is the verb, and `suite.5` the file
    #[arg(default_value = "provost")]
    page: String,
    /// Write all pages and completions below this directory instead, as `man/` and `completions/`
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// Arguments of `help`.
#[derive(Debug, Args)]
pub(crate) struct HelpArgs {
    /// A verb or a topic
    topic: Option<String>,
}

/// `provost schema`
pub(crate) fn schema(args: &SchemaArgs) -> Result<u8, CliError> {
    let schema = match args.kind {
        FileKind::Profile => crate::profile::json_schema(),
        FileKind::Suite => crate::profile::suite_schema(),
        FileKind::Result => crate::report::grid::result_schema(),
    };
    let text = serde_json::to_string_pretty(&schema).map_err(environment)?;
    data(&format!("{text}\n"))
}

/// `provost completions`
pub(crate) fn completions(mut command: Command, args: &CompletionsArgs) -> Result<u8, CliError> {
    data(&completion(&mut command, args.shell))
}

fn completion(command: &mut Command, shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, command, "provost", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `provost man`
pub(crate) fn man(command: &Command, args: &ManArgs) -> Result<u8, CliError> {
    let pages = pages(command)?;
    if let Some(dir) = &args.write {
        let mut files: Vec<(PathBuf, String)> = pages
            .into_iter()
            .map(|(name, section, text)| (dir.join("man").join(format!("{name}.{section}")), text))
            .collect();
        for (shell, name) in
            [(Shell::Bash, "provost.bash"), (Shell::Zsh, "_provost"), (Shell::Fish, "provost.fish")]
        {
            files.push((dir.join("completions").join(name), completion(&mut command.clone(), shell)));
        }
        for (path, text) in files {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(environment)?;
            }
            crate::journal::write_atomic(&path, text.as_bytes()).map_err(environment)?;
        }
        return Ok(0);
    }
    // A verb and a file may share a name, and then the verb is meant; with the section it is one page.
    let asked = args.page.strip_prefix("provost-").unwrap_or(&args.page);
    let is_asked = |name: &str, section: u8| {
        let name = name.strip_prefix("provost-").unwrap_or(name);
        asked == name || asked == format!("{name}.{section}")
    };
    let Some((_, _, text)) = pages.iter().find(|(name, section, _)| is_asked(name, *section)) else {
        let names: Vec<&str> = pages.iter().map(|(name, ..)| name.as_str()).collect();
        return Err(CliError::usage(format!("there is no page `{}`", args.page)).hint(names.join(", ")));
    };
    data(text)
}

/// Every page: its name, its section and its text.
fn pages(command: &Command) -> Result<Vec<(String, u8, String)>, CliError> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    let mut pages = vec![("provost".to_owned(), 1, page(&command)?)];
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("provost-{}", verb.get_name());
        pages.push((name, 1, page(verb)?));
    }
    pages.extend(pages::all().map(|(name, section, text)| (name.to_owned(), section, text)));
    Ok(pages)
}

fn page(command: &Command) -> Result<String, CliError> {
    let man = clap_mangen::Man::new(command.clone())
        .date("")
        .source(concat!("provost ", env!("CARGO_PKG_VERSION")));
    let mut bytes = Vec::new();
    man.render(&mut bytes).map_err(environment)?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    // An empty date is left out, and the source would stand in its place.
    text = text.replacen("  \"provost ", " \"\" \"provost ", 1);
    text.push_str(".SH \"EXIT STATUS\"\n");
    for (code, meaning) in exit::TABLE {
        let _ = write!(text, ".TP\n\\fB{code}\\fR\n{meaning}\n");
    }
    Ok(text)
}

/// `provost help`
pub(crate) fn help(mut command: Command, args: &HelpArgs) -> Result<u8, CliError> {
    command.build();
    let Some(topic) = &args.topic else { return data(&command.render_long_help().to_string()) };
    match topic.as_str() {
        "exit-codes" => data(&exit::table()),
        "harnesses" => data(&crate::profile::capability_table()),
        verb => match command.find_subcommand_mut(verb) {
            Some(found) => data(&found.render_long_help().to_string()),
            None => Err(CliError::usage(format!("there is no help on `{verb}`"))
                .hint("name a verb, or one of: exit-codes, harnesses")),
        },
    }
}
