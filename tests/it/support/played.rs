//! A live run whose part the test plays: it holds the journal and says what the engine would say.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use provost::event::{BudgetCeilings, Event, Kind, NodeId, RunId, Sha256};
use provost::journal::{Manifest, RunDir, VERSION, Writer};
use serde_json::{Value, json};

/// The run; killed when dropped, as far as others can see.
pub(crate) struct Played {
    pub(crate) dir: RunDir,
    writer: Writer,
}

impl Played {
    /// Begins a run of `verb` in a new directory, with a profile that nobody reads.
    pub(crate) fn begin(path: &Path, verb: &str, run: &str) -> Self {
        Self::with(path, verb, run, json!({}))
    }

    /// Begins one with a resolved profile.
    pub(crate) fn with(path: &Path, verb: &str, run: &str, profile: Value) -> Self {
        let dir = RunDir::create(path).unwrap();
        let now = Timestamp::now();
        let run = RunId::new(run);
        let manifest = Manifest {
            format: VERSION,
            version: "0".to_owned(),
            argv: Vec::new(),
            verb: verb.to_owned(),
            run: run.clone(),
            profile,
            profile_sha256: Sha256::of(b""),
            suite: None,
            task: "Go on.".to_owned(),
            task_sha256: Sha256::of(b""),
            seed: 0,
            budget: BudgetCeilings::default(),
            labels: std::collections::BTreeMap::default(),
            git_head: None,
            started_at: now,
            parent: None,
            cwd: PathBuf::from("/"),
            workspace: PathBuf::from("/"),
        };
        manifest.write(&dir).unwrap();
        let writer = Writer::create(&dir, &run, now).unwrap();
        let mut played = Self { dir, writer };
        played.says(json!({
            "kind": "run.started", "run": run, "verb": verb, "profile": "test", "harness": "command",
            "task_sha256": Sha256::of(b""), "task": "Go on.", "seed": 0, "budget": {}, "checked": false, "pid": 1,
        }));
        played
    }

    /// Records an event.
    pub(crate) fn says(&mut self, kind: Value) {
        self.said(kind, Timestamp::now());
    }

    /// Records an event of another time.
    pub(crate) fn said(&mut self, kind: Value, at: Timestamp) {
        let kind: Kind = serde_json::from_value(kind).unwrap();
        assert!(kind != Kind::Unknown);
        let seq = self.writer.tally().last_seq.next();
        let event = Event { seq, at, node: NodeId::root(), kind };
        self.writer.append(&event).unwrap();
    }

    /// Records the end, and lets go.
    pub(crate) fn ends(mut self, outcome: &str) -> RunDir {
        let run = self.writer.tally().started.as_ref().unwrap().run.to_string();
        let verb = self.writer.tally().started.as_ref().unwrap().verb.clone();
        self.says(json!({
            "kind": "run.ended", "run": run, "verb": verb, "outcome": outcome, "exit_code": 0, "delivered": false,
            "rounds": 0, "spend": {"input": 0, "output": 0, "usd": 0.0, "usd_known": true, "wall_s": 1.0},
            "reason": "it was time",
        }));
        self.dir
    }
}
