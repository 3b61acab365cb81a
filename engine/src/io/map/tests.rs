#![expect(clippy::disallowed_types, reason = "files that another process damages")]

use super::super::{File, FileStorage, Region, Storage};
use super::{Mapping, TABLE};
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const KIB: u64 = 1 << 10;
/// Set in a child process that is to fault where nobody expects it.
const CHILD: &str = "LOGSTRATA_TEST_FAULT";

fn file_of(dir: &Path, name: &str, len: u64) -> PathBuf {
    let path = dir.join(name);
    let file = FileStorage::default().create(&path).unwrap();
    let bytes: Vec<u8> = (0..len).map(byte_at).collect();
    file.write_all_at(&bytes, 0).unwrap();
    path
}

fn byte_at(at: u64) -> u8 {
    (at % 251) as u8 + 1
}

fn is_right(bytes: &[u8], first: u64) -> bool {
    bytes.iter().zip(first..).all(|(byte, at)| *byte == byte_at(at))
}

fn cut(path: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn open(path: &Path) -> Arc<dyn File> {
    FileStorage::default().open(path).unwrap()
}

fn is_mapped(region: &Region) -> bool {
    format!("{region:?}").contains("Mapped")
}

#[test]
fn regions_give_the_bytes_of_their_range_mapped_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = file_of(dir.path(), "file", 100 * KIB);
    for mmap in [true, false] {
        let file = FileStorage { mmap }.open(&path).unwrap();
        for range in [0..100 * KIB, 0..16 * KIB, 5_001..90_003, 4_096..40_960, 7..900, 50..50] {
            let region = file.region(range.clone()).unwrap();
            assert_eq!(region.len() as u64, range.end - range.start);
            assert!(region.read(|bytes| is_right(bytes, range.start)).unwrap());
            assert_eq!(is_mapped(&region), mmap && range.end - range.start >= 16 * KIB);
        }
        for range in [0..100 * KIB + 1, 90 * KIB..120 * KIB, u64::MAX - 5..u64::MAX] {
            let error = file.region(range).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
    // It outlives its file, also when that is removed.
    let region = open(&path).region(0..64 * KIB).unwrap();
    drop(dir);
    assert!(region.read(|bytes| is_right(bytes, 0)).unwrap());
}

#[test]
fn a_file_that_is_cut_is_an_error_for_what_was_read_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = file_of(dir.path(), "cut", 256 * KIB);
    let other_path = file_of(dir.path(), "other", 256 * KIB);
    let file = open(&path);
    let head = file.region(0..32 * KIB).unwrap();
    let tail = file.region(100 * KIB..256 * KIB).unwrap();
    let other = open(&other_path).region(0..256 * KIB).unwrap();
    let kept = tail.bytes();
    assert!(tail.read(|bytes| is_right(bytes, 100 * KIB)).unwrap() && kept.is_intact());

    cut(&path, 64 * KIB);
    let error = tail.read(|bytes| bytes.iter().filter(|byte| **byte == 0).count()).unwrap_err();
    assert!(error.to_string().contains("cut"), "{error}");
    // For ever: the pages that are zeros now would raise no fault.
    assert!(tail.read(|_| ()).is_err() && !kept.is_intact());
    assert!(kept.iter().all(|byte| *byte == 0));
    for (region, first) in [(&head, 0), (&other, 0)] {
        assert!(region.read(|bytes| is_right(bytes, first)).unwrap());
    }
    assert_eq!(file.region(0..65 * KIB).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert!(file.region(0..64 * KIB).unwrap().read(|bytes| is_right(bytes, 0)).unwrap());
}

/// Threads read while another cuts the file: each read is right or an error, and the process lives.
#[test]
fn cutting_a_file_under_its_readers_ends_no_thread() {
    let dir = tempfile::tempdir().unwrap();
    let path = file_of(dir.path(), "cut", 1_024 * KIB);
    let other_path = file_of(dir.path(), "other", 64 * KIB);
    let file = open(&path);
    let regions: Vec<_> =
        (0..16).map(|n| file.region(n * 64 * KIB..(n + 1) * 64 * KIB).unwrap()).collect();
    let other = open(&other_path).region(0..64 * KIB).unwrap();
    let rounds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let mut lost = 0;
                    for (n, region) in regions.iter().enumerate() {
                        match region.read(|bytes| is_right(bytes, n as u64 * 64 * KIB)) {
                            Ok(right) => assert!(right, "wrong bytes of an intact region"),
                            Err(_) => lost += 1,
                        }
                    }
                    assert!(other.read(|bytes| is_right(bytes, 0)).unwrap());
                    rounds.fetch_add(1, SeqCst);
                    if lost == 8 {
                        return;
                    }
                }
            });
        }
        while rounds.load(SeqCst) < 3 {
            std::thread::yield_now();
        }
        // On a page border: within a page the rest would be zeros without a fault.
        cut(&path, 512 * KIB);
    });
    assert!(regions[..8].iter().all(|region| region.read(|_| ()).is_ok()));
    assert!(regions[8..].iter().all(|region| region.read(|_| ()).is_err()));
}

