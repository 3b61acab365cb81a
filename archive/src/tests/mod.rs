//! The protocol as a whole, over a store in memory that fails as told.

mod erase;
mod evict;
mod export;
mod faulty;
mod mending;
mod needle;
mod protocol;
mod steps;

use crate::archive::Archive;
use crate::restore::{RestoreOptions, RestoreReport, restore_from};
use crate::settings::Settings;
use crate::store::Store;
use crate::verify::{Verified, verify};
use faulty::FaultyStore;
use logstrata_engine::io::{Io, ManualClock, MemoryStorage, SeededEntropy};
use logstrata_engine::{
    BatchBuilder, Engine, Kind, Level, Limits, Options, Report, Rules, Timestamp, VerifyOptions,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const NOON: Timestamp = Timestamp(1_795_262_400_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

/// A machine with an open store, and its archive.
struct Machine {
    io: Io,
    engine: Arc<Engine>,
    archive: Archive,
    events: usize,
}

fn settings() -> Settings {
    Settings { url: "memory:///".into(), part_bytes: 2_000, ..Settings::default() }
}

fn io_of(storage: &MemoryStorage, clock: &Arc<ManualClock>, seed: u64) -> Io {
    Io {
        storage: Arc::new(storage.clone()),
        clock: Arc::clone(clock) as _,
        entropy: Arc::new(SeededEntropy::new(seed)),
    }
}

fn options(io: &Io) -> Options {
    let mut limits = Limits::tiny();
    // Several manifests: links are archived too.
    limits.manifest_bytes_max = 16 << 10;
    Options { dir: "store".into(), limits, redaction: Rules::none(), io: io.clone() }
}

impl Machine {
    fn new(
        store: &FaultyStore,
        storage: &MemoryStorage,
        clock: &Arc<ManualClock>,
        seed: u64,
    ) -> Self {
        Self::with(store, storage, clock, seed, settings())
    }

    fn with(
        store: &FaultyStore,
        storage: &MemoryStorage,
        clock: &Arc<ManualClock>,
        seed: u64,
        settings: Settings,
    ) -> Self {
        let io = io_of(storage, clock, seed);
        let engine = Arc::new(Engine::open(options(&io)).unwrap());
        let events = engine.status().events as usize;
        let archive = archive_of(store, &engine, &io, settings);
        Self { io, engine, archive, events }
    }

    /// The same store in the next process.
    fn restart(&mut self, store: &FaultyStore, seed: u64) {
        self.io.entropy = Arc::new(SeededEntropy::new(seed));
        self.archive = archive_of(store, &self.engine, &self.io, settings());
    }

    /// Appends events and makes a file of them.
    fn file(&mut self, count: usize) {
        let mut builder = BatchBuilder::new(&Limits::tiny(), NOON);
        for number in self.events..self.events + count {
            let mut event = builder.event();
            event.timestamp = Timestamp(NOON.0 + number as i64 * 1_000_000);
            event.level = if number % 2 == 0 { Level::Info } else { Level::Error };
            event.field("message", Kind::String, format!("event {number} came").as_bytes());
            event.finish().unwrap();
        }
        self.engine.append(builder.build()).unwrap();
        self.engine.flush().unwrap();
        self.events += count;
    }
}

fn archive_of(store: &FaultyStore, engine: &Arc<Engine>, io: &Io, settings: Settings) -> Archive {
    let opened = Store::of(Arc::new(store.clone()), &settings);
    Archive::with_store(opened, settings, Arc::clone(engine), io.clone())
}

fn plain(store: &FaultyStore) -> Store {
    Store::of(Arc::new(store.clone()), &settings())
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOON))
}

async fn verified(store: &FaultyStore, machine: &Machine) -> Verified {
    verify(&plain(store), machine.engine.store_uuid(), true).await.unwrap()
}

/// Restores elsewhere, looks at everything, and opens the store.
async fn restored(store: &FaultyStore) -> (RestoreReport, Engine) {
    let (storage, clock) = (MemoryStorage::new(), clock());
    let io = io_of(&storage, &clock, 4_711);
    let limits = options(&io).limits;
    let asked = RestoreOptions { store: None, limits };
    let dir = Path::new("store");
    let report = restore_from(&plain(store), &io, dir, &asked, &mut |_| {}).await.unwrap();
    let deep = VerifyOptions { deep: true, since: None };
    let checked: Report = logstrata_engine::verify(&io, dir, &deep, &mut |_| {}).unwrap();
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    (report, Engine::open(options(&io)).unwrap())
}
