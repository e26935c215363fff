//! `provost run`

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressDrawTarget;

use crate::backend::account::{Accounts, Owner};
use crate::backend::registry::{self, Place, Secrets, Unavailable};
use crate::backend::{self, Guard, Image, Oracle, Replayed};
use crate::engine::{self, Candidate, Cast, Clock, OneTask, Parts, Plan, Request, Taken, strip_front_matter};
use crate::event::{AlertRaised, Kind, RunEnded, Sha256, Stored, Tally};
use crate::journal::{self, Manifest, RunDir, Writer};
use crate::profile::{self, Profile, Source};
use crate::report::{Fanout, JsonLines, Lines, Progress, Reporter, Verbosity};

use super::Common;
use super::context::Context;
use super::error::{CliError, environment};
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
        let (profile, workspace) = resolve(context, args)?;
        return super::ready::check(context, &profile, &workspace, args.json);
    }
    let prepared = match &args.resume {
        Some(which) => {
            let dir = journal::find(&context.root(common.root.as_ref()), Some(which)).map_err(no_run)?;
            resume(dir)?
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
    let mut reports = reports(context, common, args, prepared.dir.path());
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
    answer(args, ended)?;
    Ok(ended.exit_code)
}

/// Prints what the agent said last, unless the events are printed.
fn answer(args: &RunArgs, ended: &RunEnded) -> Result<(), CliError> {
    if !args.json
        && let Some(output) = &ended.output
    {
        super::print(&format!("{}\n", output.trim_end())).map_err(environment)?;
    }
    Ok(())
}

fn task(context: &Context, args: &RunArgs) -> Result<String, CliError> {
    let text = match (&args.task, &args.task_file) {
        (Some(task), _) if task == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(environment)?;
            text
        }
        (Some(task), _) => task.clone(),
        (None, Some(file)) => {
            let path = context.cwd.join(file);
            std::fs::read_to_string(&path).map_err(|error| {
                CliError::usage(format!("cannot read the task from {}: {error}", path.display()))
            })?
        }
        (None, None) => {
            return Err(CliError::usage("there is no task")
                .hint("give it as an argument, with `--task-file FILE`, or as `-` on standard input"));
        }
    };
    if text.trim().is_empty() {
        return Err(CliError::usage("the task is empty"));
    }
    Ok(text)
}

fn labels(args: &RunArgs) -> Result<BTreeMap<String, String>, CliError> {
    let pair = |label: &String| match label.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(CliError::usage(format!("the label `{label}` is not `KEY=VALUE`"))),
    };
    args.labels.iter().map(pair).collect()
}

/// The profile, and the directory that the agent works in.
fn resolve(context: &Context, args: &RunArgs) -> Result<(Arc<Profile>, PathBuf), CliError> {
    let colour = context.stderr_look().colour;
    let loaded = profile::load(Source { path: &args.profile, sets: &args.sets, cwd: &context.cwd }).map_err(
        |error| {
            let missing = error.is_missing_file();
            let error = CliError::report(error.render(colour));
            if missing { error.hint("`provost init` writes a first profile") } else { error }
        },
    )?;
    let profile = loaded.profile;
    let workspace = context.cwd.join(&profile.workspace.dir);
    let workspace = workspace.canonicalize().map_err(|error| {
        CliError::usage(format!("the workspace {} cannot be used: {error}", workspace.display()))
            .hint("`workspace.dir` is relative to the directory that provost is called in")
    })?;
    Ok((profile, workspace))
}

