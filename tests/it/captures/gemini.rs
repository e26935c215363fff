//! Gemini CLI 0.61.0.

use provost::backend::agent::GeminiDialect;
use provost::event::FaultClass as C;

use super::Expected::{self, Fault};
use super::{Agent, Row};

pub(super) const AGENT: Agent = Agent {
    folder: "gemini-0.61.0",
    dialect: || Box::new(GeminiDialect::new()),
    printed: |_, stdout| stdout,
    rows: ROWS,
    elsewhere: |name| name.starts_with("acp-"),
    tells_cuts: true,
};

type Spent = &'static [(u64, u64, Option<f64>)];

const fn row(name: &'static str, expected: Expected, usage: Spent, session: bool) -> Row {
    Row { name, expected, usage, session, retries: 0 }
}

#[expect(non_snake_case, reason = "reads as the variant that it makes")]
const fn Answered(text: &'static str) -> Expected {
    Expected::Answered(text, None)
}

const NOTHING: Spent = &[(0, 0, Some(0.0))];
const ONE: Spent = &[(234, 56, None)];
const TWO: Spent = &[(468, 112, None)];
const FOUR: Spent = &[(936, 224, None)];

const ROWS: &[Row] = &[
    row("400", Fault(C::RequestInvalid, "4xx"), NOTHING, true),
    row("401", Fault(C::Auth, "gemini.key"), NOTHING, true),
    row("403", Fault(C::Forbidden, "code.forbidden"), NOTHING, true),
    row("404", Fault(C::ModelNotFound, "text.model-alone"), NOTHING, true),
    row("429-default", Fault(C::RateLimited, "gemini.429"), &[], true),
    row("429-full", Fault(C::RateLimited, "gemini.rate"), NOTHING, true),
    row("429-max1", Fault(C::RateLimited, "gemini.rate"), NOTHING, true),
    row("429-then-ok", Answered("The answer is 4."), ONE, true),
    row("500-default", Fault(C::ServerError, "5xx"), NOTHING, true),
    row("500-max1", Fault(C::ServerError, "5xx"), NOTHING, true),
    row("503-default", Fault(C::Overloaded, "503-529"), &[], true),
    row("badjson", Fault(C::Transport, "text.transport"), NOTHING, true),
    row("badtool", Answered("The answer is 4."), TWO, true),
    row("empty", Fault(C::NoPayload, "gemini.empty"), FOUR, true),
    row("garbage", Fault(C::Transport, "text.transport"), &[], true),
    row("hang-default", Fault(C::Transport, "text.transport"), &[], true),
    row("html502", Fault(C::ServerError, "5xx"), &[], true),
    row("json-401", Fault(C::Auth, "gemini.key"), &[], false),
    row("json-text", Fault(C::Transport, "exit.silent"), &[], false),
    row("maxtok", Answered("The answer is 4."), ONE, true),
    row("maxturns", Fault(C::BudgetLimit, "gemini.turns"), TWO, true),
    row("mcp-http", Answered("The answer is 4."), TWO, true),
    row("midhang", Fault(C::AgentCrash, "exit.signal"), &[], true),
    row("midkill", Fault(C::Transport, "gemini.cut"), &[], true),
    row("nokey", Fault(C::ConfigMissing, "text.config"), &[], false),
    row("noserver", Fault(C::Transport, "text.transport"), &[], true),
    row("noserver-max1", Fault(C::Transport, "text.transport"), NOTHING, true),
    row("overflow", Fault(C::ContextOverflow, "text.context"), NOTHING, true),
    row("quota429", Fault(C::RateLimited, "gemini.429"), &[], true),
    row("refusal", Answered("The answer is 4."), ONE, true),
    row("reset", Fault(C::Transport, "text.transport"), &[], true),
    row("resume-1", Answered("The answer is 4."), ONE, true),
    row("resume-2", Answered("The answer is 4."), ONE, true),
    row("resume-3", Answered("The answer is 4."), ONE, true),
    row("resume-missing", Fault(C::RequestInvalid, "text.session"), &[], false),
    row("text", Answered("The answer is 4."), ONE, true),
    row("tool", Answered("The answer is 4."), TWO, true),
    row("tool-denied", Answered("The answer is 4."), ONE, true),
    row("toolloop", Fault(C::BudgetLimit, "gemini.loop"), FOUR, true),
    row("trunc", Fault(C::Transport, "text.transport"), FOUR, true),
];
