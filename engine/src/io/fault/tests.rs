use super::*;
use io::ErrorKind::{Other, StorageFull};

const A: &str = "/d/a";

/// A disk with a synced file of three sectors.
fn disk() -> (FaultyStorage, Arc<dyn File>) {
    let disk = FaultyStorage::seeded(MemoryStorage::new(), 7);
    disk.create_dir_all(Path::new("/d")).unwrap();
    let file = disk.create(Path::new(A)).unwrap();
    file.write_all_at(&[1; 3 * SECTOR], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    (disk, file)
}

fn rule(op: Op, skip: u64, times: u64, fault: Fault) -> Rule {
    Rule { op: Some(op), place: Place::Part("a".into()), skip, times, fault }
}

fn bytes(disk: &FaultyStorage) -> Vec<u8> {
    disk.inner.read(Path::new(A)).unwrap()
}

#[test]
fn a_rule_is_for_some_operations_of_some_files() {
    let (disk, file) = disk();
    disk.inject(rule(Op::Write, 1, 2, Fault::Refused(Other)));
    let other = disk.create(Path::new("/d/other")).unwrap();
    let results = [(); 4].map(|()| {
        other.write_all_at(b"x", 0).unwrap();
        file.write_all_at(b"x", 0).is_ok()
    });
    assert_eq!(results, [true, false, false, true]);
    assert_eq!(disk.injected(), [((Op::Write, "refused"), 2)].into());
}

#[test]
fn a_write_fails_in_every_way() {
    let ones = vec![1; 3 * SECTOR];
    let mut short = Vec::new();
    let mut torn = Vec::new();
    let (disk, file) = disk();
    for _ in 0..50 {
        for (fault, left) in
            [(Fault::Short(StorageFull), &mut short), (Fault::Torn(StorageFull), &mut torn)]
        {
            file.write_all_at(&ones, 0).unwrap();
            disk.inject(rule(Op::Write, 0, 1, fault));
            let error = file.write_all_at(&[2; 3 * SECTOR], 0).unwrap_err();
            assert_eq!(error.kind(), StorageFull);
            left.push(bytes(&disk));
        }
    }
    assert!(short.iter().all(|left| left.is_sorted_by(|a, b| a >= b)), "a prefix");
    assert!(short.iter().any(|left| left[0] == 2 && left[3 * SECTOR - 1] == 1));
    assert!(torn.iter().any(|left| !left.is_sorted_by(|a, b| a >= b)), "any sectors");
    assert!(torn.iter().all(|left| left.chunks(SECTOR).all(|s| s.iter().all(|b| *b == s[0]))));
}

#[test]
fn a_disk_fills_in_the_midst_of_a_write_and_has_room_again() {
    let (disk, file) = disk();
    disk.set_room(Some(100));
    let error = file.write_all_at(&[2; 200], 3 * SECTOR as u64).unwrap_err();
    assert_eq!((error.kind(), bytes(&disk).len()), (StorageFull, 3 * SECTOR + 100));
    file.write_all_at(&[3; 3 * SECTOR], 0).expect("what is there can be written over");
    assert_eq!(disk.create(Path::new("/d/b")).unwrap_err().kind(), StorageFull);
    disk.remove(Path::new(A)).unwrap();
    let b = disk.create(Path::new("/d/b")).unwrap();
    b.write_all_at(&[0; 3 * SECTOR + 100], 0).expect("the room of what was removed");
    assert!(b.write_all_at(&[0], 3 * SECTOR as u64 + 100).is_err());
    disk.heal();
    b.write_all_at(&[0; 10_000], 0).unwrap();
}

#[test]
fn a_read_flips_one_bit_and_the_disk_none() {
    let (disk, file) = disk();
    disk.inject(rule(Op::Read, 0, 1, Fault::Flip));
    let mut buf = [0; SECTOR];
    file.read_exact_at(&mut buf, 0).unwrap();
    let changed: u32 = buf.iter().map(|byte| (byte ^ 1).count_ones()).sum();
    assert_eq!(changed, 1);
    file.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(buf, [1; SECTOR]);
    disk.inject(rule(Op::Map, 0, 1, Fault::Flip));
    disk.inject(rule(Op::Map, 0, 1, Fault::Error(Other)));
    assert_ne!(file.region(0..9).unwrap().read(<[u8]>::to_vec).unwrap(), [1; 9]);
    assert!(file.region(0..9).is_err());
    assert_eq!(file.region(0..9).unwrap().read(<[u8]>::to_vec).unwrap(), [1; 9]);
}

#[test]
fn nothing_is_changed_after_a_halt() {
    let (disk, file) = disk();
    disk.inject(rule(Op::Sync, 0, 1, Fault::Halt));
    file.write_all_at(&[2; SECTOR], 0).unwrap();
    assert!(file.sync_data().is_err() && disk.halted());
    let steps = disk.operations();
    assert!(file.write_all_at(&[3; SECTOR], 0).is_err());
    assert!(disk.remove(Path::new(A)).is_err());
    assert_eq!((bytes(&disk)[0], disk.operations()), (2, steps));
    assert_eq!(disk.inner.power_cut().read(Path::new(A)).unwrap()[0], 1);
    assert_eq!(disk.inner.crash(|| true).read(Path::new(A)).unwrap()[0], 2);
}

#[test]
fn a_failed_sync_may_keep_some_pages_and_loses_the_others_for_good() {
    let (disk, file) = disk();
    file.write_all_at(&[2; 40 * SECTOR], 0).unwrap();
    disk.inject(rule(Op::Sync, 0, 1, Fault::Torn(Other)));
    file.sync_data().unwrap_err();
    file.sync_data().expect("it does not tell again");
    let after = disk.inner.crash(|| true).read(Path::new(A)).unwrap();
    let kept = after.chunks(8 * SECTOR).filter(|page| page[0] == 2).count();
    assert!(0 < kept && kept < 5, "{kept} pages");
}

#[test]
fn what_is_held_waits() {
    let (disk, file) = disk();
    disk.hold(Op::Sync, Place::At(A.into()));
    std::thread::scope(|scope| {
        let syncing = scope.spawn(|| file.sync_data());
        disk.await_held();
        file.write_all_at(&[2], 0).expect("others go on");
        disk.release();
        syncing.join().unwrap().unwrap();
    });
    assert_eq!(disk.inner.power_cut().read(Path::new(A)).unwrap()[0], 2);
}
