//! The only room that knows clap, the environment and exit codes.
//!
//! **Invariant: thin.** A verb resolves its arguments into values that never change, puts engine, journal and reports
//! together, and turns the end into an exit code.

mod certify;
mod context;
mod cooldowns;
mod error;
mod exit;
mod generate;
mod init;
mod launch;
mod peek;
mod ready;
mod record;
mod run;
mod service;
mod steer;
mod stop;
mod suite;
mod supervise;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand};

use context::{Colour, Context, print, say};
use error::CliError;

/// Runs AI agents, keeps them running, and says with evidence whether a change may ship.
#[derive(Debug, Parser)]
#[command(
    name = "provost",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = "Exit codes: `provost help exit-codes`. Keys of a profile: `provost schema profile`.")]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags that every verb knows.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Where runs are kept
    #[arg(long, global = true, value_name = "DIR", env = "PROVOST_ROOT", hide_env_values = true)]
    pub(crate) root: Option<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Colour,
    /// Say only how it ended
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Do one task: one round, or rounds until its check passes
    Run(run::RunArgs),
    /// Keep an agent working, round after round, or a fleet of them
    ///
    /// Goes on with the newest run of the same profile and task that is not over, and begins one otherwise. Ctrl-C, TERM
    /// and `provost stop` let the round that runs go on to its end, and end a wait at once; a second one ends the agent with
    /// its grace, a third at once.
    Supervise(Box<supervise::SuperviseArgs>),
    /// The gate: may this profile ship?
    ///
    /// Runs every case of a suite on the candidate and on what it is held against, and says pass, fail or inconclusive,
    /// with the evidence. The same call with the same `--out` does the missing part only.
    ///
    /// The run directory has `report.md` and `report.xml` (`JUnit`) whenever there is a plan, and `certificate.json` where a
    /// verdict stands, whose figures `provost schema result` describes. In a GitHub workflow (`GITHUB_ACTIONS=true`)
    /// annotations go to standard output, or with `--json` to standard error, and the Markdown to the file that
    /// `GITHUB_STEP_SUMMARY` names.
    ///
    /// Exits with 0 when it may ship, with 1 when the evidence is against it, and with 3 when the evidence does not decide;
    /// with 5 when the budget ended first, and with 4 when nothing could be had.
    Certify(Box<certify::CertifyArgs>),
    /// Run single cells of a plan, for engines that run many processes
    ///
    /// `provost certify … --out RUN --plan` makes the plan; this runs the cells of it that are named, each in a journal of
    /// its own below `RUN/shards`, on any machine that sees the directory; and `provost certify --resume RUN` takes them in,
    /// runs what is still missing and comes to the verdict, as if one process had run them all.
    ///
    /// A cell that has an answer is never asked for again, whoever asked: calling again does nothing and costs nothing. Where
    /// two processes run the same cell at the same time, the answer that came first stands, and both are billed. What is
    /// missing when an engine has done its work is told by `--missing`, and is simply submitted again.
    ///
    /// An engine gives each process its number; several in one process, such as `40-59`, pay its start and end once.
    ///
    /// None: `seq 0 47 | xargs -P 8 -I N provost cell --plan RUN --index N`.
    ///
    /// GNU parallel: `seq 0 47 | parallel -j 8 provost cell --plan RUN --index {}`.
    ///
    /// Slurm (tried with 22.05): `sbatch --wait --array=$(provost cell --plan RUN --missing) --wrap 'exec provost cell --plan
    /// RUN --index $SLURM_ARRAY_TASK_ID'`.
    ///
    /// Kubernetes, an Indexed Job (not tried): `exec provost cell --plan RUN --index $JOB_COMPLETION_INDEX`.
    ///
    /// The budget of the suite is kept by all processes together: what others have in flight is set aside first. Limits of
    /// endpoints are kept over the processes of one user on one machine. Both rest on file locks; between machines they hold
    /// where their file system keeps locks over the network, and a process that died is only seen as dead where it does. On
    /// one that does not, take the shards in after the last process has ended.
    ///
    /// A score that compares with the baseline's answer is made when the shards are taken in, and a sequential gate looks then.
    ///
    /// Exits with 0 when all the cells have an answer, with 3 when some have none (which and why is printed), with 2 for a
    /// cell that the plan does not have, and with 4 when the plan or what it needs is not there.
    Cell(certify::CellArgs),
    /// Look at a live, dead or finished run
    Peek(peek::PeekArgs),
    /// Tell the agent of a live run something
    ///
    /// The message is part of the prompt of the next round, once: a round that is not answered tells it again. Without a run
    /// it goes to the newest live one.
    ///
    /// Exits with 0 when an agent was told, or with `--no-wait` when the run has seen the message; with 3 when the message is
    /// on record and no agent was told in time, which is no reason to send it again; and with 1 when there was no live run,
    /// when it has ended or was killed first, or when it has not seen the message in time, which is then taken back.
    Steer(steer::SteerArgs),
    /// End a live run, and wait until it has ended
    ///
    /// `run` ends as after one Ctrl-C: a wait and a check at once, an agent once it was asked to go and has had its grace.
    /// `supervise` drains: a wait ends at once, and a round that runs goes on to its end; `--now` ends its agent too. The run
    /// itself exits with 0, and `provost run --resume` or `provost supervise` goes on with it. Asking again changes nothing.
    ///
    /// Exits with 0 when the run has ended, however it came to that; with 3 when it is draining still when the time is over;
    /// and with 1 when there was no live run to stop, when it was killed, or when it has not ended in time.
    Stop(stop::StopArgs),
    /// Write a first profile for the agents and keys found on this machine
    Init(init::InitArgs),
    /// Make supervise a service of this machine: systemd, or launchd on macOS
    Service(service::ServiceArgs),
    /// Check a suite, or make one of another tool's files
    ///
    /// What a suite file says is told by `provost man suite.5`; `provost man suite` prints this page.
    Suite(suite::SuiteArgs),
    /// Print the JSON schema of a file kind, for editors
    Schema(generate::SchemaArgs),
    /// Print shell completions
    Completions(generate::CompletionsArgs),
    /// Print a man page, or write all of them
    Man(generate::ManArgs),
    /// Explain a verb, or one of: exit-codes, harnesses
    Help(generate::HelpArgs),
    /// The process that outlives us and leaves no agent behind
    #[command(hide = true)]
    Guard,
}

