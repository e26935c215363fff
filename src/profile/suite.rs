//! The way of a suite: the same layers as a profile's, with `suite.toml` as the lowest.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize as _;

mod check;
mod options;

pub use options::OPTIONS as SCORE_OPTIONS;

use super::diagnostic::ProfileError;
use super::load::{FileKind, Source, Stack, merge};
use super::tree::{Node, Value};
use super::{Suite, paths};

/// The lowest layer.
pub(super) const DEFAULTS: &str = include_str!("suite.toml");

/// Tables of the defaults that only take part when a layer above has them: a suite without a gate only measures.
const ONLY_WHEN_PRESENT: [&str; 1] = ["gate"];

/// First words of a key that only a suite has. `budget` is the profile's; `suite.budget` is the suite's.
const OWN_TABLES: [&str; 6] = ["cases", "split", "trials", "score", "treatments", "gate"];

/// In front of a key it always means the suite.
const PREFIX: &str = "suite";

/// A resolved suite and where it came from.
#[derive(Clone, Debug)]
pub struct LoadedSuite {
    /// The one immutable value; its paths are absolute where `cwd` was.
    pub suite: Arc<Suite>,
    /// The files that were read, the one that wins last.
    pub files: Vec<PathBuf>,
    /// Where the suite's file lies.
    pub dir: PathBuf,
}

/// Reads a suite, lays its layers over each other, and checks the result. The cases themselves are not read.
///
/// # Errors
///
/// Everything that is wrong, each with its place and a remedy.
pub fn load_suite(source: Source<'_>) -> Result<LoadedSuite, ProfileError> {
    let Stack { layers, nodes, files, own, path, .. } = Stack::of(source, FileKind::Suite)?;
    let tree = merge(nodes, &ONLY_WHEN_PRESENT);
    let fail = |problems| ProfileError::new(problems, &layers);
    let mut suite = Suite::deserialize(&tree)
        .map_err(|mismatch| fail(vec![mismatch.diagnostic(own, FileKind::Suite.word())]))?;
    let mut problems = check::check(&suite, &tree, own);
    problems.extend(paths::resolve_suite(&mut suite, &tree, &layers));
    if !problems.is_empty() {
        return Err(fail(problems));
    }
    let dir = path.parent().unwrap_or(source.cwd).to_path_buf();
    Ok(LoadedSuite { suite: Arc::new(suite), files, dir })
}

/// Whether a `--set` word, or its key alone, is about the suite and not about a profile.
pub fn is_suite_key(set: &str) -> bool {
    let key = set.split('=').next().unwrap_or_default();
    let first = key.split(['.', '[']).next().unwrap_or_default().trim();
    first == PREFIX || OWN_TABLES.contains(&first)
}

/// What is said of the suite by a key that begins with `suite.`.
pub(super) fn without_prefix(node: Node) -> Node {
    match node.value {
        Value::Table(mut table) if table.len() == 1 && table.contains_key(PREFIX) => {
            match table.remove(PREFIX) {
                Some(entry) => entry.node,
                None => Node { value: Value::Table(table), origin: node.origin },
            }
        }
        value => Node { value, origin: node.origin },
    }
}
