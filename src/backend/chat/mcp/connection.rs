//! One server for one attempt: started, listed, called, ended.

use std::path::PathBuf;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, Implementation,
    PaginatedRequestParams, Tool,
};
use rmcp::service::{ClientInitializeError, RunningService};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpError;
use rmcp::{RoleClient, ServiceError, serve_client};
use serde_json::{Map, Value};

use super::config::{McpServer, Via, http_transport};
use super::program::{Program, with_causes};
use super::{McpServers, content, unusable};
use crate::backend::chat::tools::bounded;
use crate::backend::{Link, Request};
use crate::event::{Failure, FaultClass};
use crate::process::{Spec, Stdin};

/// Bytes of one message; what a tool returns is cut to far less.
const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;
/// Tools of one server, at most: more would fill the model's context with descriptions.
const TOOLS_LIMIT: usize = 512;
/// Pages of a list, at most; a server that always names a next page must not hold us.
const PAGES_LIMIT: usize = 128;
/// How long the last words to a server may take.
const FAREWELL: Duration = Duration::from_secs(2);

type Service = RunningService<RoleClient, ClientConfig>;

/// A tool as its server lists it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) parameters: Map<String, Value>,
}

/// A server that answers.
#[derive(Debug)]
pub(super) struct Connection {
    name: String,
    service: Service,
    program: Option<Program>,
    listed: Vec<Listed>,
}

/// Why a server does not answer.
enum Trouble {
    /// It said so, or it was seen.
    Said(String),
    /// It said nothing in time.
    Silent,
    /// Nobody wants it any more.
    Stopped,
}

impl Connection {
    /// Starts a server and lists its tools.
    pub(super) async fn start(
        servers: &McpServers,
        server: &McpServer,
        request: &Request,
        link: &Link,
    ) -> Result<Self, Failure> {
        let mut link = link.clone();
        let mut program = None;
        let started = match &server.via {
            Via::Program { program: path, args, env } => {
                let spec = Spec {
                    program: path.clone(),
                    args: args.clone(),
                    env: env.clone(),
                    cwd: request.workspace.clone(),
                    stdin: Stdin::Pipe,
                };
                let log = log(request, server.name());
                let running =
                    Program::start(&servers.guard, spec, log, &servers.secrets, servers.grace).await;
                let (running, (output, input)) = running.map_err(|why| {
                    let key = format!("`agent.mcp.{}.command`", server.name());
                    unusable(server.name(), &why, &format!("install it, or correct {key}"))
                })?;
                program = Some(running);
                let transport =
                    AsyncRwTransport::new_client(output, input).with_max_line_length(MESSAGE_LIMIT);
                Box::pin(ready(serve_client(ourselves(), transport), servers.startup, &mut link)).await
            }
            Via::Http { url, client } => {
                let transport = http_transport(url, client);
                Box::pin(ready(serve_client(ourselves(), transport), servers.startup, &mut link)).await
            }
        };
        let trouble = match started {
            Ok((service, listed)) => {
                return Ok(Self { name: server.name().to_owned(), service, program, listed });
            }
            Err(trouble) => trouble,
        };
        let mut said = String::new();
        if let Some(program) = program {
            let (exit, tail) = program.give_up(&mut link).await;
            if let (Trouble::Said(_), Some(code)) = (&trouble, exit.code) {
                said = format!(" (exit code {code})");
            }
            if !tail.is_empty() {
                said = format!("{said}; it says: {}", bounded(&tail, 512));
            }
        }
        let key = format!("agent.mcp.{}", server.name());
        Err(match trouble {
            Trouble::Stopped => Failure::ours(FaultClass::UserAbort, "told to stop"),
            Trouble::Said(why) => unusable(server.name(), &(why + &said), &format!("look at `{key}`")),
            Trouble::Silent => {
                let why = format!("it was not ready after {} s{said}", servers.startup.as_secs_f64());
                unusable(server.name(), &why, &format!("look at `{key}`, or raise `round.first_event`"))
            }
        })
    }

    /// Its name in the profile.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The tools that it listed, once.
    pub(super) fn take_listed(&mut self) -> Vec<Listed> {
        std::mem::take(&mut self.listed)
    }

