//! What a round leaves in the work tree, with real git.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use provost::event::{PhaseName, RoundNumber, RunId, Sha256, TreeAction, TreeSettled};
use provost::process::Guard;
use provost::profile::Dirty;
use provost::supervise::tree::{Bounds, Tree, TreeError};

mod odd;
mod refusals;

/// Far more than any of it takes.
const PATIENCE: Duration = Duration::from_mins(1);

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("the test hangs") });
}

/// A repository with one commit, and what of provost's own may lie in it.
struct Stage {
    dir: tempfile::TempDir,
    guard: Guard,
}

impl Stage {
    async fn new() -> Self {
        let stage = Self::empty().await;
        stage.put("a.txt", "one\n");
        stage.git(&["add", "."]);
        stage.git(&["commit", "-qm", "first"]);
        stage
    }

    /// Without any commit.
    async fn empty() -> Self {
        let guard = Guard::start(Path::new(env!("CARGO_BIN_EXE_provost"))).await.unwrap();
        let stage = Self { dir: tempfile::tempdir().unwrap(), guard };
        std::fs::create_dir(stage.at("repo")).unwrap();
        std::fs::create_dir(stage.at("home")).unwrap();
        stage.git(&["init", "-q", "-b", "main"]);
        stage.git(&["config", "user.name", "Tester"]);
        stage.git(&["config", "user.email", "tester@example.invalid"]);
        stage
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn repo(&self) -> PathBuf {
        self.at("repo")
    }

    /// What git gets: nothing of the tester's own settings.
    fn environment(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("PATH".into(), std::env::var_os("PATH").unwrap()),
            ("HOME".into(), self.at("home").into()),
            ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ]
    }

