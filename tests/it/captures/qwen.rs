//! Qwen Code 0.15.10, which prints what Claude Code prints.

use provost::backend::agent::ClaudeDialect;
use provost::event::FaultClass as C;

use super::Expected::{self, Fault};
use super::{Agent, Row};

pub(super) const AGENT: Agent = Agent {
    folder: "qwen-0.15.10",
    dialect: || Box::new(ClaudeDialect::new()),
    printed: |_, stdout| stdout,
    rows: ROWS,
    elsewhere: |_| false,
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

const ROWS: &[Row] = &[
    row("401", Fault(C::Auth, "401"), &[(0, 0, None)], true),
    row("429", Fault(C::AgentCrash, "exit.signal"), &[], true),
    row("text", Answered("The answer is 4. "), &[(468, 112, None)], true),
    row("tool", Answered("The answer is 4. "), &[(468, 112, None)], true),
    row("trunc", Fault(C::Transport, "text.transport"), &[(0, 0, None)], true),
];
