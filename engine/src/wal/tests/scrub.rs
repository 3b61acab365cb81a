//! Nothing of generations that are given up is left in the log, also while it goes on.

use super::*;

/// Pieces of what stands in the log's files: noise does not repeat.
fn pieces(disk: &MemoryStorage) -> Vec<Vec<u8>> {
    let bytes = disk.paths().into_iter().filter_map(|path| disk.read(&path));
    let pieces = bytes.flat_map(|bytes| bytes.chunks(64).map(<[u8]>::to_vec).collect::<Vec<_>>());
    pieces.filter(|piece| piece.iter().filter(|byte| **byte != 0).count() > 50).collect()
}

fn found(disk: &MemoryStorage, wanted: &[Vec<u8>]) -> usize {
    let there: std::collections::HashSet<_> = pieces(disk).into_iter().collect();
    wanted.iter().filter(|piece| there.contains(*piece)).count()
}

/// Files that were recycled have groups of before behind their last one, each of them.
#[test]
fn what_is_behind_the_last_group_of_any_file_is_cleared() {
    let disk = MemoryStorage::new();
    let mut model = Model::new(disk.clone());
    model.open().unwrap();
    let full = Limits::tiny().wal_file_bytes as usize / 2;
    (0..6).for_each(|seed| model.append(vec![batch(seed, 2, full)]).unwrap());
    let given_up = pieces(&disk);
    assert!(given_up.len() > 100);
    for _ in 0..3 {
        model.cut().unwrap();
        model.append(vec![batch(9, 1, 10)]).unwrap();
    }
    model.commit(1);
    assert!(!model.wal().scrub(1).unwrap(), "it is not retired");
    model.retire(1).unwrap();
    // In recycled files.
    for _ in 0..3 {
        model.cut().unwrap();
        model.append(vec![batch(10, 1, 10)]).unwrap();
    }
    assert_ne!(found(&disk, &given_up), 0);
    model.check(&disk.copy(), 4);
    assert!(model.wal().live.len() > 3);
    assert!(model.wal().scrub(1).unwrap());
    assert_eq!(found(&disk, &given_up), 0);
    assert!(!model.wal().scrub(4).unwrap(), "later ones are there");
    model.check(&disk.copy(), 5);
    model.append(vec![batch(11, 1, 10)]).unwrap();
    model.check(&disk.copy(), 6);
}
