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
use super::launch::{own_program, unavailable};

/// Sees that the programs of the profile and of its chain are of versions that are known to work. What a person should know of
/// them comes back; a program is asked only when it is not the one that was asked before.
pub(super) fn version(
    context: &Context,
    profile: &Profile,
    workspace: &Path,
) -> Result<Vec<AlertRaised>, CliError> {
    let secrets = Arc::new(registry::secrets(profile, &context.environment));
    let memory = context.state().map(Memory::new);
    let mut alerts = Vec::new();
    let candidates = profile.candidates();
    for (index, candidate) in candidates.iter().enumerate() {
        if candidates.iter().take(index).any(|other| same_program(other, candidate)) {
            continue;
        }
        let missing = |error: Unavailable| unavailable(&error.of_candidate(index));
        let check = VersionCheck::of(candidate, &context.environment, workspace, Arc::clone(&secrets));
        let Some(check) = check.map_err(missing)? else { continue };
        let notice = match memory.as_ref().and_then(|memory| check.remembered(memory)) {
            Some(known) => known,
            None => runtime()?.block_on(async {
                let guard = Guard::start(&own_program()?).await.map_err(environment)?;
                let asked = check.ask(&guard, memory.as_ref()).await;
                guard.close().await;
                Ok::<_, CliError>(asked)
            })?,
        };
        let notice = notice.map_err(missing)?;
        alerts.extend(alert(&notice).filter(|alert| !alerts.contains(alert)));
    }
    Ok(alerts)
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
    match shutdown.asked().and_then(|asked| asked.signal()) {
        Some(signal) => Ok(exit::of_signal(signal)),
        None => code,
    }
}

async fn all(
    findings: &Findings,
    place: &Place<'_>,
    memory: Option<&Memory>,
    stop: &mut watch::Receiver<Option<Stop>>,
) -> Result<u8, CliError> {
    if let Err(error) = registry::ready(place.profile, place.environment, place.workspace) {
        return findings.missing(&error);
    }
    let candidates = place.profile.candidates();
    let directory = tempfile::Builder::new().prefix("provost-check-").tempdir().map_err(environment)?;
    let mut said = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let place = at(place, candidate);
        let before = candidates.get(..index).unwrap_or_default();
        let mut notice = |notice: Notice| {
            // Candidates share keys and programs; each is told once.
            if said.contains(&notice) {
                return Ok(());
            }
            findings.seen(&notice)?;
            said.push(notice);
            Ok(())
        };
        for key in registry::keys(candidate) {
            notice(Notice::usual("key", format!("`{key}` is set")))?;
        }
        if !before.iter().any(|other| same_program(other, candidate)) {
            match program(&place, memory, stop, &mut notice).await? {
                Ok(true) => {}
                // Giving it up ends the program; the code is that of the signal.
                Ok(false) => return Ok(exit::UNAVAILABLE),
                Err(error) => return findings.missing(&error.of_candidate(index)),
            }
        }
        if !before.iter().any(|other| same_servers(other, candidate)) {
            match ready::servers(&place, directory.path(), stop).await {
                Ok(notices) => notices.into_iter().try_for_each(notice)?,
                Err(error) => return findings.missing(&error.of_candidate(index)),
            }
        }
    }
    for candidate in ready::distinct(&candidates) {
        let index = candidates.iter().position(|one| std::ptr::eq(one, candidate)).unwrap_or_default();
        match ready::model(&at(place, candidate), directory.path(), stop).await {
            Ok(probed) => findings.seen(&probed.notice)?,
            Err(error) => return findings.missing(&error.of_candidate(index)),
        }
    }
    Ok(0)
}

/// Looks at the program of one candidate. `false` when it was given up, because somebody asked to stop.
async fn program(
    place: &Place<'_>,
    memory: Option<&Memory>,
    stop: &mut watch::Receiver<Option<Stop>>,
    notice: &mut impl FnMut(Notice) -> Result<(), CliError>,
) -> Result<Result<bool, Unavailable>, CliError> {
    match registry::agent_program(place) {
        Ok(Some(program)) => notice(Notice::usual("program", program.display().to_string()))?,
        Ok(None) => {}
        Err(error) => return Ok(Err(error)),
    }
    let check =
        VersionCheck::of(place.profile, place.environment, place.workspace, Arc::clone(&place.secrets));
    let check = match check {
        Ok(Some(check)) => check,
        Ok(None) => return Ok(Ok(true)),
        Err(error) => return Ok(Err(error)),
    };
    let asked = tokio::select! {
        asked = check.ask(&place.guard, memory) => asked,
        Ok(()) = stop.changed() => return Ok(Ok(false)),
    };
    match asked {
        Ok(seen) => notice(seen)?,
        Err(error) => return Ok(Err(error)),
    }
    Ok(Ok(true))
}

fn at<'a>(place: &Place<'a>, profile: &'a Profile) -> Place<'a> {
    Place {
        profile,
        environment: place.environment,
        guard: place.guard.clone(),
        secrets: Arc::clone(&place.secrets),
        workspace: place.workspace,
    }
}

/// Whether two candidates run the same program.
fn same_program(one: &Profile, other: &Profile) -> bool {
    one.agent.harness == other.agent.harness && one.agent.command == other.agent.command
}

/// Whether two candidates start the same MCP servers in the same way, by themselves.
fn same_servers(one: &Profile, other: &Profile) -> bool {
    one.agent.harness == other.agent.harness && one.agent.mcp == other.agent.mcp
}
