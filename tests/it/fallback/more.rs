//! Rows of 12.B that end before there is a run, and those of profiles that stand on another one.

use std::sync::Arc;

use super::stage::{DOWN, Does, ROW, Row, candidates, endpoint, play, profile};
use crate::support::sandbox::{Sandbox, events};

use Does::Answers;

/// A profile that is refused with these words, before anything is asked.
struct Refused {
    id: &'static str,
    decided: &'static str,
    model: &'static str,
    entries: &'static [&'static str],
    sets: &'static [&'static str],
    says: &'static str,
}

#[test]
fn each_chain_that_cannot_be_walked_is_refused() {
    let rows = [
        Refused {
            id: "B13",
            decided: "no model is known: the run does not begin",
            model: "",
            entries: &[],
            sets: &[],
            says: "model",
        },
        Refused {
            id: "B20",
            decided: "a model without its provider is refused when the profile is read, and not when it is dispatched",
            model: "local/m0",
            entries: &["\"m1\""],
            sets: &[],
            says: "m1",
        },
        Refused {
            id: "B27",
            decided: "an entry that would send the same request to the same place is a mistake, not a step",
            model: "local/m0",
            entries: &["{ model = \"local/m0\", endpoint = \"e0\" }"],
            sets: &[],
            says: "agent.fallback",
        },
        Refused {
            id: "B30-empty",
            decided: "an empty model is none",
            model: "local/m0",
            entries: &["\"\""],
            sets: &[],
            says: "agent.fallback",
        },
    ];
    for row in rows {
        let (model, entries, sets) = (row.model, row.entries, row.sets);
        let played = play(&Row { endpoints: &[&[DOWN], &[Answers]], model, entries, sets, ..ROW });
        let (id, decided) = (row.id, row.decided);
        assert_eq!(played.ran.code, Some(2), "{id}: {decided}: {}", played.ran.err);
        assert!(played.ran.err.contains(row.says), "{id}: {}", played.ran.err);
        assert!(played.requests.iter().all(Vec::is_empty), "{id}");
    }
}

/// A name, what the profile says itself, the exit code, the candidates, and the requests at each endpoint.
type Inherits = (&'static str, &'static str, i32, &'static [u64], [usize; 3]);

/// B4: a profile that extends another one has its chain; its own wins, and its own empty one means none.
#[test]
fn b4_a_chain_is_inherited_unless_there_is_an_own_one() {
    let rows: [Inherits; 3] = [
        ("inherited", "", 0, &[0, 1], [1, 1, 0]),
        ("own", "[agent]\nfallback = [{ model = \"local/m2\", endpoint = \"e2\" }]\n", 0, &[0, 1], [1, 0, 1]),
        ("own-empty", "[agent]\nfallback = []\n", 4, &[0], [1, 0, 0]),
    ];
    for (id, own, code, walked, asked) in rows {
        let servers: Vec<_> =
            [&[DOWN][..], &[Answers], &[Answers]].map(|deeds| Arc::new(endpoint(deeds))).into();
        let base = Row { entries: &["{ model = \"local/m1\", endpoint = \"e1\" }"], ..ROW };
        let sandbox = Sandbox::new(&profile(&base, &servers));
        sandbox.write("own.toml", &format!("schema = 1\nname = \"own\"\nextends = \"provost.toml\"\n{own}"));
        let ran = sandbox.run(&[
            "run",
            "--profile",
            "own.toml",
            "--out",
            "run",
            "--set",
            "retry.same_model=0",
            super::stage::TASK,
        ]);
        assert_eq!(ran.code, Some(code), "B4 {id}: {}", ran.err);
        assert_eq!(candidates(&events(&sandbox.path("run"))), walked, "B4 {id}");
        let requests: Vec<usize> = servers.iter().map(|server| server.requests().len()).collect();
        assert_eq!(requests, asked, "B4 {id}");
    }
}
