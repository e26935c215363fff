//! What a response comes to does not depend on how the network cuts it, and half of one is never an answer.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use provost::backend::chat::{Stream, StreamError, Turn};
use provost::event::{Usage, UsageSource};
use provost::profile::Api;
use serde_json::json;

use crate::support::chat_api::{self, APIS, Said};

/// The streams that real servers have sent, with the API that each speaks.
fn captured() -> Vec<(String, Api, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/streams");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let word = name.split('.').next().unwrap();
        let api = *APIS.iter().find(|api| api.word() == word).unwrap();
        (name, api, std::fs::read(path).unwrap())
    };
    paths.iter().map(read).collect()
}

/// All that an API has: thoughts, text in two languages, calls beside each other.
fn said() -> Said {
    Said {
        text: ("Grüße 🦀 \"quoted\"\n", "and on"),
        calls: vec![
            ("call_a", "write", json!({ "path": "ä", "content": "x\n\"y\"" })),
            ("call_b", "list", json!({})),
        ],
        sealed: Some("c2VhbGVk"),
    }
}

/// Streams of it.
fn made() -> Vec<(String, Api, Vec<u8>)> {
    let stream = |api: &Api| {
        let bytes = chat_api::frames(*api, &said()).concat().into_bytes();
        (format!("{}.made", api.word()), *api, bytes)
    };
    APIS.iter().map(stream).collect()
}

fn all() -> Vec<(String, Api, Vec<u8>)> {
    captured().into_iter().chain(made()).collect()
}

/// What is shown, and what it comes to.
fn read<'a>(api: Api, chunks: impl IntoIterator<Item = &'a [u8]>) -> (String, Result<Turn, StreamError>) {
    let mut stream = Stream::new(api).unwrap();
    let mut shown = String::new();
    for chunk in chunks {
        let pushed = stream.push(chunk);
        shown.push_str(&stream.heard().text);
        if let Err(error) = pushed {
            return (shown, Err(error));
        }
    }
    let ended = stream.end();
    shown.push_str(&stream.heard().text);
    (shown, ended.and_then(|()| stream.finish()))
}

#[test]
fn streams_of_real_servers_are_understood() {
    let mut story = String::new();
    for (name, api, bytes) in captured() {
        let (shown, turn) = read(api, [&bytes[..]]);
        let turn = turn.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(shown, turn.text, "{name}");
        assert_eq!(turn.carry, None, "{name}");
        let calls: Vec<String> =
            turn.tool_calls.iter().map(|call| format!("{} {}", call.name, call.arguments)).collect();
        assert!(turn.tool_calls.iter().all(|call| !call.id.is_empty()), "{name}");
        let usage = turn.usage.unwrap().0;
        writeln!(
            story,
            "{name}: {:?} {calls:?} {} in {} cached {} out {}",
            turn.text,
            turn.stop_reason.unwrap(),
            usage.input,
            usage.cache_read,
            usage.output
        )
        .unwrap();
    }
    insta::assert_snapshot!(story);
}

#[test]
fn a_stream_that_is_cut_anywhere_is_never_an_answer() {
    for (name, api, bytes) in all() {
        let whole = read(api, [&bytes[..]]).1.unwrap();
        let mut unfinished = 0;
        for cut in 0..bytes.len() {
            match read(api, [&bytes[..cut]]).1 {
                // Behind the terminal marker nothing is lost but, in chat completions, the figures.
                Ok(turn) => assert_eq!(Turn { usage: whole.usage, ..turn }, whole, "{name} cut at {cut}"),
                Err(StreamError::Unfinished) => unfinished += 1,
                Err(error) => panic!("{name} cut at {cut}: {error}"),
            }
        }
        let marker = match api {
            Api::Gemini => unreachable!("only an agent CLI speaks it"),
            Api::OpenAi => r#""finish_reason":""#,
            Api::OpenAiResponses => r#"data: {"type":"response.completed""#,
            Api::Anthropic => r#"data: {"type":"message_stop"}"#,
        };
        let at = String::from_utf8_lossy(&bytes).find(marker).unwrap();
        assert!(unfinished > at, "{name}: an answer after {unfinished} bytes, the marker is at {at}");
    }
}

