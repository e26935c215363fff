//! `provost peek`: the journal's reader, and the reports that the live run uses. Writes nothing of a run.

use std::io::{IsTerminal as _, Read as _, Seek as _, Write as _};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::engine::Clock;
use crate::event::{Event, Kind, PromptPart, RoundNumber, Stored, Tally};
use crate::journal::{self, Follower, RunDir, Snapshot};
use crate::profile::Profile;
use crate::report::{self, Lines, PageView, Reporter as _, RunRow, RunState, Verbosity};

use super::context::Context;
use super::cooldowns;
use super::error::{CliError, environment};
use super::{Common, data};

/// How much of the end of a transcript is shown, bytes.
const LOG_TAIL: u64 = 64 * 1024;

/// Arguments of `peek`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PeekArgs {
    /// The run: its id, a unique part of it, or its directory; the newest when absent
    run: Option<String>,
    /// The snapshot as JSON; with `--cooldowns` one object a line
    #[arg(long)]
    json: bool,
    /// One value of the snapshot (`spend.usd`, `rounds.-1.outcome`), or `events.KIND` with `--window`
    #[arg(long, value_name = "PATH")]
    select: Option<String>,
    /// How many events `--select events.KIND` gives
    #[arg(long, value_name = "N", default_value_t = 20)]
    window: usize,
    /// The last N events, as they are in the journal
    #[arg(long, value_name = "N")]
    events: Option<usize>,
    /// One round
    #[arg(long, value_name = "N")]
    round: Option<u64>,
    /// With `--round`: the end of the agent's transcript
    #[arg(long, requires = "round")]
    log: bool,
    /// The exact prompts that were sent
    #[arg(long)]
    prompts: bool,
    /// Go on showing what happens until the run ends
    #[arg(short, long)]
    follow: bool,
    /// The list of runs
    #[arg(long, conflicts_with = "run")]
    runs: bool,
    /// Accounts and models that are not to be asked for a while, as all runs of the user know it
    #[arg(long, conflicts_with_all = OF_A_RUN)]
    cooldowns: bool,
    /// Forget the cooldowns of an account (by its id), of a provider, or `all`
    #[arg(long, value_name = "WHICH", conflicts_with_all = OF_A_RUN)]
    clear: Option<String>,
}

/// What has no meaning together with the cooldowns, which are of no run.
const OF_A_RUN: [&str; 9] =
    ["run", "select", "window", "events", "round", "log", "prompts", "follow", "runs"];

/// Looks at a run.
pub(crate) fn peek(context: &Context, common: &Common, args: &PeekArgs) -> Result<u8, CliError> {
    if let Some(which) = &args.clear {
        return cooldowns::clear(context, which, args.json);
    }
    if args.cooldowns {
        return cooldowns::show(context, args.json);
    }
    let root = context.root(common.root.as_ref());
    if args.runs {
        return runs(context, args, &root);
    }
    let dir = journal::find(&root, args.run.as_deref()).map_err(|error| {
        CliError::usage(format!("{:#}", anyhow::Error::new(error)))
            .hint("`provost peek --runs` lists the runs")
    })?;
    if let Some(count) = args.events {
        return lines(&journal::tail(&dir, count).map_err(environment)?);
    }
    if let Some(kind) = args.select.as_ref().and_then(|path| path.strip_prefix("events.")) {
        return lines(&journal::tail_kind(&dir, kind, args.window).map_err(environment)?);
    }
    if args.prompts {
        return prompts(&dir, args.round.map(RoundNumber));
    }
    if let Some(round) = args.round {
        return if args.log { log(&dir, round) } else { one_round(&dir, RoundNumber(round)) };
    }
    if args.follow {
        return follow(context, common, args, &dir);
    }
    let seen = journal::snapshot(&dir).map_err(environment)?;
    let view = view(&dir, &seen);
    if let Some(path) = &args.select {
        let value = report::select(&report::snapshot(&view), path).map_err(CliError::usage)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return data(&format!("{text}\n"));
    }
    if args.json {
        let text = serde_json::to_string_pretty(&report::snapshot(&view)).map_err(environment)?;
        return data(&format!("{text}\n"));
    }
    data(&report::page(&view, context.stdout_look().colour, context.width()))
}

