//! What rounds leave in the work tree, as the whole loop sees it.

use crate::support::looped::story;
use crate::support::sandbox::{Sandbox, of_kind};

/// Each round adds a file of its own.
const WORKS: &str =
    "cat > /dev/null\necho x >> ctl/rounds\nn=$(wc -l < ctl/rounds)\necho work > work-$n.txt\necho done\n";

fn after_two(dirty: &str) -> Sandbox {
    let keys = format!("[workspace]\ndirty = \"{dirty}\"\n[supervise]\npause = \"20ms\"\nrounds = 2\n");
    let sandbox = Sandbox::looped(WORKS, &keys);
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    sandbox
}

fn settled(sandbox: &Sandbox) -> Vec<(String, Option<String>)> {
    let events = sandbox.events();
    of_kind(&events, "tree.settled")
        .iter()
        .map(|tree| {
            (tree["action"].as_str().unwrap().to_owned(), tree["commit"].as_str().map(ToOwned::to_owned))
        })
        .collect()
}

/// Scar "stash index shifted": each round's work is in a stash that is known by its commit.
#[test]
fn each_round_s_work_is_in_a_stash_of_its_own() {
    let sandbox = after_two("stash");
    let settled = settled(&sandbox);
    assert_eq!(settled.len(), 2);
    for (at, (action, commit)) in settled.iter().enumerate() {
        assert_eq!(action, "stashed");
        let commit = commit.as_deref().unwrap();
        let listed = sandbox.git(&["ls-tree", "--name-only", &format!("{commit}^3")]);
        assert_eq!(listed, format!("work-{}.txt", at + 1), "and nothing of what provost owns");
    }
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "?? .provost/");
}

#[test]
fn each_round_s_work_is_committed_and_the_next_round_begins_there() {
    let sandbox = after_two("commit");
    assert_eq!(sandbox.git(&["log", "--format=%s"]), "provost: round 2\nprovost: round 1\nfirst");
    let listed = sandbox.git(&["ls-tree", "-r", "--name-only", "HEAD"]);
    assert!(listed.contains("work-1.txt\nwork-2.txt") && !listed.contains(".provost"), "{listed}");
    let events = sandbox.events();
    let started = of_kind(&events, "round.started");
    let (_, first) = &settled(&sandbox)[0];
    assert_eq!(started[1]["head"].as_str(), first.as_deref(), "{}", story(&events));
    let prompt = sandbox.prompts(2).pop().unwrap();
    let commit = first.as_deref().unwrap();
    assert!(prompt.contains(&format!("What round 1 left was committed as {commit}")), "{prompt}");
}

#[test]
fn an_ignored_tree_is_left_as_it_is() {
    let sandbox = after_two("ignore");
    let status = sandbox.git(&["status", "--porcelain"]);
    assert_eq!(status, "?? .provost/\n?? work-1.txt\n?? work-2.txt");
    assert_eq!(sandbox.git(&["stash", "list"]), "");
    assert_eq!(sandbox.git(&["log", "--format=%s"]), "first");
}

/// A failed round's work is kept: the next one may go on with it, and nothing is stashed for it.
#[test]
fn what_a_failed_round_leaves_is_kept() {
    let agent = "cat > /dev/null\nif [ -e half.txt ]; then echo whole >> half.txt; echo done; exit; fi\necho half > half.txt\nexit 3\n";
    let keys = "[retry]\nsame_model = 0\n[supervise]\npause = \"20ms\"\nrounds = 2\n";
    let sandbox = Sandbox::looped(agent, keys);
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let settled = settled(&sandbox);
    assert_eq!((settled[0].0.as_str(), settled[1].0.as_str()), ("kept", "stashed"));
    let commit = settled[1].1.clone().unwrap();
    assert_eq!(sandbox.git(&["show", &format!("{commit}^3:half.txt")]), "half\nwhole");
}

/// The files that are watched have a digest before and after each round.
#[test]
fn what_is_watched_is_on_record_before_and_after() {
    let agent =
        "cat > /dev/null\necho more >> watched.txt\ngit add watched.txt\ngit commit -qm more\necho done\n";
    let keys = "[supervise]\npause = \"20ms\"\nrounds = 2\nfingerprint = [\"watched.*\"]\n";
    let sandbox = Sandbox::looped(agent, keys);
    sandbox.write("watched.txt", "one\n");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "watched"]);
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = sandbox.events();
    let of = |kind: &str, key: &str| -> Vec<String> {
        of_kind(&events, kind).iter().map(|event| event[key].as_str().unwrap_or("none").to_owned()).collect()
    };
    for key in ["head", "fingerprint"] {
        let (before, after) = (of("round.started", key), of("tree.settled", key));
        assert_eq!(before[1], after[0], "{key}: {}", story(&events));
        assert!(before[0] != before[1] && after[0] != after[1], "{key}: {}", story(&events));
    }
}

/// Scar "zero-work round committed the runner's own logs": what provost keeps of accounts is nobody's work, also where the
/// workspace is the home directory.
#[test]
fn what_provost_keeps_in_the_home_directory_is_not_the_agent_s_work() {
    let sandbox = Sandbox::looped("cat > /dev/null\necho done\n", "[supervise]\nrounds = 1\n");
    sandbox.write(".gitignore", "/ctl/\n");
    sandbox.git(&["commit", "-qam", "ignore less"]);
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(sandbox.path(".local/state/provost").exists(), "there is something to spare");
    assert_eq!(settled(&sandbox)[0].0, "clean", "{}", story(&sandbox.events()));
}
