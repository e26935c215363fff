//! What is said, whatever the wire calls it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backend::Image;
use crate::event::{TurnNumber, Usage, UsageSource};

/// What a model is asked.
#[derive(Debug)]
pub(super) struct Conversation {
    /// The system prompt.
    pub(super) system: Option<String>,
    /// Messages, oldest first.
    pub(super) messages: Vec<Message>,
    /// The tools that it is offered.
    pub(super) tools: Vec<ToolSpec>,
    /// The turn that is asked for.
    pub(super) turn: TurnNumber,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    /// What the user says.
    User(String),
    /// An image that goes along with it.
    Image(Image),
    /// What the model said.
    Assistant(Turn),
    /// What a tool that it called answered.
    ToolResult {
        /// The call.
        call: String,
        /// Whether it worked.
        ok: bool,
        /// The answer.
        text: String,
    },
}

/// A tool as a model is told of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ToolSpec {
    /// Its name.
    pub(super) name: String,
    /// What it does.
    pub(super) description: String,
    /// The JSON schema of its arguments.
    pub(super) parameters: Value,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its id; unique in the turn.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON, if the model got it right.
    pub arguments: String,
}

/// A recorded turn without what its provider wants to have back as it gave it: another model would refuse it.
pub(in crate::backend) fn impersonal(turn: Vec<u8>) -> Vec<u8> {
    let Ok(read) = serde_json::from_slice::<Turn>(&turn) else { return turn };
    if read.carry.is_none() {
        return turn;
    }
    serde_json::to_vec(&Turn { carry: None, ..read }).unwrap_or(turn)
}

/// A model's whole turn. This is also what is recorded, so that a resume need not ask again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// What it says.
    #[serde(default)]
    pub text: String,
    /// What it wants to have done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Call>,
    /// Why it stopped, in the provider's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// What the provider wants to have back as it gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry: Option<Carry>,
    /// What it consumed. On record elsewhere.
    #[serde(skip)]
    pub usage: Option<(Usage, UsageSource)>,
}

/// Parts of a turn that only the provider who made them can read, such as signed thoughts.
///
/// They go back as they came, or another turn of the loop is refused; to another wire they are never sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Carry {
    /// The wire that they came over.
    wire: String,
    /// The parts in their order. A call of a tool is a bare place: what it says is in the turn.
    parts: Vec<Value>,
}

impl Carry {
    /// Keeps parts for a wire.
    pub(super) fn new(wire: &str, parts: Vec<Value>) -> Self {
        Self { wire: wire.to_owned(), parts }
    }
}

impl Turn {
    /// The parts that came over this wire; `None` when there are none and the turn says all there is.
    pub(super) fn carried(&self, wire: &str) -> Option<&[Value]> {
        self.carry.as_ref().filter(|carry| carry.wire == wire).map(|carry| &*carry.parts)
    }

    /// Ids are ours to repair: a call without one, or two with the same, could not be answered.
    pub(super) fn name_calls(&mut self, turn: TurnNumber) {
        for index in 0..self.tool_calls.len() {
            let (before, rest) = self.tool_calls.split_at_mut(index);
            if let Some(call) = rest.first_mut()
                && (call.id.is_empty() || before.iter().any(|other| other.id == call.id))
            {
                call.id = format!("call_{turn}_{index}");
            }
        }
    }
}
