//! `[stream] mode = "poll"`: the prompt is dispatched and detached, and nothing is held open while it is worked on.

use std::time::Duration;

use super::work::{Verdict, Work};
use crate::backend::Report;

/// The first wait between two looks.
const FIRST: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST: Duration = Duration::from_secs(2);

/// How often a sign of life is given while the server's last word was that it works.
const PULSE: Duration = Duration::from_millis(400);

/// Looks, at growing intervals, until the prompt has ended.
pub(super) async fn poll(work: &mut Work) -> Verdict {
    let mut wait = FIRST;
    loop {
        let pulse = work.pulse();
        let pause = work.again().unwrap_or(wait);
        let look = async {
            tokio::time::sleep(pause).await;
            work.look().await
        };
        let mut look = std::pin::pin!(look);
        let found = loop {
            tokio::select! {
                found = &mut look => break found?,
                // A quiet turn is no stall, and neither is an answer of the server that takes long: both are bounded.
                () = tokio::time::sleep(PULSE), if pulse.is_some() => {
                    if let Some((link, bytes)) = &pulse {
                        let _ = link.tell(Report::Transcript(*bytes)).await;
                    }
                }
            }
        };
        if let Some(verdict) = found {
            return verdict;
        }
        wait = (wait * 3 / 2).min(LONGEST);
    }
}
