//! What is held, and what a hold says of itself.

use super::*;
use crate::scan::Control;

fn request(scope: HoldScope) -> HoldRequest {
    HoldRequest { scope, owner: "ann".into(), reason: "case".into(), review: None }
}

fn of_class(class: &str) -> HoldRequest {
    request(HoldScope { class: Some(class.into()), ..HoldScope::default() })
}

fn of_tenant(tenant: &str) -> HoldRequest {
    request(HoldScope { tenant: Some(tenant.into()), ..HoldScope::default() })
}

fn of_query(query: &str) -> HoldRequest {
    request(HoldScope { query: Some(query.into()), ..HoldScope::default() })
}

#[test]
fn what_is_held_stays_until_it_is_released() {
    let mut life = Life::new(&[]);
    life.flushed(&[
        (at(0), Level::Debug, "a"),
        (at(1), Level::Debug, "b"),
        (at(0), Level::Info, "c"),
    ]);
    life.flushed(&[(at(0), Level::Debug, "d")]);
    let hold = |scope| {
        let request =
            HoldRequest { scope, owner: "ann".into(), reason: "case".into(), review: None };
        life.engine.as_ref().unwrap().hold(request).unwrap().id
    };
    let of_class = hold(HoldScope {
        class: Some("debug".into()),
        from: Some(at(1).day()),
        ..HoldScope::default()
    });
    let of_query = hold(HoldScope { query: Some("service:a".into()), ..HoldScope::default() });
    let of_nobody = hold(HoldScope { class: Some("critical".into()), ..HoldScope::default() });
    assert_eq!([of_class, of_query, of_nobody], [1, 2, 3]);
    life.open();
    life.set(at(20));
    let planned = life.engine().retention_plan(at(20), RunKind::Requested).unwrap();
    let run = life.engine().drop_due(RunKind::Requested).unwrap();
    assert_eq!(planned, run);
    assert_eq!((run.dropped().events, run.held().events), (1, 2));
    assert_eq!((run.days[0].day, &*run.days[0].holds), (at(0).day(), &[of_query][..]));
    assert_eq!((run.days[1].day, &*run.days[1].holds), (at(1).day(), &[of_class][..]));
    assert_eq!(
        (life.count("service:a"), life.count("service:b"), life.count("service:d")),
        (1, 1, 0)
    );
    assert!(life.engine().release_hold(of_query, "bob", None).unwrap().is_some());
    assert!(life.engine().release_hold(of_query, "bob", None).unwrap().is_none());
    assert_eq!(life.dropped(RunKind::Requested), 1);
    assert_eq!((life.count("service:a"), life.count("service:b")), (0, 1));
    life.engine().release_hold(of_class, "bob", None).unwrap();
    assert_eq!(life.dropped(RunKind::Requested), 1);
    // A number is never given again.
    let request = HoldRequest {
        scope: HoldScope { class: Some("info".into()), ..HoldScope::default() },
        owner: "ann".into(),
        reason: "case".into(),
        review: Some(Day(30_000)),
    };
    assert_eq!(life.engine().hold(request.clone()).unwrap().id, 4);
    let nothing = HoldRequest { scope: HoldScope::default(), ..request };
    assert_eq!(life.engine().hold(nothing).unwrap_err().kind(), ErrorKind::Invalid);
}

/// What can't be read may be what is held.
#[test]
fn a_hold_by_query_holds_what_is_damaged() {
    let mut life = Life::new(&[]);
    life.flushed(&[(at(0), Level::Debug, "a")]);
    let hold = life.engine().hold(of_query("service:nobody")).unwrap();
    let path = crate::manifest::FileId::LevelZero(1).path("store".as_ref());
    let bytes = life.storage.read(&path).unwrap();
    life.storage.overwrite(&path, vec![0; bytes.len()]);
    life.set(at(20));
    let run = life.engine().drop_due(RunKind::Requested).unwrap();
    assert_eq!((run.dropped().events, run.held().events), (0, 1));
    let cover = life.engine().hold_cover(&hold, &Control::default()).unwrap();
    assert_eq!(cover.stored.events, 1);
    life.storage.overwrite(&path, bytes);
    life.open();
    life.engine().resume_drops().unwrap();
    assert_eq!(life.dropped(RunKind::Requested), 1);
}