fn begin(context: &Context, common: &Common, args: &RunArgs) -> Result<Prepared, CliError> {
    let (profile, workspace) = resolve(context, args)?;
    let task = task(context, args)?;
    let json = serde_json::to_value(&*profile).map_err(environment)?;
    let started_at = Clock.stamp();
    let id = journal::new_run_id("run", started_at, uuid::Uuid::new_v4().as_fields().0);
    let manifest = Manifest {
        format: journal::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: context.argv.iter().map(|arg| journal::redact_shapes(arg).into_owned()).collect(),
        verb: "run".to_owned(),
        run: id.clone(),
        profile_sha256: Sha256::of(json.to_string().as_bytes()),
        profile: json,
        suite: None,
        task_sha256: Sha256::of(task.as_bytes()),
        task,
        seed: args.seed,
        budget: engine::ceilings(&profile),
        labels: labels(args)?,
        git_head: journal::git_head(&workspace),
        started_at,
        parent: None,
        cwd: context.cwd.clone(),
        workspace,
    };
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
        return resume(dir);
    }
    let mut alerts = Vec::new();
    if !args.dry_run {
        registry::ready(&profile, &context.environment, &manifest.workspace)
            .map_err(|error| unavailable(&error))?;
        alerts = super::ready::version(context, &profile, &manifest.workspace)?;
    }
    // What cannot be sent is told before there is a run.
    read_files(&profile)?;
    read_images(&profile)?;
    let secrets = registry::secrets(&profile, &context.environment);
    let dir =
        RunDir::create(&path).map_err(|error| CliError::usage(format!("{:#}", anyhow::Error::new(error))))?;
    let task = manifest.task.clone();
    let manifest = veiled(&manifest, &secrets)?;
    manifest.write(&dir).map_err(environment)?;
    let writer = Writer::create(&dir, &id, started_at).map_err(environment)?;
    Ok(Prepared { dir, manifest, task, profile, writer, taken: None, late: Vec::new(), alerts })
}

/// The manifest without secret values: a task or a `--set` may hold one.
fn veiled(manifest: &Manifest, secrets: &Secrets) -> Result<Manifest, CliError> {
    if secrets.is_empty() {
        return Ok(manifest.clone());
    }
    let text = serde_json::to_string(manifest).map_err(environment)?;
    serde_json::from_str(&secrets.redact_str(&text).0).map_err(environment)
}

fn resume(dir: RunDir) -> Result<Prepared, CliError> {
    let manifest = Manifest::read(&dir).map_err(environment)?;
    if manifest.verb != "run" {
        return Err(CliError::usage(format!("{} is a run of `provost {}`", manifest.run, manifest.verb)));
    }
    let profile = profile::from_manifest(manifest.profile.clone()).map_err(environment)?;
    let agent = profile.agent.env.iter().map(|(name, value)| (format!("agent.env.{name}"), value));
    let servers = profile.agent.mcp.iter().flat_map(|(server, table)| {
        table.env.iter().map(move |(name, value)| (format!("agent.mcp.{server}.env.{name}"), value))
    });
    if let Some((key, _)) = agent.chain(servers).find(|(_, value)| value.contains("[secret:")) {
        return Err(CliError::usage(format!("`{key}` holds a secret, and secrets are not on record")).hint(
            "start a new run, with the secret in your environment and its name in `agent.inherit_env`",
        ));
    }
    // Before the journal is ours: who asks from then on asks us.
    let late = super::stop::left_behind(&dir);
    let (writer, recovered) = if dir.journal().exists() {
        Writer::resume(&dir).map_err(environment)?
    } else {
        // Killed between the manifest and the journal.
        let writer = Writer::create(&dir, &manifest.run, manifest.started_at).map_err(environment)?;
        (writer, journal::Recovered { tally: Tally::default(), cut_bytes: 0 })
    };
    let tally = recovered.tally;
    let text = |sha256: &Sha256| std::fs::read_to_string(dir.stored(Stored::Blob, sha256)).ok();
    let open = tally.open.as_ref().and_then(|open| open.output_sha256.as_ref());
    let last = tally.last_round().and_then(|round| round.output_sha256.as_ref());
    let answer = open.or(last).and_then(text);
    let replay = replay(&dir, &tally)?;
    let taken = Taken { tally, cut_bytes: recovered.cut_bytes, answer, replay };
    let task = manifest.task.clone();
    Ok(Prepared {
        dir,
        manifest,
        task,
        profile: Arc::new(profile),
        writer,
        taken: Some(taken),
        late,
        alerts: Vec::new(),
    })
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
    for event in journal::round_events(dir, open.round).map_err(environment)? {
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
            _ => {}
        }
    }
    Ok(steps)
}

