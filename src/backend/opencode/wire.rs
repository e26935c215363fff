//! What an opencode server says, read leniently: a field that is missing or of another type is nobody's, and one odd
//! part never costs the message it belongs to.

use serde_json::Value;

/// The keys that say what a tool call is about, the most telling first.
const ABOUT: [&str; 8] = ["filePath", "path", "pattern", "command", "url", "query", "description", "prompt"];

/// What a message or a step consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) input: u64,
    /// Reasoning included, which the server counts apart.
    pub(super) output: u64,
    pub(super) cache_read: u64,
    pub(super) cache_write: u64,
}

impl Tokens {
    pub(super) fn read(value: &Value) -> Self {
        let count = |pointer: &str| value.pointer(pointer).and_then(Value::as_f64).map_or(0, whole);
        Self {
            input: count("/input"),
            output: count("/output").saturating_add(count("/reasoning")),
            cache_read: count("/cache/read"),
            cache_write: count("/cache/write"),
        }
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// A message of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) assistant: bool,
    /// A summary that the server made of a conversation that had grown too long; not an answer.
    pub(super) summary: bool,
    pub(super) completed: bool,
    pub(super) finish: Option<String>,
    pub(super) error: Option<Value>,
    pub(super) tokens: Tokens,
    pub(super) cost: f64,
    /// `provider/model`.
    pub(super) model: Option<String>,
    pub(super) parts: Vec<Part>,
    /// As it came, for the transcript.
    pub(super) raw: Value,
}

impl Message {
    /// Reads `{info, parts}`, or the same keys without `info`. `None` without an id.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let info = value.get("info").unwrap_or(value);
        let parts = value.get("parts").and_then(Value::as_array);
        let model = text(info, "providerID").zip(text(info, "modelID"));
        Some(Self {
            id: text(info, "id")?,
            assistant: info.get("role").and_then(Value::as_str) == Some("assistant"),
            summary: info.get("summary") == Some(&Value::Bool(true)),
            completed: info.pointer("/time/completed").is_some_and(Value::is_number),
            finish: text(info, "finish").filter(|finish| !finish.is_empty()),
            error: info.get("error").filter(|error| !error.is_null()).cloned(),
            tokens: info.get("tokens").map(Tokens::read).unwrap_or_default(),
            cost: info.get("cost").and_then(Value::as_f64).filter(|cost| cost.is_finite()).unwrap_or(0.0),
            model: model.map(|(provider, model)| format!("{provider}/{model}")),
            parts: parts.into_iter().flatten().filter_map(Part::read).collect(),
            raw: value.clone(),
        })
    }

    /// Reads a list, as an array or under `data` or `messages`.
    pub(super) fn list(value: &Value) -> Vec<Self> {
        let list = value.as_array().or_else(|| value.get("data")?.as_array());
        let list = list.or_else(|| value.get("messages")?.as_array());
        list.into_iter().flatten().filter_map(Self::read).collect()
    }

    /// What it says.
    pub(super) fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match &part.body {
            Body::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n").trim().to_owned()
    }

    /// How many tools it calls.
    pub(super) fn tool_calls(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part.body, Body::Tool { .. })).count()
    }
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) id: String,
    /// The message; empty inside of a list, where the message is known.
    pub(super) message: String,
    pub(super) body: Body,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Text { text: String, ended: bool },
    Reasoning { any: bool },
    Tool(Tool),
    Other,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tool {
    pub(super) call: String,
    pub(super) name: String,
    pub(super) about: String,
    pub(super) state: ToolState,
}

/// How far a tool is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ToolState {
    Pending,
    Running,
    Done { bytes: usize },
    Failed { error: String },
}

impl Part {
    fn read(value: &Value) -> Option<Self> {
        let id = text(value, "id")?;
        let truth = |key: &str| value.get(key) == Some(&Value::Bool(true));
        let body = match value.get("type").and_then(Value::as_str).unwrap_or_default() {
            // What the server itself put into the conversation is not what the model says.
            "text" if truth("synthetic") || truth("ignored") => Body::Other,
            "text" => Body::Text {
                text: text(value, "text").unwrap_or_default(),
                ended: value.pointer("/time/end").is_some_and(Value::is_number),
            },
            "reasoning" => Body::Reasoning { any: text(value, "text").is_some_and(|text| !text.is_empty()) },
            "tool" => Body::Tool(Tool::read(value, &id)),
            _ => Body::Other,
        };
        Some(Self { id, message: text(value, "messageID").unwrap_or_default(), body })
    }
}

