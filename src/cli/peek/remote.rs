//! `peek --host`: the same question, asked of provost on another machine.
//!
//! Everything is found out there; nothing of this machine is looked at.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::follow::lines;
use super::{CliError, Common, Context, PeekArgs, environment};
use crate::backend::Guard;
use crate::backend::remote::{self, Answered, Host};
use crate::cli::context::say;
use crate::cli::launch::own_program;
use crate::engine::Clock;
use crate::event::{Event, Seq, Tally};
use crate::report::{Lines, Reporter as _, clean};

/// How long a lost connection rests before it is made anew, seconds; the last one again and again.
const RESTS: [u64; 6] = [1, 2, 4, 8, 16, 30];
/// How long it is tried before it is given up.
const PATIENCE: Duration = Duration::from_secs(90);
/// A longer line is no event.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// Asks there, and exits as provost there does.
pub(super) fn peek(context: &Context, common: &Common, args: &PeekArgs, host: &Host) -> Result<u8, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(environment)?;
    let code = runtime.block_on(async {
        let guard = Guard::start(&own_program()?).await.map_err(environment)?;
        let there = There { context, common, args, host, guard: &guard };
        let code = if args.follow { there.follow().await } else { there.once().await };
        guard.close().await;
        code
    });
    // A thread that still waits for a pipe must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

struct There<'a> {
    context: &'a Context,
    common: &'a Common,
    args: &'a PeekArgs,
    host: &'a Host,
    guard: &'a Guard,
}

