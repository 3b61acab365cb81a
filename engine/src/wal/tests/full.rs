//! Logs on disks without room for another file.

use super::*;

/// What is left of a log of three groups without a file that waits, and perhaps a part of a fourth.
fn left(torn: Option<u64>) -> (Model, MemoryStorage) {
    let disk = MemoryStorage::new();
    let faulty = FaultyStorage::new(disk.clone());
    let mut model = Model::new(faulty.clone());
    model.open().unwrap();
    for seed in 0..3 {
        model.append(vec![batch(seed, 1, 700)]).unwrap();
    }
    model.wal().spares().discard().unwrap();
    disk.sync_dir(&names::wal_dir(Path::new(DIR))).unwrap();
    let Some(seed) = torn else { return (model, disk.crash(|| true)) };
    // Written, and not synced.
    faulty.fail(1, Fault::Halt);
    model.append(vec![batch(3, 1, 3_000)]).unwrap_err();
    (model, disk.crash(coin(seed, 2)))
}

#[test]
fn a_full_disk_keeps_no_log_closed() {
    for torn in std::iter::once(None).chain((0..6).map(Some)) {
        let (model, before) = left(torn);
        let mut steps = 0;
        loop {
            let disk = before.crash(|| true);
            let faulty = FaultyStorage::new(disk.clone());
            faulty.set_room(Some(0));
            faulty.fail(steps, Fault::Halt);
            let io = io(faulty.clone(), 2);
            let opened = open(&io, model.committed, model.next_seq);
            assert_eq!(opened.is_err(), faulty.halted(), "step {steps}: {:?}", opened.err());
            model.check(&disk.power_cut(), steps);
            (0..4).for_each(|seed| model.check(&disk.crash(coin(seed, 2)), steps));
            model.check(&disk.crash(|| true), steps);
            steps += 1;
            let Ok(opened) = opened else { continue };
            assert_eq!(opened.wal.live.len(), 1);
            faulty.heal();
            faulty.set_room(Some(0));
            // The file has room left: what comes now is stored, and what was torn never comes back.
            let sent = opened.batches.clone();
            let (committed, next_seq, acked) = (model.committed, model.next_seq, sent.len());
            let mut after = Model { io, wal: Some(opened.wal), sent, acked, committed, next_seq };
            for seed in 10..13 {
                after.append(vec![batch(seed, 1, 700)]).unwrap();
                after.check(&disk.power_cut(), seed);
            }
            break;
        }
        assert!(steps > 5, "{steps} steps");
    }
}
