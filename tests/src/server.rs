//! The real binary: a server on a free port, and commands that end.

use crate::http::{self, Response};
use crate::json;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

/// A server process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server on the store in `dir`, and waits until it listens.
    pub fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    /// The same with settings, by environment variable.
    pub fn start_with(dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::try_start(dir, settings).unwrap_or_else(|(status, said)| {
            panic!("the server ended ({status}) before it listened:\n{said}")
        })
    }

    /// The same, for a store that may be refused.
    ///
    /// # Errors
    /// How the process ended before it listened, and what it said.
    pub fn try_start(dir: &Path, settings: &[(&str, &str)]) -> Result<Self, (ExitStatus, String)> {
        let mut command = logstrata();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(dir);
        command.envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let said = Arc::default();
        let (sender, addresses) = channel();
        listen_to(child.stdout.take().expect("piped"), Arc::clone(&said), sender.clone());
        listen_to(child.stderr.take().expect("piped"), Arc::clone(&said), sender);
        // Fails when both streams have ended, and all that was said is there.
        match addresses.recv() {
            Ok(address) => Ok(Self { child, address, said }),
            Err(_) => Err((child.wait().expect("ended"), text_of(&said))),
        }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gets `path` with these parameters.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Response {
        let target = format!("{path}{}", http::query_string(parameters));
        self.answered(http::request(self.address, "GET", &target, "text/plain", b""))
    }

    /// Posts a body to `target`.
    pub fn post(&self, target: &str, content_type: &str, body: &[u8]) -> Response {
        self.answered(http::request(self.address, "POST", target, content_type, body))
    }

    fn answered(&self, answer: io::Result<Response>) -> Response {
        answer.unwrap_or_else(|error| panic!("{error}; the server said:\n{}", text_of(&self.said)))
    }

    /// Stores events, all of which must be accepted; each is a JSON object on one line. Returns
    /// the id of the first.
    pub fn store(&self, events: &[impl AsRef<str>]) -> String {
        let lines: Vec<&str> = events.iter().map(AsRef::as_ref).collect();
        let body = lines.join("\n");
        let answer = self.post("/api/v1/logs", "application/x-ndjson", body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        let accepted = json::member(&answer.body, "accepted").expect("accepted");
        assert_eq!(accepted, events.len().to_string(), "{}", answer.body);
        json::unquoted(json::member(&answer.body, "first_id").expect("first_id"))
    }

    /// Every event that the query finds, oldest first, as it is written in the answers.
    pub fn all(&self, query: &str) -> Vec<String> {
        let mut events = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut parameters = vec![("q", query), ("order", "asc"), ("limit", "10000")];
            if !cursor.is_empty() {
                parameters.push(("cursor", &cursor));
            }
            let answer = self.get("/api/v1/logs", &parameters);
            assert_eq!(answer.status, 200, "{}", answer.body);
            let logs = json::member(&answer.body, "logs").expect("logs");
            events.extend(json::elements(logs).into_iter().map(str::to_owned));
            match json::member(&answer.body, "next_cursor").expect("next_cursor") {
                "null" => return events,
                next => cursor = json::unquoted(next),
            }
        }
    }

    /// Ends the process as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Asks the process to end (SIGTERM), and waits. Returns how it ended and what it said.
    pub fn stop(mut self) -> (ExitStatus, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("`kill` runs");
        assert!(sent.success(), "the signal was sent");
        let status = self.child.wait().expect("ended");
        (status, text_of(&self.said))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what a process says, and looks for the address that it listens on.
fn listen_to(
    stream: impl Read + Send + 'static,
    said: Arc<Mutex<String>>,
    addresses: Sender<SocketAddr>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line);
            if let Some(address) = address_in(&line) {
                // Only the first one is waited for.
                let _ = addresses.send(address);
            }
            let mut said = said.lock().expect("not poisoned");
            said.push_str(&line);
            said.push('\n');
        }
    });
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    let end = rest.find(|c: char| !matches!(c, '0'..='9' | '.' | ':')).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn text_of(said: &Mutex<String>) -> String {
    said.lock().expect("not poisoned").clone()
}

/// Runs the binary with these arguments to its end.
pub fn run(arguments: &[&str]) -> Output {
    logstrata().args(arguments).stdin(Stdio::null()).output().expect("the binary runs")
}

/// Starts the binary with these arguments; what it says can be read from it.
pub fn spawn(arguments: &[&str]) -> Child {
    let mut command = logstrata();
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

/// The binary with no arguments, and no settings of whoever runs the tests.
pub fn logstrata() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("LOGSTRATA_")) {
            command.env_remove(name);
        }
    }
    command
}

/// The binary: that of `LOGSTRATA_BIN`, or the one that cargo builds.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("LOGSTRATA_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--bin", "logstrata", "--message-format=json"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "the binary builds");
    let messages = String::from_utf8(output.stdout).expect("JSON");
    let mut executables = messages.lines().filter_map(|line| {
        let path = json::member(line, "executable").filter(|path| *path != "null")?;
        Some(PathBuf::from(json::unquoted(path)))
    });
    executables.next().expect("cargo tells where the binary is")
}

/// The workspace.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the crate lies in the workspace").to_owned()
}
