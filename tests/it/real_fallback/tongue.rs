//! The agents of the tables: how each is set up, what it asks a model, and how a model of its API answers or refuses.

use serde_json::{Value, json};

use crate::support::http::{Recorded, Response, Step};
use crate::support::run::needed;
use crate::support::{anthropic, completions, gemini, responses};

/// What a server refuses a request with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 429, and to come back in an hour.
    RateLimit,
    /// 529.
    Overloaded,
    /// 500.
    Server,
    /// 401.
    Auth,
    /// The conversation does not fit into the model.
    Context,
}

impl Refusal {
    fn status(self) -> u16 {
        match self {
            Self::RateLimit => 429,
            Self::Overloaded => 529,
            Self::Server => 500,
            Self::Auth => 401,
            Self::Context => 400,
        }
    }

    fn waits(self, response: Response) -> Response {
        if self == Self::RateLimit { response.header("retry-after", "3600") } else { response }
    }
}

/// One agent and the API that it speaks.
pub(super) trait Tongue: Sync {
    /// The harness of the profile.
    fn harness(&self) -> &'static str;
    /// The models of its first and its second candidate.
    fn models(&self) -> [&'static str; 2];
    /// Further keys of `[agent]`, or of an entry of its chain, one a line.
    fn agent(&self) -> String;
    /// Lines of `[agent.env]`.
    fn environment(&self) -> &'static str {
        ""
    }
    /// The API of its endpoints.
    fn api(&self) -> &'static str;
    /// Whether the request is for a turn of the agent, and nothing that the program asks beside its work.
    fn asks(&self, request: &Recorded) -> bool;
    /// An answer to what is asked beside.
    fn aside(&self, request: &Recorded) -> Response;
    /// A turn that runs a command.
    fn runs(&self, request: &Recorded, command: &str) -> Response;
    /// A turn that says something.
    fn says(&self, request: &Recorded, text: &'static str) -> Response;
    /// How many steps of such a turn it takes until something of the text is there.
    fn begun(&self) -> usize;
    /// Whether the request brings the result of a tool since the model last spoke.
    fn returned(&self, request: &Recorded) -> bool;
    /// All that the request has under the name of the user.
    fn users(&self, request: &Recorded) -> Vec<String>;
    /// The model that is asked for.
    fn model(&self, request: &Recorded) -> String {
        request.json()["model"].as_str().unwrap_or_default().to_owned()
    }
    /// A refusal.
    fn refuses(&self, refusal: Refusal) -> Response;
}

/// The texts of the messages of a role, where a content is one text or a list of parts.
fn texts(messages: &Value, role: &str) -> Vec<String> {
    let messages = messages.as_array().cloned().unwrap_or_default();
    let text = |content: &Value| match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    };
    messages.iter().filter(|message| message["role"] == role).map(|it| text(&it["content"])).collect()
}

/// An agent that may do everything.
fn by_command(variable: &str) -> String {
    format!("command = [\"{}\"]\npermissions = \"bypass\"", needed(variable).display())
}

/// Claude Code.
pub(super) struct Claude;

impl Tongue for Claude {
    fn harness(&self) -> &'static str {
        "claude"
    }

    fn models(&self) -> [&'static str; 2] {
        ["anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-5"]
    }

    fn agent(&self) -> String {
        by_command("PROVOST_TEST_CLAUDE")
    }

    fn environment(&self) -> &'static str {
        r#"IS_SANDBOX = "1"
CLAUDE_CONFIG_DIR = "{home}/claude"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
DISABLE_TELEMETRY = "1"
DISABLE_ERROR_REPORTING = "1""#
    }

    fn api(&self) -> &'static str {
        "anthropic"
    }

    fn asks(&self, request: &Recorded) -> bool {
        anthropic::asks(request) && anthropic::offers(request, "Bash")
    }

    fn aside(&self, request: &Recorded) -> Response {
        if anthropic::asks(request) { self.says(request, "Aside") } else { anthropic::aside(request) }
    }

    fn runs(&self, request: &Recorded, command: &str) -> Response {
        let input = json!({ "command": command, "description": "Writes the word" });
        anthropic::answer(request, &anthropic::Turn::Call("toolu_write", "Bash", input))
    }

    fn says(&self, request: &Recorded, text: &'static str) -> Response {
        anthropic::answer(request, &anthropic::Turn::Say(text))
    }

    fn begun(&self) -> usize {
        4
    }

    fn returned(&self, request: &Recorded) -> bool {
        anthropic::returned(request).is_some()
    }

    fn users(&self, request: &Recorded) -> Vec<String> {
        texts(&request.json()["messages"], "user")
    }

    fn refuses(&self, refusal: Refusal) -> Response {
        let (kind, words) = match refusal {
            Refusal::RateLimit => ("rate_limit_error", "This request would exceed your rate limit."),
            Refusal::Overloaded => ("overloaded_error", "Overloaded"),
            Refusal::Server => ("api_error", "Internal server error"),
            Refusal::Auth => ("authentication_error", "invalid x-api-key"),
            Refusal::Context => {
                ("invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum")
            }
        };
        refusal.waits(anthropic::refusal(refusal.status(), kind, words))
    }
}

