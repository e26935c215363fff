//! `provost stop`: leaves a request for a live run, and waits for its answer and its end. And how a run hears it.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::engine::{Clock, Request, Shutdown, Steer, Stop};
use crate::event::{Event, Kind, RequestId, RunEnded, StopEffect};
use crate::journal::{self, Follower, RunDir, RunState, Snapshot, StopRequest};
use crate::profile::element::Period;

use super::context::Context;
use super::error::{CliError, environment};
use super::{Common, data};

/// The journal is looked at this often; the answer comes within milliseconds.
const GLANCE: Duration = Duration::from_millis(4);

/// Arguments of `stop`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StopArgs {
    /// The run: its id, a unique part of it, or its directory; the newest live one when absent
    run: Option<String>,
    /// Every live run under the root, such as the members of a fleet
    #[arg(long, conflicts_with = "run")]
    all: bool,
    /// End the agent without its grace, as after a second Ctrl-C; of `supervise`, end the round with the agent's grace
    #[arg(long)]
    now: bool,
    /// Return once the run has acknowledged the request
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for the end
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: Period,
}

/// Ends a live run, or all of them.
pub(crate) fn stop(context: &Context, common: &Common, args: &StopArgs) -> Result<u8, CliError> {
    let runs = if args.all {
        all_live(&context.root(common.root.as_ref()))?
    } else {
        vec![live(context, common, args.run.as_deref())?]
    };
    let begun = Clock.now();
    // All are asked before the first is waited for.
    let asked: Vec<Asked> =
        runs.into_iter().map(|(dir, seen)| Asked::leave(dir, seen, args)).collect::<Result<_, _>>()?;
    let mut first = None;
    for one in asked {
        if let Err(error) = one.await_end(common, args, begun) {
            first.get_or_insert(error);
        }
    }
    first.map_or(Ok(0), Err)
}

/// A run that was asked to end.
struct Asked {
    dir: RunDir,
    seen: Snapshot,
    id: RequestId,
    answers: Answers,
}

impl Asked {
    fn leave(dir: RunDir, seen: Snapshot, args: &StopArgs) -> Result<Self, CliError> {
        let id = new_request();
        let answers = Answers::after(&dir, seen.journal_bytes, &id)?;
        let request =
            StopRequest { id: id.clone(), at: Clock.stamp(), now: args.now, pid: std::process::id() };
        dir.leave_stop(&request).map_err(environment)?;
        Ok(Self { dir, seen, id, answers })
    }

    /// Waits until it has ended, or as long as it is wanted.
    fn await_end(self, common: &Common, args: &StopArgs, begun: std::time::Instant) -> Result<u8, CliError> {
        let Self { dir, seen, id, mut answers } = self;
        let run = &seen.manifest.run;
        let mut told = false;
        loop {
            // Asked first, so that nothing is missed of a run that ends meanwhile.
            let live = dir.is_live().map_err(environment)?;
            answers.read()?;
            let took = since(begun);
            if !live {
                // What nobody is left to answer.
                dir.close_stop(&id).map_err(environment)?;
                let Some(ended) = &answers.ended else {
                    return Err(killed(&seen));
                };
                let how = match answers.effect {
                    Some(StopEffect::Stopping | StopEffect::Draining) => ended.outcome.word().to_owned(),
                    _ => format!("it had ended by itself ({})", ended.outcome.word()),
                };
                return say(common, &format!("{run}: {how} after {took}\n"));
            }
            if answers.effect == Some(StopEffect::Draining) && !told {
                told = true;
                say(common, &format!("draining: {}\n", under_way(&dir)))?;
            }
            if args.no_wait && answers.effect.is_some() {
                return say(common, &format!("{run}: acknowledged after {took}\n"));
            }
            if begun.elapsed() >= args.timeout.0 {
                return Err(not_in_time(&dir, &answers, args));
            }
            std::thread::sleep(GLANCE);
        }
    }
}

