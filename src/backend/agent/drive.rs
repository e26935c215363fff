//! Drives one agent CLI: spawn, feed, read while it runs, end it, give its verdict.
//!
//! Output is read by a thread that does nothing else, so that a slow disk never delays a deadline, and goes on being
//! read and kept while the process is being ended.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::backend::{Answer, Attempt, Harness, Link, Report, Request, Stop};
use crate::event::{AgentExited, AlertRaised, ExitCause, Failure, FaultClass, PromptPart, Severity};
use crate::file::{Secrets, Veil};
use crate::process::{Exit, Guard, ProcessError, Spec, Stdin};

use super::aside::Asides;
use super::boxed::Boxed;
use super::files::local;
use super::voice::Voice;
use super::{Call, Dialect, ExitFacts, Invocation, LineSplitter, Signal};

/// How much of the end of standard error is kept for a verdict, bytes.
const STDERR_TAIL: usize = 8 * 1024;
/// How often a lingering agent is asked whether anything it started still works.
const IDLE_CHECK: Duration = Duration::from_secs(1);
/// Size of one read; as large as the pipe is made.
const CHUNK: usize = 512 * 1024;

/// An agent CLI as a harness.
pub struct AgentHarness {
    shared: Arc<Shared>,
}

struct Shared {
    invocation: Box<dyn Invocation>,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    grace: Duration,
    guard: Guard,
    secrets: Arc<Secrets>,
}

impl AgentHarness {
    /// Drives `program`, which is given nothing but `environment`.
    pub fn new(
        invocation: Box<dyn Invocation>,
        program: PathBuf,
        environment: Vec<(OsString, OsString)>,
        grace: Duration,
        guard: Guard,
        secrets: Arc<Secrets>,
    ) -> Self {
        Self { shared: Arc::new(Shared { invocation, program, environment, grace, guard, secrets }) }
    }
}

impl Harness for AgentHarness {
    fn attempt(&self, request: Request, link: Link) -> Attempt {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.drive(request, link).await })
    }

    fn forks(&self) -> bool {
        self.shared.invocation.forks()
    }

    fn resumes(&self) -> bool {
        self.shared.invocation.resumes()
    }
}

/// The parser of one attempt: the reading thread feeds it, and who ends the attempt may have it say so.
type SharedDialect = Arc<Mutex<Box<dyn Dialect>>>;

fn lock(dialect: &SharedDialect) -> MutexGuard<'_, Box<dyn Dialect>> {
    dialect.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the reading thread tells before it ends.
enum Turn {
    /// The attempt has failed; the agent has this long to go, or the usual grace.
    Failed(Failure, Option<Duration>),
    /// The conversation is over.
    Over,
}

/// What the reading thread gives back.
struct Reading {
    bytes: u64,
    redacted: u64,
    error: Option<std::io::Error>,
}

