//! `workspace.dirty = "stash"`: what a round has left is put away under a commit of its own.

use std::path::Path;
use std::time::Duration;

use super::git::{Call, refused};
use super::mark::Mark;
use super::spared::{Spared, path_of};
use super::status::{Status, enumerate};
use super::{Done, Tree, TreeError};
use crate::event::TreeAction;

/// How many stashes are looked through for one of ours. Others may be pushed meanwhile, though not as many.
const LOOKED_THROUGH: &str = "64";
/// What git keeps of a merge that has not been concluded, and forgets when it stashes.
const UNDER_WAY: [(&str, &str); 3] =
    [("MERGE_HEAD", "a merge"), ("CHERRY_PICK_HEAD", "a cherry-pick"), ("REVERT_HEAD", "a revert")];

/// What git says when it has made a stash and cannot put it on the list, and the tree is as it was. Linked work trees share the
/// list, so another one may hold it; git does not say who or why.
const NOT_STORED: &str = "Cannot save the current status";
/// How long it is left alone then.
const BETWEEN: Duration = Duration::from_millis(50);

impl Tree {
    /// Stashes all that is dirty and not spared. `untold`: an earlier provost may have, and not said so.
    pub(super) async fn stash(
        &self,
        mark: &Mark,
        status: &Status,
        spared: &Spared,
        top: &Path,
        untold: bool,
    ) -> Result<Done, TreeError> {
        if status.head.is_none() {
            return Ok(Done::failed(
                "git cannot stash before the first commit: make one, or set `workspace.dirty = \"commit\"`",
            ));
        }
        if status.is_within_only() {
            return Ok(Done::failed(format!(
                "git cannot stash what lies in repositories within: {}",
                enumerate(&status.within_listed, status.within)
            )));
        }
        let git_dir = self.git_dir().await?;
        if let Some((_, what)) = UNDER_WAY.iter().find(|(name, _)| git_dir.join(name).exists()) {
            return Ok(Done::failed(format!(
                "{what} is under way, and a stash would lose its parents: conclude or abort it"
            )));
        }
        // One of any age, where a provost was killed before it could tell: git stores the stash first and clears the tree
        // after, so all of it is in there, and a second stash would leave it unnamed.
        let within = (!untold).then_some(self.bounds.again);
        if let Some(commit) = self.stashed(mark, within).await? {
            let why = match within {
                Some(again) => format!("the work tree is dirty again within {again:?} of its stash"),
                None => {
                    "provost was killed at the stash, and the work tree has a part of it still".to_owned()
                }
            };
            return Ok(Done {
                commit: Some(commit),
                reason: Some(why),
                ..Done::of(TreeAction::StashedBefore)
            });
        }
        let (lock, lock_removed) = self.unlocked(&git_dir).await?;
        let spared = self.not_ignored(spared, top).await?;
        let until = tokio::time::Instant::now() + self.bounds.lock;
        let (answer, commit) = loop {
            let call = Call::change(self.bounds.stash, ["stash", "push", "-u", "-m", &mark.message()])
                .with(&spared.pathspecs());
            let answer = self.locking(&lock, call).await?;
            let commit = self.stashed(mark, None).await?;
            let busy = !answer.is_well() && commit.is_none() && answer.said.contains(NOT_STORED);
            if !busy {
                break (answer, commit);
            }
            if tokio::time::Instant::now() > until {
                self.list_is_free().await?;
                break (answer, commit);
            }
            tokio::time::sleep(BETWEEN).await;
        };
        if !answer.is_well() {
            if commit.is_none() && lock.exists() {
                return Err(TreeError::Locked { path: lock });
            }
            return match refused("git stash".to_owned(), &answer) {
                error if error.is_environmental() => Err(error),
                error => Ok(Done { commit, ..Done::failed(error.to_string()) }),
            };
        }
        if commit.is_none() {
            return Ok(Done::failed("git found nothing that it could stash"));
        }
        Ok(Done { commit, lock_removed, ..Done::of(TreeAction::Stashed) })
    }

    /// An error while the list of stashes is locked.
    async fn list_is_free(&self) -> Result<(), TreeError> {
        let call = Call::look(self.bounds.head, ["rev-parse", "--git-path", "refs/stash.lock"]);
        let path = self.workspace.join(path_of(self.git_well(call).await?));
        if path.exists() { Err(TreeError::Locked { path }) } else { Ok(()) }
    }

    /// The commit of the newest stash of this round of this run, of any age or of at most `within`.
    ///
    /// A stash is known by its message and named by its commit: its place in the list moves with every other one.
    pub(super) async fn stashed(
        &self,
        mark: &Mark,
        within: Option<Duration>,
    ) -> Result<Option<String>, TreeError> {
        let args = [
            "log",
            "-g",
            "-z",
            "--no-show-signature",
            "--format=%H%x00%gs",
            "-n",
            LOOKED_THROUGH,
            "refs/stash",
            "--",
        ];
        // Without any stash there is no such name.
        let list = self.git(Call::look(self.bounds.look, args)).await?;
        let list = String::from_utf8_lossy(&list.read).into_owned();
        let mut parts = list.split('\0');
        while let (Some(commit), Some(message)) = (parts.next(), parts.next()) {
            if let Some(age) = mark.age(message)
                && within.is_none_or(|within| age <= within)
            {
                return Ok(Some(commit.to_owned()));
            }
        }
        Ok(None)
    }
}
