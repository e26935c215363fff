//! What a round leaves in the work tree, put away between rounds so that nothing of it is lost.
//!
//! All of it is real git, each call with a bound: TERM when it is over, KILL after a grace, and whatever the call has started
//! goes with it. It is the whole work tree that is settled, also where the agent works in a directory of it.
//!
//! What provost owns is neither stashed nor committed, and does not make a tree dirty. A stash is named by its commit, never
//! by its place in the list. A lock of the index is removed only if our own git has left it, by being killed: by us, or along
//! with the provost that had called it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::event::{PhaseName, RoundNumber, RunId, Sha256, TreeAction, TreeSettled};
use crate::process::Guard;
use crate::profile::Dirty;

mod commit;
mod error;
mod fingerprint;
mod git;
mod mark;
mod note;
mod spared;
mod stash;
mod status;

pub use error::TreeError;
pub(super) use spared::resolved;

use git::{Answer, Call};
use mark::Mark;
use note::Note;
use spared::{Covered, Spared};
use status::{Status, enumerate};

/// How long git may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// To say where the work tree stands, and for the digest of files; 5 s.
    pub head: Duration,
    /// To say what is dirty; 10 s.
    pub look: Duration,
    /// To stash; 30 s.
    pub stash: Duration,
    /// To commit, with the hooks of the user; 120 s.
    pub commit: Duration,
    /// From TERM to KILL, when it has taken longer; 3 s.
    pub grace: Duration,
    /// How long a lock of the index is waited for; 2 s.
    pub lock: Duration,
    /// How soon a second stash of the same round is one too many; 5 s.
    pub again: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            look: Duration::from_secs(10),
            stash: Duration::from_secs(30),
            commit: Duration::from_mins(2),
            grace: Duration::from_secs(3),
            lock: Duration::from_secs(2),
            again: Duration::from_secs(5),
        }
    }
}

/// Reads from the files of a repository which commit a directory in it is at; `None` where they do not say so plainly.
pub type ReadsHead = fn(&Path) -> Option<String>;

/// The work tree that an agent works in.
pub struct Tree {
    guard: Guard,
    workspace: PathBuf,
    environment: Vec<(OsString, OsString)>,
    spared: Vec<PathBuf>,
    run: RunId,
    bounds: Bounds,
    note: Note,
    reads_head: Option<ReadsHead>,
    top: OnceCell<PathBuf>,
    settled: AtomicBool,
}

/// What has become of a dirty tree.
struct Done {
    action: TreeAction,
    commit: Option<String>,
    lock_removed: Option<String>,
    reason: Option<String>,
}

impl Done {
    fn of(action: TreeAction) -> Self {
        Self { action, commit: None, lock_removed: None, reason: None }
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::of(TreeAction::Failed) }
    }
}

impl Tree {
    /// The work tree around `workspace`, settled for `run`, which stashes and commits name. git gets `environment` without
    /// the variables that would send it elsewhere. `spared` is what provost owns, there already or not: its root, the run
    /// directory, the lock, the stop and the done file; relative paths are relative to the workspace.
    pub fn new(
        guard: Guard,
        workspace: PathBuf,
        environment: Vec<(OsString, OsString)>,
        spared: Vec<PathBuf>,
        run: RunId,
    ) -> Self {
        Self {
            guard,
            workspace,
            environment,
            spared,
            run,
            bounds: Bounds::default(),
            note: Note::new(None),
            reads_head: None,
            top: OnceCell::new(),
            settled: AtomicBool::new(false),
        }
    }

    /// With other bounds.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Keeps a note in this file while git may hold the lock of the index: so the provost that follows one that was killed
    /// knows the lock that it has left, and removes it. It lies outside of the work tree, or among what is spared.
    #[must_use]
    pub fn noting(self, file: PathBuf) -> Self {
        Self { note: Note::new(Some(file)), ..self }
    }

    /// With a way to say where the tree stands that starts no process; git is asked only where that does not know. A round
    /// must not wait for a process before it can begin.
    #[must_use]
    pub fn reading_head(self, reads_head: ReadsHead) -> Self {
        Self { reads_head: Some(reads_head), ..self }
    }

    /// Whether the workspace lies in a work tree of git; a bare repository is none.
    ///
    /// # Errors
    ///
    /// Where git does not say: it takes too long, is missing, or distrusts the owner of the repository.
    pub async fn is_work_tree(&self) -> Result<bool, TreeError> {
        let answer = self.git(Call::look(self.bounds.look, ["rev-parse", "--is-inside-work-tree"])).await?;
        if answer.is_well() {
            return Ok(answer.read.starts_with(b"true"));
        }
        if answer.said.contains("not a git repository") || !self.has_repository() {
            return Ok(false);
        }
        Err(git::refused("git rev-parse".to_owned(), &answer))
    }

