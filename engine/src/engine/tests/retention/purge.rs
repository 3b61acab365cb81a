//! Purges: what goes is what the rule names, nothing of it is left, and the rest is proven.

use super::*;
use crate::block;
use crate::event::Seq;
use crate::io::{Fault, FaultyStorage, Storage};
use crate::manifest::FileId;
use crate::purge::{Counted, PurgeRule, PurgeRun};
use crate::scan::Cancel;
use crate::segment::read_directory;
use crate::verify::{Severity, VerifyOptions, current_root, verify};

pub(super) fn rule(query: &str) -> PurgeRule {
    PurgeRule { query: Some(query.to_owned()), ..PurgeRule::default() }
}

pub(super) fn purge(engine: &Engine, rule: &PurgeRule, exact: bool) -> PurgeRun {
    let planned = engine.purge_plan(rule, &Cancel::default()).unwrap();
    let run = engine.purge(rule, exact, planned.through, Some(&planned.counted())).unwrap();
    run.expect("nothing came meanwhile")
}

pub(super) fn verified(life: &Life) {
    let options = VerifyOptions { deep: true, ..VerifyOptions::default() };
    let report = verify(&life.options().io, "store".as_ref(), &options, &mut |_| {}).unwrap();
    let grave = report.findings.iter().filter(|finding| finding.severity > Severity::Note);
    assert_eq!(grave.collect::<Vec<_>>(), Vec::<&crate::verify::Finding>::new());
    life.engine().shared.manifest().state().check().unwrap();
}

/// Two hundred events of a day in two files, every fifth of them of service `gone`.
pub(super) fn life() -> Life {
    let life = Life::new(&[]);
    for half in 0..2i64 {
        let events: Vec<_> = (0..100)
            .map(|number| {
                let at = Timestamp(MIDNIGHT.0 + (half * 100 + number) * 1_000_000_000);
                (at, Level::Info, if number % 5 == 0 { "gone" } else { "kept" })
            })
            .collect();
        life.flushed(&events);
    }
    life
}

#[test]
fn a_purge_that_names_nothing_is_refused() {
    let life = life();
    for rule in [PurgeRule::default(), rule("  "), rule("(")] {
        let error = life.engine().purge_plan(&rule, &Cancel::default()).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Invalid);
    }
}

#[test]
fn whole_sections_go_and_others_stay_unless_the_purge_is_exact() {
    let life = life();
    life.flushed(&[(at(3), Level::Debug, "gone"), (at(3), Level::Warn, "kept")]);
    life.engine().settle();
    let before = life.storage.paths();
    let rule = rule("service:gone");
    let planned = life.engine().purge_plan(&rule, &Cancel::default()).unwrap();
    assert_eq!((planned.taken(false).events, planned.left(false).events), (1, 40));
    assert_eq!((planned.taken(true).events, planned.left(true).events), (41, 0));
    assert_eq!(life.storage.paths(), before, "a plan changes nothing");

    assert_eq!(purge(life.engine(), &rule, false), planned);
    assert_eq!((life.count("service:gone"), life.count("service:kept")), (40, 161));
    let tombstones = life.engine().shared.manifest().state().tombstones.clone();
    assert_eq!(tombstones.len(), 1);
    assert_eq!(tombstones[0].reason, "purge: by a query");
    verified(&life);

    assert_eq!(purge(life.engine(), &rule, true).taken(true).events, 40);
    assert_eq!((life.count("service:gone"), life.count("service:kept")), (0, 161));
    assert_eq!(purge(life.engine(), &rule, true).matching(), 0);
    verified(&life);
}

#[test]
fn a_purge_by_level_and_age_needs_no_look_at_the_events() {
    let life = Life::new(&[]);
    let old = at(-2);
    life.flushed(&[(old, Level::Debug, "a"), (old, Level::Info, "a"), (at(0), Level::Debug, "a")]);
    let rule = PurgeRule {
        before: Some(at(-1)),
        levels: vec![Level::Trace, Level::Debug],
        ..PurgeRule::default()
    };
    assert_eq!(purge(life.engine(), &rule, false).taken(false).events, 1);
    assert_eq!((life.count("level:debug"), life.count("level:info")), (1, 1));
    verified(&life);
}

