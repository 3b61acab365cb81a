//! What comes damaged from the archive is fetched anew before it is damage.

use super::*;

/// A store of which everything left the disk.
fn evicted() -> (Life, Engine) {
    let (life, engine) = Life::new();
    life.archive(&engine);
    assert!(engine.evict_local(Some(Keep::days(0))).unwrap().files >= 1);
    (life, engine)
}

/// One range that came wrong was kept, and every query failed by it from then on, also after a restart.
#[test]
fn a_range_that_came_wrong_is_fetched_anew() {
    let (life, engine) = evicted();
    drop(engine);
    let mut number = 1;
    loop {
        life.shelf.reads_to_spoil.store(number, Ordering::Relaxed);
        let engine = life.open();
        assert_eq!(found(&engine, "\"number 7 came\""), [7], "read {number}");
        assert_eq!(found(&engine, ""), all(), "read {number}");
        assert_eq!(engine.shared.cache.index_counts().faults(), 0, "read {number}");
        assert!(life.shelf.spoiled.lock().is_empty(), "read {number}");
        if life.shelf.reads_to_spoil.load(Ordering::Relaxed) >= 1 {
            break;
        }
        number += 1;
    }
    assert!(number > 10, "{number} reads were spoilt");
}

/// The same where a block is read as a whole.
#[test]
fn a_purge_fetches_anew_what_came_wrong() {
    let (life, engine) = evicted();
    drop(engine);
    let query = Some("\"event number 7 came\"".to_owned());
    let rule = crate::purge::PurgeRule { query, ..Default::default() };
    let rest: Vec<usize> = all().into_iter().filter(|number| *number != 7).collect();
    let through = crate::event::Seq(u64::MAX >> 1);
    let mut number = 1;
    loop {
        let storage = life.storage.power_cut();
        let own = Life { storage, ..Life::of(&life) };
        life.shelf.reads_to_spoil.store(number, Ordering::Relaxed);
        let engine = own.open();
        engine.purge(&rule, true, through, None).unwrap().unwrap();
        assert_eq!(found(&engine, ""), rest, "read {number}");
        if life.shelf.reads_to_spoil.load(Ordering::Relaxed) >= 1 {
            break;
        }
        number += 1;
    }
    assert!(number > 10, "{number} reads were spoilt");
}

#[test]
fn an_object_that_is_damaged_stays_damaged() {
    let (life, engine) = evicted();
    let files = Arc::clone(&engine.shared.state().files);
    for file in files.iter().filter(|file| file.file.is_evicted()) {
        life.shelf.damaged.lock().insert(file.meta.checksum.unwrap());
    }
    drop((files, engine));
    let engine = life.open();
    let error = engine.search(&request("", 10_000)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    life.shelf.damaged.lock().clear();
    assert_eq!(found(&engine, ""), all(), "it was mended");
}
