//! The loop: ask the model, run the tools that it calls, until a turn calls none.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

use super::Settings;
use super::conversation::{Call, Conversation, Message, Turn};
use super::tools::{ToolAnswer, Toolbox, about};
use super::transcript::Transcript;
use super::wire::Wire;
use crate::backend::{Answer, Gone, Link, Replayed, Report, Request};
use crate::event::{
    AttemptAccepted, Failure, FaultClass, PromptPart, ToolCalled, ToolId, TurnNumber, is_output_limit,
};

#[cfg(test)]
mod tests;

/// How a model speaks while it is asked.
#[derive(Debug)]
pub(super) struct Voice {
    link: Link,
    emitted: bool,
    accepted: bool,
    /// Whether the model has begun to answer this request.
    begun: bool,
    transcript: u64,
}

impl Voice {
    /// The model has taken the request.
    pub(super) async fn accepted(&mut self, model: Option<String>) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.accepted, true) {
            let accepted = AttemptAccepted { session: None, model, agent: None };
            self.link.tell(Report::Accepted(accepted)).await.map_err(gone)?;
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.link.tell(Report::Begun).await.map_err(gone)?;
        }
        Ok(())
    }

    /// Whether the request may be sent.
    pub(super) async fn leave(&mut self) -> Result<(), Failure> {
        self.begun = false;
        self.link.leave().await
    }

    /// Text as it streams.
    pub(super) async fn text(&mut self, text: String) -> Result<(), Failure> {
        self.emitted = true;
        self.link.tell(Report::Text(text)).await.map_err(gone)
    }

    /// Content that is no text has come, such as a tool call.
    pub(super) fn content(&mut self) {
        self.emitted = true;
    }

    /// The model is at work, and that is all there is to say.
    pub(super) async fn alive(&self) -> Result<(), Failure> {
        self.link.tell(Report::Transcript(self.transcript)).await.map_err(gone)
    }

    /// Whether content has come in this attempt.
    pub(super) fn emitted(&self) -> bool {
        self.emitted
    }
}

/// The future of one turn.
pub(super) type Asking<'a> = Pin<Box<dyn Future<Output = Result<Turn, Failure>> + Send + 'a>>;

/// Something that can be asked for a turn. Dropping the future takes the question back.
pub(super) trait Model: Send {
    /// How the conversation is written down: what is on record is what is sent.
    fn wire(&self) -> &'static dyn Wire;

    /// Asks.
    fn turn<'a>(&'a mut self, conversation: &'a Conversation, voice: &'a mut Voice) -> Asking<'a>;
}

/// What happens to a tool that was called before an interruption and whose answer is not on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The model is told to look.
    TellModel,
    /// It runs again; what it had done already counts as done.
    RunAgain,
}

const IN_DOUBT: &str =
    "interrupted before its result was recorded; look at the workspace before repeating it";

/// One attempt of a model with tools.
#[derive(Debug)]
pub(super) struct TurnLoop<M> {
    pub(super) model: M,
    pub(super) target: String,
    pub(super) doubt: Doubt,
    pub(super) settings: Settings,
}

impl<M: Model + 'static> TurnLoop<M> {
    /// Runs the attempt to its one end.
    pub(super) async fn run(self, request: Request, link: Link) -> Result<Answer, Failure> {
        let transcript = Transcript::open(&request.transcript, request.terse, self.settings.secrets.clone())?;
        let voice =
            Voice { link: link.clone(), emitted: false, accepted: false, begun: false, transcript: 0 };
        let mut tools = Toolbox::new(
            self.settings.tools.clone(),
            request.workspace.clone(),
            self.settings.shell.clone(),
            self.settings.tool_timeout,
        );
        let connected = match &self.settings.mcp {
            Some(servers) => servers.connect(&request, &link).await.map(|mcp| tools.add(mcp)),
            None => Ok(()),
        };
        let mut running = Running {
            tools,
            replay: request.replay.clone().into(),
            attempt: self,
            transcript,
            voice,
            link,
            heard: 0,
        };
        let ended = match connected {
            Ok(()) => running.turns(&request).await,
            Err(failure) => Err(failure),
        };
        running.tools.close(&running.link).await;
        let noted = match &ended {
            Ok(answer) => ("answer", answer.stop_reason.clone().unwrap_or_default()),
            Err(failure) => ("failure", format!("{}: {}", failure.class, failure.evidence)),
        };
        // The attempt has ended the way it has ended, whether or not anybody still listens.
        let _ = running.transcript.block(noted.0, &noted.1, &running.link).await;
        ended.map_err(|failure| Failure {
            emitted_output: failure.emitted_output || running.voice.emitted(),
            ..failure
        })
    }
}

struct Running<M> {
    attempt: TurnLoop<M>,
    tools: Toolbox,
    replay: VecDeque<Replayed>,
    transcript: Transcript,
    voice: Voice,
    link: Link,
    /// How many messages of people the conversation has.
    heard: usize,
}

