//! Reads files that left the disk: ranges of their objects, for the engine, whose threads wait.
//!
//! - `D1` no more than [`REQUESTS_MAX`] requests are in flight, whatever asks.
//! - `D2` nobody waits for the store for more than 20 s, nor once nobody needs the answer; what is given up is
//!   cancelled.
//! - `D3` of a store that can't be reached one finds out; for a while all others are told at once, also those
//!   that wait for what others fetch ([`request`]).

mod ahead;
mod request;

use crate::cache::{Key, PIECE, PieceCache, clear};
use crate::copy::object_of;
use crate::flights::{Claim, Flights};
use crate::opened::Opened;
use crate::room::DiskRoom;
use crate::store::Store;
use bytes::Bytes;
use logstrata_engine::io::{Clock, Io, Storage};
use logstrata_engine::{Ahead, Came, ColdAway, ColdFile, ColdFiles, Patience};
use request::{LOOK, Outlook, Requests};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Requests in flight at most.
const REQUESTS_MAX: usize = 64;
/// Where pieces are, in the store's directory.
const FOLDER: &str = "cache";
/// Pieces of one request at most: 1 MiB.
const RUN_PIECES_MAX: usize = 64;
/// Pieces in a row after which more are fetched than are asked for.
const AHEAD_AFTER: usize = 3;

/// The files of stores in an object store.
#[derive(Debug)]
pub struct ColdStore {
    store: Store,
    kept: Kept,
    /// Opened with the store ([`ColdFiles::keep_only`]): the directory is the store's, which is locked by then.
    cache: OnceLock<Option<Arc<PieceCache>>>,
    room: Arc<DiskRoom>,
    flights: Arc<Flights>,
    runtime: Handle,
    clock: Arc<dyn Clock>,
    slots: Arc<Semaphore>,
    outlook: Arc<Outlook>,
    fetched: Arc<Fetched>,
    cached: AtomicU64,
}

/// What was read of files that left the disk, since the server was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColdFigures {
    /// Ranges that were fetched.
    pub requests: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// Those of the ranges that were asked for ahead of whoever wanted them.
    pub requests_ahead: u64,
    /// Bytes that the cache on the disk had instead.
    pub cached_bytes: u64,
    /// Bytes that the cache takes.
    pub cache_bytes: u64,
}

/// What came.
#[derive(Debug, Default)]
struct Fetched {
    requests: AtomicU64,
    ahead: AtomicU64,
    bytes: AtomicU64,
}

impl Fetched {
    fn add(&self, bytes: u64) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }
}

/// Where pieces are kept, and how many bytes of them; 0 for none.
#[derive(Debug)]
struct Kept {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    bytes_max: u64,
}

/// Removes what was kept of files that left the disk, of a store that has no archive any more. The store is
/// the caller's.
pub fn clear_cache(io: &Io, data: &Path) {
    clear(&*io.storage, &data.join(FOLDER));
}

impl Opened {
    /// What reads files that left the disk, and keeps what it fetched in `data/cache`; requests are made on
    /// `runtime`, whose own threads must not read any.
    pub fn cold(&self, runtime: Handle, io: &Io, data: &Path) -> ColdStore {
        ColdStore::new(self.store.clone(), runtime, io, data, self.settings.cache_bytes)
    }
}

impl ColdStore {
    pub(crate) fn new(
        store: Store,
        runtime: Handle,
        io: &Io,
        data: &Path,
        cache_bytes: u64,
    ) -> Self {
        let (storage, dir) = (Arc::clone(&io.storage), data.join(FOLDER));
        let kept = Kept { storage, dir, bytes_max: cache_bytes };
        Self {
            store,
            kept,
            cache: OnceLock::new(),
            room: Arc::new(DiskRoom::new(Arc::clone(&io.clock))),
            flights: Arc::default(),
            runtime,
            clock: Arc::clone(&io.clock),
            slots: Arc::new(Semaphore::new(REQUESTS_MAX)),
            outlook: Arc::new(Outlook::new(Arc::clone(&io.clock))),
            fetched: Arc::default(),
            cached: AtomicU64::new(0),
        }
    }

