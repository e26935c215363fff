//! `[stream] mode = "poll"`: the prompt is dispatched and detached, and nothing is held open while it is worked on.

use std::time::Duration;

use super::work::{Verdict, Work};

/// The first wait between two looks.
const FIRST: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST: Duration = Duration::from_secs(2);

/// Looks, at growing intervals, until the prompt has ended.
pub(super) async fn poll(work: &mut Work) -> Verdict {
    let mut wait = FIRST;
    loop {
        tokio::time::sleep(work.again().unwrap_or(wait)).await;
        if let Some(verdict) = work.look().await? {
            return verdict;
        }
        wait = (wait * 3 / 2).min(LONGEST);
    }
}
