//! `provost steer`: leaves a message for the agent of a live run, and says what becomes of it.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::backend::registry;
use crate::engine::Clock;
use crate::event::{Event, Kind, RequestId, RoundNumber, RunEnded, SteerAcknowledged, SteerEffect};
use crate::journal::{Follower, LONGEST_STEER, RunDir, Snapshot, SteerRequest};
use crate::profile::{self, element::Period};

use super::Common;
use super::context::Context;
use super::error::{CliError, environment};
use super::stop;

/// The journal is looked at this often; that the message was seen is there within milliseconds.
const GLANCE: Duration = Duration::from_millis(4);

/// Arguments of `steer`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "provost steer [OPTIONS] [RUN] <TEXT|->\n       provost steer [OPTIONS] --file <FILE> [RUN]"
)]
pub(crate) struct SteerArgs {
    /// The run, then the message: at most 16 KiB; `-` reads it from standard input. The run is its id, a unique part of it, or
    /// its directory; the newest live one when absent
    #[arg(value_names = ["RUN", "TEXT"], num_args = 0..=2)]
    words: Vec<String>,
    /// A file that holds the message
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Return once the run has seen the message
    #[arg(long)]
    no_wait: bool,
    /// How long to wait until an agent is told
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: Period,
}

/// Leaves a message for the agent.
pub(crate) fn steer(context: &Context, common: &Common, args: &SteerArgs) -> Result<u8, CliError> {
    let (which, text) = message(context, args)?;
    let (dir, seen) = stop::live(context, common, which)?;
    let text = without_secrets(context, &seen, text);
    let begun = Clock.now();
    let request = SteerRequest { id: stop::new_request(), at: Clock.stamp(), text, pid: std::process::id() };
    let mut answers = Answers::after(&dir, seen.journal_bytes, &request.id)?;
    dir.leave_steer(&request).map_err(environment)?;
    let run = &seen.manifest.run;
    let mut told = false;
    loop {
        // Asked first, so that nothing is missed of a run that ends meanwhile.
        let live = dir.is_live().map_err(environment)?;
        answers.read()?;
        if let Some(answer) = &answers.answer {
            return became(common, &answers, answer, &seen);
        }
        if !live {
            // Nobody is left to hear it; a later run of the journal is not meant.
            dir.close_steer(&request.id).map_err(environment)?;
            return match &answers.ended {
                None if answers.seen => Err(stop::killed(&seen)
                    .hint("the message is on record, and the agent is told when it goes on")),
                None => Err(stop::killed(&seen)),
                Some(ended) => {
                    let how = ended.outcome.word();
                    Err(CliError::not_good(format!("{run} has ended before an agent was told ({how})")))
                }
            };
        }
        if answers.seen && !told {
            told = true;
            stop::say(
                common,
                &format!(
                    "{run}: seen; an agent is told in the prompt of the next round, or sooner where it can be\n"
                ),
            )?;
        }
        if args.no_wait && answers.seen {
            return Ok(0);
        }
        if begun.elapsed() >= args.timeout.0 {
            return too_late(&dir, &mut answers, &request.id, args.timeout);
        }
        std::thread::sleep(GLANCE);
    }
}

/// The run that is meant, and the message.
fn message<'a>(context: &Context, args: &'a SteerArgs) -> Result<(Option<&'a str>, String), CliError> {
    let no_text = || {
        CliError::usage("there is no message")
            .hint("give it as the last argument, with `--file FILE`, or as `-` on standard input")
    };
    let (which, bytes) = match (&args.file, args.words.as_slice()) {
        (Some(file), [] | [_]) => {
            let path = context.cwd.join(file);
            let read = std::fs::File::open(&path).and_then(read);
            let bytes = read.map_err(|error| {
                CliError::usage(format!("cannot read the message from {}: {error}", path.display()))
            })?;
            (args.words.first(), bytes)
        }
        (Some(_), _) => {
            return Err(CliError::usage("the message is given twice: in a file and as an argument"));
        }
        (None, [.., text]) => {
            let bytes = if text == "-" {
                read(std::io::stdin()).map_err(environment)?
            } else {
                text.clone().into_bytes()
            };
            (args.words.iter().rev().nth(1), bytes)
        }
        (None, []) => return Err(no_text()),
    };
    if bytes.len() > LONGEST_STEER {
        return Err(CliError::usage(format!("the message is longer than {LONGEST_STEER} bytes"))
            .hint("write it into a file of the workspace, and tell the agent to read that"));
    }
    let text = String::from_utf8(bytes).map_err(|_| CliError::usage("the message is not UTF-8"))?;
    if text.trim().is_empty() {
        return Err(no_text());
    }
    Ok((which.map(String::as_str), text))
}

