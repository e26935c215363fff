//! What a thread had consumed before this attempt.
//!
//! Codex counts a thread from its beginning, through resumes and forks. The rounds before are on record as it printed
//! them, so that what it said last is there to be subtracted, also after provost was killed.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::wire::{Line, Total};
use crate::backend::Request;
use crate::backend::agent::LineSplitter;
use crate::event::{RoundNumber, SessionId};

/// How many rounds are looked back through; a thread that has said nothing for longer has an unknown total.
const ROUNDS: u64 = 100;

/// What the conversation that a request goes on with had consumed; `None` when that is not on record.
pub(super) fn before(request: &Request) -> Option<Total> {
    let Some(thread) = request.session.known() else { return Some(Total::default()) };
    let name = request.transcript.file_name()?.to_str()?;
    let prefix = name.strip_suffix(&format!("{}.log", request.round))?;
    let oldest = request.round.0.saturating_sub(ROUNDS);
    (oldest..=request.round.0).rev().find_map(|round| {
        let log = request.transcript.with_file_name(format!("{prefix}{}.log", RoundNumber(round)));
        last_total(&log, thread)
    })
}

/// The last total of a thread in a transcript.
fn last_total(log: &Path, thread: &SessionId) -> Option<Total> {
    let mut file = File::open(log).ok()?;
    let mut lines = LineSplitter::new();
    let mut chunk = vec![0; 64 * 1024];
    let (mut current, mut total) = (false, None);
    let mut take = |line: &[u8]| {
        // Nearly all lines are about something else, and some are huge.
        let head = &line[..line.len().min(40)];
        let begins = memchr::memmem::find(head, b"\"thread.started\"").is_some();
        if !begins && memchr::memmem::find(head, b"\"turn.completed\"").is_none() {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else { return };
        if begins {
            current = line.thread_id.as_deref() == Some(thread.as_str());
        } else if current {
            total = line.usage.as_ref().and_then(Total::read).or(total);
        }
    };
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => lines.push(&chunk[..read], |line| take(line.bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    lines.finish(|line| take(line.bytes));
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::SessionPlan;
    use crate::event::{AttemptNumber, NodeId};

    fn request(dir: &Path, round: u64, session: SessionPlan) -> Request {
        Request {
            node: NodeId::root(),
            round: RoundNumber(round),
            attempt: AttemptNumber(1),
            system: None,
            user: String::new(),
            session,
            workspace: dir.to_owned(),
            transcript: dir.join(format!("root-{round}.log")),
            directory: dir.to_owned(),
            images: Vec::new(),
            terse: false,
            takes_cut: false,
            replay: Vec::new(),
        }
    }

    fn started(thread: &str) -> String {
        format!("{{\"type\":\"thread.started\",\"thread_id\":\"{thread}\"}}\n")
    }

    fn completed(input: u64) -> String {
        format!(
            "{{\"type\":\"turn.completed\",\"usage\":{{\"input_tokens\":{input},\"output_tokens\":1}}}}\n"
        )
    }

    #[test]
    fn the_last_word_on_a_thread_is_found_wherever_it_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let write = |round: u64, text: String| {
            let log = dir.path().join(format!("root-{round}.log"));
            crate::file::write_atomic(&log, text.as_bytes()).unwrap();
        };
        write(8, started("a") + &completed(10) + &started("b") + &completed(500));
        write(9, started("a") + "{\"type\":\"turn.failed\"}\n");
        write(10, "not JSON\n{\"type\":\"turn.completed\"\n".to_owned());
        let known =
            |round, id: &str| before(&request(dir.path(), round, SessionPlan::Continue(SessionId::new(id))));
        let total = |input: u64| Total::read(&serde_json::json!({"input_tokens": input, "output_tokens": 1}));
        assert_eq!(known(10, "a"), total(10));
        assert_eq!(known(10, "b"), total(500));
        assert_eq!(known(10, "c"), None);
        // A failed attempt of the same round stands in the same file.
        write(10, started("a") + &completed(30) + &started("a"));
        assert_eq!(known(10, "a"), total(30));
        let fork = SessionPlan::Fork { parent: SessionId::new("a"), id: SessionId::new("new") };
        assert_eq!(before(&request(dir.path(), 11, fork)), total(30));
        let fresh = SessionPlan::Fresh(SessionId::new("a"));
        assert_eq!(before(&request(dir.path(), 11, fresh)), Some(Total::default()));
        assert_eq!(known(10 + ROUNDS + 1, "a"), None);
    }
}