/// Codex.
pub(super) struct Codex;

impl Tongue for Codex {
    fn harness(&self) -> &'static str {
        "codex"
    }

    fn models(&self) -> [&'static str; 2] {
        ["openai/gpt-5-codex", "openai/gpt-5"]
    }

    fn agent(&self) -> String {
        by_command("PROVOST_TEST_CODEX")
    }

    fn environment(&self) -> &'static str {
        "CODEX_HOME = \"{home}/codex\""
    }

    fn api(&self) -> &'static str {
        "openai-responses"
    }

    fn asks(&self, request: &Recorded) -> bool {
        responses::asks(request)
    }

    fn aside(&self, _request: &Recorded) -> Response {
        responses::aside()
    }

    fn runs(&self, _request: &Recorded, command: &str) -> Response {
        responses::answer(&responses::Turn::Call("call_write", "exec_command", json!({ "cmd": command })))
    }

    fn says(&self, _request: &Recorded, text: &'static str) -> Response {
        responses::answer(&responses::Turn::Say(text))
    }

    fn begun(&self) -> usize {
        3
    }

    fn returned(&self, request: &Recorded) -> bool {
        responses::returned(request).is_some()
    }

    fn users(&self, request: &Recorded) -> Vec<String> {
        texts(&request.json()["input"], "user")
    }

    fn refuses(&self, refusal: Refusal) -> Response {
        let (kind, words, code) = match refusal {
            Refusal::RateLimit => ("rate_limit_exceeded", "Rate limit reached", "rate_limit_exceeded"),
            Refusal::Overloaded => ("server_error", "The server is overloaded", "server_is_overloaded"),
            Refusal::Server => ("server_error", "The server had an error", "server_error"),
            Refusal::Auth => ("invalid_request_error", "Incorrect API key provided", "invalid_api_key"),
            Refusal::Context => ("invalid_request_error", "too long", "context_length_exceeded"),
        };
        let more = json!({ "code": code });
        refusal.waits(responses::refusal(refusal.status(), kind, words, &more))
    }
}

/// A refusal of the chat-completions API.
fn completions_refuses(refusal: Refusal) -> Response {
    let (code, words) = match refusal {
        Refusal::RateLimit => ("rate_limit_exceeded", "Rate limit reached"),
        Refusal::Overloaded => ("overloaded", "The engine is overloaded"),
        Refusal::Server => ("server_error", "The server had an error"),
        Refusal::Auth => ("invalid_api_key", "Incorrect API key provided"),
        Refusal::Context => {
            ("context_length_exceeded", "This model's maximum context length is 8192 tokens.")
        }
    };
    refusal.waits(completions::refusal(refusal.status(), code, words))
}

/// Our own loop.
pub(super) struct Chat;

impl Tongue for Chat {
    fn harness(&self) -> &'static str {
        "chat"
    }

    fn models(&self) -> [&'static str; 2] {
        ["somebody/small-one", "somebody/other-one"]
    }

    fn agent(&self) -> String {
        "tools = [\"shell\"]".to_owned()
    }

    fn api(&self) -> &'static str {
        "openai"
    }

    fn asks(&self, request: &Recorded) -> bool {
        completions::asks(request)
    }

    fn aside(&self, _request: &Recorded) -> Response {
        Response::json(404, "{}")
    }

    fn runs(&self, request: &Recorded, command: &str) -> Response {
        let input = json!({ "command": command });
        completions::answer(request, &completions::Turn::Call("call_write", "shell", input))
    }

    fn says(&self, request: &Recorded, text: &'static str) -> Response {
        completions::answer(request, &completions::Turn::Say(text))
    }

    fn begun(&self) -> usize {
        1
    }

    fn returned(&self, request: &Recorded) -> bool {
        completions::returned(request).is_some()
    }

    fn users(&self, request: &Recorded) -> Vec<String> {
        texts(&request.json()["messages"], "user")
    }

    fn refuses(&self, refusal: Refusal) -> Response {
        completions_refuses(refusal)
    }
}

/// opencode.
pub(super) struct Opencode;

