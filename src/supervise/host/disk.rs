//! How full the disk is, and whether that is too full.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::Sample;
use crate::profile::Host;

/// What a full disk means for a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// Nothing; also when nothing is told.
    Fine,
    /// It is nearly full; in words.
    Warning(String),
    /// It is full in all but name: no round may begin; in words.
    Critical(String),
}

/// How the disk is by the limits of the profile. Blocks and inodes count alike: a disk without either takes no file.
pub fn disk_state(settings: &Host, now: &Sample) -> DiskState {
    let worst = [(now.disk_used_pct, "the disk is"), (now.inode_used_pct, "the inodes of the disk are")]
        .into_iter()
        .filter_map(|(used, what)| Some((used?, what)))
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match worst {
        Some((used, what)) if used >= settings.disk_critical_pct => DiskState::Critical(format!(
            "{what} {used:.1} % used, critical from {} %: free some space",
            settings.disk_critical_pct
        )),
        Some((used, what)) if used >= settings.disk_warning_pct => DiskState::Warning(format!(
            "{what} {used:.1} % used, a warning from {} %",
            settings.disk_warning_pct
        )),
        _ => DiskState::Fine,
    }
}

/// Percent of the blocks and of the inodes that are used, of the file system that `path` lies in.
pub(super) fn used(path: &Path) -> (Option<f64>, Option<f64>) {
    let Ok(found) = statvfs(path) else { return (None, None) };
    let blocks = [found.blocks(), found.blocks_free(), found.blocks_available()].map(wide);
    let inodes = [found.files(), found.files_free(), found.files_available()].map(wide);
    (percent(blocks), percent(inodes))
}

/// The counts have another width on each system.
fn wide(count: impl Into<u64>) -> u64 {
    count.into()
}

/// Percent in use, of `[all, free, free for us]`, as `df` counts it: of what is in use and what we can have. Absent where
/// there is none at all, as of the inodes of a file system that makes them as it needs them.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
pub(super) fn percent([all, free, ours]: [u64; 3]) -> Option<f64> {
    let used = all.checked_sub(free)?;
    let whole = used.checked_add(ours.min(free))?;
    (all > 0 && whole > 0).then(|| used as f64 * 100.0 / whole as f64)
}
