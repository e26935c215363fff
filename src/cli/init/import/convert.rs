//! From their keys to ours.

use std::path::{Path, PathBuf};

use toml::Value;

use super::agent;
use super::check;
use super::draft::Draft;
use super::problem::Problem;
use super::source::{Leaf, Source};
use super::table;
use super::when;

/// Where things are.
pub(super) struct Place<'a> {
    /// The directory of the file that is imported.
    pub(super) from: &'a Path,
    /// The directory of the profile.
    pub(super) to: &'a Path,
    /// Where the caller stands.
    pub(super) cwd: &'a Path,
    /// The caller's home.
    pub(super) home: Option<&'a Path>,
    /// Whether there is such a file.
    pub(super) is_file: &'a dyn Fn(&Path) -> bool,
}

impl Place<'_> {
    /// A path of theirs, absolute: `~` and `{project}` filled in, `.` left out and `..` followed.
    fn path(&self, text: &str, project: &str, base: &Path) -> PathBuf {
        let text = text.replace("{project}", project);
        let path = match (text.strip_prefix("~/"), text.as_str(), self.home) {
            (Some(rest), _, Some(home)) => home.join(rest),
            (None, "~", Some(home)) => home.to_path_buf(),
            _ => base.join(&text),
        };
        let mut tidy = PathBuf::new();
        for part in path.components() {
            match part {
                std::path::Component::CurDir => {}
                std::path::Component::ParentDir => drop(tidy.pop()),
                part => tidy.push(part),
            }
        }
        tidy
    }
}

