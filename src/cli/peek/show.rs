//! Parts of a run as they are on record: events, a round, its transcript, its prompts; and the list of runs.

use std::io::{IsTerminal as _, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{CliError, Context, PeekArgs, data, environment, state};
use crate::event::{Event, Kind, PromptPart, RoundNumber, Stored};
use crate::journal::{self, RunDir};
use crate::report::{self, RunRow};

/// How much of the end of a transcript is shown, bytes.
const LOG_TAIL: u64 = 64 * 1024;

/// Lines of the journal, as they stand there.
pub(super) fn lines(lines: &[Vec<u8>]) -> Result<u8, CliError> {
    let mut text = String::new();
    for line in lines {
        text.push_str(String::from_utf8_lossy(line).trim_end_matches('\n'));
        text.push('\n');
    }
    data(&text)
}

/// The list of runs.
pub(super) fn runs(context: &Context, args: &PeekArgs, root: &Path) -> Result<u8, CliError> {
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

/// The events of a round.
pub(super) fn one_round(dir: &RunDir, round: RoundNumber) -> Result<u8, CliError> {
    let mut text = String::new();
    for event in of_round(dir, round)? {
        text.push_str(&serde_json::to_string(&event).map_err(environment)?);
        text.push('\n');
    }
    data(&text)
}

/// Where the transcript of a round is.
pub(super) fn transcript(dir: &RunDir, round: u64) -> PathBuf {
    dir.rounds().join(format!("root-{round}.log"))
}

/// The end of a transcript.
pub(super) fn log(path: &Path) -> Result<u8, CliError> {
    let mut file = std::fs::File::open(path)
        .map_err(|error| CliError::usage(format!("there is no transcript: {}: {error}", path.display())))?;
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

/// The exact texts that were sent.
pub(super) fn prompts(dir: &RunDir, round: Option<RoundNumber>) -> Result<u8, CliError> {
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
