//! The battery as a whole: what it finds, in which order, and what decides.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::profile::{Source, load};

/// A profile in a directory of its own, with a prompt.
fn profile(dir: &Path, keys: &str) -> Profile {
    let text = format!("schema = 1\nname = \"p\"\n[prompt]\nfiles = [\"prompt.md\"]\n{keys}");
    crate::file::write_atomic(&dir.join("p.toml"), text.as_bytes()).unwrap();
    if !dir.join("prompt.md").exists() {
        crate::file::write_atomic(&dir.join("prompt.md"), b"Do it.\n").unwrap();
    }
    let loaded = load(Source { path: Path::new("p.toml"), sets: &[], cwd: dir }).unwrap();
    Profile::clone(&loaded.profile)
}

/// What is not as it should be.
type Change = Box<dyn FnOnce(&mut Facts<'_>)>;

/// All is right, but for what `change` makes of it.
fn found(dir: &Path, keys: &str, change: impl FnOnce(&mut Facts<'_>)) -> Vec<Finding> {
    let profile = profile(dir, keys);
    let subjects = [Subject { phase: None, profile: &profile, task: "" }];
    let places = [dir.join("root")];
    let mut facts = Facts {
        subjects: &subjects,
        workspace: dir,
        places: &places,
        min_prompt: None,
        work_tree: Ok(true),
        overlap: None,
        disk: None,
        missing: &|_| None,
    };
    change(&mut facts);
    battery(&facts)
}

fn wrong(findings: &[Finding]) -> Vec<(&str, bool)> {
    findings.iter().filter(|finding| !finding.ok).map(|finding| (finding.check, finding.permanent)).collect()
}

const CLAUDE: &str = "[agent]\nharness = \"claude\"\n";

/// The finding that decides what happens: the first that is permanent, else the first that is not right.
fn decisive(findings: &[Finding]) -> Option<&Finding> {
    let wrong = || findings.iter().filter(|finding| !finding.ok);
    wrong().find(|finding| finding.permanent).or_else(|| wrong().next())
}

#[test]
fn all_is_right_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let findings = found(dir.path(), CLAUDE, |_| {});
    let checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["prompt", "program", "work_tree", "root_writable", "disk"]);
    assert!(findings.iter().all(|finding| finding.ok && finding.remedy.is_empty()));
    assert_eq!(decisive(&findings), None);
}

/// W8: a lock, a full disk, a git that hangs are the environment's, and use up no round.
#[test]
fn what_may_mend_by_itself_is_told_apart_from_what_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let timed_out = || TreeError::TimedOut {
        call: "git rev-parse".to_owned(),
        bound: Duration::from_secs(10),
        lock_removed: None,
    };
    let refused =
        || TreeError::Refused { call: "git rev-parse".to_owned(), code: Some(128), said: "no".to_owned() };
    let missing = Missing { what: "`claude` is not on the PATH".to_owned(), remedy: "install it".to_owned() };
    let cases: [(Change, &str, bool); 8] = [
        (Box::new(|facts| facts.work_tree = Ok(false)), "work_tree", true),
        (Box::new(move |facts| facts.work_tree = Err(timed_out())), "work_tree", false),
        (Box::new(move |facts| facts.work_tree = Err(refused())), "work_tree", true),
        (Box::new(|facts| facts.work_tree = Err(TreeError::NoGit)), "work_tree", true),
        (Box::new(|facts| facts.overlap = Some("a and b meet on Mon".to_owned())), "phase_overlap", true),
        (Box::new(|facts| facts.disk = Some("the disk is 99 % full".to_owned())), "disk", false),
        (Box::new(|facts| facts.min_prompt = Some(500)), "prompt", true),
        (Box::new(|facts| facts.places = &[]), "", false),
    ];
    for (change, check, permanent) in cases {
        let findings = found(dir, CLAUDE, change);
        if check.is_empty() {
            assert_eq!(wrong(&findings), []);
        } else {
            assert_eq!(wrong(&findings), [(check, permanent)], "{findings:?}");
            assert!(!decisive(&findings).unwrap().remedy.is_empty());
        }
    }
    let profile = profile(dir, CLAUDE);
    let subjects = [Subject { phase: None, profile: &profile, task: "" }];
    let facts = Facts {
        subjects: &subjects,
        workspace: dir,
        places: &[],
        min_prompt: None,
        work_tree: Ok(true),
        overlap: None,
        disk: Some("full".to_owned()),
        missing: &|_| Some(missing.clone()),
    };
    let findings = battery(&facts);
    assert_eq!(wrong(&findings), [("program", true), ("disk", false)]);
    assert_eq!(decisive(&findings).unwrap().check, "program");
}