    /// The commit that the work tree stands at; `None` where there is none, or git does not say so in time.
    pub async fn head(&self) -> Option<String> {
        if let Some(head) = self.reads_head.and_then(|read| read(&self.workspace)) {
            return Some(head);
        }
        let call = Call::look(self.bounds.head, ["rev-parse", "-q", "--verify", "HEAD"]);
        let line = self.git_well(call).await.ok()?;
        let commit = String::from_utf8(line).ok()?.trim().to_owned();
        (!commit.is_empty()).then_some(commit)
    }

    /// A digest of the contents of the files that `globs` name, relative to the workspace: of the sorted lines of path, NUL
    /// and SHA-256. `None` without globs, for one that leaves the workspace, and where it takes longer than 5 s.
    pub async fn fingerprint(&self, globs: &[String]) -> Option<Sha256> {
        if globs.is_empty() {
            return None;
        }
        let given_up = Arc::new(AtomicBool::new(false));
        let taking = {
            let (workspace, globs, given_up) =
                (self.workspace.clone(), globs.to_owned(), Arc::clone(&given_up));
            tokio::task::spawn_blocking(move || fingerprint::take(&workspace, &globs, &given_up))
        };
        let taken = tokio::time::timeout(self.bounds.head, taking).await;
        given_up.store(true, Ordering::Relaxed);
        taken.ok()?.ok()?
    }

    /// As [`Tree::try_settle`], where what the environment is to blame for is an action that has failed, too.
    pub async fn settle(
        &self,
        round: RoundNumber,
        phase: Option<&PhaseName>,
        answered: bool,
        policy: Dirty,
        since: Option<&TreeSettled>,
        now: Timestamp,
    ) -> TreeSettled {
        let mut settled = nothing(round);
        let mark = Mark::new(&self.run, round, phase, now);
        if let Err(error) = self.work(&mut settled, &mark, answered, policy, since).await {
            fail(&mut settled, policy, &error);
        }
        settled
    }

    /// Settles what `round` has left, as `policy` wants it. `answered` says that the round ended well, or in its grace after
    /// a result: the work of any other round is kept for the next one. `since` is how the tree was settled last.
    ///
    /// What an earlier provost has put away for this round, and was killed before it could say so, is found and said.
    /// The digest of files is for the caller to add.
    ///
    /// # Errors
    ///
    /// [`TreeError::is_environmental`] ones only: the tree is as it was, and the same call can go well later. What git
    /// refuses for a reason of its own is [`TreeAction::Failed`], with the reason.
    pub async fn try_settle(
        &self,
        round: RoundNumber,
        phase: Option<&PhaseName>,
        answered: bool,
        policy: Dirty,
        since: Option<&TreeSettled>,
        now: Timestamp,
    ) -> Result<TreeSettled, TreeError> {
        let mut settled = nothing(round);
        let mark = Mark::new(&self.run, round, phase, now);
        match self.work(&mut settled, &mark, answered, policy, since).await {
            Err(error) if error.is_environmental() => return Err(error),
            Err(error) => fail(&mut settled, policy, &error),
            Ok(()) => {}
        }
        Ok(settled)
    }

    async fn work(
        &self,
        settled: &mut TreeSettled,
        mark: &Mark,
        answered: bool,
        policy: Dirty,
        since: Option<&TreeSettled>,
    ) -> Result<(), TreeError> {
        if policy == Dirty::Ignore && !self.has_repository() {
            settled.action = TreeAction::Ignored;
            return Ok(());
        }
        let top = self.top().await?.to_owned();
        let spared = match Spared::new(&top, &self.workspace, &self.spared) {
            Ok(spared) => spared,
            Err(Covered(path)) => {
                settled.action = TreeAction::Failed;
                settled.reason =
                    Some(format!("{} is provost's own, and holds the whole work tree", path.display()));
                return Ok(());
            }
        };
        let status = self.status(&spared).await?;
        settled.files = status.files;
        settled.listed.clone_from(&status.listed);
        settled.head.clone_from(&status.head);
        let first = !self.settled.load(Ordering::Relaxed);
        if first && self.note.is_there() && !self.git_dir().await?.join("index.lock").exists() {
            // The earlier one has left no lock, so no lock that comes is its.
            self.note.end();
        }
        let untold = first && answered && since.is_none_or(|since| since.round != settled.round);
        let done = if status.is_clean() {
            self.put_away_untold(mark, policy, untold).await?
        } else if policy == Dirty::Ignore {
            Done::of(TreeAction::Ignored)
        } else if !answered {
            Done::of(TreeAction::Kept)
        } else if !status.conflicts.is_empty() {
            let names = enumerate(&status.conflicts, status.conflicts.len() as u64);
            Done::failed(format!("there are conflicts that nobody has resolved: {names}"))
        } else if policy == Dirty::Commit {
            self.commit(mark, &status, &spared, &top).await?
        } else {
            self.stash(mark, &status, &spared, &top, untold).await?
        };
        self.settled.store(true, Ordering::Relaxed);
        settled.reason = match done.action {
            TreeAction::Stashed | TreeAction::Committed => done.reason.or(self.left(&spared).await),
            _ => done.reason,
        };
        if done.action == TreeAction::Committed {
            settled.head.clone_from(&done.commit);
        }
        (settled.action, settled.commit, settled.lock_removed) =
            (done.action, done.commit, done.lock_removed);
        Ok(())
    }

