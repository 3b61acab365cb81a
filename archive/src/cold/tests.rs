//! Ranges of objects through the cache, over a store in memory.

mod fetched_ahead;
mod gated;
mod waits;

use super::*;
use logstrata_engine::Timestamp;
use logstrata_engine::io::{ManualClock, MemoryStorage, SeededEntropy};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::runtime::Runtime;

const LEN: usize = 40 * PIECE as usize + 100;
const CACHE: u64 = 10 << 20;

/// An object store with one object, and the disk of a machine.
struct World {
    runtime: Runtime,
    store: Store,
    storage: MemoryStorage,
    file: ColdFile,
    bytes: Vec<u8>,
}

impl World {
    fn new() -> Self {
        Self::of(Arc::new(InMemory::new()))
    }

    fn of(objects: Arc<dyn ObjectStore>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let settings = crate::Settings::default();
        let store = Store::of(objects, &settings);
        let bytes: Vec<u8> =
            (0..LEN as u64).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 11) as u8).collect();
        let blake3 = *blake3::hash(&bytes).as_bytes();
        let file = ColdFile { store: [7; 16], name: "f".into(), len: LEN as u64, blake3 };
        let object = object_of(&file.store, &blake3);
        let put = store.overwrite(&object, Bytes::from(bytes.clone()));
        runtime.block_on(put).unwrap();
        Self { runtime, store, storage: MemoryStorage::new(), file, bytes }
    }

    fn cold(&self, cache_bytes: u64) -> ColdStore {
        self.cold_by(cache_bytes, Arc::new(ManualClock::new(Timestamp(0))))
    }

    fn cold_by(&self, cache_bytes: u64, clock: Arc<dyn Clock>) -> ColdStore {
        let io = Io {
            storage: Arc::new(self.storage.clone()),
            clock,
            entropy: Arc::new(SeededEntropy::new(1)),
        };
        let handle = self.runtime.handle().clone();
        ColdStore::new(self.store.clone(), handle, &io, Path::new("data"), cache_bytes)
    }

    /// Reads a range, which has to be that of the object.
    fn read(&self, cold: &ColdStore, range: Range<usize>) -> Came {
        let mut buf = vec![0; range.len()];
        let came = cold.read_at(&self.file, range.start as u64, &mut buf, &Patience::endless());
        assert!(buf == self.bytes[range.clone()], "{range:?}");
        came.unwrap()
    }
}

#[test]
fn a_range_is_fetched_once_by_whole_pieces() {
    let world = World::new();
    let piece = PIECE as usize;
    let cold = world.cold(CACHE);
    let first = world.read(&cold, piece + 5..3 * piece + 1);
    assert_eq!(first, Came { cached: 0, fetched: 3 * PIECE, requests: 1 }, "three pieces at once");
    let again = world.read(&cold, piece..4 * piece);
    assert_eq!(again, Came { cached: 3 * PIECE, fetched: 0, requests: 0 });
    assert_eq!(cold.disk_bytes(), 3 * crate::cache::FILE_BYTES);
    // On both sides of what is there, by a request each; the end of the object is a shorter piece.
    let around = world.read(&cold, 0..5 * piece);
    assert_eq!((around.cached, around.fetched, around.requests), (3 * PIECE, 2 * PIECE, 2));
    let end = world.read(&cold, LEN - 1..LEN);
    assert_eq!((end.fetched, end.requests), (100, 1));
    drop(cold);
    let cold = world.cold(CACHE);
    assert_eq!(world.read(&cold, 0..5 * piece).requests, 0, "after a restart");
    assert_eq!(cold.figures().requests, 0);
}

#[test]
fn who_reads_on_gets_more_at_a_time() {
    let world = World::new();
    let cold = world.cold(CACHE);
    let mut requests = 0;
    for start in (0..LEN).step_by(PIECE as usize) {
        requests += world.read(&cold, start..LEN.min(start + PIECE as usize)).requests;
    }
    assert!(requests <= 9, "{requests} for 41 pieces");
    assert_eq!(cold.figures().fetched_bytes, LEN as u64, "nothing twice");
}

