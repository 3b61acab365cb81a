//! Exact purges of days that were exported: no file of theirs has what went, and none lacks anything else.

use super::*;
use logstrata_engine::{PurgeRule, Seq};

impl Exporting {
    fn purge_of(&mut self, rule: &PurgeRule, exact: bool) -> u64 {
        let run = self.engine.purge(rule, exact, Seq(u64::MAX >> 1), None).unwrap().unwrap();
        run.taken(exact).events
    }

    /// Takes every event with a canary out of the store.
    pub(super) fn purge(&mut self) {
        let query = Some(format!("person:{CANARY}"));
        let taken = self.purge_of(&PurgeRule { query, ..PurgeRule::default() }, true);
        let before = self.gone.len() as u64;
        self.gone.extend((0..self.days.len()).filter(|number| number % 10 == 7));
        assert_eq!(before + taken, self.gone.len() as u64);
    }

    fn purge_class(&mut self, class: &str, exact: bool) -> u64 {
        self.purge_of(&PurgeRule { class: Some(class.into()), ..PurgeRule::default() }, exact)
    }

    /// The names of objects that have a canary.
    pub(super) async fn canaries(&self) -> Vec<String> {
        let objects = self.objects().await;
        let has = |bytes: &Bytes| bytes.windows(CANARY.len()).any(|at| at == CANARY.as_bytes());
        objects.into_iter().filter(|(_, bytes)| has(bytes)).map(|(name, _)| name).collect()
    }

    async fn manifest(&self, day: &str) -> DayManifest {
        let objects = self.objects().await;
        let of_day = |name: &&String| name.starts_with(day) && name.contains("/manifest-");
        let last = objects.keys().rfind(of_day).expect("a manifest");
        serde_json::from_slice(&objects[last]).unwrap()
    }
}

const YESTERDAY: &str = "export/default/2026/11/20";

#[tokio::test]
async fn behind_an_exact_purge_exported_files_are_new_and_no_old_manifest_is_left() {
    let mut life = Exporting::new();
    life.file(1, 70);
    life.file(2, 3);
    life.export().await.unwrap();
    life.file(1, 40);
    life.export().await.unwrap();
    let before = life.objects().await;
    assert!(life.canaries().await.len() > 3);
    life.purge();
    let other = "export/default/2026/11/19";
    life.archive.erase().await.unwrap();
    assert_eq!(life.canaries().await, [""; 0]);
    assert_eq!(life.exported().await, life.due());
    let after = life.objects().await;
    let of_other = |all: &BTreeMap<String, Bytes>| {
        let of_day = all.iter().filter(|(name, _)| name.starts_with(other));
        of_day.map(|(name, bytes)| (name.clone(), bytes.clone())).collect::<Vec<_>>()
    };
    assert_eq!(of_other(&after), of_other(&before), "nothing was purged of that day");
    let numbered = |name: &str| after.contains_key(&format!("{YESTERDAY}/{name}.json"));
    let left = ["begun-0001", "manifest-0001", "begun-0002", "manifest-0002"].map(numbered);
    assert_eq!((left, numbered("manifest-0003")), ([false; 4], true));
    let manifest = life.manifest(YESTERDAY).await;
    assert_eq!((manifest.begins, manifest.previous.is_some()), (Some(3), true));
    assert!(manifest.files.iter().all(|file| !before.contains_key(&file.name)), "other names");
    // Neither again, nor by another process; and what comes late goes on behind it.
    for seed in [2, 3] {
        assert_eq!(life.export().await.unwrap(), crate::Exported::default());
        life.archive.erase().await.unwrap();
        assert_eq!(life.objects().await, after);
        life.restart(seed);
    }
    life.file(1, 30);
    assert_eq!(life.export().await.unwrap().events, 30);
    assert_eq!(life.manifest(YESTERDAY).await.begins, Some(3));
    life.purge();
    // By the daily run alone.
    life.export().await.unwrap();
    assert_eq!((life.canaries().await, life.exported().await), (vec![], life.due()));
}

#[tokio::test]
async fn a_class_and_a_day_of_which_nothing_is_left_have_no_files() {
    let mut life = Exporting::new();
    life.file(1, 30);
    life.export().await.unwrap();
    assert_eq!(life.purge_class("error", true), 5);
    life.archive.erase().await.unwrap();
    let classes = |manifest: DayManifest| -> BTreeSet<String> {
        manifest.files.into_iter().map(|file| file.class).collect()
    };
    let found = classes(life.manifest(YESTERDAY).await);
    assert_eq!(found, ["info", "kept"].map(str::to_owned).into());
    life.purge_class("info", true);
    life.purge_class("kept", true);
    assert!(life.engine.sealed_partitions().is_empty());
    life.archive.erase().await.unwrap();
    assert_eq!(classes(life.manifest(YESTERDAY).await), [].into());
    life.gone.extend(0..30);
    assert_eq!(life.exported().await, BTreeMap::new());
    life.file(1, 5);
    life.export().await.unwrap();
    assert_eq!(life.exported().await, life.due());
}

