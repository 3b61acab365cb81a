mod damage;
mod full;
mod lives;
mod scrub;

use super::recover::{Recovered, Report};
use super::*;
use crate::append::{Redacted, Redactor, Rules};
use crate::batch::{Batch, BatchBuilder};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Kind, Level};
use crate::io::{
    Fault, FaultyStorage, Io, ManualClock, MemoryStorage, Op as IoOp, Place, Rule, SeededEntropy,
    Storage,
};
use crate::limits::Limits;
use crate::names::{self, WalFileId};
use crate::timestamp::Timestamp;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DIR: &str = "/store";
const UUID: [u8; 16] = *b"uuid of the test";
const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// Small batches of any levels, columns and values.
pub(super) fn batches() -> impl Strategy<Value = Batch> {
    let fields =
        prop::collection::vec(("[a-e]{1,2}", prop::collection::vec(any::<u8>(), 0..20)), 0..5);
    let event =
        (prop::sample::select(Level::ALL.to_vec()), -1_000_000_000..1_000_000_000i64, fields);
    prop::collection::vec(event, 1..12).prop_map(|events| {
        let mut builder = BatchBuilder::new(&Limits::default(), NOW);
        for (level, shift, fields) in events {
            let mut event = builder.event();
            event.level = level;
            event.timestamp = Timestamp(NOW.0 + shift * 100_000);
            for (name, value) in fields {
                event.field(&name, Kind::String, &value);
            }
            event.finish().unwrap();
        }
        builder.build()
    })
}

/// The record of a batch, as it is.
pub(super) fn record_of(batch: &Batch) -> EncodedRecord {
    let redactor = Redactor::new(Rules::none());
    EncodedRecord::new(&Redacted::new(batch.clone(), &redactor)).unwrap()
}

/// A batch of `events` events that compress to about `bytes` bytes.
fn batch(seed: u64, events: usize, bytes: usize) -> Batch {
    use crate::io::Entropy;
    let entropy = SeededEntropy::new(seed);
    let mut builder = BatchBuilder::new(&Limits::default(), NOW);
    for _ in 0..events {
        let mut noise = vec![0; bytes / events];
        entropy.fill(&mut noise);
        let mut event = builder.event();
        event.field("message", Kind::String, &noise);
        event.finish().unwrap();
    }
    builder.build()
}

fn io(storage: impl Storage + 'static, seed: u64) -> Io {
    Io {
        storage: Arc::new(storage),
        clock: Arc::new(ManualClock::new(NOW)),
        entropy: Arc::new(SeededEntropy::new(seed)),
    }
}

/// A log together with what it has to give back.
struct Model {
    io: Io,
    wal: Option<Wal>,
    /// Every batch that was handed to the log and not refused, numbered, with its generation.
    sent: Vec<(u64, Batch)>,
    /// How many of them were acknowledged.
    acked: usize,
    /// What the manifest would say.
    committed: Option<u64>,
    next_seq: u64,
}

/// What a log gave back.
struct Opened {
    wal: Wal,
    batches: Vec<(u64, Batch)>,
    report: Report,
}

fn open(io: &Io, committed: Option<u64>, next_seq: u64) -> Result<Opened> {
    let mut batches = Vec::new();
    io.storage
        .create_dir_all(Path::new(DIR))
        .map_err(|e| Error::io("create", Path::new(DIR), e))?;
    let limits = Limits::tiny();
    let Recovered { wal, report } =
        recover(io, Path::new(DIR), &limits, UUID, committed, next_seq, |generation, batch| {
            batch.check_invariants();
            batches.push((generation, batch));
            Ok(())
        })?;
    assert_eq!(report.batches, batches.len() as u64);
    Ok(Opened { wal, batches, report })
}

impl Model {
    fn new(storage: impl Storage + 'static) -> Self {
        let io = io(storage, 1);
        Self { io, wal: None, sent: Vec::new(), acked: 0, committed: None, next_seq: 1 }
    }

