//! A run that goes on with another provost than the one that its plan was made with.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Bench, GATE, by_name};
use crate::support::sandbox::{Ran, finish, of_kind};

impl Bench {
    /// Another program that does the same: its file is longer.
    fn other(&self) -> PathBuf {
        let path = self.path("other-provost");
        std::fs::copy(env!("CARGO_BIN_EXE_provost"), &path).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\n").unwrap();
        path
    }

    #[track_caller]
    fn by_other(&self, other: &PathBuf, args: &[&str], code: i32) -> Ran {
        let own = self.sandbox.command(args);
        let mut command = Command::new(other);
        command.args(args).env_clear().current_dir(self.path(""));
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ran = finish(command.spawn().unwrap());
        assert_eq!(ran.code, Some(code), "{args:?}\n{}\n{}", ran.err, ran.out);
        ran
    }

    fn remarks(&self, out: &str) -> String {
        self.certificate(out)["body"]["certified"]["remarks"].to_string()
    }
}

const NOT_IT: &str = "not the provost that the plan was made with";
const TOLD: &str = "also run by another provost";

#[test]
fn cells_of_another_provost_are_refused_and_told_where_they_are_accepted() {
    let bench = Bench::new(12, GATE, Duration::ZERO, by_name);
    let other = bench.other();
    bench.certify("good.toml", "base.toml", "run", &["--plan"], 0);
    bench.call(&["cell", "--plan", "run", "--index", "0-3"], 0);
    let asked = bench.asked();
    let cell = ["cell", "--plan", "run", "--index", "4-9"];
    let ran = bench.by_other(&other, &cell, 2);
    assert!(ran.err.contains(NOT_IT) && ran.err.contains("--allow-different"), "{}", ran.err);
    let ran = bench.by_other(&other, &["certify", "--resume", "run"], 2);
    assert!(ran.err.contains(NOT_IT), "{}", ran.err);
    assert_eq!(bench.asked(), asked, "nobody was asked");
    assert_eq!(of_kind(&bench.events("run"), "run.resumed").len(), 0, "nothing is on record of it");
    bench.by_other(&other, &[&cell[..], &["--allow-different"]].concat(), 0);
    let ran = bench.call(&["certify", "--resume", "run"], 0);
    assert!(bench.remarks("run").contains(TOLD), "{}", bench.remarks("run"));
    assert!(ran.out.contains("another provost"), "{}", ran.out);
    assert_eq!(bench.asked(), 24);
    bench.call(&["certify", "--verify", "run"], 0);
    // Whoever looks at figures that are there is not asked who they are.
    let digest = bench.certificate("run")["digest"].clone();
    bench.by_other(&other, &["certify", "--verify", "run"], 0);
    bench.by_other(&other, &["certify", "--resume", "run"], 0);
    assert_eq!(bench.certificate("run")["digest"], digest);
}

#[test]
fn a_run_that_another_provost_ends_says_so() {
    let bench = Bench::new(12, GATE, Duration::ZERO, by_name);
    let other = bench.other();
    bench.certify("good.toml", "base.toml", "run", &["--plan"], 0);
    bench.call(&["cell", "--plan", "run", "--index", "0-3"], 0);
    bench.by_other(&other, &["certify", "--resume", "run", "--allow-different"], 0);
    let resumed = of_kind(&bench.events("run"), "run.resumed").pop().unwrap().clone();
    let binary = resumed["binary"].as_str().unwrap();
    assert!(bench.remarks("run").contains(&format!("{TOLD} than the one that the plan was made with")));
    assert!(bench.remarks("run").contains(binary), "{binary}");
    bench.certify("good.toml", "base.toml", "own", &[], 0);
    assert!(!bench.remarks("own").contains(TOLD));
}
