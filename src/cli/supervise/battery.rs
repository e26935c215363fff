//! What must be right before a loop begins, checked on what this machine has.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use crate::backend::Guard;
use crate::backend::registry;
use crate::cli::context::Context;
use crate::cli::data;
use crate::cli::error::{CliError, environment};
use crate::cli::launch;
use crate::event::{PhaseName, RunId};
use crate::profile::Profile;
use crate::supervise::battery::{Facts, Finding, Missing, Subject, battery};
use crate::supervise::host::{DiskState, Sampler, disk_state};
use crate::supervise::tree::Tree;

use super::{Named, SuperviseArgs};

/// What the checks of one profile have found.
pub(super) struct Found {
    profile: String,
    findings: Vec<Finding>,
}

/// Makes every check, for each profile.
pub(super) async fn findings(
    context: &Context,
    args: &SuperviseArgs,
    guard: &Guard,
    root: &Path,
    named: &[Named],
) -> Vec<Found> {
    let mut found = Vec::new();
    for named in named {
        let settings = &named.settings;
        let secrets = registry::secrets(&named.profile, &context.environment);
        let environment = registry::check_environment(&context.environment, &secrets);
        let tree =
            Tree::new(guard.clone(), named.workspace.clone(), environment, Vec::new(), RunId::new("check"));
        let work_tree = tree.is_work_tree().await;
        let phases: Vec<(Option<PhaseName>, Profile)> = if settings.rotation.is_empty() {
            vec![(None, (*named.profile).clone())]
        } else {
            settings
                .rotation
                .iter()
                .map(|name| (Some(PhaseName::new(name)), named.profile.phased(name)))
                .collect()
        };
        // What no template can say was refused before.
        let put = |profile: &Profile| launch::put(profile, &named.task).ok().flatten();
        let tasks: Vec<Option<String>> = phases.iter().map(|(_, profile)| put(profile)).collect();
        let subjects: Vec<Subject<'_>> = phases
            .iter()
            .zip(&tasks)
            .map(|((phase, profile), task)| Subject {
                phase: phase.as_ref(),
                profile,
                task: task.as_deref().unwrap_or(&named.task),
            })
            .collect();
        let mut places = vec![root.to_owned()];
        places.extend(args.out.as_ref().map(|out| context.cwd.join(out)));
        // The root is made later; it will lie on the disk of what there is of its path.
        let there = root.ancestors().find(|path| path.exists()).unwrap_or(root);
        let disk = match disk_state(&settings.host, &Sampler::new(Path::new("/"), there, None).sample(None)) {
            DiskState::Critical(why) => Some(why),
            DiskState::Fine | DiskState::Warning(_) => None,
        };
        let missing = |profile: &Profile| {
            let ready = registry::ready(profile, &context.environment, &named.workspace);
            ready.err().map(|missing| Missing { what: missing.what, remedy: missing.remedy })
        };
        let facts = Facts {
            subjects: &subjects,
            workspace: &named.workspace,
            places: &places,
            min_prompt: settings.min_prompt,
            work_tree,
            overlap: None,
            disk,
            missing: &missing,
        };
        found.push(Found { profile: named.profile.name.clone(), findings: battery(&facts) });
    }
    found
}

/// Prints what was found: exit code 0 when all is right, else 2.
pub(super) fn show(context: &Context, found: &[Found], json: bool) -> Result<u8, CliError> {
    let mut text = String::new();
    let mut right = true;
    for Found { profile, findings } in found {
        for finding in findings {
            right &= finding.ok;
            if json {
                let line = json!({
                    "profile": profile, "check": finding.check, "ok": finding.ok, "permanent": finding.permanent,
                    "message": finding.message, "remedy": finding.remedy,
                });
                text.push_str(&serde_json::to_string(&line).map_err(environment)?);
                text.push('\n');
            } else {
                text.push_str(&line(context, profile, finding, found.len() > 1));
            }
        }
    }
    data(&text)?;
    Ok(if right { 0 } else { crate::cli::exit::USAGE })
}

fn line(context: &Context, profile: &str, finding: &Finding, several: bool) -> String {
    let look = context.stdout_look();
    let (word, ink) = if finding.ok { ("ok", "32") } else { ("wrong", "31") };
    let word = if look.colour { format!("\u{1b}[{ink}m{word:<6}\u{1b}[0m") } else { format!("{word:<6}") };
    let whose = if several { format!("{profile}: ") } else { String::new() };
    let mut line = format!("{word} {:<16} {whose}{}\n", finding.check, finding.message);
    if !finding.ok && !finding.remedy.is_empty() {
        let _ = writeln!(line, "{:>23} {}", "help:", finding.remedy);
    }
    line
}

/// What keeps the loop from beginning: what is only the environment's passes, and the loop waits for it.
pub(super) fn refusal(found: &[Found]) -> Option<CliError> {
    let wrong: Vec<(&str, &Finding)> = found
        .iter()
        .flat_map(|found| found.findings.iter().map(|finding| (found.profile.as_str(), finding)))
        .filter(|(_, finding)| !finding.ok && finding.permanent)
        .collect();
    if wrong.is_empty() {
        return None;
    }
    let said: Vec<String> =
        wrong.iter().map(|(profile, finding)| format!("{profile}: {}", finding.message)).collect();
    let mut error = CliError::usage(said.join("\nerror: "));
    for (_, finding) in wrong.iter().filter(|(_, finding)| !finding.remedy.is_empty()) {
        error = error.hint(finding.remedy.clone());
    }
    Some(error.hint("`provost supervise --check` makes these checks alone"))
}