/// Every live run under a root.
fn all_live(root: &Path) -> Result<Vec<(RunDir, Snapshot)>, CliError> {
    let mut live = Vec::new();
    for id in journal::list(root).map_err(environment)? {
        let Ok(dir) = RunDir::open(root.join("runs").join(id.as_str())) else { continue };
        if dir.is_live().map_err(environment)? {
            let seen = journal::snapshot(&dir).map_err(environment)?;
            live.push((dir, seen));
        }
    }
    if live.is_empty() {
        return Err(CliError::not_good(format!("no run under {} is live", root.display())));
    }
    Ok(live)
}

/// A name for a request that no other one has.
pub(super) fn new_request() -> RequestId {
    RequestId::new(uuid::Uuid::new_v4().simple().to_string().split_at(12).0)
}

/// How long ago that was, to the millisecond.
pub(super) fn since(begun: std::time::Instant) -> Period {
    Period(Duration::from_millis(u64::try_from(begun.elapsed().as_millis()).unwrap_or(0)))
}

/// The run that is asked for, or else the newest live one, which somebody must be working on.
pub(super) fn live(
    context: &Context,
    common: &Common,
    which: Option<&str>,
) -> Result<(RunDir, Snapshot), CliError> {
    let root = context.root(common.root.as_ref());
    let dir = match which {
        Some(which) => journal::find(&root, Some(which)).map_err(super::run::no_run)?,
        None => newest_live(&root)?,
    };
    let seen = journal::snapshot(&dir).map_err(environment)?;
    let run = &seen.manifest.run;
    match (seen.state, &seen.tally.ended) {
        (RunState::Live, _) => Ok((dir, seen)),
        (RunState::Finished, Some(ended)) => {
            let how = ended.outcome.word();
            let error = CliError::not_good(format!("{run} is not live: it has ended already ({how})"));
            Err(if ended.outcome.can_go_on() { error.hint(goes_on(&seen)) } else { error })
        }
        _ => {
            let what = format!("{run} is not live: it was killed before it could end");
            Err(CliError::not_good(what).hint(goes_on(&seen)))
        }
    }
}

/// A run that was killed while somebody waited for its answer.
pub(super) fn killed(seen: &Snapshot) -> CliError {
    CliError::not_good(format!("{} was killed before it could end", seen.manifest.run)).hint(goes_on(seen))
}

/// How a run is taken up again.
pub(super) fn goes_on(seen: &Snapshot) -> String {
    match seen.manifest.verb.as_str() {
        "supervise" => "`provost supervise` with the same profile and task goes on with it".to_owned(),
        verb => format!("`provost {verb} --resume` goes on with it"),
    }
}

pub(super) fn say(common: &Common, text: &str) -> Result<u8, CliError> {
    if common.quiet { Ok(0) } else { data(text) }
}

fn newest_live(root: &Path) -> Result<RunDir, CliError> {
    for id in journal::list(root).map_err(environment)? {
        if let Ok(dir) = RunDir::open(root.join("runs").join(id.as_str()))
            && dir.is_live().map_err(environment)?
        {
            return Ok(dir);
        }
    }
    Err(CliError::not_good(format!("no run under {} is live", root.display()))
        .hint("`provost peek --runs` lists the runs; one that has a directory of its own is named by that"))
}

/// What a run does now: `round 12 runs since 5m`.
fn under_way(dir: &RunDir) -> String {
    let Ok(seen) = journal::snapshot(dir) else { return "its end comes".to_owned() };
    let tally = &seen.tally;
    match (&tally.open, tally.checking) {
        (Some(open), _) => {
            let age = Clock.stamp().duration_since(open.started_at).as_secs();
            let age = Period(Duration::from_secs(u64::try_from(age).unwrap_or(0)));
            format!("round {} runs since {age}", open.round)
        }
        (None, Some(round)) => format!("the check of round {round} runs"),
        (None, None) => "no round runs any more".to_owned(),
    }
}

