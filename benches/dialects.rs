//! How fast each dialect reads what an agent or an endpoint says, on one core, and what memory it takes for it.
//!
//! `cargo bench --bench dialects` feeds 256 MB of small deltas to each, from a block of 1 MB that is repeated, in pieces
//! as a network gives them. A new dialect is one line in [`dialects`], and a function that makes a line of its output.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a bench"
)]
#![allow(clippy::disallowed_methods, reason = "a bench stands outside of the house")]

use std::fmt::Write as _;
use std::time::Instant;

use provost::backend::agent::{ClaudeDialect, Dialect, LineSplitter, TextDialect};
use provost::backend::chat::Stream;
use provost::profile::Api;

/// Bytes of a block; each endpoint's block is one whole response.
const BLOCK: usize = 1024 * 1024;
/// What a read of a socket or a pipe gives.
const PIECE: usize = 16 * 1024;
/// Blocks of one measurement.
const BLOCKS: usize = 256;
/// Measurements, of which the middle one counts.
const RUNS: usize = 5;

/// Something that reads blocks.
type Reader = Box<dyn FnMut(&[u8])>;

/// A dialect: its name, its block, and what makes a reader of it.
type Row = (&'static str, Vec<u8>, fn() -> Reader);

fn dialects() -> Vec<Row> {
    vec![
        ("chat openai", block(COMPLETIONS, completions), || endpoint(Api::OpenAi)),
        ("chat openai-responses", block(RESPONSES, responses), || endpoint(Api::OpenAiResponses)),
        ("chat anthropic", block(MESSAGES, messages), || endpoint(Api::Anthropic)),
        ("agent claude", block(CLAUDE, claude), || agent(ClaudeDialect::new())),
        ("agent text", block(("", ""), text), || agent(TextDialect::new())),
    ]
}

/// Reads each block as a response of its own.
fn endpoint(api: Api) -> Reader {
    Box::new(move |block| {
        let mut stream = Stream::new(api).unwrap();
        let mut heard = 0;
        for piece in block.chunks(PIECE) {
            stream.push(piece).unwrap();
            heard += stream.heard().text.len();
        }
        let turn = stream.finish().unwrap();
        assert_eq!(turn.text.len(), heard, "not all that was said is in the turn");
        assert!(heard > BLOCK / 40, "{heard} bytes of text in a block");
    })
}

/// Reads all blocks as the output of one process.
fn agent(mut dialect: impl Dialect + 'static) -> Reader {
    let mut splitter = LineSplitter::new();
    let mut signals = Vec::new();
    Box::new(move |block| {
        let mut given = 0;
        for piece in block.chunks(PIECE) {
            splitter.push(piece, |line| dialect.line(line.bytes, &mut signals));
            dialect.flush(&mut signals);
            given += signals.len();
            signals.clear();
        }
        assert!(given > 0, "the dialect understood nothing");
    })
}

/// A block of deltas with a frame around them.
fn block(frame: (&str, &str), delta: fn(usize, &str) -> String) -> Vec<u8> {
    const WORDS: [&str; 8] =
        [" the", " function", " returns", " an", " error", ", so", " we\\n", " \\\"retry\\\""];
    let mut block = frame.0.to_owned();
    let mut number = 0;
    while block.len() < BLOCK {
        // Providers pack one to four tokens into a delta.
        let words: String = (0..=number % 4).map(|word| WORDS[(number * 5 + word) % WORDS.len()]).collect();
        let _ = write!(block, "{}", delta(number, &words));
        number += 1;
    }
    block.push_str(frame.1);
    block.into_bytes()
}

const COMPLETIONS: (&str, &str) = (
    "data: {\"id\":\"chatcmpl-Bx7\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
     data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9}}\n\ndata: [DONE]\n\n",
);

fn completions(number: usize, words: &str) -> String {
    let padding = &"obfuscate"[..number % 9];
    format!(
        "data: {{\"id\":\"chatcmpl-Bx7Yq2mPz0aL4\",\"object\":\"chat.completion.chunk\",\"created\":1795244179,\
         \"model\":\"gpt-5.2\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{{\"index\":0,\
         \"delta\":{{\"content\":\"{words}\"}},\"finish_reason\":null}}],\"obfuscation\":\"{padding}\"}}\n\n"
    )
}

const RESPONSES: (&str, &str) = (
    "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\
     \"item\":{\"type\":\"message\",\"id\":\"msg_68b1f0aa\",\"role\":\"assistant\",\"content\":[]}}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\
     \"usage\":{\"input_tokens\":9,\"output_tokens\":9}}}\n\n",
);

fn responses(number: usize, words: &str) -> String {
    let padding = &"obfuscate"[..number % 9];
    format!(
        "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\
         \"sequence_number\":{number},\"item_id\":\"msg_68b1f0aa\",\"output_index\":0,\"content_index\":0,\
         \"delta\":\"{words}\",\"logprobs\":[],\"obfuscation\":\"{padding}\"}}\n\n"
    )
}

const MESSAGES: (&str, &str) = (
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-opus-5\",\
     \"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: \
     {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\
     \"usage\":{\"output_tokens\":9}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn messages(_: usize, words: &str) -> String {
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
         \"delta\":{{\"type\":\"text_delta\",\"text\":\"{words}{words}\"}}}}\n\n"
    )
}

const CLAUDE: (&str, &str) =
    ("{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\"},\"parent_tool_use_id\":null}\n", "");

fn claude(_: usize, words: &str) -> String {
    format!(
        "{{\"type\":\"stream_event\",\"event\":{{\"type\":\"content_block_delta\",\"index\":0,\"delta\":\
         {{\"type\":\"text_delta\",\"text\":\"{words}\"}}}},\"session_id\":\"1f3c\",\"parent_tool_use_id\":null,\
         \"uuid\":\"0b0c9d55-5f0e-4a0e-9a4e-6f5f6f1c2d3e\"}}\n"
    )
}

fn text(number: usize, words: &str) -> String {
    format!(
        "{number:08} compiling{words}{words}{words} and going on with the next of the modules of the crate\n"
    )
}

/// Peak memory of this process so far, KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn main() {
    // `cargo test --benches` calls this too, and wants to know no more than that it works.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (runs, blocks) = if measured { (RUNS, BLOCKS) } else { (1, 1) };
    println!("{:<24}{:>8}  {:>14}", "dialect", "MB/s", "peak RSS +KiB");
    for (name, block, reader) in dialects() {
        // The peak is the highest since this reset, where the kernel lets one reset it.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let before = peak();
        let mut rates: Vec<f64> = (0..runs)
            .map(|_| {
                let mut read = reader();
                let begun = Instant::now();
                (0..blocks).for_each(|_| read(&block));
                let bytes = u32::try_from(block.len() * blocks).unwrap();
                f64::from(bytes) / 1e6 / begun.elapsed().as_secs_f64()
            })
            .collect();
        rates.sort_by(f64::total_cmp);
        println!("{name:<24}{:>8.0}  {:>14}", rates[runs / 2], peak().saturating_sub(before));
    }
}
