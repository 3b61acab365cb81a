use super::contents::{PAGE, SECTOR};
use super::*;

fn disk() -> (MemoryStorage, Arc<dyn File>) {
    let disk = MemoryStorage::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    let file = disk.create(Path::new("/d/a")).unwrap();
    file.write_all_at(&[1; 3 * SECTOR], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    (disk, file)
}

#[test]
fn a_crash_keeps_what_is_synced_and_the_sectors_it_is_told_to() {
    let (disk, file) = disk();
    file.write_all_at(&[2; 4 * SECTOR], 0).unwrap();
    let mut asked = 0;
    let after = disk.crash(|| {
        asked += 1;
        asked % 2 == 0
    });
    let bytes = after.read(Path::new("/d/a")).unwrap();
    let sectors: Vec<u8> = bytes.chunks(SECTOR).map(|sector| sector[0]).collect();
    assert_eq!(sectors, [1, 2, 1, 2]);
    assert_eq!(disk.power_cut().read(Path::new("/d/a")).unwrap(), [1; 3 * SECTOR]);
}

/// Answers with these, then with no.
fn answers(list: &[bool]) -> impl FnMut() -> bool {
    let mut list = list.iter().copied();
    move || list.next().unwrap_or(false)
}

#[test]
fn a_crash_may_leave_what_was_written_over_since_the_last_sync() {
    let (disk, file) = disk();
    for value in 2..5 {
        file.write_all_at(&[value; SECTOR], 0).unwrap();
    }
    let after = |list: &[bool]| disk.crash(answers(list)).read(Path::new("/d/a")).unwrap()[0];
    assert_eq!(after(&[true]), 4);
    assert_eq!(after(&[false, true]), 3);
    assert_eq!(after(&[false, false, true]), 2);
    assert_eq!(after(&[]), 1);
}

#[test]
fn a_crash_may_keep_pages_whole() {
    let (disk, file) = disk();
    file.write_all_at(&[2; 2 * PAGE], 0).unwrap();
    let after = disk.crash_by(Unit::Page, answers(&[true])).read(Path::new("/d/a")).unwrap();
    assert_eq!(after, [2; PAGE]);
}

#[test]
fn changes_of_a_name_are_lost_from_the_first_lost_one_on() {
    let (disk, _) = disk();
    disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
    disk.create(Path::new("/d/c")).unwrap();
    disk.remove(Path::new("/d/b")).unwrap();
    let names = |disk: &MemoryStorage| disk.list(Path::new("/d")).unwrap();
    let after = |list: &[bool]| names(&disk.crash(answers(list)));
    assert_eq!(after(&[]), ["a"]);
    assert_eq!(after(&[true]), ["b"]);
    assert_eq!(after(&[true, true]), ["b", "c"]);
    assert_eq!(after(&[true, false, true]), [""; 0]);
    // Without the rename the removal that followed it can't have happened, the creation can.
    assert_eq!(after(&[false, true, true]), ["a", "c"]);
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(names(&disk.power_cut()), ["c"]);
}

#[test]
fn a_failed_sync_loses_the_pages_for_good() {
    let (disk, file) = disk();
    file.write_all_at(&[2; SECTOR], 0).unwrap();
    disk.open_file(Path::new("/d/a")).unwrap().fail_sync(|| false);
    file.sync_data().unwrap();
    assert_eq!(disk.read(Path::new("/d/a")).unwrap()[0], 2);
    assert_eq!(disk.power_cut().read(Path::new("/d/a")).unwrap()[0], 1);
}
