//! aider 0.86.2.

use provost::backend::agent::AiderDialect;
use provost::event::FaultClass as C;

use super::Expected::{self, Fault};
use super::{Agent, Row};

pub(super) const AGENT: Agent = Agent {
    folder: "aider-0.86.2",
    dialect: || Box::new(AiderDialect::new()),
    printed: |_, stdout| stdout,
    rows: ROWS,
    elsewhere: |_| false,
    tells_cuts: false,
};

type Spent = &'static [(u64, u64, Option<f64>)];

const fn row(name: &'static str, expected: Expected, usage: Spent, retries: usize) -> Row {
    Row { name, expected, usage, session: false, retries }
}

#[expect(non_snake_case, reason = "reads as the variant that it makes")]
const fn Answered(text: &'static str) -> Expected {
    Expected::Answered(text, None)
}

const ROWS: &[Row] = &[
    row("400", Fault(C::RequestInvalid, "aider.request"), &[], 0),
    row("401", Fault(C::Auth, "code.auth"), &[], 0),
    row("404", Fault(C::ModelNotFound, "text.model-alone"), &[], 0),
    row("429-default", Fault(C::RateLimited, "text.rate"), &[], 8),
    row("429-then-ok", Answered("The answer is 4."), &[(597, 7, None)], 0),
    row("500-default", Fault(C::ServerError, "aider.server"), &[], 8),
    row("edit", Answered("Here it is.\n\nhello.txt\n```\nhello from mock\n```"), &[(597, 16, None)], 0),
    row("empty", Fault(C::NoPayload, "provost.no_payload"), &[(597, 1, None)], 0),
    row("garbage", Fault(C::Transport, "text.transport"), &[], 8),
    row("hang-timeout5", Fault(C::Transport, "text.transport"), &[], 3),
    row("maxtok", Fault(C::OutputLimit, "code.output-limit"), &[], 0),
    row("midhang", Fault(C::Transport, "text.transport"), &[], 7),
    row("midkill", Fault(C::Transport, "text.transport"), &[], 8),
    row("noserver", Fault(C::Transport, "text.transport"), &[], 8),
    row("overflow", Fault(C::ContextOverflow, "code.context"), &[(597, 0, None)], 0),
    row("quota429", Fault(C::QuotaExhausted, "text.quota"), &[], 8),
    row("text", Answered("The answer is 4."), &[(597, 7, None)], 0),
    row("trunc", Answered("The answer"), &[(597, 3, None)], 0),
];
