use super::*;
use crate::batch::BatchBuilder;
use crate::block;
use crate::event::Kind;
use crate::index;
use std::path::Path;

const DAY_START: Timestamp = Timestamp(1_700_006_400_000_000_000);

fn batch(first: u64, messages: &[String]) -> Batch {
    let mut builder = BatchBuilder::new(&Limits::tiny(), DAY_START);
    for message in messages {
        let mut event = builder.event();
        event.field("message", Kind::String, message.as_bytes());
        event.finish().expect("small");
    }
    let mut batch = builder.build();
    batch.number(first);
    batch
}

fn seal(memtable: &mut Memtable, jobs: Vec<SealJob>) {
    for job in jobs {
        let rows = job.pending.gather();
        rows.check_invariants();
        let encoded = block::encode(&rows, &index::filter_bytes(&rows));
        let bytes: Arc<[u8]> = encoded.bytes.into();
        let source = block::Source::Memory(Arc::clone(&bytes));
        let block = Arc::new(block::Block::open(source, &encoded.meta).expect("just encoded"));
        let filter = crate::segment::filter_of(&block, Path::new("")).expect("just encoded");
        let meta = encoded.meta;
        memtable.sealed(&job, MemBlock { meta, bytes, block, filter: Arc::new(filter) });
    }
}

/// Every sequence number of a partition in the order in which a scan meets it.
fn seqs(partition: &MemPartition) -> Vec<u64> {
    let blocks = partition.blocks.iter().flat_map(|b| {
        let seqs = b.block.seqs().expect("just encoded");
        seqs.all().expect("just encoded").to_vec()
    });
    let pending = partition.pending.iter().flat_map(|pending| &pending.slices);
    let slices = pending.chain(&partition.tail);
    let open =
        slices.flat_map(|s| s.range.clone().map(|row| s.rows.seq(row).0).collect::<Vec<_>>());
    blocks.chain(open).collect()
}

#[test]
fn single_event_batches_stay_few_slices_and_keep_their_order() {
    let limits = Limits { block_rows_max: 1_000, ..Limits::default() };
    let mut memtable = Memtable::new(1, 1);
    for seq in 1..=700 {
        let jobs = memtable.apply(batch(seq, &[format!("event {seq}")]), &limits);
        assert!(jobs.is_empty());
    }
    let partition = memtable.partitions.values().next().expect("one partition");
    let bytes: usize = partition.tail.iter().map(|slice| slice.rows.raw_bytes()).sum();
    assert_eq!(memtable.unsealed_bytes, bytes, "merged slices count for what they have");
    assert!(partition.tail.len() < 48, "{} slices", partition.tail.len());
    assert_eq!(seqs(partition), (1..=700).collect::<Vec<_>>());
}

#[test]
fn blocks_are_cut_at_the_row_limit_across_batches() {
    let limits = Limits::tiny();
    let mut memtable = Memtable::new(1, 1);
    let mut next = 1;
    let mut jobs = Vec::new();
    for size in [5, 11, 1, 40, 3, 16] {
        let messages: Vec<_> = (0..size).map(|i| format!("m{i}")).collect();
        jobs.extend(memtable.apply(batch(next, &messages), &limits));
        next += size;
    }
    assert_eq!(jobs.len(), 76 / limits.block_rows_max);
    let all: Vec<u64> = (1..next).collect();
    assert_eq!(seqs(memtable.partitions.values().next().unwrap()), all);
    seal(&mut memtable, jobs);
    assert_eq!(seqs(memtable.partitions.values().next().unwrap()), all);
    let rest = memtable.close_tails();
    assert_eq!(rest.len(), 1);
    seal(&mut memtable, rest);
    assert_eq!(memtable.unsealed_bytes, 0, "what came in has left");
    let partition = memtable.partitions.values().next().unwrap();
    assert_eq!(seqs(partition), all);
    assert!(partition.tail.is_empty() && partition.pending.is_empty());
    assert_eq!(memtable.rows(), 76);
}

#[test]
fn large_events_close_a_block_by_bytes() {
    let limits = Limits::tiny();
    let mut memtable = Memtable::new(1, 1);
    let messages: Vec<_> = (0..6).map(|_| "x".repeat(limits.block_bytes_max / 2)).collect();
    let mut jobs = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        jobs.extend(
            memtable.apply(batch(1 + index as u64, std::slice::from_ref(message)), &limits),
        );
    }
    assert!(jobs.len() >= 2, "{} blocks", jobs.len());
    assert!(jobs.iter().all(|job| job.pending.gather().len() <= 3));
}

#[test]
fn a_snapshot_does_not_change_while_events_come_in() {
    let limits = Limits::tiny();
    let mut memtable = Memtable::new(1, 1);
    memtable.apply(batch(1, &["a".into()]), &limits);
    let held = Arc::clone(memtable.partitions.values().next().unwrap());
    let messages: Vec<_> = (0..40).map(|i| format!("m{i}")).collect();
    let jobs = memtable.apply(batch(2, &messages), &limits);
    seal(&mut memtable, jobs);
    assert_eq!(seqs(&held), [1]);
}

/// A batch was taken whole if its rows fit: one of 64 MiB made one block.
#[test]
fn a_large_batch_becomes_blocks_of_the_size_limit() {
    let limits = Limits { block_rows_max: 1_000, ..Limits::tiny() };
    let mut memtable = Memtable::new(1, 1);
    let messages: Vec<_> = (0..200).map(|_| "x".repeat(200)).collect();
    let jobs = memtable.apply(batch(1, &messages), &limits);
    assert!(jobs.len() >= 10, "{} blocks", jobs.len());
    for job in &jobs {
        let bytes = job.pending.gather().raw_bytes();
        assert!(bytes <= limits.block_bytes_max + 256, "{bytes} bytes");
    }
    assert_eq!(seqs(memtable.partitions.values().next().unwrap()), (1..=200).collect::<Vec<_>>());
}
