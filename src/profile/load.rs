//! Layers in, one profile out.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::diagnostic::{Diagnostic, ProfileError};
use super::layer::{self, Layer};
use super::tree::{Node, Origin, Table, Value};
use super::{Profile, check, paths, phase};

/// The lowest layer.
pub(super) const DEFAULTS: &str = include_str!("default.toml");

/// Tables of the defaults that only take part when a layer above has them: their presence means something.
const ONLY_WHEN_PRESENT: [&str; 2] = ["check", "supervise"];

/// What a profile is made of.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The profile's file, relative to `cwd`.
    pub path: &'a Path,
    /// `a.b=v`, in order; the last wins.
    pub sets: &'a [String],
    /// Where the caller stands; absolute.
    pub cwd: &'a Path,
}

/// A resolved profile and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The one immutable value; its paths are absolute, except `workspace.dir`.
    pub profile: Arc<Profile>,
    /// The files that were read, the one that wins last.
    pub files: Vec<PathBuf>,
    /// Where the profile's file lies.
    pub dir: PathBuf,
}

/// Reads a profile, lays its layers over each other, and checks the result.
///
/// # Errors
///
/// Everything that is wrong, each with its place and a remedy.
pub fn load(source: Source<'_>) -> Result<Loaded, ProfileError> {
    load_with(source, &ONLY_WHEN_PRESENT)
}

/// The same for `provost supervise`: the profile's `supervise` is there, with the defaults where no file has it.
///
/// # Errors
///
/// Everything that is wrong, each with its place and a remedy.
pub fn load_supervised(source: Source<'_>) -> Result<Loaded, ProfileError> {
    load_with(source, &["check"])
}

/// `dropped` are the tables of the defaults that only take part when a layer above has them.
fn load_with(source: Source<'_>, dropped: &[&str]) -> Result<Loaded, ProfileError> {
    let Stack { layers, nodes, files, own, path, .. } = Stack::of(source, FileKind::Profile)?;
    let tree = merge(nodes, dropped);
    let fail = |problems| ProfileError::new(problems, &layers);
    let read = |tree: &Node| {
        Profile::deserialize(tree)
            .map_err(|mismatch| fail(vec![mismatch.diagnostic(own, FileKind::Profile.word())]))
    };
    let (mut profile, tree) = if phase::has_phases(&tree) {
        // First without them: what is wrong with the profile itself is not wrong with each phase.
        read(&phase::without_phases(&tree))?;
        let whole = phase::whole(&tree);
        (read(&whole)?, whole)
    } else {
        (read(&tree)?, tree)
    };
    let mut problems = check::check(&profile, &tree, own);
    problems.extend(paths::resolve(&mut profile, &tree, &layers, &path));
    if !problems.is_empty() {
        return Err(fail(problems));
    }
    let dir = path.parent().unwrap_or(source.cwd).to_path_buf();
    Ok(Loaded { profile: Arc::new(profile), files, dir })
}

/// Reads a resolved profile back from a manifest.
///
/// # Errors
///
/// When it is not a profile of this version.
pub fn from_manifest(json: serde_json::Value) -> Result<Profile, serde_json::Error> {
    serde_json::from_value(json)
}

/// What kind of file a stack of layers makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Profile,
    Suite,
}

impl FileKind {
    /// What messages call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Suite => "suite",
        }
    }

    fn defaults(self) -> &'static str {
        match self {
            Self::Profile => DEFAULTS,
            Self::Suite => super::suite::DEFAULTS,
        }
    }
}

/// Lays the layers over each other. `dropped` are the tables of the defaults that only take part when a layer above has
/// them.
pub(super) fn merge(nodes: Vec<Node>, dropped: &[&str]) -> Node {
    let mut above: Option<Node> = None;
    let mut nodes = nodes.into_iter();
    let defaults = nodes.next();
    for node in nodes {
        match &mut above {
            Some(below) => below.merge(node),
            None => above = Some(node),
        }
    }
    let empty = || Node { value: Value::Table(Table::default()), origin: Origin { layer: 0, span: 0..0 } };
    let above = above.unwrap_or_else(empty);
    let mut tree = defaults.unwrap_or_else(empty);
    if let Value::Table(table) = &mut tree.value {
        table.retain(|key, _| !dropped.contains(&key.as_str()) || above.entry(key).is_some());
    }
    tree.merge(above);
    // Followed by now; a resolved profile stands for itself.
    if let Value::Table(table) = &mut tree.value {
        table.remove("extends");
    }
    tree
}

/// The layers of a file, the lowest first, and what each says.
pub(super) struct Stack<'a> {
    kind: FileKind,
    cwd: &'a Path,
    pub(super) layers: Vec<Layer>,
    pub(super) nodes: Vec<Node>,
    /// The files that were read, the one that wins last.
    pub(super) files: Vec<PathBuf>,
    /// The layer of the file itself, blamed for what is missing.
    pub(super) own: usize,
    /// The file itself.
    pub(super) path: PathBuf,
    problems: Vec<Diagnostic>,
}

impl<'a> Stack<'a> {
    /// Reads all layers.
    pub(super) fn of(source: Source<'a>, kind: FileKind) -> Result<Self, ProfileError> {
        let path = source.cwd.join(source.path);
        let mut stack = Stack {
            kind,
            cwd: source.cwd,
            layers: Vec::new(),
            nodes: Vec::new(),
            files: Vec::new(),
            own: 0,
            path,
            problems: Vec::new(),
        };
        stack.push_defaults();
        stack.push_chain(&stack.path.clone())?;
        stack.own = stack.layers.len() - 1;
        stack.push_sets(source.sets);
        if stack.problems.is_empty() {
            Ok(stack)
        } else {
            Err(ProfileError::new(stack.problems, &stack.layers))
        }
    }