    fn open(&mut self) -> Result<()> {
        let opened = open(&self.io, self.committed, self.next_seq)?;
        assert!(opened.batches.len() >= self.acked, "acknowledged batches are lost");
        assert_eq!(opened.batches[..], self.sent[..opened.batches.len()]);
        // What was not acknowledged and is not there now must never come back.
        self.sent.truncate(opened.batches.len());
        self.acked = self.sent.len();
        self.wal = Some(opened.wal);
        Ok(())
    }

    fn wal(&mut self) -> &mut Wal {
        self.wal.as_mut().expect("open")
    }

    fn append(&mut self, batches: Vec<Batch>) -> Result<()> {
        let wal = self.wal.as_mut().expect("open");
        let mut next = wal.next_seq();
        let before = self.sent.len();
        let mut records = Vec::new();
        for mut batch in batches {
            records.push((record_of(&batch), next));
            batch.number(next);
            next += batch.len() as u64;
            self.sent.push((wal.generation(), batch));
        }
        let result = wal.append_group(records.iter().map(|(record, seq)| (record, *seq)));
        match &result {
            Ok(()) => self.acked = self.sent.len(),
            // Refused: nothing of it may ever be found.
            Err(_) if wal.append_empty_group().is_ok() => self.sent.truncate(before),
            Err(_) => {}
        }
        result
    }

    fn cut(&mut self) -> Result<()> {
        let generation = self.wal().generation();
        assert_eq!(self.wal().cut()?, generation);
        assert_eq!(self.wal().generation_bytes(), 0);
        Ok(())
    }

    /// What a flush does after its edit is committed.
    fn retire(&mut self, generation: u64) -> Result<()> {
        self.commit(generation);
        self.wal().retire(generation)
    }

    fn commit(&mut self, generation: u64) {
        let gone = self.sent.iter().filter(|(of, _)| *of <= generation).count();
        for (_, batch) in self.sent.drain(..gone) {
            self.next_seq += batch.len() as u64;
        }
        self.acked -= gone;
        self.committed = Some(generation);
    }

    /// Opens a copy of the disk, and again after a power cut right behind that.
    fn check(&self, disk: &MemoryStorage, seed: u64) {
        let io = io(disk.clone(), seed);
        let first = open(&io, self.committed, self.next_seq).unwrap();
        assert!(first.batches.len() >= self.acked, "acknowledged batches are lost");
        assert!(first.batches.len() <= self.sent.len(), "a refused batch came back");
        assert_eq!(first.batches[..], self.sent[..first.batches.len()]);
        let io = self::io(disk.power_cut(), seed + 1);
        let second = open(&io, self.committed, self.next_seq).unwrap();
        assert_eq!(second.batches, first.batches, "what recovery gave out is lost");
        assert_eq!(second.report.torn, None);
    }
}

/// A life of a log with everything in it: rolls, a cut, a recycled file, an idle successor, a
/// record larger than a file, a restart.
fn scenario(model: &mut Model) -> Result<()> {
    model.open()?;
    model.append(vec![batch(1, 3, 500)])?;
    model.append(vec![batch(2, 1, 5_000), batch(3, 2, 9_000)])?;
    model.wal().append_empty_group()?;
    model.append(vec![batch(4, 1, 14_000)])?;
    model.append(vec![batch(5, 1, 100)])?;
    model.cut()?;
    model.append(vec![batch(6, 2, 20_000)])?;
    model.retire(1)?;
    model.append(vec![batch(7, 2, 20_000)])?;
    model.append(vec![batch(8, 2, 50_000)])?;
    model.append(vec![batch(9, 1, 10)])?;
    model.open()?;
    model.append(vec![batch(10, 1, 10)])?;
    model.append(vec![batch(11, 1, 6_000)])
}

/// A coin that falls alike for the same seed.
fn coin(seed: u64, one_in: u64) -> impl FnMut() -> bool {
    use crate::io::Entropy;
    let entropy = SeededEntropy::new(seed);
    move || entropy.next_u64().is_multiple_of(one_in)
}

