//! Several loops under one lock.

use std::path::PathBuf;
use std::process::Child;

use serde_json::Value;

use crate::support::sandbox::{Sandbox, events, finish, of_kind, signal, wait_for};

/// Notes when another one is at work at the same time.
const ALONE: &str =
    "cat > /dev/null\nmkdir ctl/busy || echo two >> ctl/overlap\nsleep 0.2\nrmdir ctl/busy\necho done\n";

/// Two profiles, `a` and `b`, and one that names them as members.
fn fleet(agents: [&str; 2], keys: &str) -> Sandbox {
    let sandbox = Sandbox::new("[agent]\nharness = \"command\"\ncommand = [\"true\"]\n");
    for (name, agent) in ["a", "b"].into_iter().zip(agents) {
        sandbox.write(&format!("{name}.sh"), agent);
        sandbox.write(
            &format!("{name}.toml"),
            &format!(
                "schema = 1\nname = \"{name}\"\n[agent]\nharness = \"command\"\ncommand = [\"sh\", \"{name}.sh\"]\n\
                 [retry]\nsame_model = 0\n[workspace]\ndirty = \"ignore\"\n[supervise]\npause = \"20ms\"\n{keys}"
            ),
        );
    }
    sandbox.write(
        "fleet.toml",
        "schema = 1\nname = \"fleet\"\n[agent]\nharness = \"command\"\ncommand = [\"true\"]\n[supervise]\nparallel = 1\n\
         [[supervise.member]]\nprofile = \"a.toml\"\n[[supervise.member]]\nprofile = \"b.toml\"\ntask = \"Mind the door.\"\n",
    );
    sandbox.repository();
    sandbox
}

/// The runs by the name of their profile.
fn runs(sandbox: &Sandbox) -> Vec<(String, PathBuf)> {
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(sandbox.path(".provost/runs")).into_iter().flatten() {
        let dir = entry.unwrap().path();
        let Ok(manifest) = std::fs::read_to_string(dir.join("manifest.json")) else { continue };
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        runs.push((manifest["profile"]["name"].as_str().unwrap().to_owned(), dir));
    }
    runs.sort();
    runs
}

fn pair(sandbox: &Sandbox, more: &[&str]) -> Child {
    sandbox.begin(&[&["-p", "a.toml", "-p", "b.toml"], more].concat())
}

#[test]
fn two_profiles_have_a_run_each_and_one_at_a_time_works() {
    let sandbox = fleet([ALONE; 2], "rounds = 3\n");
    let ran = finish(pair(&sandbox, &["--parallel", "1"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let runs = runs(&sandbox);
    assert_eq!(runs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    for (name, dir) in &runs {
        let events = events(dir);
        let ended = events.last().unwrap();
        assert_eq!((&ended["outcome"], &ended["rounds"]), (&"done".into(), &3.into()), "{name}");
    }
    let all: Vec<Value> = runs.iter().flat_map(|(_, dir)| events(dir)).collect();
    let turns = of_kind(&all, "wait.started").into_iter().filter(|wait| wait["cause"] == "turn").count();
    assert!(turns > 0, "nobody has waited for its turn");
    assert_eq!(sandbox.read("ctl/overlap"), "");
}

#[test]
fn the_members_of_a_profile_are_a_fleet_each_with_its_task() {
    let sandbox = fleet([ALONE; 2], "rounds = 2\n");
    let ran = sandbox.supervise(&["-p", "fleet.toml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.read("ctl/overlap"), "");
    for (name, dir) in runs(&sandbox) {
        let manifest: Value =
            serde_json::from_str(&std::fs::read_to_string(dir.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["task"], if name == "b" { "Mind the door." } else { "Go on." });
        assert_eq!(of_kind(&events(&dir), "round.ended").len(), 2, "{name}");
    }
}

#[test]
fn one_signal_drains_all() {
    let works = |name: &str| {
        format!(
            "cat > /dev/null\necho $$ > ctl/{name}\nwhile [ ! -e ctl/go ]; do sleep 0.05; done\necho done\n"
        )
    };
    let sandbox = fleet([&works("a"), &works("b")], "");
    let run = pair(&sandbox, &[]);
    let agents = [sandbox.pid("ctl/a"), sandbox.pid("ctl/b")];
    signal(run.id(), "TERM");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(agents.into_iter().all(crate::support::sandbox::lives));
    sandbox.write("ctl/go", "");
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for (name, dir) in runs(&sandbox) {
        let events = events(&dir);
        assert_eq!(of_kind(&events, "round.ended")[0]["outcome"], "answered", "{name}");
        assert_eq!(events.last().unwrap()["outcome"], "stopped", "{name}");
    }
}

#[test]
fn the_worst_end_is_the_end_of_the_fleet() {
    let sandbox =
        fleet(["exit 3\n", "cat > /dev/null\necho done\n"], "rounds = 3\ngive_up = { crashes = 1 }\n");
    let ran = finish(pair(&sandbox, &[]));
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let ends: Vec<Value> =
        runs(&sandbox).iter().map(|(_, dir)| events(dir).last().unwrap()["outcome"].clone()).collect();
    assert_eq!(ends, ["gave_up", "done"], "one that gives up ends nobody else");
}

/// A fleet that was stopped is gone on with, each member with the run that is its own: also those that differ by their task
/// alone.
#[test]
fn each_member_goes_on_with_its_own_run() {
    let sandbox = fleet(["cat > /dev/null\necho done\n"; 2], "");
    let members = "schema = 1\nname = \"twins\"\n[agent]\nharness = \"command\"\ncommand = [\"true\"]\n\
                   [[supervise.member]]\nprofile = \"a.toml\"\ntask = \"One.\"\n[[supervise.member]]\nprofile = \"a.toml\"\ntask = \"Two.\"\n";
    sandbox.write("twins.toml", members);
    for times in 1..=2 {
        let run = sandbox.begin(&["-p", "twins.toml", "--set", "supervise.pause=\"10m\""]);
        let count = |dir: &PathBuf| {
            let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
            text.matches("\"kind\":\"wait.started\"").count()
        };
        wait_for("both to wait", || {
            let runs = runs(&sandbox);
            runs.len() == 2 && runs.iter().all(|(_, dir)| count(dir) == times)
        });
        signal(run.id(), "TERM");
        let ran = finish(run);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    for (_, dir) in runs(&sandbox) {
        let events = events(&dir);
        assert_eq!(of_kind(&events, "run.resumed").len(), 1);
        assert_eq!(of_kind(&events, "round.started").len(), 1);
    }
}