#[test]
fn what_came_after_the_count_stays_and_another_count_takes_nothing() {
    let life = life();
    let rule = rule("service:gone");
    let planned = life.engine().purge_plan(&rule, &Cancel::default()).unwrap();
    life.append(&[(at(0), Level::Info, "gone")]);
    let wrong = life
        .engine()
        .purge(&rule, true, planned.through, Some(&Counted { events: 39, ..planned.counted() }))
        .unwrap();
    assert_eq!((wrong, life.count("service:gone")), (None, 41));
    let through = planned.through;
    let done =
        life.engine().purge(&rule, true, through, Some(&planned.counted())).unwrap().unwrap();
    assert_eq!((done.taken(true).events, life.count("service:gone")), (40, 1));
    verified(&life);
}

#[test]
fn what_is_held_stays_and_is_named() {
    let life = life();
    life.flushed(&[(at(3), Level::Debug, "gone")]);
    let scope = HoldScope { class: Some("info".into()), ..HoldScope::default() };
    let request = HoldRequest { scope, owner: "ann".into(), reason: "case".into(), review: None };
    let hold = life.engine().hold(request).unwrap();
    let run = purge(life.engine(), &rule("service:gone"), true);
    assert_eq!((run.taken(true).events, run.left(true).events), (1, 40));
    let held: Vec<_> = run.days.iter().flat_map(|day| day.holds.clone()).collect();
    assert_eq!(held, [hold.id]);
    assert_eq!(life.count("service:gone"), 40);
    verified(&life);
}

/// Files that others read may have what goes: which days have some is told, also while they are written.
#[test]
fn days_that_were_exported_are_told() {
    let life = life();
    life.flushed(&[(at(-2), Level::Info, "gone")]);
    let exported = || {
        let run = life.engine().purge_plan(&rule("service:gone"), &Cancel::default()).unwrap();
        run.days.iter().map(|day| day.exported).collect::<Vec<_>>()
    };
    assert_eq!(exported(), [false, false]);
    let tenant = life.engine().purge_plan(&rule("service:gone"), &Cancel::default()).unwrap().days
        [0]
    .tenant
    .clone();
    life.engine().day_was_exported(&tenant, Day(20_000), Seq(50));
    assert_eq!(exported(), [false, true]);
    life.engine().day_was_exported(&tenant, Day(19_998), Seq(200));
    assert_eq!(exported(), [false, true], "its events came later");
    life.engine().day_is_being_exported(&tenant, Day(19_998), Seq(201));
    assert_eq!(exported(), [true, true]);
}

/// Merges, purges again, merges: the runs are proven to be what was sealed all along.
#[test]
fn what_purges_leave_is_proven_through_merges_and_further_purges() {
    let mut life = life();
    let io = life.options().io;
    let root = current_root(&io, "store".as_ref()).unwrap();
    for query in ["service:gone", "message:\"event number 17\"", "message:\"event number 16\""] {
        purge(life.engine(), &rule(query), true);
        verified(&life);
        life.engine().compact_now().unwrap();
        life.storage = life.storage.power_cut();
        life.open();
        verified(&life);
    }
    assert_eq!(life.count(""), 156);
    let options = VerifyOptions { deep: true, since: Some(root) };
    let report = verify(&life.options().io, "store".as_ref(), &options, &mut |_| {}).unwrap();
    assert_eq!(report.count(Severity::Damage), 0, "{:?}", report.findings);
}

