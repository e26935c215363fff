//! Runs cells: many at the same time, each once, none without its share of the budget and none without its end on record.
//!
//! The cells come in the order that was fixed with the plan. What a cell's agent does is a whole run of the engine
//! ([`Stage::play`]); here is only who is next, what is written down of it, and when it is enough.

mod cell;
mod pool;
mod scoring;
mod workspace;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::backend::{self, registry};
use crate::engine::{self, Clock, Emitter, Shutdown};
use crate::event::{
    ArmName, BudgetRefused, CaseId, CellEnded, CellIndex, CellStarted, FaultClass, Missing, MissingReason,
    NodeId, Scores, Sheet, Stored, Trial, billed,
};
use crate::profile::Check;

use super::play::{Part, Played, Player, Stage, StageError, Text};
use super::{Case, CaseSet, Scorers, Template};

pub use cell::{Cell, Identity, cell_seed, missing};
pub use pool::{Elsewhere, Look, Pool, Refused, Share, Turn};
pub use workspace::workspace_sha256;

use scoring::{Judged, Rivals};
use workspace::Work;

/// Texts that are on disk already may be lost by a power failure for so long.
const SYNC_EVERY: Duration = Duration::from_millis(200);
/// So many cells in a row without an answer, for a reason that the next one would meet too, are enough.
const HOPELESS: u64 = 8;

/// A profile that plays cells.
pub struct Arm {
    /// Its name in the plan.
    pub name: ArmName,
    /// Who plays: one for all trials, or one for each.
    pub players: Vec<Player>,
    /// How a case becomes the task for it, where that is not as for the others.
    pub template: Option<Template>,
    /// The check of its profile.
    pub check: Option<Check>,
    /// Whether its profile says that it costs nothing.
    pub offline: bool,
    /// Whether its agent works in a directory.
    pub works: bool,
}

/// What all cells of a grid share.
pub struct Setting {
    /// Where they are played.
    pub stage: Stage,
    /// The arms, in the order of the plan.
    pub arms: Vec<Option<Arm>>,
    /// The cases, in the order of the plan.
    pub cases: Arc<CaseSet>,
    /// How a case becomes a task, on the arms that do not say it themselves.
    pub template: Template,
    /// What scores.
    pub scorers: Arc<Scorers>,
    /// What is copied into each workspace.
    pub base: Option<PathBuf>,
    /// Cells in flight, at most.
    pub concurrency: usize,
    /// When all must be over.
    pub wall: Option<Instant>,
    /// Whether workspaces stay.
    pub keep_workspaces: bool,
    /// Whether stored answers are scored again, also where they have a score.
    pub rescore: bool,
    /// Whether only some cells of the plan are run here: what compares with the baseline's answer is scored where all of
    /// them come together.
    pub alone: bool,
    /// The seed of the run.
    pub seed: u64,
    /// Hears requests to end; the cells hear them through the stage.
    pub shutdown: Shutdown,
}

impl Setting {
    fn seed(&self, case: &Case, trial: Trial) -> u64 {
        cell_seed(self.seed, &case.id, trial)
    }
}

/// How a grid ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GridEnd {
    /// Every cell has its end.
    Whole,
    /// What was to be known is known.
    Enough,
    /// Somebody wanted the end.
    Stopped,
    /// A ceiling of the budget; the cells that were not begun are missing for that.
    Budget(String),
    /// A ceiling in dollars is set, and something ran whose price nobody said.
    Unknown,
    /// Nothing could be had: what was seen, of an arm none of whose first cells has an answer.
    Unavailable(String),
}

type Flight = Pin<Box<dyn Future<Output = Landed> + Send>>;

/// What comes back from a future.
enum Landed {
    Played(Box<Flown>),
    Judged(Box<Judged>),
}

/// A cell whose agent has ended.
struct Flown {
    cell: Cell,
    case: Case,
    share: Share,
    workspace: Option<Arc<Work>>,
    how: Result<Played, StageError>,
}

/// Cells that are being run.
pub struct Grid<'a> {
    setting: &'a Setting,
    emitter: &'a mut Emitter,
    sheet: &'a mut Sheet,
    pool: Pool,
    flights: FuturesUnordered<Flight>,
    /// Cells that are played now; scorings are not counted.
    playing: usize,
    rivals: Rivals,
    /// Of each arm: cells in a row that could not be had, and whether it has any answer.
    hopeless: Vec<(u64, bool)>,
    /// The cells that were not begun when the budget ended.
    unaffordable: Option<String>,
}