impl Tool {
    fn read(value: &Value, id: &str) -> Self {
        let state = value.get("state").unwrap_or(&Value::Null);
        let name = text(value, "tool").unwrap_or_default();
        let input = state.get("input");
        let about = ABOUT.iter().find_map(|key| input?.get(*key)?.as_str()).unwrap_or_default();
        let said = |key: &str| state.get(key).and_then(Value::as_str).unwrap_or_default();
        let how = match said("status") {
            // A tool that is not there is answered by one of this name, which works.
            "completed" if name == "invalid" => ToolState::Failed { error: said("output").to_owned() },
            "completed" => ToolState::Done { bytes: said("output").len() },
            "error" => ToolState::Failed { error: said("error").to_owned() },
            "running" => ToolState::Running,
            _ => ToolState::Pending,
        };
        Self {
            call: text(value, "callID").filter(|call| !call.is_empty()).unwrap_or_else(|| id.to_owned()),
            name,
            about: about.chars().take(200).collect(),
            state: how,
        }
    }
}

/// What a session does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Idle,
    Busy,
    /// The model was not to be had; the server means to try again.
    Retry {
        attempt: u64,
        message: String,
        /// A machine's word for why, where there is one.
        reason: Option<String>,
        /// When, in milliseconds since 1970 by the server's clock.
        next: Option<u64>,
    },
}

impl Status {
    /// Reads `{type, …}`; what is not known is busy, since only idle may end a turn.
    pub(super) fn read(value: &Value) -> Self {
        match value.get("type").and_then(Value::as_str) {
            Some("idle") => Self::Idle,
            Some("retry") => Self::Retry {
                attempt: value.get("attempt").and_then(Value::as_u64).unwrap_or(0),
                message: text(value, "message").unwrap_or_default(),
                reason: value.pointer("/action/reason").and_then(Value::as_str).map(str::to_owned),
                next: value.get("next").and_then(Value::as_f64).map(whole),
            },
            _ => Self::Busy,
        }
    }
}

/// Something that the server wants to know from a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) id: String,
    pub(super) session: String,
    pub(super) about: About,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// May this kind of thing be done?
    Permission(String),
    /// A question of the model.
    Question(String),
}

impl Ask {
    pub(super) fn permission(value: &Value) -> Option<Self> {
        let kind = text(value, "permission")?;
        Some(Self {
            id: text(value, "id")?,
            session: text(value, "sessionID")?,
            about: About::Permission(kind),
        })
    }

    pub(super) fn question(value: &Value) -> Option<Self> {
        let question = value.pointer("/questions/0/question").and_then(Value::as_str).unwrap_or_default();
        let about = About::Question(question.chars().take(200).collect());
        Some(Self { id: text(value, "id")?, session: text(value, "sessionID")?, about })
    }
}

/// One event of the stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// Whose it is; some are nobody's.
    pub(super) session: Option<String>,
    pub(super) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Message(Message),
    Part(Part),
    Delta { message: String, part: String, text: bool, delta: String },
    Status(Status),
    Failed(Value),
    Asked,
    Other,
}

impl Event {
    /// Reads `{type, properties}`, as `/event` has it, or the same under `payload`, as `/global/event` has it.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let value = value.get("payload").unwrap_or(&value);
        let properties = value.get("properties").unwrap_or(&Value::Null);
        let session = ["/sessionID", "/info/sessionID", "/part/sessionID", "/info/id"];
        let session = session.iter().find_map(|at| properties.pointer(at)?.as_str()).map(str::to_owned);
        let what = match value.get("type").and_then(Value::as_str)? {
            "message.updated" => properties.get("info").and_then(Message::read).map(What::Message),
            "message.part.updated" => properties.get("part").and_then(Part::read).map(What::Part),
            "message.part.delta" => Self::delta(properties),
            "session.status" => properties.get("status").map(|status| What::Status(Status::read(status))),
            "session.idle" => Some(What::Status(Status::Idle)),
            "session.error" => properties.get("error").cloned().map(What::Failed),
            "permission.asked" | "question.asked" => Some(What::Asked),
            _ => None,
        };
        Some(Self { session, what: what.unwrap_or(What::Other) })
    }

    fn delta(properties: &Value) -> Option<What> {
        Some(What::Delta {
            message: text(properties, "messageID")?,
            part: text(properties, "partID")?,
            text: properties.get("field").and_then(Value::as_str) == Some("text"),
            delta: text(properties, "delta")?,
        })
    }
}

/// A value that is a text.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.to_owned())
}

/// A number that counts something, as a count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is wanted"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}
