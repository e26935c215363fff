//! What must be right before the first round: the prompt, the program, the work tree, the place of the logs.
//!
//! A check that fails is either permanent, so that trying again would only cost (exit code 2), or the environment's, and is
//! tried again later without a round being counted for it.

use std::path::{Path, PathBuf};

use crate::event::PhaseName;
use crate::profile::{Container, Dirty, Profile, PromptVia, find_container};

use super::tree::{TreeError, resolved};

mod place;
pub(super) mod prompt;

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check: `prompt`, `program`, `work_tree`, `phase_overlap`, `log_place`, `container_stdin`, `root_writable`, `disk`.
    pub check: &'static str,
    /// Whether all is right.
    pub ok: bool,
    /// Whether going on would be of no use until somebody changes something; what is not may mend by itself.
    pub permanent: bool,
    /// What it is about, in words: what is right, or what is wrong.
    pub message: String,
    /// What mends it; empty where all is right.
    pub remedy: String,
}

impl Finding {
    fn well(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, ok: true, permanent: false, message: message.into(), remedy: String::new() }
    }

    fn permanent(check: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, ok: false, permanent: true, message: message.into(), remedy: remedy.into() }
    }

    fn passing(check: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { permanent: false, ..Self::permanent(check, message, remedy) }
    }
}

/// An agent that may get a round: the profile as it is, or as it is in a phase.
pub struct Subject<'a> {
    /// The phase; `None` where there are none.
    pub phase: Option<&'a PhaseName>,
    /// The profile with the phase's keys laid over it.
    pub profile: &'a Profile,
    /// The task as it is put to the agent; empty where the prompt files say it all.
    pub task: &'a str,
}

/// Something that a profile names and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What, in words.
    pub what: String,
    /// What mends it.
    pub remedy: String,
}

/// All that the checks are about.
pub struct Facts<'a> {
    /// Every agent that may get a round.
    pub subjects: &'a [Subject<'a>],
    /// The directory that the agent works in.
    pub workspace: &'a Path,
    /// Where provost keeps what it owns: the root, and the run directory where `--out` names one.
    pub places: &'a [PathBuf],
    /// Bytes that the prompt files and the task must come to.
    pub min_prompt: Option<u64>,
    /// Whether the workspace is in a work tree of git, as [`Tree::is_work_tree`](super::tree::Tree::is_work_tree) says it.
    /// Not looked at where `workspace.dirty` is `ignore`.
    pub work_tree: Result<bool, TreeError>,
    /// Why two phases cannot be told apart by their windows.
    pub overlap: Option<String>,
    /// Why the disk is too full for a round.
    pub disk: Option<String>,
    /// What a profile names and is not there: its program, looked for as it will be when it is started.
    pub missing: &'a dyn Fn(&Profile) -> Option<Missing>,
}

/// Makes every check, and returns what each has found, in order. A fact that holds for several phases is told once.
pub fn battery(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for subject in facts.subjects {
        let found = [
            Some(prompt::check(subject, facts.min_prompt)),
            Some(program(facts, subject.profile)),
            log_place(facts, subject.profile),
            container_stdin(subject.profile),
        ];
        for mut finding in found.into_iter().flatten() {
            if let Some(phase) = subject.phase
                && (!finding.ok || finding.check == "prompt")
            {
                finding.message = format!("phase `{phase}`: {}", finding.message);
            }
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings.extend(work_tree(facts));
    findings.extend(facts.overlap.as_ref().map(|why| {
        Finding::permanent("phase_overlap", why.clone(), "give the phases windows that do not meet")
    }));
    findings.extend(facts.places.iter().map(|place| place::writable(place)));
    findings.push(match &facts.disk {
        Some(why) => Finding::passing("disk", why.clone(), "make room; rounds go on by themselves"),
        None => Finding::well("disk", "there is room on the disk"),
    });
    findings
}

fn program(facts: &Facts<'_>, profile: &Profile) -> Finding {
    match (facts.missing)(profile) {
        None => Finding::well("program", format!("the program of `{}` is there", profile.agent.harness)),
        Some(Missing { what, remedy }) => Finding::permanent("program", what, remedy),
    }
}

fn work_tree(facts: &Facts<'_>) -> Option<Finding> {
    let dirty = facts.subjects.first()?.profile.workspace.dirty;
    let word = match dirty {
        Dirty::Ignore => return None,
        Dirty::Stash => "stash",
        Dirty::Commit => "commit",
    };
    let workspace = facts.workspace.display();
    let remedy = "run `git init` there, or set `workspace.dirty = \"ignore\"`";
    Some(match &facts.work_tree {
        Ok(true) => Finding::well("work_tree", format!("{workspace} is in a work tree of git")),
        Ok(false) => Finding::permanent(
            "work_tree",
            format!("{workspace} is in no work tree of git, and `workspace.dirty = \"{word}\"` needs one"),
            remedy,
        ),
        Err(error) if error.is_environmental() => {
            Finding::passing("work_tree", error.to_string(), "it is tried again")
        }
        Err(error) => Finding::permanent("work_tree", error.to_string(), remedy),
    })
}

/// The containers that a profile runs its agent in, or one of its chain, each with who says so.
fn containers(profile: &Profile) -> Vec<(Container, Profile)> {
    let of = |profile: Profile| {
        let agent = &profile.agent;
        let command = agent.command.as_ref()?;
        let argv: Vec<&str> = command.0.iter().chain(&agent.args).map(String::as_str).collect();
        Some((find_container(&argv)?, profile))
    };
    profile.candidates().into_iter().filter_map(of).collect()
}

/// Scar: a container wrote into the directory that its keeper trusted.
fn log_place(facts: &Facts<'_>, profile: &Profile) -> Option<Finding> {
    let containers = containers(profile);
    for (container, _) in &containers {
        for mount in &container.mounts {
            let mount = resolved(&facts.workspace.join(mount));
            let Some(place) = facts.places.iter().find(|place| resolved(place).starts_with(&mount)) else {
                continue;
            };
            return Some(Finding::permanent(
                "log_place",
                format!(
                    "{} lies in {}, which `{} run` mounts into the agent's container: what runs there could change it",
                    place.display(),
                    mount.display(),
                    container.runtime
                ),
                "choose a place outside of it with `--root DIR` or `--out DIR`",
            ));
        }
    }
    let well = Finding::well("log_place", "what provost writes is out of reach of the agent's container");
    (!containers.is_empty()).then_some(well)
}

fn container_stdin(profile: &Profile) -> Option<Finding> {
    let containers = containers(profile);
    // Every harness that runs a command talks to it over standard input, unless told otherwise.
    let deaf = containers.iter().find(|(container, profile)| {
        !container.interactive && !matches!(profile.agent.prompt_via, Some(PromptVia::Argv | PromptVia::File))
    });
    if let Some((container, _)) = deaf {
        let message = format!(
            "`{} run` without `-i` gives the agent no standard input, where its prompt comes",
            container.runtime
        );
        let remedy = "add `-i` to `agent.command`, or set `agent.prompt_via = \"argv\"`";
        return Some(Finding::permanent("container_stdin", message, remedy));
    }
    let well = Finding::well("container_stdin", "the prompt reaches the agent in its container");
    (!containers.is_empty()).then_some(well)
}

#[cfg(test)]
mod tests;