/// A path as it is written in a file of a directory.
fn within(path: &Path, dir: &Path) -> String {
    match path.strip_prefix(dir) {
        Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
        Ok(rest) => rest.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

/// Makes a profile of a file.
pub(super) fn convert(mut source: Source, place: &Place<'_>) -> Result<(Draft, Source), Vec<Problem>> {
    let mut draft = Draft::default();
    for name in
        ["", "agent", "agent.env", "prompt", "check", "round", "workspace", "supervise", "supervise.schedule"]
    {
        draft.open(name);
    }
    let mut problems = Vec::new();
    let version = source.take(&["schema_version"]);
    draft.put("", "schema", 1, version.as_ref());

    let work = workspace(&mut source, &mut draft, place, &mut problems);
    let project = work.file_name().map_or("default".to_owned(), |name| name.to_string_lossy().into_owned());
    let name = source.take(&["agent", "name"]);
    let called = name
        .as_ref()
        .and_then(Leaf::text)
        .filter(|name| !name.trim().is_empty())
        .unwrap_or(&project)
        .to_owned();
    draft.put("", "name", called, name.as_ref());

    let work_text = work.display().to_string();
    let mut base = agent::call(&source, None, &work_text).map_err(|problem| vec![problem])?;
    let phases = agent::phases(&source);
    let mut calls = Vec::new();
    for phase in &phases {
        match agent::call(&source, Some(phase), &work_text) {
            Ok(call) => calls.push(call),
            Err(problem) => problems.push(problem),
        }
    }
    agent::align(&mut base, &mut calls);
    agent::base(&mut source, &mut draft, &base);
    prompt(&mut source, &mut draft, place, &project, &work, &mut problems);
    check::write(&mut source, &mut draft);
    round(&mut source, &mut draft);
    supervise(&mut source, &mut draft, place, &project, &work);
    let rotation = source.get(&["phases", "list"]).map(Leaf::texts).unwrap_or_default();
    table::apply(&mut source, &mut draft);
    problems.extend(when::schedule(&mut source, &mut draft, &["schedule"], "supervise.schedule"));
    for (name, call) in phases.iter().zip(&calls) {
        if !rotation.contains(name) {
            let leaf = source
                .left()
                .find(|(key, _)| key.starts_with(&format!("phases.{name}.")))
                .map(|(_, leaf)| leaf.key.clone());
            let help = "add it to the list, or remove its table";
            problems.push(Problem::new(
                format!("the phase `{name}` is not in `phases.list`"),
                leaf.unwrap_or(0..0),
                "never runs",
                help,
            ));
        }
        let table = format!("supervise.phase.{}", super::schema::dotted(std::slice::from_ref(name)));
        agent::phase(&mut source, &mut draft, name, &table, call, &base);
        problems.extend(phase(&mut source, &mut draft, place, name, &table, (&project, &work)));
    }
    when::detect(&mut source, &mut draft).map_err(|problem| vec![problem])?;
    for name in std::mem::take(&mut source.ignored) {
        draft.gone(&name, None, "agent-runner ignores it, too");
    }
    draft.otherwise(
        ".agent-done",
        None,
        "an agent ends the loop by writing the file that `supervise.done_file` names, in the workspace; it is not set",
    );
    if problems.is_empty() { Ok((draft, source)) } else { Err(problems) }
}

/// Writes where the agent works, and tells where.
fn workspace(
    source: &mut Source,
    draft: &mut Draft,
    place: &Place<'_>,
    problems: &mut Vec<Problem>,
) -> PathBuf {
    let missing = |key: &str| {
        let help = "mend it until `agent-runner doctor` takes it";
        Problem::new(format!("`runtime.{key}` is missing"), 0..0, "nowhere in this file", help)
    };
    match source.take(&["runtime", "log_dir"]) {
        Some(leaf) => draft.otherwise(
            "runtime.log_dir",
            Some(&leaf),
            "runs are kept in `.provost` of the directory that you call provost in, or in `--root DIR`",
        ),
        None => problems.push(missing("log_dir")),
    }
    let Some(leaf) = source.take(&["runtime", "work_dir"]) else {
        problems.push(missing("work_dir"));
        return place.from.to_path_buf();
    };
    let work = place.path(leaf.text().unwrap_or("."), "", place.from);
    let dir = within(&work, place.cwd);
    let relative = !Path::new(&dir).is_absolute();
    draft.put("workspace", "dir", dir, Some(&leaf));
    if relative {
        draft.remark("workspace", "dir", ["relative to the directory that provost is called in"]);
    }
    work
}

/// The prompt files of a list, as the profile names them.
fn files(
    leaf: &Leaf,
    place: &Place<'_>,
    (project, work): (&str, &Path),
    key: &str,
    draft: &mut Draft,
) -> Result<Value, Problem> {
    let named = match &leaf.value {
        Value::String(file) => vec![file.clone()],
        _ => leaf.texts(),
    };
    let mut kept = Vec::new();
    for (index, file) in named.iter().enumerate() {
        let path = place.path(file, project, work);
        if (place.is_file)(&path) {
            kept.push(within(&path, place.to));
        } else if index == 0 {
            let title = format!("`{key}` names a file that cannot be read");
            let help = "paths are relative to `runtime.work_dir`";
            return Err(Problem::new(
                title,
                leaf.span.clone(),
                format!("there is no `{}`", path.display()),
                help,
            ));
        } else {
            draft.otherwise(
                key,
                None,
                format!("`{file}` is left out, since it is not there; put it into `prompt.files` once it is"),
            );
        }
    }
    Ok(Value::from(kept))
}

fn prompt(
    source: &mut Source,
    draft: &mut Draft,
    place: &Place<'_>,
    project: &str,
    work: &Path,
    problems: &mut Vec<Problem>,
) {
    let (file, list) = (source.take(&["prompt", "file"]), source.take(&["prompt", "files"]));
    let leaf = match (file, list) {
        (Some(leaf), None) | (None, Some(leaf)) => Some(leaf),
        (Some(_), Some(list)) => {
            problems.push(Problem::new(
                "`prompt.file` and `prompt.files` are both set",
                list.key,
                "one too many",
                "keep one of them",
            ));
            None
        }
        (None, None) => {
            let help = "mend it until `agent-runner doctor` takes it";
            problems.push(Problem::new(
                "there is no prompt: neither `prompt.file` nor `prompt.files`",
                0..0,
                "nowhere in this file",
                help,
            ));
            None
        }
    };
    if let Some(leaf) = leaf {
        let key = if leaf.value.is_str() { "prompt.file" } else { "prompt.files" };
        match files(&leaf, place, (project, work), key, draft) {
            Ok(files) => draft.put("prompt", "files", files, Some(&leaf)),
            Err(problem) => problems.push(problem),
        }
    }
    let inject = source.take(&["prompt", "inject_context"]);
    let mode = source.take(&["prompt", "context_injection_mode"]);
    let off = inject.as_ref().is_some_and(|leaf| leaf.value == Value::Boolean(false));
    if inject.is_some() || mode.is_some() {
        let said = mode.as_ref().and_then(Leaf::text).unwrap_or("prepend");
        draft.put("prompt", "context", if off { "none" } else { said }, mode.as_ref().or(inject.as_ref()));
        if mode.is_some()
            && let Some(inject) = &inject
        {
            draft.remark("prompt", "context", inject.comments().cloned());
        }
    }
    if let Some(leaf) = source.take(&["prompt", "concat_separator"]) {
        draft.gone("prompt.concat_separator", Some(&leaf), "an empty line stands between the files");
    }
    if let Some(leaf) = source.take(&["prompt", "strip_yaml_frontmatter"]) {
        let text = "front matter of the first file is always taken off";
        if leaf.value == Value::Boolean(false) {
            draft.gone("prompt.strip_yaml_frontmatter", Some(&leaf), text);
        } else {
            draft.otherwise("prompt.strip_yaml_frontmatter", Some(&leaf), text);
        }
    }
}

fn round(source: &mut Source, draft: &mut Draft) {
    if let Some(leaf) = source.take(&["runtime", "max_grace_after_result_s"]) {
        match leaf.whole().unwrap_or(0) {
            0 => draft.gone("runtime.max_grace_after_result_s", Some(&leaf), "an agent that lingers after its result is always ended; `round.grace_after_result` says when"),
            seconds => draft.put("round", "grace_after_result", table::seconds_as_text(seconds), Some(&leaf)),
        }
    }
}

fn supervise(source: &mut Source, draft: &mut Draft, place: &Place<'_>, project: &str, work: &Path) {
    draft.put("supervise", "min_prompt", 500, None);
    draft.remark("supervise", "min_prompt", ["what agent-runner always asks for, in bytes"]);
    if let Some(leaf) = source.take(&["runtime", "stop_file"]) {
        let path = place.path(leaf.text().unwrap_or_default(), project, work);
        if path.starts_with(work) && path != work {
            draft.put("supervise", "stop_file", within(&path, work), Some(&leaf));
        } else {
            let text = format!(
                "{} is outside of the workspace; `provost stop` ends the loop from anywhere",
                path.display()
            );
            draft.gone("runtime.stop_file", Some(&leaf), text);
        }
    }
}

fn phase(
    source: &mut Source,
    draft: &mut Draft,
    place: &Place<'_>,
    name: &str,
    table: &str,
    work: (&str, &Path),
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let flat = source.take(&["phases", name, "round_budget_s"]);
    let deep = source.take(&["phases", name, "runtime", "round_budget_s"]);
    if let (Some(_), Some(deep)) = (&flat, &deep) {
        problems.push(Problem::new(
            format!("the phase `{name}` has two budgets"),
            deep.key.clone(),
            "one too many",
            "keep one of them",
        ));
    }
    if let Some(leaf) = flat.or(deep) {
        let budget = table::seconds_as_text(leaf.whole().unwrap_or(0));
        draft.put(&format!("{table}.round"), "timeout", budget, Some(&leaf));
    }
    if let Some(leaf) = source.take(&["phases", name, "prompt", "files"]) {
        match files(&leaf, place, work, &format!("phases.{name}.prompt.files"), draft) {
            Ok(files) => draft.put(&format!("{table}.prompt"), "files", files, Some(&leaf)),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(when::schedule(
        source,
        draft,
        &["phases", name, "schedule"],
        &format!("{table}.schedule"),
    ));
    problems
}
