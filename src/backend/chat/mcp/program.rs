//! The program of a server: a child like any other, whose complaints are kept.

use std::fs::OpenOptions;
use std::io::{Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::backend::{Link, Stop};
use crate::file::{Secrets, Veil};
use crate::process::{Child, Exit, Guard, Spec};

/// Bytes of standard error that one attempt keeps in its log; the rest is read and dropped.
const LOG_LIMIT: usize = 1024 * 1024;
/// Bytes of its end that a failure quotes.
const TAIL_LIMIT: usize = 1024;
/// How long a program may take to end by itself once its input has ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one may take that has failed to start: the attempt waits for nothing else then.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// A running program.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    complaints: Option<oneshot::Receiver<String>>,
    grace: Duration,
}

/// Its output and its input.
pub(super) type Pipes = (pipe::Receiver, pipe::Sender);

impl Program {
    /// Starts it. What it complains about goes to `log`.
    pub(super) async fn start(
        guard: &Guard,
        spec: Spec,
        log: PathBuf,
        secrets: &Arc<Secrets>,
        grace: Duration,
    ) -> Result<(Self, Pipes), String> {
        let mut child = guard.spawn(spec).await.map_err(|error| with_causes(&error))?;
        let complaints = child.take_stderr().map(|pipe| {
            let (tell, told) = oneshot::channel();
            let secrets = Arc::clone(secrets);
            std::thread::spawn(move || {
                let _ = tell.send(keep(pipe, &log, &secrets));
            });
            told
        });
        let pipes = match (child.take_stdout(), child.take_stdin()) {
            (Some(stdout), Some(stdin)) => {
                let receiver = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout));
                (receiver.map_err(|error| with_causes(&error))?, stdin)
            }
            _ => return Err("its pipes are not there".to_owned()),
        };
        Ok((Self { child, complaints, grace }, pipes))
    }

    /// Waits until nothing of it runs: a while for its own end, as its input has ended, then TERM and KILL.
    pub(super) async fn end(self, link: &mut Link) {
        let grace = self.grace;
        self.ended(link, PATIENCE, grace).await;
    }

    /// The same, with less patience, for one that did not become ready. Returns how it ended and what it said last on
    /// standard error.
    pub(super) async fn give_up(self, link: &mut Link) -> (Exit, String) {
        let grace = self.grace.min(SHORT_PATIENCE);
        self.ended(link, SHORT_PATIENCE, grace).await
    }

    async fn ended(mut self, link: &mut Link, patience: Duration, grace: Duration) -> (Exit, String) {
        let control = self.child.control();
        let mut asked = link.stop_now();
        let patience = tokio::time::sleep(patience);
        tokio::pin!(patience);
        let mut told = false;
        if asked == Some(Stop::Now) {
            control.end(Duration::ZERO);
            told = true;
        }
        let exit = loop {
            tokio::select! {
                exit = self.child.wait() => break exit,
                () = &mut patience, if !told => {
                    told = true;
                    control.end(grace);
                }
                harder = link.stopped(asked), if asked != Some(Stop::Now) => {
                    asked = Some(harder);
                    if harder == Stop::Now {
                        told = true;
                        control.end(Duration::ZERO);
                    }
                }
            }
        };
        let tail = match self.complaints.take() {
            // Whoever else holds the pipe is not waited for.
            Some(told) => tokio::time::timeout(PATIENCE, told).await.ok().and_then(Result::ok),
            None => None,
        };
        (exit, tail.unwrap_or_default())
    }
}

/// An error with all its causes, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Reads to the end, so that the program never waits for us, and returns the end.
fn keep(mut pipe: impl Read, log: &Path, secrets: &Secrets) -> String {
    let mut veil = Veil::new(secrets);
    let mut chunk = vec![0; 16 * 1024];
    let mut clear = Vec::new();
    let mut tail: Vec<u8> = Vec::new();
    let mut room = LOG_LIMIT;
    let mut file = None;
    loop {
        clear.clear();
        let read = match pipe.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        if read == 0 {
            veil.finish(&mut clear);
        } else {
            veil.push(chunk.get(..read).unwrap_or_default(), &mut clear);
        }
        let piece = clear.get(..clear.len().min(room)).unwrap_or_default();
        if !piece.is_empty() {
            room -= piece.len();
            let out = file.get_or_insert_with(|| OpenOptions::new().create(true).append(true).open(log));
            if let Ok(out) = out {
                let _ = out.write_all(piece);
                if room == 0 {
                    let _ = out.write_all(b"\n[the rest was dropped]\n");
                }
            }
        }
        tail.extend_from_slice(&clear);
        tail.drain(..tail.len().saturating_sub(TAIL_LIMIT));
        if read == 0 {
            return String::from_utf8_lossy(&tail).trim().to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_kept_up_to_a_bound_and_without_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("err");
        let secrets = Secrets::new([("TOKEN".to_owned(), "tok-987654".to_owned())]);
        let tail = keep(&b"using tok-987654\nbye\n"[..], &log, &secrets);
        assert_eq!(tail, "using [secret:TOKEN]\nbye");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "using [secret:TOKEN]\nbye\n");
        assert_eq!(keep(&b""[..], &dir.path().join("none"), &secrets), "");
        assert!(!dir.path().join("none").exists(), "silence leaves no file");

        let log = dir.path().join("flood");
        let flood = "x".repeat(3 * LOG_LIMIT) + "the end";
        let tail = keep(flood.as_bytes(), &log, &Secrets::new([]));
        assert!(tail.ends_with("the end") && tail.len() == TAIL_LIMIT);
        let kept = std::fs::read_to_string(&log).unwrap();
        assert!(kept.len() < LOG_LIMIT + 100 && kept.ends_with("[the rest was dropped]\n"));
    }
}
