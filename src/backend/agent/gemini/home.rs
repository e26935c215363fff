//! A home for Gemini CLI: the user's own, with our settings over theirs and the system prompt behind their instructions.
//!
//! It has no flag for a settings file, and takes the one that `GEMINI_CLI_SYSTEM_SETTINGS_PATH` names only where root
//! owns every directory above it. What it does take is another home. All but two files of that one are links to the
//! user's, so that logins, sessions and extensions are theirs, and what it learns is kept there.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::settings;
use crate::backend::Request;
use crate::backend::agent::files;
use crate::event::Failure;

/// Makes the home of an attempt. Returns it with the variables that its settings refer to.
pub(super) fn make(
    request: &Request,
    user: Option<&Path>,
    ours: &Value,
) -> Result<(PathBuf, Vec<(OsString, OsString)>), Failure> {
    let home = request.directory.join("harness").join("gemini").join(request.node.as_str());
    let ours_dir = home.join(".gemini");
    files::directory(&ours_dir)?;
    let theirs_dir = user.map(|user| user.join(".gemini"));
    let mut merged = match &theirs_dir {
        Some(theirs) => read(&theirs.join("settings.json"))?,
        None => json!({}),
    };
    let named = read(&request.workspace.join(".gemini/settings.json"))?;
    let context = settings::context_file(&named).or_else(|| settings::context_file(&merged));
    let context = context.unwrap_or("GEMINI.md").to_owned();
    settings::merge(&mut merged, ours);
    let variables = settings::hide(&mut merged);
    files::write(&ours_dir.join("settings.json"), merged.to_string().as_bytes())?;
    let mut made = vec!["settings.json".to_owned()];
    if let Some(system) = &request.system {
        instructions(request, theirs_dir.as_deref(), &ours_dir.join(&context), &context, system)?;
        made.push(context);
    }
    if let (Some(user), Some(theirs)) = (user, &theirs_dir) {
        link_all(theirs, &ours_dir, &made)?;
        for name in [".env", ".agents"] {
            link(&user.join(name), &home.join(name))?;
        }
    }
    let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    Ok((home, variables))
}

/// Their instructions for every project, then the system prompt.
fn instructions(
    request: &Request,
    theirs: Option<&Path>,
    path: &Path,
    name: &str,
    system: &str,
) -> Result<(), Failure> {
    files::stored_prompt(request, system)?;
    if settings::imports(system) {
        return Err(files::local(
            "the system prompt has a word that begins with `@`, which Gemini CLI takes for a file to put in its \
             place; write such words in backticks",
        ));
    }
    let theirs = theirs.and_then(|dir| std::fs::read_to_string(dir.join(name)).ok()).unwrap_or_default();
    let text = match theirs.trim_end() {
        "" => system.to_owned(),
        theirs => format!("{theirs}\n\n{system}"),
    };
    files::write(path, text.as_bytes())
}

/// Settings, or an empty table where there are none.
fn read(path: &Path) -> Result<Value, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Ok(json!({})),
        Ok(text) => settings::parse(&text).ok_or_else(|| {
            files::local(format!("{} is no JSON object; correct it, or move it away", path.display()))
        }),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(json!({})),
        Err(error) => Err(files::local(format!("failed to read {}: {error}", path.display()))),
    }
}

fn link_all(from: &Path, to: &Path, but: &[String]) -> Result<(), Failure> {
    let Ok(entries) = std::fs::read_dir(from) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if but.iter().all(|made| name != made.as_str()) {
            link(&entry.path(), &to.join(&name))?;
        }
    }
    Ok(())
}

/// Links what is there, unless something is in the link's place already.
fn link(from: &Path, to: &Path) -> Result<(), Failure> {
    if !from.exists() {
        return Ok(());
    }
    match std::os::unix::fs::symlink(from, to) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(files::local(format!("failed to link {}: {error}", to.display())))
        }
        _ => Ok(()),
    }
}
