//! A loopback HTTP/1.1 server that answers from a list, on threads and the standard library alone.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// One step of a response's body.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(String),
    /// Waits.
    Wait(Duration),
    /// Closes the connection in the middle.
    Cut,
    /// Sends nothing more and waits until the other side has gone.
    Hang,
}

/// One response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<Step>,
}

impl Response {
    /// A response with a body of JSON.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: vec![Step::Send(body.to_owned())] }
            .header("content-type", "application/json")
    }

    /// A stream of server-sent events, one for each text, with `[DONE]` last.
    pub(crate) fn stream(events: &[&str]) -> Self {
        let mut body: Vec<Step> =
            events.iter().map(|event| Step::Send(format!("data: {event}\n\n"))).collect();
        body.push(Step::Send("data: [DONE]\n\n".to_owned()));
        Self::steps(body)
    }

    /// A stream of whatever the steps say.
    pub(crate) fn steps(body: Vec<Step>) -> Self {
        Self { status: 200, headers: Vec::new(), body }.header("content-type", "text/event-stream")
    }

    /// The first steps of the body, and then this one.
    pub(crate) fn broken_off(mut self, after: usize, step: Step) -> Self {
        self.body.truncate(after);
        self.body.push(step);
        self
    }

    /// This body, and then that of another response.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.body.extend(other.body);
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// `POST /v1/chat/completions`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

impl Recorded {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What to answer to a request, given how many came before it.
type Answering = dyn Fn(usize, &Recorded) -> Option<Response> + Send + Sync;

/// A server that gives the nth response to the nth request, and 500 after the last; or what a function says.
#[derive(Debug)]
pub(crate) struct Server {
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
    hung_up: Mutex<Receiver<()>>,
}

impl Server {
    /// Starts on a free port.
    pub(crate) fn start(responses: Vec<Response>) -> Self {
        Self::answering(move |index, _| responses.get(index).cloned())
    }

    /// Starts on a free port and answers by what is asked.
    pub(crate) fn answering(
        answer: impl Fn(usize, &Recorded) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        let answer: Arc<Answering> = Arc::new(answer);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (gone, hung_up) = channel();
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let Ok(connection) = connection else { return };
                let (seen, gone) = (Arc::clone(&seen), gone.clone());
                let answer = Arc::clone(&answer);
                thread::spawn(move || {
                    // A client that goes away in the middle is what some tests are about.
                    let _ = serve(connection, &*answer, &seen, &gone);
                });
            }
        });
        Self { address, requests, hung_up: Mutex::new(hung_up) }
    }

    /// The base URL of the API.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until a client has left a hanging response.
    pub(crate) fn hung_up(&self) -> bool {
        self.hung_up.lock().unwrap().recv_timeout(Duration::from_secs(10)).is_ok()
    }
}

fn serve(
    connection: TcpStream,
    answer: &Answering,
    seen: &Mutex<Vec<Recorded>>,
    gone: &Sender<()>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut recorded = Recorded { line: line.trim_end().to_owned(), headers, body: String::new() };
        let length = recorded.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        recorded.body = String::from_utf8(body).unwrap();
        // Not while it is locked: an answer may take its time, and others come meanwhile.
        let index = {
            let mut seen = seen.lock().unwrap();
            seen.push(recorded.clone());
            seen.len() - 1
        };
        let response = answer(index, &recorded).unwrap_or_else(|| Response::json(500, "{}"));
        let mut head = format!("HTTP/1.1 {} Scripted\r\ntransfer-encoding: chunked\r\n", response.status);
        for (name, value) in &response.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        writer.write_all(format!("{head}\r\n").as_bytes())?;
        if recorded.line.starts_with("HEAD ") {
            continue; // It has no body, whatever the header says.
        }
        for step in response.body {
            match step {
                Step::Send(text) => {
                    writer.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())?;
                }
                Step::Wait(time) => thread::sleep(time),
                Step::Cut => return Ok(()),
                Step::Hang => {
                    // The end of what the client sends is the end of the client.
                    let _ = reader.read(&mut [0]);
                    let _ = gone.send(());
                    return Ok(());
                }
            }
        }
        writer.write_all(b"0\r\n\r\n")?;
    }
}
