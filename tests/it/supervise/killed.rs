//! A loop whose provost is killed: nobody is left, and the next one goes on as if nothing had been.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::looped::story;
use crate::support::sandbox::{Sandbox, events, finish, lives, of_kind, signal, wait_for};

/// W13: a killed provost left its agent at work, and its round was neither over nor begun anew.
#[test]
fn a_killed_loop_leaves_nobody_and_its_round_is_done_once() {
    let agent = "cat > ctl/prompt\n(sleep 600 & echo $! > ctl/child)\necho $$ > ctl/pid\n\
                 while [ ! -e ctl/go ]; do sleep 0.05; done\necho x >> ctl/rounds\necho done\n";
    let sandbox = Sandbox::looped(agent, "[supervise]\npause = \"50ms\"\nrounds = 2\n");
    let run = sandbox.begin(&[]);
    let (agent, child) = (sandbox.pid("ctl/pid"), sandbox.pid("ctl/child"));
    signal(run.id(), "KILL");
    finish(run);
    wait_for("the end of the agent", || !lives(agent) && !lives(child));
    sandbox.write("ctl/go", "");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "run.resumed").len(), 1);
    let rounds = |kind: &str| -> Vec<u64> {
        of_kind(&events, kind).iter().map(|event| event["round"].as_u64().unwrap()).collect()
    };
    assert_eq!(
        (rounds("round.started"), rounds("round.ended")),
        (vec![1, 2], vec![1, 2]),
        "{}",
        story(&events)
    );
    assert_eq!(sandbox.read("ctl/rounds"), "x\nx\n");
    let prompts = sandbox.prompts(1);
    assert_eq!(prompts.len(), 2);
    assert!(prompts[1].contains("An earlier attempt at this round was interrupted"), "{}", prompts[1]);
    assert_eq!(sandbox.ended().0, "done");
}

/// A loop of two rounds whose work is stashed, and all the states that its directory was in.
struct Whole {
    sandbox: Sandbox,
    /// The directory before and after each round's work, and at the end.
    states: tempfile::TempDir,
    journal: Vec<u8>,
    events: Vec<Value>,
}

const STATES: [&str; 5] = ["before-0", "after-0", "before-1", "after-1", "end"];

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(done.success());
}

impl Whole {
    fn new() -> Self {
        let states = tempfile::tempdir().unwrap();
        let place = states.path().display();
        // Which round it is, is told by what is stashed: done again, the work is the same.
        let agent = format!(
            "cat > /dev/null\nn=$(git stash list | wc -l)\n[ -e {place}/on ] && mkdir {place}/before-$n && cp -a . {place}/before-$n\n\
             echo work of $n > work.txt\n[ -e {place}/on ] && mkdir {place}/after-$n && cp -a . {place}/after-$n\necho done\n"
        );
        std::fs::write(states.path().join("on"), "").unwrap();
        let sandbox = Sandbox::looped(&agent, "[supervise]\npause = \"10ms\"\nrounds = 2\n");
        let ran = sandbox.supervise(&[]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        std::fs::remove_file(states.path().join("on")).unwrap();
        let end = states.path().join("end");
        std::fs::create_dir(&end).unwrap();
        copy(&sandbox.path(""), &end);
        let journal = std::fs::read(sandbox.run_dir().join("journal.jsonl")).unwrap();
        let events = sandbox.events();
        Self { sandbox, states, journal, events }
    }

    /// Which states the directory can have been in when the first `known` events were on record: what is done is told after.
    fn possible(&self, known: usize) -> std::ops::RangeInclusive<usize> {
        let (mut least, mut most) = (0, 0);
        for event in &self.events[..known] {
            match (event["kind"].as_str().unwrap(), event["round"].as_u64()) {
                ("attempt.started", Some(round)) => most = usize::try_from(round * 2 - 1).unwrap(),
                ("budget.committed", _) => most += 1,
                ("attempt.finished" | "tree.settled", _) => least = most,
                _ => {}
            }
        }
        least..=most
    }

    /// Goes on after so many events, the directory in this state.
    fn goes_on(&self, known: usize, state: usize) {
        let last = known.checked_sub(1).map_or("nothing", |at| self.events[at]["kind"].as_str().unwrap());
        let what = format!("after {known} events ({last}), {}", STATES[state]);
        let dir = self.sandbox.path("");
        let run = self.sandbox.run_dir();
        let kept = self.states.path().join("end").join(run.strip_prefix(&dir).unwrap());
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
        copy(&self.states.path().join(STATES[state]), &dir);
        std::fs::remove_dir_all(&run).unwrap();
        std::fs::create_dir_all(&run).unwrap();
        copy(&kept, &run);
        std::fs::remove_file(run.join("result.json")).unwrap();
        let lines = self.journal.split_inclusive(|byte| *byte == b'\n');
        let bytes: usize = lines.take(known + 1).map(<[u8]>::len).sum();
        std::fs::write(run.join("journal.jsonl"), &self.journal[..bytes]).unwrap();

        let ran = self.sandbox.supervise(&[]);
        assert_eq!(ran.code, Some(0), "{what}: {}", ran.err);
        let after = events(&run);
        let told = story(&after);
        let ended = after.last().unwrap();
        assert_eq!((&ended["outcome"], &ended["rounds"]), (&"done".into(), &2.into()), "{what}: {told}");
        let rounds = |kind: &str| -> Vec<u64> {
            of_kind(&after, kind).iter().map(|event| event["round"].as_u64().unwrap()).collect()
        };
        assert_eq!(rounds("round.ended"), [1, 2], "{what}: {told}");
        assert_eq!(rounds("round.started"), [1, 2], "{what}: {told}");
        assert_eq!(rounds("tree.settled"), [1, 2], "{what}: {told}");
        assert_eq!(self.sandbox.git(&["stash", "list"]).lines().count(), 2, "{what}: {told}");
        for (at, settled) in of_kind(&after, "tree.settled").iter().enumerate() {
            let commit = settled["commit"].as_str().unwrap_or_else(|| panic!("{what}: {told}"));
            let work = self.sandbox.git(&["show", &format!("{commit}^3:work.txt")]);
            assert_eq!(work, format!("work of {at}"), "{what}: {told}");
        }
        assert_eq!(self.sandbox.git(&["status", "--porcelain"]), "?? .provost/", "{what}: {told}");
    }

    /// Of all the boundaries, those of one share out of `of`: the tests share the work.
    fn goes_on_everywhere(&self, share: usize, of: usize) {
        for known in (0..self.events.len()).filter(|known| known % of == share) {
            for state in self.possible(known) {
                self.goes_on(known, state);
            }
        }
    }
}

/// W13: killed between any two events, a loop comes to the same end: no round is lost or counted twice, and what a round has
/// left is put away once.
#[test]
fn a_loop_that_is_killed_after_any_even_event_comes_to_the_same_end() {
    Whole::new().goes_on_everywhere(0, 2);
}

/// W13: the other half of the boundaries.
#[test]
fn a_loop_that_is_killed_after_any_odd_event_comes_to_the_same_end() {
    Whole::new().goes_on_everywhere(1, 2);
}
