//! One digest of the contents of the files that `supervise.fingerprint` lists.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use sha2::Digest as _;

use crate::event::Sha256;

/// Whoever takes it has given up; asked between files and between blocks.
pub(super) type GivenUp = AtomicBool;

/// The digest over the sorted lines `path NUL sha256-of-content` of all files below `workspace` that one of `globs`
/// matches; a symbolic link stands for the text that it holds. `*` stops at a slash, `**` does not. `.git` is left out.
/// `None` where a glob cannot be read, or when it was given up.
pub(super) fn take(workspace: &Path, globs: &[String], given_up: &GivenUp) -> Option<Sha256> {
    let mut set = GlobSetBuilder::new();
    let mut starts: Vec<PathBuf> = Vec::new();
    for glob in globs {
        let glob = glob.trim_start_matches("./");
        set.add(GlobBuilder::new(glob).literal_separator(true).build().ok()?);
        starts.push(start(glob)?);
    }
    let set = set.build().ok()?;
    // A directory below another one is walked with it.
    starts.sort();
    starts.dedup_by(|later, earlier| later.starts_with(earlier));
    let mut lines = Vec::new();
    for start in starts {
        walk(workspace, &start, &set, given_up, &mut lines)?;
    }
    lines.sort();
    let mut listing = Vec::new();
    for (path, content) in lines {
        listing.extend_from_slice(path.as_os_str().as_bytes());
        listing.extend_from_slice(format!("\0{content}\n").as_bytes());
    }
    Some(Sha256::of(&listing))
}

/// The directory, or the file, that all matches of a glob lie at or below; `None` for one that leaves the workspace.
fn start(glob: &str) -> Option<PathBuf> {
    let mut start = PathBuf::new();
    for part in Path::new(glob).components() {
        let Component::Normal(name) = part else { return None };
        if name.to_string_lossy().contains(['*', '?', '[', '{', '\\']) {
            break;
        }
        start.push(name);
    }
    Some(start)
}

fn walk(
    workspace: &Path,
    path: &Path,
    set: &GlobSet,
    given_up: &GivenUp,
    lines: &mut Vec<(PathBuf, Sha256)>,
) -> Option<()> {
    if given_up.load(Ordering::Relaxed) {
        return None;
    }
    let place = workspace.join(path);
    // What vanishes while it is looked at is not there.
    let Ok(kind) = fs::symlink_metadata(&place).map(|facts| facts.file_type()) else { return Some(()) };
    if kind.is_dir() {
        let Ok(entries) = fs::read_dir(&place) else { return Some(()) };
        for entry in entries.flatten().filter(|entry| entry.file_name() != ".git") {
            walk(workspace, &path.join(entry.file_name()), set, given_up, lines)?;
        }
    } else if set.is_match(path) {
        let content = if kind.is_symlink() {
            fs::read_link(&place).ok().map(|to| Sha256::of(to.as_os_str().as_bytes()))
        } else if kind.is_file() {
            content(&place, given_up)
        } else {
            None
        };
        lines.extend(content.map(|content| (path.to_owned(), content)));
    }
    Some(())
}

/// The digest of a file, block by block: it may be larger than our memory.
fn content(path: &Path, given_up: &GivenUp) -> Option<Sha256> {
    use std::fmt::Write as _;
    let mut file = File::open(path).ok()?;
    let mut digest = sha2::Sha256::new();
    let mut block = vec![0; 64 * 1024];
    loop {
        match file.read(&mut block) {
            Ok(0) => break,
            Ok(read) => digest.update(&block[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        if given_up.load(Ordering::Relaxed) {
            return None;
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in digest.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    Sha256::parse(&hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dir: &Path, globs: &[&str]) -> Option<Sha256> {
        let globs: Vec<String> = globs.iter().map(|&glob| glob.to_owned()).collect();
        take(dir, &globs, &AtomicBool::new(false))
    }

    fn put(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::file::write_atomic(&path, text.as_bytes()).unwrap();
    }

    #[test]
    fn it_changes_with_contents_and_names_and_with_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        put(dir, "src/a.rs", "one");
        put(dir, "src/deep/b.rs", "two");
        put(dir, "notes.txt", "x");
        let globs = ["src/**/*.rs", "src/*.rs", "Cargo.lock"];
        let first = of(dir, &globs).unwrap();
        put(dir, "notes.txt", "y");
        put(dir, ".git/src/a.rs", "z");
        assert_eq!(of(dir, &globs), Some(first.clone()), "what is not listed says nothing");
        put(dir, "src/deep/b.rs", "three");
        let second = of(dir, &globs).unwrap();
        assert_ne!(first, second);
        fs::rename(dir.join("src/deep/b.rs"), dir.join("src/deep/c.rs")).unwrap();
        assert_ne!(of(dir, &globs).unwrap(), second, "a name is part of it");
        put(dir, "Cargo.lock", "");
        assert_ne!(of(dir, &globs), of(dir, &globs[..2]), "a file named as such is found");
    }

    #[test]
    fn it_is_what_sha256sum_and_sort_would_make_of_it() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "b", "2");
        put(dir.path(), "a", "1");
        let lines = format!("a\0{}\nb\0{}\n", Sha256::of(b"1"), Sha256::of(b"2"));
        assert_eq!(of(dir.path(), &["*"]), Some(Sha256::of(lines.as_bytes())));
        assert_eq!(of(dir.path(), &["b", "a"]), Some(Sha256::of(lines.as_bytes())));
    }

    #[test]
    fn a_glob_that_leaves_the_workspace_and_a_look_that_was_given_up_say_nothing() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "a", "1");
        assert_eq!(of(dir.path(), &["../a"]), None);
        assert_eq!(of(dir.path(), &["/etc/*"]), None);
        assert_eq!(of(dir.path(), &["a["]), None);
        assert_eq!(take(dir.path(), &["a".to_owned()], &AtomicBool::new(true)), None);
    }

    #[test]
    fn a_link_stands_for_its_text_and_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("loop")).unwrap();
        let line = format!("loop\0{}\n", Sha256::of(b"."));
        assert_eq!(of(dir.path(), &["**"]), Some(Sha256::of(line.as_bytes())));
    }
}
