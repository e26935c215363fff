//! How often a part of a suite was measured: what is looked at often is not held out any more.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::certify::Plan;
use crate::event::{RunId, Sha256};

#[derive(Serialize, Deserialize)]
struct Use {
    dataset: Sha256,
    part: Option<String>,
    run: RunId,
    /// The suite, and the run directory: what a run of the same arms took is looked for there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suite: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<PathBuf>,
}

fn uses(root: &Path) -> io::Result<Vec<Use>> {
    let text = match std::fs::read_to_string(path(root)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Where the runs of the same suite are, the newest first.
pub(super) fn places(root: &Path, plan: &Plan) -> io::Result<Vec<PathBuf>> {
    let of_suite = |use_: &Use| use_.suite.as_ref().is_some_and(|suite| *suite == plan.suite.name);
    let mut places: Vec<PathBuf> = Vec::new();
    for place in uses(root)?.into_iter().rev().filter(of_suite).filter_map(|use_| use_.place) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

/// One line for each run that has measured a part.
fn path(root: &Path) -> PathBuf {
    root.join("held-out.jsonl")
}

/// How many runs below this root have measured the part of a plan.
pub(super) fn count(root: &Path, plan: &Plan) -> io::Result<u64> {
    let uses = uses(root)?.into_iter();
    Ok(uses.filter(|use_| use_.dataset == plan.shared.dataset && use_.part == plan.part).count() as u64)
}

/// Notes that a run measures the part of a plan. One write: several processes may note at the same time.
pub(super) fn note(root: &Path, plan: &Plan, run: &RunId, place: &Path) -> io::Result<()> {
    std::fs::create_dir_all(root)?;
    let line = Use {
        dataset: plan.shared.dataset.clone(),
        part: plan.part.clone(),
        run: run.clone(),
        suite: Some(plan.suite.name.clone()),
        place: Some(place.to_owned()),
    };
    let mut bytes = serde_json::to_vec(&line)?;
    bytes.push(b'\n');
    OpenOptions::new().append(true).create(true).open(path(root))?.write_all(&bytes)
}
