//! `provost run`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::registry;
use crate::backend::{self, Guard, Oracle};
use crate::engine::{self, Cast, OneTask, Parts, Plan, Request, Taken, Words};
use crate::event::{AlertRaised, RunEnded, Tally};
use crate::journal::{self, Manifest, RunDir, Writer};
use crate::profile::{self, Profile};
use crate::report::Reporter as _;
use clap::Args;

use super::Common;
use super::context::Context;
use super::error::{CliError, environment};
use super::launch::{self, Again, Given, answer, own_program, unavailable};
use super::record::{Recorder, lock};

/// Arguments of `run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// What to do; `-` reads it from standard input
    #[arg(conflicts_with = "task_file")]
    task: Option<String>,
    /// The profile
    #[arg(short, long, value_name = "FILE", default_value = "provost.toml")]
    profile: PathBuf,
    /// A file that holds the task
    #[arg(long, value_name = "FILE")]
    task_file: Option<PathBuf>,
    /// Change a key of the profile
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
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
    /// Assemble and keep every prompt, and call nothing
    #[arg(long)]
    dry_run: bool,
    /// When all who can be asked must be left alone until a known time, wait for it
    #[arg(long)]
    wait: bool,
    /// See whether all is there: program, version, keys, and the model's answer to one tiny request; then end
    #[arg(long, conflicts_with_all = ["task", "task_file", "out", "labels", "seed", "dry_run", "resume", "wait"])]
    check: bool,
    /// Go on with a killed or interrupted run
    #[arg(long, value_name = "RUN", conflicts_with_all = ["task", "task_file", "sets", "out", "labels", "dry_run"])]
    resume: Option<String>,
}

/// What is decided before anything starts, for a new run and for one that is taken up again.
struct Prepared {
    dir: RunDir,
    manifest: Manifest,
    /// The task itself; the manifest's copy is without secret values.
    task: String,
    profile: Arc<Profile>,
    writer: Writer,
    taken: Option<Taken>,
    /// Requests that were left for it when nobody ran it.
    late: Vec<Request>,
    /// What was seen of the agent's program.
    alerts: Vec<AlertRaised>,
}