#[test]
fn what_is_damaged_or_never_kept_is_fetched_again() {
    let world = World::new();
    let cold = world.cold(CACHE);
    world.read(&cold, 0..10);
    let dir = Path::new("data/cache");
    for name in world.storage.list(dir).unwrap() {
        world.storage.overwrite(&dir.join(name), vec![0; crate::cache::FILE_BYTES as usize]);
    }
    assert_eq!(world.read(&cold, 0..10).requests, 1);
    assert_eq!(world.read(&cold, 0..10).requests, 0);
    for too_small in [0, 100] {
        let cold = world.cold(too_small);
        for _ in 0..2 {
            assert_eq!(world.read(&cold, 0..LEN).requests, 1);
        }
    }
}

#[test]
fn threads_that_want_the_same_have_it_fetched_once() {
    let world = World::new();
    let cold = world.cold(CACHE);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (world, cold) = (&world, &cold);
            scope.spawn(move || {
                for start in (thread * 100..LEN).step_by(5 * PIECE as usize) {
                    world.read(cold, start..LEN.min(start + 6 * PIECE as usize));
                }
            });
        }
    });
    assert_eq!(cold.figures().fetched_bytes, LEN as u64);
}

#[test]
fn an_object_that_is_gone_is_a_reason() {
    let world = World::new();
    let object = object_of(&world.file.store, &world.file.blake3);
    world.runtime.block_on(world.store.delete(&object)).unwrap();
    let cold = world.cold(CACHE);
    let mut buf = [0; 10];
    let away = cold.read_at(&world.file, 0, &mut buf, &Patience::endless()).unwrap_err();
    assert!(away.to_string().contains("seg/"), "{away}");
    assert_eq!((cold.figures().requests, cold.disk_bytes()), (0, 0));
}

/// What was fetched of a file stayed after the file was purged, also over restarts.
#[test]
fn what_is_forgotten_is_not_on_the_disk() {
    let world = World::new();
    let cold = world.cold(CACHE);
    world.read(&cold, 0..LEN);
    let listed = || world.storage.list(Path::new("data/cache")).unwrap().len();
    assert_eq!(listed(), LEN.div_ceil(PIECE as usize));
    cold.forget(&[9; 32]);
    cold.keep_only(&[world.file.blake3].into());
    assert_eq!(listed(), LEN.div_ceil(PIECE as usize));
    cold.forget(&world.file.blake3);
    assert_eq!((listed(), cold.disk_bytes()), (0, 0));
    world.read(&cold, 0..10);
    drop(cold);
    world.cold(CACHE).keep_only(&BTreeSet::new());
    assert_eq!(listed(), 0, "it went while nobody looked");
}

/// A cache of a server that was told to keep none any more was there for ever.
#[test]
fn without_a_cache_what_was_kept_goes() {
    let world = World::new();
    let listed = || world.storage.list(Path::new("data/cache")).unwrap().len();
    world.read(&world.cold(CACHE), 0..10);
    assert_eq!(listed(), 1);
    world.cold(0).keep_only(&[world.file.blake3].into());
    assert_eq!(listed(), 0);
    world.read(&world.cold(CACHE), 0..10);
    let io = Io { storage: Arc::new(world.storage.clone()), ..Io::system() };
    clear_cache(&io, Path::new("data"));
    assert_eq!(listed(), 0);
}

/// The cache took what the store keeps free, and then nothing was accepted any more.
#[test]
fn what_is_fetched_is_not_kept_where_the_store_needs_the_room() {
    let world = World::new();
    let read = 0..10 * PIECE as usize;
    let each = PIECE + 8;
    let kept = |free: u64| {
        let cold = world.cold(CACHE);
        assert!(cold.disk_bytes() == 0, "nothing was kept before");
        cold.keep_free(1 << 20);
        world.storage.set_capacity(Some(world.storage.bytes() + (1 << 20) + free));
        world.read(&cold, read.clone());
        assert!(world.read(&cold, read.clone()).cached <= cold.disk_bytes());
        let kept = cold.disk_bytes();
        assert_eq!(cold.free_disk(kept), kept);
        kept
    };
    assert_eq!(kept(0), 0);
    assert_eq!(kept(2 * each + 1), 2 * each);
    assert_eq!(kept(100 * each), 10 * each);
}
