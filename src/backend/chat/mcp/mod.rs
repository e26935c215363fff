//! The tools of MCP servers, offered to the model beside our own.
//!
//! **Invariant: a server lives as long as the attempt.** All of them are started at once, before the model is asked
//! anything; a server that is not there fails the attempt, since a model without a tool that its prompt counts on would
//! go on and be paid for. What a server lists then is what the model is offered until the attempt ends: the tools on
//! record are the tools that were sent, so a later change of the list is not followed. A server that dies in the middle
//! answers each call with an error, and the model goes on.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::conversation::ToolSpec;
use super::tools::{OUTPUT_LIMIT, ToolAnswer, bounded};
use crate::backend::{Link, Request};
use crate::event::{Failure, FaultClass, FaultScope};
use crate::file::Secrets;
use crate::process::Guard;

mod config;
mod connection;
mod content;
mod name;
mod program;

pub use config::{AddressError, McpServer};

use connection::{Connection, Listed};
use name::tool_name;

/// Bytes of one tool's description: a model reads all of them on every turn.
const DESCRIPTION_LIMIT: usize = 8 * 1024;
/// Bytes of one tool's parameters. A schema cannot be cut, so a larger one is refused.
const SCHEMA_LIMIT: usize = 64 * 1024;
/// Bytes of a reason, beginning and end.
const REASON_LIMIT: usize = 2 * 1024;

/// The servers of a profile, and what their programs run in.
#[derive(Clone)]
pub struct McpServers {
    /// The servers.
    pub servers: Vec<McpServer>,
    /// Starts their programs.
    pub guard: Guard,
    /// Values that must not reach the logs of their standard error.
    pub secrets: Arc<Secrets>,
    /// From TERM to KILL, when a program does not end with its input.
    pub grace: Duration,
    /// How long all of them together may take to start and to list their tools.
    pub startup: Duration,
    /// How long one call may take.
    pub call: Duration,
}

impl fmt::Debug for McpServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.servers.iter().map(McpServer::name)).finish()
    }
}

impl McpServers {
    /// How many tools each of them lists. They are started for it and ended again.
    ///
    /// # Errors
    ///
    /// The first that is not there.
    pub(crate) async fn count(
        &self,
        request: &Request,
        link: &Link,
    ) -> Result<Vec<(String, usize)>, Failure> {
        let mut tools = self.connect(request, link).await?;
        let servers = tools.connections.iter().enumerate().map(|(index, connection)| {
            let listed = tools.offered.values().filter(|offered| offered.connection == index).count();
            (connection.name().to_owned(), listed)
        });
        let counted = servers.collect();
        tools.close(link).await;
        Ok(counted)
    }

