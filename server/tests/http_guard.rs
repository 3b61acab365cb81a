//! Without authentication, only this machine's own programs are served.

mod common;

use common::{Server, dir, logstrata};

#[test]
fn foreign_hosts_and_pages_are_refused_before_anything_happens() {
    let dir = dir();
    let server = Server::start(dir.path());
    let own = server.address.to_string();
    let body = b"{\"message\":\"planted\"}";
    for (headers, status) in [
        (vec![("Host", "evil.example")], 403),
        (vec![("Host", "localhost.evil.example:7600")], 403),
        (vec![("Origin", "http://evil.example")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Sec-Fetch-Site", "cross-site")], 403),
        (vec![("Sec-Fetch-Site", "same-site")], 403),
    ] {
        let with_type = [headers.as_slice(), &[("Content-Type", "application/json")]].concat();
        let answer = server.request("POST", "/api/v1/logs", &with_type, body);
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        assert_eq!(server.request("GET", "/api/v1/logs", &headers, b"").status, status);
    }
    assert!(server.messages("").is_empty(), "nothing was stored");

    let origin = format!("http://{own}");
    let headers = [("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(server.request("GET", "/api/v1/logs", &headers, b"").status, 200);
    assert_eq!(server.request("GET", "/healthz", &[("Host", "LOCALHOST")], b"").status, 200);
}

#[test]
fn a_request_names_its_host() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.raw(b"GET /healthz HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(server.raw(b"GET /healthz HTTP/1.0\r\n\r\n").status, 200);
    let absolute = b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(server.raw(absolute).status, 403);
}

#[test]
fn a_listener_for_everyone_is_refused() {
    let dir = dir();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7600"] {
        let serve = logstrata()
            .args(["serve", "--listen", address, "--data"])
            .arg(dir.path().join("store"))
            .output()
            .expect("runs");
        assert_eq!(serve.status.code(), Some(2), "{address}");
        let message = String::from_utf8_lossy(&serve.stderr);
        assert!(message.contains("no authentication"), "{message}");
    }
    assert!(!dir.path().join("store").exists(), "refused before the store was touched");
}
