//! `workspace.dirty = "commit"`: what a round has left becomes a commit on the branch that it stands on.

use std::path::Path;

use super::git::{Answer, Call, refused};
use super::mark::Mark;
use super::spared::Spared;
use super::status::Status;
use super::{Done, Tree, TreeError};
use crate::event::TreeAction;

impl Tree {
    /// Commits all that is dirty and not spared, with the user's hooks and without a signature. Nothing is pushed.
    ///
    /// When the commit fails, for a hook or a name that is missing, the changes stay staged.
    pub(super) async fn commit(
        &self,
        mark: &Mark,
        status: &Status,
        spared: &Spared,
        top: &Path,
    ) -> Result<Done, TreeError> {
        let git_dir = self.git_dir().await?;
        let (lock, lock_removed) = self.unlocked(&git_dir).await?;
        let spared = self.not_ignored(spared, top).await?;
        // The agent may have staged what is ours.
        if let Some(call) = self.unstage(status, &spared) {
            let answer = self.locking(&lock, call).await?;
            if !answer.is_well() {
                return fails("git reset", &answer, &lock);
            }
        }
        let call = Call::change(self.bounds.stash, ["add", "-A"]).with(&spared.pathspecs());
        let answer = self.locking(&lock, call).await?;
        if !answer.is_well() {
            return fails("git add", &answer, &lock);
        }
        let staged = Call::look(self.bounds.look, ["diff", "--cached", "--quiet", "--no-ext-diff"]);
        let staged = self.git(staged).await?.exit.code != Some(0);
        if !staged && !git_dir.join("MERGE_HEAD").exists() {
            let why = "nothing of it can be committed: it lies in repositories within";
            return Ok(Done { reason: Some(why.to_owned()), ..Done::of(TreeAction::Ignored) });
        }
        let args = ["commit", "-q", "--no-gpg-sign", "-m", mark.subject(), "-m", &mark.body()];
        match self.locking(&lock, Call::change(self.bounds.commit, args)).await {
            Ok(answer) if answer.is_well() => {
                let commit = self.head().await;
                Ok(Done { commit, lock_removed, ..Done::of(TreeAction::Committed) })
            }
            Ok(_) if !lock.exists() && !self.has_identity().await? => Ok(Done::failed(
                "git does not know whose commit it is: set `user.name` and `user.email` with `git config`",
            )),
            Ok(answer) => fails("git commit", &answer, &lock),
            // The commit may stand already, and a hook after it hang.
            Err(error) => match self.committed(mark).await {
                Ok(Some(commit)) => Ok(Done {
                    commit: Some(commit),
                    reason: Some(error.to_string()),
                    lock_removed: error.lock_removed(),
                    ..Done::of(TreeAction::Committed)
                }),
                _ => Err(error),
            },
        }
    }

    /// HEAD, if it is a commit of this round of this run.
    pub(super) async fn committed(&self, mark: &Mark) -> Result<Option<String>, TreeError> {
        let args = ["log", "-1", "--no-show-signature", "--format=%H%x00%B", "HEAD", "--"];
        let answer = self.git(Call::look(self.bounds.look, args)).await?;
        let text = String::from_utf8_lossy(&answer.read).into_owned();
        Ok(text
            .split_once('\0')
            .filter(|(_, message)| mark.is_of(message))
            .map(|(commit, _)| commit.to_owned()))
    }

    fn unstage(&self, status: &Status, spared: &Spared) -> Option<Call> {
        let paths = spared.paths();
        if paths.is_empty() {
            return None;
        }
        let args: &[&str] = if status.head.is_some() {
            &["reset", "-q", "--"]
        } else {
            &["rm", "-r", "-f", "-q", "--cached", "--ignore-unmatch", "--"]
        };
        Some(Call::change(self.bounds.stash, args).with(&paths))
    }

    async fn has_identity(&self) -> Result<bool, TreeError> {
        let author = self.git(Call::look(self.bounds.head, ["var", "GIT_AUTHOR_IDENT"])).await?;
        let committer = self.git(Call::look(self.bounds.head, ["var", "GIT_COMMITTER_IDENT"])).await?;
        Ok(author.is_well() && committer.is_well())
    }
}

/// What a step that has failed comes to.
fn fails<T>(call: &str, answer: &Answer<T>, lock: &Path) -> Result<Done, TreeError> {
    if lock.exists() {
        return Err(TreeError::Locked { path: lock.to_owned() });
    }
    match refused(call.to_owned(), answer) {
        error if error.is_environmental() => Err(error),
        error => Ok(Done::failed(error.to_string())),
    }
}
