//! Exports: each format read back, and what becomes of those that do not end well.

#![expect(clippy::disallowed_methods, reason = "files and time of the test")]

mod common;

use common::{Server, dir, logstrata};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const PATH: &str = "/api/v1/logs/export";

/// `count` events, a millisecond apart, each of about 150 bytes.
fn lines(count: usize) -> String {
    let line = |n: usize| {
        let level = ["info", "warn", "error"][n % 3];
        format!(
            "{{\"timestamp\":{},\"level\":\"{level}\",\"service\":\"pay\",\"message\":\"order {n}, \
             \\\"paid\\\" in full\",\"n\":{n},\"cart\":{{\"id\":\"c{}\"}}}}\n",
            1_790_000_000_000 + n,
            n % 97
        )
    };
    (0..count).map(line).collect()
}

fn server_with(dir: &std::path::Path, count: usize) -> Server {
    let server = Server::start(dir);
    let all = lines(count);
    let all: Vec<&str> = all.split_inclusive('\n').collect();
    for part in all.chunks(50_000) {
        assert_eq!(server.post_lines(&part.concat()).status, 200);
    }
    server
}

fn send(server: &Server, parameters: &str) -> BufReader<TcpStream> {
    let mut stream = server.connect();
    let request = format!("GET {PATH}?{parameters} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("is sent");
    BufReader::new(stream)
}

/// The head of an answer.
fn head(reader: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("comes in time") > 0, "{head}");
    }
    head
}

/// A piece of a chunked body; `None` at its proper end.
fn chunk(reader: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut size = String::new();
    reader.read_line(&mut size)?;
    let size = usize::from_str_radix(size.trim(), 16)
        .map_err(|_| std::io::Error::other(format!("no size of a chunk: {size:?}")))?;
    let mut piece = vec![0; size + 2];
    reader.read_exact(&mut piece)?;
    piece.truncate(size);
    Ok((size > 0).then_some(piece))
}

/// The file, whether it comes whole or in pieces.
fn export(server: &Server, parameters: &str) -> (String, Vec<u8>) {
    let mut reader = send(server, parameters);
    let head = head(&mut reader);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut file = Vec::new();
    if let Some(at) = head.find("content-length: ") {
        let length = head[at + 16..].lines().next().expect("a line").parse().expect("a number");
        file.resize(length, 0);
        reader.read_exact(&mut file).expect("comes");
    } else {
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        while let Some(piece) = chunk(&mut reader).expect("ends well") {
            file.extend(piece);
        }
    }
    (head, file)
}

/// A strict reader of RFC 4180: every record ends with CRLF, a quote stands in quoted cells only.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut rest) = (Vec::new(), Vec::new(), text);
    while !rest.is_empty() {
        let cell = if let Some(quoted) = rest.strip_prefix('"') {
            let mut cell = String::new();
            rest = quoted;
            loop {
                let end = rest.find('"').expect("the cell ends");
                cell.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                match rest.strip_prefix('"') {
                    Some(more) => rest = more,
                    None => break cell,
                }
                cell.push('"');
            }
        } else {
            let end = rest.find([',', '\r', '\n', '"']).expect("the record ends");
            let (cell, more) = rest.split_at(end);
            rest = more;
            cell.to_owned()
        };
        record.push(cell);
        if let Some(more) = rest.strip_prefix(',') {
            rest = more;
        } else {
            rest = rest.strip_prefix("\r\n").unwrap_or_else(|| panic!("CRLF before {rest:.40}"));
            records.push(std::mem::take(&mut record));
        }
    }
    records
}

