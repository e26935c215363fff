//! `peek --alerts`: what a monitor asks, with an exit code that it can read.

use std::io::IsTerminal as _;
use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::{CliError, Common, Context, PeekArgs, data, environment, state};
use crate::cli::stop::goes_on;
use crate::engine::Clock;
use crate::event::{OpenAlert, RunOutcome, Severity};
use crate::journal::{self, RunDir, Snapshot};
use crate::profile;
use crate::report::{self, AlertRow, RunState};
use crate::supervise::detect;

/// So many of the newest runs are asked whether they are live, when none is named.
const ASKED: usize = 256;
/// The alert of a run that was killed.
const DEAD: &str = "run_dead";
/// The alert of a loop that has ended and should not have.
const ENDED: &str = "run_ended";
/// The alert of a loop that lives and writes nothing.
const STALE: &str = "supervisor_stale";

/// Prints the open alerts, the loudest first.
pub(super) fn alerts(
    context: &Context,
    common: &Common,
    args: &PeekArgs,
    root: &Path,
) -> Result<u8, CliError> {
    let now = Clock.stamp();
    let mut seen = Vec::new();
    for dir in watched(root, args.run.as_deref())? {
        seen.push(journal::snapshot(&dir).map_err(environment)?);
    }
    let mut rows: Vec<AlertRow> = seen.iter().flat_map(|seen| of_run(seen, now)).collect();
    rows.sort_by(|a, b| (b.alert.severity, a.alert.since).cmp(&(a.alert.severity, b.alert.since)));
    let code = exit_code(rows.iter().map(|row| row.alert.severity).max());
    if args.json {
        let runs: Vec<_> =
            seen.iter().map(|seen| json!({"run": seen.manifest.run, "state": state(seen).word()})).collect();
        let alerts: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "run": row.run, "alert": row.alert.alert, "severity": row.alert.severity,
                    "message": row.alert.message, "since": row.alert.since,
                })
            })
            .collect();
        let value = json!({"schema": 1, "exit_code": code, "runs": runs, "alerts": alerts});
        data(&format!("{}\n", serde_json::to_string_pretty(&value).map_err(environment)?))?;
    } else if !common.quiet {
        // What goes into a mail or a log is not cut.
        let width = if std::io::stdout().is_terminal() { context.width() } else { usize::MAX };
        data(&report::alerts(&rows, now, context.stdout_look().colour, width))?;
    }
    Ok(code)
}

/// The run that is named; else every live one, and the newest, which may be dead.
fn watched(root: &Path, which: Option<&str>) -> Result<Vec<RunDir>, CliError> {
    let first = journal::find(root, which).map_err(crate::cli::run::no_run)?;
    if which.is_some() {
        return Ok(vec![first]);
    }
    let mut watched = vec![first];
    for id in journal::list(root).map_err(environment)?.into_iter().take(ASKED) {
        if let Ok(dir) = RunDir::open(root.join("runs").join(id.as_str()))
            && !watched.contains(&dir)
            && dir.is_live().map_err(environment)?
        {
            watched.push(dir);
        }
    }
    Ok(watched)
}

/// What is wrong with a run. A run that has ended raises and clears nothing any more: only how it has ended counts.
fn of_run(seen: &Snapshot, now: Timestamp) -> Vec<AlertRow> {
    let tally = &seen.tally;
    let row = |alert| AlertRow { run: seen.manifest.run.to_string(), alert };
    let about_the_run = |name: &str, severity, message: String| {
        let since = tally.last_at.unwrap_or(now);
        row(OpenAlert { alert: name.to_owned(), severity, message, since })
    };
    match (state(seen), &tally.ended) {
        (RunState::Finished, Some(ended)) if seen.manifest.verb == "supervise" => {
            let severity = match ended.outcome {
                RunOutcome::Done | RunOutcome::Delivered | RunOutcome::Stopped => return Vec::new(),
                // Whoever has sent the signal may start it again, as a service does.
                RunOutcome::Interrupted => Severity::Warning,
                _ => Severity::Critical,
            };
            let why = ended.reason.as_deref().unwrap_or("for no reason that is on record");
            vec![about_the_run(
                ENDED,
                severity,
                format!("the loop has ended ({}): {why}", ended.outcome.word()),
            )]
        }
        (RunState::Finished, _) => Vec::new(),
        (RunState::Dead, _) => {
            let what = format!("it was killed before it could end; {}", goes_on(seen));
            let mut rows = vec![about_the_run(DEAD, Severity::Critical, what)];
            rows.extend(tally.alerts.iter().cloned().map(row));
            rows
        }
        (RunState::Live, _) => {
            let stale = stale(seen, now).map(|message| about_the_run(STALE, Severity::Critical, message));
            stale.into_iter().chain(tally.alerts.iter().cloned().map(row)).collect()
        }
    }
}

/// What is to be said of a loop that lives and has gone silent.
fn stale(seen: &Snapshot, now: Timestamp) -> Option<String> {
    let profile = profile::from_manifest(seen.manifest.profile.clone()).ok()?;
    let settings = profile.supervise.as_ref().filter(|_| seen.manifest.verb == "supervise")?;
    detect::stale(settings, &profile.round, &seen.tally, now)
}

/// 0 when nothing is worse than a notice, 1 for a warning, 3 for what is critical.
fn exit_code(worst: Option<Severity>) -> u8 {
    match worst {
        None | Some(Severity::Notice) => 0,
        Some(Severity::Warning) => crate::cli::exit::NOT_GOOD,
        Some(Severity::Critical) => crate::cli::exit::INCONCLUSIVE,
    }
}
