//! What the kernel's files say. Pure over their texts: whatever a file holds, what cannot be read is absent.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// More than any file has that is read here, bytes.
const LONGEST: u64 = 256 * 1024;

/// The text of a file, or nothing where it cannot be read. A byte that is no UTF-8 spoils only its own place.
pub(super) fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::with_capacity(4096);
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// The number behind `name` in lines of `name 12`, `name: 12` or `name: 12 kB`, as `/proc/meminfo`, `/proc/vmstat` and
/// `memory.events` have them.
pub(super) fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = rest.strip_prefix(':').or_else(|| rest.starts_with([' ', '\t']).then_some(rest))?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    })
}

/// `avg10` of a line of `/proc/pressure/*`, percent; `which` is `some` or `full`.
pub(super) fn avg10(text: &str, which: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == which).then_some(())?;
        let share: f64 = words.next()?.strip_prefix("avg10=")?.parse().ok()?;
        // `parse` also takes words such as `nan` and `inf`.
        (0.0..=100.0).contains(&share).then_some(share)
    })
}

/// The load of the last minute in `/proc/loadavg`.
pub(super) fn load(text: &str) -> Option<f64> {
    let load: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    (load.is_finite() && load >= 0.0).then_some(load)
}

/// A limit of a control group, bytes; absent where it is `max`.
pub(super) fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The control group of version 2 in `/proc/PID/cgroup`, a path from the root of the hierarchy.
pub(super) fn group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// A process, as a line of `/proc/PID/stat` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Its parent.
    pub(super) parent: u32,
    /// When it began, in ticks since boot: tells it from a later one with the same id.
    pub(super) start: u64,
    /// Its resident memory, pages.
    pub(super) resident: u64,
}

/// Reads that line. The name may hold anything, a parenthesis too, so it ends at the last one.
pub(super) fn stat(text: &str) -> Option<Stat> {
    let (_, tail) = text.rsplit_once(") ")?;
    let mut fields = tail.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let start = fields.nth(17)?.parse().ok()?;
    let resident = fields.nth(1)?.parse().ok()?;
    Some(Stat { parent, start, resident })
}