/// What was cut off within a page reads as zeros and raises nothing: checksums are for that.
#[test]
fn the_rest_of_a_cut_page_is_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let path = file_of(dir.path(), "file", 32 * KIB);
    let region = open(&path).region(0..32 * KIB).unwrap();
    cut(&path, 32 * KIB - 100);
    let zeros = region.read(|bytes| bytes.iter().filter(|byte| **byte == 0).count()).unwrap();
    assert_eq!(zeros, 100);
}

/// A store has more regions than the table: they are read. In a process of its own, because the
/// table is that of all tests.
#[test]
fn regions_beyond_the_table_are_read() {
    if !is_child("table") {
        let output = run_child("table", "regions_beyond_the_table_are_read");
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = file_of(dir.path(), "file", 20 * KIB);
    let file = open(&path);
    let regions: Vec<_> =
        (0..super::MAPPINGS_MAX + 3).map(|_| file.region(0..20 * KIB).unwrap()).collect();
    let mapped = regions.iter().filter(|region| is_mapped(region)).count();
    assert_eq!(mapped, super::MAPPINGS_MAX);
    assert!(regions.iter().all(|region| region.read(|bytes| is_right(bytes, 0)).unwrap()));
    drop(regions);
    assert!(is_mapped(&file.region(0..20 * KIB).unwrap()));
}

/// The guard must not hide the defects of others.
#[test]
fn a_fault_elsewhere_still_ends_the_process() {
    if is_child("fault") {
        fault_elsewhere();
    }
    let output = run_child("fault", "a_fault_elsewhere_still_ends_the_process");
    assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{output:?}");
}

/// So does a signal that someone sends, and at once: it was passed on to the handler of the standard
/// library, which swallowed it, and the guard was gone from then on.
#[test]
fn a_signal_that_is_sent_still_ends_the_process() {
    if is_child("sent") {
        super::guard::install().unwrap();
        send_to_this_thread();
        std::process::exit(0);
    }
    let output = run_child("sent", "a_signal_that_is_sent_still_ends_the_process");
    assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{output:?}");
}

/// Who started the process may have wanted that such signals are ignored; faults are guarded all
/// the same.
#[test]
fn a_signal_that_is_ignored_disarms_nothing() {
    if !is_child("ignored") {
        let output = run_child("ignored", "a_signal_that_is_ignored_disarms_nothing");
        assert!(output.status.success(), "{output:?}");
        return;
    }
    ignore_the_signal();
    let dir = tempfile::tempdir().unwrap();
    let path = file_of(dir.path(), "cut", 32 * KIB);
    let region = open(&path).region(0..32 * KIB).unwrap();
    assert!(is_mapped(&region));
    send_to_this_thread();
    send_to_this_thread();
    cut(&path, 0);
    assert!(region.read(|bytes| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>()).is_err());
}

#[expect(unsafe_code, reason = "there is no safe wrapper in use")]
fn ignore_the_signal() {
    // SAFETY: takes integers; no handler is run.
    assert_ne!(unsafe { libc::signal(libc::SIGBUS, libc::SIG_IGN) }, libc::SIG_ERR);
}

#[expect(unsafe_code, reason = "maps a file without a guard, to see the process end")]
fn fault_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let guarded = open(&file_of(dir.path(), "guarded", 32 * KIB)).region(0..32 * KIB).unwrap();
    let path = file_of(dir.path(), "unguarded", 32 * KIB);
    let file = fs::File::open(&path).unwrap();
    // SAFETY: nobody writes to the file; cutting it is what this process is for.
    let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
    cut(&path, 0);
    let sum: u64 = map.iter().map(|byte| u64::from(*byte)).sum();
    println!("read {sum} {}", guarded.len());
    std::process::exit(0);
}

#[expect(unsafe_code, reason = "there is no safe wrapper in use")]
fn send_to_this_thread() {
    // SAFETY: takes and returns an integer.
    assert_eq!(unsafe { libc::raise(libc::SIGBUS) }, 0);
}

fn is_child(what: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|value| value == what)
}

fn run_child(what: &str, test: &str) -> Output {
    let this = std::env::current_exe().unwrap();
    let name = format!("io::map::tests::{test}");
    Command::new(this).args(["--exact", &name]).env(CHILD, what).output().unwrap()
}

#[test]
fn a_mapping_leaves_the_table_with_its_last_region() {
    let dir = tempfile::tempdir().unwrap();
    let path = file_of(dir.path(), "file", 32 * KIB);
    let file = fs::File::open(&path).unwrap();
    let mapping = Mapping::new(&file, &(0..32 * KIB)).unwrap();
    let address = mapping.bytes().as_ptr().addr();
    assert!(TABLE.fault_at(address) && !mapping.is_intact());
    // Another test may have got the address meanwhile, but not marked as faulted.
    drop(mapping);
    let again = Mapping::new(&file, &(0..32 * KIB)).unwrap();
    assert!(again.is_intact());
}