fn state(seen: &Snapshot) -> RunState {
    match seen.state {
        journal::RunState::Live => RunState::Live,
        journal::RunState::Dead => RunState::Dead,
        journal::RunState::Finished => RunState::Finished,
    }
}

fn view<'a>(dir: &RunDir, seen: &'a Snapshot) -> PageView<'a> {
    let now = Clock.stamp();
    let state = state(seen);
    PageView {
        run_dir: dir.path().display().to_string(),
        state,
        task: seen.manifest.task.clone(),
        workspace: seen.manifest.workspace.display().to_string(),
        labels: seen.manifest.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        tally: &seen.tally,
        now,
        deadlines: if state == RunState::Live { deadlines(seen, now) } else { Vec::new() },
        torn_bytes: seen.torn_bytes,
        bad_lines: seen.bad_lines.len() as u64,
    }
}

/// What is left of the clocks of the open round. The live run counts monotonically; this reads its stamps.
fn deadlines(seen: &Snapshot, now: jiff::Timestamp) -> Vec<(String, Duration)> {
    let Ok(profile) = serde_json::from_value::<Profile>(seen.manifest.profile.clone()) else {
        return Vec::new();
    };
    let left = |since: jiff::Timestamp, length: Duration| {
        let passed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        length.saturating_sub(passed)
    };
    let mut clocks = Vec::new();
    // While it waits, only the wait and the whole run have an end that is known.
    if let Some(open) = seen.tally.open.as_ref().filter(|_| seen.tally.wait.is_none()) {
        clocks.push(("round.timeout".to_owned(), left(open.started_at, profile.round.timeout.0)));
        if open.tools.is_empty() {
            clocks.push(("round.stall".to_owned(), left(open.last_event_at, profile.round.stall.0)));
        }
    }
    if let (Some(wall), Some(started)) = (profile.budget.wall, seen.tally.started_at) {
        clocks.push(("budget.wall".to_owned(), left(started, wall.0)));
    }
    clocks
}

fn lines(lines: &[Vec<u8>]) -> Result<u8, CliError> {
    let mut text = String::new();
    for line in lines {
        text.push_str(String::from_utf8_lossy(line).trim_end_matches('\n'));
        text.push('\n');
    }
    data(&text)
}

fn runs(context: &Context, args: &PeekArgs, root: &std::path::Path) -> Result<u8, CliError> {
    let mut rows = Vec::new();
    for id in journal::list(root).map_err(environment)? {
        let Ok(seen) =
            RunDir::open(root.join("runs").join(id.as_str())).and_then(|dir| journal::snapshot(&dir))
        else {
            continue;
        };
        let mut task = seen.manifest.task.clone();
        task.truncate(task.find('\n').unwrap_or(task.len()));
        rows.push(RunRow {
            run: id.to_string(),
            state: state(&seen),
            outcome: seen.tally.ended.as_ref().map(|ended| ended.outcome),
            rounds: seen.tally.rounds.0,
            spend: seen.tally.spend,
            task,
        });
    }
    if args.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "run": row.run, "state": row.state.word(), "outcome": row.outcome, "rounds": row.rounds,
                    "spend": row.spend, "task": row.task,
                })
            })
            .collect();
        let text = serde_json::to_string_pretty(&rows).map_err(environment)?;
        return data(&format!("{text}\n"));
    }
    data(&report::runs_table(&rows, context.stdout_look().colour, context.width()))
}

