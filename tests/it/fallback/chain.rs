//! Rows B1 to B30: along the chain. Those of one place in the chain alone are in the engine's own tests.

use super::stage::{BUSY, DOWN, Does, NO_MODEL, Played, REFUSED, ROW, Row, each, hold};

use Does::{Answers, Asks, Dies, Errs, Late, Runs, Spent};

const CHECK_TWICE: &str = "[check]\ncommand = [\"sh\", \"-c\", \"test -e twice || { : > twice; exit 1; }\"]\n[budget]\nrounds = 2\n";

/// The body of the first request at an endpoint.
fn body(played: &Played, endpoint: usize) -> Result<serde_json::Value, String> {
    Ok(played.requests[endpoint].first().ok_or("it was not asked")?.json())
}

fn effort(played: &Played, endpoint: usize, effort: Option<&str>) -> Result<(), String> {
    let body = body(played, endpoint)?;
    let sent = body["reasoning_effort"].as_str();
    (sent == effort).then_some(()).ok_or(format!("e{endpoint} was asked with the effort {sent:?}"))
}

fn lines_of_switch(played: &Played, lines: usize) -> Result<(), String> {
    let said = played.ran.err.lines().filter(|line| line.contains("goes on with")).count();
    (said == lines).then_some(()).ok_or(format!("{said} lines say that another one goes on"))
}