/// What goes on instead of the end.
fn not_in_time(dir: &RunDir, answers: &Answers, args: &StopArgs) -> CliError {
    let doing = match journal::snapshot(dir) {
        Ok(seen) => seen.tally.in_doubt(),
        Err(error) => vec![error.to_string()],
    };
    let doing = if doing.is_empty() { "nothing that is on record".to_owned() } else { doing.join("; ") };
    let answered = if answers.effect.is_some() { "has acknowledged" } else { "has not acknowledged" };
    let place = dir.path().display();
    let timeout = args.timeout;
    if answers.effect == Some(StopEffect::Draining) && !args.now {
        let what = format!("the run in {place} is draining still after {timeout}: {}", under_way(dir));
        return CliError::inconclusive(what).hint(
            "it ends by itself when that is over; `provost stop --now` ends the agent, after its grace",
        );
    }
    let error = CliError::not_good(format!(
        "the run in {place} {answered} the request and has not ended within {timeout}: {doing}"
    ));
    if args.now { error } else { error.hint("`provost stop --now` ends the agent without its grace") }
}

/// What the run says after a request.
struct Answers {
    follower: Follower,
    id: RequestId,
    effect: Option<StopEffect>,
    ended: Option<RunEnded>,
}

impl Answers {
    fn after(dir: &RunDir, offset: u64, id: &RequestId) -> Result<Self, CliError> {
        let follower = Follower::open(dir, offset).map_err(environment)?;
        Ok(Self { follower, id: id.clone(), effect: None, ended: None })
    }

    fn read(&mut self) -> Result<(), CliError> {
        loop {
            let lines = self.follower.poll().map_err(environment)?;
            if lines.is_empty() {
                return Ok(());
            }
            for line in lines {
                match serde_json::from_slice::<Event>(&line).map(|event| event.kind) {
                    Ok(Kind::StopAcknowledged(answer)) if answer.id == self.id => {
                        self.effect.get_or_insert(answer.effect);
                    }
                    Ok(Kind::RunEnded(ended)) => self.ended = Some(ended),
                    _ => {}
                }
            }
        }
    }
}

/// The requests that are there now.
pub(super) fn left(dir: &RunDir) -> Vec<Request> {
    let stops = dir.stop_requests().into_iter();
    let stops = stops.map(|request| Request::Stop(Stop { id: request.id, now: request.now }));
    let steers = dir.steer_requests().into_iter();
    stops.chain(steers.map(|request| Request::Steer(Steer { id: request.id, text: request.text }))).collect()
}

/// As many answers are looked through for one to a message that is still there.
const ANSWERS: usize = 256;

/// The requests that were left for a run which nobody runs. A message that is answered in the journal already, and was not
/// taken away since the run was killed right then, is taken away now: the agent is not told twice.
pub(super) fn left_behind(dir: &RunDir) -> Vec<Request> {
    let requests = left(dir);
    if !requests.iter().any(|request| matches!(request, Request::Steer(_))) {
        return requests;
    }
    let answers = journal::tail_kind(dir, "steer.acknowledged", ANSWERS).unwrap_or_default();
    let answered: HashSet<RequestId> = answers
        .iter()
        .filter_map(|line| match serde_json::from_slice::<Event>(line).ok()?.kind {
            Kind::SteerAcknowledged(answer) => Some(answer.id),
            _ => None,
        })
        .collect();
    let open = |request: &Request| match request {
        Request::Steer(steer) if answered.contains(&steer.id) => {
            // One that stays all the same is found again the next time.
            let _ = dir.close_steer(&steer.id);
            false
        }
        _ => true,
    };
    requests.into_iter().filter(open).collect()
}

/// Hears signals, and each time that it looks also the requests in the run's directory. `late` were left when nobody
/// ran it.
///
/// # Errors
///
/// When a handler cannot be installed.
pub(super) fn listen(dir: &RunDir, late: Vec<Request>) -> io::Result<Shutdown> {
    let inbox = dir.clone();
    let shutdown = Shutdown::listen()?.reading(Box::new(move || left(&inbox)), late);
    shutdown.look();
    Ok(shutdown)
}
