//! `[stream] mode = "sse"`: the event stream is followed, and what a cut took away is fetched.
//!
//! **Invariant: a stream that dies is never a result.** It is noticed by its end or by its silence, opened again, and the
//! gap filled from the messages; where that cannot be done, the attempt fails as `transport`.

use std::time::{Duration, Instant};

use super::api::ApiError;
use super::stream::Stream;
use super::work::{Verdict, Work};
use crate::backend::Report;
use crate::event::{AlertRaised, Failure, FaultClass, Severity};

/// So many tries to open the stream again, each after twice the wait of the one before.
const TRIES: u32 = 6;
/// The first wait.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How often a session is looked at on which the stream says nothing.
const SAFETY: Duration = Duration::from_secs(30);

/// Follows the stream until the prompt has ended.
pub(super) async fn follow(work: &mut Work, mut stream: Stream) -> Verdict {
    let mut looked = Instant::now();
    let api = std::sync::Arc::clone(&work.api);
    loop {
        let wait = work.again().unwrap_or(SAFETY);
        let heard = tokio::select! {
            heard = stream.next(&api) => Some(heard),
            () = tokio::time::sleep(wait) => None,
        };
        let look = match heard {
            None => true,
            Some(Ok(heard)) => work.take(heard).await?,
            Some(Err(why)) => {
                stream = reopen(work, &why).await?;
                true
            }
        };
        if look || looked.elapsed() >= wait {
            looked = Instant::now();
            if let Some(verdict) = work.look().await? {
                return verdict;
            }
        }
    }
}

/// Opens the stream again, after ever longer waits.
async fn reopen(work: &mut Work, why: &str) -> Result<Stream, Failure> {
    if work.patch() {
        let alert = AlertRaised {
            alert: "event-stream".to_owned(),
            severity: Severity::Notice,
            message: format!("{why}; it is opened again and what it missed is fetched"),
        };
        let _ = work.link.tell(Report::Alert(alert)).await;
    }
    let mut last = None;
    for attempt in 0..TRIES {
        tokio::time::sleep(FIRST_WAIT * 2_u32.pow(attempt)).await;
        match Stream::open(&work.api).await {
            Ok(stream) => return Ok(stream),
            Err(error @ ApiError::Refused { status: ..500, .. }) => {
                return Err(error.failure(work.fold.emitted()));
            }
            Err(error) => last = Some(error),
        }
    }
    let last = last.map_or_else(String::new, |error| format!(": {error}"));
    let text = format!("{why}, and it could not be opened again in {TRIES} tries{last}");
    Err(Failure { emitted_output: work.fold.emitted(), ..Failure::ours(FaultClass::Transport, text) })
}
