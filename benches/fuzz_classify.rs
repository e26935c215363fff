//! Looks for an input that the fault table can not stand.
//!
//! `cargo bench --bench fuzz_classify -- 300` changes known failures at random for 300 seconds (10 without a number): all
//! phrases and names of the table, all that agents were captured to say, and errors inside of errors. It ends with the
//! input that breaks a promise, or says how many kept them. The seed is printed, and may be given as a second number.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::allow_attributes,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a bench"
)]
#![allow(clippy::disallowed_methods, reason = "a bench stands outside of the house")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use provost::event::{FaultClass, FaultScope};
use provost::fault::{EVIDENCE_BYTES, Facts, Origin, Test, classify, cooldown, reset_said, rules};

const ORIGINS: [Origin; 9] = [
    Origin::Claude,
    Origin::Codex,
    Origin::Opencode,
    Origin::Gemini,
    Origin::Aider,
    Origin::Acp,
    Origin::OpenAi,
    Origin::Anthropic,
    Origin::Command,
];

/// Pieces that errors are made of.
const PIECES: [&str; 30] = [
    "{\"error\":",
    "{\"data\":{\"message\":\"",
    "{\"statusCode\":429,",
    "\"isRetryable\":true",
    "\"code\":\"insufficient_quota\"",
    "\"status\":",
    "\"retryDelay\":\"1e309s\"",
    "\"resets_at\":99999999999999999999",
    "\"resets_in_seconds\":-1.5",
    "\"responseHeaders\":{\"retry-after\":\"nan\"}",
    "\\u0000",
    "\\ud800",
    "\\\"",
    "}}",
    "]",
    "[",
    "null",
    "try again in ",
    "resets at ",
    "2026-11-22 10:00:00 +0800",
    "-9999-99-99t99:99:99+99:99",
    "99999999999999999999",
    "1e400",
    "\u{2019}",
    "\u{130}",
    "\u{feff}",
    "请在",
    "秒",
    "…",
    " (Europe/Berlin)",
];

/// A small generator (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit.max(1)
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// What is changed: phrases, and lines of captures.
fn corpus() -> (Vec<String>, Vec<String>) {
    let mut texts: Vec<String> = PIECES.iter().map(ToString::to_string).collect();
    let mut names = Vec::new();
    for test in rules().iter().flat_map(|rule| rule.tests) {
        match test {
            Test::Says(list) | Test::Exactly(list) => {
                texts.extend(list.iter().map(|phrase| phrase.replace('…', " of it ")));
            }
            Test::Word(list) | Test::Terminal(list) => names.extend(list.iter().map(ToString::to_string)),
            _ => {}
        }
    }
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    for folder in std::fs::read_dir(captures).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200_000)]).into_owned();
            let lines = text.lines().filter(|line| line.to_lowercase().contains("err"));
            texts.extend(lines.take(40).map(|line| line[..line.floor_char_boundary(3000)].to_owned()));
        }
    }
    (texts, names)
}

/// A text out of others: cut, joined, quoted, wrapped and damaged.
fn text(chance: &mut Chance, corpus: &[String]) -> String {
    let mut text = chance.of(corpus).clone();
    for _ in 0..chance.below(6) {
        let at = |chance: &mut Chance, text: &str| text.floor_char_boundary(chance.below(text.len() + 1));
        match chance.below(9) {
            0 => text.push_str(&corpus[chance.below(corpus.len())]),
            1 => {
                let place = at(chance, &text);
                text.insert_str(place, PIECES[chance.below(PIECES.len())]);
            }
            2 => {
                let place = at(chance, &text);
                text.truncate(place);
            }
            3 => text = serde_json::to_string(&text).unwrap(),
            4 => {
                let code = chance.below(700);
                text = serde_json::json!({ "error": { "message": text, "code": code } }).to_string();
            }
            5 => {
                let status = chance.below(700);
                text =
                    serde_json::json!({ "data": { "responseBody": text }, "statusCode": status }).to_string();
            }
            6 => text = format!("{}{text}", "[{\"error\":".repeat(chance.below(300))),
            7 => {
                let place = at(chance, &text);
                let character = char::from_u32(chance.below(0x11_0000) as u32).unwrap_or('\u{fffd}');
                text.insert(place, character);
            }
            _ if text.len() < 4000 => text = text.repeat(1 + chance.below(40)),
            _ => text = text.to_uppercase(),
        }
    }
    text.truncate(text.floor_char_boundary(300_000));
    text
}