#[test]
fn a_log_gives_back_what_was_appended() {
    let disk = MemoryStorage::new();
    let mut model = Model::new(disk.clone());
    scenario(&mut model).unwrap();
    assert!(model.wal().live.len() >= 4, "{:?}", model.wal().live);
    let report = open(&io(disk.clone(), 9), model.committed, model.next_seq).unwrap().report;
    assert_eq!(report.torn, None);
    assert_eq!(report.events, model.sent.iter().map(|(_, batch)| batch.len() as u64).sum::<u64>());
    model.check(&disk, 3);
}

#[test]
fn a_crash_at_any_step_loses_nothing_acknowledged() {
    for step in 0.. {
        let disk = MemoryStorage::new();
        let faulty = FaultyStorage::new(disk.clone());
        faulty.fail(step, Fault::Halt);
        let mut model = Model::new(faulty.clone());
        let result = scenario(&mut model);
        assert_eq!(result.is_err(), faulty.halted(), "step {step}: {result:?}");
        // The power goes, at once or while the system writes back; or only the process died.
        model.check(&disk.power_cut(), step);
        for seed in 0..8 {
            model.check(&disk.crash(coin(seed << 32 | step, 2)), step);
            model.check(&disk.crash(coin(seed << 32 | step, 9)), step);
        }
        model.check(&disk, step);
        if result.is_ok() {
            assert!(step > 50, "the scenario has more steps than {step}");
            break;
        }
    }
}

#[test]
fn a_full_disk_at_any_step_refuses_one_group_and_no_more() {
    let (mut refused, mut closed) = (0, 0);
    for step in 0.. {
        let disk = MemoryStorage::new();
        let faulty = FaultyStorage::new(disk.clone());
        let mut model = Model::new(faulty.clone());
        model.open().unwrap();
        let before = faulty.operations();
        faulty.fail(step, Fault::Error(std::io::ErrorKind::StorageFull));
        let mut failed = false;
        for (seed, bytes) in [500, 9_000, 14_000, 10, 50_000, 100].into_iter().enumerate() {
            failed |= model.append(vec![batch(seed as u64, 1, bytes)]).is_err();
        }
        let mut last = model.append(vec![batch(99, 1, 10)]);
        if last.as_ref().is_err_and(|error| error.kind() == ErrorKind::Full) {
            failed = true;
            last = model.append(vec![batch(99, 1, 10)]);
        }
        match last {
            Ok(()) => refused += u64::from(failed),
            Err(error) => {
                closed += 1;
                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                assert_eq!(model.wal().cut().unwrap_err().kind(), ErrorKind::Closed);
                assert_eq!(model.wal().append_empty_group().unwrap_err().kind(), ErrorKind::Closed);
            }
        }
        model.check(&disk.crash(coin(step, 2)), step);
        model.check(&disk, step);
        if faulty.operations() - before <= step {
            break;
        }
    }
    assert!(refused > 5 && closed > 5, "{refused} refused, {closed} closed");
}

#[test]
fn a_refused_group_of_which_only_padding_is_missing_is_not_found() {
    let disk = MemoryStorage::new();
    let faulty = FaultyStorage::new(disk.clone());
    let mut model = Model::new(faulty.clone());
    model.open().unwrap();
    model.append(vec![batch(1, 1, 100)]).unwrap();
    faulty.fail(0, Fault::Error(std::io::ErrorKind::StorageFull));
    let record = record_of(&batch(2, 1, 100));
    let refused = model.wal().append_group([(&record, 2)]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);
    for disk in [disk.power_cut(), disk.crash(|| true)] {
        let opened = open(&io(disk, 2), None, 1).unwrap();
        assert_eq!((opened.batches.len(), opened.report.torn), (1, None));
    }
    model.append(vec![batch(3, 1, 100)]).unwrap();
    model.check(&disk, 4);
}

