//! What `session/update` notifications mean.
//!
//! ACP does not say where one inference of the model ends and the next begins. A turn here ends where the agent speaks
//! again after a tool, or names another message.

use std::collections::{BTreeMap, VecDeque};

use agent_client_protocol_schema::v1::{
    ContentBlock, ContentChunk, SessionNotification, SessionUpdate, ToolCall, ToolCallContent,
    ToolCallLocation, ToolCallStatus, ToolCallUpdate, ToolKind,
};

use crate::backend::Report;
use crate::backend::agent::dialect::{Begun, Signal, Tail};
use crate::backend::agent::text::ANSWER_BYTES;
use crate::event::{ToolCalled, ToolId, TurnNumber};

/// How much of the text that streams waits to be shown; of more, the last part.
const SHOWN_BYTES: usize = 64 * 1024;
/// How many tools are known to be in flight; more are not followed.
const OPEN_TOOLS: usize = 1024;
/// How many ended tools are remembered, so that what is said of one later is not taken for a new one.
const ENDED_TOOLS: usize = 256;
/// How much of a name or a title is kept, characters.
const WORDS: usize = 200;

/// What is known of the model's turn that goes on.
struct Turn {
    message: Option<String>,
    text: Tail,
    tool_calls: u64,
}

/// Folds the updates of one prompt.
pub(super) struct Fold {
    turn: Option<Turn>,
    turns: TurnNumber,
    last_text: String,
    partial: Tail,
    fresh: Tail,
    begun: Begun,
    emitted: bool,
    tools_called: u64,
    open: BTreeMap<String, ToolKind>,
    ended: VecDeque<String>,
    usd: Option<f64>,
}

impl Fold {
    pub(super) fn new() -> Self {
        Self {
            turn: None,
            turns: TurnNumber(0),
            last_text: String::new(),
            partial: Tail::new(SHOWN_BYTES),
            fresh: Tail::new(SHOWN_BYTES),
            begun: Begun::default(),
            emitted: false,
            tools_called: 0,
            open: BTreeMap::new(),
            ended: VecDeque::new(),
            usd: None,
        }
    }

    /// Whether content has come.
    pub(super) fn emitted(&self) -> bool {
        self.emitted
    }

    /// Whether a tool was called.
    pub(super) fn used_tools(&self) -> bool {
        self.tools_called > 0
    }

    /// The kind of a tool that is in flight.
    pub(super) fn kind_of(&self, id: &str) -> Option<ToolKind> {
        self.open.get(id).copied()
    }

    /// What the session has cost so far, dollars, where the agent says so.
    pub(super) fn usd(&self) -> Option<f64> {
        self.usd
    }

    /// The text of a turn that has not ended.
    pub(super) fn partial(&self) -> &str {
        self.partial.as_str()
    }

    /// What the agent said last.
    pub(super) fn last_text(&self) -> &str {
        &self.last_text
    }

    /// Takes an update. A tool of which it is said that it has worked is returned, with its kind.
    pub(super) fn update(&mut self, update: SessionNotification, out: &mut Vec<Signal>) -> Option<Worked> {
        match update.update {
            SessionUpdate::AgentMessageChunk(chunk) => self.text(&chunk, out),
            SessionUpdate::AgentThoughtChunk(_) => self.begun.begin(),
            SessionUpdate::ToolCall(call) => return self.call(call, out),
            SessionUpdate::ToolCallUpdate(update) => return self.call_update(update, out),
            SessionUpdate::UsageUpdate(usage) => {
                self.usd = usage
                    .cost
                    .filter(|cost| cost.currency == "USD" && cost.amount.is_finite() && cost.amount >= 0.0)
                    .map(|cost| cost.amount)
                    .or(self.usd);
            }
            // Plans, commands and modes are for people who sit before it.
            _ => {}
        }
        None
    }

    fn text(&mut self, chunk: &ContentChunk, out: &mut Vec<Signal>) {
        self.begun.begin();
        let ContentBlock::Text(content) = &chunk.content else { return };
        self.said(&content.text, chunk.message_id.as_ref().map(|id| &*id.0), out);
    }

    /// Takes a piece of what the agent says, in a message if it names them.
    pub(super) fn said(&mut self, text: &str, message: Option<&str>, out: &mut Vec<Signal>) {
        self.begun.begin();
        let message = message.map(|id| &id[..id.floor_char_boundary(WORDS)]);
        let next = self.turn.as_ref().is_some_and(|turn| {
            turn.tool_calls > 0
                || (turn.message.is_some() && message.is_some() && turn.message.as_deref() != message)
        });
        if next {
            self.end_turn(out);
        }
        let turn = self.turn_mut();
        if message.is_some() && turn.message.as_deref() != message {
            turn.message = message.map(str::to_owned);
        }
        turn.text.push(text);
        self.partial.push(text);
        self.fresh.push(text);
        self.emitted |= !text.is_empty();
    }

    fn turn_mut(&mut self) -> &mut Turn {
        self.turn.get_or_insert_with(|| Turn { message: None, text: Tail::new(ANSWER_BYTES), tool_calls: 0 })
    }

    fn call(&mut self, call: ToolCall, out: &mut Vec<Signal>) -> Option<Worked> {
        let id = brief(&call.tool_call_id.0);
        let name = call.name.unwrap_or_default();
        let about = about(&call.locations, Some(&call.title), call.raw_input.as_ref());
        self.called(&id, &name, Some(&call.title), about, call.kind, out);
        self.status(&id, Some(call.status), size(&call.content), out)
    }

