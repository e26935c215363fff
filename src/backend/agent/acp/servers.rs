//! The MCP servers that an agent is given, as ACP words them.

use std::ffi::OsString;
use std::fmt;

use agent_client_protocol_schema::v1::{EnvVariable, HttpHeader, McpServer, McpServerHttp, McpServerStdio};

use crate::profile::Agent;

/// The servers of a profile. The values of their keys are here, since they go over the pipe.
#[derive(Clone, Default)]
pub(super) struct Servers(Vec<McpServer>);

impl Servers {
    /// The servers of `agent`, whose keys are in the environment that it is started with.
    pub(super) fn new(agent: &Agent, environment: &[(OsString, OsString)]) -> Self {
        let value = |name: &str| {
            environment
                .iter()
                .find(|(known, _)| known.to_str() == Some(name))
                .and_then(|(_, value)| value.to_str())
        };
        let servers = agent.mcp.iter().map(|(name, server)| match (&server.command, &server.url) {
            (Some(words), _) => {
                let program = words.0.first().cloned().unwrap_or_default();
                let env = server.env.iter().map(|(name, value)| EnvVariable::new(name, value)).collect();
                let args = words.0.get(1..).unwrap_or_default().to_vec();
                McpServer::Stdio(McpServerStdio::new(name, program).args(args).env(env))
            }
            (None, url) => {
                let token = server.key_env.as_deref().and_then(value);
                let header = token.map(|token| HttpHeader::new("Authorization", format!("Bearer {token}")));
                let url = url.as_deref().unwrap_or_default();
                McpServer::Http(McpServerHttp::new(name, url).headers(header.into_iter().collect()))
            }
        });
        Self(servers.collect())
    }

    /// As they are offered to an agent that takes servers over HTTP, or does not: then the name of the first that it
    /// cannot take.
    pub(super) fn offered(&self, http: bool) -> Result<Vec<McpServer>, String> {
        let refused = self.0.iter().find_map(|server| match server {
            McpServer::Http(server) if !http => Some(server.name.clone()),
            _ => None,
        });
        match refused {
            Some(name) => Err(name),
            None => Ok(self.0.clone()),
        }
    }
}

/// Without values: a key must not be shown by accident.
impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Servers({})", self.0.len())
    }
}
