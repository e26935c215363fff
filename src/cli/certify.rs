//! `provost certify`

mod cell;
mod desk;
mod draft;
mod drive;
mod expect;
mod finish;
mod indexes;
mod ledger;
mod merge;
mod planning;
mod players;
mod stored;
mod treat;
mod uses;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Common;
use super::context::Context;
use super::error::{CliError, environment};

pub(crate) use cell::{CellArgs, cell};

/// Arguments of `certify`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CertifyArgs {
    /// A profile that may ship; several are held against the same baseline, under one error rate
    #[arg(short, long = "profile", value_name = "FILE", required_unless_present_any = ["resume", "verify", "report", "rescore"])]
    profiles: Vec<PathBuf>,
    /// What it is held against: a profile, or a run of `provost certify` whose cells are taken as they are
    #[arg(long, value_name = "FILE|RUN")]
    baseline: Option<String>,
    /// The suite
    #[arg(short = 'S', long, value_name = "FILE", required_unless_present_any = ["resume", "verify", "report"])]
    suite: Option<PathBuf>,
    /// The part of the split that is measured: train, selection, test or all; `test` where the suite has a split
    #[arg(long, value_name = "PART")]
    part: Option<String>,
    /// Change a key of the suite, or of every profile
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// The run directory itself; the same call again does the missing part only
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A label of a grid, kept in the manifest
    #[arg(long = "label", value_name = "K=V")]
    labels: Vec<String>,
    /// The seed of the order, of every draw and of every cell
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Cells in flight, instead of what the suite and the endpoints say
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Print the journal's events as JSON lines
    #[arg(long)]
    json: bool,
    /// Make the plan and the prompts, say what the plan can see and is expected to cost, and call nothing
    #[arg(long)]
    dry_run: bool,
    /// Make the plan, run no cell, and leave the run open: `provost cell` runs its cells, and `--resume` takes them in
    #[arg(long, conflicts_with_all = ["dry_run", "collect", "verify", "report", "rescore"])]
    plan: bool,
    /// Take in what `provost cell` has run, ask nobody, and come to the verdict: what is not there stays missing
    #[arg(long, conflicts_with_all = ["dry_run", "verify", "report", "rescore"])]
    collect: bool,
    /// Accept cells without any reported usage, of every arm; `agent.offline` says it of one profile
    #[arg(long)]
    allow_stubs: bool,
    /// Compare with a stored run whose cases, template, trials or scores are others; go on with a plan of another provost
    #[arg(long)]
    allow_different: bool,
    /// Refuse to begin where the chance to see `--effect` is smaller
    #[arg(long, value_name = "SHARE", requires = "effect")]
    min_power: Option<f64>,
    /// The effect that `--min-power` is about, in the unit of the score
    #[arg(long, value_name = "LIFT")]
    effect: Option<f64>,
    /// Leave the workspaces of the cells in the run directory
    #[arg(long)]
    keep_workspaces: bool,
    /// Write the test report of `JUnit` here, beside the run directory's own
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write Markdown for a pull request here
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the HTML page here
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write one row for each cell here
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Go on with a killed or interrupted run
    #[arg(long, value_name = "RUN", conflicts_with_all = ["profiles", "baseline", "suite", "sets", "out", "labels", "dry_run", "plan", "part", "verify", "report", "rescore"])]
    resume: Option<String>,
    /// Score the answers of a stored run by `--suite`, without asking any agent again
    #[arg(long, value_name = "RUN", conflicts_with_all = ["profiles", "baseline", "verify", "report", "part", "dry_run"])]
    rescore: Option<String>,
    /// Derive every figure of a certificate again, from its run directory alone, and look at every byte
    #[arg(long, value_name = "RUN", conflicts_with_all = ["profiles", "baseline", "suite", "report"])]
    verify: Option<String>,
    /// Show stored runs side by side, by their labels
    #[arg(long, value_name = "RUN", num_args = 1.., conflicts_with_all = ["profiles", "baseline", "suite"])]
    report: Vec<String>,
}

/// Certifies, or shows what was certified.
pub(crate) fn certify(context: &Context, common: &Common, args: &CertifyArgs) -> Result<u8, CliError> {
    if let Some(which) = &args.verify {
        return verify::verify(context, common, which, args.json);
    }
    if !args.report.is_empty() {
        return finish::side_by_side(context, common, args);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(environment)?;
    let prepared = draft::prepare(context, common, args)?;
    let code = runtime.block_on(drive::drive(context, common, args, prepared));
    // A thread that still waits for a pipe must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}
