//! Rows of sessions that are polled, with an opencode server that plays a part.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::stage::{candidates, classes, ended, story};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::sandbox::{Sandbox, of_kind};

/// What a session does once it has the prompt.
#[derive(Clone, Copy)]
struct Part {
    /// What it is said to do at the nth look, and what its messages are then.
    at: fn(usize) -> (Value, Value),
    /// Whether the connection ends after the prompt was sent.
    cut: bool,
    /// How many times the messages are not to be had, and the status that says so.
    refusals: (usize, u16),
}

const PART: Part = Part { at: |_| (idle(), answered("fine")), cut: false, refusals: (0, 503) };

/// A row, and how it ends.
struct Row {
    id: &'static str,
    says: &'static str,
    decided: &'static str,
    part: Part,
    code: i32,
    out: &'static str,
    classes: &'static [&'static str],
    /// Whether the session is aborted.
    aborted: bool,
    /// The candidates that are asked; the second one is another agent.
    candidates: &'static [u64],
}

const ROW: Row = Row {
    id: "",
    says: "",
    decided: "",
    part: PART,
    code: 0,
    out: "fine",
    classes: &[],
    aborted: false,
    candidates: &[0],
};

fn idle() -> Value {
    json!({})
}

fn busy() -> Value {
    json!({ "ses_1": { "type": "busy" } })
}

fn retry(attempt: u64, message: &str) -> Value {
    json!({ "ses_1": { "type": "retry", "attempt": attempt, "message": message } })
}

fn prompt() -> Value {
    json!({ "info": { "id": "msg_2", "role": "user" }, "parts": [{ "id": "prt_1", "type": "text", "text": "Paint." }] })
}

fn reply(id: &str, finish: Option<&str>, text: &str) -> Value {
    json!({ "info": { "id": id, "role": "assistant", "time": { "created": 2, "completed": 3 }, "finish": finish, "tokens": { "input": 5, "output": 5 } },
        "parts": [{ "id": format!("{id}_p"), "type": "text", "text": text, "time": { "end": 3 } }] })
}

fn answered(text: &str) -> Value {
    json!([prompt(), reply("msg_3", Some("stop"), text)])
}

fn rows() -> Vec<Row> {
    vec![
        Row {
            id: "C7",
            says: "a quota, while it tries by itself: it is aborted, and the next one is asked",
            part: Part {
                at: |_| {
                    (
                        retry(1, "The usage limit has been reached [retrying in 2 weeks attempt #1]"),
                        json!([prompt()]),
                    )
                },
                ..PART
            },
            out: "of another",
            classes: &["quota_exhausted"],
            aborted: true,
            candidates: &[0, 1],
            ..ROW
        },
        Row {
            id: "C5",
            says: "one countdown, looked at again and again",
            part: Part {
                at: |look| {
                    if look < 3 {
                        (retry(1, "Overloaded"), json!([prompt()]))
                    } else {
                        (idle(), answered("fine"))
                    }
                },
                ..PART
            },
            ..ROW
        },
        Row {
            id: "H11",
            says: "the messages are not to be had, and then they are",
            part: Part { refusals: (2, 503), ..PART },
            ..ROW
        },
        Row {
            id: "H11",
            says: "they are not to be had at all",
            decided: "whoever works there is aborted, and the next one is asked",
            part: Part { refusals: (usize::MAX, 401), ..PART },
            out: "of another",
            classes: &["auth"],
            aborted: true,
            candidates: &[0, 1],
            ..ROW
        },
        Row {
            id: "H17",
            says: "an empty message that is completed: it is looked at again",
            part: Part {
                at: |look| {
                    let empty = json!({ "info": { "id": "msg_3", "role": "assistant", "time": { "completed": 3 } }, "parts": [] });
                    if look < 2 {
                        (idle(), json!([prompt(), empty]))
                    } else {
                        (idle(), json!([prompt(), empty, reply("msg_4", Some("stop"), "fine")]))
                    }
                },
                ..PART
            },
            ..ROW
        },
        Row {
            id: "H18",
            says: "nothing is judged while it is at work",
            part: Part {
                at: |look| {
                    if look < 2 {
                        (busy(), answered("too early"))
                    } else {
                        (
                            idle(),
                            json!([
                                prompt(),
                                reply("msg_3", Some("stop"), "too early"),
                                reply("msg_4", Some("stop"), "fine")
                            ]),
                        )
                    }
                },
                ..PART
            },
            ..ROW
        },
        Row {
            id: "H24",
            says: "no word on what it does",
            decided: "a session that is not listed is idle",
            ..ROW
        },
        Row {
            id: "I10",
            says: "the connection ends after the prompt was sent, and it is in the session",
            decided: "by what the session holds, and not by the name of an agent",
            part: Part { cut: true, ..PART },
            ..ROW
        },
        Row {
            id: "I10",
            says: "it ends, and the prompt is nowhere",
            part: Part { cut: true, at: |_| (idle(), json!([])), ..PART },
            out: "of another",
            classes: &["transport"],
            aborted: true,
            candidates: &[0, 1],
            ..ROW
        },
    ]
}

