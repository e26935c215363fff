//! A directory with a profile, and the real binary called in it.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of its own; gone when dropped.
pub(crate) struct Sandbox {
    dir: TempDir,
}

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Sandbox {
    /// Makes a directory whose `provost.toml` says `profile` after its name.
    pub(crate) fn new(profile: &str) -> Self {
        let sandbox = Self { dir: tempfile::tempdir().unwrap() };
        sandbox.write("provost.toml", &format!("schema = 1\nname = \"test\"\n{profile}"));
        sandbox
    }

    /// One whose agent plays `script`.
    pub(crate) fn scripted(script: &str, rest: &str) -> Self {
        let sandbox =
            Self::new(&format!("[agent]\nharness = \"scripted\"\nscript = \"script.toml\"\n{rest}"));
        sandbox.write("script.toml", &format!("schema = 1\n{script}"));
        sandbox
    }

    /// One whose agent is a shell script; `agent` are more keys of its table.
    pub(crate) fn shell(program: &str, agent: &str, rest: &str) -> Self {
        let command = format!("command = [\"sh\", \"agent.sh\"]\n{agent}");
        let sandbox = Self::new(&format!("[agent]\nharness = \"command\"\n{command}\n{rest}"));
        sandbox.write("agent.sh", program);
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The text of a file; empty while it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A call of the binary with hardly any environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        finish(self.start(args))
    }

    /// The directory of the only run.
    pub(crate) fn run_dir(&self) -> PathBuf {
        let mut runs: Vec<PathBuf> = std::fs::read_dir(self.path(".provost/runs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("manifest.json").exists())
            .collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// Its events.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.run_dir())
    }

    /// Waits until a process has written its id into a file.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        let mut pid = None;
        wait_for(name, || {
            let text = self.read(name);
            pid = text.strip_suffix('\n').and_then(|text| text.parse().ok());
            pid.is_some()
        });
        pid.unwrap()
    }
}

/// The events of a run.
pub(crate) fn events(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap();
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The events of one kind.
pub(crate) fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["kind"] == kind).collect()
}

/// Waits for the end of a call, but not for ever.
pub(crate) fn finish(mut child: Child) -> Ran {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("provost hangs: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits until something is so.
pub(crate) fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap();
    assert!(sent.success());
}

/// Whether a process runs; a zombie does not.
pub(crate) fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with(['Z', 'X']))
}

/// Copies a directory with all that is in it, but sockets.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
