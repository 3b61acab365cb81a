//! Pieces on a disk in memory: which go, and what is damaged.

use super::*;
use logstrata_engine::io::MemoryStorage;

const DIR: &str = "cache";

fn open(storage: &MemoryStorage, pieces: u64) -> Arc<PieceCache> {
    let storage = Arc::new(storage.clone());
    Arc::new(PieceCache::open(storage, Path::new(DIR), pieces * FILE_BYTES).unwrap())
}

fn put(cache: &Arc<PieceCache>, key: Key, piece: &[u8]) {
    cache.intake(key.0).put(key.1, piece);
}

fn piece(number: u64) -> (Key, Vec<u8>) {
    (([number as u8; 32], number), vec![number as u8; PIECE as usize])
}

fn there(cache: &PieceCache, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let is_there = |number: &u64| {
        let (key, bytes) = piece(*number);
        let got = cache.get(&key, bytes.len());
        assert!(got.as_ref().is_none_or(|got| *got == bytes), "{number}");
        got.is_some()
    };
    numbers.filter(is_there).collect()
}

#[test]
fn those_go_first_that_were_not_used_for_longest() {
    let storage = MemoryStorage::new();
    let cache = open(&storage, 3);
    for number in 0..3 {
        let (key, bytes) = piece(number);
        put(&cache, key, &bytes);
    }
    assert_eq!(there(&cache, 0..1), [0]);
    let (key, bytes) = piece(3);
    put(&cache, key, &bytes);
    assert_eq!(there(&cache, 0..4), [0, 2, 3]);
    assert_eq!(cache.bytes(), 3 * FILE_BYTES);
    assert_eq!(storage.list(Path::new(DIR)).unwrap().len(), 3);
    drop(cache);
    let cache = open(&storage, 3);
    assert_eq!(there(&cache, 0..4), [0, 2, 3], "they outlive the process");
    assert_eq!(cache.free(1), FILE_BYTES);
    assert_eq!(there(&cache, 0..4), [2, 3]);
    drop(cache);
    let cache = open(&storage, 1);
    assert_eq!(there(&cache, 0..4).len(), 1);
    assert_eq!(storage.list(Path::new(DIR)).unwrap().len(), 1);
}

#[test]
fn what_is_damaged_is_not_there_and_can_be_put_again() {
    let storage = MemoryStorage::new();
    let cache = open(&storage, 3);
    let (key, bytes) = piece(7);
    let path = cache.path(&key);
    for at in [0, 4, HEADER_LEN, bytes.len()] {
        put(&cache, key, &bytes);
        assert_eq!(there(&cache, 7..8), [7]);
        let mut damaged = header(&key, &bytes);
        damaged.extend_from_slice(&bytes);
        damaged[at] ^= 1;
        storage.overwrite(&path, damaged);
        assert_eq!(cache.get(&key, bytes.len()), None, "{at}");
    }
    put(&cache, key, &bytes);
    storage.overwrite(&path, header(&key, &bytes));
    assert_eq!(cache.get(&key, bytes.len()), None, "cut off");
    // A piece under another's name.
    let (other, _) = piece(8);
    let mut foreign = header(&key, &bytes);
    foreign.extend_from_slice(&bytes);
    put(&cache, other, &bytes);
    storage.overwrite(&cache.path(&other), foreign);
    assert_eq!(cache.get(&other, bytes.len()), None);
    assert_eq!(cache.bytes(), 0);
    assert!(storage.list(Path::new(DIR)).unwrap().is_empty());
}

/// A query that had begun before a purge put back what the purge had removed.
#[test]
fn what_is_forgotten_is_gone_and_is_not_put_by_who_asked_before() {
    let storage = MemoryStorage::new();
    let cache = open(&storage, 9);
    let listed = || storage.list(Path::new(DIR)).unwrap().len();
    let (a, b) = ([1; 32], [2; 32]);
    let (before, other) = (cache.intake(a), cache.intake(b));
    before.put(0, b"a0");
    before.put(u64::MAX, b"a1");
    other.put(0, b"b0");
    assert_eq!(listed(), 3);
    cache.forget(&a);
    assert_eq!((listed(), cache.get(&(a, 0), 2)), (1, None));
    assert_eq!(cache.bytes(), BLOCK);
    let also_before = cache.intake(a);
    drop(before);
    also_before.put(0, b"a0");
    other.put(1, b"b1");
    assert_eq!((listed(), cache.get(&(b, 0), 2)), (2, Some(b"b0".to_vec())));
    drop((also_before, other));
    assert!(cache.known.lock().coming.is_empty(), "nothing is remembered for ever");
    cache.intake(a).put(0, b"a0");
    assert_eq!((listed(), cache.get(&(a, 0), 2)), (3, Some(b"a0".to_vec())));
    drop(cache);
    let cache = open(&storage, 9);
    cache.keep_only(&[a].into());
    assert_eq!((listed(), cache.get(&(a, 0), 2)), (1, Some(b"a0".to_vec())));
    let foreign = Path::new(DIR).join("somebody.s");
    storage.overwrite(&foreign, vec![1]);
    clear(&storage, Path::new(DIR));
    assert_eq!(storage.list(Path::new(DIR)).unwrap(), ["somebody.s"]);
    clear(&storage, Path::new("no directory"));
}

/// What was being written when the object was forgotten was there for ever.
#[test]
fn what_is_forgotten_while_it_is_written_goes() {
    let storage = MemoryStorage::new();
    let cache = open(&storage, 9);
    let object = [3; 32];
    let intake = cache.intake(object);
    let looks = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..2_000 {
                intake.put(number, b"piece");
            }
            looks.store(false, std::sync::atomic::Ordering::Relaxed);
        });
        while looks.load(std::sync::atomic::Ordering::Relaxed) && cache.bytes() == 0 {
            std::thread::yield_now();
        }
        cache.forget(&object);
    });
    assert_eq!((cache.bytes(), storage.list(Path::new(DIR)).unwrap().len()), (0, 0));
}

/// Pieces of 16 KiB and a header took five blocks of the disk each, and counted for four: a quarter more than
/// there may be.
#[test]
fn what_a_piece_takes_of_the_disk_counts() {
    let storage = MemoryStorage::new();
    let cache = open(&storage, 2);
    for (number, len) in
        [(0, PIECE as usize), (1, 1), (2, 4096 - HEADER_LEN), (3, 4097 - HEADER_LEN)]
    {
        cache.intake([1; 32]).put(number, &vec![7; len]);
    }
    let (dir, file) = (Path::new(DIR), |name: &String| Path::new(DIR).join(name));
    let lens = storage.list(dir).unwrap().into_iter();
    let blocks =
        lens.map(|name| storage.open(&file(&name)).unwrap().len().unwrap().div_ceil(BLOCK));
    assert_eq!((blocks.sum::<u64>() * BLOCK, cache.bytes()), (2 * FILE_BYTES, 2 * FILE_BYTES));
    cache.intake([1; 32]).put(4, &[7]);
    assert_eq!(there_of(&storage), 4, "there is no room for five");
}

fn there_of(storage: &MemoryStorage) -> usize {
    storage.list(Path::new(DIR)).unwrap().len()
}
