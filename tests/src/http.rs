//! A plain HTTP client, one connection a request, so that tests see what a sender sees.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An answer, whole: one that was cut off is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Sends a request and reads the answer. `target` is the path with the query string.
///
/// # Errors
/// No connection, or one that broke before the answer was whole.
pub fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    content_type: &str,
    body: &[u8],
) -> io::Result<Response> {
    request_with(address, method, target, &[("Content-Type", content_type)], body)
}

/// The same with these headers.
///
/// # Errors
/// As [`request`].
pub fn request_with(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let mut sending = Sending::begin(address, method, target, headers, body.len())?;
    sending.send(body);
    sending.answer()
}

/// A request whose body is on its way.
#[derive(Debug)]
pub struct Sending(TcpStream);

impl Sending {
    /// Sends the head of a request whose body will have so many bytes.
    ///
    /// # Errors
    /// No connection.
    pub fn begin(
        address: SocketAddr,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        length: usize,
    ) -> io::Result<Self> {
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             {headers}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        Ok(Self(stream))
    }

    /// Sends a part of the body. That it is not taken is no error: a server may answer before it
    /// has all of it, and hang up.
    pub fn send(&mut self, part: &[u8]) {
        let _ = self.0.write_all(part);
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// The connection broke before the answer was whole.
    pub fn answer(mut self) -> io::Result<Response> {
        let mut answer = Vec::new();
        let read = self.0.read_to_end(&mut answer);
        match parse(&answer) {
            Some(answer) => Ok(answer),
            None => Err(read.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

/// The answer; `None` if it is not whole.
fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let body = &answer[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let mut lengths = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = lengths.next()?.1.trim().parse().ok()?;
    (body.len() == length).then_some(())?;
    let head = head.to_owned();
    Some(Response { status, head, body: String::from_utf8(body.to_vec()).ok()? })
}

/// A query string of these parameters, with its question mark.
pub fn query_string(parameters: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                    text.push(char::from(byte));
                }
                byte => text.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    text
}