#[test]
fn each_format_has_every_event_once_and_in_order() {
    const COUNT: usize = 25_000;
    let dir = dir();
    let server = server_with(dir.path(), COUNT);
    let of = |event: &Value| event["n"].as_u64().expect("a number") as usize;

    let (head, file) = export(&server, "order=asc");
    assert!(head.contains("content-type: application/x-ndjson\r\n"), "{head}");
    assert!(head.contains("content-disposition: attachment; filename=\"logstrata-"), "{head}");
    let text = String::from_utf8(file).expect("is text");
    let events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    assert!(events.iter().map(of).eq(0..COUNT));
    let found = server.get("/api/v1/logs?q=n:7&limit=1").json();
    assert_eq!(events[7], found["logs"][0], "as a search gives it");

    let (_, file) = export(&server, "format=json&fields=n,cart");
    let events: Vec<Value> = serde_json::from_slice(&file).expect("one array");
    assert!(events.iter().map(of).eq((0..COUNT).rev()), "the newest first");
    assert_eq!(events[0], json!({"n": COUNT - 1, "cart": {"id": "c70"}}));

    let (head, file) = export(&server, "format=csv&order=asc");
    assert!(head.contains("content-type: text/csv; charset=utf-8; header=present"), "{head}");
    let rows = records(std::str::from_utf8(&file).expect("is text"));
    assert_eq!(rows[0], ["timestamp", "level", "service", "message", "attributes", "id"]);
    assert_eq!(rows.len(), COUNT + 1);
    for (n, row) in rows[1..].iter().enumerate() {
        assert_eq!(row[3], format!("order {n}, \"paid\" in full"));
        let attributes: Value = serde_json::from_str(&row[4]).expect("is JSON");
        assert_eq!(attributes, json!({"n": n, "cart": {"id": format!("c{}", n % 97)}}));
    }

    let (_, file) = export(&server, "format=txt&order=asc&fields=cart.id");
    let text = String::from_utf8(file).expect("is text");
    assert_eq!(text.lines().count(), COUNT);
    let first = "2026-09-21T14:13:20Z INFO  pay order 0, \"paid\" in full cart.id=c0";
    assert_eq!(text.lines().next(), Some(first));
}

#[test]
fn compressed_files_are_the_same_files() {
    let dir = dir();
    let server = server_with(dir.path(), 12_000);
    let (_, plain) = export(&server, "format=csv&fields=n,message");
    let (head, gzip) = export(&server, "format=csv&fields=n,message&compress=gzip");
    assert!(head.contains("content-type: application/gzip\r\n"), "{head}");
    assert!(head.contains(".csv.gz\"") && !head.contains("content-encoding"), "{head}");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*gzip).read_to_end(&mut unpacked).expect("is whole");
    assert!(unpacked == plain && gzip.len() < plain.len() / 2);
    let (head, zstd) = export(&server, "format=csv&fields=n,message&compress=zstd");
    assert!(head.contains("application/zstd") && head.contains(".csv.zst\""), "{head}");
    assert!(zstd::decode_all(&*zstd).expect("is whole") == plain);
}

#[test]
fn a_parquet_file_has_typed_columns_and_bounded_groups() {
    const COUNT: usize = 70_000;
    let dir = dir();
    let server = server_with(dir.path(), COUNT);
    let (head, file) = export(&server, "format=parquet&order=asc");
    assert!(head.contains("application/vnd.apache.parquet"), "{head}");
    let reader = SerializedFileReader::new(bytes::Bytes::from(file)).expect("is whole");
    let metadata = reader.metadata();
    assert!(metadata.num_row_groups() > 1);
    assert_eq!(metadata.file_metadata().num_rows(), COUNT as i64);
    let schema = metadata.file_metadata().schema_descr();
    let time = format!("{:?}", schema.column(0).logical_type_ref());
    assert!(time.contains("NANOS") && time.contains("true"), "{time}");
    let attributes = schema.columns().iter().position(|column| column.name() == "attributes");
    let attributes = attributes.expect("is there");
    for (n, row) in reader.get_row_iter(None).expect("rows").enumerate() {
        let row = row.expect("is whole");
        assert_eq!(row.get_string(5).expect("is text"), &format!("order {n}, \"paid\" in full"));
        let rest: Value =
            serde_json::from_str(row.get_string(attributes).expect("is text")).expect("is JSON");
        assert_eq!(rest["n"], n);
    }

    let query = "format=parquet&q=%7C+stats+count(),avg(n)+by+level+%7C+sort+level";
    let (_, file) = export(&server, query);
    let reader = SerializedFileReader::new(bytes::Bytes::from(file)).expect("is whole");
    let rows: Vec<_> = reader.get_row_iter(None).expect("rows").map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2].get_string(0).expect("is text"), "error");
    assert_eq!(rows[2].get_long(1).expect("is a number"), 23_333);
}