    /// What was read so far.
    pub fn figures(&self) -> ColdFigures {
        ColdFigures {
            requests: self.fetched.requests.load(Relaxed),
            requests_ahead: self.fetched.ahead.load(Relaxed),
            fetched_bytes: self.fetched.bytes.load(Relaxed),
            cached_bytes: self.cached.load(Relaxed),
            cache_bytes: self.disk_bytes(),
        }
    }
}

impl ColdStore {
    /// The cache, if there is to be one, and its directory can be used.
    fn cache(&self) -> Option<&Arc<PieceCache>> {
        let opened = self.cache.get_or_init(|| {
            let Kept { storage, dir, bytes_max } = &self.kept;
            if *bytes_max == 0 {
                clear(&**storage, dir);
                return None;
            }
            let opened = PieceCache::open(Arc::clone(storage), dir, *bytes_max).ok()?;
            Some(Arc::new(opened.within(&self.room)))
        });
        opened.as_ref()
    }

    /// Fills `buf` from pieces, of which those are fetched that the cache has not.
    fn read_pieces(
        &self,
        file: &ColdFile,
        cache: &Arc<PieceCache>,
        offset: u64,
        buf: &mut [u8],
        patience: &Patience,
    ) -> Result<Came, ColdAway> {
        let end = offset.saturating_add(buf.len() as u64);
        let mut missing: Vec<u64> = (offset / PIECE..end.div_ceil(PIECE)).collect();
        let mut came = Came::default();
        let mut take = |number: u64, piece: &[u8]| copy_part(buf, offset, number, piece);
        loop {
            missing.retain(|number| {
                let Some(piece) = cache.get(&(file.blake3, *number), piece_len(file, *number))
                else {
                    return true;
                };
                came.cached = came.cached.saturating_add(piece.len() as u64);
                self.cached.fetch_add(piece.len() as u64, Relaxed);
                take(*number, &piece);
                false
            });
            let Some(ahead) = ahead(file, cache, &missing) else { return Ok(came) };
            let all = missing.iter().copied().chain(ahead);
            let (claim, theirs) = self.flights.claim(all.map(|number| (file.blake3, number)));
            let fetched = self.fetch_claimed(file, cache, claim, patience, &mut came)?;
            for (number, piece) in fetched {
                take(number, &piece);
                missing.retain(|other| *other != number);
            }
            // `L2`: by now everything of its own is told.
            for ((_, number), flight) in theirs {
                if !missing.contains(&number) {
                    continue;
                }
                let landed = loop {
                    match flight.landed_within(LOOK) {
                        Some(landed) => break landed,
                        None if patience.is_over() => {
                            return Err(ColdAway::new("the archive did not answer in time"));
                        }
                        None => self.outlook.check()?,
                    }
                };
                // What was given up is fetched in the next round.
                if let Some(piece) = landed {
                    take(number, &piece);
                    missing.retain(|other| *other != number);
                }
            }
            if missing.is_empty() {
                return Ok(came);
            }
        }
    }

    /// Fetches pieces, those that follow each other by one request, all at the same time.
    fn fetch_claimed(
        &self,
        file: &ColdFile,
        cache: &Arc<PieceCache>,
        mut claim: Claim,
        patience: &Patience,
        came: &mut Came,
    ) -> Result<Vec<(u64, Bytes)>, ColdAway> {
        let mut keys = claim.keys();
        // Somebody else may have fetched it since it was looked for.
        keys.retain(|key| !cache.has(key));
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let requests = Requests::begin(self, patience)?;
        let object = object_of(&file.store, &file.blake3);
        let follows = |a: &Key, b: &Key| a.1 + 1 == b.1;
        let runs = keys.chunk_by(follows).flat_map(|run| run.chunks(RUN_PIECES_MAX));
        // `K4`: begun before anything is asked for.
        let intake = cache.intake(file.blake3);
        let runs: Vec<_> = runs
            .filter_map(|run| {
                let (first, last) = (run.first()?.1, run.last()?.1);
                let end = (last + 1).saturating_mul(PIECE).min(file.len);
                Some((run, requests.ask(object.clone(), first.saturating_mul(PIECE)..end)))
            })
            .collect();
        let mut pieces = Vec::new();
        for (run, request) in runs {
            let bytes = requests.wait(&request)?;
            came.fetched = came.fetched.saturating_add(bytes.len() as u64);
            came.requests += 1;
            let mut left = bytes;
            for key in run {
                let piece = left.split_to(piece_len(file, key.1).min(left.len()));
                intake.put(key.1, &piece);
                claim.tell(key, piece.clone());
                pieces.push((key.1, piece));
            }
        }
        Ok(pieces)
    }
}

