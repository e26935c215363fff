//! Scores that take their time, and what names a scorer: through real programs and real judges.

mod judge;

use std::collections::BTreeMap;
use std::path::Path;

use provost::backend::Guard;
use provost::backend::account::{Accounts, Owner};
use provost::backend::registry::Secrets;
use provost::engine::Shutdown;
use provost::event::{CellIndex, RunId, ScoreName, Scored, Scores, Sha256, Trial};
use provost::journal::RunDir;
use provost::profile::{Source, load, load_suite};
use provost::suite::{Answered, Case, Later, ScoreError, Scorers, Stage};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::sandbox::PATIENCE;

/// A directory with a suite in it, and a stage to play on.
struct Bench {
    dir: TempDir,
    stage: Stage,
}

impl Bench {
    /// `scores` are the tables of the suite's scores.
    async fn new(scores: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        RunDir::create(dir.path().join("run")).unwrap();
        let run = RunId::new("test");
        let owner = Owner { pid: std::process::id(), run: run.to_string() };
        let stage = Stage {
            guard: Guard::start(Path::new(env!("CARGO_BIN_EXE_provost"))).await.unwrap(),
            environment: BTreeMap::from([
                ("PATH".to_owned(), std::env::var("PATH").unwrap()),
                ("API_KEY".to_owned(), "hunter2hunter2".to_owned()),
            ]),
            secrets: std::sync::Arc::new(Secrets::new([("API_KEY".to_owned(), "hunter2hunter2".to_owned())])),
            accounts: Accounts::private(&owner),
            shutdown: Shutdown::listen().unwrap(),
            directory: dir.path().join("run"),
            run,
            dry_run: false,
        };
        let bench = Self { dir, stage };
        bench.write("cases.jsonl", "{\"id\": \"a\", \"input\": \"Say hello.\"}\n");
        bench.write(
            "suite.toml",
            &format!("schema = 1\nname = \"s\"\n[cases]\nfile = \"cases.jsonl\"\n{scores}"),
        );
        bench
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn source<'a>(&'a self, path: &'a Path) -> Source<'a> {
        Source { path, sets: &[], cwd: self.dir.path() }
    }

    /// The scores, with the judges that they name.
    fn scorers(&self) -> Result<Scorers, ScoreError> {
        let suite =
            load_suite(self.source(Path::new("suite.toml"))).unwrap_or_else(|error| panic!("{error}"));
        let mut judges = BTreeMap::new();
        for path in suite.suite.score.iter().filter_map(|score| score.options.profile.clone()) {
            let profile = load(self.source(&path)).unwrap_or_else(|error| panic!("{error}")).profile;
            judges.insert(path, self.stage.player(profile).unwrap());
        }
        Scorers::new(&suite.suite, &suite.dir, &self.stage, &judges)
    }

    /// Scores an answer by the only score.
    async fn score(&self, case: Value, output: &str, rival: Option<&str>) -> Later {
        let scorers = self.scorers().unwrap();
        let name = scorers.names_later().next().unwrap().clone();
        let case = Case::from_json(case).unwrap();
        let answered = answered(&case, output, rival);
        assert_eq!(scorers.at_once(&answered), Scores::default(), "it takes its time");
        // Many of them are asked at the same time.
        let later = movable(scorers.later(&answered, &name));
        tokio::time::timeout(3 * PATIENCE, later).await.expect("it hangs")
    }

    /// Names the only score.
    fn sha256(&self) -> Sha256 {
        self.scorers().unwrap().scorer_sha256(&ScoreName::new("s"))
    }
}

fn answered<'a>(case: &'a Case, output: &'a str, rival: Option<&'a str>) -> Answered<'a> {
    let (cell, trial) = (CellIndex(17), Trial(2));
    Answered { case, output, workspace: None, check: None, cell, trial, seed: 5, rival }
}