/// A scar of another page, or of a page of other events, is no proof.
#[test]
fn a_scar_that_does_not_fit_is_found() {
    let life = life();
    purge(life.engine(), &rule("message:\"event number 3\""), true);
    life.engine().shared.manifest().forget_purged().unwrap();
    let state = life.engine().shared.manifest().state().clone();
    let scar = state.scars.values().next().unwrap();
    assert_eq!((scar.rows, scar.rows_gone(), scar.pages.len()), (100, 1, 1));
    let mut forged = state.clone();
    forged.scars.values_mut().next().unwrap().pages[0].before = [7; 32];
    let path = crate::names::manifest("store".as_ref(), 2);
    let path = match life.storage.read(&path) {
        Some(_) => path,
        None => crate::names::manifest("store".as_ref(), 3),
    };
    let number: u64 = path.to_string_lossy().rsplit('-').next().unwrap().parse().unwrap();
    let bytes = crate::manifest::forge(
        state.store_uuid,
        number,
        [0; 32],
        &[crate::manifest::Edit::Snapshot(forged)],
    );
    let mut damaged = Life { storage: life.storage.copy(), engine: None, ..Life::new(&[]) };
    damaged.storage.overwrite(&path, bytes);
    let options = VerifyOptions { deep: true, ..VerifyOptions::default() };
    let report = verify(&damaged.options().io, "store".as_ref(), &options, &mut |_| {}).unwrap();
    assert!(report.findings.iter().any(|finding| finding.what.starts_with("run of")), "{report:?}");
    damaged.engine = None;
}

const CANARY: &str = "canaryx7q9z2w4k8";

/// Stores events of which one has a canary in every place where an event can have one.
fn with_canary(life: &Life, timestamp: Timestamp) {
    let limits = Limits { retention: life.policy.clone(), ..Limits::tiny() };
    let mut batch = BatchBuilder::new(&limits, life.clock.now());
    for number in 0..40i64 {
        let mut event = batch.event();
        let is_it = number == 20;
        event.timestamp = if is_it { timestamp } else { at(0) };
        event.level = Level::Info;
        let message =
            if is_it { format!("user {CANARY} paid") } else { format!("user {number} paid") };
        event.field("message", Kind::String, message.as_bytes());
        if is_it {
            event.field(&format!("{CANARY}_column"), Kind::Number, b"918273645");
            event.field("trace.id", Kind::String, CANARY.as_bytes());
        }
        event.finish().unwrap();
    }
    life.engine().append(batch.build()).unwrap();
}

