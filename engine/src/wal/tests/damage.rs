//! What becomes of damage: refused with its place, or a tear.

use super::*;

fn damaged(disk: &MemoryStorage, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> MemoryStorage {
    let copy = disk.power_cut();
    let mut bytes = copy.read(path).unwrap();
    change(&mut bytes);
    copy.overwrite(path, bytes);
    copy
}

fn wal_path(generation: u64, index: u32) -> PathBuf {
    names::wal(Path::new(DIR), WalFileId { generation, index })
}

#[test]
fn missing_and_foreign_files_are_refused() {
    let disk = MemoryStorage::new();
    let mut model = Model::new(disk.clone());
    model.open().unwrap();
    for seed in 0..3 {
        model.append(vec![batch(seed, 1, 20_000)]).unwrap();
    }
    model.cut().unwrap();
    model.append(vec![batch(9, 1, 20_000)]).unwrap();
    model.cut().unwrap();
    let refused = |disk: MemoryStorage, committed, next_seq, path: PathBuf| {
        let before: Vec<_> = disk.paths().iter().map(|path| disk.read(path)).collect();
        let error = open(&io(disk.clone(), 5), committed, next_seq).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(error.corruption().unwrap().file, path, "{error}");
        let after: Vec<_> = disk.paths().iter().map(|path| disk.read(path)).collect();
        assert!(before == after, "a store that is refused is left as it was");
    };
    for (generation, index) in [(1, 0), (1, 1), (2, 0)] {
        let copy = disk.power_cut();
        copy.remove(&wal_path(generation, index)).unwrap();
        refused(copy, None, 1, wal_path(generation, index));
    }
    // The last file of a generation is missed by the file behind it.
    let copy = disk.power_cut();
    copy.remove(&wal_path(1, 2)).unwrap();
    refused(copy, None, 1, wal_path(1, 1));
    refused(disk.power_cut(), Some(7), 5, wal_path(8, 0));
    refused(disk.power_cut(), Some(1), 77, wal_path(2, 0));
    let foreign = damaged(&disk, &wal_path(1, 1), |bytes| {
        let mut header = format::FileHeader::decode(bytes, Path::new("f")).unwrap();
        header.store_uuid[0] ^= 1;
        bytes[..format::FILE_HEADER_BYTES as usize].copy_from_slice(&header.encode());
    });
    refused(foreign, None, 1, wal_path(1, 1));
}

#[test]
fn damage_is_refused_unless_it_may_be_a_tear() {
    let disk = MemoryStorage::new();
    let mut model = Model::new(disk.clone());
    model.open().unwrap();
    for seed in 0..6 {
        model.append(vec![batch(seed, 1, 5_000)]).unwrap();
    }
    let last = model.wal().live.last().unwrap().id;
    let end = model.wal().current.as_ref().unwrap().at as usize;
    let sent = model.sent.clone();
    for file in model.wal().live.clone() {
        let path = names::wal(Path::new(DIR), file.id);
        let len = disk.read(&path).unwrap().len();
        for at in (0..len).step_by(41) {
            let copy = damaged(&disk, &path, |bytes| bytes[at] ^= 0x40);
            match open(&io(copy, 7), None, 1) {
                Ok(opened) if opened.batches == sent => {}
                Ok(opened) => {
                    // Only the last group of all can be taken for a tear.
                    assert_eq!(file.id, last);
                    assert!(at >= end - 8_192 && at < end, "{at} of {end}");
                    assert_eq!(opened.batches, sent[..sent.len() - 1]);
                }
                Err(error) => {
                    let corruption = error.corruption().expect("Corrupt");
                    assert_eq!(corruption.file, path, "{error}");
                    assert!(corruption.offset <= at as u64, "{error}");
                }
            }
        }
    }
    // With a successor, not even that one can.
    model.wal().append_empty_group().unwrap();
    let path = names::wal(Path::new(DIR), last);
    let copy = damaged(&disk, &path, |bytes| bytes[end - 5_000] ^= 1);
    assert_eq!(open(&io(copy, 7), None, 1).map(|_| ()).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn what_recovery_copied_can_not_be_taken_for_a_tear() {
    let disk = MemoryStorage::new();
    let mut model = Model::new(disk.clone());
    model.open().unwrap();
    model.append(vec![batch(1, 1, 5_000)]).unwrap();
    model.open().unwrap();
    let at = model.wal().current.as_ref().unwrap().at as usize - 5_000;
    let copy = damaged(&disk, &wal_path(1, 0), |bytes| bytes[at] ^= 1);
    assert_eq!(open(&io(copy, 7), None, 1).map(|_| ()).unwrap_err().kind(), ErrorKind::Corrupt);
}
