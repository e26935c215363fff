//! What git does not do: hooks, locks, deadlines, names that are missing.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use super::*;

fn executable(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn short(tree: Tree) -> Tree {
    let bounds = Bounds {
        stash: Duration::from_millis(700),
        commit: Duration::from_millis(700),
        // git takes its lock along when it is told to go; only one that is killed leaves it.
        grace: Duration::ZERO,
        lock: Duration::from_millis(100),
        ..Bounds::default()
    };
    tree.within(bounds)
}

#[test]
fn a_merge_with_conflicts_is_left_as_it_is() {
    run(async {
        let stage = Stage::new().await;
        stage.git(&["checkout", "-qb", "side"]);
        stage.put("a.txt", "side\n");
        stage.git(&["commit", "-qam", "side"]);
        stage.git(&["checkout", "-q", "main"]);
        stage.put("a.txt", "main\n");
        stage.git(&["commit", "-qam", "main"]);
        assert!(!stage.try_git_in(&stage.repo(), &["merge", "side"]).0);
        stage.put("new.txt", "new\n");
        let conflict = stage.text("a.txt");
        let tree = stage.tree();
        for policy in [Dirty::Stash, Dirty::Commit] {
            let settled = settle(&tree, policy).await;
            assert_eq!((settled.action, settled.files), (TreeAction::Failed, 2));
            assert!(settled.reason.unwrap().contains("conflicts that nobody has resolved: a.txt"));
            assert_eq!(stage.text("a.txt"), conflict);
            assert!(stage.has(".git/MERGE_HEAD") && stage.has("new.txt"));
        }
        // Resolved, and not concluded: a stash would forget the other parent, a commit concludes it.
        stage.put("a.txt", "both\n");
        stage.git(&["add", "a.txt"]);
        let settled = settle(&tree, Dirty::Stash).await;
        assert_eq!(settled.action, TreeAction::Failed);
        assert!(settled.reason.unwrap().starts_with("a merge is under way"));
        assert!(stage.has(".git/MERGE_HEAD"));
        let settled = settle(&tree, Dirty::Commit).await;
        assert_eq!(settled.action, TreeAction::Committed, "{settled:?}");
        assert_eq!(stage.git(&["rev-list", "--parents", "-n", "1", "HEAD"]).split(' ').count(), 3);
    });
}

#[test]
fn a_hook_that_fails_is_quoted_and_nothing_is_lost() {
    run(async {
        let stage = Stage::new().await;
        executable(
            &stage.repo().join(".git/hooks/pre-commit"),
            "#!/bin/sh\necho 'lint: 3 errors' >&2\nexit 1\n",
        );
        stage.put("a.txt", "two\n");
        let head = stage.git(&["rev-parse", "HEAD"]);
        let settled = settle(&stage.tree(), Dirty::Commit).await;
        assert_eq!((settled.action, settled.commit), (TreeAction::Failed, None));
        assert!(settled.reason.unwrap().contains("lint: 3 errors"));
        assert_eq!(stage.git(&["rev-parse", "HEAD"]), head);
        assert_eq!(stage.text("a.txt"), "two\n");
        // The next one goes well.
        std::fs::remove_file(stage.repo().join(".git/hooks/pre-commit")).unwrap();
        assert_eq!(settle(&stage.tree(), Dirty::Commit).await.action, TreeAction::Committed);
    });
}

/// W8: what the environment is to blame for is told apart, so that no round is counted for it.
#[test]
fn a_hook_that_hangs_is_ended_with_all_that_it_started_and_is_environmental() {
    run(async {
        let stage = Stage::new().await;
        let pid = stage.at("pid");
        let hook = format!(
            "#!/bin/sh\ntrap '' TERM\nsetsid sh -c 'trap \"\" TERM; echo $$ >{0}.new; mv {0}.new {0}; sleep 1000' &\nwait\nsleep 1000\n",
            pid.display()
        );
        executable(&stage.repo().join(".git/hooks/pre-commit"), &hook);
        stage.put("a.txt", "two\n");
        let tree = short(stage.tree());
        let error = tree
            .try_settle(RoundNumber(3), None, true, Dirty::Commit, None, at("2026-11-28T10:00:00Z"))
            .await
            .unwrap_err();
        assert!(error.is_environmental() && matches!(error, TreeError::TimedOut { .. }), "{error}");
        assert!(error.to_string().contains("`git commit` did not end within 700ms"), "{error}");
        let pid = std::fs::read_to_string(pid).unwrap();
        assert!(
            !Path::new("/proc").join(pid.trim()).join("cmdline").exists(),
            "the hook's daemon is gone too"
        );
        assert_eq!(stage.text("a.txt"), "two\n");
        let settled = settle(&tree, Dirty::Commit).await;
        assert_eq!(settled.action, TreeAction::Failed, "{settled:?}");
        assert!(settled.reason.unwrap().contains("did not end"));
    });
}

#[test]
fn a_hook_that_hangs_behind_the_commit_does_not_undo_it() {
    run(async {
        let stage = Stage::new().await;
        executable(&stage.repo().join(".git/hooks/post-commit"), "#!/bin/sh\nsleep 1000\n");
        stage.put("a.txt", "two\n");
        let settled = settle(&short(stage.tree()), Dirty::Commit).await;
        assert_eq!(settled.action, TreeAction::Committed, "{settled:?}");
        assert_eq!(settled.commit, Some(stage.git(&["rev-parse", "HEAD"])));
        assert!(settled.reason.unwrap().contains("did not end"));
    });
}

/// Scar: our own killed git left `index.lock`; that one is removed, and no other.
#[test]
fn the_lock_of_our_own_killed_git_is_removed() {
    run(async {
        let stage = Stage::new().await;
        // A filter that hangs while git holds the lock.
        let filter = stage.at("filter");
        executable(&filter, "#!/bin/sh\ntrap '' TERM\nsleep 1000\n");
        stage.put(".gitattributes", "*.slow filter=slow\n");
        stage.git(&["add", "."]);
        stage.git(&["commit", "-qm", "attributes"]);
        stage.git(&["config", "filter.slow.clean", filter.to_str().unwrap()]);
        let tree = short(stage.tree());
        for (round, policy) in [(3, Dirty::Commit), (4, Dirty::Stash)] {
            stage.put("work.slow", "the work\n");
            let settled = settle_round(&tree, round, policy, "2026-11-28T10:00:00Z").await;
            assert_eq!(settled.action, TreeAction::Failed, "{settled:?}");
            assert!(settled.reason.unwrap().contains("did not end within"));
            assert_eq!(stage.text("work.slow"), "the work\n");
            assert!(!stage.has(".git/index.lock"));
            if policy == Dirty::Commit {
                assert!(settled.lock_removed.unwrap().ends_with("/.git/index.lock"));
            }
        }
        stage.git(&["config", "--unset", "filter.slow.clean"]);
        let settled = settle_round(&stage.tree(), 5, Dirty::Stash, "2026-11-28T10:00:00Z").await;
        assert_eq!(settled.action, TreeAction::Stashed, "it goes on as if nothing had been: {settled:?}");
    });
}

/// Scar: as above, where provost was killed along with its git, and the next one finds the lock.
#[test]
fn the_lock_that_a_killed_provost_has_left_is_removed_by_the_next_one() {
    run(async {
        let stage = Stage::new().await;
        let filter = stage.at("filter");
        executable(&filter, "#!/bin/sh\nsleep 1000\n");
        stage.put(".gitattributes", "*.slow filter=slow\n");
        stage.git(&["add", "."]);
        stage.git(&["commit", "-qm", "attributes"]);
        stage.git(&["config", "filter.slow.clean", filter.to_str().unwrap()]);
        stage.put("work.slow", "the work\n");
        let tree = || stage.tree().noting(stage.at("git.busy"));
        let lock = stage.repo().join(".git/index.lock");
        {
            let killed = tree();
            let mut settling = std::pin::pin!(settle(&killed, Dirty::Commit));
            while !lock.exists() {
                let soon = tokio::time::sleep(Duration::from_millis(5));
                tokio::select! {
                    settled = &mut settling => panic!("{settled:?}"),
                    () = soon => {}
                }
            }
            // Nothing is asked to end: the guard kills all that is below it, and the tree hears of nothing any more.
        }
        stage.guard.clone().close().await;
        assert!(lock.exists() && stage.at("git.busy").exists());
        stage.git(&["config", "--unset", "filter.slow.clean"]);
        let guard = Guard::start(Path::new(env!("CARGO_BIN_EXE_provost"))).await.unwrap();
        let stage = Stage { guard, ..stage };
        let tree = || stage.tree().noting(stage.at("git.busy"));
        let taken = lock.metadata().unwrap().modified().unwrap();
        // One that was there before is somebody else's.
        let before = taken - Duration::from_hours(1);
        std::fs::File::options().write(true).open(&lock).unwrap().set_modified(before).unwrap();
        assert_eq!(settle(&tree(), Dirty::Stash).await.action, TreeAction::Failed);
        std::fs::File::options().write(true).open(&lock).unwrap().set_modified(taken).unwrap();
        let settled = settle(&tree(), Dirty::Stash).await;
        assert_eq!(settled.action, TreeAction::Stashed, "{settled:?}");
        assert!(settled.lock_removed.unwrap().ends_with("/.git/index.lock"));
        assert!(!stage.at("git.busy").exists());
        // The next one is not ours.
        stage.put("a.txt", "two\n");
        stage.put(".git/index.lock", "somebody's");
        let settled = settle_round(&tree(), 4, Dirty::Stash, "2026-11-28T10:01:00Z").await;
        assert_eq!((settled.action, settled.lock_removed), (TreeAction::Failed, None));
    });
}

#[test]
fn a_lock_that_is_not_ours_is_left_alone_and_said() {
    run(async {
        let stage = Stage::new().await;
        stage.put("a.txt", "two\n");
        stage.put(".git/index.lock", "somebody's");
        let tree = stage.tree();
        for policy in [Dirty::Stash, Dirty::Commit] {
            let settled = settle(&tree, policy).await;
            assert_eq!(
                (settled.action, settled.files, &settled.lock_removed),
                (TreeAction::Failed, 1, &None)
            );
            assert!(settled.reason.unwrap().contains("index.lock is held"));
            let tried =
                tree.try_settle(RoundNumber(3), None, true, policy, None, at("2026-11-28T10:00:00Z")).await;
            assert!(tried.unwrap_err().is_environmental());
            assert_eq!(stage.text(".git/index.lock"), "somebody's");
        }
        assert_eq!(stage.text("a.txt"), "two\n");
    });
}

#[test]
fn a_list_of_stashes_that_somebody_holds_is_environmental_and_loses_nothing() {
    run(async {
        let stage = Stage::new().await;
        stage.put("a.txt", "two\n");
        stage.put("new.txt", "new\n");
        stage.put(".git/refs/stash.lock", "");
        let tree = stage.tree();
        let tried =
            tree.try_settle(RoundNumber(3), None, true, Dirty::Stash, None, at("2026-11-28T10:00:00Z")).await;
        let error = tried.unwrap_err();
        assert!(error.is_environmental() && error.to_string().contains("stash.lock is held"), "{error}");
        assert_eq!((stage.text("a.txt").as_str(), stage.text("new.txt").as_str()), ("two\n", "new\n"));
        std::fs::remove_file(stage.repo().join(".git/refs/stash.lock")).unwrap();
        assert_eq!(settle(&tree, Dirty::Stash).await.action, TreeAction::Stashed);
    });
}

#[test]
fn a_lock_that_is_given_back_soon_is_waited_for() {
    run(async {
        let stage = Stage::new().await;
        stage.put("a.txt", "two\n");
        stage.put(".git/index.lock", "");
        let tree = stage.tree().within(Bounds { lock: Duration::from_secs(20), ..Bounds::default() });
        let lock = stage.repo().join(".git/index.lock");
        let (settled, ()) = tokio::join!(settle(&tree, Dirty::Stash), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            std::fs::remove_file(lock).unwrap();
        });
        assert_eq!(settled.action, TreeAction::Stashed);
    });
}

