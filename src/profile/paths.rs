//! Files that a profile names: they must be there, and the resolved profile names them absolutely.

use std::path::{Path, PathBuf};

use super::Profile;
use super::diagnostic::Diagnostic;
use super::layer::Layer;
use super::tree::Node;

/// Makes the paths of a profile absolute, each relative to the layer that names it. What is not there is a problem.
pub(super) fn resolve(profile: &mut Profile, tree: &Node, layers: &[Layer]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut resolve = |path: &mut PathBuf, key: &str, node: Option<&Node>| {
        let Some(node) = node else { return };
        let Some(layer) = layers.get(node.origin.layer) else { return };
        let absolute = tidy(&layer.base.join(&*path));
        if !absolute.is_file() {
            let label = if absolute.exists() { "this is not a file" } else { "there is no such file" };
            let whose = if layer.name == "--set" { "your directory" } else { "the file that names them" };
            problems.push(
                Diagnostic::new(
                    format!("`{key}` names a file that cannot be read"),
                    node.origin.clone(),
                    label,
                )
                .help(format!("paths are relative to {whose}")),
            );
        }
        *path = absolute;
    };
    let node = |key: &str| tree.entry(key).map(|entry| &entry.node);
    if let Some(path) = &mut profile.agent.script {
        resolve(path, "agent.script", node("agent.script"));
    }
    let entries = node("agent.fallback").map_or(&[][..], Node::items);
    for (index, entry) in profile.agent.fallback.iter_mut().enumerate() {
        let node = entries.get(index).and_then(|node| Some(&node.entry("script")?.node));
        if let Some(path) = &mut entry.script {
            resolve(path, &format!("agent.fallback[{index}].script"), node);
        }
    }
    if let Some(path) = &mut profile.prompt.system_file {
        resolve(path, "prompt.system_file", node("prompt.system_file"));
    }
    let files = node("prompt.files").map_or(&[][..], Node::items);
    for (index, path) in profile.prompt.files.iter_mut().enumerate() {
        resolve(path, "prompt.files", files.get(index));
    }
    let images = node("prompt.images").map_or(&[][..], Node::items);
    for (index, path) in profile.prompt.images.iter_mut().enumerate() {
        resolve(path, "prompt.images", images.get(index));
    }
    if let Some(path) = profile.check.as_mut().and_then(|check| check.json.as_mut()?.schema.as_mut()) {
        resolve(path, "check.json.schema", node("check.json.schema"));
    }
    problems
}

/// Drops `.` in a path; `..` stays, for it may cross a symbolic link.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect()
}
