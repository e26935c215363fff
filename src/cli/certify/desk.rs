//! Where cells are run from: the journal with all who are told, the stage, and ears for requests to end.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Guard;
use crate::backend::registry::Secrets;
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::launch::{self, own_program};
use crate::cli::record::{Recorder, Shared as SharedRecorder, lock};
use crate::engine::{Clock, Emitter, Request, Shutdown};
use crate::event::{NodeId, RunStarted, Tally};
use crate::journal::{Bell, Manifest, RunDir, Writer};
use crate::report::Fanout;
use crate::suite::Stage;

/// What a desk is made of.
pub(super) struct Given<'a> {
    pub(super) dir: &'a RunDir,
    pub(super) manifest: &'a Manifest,
    pub(super) writer: Writer,
    pub(super) tally: Tally,
    pub(super) secrets: Secrets,
    pub(super) reports: Fanout,
    pub(super) dry_run: bool,
    /// Requests that were left when nobody ran it.
    pub(super) late: Vec<Request>,
}

/// What runs cells and records them.
pub(super) struct Desk {
    pub(super) stage: Stage,
    pub(super) emitter: Emitter,
    pub(super) shutdown: Shutdown,
    pub(super) recorder: SharedRecorder,
    pub(super) watch: Watch,
}

impl Desk {
    /// Sets everything up.
    pub(super) async fn open(context: &Context, given: Given<'_>) -> Result<Self, CliError> {
        let Given { dir, manifest, mut writer, tally, secrets, reports, dry_run, late } = given;
        // Hung first: what comes before it is looked for is told then.
        let bell = dir.bell();
        let shutdown = crate::cli::stop::listen(dir, late).map_err(environment)?;
        let guard = Guard::start(&own_program()?).await.map_err(environment)?;
        let secrets = Arc::new(secrets);
        let accounts = launch::accounts(context, dry_run, manifest);
        writer.pack().map_err(environment)?;
        let recorder = Recorder::new(writer, reports, Arc::clone(&secrets), dir.clone());
        let (sink, veil) = (Arc::clone(&recorder), Arc::clone(&secrets));
        let emitter = Emitter::new(
            Clock,
            Box::new(move |record| lock(&sink).take(&record)),
            Box::new(move |bytes| veil.redact(bytes)),
            tally,
            NodeId::root(),
        );
        let stage = Stage {
            guard: guard.clone(),
            environment: context.environment.clone(),
            secrets,
            accounts,
            shutdown: shutdown.inner(),
            directory: dir.path().to_owned(),
            run: manifest.run.clone(),
            dry_run,
        };
        let watch = Watch {
            bell,
            door: shutdown.clone(),
            guard,
            recorder: Arc::clone(&recorder),
            animated: context.animated(),
        };
        Ok(Self { stage, emitter, shutdown, recorder, watch })
    }
}

/// What goes on beside the cells until they have ended.
pub(super) struct Watch {
    bell: Bell,
    door: Shutdown,
    guard: Guard,
    recorder: SharedRecorder,
    animated: bool,
}

impl Watch {
    /// Waits for the end of what runs, and closes everything. Also says whether all of it is on record.
    pub(super) async fn over<T>(self, running: impl Future<Output = T>) -> (T, io::Result<()>) {
        let Self { mut bell, door, guard, recorder, animated } = self;
        let outcome = {
            let mut running = std::pin::pin!(running);
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    outcome = &mut running => break outcome,
                    _ = ticks.tick(), if animated => lock(&recorder).tick(),
                    () = bell.rung() => door.look(),
                }
            }
        };
        // While the journal is still ours: the next one who has it hangs a bell of its own.
        drop(bell);
        guard.close().await;
        let finished = lock(&recorder).finish();
        (outcome, finished)
    }
}

/// The beginning of a run of that manifest, which measures that suite.
pub(super) fn run_started(manifest: &Manifest, suite: &str) -> RunStarted {
    let text = |key: &str| {
        let value = manifest.profile.get("agent").and_then(|agent| agent.get(key));
        value.and_then(|value| value.as_str()).map(str::to_owned)
    };
    let name = manifest.profile.get("name").and_then(|name| name.as_str());
    RunStarted {
        run: manifest.run.clone(),
        verb: manifest.verb.clone(),
        profile: name.unwrap_or_default().to_owned(),
        harness: text("harness").unwrap_or_default(),
        model: text("model"),
        task_sha256: manifest.task_sha256.clone(),
        task: suite.to_owned(),
        seed: manifest.seed,
        budget: manifest.budget,
        checked: false,
        pid: std::process::id(),
    }
}