impl Shared {
    async fn drive(&self, request: Request, mut link: Link) -> Result<Answer, Failure> {
        let gone = |_| Failure::ours(FaultClass::SelfAbort, "the engine has gone");
        let target = self.invocation.target();
        if let Some(system) = request.system.clone().filter(|_| self.invocation.sends_system()) {
            let prompt = Report::Prompt { target: target.clone(), part: PromptPart::System, text: system };
            link.record(prompt).await.map_err(gone)?;
        }
        let prompt = Report::Prompt { target, part: PromptPart::User, text: request.user.clone() };
        link.record(prompt).await.map_err(gone)?;
        let transcript = open(&request.transcript)?;
        let Call { args, stdin, env: own } = self.invocation.call_in(&request, &self.environment)?;
        let mut env = self.environment.clone();
        env.retain(|(name, _)| own.iter().all(|(set, _)| set != name));
        env.extend(own);
        let conversation = self.invocation.conversation(&request, &env);
        let stdin = if conversation.is_some() { Stdin::Pipe } else { Stdin::Bytes(stdin) };
        let dialect = conversation.unwrap_or_else(|| self.invocation.dialect(&request));
        let dialect: SharedDialect = Arc::new(Mutex::new(dialect));
        let mut spec =
            Spec { program: self.program.clone(), args, env, cwd: request.workspace.clone(), stdin };
        let boxed = Boxed::prepare(&mut spec, &request.transcript);
        link.leave().await?;
        let started = Instant::now();
        let mut child = self.guard.spawn(spec).await.map_err(|error| not_started(&error))?;
        let control = child.control();
        let program = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        link.tell(Report::Spawned { pid: child.pid(), program }).await.map_err(gone)?;
        let (turn_tell, mut turns) = mpsc::unbounded_channel();
        let voice = child.take_stdin().map(|pipe| {
            Voice::new(pipe, &request.transcript.with_extension("in"), Arc::clone(&self.secrets))
        });
        let reading = child.take_stdout().map(|pipe| {
            let (tell, told) = oneshot::channel();
            let reader = Reader {
                veil: Veil::new(&self.secrets),
                transcript,
                dialect: Arc::clone(&dialect),
                voice: voice.clone(),
                link: link.clone(),
                turns: turn_tell,
            };
            std::thread::spawn(move || {
                let _ = tell.send(reader.read(pipe));
            });
            told
        });
        let stderr_log = request.transcript.with_extension("err");
        let secrets = Arc::clone(&self.secrets);
        let asides = self.invocation.listener().map(|listener| Asides::new(listener, link.clone()));
        let complaints = child.take_stderr().map(|pipe| {
            let (tell, told) = oneshot::channel();
            std::thread::spawn(move || {
                let _ = tell.send(read_stderr(pipe, &stderr_log, &secrets, asides));
            });
            told
        });

        let mut asked: Option<Stop> = None;
        let mut idle_check = tokio::time::interval(IDLE_CHECK);
        let mut busy_told = false;
        let mut fatal_failure: Option<Failure> = None;
        let mut listening = true;
        let mut cancelling = None;
        let exit = loop {
            tokio::select! {
                exit = child.wait() => break exit,
                stop = link.stopped(asked), if asked != Some(Stop::Now) => {
                    asked = Some(stop);
                    match stop {
                        Stop::WhenIdle => {}
                        Stop::Gracefully if interrupt(&dialect, voice.as_ref()) => {
                            // It has the grace once to leave its work, and once more to go.
                            cancelling = Some(tokio::time::Instant::now() + self.grace);
                        }
                        Stop::Gracefully => control.end(self.grace),
                        Stop::Now => control.end(Duration::ZERO),
                    }
                }
                _ = idle_check.tick(), if asked == Some(Stop::WhenIdle) => {
                    let workers = control.workers().await;
                    if workers.is_empty() {
                        asked = Some(Stop::Gracefully);
                        control.end(self.grace);
                    } else if !std::mem::replace(&mut busy_told, true) {
                        let names: Vec<&str> = workers.iter().map(|worker| worker.name.as_str()).collect();
                        let alert = AlertRaised {
                            alert: "lingering".to_owned(),
                            severity: Severity::Notice,
                            message: format!("the result is here, and the agent's processes still work: {}", names.join(", ")),
                        };
                        let _ = link.tell(Report::Alert(alert)).await;
                    }
                }
                () = at(cancelling), if cancelling.is_some() => {
                    cancelling = None;
                    control.end(self.grace);
                }
                turn = turns.recv(), if listening => match turn {
                    Some(Turn::Failed(failure, grace)) => {
                        if fatal_failure.is_none() {
                            control.end(grace.unwrap_or(self.grace));
                        }
                        fatal_failure.get_or_insert(failure);
                    }
                    Some(Turn::Over) => {
                        if cancelling.take().is_some() {
                            control.end(self.grace);
                        }
                    }
                    None => listening = false,
                },
            }
        };
        // The client that was ended is not the container.
        if let Some(boxed) =
            boxed.filter(|_| asked.is_some() || fatal_failure.is_some() || exit.signal.is_some())
            && let Some(alert) = boxed.stop(&self.guard).await
        {
            let _ = link.tell(Report::Alert(alert)).await;
        }
        let stderr = settled(complaints).await.unwrap_or_default();
        let read = settled(reading).await;
        let facts = ExitFacts { code: exit.code, signal: exit.signal };
        let said = voice.map_or(0, |voice| voice.redacted());
        let (verdict, bytes, redacted) = match read {
            Some(read) => {
                let verdict = match read.error {
                    Some(error) => {
                        Err(Failure::of_disk(&error, format!("failed to write the transcript: {error}")))
                    }
                    None => lock(&dialect).finish(facts, &stderr),
                };
                (verdict, read.bytes, read.redacted + said)
            }
            None => (Err(local("the agent's output did not end with the agent".to_owned())), 0, 0),
        };
        let cause = cause(&exit, asked, verdict.is_ok(), fatal_failure.is_some());
        self.report_exit(&link, &exit, cause, started, bytes, redacted).await;
        match (verdict, fatal_failure) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Some(failure)) | (Err(failure), None) => Err(failure),
        }
    }

    async fn report_exit(
        &self,
        link: &Link,
        exit: &Exit,
        cause: ExitCause,
        started: Instant,
        bytes: u64,
        redacted: u64,
    ) {
        let strays: Vec<String> =
            exit.strays.iter().map(|stray| format!("{} ({})", stray.name, stray.pid)).collect();
        if !strays.is_empty() {
            let alert = AlertRaised {
                alert: "strays".to_owned(),
                severity: Severity::Notice,
                message: format!(
                    "the agent left processes behind, and they were ended: {}",
                    strays.join(", ")
                ),
            };
            let _ = link.tell(Report::Alert(alert)).await;
        }
        let exited = AgentExited {
            code: exit.code,
            signal: exit.signal,
            cause,
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            transcript_bytes: bytes,
            strays,
            redacted,
        };
        let _ = link.tell(Report::Exited(exited)).await;
    }
}

