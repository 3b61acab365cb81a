//! A plain reader of `GET` and `POST /api/v1/logs/tail`: as fast or as slow as a test wants it.

use crate::http::{Response, query_string};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a test waits for an event before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream of events that is being read.
#[derive(Debug)]
pub struct Tail {
    stream: BufReader<TcpStream>,
    /// Bytes of the answer's body that were received and not looked at.
    body: Vec<u8>,
    /// The last id that came.
    pub last_id: Option<String>,
}

/// An event of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its kind; `message` if none was named.
    pub kind: String,
    /// Its data, lines joined by line breaks.
    pub data: String,
}

impl Tail {
    /// Follows a query, behind `last_id` if there is one. Returns when the answer has begun.
    ///
    /// # Errors
    /// The answer, if it is a refusal.
    pub fn open(address: SocketAddr, query: &str, last_id: Option<&str>) -> Result<Self, Response> {
        let header = last_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        Self::request(address, &[("q", query)], &header)
    }

    /// The same with these parameters and further headers.
    ///
    /// # Errors
    /// As [`Tail::open`].
    pub fn request(
        address: SocketAddr,
        parameters: &[(&str, &str)],
        headers: &str,
    ) -> Result<Self, Response> {
        let target = format!("/api/v1/logs/tail{}", query_string(parameters));
        let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        Self::send(address, &request, headers)
    }

    /// The same with the parameters in a body of this type.
    ///
    /// # Errors
    /// As [`Tail::open`].
    pub fn post(
        address: SocketAddr,
        kind: &str,
        body: &str,
        headers: &str,
    ) -> Result<Self, Response> {
        let length = body.len();
        let request = format!(
            "POST /api/v1/logs/tail HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Type: {kind}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        Self::send(address, &request, headers)
    }

    fn send(address: SocketAddr, request: &str, headers: &str) -> Result<Self, Response> {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.write_all(request.as_bytes()).expect("is sent");
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).expect("a head") > 0, "broke off: {head}");
        }
        if head.starts_with("HTTP/1.1 200") {
            assert!(
                head.to_ascii_lowercase().contains("content-type: text/event-stream"),
                "{head}"
            );
            return Ok(Self { stream, body: Vec::new(), last_id: last_id_of(headers) });
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length.expect("refusals have a length")];
        stream.read_exact(&mut body).expect("a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Err(Response { status, head, body: String::from_utf8(body).expect("UTF-8") })
    }

    /// The next event; `None` if the stream has ended well.
    ///
    /// # Errors
    /// The connection broke.
    pub fn wait(&mut self) -> io::Result<Option<Event>> {
        loop {
            while let Some(end) = self.body.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.body.drain(..end + 2).collect();
                let block = String::from_utf8(block).expect("UTF-8");
                if let Some(event) = self.read_block(&block) {
                    return Ok(Some(event));
                }
            }
            if !self.read_chunk()? {
                return Ok(None);
            }
        }
    }

    /// The data of the next event, which must be one that was stored.
    ///
    /// # Panics
    /// If it is of another kind, or there is none.
    pub fn event(&mut self) -> String {
        let event = self.wait().expect("comes in time").expect("has not ended");
        assert_eq!(event.kind, "message", "{event:?}");
        event.data
    }

    /// The first id that comes: where it begins.
    ///
    /// # Panics
    /// If the stream ends before.
    pub fn position(&mut self) -> String {
        while self.last_id.is_none() {
            assert!(self.read_chunk().expect("comes in time"), "has ended");
            let body = self.body.clone();
            let mut lines = body.split(|byte| *byte == b'\n');
            let id = lines.find_map(|line| line.strip_prefix(b"id: "));
            self.last_id = id.map(|id| String::from_utf8_lossy(id).into_owned());
        }
        self.last_id.clone().expect("was looked for")
    }

    fn read_block(&mut self, block: &str) -> Option<Event> {
        let mut kind = "message".to_owned();
        let mut data = Vec::new();
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "" | "retry" => {}
                "event" => value.clone_into(&mut kind),
                "id" => self.last_id = Some(value.to_owned()),
                "data" => data.push(value),
                other => panic!("the field {other:?} in {block:?}"),
            }
        }
        (!data.is_empty()).then(|| Event { kind, data: data.join("\n") })
    }

    /// Reads a chunk of the body; `false` at its end.
    fn read_chunk(&mut self) -> io::Result<bool> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::from_str_radix(line.trim_end(), 16).expect("a chunk's length");
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk)?;
        self.body.extend_from_slice(&chunk[..length]);
        Ok(length > 0)
    }
}

fn last_id_of(headers: &str) -> Option<String> {
    headers.strip_prefix("Last-Event-ID: ").map(|id| id.trim_end().to_owned())
}
