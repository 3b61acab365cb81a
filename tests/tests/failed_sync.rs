//! After a failed sync of anything that was promised, the store takes nothing more until it is
//! opened again, says so, and reads on: the system may count the lost pages as written, and a sync
//! that is tried again proves nothing. What only lacked room is tried again without that.

use logstrata_engine::ErrorKind as Kind;
use logstrata_engine::io::{Fault, Op, Place, Rule};
use logstrata_tests::simulation::{Leaves, Simulation};
use std::io::ErrorKind;

/// A sync, and what leads to it.
struct Case {
    what: &'static str,
    op: Op,
    part: &'static str,
    skip: u64,
    act: fn(&mut Simulation),
}

const fn case(
    what: &'static str,
    op: Op,
    part: &'static str,
    skip: u64,
    act: fn(&mut Simulation),
) -> Case {
    Case { what, op, part, skip, act }
}

fn append(store: &mut Simulation) {
    store.append(4, true);
}

/// Fills the file of the log, so that the next one is begun.
fn roll(store: &mut Simulation) {
    (0..12).for_each(|_| store.append(20, false));
}

/// A store with files, and events in memory, keys among them.
fn store() -> Simulation {
    let mut store = Simulation::calm(3);
    for _ in 0..2 {
        store.append(40, true);
        store.append(20, false);
        store.flush();
    }
    store.append(10, true);
    store
}

/// Panics unless each of these syncs closes the store when it fails.
fn check(cases: &[Case]) {
    for Case { what, op, part, skip, act } in cases {
        for fault in [Fault::Error(ErrorKind::Other), Fault::Torn(ErrorKind::Other)] {
            for leaves in [Leaves::Kill, Leaves::Nothing, Leaves::Sectors(50, 1)] {
                let says = Says(format!("{what}, {fault:?}, {leaves:?}"));
                let mut store = store();
                let place = Place::Part((*part).into());
                store.inject_rule(Rule { op: Some(*op), place, skip: *skip, times: 1, fault });
                act(&mut store);
                let failed = store.disk().injected().keys().any(|(failed, _)| failed == op);
                assert!(failed, "there was such a sync");
                store.check_closed();
                let edits = |store: &Simulation| {
                    let status = store.engine().status();
                    (status.flushes, status.compactions)
                };
                let before = edits(&store);
                // With nothing in memory there is nothing to flush.
                let flushed = store.engine().flush().map_err(|e| e.kind());
                assert!(matches!(flushed, Ok(()) | Err(Kind::Closed)), "{flushed:?}");
                let compacted = store.engine().compact_now().map_err(|e| e.kind());
                assert_eq!(compacted, Err(Kind::Closed));
                assert_eq!(edits(&store), before);
                store.check_closed();
                store.end_process();
                store.crashed(leaves).recover();
                drop(says);
            }
        }
    }
}

#[test]
fn the_log() {
    check(&[
        case("a group of the log", Op::Sync, ".wal", 0, append),
        case("a group without records", Op::Sync, ".wal", 0, Simulation::log_is_idle),
        case("a new file of the log", Op::Sync, "free-", 0, roll),
        case("the name of a new file of the log", Op::SyncDir, "/store/wal", 0, roll),
        case("the log of a new generation", Op::Sync, "free-", 0, Simulation::flush),
        case("the name of the log of a new generation", Op::SyncDir, "/wal", 0, Simulation::flush),
    ]);
}

/// The log had closed, and the store said so only when something was appended.
#[test]
fn the_names_of_recycled_files() {
    check(&[case("the names of recycled files", Op::SyncDir, "/wal", 1, Simulation::flush)]);
}

/// The flusher wrote the file again and went on, on a disk that loses what is written.
#[test]
fn a_flush() {
    check(&[
        case("a level-0 file", Op::Sync, ".l0", 0, Simulation::flush),
        case("the name of a level-0 file", Op::SyncDir, "/segments", 0, Simulation::flush),
        case("a file of keys", Op::Sync, ".keys", 0, Simulation::flush),
        case("the name of a file of keys", Op::SyncDir, "/keys", 0, Simulation::flush),
    ]);
}

/// The compactor noted it, and the store went on.
#[test]
fn a_compaction() {
    check(&[
        case("a segment", Op::Sync, ".seg", 0, Simulation::compact),
        case("the name of a segment", Op::SyncDir, "/segments", 0, Simulation::compact),
    ]);
}

#[test]
fn the_manifest() {
    check(&[
        case("the edit of a flush", Op::Sync, "/MANIFEST", 0, Simulation::flush),
        case("the edit of a compaction", Op::Sync, "/MANIFEST", 0, Simulation::compact),
    ]);
}

/// A disk that is full, from any byte on, closes nothing: what is refused is refused, and once
/// there is room the store goes on without being opened again.
#[test]
fn what_only_lacked_room_goes_on() {
    let acts: [fn(&mut Simulation); 4] = [append, roll, Simulation::flush, Simulation::compact];
    for (number, act) in acts.into_iter().enumerate() {
        for room in (0..9).map(|n| n * 2_741) {
            let says = Says(format!("act {number} with room for {room} bytes"));
            let mut store = store();
            store.fill_up_to(room);
            act(&mut store);
            assert_eq!(store.closed(), None);
            store.heal();
            store.check_works();
            store.end_process();
            store.crashed(Leaves::Nothing).recover();
            drop(says);
        }
    }
}

/// The sync of a file that is written anew each time may lack room, too.
#[test]
fn a_sync_that_only_lacked_room_is_tried_again_with_a_new_file() {
    for (part, act) in [
        (".l0", Simulation::flush as fn(&mut Simulation)),
        (".keys", Simulation::flush),
        (".seg", Simulation::compact),
    ] {
        let says = Says(part.to_owned());
        let mut store = store();
        let (op, place) = (Some(Op::Sync), Place::Part(part.into()));
        let fault = Fault::Torn(ErrorKind::StorageFull);
        store.inject_rule(Rule { op, place, skip: 0, times: 3, fault });
        act(&mut store);
        assert_eq!(store.closed(), None);
        store.heal();
        store.check_works();
        store.end_process();
        store.crashed(Leaves::Nothing).recover();
        drop(says);
    }
}

/// Tells what it was about if it is dropped by a panic.
struct Says(String);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
