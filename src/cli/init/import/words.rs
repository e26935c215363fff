//! The command line of an agent: which of its words say what our harness says by itself, and which remain.

/// What a word of a known agent means to us.
#[derive(Clone, Copy, Debug)]
enum Means {
    /// The harness says it by itself; so many words follow it.
    Own(usize),
    /// What follows is the model; a bare name gets this provider in front.
    Model(&'static str),
    /// A permission.
    Permits(&'static str),
    /// What follows says a permission.
    Mode(&'static [(&'static str, &'static str)]),
    /// It goes on with a conversation; what follows may name it.
    Resume,
    /// What follows is a system prompt.
    System,
    /// What follows, if anything does, is the prompt.
    Prompt,
}

use Means::{Mode, Model, Own, Permits, Prompt, Resume, System};

/// One agent.
struct Agent {
    harness: &'static str,
    /// A subcommand that the harness says by itself.
    subcommand: Option<&'static str>,
    words: &'static [(&'static str, Means)],
}

const AGENTS: &[Agent] = &[
    Agent {
        harness: "claude",
        subcommand: None,
        words: &[
            ("-p", Own(0)),
            ("--print", Own(0)),
            ("--verbose", Own(0)),
            ("--include-partial-messages", Own(0)),
            ("--output-format", Own(1)),
            ("--model", Model("anthropic")),
            ("--dangerously-skip-permissions", Permits("bypass")),
            (
                "--permission-mode",
                Mode(&[
                    ("acceptEdits", "accept-edits"),
                    ("bypassPermissions", "bypass"),
                    ("plan", "read-only"),
                ]),
            ),
            ("--append-system-prompt", System),
            ("-c", Resume),
            ("--continue", Resume),
            ("-r", Resume),
            ("--resume", Resume),
            ("--session-id", Resume),
            ("--fork-session", Resume),
        ],
    },
    Agent {
        harness: "codex",
        subcommand: Some("exec"),
        words: &[
            ("--json", Own(0)),
            ("--skip-git-repo-check", Own(0)),
            ("-", Own(0)),
            ("-m", Model("openai")),
            ("--model", Model("openai")),
            ("--dangerously-bypass-approvals-and-sandbox", Permits("bypass")),
            ("--yolo", Permits("bypass")),
            ("--full-auto", Permits("accept-edits")),
            ("-s", Mode(&[("workspace-write", "accept-edits"), ("read-only", "read-only")])),
            ("--sandbox", Mode(&[("workspace-write", "accept-edits"), ("read-only", "read-only")])),
            ("resume", Resume),
            ("--last", Resume),
        ],
    },
    Agent {
        harness: "gemini",
        subcommand: None,
        words: &[
            ("-p", Prompt),
            ("--prompt", Prompt),
            ("-o", Own(1)),
            ("--output-format", Own(1)),
            ("--skip-trust", Own(0)),
            ("-m", Model("google")),
            ("--model", Model("google")),
            ("-y", Permits("bypass")),
            ("--yolo", Permits("bypass")),
            (
                "--approval-mode",
                Mode(&[("yolo", "bypass"), ("auto_edit", "accept-edits"), ("plan", "read-only")]),
            ),
            ("-r", Resume),
            ("--resume", Resume),
            ("--session-id", Resume),
        ],
    },
    Agent {
        harness: "aider",
        subcommand: None,
        words: &[
            ("-m", Prompt),
            ("--message", Prompt),
            ("--msg", Prompt),
            ("-f", Own(1)),
            ("--message-file", Own(1)),
            ("--yes", Permits("bypass")),
            ("--yes-always", Permits("bypass")),
            ("--no-pretty", Own(0)),
            ("--no-fancy-input", Own(0)),
            ("--no-analytics", Own(0)),
            ("--analytics-disable", Own(0)),
            ("--no-check-update", Own(0)),
            ("--no-show-release-notes", Own(0)),
            ("--no-show-model-warnings", Own(0)),
            ("--no-suggest-shell-commands", Own(0)),
            ("--no-detect-urls", Own(0)),
            ("--no-gitignore", Own(0)),
            ("--input-history-file", Own(1)),
            ("--chat-history-file", Own(1)),
            ("--model", Model("")),
            ("--restore-chat-history", Resume),
        ],
    },
    Agent {
        harness: "opencode",
        subcommand: Some("run"),
        words: &[
            ("--format", Own(1)),
            ("--title", Own(1)),
            ("-m", Model("")),
            ("--model", Model("")),
            ("-c", Resume),
            ("--continue", Resume),
            ("-s", Resume),
            ("--session", Resume),
            ("--fork", Resume),
        ],
    },
];

/// Stands for the prompt in a template.
pub(super) const PROMPT: &str = "{prompt}";

/// A command line, in our words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) harness: String,
    /// Absent when the harness finds its program by itself.
    pub(super) command: Option<Vec<String>>,
    pub(super) model: Option<String>,
    pub(super) permissions: Option<&'static str>,
    pub(super) prompt_via: Option<&'static str>,
    pub(super) system: Option<String>,
    pub(super) args: Vec<String>,
    /// Words that go on with a conversation, which were taken out.
    pub(super) resumes: Vec<String>,
    /// The words that said the model and the permissions.
    said: [Vec<String>; 2],
}