impl<M: Model> Running<M> {
    async fn turns(&mut self, request: &Request) -> Result<Answer, Failure> {
        let mut conversation = Conversation {
            system: request.system.clone(),
            messages: std::iter::once(Message::User(request.user.clone()))
                .chain(request.images.iter().cloned().map(Message::Image))
                .collect(),
            tools: self.tools.specs(),
            turn: TurnNumber(0),
        };
        loop {
            conversation.turn = conversation.turn.next();
            if conversation.turn.0 > u64::from(self.attempt.settings.max_turns) {
                let text = format!("no answer after {} turns", self.attempt.settings.max_turns);
                return Err(Failure::ours(FaultClass::BudgetLimit, text));
            }
            self.recorded_words(&mut conversation);
            let turn = match self.recorded_turn(conversation.turn)? {
                Some(turn) => turn,
                None => self.ask(request, &mut conversation).await?,
            };
            if request.takes_cut && conversation.tools.is_empty() && is_cut_text(&turn) {
                return Ok(Answer { text: turn.text, stop_reason: turn.stop_reason });
            }
            check(&turn)?;
            if turn.tool_calls.is_empty() && !paused(&turn) {
                return answer(turn);
            }
            conversation.messages.push(Message::Assistant(turn.clone()));
            for call in turn.tool_calls {
                let ToolAnswer { ok, text } = self.call(&call).await?;
                conversation.messages.push(Message::ToolResult { call: call.id, ok, text });
            }
        }
    }

    fn recorded_turn(&mut self, turn: TurnNumber) -> Result<Option<Turn>, Failure> {
        while let Some(step) = self.replay.pop_front() {
            if let Replayed::Turn(bytes) = step {
                self.voice.emitted = true;
                self.voice.accepted = true;
                return serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                    let text = format!("turn {turn} of the record cannot be read: {error}");
                    Failure::ours(FaultClass::Unknown, text)
                });
            }
            // An answer to no call of the turn before it: nothing to use it for.
        }
        Ok(None)
    }

    /// What people said at this place before the attempt was interrupted.
    fn recorded_words(&mut self, conversation: &mut Conversation) {
        while let Some(Replayed::Said(text)) =
            self.replay.pop_front_if(|step| matches!(step, Replayed::Said(_)))
        {
            conversation.messages.push(Message::User(text));
        }
    }

    /// What people have said meanwhile. A turn that the provider paused goes back as it is, with nothing after it.
    async fn listen(&mut self, conversation: &mut Conversation) -> Result<(), Failure> {
        if matches!(conversation.messages.last(), Some(Message::Assistant(_))) {
            return Ok(());
        }
        for word in self.link.words(self.heard) {
            self.heard += 1;
            self.record(Report::Steered(word.clone())).await?;
            self.transcript.block("message", &word.text, &self.link).await.map_err(gone)?;
            conversation.messages.push(Message::User(word.text));
        }
        Ok(())
    }

    async fn ask(&mut self, request: &Request, conversation: &mut Conversation) -> Result<Turn, Failure> {
        self.not_stopped()?;
        self.voice.leave().await?;
        if conversation.turn == TurnNumber(1) {
            if let Some(system) = &request.system {
                self.prompt(PromptPart::System, system.clone()).await?;
            }
            if !conversation.tools.is_empty() {
                let tools = Value::from(self.attempt.model.wire().tools(conversation));
                self.prompt(PromptPart::Tools, tools.to_string()).await?;
            }
            self.prompt(PromptPart::User, request.user.clone()).await?;
        } else {
            self.transcript.keep()?;
            self.listen(conversation).await?;
            let messages = Value::from(self.attempt.model.wire().messages(conversation));
            self.prompt(PromptPart::Conversation, messages.to_string()).await?;
        }
        self.voice.transcript = self.transcript.bytes();
        let mut stop = self.link.clone();
        let asked = tokio::select! {
            // An answer that is complete already is an answer, also when the order to stop came with it.
            biased;
            asked = self.attempt.model.turn(conversation, &mut self.voice) => asked,
            _ = stop.stopped(None) => Err(stopped()),
        };
        let mut turn = asked?;
        turn.name_calls(conversation.turn);
        let body = turn.tool_calls.iter().fold(turn.text.clone(), |body, call| {
            let gap = if body.is_empty() || body.ends_with('\n') { "" } else { "\n" };
            format!("{body}{gap}-> {} {}\n", call.name, call.arguments)
        });
        self.transcript
            .block(&format!("turn {}", conversation.turn), &body, &self.link)
            .await
            .map_err(gone)?;
        let message = serde_json::to_vec(&turn).map_err(|error| {
            Failure::ours(FaultClass::Unknown, format!("the turn cannot be recorded: {error}"))
        })?;
        let report = Report::Turn {
            turn: conversation.turn,
            message: Some(message),
            text: turn.text.clone(),
            tool_calls: turn.tool_calls.len() as u64,
            usage: turn.usage,
        };
        self.record(report).await?;
        Ok(turn)
    }

    async fn call(&mut self, call: &Call) -> Result<ToolAnswer, Failure> {
        let id = ToolId::new(call.id.clone());
        let mut again = false;
        match self.replay.front() {
            Some(Replayed::Tool { id: recorded, ok, result }) if *recorded == id => {
                let answer = ToolAnswer { ok: *ok, text: String::from_utf8_lossy(result).into_owned() };
                self.replay.pop_front();
                return Ok(answer);
            }
            Some(Replayed::InDoubt(recorded)) if *recorded == id => {
                self.replay.pop_front();
                again = true;
            }
            _ => {}
        }
        self.not_stopped()?;
        if !again {
            let called =
                ToolCalled { id: id.clone(), name: call.name.clone(), about: about(&call.arguments) };
            self.record(Report::ToolCalled(called)).await?;
        }
        let answer = if again && self.attempt.doubt == Doubt::TellModel {
            ToolAnswer::error(IN_DOUBT)
        } else {
            self.tools.run(&call.name, &call.arguments, again, &self.link).await
        };
        self.transcript
            .block(&format!("tool {} {}", call.name, call.id), &answer.text, &self.link)
            .await
            .map_err(gone)?;
        // A tool that was cut short by the order to stop has no result that a resume could use.
        if self.tools.is_cut(&call.name) {
            self.not_stopped()?;
        }
        let returned = Report::ToolReturned {
            id,
            ok: answer.ok,
            bytes: answer.text.len() as u64,
            result: Some(answer.text.clone().into_bytes()),
        };
        self.record(returned).await?;
        Ok(answer)
    }

    fn not_stopped(&self) -> Result<(), Failure> {
        if self.link.stop_now().is_some() { Err(stopped()) } else { Ok(()) }
    }

    async fn prompt(&self, part: PromptPart, text: String) -> Result<(), Failure> {
        self.record(Report::Prompt { target: self.attempt.target.clone(), part, text }).await
    }

    async fn record(&self, report: Report) -> Result<(), Failure> {
        self.link.record(report).await.map_err(gone)
    }
}

