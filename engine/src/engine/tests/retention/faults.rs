//! Drops on disks that fail: after a crash at any step nothing is half gone, and what was not due is
//! there.

use super::*;
use crate::io::{Fault, FaultyStorage, Storage};

/// Thirty files, each with sections of two classes on one day.
fn life() -> Life {
    let life = Life::new(&[]);
    let start = crate::io::Clock::now(&*life.clock);
    for number in 0..30 {
        let at = Timestamp(start.0 + number % 3 * NS_PER_DAY);
        life.append(&[(at, Level::Debug, "gone"), (at, Level::Info, "kept")]);
        life.engine().flush().unwrap();
    }
    life.clock.advance(Duration::from_secs(20 * 86_400));
    life.engine().resume_drops().unwrap();
    life
}

#[test]
fn a_crash_at_any_step_of_a_drop_leaves_all_or_nothing_of_an_edit() {
    let mut whole = life();
    whole.engine = None;
    let mut step = 0;
    let mut outcomes = std::collections::BTreeSet::new();
    loop {
        let mut life = Life { storage: whole.storage.power_cut(), engine: None, ..life_of(&whole) };
        let storage = FaultyStorage::new(life.storage.clone());
        let mut options = life.options();
        options.io.storage = Arc::new(storage.clone());
        let engine = Engine::open(options).unwrap();
        engine.settle();
        storage.fail(step, Fault::Halt);
        let done = engine.drop_due(RunKind::Requested).is_ok();
        let hit = storage.halted();
        drop(engine);
        life.storage = life.storage.power_cut();
        life.open();
        let gone = life.count("service:gone");
        assert_eq!(life.count("service:kept"), 30);
        assert!(gone == 0 || gone == 30 && !done, "step {step}: {gone} are left");
        outcomes.insert(gone);
        life.engine().resume_drops().unwrap();
        life.engine().drop_due(RunKind::Requested).unwrap();
        assert_eq!((life.count("service:gone"), life.count("service:kept")), (0, 30));
        // What the crash left of files went when the store was opened.
        let files = life.storage.list("store/segments".as_ref()).unwrap().len() as u64;
        assert_eq!(files, life.engine().status().segment_files);
        life.engine().shared.manifest().state().check().unwrap();
        if !hit {
            break;
        }
        step += 1;
    }
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [0, 30]);
}

fn life_of(other: &Life) -> Life {
    Life {
        storage: other.storage.clone(),
        clock: Arc::clone(&other.clock),
        policy: other.policy.clone(),
        budget: None,
        evict: false,
        engine: None,
    }
}

/// Dropping needs no space: it is how a full disk becomes less full.
#[test]
fn a_full_disk_is_made_free_by_a_drop() {
    let life = life();
    life.engine().compact_now().unwrap();
    let segments = || life.storage.list("store/segments".as_ref()).unwrap().len();
    let before = (life.storage.bytes(), segments());
    life.storage.set_capacity(Some(before.0));
    assert_eq!(life.engine().drop_due(RunKind::Requested).unwrap().dropped().events, 30);
    assert!(life.storage.bytes() < before.0 && segments() < before.1);
    assert_eq!((life.count("service:gone"), life.count("service:kept")), (0, 30));
}

/// A hold that comes between the plan and the edit counts.
#[test]
fn a_drop_goes_past_no_hold_that_came_meanwhile() {
    let life = life();
    let shared = &life.engine().shared;
    let now = crate::io::Clock::now(&*life.clock);
    let plan = crate::engine::drops::plan(shared, now, RunKind::Requested).unwrap();
    let scope = HoldScope { class: Some("debug".into()), ..HoldScope::default() };
    let request = HoldRequest { scope, owner: "ann".into(), reason: "case".into(), review: None };
    life.engine().hold(request).unwrap();
    let (remover, _files) = std::sync::mpsc::channel();
    let went = crate::engine::drops::drop_planned(shared, &plan, "expired", &remover).unwrap();
    assert_eq!(went, (0, false));
    assert_eq!(life.engine().drop_due(RunKind::Requested).unwrap().held().events, 30);
    assert_eq!(life.count("service:gone"), 30);
}