impl<'a> Grid<'a> {
    /// A grid over what is on record already.
    pub fn new(setting: &'a Setting, emitter: &'a mut Emitter, sheet: &'a mut Sheet, pool: Pool) -> Self {
        let hopeless = sheet.arms().iter().map(|arm| (0, arm.answered > 0)).collect();
        Self {
            setting,
            emitter,
            sheet,
            pool,
            flights: FuturesUnordered::new(),
            playing: 0,
            rivals: Rivals::default(),
            hopeless,
            unaffordable: None,
        }
    }

    /// Runs `cells` in their order, each as `identify` makes it of its place, and scores `stored` answers. `enough` is asked after
    /// each end of a cell.
    ///
    /// # Errors
    ///
    /// What happened could not be recorded.
    pub async fn run(
        mut self,
        cells: Vec<CellIndex>,
        identify: impl Fn(&Sheet, CellIndex) -> Option<Cell>,
        stored: Vec<(CellIndex, String)>,
        mut enough: impl FnMut(&Sheet) -> bool,
    ) -> io::Result<GridEnd> {
        if !self.setting.keep_workspaces {
            let answered = |cell| self.sheet.row(cell).is_some_and(|row| row.missing.is_none());
            workspace::tidy(&self.setting.stage.directory, answered);
        }
        let mut waiting: VecDeque<CellIndex> = cells.into();
        for (cell, output) in stored {
            self.score_stored(cell, &output)?;
        }
        let mut shutdown = self.setting.shutdown.clone();
        let mut syncs = tokio::time::interval(SYNC_EVERY);
        syncs.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut end = None;
        loop {
            while end.is_none() && self.playing < self.setting.concurrency {
                let Some(next) = waiting.front() else { break };
                let begun = identify(self.sheet, *next).map_or(Ok(Begun::Yes), |cell| self.begin(cell))?;
                match begun {
                    Begun::Yes => drop(waiting.pop_front()),
                    Begun::Later => break,
                    Begun::Over(refused) => end = Some(refused),
                }
            }
            if self.flights.is_empty() && (end.is_some() || waiting.is_empty()) {
                if end.is_none() {
                    self.without_rivals()?;
                }
                break;
            }
            let wall = self.setting.wall.filter(|_| end.is_none());
            tokio::select! {
                Some(landed) = self.flights.next() => {
                    self.landed(landed)?;
                    if end.is_none() && shutdown.asked().is_some() {
                        // What was cut off has made room; nothing else is begun in it.
                        end = Some(GridEnd::Stopped);
                    }
                    if end.is_none() {
                        end = self.verdict(&mut enough);
                    }
                }
                () = shutdown.wanted(), if end != Some(GridEnd::Stopped) => end = Some(GridEnd::Stopped),
                () = engine::until(wall), if wall.is_some() => {
                    let why = "`budget.wall` of the suite has passed".to_owned();
                    self.emitter.emit(BudgetRefused { why: why.clone(), shortfall: None })?;
                    end = Some(GridEnd::Budget(why));
                }
                _ = syncs.tick() => self.emitter.sync()?,
            }
        }
        if let Some(GridEnd::Budget(why)) = &end {
            self.unaffordable = Some(why.clone());
        }
        if let Some(why) = self.unaffordable.take() {
            for cell in waiting {
                if let Some(cell) = identify(self.sheet, cell) {
                    self.never_begun(&cell, &why)?;
                }
            }
        }
        self.emitter.sync()?;
        Ok(end.unwrap_or(GridEnd::Whole))
    }

    fn verdict(&mut self, enough: &mut impl FnMut(&Sheet) -> bool) -> Option<GridEnd> {
        if let Some(at) = self.hopeless.iter().position(|(row, any)| *row >= HOPELESS && !any) {
            let name = self.setting.arms.get(at).and_then(Option::as_ref).map_or("", |arm| arm.name.as_str());
            return Some(GridEnd::Unavailable(format!(
                "none of the first {HOPELESS} cells of `{name}` has an answer"
            )));
        }
        enough(self.sheet).then_some(GridEnd::Enough)
    }

