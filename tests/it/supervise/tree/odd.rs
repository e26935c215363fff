//! Work trees of every kind: around the workspace, linked, detached, with repositories within.

use super::*;

#[test]
fn a_workspace_in_a_directory_settles_the_whole_tree() {
    run(async {
        for policy in [Dirty::Stash, Dirty::Commit] {
            let stage = Stage::new().await;
            stage.put("deep/er/own/x", "ours\n");
            stage.put("deep/er/b.txt", "new\n");
            stage.put("a.txt", "two\n");
            let tree = stage.tree_of(&stage.repo().join("deep/er"), &["own"]);
            let settled = settle(&tree, policy).await;
            assert_eq!((settled.files, &settled.reason), (2, &None), "{settled:?}");
            assert_eq!(stage.status(), "?? deep/er/own/x");
        }
    });
}

#[test]
fn a_linked_work_tree_is_settled_and_the_main_one_is_not() {
    run(async {
        let stage = Stage::new().await;
        let other = stage.at("other tree");
        stage.git(&["worktree", "add", "-q", "-b", "other", other.to_str().unwrap()]);
        stage.put("a.txt", "main's\n");
        std::fs::write(other.join("a.txt"), "other's\n").unwrap();
        let tree = stage.tree_of(&other, &[]);
        let settled = settle(&tree, Dirty::Stash).await;
        assert_eq!(settled.action, TreeAction::Stashed, "{settled:?}");
        assert_eq!(stage.text("a.txt"), "main's\n");
        std::fs::write(other.join("a.txt"), "again\n").unwrap();
        let lock = other.join(stage.try_git_in(&other, &["rev-parse", "--git-path", "index.lock"]).1);
        assert!(lock.to_str().unwrap().contains("/worktrees/"), "{}", lock.display());
        std::fs::write(&lock, "").unwrap();
        let settled = settle_round(&tree, 4, Dirty::Stash, "2026-11-28T10:00:00Z").await;
        assert_eq!(settled.action, TreeAction::Failed);
        assert!(settled.reason.unwrap().contains(lock.to_str().unwrap()), "it is this tree's own lock");
    });
}

#[test]
fn a_detached_head_is_stashed_and_committed_like_any_other() {
    run(async {
        let stage = Stage::new().await;
        stage.git(&["checkout", "-q", "--detach"]);
        let main = stage.git(&["rev-parse", "main"]);
        let tree = stage.tree();
        stage.put("a.txt", "two\n");
        assert_eq!(settle(&tree, Dirty::Stash).await.action, TreeAction::Stashed);
        stage.put("a.txt", "three\n");
        let settled = settle_round(&tree, 4, Dirty::Commit, "2026-11-28T10:00:00Z").await;
        assert_eq!(settled.action, TreeAction::Committed);
        assert_eq!(stage.git(&["rev-parse", "main"]), main, "no branch has moved");
        assert_eq!(settled.commit, Some(stage.git(&["rev-parse", "HEAD"])));
    });
}

#[test]
fn a_repository_without_a_commit_can_be_committed_and_not_stashed() {
    run(async {
        let stage = Stage::empty().await;
        stage.put("first.txt", "work\n");
        stage.put(".provost/x", "ours\n");
        let tree = stage.tree_sparing(&[".provost"]);
        assert!(tree.is_work_tree().await.unwrap());
        assert_eq!(tree.head().await, None);
        let settled = settle(&tree, Dirty::Stash).await;
        assert_eq!((settled.action, settled.files, &settled.head), (TreeAction::Failed, 1, &None));
        assert!(settled.reason.unwrap().contains("before the first commit"));
        assert_eq!(stage.text("first.txt"), "work\n");
        // The agent has staged what is ours.
        stage.git(&["add", "-A"]);
        stage.put(".provost/x", "ours, and more\n");
        let settled = settle(&tree, Dirty::Commit).await;
        assert_eq!((settled.action, &settled.reason), (TreeAction::Committed, &None), "{settled:?}");
        assert_eq!(stage.git(&["ls-tree", "-r", "--name-only", "HEAD"]), "first.txt");
        assert_eq!(stage.text(".provost/x"), "ours, and more\n");
    });
}

#[test]
fn what_the_agent_has_staged_of_ours_is_not_committed() {
    run(async {
        let stage = Stage::new().await;
        stage.put(".provost/x", "ours\n");
        stage.put("a.txt", "two\n");
        stage.git(&["add", "-A"]);
        let settled = settle(&stage.tree_sparing(&[".provost"]), Dirty::Commit).await;
        assert_eq!((settled.action, settled.files), (TreeAction::Committed, 1), "{settled:?}");
        assert_eq!(stage.git(&["ls-tree", "-r", "--name-only", "HEAD"]), "a.txt");
        assert_eq!(stage.text(".provost/x"), "ours\n");
    });
}