fn reports(context: &Context, common: &Common, args: &RunArgs, dir: &Path) -> Fanout {
    let mut reports: Vec<Box<dyn Reporter>> = Vec::new();
    if args.json {
        reports.push(Box::new(JsonLines::new(Box::new(std::io::stdout()))));
    }
    let verbosity = match (common.quiet, common.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, _) => Verbosity::Verbose,
    };
    let look = context.stderr_look();
    let place = dir.strip_prefix(&context.cwd).unwrap_or(dir).display().to_string();
    if context.animated() && !common.quiet {
        let now = Box::new(|| Clock.stamp());
        let target = ProgressDrawTarget::stderr();
        reports.push(Box::new(Progress::new(target, look, verbosity, place, now)));
    } else if !(args.json && common.quiet) {
        reports.push(Box::new(Lines::new(Box::new(std::io::stderr()), look, verbosity, place)));
    }
    Fanout(reports)
}

pub(super) fn unavailable(error: &Unavailable) -> CliError {
    CliError::unavailable(error.what.clone()).hint(error.remedy.clone())
}

fn read_files(profile: &Profile) -> Result<(Option<String>, Vec<String>), CliError> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .map_err(|error| CliError::usage(format!("cannot read the prompt {}: {error}", path.display())))
    };
    let system = match (&profile.prompt.system, &profile.prompt.system_file) {
        (Some(system), _) => Some(system.clone()),
        (None, Some(file)) => Some(read(file)?),
        (None, None) => None,
    };
    let mut files = Vec::new();
    for (index, path) in profile.prompt.files.iter().enumerate() {
        let text = read(path)?;
        files.push(if index == 0 { strip_front_matter(&text).to_owned() } else { text });
    }
    Ok((system, files))
}

fn read_images(profile: &Profile) -> Result<Vec<Image>, CliError> {
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path)
            .map_err(|error| CliError::usage(format!("cannot read the image {}: {error}", path.display())))?;
        Image::new(path.clone(), bytes).ok_or_else(|| {
            CliError::usage(format!("{} is not an image of a kind that models take", path.display()))
                .hint("`prompt.images` takes PNG, JPEG, GIF and WebP")
        })
    };
    profile.prompt.images.iter().map(read).collect()
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
    let (system, files) = read_files(&profile)?;
    let secrets = Arc::new(registry::secrets(&profile, &context.environment));
    let accounts = accounts(context, args, &manifest);
    let candidates = candidates(context, args, &profile, &manifest, &guard, &secrets, &accounts)?;
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
    let reports = reports(context, common, args, dir.path());
    let recorder = Recorder::new(writer, reports, Arc::clone(&secrets), dir.clone());
    let sink = Arc::clone(&recorder);
    let images = read_images(&profile)?;
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
    };
    let veil = Arc::clone(&secrets);
    let parts = Parts {
        casts: vec![Cast { profile: Arc::clone(&plan.profile), candidates, system, files, images }],
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
    answer(args, &ended)?;
    Ok(ended.exit_code)
}

/// What is known of accounts, shared by all runs of the user where there is a place for it.
fn accounts(context: &Context, args: &RunArgs, manifest: &Manifest) -> Accounts {
    let owner = Owner { pid: std::process::id(), run: manifest.run.to_string() };
    // A dry run asks nobody and leaves nothing behind but its directory.
    let state = context.state().filter(|_| !args.dry_run);
    let shared = state.map(|state| Accounts::shared(state.join("accounts"), &owner));
    shared.and_then(Result::ok).unwrap_or_else(|| Accounts::private(&owner))
}

/// The chain, each with what drives it.
fn candidates(
    context: &Context,
    args: &RunArgs,
    profile: &Profile,
    manifest: &Manifest,
    guard: &Guard,
    secrets: &Arc<Secrets>,
    accounts: &Accounts,
) -> Result<Vec<Candidate>, CliError> {
    let candidate = |profile: Profile| {
        let place = Place {
            profile: &profile,
            environment: &context.environment,
            guard: guard.clone(),
            secrets: Arc::clone(secrets),
            workspace: &manifest.workspace,
        };
        let harness = if args.dry_run {
            registry::dry()
        } else {
            registry::harness(&place).map_err(|error| unavailable(&error))?
        };
        let party = backend::party(&place, accounts);
        Ok(Candidate { name: profile.describes(), harness, party, profile: Arc::new(profile) })
    };
    profile.candidates().into_iter().map(candidate).collect()
}

pub(super) fn own_program() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(environment)
}
