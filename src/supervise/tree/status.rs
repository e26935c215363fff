//! What is dirty: `git status --porcelain=v2 -z`, read as it comes.

use std::io::{BufRead, BufReader, Read};

/// How many names are listed.
const LISTED: usize = 20;
/// How long a listed name may be, characters.
const NAME: usize = 300;

/// What git sees of the work tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// The commit that it stands at; `None` before the first one.
    pub(super) head: Option<String>,
    /// Files that are changed, deleted or new, and submodules and repositories within.
    pub(super) files: u64,
    /// The first of them.
    pub(super) listed: Vec<String>,
    /// Paths with a conflict that nobody has resolved.
    pub(super) conflicts: Vec<String>,
    /// How many of `files` are submodules or repositories within: what changed in them is theirs.
    pub(super) within: u64,
    /// The first of those.
    pub(super) within_listed: Vec<String>,
}

impl Status {
    pub(super) fn is_clean(&self) -> bool {
        self.files == 0
    }

    /// Whether all that is dirty lies in repositories of its own.
    pub(super) fn is_within_only(&self) -> bool {
        self.files == self.within
    }

    /// Reads what `git status --porcelain=v2 -z --branch` prints.
    pub(super) fn read(pipe: impl Read) -> Self {
        let mut status = Self::default();
        let mut records = BufReader::new(pipe).split(0);
        while let Some(Ok(record)) = records.next() {
            if record.starts_with(b"2 ") {
                // The name before the renaming is a record of its own.
                let _ = records.next();
            }
            status.take(&record);
        }
        status
    }

    fn take(&mut self, record: &[u8]) {
        // Which field has the state of a submodule, and how many stand before the name.
        let (fields, kind) = match record.first() {
            Some(b'1') => (8, Kind::Changed),
            Some(b'2') => (9, Kind::Changed),
            Some(b'u') => (10, Kind::Conflict),
            Some(b'?') => (1, Kind::New),
            Some(b'#') => {
                let oid = record.strip_prefix(b"# branch.oid ").and_then(|oid| str::from_utf8(oid).ok());
                self.head = oid.filter(|oid| *oid != "(initial)").map(str::to_owned).or(self.head.take());
                return;
            }
            _ => return,
        };
        let mut parts = record.splitn(fields + 1, |byte| *byte == b' ');
        let submodule = parts.nth(2).is_some_and(|state| state.starts_with(b"S")) && kind == Kind::Changed;
        let Some(path) = record.splitn(fields + 1, |byte| *byte == b' ').nth(fields) else { return };
        let name = shown(path);
        self.files += 1;
        // Untracked directories are listed by their files, except those that are repositories.
        if submodule || (kind == Kind::New && path.ends_with(b"/")) {
            self.within += 1;
            list(&mut self.within_listed, &name);
        }
        if kind == Kind::Conflict {
            list(&mut self.conflicts, &name);
        }
        list(&mut self.listed, &name);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Changed,
    Conflict,
    New,
}

fn list(names: &mut Vec<String>, name: &str) {
    if names.len() < LISTED {
        names.push(name.to_owned());
    }
}

/// A name as it can be shown: what is no text, and what would break a line, is escaped.
fn shown(path: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut name = String::new();
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() { name.extend(c.escape_default()) } else { name.push(c) }
        }
        for byte in chunk.invalid() {
            let _ = write!(name, "\\x{byte:02x}");
        }
    }
    if name.chars().count() > NAME {
        name = name.chars().take(NAME).chain(['…']).collect();
    }
    name
}

/// `a, b, c and 4 more`
pub(super) fn enumerate(names: &[String], all: u64) -> String {
    let first = names.iter().take(3).map(String::as_str).collect::<Vec<_>>();
    let more = all.saturating_sub(first.len() as u64);
    let listed = first.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_record_is_read() {
        let oid = "4b2fd067bdbda49c64db16ea0783a3b8eddae824";
        let modes = "100644 100644 100644";
        let text = [
            format!("# branch.oid {oid}"),
            "# branch.head main".to_owned(),
            format!("1 .M N... {modes} {oid} {oid} a file with spaces"),
            format!("2 R. N... {modes} {oid} {oid} R100 new name"),
            "? an old name that looks like a record".to_owned(),
            format!("1 .M S.M. 160000 160000 160000 {oid} {oid} sub"),
            format!("u UU N... {modes} 100644 {oid} {oid} {oid} both"),
            "? nested/".to_owned(),
            "? line\nbreak".to_owned(),
        ];
        let mut bytes = text.join("\0").into_bytes();
        bytes.extend_from_slice(b"\0? \xff\xfe.bin\0");
        let status = Status::read(&bytes[..]);
        assert_eq!(status.head.as_deref(), Some(oid));
        assert_eq!(
            status.listed,
            ["a file with spaces", "new name", "sub", "both", "nested/", "line\\nbreak", "\\xff\\xfe.bin"]
        );
        assert_eq!((status.files, status.within), (7, 2));
        assert_eq!(status.within_listed, ["sub", "nested/"]);
        assert_eq!(status.conflicts, ["both"]);
    }

    #[test]
    fn a_repository_without_a_commit_has_no_head() {
        let status = Status::read(&b"# branch.oid (initial)\0# branch.head main\0"[..]);
        assert!(status.head.is_none() && status.is_clean());
    }

    #[test]
    fn a_flood_of_names_is_counted_and_not_kept() {
        let bytes: Vec<u8> = (0..5000).flat_map(|number| format!("? f{number}\0").into_bytes()).collect();
        let status = Status::read(&bytes[..]);
        assert_eq!((status.files, status.listed.len()), (5000, LISTED));
        assert_eq!(enumerate(&status.listed, status.files), "f0, f1, f2 and 4997 more");
    }
}
