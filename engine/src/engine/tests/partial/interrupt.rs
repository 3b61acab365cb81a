//! A query ends within a block, whatever its tests take on one.

use super::*;

const ROWS: usize = 400;

/// One block, or rows of the memtable, with long or short texts that are all different, by the hasty clock:
/// a look at it takes a second.
fn one_block(text_bytes: usize, flushed: bool) -> (Engine, Arc<HastyClock>) {
    let clock = Arc::new(HastyClock(ManualClock::new(NOON)));
    let mut options = options(&MemoryStorage::new());
    options.io.clock = Arc::clone(&clock) as _;
    options.limits = Limits { scans_max: 1, ..Limits::default() };
    let engine = Engine::open(options).unwrap();
    let mut builder = BatchBuilder::new(&Limits::default(), NOON);
    for number in 0..ROWS {
        let mut event = builder.event();
        event.timestamp = Timestamp(NOON.0 + number as i64);
        let text = format!("{}-{number}", "ab".repeat(text_bytes / 2));
        event.field("payload", Kind::String, text.as_bytes());
        event.finish().expect("small");
    }
    engine.append(builder.build()).unwrap();
    if flushed {
        engine.flush().unwrap();
    }
    (engine, clock)
}

/// What a query comes to within a deadline, and the seconds that it took.
fn taken(engine: &Engine, clock: &HastyClock, text: &str, seconds: u64) -> (Result<()>, u64) {
    let control = within(seconds, Tolerance::Limits);
    let began = clock.0.monotonic();
    let done = engine.query_with(&staged(text), &control).map(drop);
    (done, (clock.0.monotonic() - began).as_secs())
}

/// Thirty-two tests of a block of 4 MB ran for 38 seconds behind a timeout of one.
#[test]
fn a_query_ends_before_the_next_long_value() {
    const SECONDS: u64 = 60;
    for flushed in [false, true] {
        let (engine, clock) = one_block(1_000, flushed);
        for text in [
            r#"payload:/[ab]+-3\d\d$/"#,
            r#"NOT payload:/[ab]+-3\d\d$/"#,
            r#"payload:/[ab]+-3\d\d$/ | stats count()"#,
            r#"| extract "b-<n:int>" from payload | where n:>100"#,
            r#"| extract "b-<n:int>" from payload | stats max(n)"#,
            r#"payload:/[ab]+-3\d\d$/ | sort payload"#,
        ] {
            let (done, took) = taken(&engine, &clock, text, SECONDS);
            let error = done.expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Deadline, "{text}");
            // With those looks that have to do with turns.
            assert!((SECONDS..SECONDS + 20).contains(&took), "{text}: {took} s");
            let (done, _) = taken(&engine, &clock, text, 10 * ROWS as u64);
            assert!(done.is_ok(), "{text}: {done:?}");
        }
        assert_eq!(engine.status().pool.queries, 0, "nothing is kept");
    }
}

#[test]
fn a_query_ends_before_the_next_test_of_short_values() {
    let (engine, clock) = one_block(40, true);
    let tests: Vec<String> =
        (0..32).map(|number| format!("payload:/[ab]+-{number}\\d{{3}}$/")).collect();
    let text = tests.join(" OR ");
    let (done, took) = taken(&engine, &clock, &text, 20);
    assert_eq!(done.expect_err("takes longer").kind(), ErrorKind::Deadline);
    assert!((20..32).contains(&took), "{took} s");
    let (done, took) = taken(&engine, &clock, &text, 200);
    assert!(done.is_ok() && took > 32, "{took} s: {done:?}");
}

/// A figure of a block of which a part was left out would be wrong.
#[test]
fn what_was_left_out_is_in_no_answer() {
    let (engine, clock) = one_block(1_000, true);
    for seconds in (5..ROWS as u64 + 100).step_by(5) {
        let control = within(seconds, Tolerance::Limits);
        for (text, expected) in [("payload:/b-\\d*7$/", 40), ("NOT payload:/b-\\d*7$/", 360)] {
            if let Ok(page) = engine.search_with(&request(text, 1_000), &control) {
                assert_eq!(page.events.len(), expected, "{text} in {seconds} s");
                assert!(control.account.is_whole());
            }
        }
    }
    let (done, _) = taken(&engine, &clock, "payload:/b-\\d*7$/", 10 * ROWS as u64);
    assert!(done.is_ok());
}
