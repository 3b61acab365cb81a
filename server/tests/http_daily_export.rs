//! The daily export over HTTP, of the real binary: files for others, drops that wait for them.
#![expect(clippy::disallowed_methods, reason = "files of the configuration and of the export")]

mod common;

use common::{Server, dir, logstrata};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const DAY: &str = "2020-01-01";

/// A server that exports as `format` into its directory, when it is asked to.
fn exporting(format: &str) -> (TempDir, Server) {
    let dir = dir();
    let store = dir.path().join("store");
    std::fs::create_dir(&store).expect("is created");
    let file = format!(
        "[retention]\npreset = 'audit'\n\
         [[retention.class]]\nname = 'noise'\nmatch = 'service:probe'\nkeep = '1d'\nexport = true\n\
         [[retention.class]]\nname = 'payments'\nmatch = 'category:payment'\nkeep = 'forever'\n\
         [archive]\nurl = 'file://{}'\nexport_after = '7d'\nexport_format = '{format}'\n\
         export_schedule = '0 0 0 1 1 * 2199'\nexport_time_zone = 'Europe/Berlin'\n",
        store.display()
    );
    let path = dir.path().join("logstrata.toml");
    std::fs::write(&path, file).expect("is written");
    let data = dir.path().join("data");
    let server = Server::start_with(
        logstrata().arg("serve").arg("--config").arg(path).arg("--data").arg(data),
    );
    (dir, server)
}

fn ingest(server: &Server, lines: &str) {
    let answer = server.post_lines(lines);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(post(server, "/api/v1/admin/flush", "").0, 200);
}

fn old(server: &Server) {
    ingest(
        server,
        "{\"timestamp\":\"2020-01-01T10:00:00Z\",\"service\":\"probe\",\"message\":\"1\"}\n\
         {\"timestamp\":\"2020-01-01T11:00:00Z\",\"category\":\"payment\",\"message\":\"2\"}\n",
    );
}

fn post(server: &Server, path: &str, form: &str) -> (u16, Value) {
    let answer = server.request("POST", path, &[FORM], form.as_bytes());
    (answer.status, answer.json())
}

/// The files of the day, by name.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let folder: PathBuf = dir.join("store/export/default").join(DAY.replace('-', "/"));
    let entries = std::fs::read_dir(folder).expect("the day is there");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("is read"))
        })
        .collect();
    files.sort();
    files
}

fn events(run: &Value) -> (u64, u64) {
    let of = |name: &str| run[name]["events"].as_u64().expect("a number");
    (of("dropped"), of("waiting"))
}

#[test]
fn a_day_becomes_files_and_its_drop_waits_for_them() {
    let (dir, server) = exporting("ndjson.zst");
    old(&server);
    let run = || post(&server, "/api/v1/retention/run", "");
    assert_eq!(events(&run().1), (0, 1));
    let shown = server.get("/api/v1/retention").json();
    assert_eq!(shown["waiting"][0]["class"], "noise", "{shown}");
    // It came just now: nothing is late yet.
    assert_eq!(shown["warnings"], json!([]), "{shown}");
    assert_eq!(server.metric("logstrata_export_due_events"), 1);
    assert_eq!(server.metric("logstrata_export_overdue_events"), 0);

    let (status, done) = post(&server, "/api/v1/archive/export", "");
    assert_eq!((status, &done["days"], &done["events"]), (200, &json!(1), &json!(2)), "{done}");
    let found = files(dir.path());
    let names: Vec<&str> = found.iter().map(|(name, _)| &**name).collect();
    let noise = "noise-0001.ndjson.zst";
    assert_eq!(names, ["begun-0001.json", "manifest-0001.json", noise, "payments-0001.ndjson.zst"]);
    let lines = zstd::decode_all(&found[2].1[..]).expect("a frame");
    let event: Value = serde_json::from_slice(&lines).expect("one line");
    assert_eq!((&event["message"], &event["service"]), (&json!("1"), &json!("probe")));
    let manifest: Value = serde_json::from_slice(&found[1].1).expect("JSON");
    assert_eq!((&manifest["day"], &manifest["events"]), (&json!(DAY), &json!(2)));
    let archive = server.get("/api/v1/archive").json();
    let day = &archive["days"][0];
    assert_eq!((&day["day"], &day["events_exported"]), (&json!(DAY), &json!(2)), "{day}");
    assert!(day["exported"].is_string());

    assert_eq!(events(&run().1), (1, 0));
    assert_eq!(post(&server, "/api/v1/archive/export", "").1["days"], 0);
    ingest(
        &server,
        "{\"timestamp\":\"2020-01-01T12:00:00Z\",\"service\":\"probe\",\"message\":\"3\"}\n",
    );
    assert_eq!(events(&run().1), (0, 1));
    let out = logstrata()
        .args(["archive", "export", "--day", DAY, "--server", &server.url()])
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.starts_with("1 days exported: 1 events, 1 files"), "{said} {out:?}");
    let after = files(dir.path());
    assert!(after.iter().any(|(name, _)| name == "noise-late-0001.ndjson.zst"), "{after:?}");
    assert!(found.iter().all(|file| after.contains(file)), "what was exported changed");
    assert_eq!(events(&run().1), (1, 0));
}

