//! What the messages of a prompt say once its session is idle. Pure.

use super::fault;
use super::wire::{Body, Message, Tokens, ToolState};
use crate::backend::Answer;
use crate::event::{Failure, FaultClass, Usage};

/// How far a prompt is, while its session is idle.
#[derive(Debug, PartialEq)]
pub(super) enum Standing {
    /// No answer has begun.
    Nothing,
    /// An answer has begun and not ended, or ended in a way after which the server may go on. If it stays so while the
    /// session is idle, this is the failure.
    Open(Failure),
    /// It has ended.
    Ended(Result<Answer, Failure>),
}

/// Reads the messages that came after the prompt, oldest first.
pub(super) fn standing(messages: &[Message]) -> Standing {
    let answers = || messages.iter().filter(|message| message.assistant && !message.summary);
    let Some(last) = answers().next_back() else {
        // A summary that failed is the reason why there is no answer.
        let mut summaries = messages.iter().rev().filter(|message| message.assistant);
        let failed = summaries.find_map(|message| message.error.as_ref());
        return failed.map_or(Standing::Nothing, |error| Standing::Ended(Err(fault::classify(error, false))));
    };
    let emitted_output = answers().any(|message| !message.text().is_empty() || message.tool_calls() > 0);
    let failed = |class, text: String| Failure { emitted_output, ..Failure::ours(class, text) };
    if let Some(error) = &last.error {
        return Standing::Ended(Err(fault::classify(error, emitted_output)));
    }
    if !last.completed {
        return Standing::Open(failed(FaultClass::Transport, "the answer stopped before its end".to_owned()));
    }
    let ended = |class, text: String| Standing::Ended(Err(failed(class, text)));
    match last.finish.as_deref() {
        None => Standing::Open(failed(FaultClass::UserAbort, "the turn was ended from outside".to_owned())),
        Some("unknown") => Standing::Open(failed(
            FaultClass::Transport,
            "the model's stream ended before its terminal marker".to_owned(),
        )),
        Some("tool-calls") => Standing::Open(failed(FaultClass::ToolError, refusal(last))),
        Some("length") => ended(FaultClass::OutputLimit, "the answer was cut at the output limit".to_owned()),
        Some("content-filter") => {
            ended(FaultClass::ContentPolicy, "the model's turn ended with content-filter".to_owned())
        }
        Some("error") => ended(FaultClass::ServerError, "the model's turn ended with an error".to_owned()),
        Some(finish) => match last.text() {
            text if text.is_empty() => ended(
                FaultClass::NoPayload,
                format!("the model ended its turn with {finish} and without a text"),
            ),
            text => Standing::Ended(Ok(Answer { text, stop_reason: Some(finish.to_owned()) })),
        },
    }
}

/// Why a turn ended on its tools.
fn refusal(message: &Message) -> String {
    let error = message.parts.iter().rev().find_map(|part| match &part.body {
        Body::Tool(tool) => match &tool.state {
            ToolState::Failed { error } => Some(format!("the tool `{}` failed: {error}", tool.name)),
            _ => None,
        },
        _ => None,
    });
    error.unwrap_or_else(|| "the agent ended on a tool call".to_owned())
}

/// What the messages consumed, and on which model. `None` when nobody counted: unknown is not zero.
pub(super) fn usage(messages: &[Message], children: (Tokens, f64)) -> Option<(Usage, Option<String>)> {
    let mut usage = Usage::default();
    let mut add = |tokens: Tokens| {
        usage.input = usage.input.saturating_add(tokens.input);
        usage.output = usage.output.saturating_add(tokens.output);
        usage.cache_read = usage.cache_read.saturating_add(tokens.cache_read);
        usage.cache_write = usage.cache_write.saturating_add(tokens.cache_write);
    };
    let answers = || messages.iter().filter(|message| message.assistant);
    answers().for_each(|message| add(message.tokens));
    add(children.0);
    if usage.is_empty() {
        return None;
    }
    let cost = answers().map(|message| message.cost).sum::<f64>() + children.1;
    // A model without a price costs 0 there, which is not what it costs.
    usage.usd = Some(cost).filter(|cost| *cost > 0.0);
    Some((usage, answers().next_back().and_then(|message| message.model.clone())))
}
