//! One server of a profile, seen to be usable before anything is started.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

/// How long a server may take to take the connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A server whose tools the model is offered.
#[derive(Clone, Debug)]
pub struct McpServer {
    name: String,
    pub(super) via: Via,
}

/// How it is reached.
#[derive(Clone)]
pub(super) enum Via {
    /// A program that speaks over its standard input and output.
    Program {
        /// What to run.
        program: PathBuf,
        /// Its arguments.
        args: Vec<OsString>,
        /// Its whole environment.
        env: Vec<(OsString, OsString)>,
    },
    /// An address that speaks over streamable HTTP. The client holds the key and shows it nowhere.
    Http {
        /// The address.
        url: String,
        /// What asks it.
        client: reqwest::Client,
    },
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { program, .. } => f.debug_tuple("Program").field(program).finish(),
            Self::Http { url, .. } => f.debug_tuple("Http").field(url).finish(),
        }
    }
}

/// Why a server's address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The address is none, or has a password in it.
    #[error("the `url` of the MCP server `{0}` is not an http or https URL without credentials")]
    Url(String),
    /// The key has characters that a header cannot hold.
    #[error("the key of the MCP server `{0}` has characters that cannot be sent")]
    Key(String),
    /// The client could not be made.
    #[error("the MCP server `{server}`: {source}")]
    Client {
        /// The server.
        server: String,
        /// Why.
        source: reqwest::Error,
    },
}

impl McpServer {
    /// A program that is given `env` and nothing else.
    pub fn program(
        name: impl Into<String>,
        program: PathBuf,
        args: Vec<OsString>,
        env: Vec<(OsString, OsString)>,
    ) -> Self {
        Self { name: name.into(), via: Via::Program { program, args, env } }
    }

    /// An address, and the bearer token that it wants.
    ///
    /// # Errors
    ///
    /// An address or a token that cannot be used; the token is in none of them.
    pub fn http(name: impl Into<String>, url: &str, token: Option<&str>) -> Result<Self, AddressError> {
        let name = name.into();
        let parsed = reqwest::Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.username().is_empty())
            .filter(|url| url.password().is_none() && url.host().is_some())
            .ok_or_else(|| AddressError::Url(name.clone()))?;
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| AddressError::Key(name.clone()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT)
            // A redirect would carry what the model says, and perhaps the token, to somebody nobody named.
            .redirect(reqwest::redirect::Policy::none());
        if parsed.scheme() == "http" {
            // The system's certificates are of no use here, and reading them takes long.
            let none = rustls::ClientConfig::builder()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder = builder.tls_backend_preconfigured(none);
        }
        if is_loopback(&parsed) {
            builder = builder.no_proxy();
        }
        let client =
            builder.build().map_err(|source| AddressError::Client { server: name.clone(), source })?;
        Ok(Self { name, via: Via::Http { url: parsed.into(), client } })
    }

    /// Its name in the profile.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What carries the messages of a server at an address.
pub(super) fn http_transport(
    url: &str,
    client: &reqwest::Client,
) -> StreamableHttpClientTransport<reqwest::Client> {
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    StreamableHttpClientTransport::with_client(client.clone(), config)
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_seen_to_be_one_and_no_token_is_shown() {
        for url in ["", "x", "ftp://h/", "http://user@h/mcp", "https://:secret@h/mcp", "http://"] {
            let error = McpServer::http("docs", url, None).unwrap_err().to_string();
            assert!(error.contains("`docs`") && !error.contains("secret"), "{error}");
        }
        let bad = McpServer::http("docs", "http://h/mcp", Some("to\nken")).unwrap_err().to_string();
        assert!(bad.contains("the key of the MCP server `docs`") && !bad.contains("ken"), "{bad}");
        let good = McpServer::http("docs", "http://127.0.0.1:1/mcp", Some("tok-1234")).unwrap();
        assert!(!format!("{good:?}").contains("tok-1234"));
        if let Via::Http { client, .. } = &good.via {
            assert!(!format!("{client:?}").contains("tok-1234"));
        }
    }
}