#[test]
fn after_a_failed_sync_a_reopened_log_trusts_nothing_unsynced() {
    let disk = MemoryStorage::new();
    let faulty = FaultyStorage::new(disk.clone());
    let mut model = Model::new(faulty.clone());
    model.open().unwrap();
    model.append(vec![batch(1, 1, 100)]).unwrap();
    faulty.fail(1, Fault::Error(std::io::ErrorKind::Other));
    assert_eq!(model.append(vec![batch(2, 1, 100)]).unwrap_err().kind(), ErrorKind::Closed);
    // The pages can still be read, and are lost for a later sync of the same file.
    let opened = open(&io(disk.clone(), 2), None, 1).unwrap();
    assert_eq!(opened.batches.len(), 2);
    let again = open(&io(disk.power_cut(), 3), None, 1).unwrap();
    assert_eq!(again.batches, opened.batches);
}

#[test]
fn generations_are_replayed_from_the_first_that_is_not_committed() {
    let disk = MemoryStorage::new();
    let mut model = Model::new(disk.clone());
    model.open().unwrap();
    for generation in 1..=3 {
        model.append(vec![batch(generation, 2, 900)]).unwrap();
        assert!(model.wal().generation_bytes() > 900);
        model.cut().unwrap();
    }
    // The flush of generation 2 was committed, and the process died before it retired the files.
    model.commit(2);
    assert_eq!(disk.list(&names::wal_dir(Path::new(DIR))).unwrap().len(), 4);
    model.open().unwrap();
    let generations: Vec<u64> = model.sent.iter().map(|(generation, _)| *generation).collect();
    assert_eq!(generations, [3]);
    let before = model.wal().bytes();
    model.retire(3).unwrap();
    assert!(model.wal().bytes() < before);
    model.append(vec![batch(7, 1, 10)]).unwrap();
    model.check(&disk, 1);
}

#[test]
fn a_real_disk_gives_back_what_was_appended() {
    let dir = tempfile::tempdir().unwrap();
    let io = Io::system();
    let mut sent = Vec::new();
    for life in 0..3 {
        let mut found = Vec::new();
        let each = |_, batch| {
            found.push(batch);
            Ok(())
        };
        let recovered = recover(&io, dir.path(), &Limits::tiny(), UUID, None, 1, each).unwrap();
        assert_eq!(found, sent);
        let mut wal = recovered.wal;
        for bytes in [10, 9_000, 50_000] {
            let mut batch = batch(life, 2, bytes);
            let first = wal.next_seq();
            wal.append_group([(&record_of(&batch), first)]).unwrap();
            batch.number(first);
            sent.push(batch);
        }
    }
}

#[test]
fn the_idle_successor_is_written_once() {
    let mut model = Model::new(MemoryStorage::new());
    model.open().unwrap();
    assert!(!model.wal().needs_successor());
    model.append(vec![batch(1, 1, 10)]).unwrap();
    assert!(model.wal().needs_successor());
    let group = model.wal().next_group;
    model.wal().append_empty_group().unwrap();
    model.wal().append_empty_group().unwrap();
    assert_eq!(model.wal().next_group, group + 1);
    assert!(!model.wal().needs_successor());
}

#[test]
fn files_are_made_ahead_and_recycled() {
    let disk = MemoryStorage::new();
    let mut model = Model::new(disk.clone());
    model.open().unwrap();
    let free = |disk: &MemoryStorage| {
        let names = disk.list(&names::wal_dir(Path::new(DIR))).unwrap();
        names.iter().filter(|name| name.starts_with("free-")).count()
    };
    assert_eq!(free(&disk), 0, "the first file was made ahead, too");
    model.wal().spares().clone().refill().unwrap();
    assert_eq!(free(&disk), 1);
    model.append(vec![batch(1, 1, 20_000), batch(2, 1, 2_000)]).unwrap();
    model.cut().unwrap();
    assert_eq!(free(&disk), 0);
    model.retire(1).unwrap();
    assert_eq!(free(&disk), 1, "the file that was made ahead is recycled");
    assert_eq!(model.wal().live.len(), 1);
}