#[test]
fn what_lies_in_repositories_within_is_left_and_told() {
    run(async {
        let stage = Stage::new().await;
        let source = stage.at("source");
        stage.git(&["clone", "-q", ".", source.to_str().unwrap()]);
        let add =
            ["-c", "protocol.file.allow=always", "submodule", "add", "-q", source.to_str().unwrap(), "sub"];
        stage.git(&add);
        stage.git(&["commit", "-qm", "submodule"]);
        stage.put("sub/a.txt", "changed within\n");
        stage.git(&["init", "-q", "nested"]);
        stage.put("nested/file", "theirs\n");
        let tree = stage.tree();
        let settled = settle(&tree, Dirty::Stash).await;
        assert_eq!((settled.action, settled.files), (TreeAction::Failed, 2), "{settled:?}");
        assert!(settled.reason.unwrap().contains("repositories within: sub, nested/"));
        stage.put("a.txt", "two\n");
        let settled = settle_round(&tree, 4, Dirty::Stash, "2026-11-28T10:00:00Z").await;
        assert_eq!(settled.action, TreeAction::Stashed, "{settled:?}");
        assert_eq!(settled.reason.as_deref(), Some("dirty still: sub, nested/"));
        assert_eq!(stage.text("sub/a.txt"), "changed within\n");
        assert_eq!(stage.text("nested/file"), "theirs\n");
        std::fs::remove_dir_all(stage.repo().join("nested")).unwrap();
        let settled = settle_round(&tree, 5, Dirty::Commit, "2026-11-28T10:00:00Z").await;
        assert_eq!(settled.action, TreeAction::Ignored, "{settled:?}");
        assert!(settled.reason.unwrap().contains("repositories within"));
    });
}

/// `status.showUntrackedFiles` and the like are for people; what is dirty does not depend on them.
#[test]
fn settings_of_the_user_do_not_hide_what_is_dirty() {
    run(async {
        let stage = Stage::new().await;
        for (key, value) in [
            ("status.showUntrackedFiles", "no"),
            ("status.relativePaths", "true"),
            ("diff.noprefix", "true"),
            ("diff.ignoreSubmodules", "all"),
            ("core.quotePath", "true"),
            ("log.showSignature", "true"),
            ("color.ui", "always"),
            ("stash.showPatch", "true"),
        ] {
            stage.git(&["config", key, value]);
        }
        stage.put("new.txt", "new\n");
        stage.put("a.txt", "two\n");
        stage.put(".provost/x", "ours\n");
        let settled = settle(&stage.tree_sparing(&[".provost"]), Dirty::Stash).await;
        assert_eq!((settled.action, settled.files, &settled.reason), (TreeAction::Stashed, 2, &None));
        assert!(!stage.has("new.txt") && stage.has(".provost/x"));
    });
}

#[test]
fn variables_that_lead_git_elsewhere_do_not() {
    run(async {
        let stage = Stage::new().await;
        stage.put("new.txt", "new\n");
        let mut environment = stage.environment();
        for (name, value) in
            [("GIT_DIR", "/nowhere"), ("GIT_INDEX_FILE", "/nowhere/index"), ("GIT_LITERAL_PATHSPECS", "1")]
        {
            environment.push((name.into(), value.into()));
        }
        let spared = vec![PathBuf::from(".provost")];
        let tree = Tree::new(stage.guard.clone(), stage.repo(), environment, spared, RunId::new("r"));
        assert_eq!(settle(&tree, Dirty::Stash).await.action, TreeAction::Stashed);
    });
}

#[test]
fn a_directory_without_git_is_no_work_tree_and_needs_none_where_it_is_ignored() {
    run(async {
        let stage = Stage::new().await;
        let plain = stage.at("plain");
        std::fs::create_dir(&plain).unwrap();
        let tree = stage.tree_of(&plain, &[]);
        assert!(!tree.is_work_tree().await.unwrap());
        assert_eq!(tree.head().await, None);
        assert_eq!(settle(&tree, Dirty::Ignore).await.action, TreeAction::Ignored);
        let settled = settle(&tree, Dirty::Stash).await;
        assert_eq!(settled.action, TreeAction::Failed);
        assert!(settled.reason.unwrap().contains("not a git repository"));
        let bare = stage.at("bare");
        stage.git(&["init", "-q", "--bare", bare.to_str().unwrap()]);
        assert!(!stage.tree_of(&bare, &[]).is_work_tree().await.unwrap());
    });
}