#[test]
fn a_tree_that_is_ignored_needs_no_git() {
    let dir = tempfile::tempdir().unwrap();
    let keys = format!("{CLAUDE}[workspace]\ndirty = \"ignore\"\n");
    let findings = found(dir.path(), &keys, |facts| facts.work_tree = Ok(false));
    assert_eq!(wrong(&findings), []);
    let keys = format!("{CLAUDE}[workspace]\ndirty = \"commit\"\n");
    let findings = found(dir.path(), &keys, |facts| facts.work_tree = Ok(false));
    assert!(decisive(&findings).unwrap().message.contains("dirty = \"commit\""));
}

#[test]
fn every_phase_is_looked_at_and_what_they_share_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let base = profile(dir, CLAUDE);
    let mut other = base.clone();
    other.prompt.files = vec![dir.join("review.md")];
    let (build, review) = (PhaseName::new("build"), PhaseName::new("review"));
    let subjects = [
        Subject { phase: Some(&build), profile: &base, task: "" },
        Subject { phase: Some(&review), profile: &other, task: "" },
    ];
    let check = || {
        battery(&Facts {
            subjects: &subjects,
            workspace: dir,
            places: &[],
            min_prompt: None,
            work_tree: Ok(true),
            overlap: None,
            disk: None,
            missing: &|_| None,
        })
    };
    let findings = check();
    assert_eq!(wrong(&findings), [("prompt", true)]);
    let finding = decisive(&findings).unwrap();
    assert!(finding.message.starts_with("phase `review`: the prompt "), "{finding:?}");
    assert!(finding.message.contains("review.md cannot be read"), "{finding:?}");
    assert_eq!(findings.iter().filter(|finding| finding.check == "program").count(), 1);
    crate::file::write_atomic(&dir.join("review.md"), b"---\na: 1\n---\nReview it.\n").unwrap();
    assert_eq!(wrong(&check()), []);
}

/// Scar: the id file of a container was poisoned from within; what provost writes lies outside of every mount.
#[test]
fn what_provost_writes_lies_outside_of_what_a_container_sees() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let command = |mount: &str| {
        format!(
            "[agent]\nharness = \"command\"\ncommand = [\"sudo\", \"docker\", \"run\", \"-i\", \"-v\", \"{mount}\", \"image\"]\n"
        )
    };
    let all = |place: PathBuf| {
        move |mount: &str| {
            let places = [place.clone()];
            let profile = profile(dir, &command(mount));
            let subjects = [Subject { phase: None, profile: &profile, task: "" }];
            let facts = Facts {
                subjects: &subjects,
                workspace: dir,
                places: &places,
                min_prompt: None,
                work_tree: Ok(true),
                overlap: None,
                disk: None,
                missing: &|_| None,
            };
            wrong(&battery(&facts)).iter().map(|(check, _)| (*check).to_owned()).collect::<Vec<_>>()
        }
    };
    std::fs::create_dir_all(dir.join("tree/.provost")).unwrap();
    std::os::unix::fs::symlink(dir.join("tree"), dir.join("link")).unwrap();
    let inside = all(dir.join("tree/.provost"));
    assert_eq!(inside(&format!("{}:/in", dir.join("tree").display())), ["log_place"]);
    assert_eq!(inside("./tree:/in"), ["log_place"], "relative to the workspace");
    assert_eq!(inside("./link:/in"), ["log_place"], "also behind a link");
    assert_eq!(inside("./tree/.provost:/x"), ["log_place"]);
    assert_eq!(inside("/:/host"), ["log_place"]);
    assert_eq!(inside("./tree/src:/in"), Vec::<String>::new());
    assert_eq!(inside("./tre:/in"), Vec::<String>::new(), "a name that begins alike is another one");
    assert_eq!(all(dir.join("elsewhere/not/yet"))("./tree:/in"), Vec::<String>::new());
    assert_eq!(all(dir.join("tree/new"))("./tree:/in"), ["log_place"], "also before it is there");
}

#[test]
fn a_container_needs_an_open_input_where_the_prompt_comes_that_way() {
    let dir = tempfile::tempdir().unwrap();
    let keys = |flag: &str, via: &str| {
        format!(
            "[agent]\nharness = \"command\"\ncommand = [\"podman\", \"run\", \"{flag}\", \"image\"]\n{via}"
        )
    };
    for (flag, via, wanted) in [
        ("--rm", "", true),
        ("-t", "prompt_via = \"stdin\"\n", true),
        ("-it", "", false),
        ("--interactive", "", false),
        ("--rm", "prompt_via = \"argv\"\n", false),
        ("--rm", "prompt_via = \"file\"\n", false),
    ] {
        let findings = found(dir.path(), &keys(flag, via), |_| {});
        let deaf = [("container_stdin", true)];
        assert_eq!(wrong(&findings), if wanted { &deaf[..] } else { &[] }, "{flag} {via}");
    }
    // The fallback runs in one, and the primary does not.
    let chain = "[agent]\nharness = \"claude\"\nfallback = [{ harness = \"command\", command = [\"docker\", \"run\", \"image\"] }]\n";
    assert_eq!(wrong(&found(dir.path(), chain, |_| {})), [("container_stdin", true)]);
}