/// Reads a command line. `prefix` is what runs the agent, `stdin` whether the prompt comes that way.
///
/// # Errors
///
/// The word of the template that holds the prompt and more.
pub(super) fn read(
    prefix: &[String],
    command: &[String],
    template: &[String],
    stdin: bool,
) -> Result<Call, String> {
    let (program, words) =
        command.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let name = program.rsplit('/').next().unwrap_or(program);
    let Some(agent) = AGENTS.iter().find(|agent| agent.harness == name) else {
        return unknown(prefix, command, template, stdin);
    };
    let mut call = Call { harness: agent.harness.to_owned(), ..Call::default() };
    if !prefix.is_empty() || program != name {
        call.command = Some(prefix.iter().cloned().chain([program.to_owned()]).collect());
    }
    // `run` and `exec` have a short name, too.
    let words = match (words.split_first(), agent.subcommand) {
        (Some((first, rest)), Some(own)) if first == own || (own == "exec" && first == "e") => rest,
        _ => words,
    };
    let mut words: Vec<&str> = words.iter().chain(template).map(String::as_str).collect();
    words.reverse();
    while let Some(word) = words.pop() {
        if word == PROMPT || (word == "--" && words.last().is_none_or(|next| *next == PROMPT)) {
            continue;
        }
        let (flag, joined) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
            _ => (word, None),
        };
        let Some((_, means)) = agent.words.iter().find(|(name, _)| *name == flag) else {
            call.args.push(word.to_owned());
            continue;
        };
        call.take(word, joined, *means, &mut words);
    }
    Ok(call)
}

impl Call {
    /// Says the model by the agent's own words again, which a phase can be without.
    pub(super) fn say_model(&mut self) {
        if self.model.take().is_some() {
            self.args.append(&mut self.said[0]);
        }
    }

    /// Says the permissions by the agent's own words again, which a phase can be without.
    pub(super) fn say_permissions(&mut self) {
        if self.permissions.take().is_some() {
            self.args.append(&mut self.said[1]);
        }
    }

    /// `rest` are the words that follow, the next one last.
    fn take(&mut self, word: &str, joined: Option<&str>, means: Means, rest: &mut Vec<&str>) {
        let mut value = || joined.map(str::to_owned).or_else(|| rest.pop().map(str::to_owned));
        match means {
            Own(0) => {}
            Own(_) => drop(value()),
            Permits(what) => {
                self.permissions = Some(what);
                self.said[1] = vec![word.to_owned()];
            }
            Model(provider) => {
                let Some(model) = value() else { return };
                let said = vec!["--model".to_owned(), model.clone()];
                if provider.is_empty() && !model.contains('/') {
                    // It knows short names of its own, which say no provider.
                    self.args.extend(said);
                    return;
                }
                self.model = Some(if provider.is_empty() { model } else { format!("{provider}/{model}") });
                self.said[0] = said;
            }
            Mode(modes) => {
                let said = value().unwrap_or_default();
                let known = modes.iter().find(|(mode, _)| *mode == said);
                let words =
                    if joined.is_some() { vec![word.to_owned()] } else { vec![word.to_owned(), said] };
                match known {
                    Some((_, permission)) => {
                        self.permissions = Some(permission);
                        self.said[1] = words;
                    }
                    None => self.args.extend(words),
                }
            }
            System => self.system = value(),
            Prompt => {
                if joined.is_none() && rest.last().is_some_and(|next| *next == PROMPT) {
                    rest.pop();
                }
            }
            Resume => {
                self.resumes.push(word.to_owned());
                if joined.is_none()
                    && rest.last().is_some_and(|next| !next.starts_with('-') && *next != PROMPT)
                {
                    self.resumes.extend(rest.pop().map(str::to_owned));
                }
            }
        }
    }
}

