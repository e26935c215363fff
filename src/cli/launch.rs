//! What `run` and `supervise` have in common: the profile, the task, the run directory, who can be asked, and who is told.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressDrawTarget;

use crate::backend::account::{Accounts, Owner};
use crate::backend::registry::{Secrets, Unavailable};
use crate::backend::{Guard, Replayed};
use crate::engine::{self, Candidate, Clock, Means, Request, Taken, Unreadable, Words};
use crate::event::{Kind, RunEnded, Sha256, SteerEffect, Stored, Tally};
use crate::journal::{self, Manifest, RunDir, Writer};
use crate::profile::{self, Loaded, Profile, ProfileError, Source, Template};
use crate::report::{Fanout, JsonLines, Lines, Prefixed, Progress, Reporter, Verbosity};

use super::Common;
use super::context::Context;
use super::error::{CliError, environment};

/// Prints what the agent said last, unless the events are printed.
pub(super) fn answer(json: bool, ended: &RunEnded) -> Result<(), CliError> {
    if !json && let Some(output) = &ended.output {
        super::print(&format!("{}\n", output.trim_end())).map_err(environment)?;
    }
    Ok(())
}

/// The task, as an argument, a file or standard input gives it; `None` where there is none.
pub(super) fn task(
    context: &Context,
    task: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<String>, CliError> {
    let text = match (task, file) {
        (Some("-"), _) => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(environment)?;
            text
        }
        (Some(task), _) => task.to_owned(),
        (None, Some(file)) => {
            let path = context.cwd.join(file);
            std::fs::read_to_string(&path).map_err(|error| {
                CliError::usage(format!("cannot read the task from {}: {error}", path.display()))
            })?
        }
        (None, None) => return Ok(None),
    };
    if text.trim().is_empty() {
        return Err(CliError::usage("the task is empty"));
    }
    Ok(Some(text))
}

/// `K=V`, each.
pub(super) fn labels(labels: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let pair = |label: &String| match label.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(CliError::usage(format!("the label `{label}` is not `KEY=VALUE`"))),
    };
    labels.iter().map(pair).collect()
}

/// The profile, and the directory that the agent works in.
pub(super) fn resolve(
    context: &Context,
    load: impl FnOnce(Source<'_>) -> Result<Loaded, ProfileError>,
    path: &Path,
    sets: &[String],
) -> Result<(Arc<Profile>, PathBuf), CliError> {
    let colour = context.stderr_look().colour;
    let loaded = load(Source { path, sets, cwd: &context.cwd }).map_err(|error| {
        let missing = error.is_missing_file();
        let error = CliError::report(error.render(colour));
        if missing { error.hint("`provost init` writes a first profile") } else { error }
    })?;
    let profile = loaded.profile;
    let workspace = context.cwd.join(&profile.workspace.dir);
    let workspace = workspace.canonicalize().map_err(|error| {
        CliError::usage(format!("the workspace {} cannot be used: {error}", workspace.display()))
            .hint("`workspace.dir` is relative to the directory that provost is called in")
    })?;
    Ok((profile, workspace))
}

/// What a new run is made of.
pub(super) struct Given<'a> {
    pub(super) verb: &'static str,
    pub(super) profile: &'a Profile,
    pub(super) workspace: PathBuf,
    pub(super) task: String,
    pub(super) seed: u64,
    pub(super) labels: BTreeMap<String, String>,
}

/// The manifest of a new run that begins now.
pub(super) fn manifest(context: &Context, given: Given<'_>) -> Result<Manifest, CliError> {
    let Given { verb, profile, workspace, task, seed, labels } = given;
    let json = serde_json::to_value(profile).map_err(environment)?;
    let started_at = Clock.stamp();
    Ok(Manifest {
        format: journal::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: context.argv.iter().map(|arg| journal::redact_shapes(arg).into_owned()).collect(),
        verb: verb.to_owned(),
        run: journal::new_run_id(verb, started_at, uuid::Uuid::new_v4().as_fields().0),
        profile_sha256: Sha256::of(json.to_string().as_bytes()),
        profile: json,
        suite: None,
        task_sha256: Sha256::of(task.as_bytes()),
        task,
        seed,
        budget: engine::ceilings(profile),
        labels,
        git_head: journal::git_head(&workspace),
        started_at,
        parent: None,
        cwd: context.cwd.clone(),
        workspace,
    })
}

/// The manifest without secret values: a task or a `--set` may hold one.
pub(super) fn veiled(manifest: &Manifest, secrets: &Secrets) -> Result<Manifest, CliError> {
    if secrets.is_empty() {
        return Ok(manifest.clone());
    }
    let text = serde_json::to_string(manifest).map_err(environment)?;
    serde_json::from_str(&secrets.redact_str(&text).0).map_err(environment)
}

