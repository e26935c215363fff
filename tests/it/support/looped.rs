//! A loop of `supervise` in a git repository of its own.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::fmt::Write as _;
use std::process::{Child, Command};

use serde_json::Value;

use super::sandbox::{Ran, Sandbox, of_kind, wait_for};

impl Sandbox {
    /// One whose agent is a shell script, in a repository.
    pub(crate) fn looped(program: &str, rest: &str) -> Self {
        let sandbox = Self::shell(program, "", rest);
        sandbox.repository();
        sandbox
    }

    /// Makes a repository with one commit of all that is there. What lies in `ctl` is not of it.
    pub(crate) fn repository(&self) {
        std::fs::create_dir_all(self.path("ctl")).unwrap();
        self.write(".gitignore", "/ctl/\n/.local/\n/.cache/\n");
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["config", "user.name", "Tester"]);
        self.git(&["config", "user.email", "tester@example.invalid"]);
        self.git(&["add", "."]);
        self.git(&["commit", "-qm", "first"]);
    }

    /// What git says.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.path(""))
            .env("HOME", self.path(""))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "git {args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said.trim().to_owned()
    }

    /// `provost supervise` with a task.
    pub(crate) fn supervise(&self, more: &[&str]) -> Ran {
        self.run(&[&["supervise"], more, &["Go on."]].concat())
    }

    /// The same, not waited for.
    pub(crate) fn begin(&self, more: &[&str]) -> Child {
        self.start(&[&["supervise"], more, &["Go on."]].concat())
    }

    /// The events that are on record now, of the only run; none while there is no run.
    pub(crate) fn so_far(&self) -> Vec<Value> {
        let Ok(runs) = std::fs::read_dir(self.path(".provost/runs")) else { return Vec::new() };
        let mut journals = runs.map(|run| run.unwrap().path().join("journal.jsonl"));
        let Some(text) = journals.find_map(|path| std::fs::read_to_string(path).ok()) else {
            return Vec::new();
        };
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until there are so many events of a kind.
    pub(crate) fn comes_to(&self, kind: &str, count: usize) {
        wait_for(&format!("{count} of {kind}"), || of_kind(&self.so_far(), kind).len() >= count);
    }

    /// The prompts of a round, as they were sent.
    pub(crate) fn prompts(&self, round: u64) -> Vec<String> {
        let dir = self.run_dir();
        let mut number = Value::Null;
        let mut prompts = Vec::new();
        for event in self.events() {
            match event["kind"].as_str().unwrap() {
                "round.started" => number = event["round"].clone(),
                "prompt.sent" if number == round && event["part"] == "user" => {
                    let path = dir.join(format!("prompts/{}.txt", event["sha256"].as_str().unwrap()));
                    prompts.push(std::fs::read_to_string(path).unwrap());
                }
                _ => {}
            }
        }
        prompts
    }

    /// The end of the only run: how, with which exit code, after how many rounds.
    #[track_caller]
    pub(crate) fn ended(&self) -> (String, i64, u64, String) {
        let events = self.events();
        let ended = events.last().unwrap();
        assert_eq!(ended["kind"], "run.ended", "{}", story(&events));
        let text = |key: &str| ended[key].as_str().unwrap_or_default().to_owned();
        (
            text("outcome"),
            ended["exit_code"].as_i64().unwrap(),
            ended["rounds"].as_u64().unwrap(),
            text("reason"),
        )
    }
}

/// All that one needs to see when an assertion fails.
pub(crate) fn story(events: &[Value]) -> String {
    let mut story = String::new();
    for event in events {
        let _ = writeln!(story, "{event}");
    }
    story
}

/// A schedule that is closed for days, whenever it is looked at.
pub(crate) fn closed() -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let today = usize::try_from(now.weekday().to_monday_zero_offset()).unwrap();
    format!("timezone = \"UTC\"\nrun = [\"{} 12:00-12:01\"]\n", days[(today + 3) % 7])
}
