//! Purges over HTTP and by the command line, of the real binary: confirmations, holds, and a canary of which
//! nothing is left on the disk or in the archive.
#![expect(clippy::disallowed_methods, reason = "looks at every file of a store")]

mod common;

use common::{Server, dir, logstrata};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const CANARY: &str = "canaryx7q9z2w4k8";
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn started() -> (TempDir, Server) {
    let dir = dir();
    let server = Server::start(&dir.path().join("data"));
    (dir, server)
}

fn send(server: &Server, lines: &[Value]) {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let answer = server.post_lines(&lines);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn events(service: &str, level: &str, count: usize) -> Vec<Value> {
    let event = |number| json!({"service": service, "level": level, "message": format!("{service} {number}")});
    (0..count).map(event).collect()
}

fn admin(server: &Server, what: &str) {
    let answer = server.request("POST", &format!("/api/v1/admin/{what}"), &[], b"");
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
}

fn purge(server: &Server, parameters: &str) -> (u16, Value) {
    let path = format!("/api/v1/logs/purge?{parameters}");
    let answer = server.request("DELETE", &path, &[], b"");
    (answer.status, answer.json())
}

/// What a dry run says, and its confirmation.
fn counted(server: &Server, parameters: &str) -> (Value, String) {
    let (status, answer) = purge(server, &format!("{parameters}&dry_run=true"));
    assert_eq!((status, &answer["dry_run"]), (200, &json!(true)), "{answer}");
    let confirm = answer["confirm"].as_str().expect("a confirmation").to_owned();
    (answer, confirm)
}

fn confirmed(server: &Server, parameters: &str, confirm: &str) -> (u16, Value) {
    purge(server, &format!("{parameters}&confirm={confirm}"))
}

fn count(server: &Server, query: &str) -> usize {
    server.messages(&format!("limit=1000&q={query}")).len()
}

#[test]
fn a_confirmation_is_of_one_purge_and_serves_once() {
    let (_dir, server) = started();
    send(&server, &events("loop", "debug", 10));
    send(&server, &events("pay", "info", 5));
    let rule = "q=service:loop&exact=true";
    for wrong in ["", "dry_run=true", rule, "q=(&dry_run=true", "level=loud&dry_run=true"] {
        assert_eq!(purge(&server, wrong).0, 400, "{wrong}");
    }
    let (answer, confirm) = counted(&server, rule);
    assert_eq!(answer["in_memory"], 10, "{answer}");
    assert_eq!(count(&server, ""), 15, "nothing is changed");
    for other in
        ["q=service:pay&exact=true", "q=service:loop", "q=service:loop&exact=true&level=debug"]
    {
        assert_eq!(confirmed(&server, other, &confirm).0, 400, "{other}");
    }
    assert_eq!(confirmed(&server, rule, "0123456789abcdef").0, 400);
    let (status, done) = confirmed(&server, rule, &confirm);
    assert_eq!(
        (status, &done["purged"]["events"], &done["left"]["events"]),
        (200, &json!(10), &json!(0))
    );
    assert_eq!(done["archive"], Value::Null);
    assert_eq!((count(&server, ""), count(&server, "service:loop")), (5, 0));
    assert_eq!(confirmed(&server, rule, &confirm).0, 400);
}

#[test]
fn what_was_not_counted_is_not_purged() {
    let (_dir, server) = started();
    send(&server, &events("loop", "debug", 10));
    admin(&server, "flush");
    let rule = "q=service:loop&exact=true";
    let (_, first) = counted(&server, rule);
    let (_, second) = counted(&server, rule);
    // What comes later stays.
    send(&server, &events("loop", "debug", 3));
    assert_eq!(confirmed(&server, rule, &first).1["purged"]["events"], 10);
    assert_eq!(count(&server, "service:loop"), 3);
    // Something else matches now than then.
    let (status, refused) = confirmed(&server, rule, &second);
    assert_eq!((status, &refused["error"]["kind"]), (422, &json!("conflict")), "{refused}");
    assert_eq!(count(&server, "service:loop"), 3);
}

#[test]
fn what_is_held_stays_and_a_hold_that_came_or_went_is_another_count() {
    let (_dir, server) = started();
    send(&server, &events("loop", "debug", 4));
    send(&server, &events("loop", "info", 3));
    admin(&server, "flush");
    let rule = "q=service:loop&exact=true";
    let (_, before) = counted(&server, rule);
    let hold = json!({"class": "info", "owner": "ann", "reason": "case 7"}).to_string();
    let answer = server.request("POST", "/api/v1/retention/holds", &[JSON], hold.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.json()["id"].clone();
    assert_eq!(confirmed(&server, rule, &before).0, 422);
    let (answer, held) = counted(&server, rule);
    assert_eq!((&answer["purged"]["events"], &answer["left"]["events"]), (&json!(4), &json!(3)));
    let (status, done) = confirmed(&server, rule, &held);
    assert_eq!((status, &done["left"]["events"]), (200, &json!(3)), "{done}");
    let days = done["days"].as_array().expect("a list");
    let held: Vec<_> = days.iter().filter(|day| day["holds"] == json!([id])).collect();
    assert_eq!((held.len(), &held[0]["held"]["events"]), (1, &json!(3)), "{done}");
    assert_eq!((count(&server, "level:debug"), count(&server, "level:info")), (0, 3));
    let (_, before) = counted(&server, rule);
    let path = format!("/api/v1/retention/holds/{id}?by=bob");
    assert_eq!(server.request("DELETE", &path, &[], b"").status, 200);
    assert_eq!(confirmed(&server, rule, &before).0, 422, "it would take more than was counted");
    assert_eq!(count(&server, "level:info"), 3);
}

fn cleanup(server: &Server, arguments: &[&str]) -> Output {
    logstrata()
        .arg("cleanup")
        .args(["--server", &server.url()])
        .args(arguments)
        .output()
        .expect("runs")
}

#[test]
fn the_command_line_counts_purges_and_says_what_stays() {
    let (_dir, server) = started();
    send(&server, &events("loop", "debug", 10));
    send(&server, &events("pay", "debug", 5));
    send(&server, &events("loop", "error", 2));
    admin(&server, "flush");
    let said = |arguments: &[&str]| {
        let output = cleanup(&server, arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(said(&[]).0, Some(1), "a purge has to say what goes");
    let (code, out, told) = said(&["--q", "service:loop", "--dry-run"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(out.starts_with("2 events in sections of ") && out.contains(" would go\n"), "{out}");
    assert!(out.contains("debug: 0 in whole sections, 10 in others"), "{out}");
    assert!(told.contains("10 events that match stay"), "{told}");
    assert_eq!(count(&server, ""), 17);
    let (code, out, _) = said(&["--q", "service:loop"]);
    assert_eq!(code, Some(3));
    assert!(out.contains(" went\n"), "{out}");
    assert_eq!(count(&server, "service:loop"), 10);
    let (code, out, _) = said(&["--q", "service:loop", "--exact", "--json"]);
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &answer["purged"]["events"]), (Some(0), &json!(10)), "{answer}");
    assert_eq!(said(&["--older-than", "30d", "--level", "debug"]).0, Some(0));
    assert_eq!(count(&server, ""), 5);
    let (code, out, _) = said(&["--level", "debug,trace"]);
    assert_eq!((code, count(&server, "")), (Some(0), 0), "{out}");
}

/// An event with the canary wherever an event can have one.
fn canary(number: usize) -> Value {
    json!({
        "service": "pay", "level": "info", "message": format!("user {CANARY} paid {number}"),
        "trace_id": CANARY, "nested": {"of": CANARY}, format!("field_of_{CANARY}"): number,
    })
}

/// Events of which some have a canary: merged, flushed, and in the log only.
fn fill(server: &Server) {
    for round in 0..3 {
        send(server, &events("pay", "info", 60));
        send(server, &events("pay", "error", 20));
        let key = ("Idempotency-Key", "canaries-0");
        let path = "/api/v1/logs";
        if round == 0 {
            let body = format!("{}\n", canary(0));
            let types = ("Content-Type", "application/x-ndjson");
            assert_eq!(server.request("POST", path, &[key, types], body.as_bytes()).status, 200);
        }
        send(server, &[canary(round), canary(10 + round)]);
        match round {
            0 => {
                admin(server, "flush");
                admin(server, "compact");
            }
            1 => admin(server, "flush"),
            _ => {}
        }
    }
}

/// Events of [`fill`] without a canary, and with one.
const KEPT: usize = 240;
const GONE: usize = 7;

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("is there") {
            let path = entry.expect("is there").path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

fn has(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// The files of a store that have the canary: as it is, or in what `inspect` reads of them.
fn traces(data: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(data) {
        let name = path.display().to_string();
        if has(&std::fs::read(&path).expect("is there"), CANARY) {
            found.push(format!("{name}: as it is"));
        }
        let shown = logstrata().arg("inspect").arg(&path).arg("--dump").output().expect("runs");
        if has(&shown.stdout, CANARY) {
            found.push(format!("{name}: inside"));
        }
        let is_inspected = name.contains("MANIFEST-") || name.contains("/segments/");
        assert!(!is_inspected || shown.status.success(), "{name}: {shown:?}");
    }
    found
}

fn verified(data: &Path) {
    let output = logstrata().arg("verify").arg(data).arg("--deep").output().expect("runs");
    assert!(output.status.success(), "{output:?}");
}

fn serve(dir: &Path, archive: Option<&Path>) -> Command {
    let mut command = logstrata();
    if let Some(archive) = archive {
        command.env("LOGSTRATA_ARCHIVE_URL", format!("file://{}", archive.display()));
    }
    command.arg("serve").arg("--data").arg(dir);
    command
}

fn erase(server: &Server) -> Value {
    let rule = format!("q={CANARY}&exact=true");
    let (_, confirm) = counted(server, &rule);
    let (status, done) = confirmed(server, &rule, &confirm);
    assert_eq!((status, &done["purged"]["events"]), (200, &json!(GONE)), "{done}");
    assert_eq!((count(server, ""), count(server, CANARY)), (KEPT, 0));
    done
}

#[test]
fn nothing_of_a_canary_is_left_in_the_directory() {
    let (dir, server) = started();
    let data = dir.path().join("data");
    fill(&server);
    assert_eq!((count(&server, ""), count(&server, CANARY)), (KEPT + GONE, GONE));
    let before = traces(&data);
    for place in ["/wal/", "/segments/", "MANIFEST-"] {
        assert!(before.iter().any(|found| found.contains(place)), "{place}: {before:?}");
    }
    erase(&server);
    assert_eq!(traces(&data), [""; 0], "while it serves");
    verified(&data);
    assert!(server.stop().success());
    assert_eq!(traces(&data), [""; 0]);
    verified(&data);
    let server = Server::start(&data);
    assert_eq!((count(&server, ""), count(&server, CANARY)), (KEPT, 0));
    // And once more: what comes later can go as well.
    send(&server, &[canary(7)]);
    admin(&server, "compact");
    let rule = format!("q={CANARY}&exact=true");
    let (_, confirm) = counted(&server, &rule);
    assert_eq!(confirmed(&server, &rule, &confirm).1["purged"]["events"], 1);
    admin(&server, "compact");
    assert_eq!((count(&server, ""), traces(&data)), (KEPT, vec![]));
    verified(&data);
}

/// Copies all that is sealed.
fn archived(server: &Server) {
    let run = server.request("POST", "/api/v1/archive/run", &[JSON], b"{}");
    assert_eq!(run.status, 200, "{}", run.text());
}

/// The contents of all files below a directory that are files of a store in an archive.
fn contents(dir: &Path, of: &str) -> BTreeSet<Vec<u8>> {
    let is_of = |path: &&PathBuf| path.to_string_lossy().contains(of);
    let files = files(dir);
    files.iter().filter(is_of).map(|path| std::fs::read(path).expect("is there")).collect()
}

#[test]
fn nothing_of_a_canary_is_left_in_the_archive() {
    let dir = dir();
    let (data, archive) = (dir.path().join("data"), dir.path().join("archive"));
    std::fs::create_dir(&archive).expect("is made");
    let server = Server::start_with(&mut serve(&data, Some(&archive)));
    fill(&server);
    admin(&server, "flush");
    archived(&server);
    let before = contents(&archive, "/seg/");
    assert!(!before.is_empty());
    let done = erase(&server);
    assert_eq!(
        (&done["archive"], &done["archive_error"]),
        (&json!("erased"), &Value::Null),
        "{done}"
    );
    assert_eq!(traces(&data), [""; 0]);
    // Every object is a file of the store, byte for byte, and those have nothing.
    let objects = contents(&archive, "/seg/");
    let mut files = contents(&data, "/segments/");
    files.append(&mut contents(&data, "/CHAIN-"));
    assert!(!objects.is_empty() && objects.is_subset(&files));
    assert!(!objects.is_superset(&before));
    assert!(server.stop().success());

    let restored = dir.path().join("restored");
    let mut restore = logstrata();
    restore.env("LOGSTRATA_ARCHIVE_URL", format!("file://{}", archive.display()));
    let output =
        restore.args(["archive", "restore", "--data"]).arg(&restored).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(traces(&restored), [""; 0]);
    let server = Server::start(&restored);
    assert_eq!((count(&server, ""), count(&server, CANARY)), (KEPT, 0));
}

/// The events are gone here; what the archive has is told, and goes once it can be reached.
#[test]
fn an_archive_that_is_away_is_told_and_erased_by_asking_again() {
    let dir = dir();
    let (data, archive) = (dir.path().join("data"), dir.path().join("archive"));
    std::fs::create_dir(&archive).expect("is made");
    let server = Server::start_with(&mut serve(&data, Some(&archive)));
    fill(&server);
    admin(&server, "flush");
    archived(&server);
    let before = contents(&archive, "/seg/");
    let away = dir.path().join("away");
    std::fs::rename(&archive, &away).expect("moves");
    std::fs::write(&archive, b"no directory").expect("is written");
    let done = erase(&server);
    assert_eq!(done["archive"], "pending", "{done}");
    assert!(done["archive_error"].is_string(), "{done}");
    assert_eq!(traces(&data), [""; 0]);
    assert_eq!(cleanup(&server, &["--q", CANARY, "--exact"]).status.code(), Some(3));
    std::fs::remove_file(&archive).expect("goes");
    std::fs::rename(&away, &archive).expect("moves");
    assert_eq!(cleanup(&server, &["--q", CANARY, "--exact"]).status.code(), Some(0));
    let objects = contents(&archive, "/seg/");
    assert!(!objects.is_empty() && !objects.is_superset(&before));
    let mut files = contents(&data, "/segments/");
    files.append(&mut contents(&data, "/CHAIN-"));
    assert!(objects.is_subset(&files));
}
