use crate::append::Rules;
use crate::batch::BatchBuilder;
use crate::engine::Engine;
use crate::event::Kind;
use crate::io::{File, Io, Lock, ManualClock, MemoryStorage, SeededEntropy, Space, Storage};
use crate::limits::Limits;
use crate::options::Options;
use crate::timestamp::Timestamp;
use std::io;
use std::path::Path;
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// A disk that is mounted read-only.
#[derive(Debug)]
struct ReadOnly(MemoryStorage);

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Storage for ReadOnly {
    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.0.space(dir)
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn create(&self, _: &Path) -> io::Result<Arc<dyn File>> {
        refused()
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.0.open(path)
    }

    fn open_for_write(&self, _: &Path) -> io::Result<Arc<dyn File>> {
        refused()
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Lock>> {
        refused()
    }
}

/// The log and the manifest were opened for writing: a backup on read-only media, or a store of
/// another user, could not be inspected.
#[test]
fn every_file_can_be_inspected_on_a_disk_that_is_read_only() {
    let storage = MemoryStorage::new();
    let io = |storage: Arc<dyn Storage>| Io {
        storage,
        clock: Arc::new(ManualClock::new(NOW)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let writable = io(Arc::new(storage.clone()));
    let options = Options {
        dir: "store".into(),
        limits: Limits::tiny(),
        redaction: Rules::none(),
        io: writable,
    };
    let engine = Engine::open(options).unwrap();
    for number in 0..2 {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOW);
        let mut event = builder.event();
        event.field("message", Kind::String, format!("inspected {number}").as_bytes());
        event.finish().unwrap();
        engine.append(builder.build()).unwrap();
        if number == 0 {
            engine.flush().unwrap();
        }
    }
    drop(engine);

    let read_only = io(Arc::new(ReadOnly(storage.clone())));
    let mut kinds = [false; 3];
    for dir in ["store", "store/wal", "store/segments"] {
        for name in storage.list(Path::new(dir)).unwrap() {
            // Files that wait to be used are none of the log yet.
            let is_log = name.ends_with(".wal") && !name.starts_with("free-");
            let kind = [name.starts_with("MANIFEST"), is_log, name.ends_with(".l0")];
            if let Some(kind) = kind.iter().position(|is| *is) {
                let mut out = Vec::new();
                super::inspect(&read_only, &Path::new(dir).join(&name), true, &mut out).unwrap();
                let text = String::from_utf8(out).unwrap();
                kinds[kind] |= text.contains(if kind == 0 { "manifest 1" } else { "inspected" });
            }
        }
    }
    assert_eq!(kinds, [true; 3]);
}