/// An agent that no harness is named after.
fn unknown(prefix: &[String], command: &[String], template: &[String], stdin: bool) -> Result<Call, String> {
    let mut words: Vec<String> = prefix.iter().chain(command).cloned().collect();
    for word in template {
        match word.strip_suffix(PROMPT) {
            Some("") => words.push(word.clone()),
            // Only a word of its own is replaced by the prompt; both spellings mean the same to most programs.
            Some(flag) if flag.starts_with("--") && flag.ends_with('=') && !flag.contains(PROMPT) => {
                words.extend([flag.trim_end_matches('=').to_owned(), PROMPT.to_owned()]);
            }
            _ if word.contains(PROMPT) => return Err(word.clone()),
            _ => words.push(word.clone()),
        }
    }
    let prompt_via = Some(if stdin { "stdin" } else { "argv" });
    Ok(Call { harness: "command".to_owned(), command: Some(words), prompt_via, ..Call::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(command: &str, template: &str, stdin: bool) -> Call {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        read(&[], &words(command), &words(template), stdin).unwrap()
    }

    #[test]
    fn what_a_harness_says_itself_is_left_out_and_the_rest_is_kept() {
        let read = call(
            "/opt/bin/claude --model claude-opus-5 --permission-mode=acceptEdits --add-dir ../lib --output-format stream-json --continue",
            "-p",
            true,
        );
        assert_eq!(read.harness, "claude");
        assert_eq!(read.command, Some(vec!["/opt/bin/claude".to_owned()]));
        assert_eq!(read.model.as_deref(), Some("anthropic/claude-opus-5"));
        assert_eq!(read.permissions, Some("accept-edits"));
        assert_eq!(read.args, ["--add-dir", "../lib"]);
        assert_eq!(read.resumes, ["--continue"]);

        let read = call("codex e -m gpt-5.2 --sandbox danger-full-access -c a=b", "-- {prompt}", false);
        assert_eq!(read.model.as_deref(), Some("openai/gpt-5.2"));
        assert_eq!(read.args, ["--sandbox", "danger-full-access", "-c", "a=b"]);
        assert_eq!((read.prompt_via, read.command), (None, None));

        let read = call("gemini -y -o stream-json --resume latest", "-p {prompt}", false);
        assert_eq!((read.permissions, read.args.len()), (Some("bypass"), 0));
        assert_eq!(read.resumes, ["--resume", "latest"]);

        let read = call("aider --yes --model sonnet --read NOTES.md", "--message={prompt}", false);
        assert_eq!((read.permissions, &read.model), (Some("bypass"), &None));
        assert_eq!(read.args, ["--model", "sonnet", "--read", "NOTES.md"]);

        let read = call("opencode run --model zai/glm --session ses_1 --agent build", "{prompt}", false);
        assert_eq!(read.model.as_deref(), Some("zai/glm"));
        assert_eq!(read.args, ["--agent", "build"]);
    }

    #[test]
    fn an_unknown_agent_gets_its_prompt_where_its_template_says() {
        let read = call("kimi --output-format stream-json", "--prompt={prompt} --quiet", false);
        assert_eq!(read.harness, "command");
        let words = ["kimi", "--output-format", "stream-json", "--prompt", "{prompt}", "--quiet"];
        assert_eq!(read.command, Some(words.map(str::to_owned).to_vec()));
        assert_eq!(read.prompt_via, Some("argv"));
        assert_eq!(call("my-agent", "-x", true).prompt_via, Some("stdin"));
        let glued = unknown(&[], &["a".to_owned()], &["Do: {prompt} now".to_owned()], false);
        assert_eq!(glued, Err("Do: {prompt} now".to_owned()));
    }
}