    fn call_update(&mut self, update: ToolCallUpdate, out: &mut Vec<Signal>) -> Option<Worked> {
        let id = brief(&update.tool_call_id.0);
        let fields = update.fields;
        if let (Some(known), Some(kind)) = (self.open.get_mut(&id), fields.kind) {
            *known = kind;
        }
        // Some tell of a tool for the first time when it has ended.
        let locations = fields.locations.unwrap_or_default();
        let about = about(&locations, fields.title.as_deref(), fields.raw_input.as_ref());
        let name = fields.name.unwrap_or_default();
        self.called(&id, &name, fields.title.as_deref(), about, fields.kind.unwrap_or_default(), out);
        let bytes = fields.content.as_deref().map_or(0, size);
        self.status(&id, fields.status, bytes, out)
    }

    /// A tool is in flight, if it is a new one.
    fn called(
        &mut self,
        id: &str,
        name: &str,
        title: Option<&str>,
        about: String,
        kind: ToolKind,
        out: &mut Vec<Signal>,
    ) {
        self.begun.begin();
        self.emitted = true;
        if self.open.contains_key(id)
            || self.open.len() >= OPEN_TOOLS
            || self.ended.iter().any(|ended| ended == id)
        {
            return;
        }
        self.flush(out);
        self.open.insert(id.to_owned(), kind);
        self.tools_called += 1;
        self.turn_mut().tool_calls += 1;
        // A title is for people and may be a sentence; one word is as good as a name.
        let word = title.filter(|title| !title.is_empty() && !title.contains(char::is_whitespace));
        let named = Some(name).filter(|name| !name.is_empty());
        let name = named.or(word.filter(|word| !word.contains('/'))).unwrap_or_else(|| kind_word(kind));
        out.push(Signal::Report(Report::ToolCalled(ToolCalled {
            id: ToolId::new(id),
            name: brief(name),
            about,
        })));
    }

    /// What is said of a tool in flight.
    fn status(
        &mut self,
        id: &str,
        status: Option<ToolCallStatus>,
        bytes: u64,
        out: &mut Vec<Signal>,
    ) -> Option<Worked> {
        let ok = match status {
            Some(ToolCallStatus::Completed) => true,
            Some(ToolCallStatus::Failed) => false,
            _ => return None,
        };
        let kind = self.returned(id, ok, bytes, out)?;
        ok.then(|| Worked { id: id.to_owned(), kind })
    }

    /// A tool has ended, if it was in flight.
    pub(super) fn returned(
        &mut self,
        id: &str,
        ok: bool,
        bytes: u64,
        out: &mut Vec<Signal>,
    ) -> Option<ToolKind> {
        let kind = self.open.remove(id)?;
        self.ended.push_back(id.to_owned());
        if self.ended.len() > ENDED_TOOLS {
            self.ended.pop_front();
        }
        let id = ToolId::new(id);
        out.push(Signal::Report(Report::ToolReturned { id, ok, bytes, result: None }));
        Some(kind)
    }

    /// Gives out streamed text that was held back.
    pub(super) fn flush(&mut self, out: &mut Vec<Signal>) {
        self.begun.tell(out);
        let text = self.fresh.take();
        if !text.is_empty() {
            out.push(Signal::Report(Report::Text(text)));
        }
    }

    /// The turn that goes on has ended, if there is one.
    pub(super) fn end_turn(&mut self, out: &mut Vec<Signal>) {
        let Some(mut turn) = self.turn.take() else { return };
        self.flush(out);
        self.turns = self.turns.next();
        self.partial.clear();
        let text = turn.text.take();
        if !text.trim().is_empty() {
            self.last_text.clone_from(&text);
        }
        out.push(Signal::Report(Report::Turn {
            turn: self.turns,
            message: None,
            text,
            tool_calls: turn.tool_calls,
            usage: None,
        }));
    }
}

/// A tool that has done its work.
pub(super) struct Worked {
    /// The call.
    pub(super) id: String,
    /// What it does.
    pub(super) kind: ToolKind,
}

/// The beginning of a text, as long as a person would read it.
pub(super) fn brief(text: &str) -> String {
    text.chars().take(WORDS).collect()
}

/// The word that ACP has for a kind.
pub(super) fn kind_word(kind: ToolKind) -> &'static str {
    match kind {
        ToolKind::Read => "read",
        ToolKind::Edit => "edit",
        ToolKind::Delete => "delete",
        ToolKind::Move => "move",
        ToolKind::Search => "search",
        ToolKind::Execute => "execute",
        ToolKind::Think => "think",
        ToolKind::Fetch => "fetch",
        ToolKind::SwitchMode => "switch_mode",
        _ => "other",
    }
}

/// What a tool is about: a file, its command, or what the agent calls it.
fn about(locations: &[ToolCallLocation], title: Option<&str>, input: Option<&serde_json::Value>) -> String {
    if let Some(location) = locations.first() {
        return brief(&location.path.to_string_lossy());
    }
    let command = input.and_then(|input| input.get("command")).and_then(serde_json::Value::as_str);
    brief(command.or(title).unwrap_or_default())
}

/// The size of what a tool gave back, as far as it is text.
fn size(content: &[ToolCallContent]) -> u64 {
    let bytes = |content: &ToolCallContent| match content {
        ToolCallContent::Content(content) => match &content.content {
            ContentBlock::Text(text) => text.text.len(),
            _ => 0,
        },
        ToolCallContent::Diff(diff) => diff.new_text.len(),
        _ => 0,
    };
    content.iter().map(bytes).map(|bytes| u64::try_from(bytes).unwrap_or(u64::MAX)).sum()
}