/// Every promise that the table makes.
fn holds(facts: &Facts<'_>, scopes: &BTreeMap<&str, (FaultClass, FaultScope)>, now: Timestamp) {
    let seen = classify(facts);
    // Not a number is no number, and no wait is kept that is none, so that this compares.
    assert_eq!(seen, classify(facts), "not pure");
    assert!(seen.evidence.len() <= EVIDENCE_BYTES, "evidence is not bounded");
    // What no row matches is unknown, and nobody knows how far it reaches.
    let known = scopes.get(seen.rule.as_str()).copied();
    let expected = known.unwrap_or((FaultClass::Unknown, FaultScope::Request));
    assert_eq!((seen.class, seen.scope), expected, "not what its rule says");
    assert!(known.is_some() || seen.rule == "unmatched", "no such rule");
    assert!(
        facts.text.trim().is_empty() || facts.text.contains(&seen.evidence),
        "its own words are not kept"
    );
    assert!(seen.retry_after.is_none_or(|wait| wait.is_finite() && wait >= 0.0), "no wait");
    assert_eq!((seen.emitted_output, seen.maybe_accepted), (facts.emitted_output, facts.maybe_accepted));
    let _ = cooldown(&seen, 3, now);
    let _ = reset_said(facts.text, &now.to_zoned(jiff::tz::TimeZone::UTC));
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let seconds = numbers.first().copied().unwrap_or(10);
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = numbers.get(1).copied().unwrap_or(clock);
    let (texts, names) = corpus();
    println!("seed {seed}, {} texts, {} names, {seconds} s", texts.len(), names.len());
    let scopes: BTreeMap<&str, (FaultClass, FaultScope)> =
        rules().iter().map(|rule| (rule.id, (rule.class, rule.scope))).collect();
    let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let mut chance = Chance(seed);
    let mut hit: BTreeMap<String, u64> = BTreeMap::new();
    let (mut inputs, started) = (0_u64, Instant::now());
    while started.elapsed() < Duration::from_secs(seconds) {
        let said = if chance.once_in(8) { String::new() } else { text(&mut chance, &texts) };
        let mut word = || chance.once_in(4).then(|| chance.of(&names).as_str());
        let (code, kind, label, terminal) = (word(), word(), word(), word());
        let facts = Facts {
            status: chance.once_in(3).then(|| chance.below(700) as u16),
            code,
            kind,
            label,
            terminal,
            retry_after: chance.once_in(5).then(|| f64::from_bits(chance.next())),
            reset_at: chance
                .once_in(9)
                .then(|| Timestamp::from_second(i64::from(chance.next() as u32)).unwrap()),
            retryable: chance.once_in(5).then(|| chance.once_in(2)),
            emitted_output: chance.once_in(2),
            maybe_accepted: chance.once_in(2),
            exit_code: chance.once_in(3).then(|| (chance.next() % 300) as i32 - 2),
            signal: chance.once_in(9).then(|| (chance.next() % 65) as i32),
            ..Facts::new(*chance.of(&ORIGINS), &said)
        };
        let kept = std::panic::catch_unwind(|| holds(&facts, &scopes, now));
        assert!(kept.is_ok(), "seed {seed}, input {inputs}: {facts:?}");
        *hit.entry(classify(&facts).rule).or_default() += 1;
        inputs += 1;
    }
    let never: Vec<&str> = rules().iter().map(|rule| rule.id).filter(|id| !hit.contains_key(*id)).collect();
    println!("{inputs} inputs kept every promise; {} of {} rules were met", hit.len(), rules().len() + 1);
    println!("never met: {}", never.join(", "));
}
