//! The restart driver: between rounds it puts away, waits, chooses and prepares; in them it keeps watch.
//!
//! Each piece of work is done and then told; what is told is in the fold, so it is not done twice, whoever asks again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::{Act, Driver, NextStep, Order, Pause, Step, View, counted};
use crate::event::{
    AlertCleared, AlertRaised, Event, Kind, LogsPruned, PhaseName, PhaseSkipped, RoundNumber, RoundOutcome,
    RunOutcome, Severity, Tally, TreeSettled, WaitCause,
};
use crate::profile::{Alarm, Dirty, PhasePolicy, Profile, Supervise};

use super::battery;
use super::detect::word;
use super::host::{DiskState, Pressure};
use super::notes;
use super::restart::{Verdict, limit, verdict};
use super::retention::{Pruning, prune, pruning};
use super::schedule::{Calendar, Choice, Why, choose};
use super::tree::Tree;
use super::vigil::Vigil;

/// How soon the host is looked at again while it keeps a round from beginning.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// How soon it is asked again whether a round of the fleet may begin.
const TURN: Duration = Duration::from_millis(200);

/// One phase, or the whole of a loop without phases; in the order of the casts.
pub struct Player {
    /// The phase; `None` in a loop without.
    pub phase: Option<PhaseName>,
    /// The profile as it is in it.
    pub profile: Arc<Profile>,
    /// The task as it is put in it; empty where the prompt files say it all.
    pub task: String,
    /// When its rounds may begin.
    pub calendar: Option<Calendar>,
}

/// All that a loop is made of.
pub struct Making {
    /// The settings.
    pub settings: Supervise,
    /// The profile, without what phases lay over it.
    pub base: Arc<Profile>,
    /// Who plays: one for each phase, or one.
    pub players: Vec<Player>,
    /// Where the agent works.
    pub workspace: PathBuf,
    /// The run directory.
    pub directory: PathBuf,
    /// The work tree; `None` where nobody wants it put away and there is none.
    pub tree: Option<Tree>,
    /// The seed of everything random.
    pub seed: u64,
    /// Whether windows are passed over.
    pub ignore_schedule: bool,
    /// Whether transcripts may be deleted in bulk.
    pub prune: bool,
    /// The right to run a round, in a fleet that runs only so many at once.
    pub turn: Option<Arc<Semaphore>>,
}

/// Drives round after round.
pub struct Restart {
    made: Making,
    rotation: Vec<PhaseName>,
    vigil: Vigil,
    /// The right to run the round that runs.
    permit: Option<OwnedSemaphorePermit>,
    /// The round before which the host was told.
    sampled: Option<RoundNumber>,
    /// The round before which a skipped phase was told.
    skipped: Option<RoundNumber>,
    /// The round before which transcripts were looked at.
    pruned: Option<RoundNumber>,
    /// When it is asked again whether it is the driver's turn, while it waits for that.
    queued: Option<Instant>,
}

impl Restart {
    /// A loop that has not begun.
    pub fn new(made: Making) -> Self {
        let rotation: Vec<PhaseName> = made.settings.rotation.iter().map(PhaseName::new).collect();
        let vigil = Vigil::new(&made.settings, &made.base.round, &made.directory);
        Self { made, rotation, vigil, permit: None, sampled: None, skipped: None, pruned: None, queued: None }
    }

