//! A store belongs to one process: a second one is told so, and harms nothing.

use logstrata_tests::server::{Server, run};

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("UTF-8");
    let server = Server::start(dir.path());
    server.store(&[r#"{"message":"before"}"#]);
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0", "--data", path][..],
        &["search", "*", "--data", path],
    ] {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?} was not refused");
        assert!(error.contains(path), "{arguments:?} names the directory: {error}");
        assert!(error.contains("open in another process"), "{arguments:?} says why: {error}");
        assert!(!error.contains("panicked"), "{arguments:?}: {error}");
    }
    server.store(&[r#"{"message":"after"}"#]);
    assert_eq!(server.all("").len(), 2);
    let (status, said) = server.stop();
    assert!(status.success(), "SIGTERM ends it well: {status}\n{said}");

    let again = Server::start(dir.path());
    assert_eq!(again.all("").len(), 2, "the lock ended with its process");
}
