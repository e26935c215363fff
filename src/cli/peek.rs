//! `provost peek`: the journal's reader, and the reports that the live run uses. Writes nothing of a run.

mod alerts;
mod defenses;
mod follow;
mod remote;
mod show;
mod texts;

use std::time::Duration;

use clap::Args;

use crate::backend::remote::Host;
use crate::engine::Clock;
use crate::event::{CellIndex, RoundNumber, Stored};
use crate::journal::{self, Manifest, RunDir, Snapshot};
use crate::profile::Profile;
use crate::report::{self, PageView, RunState};

use super::context::Context;
use super::cooldowns;
use super::error::{CliError, environment};
use super::{Common, data};

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
    #[arg(long, value_name = "N", group = "one")]
    round: Option<u64>,
    /// One cell of a run of many, by its number
    #[arg(long, value_name = "N", group = "one", value_parser = texts::cell)]
    cell: Option<CellIndex>,
    /// With `--round` or `--cell`: the end of the agent's transcript
    #[arg(long, requires = "one")]
    log: bool,
    /// The exact prompts that were sent; of many cells each text once, and of one `--cell` all of them
    #[arg(long)]
    prompts: bool,
    /// The answers of cells, and what judges said of them
    #[arg(long, conflicts_with_all = ["prompts", "round", "log"])]
    outputs: bool,
    /// One text of the run alone, byte for byte, by its hash or the beginning of it
    #[arg(long, value_name = "SHA256", conflicts_with_all = ["select", "events", "round", "cell", "log", "prompts", "outputs", "follow"])]
    text: Option<String>,
    /// Go on showing what happens until the run ends
    #[arg(short, long)]
    follow: bool,
    /// With `--follow`: only what comes after the event of this number
    #[arg(long, value_name = "SEQ", requires = "follow")]
    after: Option<u64>,
    /// The alerts that are open, of the run or of all live ones; exits with 1 when one is a warning, with 3 when one is critical
    /// or a run is dead
    #[arg(long, conflicts_with_all = ["select", "events", "round", "cell", "log", "prompts", "outputs", "text", "follow"])]
    alerts: bool,
    /// What keeps the loop of the run from harm: how each defense stands, and what it stands for
    #[arg(long, conflicts_with_all = ["select", "events", "round", "cell", "log", "prompts", "outputs", "text", "follow", "alerts"])]
    defenses: bool,
    /// The list of runs
    #[arg(long, conflicts_with_all = ["run", "alerts", "defenses"])]
    runs: bool,
    /// Accounts and models that are not to be asked for a while, as all runs of the user know it
    #[arg(long, conflicts_with_all = OF_A_RUN)]
    cooldowns: bool,
    /// Forget the cooldowns of an account (by its id), of a provider, or `all`
    #[arg(long, value_name = "WHICH", conflicts_with_all = OF_A_RUN)]
    clear: Option<String>,
    /// Look on another machine, over `ssh` as you have set it up; with `--follow` a lost connection is made anew
    #[arg(long, value_name = "ALIAS")]
    host: Option<Host>,
    /// With `--host`: how provost is called there
    #[arg(long, value_name = "COMMAND", default_value = "provost", requires = "host")]
    remote_command: String,
}

/// What has no meaning together with the cooldowns, which are of no run.
const OF_A_RUN: [&str; 15] = [
    "run", "select", "window", "events", "round", "cell", "log", "prompts", "outputs", "text", "follow",
    "after", "alerts", "defenses", "runs",
];

/// Looks at a run.
pub(crate) fn peek(context: &Context, common: &Common, args: &PeekArgs) -> Result<u8, CliError> {
    if let Some(host) = &args.host {
        return remote::peek(context, common, args, host);
    }
    if let Some(which) = &args.clear {
        return cooldowns::clear(context, which, args.json);
    }
    if args.cooldowns {
        return cooldowns::show(context, args.json);
    }
    let root = context.root(common.root.as_ref());
    if args.runs {
        return show::runs(context, args, &root);
    }
    if args.alerts {
        return alerts::alerts(context, common, args, &root);
    }
    let dir = journal::find(&root, args.run.as_deref()).map_err(super::run::no_run)?;
    if let Some(count) = args.events {
        return show::lines(&journal::tail(&dir, count).map_err(environment)?);
    }
    if let Some(kind) = args.select.as_ref().and_then(|path| path.strip_prefix("events.")) {
        return show::lines(&journal::tail_kind(&dir, kind, args.window).map_err(environment)?);
    }
    if let Some(name) = &args.text {
        return texts::text(&dir, name);
    }
    if args.prompts || args.outputs || args.cell.is_some() {
        return of_cells(&dir, args);
    }
    if let Some(round) = args.round {
        return if args.log {
            show::log(&show::transcript(&dir, round))
        } else {
            show::one_round(&dir, RoundNumber(round))
        };
    }
    if args.follow {
        return follow::follow(context, common, args, &dir);
    }
    let seen = journal::snapshot(&dir).map_err(environment)?;
    if args.defenses {
        return defenses::defenses(context, args, &seen);
    }
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

/// Prompts, answers, and what else is asked of one cell.
fn of_cells(dir: &RunDir, args: &PeekArgs) -> Result<u8, CliError> {
    let has_cells = Manifest::read(dir).map_err(environment)?.verb == "certify";
    if !has_cells && (args.outputs || args.cell.is_some()) {
        return Err(CliError::usage(format!("the run in {} has no cells", dir.path().display()))
            .hint("`--round` shows a round of it"));
    }
    match (args.cell, args.log) {
        _ if args.prompts && !has_cells => show::prompts(dir, args.round.map(RoundNumber)),
        (cell, false) if args.prompts => texts::texts(dir, cell, Stored::Prompt),
        (cell, false) if args.outputs => texts::texts(dir, cell, Stored::Blob),
        (Some(cell), true) => show::log(&dir.path().join(texts::transcript(dir, cell)?)),
        (Some(cell), false) => texts::one_cell(dir, cell),
        (None, _) => Err(CliError::usage("a run of many cells has no rounds").hint("name one with `--cell`")),
    }
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