    /// Calls a tool. Dropping the future takes the call back.
    pub(super) async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<String, String> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        match self.service.peer().call_tool_once(params).await {
            Ok(CallToolResponse::Complete(result)) => content::text(result),
            Ok(CallToolResponse::InputRequired(_)) => {
                Err("the tool asks a person, and there is none".to_owned())
            }
            Ok(CallToolResponse::Task(_)) => {
                Err("the tool wants to answer later, which is not understood".to_owned())
            }
            Err(ServiceError::McpError(error)) => Err(format!("{} (code {})", error.message, error.code.0)),
            Err(ServiceError::TransportClosed) => {
                Err(format!("the MCP server `{}` has ended; its tools are gone", self.name))
            }
            Err(ServiceError::TransportSend(error)) => {
                Err(format!("the MCP server `{}` is not to be had: {}", self.name, carried(&error)))
            }
            Err(error) => Err(format!("the MCP server `{}`: {}", self.name, with_causes(&error))),
            Ok(_) => Err("the answer is of an unknown kind".to_owned()),
        }
    }

    /// Ends it. Nothing of it is left running afterwards.
    pub(super) async fn end(mut self, mut link: Link) {
        // This closes the program's input, or the session at the address.
        let _ = self.service.close_with_timeout(FAREWELL).await;
        drop(self.service);
        if let Some(program) = self.program {
            program.end(&mut link).await;
        }
    }
}

/// Who we say we are. Nothing is offered: no person can be asked, and no model borrowed.
fn ourselves() -> ClientConfig {
    let client = Implementation::new("provost", env!("CARGO_PKG_VERSION"));
    ClientConfig::new(ClientCapabilities::default(), client)
}

/// Beside the transcript: one file for each server.
fn log(request: &Request, server: &str) -> PathBuf {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = server.chars().take(64).map(safe).collect();
    request.transcript.with_extension(format!("mcp-{name}.err"))
}

/// The handshake and the list, within a time.
async fn ready(
    handshake: impl Future<Output = Result<Service, ClientInitializeError>>,
    within: Duration,
    link: &mut Link,
) -> Result<(Service, Vec<Listed>), Trouble> {
    let both = async {
        let mut service = handshake.await.map_err(|error| Trouble::Said(refusal(&error)))?;
        match list(&service).await {
            Ok(listed) => Ok((service, listed)),
            Err(why) => {
                let _ = service.close_with_timeout(FAREWELL).await;
                Err(Trouble::Said(why))
            }
        }
    };
    tokio::select! {
        biased;
        ready = both => ready,
        _ = link.stopped(None) => Err(Trouble::Stopped),
        () = tokio::time::sleep(within) => Err(Trouble::Silent),
    }
}

/// Why there was no handshake, without the names of types on the way.
fn refusal(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => carried(error),
        ClientInitializeError::ConnectionClosed(_) => "it ended before it was ready".to_owned(),
        ClientInitializeError::JsonRpcError(error) => format!("it answers: {}", error.message),
        error => with_causes(error),
    }
}

/// What went wrong below the protocol.
fn carried(error: &DynamicTransportError) -> String {
    match error.error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        Some(StreamableHttpError::Client(error)) => with_causes(error),
        Some(StreamableHttpError::AuthRequired(_)) => "it does not take the key (HTTP status 401)".to_owned(),
        Some(error) => with_causes(error),
        None => with_causes(&*error.error),
    }
}

/// All pages of the list of tools.
async fn list(service: &Service) -> Result<Vec<Listed>, String> {
    let offers = service.peer().peer_info().is_none_or(|server| server.capabilities.tools.is_some());
    if !offers {
        return Err("it offers no tools".to_owned());
    }
    let mut listed = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_LIMIT {
        let page = PaginatedRequestParams::default().with_cursor(cursor.take());
        let page = service.peer().list_tools(Some(page)).await;
        let page = page.map_err(|error| format!("its tools cannot be listed: {}", with_causes(&error)))?;
        listed.extend(page.tools.into_iter().map(entry));
        if listed.len() > TOOLS_LIMIT {
            return Err(format!("it lists more than {TOOLS_LIMIT} tools"));
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(listed);
        }
    }
    Err(format!("its list of tools has more than {PAGES_LIMIT} pages"))
}

fn entry(tool: Tool) -> Listed {
    let description = tool.description.map(String::from).or(tool.title).unwrap_or_default();
    Listed { name: tool.name.into_owned(), description, parameters: (*tool.input_schema).clone() }
}
