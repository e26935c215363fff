//! A project of cli-agent-runner becomes a profile: what is kept, what is listed, and what is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use provost::profile::{Source, load};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/agent-runner")
}

/// The files of a directory, by name.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

/// Calls `provost init`.
fn init(cwd: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provost"))
        .arg("init")
        .args(args)
        .current_dir(cwd)
        .env_clear()
        .env("HOME", "/home/somebody")
        .output()
        .unwrap()
}

/// A project with this file in it.
struct Project {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Project {
    fn of(file: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("project");
        std::fs::create_dir_all(path.join("prompts")).unwrap();
        for prompt in ["main.md", "rules.md", "ledger.md"] {
            let from = fixtures().join("prompts").join(prompt);
            std::fs::copy(from, path.join("prompts").join(prompt)).unwrap();
        }
        std::fs::copy(file, path.join("agent-runner.toml")).unwrap();
        Self { _dir: dir, path }
    }

    /// Calls it in the project.
    fn init(&self, args: &[&str]) -> Output {
        init(&self.path, args)
    }

    /// What was printed, without where it happened.
    fn told(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace(self.path.to_str().unwrap(), "[project]")
    }
}

/// G6 and the import: every preset of agent-runner, and files of other kinds, load as a profile, with their comments
/// at the keys, and with a list of what has no counterpart.
#[test]
fn each_project_becomes_a_profile_that_loads() {
    let files = files(&fixtures());
    assert!(files.len() >= 12, "only {} projects", files.len());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let project = Project::of(&file);
        let output = project.init(&["--from", "agent-runner.toml"]);
        let said = project.told(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {said}");
        let written = std::fs::read(project.path.join("provost.toml")).unwrap();
        let source = Source { path: Path::new("provost.toml"), sets: &[], cwd: &project.path };
        let loaded = load(source).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(loaded.profile.supervise.as_ref().unwrap().min_prompt, Some(500));
        let profile = project.told(&written);
        insta::assert_snapshot!(format!("import_{name}"), format!("{profile}\n==== said\n{said}"));
    }
}

/// Scar "scalar where a list belongs": what agent-runner would refuse is refused where it stands, with a remedy.
#[test]
fn each_mistake_is_shown_where_it_was_made() {
    let files = files(&fixtures().join("bad"));
    assert!(files.len() >= 12, "only {} mistakes", files.len());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let project = Project::of(&file);
        let output = project.init(&["--from", "agent-runner.toml"]);
        let said = project.told(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(!project.path.join("provost.toml").exists(), "{name} was written");
        assert!(said.contains("--> agent-runner.toml:"), "{name} has no place: {said}");
        assert!(said.contains("help: "), "{name} has no remedy: {said}");
        assert!(!said.contains("api03"), "{name} shows a secret: {said}");
        insta::assert_snapshot!(format!("import_bad_{name}"), said);
    }
}

/// Scar "relative paths resolved against cwd": a path means the same file, from wherever the import is called and wherever
/// the profile is written.
#[test]
fn paths_mean_the_same_file_from_elsewhere() {
    let project = Project::of(&fixtures().join("preset_claude.toml"));
    let elsewhere = project.path.parent().unwrap().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let output = init(&elsewhere, &["--from", "../project/agent-runner.toml", "--out", "night.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", project.told(&output.stderr));
    let loaded = load(Source { path: Path::new("night.toml"), sets: &[], cwd: &elsewhere }).unwrap();
    assert_eq!(loaded.profile.prompt.files, [project.path.join("prompts/main.md")]);
    assert_eq!(loaded.profile.workspace.dir, project.path);
}

#[test]
fn a_secret_is_not_written_again() {
    for name in ["full", "own_agent"] {
        let project = Project::of(&fixtures().join(format!("{name}.toml")));
        let output = project.init(&["--from", "agent-runner.toml", "--print"]);
        assert_eq!(output.status.code(), Some(0));
        let all = project.told(&output.stdout) + &project.told(&output.stderr);
        assert!(all.contains("_API_KEY"), "{all}");
        assert!(!all.contains("not-a-key-but-secret"), "{all}");
        assert!(!project.path.join("provost.toml").exists(), "`--print` writes nothing");
    }
}

#[test]
fn nothing_is_overwritten() {
    let project = Project::of(&fixtures().join("preset_pi.toml"));
    std::fs::write(project.path.join("provost.toml"), "mine").unwrap();
    let output = project.init(&["--from", "agent-runner.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(project.path.join("provost.toml")).unwrap(), "mine");
}
