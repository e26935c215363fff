//! What the end of a conversation means.

use serde_json::Value;

use crate::backend::Answer;
use crate::event::{Failure, FaultClass, Usage, UsageReported, UsageSource};
use crate::fault::{self, Facts, Origin};

use super::fold::brief;
use super::wire::RpcError;

/// The code of a request that is refused since nobody has logged in.
pub(super) const AUTH_REQUIRED: i64 = -32000;
/// The code of a request that was given up.
const CANCELLED: i64 = -32800;

/// The verdict on a prompt that was answered, by the agent's word for why it stopped.
pub(super) fn stopped(
    reason: String,
    text: &str,
    emitted_output: bool,
    refused: Option<&str>,
) -> Result<Answer, Failure> {
    if reason != "end_turn" {
        let facts = Facts { terminal: Some(&reason), emitted_output, ..Facts::new(Origin::Acp, "") };
        return Err(fault::classify(&facts));
    }
    let failed = match refused {
        Some(why) => Some((FaultClass::ToolError, why)),
        None if text.trim().is_empty() => {
            Some((FaultClass::NoPayload, "ended its turn as completed, and said nothing"))
        }
        None => None,
    };
    match failed {
        Some((class, why)) => {
            let mut failure = Failure::ours(class, why);
            failure.emitted_output = emitted_output;
            Err(failure)
        }
        None => Ok(Answer { text: text.to_owned(), stop_reason: Some(reason) }),
    }
}

/// The failure of a request that the agent refused. Its code may be an HTTP status, and its message the body of one.
pub(super) fn refusal(error: &RpcError, emitted_output: bool) -> Failure {
    let body: Value = serde_json::from_str(&error.message).unwrap_or_default();
    let body = body.get("error").unwrap_or(&body);
    let status = |value: &Value| value.as_u64().and_then(http);
    let code = match error.code {
        AUTH_REQUIRED => Some("auth_required"),
        -32002 => Some("resource_not_found"),
        -32600 => Some("invalid_request"),
        -32601 => Some("method_not_found"),
        -32602 => Some("invalid_params"),
        _ => None,
    };
    // Some say no more than `Internal error` and put the reason beside it.
    let beside = ["details", "message", "reason"].iter().find_map(|key| error.data[*key].as_str());
    let text = match beside.or(error.data.as_str()) {
        Some(more) if !error.message.contains(more) => format!("{}: {more}", error.message),
        _ => error.message.clone(),
    };
    let said = body["status"].as_str().or_else(|| body["type"].as_str());
    fault::classify(&Facts {
        status: u64::try_from(error.code)
            .ok()
            .and_then(http)
            .or_else(|| status(&body["code"]))
            .or_else(|| status(&error.data["statusCode"])),
        code: code.or_else(|| body["code"].as_str()),
        kind: said,
        label: error.data["errorName"].as_str(),
        terminal: (error.code == CANCELLED).then_some("cancelled"),
        emitted_output,
        ..Facts::new(Origin::Acp, &text)
    })
}

fn http(number: u64) -> Option<u16> {
    u16::try_from(number).ok().filter(|status| (400..=599).contains(status))
}

/// The failure of an agent that wants a login which we cannot make.
pub(super) fn login(message: &str) -> Failure {
    let text = format!(
        "{}; log in with the agent's own program, or put the variable of its key into `agent.env` or \
         `agent.inherit_env`",
        brief(message)
    );
    fault::classify(&Facts { label: Some("authentication_failed"), ..Facts::new(Origin::Acp, &text) })
}

/// What the prompt consumed, where that is certain.
///
/// `_meta.quota` counts the prompt (Gemini CLI). `usage` is not in the protocol yet, and agents do not agree on what it
/// counts: the last inference, the prompt or the session. Where these are the same, in a new session with no tool
/// called, it is taken; else nobody knows.
pub(super) fn usage(result: &Value, fresh: bool, tools: bool, usd: Option<f64>) -> Option<UsageReported> {
    let quota = &result["_meta"]["quota"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let usd = usd.filter(|_| fresh);
    let (mut usage, model) = if quota["token_count"].is_object() {
        let counted = &quota["token_count"];
        let usage = Usage {
            input: count(&counted["input_tokens"]),
            output: count(&counted["output_tokens"]),
            ..Usage::default()
        };
        let models = quota["model_usage"].as_array().map(Vec::as_slice).unwrap_or_default();
        let model = match models {
            [one] => one["model"].as_str().map(brief),
            _ => None,
        };
        (usage, model)
    } else {
        let said = result.get("usage").filter(|said| said.is_object() && fresh && !tools)?;
        let usage = Usage {
            input: count(&said["inputTokens"]),
            output: count(&said["outputTokens"]).saturating_add(count(&said["thoughtTokens"])),
            cache_read: count(&said["cachedReadTokens"]),
            cache_write: count(&said["cachedWriteTokens"]),
            usd: None,
        };
        (usage, None)
    };
    usage.usd = usd;
    // An agent that counted nothing has not seen that nothing was used.
    (!usage.is_empty()).then_some(UsageReported { usage, source: UsageSource::Provider, model })
}
