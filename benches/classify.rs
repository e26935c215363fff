//! How long the fault table takes for a failure, on one core.
//!
//! `cargo bench --bench classify` prints the median of nanoseconds a call for each input, and the best, which
//! a busy machine does not change. What agents and endpoints give
//! is bounded to 2 KiB, or to a response's first kilobytes; the last rows are far beyond that.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::allow_attributes,
    clippy::cast_precision_loss,
    reason = "a bench"
)]
#![allow(clippy::disallowed_methods, reason = "a bench stands outside of the house")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use provost::fault::{Facts, Origin, classify};

/// Measurements of each input, of which the middle one counts.
const RUNS: usize = 101;
/// A measurement takes this long at least, so that the clock's grain does not count.
const LONG: Duration = Duration::from_millis(2);

const NESTED: &str = r#"{"name":"AI_APICallError","data":{"message":"{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"This request would exceed your organization's rate limit of 50,000 input tokens per minute\"}}","statusCode":429,"isRetryable":true,"responseHeaders":{"retry-after":"12","content-type":"application/json"}}}"#;

fn inputs() -> Vec<(&'static str, Option<u16>, String)> {
    let prose = "The quick brown fox looks at a model of its house, and the connection between both is not found in any \
                 limit of the text that it reads, said it. ";
    vec![
        ("status alone", Some(503), String::new()),
        ("a sentence", Some(429), "Rate limit reached for requests. Please try again in 1.2s.".to_owned()),
        (
            "a quota",
            Some(429),
            "You exceeded your current quota, please check your plan and billing.".to_owned(),
        ),
        (
            "a lost connection",
            None,
            "error sending request: connection reset by peer (os error 104)".to_owned(),
        ),
        ("Chinese", Some(429), "您的账户已达到速率限制，请您控制请求频率".to_owned()),
        ("unknown words", None, "something that nobody has seen before happened in here".to_owned()),
        ("nested JSON", None, NESTED.to_owned()),
        ("1 KiB of prose", None, prose.repeat(8)[..1024].to_owned()),
        ("64 KiB of prose", None, prose.repeat(500)[..64 * 1024].to_owned()),
        ("64 KiB of JSON", None, format!("{{\"data\":[{}]}}", vec![NESTED; 180].join(","))),
    ]
}

fn main() {
    for (name, status, text) in inputs() {
        let facts = Facts { status, ..Facts::new(Origin::OpenAi, &text) };
        let rule = classify(&facts).rule;
        let mut calls = 1_u32;
        let time = |calls: u32| {
            let started = Instant::now();
            for _ in 0..calls {
                black_box(classify(black_box(&facts)));
            }
            started.elapsed()
        };
        while time(calls) < LONG {
            calls *= 2;
        }
        let mut runs: Vec<f64> =
            (0..RUNS).map(|_| time(calls).as_nanos() as f64 / f64::from(calls)).collect();
        runs.sort_by(f64::total_cmp);
        println!(
            "{name:<18} {:>6} bytes {:>10.0} ns/call, {:>10.0} at best   {rule}",
            text.len(),
            runs[RUNS / 2],
            runs[0]
        );
    }
}
