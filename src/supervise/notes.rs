//! What the prompt of a round says of what came before, beside how the last round ended.

use crate::event::{PhaseName, Tally, TreeAction, TreeSettled};

/// The sentences of the context block.
pub(super) fn of(tally: &Tally, phase: Option<&PhaseName>, fresh_eyes: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(phase) = phase {
        notes.push(format!("This is a round of the phase `{phase}`."));
    }
    if fresh_eyes {
        notes.push(
            "Look at it with fresh eyes: judge the state of the work anew, from what is there and not from what earlier \
             rounds say of it."
                .to_owned(),
        );
    }
    if let Some(orphan) = &tally.orphan {
        notes.push(stashed(orphan));
    }
    if let Some(tree) = &tally.tree {
        notes.extend(left(tree));
    }
    notes
}

fn stashed(orphan: &TreeSettled) -> String {
    let commit = orphan.commit.as_deref().unwrap_or_default();
    format!(
        "Round {} left work that was not committed: {}. It is in the stash commit {commit}; `git stash apply {commit}` brings \
         it back.",
        orphan.round,
        files(orphan)
    )
}

fn left(tree: &TreeSettled) -> Option<String> {
    let round = tree.round;
    match tree.action {
        TreeAction::Committed => {
            let commit = tree.commit.as_deref().unwrap_or_default();
            Some(format!("What round {round} left was committed as {commit}: {}.", files(tree)))
        }
        TreeAction::Kept | TreeAction::Ignored if tree.files > 0 => {
            Some(format!("The work tree still has what round {round} left: {}.", files(tree)))
        }
        TreeAction::Failed if tree.files > 0 => Some(format!(
            "What round {round} left could not be put away ({}): {}.",
            tree.reason.as_deref().unwrap_or("no reason was given"),
            files(tree)
        )),
        _ => None,
    }
}

fn files(tree: &TreeSettled) -> String {
    let shown = tree.listed.join(", ");
    let more = tree.files.saturating_sub(tree.listed.len() as u64);
    match (tree.files, more) {
        (1, 0) => format!("1 file ({shown})"),
        (count, 0) => format!("{count} files ({shown})"),
        (count, more) => format!("{count} files ({shown} and {more} more)"),
    }
}
