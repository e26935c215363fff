//! What an error of the server or of its model means, in the facts of the one fault table.

use serde_json::Value;

use super::wire;
use crate::event::Failure;
use crate::fault::{self, Facts, Origin};

/// How deep errors are wrapped in texts of other errors.
const DEPTH: usize = 4;

/// What is found on the way into an error.
#[derive(Debug, Default)]
struct Found {
    status: Option<u16>,
    code: Option<String>,
    kind: Option<String>,
    text: Option<String>,
}

impl Found {
    /// Looks into a value and into the JSON that its texts hold; what is further in was said by whoever knows.
    fn look(&mut self, value: &Value, depth: usize) {
        if depth == 0 {
            return;
        }
        match value {
            Value::String(text) => {
                if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
                    self.look(&inner, depth - 1);
                } else if !text.trim().is_empty() {
                    self.text = Some(text.clone());
                }
            }
            Value::Object(object) => {
                for key in ["statusCode", "status"] {
                    let status = object.get(key).and_then(Value::as_u64);
                    self.take_status(status);
                }
                match object.get("code") {
                    Some(Value::String(code)) => self.code = Some(code.clone()),
                    Some(code) => self.take_status(code.as_u64()),
                    None => {}
                }
                if let Some(kind) = object.get("type").and_then(Value::as_str).filter(|kind| *kind != "error")
                {
                    self.kind = Some(kind.to_owned());
                }
                for key in ["message", "responseBody", "error"] {
                    if let Some(inner) = object.get(key) {
                        self.look(inner, depth - 1);
                    }
                }
            }
            _ => {}
        }
    }

    /// The wire's own status is found first and stays.
    fn take_status(&mut self, status: Option<u64>) {
        let status = status.and_then(|status| u16::try_from(status).ok());
        self.status = self.status.or(status.filter(|status| (400..=599).contains(status)));
    }
}

/// Classifies `{name, data}`: the error of a message or of a `session.error`.
pub(super) fn classify(error: &Value, emitted_output: bool) -> Failure {
    let name = wire::text(error, "name").unwrap_or_default();
    let data = error.get("data").unwrap_or(error);
    let mut found = Found::default();
    found.look(data, DEPTH);
    let text = found.text.take().unwrap_or_else(|| name.clone());
    // What the server calls it is a generic label, save where the name is the whole reason.
    let code = match name.as_str() {
        "ContentFilterError" => Some("content_filter"),
        "ContextOverflowError" | "MessageOutputLengthError" => Some(name.as_str()),
        _ => found.code.as_deref(),
    };
    let label = if name == "ProviderAuthError" { "authentication_failed" } else { &name };
    fault::classify(&Facts {
        status: found.status,
        code,
        kind: found.kind.as_deref(),
        label: Some(label).filter(|label| !label.is_empty()),
        terminal: (name == "MessageAbortedError").then_some("aborted"),
        retry_after: retry_after(data),
        emitted_output,
        ..Facts::new(Origin::Opencode, &text)
    })
}

/// What the server says of a try that failed and that it means to repeat after `delay` seconds.
pub(super) fn retrying(
    message: &str,
    reason: Option<&str>,
    delay: Option<f64>,
    emitted_output: bool,
) -> Failure {
    let mut found = Found::default();
    found.look(&Value::String(message.to_owned()), DEPTH);
    let text = found.text.take().unwrap_or_else(|| message.to_owned());
    fault::classify(&Facts {
        status: found.status,
        code: found.code.as_deref().or(reason),
        kind: found.kind.as_deref(),
        retry_after: delay,
        emitted_output,
        ..Facts::new(Origin::Opencode, &text)
    })
}

/// Seconds to wait, as the headers of the model's provider say it.
fn retry_after(data: &Value) -> Option<f64> {
    let headers = data.get("responseHeaders")?.as_object()?;
    let number = |name: &str| {
        let (_, value) = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        value.as_str()?.trim().parse::<f64>().ok()
    };
    number("retry-after-ms").map(|millis| millis / 1000.0).or_else(|| number("retry-after"))
}