#[test]
fn an_exact_purge_reaches_exported_files_and_another_says_that_it_does_not() {
    const CANARY: &str = "canaryx7q9z2w4k8";
    for format in ["ndjson.zst", "parquet"] {
        let (dir, server) = exporting(format);
        let event = |message: &str| json!({"timestamp": "2020-01-01T11:00:00Z", "category": "payment", "message": message});
        let lines = ["one", "two", CANARY].map(|message| format!("{}\n", event(message)));
        ingest(&server, &lines.concat());
        assert_eq!(post(&server, "/api/v1/archive/export", "").1["events"], 3);
        let has_canary = || {
            let found =
                files(dir.path()).into_iter().map(|(name, bytes)| match name.ends_with(".zst") {
                    true => zstd::decode_all(&bytes[..]).expect("a frame"),
                    false => bytes,
                });
            let is_canary = |at: &[u8]| at == CANARY.as_bytes();
            found.into_iter().any(|bytes| bytes.windows(CANARY.len()).any(is_canary))
        };
        assert!(has_canary(), "{format}");
        let cleanup = |arguments: &[&str]| {
            let mut command = logstrata();
            command.args(["cleanup", "--server", &server.url(), "--q", CANARY]).args(arguments);
            let out = command.output().expect("runs");
            (out.status.code(), String::from_utf8(out.stderr).expect("text"))
        };
        let (code, told) = cleanup(&[]);
        assert_eq!(code, Some(3));
        assert!(told.contains("only --exact takes them out"), "{told}");
        assert_eq!(cleanup(&["--exact"]), (Some(0), String::new()), "{format}");
        assert!(!has_canary(), "{format}");
        let names: Vec<String> = files(dir.path()).into_iter().map(|(name, _)| name).collect();
        let renewed = format!("payments-0002.{format}");
        assert_eq!(names, ["begun-0002.json", "manifest-0002.json", &*renewed]);
        let manifest = files(dir.path()).swap_remove(1).1;
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        assert_eq!(
            (&manifest["begins"], &manifest["events"]),
            (&json!(2), &json!(2)),
            "{manifest}"
        );
    }
}

#[test]
fn what_waits_while_exports_fail_is_told_with_the_reason() {
    let (dir, server) = exporting("ndjson.zst");
    old(&server);
    // No folder can be made where a file is.
    let in_the_way = dir.path().join("store/export");
    std::fs::write(&in_the_way, "").expect("is written");
    let (status, error) = post(&server, "/api/v1/archive/export", "");
    assert_eq!(status, 503, "{error}");
    assert_eq!(events(&post(&server, "/api/v1/retention/run", "").1), (0, 1));
    let shown = server.get("/api/v1/retention").json();
    let waiting = &shown["waiting"][0];
    assert_eq!((&waiting["class"], &waiting["waiting"]["events"]), (&json!("noise"), &json!(1)));
    let warnings: Vec<&str> =
        shown["warnings"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(warnings[0].starts_with("the daily export failed at "), "{warnings:?}");
    assert_eq!(server.metric("logstrata_export_failing"), 1);

    std::fs::remove_file(&in_the_way).expect("is removed");
    let (status, done) = post(&server, "/api/v1/archive/export", "");
    assert_eq!((status, &done["events"]), (200, &json!(2)), "{done}");
    assert_eq!(events(&post(&server, "/api/v1/retention/run", "").1), (1, 0));
    let shown = server.get("/api/v1/retention").json();
    assert_eq!((&shown["waiting"], &shown["warnings"]), (&json!([]), &json!([])));
    assert_eq!(server.metric("logstrata_export_failing"), 0);
}

#[test]
fn a_class_to_be_exported_without_an_export_is_refused() {
    let dir = dir();
    let path = dir.path().join("logstrata.toml");
    let file = "[[retention.class]]\nname = 'info'\nkeep = '5d'\nexport = true\n";
    std::fs::write(&path, file).expect("is written");
    let out = logstrata().arg("config").arg("--config").arg(&path).output().expect("runs");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("archive.export_after"), "{said}");
}

#[test]
fn a_drop_can_be_forced_and_a_day_that_is_not_over_is_refused() {
    let (dir, server) = exporting("parquet");
    old(&server);
    let (status, error) = post(&server, "/api/v1/archive/export", "day=2999-01-01");
    assert_eq!((status, &error["error"]["kind"]), (400, &json!("invalid")), "{error}");
    let (status, _) = post(&server, "/api/v1/archive/export", "day=yesterday");
    assert_eq!(status, 400);
    let forced = server.request("POST", "/api/v1/retention/run?force=true", &[], b"").json();
    assert_eq!(events(&forced), (1, 0));
    let (_, done) = post(&server, "/api/v1/archive/export", "");
    assert_eq!((&done["files"], &done["events"]), (&json!(1), &json!(1)), "{done}");
    let found = files(dir.path());
    let (name, bytes) = found.last().expect("a file");
    assert_eq!(name, "payments-0001.parquet");
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}
