//! Every mistake in a profile is shown where it was made, with a remedy; each file of `profiles/bad` makes one.

use std::path::{Path, PathBuf};

use provost::profile::{Source, load};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/profiles")
}

/// The message for a profile of the fixtures, as somebody sees it who stands among them.
fn message(path: &Path, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    match load(Source { path, sets: &sets, cwd: &fixtures() }) {
        Ok(_) => format!("{} is accepted", path.display()),
        Err(error) => error.render(false),
    }
}

#[test]
fn each_bad_profile_says_what_is_wrong_with_it() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(fixtures().join("bad"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 20, "only {} bad profiles", files.len());
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let message = message(&Path::new("bad").join(path.file_name().unwrap()), &[]);
        assert!(message.starts_with("error: "), "{name}: {message}");
        assert!(message.contains("help: "), "{name} has no remedy: {message}");
        assert!(message.contains("--> bad/"), "{name} has no place: {message}");
        insta::assert_snapshot!(name, message);
    }
}

#[test]
fn a_mistake_on_the_command_line_points_at_itself() {
    for (name, set) in [
        ("set_unknown_key", "agent.modle=x/y"),
        ("set_no_equals", "agent.model"),
        ("set_bad_key", "agent..model=x"),
        ("set_wrong_type", "retry.same_model=often"),
        ("set_missing_file", "prompt.files=[\"absent.md\"]"),
        ("set_extends", "extends=minimal.toml"),
        ("set_schema", "schema=2"),
        ("set_not_honoured", "model.temperature=0.5"),
    ] {
        insta::assert_snapshot!(name, message(Path::new("minimal.toml"), &[set]));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let sets =
        ["budget.rounds=0", "budget.usd=-1", "workspace.sandbox=bwrap", "agent.fallback=[\"a/b(high)\"]"];
    insta::assert_snapshot!("all_at_once", message(Path::new("minimal.toml"), &sets));
}

#[test]
fn a_profile_that_is_not_there_is_told_apart() {
    let error = load(Source { path: Path::new("absent.toml"), sets: &[], cwd: &fixtures() }).unwrap_err();
    assert!(error.is_missing_file());
    insta::assert_snapshot!("absent", error.render(false));
    // A file that the profile names is another matter.
    let error = load(Source { path: Path::new("bad/extends_missing.toml"), sets: &[], cwd: &fixtures() })
        .unwrap_err();
    assert!(!error.is_missing_file());
}
