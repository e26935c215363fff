//! A command whose standard output is its answer.

use super::dialect::{Dialect, ExitFacts, Signal, Tail, last};
use crate::backend::{Answer, Report};
use crate::event::{Failure, FaultClass};
use crate::fault::{self, Facts, Origin};

/// How much of the output is kept; of more, the last part.
pub const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// How much of it waits to be shown; of more, the last part.
const SHOWN_BYTES: usize = 64 * 1024;

/// Output without a protocol: success is exit code 0 and a text that is not blank. Says nothing about usage.
#[derive(Debug)]
pub struct TextDialect {
    kept: Tail,
    fresh: Tail,
}

impl Default for TextDialect {
    fn default() -> Self {
        Self::new()
    }
}

impl TextDialect {
    /// One for a fresh process.
    pub fn new() -> Self {
        Self { kept: Tail::new(ANSWER_BYTES), fresh: Tail::new(SHOWN_BYTES) }
    }
}

impl Dialect for TextDialect {
    fn line(&mut self, line: &[u8], _out: &mut Vec<Signal>) {
        let text = String::from_utf8_lossy(line);
        for tail in [&mut self.kept, &mut self.fresh] {
            tail.push(&text);
            tail.push("\n");
        }
    }

    fn flush(&mut self, out: &mut Vec<Signal>) {
        let text = self.fresh.take();
        if !text.is_empty() {
            out.push(Signal::Report(Report::Text(text)));
        }
    }

    fn partial(&self) -> &str {
        self.kept.as_str()
    }

    fn finish(&mut self, exit: ExitFacts, stderr_tail: &str) -> Result<Answer, Failure> {
        let text = self.kept.as_str();
        let emitted_output = !text.trim().is_empty();
        if exit.code == Some(0) && exit.signal.is_none() {
            if emitted_output {
                return Ok(Answer { text: text.trim_end().to_owned(), stop_reason: None });
            }
            return Err(Failure::ours(FaultClass::NoPayload, "exited with code 0 and printed nothing"));
        }
        // A command may say what went wrong on either channel; the one for errors is asked first.
        let said = if stderr_tail.trim().is_empty() { text } else { stderr_tail };
        Err(fault::classify(&Facts {
            emitted_output,
            exit_code: exit.code,
            signal: exit.signal,
            ..Facts::new(Origin::Command, last(said.trim(), fault::EVIDENCE_BYTES))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(lines: &[&str], exit: ExitFacts, stderr: &str) -> Result<Answer, Failure> {
        let mut dialect = TextDialect::new();
        for line in lines {
            dialect.line(line.as_bytes(), &mut Vec::new());
        }
        dialect.finish(exit, stderr)
    }

    const DONE: ExitFacts = ExitFacts { code: Some(0), signal: None };

    #[test]
    fn an_answer_is_what_was_printed() {
        assert_eq!(verdict(&["a", "", "b"], DONE, "noise").unwrap().text, "a\n\nb");
    }

    #[test]
    fn silence_is_no_answer() {
        assert_eq!(verdict(&[" ", ""], DONE, "").unwrap_err().class, FaultClass::NoPayload);
    }

    #[test]
    fn an_exit_code_is_a_failure_whatever_was_printed() {
        let failed = verdict(&["all well"], ExitFacts { code: Some(3), signal: None }, "").unwrap_err();
        assert_eq!((failed.class, failed.evidence.as_str()), (FaultClass::AgentCrash, "all well"));
        assert!(failed.emitted_output);
        let said =
            verdict(&[], ExitFacts { code: Some(1), signal: None }, "connect ECONNREFUSED").unwrap_err();
        assert_eq!(said.class, FaultClass::Transport);
        let killed = verdict(&[], ExitFacts { code: None, signal: Some(9) }, "").unwrap_err();
        assert_eq!(killed.class, FaultClass::AgentCrash);
    }

    #[test]
    fn only_the_last_part_of_much_output_is_kept() {
        let line = "ö".repeat(1024 * 1024);
        let answer = verdict(&[&line, &line, &line, &line, &line, "end"], DONE, "").unwrap();
        assert!(answer.text.len() <= ANSWER_BYTES && answer.text.ends_with("end"));
    }
}
