//! What is looked at before a run, and `provost run --check`, which only looks.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;

use crate::backend::ready::{self, Memory, Notice, VersionCheck};
use crate::backend::registry::{self, Place, Unavailable};
use crate::backend::{Guard, Stop};
use crate::engine::Shutdown;
use crate::event::{AlertRaised, Severity};
use crate::profile::Profile;

use super::context::Context;
use super::error::{CliError, environment};
use super::exit;
use super::run::{own_program, unavailable};

/// Sees that the agent's program is of a version that is known to work. What a person should know of it comes back; the
/// program itself is asked only when it is not the one that was asked before.
pub(super) fn version(
    context: &Context,
    profile: &Profile,
    workspace: &Path,
) -> Result<Vec<AlertRaised>, CliError> {
    let secrets = Arc::new(registry::secrets(profile, &context.environment));
    let check = VersionCheck::of(profile, &context.environment, workspace, secrets);
    let Some(check) = check.map_err(|error| unavailable(&error))? else { return Ok(Vec::new()) };
    let memory = context.state().map(Memory::new);
    let notice = match memory.as_ref().and_then(|memory| check.remembered(memory)) {
        Some(known) => known,
        None => runtime()?.block_on(async {
            let guard = Guard::start(&own_program()?).await.map_err(environment)?;
            let asked = check.ask(&guard, memory.as_ref()).await;
            guard.close().await;
            Ok::<_, CliError>(asked)
        })?,
    };
    Ok(alert(&notice.map_err(|error| unavailable(&error))?).into_iter().collect())
}

/// What is not as it should be, for the journal.
fn alert(notice: &Notice) -> Option<AlertRaised> {
    (!notice.usual).then(|| AlertRaised {
        alert: notice.about.to_owned(),
        severity: Severity::Notice,
        message: notice.text.clone(),
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(environment)
}

/// Looks at all that a run of this profile would need, says what it sees, and ends.
pub(super) fn check(
    context: &Context,
    profile: &Profile,
    workspace: &Path,
    json: bool,
) -> Result<u8, CliError> {
    let runtime = runtime()?;
    let code = runtime.block_on(look(context, profile, workspace, json));
    // A thread that still waits for a pipe must not keep us.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    code
}

/// Prints findings, a line for each.
struct Findings {
    json: bool,
}

impl Findings {
    fn seen(&self, notice: &Notice) -> Result<(), CliError> {
        let line = if self.json {
            let level = if notice.usual { "ok" } else { "notice" };
            json!({ "finding": level, "about": notice.about, "text": notice.text }).to_string()
        } else {
            let level = if notice.usual { "ok" } else { "notice" };
            format!("{level:<8}{:<9}{}", notice.about, notice.text)
        };
        super::print(&(line + "\n")).map_err(environment)
    }

    fn missing(&self, error: &Unavailable) -> Result<u8, CliError> {
        let line = if self.json {
            json!({ "finding": "missing", "text": error.what, "remedy": error.remedy }).to_string()
        } else {
            format!("{:<17}{}\n{:<17}{}", "missing", error.what, "  to do", error.remedy)
        };
        super::print(&(line + "\n")).map_err(environment)?;
        Ok(exit::UNAVAILABLE)
    }
}

async fn look(context: &Context, profile: &Profile, workspace: &Path, json: bool) -> Result<u8, CliError> {
    let findings = Findings { json };
    let mut shutdown = Shutdown::listen().map_err(environment)?;
    let guard = Guard::start(&own_program()?).await.map_err(environment)?;
    let secrets = Arc::new(registry::secrets(profile, &context.environment));
    let place =
        Place { profile, environment: &context.environment, guard: guard.clone(), secrets, workspace };
    let (switch, mut stop) = watch::channel(None);
    let memory = context.state().map(Memory::new);
    let mut looking = std::pin::pin!(all(&findings, &place, memory.as_ref(), &mut stop));
    let mut times = 0;
    let code = loop {
        tokio::select! {
            code = &mut looking => break code,
            asked = shutdown.asked_more_than(times) => {
                times = asked.times;
                switch.send_replace(Some(if times == 1 { Stop::Gracefully } else { Stop::Now }));
            }
        }
    };
    guard.close().await;
    match shutdown.asked() {
        Some(asked) => Ok(exit::of_signal(asked.signal)),
        None => code,
    }
}

async fn all(
    findings: &Findings,
    place: &Place<'_>,
    memory: Option<&Memory>,
    stop: &mut watch::Receiver<Option<Stop>>,
) -> Result<u8, CliError> {
    let profile = place.profile;
    if let Err(error) = registry::ready(profile, place.environment, place.workspace) {
        return findings.missing(&error);
    }
    for key in registry::keys(profile) {
        findings.seen(&Notice::usual("key", format!("`{key}` is set")))?;
    }
    match registry::agent_program(place) {
        Ok(Some(program)) => findings.seen(&Notice::usual("program", program.display().to_string()))?,
        Ok(None) => {}
        Err(error) => return findings.missing(&error),
    }
    let check = VersionCheck::of(profile, place.environment, place.workspace, Arc::clone(&place.secrets));
    match check {
        Ok(Some(check)) => {
            let asked = tokio::select! {
                asked = check.ask(&place.guard, memory) => asked,
                // Giving it up ends the program; the code is that of the signal.
                Ok(()) = stop.changed() => return Ok(exit::UNAVAILABLE),
            };
            match asked {
                Ok(notice) => findings.seen(&notice)?,
                Err(error) => return findings.missing(&error),
            }
        }
        Ok(None) => {}
        Err(error) => return findings.missing(&error),
    }
    let directory = tempfile::Builder::new().prefix("provost-check-").tempdir().map_err(environment)?;
    match ready::servers(place, directory.path(), stop).await {
        Ok(notices) => notices.iter().try_for_each(|notice| findings.seen(notice))?,
        Err(error) => return findings.missing(&error),
    }
    for profile in ready::distinct([profile]) {
        let place = Place {
            profile,
            environment: place.environment,
            guard: place.guard.clone(),
            secrets: Arc::clone(&place.secrets),
            workspace: place.workspace,
        };
        match ready::model(&place, directory.path(), stop).await {
            Ok(probed) => findings.seen(&probed.notice)?,
            Err(error) => return findings.missing(&error),
        }
    }
    Ok(0)
}