/// As much as shows that it is too long.
fn read(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST_STEER as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The message without the values that the run's profile names as secret, as far as they are in our environment: it goes to disk.
fn without_secrets(context: &Context, seen: &Snapshot, text: String) -> String {
    let Ok(profile) = profile::from_manifest(seen.manifest.profile.clone()) else { return text };
    registry::secrets(&profile, &context.environment).redact_str(&text).0.into_owned()
}

/// What became of it.
fn became(
    common: &Common,
    answers: &Answers,
    answer: &SteerAcknowledged,
    seen: &Snapshot,
) -> Result<u8, CliError> {
    let run = &seen.manifest.run;
    let round =
        answer.round.map_or_else(|| "a round".to_owned(), |round: RoundNumber| format!("round {round}"));
    match answer.effect {
        SteerEffect::NextPrompt => stop::say(common, &format!("{run}: told to {round}, in its prompt\n")),
        SteerEffect::Live => stop::say(common, &format!("{run}: told to the agent of {round}\n")),
        SteerEffect::NotLive => {
            let how = answers.ended.as_ref().map_or("no round follows", |ended| ended.outcome.word());
            Err(CliError::not_good(format!("{run} has ended before an agent was told ({how})")))
        }
        SteerEffect::Unknown => Err(CliError::inconclusive(format!(
            "a newer provost runs {run}, and its answer is not known here"
        ))),
    }
}

/// What holds when the time is over.
fn too_late(dir: &RunDir, answers: &mut Answers, id: &RequestId, timeout: Period) -> Result<u8, CliError> {
    let place = dir.path().display();
    if !answers.seen {
        // It must not be heard after we have said that it was not.
        dir.close_steer(id).map_err(environment)?;
        answers.read()?;
    }
    if answers.seen {
        let what = format!("the run in {place} has told no agent within {timeout}");
        return Err(CliError::inconclusive(what)
            .hint("the message is on record, and an agent is told in the prompt of the next round, or sooner where it can be; `peek` says when"));
    }
    Err(CliError::not_good(format!(
        "the run in {place} has not seen the message within {timeout}; it is taken back"
    ))
    .hint("`provost peek` shows what the run does"))
}

/// What the run says after a message.
struct Answers {
    follower: Follower,
    id: RequestId,
    seen: bool,
    answer: Option<SteerAcknowledged>,
    ended: Option<RunEnded>,
}

impl Answers {
    fn after(dir: &RunDir, offset: u64, id: &RequestId) -> Result<Self, CliError> {
        let follower = Follower::open(dir, offset).map_err(environment)?;
        Ok(Self { follower, id: id.clone(), seen: false, answer: None, ended: None })
    }

    fn read(&mut self) -> Result<(), CliError> {
        loop {
            let lines = self.follower.poll().map_err(environment)?;
            if lines.is_empty() {
                return Ok(());
            }
            for line in lines {
                match serde_json::from_slice::<Event>(&line).map(|event| event.kind) {
                    Ok(Kind::SteerRequested(seen)) if seen.id == self.id => self.seen = true,
                    Ok(Kind::SteerAcknowledged(answer)) if answer.id == self.id => {
                        self.answer.get_or_insert(answer);
                    }
                    Ok(Kind::RunEnded(ended)) => self.ended = Some(ended),
                    _ => {}
                }
            }
        }
    }
}