    fn push_defaults(&mut self) {
        self.push(Layer {
            name: "built-in defaults".to_owned(),
            text: self.kind.defaults().to_owned(),
            base: self.cwd.to_path_buf(),
        });
    }

    /// Adds a layer and what it says. Whether it could be read.
    fn push(&mut self, layer: Layer) -> bool {
        let parsed = layer::parse(&layer.text, self.layers.len());
        self.layers.push(layer);
        match parsed {
            Ok(node) => self.nodes.push(node),
            Err(problem) => {
                self.problems.push(problem);
                return false;
            }
        }
        true
    }

    /// Reads a profile and what it extends, and puts the lowest first.
    ///
    /// The chain is walked upwards from the profile, so its layers are numbered only once it is known whole; a mistake
    /// on the way is told with the layers so far, which are enough to show it.
    fn push_chain(&mut self, path: &Path) -> Result<(), ProfileError> {
        let mut chain: Vec<Layer> = Vec::new();
        let mut seen: Vec<PathBuf> = Vec::new();
        let mut next = path.to_path_buf();
        // Where the file that is read now was named, and by which element of the chain.
        let mut named: Option<std::ops::Range<usize>> = None;
        loop {
            let shown = layer::display(&next, self.cwd);
            let blame = |span: std::ops::Range<usize>, title: String, label: &str, help: &str| {
                let origin = Origin { layer: chain.len().saturating_sub(1), span };
                ProfileError::new(vec![Diagnostic::new(title, origin, label).help(help)], &chain)
            };
            let bytes = match std::fs::read(&next) {
                Ok(bytes) => bytes,
                Err(error) => {
                    let why = if error.kind() == ErrorKind::NotFound {
                        "there is no such file".to_owned()
                    } else {
                        error.to_string()
                    };
                    let title = format!("cannot read `{shown}`: {why}");
                    return Err(match named {
                        Some(span) => {
                            blame(span, title, "named here", "paths are relative to the file that names them")
                        }
                        None => unreadable(title, error.kind()),
                    });
                }
            };
            let identity = std::fs::canonicalize(&next).unwrap_or_else(|_| next.clone());
            if seen.contains(&identity) {
                let title = format!("`{shown}` extends itself");
                let help = "let the chain of `extends` end in a file without one";
                return Err(blame(named.unwrap_or(0..0), title, "this closes a circle", help));
            }
            seen.push(identity);
            self.files.push(next.clone());
            let base = next.parent().unwrap_or(self.cwd).to_path_buf();
            let (text, broken) = match String::from_utf8(bytes) {
                Ok(text) => (text, None),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(at))
                }
            };
            chain.push(Layer { name: shown, text, base: base.clone() });
            let place = chain.len() - 1;
            if let Some(at) = broken {
                let origin = Origin { layer: place, span: at..at + 1 };
                let problem = Diagnostic::new("the file is not text", origin, "not UTF-8 from here")
                    .help("save the file as UTF-8");
                return Err(ProfileError::new(vec![problem], &chain));
            }
            let node = match layer::parse(&chain[place].text, place) {
                Ok(node) => node,
                Err(problem) => return Err(ProfileError::new(vec![problem], &chain)),
            };
            if let Some(problem) = check::version(&node, place, self.kind.word()) {
                return Err(ProfileError::new(vec![problem], &chain));
            }
            let Some(extends) = node.entry("extends") else { break };
            let Some(target) = extends.node.text() else {
                let origin = extends.node.origin.clone();
                let problem =
                    Diagnostic::new("`extends` has a value that it cannot take", origin, "expected a string")
                        .help(format!("write the path of one {}", self.kind.word()));
                return Err(ProfileError::new(vec![problem], &chain));
            };
            named = Some(extends.node.origin.span.clone());
            next = base.join(target);
        }
        self.files.reverse();
        for layer in chain.into_iter().rev() {
            self.push(layer);
        }
        Ok(())
    }

    fn push_sets(&mut self, sets: &[String]) {
        for set in sets {
            let number = self.layers.len();
            self.layers.push(Layer {
                name: "--set".to_owned(),
                text: set.clone(),
                base: self.cwd.to_path_buf(),
            });
            match layer::parse_set(set, number) {
                Ok(node) => {
                    let node = match self.kind {
                        FileKind::Suite => super::suite::without_prefix(node),
                        FileKind::Profile => node,
                    };
                    if let Some(extends) = node.entry("extends") {
                        self.problems.push(
                            Diagnostic::new(
                                "`extends` cannot be set from the command line",
                                extends.key.clone(),
                                "only a file can extend another",
                            )
                            .help(match self.kind {
                                FileKind::Profile => {
                                    "name the other profile with `-p`, or write `extends` into the file"
                                }
                                FileKind::Suite => {
                                    "name the other suite with `-S`, or write `extends` into the file"
                                }
                            }),
                        );
                    }
                    self.nodes.push(node);
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }
}

fn unreadable(title: String, kind: ErrorKind) -> ProfileError {
    let problem = Diagnostic { title, origin: None, label: String::new(), help: None };
    if kind == ErrorKind::NotFound {
        ProfileError::missing(problem)
    } else {
        ProfileError::new(vec![problem], &[])
    }
}