    async fn decide(&mut self, view: View<'_>) -> Step {
        let tally = view.tally;
        if let Some(open) = &tally.open {
            let cast = self.place(open.phase.as_ref());
            let order = Order { phase: open.phase.clone(), cast, ..Order::plain(open.round) };
            return Step::Reopen(Self::complete(order, open.fresh_eyes, tally));
        }
        self.permit = None;
        let last = tally.last_round();
        if let Some(last) = last
            && view.checked
            && last.check.is_none()
            && last.outcome == RoundOutcome::Answered
        {
            return Step::Check(last.round);
        }
        // First of all: the last round of a loop leaves its work where every other one does.
        let put_away = self.put_away(&view).await;
        if let Some(told @ Step::Tell(_)) = put_away {
            return told;
        }
        if view.draining {
            return Step::End(RunOutcome::Stopped, "nothing is left to be seen to".to_owned());
        }
        if let Some(end) = self.files_say() {
            return end;
        }
        let verdict = verdict(&self.made.settings, &view, self.made.seed);
        if let Verdict::End(outcome, why) = verdict {
            return Step::End(outcome, why);
        }
        if let Some(wait) = put_away {
            return wait;
        }
        if let Verdict::Wait(pause) = verdict {
            return Step::Wait(pause);
        }
        let number = tally.rounds.next();
        let phase = match self.phase(&view, number) {
            Ok(phase) => phase,
            Err(step) => return *step,
        };
        if let Some(step) = self.host_allows(&view, number) {
            return step;
        }
        if let Some(step) = self.retain(tally, number) {
            return step;
        }
        if let Some(step) = self.take_turn(&view) {
            return step;
        }
        self.order(&view, number, phase).await
    }

    /// The stop file, and the agent's own.
    fn files_say(&self) -> Option<Step> {
        let text = |file: &Option<PathBuf>| {
            let path = self.made.workspace.join(file.as_ref()?);
            let bytes = read_some(&path)?;
            let text = String::from_utf8_lossy(&bytes);
            let text: String = text.trim().chars().take(200).collect();
            Some(if text.is_empty() {
                path.display().to_string()
            } else {
                format!("{}: {text}", path.display())
            })
        };
        if let Some(done) = text(&self.made.settings.done_file) {
            return Some(Step::End(RunOutcome::Done, format!("the agent says that it is done: {done}")));
        }
        let stop = text(&self.made.settings.stop_file)?;
        Some(Step::End(RunOutcome::Stopped, format!("the stop file is there: {stop}")))
    }

    /// What the last round has left, and how the host is after it.
    async fn put_away(&mut self, view: &View<'_>) -> Option<Step> {
        let last = view.tally.last_round()?;
        let settled = view.tally.tree.as_ref();
        if settled.is_some_and(|settled| settled.round == last.round) {
            return None;
        }
        let tree = self.made.tree.as_ref()?;
        let answered = last.outcome == RoundOutcome::Answered;
        let dirty = self.dirty();
        let told = tree.try_settle(last.round, last.phase.as_ref(), answered, dirty, settled, view.now).await;
        let told = match told {
            Ok(told) => told,
            // Not a round, and none is used up: it is tried again.
            Err(error) => return Some(again(view.now, WaitCause::Environment, error.to_string())),
        };
        let fingerprint = tree.fingerprint(&self.made.settings.fingerprint).await;
        let told = TreeSettled { fingerprint, ..told };
        let (host, ..) = self.vigil.sample(view.instant, last.round);
        Some(Step::Tell(vec![told.into(), host.into()]))
    }

    fn dirty(&self) -> Dirty {
        self.made.base.workspace.dirty
    }

    /// The phase of the next round, or what comes before it.
    fn phase(&mut self, view: &View<'_>, number: RoundNumber) -> Result<Option<PhaseName>, Box<Step>> {
        let wait = |place: usize, why: Why| {
            let until = why.until.unwrap_or_else(|| view.now.checked_add(AGAIN).unwrap_or(Timestamp::MAX));
            let closed = self.open_now(view, place).is_err();
            let cause = if closed { WaitCause::Schedule } else { WaitCause::Limit };
            Box::new(Step::Wait(Pause { cause, reason: why.reason, until }))
        };
        let settings = &self.made.settings;
        let at = usize::try_from(counted(view.tally)).unwrap_or(0);
        let eligible = |phase: &PhaseName| self.eligible(view, phase);
        match choose(&self.rotation, at, settings.phase_policy, eligible) {
            None => match self.open_now(view, 0) {
                Ok(()) => Ok(None),
                Err(why) => Err(wait(0, why)),
            },
            Some(Choice::Run(phase)) => Ok(Some(phase)),
            Some(Choice::WaitFor { phase, why: Why { reason, until } }) => {
                let why = Why { reason: format!("phase `{phase}`: {reason}"), until };
                Err(wait(self.place(Some(&phase)), why))
            }
            Some(Choice::Skip { chosen, skipped, why }) => {
                if self.skipped == Some(number) {
                    return Ok(Some(chosen));
                }
                self.skipped = Some(number);
                let told = PhaseSkipped { round: number, skipped, chosen, why: why.reason };
                Err(Box::new(Step::Tell(vec![told.into()])))
            }
        }
    }

