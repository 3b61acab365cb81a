//! A process that dies at each write, before it is done or with its answer lost.

use super::faulty::When;
use super::*;

/// A life: files, compaction, a day, files, compaction. `archive` is asked after each part.
async fn life(machine: &mut Machine, clock: &ManualClock) -> crate::Result<()> {
    machine.file(30);
    machine.file(3);
    machine.archive.run_now(false).await?;
    machine.engine.compact_now().unwrap();
    machine.file(20);
    machine.archive.run_now(false).await?;
    clock.advance(25 * HOUR);
    machine.file(7);
    machine.archive.run_now(false).await?;
    Ok(())
}

async fn lives_through(when: When) -> u64 {
    for write in 0.. {
        let clock = clock();
        let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
        let mut machine = Machine::new(&store, &storage, &clock, write);
        store.die_at(write, when);
        let lived = life(&mut machine, &clock).await;
        if !store.has_died() {
            lived.unwrap();
            assert!(verified(&store, &machine).await.damage.is_empty());
            return write;
        }
        assert!(lived.is_err(), "a write failed unseen");
        store.heal();
        // What is there by now is sound, whatever the place.
        let before = verified(&store, &machine).await;
        assert_eq!(before.damage, [""; 0], "write {write} {when:?}");

        machine.restart(&store, 1_000 + write);
        machine.archive.run_now(false).await.unwrap();
        let after = verified(&store, &machine).await;
        assert_eq!(after.damage, [""; 0], "write {write} {when:?}");
        let (report, engine) = restored(&store).await;
        assert_eq!(report.events, machine.events as u64, "write {write} {when:?}");
        assert_eq!(engine.status().events, machine.events as u64);

        // Two days later no orphan is left, and nothing else is gone.
        clock.advance(49 * HOUR);
        machine.restart(&store, 2_000 + write);
        machine.archive.run_now(false).await.unwrap();
        clock.advance(25 * HOUR);
        machine.archive.run_now(false).await.unwrap();
        let last = verified(&store, &machine).await;
        assert_eq!((last.orphans, last.damage.len()), (0, 0), "write {write} {when:?}: {last:?}");
        assert_eq!(machine.archive.status().unwrap().removed.0, 0);
        assert_eq!(restored(&store).await.0.events, machine.events as u64);
    }
    unreachable!("a life has an end")
}

#[tokio::test]
async fn a_crash_before_any_write_loses_nothing_and_leaves_nothing() {
    assert!(lives_through(When::Before).await > 15);
}

#[tokio::test]
async fn a_lost_answer_to_any_write_loses_nothing_and_doubles_nothing() {
    assert!(lives_through(When::After).await > 15);
}
