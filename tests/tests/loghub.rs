//! Real logs of sixteen systems go in through the command line and come out byte for byte.
#![expect(clippy::disallowed_methods, reason = "the logs are read from the disk")]

use logstrata_tests::json;
use logstrata_tests::server::{Server, root, run};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The Loghub samples, if they lie beside this repository.
fn samples() -> Vec<PathBuf> {
    let Ok(systems) = std::fs::read_dir(root().join("../shared/data/loghub")) else {
        eprintln!("skipped: the Loghub samples are not beside this repository");
        return Vec::new();
    };
    let files = systems.flatten().flat_map(|system| std::fs::read_dir(system.path()).ok());
    let files = files.flatten().flatten().map(|file| file.path());
    let mut files: Vec<_> =
        files.filter(|path| path.to_string_lossy().ends_with("_2k.log")).collect();
    files.sort();
    files
}

/// Messages by service: the lines of each file, without their ends.
fn lines(files: &[PathBuf]) -> BTreeMap<String, Vec<String>> {
    let service = |path: &PathBuf| {
        let name = path.file_name().expect("a file").to_string_lossy();
        name.trim_end_matches("_2k.log").to_lowercase()
    };
    let lines = |path: &PathBuf| {
        let text = String::from_utf8(std::fs::read(path).expect("readable")).expect("UTF-8");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    files.iter().map(|path| (service(path), lines(path))).collect()
}

#[test]
fn every_line_of_every_system_comes_back() {
    let files = samples();
    if files.is_empty() {
        return;
    }
    let expected = lines(&files);
    assert_eq!(expected.len(), 16);
    assert_eq!(expected.values().map(Vec::len).sum::<usize>(), 32_000);
    let dir = tempfile::tempdir().expect("a directory");
    // Redaction is another's test: Android prints objects as `token=Token{…}`, which look like secrets.
    let server = Server::start_with(dir.path(), &[("LOGSTRATA_REDACTION_ENABLED", "false")]);
    let url = server.url();
    let mut arguments = vec!["ingest", "--server", &*url];
    arguments.extend(files.iter().map(|path| path.to_str().expect("UTF-8")));
    let output = run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for flushed in [false, true] {
        if flushed {
            server.post("/api/v1/admin/flush", "application/json", b"");
        }
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in server.all("") {
            let text = |name: &str| {
                json::unquoted(json::member(&event, name).expect("every event has it"))
            };
            found.entry(text("service")).or_default().push(text("message"));
        }
        found.values_mut().for_each(|messages| messages.sort());
        for (service, lines) in &expected {
            assert!(found.get(service) == Some(lines), "{service} differs, flushed: {flushed}");
        }
        assert_eq!(found.len(), expected.len());
    }
}
