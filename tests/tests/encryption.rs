//! The real program with keys: nothing of an event is in any of its files, nor in its archive; it is
//! restored with its key, and with no other.
#![expect(clippy::disallowed_methods, reason = "looks into the files of servers")]

use logstrata_tests::server::{Server, logstrata};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

const CANARY: &str = "canary4711";
const KEY: &str = "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "k1:202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";

/// A file of keys that only its owner reads.
fn key_file(dir: &Path, keys: &str) -> String {
    let path = dir.join("keys");
    fs::write(&path, keys).expect("written");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("changed");
    path.to_str().expect("UTF-8").to_owned()
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(below).collect()
}

/// The files below a directory that have the canary.
fn with_canary(dir: &Path) -> Vec<PathBuf> {
    let has = |path: &PathBuf| {
        let bytes = fs::read(path).expect("read");
        bytes.windows(CANARY.len()).any(|piece| piece == CANARY.as_bytes())
    };
    files(dir).into_iter().filter(has).collect()
}

fn events(server: &Server, count: usize) {
    let event = |number| {
        format!(r#"{{"message":"{CANARY} {number}","service":"{CANARY}","{CANARY}":{number}}}"#)
    };
    server.store(&(0..count).map(event).collect::<Vec<_>>());
}

fn post(server: &Server, path: &str) {
    let answer = server.post(path, "application/x-www-form-urlencoded", b"");
    assert_eq!(answer.status, 200, "{path}");
}

fn run_with(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    logstrata().args(arguments).envs(settings.iter().copied()).output().expect("the binary runs")
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_encrypted_store_and_its_archive_tell_nothing_and_are_restored_with_the_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, archive) = (dir.path().join("data"), dir.path().join("archive"));
    fs::create_dir(&archive).expect("created");
    let url = format!("file://{}", archive.display());
    let keys = key_file(dir.path(), &format!("# the first\n{KEY}\n"));
    let settings = [("LOGSTRATA_ENCRYPTION_KEY_FILE", &*keys), ("LOGSTRATA_ARCHIVE_URL", &*url)];
    let server = Server::start_with(&data, &settings);
    events(&server, 50);
    assert_eq!(with_canary(&data), [""; 0].map(PathBuf::from));
    for path in ["/api/v1/admin/flush", "/api/v1/admin/compact", "/api/v1/archive/run"] {
        post(&server, path);
    }
    events(&server, 3);
    assert_eq!(with_canary(&data), [""; 0].map(PathBuf::from));
    assert!(files(&archive).len() > 2, "a catalog and files");
    assert_eq!(with_canary(&archive), [""; 0].map(PathBuf::from));
    assert_eq!(server.all(&format!("service:{CANARY}")).len(), 53);
    let status = server.get("/api/v1/admin/encryption", &[]);
    let status = status.body;
    assert!(status.starts_with(r#"{"keys":["k1"],"files":[{"key":"k1","#), "{status}");
    post(&server, "/api/v1/archive/verify");
    let (ended, said) = server.stop();
    assert!(ended.success(), "{said}");

    let path = data.to_str().expect("UTF-8");
    let verified = run_with(&settings[..1], &["verify", path, "--deep"]);
    assert!(verified.status.success(), "{}", error_of(&verified));
    let unread = run_with(&[], &["verify", path]);
    assert_eq!(unread.status.code(), Some(2), "not damage: {}", error_of(&unread));
    let by_value = run_with(&[("LOGSTRATA_ENCRYPTION_KEY", KEY)], &["repair", path, "--dry-run"]);
    assert!(by_value.status.success(), "{}", error_of(&by_value));
    // Without the key, and with another of its name.
    for given in [None, Some(OTHER)] {
        let given: Vec<_> =
            given.map(|key| ("LOGSTRATA_ENCRYPTION_KEY", key)).into_iter().collect();
        let Err((ended, said)) = Server::try_start(&data, &given) else { panic!("was served") };
        assert_eq!(ended.code(), Some(1), "{said}");
        assert!(said.contains("\"k1\""), "names the key: {said}");
    }
    // Elsewhere, from the archive alone.
    let restored = dir.path().join("restored");
    let to = restored.to_str().expect("UTF-8");
    let refused = run_with(&settings[1..], &["archive", "restore", "--data", to]);
    assert!(!refused.status.success() && error_of(&refused).contains("\"k1\""));
    let done = run_with(&settings, &["archive", "restore", "--data", to]);
    assert!(done.status.success(), "{}", error_of(&done));
    assert_eq!(with_canary(&restored), [""; 0].map(PathBuf::from));
    let server = Server::start_with(&restored, &settings[..1]);
    assert_eq!(server.all(&format!("service:{CANARY}")).len(), 50);
}

#[test]
fn keys_that_everybody_reads_or_that_are_none_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let keys = key_file(dir.path(), KEY);
    fs::set_permissions(&keys, Permissions::from_mode(0o644)).expect("changed");
    let refused = |settings: &[(&str, &str)], what: &str| {
        let Err((ended, said)) = Server::try_start(&data, settings) else { panic!("was served") };
        assert_eq!(ended.code(), Some(2), "{said}");
        assert!(said.contains(what), "{said}");
        assert!(!said.contains("0102030405"), "tells a key: {said}");
        assert!(!data.exists(), "nothing was made");
    };
    refused(&[("LOGSTRATA_ENCRYPTION_KEY_FILE", &keys)], "chmod 600");
    refused(&[("LOGSTRATA_ENCRYPTION_KEY", &KEY[..20])], "32 bytes");
    refused(
        &[("LOGSTRATA_ENCRYPTION_KEY", KEY), ("LOGSTRATA_ENCRYPTION_KEY_FILE", &keys)],
        "both set",
    );
}
