//! The real binary on a free port, and a plain HTTP client that can also say what a good one
//! would not.
#![expect(dead_code, reason = "no test uses everything")]
#![expect(clippy::disallowed_methods, reason = "what a process takes is read from `/proc`")]

pub(crate) mod places;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Longer than anything takes here: a test that waits so long has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// The binary, without the configuration of whoever runs the tests.
pub(crate) fn logstrata() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logstrata"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LOGSTRATA_") {
            command.env_remove(name);
        }
    }
    command
}

impl Server {
    /// Serves the store in `dir`.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_with(logstrata().arg("serve").arg("--data").arg(dir))
    }

    /// Runs a `serve` command on a free port.
    pub(crate) fn start_with(command: &mut Command) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        // Ends when the server says where it listens, or when it ends: no need to poll.
        let output = child.stdout.take().expect("is piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let address =
            lines.find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("it ended with {}", child.wait().unwrap()));
        Self { child, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A figure of `/proc/<pid>/status`, in bytes.
    pub(crate) fn memory(&self, figure: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix(figure)).expect("is there");
        let kib = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>();
        kib.expect("a number") << 10
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is missing in:\n{text}")).parse().expect("a number")
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.terminate();
        self.child.wait().expect("ends")
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("runs").success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("ends")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connects");
        stream.set_read_timeout(Some(DEADLINE)).expect("is a valid timeout");
        stream
    }

    /// Sends these bytes and reads the answer to its end.
    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).expect("is sent");
        Answer::read(&mut stream)
    }

    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n").into_bytes();
        let length = body.len().to_string();
        let host = self.address.to_string();
        let defaults = [("Host", host.as_str()), ("Content-Length", length.as_str())];
        let given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let defaults = defaults.iter().filter(|(name, _)| !given(name));
        for (name, value) in defaults.chain(headers) {
            request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        self.raw(&request)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, content_type: &str, body: &[u8]) -> Answer {
        self.request("POST", "/api/v1/logs", &[("Content-Type", content_type)], body)
    }

    pub(crate) fn post_lines(&self, lines: &str) -> Answer {
        self.post("application/x-ndjson", lines.as_bytes())
    }

    /// The events of a query, by their messages.
    pub(crate) fn messages(&self, query: &str) -> Vec<String> {
        let answer = self.get(&format!("/api/v1/logs?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let page = answer.json();
        let events = page["logs"].as_array().expect("is a list").iter();
        events.map(|event| event["message"].as_str().expect("has a message").to_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads an answer up to its `Content-Length`.
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = reader.read_line(&mut head).expect("an answer comes in time");
            assert!(read > 0, "the connection ended within the head: {head:?}");
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Self { status: status.expect("has a status"), head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |n| n.parse().expect("a number"));
        answer.body.resize(length, 0);
        reader.read_exact(&mut answer.body).expect("the body comes in time");
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The kind and message of a refusal.
    pub(crate) fn error(&self) -> (String, String) {
        let json = self.json();
        let text = |name: &str| json["error"][name].as_str().expect("is text").to_owned();
        (text("kind"), text("message"))
    }
}

pub(crate) fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory can be made")
}
