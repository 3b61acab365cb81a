//! Exports of the command line that a signal ends.
#![expect(
    clippy::disallowed_methods,
    reason = "the files are the output of the program under test"
)]

mod common;

use common::{Server, dir, logstrata};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const EVENTS: usize = 30_000;

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("is there");
    entries.map(|entry| entry.expect("is read").file_name().into_string().expect("text")).collect()
}

/// Exports into `out` and sends the signal as soon as something is there; says how it ended, and what it
/// said. `None` if it was done before.
fn interrupted(out: &Path, target: &[&str], signal: &str) -> Option<(ExitStatus, String)> {
    let file = out.join("all.ndjson");
    let mut command = logstrata();
    command.arg("export").args(target).arg("-o").arg(&file).stderr(Stdio::piped());
    let child = command.spawn().expect("runs");
    let began = Instant::now();
    while names(out).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "it begins");
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    let ended = child.wait_with_output().expect("ends");
    if file.exists() {
        std::fs::remove_file(&file).expect("is removed");
        return None;
    }
    assert!(sent.expect("runs").success(), "it has not ended by itself");
    Some((ended.status, String::from_utf8_lossy(&ended.stderr).into_owned()))
}

#[test]
fn a_signal_leaves_no_half_of_a_file() {
    let (dir, out) = (dir(), common::dir());
    let server = Server::start(dir.path());
    for first in (0..EVENTS).step_by(5_000) {
        let line = |n: usize| format!("{{\"n\":{n},\"message\":\"event {n} of many\"}}");
        let lines: Vec<String> = (first..first + 5_000).map(line).collect();
        assert_eq!(server.post_lines(&lines.join("\n")).status, 200);
    }
    let url = server.url();
    let check = |target: &[&str]| {
        for signal in ["-INT", "-TERM"] {
            let ended = (0..20).find_map(|_| interrupted(out.path(), target, signal));
            let (status, said) = ended.expect("one of them is slow enough");
            assert_eq!(status.code(), Some(1), "{target:?} {signal}: {said}");
            assert!(said.contains("interrupted: what was written is removed"), "{said}");
            assert_eq!(names(out.path()), [""; 0], "{target:?} {signal}");
        }
    };
    check(&["--server", &url]);
    assert_eq!(server.stop().code(), Some(0));
    check(&["--data", dir.path().to_str().expect("is text")]);
    // The store is as it was.
    let mut command = logstrata();
    let done = command.args(["export", "--data"]).arg(dir.path()).output().expect("runs");
    assert_eq!(done.stdout.iter().filter(|byte| **byte == b'\n').count(), EVENTS);
}