    /// Whether a phase may run: its windows, and under `skip` the limit of its agent.
    fn eligible(&self, view: &View<'_>, phase: &PhaseName) -> Result<(), Why> {
        let place = self.place(Some(phase));
        self.open_now(view, place)?;
        if self.made.settings.phase_policy != PhasePolicy::Skip {
            return Ok(());
        }
        let agent = self.agent(place);
        for (other, limited) in &view.tally.limits {
            if self.agent(self.place(Some(other))) != agent {
                continue;
            }
            let (settings, seed) = (&self.made.settings, self.made.seed);
            let pause = limit(settings, limited.in_a_row, &limited.failure, limited.round, limited.at, seed);
            if pause.until > view.now {
                return Err(Why { reason: pause.reason, until: Some(pause.until) });
            }
        }
        Ok(())
    }

    /// Whether the windows of a player are open.
    fn open_now(&self, view: &View<'_>, place: usize) -> Result<(), Why> {
        let calendar = self.made.players.get(place).and_then(|player| player.calendar.as_ref());
        let Some(calendar) = calendar.filter(|_| !self.made.ignore_schedule) else { return Ok(()) };
        match calendar.why_not(view.now) {
            None => Ok(()),
            Some(reason) => Err(Why { reason, until: calendar.next_change(view.now) }),
        }
    }

    /// What tells the agents of two players apart: a limit of one is a limit of the other, or is not.
    fn agent(&self, place: usize) -> Option<(&str, Option<&str>, Option<&String>)> {
        let agent = &self.made.players.get(place)?.profile.agent;
        let program = agent.command.as_ref().and_then(|command| command.0.first());
        Some((&agent.harness, agent.endpoint.as_deref(), program))
    }

    /// The place of a phase among the players.
    fn place(&self, phase: Option<&PhaseName>) -> usize {
        self.made.players.iter().position(|player| player.phase.as_ref() == phase).unwrap_or(0)
    }

    /// The gates before a round.
    fn host_allows(&mut self, view: &View<'_>, number: RoundNumber) -> Option<Step> {
        if self.sampled == Some(number) {
            return None;
        }
        let (host, pressure, disk) = self.vigil.sample(view.instant, number);
        if let DiskState::Critical(message) = disk {
            return Some(again(view.now, WaitCause::Disk, message));
        }
        if let Pressure::Critical(signal) = pressure {
            return Some(again(view.now, WaitCause::Memory, signal.message));
        }
        self.sampled = Some(number);
        Some(Step::Tell(vec![host.into()]))
    }

    /// Old transcripts.
    fn retain(&mut self, tally: &Tally, number: RoundNumber) -> Option<Step> {
        if self.pruned.replace(number) == Some(number) {
            return None;
        }
        let rounds = self.made.directory.join("rounds");
        let open = tally.alerts.iter().any(|alert| alert.alert == word(Alarm::PruneDeferred));
        let cleared = open.then(|| Kind::from(AlertCleared { alert: word(Alarm::PruneDeferred).to_owned() }));
        let mut told: Vec<Kind> = Vec::new();
        match pruning(&rounds, self.made.settings.keep_rounds, self.made.prune).ok()? {
            Pruning::Nothing => told.extend(cleared),
            Pruning::Delete { transcripts, kept } => {
                told.push(LogsPruned { deleted: prune(&transcripts), kept }.into());
                told.extend(cleared);
            }
            Pruning::Deferred { existing, surplus } if !open => {
                let message = format!(
                    "{surplus} of {existing} transcripts are more than `supervise.keep_rounds`, and more than are kept: \
                     nothing is deleted until `--prune` asks for it"
                );
                let alert = word(Alarm::PruneDeferred).to_owned();
                told.push(AlertRaised { alert, severity: Severity::Warning, message }.into());
            }
            Pruning::Deferred { .. } => {}
        }
        (!told.is_empty()).then_some(Step::Tell(told))
    }