/// What a turn's stop reason means, tool calls or not: calls of a cut turn are cut as well. The words of all wires are
/// here, since a recorded turn keeps the word and not the wire.
fn check(turn: &Turn) -> Result<(), Failure> {
    let class = match turn.stop_reason.as_deref() {
        Some(reason) if is_output_limit(reason) => FaultClass::OutputLimit,
        Some("content_filter" | "refusal") => FaultClass::ContentPolicy,
        Some("model_context_window_exceeded") => FaultClass::ContextOverflow,
        None => FaultClass::Transport,
        Some(_) => return Ok(()),
    };
    let reason = turn.stop_reason.as_deref().unwrap_or("no reason");
    let failure = Failure::ours(class, format!("the model's turn ended with {reason}"));
    Err(Failure { emitted_output: !turn.text.is_empty() || !turn.tool_calls.is_empty(), ..failure })
}

/// Whether all of a turn is a text that was cut at the output limit.
fn is_cut_text(turn: &Turn) -> bool {
    turn.stop_reason.as_deref().is_some_and(is_output_limit)
        && turn.tool_calls.is_empty()
        && !turn.text.trim().is_empty()
}

/// Whether the provider paused a long turn: it goes on when it gets back what it said.
fn paused(turn: &Turn) -> bool {
    turn.stop_reason.as_deref() == Some("pause_turn")
        && (turn.carry.is_some() || !turn.text.trim().is_empty())
}

/// The end of an attempt: an explicit success with something in it, or a failure.
fn answer(turn: Turn) -> Result<Answer, Failure> {
    let emitted_output = !turn.text.is_empty();
    let failed = |class, text| Err(Failure { emitted_output, ..Failure::ours(class, text) });
    match turn.stop_reason.as_deref().unwrap_or_default() {
        "stop" | "end_turn" | "stop_sequence" | "completed" if turn.text.trim().is_empty() => {
            failed(FaultClass::NoPayload, "the model ended its turn without a text".to_owned())
        }
        "stop" | "end_turn" | "stop_sequence" | "completed" => {
            Ok(Answer { text: turn.text, stop_reason: turn.stop_reason })
        }
        "tool_calls" | "function_call" | "tool_use" => {
            failed(FaultClass::NoPayload, "the model stopped for tool calls and made none".to_owned())
        }
        other => failed(FaultClass::Unknown, format!("the model stopped with `{other}`")),
    }
}

fn stopped() -> Failure {
    Failure::ours(FaultClass::UserAbort, "told to stop")
}

fn gone(gone: Gone) -> Failure {
    Failure::ours(FaultClass::SelfAbort, gone.to_string())
}