fn of_round(dir: &RunDir, round: RoundNumber) -> Result<Vec<Event>, CliError> {
    let events = journal::round_events(dir, round).map_err(environment)?;
    if events.is_empty() {
        return Err(CliError::usage(format!("there is no round {round} in {}", dir.path().display())));
    }
    Ok(events)
}

fn one_round(dir: &RunDir, round: RoundNumber) -> Result<u8, CliError> {
    let mut text = String::new();
    for event in of_round(dir, round)? {
        text.push_str(&serde_json::to_string(&event).map_err(environment)?);
        text.push('\n');
    }
    data(&text)
}

fn log(dir: &RunDir, round: u64) -> Result<u8, CliError> {
    let path = dir.rounds().join(format!("root-{round}.log"));
    let mut file = std::fs::File::open(&path).map_err(|error| {
        CliError::usage(format!("round {round} has no transcript: {}: {error}", path.display()))
    })?;
    let length = file.metadata().map_err(environment)?.len();
    file.seek(std::io::SeekFrom::Start(length.saturating_sub(LOG_TAIL))).map_err(environment)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(environment)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // A transcript may hold anything; on a terminal it must not act.
    if std::io::stdout().is_terminal() {
        data(&text.lines().map(|line| report::clean(line) + "\n").collect::<String>())
    } else {
        data(&text)
    }
}

fn prompts(dir: &RunDir, round: Option<RoundNumber>) -> Result<u8, CliError> {
    let events = match round {
        Some(round) => of_round(dir, round)?,
        None => journal::Reader::open(dir).map_err(environment)?.filter_map(Result::ok).collect(),
    };
    let mut out = std::io::stdout().lock();
    let mut number = RoundNumber(0);
    for event in events {
        match event.kind {
            Kind::RoundStarted(started) => number = started.round,
            Kind::PromptSent(sent) => {
                let bytes = match sent.part {
                    // A terminal cannot show it; whoever wants it finds it there.
                    PromptPart::Image => dir.stored(Stored::Blob, &sent.sha256).display().to_string().into(),
                    _ => std::fs::read(dir.stored(Stored::Prompt, &sent.sha256)).map_err(environment)?,
                };
                let part = serde_json::to_value(sent.part).map_err(environment)?;
                let part = part.as_str().unwrap_or_default().to_owned();
                let head = format!(
                    "--- round {number} · {part} · {} · {} bytes · {}\n",
                    sent.target, sent.bytes, sent.sha256
                );
                let written = out
                    .write_all(head.as_bytes())
                    .and_then(|()| out.write_all(&bytes))
                    .and_then(|()| out.write_all(b"\n"));
                match written {
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(0),
                    other => other.map_err(environment)?,
                }
            }
            _ => {}
        }
    }
    Ok(0)
}

fn follow(context: &Context, common: &Common, args: &PeekArgs, dir: &RunDir) -> Result<u8, CliError> {
    let verbosity = if common.verbose > 0 { Verbosity::Verbose } else { Verbosity::Normal };
    let place = dir.path().display().to_string();
    let mut report = Lines::new(Box::new(std::io::stdout()), context.stdout_look(), verbosity, place);
    let mut follower = Follower::open(dir, 0).map_err(environment)?;
    let mut tally = Tally::default();
    loop {
        let fresh = follower.poll().map_err(environment)?;
        let idle = fresh.is_empty();
        for line in fresh {
            let Ok(event) = serde_json::from_slice::<Event>(&line) else { continue };
            tally.apply(&event);
            if args.json {
                lines(std::slice::from_ref(&line))?;
            } else if report.event(&event, &line, &tally).is_err() {
                return Ok(0);
            }
        }
        if tally.ended.is_some() {
            return Ok(tally.ended.map_or(0, |ended| ended.exit_code));
        }
        if idle {
            if journal::snapshot(dir).map_err(environment)?.state == journal::RunState::Dead {
                return Err(CliError::unavailable(format!("the run in {} is dead", dir.path().display()))
                    .hint("`provost run --resume` goes on with it"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
