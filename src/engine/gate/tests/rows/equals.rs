//! Which prompts are the same one.

use serde_json::json;

use super::super::Step::*;
use super::super::Told::{Go, Queued};
use super::super::{Row, Value};
use super::{ask, row};
use crate::engine::gate::Outcome::Coalesced;

/// An object within an object, and so on.
fn deep(depth: usize, innermost: &str) -> Value {
    (0..depth).fold(json!(innermost), |inner, _| json!({ "in": inner }))
}

pub(super) fn rows() -> Vec<Row> {
    let long = "word ".repeat(2000);
    vec![
        row(
            "F22",
            "equal, in another order, by another source",
            vec![
                Ask("a", json!({ "text": "x", "files": ["f"] }), Go),
                Accepted,
                After(2000),
                Ask("b", json!({ "files": ["f"], "text": "x" }), Queued(0)),
                Drain(None),
                Settled(&[("b", Coalesced)]),
                Defer("c", json!({ "files": ["f"], "text": "x" }), Queued(0)),
                Drain(None),
                Settled(&[("c", Coalesced)]),
                After(12_999),
                Ask("b", json!({ "files": ["f"], "text": "x" }), Queued(0)),
                After(1),
                Ask("b", json!({ "files": ["f"], "text": "x" }), Go),
            ],
        ),
        row(
            "F23",
            "other words after a long beginning",
            vec![
                ask("a", &format!("{long}1"), Go),
                Accepted,
                After(2000),
                ask("a", &format!("{long}2"), Go),
                Accepted,
                After(2000),
                ask("a", &long, Go),
            ],
        ),
        row(
            "F24",
            "tried and failed, and asked again",
            vec![
                ask("retry", "x", Go),
                Failed { attempted: true },
                ask("retry", "x", Queued(0)),
                After(2000),
                ask("retry", "x", Queued(0)),
                Drain(None),
                Settled(&[("retry", Coalesced), ("retry", Coalesced)]),
                Release("retry", true, None),
                ask("retry", "x", Go),
                Failed { attempted: true },
                Release("retry", true, None),
                ask("retry", "x", Go),
            ],
        ),
        row(
            "F25",
            "two that only have it go on",
            vec![
                GoOn("a", "continue", Go),
                Accepted,
                After(2000),
                GoOn("b", "please go on, on another model", Queued(0)),
                ask("b", "continue", Go),
                Sent(&["continue", "continue"]),
            ],
        ),
        Row {
            decided: "What is hashed is a tree; it cannot contain itself, but it may be very deep.",
            ..row(
                "F26",
                "a content without end",
                vec![
                    Ask("a", deep(500, "x"), Go),
                    Accepted,
                    After(2000),
                    Ask("b", deep(500, "x"), Queued(0)),
                    Ask("b", deep(500, "y"), Go),
                    Accepted,
                    After(2000),
                    Ask("b", deep(501, "x"), Go),
                ],
            )
        },
    ]
}
