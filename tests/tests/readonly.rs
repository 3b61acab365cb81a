//! A directory that can't be written to: a server refuses it and says what to do; what only reads,
//! reads it.
#![expect(clippy::disallowed_methods, reason = "makes directories that can't be written to")]

use logstrata_tests::server::{Server, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory seen through a mount that can't be written to, which ends when this is dropped.
struct ReadOnly(tempfile::TempDir);

impl ReadOnly {
    /// `None` where mounting is not permitted.
    fn mount(dir: &Path) -> Option<Self> {
        let at = tempfile::tempdir().expect("a directory");
        let mount = |options: &[&str]| {
            let mut mount = Command::new("mount");
            mount.args(options).stderr(Stdio::null());
            mount.status().is_ok_and(|status| status.success())
        };
        let (from, to) = (dir.to_str().expect("UTF-8"), at.path().to_str().expect("UTF-8"));
        mount(&["--bind", from, to]).then_some(())?;
        let mounted = Self(at);
        let to = mounted.0.path().to_str().expect("UTF-8");
        mount(&["-o", "remount,bind,ro", to]).then_some(mounted)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// A store with a file, and an event in its log.
fn write(dir: &Path) {
    let server = Server::start(dir);
    server.store(&[r#"{"message":"in a file"}"#]);
    assert_eq!(server.post("/api/v1/admin/flush", "text/plain", b"").status, 200);
    server.store(&[r#"{"message":"in the log"}"#]);
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
}

/// The files of a store that `inspect` shows.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "wal", "segments"] {
        for entry in fs::read_dir(dir.join(folder)).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
            if path.is_file() && name != "LOCK" && !name.starts_with("free-") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_read_only_store_is_not_served_but_verified_inspected_and_looked_at() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path());
    let Some(mounted) = ReadOnly::mount(dir.path()) else {
        eprintln!("skipped: nothing can be mounted here");
        return;
    };
    let path = mounted.0.path().to_str().expect("UTF-8");
    for arguments in [&["serve", "--listen", "127.0.0.1:0", "--data", path][..], &["repair", path]]
    {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        for part in [path, "ead-only file system", "mount it for writing"] {
            assert!(error.contains(part), "{arguments:?}: no {part:?}: {error}");
        }
    }
    for arguments in [
        &["verify", path][..],
        &["verify", path, "--deep"],
        &["verify", path, "--export-root"],
        &["repair", path, "--dry-run"],
    ] {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
    }
    let shown = files(mounted.0.path());
    assert_eq!(shown.len(), 3, "a manifest, a level-0 file or pack, the log: {shown:?}");
    for file in shown {
        let output = run(&["inspect", "--dump", file.to_str().expect("UTF-8")]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", file.display());
    }
    // A dry run keeps a server out, as far as it can see one: it would report what that changes.
    let server = Server::start(dir.path());
    let output = run(&["repair", path, "--dry-run"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("open in another process"), "{error}");
    assert_eq!(server.all("").len(), 2);
}

#[test]
fn a_new_store_on_a_read_only_file_system_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(mounted) = ReadOnly::mount(dir.path()) else {
        eprintln!("skipped: nothing can be mounted here");
        return;
    };
    for data in [mounted.0.path().to_owned(), mounted.0.path().join("new")] {
        let Err((status, said)) = Server::try_start(&data, &[]) else { panic!("was served") };
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(data.to_str().expect("UTF-8")), "{said}");
        assert!(said.contains("mount it for writing"), "{said}");
    }
}

/// Whoever is not permitted to: as another user if the tests run as root, which is permitted all.
#[test]
fn a_directory_without_permission_is_refused_with_what_to_do() {
    let base = tempfile::tempdir().expect("a directory");
    let forbid = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
    };
    forbid(base.path(), 0o755);
    let binary = base.path().join("logstrata");
    fs::copy(logstrata_tests::server::binary(), &binary).expect("copied");
    let (closed, foreign) = (base.path().join("closed"), base.path().join("foreign"));
    fs::create_dir(&closed).expect("made");
    forbid(&closed, 0o000);
    write(&foreign);
    forbid(&foreign.join("LOCK"), 0o444);
    let is_root = fs::read_dir(&closed).is_ok();
    let serve = |data: &Path| {
        let mut command = Command::new(if is_root { "setpriv".as_ref() } else { &*binary });
        if is_root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        command.env_clear().stdin(Stdio::null()).output()
    };
    for data in [&closed, &closed.join("new"), &foreign] {
        let output = match serve(data) {
            Ok(output) => output,
            Err(error) => return eprintln!("skipped: no `setpriv` to be another user: {error}"),
        };
        let error = String::from_utf8_lossy(&output.stderr);
        if error.starts_with("setpriv: ") {
            return eprintln!("skipped: {error}");
        }
        assert_eq!(output.status.code(), Some(1), "{error}");
        for part in [data.to_str().expect("UTF-8"), "ermission denied", "let the user"] {
            assert!(error.contains(part), "{}: no {part:?}: {error}", data.display());
        }
    }
    forbid(&closed, 0o755);
}
