//! What the loop of `supervise` does between rounds, in a line each.

use super::style::{self, Ink};
use crate::event::{Kind, PhaseName, SteerEffect, TreeAction, TreeSettled};

/// The line of an event of the loop, and how it looks; `None` where there is nothing worth a line.
pub(super) fn line(kind: &Kind) -> Option<(String, Ink)> {
    Some(match kind {
        Kind::TreeSettled(tree) => tree_settled(tree)?,
        Kind::PhaseSkipped(skipped) => {
            let names: Vec<&str> = skipped.skipped.iter().map(PhaseName::as_str).collect();
            let text = format!(
                "phase {} instead of {}: {}",
                skipped.chosen,
                names.join(", "),
                style::clean(&skipped.why)
            );
            (text, Ink::Plain)
        }
        Kind::SteerRequested(steer) => {
            let text: String = style::clean(&steer.text).chars().take(80).collect();
            (format!("a message for the agent: {text}"), Ink::Plain)
        }
        Kind::SteerAcknowledged(answer) => match (answer.effect, answer.round) {
            (SteerEffect::NextPrompt, Some(round)) => {
                (format!("  it is in the prompt of round {round}"), Ink::Faint)
            }
            (SteerEffect::Live, Some(round)) => {
                (format!("  the agent of round {round} was told"), Ink::Faint)
            }
            _ => ("  nobody is left to tell".to_owned(), Ink::Warn),
        },
        Kind::DefenseActed(acted) => {
            let text = format!("{} {}: {}", acted.defense, acted.action, style::clean(&acted.message));
            (text, Ink::Warn)
        }
        Kind::LogsPruned(pruned) => {
            let deleted = style::plural(pruned.deleted, "transcript");
            (format!("{deleted} deleted, {} kept", pruned.kept), Ink::Faint)
        }
        _ => return None,
    })
}

fn tree_settled(tree: &TreeSettled) -> Option<(String, Ink)> {
    let files = style::plural(tree.files, "file");
    let commit = tree.commit.as_deref().map_or_else(String::new, |commit| commit.chars().take(12).collect());
    Some(match tree.action {
        TreeAction::Stashed | TreeAction::StashedBefore => {
            (format!("  left behind and stashed: {files}, commit {commit}"), Ink::Plain)
        }
        TreeAction::Committed => {
            (format!("  left behind and committed: {files}, commit {commit}"), Ink::Plain)
        }
        TreeAction::Failed => {
            let why = style::clean(tree.reason.as_deref().unwrap_or("no reason was given"));
            (format!("  left behind and not put away: {files}: {why}"), Ink::Warn)
        }
        TreeAction::Kept if tree.files > 0 => (format!("  still in the work tree: {files}"), Ink::Faint),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RoundNumber;

    #[test]
    fn what_was_left_behind_is_told_with_its_commit() {
        let mut tree = TreeSettled {
            round: RoundNumber(3),
            action: TreeAction::Stashed,
            commit: Some("0123456789abcdef".to_owned()),
            files: 2,
            listed: Vec::new(),
            lock_removed: None,
            reason: None,
            head: None,
            fingerprint: None,
        };
        let told = |tree: &TreeSettled| line(&tree.clone().into()).map(|(text, _)| text);
        assert_eq!(told(&tree).unwrap(), "  left behind and stashed: 2 files, commit 0123456789ab");
        tree.action = TreeAction::Clean;
        assert_eq!(told(&tree), None);
        tree.action = TreeAction::Failed;
        tree.reason = Some("a merge\u{1b}[31m is not over".to_owned());
        let text = told(&tree).unwrap();
        assert!(text.contains("not put away: 2 files") && !text.contains('\u{1b}'), "{text}");
    }
}