/// A run that is taken up again.
pub(super) struct Again {
    pub(super) manifest: Manifest,
    pub(super) profile: Profile,
    pub(super) writer: Writer,
    pub(super) taken: Taken,
    /// Requests that were left for it when nobody ran it.
    pub(super) late: Vec<Request>,
}

/// Takes up a run again, as it stands in its directory.
pub(super) fn resume(dir: &RunDir, verb: &str) -> Result<Again, CliError> {
    let manifest = Manifest::read(dir).map_err(environment)?;
    if manifest.verb != verb {
        return Err(CliError::usage(format!("{} is a run of `provost {}`", manifest.run, manifest.verb)));
    }
    let profile = profile::from_manifest(manifest.profile.clone()).map_err(environment)?;
    refuse_veiled(&profile)?;
    // Before the journal is ours: who asks from then on asks us.
    let late = super::stop::left_behind(dir);
    let (writer, recovered) = if dir.journal().exists() {
        Writer::resume(dir).map_err(environment)?
    } else {
        // Killed between the manifest and the journal.
        let writer = Writer::create(dir, &manifest.run, manifest.started_at).map_err(environment)?;
        (writer, journal::Recovered { tally: Tally::default(), cut_bytes: 0 })
    };
    let tally = recovered.tally;
    let text = |sha256: &Sha256| std::fs::read_to_string(dir.stored(Stored::Blob, sha256)).ok();
    let open = tally.open.as_ref().and_then(|open| open.output_sha256.as_ref());
    let last = tally.last_round().and_then(|round| round.output_sha256.as_ref());
    let answer = open.or(last).and_then(text);
    let replay = replay(dir, &tally)?;
    let taken = Taken { tally, cut_bytes: recovered.cut_bytes, answer, replay };
    Ok(Again { manifest, profile, writer, taken, late })
}

/// Refuses a profile of a run directory that held a secret: it is not there any more.
pub(super) fn refuse_veiled(profile: &Profile) -> Result<(), CliError> {
    let agent = profile.agent.env.iter().map(|(name, value)| (format!("agent.env.{name}"), value));
    let servers = profile.agent.mcp.iter().flat_map(|(server, table)| {
        table.env.iter().map(move |(name, value)| (format!("agent.mcp.{server}.env.{name}"), value))
    });
    match agent.chain(servers).find(|(_, value)| value.contains("[secret:")) {
        None => Ok(()),
        Some((key, _)) => Err(CliError::usage(format!(
            "`{key}` holds a secret, and secrets are not on record"
        ))
        .hint("start a new run, with the secret in your environment and its name in `agent.inherit_env`")),
    }
}

/// The recorded steps of the conversation that was open when provost was killed.
fn replay(dir: &RunDir, tally: &Tally) -> Result<Vec<Replayed>, CliError> {
    let Some(open) = &tally.open else { return Ok(Vec::new()) };
    let read = |sha256: &Sha256| {
        let path = dir.stored(Stored::Blob, sha256);
        std::fs::read(&path)
            .map_err(|error| CliError::unavailable(format!("cannot read {}: {error}", path.display())))
    };
    let mut steps = Vec::new();
    let mut messages = BTreeMap::new();
    for event in journal::round_events(dir, open.round).map_err(environment)? {
        if let Kind::SteerRequested(steer) = event.kind {
            messages.insert(steer.id, steer.text);
            continue;
        }
        if event.seq <= open.turn.steps_from {
            continue;
        }
        match event.kind {
            Kind::TurnEnded(turn) => {
                if let Some(sha256) = &turn.message_sha256 {
                    steps.push(Replayed::Turn(read(sha256)?));
                }
            }
            Kind::ToolCalled(called) => steps.push(Replayed::InDoubt(called.id)),
            Kind::ToolReturned(returned) => {
                let result = returned.result_sha256.as_ref().map(read).transpose()?.unwrap_or_default();
                Replayed::returned(&mut steps, returned.id, returned.ok, result);
            }
            Kind::SteerAcknowledged(answer) if answer.effect == SteerEffect::Live => {
                steps.extend(messages.remove(&answer.id).map(Replayed::Said));
            }
            _ => {}
        }
    }
    Ok(steps)
}

