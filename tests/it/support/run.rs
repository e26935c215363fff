//! One `provost run` in a directory of its own, and what it left on record.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Where a run takes place.
#[derive(Debug)]
pub(crate) struct Stage {
    dir: tempfile::TempDir,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// What the process said and exited with.
    pub(crate) output: Output,
    /// How long it took.
    pub(crate) took: Duration,
    /// The events of its journal.
    pub(crate) events: Vec<Value>,
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// Keeps the directory.
    _stage: Stage,
}

impl Stage {
    /// With this profile; `{home}` and `{work}` in it are the directories of the stage.
    pub(crate) fn new(profile: &str) -> Self {
        let stage = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(stage.path("home")).unwrap();
        std::fs::create_dir(stage.path("work")).unwrap();
        let profile = profile
            .replace("{home}", stage.path("home").to_str().unwrap())
            .replace("{work}", stage.path("work").to_str().unwrap());
        std::fs::write(stage.path("provost.toml"), profile).unwrap();
        stage
    }

    /// A path below the stage.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Does the task with nothing in the environment but these variables, a home and the `PATH`.
    pub(crate) fn run(self, task: &str, environment: &[(&str, &str)], flags: &[&str]) -> Ran {
        let child = self.start(task, environment, flags);
        self.end(child)
    }

    /// Begins what [`Stage::run`] does.
    pub(crate) fn start(&self, task: &str, environment: &[(&str, &str)], flags: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(["run", "--profile"])
            .arg(self.path("provost.toml"))
            .arg("--out")
            .arg(self.path("run"))
            .args(flags)
            .arg(task)
            .current_dir(self.path("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits for the end of what was begun.
    pub(crate) fn end(self, child: Child) -> Ran {
        let begun = Instant::now();
        let dir = self.path("run");
        let output = child.wait_with_output().unwrap();
        let journal = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
        let events = journal.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        Ran { output, took: begun.elapsed(), events, dir, _stage: self }
    }
}

impl Ran {
    /// All that one needs to see when an assertion fails.
    pub(crate) fn story(&self) -> String {
        let events: Vec<String> = self.events.iter().map(Value::to_string).collect();
        format!("{}\n{}", String::from_utf8_lossy(&self.output.stderr), events.join("\n"))
    }

    /// The events of a kind.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["kind"] == kind).collect()
    }

    /// The end of the run.
    pub(crate) fn ended(&self) -> &Value {
        self.of("run.ended").pop().unwrap_or_else(|| panic!("the run has no end:\n{}", self.story()))
    }

    /// Asserts that the check refused what the first round did, and passed the second.
    pub(crate) fn was_delivered_in_the_second_round(&self) {
        let story = self.story();
        assert_eq!(self.output.status.code(), Some(0), "{story}");
        assert_eq!(self.ended()["outcome"], "delivered", "{story}");
        assert_eq!(self.ended()["rounds"], 2, "{story}");
        assert_eq!(self.of("round.ended").len(), 2, "{story}");
    }

    /// The classes of the failed attempts.
    pub(crate) fn classes(&self) -> Vec<&str> {
        self.of("attempt.failed").iter().map(|failed| failed["class"].as_str().unwrap()).collect()
    }

    /// The sessions that the events of a kind name.
    pub(crate) fn sessions(&self, kind: &str) -> Vec<String> {
        self.of(kind).iter().map(|event| event["session"].as_str().unwrap().to_owned()).collect()
    }

    /// The stored prompts of a part, in the order in which they were sent.
    pub(crate) fn prompts(&self, part: &str) -> Vec<String> {
        let sent = self.of("prompt.sent").into_iter().filter(|prompt| prompt["part"] == part);
        sent.map(|prompt| {
            let sha256 = prompt["sha256"].as_str().unwrap();
            let text = std::fs::read_to_string(self.dir.join(format!("prompts/{sha256}.txt"))).unwrap();
            assert_eq!(prompt["bytes"], text.len(), "the size of {sha256}");
            text
        })
        .collect()
    }

    /// Whether any file of the run holds the text.
    pub(crate) fn holds(&self, text: &str) -> bool {
        holds(&self.dir, text.as_bytes())
    }
}

/// Whether any file below a directory holds the bytes.
pub(crate) fn holds(dir: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text)
    })
}

/// What the variable names.
pub(crate) fn needed(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty());
    let path = PathBuf::from(value.unwrap_or_else(|| {
        panic!("{variable} is not set; `.ci/install-real` installs what it names and writes it to `env`")
    }));
    assert!(path.exists(), "{variable} names {}, and nothing is there", path.display());
    path
}
