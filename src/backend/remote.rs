//! `provost` on another machine, over the user's own ssh.
//!
//! What is asked there is quoted word by word for the shell that reads it, and a host is a plain name: neither can become an
//! option or a command.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::process::{Guard, ProcessError, Spec, Stdin};

/// Lines of the other side's standard error that are kept.
const COMPLAINTS: usize = 20;
/// As much of one of them is kept, bytes.
const LONGEST_COMPLAINT: u64 = 1024;
/// Chunks of its standard output that wait to be heard.
const AHEAD: usize = 16;
/// How long output may still come when nothing runs any more.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// What ssh exits with when it is not connected, or not any more.
const NOT_CONNECTED: i32 = 255;

/// Asks nobody for a password, and finds out by itself within half a minute that the other side has gone.
const OPTIONS: [&str; 9] = [
    "-T",
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=10",
    "-o",
    "ServerAliveCountMax=3",
];

/// A host as ssh knows it: an alias, `user@host`, an address, `ssh://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

/// Why a text is no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is nothing.
    #[error("a host has a name")]
    Empty,
    /// ssh would take it for an option.
    #[error("a host does not begin with `-`")]
    Dash,
    /// It holds what no host holds, and what a shell may act upon.
    #[error("a host holds no {0:?}; name it in your ssh configuration and give that name")]
    Sign(char),
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-@:/[]%+~".contains(c);
        match text.chars().find(|c| !fits(*c)) {
            Some(c) => Err(HostError::Sign(c)),
            None if text.is_empty() => Err(HostError::Empty),
            None if text.starts_with('-') => Err(HostError::Dash),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A word that cannot be sent: it holds what would end a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} holds a control character, which is not sent to another machine")]
pub struct WordError(pub String);

/// Words as one command line for a POSIX shell, each as it stands.
///
/// # Errors
///
/// The first word that holds a control character.
pub fn command_line(words: &[String]) -> Result<String, WordError> {
    if let Some(word) = words.iter().find(|word| word.chars().any(char::is_control)) {
        return Err(WordError(word.clone()));
    }
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    Ok(quoted.join(" "))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/=:,@+".contains(c);
    // The first word of a command that holds `=` would be an assignment.
    if !word.is_empty() && word.chars().all(plain) && !word.contains('=') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the command has exited with; `None` when the connection was not made, or was lost.
    pub code: Option<u8>,
    /// The last lines of standard error, of ssh and of the command.
    pub complaints: Vec<String>,
}

/// Runs a command line on `host` and hands out its standard output as it comes, until `hear` has enough. Nothing of it runs
/// here any more when this returns. `environment` and `cwd` are those of ssh itself.
///
/// # Errors
///
/// When there is no ssh, or it cannot be started.
pub async fn ask(
    guard: &Guard,
    host: &Host,
    command: &str,
    environment: impl IntoIterator<Item = (String, String)>,
    cwd: PathBuf,
    mut hear: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<Answered, ProcessError> {
    let mut args: Vec<_> = OPTIONS.iter().map(Into::into).collect();
    // Nothing behind this is an option, whatever it looks like.
    args.extend(["--".into(), host.0.clone().into(), command.into()]);
    let env = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let spec = Spec { program: PathBuf::from("ssh"), args, env, cwd, stdin: Stdin::default() };
    let mut child = guard.spawn(spec).await?;
    let control = child.control();
    let (chunks, mut heard) = mpsc::channel(AHEAD);
    if let Some(pipe) = child.take_stdout() {
        std::thread::spawn(move || pass_on(pipe, &chunks));
    }
    let (tell, told) = oneshot::channel();
    if let Some(pipe) = child.take_stderr() {
        std::thread::spawn(move || tell.send(last_lines(pipe)));
    }
    let mut exit = None;
    let mut enough = false;
    loop {
        let chunk = tokio::select! {
            biased;
            chunk = heard.recv() => chunk,
            ended = child.wait(), if exit.is_none() => {
                exit = Some(ended);
                continue;
            }
            () = tokio::time::sleep(LAST_WORDS), if exit.is_some() => None,
        };
        match chunk {
            Some(chunk) if !enough && hear(&chunk).is_break() => {
                enough = true;
                control.end(Duration::ZERO);
            }
            Some(_) => {}
            None => break,
        }
    }
    let exit = match exit {
        Some(exit) => exit,
        None => child.wait().await,
    };
    let complaints =
        tokio::time::timeout(LAST_WORDS, told).await.ok().and_then(Result::ok).unwrap_or_default();
    let code = exit.code.filter(|code| *code != NOT_CONNECTED).and_then(|code| u8::try_from(code).ok());
    Ok(Answered { code, complaints })
}

fn pass_on(mut pipe: impl Read, chunks: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = pipe.read(&mut buffer) {
        if chunks.blocking_send(buffer[..length].to_vec()).is_err() {
            return;
        }
    }
}

/// Reads to the end and keeps the last lines, each as far as it says something.
fn last_lines(pipe: impl Read) -> Vec<String> {
    let mut pipe = BufReader::new(pipe);
    let mut lines = VecDeque::new();
    let mut line = Vec::new();
    while let Ok(1..) = pipe.by_ref().take(LONGEST_COMPLAINT).read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if text.is_empty() {
            continue;
        }
        if lines.len() == COMPLAINTS {
            lines.pop_front();
        }
        lines.push_back(text);
    }
    lines.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scar: an ssh host that was an option, and a newline in a name that was another command.
    #[test]
    fn a_host_is_a_name_and_nothing_else() {
        for good in ["box", "me@box.example.org", "10.0.0.1", "ssh://me@box:2222", "[fe80::1%eth0]", "a_b-c"]
        {
            assert_eq!(good.parse::<Host>().map(|host| host.to_string()), Ok(good.to_owned()));
        }
        assert_eq!("".parse::<Host>(), Err(HostError::Empty));
        assert_eq!("-l".parse::<Host>(), Err(HostError::Dash));
        for bad in [
            "-oProxyCommand=touch x",
            "box\nreboot",
            "box;reboot",
            "$(reboot)",
            "a b",
            "bo\u{7f}x",
            "`x`",
            "h\u{f6}st",
        ] {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
    }

    #[test]
    fn each_word_comes_through_a_shell_as_it_stands() {
        let words = ["provost", "", "it's", "$HOME `x` \"y\"", "a;b", "--select=events.x", "*", "\\"]
            .map(str::to_owned);
        let line = command_line(&words).unwrap();
        assert_eq!(line, "provost '' 'it'\\''s' '$HOME `x` \"y\"' 'a;b' '--select=events.x' '*' '\\'");
        assert_eq!(command_line(&["a\nb".to_owned()]), Err(WordError("a\nb".to_owned())));
    }

    #[test]
    fn the_last_complaints_are_kept() {
        let text: Vec<String> = (0..30).map(|n| format!("line {n}\n\n")).collect();
        let text = text.concat();
        let lines = last_lines(text.as_bytes());
        assert_eq!((lines.len(), lines[0].as_str(), lines[19].as_str()), (20, "line 10", "line 29"));
        let long = "x".repeat(100_000);
        assert!(last_lines(long.as_bytes()).iter().map(String::len).sum::<usize>() <= 20 * 1024);
    }
}