    /// The right to run a round.
    fn take_turn(&mut self, view: &View<'_>) -> Option<Step> {
        let turns = self.made.turn.as_ref()?;
        if let Ok(permit) = Arc::clone(turns).try_acquire_owned() {
            (self.permit, self.queued) = (Some(permit), None);
            return None;
        }
        self.queued = Some(view.instant + TURN);
        let reason = "as many rounds run as may run at once".to_owned();
        let until = view.now.checked_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
        Some(Step::Wait(Pause { cause: WaitCause::Turn, reason, until }))
    }

    /// The round itself.
    async fn order(&mut self, view: &View<'_>, number: RoundNumber, phase: Option<PhaseName>) -> Step {
        let cast = self.place(phase.as_ref());
        let Some(player) = self.made.players.get(cast) else {
            return Step::End(RunOutcome::Misconfigured, "nobody plays in this loop".to_owned());
        };
        // Read anew: a file that was changed is said as it is now.
        let (files, prompt) =
            battery::prompt::read(&player.profile, &player.task, self.made.settings.min_prompt);
        match (prompt.ok, prompt.permanent) {
            (true, _) => {}
            (false, true) => return Step::End(RunOutcome::Misconfigured, prompt.message),
            (false, false) => return again(view.now, WaitCause::Environment, prompt.message),
        }
        self.vigil.goes_by(&player.profile.round);
        let fresh_eyes =
            self.made.settings.fresh_eyes.is_some_and(|every| number.0.is_multiple_of(every.max(1)));
        let settled = view
            .tally
            .tree
            .as_ref()
            .filter(|tree| Some(tree.round) == view.tally.last_round().map(|last| last.round));
        let (head, fingerprint) = match (settled, &self.made.tree) {
            // As it was left a moment ago.
            (Some(settled), _) if view.tally.waited.is_none() => {
                (settled.head.clone(), settled.fingerprint.clone())
            }
            (_, Some(tree)) => (tree.head().await, tree.fingerprint(&self.made.settings.fingerprint).await),
            (_, None) => (None, None),
        };
        let order = Order { phase, cast, head, fingerprint, files: Some(files), ..Order::plain(number) };
        Step::Round(Self::complete(order, fresh_eyes, view.tally))
    }

    fn complete(order: Order, fresh_eyes: bool, tally: &Tally) -> Order {
        let notes = notes::of(tally, order.phase.as_ref(), fresh_eyes);
        Order { fresh_eyes, notes, ..order }
    }
}

impl Driver for Restart {
    fn next<'a>(&'a mut self, view: View<'a>) -> NextStep<'a> {
        Box::pin(self.decide(view))
    }

    fn hear(&mut self, event: &Event, view: View<'_>) -> Vec<Act> {
        self.vigil.hear(event, &view)
    }

    fn wants_to_look(&self) -> Option<Instant> {
        [self.vigil.due(), self.queued].into_iter().flatten().min()
    }

    fn look(&mut self, view: View<'_>) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.vigil.due().is_some_and(|due| due <= view.instant) {
            acts.extend(self.vigil.look(&view));
        }
        let asks = self.queued.is_some_and(|at| at <= view.instant);
        if asks {
            self.queued = Some(view.instant + TURN);
        }
        let free = asks && self.made.turn.as_ref().is_some_and(|turns| turns.available_permits() > 0);
        let idle = view.tally.open.is_none();
        if idle && self.files_say().is_some() {
            acts.push(Act::EndWait { fulfilled: false });
        } else if idle && free {
            acts.push(Act::EndWait { fulfilled: true });
        }
        acts
    }

    fn drains(&self) -> bool {
        true
    }
}

/// The same again, a little later.
fn again(now: Timestamp, cause: WaitCause, reason: String) -> Step {
    let until = now.checked_add(AGAIN).unwrap_or(Timestamp::MAX);
    Step::Wait(Pause { cause, reason, until })
}

/// The beginning of a file; `None` where there is none, or it cannot be read.
fn read_some(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(1024).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