fn movable<T: Send>(future: T) -> T {
    future
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The table of a command score.
fn command(argv: &str, rest: &str) -> String {
    format!(
        "[[score]]\nname = \"s\"\nkind = \"command\"\n{rest}\n[score.options]\ncommand = {argv}\ntimeout = \"20s\"\n"
    )
}

fn commanded(argv: &str, files: &[(&str, &str)]) -> Scored {
    runtime().block_on(async {
        let bench = Bench::new(&command(argv, "")).await;
        for (name, text) in files {
            bench.write(name, text);
        }
        bench.score(json!({"id": "a", "input": "?", "expected": "yes", "more": 7}), "yes", None).await.scored
    })
}

#[test]
fn a_program_is_given_the_case_and_its_answer() {
    let script = "read -r line\n\
        for part in '\"id\":\"a\"' '\"expected\":\"yes\"' '\"output\":\"yes\"' '\"more\":7' '\"workspace\":null'; do\n\
        case $line in *\"$part\"*) ;; *) echo \"no $part in $line\"; exit 1 ;; esac\ndone\n\
        test -z \"$API_KEY\" || exit 1\necho all there\necho 0.5\n";
    let scored = commanded(r#"["sh", "score.sh"]"#, &[("score.sh", script)]);
    assert_eq!((scored.value, scored.passed), (Some(0.5), Some(true)), "{scored:?}");
}

#[test]
fn the_exit_code_is_the_score_where_there_is_no_number() {
    let good = commanded(r#"["true"]"#, &[]);
    assert_eq!((good.value, good.passed), (Some(1.0), Some(true)), "a program need not read its input");
    let bad = commanded(r#"["sh", "-c", "echo too short >&2; exit 1"]"#, &[]);
    assert_eq!((bad.value, bad.passed, bad.why.as_deref()), (Some(0.0), Some(false), Some("too short")));
}

#[test]
fn a_program_without_an_opinion_is_missing_and_not_zero() {
    for (argv, why) in [
        (r#"["no-such-program-anywhere"]"#, "not there"),
        (r#"["./absent.sh"]"#, "not there"),
        (r#"["sh", "-c", "kill -9 $$"]"#, "signal"),
        (r#"["sh", "-c", "no-such-program-anywhere"]"#, "127"),
        (r#"["sh", "-c", "echo 3"]"#, "not from 0 to 1"),
    ] {
        let scored = commanded(argv, &[]);
        assert_eq!((scored.value, scored.passed), (None, None), "{argv}: {scored:?}");
        assert!(scored.why.as_deref().is_some_and(|told| told.contains(why)), "{argv}: {scored:?}");
    }
    let slow = runtime().block_on(async {
        let table = "[[score]]\nname = \"s\"\nkind = \"command\"\n[score.options]\n\
            command = [\"sleep\", \"600\"]\ntimeout = \"100ms\"\n";
        Bench::new(table).await.score(json!({"id": "a", "input": "?"}), "yes", None).await.scored
    });
    assert!(slow.value.is_none() && slow.why.is_some_and(|why| why.contains("0.1 s")));
}

#[test]
fn the_number_is_the_last_one_however_much_was_said_before() {
    let script = "i=0\nwhile [ $i -lt 4000 ]; do echo 'line of talk with the number 12345'; i=$((i+1)); done\necho 0.25\n";
    assert_eq!(commanded(r#"["sh", "score.sh"]"#, &[("score.sh", script)]).value, Some(0.25));
}

#[test]
fn what_a_program_says_keeps_no_secret() {
    let scored = commanded(r#"["sh", "-c", "echo key hunter2hunter2; exit 1"]"#, &[]);
    assert_eq!(scored.why.as_deref(), Some("key [secret:API_KEY]"));
}

#[test]
fn a_scorer_is_named_by_what_it_does_and_not_by_where_it_lies() {
    runtime().block_on(async {
        let table = command(r#"["sh", "score.sh"]"#, "pass = 0.5");
        let (here, there) = (Bench::new(&table).await, Bench::new(&table).await);
        for bench in [&here, &there] {
            bench.write("score.sh", "echo 1\n");
        }
        let before = here.sha256();
        assert_eq!(before, there.sha256());
        there.write("score.sh", "echo 0\n");
        assert_ne!(before, there.sha256(), "the program's text is a part of it");
        let other = Bench::new(&command(r#"["sh", "score.sh"]"#, "pass = 0.6")).await;
        other.write("score.sh", "echo 1\n");
        assert_ne!(before, other.sha256(), "the table is a part of it");
    });
}