    /// Starts all of them, side by side, and lists their tools.
    ///
    /// # Errors
    ///
    /// The first that failed, in the order of their names; nothing of the others is left running then. What failed
    /// because of the order to stop is a stop.
    pub(super) async fn connect(&self, request: &Request, link: &Link) -> Result<McpTools, Failure> {
        let starting = self.servers.iter().map(|server| Connection::start(self, server, request, link));
        let mut connections = Vec::new();
        let mut failed = None;
        for started in join_all(starting).await {
            match started {
                Ok(connection) => connections.push(connection),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        let mut tools =
            McpTools { connections, offered: BTreeMap::new(), offers: Vec::new(), call: self.call };
        let failed = failed.or_else(|| tools.offer().err());
        match failed {
            None => Ok(tools),
            Some(failure) => {
                tools.close(link).await;
                Err(failure)
            }
        }
    }
}

/// Which tool of which server a name is.
#[derive(Debug)]
struct Offered {
    connection: usize,
    tool: String,
}

/// The tools of all servers of one attempt.
#[derive(Debug, Default)]
pub(super) struct McpTools {
    connections: Vec<Connection>,
    offered: BTreeMap<String, Offered>,
    offers: Vec<ToolSpec>,
    call: Duration,
}

impl McpTools {
    /// The tools in the order of the servers and of their lists.
    pub(super) fn offers(&self) -> &[ToolSpec] {
        &self.offers
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.offered.keys().map(String::as_str)
    }

    /// Whether a tool of that name is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.offered.contains_key(name)
    }

    /// Gives each listed tool its name. Two tools of one name could not be told apart, so that is refused.
    fn offer(&mut self) -> Result<(), Failure> {
        for (index, connection) in self.connections.iter_mut().enumerate() {
            let server = connection.name().to_owned();
            for Listed { name, description, parameters } in connection.take_listed() {
                let parameters = completed(parameters);
                let length = parameters.to_string().len();
                if length > SCHEMA_LIMIT {
                    let why = format!("the parameters of its tool `{name}` are {length} bytes of JSON");
                    return Err(unusable(
                        &server,
                        &why,
                        &format!("{SCHEMA_LIMIT} are the limit; use another server"),
                    ));
                }
                match self.offered.entry(tool_name(&server, &name)) {
                    Entry::Occupied(taken) => {
                        let other = taken.get();
                        let why = format!(
                            "its tool `{name}` and another, `{}`, are both `{}`",
                            other.tool,
                            taken.key()
                        );
                        return Err(unusable(
                            &server,
                            &why,
                            "give the servers names that differ in letters or digits",
                        ));
                    }
                    Entry::Vacant(free) => {
                        self.offers.push(ToolSpec {
                            name: free.key().clone(),
                            description: bounded(&description, DESCRIPTION_LIMIT),
                            parameters,
                        });
                        free.insert(Offered { connection: index, tool: name });
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls a tool and waits for its answer, its time, or the order to stop.
    pub(super) async fn call(&self, name: &str, arguments: &str, link: &Link) -> ToolAnswer {
        let offered = self.offered.get(name);
        let Some((offered, connection)) =
            offered.and_then(|offered| Some((offered, self.connections.get(offered.connection)?)))
        else {
            return ToolAnswer::error(&format!("there is no tool `{name}`"));
        };
        // Some models send nothing at all for a call without arguments.
        let text = if arguments.trim().is_empty() { "{}" } else { arguments };
        let arguments: Map<String, Value> = match serde_json::from_str(text) {
            Ok(arguments) => arguments,
            Err(error) => {
                let offer = self.offers.iter().find(|offer| offer.name == name);
                let expected = offer.map_or_else(String::new, |offer| offer.parameters.to_string());
                let expected = bounded(&expected, DESCRIPTION_LIMIT);
                return ToolAnswer::error(&format!(
                    "the arguments of `{name}` are not valid: {error}; expected: {expected}"
                ));
            }
        };
        let mut stop = link.clone();
        let answer = tokio::select! {
            biased;
            answer = connection.call(&offered.tool, arguments) => answer,
            // A call that is given up is taken back at the server as well.
            () = tokio::time::sleep(self.call) => {
                Err(format!("no answer after {} s; the call was taken back", self.call.as_secs_f64()))
            }
            _ = stop.stopped(None) => Err("told to stop".to_owned()),
        };
        let answer = answer.map(|text| bounded(&text, OUTPUT_LIMIT));
        answer.map_err(|text| bounded(&text, OUTPUT_LIMIT)).into()
    }

    /// Ends all servers, side by side. Nothing of them is left running afterwards.
    pub(super) async fn close(&mut self, link: &Link) {
        self.offered.clear();
        let connections = std::mem::take(&mut self.connections);
        join_all(connections.into_iter().map(|connection| connection.end(link.clone()))).await;
    }
}

/// A schema as model APIs want it: of an object, with its properties, even when there are none.
fn completed(mut parameters: Map<String, Value>) -> Value {
    parameters.entry("type").or_insert_with(|| Value::from("object"));
    parameters.entry("properties").or_insert_with(|| json!({}));
    Value::Object(parameters)
}

/// A server that the attempt cannot do without.
fn unusable(server: &str, why: &str, remedy: &str) -> Failure {
    let text = format!("the MCP server `{server}` cannot be used: {}; {remedy}", bounded(why, REASON_LIMIT));
    Failure { scope: FaultScope::Local, ..Failure::ours(FaultClass::ConfigMissing, text) }
}
