//! How fast the disk and the memory of the control group grow. Pure: samples with the time that they were taken at.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Sample;

/// What the growth of memory is measured over.
const MEMORY_WINDOW: Duration = Duration::from_mins(1);
/// A window is cut into so many steps, of which each keeps one look.
const STEPS: u32 = 180;
/// Looks that are nearer to each other than this part of the window count as if they were so far apart: else one large file
/// in the first seconds would be taken for the growth of an hour.
const LEAST_PART: u32 = 6;

/// Looks back over a window of samples.
#[derive(Clone, Debug)]
pub struct Growth {
    disk: Series,
    inode: Series,
    group: Series,
    agent: Series,
}

impl Growth {
    /// Measures the disk over `window`, which is `settings.disk_growth_window`; memory always over a minute.
    pub fn new(window: Duration) -> Self {
        Self {
            disk: Series::new(window),
            inode: Series::new(window),
            group: Series::new(MEMORY_WINDOW),
            agent: Series::new(MEMORY_WINDOW),
        }
    }

    /// Takes a sample in that was taken `at` that time; later than all before it.
    pub fn push(&mut self, at: Instant, sample: &Sample) {
        self.disk.push(at, sample.disk_used_pct);
        self.inode.push(at, sample.inode_used_pct);
        self.group.push(at, sample.cgroup_mb.map(float));
        self.agent.push(at, sample.agent_rss_mb.map(float));
    }

    /// A round begins: memory is looked at from here on. The disk is the same as before.
    pub fn begin(&mut self) {
        self.group.points.clear();
        self.agent.points.clear();
    }

    /// Percent of the disk that it fills in an hour; negative when it empties.
    pub fn disk_pct_per_hour(&self) -> Option<f64> {
        self.disk.per_second().map(|rate| rate * 3600.0)
    }

    /// The same of its inodes.
    pub fn inode_pct_per_hour(&self) -> Option<f64> {
        self.inode.per_second().map(|rate| rate * 3600.0)
    }

    /// MiB that the control group grows by in a minute; the agent, where no control group is told of.
    pub fn memory_mb_per_min(&self) -> Option<f64> {
        self.group.per_second().or_else(|| self.agent.per_second()).map(|rate| rate * 60.0)
    }
}

/// One figure over a window, oldest first.
#[derive(Clone, Debug)]
struct Series {
    window: Duration,
    points: VecDeque<(Instant, f64)>,
    /// The last look, which need not be among the points.
    last: Option<(Instant, f64)>,
}

impl Series {
    fn new(window: Duration) -> Self {
        Self { window, points: VecDeque::new(), last: None }
    }

    /// A look that does not tell ends the series: growth over a gap would be a guess.
    fn push(&mut self, at: Instant, value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            self.points.clear();
            self.last = None;
            return;
        };
        self.last = Some((at, value));
        // One is kept, however old: looks may be further apart than the window is long.
        while self.points.len() > 1
            && self.points.front().is_some_and(|(then, _)| at.saturating_duration_since(*then) > self.window)
        {
            self.points.pop_front();
        }
        let step = self.window / STEPS;
        if self.points.back().is_none_or(|(then, _)| at.saturating_duration_since(*then) >= step) {
            self.points.push_back((at, value));
        }
    }

    /// Between the oldest look in the window and the last; absent until there are two.
    fn per_second(&self) -> Option<f64> {
        let ((then, from), (now, to)) = (*self.points.front()?, self.last?);
        let span = now.saturating_duration_since(then);
        (!span.is_zero()).then(|| (to - from) / span.max(self.window / LEAST_PART).as_secs_f64())
    }
}

#[expect(clippy::cast_precision_loss, reason = "MiB of one host")]
fn float(mib: u64) -> f64 {
    mib as f64
}

#[cfg(test)]
impl Growth {
    /// Looks that are kept.
    pub(super) fn kept(&self) -> usize {
        [&self.disk, &self.inode, &self.group, &self.agent]
            .into_iter()
            .map(|series| series.points.len())
            .sum()
    }
}