fn has(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Everything in the store that says something of the canary.
fn traces_of_canary(life: &Life, timestamp: Timestamp, log: &[Vec<u8>]) -> Vec<String> {
    let zigzag = ((timestamp.0 << 1) ^ (timestamp.0 >> 63)).to_le_bytes();
    let needles = [CANARY.as_bytes(), &timestamp.0.to_le_bytes(), &zigzag];
    let mut found = Vec::new();
    for path in life.storage.paths() {
        let Some(bytes) = life.storage.read(&path) else { continue };
        if needles.iter().any(|needle| has(&bytes, needle)) {
            found.push(format!("{}: as it is", path.display()));
        }
        if log.iter().any(|piece| has(&bytes, piece)) {
            found.push(format!("{}: a record of the log", path.display()));
        }
        if path.extension().is_none_or(|kind| kind != "lseg") && !path.starts_with("store/segments")
        {
            continue;
        }
        let file = life.storage.open(&path).unwrap();
        // Sections that are not live any more too.
        for section in read_directory(&*file, &path).unwrap().sections {
            for place in &section.blocks {
                let start = place.offset as usize;
                let bytes: Arc<[u8]> = bytes[start..start + place.meta.len as usize].into();
                let block = block::verify(&bytes, &place.meta, place.offset, &path).unwrap();
                let rows = block::decode(&block).unwrap();
                let values = rows.columns.iter().any(|column| {
                    has(column.name.as_bytes(), CANARY.as_bytes())
                        || has(&column.bytes, CANARY.as_bytes())
                });
                if values || rows.timestamps.contains(&timestamp.0) {
                    found.push(format!("{}: in a block", path.display()));
                }
            }
        }
    }
    found
}

/// Pieces of the records in the log, which are compressed.
fn pieces_of_log(life: &Life) -> Vec<Vec<u8>> {
    let paths = life.storage.paths();
    let files = paths.iter().filter(|path| path.starts_with("store/wal"));
    let bytes: Vec<_> = files.filter_map(|path| life.storage.read(path)).collect();
    let pieces = bytes.iter().flat_map(|bytes| bytes.get(4_096..).unwrap_or_default().chunks(48));
    let full = |piece: &&[u8]| piece.len() == 48 && piece.iter().filter(|b| **b != 0).count() > 40;
    pieces.filter(full).map(<[u8]>::to_vec).collect()
}

#[test]
fn nothing_of_what_an_exact_purge_took_is_left() {
    for compacts in [false, true] {
        let mut life = Life::new(&[]);
        let timestamp = Timestamp(at(0).0 + 12_345_678_912_345);
        with_canary(&life, timestamp);
        let log = pieces_of_log(&life);
        assert!(!log.is_empty());
        // Sections of other classes keep the level-0 file when compaction has moved one away.
        life.append(&[(at(0), Level::Warn, "kept"), (at(9), Level::Error, "kept")]);
        life.engine().flush().unwrap();
        if compacts {
            life.engine().compact_now().unwrap();
        }
        life.append(&[(at(0), Level::Info, "kept")]);
        life.engine().settle();
        assert_ne!(traces_of_canary(&life, timestamp, &log), Vec::<String>::new());
        let snapshot = life.engine().shared.snapshot();
        let run = purge(life.engine(), &rule(CANARY), true);
        assert_eq!(run.taken(true).events, 1);
        drop(snapshot);
        life.engine().settle();
        assert_eq!(traces_of_canary(&life, timestamp, &log), Vec::<String>::new());
        life.engine().shared.prunes.store(false, std::sync::atomic::Ordering::Relaxed);
        assert_eq!((life.count(CANARY), life.count("")), (0, 42));
        verified(&life);
        life.storage = life.storage.power_cut();
        life.open();
        assert_eq!(traces_of_canary(&life, timestamp, &log), Vec::<String>::new());
        assert_eq!(life.count(""), 42);
    }
}

/// `T1`: the section of the canary is dropped, and its file stays because of others.
#[test]
fn what_was_dropped_before_is_taken_out_of_its_file_too() {
    let life = Life::new(&[]);
    let timestamp = Timestamp(at(0).0 + 12_345_678_912_345);
    with_canary(&life, timestamp);
    life.append(&[(at(0), Level::Warn, "kept"), (at(0), Level::Error, "kept")]);
    life.engine().flush().unwrap();
    let info = PurgeRule { levels: vec![Level::Info], ..PurgeRule::default() };
    assert_eq!(purge(life.engine(), &info, false).taken(false).events, 40);
    // The tombstone of the whole section says when it began and ended.
    let traces = || {
        let mut found = traces_of_canary(&life, timestamp, &[]);
        found.retain(|found| !found.starts_with("store/MANIFEST"));
        found
    };
    assert_ne!(traces(), Vec::<String>::new());
    // It is asked of the section, not taken because it is there.
    purge(life.engine(), &rule("service:nobody"), true);
    assert_ne!(traces(), Vec::<String>::new());
    assert_eq!(purge(life.engine(), &rule(CANARY), true).matching(), 0);
    life.engine().settle();
    assert_eq!(traces(), Vec::<String>::new());
    let manifest = life.storage.paths().into_iter().filter(|p| p.starts_with("store"));
    let bytes: Vec<_> = manifest.filter_map(|path| life.storage.read(&path)).collect();
    assert!(!bytes.iter().any(|bytes| has(bytes, CANARY.as_bytes())));
    assert_eq!(life.count("service:kept"), 2);
    verified(&life);
}

/// `G2`
#[test]
fn a_crash_at_any_step_of_a_purge_takes_all_or_nothing() {
    let mut whole = life();
    whole.append(&[(at(0), Level::Info, "gone"), (at(0), Level::Warn, "kept")]);
    whole.engine = None;
    let mut step = 0;
    let mut outcomes = std::collections::BTreeSet::new();
    loop {
        let mut life = Life { storage: whole.storage.power_cut(), engine: None, ..Life::new(&[]) };
        let storage = FaultyStorage::new(life.storage.clone());
        let mut options = life.options();
        options.io.storage = Arc::new(storage.clone());
        let engine = Engine::open(options).unwrap();
        engine.settle();
        storage.fail(step, Fault::Halt);
        let rule = rule("service:gone");
        let done = engine.purge(&rule, true, Seq(u64::MAX >> 1), None).is_ok();
        let hit = storage.halted();
        drop(engine);
        life.storage = life.storage.power_cut();
        life.open();
        let gone = life.count("service:gone");
        assert_eq!(life.count("service:kept"), 161, "step {step}");
        assert!(gone == 0 || gone == 41 && !done, "step {step}: {gone} are left");
        outcomes.insert(gone);
        verified(&life);
        purge(life.engine(), &rule, true);
        assert_eq!((life.count("service:gone"), life.count("service:kept")), (0, 161));
        verified(&life);
        life.engine().settle();
        let files = life.storage.list("store/segments".as_ref()).unwrap().len() as u64;
        assert_eq!(files, life.engine().status().segment_files, "step {step}");
        if !hit {
            break;
        }
        step += 1;
    }
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [0, 41]);
}

