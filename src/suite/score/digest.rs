//! What names a scorer: everything that its scores depend on, and nothing of where it lies.

use std::path::Path;

use crate::event::Sha256;
use crate::profile::{Profile, Score};
use crate::suite::judge;
use crate::suite::play::Player;

/// Names a scorer. A file that cannot be read is named by its path: what is wrong with it is told elsewhere.
pub(super) fn of(score: &Score, dir: &Path, judge: Option<&Player>) -> Sha256 {
    let mut told = String::new();
    let mut tell = |what: &str, text: &[u8]| {
        told.push_str(what);
        told.push(' ');
        told.push_str(Sha256::of(text).hex().as_str());
        told.push('\n');
    };
    let mut table = score.clone();
    table.options.profile = None;
    if let Some(path) = table.options.schema.take() {
        tell("schema", &bytes(&dir.join(path)));
    }
    // The program's own files are words of its command.
    for word in score.options.command.iter().flat_map(|argv| &argv.0) {
        let path = dir.join(word);
        if path.is_file() && !Path::new(word).is_absolute() {
            tell("file", &bytes(&path));
        }
    }
    tell("table", &serde_json::to_vec(&table).unwrap_or_default());
    if let Some(player) = judge {
        tell("words", judge::words().as_bytes());
        tell("system", player.system.as_deref().unwrap_or_default().as_bytes());
        for file in &player.files {
            tell("prompt", file.as_bytes());
        }
        for image in &player.profile.prompt.images {
            tell("image", &bytes(image));
        }
        if let Some(script) = &player.profile.agent.script {
            tell("script", &bytes(script));
        }
        tell("profile", &serde_json::to_vec(&placeless(&player.profile)).unwrap_or_default());
    }
    Sha256::of(told.as_bytes())
}

/// A profile without the paths of the texts that are told by themselves.
fn placeless(profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    profile.prompt.system_file = None;
    profile.prompt.files.clear();
    profile.prompt.images.clear();
    profile.agent.script = None;
    profile.workspace.dir = ".".into();
    profile
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|_| path.to_string_lossy().into_owned().into_bytes())
}