/// A hold that was misspelt was accepted, held nothing, and nobody knew.
#[test]
fn a_hold_of_a_class_or_a_tenant_that_there_is_not_is_refused() {
    let rule = |name| crate::retention::Rule::new(name, "service:pay", Keep::days(20));
    let mut life = Life::new(&[rule("payments"), rule("old_payments")]);
    life.append(&[(at(0), Level::Info, "pay")]);
    let refused = |life: &Life, request| {
        let error = life.engine().hold(request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        error.to_string()
    };
    for class in ["payment", "Payments", "PAYMENTS", "paymnets"] {
        let error = refused(&life, of_class(class));
        assert!(error.contains("did you mean \"payments\"?"), "{error}");
    }
    let error = refused(&life, of_class("x"));
    assert!(error.contains("known are critical, debug") && !error.contains("mean"), "{error}");
    let error = refused(&life, of_tenant("acme"));
    assert!(error.contains("tenant \"acme\"") && error.ends_with("known are default"), "{error}");
    assert!(refused(&life, of_tenant("Default")).contains("did you mean \"default\"?"));
    assert_eq!(life.engine().holds(), []);
    // One without events is known by its rule, one without a rule by its events, in memory or in files.
    life.engine().hold(of_class("old_payments")).unwrap();
    life.engine().hold(of_tenant("default")).unwrap();
    life.policy = Policy::new(Preset::Levels, &[]).unwrap();
    for _ in 0..2 {
        life.open();
        life.engine().hold(of_class("payments")).unwrap();
        life.engine().flush().unwrap();
    }
}

#[test]
fn a_hold_says_what_it_covers() {
    let life = Life::new(&[]);
    life.flushed(&[
        (at(0), Level::Debug, "a"),
        (at(0), Level::Debug, "b"),
        (at(0), Level::Info, "a"),
    ]);
    life.flushed(&[(at(0), Level::Debug, "c")]);
    life.append(&[
        (at(0), Level::Debug, "a"),
        (at(0), Level::Debug, "d"),
        (at(0), Level::Warn, "d"),
    ]);
    let covers = |request| {
        let hold = life.engine().hold(request).unwrap();
        let cover = life.engine().hold_cover(&hold, &Control::default()).unwrap();
        assert_eq!(cover.stored.bytes > 0, cover.stored.sections > 0);
        (cover.stored.sections, cover.stored.events, cover.in_memory)
    };
    assert_eq!(covers(of_class("debug")), (2, 3, 2));
    assert_eq!(covers(of_class("critical")), (0, 0, 0));
    // With one event, all of its section and of its partition in memory.
    assert_eq!(covers(of_query("service:a")), (2, 3, 2));
    assert_eq!(covers(of_query("service:c")), (1, 1, 0));
    assert_eq!(covers(of_query("service:d")), (0, 0, 3));
    assert_eq!(covers(of_query("userid:u-1")), (0, 0, 0));
    let both = HoldScope { class: Some("info".into()), ..of_query("service:a").scope };
    assert_eq!(covers(request(both)), (1, 1, 0));
    let later = HoldScope { from: Some(at(1).day()), ..HoldScope::default() };
    assert_eq!(covers(request(later)), (0, 0, 0));
}

/// It is held before anybody counts, and also if that takes too long.
#[test]
fn a_hold_that_is_not_counted_in_time_is_in_force() {
    let life = Life::new(&[]);
    life.flushed(&[(at(0), Level::Debug, "a")]);
    let hold = life.engine().hold(of_query("service:a")).unwrap();
    let control = Control { deadline: Some(Duration::ZERO), ..Control::default() };
    let error = life.engine().hold_cover(&hold, &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    life.set(at(20));
    assert_eq!(life.dropped(RunKind::Requested), 0);
}

#[test]
fn a_field_of_a_hold_that_no_event_has_is_warned_of() {
    let life = Life::new(&[]);
    life.flushed(&[(at(0), Level::Debug, "a")]);
    let warnings = |query| {
        let hold = life.engine().hold(of_query(query)).unwrap();
        life.engine().hold_warnings(&hold)
    };
    assert_eq!(warnings("userid:u-1"), ["no event has a field `userid`; did you mean `user_id`?"]);
    assert_eq!(warnings("user_id:u-1 OR service:a"), Vec::<String>::new());
}

/// A new manifest forgot who had made a hold, and who had released it.
#[test]
fn who_made_and_released_a_hold_is_known_behind_a_new_manifest() {
    let mut life = Life::new(&[]);
    let hold = life.engine().hold(of_class("debug")).unwrap();
    life.clock.advance(DAY);
    for nobody in ["", " "] {
        let error = life.engine().release_hold(hold.id, nobody, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert_eq!(life.engine().released_holds(), []);
    let released = life.engine().release_hold(hold.id, "bob", Some("closed")).unwrap().unwrap();
    let wanted = ReleasedHold {
        hold: hold.clone(),
        by: "bob".to_owned(),
        reason: Some("closed".to_owned()),
        at: at(1),
    };
    assert_eq!(released, wanted);
    let number = |life: &Life| life.engine().shared.manifest().image().unwrap().number;
    let (before, mut count) = (number(&life), 1);
    while number(&life) == before && count < 10_000 {
        let hold = life.engine().hold(of_class("info")).unwrap();
        life.engine().release_hold(hold.id, "bob", None).unwrap().unwrap();
        count += 1;
    }
    assert!(number(&life) > before, "a new manifest");
    for _ in 0..2 {
        let kept = life.engine().released_holds();
        assert_eq!((kept.len(), &kept[0]), (count, &wanted));
        assert_eq!(life.engine().holds(), []);
        life.open();
    }
}

/// Whoever releases a hold of a store that is closed was told that there is none.
#[test]
fn a_closed_store_releases_nothing_and_says_so() {
    let life = Life::new(&[]);
    let hold = life.engine().hold(of_class("debug")).unwrap();
    life.engine().shared.close("for a test".to_owned());
    let error = life.engine().release_hold(hold.id, "bob", None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}