    /// Begins a cell, if the budget has a share for it.
    fn begin(&mut self, cell: Cell) -> io::Result<Begun> {
        let setting = self.setting;
        let Some(case) = setting.cases.get(cell.place.case)? else { return Ok(Begun::Yes) };
        let Some(Some(arm)) = setting.arms.get(cell.place.arm) else { return Ok(Begun::Yes) };
        let task = match arm.template.as_ref().unwrap_or(&setting.template).render(&case) {
            Ok(task) => task,
            Err(error) => {
                let why = Missing {
                    reason: MissingReason::Infrastructure,
                    class: Some(FaultClass::ConfigMissing),
                    evidence: error.to_string(),
                };
                self.end_unplayed(&cell, why)?;
                return Ok(Begun::Yes);
            }
        };
        // Nobody else reserves before this reservation is on record.
        let Some(turn) = self.pool.turn()? else { return Ok(Begun::Later) };
        let share = match self.pool.reserve(task.len()) {
            Ok(share) => share,
            Err(Refused::Later) => return Ok(Begun::Later),
            Err(Refused::Unknown) => {
                let why =
                    "`budget.usd` of the suite is set, and something ran whose price nobody said".to_owned();
                self.emitter.emit(BudgetRefused { why, shortfall: None })?;
                return Ok(Begun::Over(GridEnd::Unknown));
            }
            Err(Refused::Over { why, shortfall }) => {
                self.emitter.emit(BudgetRefused { why: why.clone(), shortfall: Some(shortfall) })?;
                return Ok(Begun::Over(GridEnd::Budget(why)));
            }
        };
        let node = NodeId::cell(cell.index);
        self.emitter.emit_of(node.clone(), CellStarted { cell: cell.index })?;
        drop(turn);
        self.fold();
        let works = arm.works || !case.files.is_empty() || setting.base.is_some();
        let workspace = if works {
            match workspace::prepare(&setting.stage.directory, cell.index, setting.base.as_deref(), &case) {
                Ok(path) => Some(Arc::new(Work { path, keep: setting.keep_workspaces })),
                Err(error) => {
                    self.pool.settle(share, false, None);
                    let why = Missing {
                        reason: MissingReason::Infrastructure,
                        class: None,
                        evidence: format!("the workspace could not be made: {error}"),
                    };
                    self.end_unplayed(&cell, why)?;
                    return Ok(Begun::Yes);
                }
            }
        } else {
            None
        };
        let trial = usize::try_from(cell.place.trial.0.saturating_sub(1)).unwrap_or(0);
        let Some(player) = arm.players.get(trial).or_else(|| arm.players.first()).cloned() else {
            return Ok(Begun::Yes);
        };
        let place =
            workspace.as_ref().map_or_else(|| setting.stage.directory.clone(), |work| work.path.clone());
        let oracle = case.check.as_deref().or(arm.check.as_ref()).and_then(|check| {
            let stage = &setting.stage;
            let environment = registry::check_environment(&stage.environment, &stage.secrets);
            backend::oracle(check, stage.guard.clone(), environment, &place, Arc::clone(&stage.secrets))
        });
        let part = Part { node, task, seed: cell.seed, workspace: place, oracle, takes_cut: true };
        let stage = setting.stage.clone();
        self.playing += 1;
        self.flights.push(Box::pin(async move {
            let how = stage.play(&player, part).await;
            Landed::Played(Box::new(Flown { cell, case, share, workspace, how }))
        }));
        Ok(Begun::Yes)
    }

    fn landed(&mut self, landed: Landed) -> io::Result<()> {
        match landed {
            Landed::Played(flown) => self.played(*flown),
            Landed::Judged(judged) => self.judged(*judged),
        }
    }