/// Does one task.
pub(crate) fn run(context: &Context, common: &Common, args: &RunArgs) -> Result<u8, CliError> {
    if args.check {
        let (profile, workspace) = launch::resolve(context, profile::load, &args.profile, &args.sets)?;
        return super::ready::check(context, &profile, &workspace, args.json);
    }
    let prepared = match &args.resume {
        Some(which) => {
            let dir = journal::find(&context.root(common.root.as_ref()), Some(which)).map_err(no_run)?;
            take_up(dir)?
        }
        None => begin(context, common, args)?,
    };
    if let Some(ended) = prepared.taken.as_ref().and_then(|taken| finished(&taken.tally)) {
        return show_again(context, common, args, &prepared, ended);
    }
    if prepared.taken.is_some() {
        // What was noticed is on record from the beginning; what has become too old since is not.
        super::ready::version(context, &prepared.profile, &prepared.manifest.workspace)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(environment)?;
    let code = runtime.block_on(drive(context, common, args, prepared));
    // A thread that still waits for a pipe must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

pub(super) fn no_run(error: journal::JournalError) -> CliError {
    CliError::usage(format!("{:#}", anyhow::Error::new(error))).hint("`provost peek --runs` lists the runs")
}

/// The end of a run that has nothing left to do.
fn finished(tally: &Tally) -> Option<&RunEnded> {
    tally.ended.as_ref().filter(|ended| !ended.outcome.can_go_on())
}

fn show_again(
    context: &Context,
    common: &Common,
    args: &RunArgs,
    prepared: &Prepared,
    ended: &RunEnded,
) -> Result<u8, CliError> {
    let last = journal::tail(&prepared.dir, 1).map_err(environment)?;
    let mut reports = launch::reports(context, common, args.json, prepared.dir.path());
    let Some(line) = last.first() else { return Ok(ended.exit_code) };
    if let Ok(event) = serde_json::from_slice(line)
        && let Some(taken) = &prepared.taken
    {
        let mut line = line.clone();
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        let _ = reports.event(&event, &line, &taken.tally);
        let _ = reports.finish(&taken.tally);
    }
    // It may be missing, or not whole: it is not waited for, since it can be rebuilt.
    super::record::write_result(&prepared.dir, ended).map_err(environment)?;
    answer(args.json, ended)?;
    Ok(ended.exit_code)
}

fn begin(context: &Context, common: &Common, args: &RunArgs) -> Result<Prepared, CliError> {
    let (profile, workspace) = launch::resolve(context, profile::load, &args.profile, &args.sets)?;
    let Some(task) = launch::task(context, args.task.as_deref(), args.task_file.as_deref())? else {
        return Err(CliError::usage("there is no task")
            .hint("give it as an argument, with `--task-file FILE`, or as `-` on standard input"));
    };
    let labels = launch::labels(&args.labels)?;
    let given = Given { verb: "run", profile: &profile, workspace, task, seed: args.seed, labels };
    let manifest = launch::manifest(context, given)?;
    let id = manifest.run.clone();
    let started_at = manifest.started_at;
    let path = match &args.out {
        Some(out) => context.cwd.join(out),
        None => context.root(common.root.as_ref()).join("runs").join(id.as_str()),
    };
    // The same call with the same `--out` does the missing part only.
    if args.out.is_some()
        && let Ok(dir) = RunDir::open(&path)
    {
        let found = Manifest::read(&dir).map_err(environment)?;
        if found.profile_sha256 != manifest.profile_sha256 || found.task_sha256 != manifest.task_sha256 {
            return Err(CliError::usage(format!(
                "{} holds a run of another profile or task",
                path.display()
            ))
            .hint("choose another `--out`"));
        }
        return take_up(dir);
    }
    let mut alerts = Vec::new();
    if !args.dry_run {
        registry::ready(&profile, &context.environment, &manifest.workspace)
            .map_err(|error| unavailable(&error))?;
        alerts = super::ready::version(context, &profile, &manifest.workspace)?;
    }
    // What cannot be sent is told before there is a run.
    launch::put(&profile, &manifest.task)?;
    launch::words(&profile)?;
    let secrets = registry::secrets(&profile, &context.environment);
    let dir =
        RunDir::create(&path).map_err(|error| CliError::usage(format!("{:#}", anyhow::Error::new(error))))?;
    let task = manifest.task.clone();
    let manifest = launch::veiled(&manifest, &secrets)?;
    manifest.write(&dir).map_err(environment)?;
    let writer = Writer::create(&dir, &id, started_at).map_err(environment)?;
    Ok(Prepared { dir, manifest, task, profile, writer, taken: None, late: Vec::new(), alerts })
}

fn take_up(dir: RunDir) -> Result<Prepared, CliError> {
    let Again { manifest, profile, writer, taken, late } = launch::resume(&dir, "run")?;
    let task = manifest.task.clone();
    let profile = Arc::new(profile);
    Ok(Prepared { dir, manifest, task, profile, writer, taken: Some(taken), late, alerts: Vec::new() })
}

async fn drive(
    context: &Context,
    common: &Common,
    args: &RunArgs,
    prepared: Prepared,
) -> Result<u8, CliError> {
    let Prepared { dir, manifest, task, profile, writer, taken, late, alerts } = prepared;
    // Hung first: what comes before it is looked for is told then.
    let mut bell = dir.bell();
    let shutdown = super::stop::listen(&dir, late).map_err(environment)?;
    let door = shutdown.clone();
    let guard = Guard::start(&own_program()?).await.map_err(environment)?;
    let Words { system, files, images } = launch::words(&profile)?;
    let put = launch::put(&profile, &task)?;
    let secrets = Arc::new(registry::secrets(&profile, &context.environment));
    let accounts = launch::accounts(context, args.dry_run, &manifest);
    let candidates =
        launch::candidates(context, args.dry_run, &profile, &manifest, &guard, &secrets, &accounts)?;
    let oracle: Option<Arc<dyn Oracle>> = profile.check.as_ref().and_then(|check| {
        let environment = registry::check_environment(&context.environment, &secrets);
        backend::oracle(check, guard.clone(), environment, &manifest.workspace, Arc::clone(&secrets))
    });
    let survey = backend::survey(
        guard.clone(),
        registry::check_environment(&context.environment, &secrets),
        &manifest.workspace,
        Arc::clone(&secrets),
    );
    let reports = launch::reports(context, common, args.json, dir.path());
    let recorder = Recorder::new(writer, reports, Arc::clone(&secrets), dir.clone());
    let sink = Arc::clone(&recorder);
    let plan = Plan {
        run: manifest.run.clone(),
        verb: "run",
        profile,
        task,
        seed: manifest.seed,
        workspace: manifest.workspace.clone(),
        directory: dir.path().to_owned(),
        dry_run: args.dry_run,
        patient: args.wait,
        pid: std::process::id(),
        alerts,
        cell: None,
        takes_cut: false,
    };
    let veil = Arc::clone(&secrets);
    let parts = Parts {
        casts: vec![Cast {
            profile: Arc::clone(&plan.profile),
            candidates,
            system,
            files,
            task: put,
            images,
        }],
        driver: Box::new(OneTask),
        accounts,
        survey: Some(survey),
        oracle,
        sink: Box::new(move |record| lock(&sink).take(&record)),
        veiling: Box::new(move |bytes| veil.redact(bytes)),
        shutdown,
    };
    let mut running = std::pin::pin!(engine::run(plan, parts, taken));
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            _ = ticks.tick(), if context.animated() => lock(&recorder).tick(),
            () = bell.rung() => door.look(),
        }
    };
    // While the journal is still ours: the next one who has it hangs a bell of its own.
    drop(bell);
    guard.close().await;
    let finish = lock(&recorder).finish();
    let ended = ended.map_err(environment)?;
    finish.map_err(environment)?;
    answer(args.json, &ended)?;
    Ok(ended.exit_code)
}
