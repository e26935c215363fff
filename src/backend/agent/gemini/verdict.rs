//! What a failed run failed of.
//!
//! The one type of every failure is `unknown`, so the words decide: the API's own answer, which is quoted whole in the
//! message or in a log line, then the names of the CLI's own errors on standard error, then the exit code.

use serde_json::Value;

use super::{Ended, GeminiDialect};
use crate::backend::agent::ExitFacts;
use crate::backend::agent::dialect::last;
use crate::event::Failure;
use crate::fault::{self, Facts, Origin};

/// The CLI's own errors whose names say more than their words.
const NAMES: [&str; 6] = [
    "TerminalQuotaError",
    "RetryableQuotaError",
    "ValidationRequiredError",
    "ModelNotFoundError",
    "FatalTurnLimitedError",
    "FatalAuthenticationError",
];

/// What the API answered.
#[derive(Debug, Default)]
struct ApiError {
    status: Option<u16>,
    word: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    retry_after: Option<f64>,
    daily: bool,
}

impl GeminiDialect {
    /// The terminal event says no, or what it calls a success is none.
    pub(super) fn ended_badly(&self, ended: &Ended, exit: ExitFacts, stderr_tail: &str) -> Failure {
        let said = [ended.message.as_deref(), self.complaint.as_deref()];
        let said = said.into_iter().flatten().find(|text| !text.trim().is_empty());
        let own = ended.kind.as_deref().filter(|kind| *kind != "unknown");
        let text = said.map_or_else(|| complaints(stderr_tail), str::to_owned);
        self.classify(&text, own.or_else(|| name(stderr_tail)), exit)
    }

    /// There was no terminal event: whatever the exit code says, this is no success.
    pub(super) fn ended_without_result(&self, exit: ExitFacts, stderr_tail: &str) -> Failure {
        let text = self.complaint.clone().unwrap_or_else(|| complaints(stderr_tail));
        self.classify(&text, name(stderr_tail), exit)
    }

    fn classify(&self, text: &str, name: Option<&str>, exit: ExitFacts) -> Failure {
        let api = api_error(text).unwrap_or_default();
        let status = api.status.or_else(|| exit.code.and_then(status_of_exit));
        let label = if api.daily { Some("TerminalQuotaError") } else { name };
        fault::classify(&Facts {
            status,
            code: api.reason.as_deref(),
            kind: api.word.as_deref(),
            label,
            retry_after: api.retry_after,
            emitted_output: self.emitted,
            // One that is a status says nothing else.
            exit_code: exit.code.filter(|_| status.is_none()),
            signal: exit.signal,
            ..Facts::new(Origin::Gemini, api.message.as_deref().unwrap_or(text))
        })
    }
}

/// The exit code is the HTTP status modulo 256. From 400 on that is 144 and more, where shells report signals from 16
/// on; the ones that end processes are below.
fn status_of_exit(code: i32) -> Option<u16> {
    let status = u16::try_from(code).ok()?.checked_add(256)?;
    match (code, status) {
        (144..=255, _) => Some(status),
        // 512 and more would wrap once more; the CLI has codes of its own there.
        _ => None,
    }
}

/// The first of the CLI's error names that standard error ends with.
fn name(stderr: &str) -> Option<&'static str> {
    NAMES
        .iter()
        .filter_map(|name| stderr.rfind(&format!("{name}: ")).map(|at| (at, *name)))
        .max_by_key(|(at, _)| *at)
        .map(|(_, name)| name)
}

/// What standard error says in the end, without the noise of every run.
fn complaints(stderr: &str) -> String {
    const NOISE: [&str; 7] = [
        "Warning: 256-color",
        "Warning: True color",
        "[STARTUP]",
        "YOLO mode is enabled",
        "Ripgrep is not available",
        "    at ",
        "Loaded cached credentials",
    ];
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.trim().is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise)))
        .collect();
    // Of its retries, the last one says where it stood.
    let from = lines.iter().rposition(|line| line.starts_with("Attempt ")).unwrap_or(0);
    last(&lines[from..].join("\n"), fault::EVIDENCE_BYTES).to_owned()
}

/// The API's answer that a text quotes.
fn api_error(text: &str) -> Option<ApiError> {
    let quoted = text.match_indices("{\"error\"").find_map(|(at, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        values.next()?.ok()
    })?;
    let error = quoted.get("error")?;
    let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut read = ApiError {
        status: error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()),
        word: word(error, "status"),
        message: word(error, "message"),
        ..ApiError::default()
    };
    // The API's answer may itself be a text that quotes one.
    if let Some(inner) =
        read.message.as_deref().filter(|message| message.len() < text.len()).and_then(api_error)
    {
        return Some(inner);
    }
    for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
        read.reason = read.reason.take().or_else(|| word(detail, "reason"));
        let delay =
            detail.get("retryDelay").and_then(Value::as_str).and_then(|delay| delay.strip_suffix('s'));
        read.retry_after = read.retry_after.or_else(|| delay?.parse().ok());
        let violations = detail.get("violations").and_then(Value::as_array).into_iter().flatten();
        read.daily |= violations
            .filter_map(|violation| violation.get("quotaId")?.as_str())
            .any(|quota| quota.contains("PerDay") || quota.contains("Daily"));
    }
    Some(read)
}