    fn played(&mut self, flown: Flown) -> io::Result<()> {
        self.playing -= 1;
        let Flown { cell, case, share, workspace, how } = flown;
        let cell = &cell;
        let played = match how {
            Ok(played) => played,
            Err(error) => {
                self.pool.settle(share, false, None);
                let evidence = error.to_string();
                let why = Missing { reason: MissingReason::Infrastructure, class: None, evidence };
                return self.end_unplayed(cell, why);
            }
        };
        let arm = self.setting.arms.get(cell.place.arm).and_then(Option::as_ref);
        let usage = billed(arm.is_some_and(|arm| arm.offline), played.usage);
        self.pool.settle(share, played.output.is_some() && usage.is_none(), usage.as_ref());
        if played.output.is_none() && cut_off(&played) {
            // What was cut off because somebody wanted the end has no end of its own: it is run again.
            return Ok(());
        }
        let node = NodeId::cell(cell.index);
        for event in &played.notable {
            self.emitter.emit_of(node.clone(), event.kind.clone())?;
        }
        for Text { bytes, .. } in &played.prompts {
            self.emitter.store(Stored::Prompt, bytes)?;
        }
        let why = match (&played.output, &played.failure) {
            (Some(_), _) => None,
            (None, Some(failure)) => Some(missing(failure)),
            (None, None) => Some(Missing {
                reason: MissingReason::Agent,
                class: Some(FaultClass::NoPayload),
                evidence: format!("it ended as `{}` and without an answer", played.outcome.word()),
            }),
        };
        self.count(cell, why.as_ref());
        let output = played.output.clone().filter(|_| why.is_none());
        let output_sha256 =
            output.as_ref().map(|text| self.emitter.store(Stored::Blob, text.as_bytes())).transpose()?;
        let scores = match &output {
            Some(output) => {
                self.score_at_once(cell, &case, output, workspace.as_ref(), played.check.as_ref())
            }
            None => Scores::default(),
        };
        let ended = CellEnded {
            cell: cell.index,
            key: cell.key.clone(),
            arm: self.arm_name(cell.place.arm),
            case: case.id.clone(),
            trial: cell.place.trial,
            missing: why,
            prompts: played.prompts.into_iter().map(|text| text.sha256).collect(),
            output_sha256,
            cut: played.cut,
            scores,
            usage: played.usage,
            attempts: played.attempts,
            rounds: played.rounds,
            model: played.model,
            duration_ms: played.duration_ms,
            transcript: played.transcript,
            stored: false,
            origin: None,
        };
        self.emitter.emit_of(node, ended)?;
        self.fold();
        self.score_later(cell.index, &case, output.as_deref(), workspace.as_ref(), played.check.as_ref())
    }

    /// A cell that could not even be begun has an end too.
    fn end_unplayed(&mut self, cell: &Cell, why: Missing) -> io::Result<()> {
        self.count(cell, Some(&why));
        let Some(case) = self.sheet.cases().get(cell.place.case) else { return Ok(()) };
        let case = CaseId::new(case.id);
        let ended = CellEnded {
            cell: cell.index,
            key: cell.key.clone(),
            arm: self.arm_name(cell.place.arm),
            case,
            trial: cell.place.trial,
            missing: Some(why),
            prompts: Vec::new(),
            output_sha256: None,
            cut: false,
            scores: Scores::default(),
            usage: None,
            attempts: 0,
            rounds: 0,
            model: None,
            duration_ms: 0,
            transcript: None,
            stored: false,
            origin: None,
        };
        self.emitter.emit_of(NodeId::cell(cell.index), ended)?;
        self.fold();
        Ok(())
    }

    fn never_begun(&mut self, cell: &Cell, why: &str) -> io::Result<()> {
        let missing = Missing {
            reason: MissingReason::Budget,
            class: Some(FaultClass::BudgetLimit),
            evidence: why.to_owned(),
        };
        self.end_unplayed(cell, missing)
    }

    /// Notices an arm that cannot be had at all.
    fn count(&mut self, cell: &Cell, missing: Option<&Missing>) {
        let Some((row, any)) = self.hopeless.get_mut(cell.place.arm) else { return };
        match missing {
            None => *any = true,
            Some(Missing {
                class:
                    Some(
                        FaultClass::Auth
                        | FaultClass::Forbidden
                        | FaultClass::ConfigMissing
                        | FaultClass::ModelNotFound
                        | FaultClass::QuotaExhausted,
                    ),
                ..
            }) => *row += 1,
            Some(_) => *row = 0,
        }
    }

    fn arm_name(&self, arm: usize) -> ArmName {
        let name = self.setting.arms.get(arm).and_then(Option::as_ref).map(|arm| arm.name.clone());
        name.unwrap_or_else(|| ArmName::new(format!("arm {arm}")))
    }

    /// Folds what was recorded since into the rows.
    fn fold(&mut self) {
        for event in self.emitter.take_fresh() {
            self.sheet.apply(&event);
        }
    }
}

/// Whether a part was cut off because somebody wanted the end, or the wall has passed.
fn cut_off(played: &Played) -> bool {
    played.failure.as_ref().is_some_and(|failure| failure.class == FaultClass::UserAbort)
        || (played.failure.is_none() && played.outcome.can_go_on())
}

/// Whether a cell was begun.
enum Begun {
    Yes,
    /// Others must end first.
    Later,
    /// It will never be.
    Over(GridEnd),
}

/// How many cells may be in flight where nobody says it.
pub const CONCURRENCY: usize = 8;

/// The clock of a grid, for walls.
pub fn wall(length: Option<Duration>, used_s: f64) -> Option<Instant> {
    let left = length?.saturating_sub(Duration::try_from_secs_f64(used_s).unwrap_or_default());
    Clock.now().checked_add(left)
}