/// Who is told of a run: machines first, then people.
pub(super) fn reports(context: &Context, common: &Common, json: bool, dir: &Path) -> Fanout {
    let mut reports: Vec<Box<dyn Reporter>> = Vec::new();
    if json {
        reports.push(Box::new(JsonLines::new(Box::new(std::io::stdout()))));
    }
    let verbosity = verbosity(common);
    let look = context.stderr_look();
    let place = dir.strip_prefix(&context.cwd).unwrap_or(dir).display().to_string();
    if context.animated() && !common.quiet {
        let now = Box::new(|| Clock.stamp());
        let target = ProgressDrawTarget::stderr();
        reports.push(Box::new(Progress::new(target, look, verbosity, place, now)));
    } else if !(json && common.quiet) {
        reports.push(Box::new(Lines::new(Box::new(std::io::stderr()), look, verbosity, place)));
    }
    Fanout(reports)
}

/// Who is told of a run that is one of several: lines that say which.
pub(super) fn reports_of(context: &Context, common: &Common, name: &str, dir: &Path) -> Fanout {
    let out = Prefixed::new(Box::new(std::io::stderr()), &format!("{name} | "));
    let place = dir.strip_prefix(&context.cwd).unwrap_or(dir).display().to_string();
    Fanout(vec![Box::new(Lines::new(Box::new(out), context.stderr_look(), verbosity(common), place))])
}

pub(super) fn verbosity(common: &Common) -> Verbosity {
    match (common.quiet, common.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, _) => Verbosity::Verbose,
    }
}

pub(super) fn unavailable(error: &Unavailable) -> CliError {
    CliError::unavailable(error.what.clone()).hint(error.remedy.clone())
}

/// What a profile is told before its task.
pub(super) fn words(profile: &Profile) -> Result<Words, CliError> {
    Words::read(profile).map_err(|error| unreadable(&error))
}

/// The task as the profile puts it to its agent; `None` where it is said as it is.
pub(super) fn put(profile: &Profile, task: &str) -> Result<Option<String>, CliError> {
    let Some(text) = read_template(profile)? else { return Ok(None) };
    let put = Template::new(&text).and_then(|template| template.of_task(task));
    put.map(Some).map_err(|error| {
        CliError::usage(format!("`{}` of `{}`: {error}", template_key(profile), profile.name))
            .hint("a template of cases is for `provost certify`; leave it out for a task of your own")
    })
}

/// How the profile puts a task, as it was written.
pub(super) fn read_template(profile: &Profile) -> Result<Option<String>, CliError> {
    profile.prompt.template_text().map_err(|(path, error)| {
        CliError::usage(format!("cannot read the template {}: {error}", path.display()))
    })
}

/// Refuses a template where provost itself says what is asked.
pub(super) fn no_template(profile: &Profile, what: &str) -> Result<(), CliError> {
    if profile.prompt.template.is_none() && profile.prompt.template_file.is_none() {
        return Ok(());
    }
    let (key, name) = (template_key(profile), &profile.name);
    Err(CliError::usage(format!(
        "`{key}` of `{name}` cannot be honoured: {what} is asked in provost's own words"
    ))
    .hint("take it out; `prompt.system` and `prompt.files` are said"))
}

/// The key that holds the template.
pub(super) fn template_key(profile: &Profile) -> &'static str {
    if profile.prompt.template.is_some() { "prompt.template" } else { "prompt.template_file" }
}

pub(super) fn unreadable(error: &Unreadable) -> CliError {
    let said = CliError::usage(error.to_string());
    match error.remedy() {
        Some(remedy) => said.hint(remedy),
        None => said,
    }
}

/// What is known of accounts, shared by all runs of the user where there is a place for it.
pub(super) fn accounts(context: &Context, dry_run: bool, manifest: &Manifest) -> Accounts {
    let owner = Owner { pid: std::process::id(), run: manifest.run.to_string() };
    // A dry run asks nobody and leaves nothing behind but its directory.
    let state = context.state().filter(|_| !dry_run);
    let shared = state.map(|state| Accounts::shared(state.join("accounts"), &owner));
    shared.and_then(Result::ok).unwrap_or_else(|| Accounts::private(&owner))
}

/// The chain, each with what drives it.
pub(super) fn candidates(
    context: &Context,
    dry_run: bool,
    profile: &Profile,
    manifest: &Manifest,
    guard: &Guard,
    secrets: &Arc<Secrets>,
    accounts: &Accounts,
) -> Result<Vec<Candidate>, CliError> {
    let (environment, workspace) = (&context.environment, manifest.workspace.as_path());
    let means = Means { environment, guard, secrets, accounts, workspace, dry_run };
    means.chain(profile).map_err(|error| unavailable(&error))
}

pub(super) fn own_program() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(environment)
}