/// Cut off at each write, before it or behind it, and gone on with by the same process or the next.
async fn is_erased_in_the_end(when: When, restarts: bool) -> u64 {
    for write in 0.. {
        let mut life = Exporting::new();
        life.file(1, 50);
        life.export().await.unwrap();
        life.file(1, 20);
        life.export().await.unwrap();
        life.purge();
        life.store.die_at(write, when);
        let done = life.archive.erase().await;
        let has_died = life.store.has_died();
        life.store.heal();
        if !has_died {
            done.unwrap();
            assert_eq!((life.canaries().await, life.exported().await), (vec![], life.due()));
            return write;
        }
        // Meanwhile more comes, and more goes.
        match write % 3 {
            0 => life.file(1, 6),
            1 => {
                life.file(1, 17);
                life.purge();
            }
            _ => {}
        }
        if restarts {
            life.restart(100 + write);
        }
        life.archive.erase().await.unwrap();
        assert_eq!(life.canaries().await, [""; 0], "write {write} {when:?}");
        life.export().await.unwrap();
        assert_eq!(life.exported().await, life.due(), "write {write} {when:?}");
    }
    unreachable!("an erasure has an end")
}

#[tokio::test]
async fn a_renewal_that_is_cut_off_is_gone_on_with() {
    for restarts in [false, true] {
        assert!(is_erased_in_the_end(When::Before, restarts).await > 20);
        assert!(is_erased_in_the_end(When::After, restarts).await > 20);
    }
}

/// An export is cut off at each write, then events go that it may have written: of files that no manifest
/// lists, of a day that has none, and of a day of which nothing is left.
#[tokio::test]
async fn what_a_broken_off_export_left_is_erased_too() {
    for nothing_is_left in [false, true] {
        for write in 0.. {
            let mut life = Exporting::new();
            life.file(1, 50);
            life.store.die_at(write, When::After);
            let done = life.export().await;
            let has_died = life.store.has_died();
            life.store.heal();
            if nothing_is_left {
                for class in ["kept", "info", "error"] {
                    life.purge_class(class, true);
                }
                life.gone.extend(0..50);
            } else {
                life.purge();
            }
            life.restart(100 + write);
            life.archive.erase().await.unwrap();
            assert_eq!(life.canaries().await, [""; 0], "write {write}");
            life.export().await.unwrap();
            assert_eq!(life.exported().await, life.due(), "write {write}");
            if !has_died {
                done.unwrap();
                break;
            }
        }
    }
}

/// What is read before a purge is written behind it.
#[tokio::test]
async fn a_purge_while_an_export_is_at_work_is_found_by_the_next_look() {
    let mut life = Exporting::new();
    life.file(1, 50);
    let (store, clock) = (life.store.clone(), Arc::clone(&life.clock));
    let (engine, archive) = (Arc::clone(&life.engine), &life.archive);
    let mut export = std::pin::pin!(archive.export(clock.now(), None));
    tokio::select! {
        biased;
        () = store.hang_behind("error-0001") => {}
        done = &mut export => panic!("{done:?}"),
    }
    let query = Some(format!("person:{CANARY}"));
    let rule = PurgeRule { query, ..PurgeRule::default() };
    let run = engine.purge(&rule, true, Seq(u64::MAX >> 1), None).unwrap().unwrap();
    assert!(run.days.iter().any(|day| day.exported), "its files may be on their way");
    assert_eq!(life.canaries().await, [format!("{YESTERDAY}/error-0001.ndjson")]);
    store.heal();
    export.await.unwrap();
    life.gone.extend((0..50).filter(|number| number % 10 == 7));
    assert_eq!(life.manifest(YESTERDAY).await.begins, Some(2));
    assert_eq!((life.canaries().await, life.exported().await), (vec![], life.due()));
}

/// The export is all that there is of what the store dropped: it is not lost for the sake of a purge.
#[tokio::test]
async fn a_day_that_lost_other_events_stays_and_somebody_is_told() {
    let mut life = Exporting::new();
    life.file(1, 25);
    life.export().await.unwrap();
    life.file(1, 25);
    life.export().await.unwrap();
    assert!(life.purge_class("error", false) > 0);
    life.file(1, 10);
    life.export().await.unwrap();
    let error = PurgeRule { class: Some("error".into()), ..PurgeRule::default() };
    let query = Some("message:51".to_owned());
    assert_eq!(life.purge_of(&PurgeRule { query, ..error }, true), 1);
    let before = life.objects().await;
    let refused = life.archive.erase().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let told = refused.to_string();
    assert!(told.contains(YESTERDAY) && told.contains("files of error"), "{told}");
    assert_eq!(life.objects().await, before);
    // The daily run goes on, and says it.
    life.file(2, 3);
    assert_eq!(life.export().await.unwrap().events, 3);
    assert_eq!(life.archive.status().unwrap().warnings, [told]);
    // Once the folder is deleted, what is left is exported, and later purges find nothing in the way.
    for name in before.keys() {
        life.store.inner.delete(&name.as_str().into()).await.unwrap();
    }
    life.archive.erase().await.unwrap();
    assert!(life.archive.status().unwrap().warnings.is_empty());
    life.export().await.unwrap();
    let query = Some("message:57".to_owned());
    assert_eq!(life.purge_of(&PurgeRule { query, ..PurgeRule::default() }, true), 1);
    life.archive.erase().await.unwrap();
    life.gone.extend((0..50).filter(|number| number % 3 == 0 && number % 2 == 1));
    life.gone.extend([51, 57]);
    assert_eq!(life.exported().await, life.due());
}

