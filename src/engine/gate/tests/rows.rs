//! Rows F1 to F36 of the specification, and some of our own (`P`).

mod endings;
mod equals;

use serde_json::json;

use super::Step::*;
use super::Told::{Active, Go, Queued, Reserved, Unavailable};
use super::{Row, Step};
use crate::engine::gate::Outcome::{Coalesced, Dispatched};
use crate::engine::gate::Seen::{
    Answered, Began, EndedByUs, Failed as TurnFailed, Finished, Prompted, Questioned, Readable, Status,
    ToolCalled, ToolReturned,
};
use crate::engine::gate::{Seen, Sent as Taken};
use crate::event::Provenance::{Internal, Supervisor, User};

const DONE: Seen = Finished { calls: 0 };

fn ask(source: &'static str, text: &str, told: super::Told) -> Step {
    Ask(source, json!(text), told)
}

fn defer(source: &'static str, text: &str, told: super::Told) -> Step {
    Defer(source, json!(text), told)
}

fn row(id: &'static str, says: &'static str, steps: Vec<Step>) -> Row {
    Row { id, says, decided: "", steps }
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = sending();
    rows.extend(sessions());
    rows.extend(equals::rows());
    rows.extend(endings::rows());
    rows.extend(endings::ours());
    rows
}

fn sending() -> Vec<Row> {
    vec![
        Row {
            decided: "There is one way to send; the modes differ in what happens when it is not free.",
            ..row(
                "F1",
                "either mode sends its own prompt, once",
                vec![
                    ask("a", "x", Go),
                    Accepted,
                    After(2000),
                    defer("b", "y", Go),
                    Accepted,
                    After(2000),
                    Drain(None),
                    Sent(&["x", "y"]),
                ],
            )
        },
        row("F2", "one is out: no", vec![ask("a", "x", Go), defer("b", "y", Reserved), Sent(&["x"])]),
        row(
            "F3",
            "the session is at work, then it is not",
            vec![
                See(&[Prompted(User), Began]),
                ask("a", "x", Queued(1)),
                Drain(None),
                Due(Some(250)),
                See(&[Prompted(User), Began, DONE]),
                After(250),
                Drain(Some("x")),
                Accepted,
                Drain(None),
                Settled(&[("a", Dispatched(Taken::Accepted))]),
                Sent(&["x"]),
                After(2000),
                Drain(None),
                Due(None),
            ],
        ),
        row(
            "F4",
            "two that are equal wait: one is sent",
            vec![
                See(&[Began]),
                ask("a", "x", Queued(1)),
                ask("b", "x", Queued(0)),
                See(&[Began, DONE]),
                Drain(Some("x")),
                Accepted,
                Drain(None),
                Settled(&[("a", Dispatched(Taken::Accepted)), ("b", Coalesced)]),
                After(60_000),
                Drain(None),
                Sent(&["x"]),
            ],
        ),
        row(
            "F5",
            "two wait behind a hold: in their order",
            vec![
                ask("user", "x", Go),
                Accepted,
                ask("a", "first", Queued(1)),
                ask("b", "second", Queued(2)),
                Release("user", true, Some("first")),
                Accepted,
                Drain(None),
                After(2000),
                Drain(Some("second")),
                Sent(&["x", "first", "second"]),
            ],
        ),
        row(
            "F6",
            "defer behind a hold is never queued",
            vec![
                ask("a", "x", Go),
                Accepted,
                defer("b", "y", Reserved),
                After(2000),
                Drain(None),
                Settled(&[]),
                Sent(&["x"]),
            ],
        ),
        row(
            "F7",
            "defer does not overtake one that waits",
            vec![
                See(&[Began]),
                ask("a", "x", Queued(1)),
                See(&[]),
                defer("b", "y", Reserved),
                Drain(Some("x")),
                Sent(&["x"]),
            ],
        ),
        row(
            "F8",
            "two at once: one",
            vec![
                ask("a", "x", Go),
                ask("b", "y", Queued(1)),
                Drain(None),
                Held(Some("a")),
                Sent(&["x"]),
                Accepted,
                Drain(None),
                Sent(&["x"]),
            ],
        ),
        row(
            "F9",
            "taken, and the session shows nothing yet: held",
            vec![
                See(&[Status(false)]),
                ask("a", "x", Go),
                Accepted,
                ask("b", "y", Queued(1)),
                After(1999),
                Drain(None),
                Sent(&["x"]),
            ],
        ),
        row(
            "F10",
            "the hold has passed",
            vec![ask("a", "x", Go), Accepted, Due(Some(2000)), After(2000), ask("b", "y", Go)],
        ),
    ]
}