    fn try_git_in<S: AsRef<OsStr>>(&self, dir: &Path, args: &[S]) -> (bool, String) {
        let output = Command::new("git")
            .args(args)
            .current_dir(dir)
            .env_clear()
            .envs(self.environment())
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said.trim().to_owned())
    }

    fn git<S: AsRef<OsStr> + std::fmt::Debug>(&self, args: &[S]) -> String {
        let (well, said) = self.try_git_in(&self.repo(), args);
        assert!(well, "git {args:?}: {said}");
        said
    }

    fn put(&self, name: impl AsRef<Path>, text: &str) {
        let path = self.repo().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn text(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.repo().join(name)).unwrap()
    }

    fn has(&self, name: impl AsRef<Path>) -> bool {
        self.repo().join(name).symlink_metadata().is_ok()
    }

    /// What git sees of the work tree, in short.
    fn status(&self) -> String {
        self.git(&["status", "--porcelain", "-uall"])
    }

    /// A tree whose provost owns nothing here.
    fn tree(&self) -> Tree {
        self.tree_sparing(&[])
    }

    fn tree_sparing(&self, spared: &[&str]) -> Tree {
        self.tree_of(&self.repo(), spared)
    }

    fn tree_of(&self, workspace: &Path, spared: &[&str]) -> Tree {
        let spared = spared.iter().map(PathBuf::from).collect();
        let run = RunId::new("20261128T100000Z-supervise-test");
        let patient = Bounds { lock: Duration::from_millis(100), ..Bounds::default() };
        Tree::new(self.guard.clone(), workspace.to_owned(), self.environment(), spared, run).within(patient)
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Settles round 3, which has ended well, at ten o'clock.
async fn settle(tree: &Tree, policy: Dirty) -> TreeSettled {
    settle_round(tree, 3, policy, "2026-11-28T10:00:00Z").await
}

async fn settle_round(tree: &Tree, round: u64, policy: Dirty, now: &str) -> TreeSettled {
    tree.settle(RoundNumber(round), None, true, policy, None, at(now)).await
}

#[test]
fn a_clean_tree_is_clean_and_says_where_it_stands() {
    run(async {
        let stage = Stage::new().await;
        let head = stage.git(&["rev-parse", "HEAD"]);
        let tree = stage.tree();
        for policy in [Dirty::Stash, Dirty::Commit, Dirty::Ignore] {
            let settled = settle(&tree, policy).await;
            assert_eq!((settled.action, settled.files), (TreeAction::Clean, 0), "{settled:?}");
            assert_eq!(settled.head.as_deref(), Some(head.as_str()));
        }
        assert_eq!(tree.head().await.as_deref(), Some(head.as_str()));
        assert!(tree.is_work_tree().await.unwrap());
    });
}

/// W1: a round began only after processes of the supervisor's own had ended.
#[test]
fn where_a_tree_stands_is_read_from_its_files_and_git_is_asked_where_they_do_not_say() {
    run(async {
        let stage = Stage::new().await;
        let head = stage.tree().head().await.unwrap();
        // Without a git to ask.
        let nowhere = vec![("PATH".into(), "/nonexistent".into())];
        let id = RunId::new("20261128T100000Z-supervise-test");
        let tree =
            |environment| Tree::new(stage.guard.clone(), stage.repo(), environment, Vec::new(), id.clone());
        let reading = |environment| tree(environment).reading_head(provost::journal::git_head);
        assert_eq!(tree(nowhere.clone()).head().await, None);
        assert_eq!(reading(nowhere.clone()).head().await.as_ref(), Some(&head));
        // A name for a name for a commit is more than the files say plainly.
        stage.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
        stage.git(&["symbolic-ref", "HEAD", "refs/heads/alias"]);
        assert_eq!(reading(nowhere).head().await, None);
        assert_eq!(reading(stage.environment()).head().await, Some(head));
    });
}

#[test]
fn a_stash_holds_all_that_a_round_has_left_and_gives_it_back() {
    run(async {
        let stage = Stage::new().await;
        stage.put("gone.txt", "to be deleted\n");
        stage.put("old.txt", "to be renamed, and long enough to be seen as the same\n");
        stage.git(&["add", "."]);
        stage.git(&["commit", "-qm", "second"]);
        stage.put("a.txt", "two\n");
        stage.put("new/deep.txt", "untracked\n");
        std::fs::remove_file(stage.repo().join("gone.txt")).unwrap();
        stage.git(&["mv", "old.txt", "renamed.txt"]);
        let odd: [&[u8]; 3] = [b"line\nbreak", b"not \xff utf-8", b" -leading"];
        for name in odd {
            stage.put(OsStr::from_bytes(name), "odd\n");
        }
        let before = stage.status();
        let settled = settle(&stage.tree(), Dirty::Stash).await;
        assert_eq!((settled.action, &settled.reason), (TreeAction::Stashed, &None), "{settled:?}");
        assert_eq!(settled.files, 7, "{settled:?}");
        for name in [
            "a.txt",
            "gone.txt",
            "renamed.txt",
            "new/deep.txt",
            "line\\nbreak",
            "not \\xff utf-8",
            " -leading",
        ] {
            assert!(settled.listed.iter().any(|listed| listed == name), "{name:?} in {:?}", settled.listed);
        }
        assert_eq!(stage.status(), "");
        assert_eq!(stage.text("a.txt"), "one\n");
        let commit = settled.commit.unwrap();
        assert_eq!(stage.git(&["rev-parse", "stash@{0}"]), commit);
        assert!(
            stage.git(&["stash", "list"]).contains("provost: round 3 of 20261128T100000Z-supervise-test at")
        );
        stage.git(&["stash", "apply", "-q", "--index", &commit]);
        assert_eq!(stage.status(), before);
        assert_eq!(stage.text("new/deep.txt"), "untracked\n");
    });
}

/// Scar: a stash's index shifted under concurrency; it is named by its commit alone.
#[test]
fn a_stash_is_known_by_its_commit_although_others_are_pushed() {
    run(async {
        let stage = Stage::new().await;
        stage.put("work.txt", "ours\n");
        let tree = stage.tree();
        let first = settle(&tree, Dirty::Stash).await;
        for number in 0..3 {
            stage.put("foreign.txt", &number.to_string());
            stage.git(&["stash", "push", "-qu", "-m", "provost: round 4 of somebody else"]);
        }
        let commit = first.commit.clone().unwrap();
        assert_eq!(stage.git(&["rev-parse", "stash@{3}"]), commit);
        // While ours is pushed, somebody else pushes too: in a linked work tree, which has the same list.
        let other = stage.at("other");
        stage.git(&["worktree", "add", "-q", other.to_str().unwrap()]);
        let pushing = async {
            for number in 0..20 {
                std::fs::write(other.join("a.txt"), format!("foreign {number}\n")).unwrap();
                // Either may find the list locked by the other one.
                stage.try_git_in(&other, &["stash", "push", "-q", "-m", "foreign"]);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let ours = async {
            let mut commits = Vec::new();
            for round in 10..15 {
                stage.put("work.txt", &format!("ours of {round}\n"));
                commits.push((round, settle_round(&tree, round, Dirty::Stash, "2026-11-28T10:01:00Z").await));
            }
            commits
        };
        let ((), settled) = tokio::join!(pushing, ours);
        let mut stashed = 0;
        for (round, settled) in settled {
            let Some(commit) = settled.commit else { continue };
            stashed += 1;
            let held = stage.git(&["show", &format!("{commit}^3:work.txt")]);
            assert_eq!(held, format!("ours of {round}"), "{:?}", settled.action);
        }
        assert!(stashed > 0);
        stage.try_git_in(&stage.repo(), &["checkout", "-q", "."]);
        stage.try_git_in(&stage.repo(), &["clean", "-fdq"]);
        stage.git(&["stash", "apply", "-q", &commit]);
        assert_eq!(stage.text("work.txt"), "ours\n");
    });
}

/// Scar R820: three stashes of one round within a second; the first one stands for 5 s.
#[test]
fn a_second_stash_of_a_round_within_five_seconds_is_one_too_many() {
    run(async {
        let stage = Stage::new().await;
        let tree = stage.tree();
        stage.put("work.txt", "1\n");
        let first = settle_round(&tree, 3, Dirty::Stash, "2026-11-28T10:00:00Z").await;
        stage.put("work.txt", "2\n");
        for now in ["2026-11-28T10:00:00.2Z", "2026-11-28T10:00:01Z", "2026-11-28T10:00:05Z"] {
            let again = settle_round(&tree, 3, Dirty::Stash, now).await;
            assert_eq!((again.action, &again.commit), (TreeAction::StashedBefore, &first.commit), "{now}");
            assert!(again.reason.unwrap().contains("dirty again"));
        }
        assert_eq!(stage.git(&["stash", "list"]).lines().count(), 1);
        assert_eq!(stage.text("work.txt"), "2\n", "nothing is lost");
        let next = settle_round(&tree, 4, Dirty::Stash, "2026-11-28T10:00:01Z").await;
        assert_eq!(next.action, TreeAction::Stashed, "another round has one of its own");
        stage.put("work.txt", "3\n");
        let later = settle_round(&tree, 3, Dirty::Stash, "2026-11-28T10:00:05.1Z").await;
        assert_eq!(later.action, TreeAction::Stashed);
        assert_eq!(stage.git(&["stash", "list"]).lines().count(), 3);
    });
}

/// A provost that was killed between its stash and its journal leaves a clean tree; the next one says what was put away.
#[test]
fn what_was_put_away_before_a_crash_is_found_and_told_once() {
    run(async {
        let stage = Stage::new().await;
        stage.put("work.txt", "1\n");
        let lost = settle(&stage.tree(), Dirty::Stash).await;
        let tree = stage.tree();
        let found = settle_round(&tree, 3, Dirty::Stash, "2026-11-28T11:00:00Z").await;
        assert_eq!((found.action, &found.commit), (TreeAction::StashedBefore, &lost.commit));
        assert_eq!(
            settle_round(&tree, 4, Dirty::Stash, "2026-11-28T11:00:00Z").await.action,
            TreeAction::Clean
        );
        let told = stage.tree();
        let settled = told
            .settle(RoundNumber(3), None, true, Dirty::Stash, Some(&lost), at("2026-11-28T11:00:00Z"))
            .await;
        assert_eq!(settled.action, TreeAction::Clean, "it is on record already");

        stage.put("work.txt", "2\n");
        let lost = settle_round(&stage.tree(), 5, Dirty::Commit, "2026-11-28T11:00:00Z").await;
        let found = settle_round(&stage.tree(), 5, Dirty::Commit, "2026-11-28T12:00:00Z").await;
        assert_eq!((found.action, &found.commit), (TreeAction::Committed, &lost.commit));
    });
}

/// A provost that was killed while its git cleared the tree: the stash has it all, and is named however late the next one comes.
#[test]
fn a_stash_that_was_cut_short_is_named_and_what_is_left_stays() {
    run(async {
        let stage = Stage::new().await;
        stage.put("one.txt", "1\n");
        stage.put("two.txt", "2\n");
        let cut = settle(&stage.tree(), Dirty::Stash).await;
        stage.put("two.txt", "2\n");
        let tree = stage.tree();
        let found = settle_round(&tree, 3, Dirty::Stash, "2026-11-28T11:00:00Z").await;
        assert_eq!((found.action, &found.commit), (TreeAction::StashedBefore, &cut.commit));
        assert!(found.reason.unwrap().contains("killed at the stash"));
        assert_eq!(stage.text("two.txt"), "2\n");
        let next = settle_round(&tree, 4, Dirty::Stash, "2026-11-28T11:01:00Z").await;
        assert_eq!(next.action, TreeAction::Stashed, "{next:?}");
        assert!(next.commit != cut.commit && !stage.has("two.txt"));
    });
}

#[test]
fn a_commit_names_the_round_and_is_neither_signed_nor_pushed() {
    run(async {
        let stage = Stage::new().await;
        let remote = stage.at("remote");
        stage.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
        stage.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
        stage.git(&["config", "push.autoSetupRemote", "true"]);
        // A signature would ask a program that is not there.
        stage.git(&["config", "commit.gpgsign", "true"]);
        stage.git(&["config", "gpg.program", "/nowhere/gpg"]);
        stage.put("a.txt", "two\n");
        stage.put("new.txt", "new\n");
        let tree = stage.tree();
        let phase = PhaseName::new("build");
        let settled = tree
            .settle(RoundNumber(7), Some(&phase), true, Dirty::Commit, None, at("2026-11-28T10:00:00Z"))
            .await;
        assert_eq!((settled.action, settled.files, &settled.reason), (TreeAction::Committed, 2, &None));
        let head = stage.git(&["rev-parse", "HEAD"]);
        assert_eq!(settled.commit.as_deref(), Some(head.as_str()));
        assert_eq!(settled.head.as_deref(), Some(head.as_str()));
        let message = stage.git(&["log", "-1", "--format=%B"]);
        assert_eq!(message, "provost: round 7 [build]\n\nRun: 20261128T100000Z-supervise-test");
        assert_eq!(stage.status(), "");
        assert!(!stage.try_git_in(&remote, &["rev-parse", "-q", "--verify", "main"]).0);
    });
}

/// Scar: 90 KB of memos vanished in an orphan stash, and a zero-work round committed the runner's own logs.
#[test]
fn what_provost_owns_is_never_stashed_nor_committed_ignored_or_not() {
    let own = [".provost", "out/run", "ctl/STOP", "DONE", "../outside"];
    let written = [".provost/runs/1/journal.jsonl", ".provost/lock", "out/run/memos.md", "ctl/STOP", "DONE"];
    for ignored in ["", ".provost\n", ".provost/\nDONE\n", "out/\nctl/\nDONE\n.provost/*\n"] {
        for policy in [Dirty::Stash, Dirty::Commit] {
            run(async {
                let stage = Stage::new().await;
                stage.put(".gitignore", ignored);
                stage.git(&["add", "."]);
                stage.git(&["commit", "-qm", "ignore"]);
                let head = stage.git(&["rev-parse", "HEAD"]);
                for name in written {
                    stage.put(name, "ours");
                }
                let tree = stage.tree_sparing(&own);
                let case = format!("{policy:?} with {ignored:?}");
                let settled = settle(&tree, policy).await;
                assert_eq!((settled.action, settled.files), (TreeAction::Clean, 0), "{case}: {settled:?}");
                assert_eq!(
                    stage.git(&["rev-parse", "HEAD"]),
                    head,
                    "{case}: a round without work moves nothing"
                );

                stage.put("a.txt", "two\n");
                stage.put("out/result.txt", "the agent's\n");
                stage.put("ctl/notes.txt", "the agent's\n");
                let settled = settle_round(&tree, 4, policy, "2026-11-28T10:00:00Z").await;
                let wanted = if policy == Dirty::Stash { TreeAction::Stashed } else { TreeAction::Committed };
                assert_eq!((settled.action, &settled.reason), (wanted, &None), "{case}: {settled:?}");
                let hidden = ignored.contains("out/");
                assert_eq!(settled.files, if hidden { 1 } else { 3 }, "{case}: {settled:?}");
                for name in written {
                    assert_eq!(stage.text(name), "ours", "{case}");
                }
                let commit = settled.commit.unwrap();
                let parts: &[&str] = match (policy, hidden) {
                    (Dirty::Stash, false) => &["", "^3"],
                    _ => &[""],
                };
                let mut listing = String::new();
                for part in parts {
                    listing += &stage.git(&["ls-tree", "-r", "--name-only", &format!("{commit}{part}")]);
                    listing.push('\n');
                }
                assert!(listing.contains("a.txt"), "{case}: {listing}");
                assert_eq!(listing.contains("out/result.txt"), !hidden, "{case}: {listing}");
                for name in written {
                    assert!(!listing.lines().any(|line| line == name), "{case}: {listing}");
                }
            });
        }
    }
}

#[test]
fn a_failed_round_s_work_is_kept_and_an_ignored_tree_is_left() {
    run(async {
        let stage = Stage::new().await;
        stage.put("work.txt", "half done\n");
        let tree = stage.tree();
        for policy in [Dirty::Stash, Dirty::Commit] {
            let settled =
                tree.settle(RoundNumber(3), None, false, policy, None, at("2026-11-28T10:00:00Z")).await;
            assert_eq!((settled.action, settled.files), (TreeAction::Kept, 1));
            assert_eq!(settled.listed, ["work.txt"]);
        }
        let settled = settle(&tree, Dirty::Ignore).await;
        assert_eq!((settled.action, settled.files), (TreeAction::Ignored, 1));
        assert_eq!(stage.text("work.txt"), "half done\n");
        assert!(!stage.try_git_in(&stage.repo(), &["rev-parse", "-q", "--verify", "refs/stash"]).0);
    });
}

#[test]
fn a_fingerprint_follows_the_files_that_are_listed() {
    run(async {
        let stage = Stage::new().await;
        let tree = stage.tree();
        assert_eq!(tree.fingerprint(&[]).await, None);
        let globs = ["*.txt".to_owned()];
        let line = format!("a.txt\0{}\n", Sha256::of(b"one\n"));
        assert_eq!(tree.fingerprint(&globs).await, Some(Sha256::of(line.as_bytes())));
        stage.put("b.txt", "");
        assert_ne!(tree.fingerprint(&globs).await, Some(Sha256::of(line.as_bytes())));
        assert_eq!(tree.fingerprint(&["../*".to_owned()]).await, None);
    });
}
