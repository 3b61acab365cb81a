//! What the targets begin with: the files of a small store, made anew each time; those that the pages
//! about formats show; fixed inputs in `fuzz/seeds`, among them every one that once broke a decoder.
#![expect(clippy::disallowed_methods, reason = "reads the fixed seeds")]

mod parts;

use crate::dice::Dice;
use crate::server::root;
use crate::workload::{self, Drafts, START};
use logstrata_engine::io::{Entropy, Io, ManualClock, MemoryStorage};
use logstrata_engine::{
    Batch, BatchKey, BodyHash, Claim, Engine, HoldRequest, HoldScope, Limits, Options, Rules,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// Bytes of a seed at most: small inputs are changed best.
const SEED_BYTES_MAX: usize = 24 << 10;
/// Seeds of one target from a store at most.
const SEEDS_MAX: usize = 12;
/// Files of a log, manifests: parts begin at multiples of this.
const PAGE: usize = 4096;

/// Seeds by target.
type Seeds = BTreeMap<&'static str, BTreeSet<Vec<u8>>>;

/// What a target begins with.
///
/// # Panics
/// If the fixed seeds can't be read, or the store fails.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    static STORE: LazyLock<BTreeMap<&str, Vec<Vec<u8>>>> = LazyLock::new(made);
    let stored = STORE.get(target).into_iter().flatten().cloned();
    fixed(target).into_iter().chain(stored).collect()
}

fn made() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let (mut seeds, mut shown) = (Seeds::new(), Seeds::new());
    take_from_a_store(&mut seeds);
    take_from_pages(&mut shown);
    let mut seeds: BTreeMap<_, _> =
        seeds.into_iter().map(|(target, seeds)| (target, some_of(seeds))).collect();
    for (target, shown) in shown {
        seeds.entry(target).or_default().extend(shown);
    }
    seeds
}

fn fixed(target: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(root().join("fuzz/seeds").join(target)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("readable")).collect()
}

/// The same for every thread, whichever asks first. The targets expect the store's identity to be
/// sevens; the store is never opened again, to which stale groups of the same number would matter.
#[derive(Debug)]
struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// The files of a small store, and their parts, as seeds of the targets that read them: taken again
/// and again while batches come in, generations are flushed, and files are compacted.
fn take_from_a_store(seeds: &mut Seeds) {
    let disk = MemoryStorage::new();
    let mut limits = Limits::tiny();
    // Not one edit fits behind another: a second manifest, and the chain of the first.
    limits.manifest_bytes_max = PAGE as u64;
    // A generation's log is in several files.
    limits.wal_file_bytes = 3 * PAGE as u64;
    // Sections of few rows get indexes.
    limits.block_rows_max = 8;
    // Small partitions get segments.
    (limits.compaction.packed_bytes_max, limits.compaction.segment_bytes_min) = (1 << 10, 2 << 10);
    let io = Io {
        storage: Arc::new(disk.clone()),
        clock: Arc::new(ManualClock::new(START)),
        entropy: Arc::new(Sevens),
    };
    let (dir, redaction) = ("/store".into(), Rules::default());
    let engine =
        Engine::open(Options { dir, limits: limits.clone(), redaction, io }).expect("opened");
    let (mut dice, mut drafts) = (Dice::new(7), Drafts::default());
    for round in 0..12u64 {
        let batch = workload::batch(&drafts.some(&mut dice, 6, START), &limits, START);
        append(&engine, round, batch);
        take(&disk, seeds);
        if round % 3 == 2 {
            engine.flush().expect("flushed");
            take(&disk, seeds);
        }
        if round % 6 == 5 {
            engine.compact_now().expect("compacted");
            take(&disk, seeds);
        }
    }
    // What is held, and what was.
    for class in ["debug", "info"] {
        let scope = HoldScope { class: Some(class.to_owned()), ..HoldScope::default() };
        let (owner, reason) = ("ann".to_owned(), "case 7".to_owned());
        engine.hold(HoldRequest { scope, owner, reason, review: None }).expect("held");
    }
    engine.release_hold(1, "bob", Some("closed")).expect("released");
    take(&disk, seeds);
    // As many events of one partition as get a segment.
    let mut drafts = drafts.some(&mut dice, 50, START);
    drafts.iter_mut().for_each(|draft| (draft.timestamp, draft.level) = (None, None));
    append(&engine, 100, workload::batch(&drafts, &limits, START));
    engine.flush().expect("flushed");
    engine.compact_now().expect("compacted");
    take(&disk, seeds);
}