#[test]
fn queries_with_stages_are_exported_whole() {
    let dir = dir();
    let server = server_with(dir.path(), 30_000);
    let count = |query: &str| {
        let (_, file) = export(&server, query);
        file.iter().filter(|byte| **byte == b'\n').count()
    };
    assert_eq!(count("q=level:error"), 10_000);
    assert_eq!(count("q=level:error+%7C+limit+9000"), 9_000);
    assert_eq!(count("q=%7C+where+n:%3E=10+%7C+limit+25000"), 25_000, "more than a page");
    assert_eq!(count("q=%7C+where+n:%3E=10&order=asc"), 29_990);
    let (_, sorted) = export(&server, "q=%7C+sort+-n+%7C+limit+3&format=csv&fields=n");
    assert_eq!(sorted, b"n\r\n29999\r\n29998\r\n29997\r\n");
    let query = "q=%7C+extract+%22order+%3Corder:int%3E,%22+%7C+limit+2+%7C+fields+order";
    let (_, extracted) = export(&server, &format!("{query}&order=asc"));
    assert_eq!(extracted, b"{\"order\":0}\n{\"order\":1}\n");
    let table = "q=%7C+stats+count()+by+level+%7C+sort+level";
    let (_, csv) = export(&server, &format!("{table}&format=csv"));
    assert_eq!(csv, b"level,count\r\ninfo,10000\r\nwarn,10000\r\nerror,10000\r\n");
    let (_, csv) = export(&server, &format!("{table}&format=csv&fields=count"));
    assert_eq!(csv, b"count\r\n10000\r\n10000\r\n10000\r\n");
    let (_, txt) = export(&server, &format!("{table}&format=txt"));
    assert_eq!(txt, b"level=info count=10000\nlevel=warn count=10000\nlevel=error count=10000\n");
    let (_, none) = export(&server, "q=nothing&format=json");
    assert_eq!(serde_json::from_slice::<Value>(&none).expect("is JSON"), json!([]));
}

#[test]
fn a_long_query_is_posted_and_what_is_wrong_is_said() {
    let dir = dir();
    let server = server_with(dir.path(), 10);
    let query: Vec<String> = (0..1_000).map(|n| format!("n:{}", 10 * n + 3)).collect();
    let body = json!({"q": query.join(" OR "), "format": "csv", "fields": "n"}).to_string();
    let kind = [("Content-Type", "application/json")];
    let answer = server.request("POST", PATH, &kind, body.as_bytes());
    assert_eq!((answer.status, answer.text()), (200, "n\r\n3\r\n".into()));
    let many: Vec<String> = (0..129).map(|n| format!("f{n}")).collect();
    let many = format!("format=parquet&fields={}", many.join(","));
    for (parameters, part) in [
        (&*many, "at most 128"),
        ("format=xml", "ndjson, json, csv, txt or parquet"),
        ("compress=brotli", "gzip or zstd"),
        ("format=parquet&compress=gzip", "compressed within"),
        ("fields=a,,b", "separated by commas"),
        ("fields=a,a", "twice"),
        ("order=up", "desc or asc"),
        ("limit=3", "unknown parameter"),
        ("timeout=0s", "above zero"),
        ("q=%7C+sort+n", "needs a `| limit`"),
        ("q=(", "expected"),
        ("q=%7C+top+3+level&fields=user", "no column is called"),
    ] {
        let answer = server.get(&format!("{PATH}?{parameters}"));
        assert_eq!(answer.status, 400, "{parameters}");
        assert!(answer.error().1.contains(part), "{parameters}: {}", answer.text());
    }
}