impl Tongue for Opencode {
    fn harness(&self) -> &'static str {
        "opencode"
    }

    fn models(&self) -> [&'static str; 2] {
        ["somebody/small-one", "somebody/other-one"]
    }

    fn agent(&self) -> String {
        by_command("PROVOST_TEST_OPENCODE")
    }

    fn environment(&self) -> &'static str {
        "OPENCODE_DISABLE_LSP_DOWNLOAD = \"1\"\nnpm_config_offline = \"true\""
    }

    fn api(&self) -> &'static str {
        "openai"
    }

    fn asks(&self, request: &Recorded) -> bool {
        completions::asks(request) && completions::offers(request, "bash")
    }

    fn aside(&self, request: &Recorded) -> Response {
        if completions::asks(request) { self.says(request, "Aside") } else { Response::json(404, "{}") }
    }

    fn runs(&self, request: &Recorded, command: &str) -> Response {
        let input = json!({ "command": command, "description": "Writes the word" });
        completions::answer(request, &completions::Turn::Call("call_write", "bash", input))
    }

    fn says(&self, request: &Recorded, text: &'static str) -> Response {
        completions::answer(request, &completions::Turn::Say(text))
    }

    fn begun(&self) -> usize {
        1
    }

    fn returned(&self, request: &Recorded) -> bool {
        completions::returned(request).is_some()
    }

    fn users(&self, request: &Recorded) -> Vec<String> {
        texts(&request.json()["messages"], "user")
    }

    fn refuses(&self, refusal: Refusal) -> Response {
        completions_refuses(refusal)
    }
}

/// Gemini CLI.
pub(super) struct Gemini;

impl Tongue for Gemini {
    fn harness(&self) -> &'static str {
        "gemini"
    }

    fn models(&self) -> [&'static str; 2] {
        ["google/gemini-2.5-flash", "google/gemini-2.5-pro"]
    }

    fn agent(&self) -> String {
        by_command("PROVOST_TEST_GEMINI")
    }

    fn environment(&self) -> &'static str {
        "TMPDIR = \"{home}\""
    }

    fn api(&self) -> &'static str {
        "gemini"
    }

    fn asks(&self, request: &Recorded) -> bool {
        gemini::asks(request) && gemini::offers(request, "run_shell_command")
    }

    fn aside(&self, request: &Recorded) -> Response {
        if gemini::asks(request) { self.says(request, "Aside") } else { Response::json(200, "{}") }
    }

    fn runs(&self, request: &Recorded, command: &str) -> Response {
        let input = json!({ "command": command });
        gemini::answer(request, &gemini::Turn::Call("I write.", "run_shell_command", input))
    }

    fn says(&self, request: &Recorded, text: &'static str) -> Response {
        gemini::answer(request, &gemini::Turn::Say(text))
    }

    fn begun(&self) -> usize {
        1
    }

    fn returned(&self, request: &Recorded) -> bool {
        gemini::returned(request).is_some()
    }

    fn users(&self, request: &Recorded) -> Vec<String> {
        let contents = request.json()["contents"].as_array().cloned().unwrap_or_default();
        let of_user = contents.iter().filter(|content| content["role"] == "user");
        of_user
            .map(|content| {
                let parts = content["parts"].as_array().cloned().unwrap_or_default();
                parts.iter().filter_map(|part| part["text"].as_str()).collect()
            })
            .collect()
    }

    fn model(&self, request: &Recorded) -> String {
        let model = gemini::path(request).rsplit('/').next().unwrap_or_default();
        model.split(':').next().unwrap_or_default().to_owned()
    }

    fn refuses(&self, refusal: Refusal) -> Response {
        let none = json!([]);
        let (word, words, details) = match refusal {
            Refusal::RateLimit => (
                "RESOURCE_EXHAUSTED",
                "Resource has been exhausted.",
                json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3600s" }]),
            ),
            Refusal::Overloaded => ("UNAVAILABLE", "The model is overloaded.", none),
            Refusal::Server => ("INTERNAL", "An internal error has occurred.", none),
            Refusal::Auth => ("UNAUTHENTICATED", "API key not valid. Please pass a valid API key.", none),
            Refusal::Context => (
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                none,
            ),
        };
        gemini::refusal(refusal.status(), word, words, &details)
    }
}

/// A turn that begins, and then does this.
pub(super) fn breaks(tongue: &dyn Tongue, request: &Recorded, step: Step) -> Response {
    let said = tongue.says(request, "I begin, and then there is nothing more.");
    // One event is the whole turn where that is all that the API sends: half of it is no turn.
    if tongue.harness() == "gemini" {
        let half = json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": "I beg" }] }, "index": 0 }] });
        return Response::steps(vec![Step::Send(format!("data: {half}\n\n")), step]);
    }
    said.broken_off(tongue.begun(), step)
}