/// A merge and a purge are never given one number.
#[test]
fn a_purge_takes_the_next_number_of_a_file() {
    let life = life();
    purge(life.engine(), &rule("service:gone"), true);
    let next = life.engine().shared.manifest().state().next_file;
    let files = life.engine().shared.manifest().state().files.clone();
    assert!(
        files.keys().all(|id| matches!(id, FileId::Pack(number) if *number < next)),
        "{files:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn what_is_left_is_exactly_what_does_not_match(
        steps in prop::collection::vec((0u8..10, 0i64..6, 0usize..3, 0usize..6, any::<bool>()), 1..30),
    ) {
        let mut life = Life::new(&[]);
        let mut left: Vec<(Timestamp, usize, usize)> = Vec::new();
        for (step, day, service, level, flag) in steps {
            match step {
                0..=4 => {
                    let events: Vec<_> = (0..12 * (1 + day))
                        .map(|number| {
                            let (level, service) = match flag {
                                true => ((level + number as usize) % 6, (service + number as usize) % 3),
                                false => (level, (service + number as usize / 3) % 3),
                            };
                            let timestamp = Timestamp(at(day).0 + number * NS_PER_DAY / 7);
                            left.push((timestamp, level, service));
                            (timestamp, Level::ALL[level], SERVICES[service])
                        })
                        .collect();
                    life.append(&events);
                }
                5 => life.engine().flush().unwrap(),
                6 => life.engine().compact_now().unwrap(),
                7 => {
                    life.storage = life.storage.power_cut();
                    life.open();
                }
                _ => {
                    let before = (day > 2).then(|| Timestamp(at(day).0 + NS_PER_DAY / 3));
                    let levels = if flag { vec![Level::ALL[level]] } else { Vec::new() };
                    let query = Some(format!("service:{}", SERVICES[service]));
                    let rule = PurgeRule { before, levels, query, class: None };
                    let run = purge(life.engine(), &rule, true);
                    let had = left.len();
                    left.retain(|(timestamp, of, by)| {
                        before.is_some_and(|before| *timestamp >= before)
                            || flag && *of != level
                            || *by != service
                    });
                    prop_assert_eq!(run.taken(true).events, (had - left.len()) as u64);
                    verified(&life);
                }
            }
            for (number, service) in SERVICES.iter().enumerate() {
                let wanted = left.iter().filter(|(_, _, of)| *of == number).count();
                prop_assert_eq!(life.count(&format!("service:{service}")), wanted);
            }
        }
        verified(&life);
    }
}
