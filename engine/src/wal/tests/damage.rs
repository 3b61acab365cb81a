//! What becomes of damage: refused with its place, or a tear.

use super::*;
use crate::crypt::Keyring;
use crate::io::KeyedStorage;

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

/// It was cut off as if it were a tear: events that were acknowledged were gone without a word.
#[test]
fn a_group_with_right_checksums_that_does_not_decrypt_is_no_tear() {
    let keys = "one:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let keys = Arc::new(Keyring::parse(keys).unwrap());
    let keyed = |disk: &MemoryStorage| KeyedStorage::new(Arc::new(disk.clone()), Arc::clone(&keys));
    let disk = MemoryStorage::new();
    let mut model = Model::new(keyed(&disk));
    model.open().unwrap();
    for seed in 0..2 {
        model.append(vec![batch(seed, 1, 500)]).unwrap();
    }
    let file = model.wal().live.last().unwrap().id;
    let end = model.wal().current.as_ref().unwrap().at as usize;
    let path = names::wal(Path::new(DIR), file);
    let at = end - 4_096;
    // In the header of the encryption, in the records, in the tag.
    for place in [20, 70, 200] {
        let forged = damaged(&disk, &path, |bytes| {
            let header = format::FileHeader::decode(bytes, Path::new("f")).unwrap();
            let (head, seed) = (at + format::GROUP_HEADER_BYTES, header.seed());
            let group = &bytes[at..head];
            let group = format::GroupHeader::decode(group, seed, header.wal_id);
            let mut group = group.expect("the last group");
            assert!(group.encrypted && group.records == 1);
            bytes[head + place] ^= 1;
            let body = &bytes[head..][..group.body_len as usize];
            group.body_crc = crate::codec::crc::crc32(seed, &[body]);
            bytes[at..head].copy_from_slice(&group.encode(seed));
        });
        let error = open(&io(keyed(&forged), 5), None, 1).map(|_| ()).unwrap_err();
        let corruption = error.corruption().unwrap_or_else(|| panic!("{error}"));
        assert_eq!(corruption.file, path, "{error}");
        assert!((at as u64..end as u64).contains(&corruption.offset), "{error}");
        // A repair takes what is before it.
        let io = io(keyed(&forged), 6);
        let mut sound = Vec::new();
        each_sound(&io, Path::new(DIR), &UUID, 0, 1, |_, _, batch| {
            sound.push(batch);
            Ok(())
        })
        .unwrap();
        assert_eq!(sound.len(), 1);
        let damage = examine(&io, Path::new(DIR), &UUID, None, 1).unwrap().expect("damage");
        damage.cut(&io, Path::new(DIR), UUID).unwrap();
        assert_eq!(open(&io, None, 1).unwrap().batches.len(), 1);
    }
}