impl There<'_> {
    async fn ask(
        &self,
        words: Vec<String>,
        hear: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Answered, CliError> {
        let program = self.args.remote_command.split_whitespace().map(str::to_owned);
        let words: Vec<String> = program.chain(words).collect();
        let command = remote::command_line(&words).map_err(|error| CliError::usage(error.to_string()))?;
        let (environment_here, cwd) = (self.context.environment.clone(), self.context.cwd.clone());
        remote::ask(self.guard, self.host, &command, environment_here, cwd, hear).await.map_err(environment)
    }

    async fn once(&self) -> Result<u8, CliError> {
        let mut out = std::io::stdout().lock();
        let words = self.words(self.args.run.as_deref(), self.args.json, None);
        let answered = self
            .ask(words, |bytes| match out.write_all(bytes).and_then(|()| out.flush()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
            .await?;
        match answered.code {
            Some(0) => Ok(0),
            Some(code) => Ok(self.complain(&answered, code)),
            None => Err(self.lost(&answered)),
        }
    }

    /// Hands on what was said there on standard error.
    fn complain(&self, answered: &Answered, code: u8) -> u8 {
        for line in &answered.complaints {
            say(&format!("{}: {}\n", self.host, clean(line)));
        }
        if code == 127 && !answered.complaints.iter().any(|line| line.starts_with("error:")) {
            say("help: `--remote-command` says how provost is called there\n");
        }
        code
    }

    fn lost(&self, answered: &Answered) -> CliError {
        let why: Vec<String> = answered.complaints.iter().map(|line| clean(line)).collect();
        let why = if why.is_empty() { "ssh does not say why".to_owned() } else { why.join("; ") };
        CliError::unavailable(format!("there is no connection to {}: {why}", self.host))
            .hint(format!("`ssh {}` must work without a password", self.host))
    }

    /// What is asked there: our own flags, without those that are about the way.
    fn words(&self, run: Option<&str>, json: bool, after: Option<Seq>) -> Vec<String> {
        let PeekArgs {
            run: _,
            json: _,
            select,
            window,
            events,
            round,
            cell,
            log,
            prompts,
            outputs,
            text,
            follow,
            after: _,
            alerts,
            defenses,
            runs,
            cooldowns,
            clear,
            host: _,
            remote_command: _,
        } = self.args;
        let mut words = Vec::new();
        // What this machine's environment says is not meant for another one.
        let of_environment = self.context.environment.get("PROVOST_ROOT").map(std::path::Path::new);
        if let Some(root) = self.common.root.as_deref().filter(|root| Some(*root) != of_environment) {
            words.push(format!("--root={}", root.display()));
        }
        let colour = self.context.stdout_look().colour && !json;
        words.push(format!("--color={}", if colour { "always" } else { "never" }));
        words.extend(std::iter::repeat_n("--verbose".to_owned(), usize::from(self.common.verbose)));
        words.push("peek".to_owned());
        let switches = [
            ("--quiet", self.common.quiet),
            ("--json", json),
            ("--log", *log),
            ("--prompts", *prompts),
            ("--outputs", *outputs),
            ("--follow", *follow),
            ("--alerts", *alerts),
            ("--defenses", *defenses),
            ("--runs", *runs),
            ("--cooldowns", *cooldowns),
        ];
        words.extend(switches.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_owned()));
        if let Some(path) = select {
            words.extend([format!("--select={path}"), format!("--window={window}")]);
        }
        let numbers = [
            ("--events", events.map(|count| count as u64)),
            ("--round", *round),
            ("--cell", cell.map(|cell| cell.0)),
            ("--after", after.map(|seq| seq.0)),
        ];
        words.extend(numbers.into_iter().filter_map(|(name, number)| Some(format!("{name}={}", number?))));
        words.extend(text.iter().map(|name| format!("--text={name}")));
        words.extend(clear.iter().map(|which| format!("--clear={which}")));
        words.extend(run.map(|run| ["--".to_owned(), run.to_owned()]).into_iter().flatten());
        words
    }

    /// The id of the newest run there: it must stay the same when the connection is made anew.
    async fn newest(&self) -> Result<String, CliError> {
        let mut heard = Vec::new();
        let mut words = self.words(None, false, None);
        words.retain(|word| word != "--follow" && word != "--quiet");
        words.push("--select=run".to_owned());
        let answered = self
            .ask(words, |bytes| {
                heard.extend_from_slice(bytes);
                if heard.len() > 4096 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await?;
        let text = String::from_utf8_lossy(&heard);
        // A shell there may say something of its own first.
        match (answered.code, text.lines().last()) {
            (Some(0), Some(run)) => Ok(run.trim().to_owned()),
            (None, _) => Err(self.lost(&answered)),
            (Some(code), _) => {
                self.complain(&answered, code);
                Err(CliError::unavailable(format!("{} does not say which run is its newest", self.host)))
            }
        }
    }

    async fn follow(&self) -> Result<u8, CliError> {
        let run = match &self.args.run {
            Some(run) => run.clone(),
            None => self.newest().await?,
        };
        let mut relay = Relay {
            json: self.args.json,
            // People are shown what comes after it, and the fold needs what comes before.
            hidden: self.args.after.map(Seq),
            seen: self.args.after.map(Seq).filter(|_| self.args.json),
            tally: Tally::default(),
            report: lines(self.context, self.common, format!("{}:{run}", self.host)),
            held: Vec::new(),
            fresh: false,
            closed: false,
        };
        let mut outage = Outage::default();
        loop {
            let words = self.words(Some(&run), true, relay.seen);
            relay.held.clear();
            let answered = self.ask(words, |bytes| relay.hear(bytes)).await?;
            // A run that was taken up again has an end in its midst: only what stands last is one.
            if let Some(ended) = &relay.tally.ended {
                return Ok(ended.exit_code);
            }
            if relay.closed {
                return Ok(0);
            }
            if let Some(code) = answered.code {
                return Ok(self.complain(&answered, code));
            }
            if std::mem::take(&mut relay.fresh) {
                outage = Outage::default();
            }
            let Some(rest) = outage.lost(Clock.now()) else {
                return Err(self.lost(&answered));
            };
            let why =
                answered.complaints.last().map_or_else(String::new, |line| format!(" ({})", clean(line)));
            say(&format!(
                "the connection to {} is lost{why}; the next try comes in {}s\n",
                self.host,
                rest.as_secs()
            ));
            tokio::time::sleep(rest).await;
        }
    }
}

/// Takes the events of the other side, each once however often they come.
struct Relay {
    json: bool,
    /// Up to here nothing is shown.
    hidden: Option<Seq>,
    /// The last event that was heard.
    seen: Option<Seq>,
    tally: Tally,
    report: Lines,
    /// The beginning of a line. It is of no use once the connection is lost.
    held: Vec<u8>,
    /// Whether anything was heard since the connection was made.
    fresh: bool,
    /// Nobody reads what we print.
    closed: bool,
}

impl Relay {
    fn hear(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            self.line(line);
            if self.closed {
                return ControlFlow::Break(());
            }
        }
        if rest.len() > LONGEST_LINE {
            return ControlFlow::Break(());
        }
        self.held = rest.to_vec();
        ControlFlow::Continue(())
    }

    fn line(&mut self, line: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Event>(line) else {
            // Not an event: a greeting of the shell there.
            return;
        };
        if self.seen.is_some_and(|seen| event.seq <= seen) {
            return;
        }
        self.seen = Some(event.seq);
        self.fresh = true;
        self.tally.apply(&event);
        if self.hidden.is_none_or(|hidden| event.seq > hidden) {
            let shown = if self.json {
                let mut out = std::io::stdout().lock();
                out.write_all(line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush())
            } else {
                self.report.event(&event, line, &self.tally)
            };
            self.closed = shown.is_err();
        }
    }
}

/// How long there is no connection, and how often that was tried to be mended.
#[derive(Debug, Default)]
struct Outage {
    since: Option<Instant>,
    tries: usize,
}

impl Outage {
    /// How long to rest before the next try; `None` when it is given up.
    fn lost(&mut self, now: Instant) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let left =
            PATIENCE.checked_sub(now.saturating_duration_since(since)).filter(|left| !left.is_zero())?;
        let rest = RESTS.get(self.tries).or(RESTS.last()).copied().unwrap_or_default();
        self.tries += 1;
        Some(Duration::from_secs(rest).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_tried_again_for_ninety_seconds() {
        let begun = Clock.now();
        let mut outage = Outage::default();
        let mut passed = Duration::ZERO;
        let mut rests = Vec::new();
        while let Some(rest) = outage.lost(begun + passed) {
            rests.push(rest.as_secs());
            // A try takes time as well.
            passed += rest + Duration::from_millis(500);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 26]);
        assert!(passed >= PATIENCE && passed < PATIENCE + Duration::from_secs(1));
    }
}
