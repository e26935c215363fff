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

use provost::backend::agent::{
    Acp, AcpDialect, AiderDialect, ClaudeDialect, CodexDialect, Dialect, GeminiDialect, LineSplitter,
    OpencodeDialect, TextDialect,
};
use provost::backend::chat::Stream;
use provost::backend::{Request, SessionPlan};
use provost::event::{AttemptNumber, NodeId, RoundNumber, SessionId};
use provost::profile::{Api, Source, load};

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
        ("agent codex", block(CODEX, codex), || agent(CodexDialect::default())),
        ("agent opencode", block(OPENCODE, opencode), || agent(OpencodeDialect::default())),
        ("agent gemini", block(GEMINI, gemini), || agent(GeminiDialect::default())),
        ("agent aider", block(AIDER, text), || agent(AiderDialect::default())),
        ("agent acp", block(ACP, acp), || agent(talking())),
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

const CODEX: (&str, &str) =
    ("{\"type\":\"thread.started\",\"thread_id\":\"01a1fbe0-da9d-70c2\"}\n{\"type\":\"turn.started\"}\n", "");

/// It prints finished items only: now a word of the model, now what a command had to say.
fn codex(number: usize, words: &str) -> String {
    if number.is_multiple_of(4) {
        return format!(
            "{{\"type\":\"item.completed\",\"item\":{{\"id\":\"item_{number}\",\"type\":\"agent_message\",\"text\":\
             \"Next{words}{words}\"}}}}\n"
        );
    }
    let output = format!("src/lib.rs:{number}:{words}{words}{words}\\n").repeat(12);
    format!(
        "{{\"type\":\"item.completed\",\"item\":{{\"id\":\"item_{number}\",\"type\":\"command_execution\",\"command\":\
         \"/bin/bash -lc 'rg -n x src'\",\"aggregated_output\":\"{output}\",\"exit_code\":0,\"status\":\
         \"completed\"}}}}\n"
    )
}

const OPENCODE: (&str, &str) = (
    "{\"type\":\"step_start\",\"timestamp\":1795228138340,\"sessionID\":\"ses_e04108b2\",\"part\":{\"id\":\"prt_1fbe\",\
     \"messageID\":\"msg_1fbe\",\"sessionID\":\"ses_e04108b2\",\"type\":\"step-start\"}}\n",
    "{\"type\":\"step_finish\",\"timestamp\":1795228138615,\"sessionID\":\"ses_e04108b2\",\"part\":{\"reason\":\"tool-calls\",\
     \"messageID\":\"msg_1fbe\",\"type\":\"step-finish\",\"tokens\":{\"input\":234,\"output\":56,\"reasoning\":0,\"cache\":\
     {\"write\":0,\"read\":1000}},\"cost\":0.000346}}\n",
);

/// It prints whole blocks of text, and tools with what they gave back.
fn opencode(number: usize, words: &str) -> String {
    let head = "\"timestamp\":1795228138574,\"sessionID\":\"ses_e04108b2\"";
    if number.is_multiple_of(4) {
        return format!(
            "{{\"type\":\"text\",{head},\"part\":{{\"id\":\"prt_{number}\",\"messageID\":\"msg_1fbe\",\"type\":\"text\",\
             \"text\":\"Next{words}{words}\",\"time\":{{\"start\":1795228138533,\"end\":1795228138567}}}}}}\n"
        );
    }
    let output = format!("src/lib.rs:{number}:{words}{words}{words}\\n").repeat(12);
    format!(
        "{{\"type\":\"tool_use\",{head},\"part\":{{\"type\":\"tool\",\"tool\":\"grep\",\"callID\":\"call_{number}\",\"state\":\
         {{\"status\":\"completed\",\"input\":{{\"pattern\":\"x\"}},\"output\":\"{output}\",\"title\":\"x\",\"time\":\
         {{\"start\":1795228138564,\"end\":1795228138599}}}},\"id\":\"prt_{number}\",\"messageID\":\"msg_1fbe\"}}}}\n"
    )
}

const GEMINI: (&str, &str) = (
    "{\"type\":\"init\",\"timestamp\":\"2026-11-21T02:37:22.740Z\",\"session_id\":\"62053d66\",\"model\":\"gemini-2.5-pro\"}\n",
    "",
);

fn gemini(number: usize, words: &str) -> String {
    format!(
        "{{\"type\":\"message\",\"timestamp\":\"2026-11-21T02:37:22.{:03}Z\",\"role\":\"assistant\",\"content\":\
         \"{words}{words}\",\"delta\":true}}\n",
        number % 1000
    )
}

const AIDER: (&str, &str) = ("Aider v0.86.2\nModel: openai/m with whole edit format\n\n", "");

const ACP: (&str, &str) = (
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":1,\"agentCapabilities\":{\"loadSession\":true}}}\n\
     {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"sessionId\":\"e001a56c\"}}\n",
    "",
);

fn acp(_: usize, words: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{{\"sessionId\":\"e001a56c\",\"update\":\
         {{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{{\"type\":\"text\",\"text\":\"{words}\"}}}}}}}}\n"
    )
}

/// A parser that has opened its side of the conversation.
fn talking() -> AcpDialect {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("provost.toml");
    let text = "schema = 1\nname = \"bench\"\n[agent]\nharness = \"acp\"\ncommand = [\"agent\"]\n";
    std::fs::write(&path, text).unwrap();
    let profile = load(Source { path: &path, sets: &[], cwd: dir.path() }).unwrap().profile;
    let request = Request {
        node: NodeId::root(),
        round: RoundNumber(1),
        attempt: AttemptNumber(1),
        system: None,
        user: "Count.".to_owned(),
        images: Vec::new(),
        session: SessionPlan::Fresh(SessionId::new("ours")),
        workspace: dir.path().to_owned(),
        transcript: dir.path().join("t.log"),
        directory: dir.path().to_owned(),
        terse: false,
        takes_cut: false,
        replay: Vec::new(),
    };
    let mut dialect = Acp::new(&profile).talk(&request, &[]);
    dialect.open(&mut Vec::new());
    dialect
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
