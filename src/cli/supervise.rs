//! `provost supervise`: one loop, or a fleet of them, under one lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::backend::Guard;
use crate::engine::Clock;
use crate::journal;
use crate::profile::{self, Profile};
use crate::report::Board;

use super::Common;
use super::context::Context;
use super::error::{CliError, environment};
use super::launch;

mod battery;
mod member;

use member::{Fleet, Member};

/// Arguments of `supervise`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SuperviseArgs {
    /// What to do, after what the prompt files say; `-` reads it from standard input
    #[arg(conflicts_with = "task_file")]
    task: Option<String>,
    /// A profile; several make a fleet, each with a run of its own
    #[arg(short, long = "profile", value_name = "FILE", default_value = "provost.toml")]
    profiles: Vec<PathBuf>,
    /// A file that holds the task
    #[arg(long, value_name = "FILE")]
    task_file: Option<PathBuf>,
    /// Change a key of each profile
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// See whether all is right to begin with, and end: exit code 0, or 2 when it is not
    #[arg(long, conflicts_with_all = ["out", "labels", "new", "metrics_file"])]
    check: bool,
    /// End with exit code 0 after so many rounds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
    /// Rounds of the fleet that run at once, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    parallel: Option<u32>,
    /// Begin rounds outside of the windows of the schedule too
    #[arg(long)]
    ignore_schedule: bool,
    /// Keep a Prometheus text file up to date
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    /// Begin a new run, also where one could be gone on with
    #[arg(long)]
    new: bool,
    /// Delete the transcripts that are more than `supervise.keep_rounds`, however many they are
    #[arg(long)]
    prune: bool,
    /// The run directory itself, instead of one under the root
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A label, kept in the manifest
    #[arg(long = "label", value_name = "K=V")]
    labels: Vec<String>,
    /// The seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print the journal's events as JSON lines
    #[arg(long)]
    json: bool,
}

/// A profile that is to be driven, and what with.
struct Named {
    profile: Arc<Profile>,
    workspace: PathBuf,
    task: String,
    settings: profile::Supervise,
}

/// Keeps agents working.
pub(crate) fn supervise(context: &Context, common: &Common, args: &SuperviseArgs) -> Result<u8, CliError> {
    let named = named(context, args)?;
    let root = context.root(common.root.as_ref());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(environment)?;
    let code = runtime.block_on(async {
        let guard = Guard::start(&launch::own_program()?).await.map_err(environment)?;
        let findings = battery::findings(context, args, &guard, &root, &named).await;
        if args.check {
            guard.close().await;
            return battery::show(context, &findings, args.json);
        }
        if let Some(refused) = battery::refusal(&findings) {
            guard.close().await;
            return Err(refused);
        }
        keep(context, common, args, guard, &root, named).await
    });
    // A thread that still waits for a pipe must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

async fn keep(
    context: &Context,
    common: &Common,
    args: &SuperviseArgs,
    guard: Guard,
    root: &Path,
    named: Vec<Named>,
) -> Result<u8, CliError> {
    std::fs::create_dir_all(root).map_err(environment)?;
    let command: Vec<String> =
        context.argv.iter().map(|arg| journal::redact_shapes(arg).into_owned()).collect();
    let _held = journal::hold(&root.join("lock"), &command.join(" "), Clock.stamp()).map_err(|error| {
        let held = matches!(error, journal::HoldError::Held { .. });
        let error = CliError::unavailable(format!("{:#}", anyhow::Error::new(error)));
        if held {
            error.hint("one supervise drives a root; `provost stop` ends it, `--root` chooses another")
        } else {
            error
        }
    })?;
    let several = named.len() > 1;
    let parallel = args.parallel.or_else(|| named.iter().find_map(|named| named.settings.parallel));
    let board = args.metrics_file.as_ref().map(|file| Board::new(&context.cwd.join(file)));
    let board = board.transpose().map_err(|error| CliError::usage(format!("`--metrics-file`: {error}")))?;
    let fleet = Fleet {
        context: context.clone(),
        common: common.clone(),
        args: args.clone(),
        root: root.to_owned(),
        guard: guard.clone(),
        board,
        turns: parallel.map(|count| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(1)))),
        several,
    };
    let mut members = Vec::new();
    for named in named {
        members.push(Member::prepare(&fleet, named)?);
    }
    let codes = join_all(members.into_iter().map(|member| member.keep(&fleet))).await;
    drop(fleet);
    guard.close().await;
    let mut worst = 0;
    for code in codes {
        worst = worst.max(code?);
    }
    Ok(worst)
}

/// A profile that was loaded for `supervise`, with its settings.
fn settings(profile: &Profile) -> Result<profile::Supervise, CliError> {
    profile.supervise.clone().ok_or_else(|| {
        CliError::usage(format!("the profile `{}` has no settings of `[supervise]`", profile.name))
    })
}

/// The profiles that are named, each member of a fleet included.
fn named(context: &Context, args: &SuperviseArgs) -> Result<Vec<Named>, CliError> {
    let task = launch::task(context, args.task.as_deref(), args.task_file.as_deref())?;
    let mut sets = args.sets.clone();
    sets.extend(args.rounds.map(|rounds| format!("supervise.rounds={rounds}")));
    let load = |path: &Path| launch::resolve(context, profile::load_supervised, path, &sets);
    let mut named = Vec::new();
    for path in &args.profiles {
        let (profile, workspace) = load(path)?;
        let settings = self::settings(&profile)?;
        if settings.member.is_empty() {
            named.push(Named { profile, workspace, task: task.clone().unwrap_or_default(), settings });
            continue;
        }
        let parallel = settings.parallel;
        for member in settings.member {
            let (profile, workspace) = load(&member.profile)?;
            let mut settings = self::settings(&profile)?;
            settings.parallel = settings.parallel.or(parallel);
            if !settings.member.is_empty() {
                let path = member.profile.display();
                return Err(CliError::usage(format!("{path} is a member of a fleet and a fleet itself"))
                    .hint("name its members in the one profile that holds the fleet together"));
            }
            let task = member.task.or_else(|| task.clone()).unwrap_or_default();
            named.push(Named { profile, workspace, task, settings });
        }
    }
    if named.len() > 1 && (args.json || args.out.is_some()) {
        return Err(CliError::usage("a fleet has a run directory and a journal for each member").hint(
            "leave out `--out` and `--json`; `provost peek RUN --follow --json` prints the events of one member",
        ));
    }
    for one in &named {
        let put = launch::put(&one.profile, &one.task)?;
        for phase in &one.settings.rotation {
            launch::put(&one.profile.phased(phase), &one.task)?;
        }
        let nothing = put.as_deref().unwrap_or(&one.task).trim().is_empty();
        if nothing && one.profile.prompt.files.is_empty() && one.settings.rotation.is_empty() {
            return Err(CliError::usage(format!(
                "there is nothing to tell the agent of `{}`",
                one.profile.name
            ))
            .hint("name files in `prompt.files`, or give a task as an argument or with `--task-file FILE`"));
        }
    }
    Ok(named)
}
