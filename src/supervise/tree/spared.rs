//! What is never stashed nor committed: the files that provost itself owns, where they lie in the work tree.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use super::git::Call;
use super::{Tree, TreeError};

/// Paths that are spared, relative to the top of the work tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spared(Vec<PathBuf>);

/// The work tree lies within what is spared, so that nothing of it may be touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Covered(pub(super) PathBuf);

impl Spared {
    /// Those of `paths` that lie in the work tree whose top is `top`. A path that is a link counts at both of its ends, and
    /// one that is not there yet counts too.
    ///
    /// A directory of ours that lies around the work tree is no obstacle: that is where our own work trees are.
    pub(super) fn new(top: &Path, workspace: &Path, paths: &[PathBuf]) -> Result<Self, Covered> {
        let top = resolved(top);
        let mut within = Vec::new();
        for path in paths {
            let path = workspace.join(path);
            let in_place = match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => resolved(parent).join(name),
                _ => resolved(&path),
            };
            for place in [in_place, resolved(&path)] {
                match place.strip_prefix(&top) {
                    Ok(rest) if rest.as_os_str().is_empty() => return Err(Covered(path)),
                    Ok(rest) if !within.iter().any(|known| known == rest) => within.push(rest.to_owned()),
                    _ => {}
                }
            }
        }
        Ok(Self(within))
    }

    /// The pathspecs of these.
    pub(super) fn paths(&self) -> Vec<OsString> {
        let spec = |path: &PathBuf| {
            let mut spec = OsString::from(":(top,literal)");
            spec.push(path);
            spec
        };
        self.0.iter().map(spec).collect()
    }

    /// The pathspecs of everything but these; none where there are none.
    pub(super) fn pathspecs(&self) -> Vec<OsString> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut specs: Vec<OsString> = vec!["--".into(), ":/".into()];
        for path in &self.0 {
            let mut spec = OsString::from(":(top,exclude,literal)");
            spec.push(path);
            specs.push(spec);
        }
        specs
    }
}

impl Tree {
    /// Those that git does not ignore anyhow: it refuses to be told to leave alone what it would never take.
    pub(super) async fn not_ignored(&self, spared: &Spared, top: &Path) -> Result<Spared, TreeError> {
        if spared.0.is_empty() {
            return Ok(Spared::default());
        }
        let top = resolved(top);
        let mut asked = Vec::new();
        for path in &spared.0 {
            asked.extend_from_slice(top.join(path).as_os_str().as_bytes());
            asked.push(0);
        }
        let call = Call::look(self.bounds.look, ["check-ignore", "-z", "--stdin"]).reading(asked);
        let answer = self.git(call).await?;
        // 1 says that none of them is ignored.
        if !matches!(answer.exit.code, Some(0 | 1)) {
            return Err(super::git::refused("git check-ignore".to_owned(), &answer));
        }
        let ignored: Vec<&OsStr> = answer.read.split(|byte| *byte == 0).map(OsStr::from_bytes).collect();
        let is_ignored = |path: &PathBuf| ignored.contains(&top.join(path).as_os_str());
        Ok(Spared(spared.0.iter().filter(|path| !is_ignored(path)).cloned().collect()))
    }

    /// The top of the work tree.
    pub(super) async fn top(&self) -> Result<&Path, TreeError> {
        let top = self.top.get_or_try_init(|| async {
            self.git_well(Call::look(self.bounds.head, ["rev-parse", "--show-toplevel"])).await.map(path_of)
        });
        top.await.map(PathBuf::as_path)
    }
}

/// A path that git has printed as a line of its own.
pub(super) fn path_of(mut line: Vec<u8>) -> PathBuf {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    PathBuf::from(OsString::from_vec(line))
}

/// Without links, as far as the path is there.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => resolved(parent).join(name),
        (Some(parent), Some(Component::CurDir)) => resolved(parent),
        (Some(parent), Some(Component::ParentDir)) => {
            let parent = resolved(parent);
            parent.parent().map_or_else(|| parent.clone(), Path::to_owned)
        }
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_found_in_the_tree_also_behind_links_and_before_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("real/root")).unwrap();
        std::os::unix::fs::symlink(top.join("real/root"), top.join("link")).unwrap();
        let work = top.join("real");
        let paths = ["root", "../link", "STOP", "not/there/yet", "/elsewhere"].map(PathBuf::from);
        let spared = Spared::new(&top, &work, &paths).unwrap();
        let names = ["real/root", "link", "real/STOP", "real/not/there/yet"].map(PathBuf::from);
        assert_eq!(spared.0, names);
        assert_eq!(spared.pathspecs()[..3], ["--", ":/", ":(top,exclude,literal)real/root"]);
    }

    #[test]
    fn a_work_tree_that_is_ours_itself_is_told_and_one_below_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        assert!(Spared::new(top, top, &[PathBuf::from(".")]).is_err());
        let below = top.join("trees/one");
        assert_eq!(Spared::new(&below, &below, &[top.to_owned()]), Ok(Spared::default()));
        assert_eq!(Spared::default().pathspecs(), Vec::<OsString>::new());
    }
}
