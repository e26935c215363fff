//! `provost suite import`: a suite, its cases and profiles from what another tool has.
//!
//! [`promptfoo`] reads a configuration and [`samples`] a table of inputs and targets, each into a [`draft`], which is then
//! written. What a draft cannot hold is listed, and never half done.

mod assert;
mod draft;
mod promptfoo;
mod provider;
mod samples;
mod vars;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::cli::context::{Context, say};
use crate::cli::error::{CliError, environment};
use crate::cli::init::write_new;
use crate::profile::{self, Source};
use draft::Draft;

/// Arguments of `suite import`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// A promptfoo configuration (YAML or JSON), or samples (JSON lines, JSON or CSV)
    file: PathBuf,
    /// The directory to write to; it is made if need be
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
}

/// Imports.
pub(crate) fn import(context: &Context, args: &ImportArgs) -> Result<u8, CliError> {
    let from = context.cwd.join(&args.file);
    let text = std::fs::read_to_string(&from).map_err(|error| {
        CliError::usage(format!("cannot read {}: {error}", args.file.display()))
            .hint("name a promptfoo configuration, or a file of samples")
    })?;
    let dir = from.parent().unwrap_or(&context.cwd);
    let fail = |why: String| CliError::usage(format!("{} cannot be taken over: {why}", args.file.display()));
    let draft = draft(&from, &text, dir).map_err(fail)?;
    let files = draft.files();
    let out = context.cwd.join(&args.out);
    if let Some((name, _)) = files.iter().find(|(name, _)| out.join(name).exists()) {
        let path = args.out.join(name);
        return Err(
            CliError::usage(format!("{} is there already", path.display())).hint("name another directory")
        );
    }
    for (name, text) in &files {
        let path = out.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&out)).map_err(environment)?;
        write_new(&path, text)?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    say(&format!("wrote {} to {}: {}\n", draft.about(), args.out.display(), names.join(", ")));
    say(&draft.list());
    // What was written is read as any other suite is.
    let beside = |name: &String| args.out.join(name).display().to_string();
    let profiles: Vec<String> = draft.profile_files().iter().map(beside).collect();
    let suite = args.out.join("suite.toml");
    let colour = context.stderr_look().colour;
    let mut problems = Vec::new();
    if let Err(error) = profile::load_suite(Source { path: &suite, sets: &[], cwd: &context.cwd }) {
        problems.push(error.render(colour));
    }
    for path in &profiles {
        if let Err(error) = profile::load(Source { path: Path::new(path), sets: &[], cwd: &context.cwd }) {
            problems.push(error.render(colour));
        }
    }
    if !problems.is_empty() {
        return Err(CliError::report(problems.join("\n\n")).hint("correct this in what was written"));
    }
    let suite = suite.display();
    let mut next = format!("next: provost suite check -S {suite}");
    for path in profiles.iter().filter(|_| draft.own_templates) {
        let _ = write!(next, " -p {path}");
    }
    next.push('\n');
    match profiles.as_slice() {
        [] => next.push_str("then: provost init, for a profile, and provost certify -p PROFILE -S SUITE\n"),
        [one] => {
            let _ = writeln!(next, "then: provost certify -p {one} -S {suite}");
        }
        [first, second, ..] => {
            let _ = writeln!(next, "then: provost certify -p {second} --baseline {first} -S {suite}");
        }
    }
    say(&next);
    Ok(0)
}

/// Reads whichever it is.
fn draft(path: &Path, text: &str, dir: &Path) -> Result<Draft, String> {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("imported").to_owned();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" | "csv" | "tsv" => samples::draft(&name, samples::rows(path, text)?),
        _ => match document(text)? {
            Value::Array(rows) => samples::draft(&name, rows),
            Value::Object(table) => promptfoo::draft(&name, &table, dir),
            _ => Err("it is neither a table nor a list".to_owned()),
        },
    }
}

/// A YAML text; JSON is YAML too.
fn document(text: &str) -> Result<Value, String> {
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(String::new(), |location| format!("line {}: ", location.line()));
        let text = error.without_snippet().to_string();
        format!("{line}{}", text.lines().next().unwrap_or_default())
    })
}