/// The smallest and, at equal distances, larger ones.
fn some_of(seeds: BTreeSet<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = seeds.into_iter().filter(|seed| seed.len() <= SEED_BYTES_MAX).collect();
    seeds.sort_by_key(Vec::len);
    let step = seeds.len().div_ceil(SEEDS_MAX).max(1);
    seeds.into_iter().step_by(step).collect()
}

/// Stores a batch under a key.
fn append(engine: &Engine, key: u64, batch: Batch) {
    let name = BatchKey::named("default", &key.to_le_bytes());
    let Claim::New(ticket) = engine.claim(name, BodyHash::new(&[&key.to_le_bytes()]), || {}) else {
        panic!("{key} is new")
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    let done = move |result| sender.send(result).expect("is waited for");
    engine.submit_once(batch, ticket.with_answer(b"answer"), done);
    receiver.recv().expect("answered").expect("stored");
}

/// Adds the files on the disk, and their parts.
fn take(disk: &MemoryStorage, seeds: &mut Seeds) {
    // Of the log the newest generation: when the others go is by chance.
    let mut log = (String::new(), Vec::new());
    for path in disk.paths() {
        let Some(bytes) = disk.read(&path) else { continue };
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("wal") if !name.starts_with("free") => {
                if name[..16] != log.0 {
                    log = (name[..16].to_owned(), Vec::new());
                }
                log.1.extend(parts::of_log(&bytes, seeds));
            }
            Some("keys") => parts::of_keys(bytes, seeds),
            Some("l0" | "seg" | "pack") => parts::of_segment(bytes, seeds),
            _ if name.starts_with("MANIFEST") => parts::of_manifest(&bytes, seeds),
            _ if name.starts_with("CHAIN") => parts::add(seeds, "chain", bytes),
            _ => {}
        }
    }
    parts::add(seeds, "wal_files", log.1);
}

/// Adds the files that are shown in the pages about formats, and those of earlier versions.
fn take_from_pages(seeds: &mut Seeds) {
    let read =
        |page: &str| dump(&std::fs::read_to_string(root().join(page)).expect("the page is there"));
    for page in ["docs/format/segment.md", "engine/src/segment/fixtures/v1.md"] {
        parts::of_segment(read(page), seeds);
    }
    let manifests = ["docs/format", "engine/src/manifest/fixtures", "engine/src/manifest/fixtures"];
    for (folder, page) in manifests.iter().zip(["manifest", "v1", "v2"]) {
        parts::of_manifest(&read(&format!("{folder}/{page}.md")), seeds);
    }
    let log = parts::of_log(&read("docs/format/wal.md"), seeds);
    parts::add(seeds, "wal_files", log);
    parts::of_records(&read("docs/format/wal-fields.md"), seeds);
    parts::of_keys(read("docs/format/keys.md"), seeds);
    parts::add(seeds, "chain", read("docs/format/chain.md"));
    let encrypted = read("docs/format/encryption.md");
    // Without its tag, and without its header.
    for part in [..encrypted.len(), ..encrypted.len() - 16].map(|range| &encrypted[range]) {
        parts::add(seeds, "encryption", part.to_vec());
    }
    parts::add(seeds, "encryption", encrypted[64..].to_vec());
}

/// The file whose dump is the last fenced block of a page.
fn dump(page: &str) -> Vec<u8> {
    let (_, block) = page.rsplit_once("```text\n").expect("a page ends in a dump");
    let mut lines = block.lines().take_while(|line| *line != "```");
    let length = lines.next().and_then(|line| line.strip_prefix("length ")).expect("a length");
    let mut bytes = vec![0; length.parse().expect("a length")];
    for line in lines {
        let mut fields = line.split("  ");
        let offset = usize::from_str_radix(fields.next().expect("an offset"), 16).expect("hex");
        for (index, byte) in fields.next().expect("bytes").split(' ').enumerate() {
            bytes[offset + index] = u8::from_str_radix(byte, 16).expect("hex");
        }
    }
    bytes
}
