//! Where the soak takes place: a repository with files of a user, an agent outside of it, and the processes of both.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(super) struct Stage {
    dir: TempDir,
    pub(super) seed: u64,
    rounds: u64,
    /// In the environment of all that this soak starts, or among its arguments.
    marker: String,
}

impl Drop for Stage {
    /// Who wants to know why it failed finds all of it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            println!("soak: all of it is in {}", self.dir.path().display());
        }
    }
}

/// What the user has in the work tree before it begins.
pub(super) const COMMITTED: &str = "committed by the user\n";
pub(super) const IGNORED: &str = "ignored, and the user's\n";
pub(super) const UNTRACKED: &str = "soak-user-untracked";
pub(super) const CHANGED: &str = "soak-user-changed";

impl Stage {
    pub(super) fn new(seed: u64, rounds: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // No other soak, and nothing else on this machine, has it.
        let marker = format!("3600.{seed}{}", std::process::id());
        let stage = Self { dir, seed, rounds, marker };
        for name in ["work", "ledger", "backup"] {
            std::fs::create_dir(stage.path(name)).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/soak/agent.py");
        std::fs::copy(script, stage.path("agent.py")).unwrap();
        stage.write("work/provost.toml", &stage.profile());
        stage.write("work/src.txt", COMMITTED);
        stage.write("work/log.txt", "begun\n");
        stage.write("work/.gitignore", "*.env\n");
        stage.write("work/private.env", IGNORED);
        stage.git(&["init", "-q", "-b", "main"]);
        for (key, value) in [("user.name", "User"), ("user.email", "user@example.org"), ("gc.auto", "0")] {
            stage.git(&["config", key, value]);
        }
        stage.git(&["add", "-A"]);
        stage.git(&["commit", "-q", "-m", "the user's own"]);
        stage.write("work/draft.txt", &format!("{UNTRACKED}\n"));
        stage.write("work/log.txt", &format!("begun\n{CHANGED}\n"));
        stage
    }

    /// Only what the loop waits for is short; nothing that it does is off.
    fn profile(&self) -> String {
        let (agent, ledger) = (self.path("agent.py"), self.path("ledger"));
        format!(
            r#"schema = 1
name = "soak"
[agent]
harness = "command"
command = ["python3", "-I", "-S", "{agent}", "{seed}", "{ledger}", "{marker}"]
protocol = "claude-stream-json"
inherit_env = ["PATH", "HOME", "PROVOST_SOAK"]
[retry]
same_model = 0
[round]
timeout = "4s"
stall = "2s"
first_event = "30s"
grace = "300ms"
grace_after_result = "300ms"
[supervise]
pause = "1ms"
rounds = {rounds}
keep_rounds = {keep}
auto_stop = []
fingerprint = ["log.txt"]
[supervise.backoff]
base = "5ms"
ceiling = "20ms"
[supervise.give_up]
crashes = 0
idle = 0
memory = 0
"#,
            agent = agent.display(),
            ledger = ledger.display(),
            marker = self.marker,
            seed = self.seed,
            rounds = self.rounds,
            keep = self.keep(),
        )
    }

    /// How many transcripts are kept.
    pub(super) fn keep(&self) -> u64 {
        (self.rounds / 12).clamp(2, 40)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// What git prints, run by the user.
    pub(super) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.path("work"))
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn start(&self, flags: &[&str]) -> Child {
        let talk = std::fs::File::options().create(true).append(true).open(self.path("talk")).unwrap();
        Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(["-q", "supervise"])
            .args(flags)
            .arg("Do what you do.")
            .current_dir(self.path("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("PROVOST_SOAK", &self.marker)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(talk)
            .spawn()
            .unwrap()
    }

    /// The end of what provost has said.
    pub(super) fn talk(&self) -> String {
        let talk = self.read("talk");
        let lines: Vec<&str> = talk.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The run directory, once there is one. There is never a second one.
    pub(super) fn run_dir(&self) -> Option<PathBuf> {
        let runs = std::fs::read_dir(self.path("work/.provost/runs")).ok()?;
        let mut runs: Vec<PathBuf> = runs.map(|entry| entry.unwrap().path()).collect();
        runs.retain(|path| path.join("manifest.json").exists());
        assert!(runs.len() < 2, "a run that could be gone on with was begun anew: {runs:?}");
        runs.pop()
    }

    /// The transcripts that are there, by file name.
    pub(super) fn transcripts(&self) -> Vec<String> {
        let dir = self.run_dir().unwrap().join("rounds");
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Brings back transcripts that were deleted long ago, more than are kept: a restored backup.
    pub(super) fn restore_transcripts(&self) {
        for round in 1..=self.keep() + 5 {
            let path = self.run_dir().unwrap().join(format!("rounds/root-{round}.log"));
            if !path.exists() {
                std::fs::write(path, "from a backup\n").unwrap();
            }
        }
    }

    /// Waits until no process of the soak is left, which may not take long.
    pub(super) fn nobody_is_left(&self, when: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "processes are left {when}: {left:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All that have the marker, in their environment or among their arguments; a zombie has neither.
    fn processes(&self) -> Vec<String> {
        let has =
            |bytes: &[u8]| bytes.windows(self.marker.len()).any(|window| window == self.marker.as_bytes());
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
            if has(&read("environ")) || has(&read("cmdline")) {
                let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
                found.push(format!("{} {command}", entry.file_name().to_string_lossy()));
            }
        }
        found
    }
}
