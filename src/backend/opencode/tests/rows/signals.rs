//! Rows C1 to C12 and H18: what the session is said to do while it works.

use super::*;

/// What the session is said to do, one after the other.
struct Signals {
    id: &'static str,
    says: &'static str,
    decided: &'static str,
    /// Events as the server sends them, at the millisecond [`NOW`] of its clock.
    events: Vec<Value>,
    /// The retries that are told: their number and their wait.
    retries: Vec<(u64, Option<u64>)>,
    /// What ends the attempt, the first of it.
    fatal: Option<C>,
}

const NOW: u64 = 1_000_000;
const TWO_WEEKS: u64 = 14 * 86_400_000;

fn status(attempt: u64, message: &str, wait: Option<u64>) -> Value {
    let next = wait.map(|wait| NOW + wait);
    json!({ "type": "session.status", "properties": { "sessionID": "s",
        "status": { "type": "retry", "attempt": attempt, "message": message, "next": next } } })
}

fn event(kind: &str, properties: &Value) -> Value {
    json!({ "type": kind, "properties": properties })
}

fn signals(id: &'static str, says: &'static str, events: Vec<Value>) -> Signals {
    Signals { id, says, decided: "", events, retries: Vec::new(), fatal: None }
}

fn heard_signals() -> Vec<Signals> {
    let begins = |id: &str| event("message.updated", &json!({ "info": { "id": id, "role": "assistant" } }));
    let part = |message: &str, text: &str| {
        event(
            "message.part.updated",
            &json!({ "part": { "id": "t", "messageID": message, "type": "text", "text": text } }),
        )
    };
    vec![
        Signals {
            retries: vec![(1, Some(TWO_WEEKS))],
            fatal: Some(C::QuotaExhausted),
            ..signals(
                "C1",
                "a wait of two weeks",
                vec![status(
                    1,
                    "Too Many Requests: quota exceeded [retrying in 2 weeks attempt #1]",
                    Some(TWO_WEEKS),
                )],
            )
        },
        Signals {
            retries: vec![(6, Some(27_000))],
            fatal: Some(C::QuotaExhausted),
            ..signals(
                "C2",
                "a limit of a plan, and a short wait",
                vec![status(
                    6,
                    "The usage limit has been reached [retrying in 27s attempt #6]",
                    Some(27_000),
                )],
            )
        },
        signals(
            "C3",
            "a signal in a text, while it grows",
            vec![begins("m1"), part("m1", "Too Many Requests [retrying in 27s attempt #6]")],
        ),
        Signals {
            retries: vec![(2, Some(3000))],
            ..signals(
                "C5",
                "ticks of one countdown, by the stream and by polling",
                vec![
                    status(2, "Too Many Requests [retrying in 3s attempt #2]", Some(3000)),
                    status(2, "Too Many Requests [retrying in 2s attempt #2]", Some(3000)),
                    event("session.status", &json!({ "sessionID": "s", "status": { "type": "busy" } })),
                    status(2, "Too Many Requests [retrying in 1s attempt #2]", Some(3000)),
                ],
            )
        },
        Signals {
            decided: "it is told, and draws on the one wait that a turn has; the candidate is left when that is used up, not at each number",
            retries: vec![(1, Some(2000)), (2, Some(4000))],
            ..signals(
                "C6",
                "the number rises",
                vec![status(1, "Overloaded", Some(2000)), status(2, "Overloaded", Some(4000))],
            )
        },
        Signals {
            retries: vec![(1, Some(40_000)), (2, Some(40_001))],
            fatal: Some(C::Overloaded),
            ..signals(
                "C6",
                "the numbers rise until the wait is used up",
                vec![status(1, "Overloaded", Some(40_000)), status(2, "Overloaded", Some(40_001))],
            )
        },
        Signals {
            retries: vec![(1, Some(500))],
            ..signals("C9", "words that nobody knows", vec![status(1, "the flux is not aligned", Some(500))])
        },
        Signals {
            decided: "a fold is of one prompt; within it a later step counts from one again, at another time",
            retries: vec![(1, Some(500)), (1, Some(9000))],
            ..signals(
                "C10",
                "the same again after an answer began",
                vec![
                    status(1, "Overloaded", Some(500)),
                    begins("m1"),
                    part("m1", "x"),
                    status(1, "Overloaded", Some(9000)),
                ],
            )
        },
        Signals {
            retries: vec![(1, Some(1000))],
            fatal: Some(C::QuotaExhausted),
            ..signals("C11", "a quota", vec![status(1, "You have exceeded the usage quota", Some(1000))])
        },
        signals(
            "C12",
            "a status that says that all is well",
            vec![
                event("session.status", &json!({ "sessionID": "s", "status": "ok" })),
                event(
                    "message.updated",
                    &json!({ "info": { "id": "m1", "role": "assistant", "status": "ok" } }),
                ),
            ],
        ),
        Signals {
            decided: "only the server's word that it is idle ends a turn, and nothing that it does is a sign of life of the model",
            retries: vec![(1, Some(500))],
            ..signals(
                "H18",
                "busy, running, retrying",
                vec![
                    event("session.status", &json!({ "sessionID": "s", "status": { "type": "busy" } })),
                    event("session.status", &json!({ "sessionID": "s", "status": { "type": "running" } })),
                    status(1, "Overloaded", Some(500)),
                ],
            )
        },
    ]
}

#[test]
fn each_row_of_signals_is_told_once_and_ends_what_cannot_be_helped() {
    for Signals { id, says, decided, events, retries, fatal } in heard_signals() {
        let mut fold = Fold::new(String::new(), PATIENCE);
        let mut out = Vec::new();
        for event in &events {
            let event = Event::read(event.to_string().as_bytes()).unwrap();
            let alive = fold.event(&event.what, Some(NOW), &mut out);
            assert!(
                !alive || !matches!(event.what, What::Status(_)),
                "{id}: {says}: a status is no progress"
            );
        }
        let verbatim = out.iter().find_map(|signal| match signal {
            Signal::Report(Report::Retrying(retry)) if id == "C9" => Some(retry.evidence.clone()),
            _ => None,
        });
        assert!(id != "C9" || verbatim.as_deref() == Some("the flux is not aligned"), "{verbatim:?}");
        let told = told(out);
        assert_eq!((told.retries, told.fatal.first().copied()), (retries, fatal), "{id}: {says} ({decided})");
    }
}