fn cause(exit: &Exit, asked: Option<Stop>, answered: bool, fatal: bool) -> ExitCause {
    match (asked, exit.signal, exit.code) {
        (Some(_), ..) if answered => ExitCause::Lingered,
        (Some(_), ..) => ExitCause::Stopped,
        _ if fatal => ExitCause::Stopped,
        (None, Some(_), _) => ExitCause::Signal,
        (None, None, Some(0)) => ExitCause::Clean,
        _ => ExitCause::Error,
    }
}

fn not_started(error: &ProcessError) -> Failure {
    local(format!("the agent did not start: {error}"))
}

fn open(path: &Path) -> Result<File, Failure> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| Failure::of_disk(&error, format!("failed to open {}: {error}", path.display())))
}

/// Has a conversation ask the agent to leave its work, and says whether it was asked.
fn interrupt(dialect: &SharedDialect, voice: Option<&Voice>) -> bool {
    let Some(voice) = voice else { return false };
    let mut signals = Vec::new();
    let asked = lock(dialect).interrupt(&mut signals);
    let heard = signals.into_iter().all(|signal| match signal {
        Signal::Say(line) => voice.say(line),
        _ => true,
    });
    asked && heard
}

async fn at(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Waits for a reader whose process is gone; a pipe that a survivor holds open is not waited for longer.
async fn settled<T>(reading: Option<oneshot::Receiver<T>>) -> Option<T> {
    tokio::time::timeout(Duration::from_secs(5), reading?).await.ok()?.ok()
}

struct Reader {
    veil: Veil,
    transcript: File,
    dialect: SharedDialect,
    voice: Option<Voice>,
    link: Link,
    turns: mpsc::UnboundedSender<Turn>,
}

impl Reader {
    /// Reads to the end, whatever happens on the way: an agent must never block on a full pipe.
    fn read(mut self, mut pipe: impl Read) -> Reading {
        let mut chunk = vec![0; CHUNK];
        let mut clear = Vec::new();
        let mut lines = LineSplitter::default();
        let mut signals = Vec::new();
        let (mut bytes, mut redacted, mut error) = (0, 0, None);
        lock(&self.dialect).open(&mut signals);
        self.pass_on(&mut signals);
        loop {
            clear.clear();
            // Without anything to hide, what was read is taken as it is.
            let mut plain = 0;
            let end = match pipe.read(&mut chunk) {
                Ok(0) => true,
                Ok(read) if self.veil.is_clear() => {
                    plain = read;
                    false
                }
                Ok(read) => {
                    redacted += self.veil.push(&chunk[..read], &mut clear);
                    false
                }
                Err(failed) if failed.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => true,
            };
            if end {
                redacted += self.veil.finish(&mut clear);
            }
            let piece = if plain > 0 { &chunk[..plain] } else { &clear[..] };
            if error.is_none() {
                error = self.transcript.write_all(piece).err();
            }
            bytes += piece.len() as u64;
            {
                let mut dialect = lock(&self.dialect);
                lines.push(piece, |line| dialect.line(line.bytes, &mut signals));
                if end {
                    lines.finish(|line| dialect.line(line.bytes, &mut signals));
                    dialect.end(&mut signals);
                } else {
                    dialect.flush(&mut signals);
                }
            }
            let _ = self.link.tell_blocking(Report::Transcript(bytes));
            self.pass_on(&mut signals);
            if end {
                return Reading { bytes, redacted, error };
            }
        }
    }

    fn pass_on(&self, signals: &mut Vec<Signal>) {
        for signal in signals.drain(..) {
            match signal {
                Signal::Report(report) => {
                    let _ = self.link.tell_blocking(report);
                }
                Signal::Fatal(failure) => {
                    let _ = self.turns.send(Turn::Failed(failure, None));
                }
                Signal::Runaway(failure) => {
                    let _ = self.turns.send(Turn::Failed(failure, Some(Duration::ZERO)));
                }
                Signal::Say(line) => {
                    if self.voice.as_ref().is_some_and(|voice| !voice.say(line)) {
                        let words = "the agent asks more than it reads the answers to";
                        let failure = Failure::ours(FaultClass::AgentCrash, words);
                        let _ = self.turns.send(Turn::Failed(failure, Some(Duration::ZERO)));
                    }
                }
                Signal::Close => {
                    if let Some(voice) = &self.voice {
                        voice.close();
                    }
                    let _ = self.turns.send(Turn::Over);
                }
            }
        }
    }
}

/// Keeps standard error beside the transcript and returns its end.
fn read_stderr(
    mut pipe: impl Read,
    log: &Path,
    secrets: &Arc<Secrets>,
    mut asides: Option<Asides>,
) -> String {
    let mut veil = Veil::new(secrets);
    let mut chunk = vec![0; 64 * 1024];
    let mut clear = Vec::new();
    let mut tail: Vec<u8> = Vec::new();
    let mut file = None;
    loop {
        clear.clear();
        let read = pipe.read(&mut chunk).unwrap_or(0);
        if read == 0 {
            veil.finish(&mut clear);
        } else {
            veil.push(&chunk[..read], &mut clear);
        }
        let kept = match &mut asides {
            Some(asides) => asides.complaints(&clear, read == 0),
            None => &clear,
        };
        if !kept.is_empty() {
            let out = file.get_or_insert_with(|| OpenOptions::new().create(true).append(true).open(log));
            if let Ok(out) = out {
                let _ = out.write_all(kept);
            }
            tail.extend_from_slice(kept);
            tail.drain(..tail.len().saturating_sub(STDERR_TAIL));
        }
        if read == 0 {
            return String::from_utf8_lossy(&tail).into_owned();
        }
    }
}