    /// The tree is clean: either the round has left nothing, or it was put away, and nobody has been told.
    async fn put_away_untold(&self, mark: &Mark, policy: Dirty, untold: bool) -> Result<Done, TreeError> {
        let (action, commit) = match policy {
            _ if !untold => return Ok(Done::of(TreeAction::Clean)),
            Dirty::Stash => (TreeAction::StashedBefore, self.stashed(mark, None).await?),
            Dirty::Commit => (TreeAction::Committed, self.committed(mark).await?),
            Dirty::Ignore => (TreeAction::Clean, None),
        };
        let action = if commit.is_some() { action } else { TreeAction::Clean };
        Ok(Done { commit, ..Done::of(action) })
    }

    /// What is dirty still, once all has been put away that can be.
    async fn left(&self, spared: &Spared) -> Option<String> {
        let status = self.status(spared).await.ok().filter(|status| !status.is_clean())?;
        Some(format!("dirty still: {}", enumerate(&status.listed, status.files)))
    }

    async fn status(&self, spared: &Spared) -> Result<Status, TreeError> {
        let args = [
            "status",
            "--porcelain=v2",
            "-z",
            "--branch",
            "--untracked-files=all",
            "--ignore-submodules=none",
        ];
        let call = Call::look(self.bounds.look, args).with(&spared.pathspecs());
        let answer = self.git_read(call, Status::read).await?;
        if answer.is_well() { Ok(answer.read) } else { Err(git::refused("git status".to_owned(), &answer)) }
    }

    /// Where git keeps what belongs to this work tree alone: its index, and a merge that is under way.
    async fn git_dir(&self) -> Result<PathBuf, TreeError> {
        let call = Call::look(self.bounds.head, ["rev-parse", "--absolute-git-dir"]);
        self.git_well(call).await.map(spared::path_of)
    }

    /// The lock of the index, once nobody holds it; and whether it had to be removed, since the git of an earlier provost
    /// has left it.
    async fn unlocked(&self, git_dir: &Path) -> Result<(PathBuf, Option<String>), TreeError> {
        let lock = git_dir.join("index.lock");
        let free = async {
            while lock.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(self.bounds.lock, free).await.is_ok() {
            return Ok((lock, None));
        }
        let longest = self.bounds.stash.max(self.bounds.commit) + self.bounds.grace;
        if self.note.tells_of(&lock, longest)
            && let Some(removed) = self.remove_left(&lock).await
        {
            return Ok((lock, Some(removed.display().to_string())));
        }
        Err(TreeError::Locked { path: lock })
    }

    /// A call that takes `lock`, which nobody holds now. When it has to be ended and has left the lock, that is removed.
    async fn locking(&self, lock: &Path, call: Call) -> Result<Answer<Vec<u8>>, TreeError> {
        self.note.begin();
        let answer = match self.git(call).await {
            Err(TreeError::TimedOut { call, bound, .. }) => {
                let lock_removed = self.remove_left(lock).await;
                Err(TreeError::TimedOut { call, bound, lock_removed })
            }
            answer => answer,
        };
        self.note.end();
        answer
    }

    /// Our git and all that it had started are gone. A lock that is the same for a while is theirs: one that somebody else
    /// has taken meanwhile is given back within it.
    async fn remove_left(&self, lock: &Path) -> Option<PathBuf> {
        use std::os::unix::fs::MetadataExt as _;
        let which = || {
            let facts = lock.symlink_metadata().ok()?;
            Some((facts.ino(), facts.mtime(), facts.mtime_nsec(), facts.size()))
        };
        let seen = which()?;
        tokio::time::sleep(self.bounds.lock).await;
        if which()? != seen {
            return None;
        }
        std::fs::remove_file(lock).ok().map(|()| lock.to_owned())
    }

    /// Whether there is anything around the workspace that looks like a repository.
    fn has_repository(&self) -> bool {
        self.workspace.ancestors().any(|dir| dir.join(".git").exists())
    }
}

fn fail(settled: &mut TreeSettled, policy: Dirty, error: &TreeError) {
    settled.action = if policy == Dirty::Ignore { TreeAction::Ignored } else { TreeAction::Failed };
    settled.reason = Some(error.to_string());
    settled.lock_removed = error.lock_removed();
}

fn nothing(round: RoundNumber) -> TreeSettled {
    TreeSettled {
        round,
        action: TreeAction::Clean,
        commit: None,
        files: 0,
        listed: Vec::new(),
        lock_removed: None,
        reason: None,
        head: None,
        fingerprint: None,
    }
}