/// An export of a misspelt field was an empty file, and a tail of it waited for ever: nothing was said.
#[test]
fn what_may_surprise_is_said_by_exports_and_tails() {
    let dir = dir();
    let server = server_with(dir.path(), 10);
    let (head, file) = export(&server, "q=servise:pay");
    let warning =
        r#"logstrata-warnings: ["no event has a field `servise`; did you mean `service`?"]"#;
    assert!(head.contains(warning) && file.is_empty(), "{head}");
    let (head, _) = export(&server, "q=service:pay");
    assert!(!head.contains("logstrata-warnings"), "{head}");
    let mut command = logstrata();
    command.args(["export", "servise:pay", "--server", &server.url()]);
    let done = command.output().expect("runs");
    assert!(done.status.success() && done.stdout.is_empty());
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.starts_with("warning: no event has a field"), "{said}");

    let mut stream = server.connect();
    let request = b"GET /api/v1/logs/tail?q=servise:pay HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).expect("is sent");
    let mut reader = BufReader::new(stream);
    self::head(&mut reader);
    let first = chunk(&mut reader).expect("goes on").expect("comes at once");
    let first = String::from_utf8(first).expect("is text");
    assert!(first.contains("event: warning\n") && first.contains("did you mean"), "{first}");
}

/// Without chunks the end of the connection was that of the file, also of half a file.
#[test]
fn http_1_0_gets_no_export() {
    let dir = dir();
    let server = server_with(dir.path(), 10);
    let answer = server.raw(format!("GET {PATH} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes());
    assert_eq!(answer.status, 400);
    assert!(answer.error().1.contains("HTTP/1.1"), "{}", answer.text());
}

/// Half a file never looks like a whole one: the body does not end.
#[test]
fn an_export_without_time_breaks_off() {
    let dir = dir();
    let server = server_with(dir.path(), 150_000);
    // Enough for the first page on a busy machine, too: without one there is no export that could break off.
    let mut reader = send(&server, "timeout=3s");
    assert!(head(&mut reader).starts_with("HTTP/1.1 200"));
    // Nobody reads: the time runs out while the server waits for us.
    std::thread::sleep(std::time::Duration::from_millis(3_300));
    let error = loop {
        match chunk(&mut reader) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it looks whole"),
            Err(error) => break error,
        }
    };
    assert!(!error.to_string().contains("timed out"), "{error}");
}

#[test]
fn memory_does_not_grow_with_the_file_and_a_client_that_leaves_ends_it() {
    const COUNT: usize = 250_000;
    let dir = dir();
    let server = server_with(dir.path(), COUNT);
    let mut before = u64::MAX;
    for parameters in ["format=ndjson", "format=csv&compress=zstd", "format=parquet"] {
        let mut reader = send(&server, parameters);
        assert!(head(&mut reader).starts_with("HTTP/1.1 200"));
        if before == u64::MAX {
            before = server.memory("RssAnon");
        }
        let mut most = 0;
        while chunk(&mut reader).expect("ends well").is_some() {
            most = most.max(server.memory("RssAnon"));
        }
        assert!(most < before + (64 << 20), "{parameters}: {before} became {most}");
    }
    let mut reader = send(&server, "");
    head(&mut reader);
    assert!(chunk(&mut reader).expect("begins").is_some());
    assert!(server.metric("logstrata_memory_queries_bytes") > 0);
    assert_eq!(server.metric("logstrata_exports_in_flight"), 1);
    drop(reader);
    let began = std::time::Instant::now();
    while server.metric("logstrata_memory_queries_bytes") > 0 {
        assert!(began.elapsed().as_secs() < 20, "it is kept for nobody");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(server.metric("logstrata_exports_in_flight"), 0);
    assert!(server.stop().success(), "nothing is left behind");
}

/// Each took as much as sixteen pieces, without number, and their readers might take hours.
#[test]
fn exports_that_nobody_reads_are_few_and_hold_little() {
    let dir = dir();
    let server = server_with(dir.path(), 60_000);
    let stalled: Vec<_> = (0..8)
        .map(|_| {
            let mut reader = send(&server, "");
            assert!(head(&mut reader).starts_with("HTTP/1.1 200"));
            reader
        })
        .collect();
    let refused = server.get(&format!("{PATH}?q=n:7"));
    assert_eq!((refused.status, refused.error().0.as_str()), (429, "busy"));
    assert!(refused.header("retry-after").is_some());
    let found = server.get("/api/v1/logs?q=n:7&timeout=30s").json();
    assert_eq!(found["logs"].as_array().map(Vec::len), Some(1), "queries go on");
    let held = server.metric("logstrata_memory_queries_bytes");
    assert!(held < 8 * (4 << 20), "{held}");
    drop(stalled);
    let began = std::time::Instant::now();
    while server.get(&format!("{PATH}?q=n:7")).status != 200 {
        assert!(began.elapsed().as_secs() < 20, "places come back");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn the_command_line_writes_whole_files_only() {
    let (dir, out) = (dir(), common::dir());
    let server = server_with(dir.path(), 20_000);
    let file = out.path().join("errors.csv.gz");
    let run = |arguments: &[&str]| {
        let mut command = logstrata();
        command.args(["export", "--server", &server.url()]).args(arguments);
        command.output().expect("runs")
    };
    let path = file.to_str().expect("is text");
    let options = ["--format", "csv", "--fields", "n", "--compress", "gzip", "-o", path];
    let done = run(&[&["level:error"][..], &options].concat());
    assert!(done.status.success() && done.stdout.is_empty(), "{done:?}");
    let mut text = String::new();
    let packed = std::fs::read(&file).expect("is there");
    flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).expect("is whole");
    assert_eq!(records(&text).len(), 6_667);

    let done = run(&["| stats count()", "--format", "csv"]);
    assert_eq!(done.stdout, b"count\r\n20000\r\n", "{done:?}");
    let never = out.path().join("never");
    let done = run(&["(", "-o", never.to_str().expect("is text")]);
    assert_eq!(done.status.code(), Some(1));
    let left: Vec<_> = std::fs::read_dir(out.path()).expect("is there").collect();
    assert_eq!(left.len(), 1, "nothing half: {left:?}");

    server.stop();
    let mut command = logstrata();
    command.args(["export", "--format", "txt", "--data"]).arg(dir.path());
    let done = command.output().expect("runs");
    assert_eq!(done.stdout.iter().filter(|byte| **byte == b'\n').count(), 20_000, "{done:?}");
}

/// A pipe became a file, a link was replaced, and a file that was for its owner alone became everybody's.
#[test]
fn the_command_line_replaces_files_only_and_keeps_their_modes() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
    let (dir, out) = (dir(), common::dir());
    let server = server_with(dir.path(), 3);
    let export = |name: &str| {
        let mut command = logstrata();
        command.args(["export", "--server", &server.url(), "--fields", "n", "-o"]);
        command.arg(out.path().join(name));
        command
    };
    let path = |name: &str| out.path().join(name);
    let expected = "{\"n\":2}\n{\"n\":1}\n{\"n\":0}\n";

    fs::write(path("secret"), "old").expect("is written");
    fs::set_permissions(path("secret"), Permissions::from_mode(0o600)).expect("is set");
    symlink("secret", path("link")).expect("is made");
    symlink("new", path("to_nothing")).expect("is made");
    for (name, target) in [("secret", "secret"), ("link", "secret"), ("to_nothing", "new")] {
        assert!(export(name).status().expect("runs").success(), "{name}");
        assert_eq!(fs::read_to_string(path(target)).expect("is there"), expected, "{name}");
    }
    let mode = fs::metadata(path("secret")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for link in ["link", "to_nothing"] {
        assert!(fs::symlink_metadata(path(link)).expect("is there").is_symlink(), "{link}");
    }

    let made = std::process::Command::new("mkfifo").arg(path("pipe")).status();
    assert!(made.expect("runs").success());
    let mut writing = export("pipe").spawn().expect("runs");
    assert_eq!(fs::read_to_string(path("pipe")).expect("is read"), expected);
    assert!(writing.wait().expect("ends").success());
    let kind = fs::symlink_metadata(path("pipe")).expect("is there").file_type();
    assert!(kind.is_fifo());
    assert_eq!(fs::read_dir(out.path()).expect("is there").count(), 5, "no parts are left");
}
