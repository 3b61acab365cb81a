//! Edits that were refused and whose wiping failed.

use super::*;
use crate::io::{Op, Place, Rule};
use std::io::ErrorKind as Io;

/// A refused edit was wiped, and the sync of that failed: the system counts the wiped page as
/// written, and the disk has the edit. The next opening did not see it and replayed the log of its
/// generation; the one after a power cut saw it, and took the log for flushed.
#[test]
fn an_edit_that_was_not_found_once_never_is() {
    let mut left_on_disk = 0;
    for seed in 0..300 {
        let disk = MemoryStorage::new();
        let faulty = FaultyStorage::seeded(disk.clone(), seed);
        let mut manifest = open(&io(faulty.clone(), 1)).unwrap();
        manifest.commit(add(manifest.state(), &[3])).unwrap();
        let rule = |op, fault| {
            let place = Place::Part("MANIFEST".into());
            faulty.inject(Rule { op: Some(op), place, skip: 0, times: 1, fault });
        };
        rule(Op::Write, Fault::Done(Io::Other));
        rule(Op::Sync, Fault::Torn(Io::Other));
        let refused = manifest.commit(add(manifest.state(), &[4])).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed);
        left_on_disk +=
            usize::from(*open(&io(disk.power_cut(), 2)).unwrap().state() != *manifest.state());
        let found = open(&io(disk.clone(), 2)).unwrap().state().clone();
        let later = open(&io(disk.power_cut(), 3)).unwrap().state().clone();
        assert_eq!(later, found, "seed {seed}");
    }
    assert!(left_on_disk > 10, "the case arose {left_on_disk} times");
}