fn sessions() -> Vec<Row> {
    vec![
        row(
            "F11",
            "tools, a turn that calls some, a turn under way: it waits",
            vec![
                See(&[Prompted(User), ToolCalled]),
                defer("a", "x", Active),
                See(&[Prompted(User), Began, ToolCalled, ToolCalled, ToolReturned]),
                defer("a", "x", Active),
                See(&[Prompted(User), Began, Finished { calls: 1 }]),
                defer("a", "x", Active),
                See(&[Prompted(User), Began]),
                defer("a", "x", Active),
                ask("a", "x", Queued(1)),
                Drain(None),
                Sent(&[]),
            ],
        ),
        row(
            "F12",
            "the turn has ended, in whatever way",
            vec![
                See(&[Prompted(User), Began, DONE]),
                defer("a", "x", Go),
                Refused,
                See(&[Prompted(User), Began, ToolCalled, ToolReturned, DONE]),
                defer("a", "x", Go),
                Refused,
                See(&[Prompted(User), Began, TurnFailed]),
                defer("a", "x", Go),
            ],
        ),
        row(
            "F13",
            "an internal prompt over tools that run changes nothing",
            vec![
                See(&[Prompted(User), Began, ToolCalled, Prompted(Internal)]),
                defer("a", "x", Active),
                See(&[Prompted(User), Began, ToolCalled, Prompted(Supervisor), Prompted(Internal)]),
                defer("a", "x", Active),
            ],
        ),
        Row {
            decided: "Whose a prompt is says one field, so none is mixed: a turn of the user is one.",
            ..row(
                "F14",
                "a turn of the user over tools that run: what was before it is over",
                vec![See(&[Began, ToolCalled, Prompted(Internal), Prompted(User)]), defer("a", "x", Go)],
            )
        },
        Row {
            decided: "Not a switch of the caller: tools do not count where we have ended what ran them.",
            ..row(
                "F15",
                "the tools are not looked at",
                vec![See(&[Prompted(User), Began, ToolCalled, EndedByUs]), defer("a", "x", Go)],
            )
        },
        row(
            "F20",
            "nobody can say whether the agent is at work: that alone holds nothing up",
            vec![
                See(&[Prompted(User), Began, Status(false)]),
                defer("a", "x", Go),
                Refused,
                See(&[Prompted(User), Began, ToolCalled, Status(false)]),
                defer("a", "x", Active),
            ],
        ),
        row(
            "F21",
            "what was said cannot be read: not sent, unless we ended it ourselves",
            vec![
                See(&[Readable(false)]),
                defer("a", "x", Unavailable),
                ask("a", "x", Queued(1)),
                Drain(None),
                After(60_000),
                Drain(None),
                Sent(&[]),
                See(&[Readable(false), EndedByUs]),
                Drain(Some("x")),
            ],
        ),
        Row {
            decided: "The adapter says that its agent asks; how it spells the tool is its affair.",
            ..row(
                "F27",
                "a question without an answer",
                vec![
                    See(&[Prompted(User), Began, Questioned, DONE]),
                    defer("retry", "x", Active),
                    See(&[Prompted(User), Began, Questioned, TurnFailed]),
                    defer("retry", "x", Active),
                    defer("user", "the answer", Go),
                    Refused,
                    See(&[Began, Questioned, Answered, DONE]),
                    defer("retry", "x", Go),
                    Refused,
                    See(&[Began, Questioned, DONE, Prompted(User)]),
                    defer("retry", "x", Go),
                ],
            )
        },
        row(
            "F28",
            "an internal prompt answers no question",
            vec![See(&[Began, Questioned, DONE, Prompted(Internal)]), defer("retry", "x", Active)],
        ),
        Row {
            decided: "Every prompt of ours is passed over, whether it wants a reply or not.",
            ..row(
                "F29",
                "several of ours at the end",
                vec![
                    See(&[Began, DONE, Prompted(Internal), Prompted(Supervisor)]),
                    defer("a", "x", Go),
                    Refused,
                    See(&[Began, Prompted(Internal), Prompted(Internal)]),
                    defer("a", "x", Active),
                ],
            )
        },
        row(
            "F34",
            "a turn has failed and a tool of it still runs",
            vec![
                See(&[Began, ToolCalled, TurnFailed]),
                ask("fallback:1", "x", Queued(1)),
                Drain(None),
                After(250),
                Drain(None),
                See(&[Began, ToolCalled, TurnFailed, ToolReturned]),
                Drain(Some("x")),
                Accepted,
                After(2000),
                Drain(None),
                Sent(&["x"]),
                See(&[Began, ToolCalled, TurnFailed, EndedByUs]),
                ask("fallback:2", "y", Go),
            ],
        ),
    ]
}