const ROWS: &[Row] = &[
    Row {
        id: "B1",
        says: "feature off: no event is acted on",
        decided: "`retry.max_fallbacks = 0` leaves the chain alone",
        endpoints: &[&[DOWN], &[Answers]],
        sets: &["retry.max_fallbacks=0"],
        code: 4,
        candidates: &[0],
        classes: &["server_error"],
        requests: &[1, 0],
        ..ROW
    },
    Row {
        id: "B2",
        says: "a retryable error, no chain: no dispatch",
        endpoints: &[&[DOWN]],
        code: 4,
        candidates: &[0],
        classes: &["server_error"],
        requests: &[1],
        ..ROW
    },
    Row {
        id: "B3",
        says: "an empty chain means none",
        decided: "a profile has exactly its own chain; there are no categories and no agents by name",
        endpoints: &[&[DOWN], &[Answers]],
        sets: &["agent.fallback=[]"],
        code: 4,
        candidates: &[0],
        classes: &["server_error"],
        requests: &[1, 0],
        ..ROW
    },
    Row {
        id: "B5",
        says: "an error: the first entry takes the turn, and the next turn of the user goes out on it",
        decided: "for as long as the primary cools",
        endpoints: &[&[DOWN], &[Answers]],
        profile: CHECK_TWICE,
        candidates: &[0, 1, 1],
        classes: &["server_error"],
        switched: &[1],
        requests: &[1, 2],
        ..ROW
    },
    Row {
        id: "B6",
        says: "the entry has no such model: the next",
        endpoints: &[&[DOWN], &[NO_MODEL], &[Answers]],
        candidates: &[0, 1, 2],
        classes: &["server_error", "model_not_found"],
        switched: &[2],
        requests: &[1, 1, 1],
        ..ROW
    },
    Row {
        id: "B7",
        says: "an entry that stands at the account that has failed is skipped",
        endpoints: &[&[Spent("3600")], &[Answers]],
        entries: &["\"local/m9\"", "{ model = \"local/m1\", endpoint = \"e1\" }"],
        candidates: &[0, 2],
        classes: &["quota_exhausted"],
        switched: &[2],
        requests: &[1, 1],
        ..ROW
    },
    Row {
        id: "B8-model",
        says: "the model is overloaded: the same model elsewhere, spelled otherwise, is skipped",
        endpoints: &[&[BUSY], &[Answers], &[Answers]],
        model: "anthropic/claude-sonnet-4.5",
        entries: &[
            "{ model = \"aws/claude-sonnet-4-5\", endpoint = \"e1\" }",
            "{ model = \"local/m2\", endpoint = \"e2\" }",
        ],
        candidates: &[0, 2],
        classes: &["overloaded"],
        switched: &[2],
        requests: &[1, 0, 1],
        ..ROW
    },
    Row {
        id: "B8-account",
        says: "the account is spent: the same model at another account is the right one",
        decided: "the older system skips it",
        endpoints: &[&[Spent("3600")], &[Answers], &[Answers]],
        model: "anthropic/claude-sonnet-4.5",
        entries: &[
            "{ model = \"aws/claude-sonnet-4-5\", endpoint = \"e1\" }",
            "{ model = \"local/m2\", endpoint = \"e2\" }",
        ],
        candidates: &[0, 1],
        classes: &["quota_exhausted"],
        switched: &[1],
        requests: &[1, 1, 0],
        ..ROW
    },
    Row {
        id: "B9",
        says: "an entry that is a table and one that is a name are read alike",
        decided: "the shape ends where a profile is read",
        endpoints: &[&[NO_MODEL, NO_MODEL, Answers]],
        entries: &["\"local/m1\"", "{ model = \"local/m2\" }"],
        candidates: &[0, 1, 2],
        classes: &["model_not_found", "model_not_found"],
        switched: &[2],
        requests: &[3],
        ..ROW
    },
    Row {
        id: "B10",
        says: "five errors, at most two fallbacks: it stops at two",
        endpoints: &[&[DOWN], &[BUSY], &[REFUSED], &[DOWN], &[Answers]],
        sets: &["retry.max_fallbacks=2"],
        code: 4,
        candidates: &[0, 1, 2],
        classes: &["server_error", "overloaded", "auth"],
        requests: &[1, 1, 1, 0, 0],
        ..ROW
    },
    Row {
        id: "B11",
        says: "a success ends the turn, and the next one has its own fallbacks",
        endpoints: &[&[DOWN], &[Answers, BUSY], &[Answers]],
        profile: CHECK_TWICE,
        sets: &["retry.max_fallbacks=1"],
        candidates: &[0, 1, 1, 2],
        classes: &["server_error", "overloaded"],
        switched: &[1, 2],
        requests: &[1, 2, 1],
        ..ROW
    },
    Row {
        id: "B12",
        says: "the first request of all fails: the entry has its own settings",
        endpoints: &[&[DOWN], &[Answers]],
        entries: &["{ model = \"local/m1\", endpoint = \"e1\", reasoning_effort = \"high\" }"],
        candidates: &[0, 1],
        classes: &["server_error"],
        switched: &[1],
        requests: &[1, 1],
        also: |played| effort(played, 0, None).and_then(|()| effort(played, 1, Some("high"))),
        ..ROW
    },
    Row {
        id: "B14",
        says: "an error while a retry is in flight is ignored",
        decided: "its request is taken back before the next one is sent, so nobody is there to hear it",
        endpoints: &[&[Errs(1200), Does::Drips(5, 250)]],
        sets: &["round.first_event=800ms", "retry.same_model=1"],
        candidates: &[0, 0],
        classes: &["first_event_timeout"],
        requests: &[2],
        waits: 1,
        ..ROW
    },
    Row {
        id: "B15",
        says: "a stale error of the old one: exactly one prompt goes out",
        endpoints: &[&[Errs(1200)], &[Does::Drips(4, 250)]],
        sets: &["round.first_event=800ms"],
        candidates: &[0, 1],
        classes: &["first_event_timeout"],
        switched: &[1],
        requests: &[1, 1],
        ..ROW
    },
    Row {
        id: "B16",
        says: "an error of the pending entry advances",
        endpoints: &[&[DOWN], &[REFUSED], &[BUSY], &[Answers]],
        candidates: &[0, 1, 2, 3],
        classes: &["server_error", "auth", "overloaded"],
        switched: &[3],
        requests: &[1, 1, 1, 1],
        ..ROW
    },
    Row {
        id: "B18",
        says: "the connection ends after the request was sent",
        decided: "a stateless endpoint keeps nothing that could answer later: the next one is asked; a session that keeps \
                  what it has taken is held by the gate (its tests)",
        endpoints: &[&[Dies], &[Answers]],
        candidates: &[0, 1],
        classes: &["transport"],
        switched: &[1],
        requests: &[1, 1],
        ..ROW
    },
    Row {
        id: "B19",
        says: "the next one refuses: whoever took the last request stays the one who did",
        endpoints: &[&[DOWN], &[Answers, BUSY], &[REFUSED]],
        profile: CHECK_TWICE,
        code: 4,
        candidates: &[0, 1, 1, 2],
        classes: &["server_error", "overloaded", "auth"],
        switched: &[1],
        requests: &[1, 2, 1],
        ..ROW
    },
    Row {
        id: "B21",
        says: "restore on, the primary has cooled: the next turn goes to it",
        endpoints: &[&[Asks("0.3"), Answers], &[Late(700)]],
        profile: CHECK_TWICE,
        sets: &["retry.wait=0s"],
        candidates: &[0, 1, 0],
        classes: &["rate_limited"],
        switched: &[1, 0],
        requests: &[2, 1],
        also: |played| {
            let why = played.of("fallback.switched")[1]["why"].clone();
            (why == "restored").then_some(()).ok_or(format!("it went back because of {why}"))
        },
        ..ROW
    },
    Row {
        id: "B22-off",
        says: "restore off: it stays",
        endpoints: &[&[Asks("0.3"), Answers], &[Late(700), Answers]],
        profile: CHECK_TWICE,
        sets: &["retry.wait=0s", "retry.restore_primary=false"],
        candidates: &[0, 1, 1],
        classes: &["rate_limited"],
        switched: &[1],
        requests: &[1, 2],
        ..ROW
    },
    Row {
        id: "B22-cooling",
        says: "restore on, the primary still cools: it stays",
        endpoints: &[&[Asks("30"), Answers], &[Answers]],
        profile: CHECK_TWICE,
        sets: &["retry.wait=1s"],
        candidates: &[0, 1, 1],
        classes: &["rate_limited"],
        switched: &[1],
        requests: &[1, 2],
        ..ROW
    },
    Row {
        id: "B24",
        says: "the end of an attempt that we ended is never read as a choice: the place never goes back in a turn",
        endpoints: &[&[Does::Stops], &[DOWN], &[Answers]],
        sets: &["round.stall=400ms"],
        candidates: &[0, 1, 2],
        openings: &["fresh", "retold", "retold"],
        classes: &["stall", "server_error"],
        switched: &[2],
        requests: &[1, 1, 1],
        ..ROW
    },
    Row {
        id: "B26",
        says: "all must be left alone until a known time: the earliest is in the result, and exit code 4",
        endpoints: &[&[Spent("7200")], &[Spent("3600")]],
        code: 4,
        candidates: &[0, 1],
        classes: &["quota_exhausted", "quota_exhausted"],
        requests: &[1, 1],
        also: |played| {
            let at = |event: &serde_json::Value, key: &str| -> jiff::Timestamp {
                event[key].as_str().unwrap_or_default().parse().unwrap_or(jiff::Timestamp::MIN)
            };
            let left = at(played.ended(), "reset_at").duration_since(at(played.ended(), "at")).as_secs();
            (3500..=3600).contains(&left).then_some(()).ok_or(format!("the reset is in {left} s"))
        },
        ..ROW
    },
    Row {
        id: "B26-wait",
        says: "with `--wait` the earliest reset is waited for, and the walk begins anew",
        endpoints: &[&[Spent("1"), Answers], &[Spent("2")]],
        flags: &["--wait"],
        candidates: &[0, 1, 0],
        classes: &["quota_exhausted", "quota_exhausted"],
        requests: &[2, 1],
        waits: 1,
        takes: (0.8, 10.0),
        ..ROW
    },
    Row {
        id: "B28-on",
        says: "one notice",
        decided: "one `fallback.switched`, once it is taken, and one line; there are no toasts",
        endpoints: &[&[DOWN], &[REFUSED], &[Answers]],
        candidates: &[0, 1, 2],
        classes: &["server_error", "auth"],
        switched: &[2],
        requests: &[1, 1, 1],
        also: |played| lines_of_switch(played, 1),
        ..ROW
    },
    Row {
        id: "B28-off",
        says: "no notice",
        decided: "with `--quiet` the event is on record and nothing is said",
        endpoints: &[&[DOWN], &[Answers]],
        flags: &["--quiet"],
        candidates: &[0, 1],
        classes: &["server_error"],
        switched: &[1],
        requests: &[1, 1],
        also: |played| lines_of_switch(played, 0),
        ..ROW
    },
    Row {
        id: "B29",
        says: "what the agent is stays what it is: system prompt and tools go along",
        endpoints: &[&[DOWN], &[Answers]],
        agent: "tools = [\"shell\"]",
        sets: &["prompt.system=\"Paint well.\""],
        candidates: &[0, 1],
        classes: &["server_error"],
        switched: &[1],
        requests: &[1, 1],
        also: |played| {
            let (first, second) = (body(played, 0)?, body(played, 1)?);
            let same = first["messages"] == second["messages"] && first["tools"] == second["tools"];
            (same && second["tools"][0].is_object() && second["messages"][0]["role"] == "system")
                .then_some(())
                .ok_or(format!("{first} became {second}"))
        },
        ..ROW
    },
    Row {
        id: "B29-after-tool",
        says: "and what was done is told, not done again",
        endpoints: &[&[Runs("echo red >> wall"), DOWN], &[Answers]],
        agent: "tools = [\"shell\"]",
        candidates: &[0, 1],
        openings: &["fresh", "retold"],
        classes: &["server_error"],
        switched: &[1],
        requests: &[2, 1],
        also: |played| {
            let wall = played.sandbox.read("wall");
            (wall == "red\n").then_some(()).ok_or(format!("the wall is {wall:?}"))
        },
        ..ROW
    },
    Row {
        id: "B29-told-on",
        says: "a conversation that was told what was done is told it again when it goes on",
        endpoints: &[&[Runs("echo red >> wall"), DOWN], &[Runs("cat wall"), Asks("0.1"), Answers]],
        agent: "tools = [\"shell\"]",
        sets: &["retry.same_model=1"],
        candidates: &[0, 0, 1, 1],
        openings: &["fresh", "carried", "retold", "carried"],
        classes: &["server_error", "server_error", "rate_limited"],
        switched: &[1],
        requests: &[3, 3],
        waits: 2,
        also: |played| {
            let told = |request: &crate::support::http::Recorded| {
                request.json()["messages"].to_string().matches("echo red >> wall").count()
            };
            let told: Vec<usize> = played.requests[1].iter().map(told).collect();
            (told == [1, 1, 1]).then_some(()).ok_or(format!("what was done was told {told:?} times"))
        },
        ..ROW
    },
    Row {
        id: "B30-own",
        says: "the entry's own effort wins",
        decided: "effort is a key of an entry and no part of a model's name",
        endpoints: &[&[DOWN], &[Answers]],
        entries: &["{ model = \"local/m1\", endpoint = \"e1\", reasoning_effort = \"low\" }"],
        sets: &["model.reasoning_effort=high"],
        candidates: &[0, 1],
        classes: &["server_error"],
        switched: &[1],
        requests: &[1, 1],
        also: |played| effort(played, 0, Some("high")).and_then(|()| effort(played, 1, Some("low"))),
        ..ROW
    },
    Row {
        id: "B30-inherited",
        says: "without one it has the primary's",
        endpoints: &[&[DOWN], &[Answers]],
        sets: &["model.reasoning_effort=high"],
        candidates: &[0, 1],
        classes: &["server_error"],
        switched: &[1],
        requests: &[1, 1],
        also: |played| effort(played, 1, Some("high")),
        ..ROW
    },
    Row {
        id: "B30-none",
        says: "and nothing is sent where it goes without",
        endpoints: &[&[DOWN], &[Answers]],
        entries: &["{ model = \"local/m1\", endpoint = \"e1\", without = [\"model.reasoning_effort\"] }"],
        sets: &["model.reasoning_effort=high"],
        candidates: &[0, 1],
        classes: &["server_error"],
        switched: &[1],
        requests: &[1, 1],
        also: |played| effort(played, 1, None),
        ..ROW
    },
];

#[test]
fn every_row_of_the_chain_holds() {
    each(ROWS, hold);
}