#[test]
fn a_stream_in_single_bytes_is_the_same_stream() {
    for (name, api, bytes) in all() {
        assert_eq!(read(api, bytes.chunks(1)), read(api, [&bytes[..]]), "{name}");
    }
}

#[test]
fn an_answer_that_came_whole_is_the_answer_that_was_streamed() {
    for (name, api, bytes) in made() {
        let (shown, streamed) = read(api, [&bytes[..]]);
        let whole = chat_api::whole(api, &said()).to_string().into_bytes();
        assert_eq!(read(api, whole.chunks(7)), (shown, streamed.clone()), "{name}");
        let turn = streamed.unwrap();
        assert_eq!(turn.tool_calls.len(), 2, "{name}");
        assert_eq!(turn.carry.is_some(), api != Api::OpenAi, "{name}");
        let usage = Usage {
            input: chat_api::INPUT,
            output: chat_api::OUTPUT,
            cache_read: chat_api::CACHE_READ,
            cache_write: chat_api::CACHE_WRITE,
            usd: None,
        };
        assert_eq!(turn.usage, Some((usage, UsageSource::Provider)), "{name}");
        // Half of it is none.
        for cut in 1..whole.len() {
            let ended = read(api, [&whole[..cut]]).1;
            assert!(ended.is_err(), "{name} cut at {cut}: {ended:?}");
        }
    }
}

#[test]
fn a_turn_without_end_is_cut_off() {
    for api in APIS {
        let said = Said::text("more and more of it, ", "");
        let frames = chat_api::frames(api, &said);
        let (delta, before) = match api {
            Api::Gemini => unreachable!("only an agent CLI speaks it"),
            Api::OpenAi => (&frames[1], &frames[..1]),
            Api::OpenAiResponses => (&frames[2], &frames[..2]),
            Api::Anthropic => (&frames[3], &frames[..3]),
        };
        assert!(delta.contains("more and more"), "{delta}");
        let mut stream = Stream::new(api).unwrap();
        stream.push(before.concat().as_bytes()).unwrap();
        let many = delta.repeat(1000);
        let error = (0..1000).find_map(|_| {
            stream.heard();
            stream.push(many.as_bytes()).err()
        });
        assert_eq!(error, Some(StreamError::TooLarge), "{api:?}");
        // Nothing at all, but without end: blocks, items and calls are counted as well.
        let empty = match api {
            Api::Gemini => unreachable!("only an agent CLI speaks it"),
            Api::OpenAi => continue, // An empty chunk leaves nothing behind.
            Api::OpenAiResponses => {
                r#"data: {"type":"response.output_item.added","output_index":N,"item":{"type":"message"}}"#
            }
            Api::Anthropic => {
                r#"data: {"type":"content_block_start","index":N,"content_block":{"type":"text"}}"#
            }
        };
        let mut stream = Stream::new(api).unwrap();
        let error = (0..2000).find_map(|number: u32| {
            let event = empty.replace('N', &number.to_string());
            stream.push(format!("{event}\n\n").as_bytes()).err()
        });
        assert_eq!(error, Some(StreamError::TooLarge), "{api:?}");
    }
}

proptest! {
    #[test]
    fn chunks_do_not_matter(pick in any::<prop::sample::Index>(), sizes in prop::collection::vec(1_usize..400, 1..40)) {
        let streams = all();
        let (name, api, bytes) = pick.get(&streams);
        let mut rest = &bytes[..];
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(read(*api, chunks), read(*api, [&bytes[..]]), "{}", name);
    }

    #[test]
    fn damaged_streams_never_panic(
        pick in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let streams = all();
        let (_, api, bytes) = pick.get(&streams);
        let mut bytes = bytes.clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(*api, [&bytes[..]]);
        // Nor does what one server says to another's client.
        for other in APIS {
            let _ = read(other, [&bytes[..]]);
        }
    }

    #[test]
    fn any_json_is_read_without_a_panic(text in r#"(data: )?[\[{]("type"|"delta"|"choices"|"error"|"item"|[:,\[\]{}]|null|1|"a"|"content"|"message"|"index"){0,30}\n?\n?"#) {
        for api in APIS {
            let (_, ended) = read(api, [text.as_bytes()]);
            prop_assert!(ended.is_err());
        }
    }
}
