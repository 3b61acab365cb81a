//! What the real binary refuses, gives up, and says about it.

mod common;

use common::{Server, dir, logstrata};
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Looks at every message, letter by letter, many times over.
const SLOW: &str = "q=message:/x[a-z0-9+]*x[a-z0-9+]*q1/+OR+message:/y[a-z0-9+]*y[a-z0-9+]*q2/\
                    +OR+message:/z[a-z0-9+]*z[a-z0-9+]*q3/";

fn filled(server: &Server) {
    for body in 0..10 {
        let mut lines = String::new();
        for line in 0..5_000 {
            let noise = "x7 y3 z9 ".repeat(10);
            lines.push_str(&format!("{{\"message\":\"event {body} {line} {noise}\"}}\n"));
        }
        assert_eq!(server.post_lines(&lines).status, 200);
    }
}

#[test]
fn a_query_ends_with_its_time_and_with_its_client() {
    let dir = dir();
    let server = Server::start(dir.path());
    filled(&server);
    let answer = server.get(&format!("/api/v1/logs/stats?{SLOW}&timeout=1ms&partial=false"));
    assert_eq!((answer.status, answer.error().0.as_str()), (504, "deadline"), "{}", answer.text());
    assert_eq!(server.get("/api/v1/logs?timeout=0s").status, 400);
    assert_eq!(server.get("/api/v1/logs?limit=1&timeout=30s").status, 200);

    // It may be done before the server hears that its client has left: then once more.
    for _ in 0..50 {
        let mut stream = server.connect();
        let head =
            format!("GET /api/v1/logs/stats?{SLOW} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
        stream.write_all(head.as_bytes()).expect("is sent");
        drop(stream);
        // Waits until the one before is over.
        server.get("/readyz");
        if server.metric("logstrata_queries_cancelled_total") > 0 {
            break;
        }
    }
    assert!(server.metric("logstrata_queries_cancelled_total") > 0);
    assert_eq!(server.get("/api/v1/logs?limit=1").status, 200);
    assert!(server.metric("logstrata_memory_ingest_bytes") > 0);
    assert_eq!(server.stop().code(), Some(0), "nothing runs on for nobody");
}

#[test]
fn a_disk_below_its_reserve_takes_no_events_and_says_so() {
    let dir = dir();
    let server = Server::start(dir.path());
    assert_eq!(server.post_lines("{\"message\":\"before\"}").status, 200);
    assert_eq!(server.stop().code(), Some(0));

    let mut command = logstrata();
    command.args(["serve", "--disk-reserve", "1000000TiB", "--data"]).arg(dir.path());
    let server = Server::start_with(&mut command);
    let refused = server.post_lines("{\"message\":\"after\"}");
    assert_eq!((refused.status, refused.error().0.as_str()), (503, "full"), "{}", refused.text());
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    let ready = server.get("/readyz");
    assert_eq!((ready.status, ready.error().0.as_str()), (503, "full"), "{}", ready.text());
    assert!(ready.header("retry-after").is_some());
    assert_eq!(server.messages(""), ["before"], "reads go on, and nothing was stored");
    let flush = server.request("POST", "/api/v1/admin/flush", &[], b"");
    assert_eq!(flush.status, 200, "{}", flush.text());
    assert_eq!(server.stop().code(), Some(0));
}

/// A file system of its own, unmounted at the end.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// `None` where mounting is not permitted.
    fn mount(size: &str) -> Option<Self> {
        let dir = dir();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "logstrata-test"])
            .arg(dir.path());
        mount.output().ok()?.status.success().then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_disk_that_fills_up_is_never_full() {
    let Some(disk) = Tmpfs::mount("300m") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let server = Server::start(&disk.path().join("store"));
    // Somebody else's file takes most of what the log leaves free.
    let ballast = disk.path().join("ballast");
    let taken = Command::new("fallocate").args(["-l", "100m"]).arg(&ballast).status();
    assert!(taken.expect("runs").success());
    let noise: String =
        (0..400_000u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761))).collect();
    let line = format!("{{\"message\":\"{}\"}}\n", &noise[..1 << 20]);
    let mut stored = 0;
    let refused = loop {
        let answer = server.post_lines(&line);
        match answer.status {
            200 => stored += 1,
            _ => break answer,
        }
        assert!(stored < 1_000, "the disk has 300 MiB");
    };
    assert_eq!((refused.status, refused.error().0.as_str()), (503, "full"), "{}", refused.text());
    let flush = server.request("POST", "/api/v1/admin/flush", &[], b"");
    assert_eq!(flush.status, 200, "the reserve was enough: {}", flush.text());
    let count = server.get("/api/v1/logs/stats").json()["rows"][0]["count"].as_u64();
    assert_eq!(count.unwrap_or_default(), stored);

    let removed = Command::new("rm").arg(&ballast).status();
    assert!(removed.expect("runs").success());
    // The disk is looked at once a second.
    let stored_again = (0..10).any(|_| {
        let sleep = Command::new("sleep").arg("0.3").status();
        sleep.expect("runs").success() && server.post_lines(&line).status == 200
    });
    assert!(stored_again, "the server recovers by itself");
    assert_eq!(server.stop().code(), Some(0));
}