/// Runs the program.
pub fn main() -> ExitCode {
    // The guard is on the path of every run: it must not wait for anything else.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "guard") {
        return crate::backend::guard();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&error.render());
            ExitCode::from(error.code())
        }
    }
}

fn dispatch(cli: Cli) -> Result<u8, CliError> {
    let context = Context::read(cli.common.color).map_err(error::environment)?;
    match cli.verb {
        Verb::Run(args) => run::run(&context, &cli.common, &args),
        Verb::Supervise(args) => supervise::supervise(&context, &cli.common, &args),
        Verb::Certify(args) => certify::certify(&context, &cli.common, &args),
        Verb::Cell(args) => certify::cell(&context, &cli.common, &args),
        Verb::Peek(args) => peek::peek(&context, &cli.common, &args),
        Verb::Steer(args) => steer::steer(&context, &cli.common, &args),
        Verb::Stop(args) => stop::stop(&context, &cli.common, &args),
        Verb::Init(args) => init::init(&context, &args),
        Verb::Service(args) => service::service(&context, &cli.common, &args),
        Verb::Suite(args) => suite::suite(&context, &args),
        Verb::Schema(args) => generate::schema(&args),
        Verb::Completions(args) => generate::completions(Cli::command(), &args),
        Verb::Man(args) => generate::man(&Cli::command(), &args),
        Verb::Help(args) => generate::help(Cli::command(), &args),
        Verb::Guard => Ok(exit::BUG),
    }
}

/// Prints data; a full disk behind standard output is an error.
fn data(text: &str) -> Result<u8, CliError> {
    print(text).map_err(error::environment)?;
    Ok(0)
}
