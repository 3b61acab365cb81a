//! Repairs that end early.

use super::*;
use crate::io::{Fault, FaultyStorage};

#[test]
fn a_repair_that_is_cut_off_anywhere_is_run_again() {
    let storage = store();
    let before = events(&copy_of(&storage)).expect("sound");
    // Every step of these, and some of the others.
    let mut cases = Vec::new();
    for part in ["MANIFEST", ".seg", ".l0", ".pack", ".keys", ".wal"] {
        let path = named(&storage, part).swap_remove(0);
        let is_paged = [".wal", "MANIFEST"].contains(&part);
        let at = if is_paged { 8_192 + 80 } else { used(&storage, &path) / 3 };
        cases.push((path.clone(), Harm::Flipped(at), if is_paged { 1 } else { 2 }));
        // No list says which generations have keys.
        if part != ".keys" {
            cases.push((path, Harm::Removed, 3));
        }
    }
    for (path, place, stride) in cases {
        let damaged = harm(&storage, &path, place);
        let whole = copy_of(&damaged);
        let done = mend(&whole, false).expect("repaired");
        assert!(done.set_aside.is_some(), "{} {place:?}", path.display());
        let expected = events(&whole).expect("serves");
        for step in (0..).step_by(stride) {
            let copy = copy_of(&damaged);
            let faulty = FaultyStorage::new(copy.clone());
            faulty.fail(step, Fault::Halt);
            let mut options = options(&copy);
            options.io.storage = Arc::new(faulty);
            let cut = repair(&options.io, &options.dir, &options.limits, false);
            let copy = copy.power_cut();
            mend(&copy, false).expect("repaired");
            let what = format!("{} {place:?}, step {step}", path.display());
            assert_eq!(faults(&copy, None), [] as [&str; 0], "{what}");
            let after = events(&copy).expect("serves");
            assert_eq!(after.len(), expected.len(), "{what}");
            assert!(after.iter().all(|(id, line)| before.get(id) == Some(line)), "{what}");
            if cut.is_ok() {
                assert!(step > 5, "{what}");
                break;
            }
        }
    }
}
