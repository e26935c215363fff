//! Keeps watch while a round runs and while the loop waits: looks at the host, and hands what it sees to the detectors.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::SignedDuration;

use crate::engine::{Act, View};
use crate::event::{DefenseActed, Event, Failure, HostSampled, Kind, RoundNumber};
use crate::process::give_back_code;
use crate::profile::{Round, Supervise};

use super::detect::{Detectors, Level, Seen};
use super::host::{
    Brake, DiskState, Floor, FloorAct, Look, Pressure, Sampler, Watch, disk_state, gate_inert, own_group,
};

/// The name of the memory floor among the defenses.
const MEMORY_FLOOR: &str = "memory_floor";
/// The name of the brake.
const MEMORY_BRAKE: &str = "memory_brake";

/// When nothing has been recorded for so long, the loop is at rest.
const QUIET: SignedDuration = SignedDuration::from_secs(5);

/// Looks, and remembers what it takes to tell a change.
pub(super) struct Vigil {
    settings: Supervise,
    watch: Watch,
    detectors: Detectors,
    floor: Floor,
    /// Our own control group.
    group: Option<PathBuf>,
    brake: Option<Brake>,
    next: Option<Instant>,
    /// Whether nothing has happened since the program's pages were given back.
    lean: bool,
}

impl Vigil {
    /// Looks at this host; `disk` lies on the file system that fills with what the loop writes.
    pub(super) fn new(settings: &Supervise, round: &Round, disk: &Path) -> Self {
        let group = own_group(Path::new("/"));
        Self {
            settings: settings.clone(),
            brake: group.as_deref().filter(|_| settings.host.brake).map(Brake::new),
            watch: Watch::new(Sampler::new(Path::new("/"), disk, group.clone()), &settings.host),
            group,
            detectors: Detectors::new(settings, round),
            floor: Floor::default(),
            next: None,
            lean: false,
        }
    }

    /// When it wants to look.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// The rounds that follow have these deadlines.
    pub(super) fn goes_by(&mut self, round: &Round) {
        self.detectors.goes_by(round);
    }

    /// The host as it is between rounds.
    pub(super) fn sample(&mut self, at: Instant, round: RoundNumber) -> (HostSampled, Pressure, DiskState) {
        let look = self.watch.look(at, None);
        self.next.get_or_insert(at + self.settings.host.sample.0);
        let host = &self.settings.host;
        (look.now.event(round), look.pressure(host), disk_state(host, &look.now))
    }

    /// Hears an event.
    pub(super) fn hear(&mut self, event: &Event, view: &View<'_>) -> Vec<Act> {
        let mut acts = Vec::new();
        self.lean = false;
        match &event.kind {
            Kind::RunResumed(_) => {
                // A run that died may have left the limit lowered.
                let mended = self.group.as_deref().zip(view.tally.brake.as_ref());
                let mended = mended.and_then(|(group, engaged)| Brake::mend(group, engaged));
                acts.extend(
                    mended
                        .map(|done| Act::Tell(Box::new(done.event(MEMORY_BRAKE, view.tally.rounds).into()))),
                );
            }
            Kind::RoundStarted(_) => {
                self.watch.begin();
                self.floor = Floor::default();
            }
            Kind::RoundEnded(ended) => {
                let released = self.brake.as_mut().and_then(|brake| brake.release("the round has ended"));
                acts.extend(
                    released.map(|done| Act::Tell(Box::new(done.event(MEMORY_BRAKE, ended.round).into()))),
                );
            }
            _ => {}
        }
        acts.extend(self.detectors.hear(event, view));
        acts
    }

    /// Looks.
    pub(super) fn look(&mut self, view: &View<'_>) -> Vec<Act> {
        self.next = Some(view.instant + self.settings.host.sample.0);
        self.rest(view);
        let open = view.tally.open.as_ref();
        let look = self.watch.look(view.instant, open.and_then(|open| open.pid));
        let host = &self.settings.host;
        let shortage = look.pressure(host);
        let seen = Seen {
            disk: level_of_disk(disk_state(host, &look.now)),
            disk_growth_pct_per_hour: look.disk_pct_per_hour,
            inode_growth_pct_per_hour: look.inode_pct_per_hour,
            // Elsewhere nothing is told, always: no alert would say anything.
            memory: (look.told() || !cfg!(target_os = "linux")).then(|| level_of(&shortage)),
            gate_inert: gate_inert(host, look.before.as_ref(), &look.now),
            cgroup_mb_per_min: look.memory_mb_per_min,
        };
        let mut acts = self.detectors.look(view, &seen);
        let round = open.map_or(view.tally.rounds, |open| open.round);
        if open.is_some() {
            acts.extend(self.defend(&look, &shortage, round));
        }
        acts
    }

    /// Takes up little room while nothing happens.
    fn rest(&mut self, view: &View<'_>) {
        let quiet = view.tally.last_at.is_some_and(|last| view.now.duration_since(last) >= QUIET);
        if quiet && !self.lean {
            // It saves memory or it does not; nothing else depends on it.
            let _ = give_back_code();
            self.lean = true;
        }
    }

    /// What is done about memory in a round.
    fn defend(&mut self, look: &Look, shortage: &Pressure, round: RoundNumber) -> Vec<Act> {
        let acted = |action: &str, message: &str| {
            let (defense, action, message) = (MEMORY_FLOOR.to_owned(), action.to_owned(), message.to_owned());
            Act::Tell(Box::new(DefenseActed { defense, action, message, round }.into()))
        };
        let mut acts = Vec::new();
        let braked = self.brake.as_mut().and_then(|brake| brake.look(&self.settings.host, shortage));
        acts.extend(braked.map(|done| Act::Tell(Box::new(done.event(MEMORY_BRAKE, round).into()))));
        match self.floor.look(&self.settings.host, look.before.as_ref(), &look.now) {
            FloorAct::Nothing => {}
            FloorAct::DeferToCgroup(message) => acts.push(acted("deferred_to_cgroup", &message)),
            FloorAct::Terminate(message) => {
                acts.push(acted("terminated", &message));
                acts.push(Act::EndRound(Failure::memory(message)));
            }
        }
        acts
    }
}

fn level_of(pressure: &Pressure) -> Level {
    match pressure {
        Pressure::None => Level::Fine,
        Pressure::Warning(signal) => Level::Warning(signal.message.clone()),
        Pressure::Critical(signal) => Level::Critical(signal.message.clone()),
    }
}

fn level_of_disk(state: DiskState) -> Level {
    match state {
        DiskState::Fine => Level::Fine,
        DiskState::Warning(message) => Level::Warning(message),
        DiskState::Critical(message) => Level::Critical(message),
    }
}
