//! A disk that is full while the loop runs.

use std::path::PathBuf;
use std::process::{Child, Command};

use serde_json::Value;

use crate::support::looped::story;
use crate::support::sandbox::{Sandbox, events, finish, of_kind, wait_for};

/// A small file system; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    /// `None` where nobody may mount.
    fn new(path: PathBuf) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&path)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

impl Small {
    /// Leaves no room; gives the file that takes it.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let dd =
            Command::new("dd").arg("if=/dev/zero").arg(format!("of={}", filler.display())).output().unwrap();
        assert!(!dd.status.success(), "it is full");
        filler
    }
}

/// A loop of two rounds that is recorded on a small disk; `last` is what the agent says at the end.
fn on_a_small_disk(last: &str) -> (Sandbox, Option<Small>) {
    let agent = format!(
        "cat > /dev/null\necho first words\necho $$ > ctl/pid\nwhile [ ! -e ctl/go ]; do sleep 0.05; done\n{last}\n"
    );
    let keys = "[workspace]\ndirty = \"ignore\"\n[supervise]\npause = \"1s\"\nrounds = 2\nauto_stop = []\n";
    let sandbox = Sandbox::looped(&agent, keys);
    let small = Small::new(sandbox.path("ctl/small"));
    if small.is_none() {
        eprintln!("nobody may mount a file system here: left out");
    }
    (sandbox, small)
}

fn begin(sandbox: &Sandbox) -> Child {
    let said = std::fs::File::create(sandbox.path("ctl/said")).unwrap();
    let mut command = sandbox.command(&["supervise", "--out", "ctl/small/run", "Go on."]);
    command.stderr(said).spawn().unwrap()
}

/// How each round ended: its number, and how.
fn rounds(events: &[Value]) -> Vec<(u64, &str)> {
    let ended = of_kind(events, "round.ended");
    ended.iter().map(|round| (round["round"].as_u64().unwrap(), round["outcome"].as_str().unwrap())).collect()
}

/// W8: a full disk used up rounds: one whose transcript has no room counts for none.
#[test]
fn a_round_that_finds_the_disk_full_does_not_count() {
    let (sandbox, Some(small)) = on_a_small_disk("yes words | head -c 20000") else { return };
    let run = begin(&sandbox);
    sandbox.pid("ctl/pid");
    let filler = small.fill();
    sandbox.write("ctl/go", "");
    let journal = small.0.join("run/journal.jsonl");
    wait_for("the end of the round", || {
        std::fs::read_to_string(&journal).unwrap().contains("\"kind\":\"round.ended\"")
    });
    std::fs::remove_file(filler).unwrap();
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", sandbox.read("ctl/said"));
    let events = events(&small.0.join("run"));
    assert_eq!(rounds(&events), [(1, "failed"), (2, "answered"), (3, "answered")], "{}", story(&events));
    let failed = of_kind(&events, "round.ended")[0];
    assert_eq!(failed["failure"]["rule"], "provost.environment", "{failed}");
    assert_eq!(of_kind(&events, "wait.started")[0]["cause"], "environment", "{}", story(&events));
    assert_eq!(events.last().unwrap()["outcome"], "done");
}

/// W8: where not even the journal has room, the loop waits and goes on, and no round is counted twice.
#[test]
fn a_journal_that_cannot_be_written_is_waited_for() {
    let (sandbox, Some(small)) = on_a_small_disk("echo last words") else { return };
    let run = begin(&sandbox);
    // The transcript has room in the block that it has; nothing new has any.
    wait_for("the first words", || sandbox.read("ctl/small/run/rounds/root-1.log").contains("first words"));
    let filler = small.fill();
    sandbox.write("ctl/go", "");
    wait_for("word of it", || sandbox.read("ctl/said").contains("cannot be recorded, tried again in"));
    std::fs::remove_file(filler).unwrap();
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", sandbox.read("ctl/said"));
    let events = events(&small.0.join("run"));
    assert_eq!(rounds(&events), [(1, "answered"), (2, "answered")], "{}", story(&events));
    assert_eq!(of_kind(&events, "round.started").len(), 2, "{}", story(&events));
    assert_eq!(of_kind(&events, "run.resumed").len(), 1);
}