#[test]
fn a_look_that_hangs_is_ended_in_time_and_changes_nothing() {
    run(async {
        let stage = Stage::new().await;
        stage.put("a.txt", "two\n");
        let hang = stage.at("bin/git");
        executable(&hang, "#!/bin/sh\nexec sleep 1000\n");
        let mut environment = stage.environment();
        environment[0].1 =
            format!("{}:{}", hang.parent().unwrap().display(), environment[0].1.display()).into();
        let bounds = Bounds {
            head: Duration::from_millis(200),
            look: Duration::from_millis(200),
            ..Bounds::default()
        };
        let tree = Tree::new(stage.guard.clone(), stage.repo(), environment, Vec::new(), RunId::new("r"))
            .within(bounds);
        let begin = Instant::now();
        assert_eq!(tree.head().await, None);
        assert!(tree.is_work_tree().await.unwrap_err().is_environmental());
        let settled = settle(&tree, Dirty::Stash).await;
        assert_eq!(settled.action, TreeAction::Failed);
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert_eq!(stage.text("a.txt"), "two\n");
    });
}

#[test]
fn without_a_name_a_commit_says_what_is_missing_and_a_stash_needs_none() {
    run(async {
        let stage = Stage::new().await;
        stage.git(&["config", "--unset", "user.name"]);
        stage.git(&["config", "--unset", "user.email"]);
        stage.git(&["config", "user.useConfigOnly", "true"]);
        stage.put("a.txt", "two\n");
        let tree = stage.tree();
        let settled = settle(&tree, Dirty::Commit).await;
        assert_eq!(settled.action, TreeAction::Failed);
        assert!(settled.reason.unwrap().contains("set `user.name` and `user.email`"));
        let settled = settle(&tree, Dirty::Stash).await;
        assert_eq!(settled.action, TreeAction::Stashed, "{settled:?}");
    });
}

#[test]
fn a_missing_git_is_no_fault_of_the_environment() {
    run(async {
        let stage = Stage::new().await;
        let environment = vec![("PATH".into(), stage.at("home").into())];
        let tree = Tree::new(stage.guard.clone(), stage.repo(), environment, Vec::new(), RunId::new("r"));
        let error = tree.is_work_tree().await.unwrap_err();
        assert!(matches!(error, TreeError::NoGit) && !error.is_environmental(), "{error}");
        assert!(settle(&tree, Dirty::Stash).await.reason.unwrap().contains("git is not on the PATH"));
    });
}

#[test]
fn a_work_tree_that_is_provost_s_own_is_not_touched() {
    run(async {
        let stage = Stage::new().await;
        stage.put("journal.jsonl", "{}\n");
        let settled = settle(&stage.tree_sparing(&["."]), Dirty::Stash).await;
        assert_eq!(settled.action, TreeAction::Failed);
        assert!(settled.reason.unwrap().contains("holds the whole work tree"));
        assert!(stage.has("journal.jsonl"));
    });
}