/// The server, and how many prompts it was given.
fn serve(part: Part) -> Server {
    let (prompts, looks, refused) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0), AtomicUsize::new(0));
    Server::answering(move |_, request| Some(answer(part, &prompts, &looks, &refused, request)))
}

fn answer(
    part: Part,
    prompts: &AtomicUsize,
    looks: &AtomicUsize,
    refused: &AtomicUsize,
    request: &Recorded,
) -> Response {
    let json = |value: Value| Response::json(200, &value.to_string());
    let line = request.line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
    let prompted = prompts.load(Ordering::SeqCst) > 0;
    match line.replace("/v1", "").as_str() {
        "GET /global/health" => json(json!({ "healthy": true, "version": "1.18.33" })),
        "GET /config/providers" => json(json!({ "providers": [{ "id": "p", "models": { "m": {} } }] })),
        "POST /session" => json(json!({ "id": "ses_1" })),
        "GET /session/status" => {
            let aborted = prompts.load(Ordering::SeqCst) > 100;
            let look = looks.fetch_add(1, Ordering::SeqCst);
            json(if aborted { idle() } else { (part.at)(look).0 })
        }
        "POST /session/ses_1/prompt_async" => {
            prompts.fetch_add(1, Ordering::SeqCst);
            if part.cut { Response::steps(vec![Step::Cut]) } else { json(Value::Null) }
        }
        "POST /session/ses_1/abort" => {
            prompts.fetch_add(101, Ordering::SeqCst);
            json(json!(true))
        }
        "GET /session/ses_1/message" if !prompted => json(json!([])),
        "GET /session/ses_1/message" => {
            if refused.fetch_add(1, Ordering::SeqCst) < part.refusals.0 {
                return Response::json(part.refusals.1, "{}");
            }
            json((part.at)(looks.load(Ordering::SeqCst).saturating_sub(1)).1)
        }
        _ => json(json!([])),
    }
}

fn hold(row: &Row) -> Vec<Value> {
    let server = serve(row.part);
    let sandbox = Sandbox::new(&format!(
        "[agent]\nharness = \"opencode-server\"\nmodel = \"p/m\"\nserver = {{ url = \"{}\" }}\n\
         fallback = [{{ harness = \"claude\", model = \"a/m\", command = [\"sh\", \"a.sh\"], without = [\"stream.mode\"] }}]\n\
         [stream]\nmode = \"poll\"\n[retry]\nsame_model = 0\n[round]\ngrace = \"2s\"\n",
        server.url()
    ));
    sandbox.write(
        "a.sh",
        "[ \"$1\" = --version ] && exit\necho '{\"type\":\"result\",\"is_error\":false,\"result\":\"of another\"}'\n",
    );
    let what = format!("{} {} ({})", row.id, row.says, row.decided);
    let ran = sandbox.run(&["run", "Paint."]);
    assert!(sandbox.path(".provost/runs").exists(), "{what}: {}", ran.err);
    let events = ended(&sandbox, &ran, row.code, row.out);
    assert_eq!(classes(&events), row.classes, "{what}\n{}", story(&events));
    assert_eq!(candidates(&events), row.candidates, "{what}\n{}", story(&events));
    let requests = server.requests();
    let count = |end: &str| requests.iter().filter(|request| request.line.contains(end)).count();
    assert_eq!(count("/prompt_async"), 1, "{what}: one prompt");
    assert_eq!(count("/abort") > 0, row.aborted, "{what}");
    let switches = of_kind(&events, "fallback.switched").len();
    assert_eq!(switches, row.candidates.len() - 1, "{what}: who answers is the one that works");
    let retries = of_kind(&events, "attempt.retrying").len();
    assert_eq!(retries, usize::from(matches!(row.id, "C5" | "C7")), "{what}: told once");
    events
}

#[test]
fn each_row_of_a_polled_session_holds() {
    std::thread::scope(|scope| {
        let rows = rows();
        let playing: Vec<_> = rows.into_iter().map(|row| scope.spawn(move || drop(hold(&row)))).collect();
        for row in playing {
            row.join().unwrap();
        }
    });
}