/// The bytes of a piece of a file.
fn piece_len(file: &ColdFile, number: u64) -> usize {
    file.len.saturating_sub(number.saturating_mul(PIECE)).min(PIECE) as usize
}

/// Copies what of a piece lies in the range of `buf`, which begins at `offset`.
fn copy_part(buf: &mut [u8], offset: u64, number: u64, piece: &[u8]) {
    let start = number.saturating_mul(PIECE);
    let skip = offset.saturating_sub(start).min(piece.len() as u64) as usize;
    let at = start.saturating_sub(offset).min(buf.len() as u64) as usize;
    let (from, to) = (&piece[skip..], &mut buf[at..]);
    let len = from.len().min(to.len());
    to[..len].copy_from_slice(&from[..len]);
}

/// The pieces behind the missing ones that are worth fetching along: as many as there are before them in the
/// cache, one behind the other, because then somebody reads on. `None` if nothing is missing.
fn ahead(file: &ColdFile, cache: &PieceCache, missing: &[u64]) -> Option<Range<u64>> {
    let (first, last) = (*missing.first()?, *missing.last()?);
    let has = |number: &u64| cache.has(&(file.blake3, *number));
    let before = (first.saturating_sub(RUN_PIECES_MAX as u64)..first).rev().take_while(has).count();
    let count = if before < AHEAD_AFTER { 0 } else { before as u64 };
    let end = file.len.div_ceil(PIECE).min(last.saturating_add(1 + count));
    let stop = (last + 1..end).find(has).unwrap_or(end);
    Some(last + 1..stop.max(last + 1))
}

impl ColdFiles for ColdStore {
    fn read_at(
        &self,
        file: &ColdFile,
        offset: u64,
        buf: &mut [u8],
        patience: &Patience,
    ) -> Result<Came, ColdAway> {
        if buf.is_empty() {
            return Ok(Came::default());
        }
        if let Some(cache) = self.cache() {
            return self.read_pieces(file, cache, offset, buf, patience);
        }
        let requests = Requests::begin(self, patience)?;
        let object = object_of(&file.store, &file.blake3);
        let range = offset..offset.saturating_add(buf.len() as u64);
        let got = requests.wait(&requests.ask(object, range))?;
        buf.copy_from_slice(&got);
        Ok(Came { cached: 0, fetched: got.len() as u64, requests: 1 })
    }

    fn prefetch(&self, ranges: &[(&ColdFile, Range<u64>)]) -> Ahead {
        self.fetch_ahead(ranges)
    }

    fn disk_bytes(&self) -> u64 {
        // Asked for where nobody may wait: it is opened when the store is.
        self.cache.get().and_then(Option::as_ref).map_or(0, |cache| cache.bytes())
    }

    fn free_disk(&self, bytes: u64) -> u64 {
        self.cache().map_or(0, |cache| cache.free(bytes))
    }

    fn forget(&self, blake3: &[u8; 32]) {
        self.flights.forget(blake3);
        if let Some(cache) = self.cache() {
            cache.forget(blake3);
        }
    }

    fn keep_only(&self, live: &BTreeSet<[u8; 32]>) {
        if let Some(cache) = self.cache() {
            cache.keep_only(live);
        }
    }

    fn keep_free(&self, bytes: u64) {
        self.room.keep_free(bytes);
    }
}

#[cfg(test)]
mod tests;
