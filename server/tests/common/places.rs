//! The same events in memory, flushed, compacted, and a third in each: every answer must be the same.

use super::{Server, dir};
use serde_json::Value;

/// Where the events of a server are.
const PLACES: [&str; 4] = ["in memory", "flushed", "compacted", "everywhere"];

/// A server with these events, once each: in memory, in a level-0 file, in segments and packs, and with a
/// part of them in each of these.
pub(crate) fn for_each_place(lines: &[Value], check: impl Fn(&Server, &str)) {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    for place in PLACES {
        let dir = dir();
        let server = Server::start(dir.path());
        let admin = |what: &str| {
            let answer = server.request("POST", &format!("/api/v1/admin/{what}"), &[], b"");
            assert_eq!(answer.status, 200, "{}", answer.text());
        };
        let is_mixed = place == "everywhere";
        let parts = if is_mixed { lines.len().div_ceil(3) } else { lines.len() };
        for (number, part) in lines.chunks(parts).enumerate() {
            assert_eq!(server.post_lines(&part.join("\n")).status, 200);
            if place != "in memory" && !(is_mixed && number == 2) {
                admin("flush");
            }
            if place == "compacted" || is_mixed && number == 0 {
                admin("compact");
            }
        }
        check(&server, place);
    }
}

/// A success as JSON.
#[track_caller]
pub(crate) fn get(server: &Server, path: &str) -> Value {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let json = answer.json();
    for member in ["took_ms", "warnings", "range", "scanned"] {
        assert!(json.get(member).is_some(), "{path}: {member} is missing in {json}");
    }
    json
}

/// The message of a refusal.
#[track_caller]
pub(crate) fn refused(server: &Server, path: &str, status: u16) -> String {
    let answer = server.get(path);
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    answer.error().1
}
