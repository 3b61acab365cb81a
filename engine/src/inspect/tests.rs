use crate::append::Rules;
use crate::batch::BatchBuilder;
use crate::engine::Engine;
use crate::event::Kind;
use crate::idempotency::{BatchKey, BodyHash, Claim};
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
pub(crate) struct ReadOnly(pub(crate) MemoryStorage);

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

/// What is before the damage is shown, then the error.
#[test]
fn files_of_keys_are_shown() {
    let storage = MemoryStorage::new();
    let io = Io {
        storage: Arc::new(storage.clone()),
        clock: Arc::new(ManualClock::new(NOW)),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let options = Options {
        dir: "store".into(),
        limits: Limits::tiny(),
        redaction: Rules::none(),
        io: io.clone(),
    };
    let engine = Engine::open(options).unwrap();
    let body = BodyHash::new(&[b"a body"]);
    for key in [BatchKey::named("default", b"batch-1"), BatchKey::of_body("default", body)] {
        let Claim::New(ticket) = engine.claim(key, body, || {}) else { panic!("free") };
        let mut batch = BatchBuilder::new(&Limits::tiny(), NOW);
        batch.event().finish().unwrap();
        let (sender, stored) = std::sync::mpsc::channel();
        engine.submit_once(batch.build(), ticket.with_answer(b"told"), move |result| {
            sender.send(result).unwrap();
        });
        stored.recv().unwrap().unwrap();
    }
    engine.flush().unwrap();
    let path = Path::new("store/keys/0000000000000001.keys");
    let show = || {
        let mut out = Vec::new();
        let shown = super::inspect(&io, path, true, &mut out);
        (shown, String::from_utf8(out).unwrap())
    };
    let (shown, text) = show();
    shown.unwrap();
    let expected = "keys of generation 1\n\
        written when the clock of keys showed 2023-11-14T22:13:20Z\n\
        1 keys that senders gave\n1 keys made of bodies\n\
        key sent:4e99c52072d6821d6333409414f8d753 of body 23966acf405e951f858fbbca3d42b747: 1 events, ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with(", came 2023-11-14T22:13:20Z, 4 bytes of answer\n"), "{text}");
    let mut bytes = storage.read(path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    storage.overwrite(path, bytes);
    let (shown, damaged) = show();
    assert_eq!(damaged, text);
    let error = shown.unwrap_err().to_string();
    assert!(error.contains("0000000000000001.keys"), "{error}");
}
