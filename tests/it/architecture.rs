//! The house stands as it is drawn: the arrows between rooms, the size of files, and their names.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Which rooms a room may use. The map in `src/lib.rs` shows the same.
const ARROWS: [(&str, &[&str]); 17] = [
    (
        "cli",
        &[
            "certify",
            "improve",
            "persona",
            "supervise",
            "suite",
            "engine",
            "backend",
            "report",
            "journal",
            "profile",
            "event",
            "fault",
            "stats",
        ],
    ),
    ("certify", &["suite", "engine", "stats", "persona", "profile", "event"]),
    ("improve", &["suite", "engine", "stats", "persona", "profile", "event"]),
    ("persona", &["suite", "engine", "profile", "event"]),
    // Cases, scores and cells, for every verb that measures.
    ("suite", &["engine", "backend", "profile", "event", "stats", "file", "text"]),
    ("supervise", &["engine", "process", "profile", "fault", "event"]),
    ("engine", &["backend", "profile", "fault", "event"]),
    ("backend", &["process", "profile", "fault", "event", "file"]),
    ("report", &["event", "file", "text"]),
    ("journal", &["event", "file"]),
    ("profile", &["fault", "stats", "text"]),
    // Leaves. Two of them speak of ids and failures, which are vocabulary.
    ("fault", &["event"]),
    ("process", &["event"]),
    ("event", &[]),
    ("stats", &[]),
    ("file", &[]),
    ("text", &[]),
];

/// A file of `src/`.
struct Source {
    /// Its path below `src/`.
    path: PathBuf,
    /// As it stands.
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
    }

    /// The room, and how many modules deep below it the file is; `None` for `main.rs` and `lib.rs`.
    fn place(&self) -> Option<(&str, usize)> {
        let parts: Vec<&str> = self.path.iter().filter_map(|part| part.to_str()).collect();
        let (room, below) = parts.split_first()?;
        let (file, _) = below.split_last()?;
        Some((room, below.len() - usize::from(*file == "mod.rs")))
    }

    /// The code that ships: without comments and without what only tests compile.
    fn code(&self) -> String {
        let mut code = String::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if line.trim() == "#[cfg(test)]" {
                let indent = &line[..line.len() - line.trim_start().len()];
                let closing = format!("{indent}}}");
                if lines.next().is_some_and(|item| item.trim_end().ends_with('{')) {
                    lines.by_ref().find(|line| *line == closing);
                }
            } else if !line.trim_start().starts_with("//") {
                // A comment behind code may name any room.
                code.push_str(line.split(" // ").next().unwrap_or(line));
                code.push('\n');
            }
        }
        code
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    paths.sort();
    let read = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(&src).unwrap().to_owned(),
    };
    paths.into_iter().map(read).collect()
}

/// The first segments of every path that starts with `crate::`, groups in braces included.
fn rooms_used(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut rooms = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        // `$crate::` and the like are paths too; a longer word that ends so is not.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + start.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            rooms.insert(word(rest));
            continue;
        };
        let mut depth = 0_usize;
        let mut segment = 0;
        for (end, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    rooms.insert(word(&group[segment..end]));
                    segment = end + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    rooms.remove("");
    rooms
}

/// The longest chain of `super::`.
fn supers(code: &str) -> usize {
    let chain = |rest: &str| {
        let mut rest = rest;
        let mut length = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            rest = next;
            length += 1;
        }
        length
    };
    code.match_indices("super::").map(|(at, _)| chain(&code[at..])).max().unwrap_or(0)
}

#[test]
fn a_room_uses_only_what_stands_below_it() {
    let mut wrong = String::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let Some((room, depth)) = source.place() else { continue };
        let path = source.path.display();
        let code = source.code();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            let _ = writeln!(wrong, "src/{path}: the room `{room}` is not on the map");
            continue;
        };
        for used in rooms_used(&code).iter().filter(|used| *used != room && !allowed.contains(&used.as_str()))
        {
            let _ = writeln!(wrong, "src/{path}: `{room}` may not use `{used}`");
        }
        if supers(&code) > depth {
            let _ = writeln!(wrong, "src/{path}: leaves the room by `super::`; write `crate::`");
        }
    }
    assert!(wrong.is_empty(), "arrows that are not on the map of `src/lib.rs`:\n{wrong}");
}

#[test]
fn the_map_has_no_circle() {
    for (place, (room, uses)) in ARROWS.iter().enumerate() {
        for used in *uses {
            let other = ARROWS.iter().position(|(name, _)| name == used);
            let other = other.unwrap_or_else(|| panic!("`{used}`, which `{room}` uses, has no row"));
            let leaf = uses.len() == 1 && *used == "event";
            assert!(other > place || leaf, "`{used}` stands above `{room}`, which uses it");
        }
    }
}

#[test]
fn paths_are_found_in_every_form() {
    let code = "use crate::event::{Kind, Seq};\nuse crate::{fault::{self, Facts}, file};\nlet x = crate::text::size(1);";
    let rooms: Vec<String> = rooms_used(code).into_iter().collect();
    assert_eq!(rooms, ["event", "fault", "file", "text"]);
    assert_eq!(supers("use super::super::x;\nuse super::y;"), 2);
    let source = Source {
        path: PathBuf::from("event/x.rs"),
        text: "a // crate::cli\n//! crate::engine\n#[cfg(test)]\nmod tests {\n    use crate::fault;\n}\nuse crate::file;\n"
            .to_owned(),
    };
    assert_eq!(rooms_used(&source.code()).into_iter().collect::<Vec<_>>(), ["file"]);
    assert_eq!(source.place(), Some(("event", 1)));
}

#[test]
fn files_stay_small() {
    let sources = sources();
    let mut lengths = Vec::new();
    for source in &sources {
        let length = source.text.lines().count();
        assert!(length <= 600, "src/{} has {length} lines: split it", source.path.display());
        if !source.is_test() {
            lengths.push(length);
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median < 150, "half of the files of src/ have {median} lines or more");
}

#[test]
fn every_room_names_its_invariant() {
    for source in sources() {
        let Some((room, 0)) = source.place() else { continue };
        let header: String = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(!header.is_empty(), "src/{room}/mod.rs has no header");
        assert!(header.contains("**Invariant: "), "the header of src/{room}/mod.rs names no invariant");
    }
}

#[test]
fn names_say_what_a_file_does() {
    for source in sources() {
        let path = source.path.to_string_lossy().into_owned();
        for vague in ["utils", "util.", "helper", "manager", "misc", "common"] {
            assert!(!path.contains(vague), "src/{path}: `{vague}` says nothing");
        }
    }
}

#[test]
fn no_test_is_forgotten() {
    let it = root().join("tests/it");
    let main = std::fs::read_to_string(it.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&it).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_module = path.join("mod.rs").exists() || path.extension().is_some_and(|e| e == "rs");
        if is_module && name != "main" {
            let declared = main.lines().any(|line| line.trim() == format!("mod {name};"));
            assert!(declared, "tests/it/{name} is not compiled: declare it in tests/it/main.rs");
        }
    }
}
