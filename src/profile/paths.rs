//! Files that a profile or a suite names: they must be there, and what is resolved names them absolutely.

use std::path::{Path, PathBuf};

use super::check::{TEMPLATE_HELP, wrong_template};
use super::diagnostic::Diagnostic;
use super::layer::Layer;
use super::tree::{Entry, Node};
use super::{Agent, Profile, Prompt, Suite};

/// Makes the paths of a profile absolute, each relative to the layer that names it. What is not there is a problem; so is a
/// fleet that is a member of itself, for the profile's own `file`.
pub(super) fn resolve(profile: &mut Profile, tree: &Node, layers: &[Layer], file: &Path) -> Vec<Diagnostic> {
    let mut place = Place { layers, problems: Vec::new() };
    place.agent(&mut profile.agent, tree.entry("agent"), "agent");
    place.prompt(&mut profile.prompt, tree.entry("prompt"), "prompt");
    if let Some(path) = profile.check.as_mut().and_then(|check| check.json.as_mut()?.schema.as_mut()) {
        place.find(path, "check.json.schema", tree.entry("check.json.schema").map(|entry| &entry.node));
    }
    if let Some(supervise) = &mut profile.supervise {
        let members = tree.entry("supervise.member").map_or(&[][..], |entry| entry.node.items());
        for (index, member) in supervise.member.iter_mut().enumerate() {
            let node = members.get(index).and_then(|node| Some(&node.entry("profile")?.node));
            let key = format!("supervise.member[{index}].profile");
            place.find(&mut member.profile, &key, node);
            let same = |own: PathBuf| member.profile.canonicalize().is_ok_and(|path| path == own);
            if let (Some(node), true) = (node, file.canonicalize().is_ok_and(same)) {
                let title = format!("`{key}` is the fleet itself");
                let problem = Diagnostic::new(title, node.origin.clone(), "its members would have no end");
                place
                    .problems
                    .push(problem.help("give the member a profile of its own; it may extend another file"));
            }
        }
        for (name, keys) in &mut supervise.phase {
            let entry = |table| tree.entry_at(&["supervise", "phase", name, table]);
            if let Some(agent) = &mut keys.agent {
                place.agent(agent, entry("agent"), &format!("supervise.phase.{name}.agent"));
            }
            if let Some(prompt) = &mut keys.prompt {
                place.prompt(prompt, entry("prompt"), &format!("supervise.phase.{name}.prompt"));
            }
        }
    }
    place.problems
}

/// The same for a suite.
pub(super) fn resolve_suite(suite: &mut Suite, tree: &Node, layers: &[Layer]) -> Vec<Diagnostic> {
    let mut place = Place { layers, problems: Vec::new() };
    let node = |key: &str| tree.entry(key).map(|entry| &entry.node);
    place.find(&mut suite.cases.file, "cases.file", node("cases.file"));
    if let Some(dir) = &mut suite.cases.workspace {
        place.look_up(dir, "cases.workspace", node("cases.workspace"), true);
    }
    let scores = node("score").map_or(&[][..], Node::items);
    for (index, score) in suite.score.iter_mut().enumerate() {
        let options = scores.get(index).and_then(|node| Some(&node.entry("options")?.node));
        let rows = [("schema", &mut score.options.schema), ("profile", &mut score.options.profile)];
        for (name, path) in rows {
            let node = options.and_then(|node| Some(&node.entry(name)?.node));
            if let Some(path) = path {
                place.find(path, &format!("score[{index}].options.{name}"), node);
            }
        }
    }
    for (name, treatment) in &mut suite.treatments {
        if let Some(path) = &mut treatment.profile {
            let node = tree.entry_at(&["treatments", name, "profile"]).map(|entry| &entry.node);
            place.find(path, &format!("treatments.{name}.profile"), node);
        }
    }
    place.problems
}

/// Where paths are looked up.
struct Place<'a> {
    layers: &'a [Layer],
    problems: Vec<Diagnostic>,
}

impl Place<'_> {
    fn agent(&mut self, agent: &mut Agent, entry: Option<&Entry>, key: &str) {
        let Some(table) = entry.map(|entry| &entry.node) else { return };
        if let Some(path) = &mut agent.script {
            self.find(path, &format!("{key}.script"), table.entry("script").map(|entry| &entry.node));
        }
        let entries = table.entry("fallback").map_or(&[][..], |entry| entry.node.items());
        for (index, entry) in agent.fallback.iter_mut().enumerate() {
            let node = entries.get(index).and_then(|node| Some(&node.entry("script")?.node));
            if let Some(path) = &mut entry.script {
                self.find(path, &format!("{key}.fallback[{index}].script"), node);
            }
        }
    }

    fn prompt(&mut self, prompt: &mut Prompt, entry: Option<&Entry>, key: &str) {
        let Some(table) = entry.map(|entry| &entry.node) else { return };
        if let Some(path) = &mut prompt.system_file {
            self.find(
                path,
                &format!("{key}.system_file"),
                table.entry("system_file").map(|entry| &entry.node),
            );
        }
        if let Some(path) = &mut prompt.template_file {
            let node = table.entry("template_file").map(|entry| &entry.node);
            let before = self.problems.len();
            self.find(path, &format!("{key}.template_file"), node);
            if self.problems.len() == before {
                self.template(path, &format!("{key}.template_file"), node);
            }
        }
        for (name, paths) in [("files", &mut prompt.files), ("images", &mut prompt.images)] {
            let nodes = table.entry(name).map_or(&[][..], |entry| entry.node.items());
            for (path, node) in paths.iter_mut().zip(nodes) {
                self.find(path, &format!("{key}.{name}"), Some(node));
            }
        }
    }

    /// A template that a file holds is shown where the file is named.
    fn template(&mut self, path: &Path, key: &str, node: Option<&Node>) {
        let Some(node) = node else { return };
        let told = self.problems.iter().any(|problem| problem.origin.as_ref() == Some(&node.origin));
        let wrong = match std::fs::read_to_string(path) {
            Ok(text) => wrong_template(&text),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = wrong.filter(|_| !told) {
            let title = format!("`{key}` is not a template");
            self.problems.push(Diagnostic::new(title, node.origin.clone(), why).help(TEMPLATE_HELP));
        }
    }

    fn find(&mut self, path: &mut PathBuf, key: &str, node: Option<&Node>) {
        self.look_up(path, key, node, false);
    }

    fn look_up(&mut self, path: &mut PathBuf, key: &str, node: Option<&Node>, is_dir: bool) {
        let Some(node) = node else { return };
        let Some(layer) = self.layers.get(node.origin.layer) else { return };
        let absolute = tidy(&layer.base.join(&*path));
        // What phases share with the profile is told once.
        let told = self.problems.iter().any(|problem| problem.origin.as_ref() == Some(&node.origin));
        let (right, what) =
            if is_dir { (absolute.is_dir(), "directory") } else { (absolute.is_file(), "file") };
        if !right && !told {
            let label = if absolute.exists() {
                format!("this is not a {what}")
            } else {
                format!("there is no such {what}")
            };
            let whose = if layer.name == "--set" { "your directory" } else { "the file that names them" };
            self.problems.push(
                Diagnostic::new(
                    format!("`{key}` names a {what} that cannot be read"),
                    node.origin.clone(),
                    label,
                )
                .help(format!("paths are relative to {whose}")),
            );
        }
        *path = absolute;
    }
}

/// Drops `.` in a path; `..` stays, for it may cross a symbolic link.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect()
}
