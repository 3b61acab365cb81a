//! How long a read waits, and when the store counts as away.

use super::gated::{Gated, LONG, Ticking};
use super::*;
use crate::error::{Error, ErrorKind};
use std::sync::mpsc::channel;
use std::thread::Scope;
use std::time::Duration;

/// A store whose answers wait at a gate, and what reads it by a clock that goes on with each look.
fn gated() -> (World, Gated, Arc<Ticking>, ColdStore) {
    let gated = Gated::new();
    let world = World::of(Arc::new(gated.clone()));
    let clock = Arc::new(Ticking::default());
    let cold = world.cold_by(CACHE, Arc::clone(&clock) as _);
    gated.open(false);
    (world, gated, clock, cold)
}

/// Reads in another thread; what comes of it.
fn reading<'s>(
    scope: &'s Scope<'s, '_>,
    world: &'s World,
    cold: &'s ColdStore,
    range: Range<usize>,
) -> impl FnOnce() -> Result<Came, ColdAway> + use<'s> {
    let (sender, receiver) = channel();
    scope.spawn(move || {
        let mut buf = vec![0; range.len()];
        let offset = range.start as u64;
        let _ = sender.send(cold.read_at(&world.file, offset, &mut buf, &Patience::endless()));
    });
    move || receiver.recv_timeout(LONG).expect("it does not wait for ever")
}

const PIECE_LEN: usize = PIECE as usize;

#[test]
fn a_store_that_is_silent_is_away_for_all() {
    let (world, gated, clock, cold) = gated();
    std::thread::scope(|scope| {
        // The one waits for a request, the next for what that fetches, the last for its own.
        let first = reading(scope, &world, &cold, 0..10);
        gated.wait_for(1);
        let follower = reading(scope, &world, &cold, 0..10);
        let other = reading(scope, &world, &cold, 9 * PIECE_LEN..9 * PIECE_LEN + 1);
        gated.wait_for(2);
        clock.each.store(400, Relaxed);
        let said = [first(), follower(), other()].map(|came| came.unwrap_err().to_string());
        let telling = said.iter().filter(|said| said.contains("can't be read")).count();
        assert!(telling >= 2, "{said:?}");
        clock.each.store(0, Relaxed);
        gated.wait_for(0);
    });
    let mut buf = [0; 1];
    let at_once = cold.read_at(&world.file, 0, &mut buf, &Patience::endless()).unwrap_err();
    assert!(at_once.to_string().contains("did not answer"), "{at_once}");
    assert_eq!(gated.waited_max(), 2, "nobody asked again");
    clock.each.store(5_000, Relaxed);
    clock.monotonic();
    gated.open(true);
    clock.each.store(0, Relaxed);
    assert_eq!(world.read(&cold, 0..1).requests, 1);
}

/// Somebody who waited for a store that another had found to be away went on waiting.
#[test]
fn who_waits_hears_that_the_store_is_away() {
    let (world, gated, _, cold) = gated();
    std::thread::scope(|scope| {
        let first = reading(scope, &world, &cold, 0..10);
        gated.wait_for(1);
        let follower = reading(scope, &world, &cold, 0..10);
        let reason = "for a test".to_owned();
        cold.outlook.failed(&Error::new(ErrorKind::Unreachable, reason));
        for came in [first(), follower()] {
            let said = came.unwrap_err().to_string();
            assert!(said.contains("for a test"), "{said}");
        }
        gated.wait_for(0);
    });
}

/// On a line that was slow, but steady, every query was told for five seconds that the archive was away.
#[test]
fn a_store_that_answers_others_is_not_away() {
    let (world, gated, clock, cold) = gated();
    gated.open(true);
    assert_eq!(world.read(&cold, 0..1).requests, 1);
    gated.open(false);
    std::thread::scope(|scope| {
        clock.each.store(1_000, Relaxed);
        let slow = reading(scope, &world, &cold, PIECE_LEN..PIECE_LEN + 1);
        gated.wait_for(1);
        // Others get answers all the time.
        while clock.shows() < Duration::from_secs(60) {
            cold.outlook.answered();
            std::thread::yield_now();
        }
        let said = slow().unwrap_err().to_string();
        assert!(said.contains("in time"), "{said}");
        clock.each.store(0, Relaxed);
    });
    gated.open(true);
    assert_eq!(world.read(&cold, PIECE_LEN..PIECE_LEN + 1).requests, 1, "it is tried again");
}

/// What waited for others' requests had no time left for its own.
#[test]
fn the_wait_for_others_does_not_count() {
    let (world, gated, clock, cold) = gated();
    gated.open(true);
    let all = cold.slots.try_acquire_many(REQUESTS_MAX as u32).unwrap();
    std::thread::scope(|scope| {
        clock.each.store(1_000, Relaxed);
        let read = reading(scope, &world, &cold, 0..1);
        while clock.shows() < Duration::from_secs(100) {
            std::thread::yield_now();
        }
        clock.each.store(0, Relaxed);
        drop(all);
        assert_eq!(read().unwrap().requests, 1);
    });
}

/// The requests of a read were waited for one behind the other, each as long as it may take.
#[test]
fn all_requests_of_a_read_have_one_limit() {
    let (world, gated, clock, cold) = gated();
    gated.open(true);
    for piece in [3, 6, 9] {
        world.read(&cold, piece * PIECE_LEN..piece * PIECE_LEN + 1);
    }
    gated.open(false);
    std::thread::scope(|scope| {
        let read = reading(scope, &world, &cold, 0..12 * PIECE_LEN);
        gated.wait_for(4);
        let before = clock.shows();
        clock.each.store(500, Relaxed);
        while clock.shows() - before < Duration::from_secs(15) {
            std::thread::yield_now();
        }
        gated.pass(3);
        read().unwrap_err();
        let took = clock.shows() - before;
        assert!(took < Duration::from_secs(25), "{took:?}");
    });
    gated.wait_for(0);
}

#[test]
fn silence_is_counted_once_and_ends_with_an_answer() {
    let clock = Arc::new(ManualClock::new(Timestamp(0)));
    let outlook = Outlook::new(Arc::clone(&clock) as _);
    let seconds = |seconds| clock.advance(Duration::from_secs(seconds));
    let is_away = || outlook.check().is_err();
    seconds(100);
    let began = Some(clock.monotonic());
    seconds(2);
    for _ in 0..5 {
        outlook.given_up(began);
    }
    assert!(!is_away(), "five that waited for the same two seconds");
    outlook.given_up(None);
    let began = Some(clock.monotonic());
    seconds(1);
    let away = outlook.given_up(began);
    assert!(is_away() && away.to_string().contains("for 3 s"), "{away}");
    seconds(5);
    assert!(!is_away());
    outlook.answered();
    let began = Some(clock.monotonic());
    seconds(19);
    outlook.given_up(began);
    assert!(!is_away(), "somebody got an answer");
    seconds(1);
    outlook.given_up(began);
    assert!(is_away());
}