/// Events that were purged before any export had them make up for none that the export has.
#[tokio::test]
async fn what_was_purged_before_its_export_hides_no_drop() {
    let mut life = Exporting::new();
    life.file(1, 50);
    life.export().await.unwrap();
    let dropped = life.purge_class("error", false);
    life.file(1, 100);
    assert!(life.purge_class("error", true) > dropped);
    life.gone.extend((50..150).filter(|number| number % 6 == 3));
    let refused = life.archive.erase().await.unwrap_err();
    assert!(refused.to_string().contains("files of error"), "{refused}");
    assert_eq!(life.exported().await, life.due());
}

/// While one class is written anew, all of another is dropped: its old files are all that there is of it.
#[tokio::test]
async fn a_drop_while_a_day_is_written_anew_takes_nothing_from_it() {
    let mut life = Exporting::new();
    life.file(1, 50);
    life.export().await.unwrap();
    life.purge();
    {
        let mut erase = std::pin::pin!(life.archive.erase());
        tokio::select! {
            biased;
            () = life.store.hang_behind("error-0002") => {}
            done = &mut erase => panic!("{done:?}"),
        }
        let rule = PurgeRule { class: Some("info".into()), ..PurgeRule::default() };
        let run = life.engine.purge(&rule, false, Seq(u64::MAX >> 1), None).unwrap().unwrap();
        assert!(run.taken(false).events > 5);
        life.store.heal();
        let refused = erase.await.unwrap_err();
        assert!(refused.to_string().contains("files of info"), "{refused}");
    }
    life.gone = [27].into();
    assert_eq!(life.exported().await, life.due());
    assert_eq!(life.manifest(YESTERDAY).await.begins, Some(2));
}

#[derive(Debug, Clone)]
enum Turn {
    File { days_ago: i64, count: usize },
    Drop(&'static str),
    DropDue,
    Purge,
    Export,
    Erase,
    Compact,
    NextDay,
    DieAt(u64),
    Restart,
}

fn turn() -> impl Strategy<Value = Turn> {
    let class = prop::sample::select(vec!["kept", "info", "error"]);
    prop_oneof![
        4 => (0..3_i64, 1..50_usize).prop_map(|(days_ago, count)| Turn::File { days_ago, count }),
        1 => class.prop_map(Turn::Drop),
        1 => Just(Turn::DropDue),
        3 => Just(Turn::Purge),
        3 => Just(Turn::Export),
        3 => Just(Turn::Erase),
        1 => Just(Turn::Compact),
        1 => Just(Turn::NextDay),
        2 => (0..20_u64).prop_map(Turn::DieAt),
        1 => Just(Turn::Restart),
    ]
}

impl Exporting {
    async fn take(&mut self, turn: Turn, seed: u64) {
        match turn {
            Turn::File { days_ago, count } => self.file(days_ago, count),
            Turn::Drop(class) => {
                self.purge_class(class, false);
            }
            Turn::DropDue => {
                self.engine.drop_due(RunKind::Requested).unwrap();
            }
            Turn::Purge => {
                let query = Some(format!("person:{CANARY}"));
                self.purge_of(&PurgeRule { query, ..PurgeRule::default() }, true);
            }
            Turn::Compact => self.engine.compact_now().unwrap(),
            Turn::NextDay => self.clock.advance(DAY),
            Turn::DieAt(write) => self.store.die_at(write, When::After),
            Turn::Restart => self.restart(seed),
            Turn::Export => {
                let _ = self.export().await;
                self.store.heal();
            }
            Turn::Erase => {
                let _ = self.archive.erase().await;
                self.store.heal();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever is dropped, purged, cut off: what manifests list is there at every moment, and loses what was
    /// purged and nothing else.
    #[test]
    fn exports_lose_what_was_purged_and_nothing_else(turns in prop::collection::vec(turn(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut life = Exporting::new();
            let mut seen = BTreeSet::new();
            for (seed, turn) in (10..).zip(turns.into_iter().chain([Turn::Export, Turn::Erase])) {
                life.take(turn, seed).await;
                let (days, _) = life.listed(&life.objects().await);
                let events = days.values().map(Vec::len).sum::<usize>();
                let now: BTreeSet<usize> = days.into_values().flatten().collect();
                assert_eq!(events, now.len(), "an event is in two files");
                let lost = seen.difference(&now).find(|number| *number % 10 != 7);
                assert_eq!(lost, None, "it was exported and not purged");
                seen = now;
            }
        });
    }
}
