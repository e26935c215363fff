//! Rows C1 to C14 and H1 to H27 of the specification, those that lists of messages and events of a session decide.

mod signals;

use super::*;
use crate::event::FaultClass as C;

/// What the messages of a prompt say while its session is idle.
#[derive(Debug, PartialEq)]
enum Says {
    /// The answer.
    Answer(&'static str),
    /// It has failed.
    Fault(C),
    /// It has not ended. If it stays so, this is what it failed of.
    Open(C),
    /// No answer has begun.
    Nothing,
}

/// A list of messages.
struct Row {
    id: &'static str,
    says: &'static str,
    /// Where it means something else for us than for an older system: what, and why.
    decided: &'static str,
    /// The last message that was there before the prompt.
    anchor: &'static str,
    list: Value,
    expected: Says,
    /// Whether anything of it is told as the beginning of an answer.
    begun: bool,
    /// What it consumed: output tokens, where anybody counted.
    output: Option<u64>,
}

fn row(id: &'static str, says: &'static str, list: Value, expected: Says) -> Row {
    let begun = matches!(expected, Says::Answer(_));
    Row { id, says, decided: "", anchor: "", list, expected, begun, output: None }
}

fn prompt(id: &str, text: &str) -> Value {
    json!({ "info": { "id": id, "role": "user", "time": { "created": 1 } },
        "parts": [{ "id": format!("{id}p"), "type": "text", "text": text }] })
}

/// A note that the server itself has put there.
fn note(id: &str) -> Value {
    json!({ "info": { "id": id, "role": "user" },
        "parts": [{ "id": format!("{id}p"), "type": "text", "text": "Go on.", "synthetic": true }] })
}

/// A message of the assistant, completed, with these parts.
fn reply(id: &str, finish: &str, parts: &Value) -> Value {
    json!({ "info": { "id": id, "role": "assistant", "time": { "created": 2, "completed": 3 }, "finish": finish },
        "parts": parts })
}

fn said(text: &str) -> Value {
    json!([{ "id": "t", "type": "text", "text": text, "time": { "end": 3 } }])
}

fn tool(status: &str) -> Value {
    json!([{ "id": "x", "type": "tool", "callID": "c", "tool": "bash", "state": { "status": status, "input": { "command": "ls" } } }])
}

/// A message without any part.
fn bare(info: Value) -> Value {
    let mut info = info;
    info["role"] = "assistant".into();
    json!({ "info": info, "parts": [] })
}

fn failed(id: &str, error: &Value) -> Value {
    json!({ "info": { "id": id, "role": "assistant", "time": { "created": 2, "completed": 3 }, "error": error }, "parts": [] })
}

fn api_error(status: u16, message: &str) -> Value {
    json!({ "name": "APIError", "data": { "message": message, "statusCode": status, "isRetryable": true } })
}

const TALK: &str = "Too Many Requests: the rate limit is reached, try again later.";
const BY_ITS_END: &str =
    "an answer is one by its terminal marker and not by its words; who talks of a limit has none";
const NO_WORDS: &str = "what it consumed counts, and without a word there is no answer";
const BY_ANCHOR: &str = "messages have ids, and those up to the last one before the prompt are not ours";

fn visible() -> Vec<Row> {
    vec![
        Row {
            anchor: "m1",
            ..row(
                "H1",
                "an answer older than the prompt",
                json!([prompt("m0", "a"), reply("m1", "stop", &said("old")), prompt("m2", "b")]),
                Says::Nothing,
            )
        },
        Row {
            anchor: "m1",
            ..row(
                "H2",
                "an answer after it",
                json!([
                    reply("m1", "stop", &said("old")),
                    prompt("m2", "b"),
                    reply("m3", "stop", &said("new"))
                ]),
                Says::Answer("new"),
            )
        },
        Row {
            decided: BY_ITS_END,
            ..row(
                "H3",
                "an answer that talks of a limit",
                json!([prompt("m1", "a"), reply("m2", "stop", &said(TALK))]),
                Says::Answer(TALK),
            )
        },
        Row {
            decided: "it shows that the model is there, which ends the wait for its first event; it is no answer",
            begun: true,
            ..row(
                "H4",
                "thoughts alone",
                json!([
                    prompt("m1", "a"),
                    reply("m2", "stop", &json!([{ "id": "r", "type": "reasoning", "text": "Hm." }]))
                ]),
                Says::Fault(C::NoPayload),
            )
        },
        Row {
            begun: true,
            ..row(
                "H5",
                "an end and no parts",
                json!([prompt("m1", "a"), reply("m2", "stop", &json!([]))]),
                Says::Fault(C::NoPayload),
            )
        },
        row(
            "H6",
            "completed, at no cost",
            json!([bare(
                json!({ "id": "m2", "time": { "completed": 3 }, "tokens": { "input": 0, "output": 0 }, "cost": 0 })
            )]),
            Says::Open(C::UserAbort),
        ),
        Row {
            decided: NO_WORDS,
            output: Some(24),
            ..row(
                "H7",
                "completed, with output that was counted",
                json!([bare(json!({ "id": "m2", "time": { "completed": 3 }, "tokens": { "output": 24 } }))]),
                Says::Open(C::UserAbort),
            )
        },
        Row {
            decided: NO_WORDS,
            output: Some(12),
            begun: true,
            ..row(
                "H8",
                "a list below `messages`, with keys at the top",
                json!({ "messages": [{ "id": "m1", "role": "user" }, { "id": "m2", "role": "assistant", "finish": "stop", "time": { "completed": 3 }, "tokens": { "output": 12 } }] }),
                Says::Fault(C::NoPayload),
            )
        },
        Row {
            output: Some(12),
            ..row(
                "H9",
                "tokens below `info`",
                json!([{ "info": { "id": "m2", "role": "assistant", "finish": "stop", "time": { "completed": 3 }, "tokens": { "output": 9, "reasoning": 3 } }, "parts": said("x") }]),
                Says::Answer("x"),
            )
        },
        Row {
            decided: BY_ITS_END,
            output: Some(7),
            ..row(
                "H10",
                "words of a limit, completed, paid for",
                json!([{ "info": { "id": "m2", "role": "assistant", "finish": "stop", "time": { "completed": 3 }, "tokens": { "output": 7 } }, "parts": said(TALK) }]),
                Says::Answer(TALK),
            )
        },
        row(
            "H10",
            "words of a limit that are an error's",
            json!([prompt("m1", "a"), failed("m2", &api_error(429, TALK))]),
            Says::Fault(C::RateLimited),
        ),
    ]
}

fn complete() -> Vec<Row> {
    let two = |first: Value, second: Value| json!([prompt("m1", "a"), first, second]);
    vec![
        Row {
            begun: true,
            ..row(
                "H12",
                "ended on its tools",
                json!([prompt("m1", "a"), reply("m2", "tool-calls", &tool("completed"))]),
                Says::Open(C::ToolError),
            )
        },
        Row {
            begun: true,
            ..row(
                "H12",
                "ended on nobody knows what",
                json!([prompt("m1", "a"), reply("m2", "unknown", &said("x"))]),
                Says::Open(C::Transport),
            )
        },
        Row {
            begun: true,
            ..row(
                "H12",
                "a stop with a tool and no words",
                json!([prompt("m1", "a"), reply("m2", "stop", &tool("running"))]),
                Says::Fault(C::NoPayload),
            )
        },
        row("H13", "no messages", json!([]), Says::Nothing),
        row("H13", "only the prompt", json!([prompt("m1", "a")]), Says::Nothing),
        Row {
            begun: true,
            ..row(
                "H13",
                "no terminal marker",
                json!([{ "info": { "id": "m2", "role": "assistant", "time": { "created": 1 } }, "parts": said("x") }]),
                Says::Open(C::Transport),
            )
        },
        Row {
            begun: true,
            ..row(
                "H13",
                "completed without a word on how",
                json!([{ "info": { "id": "m2", "role": "assistant", "time": { "completed": 1 } }, "parts": said("x") }]),
                Says::Open(C::UserAbort),
            )
        },
        row(
            "H13",
            "no id",
            json!([{ "info": { "role": "assistant", "finish": "stop", "time": { "completed": 1 } }, "parts": said("x") }]),
            Says::Nothing,
        ),
        Row {
            anchor: "m2",
            ..row(
                "H13",
                "only an answer, and an older one",
                json!([reply("m2", "stop", &said("old"))]),
                Says::Nothing,
            )
        },
        Row {
            decided: "every server gives ids; a message without one may be of any prompt, and is waited for as if it were not there",
            ..row(
                "H14",
                "no ids, but times",
                json!([{ "info": { "role": "user", "time": { "created": 1 } } }, { "info": { "role": "assistant", "finish": "stop", "time": { "created": 2, "completed": 3 } }, "parts": said("x") }]),
                Says::Nothing,
            )
        },
        Row {
            anchor: "m1",
            ..row(
                "H15",
                "an error older than the prompt",
                json!([failed("m1", &api_error(500, "old")), prompt("m2", "b")]),
                Says::Nothing,
            )
        },
        Row {
            begun: true,
            ..row(
                "H16",
                "the newest has an error",
                two(reply("m2", "tool-calls", &tool("completed")), failed("m3", &api_error(503, "boom"))),
                Says::Fault(C::Overloaded),
            )
        },
        Row {
            begun: true,
            ..row(
                "H16",
                "an older one had an error, and the server went on",
                two(failed("m2", &api_error(503, "boom")), reply("m3", "stop", &said("x"))),
                Says::Answer("x"),
            )
        },
        row(
            "H17",
            "completed and empty",
            two(bare(json!({ "id": "m2", "time": { "completed": 3 } })), note("m3")),
            Says::Open(C::UserAbort),
        ),
        row(
            "H20",
            "ended, and then a note of the server",
            two(reply("m2", "stop", &said("x")), note("m3")),
            Says::Answer("x"),
        ),
        row(
            "H20",
            "failed, and then a note of the server",
            two(failed("m2", &api_error(401, "no")), note("m3")),
            Says::Fault(C::Auth),
        ),
        Row {
            decided: "the prompt is answered: what another says in the session after that is no part of our turn, and a note without a reply looks the same",
            ..row(
                "H21",
                "ended, and then another speaks",
                two(reply("m2", "stop", &said("x")), prompt("m3", "and?")),
                Says::Answer("x"),
            )
        },
        row(
            "H22",
            "a prompt that looks like a note of ours",
            json!([prompt("m1", "<provost-note>a</provost-note>"), reply("m2", "stop", &said("x"))]),
            Says::Answer("x"),
        ),
        Row {
            decided: "a status that is not listed is idle: the messages decide",
            ..row(
                "H24",
                "no status, and a text that has ended",
                json!([reply("m2", "stop", &said("x"))]),
                Says::Answer("x"),
            )
        },
        Row {
            anchor: "m2",
            ..row(
                "H25",
                "nothing after the anchor",
                json!([reply("m2", "stop", &said("old"))]),
                Says::Nothing,
            )
        },
        Row {
            anchor: "m2",
            begun: true,
            ..row(
                "H25",
                "something after it that has not ended",
                json!([reply("m2", "stop", &said("old")), reply("m3", "unknown", &said("x"))]),
                Says::Open(C::Transport),
            )
        },
        Row {
            begun: true,
            ..row(
                "H25",
                "no anchor: the newest that has ended",
                two(reply("m2", "tool-calls", &tool("completed")), reply("m3", "stop", &said("x"))),
                Says::Answer("x"),
            )
        },
        Row {
            decided: BY_ANCHOR,
            anchor: "m9",
            ..row(
                "H25",
                "an anchor that is newer than all",
                json!([reply("m2", "stop", &said("old"))]),
                Says::Nothing,
            )
        },
    ]
}

const WHOLE: &str =
    "there are no envelopes: the answer is the whole text, and a check says what must be in it";

fn results() -> Vec<Row> {
    let answer = |text: &'static str| json!([prompt("m1", "a"), reply("m2", "stop", &said(text))]);
    vec![
        Row {
            decided: WHOLE,
            ..row(
                "H26",
                "a closed envelope",
                answer("So: <result>4</result>"),
                Says::Answer("So: <result>4</result>"),
            )
        },
        Row {
            decided: WHOLE,
            ..row("H26", "one that is not closed", answer("So: <result>4"), Says::Answer("So: <result>4"))
        },
        Row {
            decided: WHOLE,
            ..row(
                "H26",
                "two",
                answer("<result>3</result><result>4</result>"),
                Says::Answer("<result>3</result><result>4</result>"),
            )
        },
        row(
            "H26",
            "one in its thoughts",
            json!([
                prompt("m1", "a"),
                reply(
                    "m2",
                    "stop",
                    &json!([
                { "id": "r", "type": "reasoning", "text": "<result>3</result>" }, { "id": "t", "type": "text", "text": "4" }])
                )
            ]),
            Says::Answer("4"),
        ),
        Row {
            begun: true,
            ..row(
                "H27",
                "the newest has failed; an older one has words",
                json!([reply("m2", "tool-calls", &said("partly")), failed("m3", &api_error(500, "x"))]),
                Says::Fault(C::ServerError),
            )
        },
        Row {
            begun: true,
            ..row(
                "H27",
                "it has ended and said nothing",
                json!([reply("m2", "tool-calls", &said("partly")), reply("m3", "stop", &said(" "))]),
                Says::Fault(C::NoPayload),
            )
        },
        Row {
            begun: true,
            ..row(
                "C13",
                "words and an error",
                json!([{ "info": { "id": "m2", "role": "assistant", "time": { "completed": 3 }, "error": api_error(429, "slow down") }, "parts": said("partly") }]),
                Says::Fault(C::RateLimited),
            )
        },
        row(
            "C13",
            "an error alone",
            json!([failed("m2", &api_error(429, "slow down"))]),
            Says::Fault(C::RateLimited),
        ),
        row("C14", "an ordinary message", answer("x"), Says::Answer("x")),
        row(
            "C14",
            "an error of what the user said",
            json!([{ "info": { "id": "m1", "role": "user", "error": api_error(429, "slow down") }, "parts": [] }]),
            Says::Nothing,
        ),
        Row {
            decided: BY_ITS_END,
            ..row(
                "C3",
                "words of a retry in a text",
                answer("Too Many Requests [retrying in 2 weeks attempt #1]"),
                Says::Answer("Too Many Requests [retrying in 2 weeks attempt #1]"),
            )
        },
    ]
}

/// As the session of a prompt is judged.
fn judged(anchor: &str, list: &Value) -> (Says, bool, Option<u64>) {
    let mut fold = Fold::new(anchor.to_owned(), PATIENCE);
    let mut out = Vec::new();
    let messages: Vec<Message> =
        Message::list(list).into_iter().filter(|message| fold.is_ours(&message.id)).collect();
    fold.snapshot(&messages, &mut out);
    let begun = told(out).begun > 0;
    let says = match verdict::standing(&messages) {
        Standing::Nothing => Says::Nothing,
        Standing::Open(failure) => Says::Open(failure.class),
        Standing::Ended(Err(failure)) => Says::Fault(failure.class),
        Standing::Ended(Ok(answer)) => Says::Answer(String::leak(answer.text)),
    };
    let usage = verdict::usage(&messages, (Tokens::default(), 0.0));
    (says, begun, usage.map(|(usage, _)| usage.output))
}

#[test]
fn each_row_of_messages_says_what_it_should() {
    for row in visible().into_iter().chain(complete()).chain(results()) {
        let Row { id, says, decided, anchor, list, expected, begun, output } = row;
        let found = judged(anchor, &list);
        assert_eq!(found, (expected, begun, output), "{id}: {says} ({decided})");
    }
}
