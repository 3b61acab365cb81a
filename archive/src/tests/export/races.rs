//! Exports that others disturb: a server that takes over, a future that is dropped, a history that is another.

use super::*;
use logstrata_engine::{PurgeRule, Seq};

/// Whoever asked has gone while the manifest was on its way: it is there, and nobody has heard of it.
#[tokio::test]
async fn a_manifest_that_nobody_heard_of_keeps_its_files() {
    let mut life = Exporting::new();
    life.file(1, 50);
    tokio::select! {
        biased;
        () = life.store.hang_behind("manifest-0001") => {}
        done = life.export() => panic!("{done:?}"),
    }
    life.store.heal();
    let before = life.objects().await;
    // Meanwhile a class is dropped: the same attempt would have less.
    let rule = PurgeRule { class: Some("error".into()), ..PurgeRule::default() };
    life.engine.purge(&rule, false, Seq(u64::MAX >> 1), None).unwrap().unwrap();
    assert_eq!(life.export().await.unwrap(), crate::Exported::default());
    assert_eq!(life.objects().await, before);
    assert_eq!(life.exported().await, life.due());
}

/// Between the last look at the claim and the manifest another server has made it.
#[tokio::test]
async fn who_loses_the_race_for_a_manifest_deletes_nothing() {
    let mut life = Exporting::new();
    life.file(1, 50);
    life.export().await.unwrap();
    life.file(1, 20);
    let day = "export/default/2026/11/20";
    let theirs = ["kept-late-0007.ndjson", "manifest-0002.json"];
    let theirs = theirs.map(|name| (format!("{day}/{name}").into(), Bytes::from("theirs")));
    life.store.write_meanwhile(theirs.to_vec());
    let error = life.export().await.unwrap_err();
    assert!(error.to_string().contains("another server has written"), "{error}");
    let after = life.objects().await;
    for (name, bytes) in &theirs {
        assert_eq!(after.get(name.as_ref()), Some(bytes), "{name}");
    }
}

/// Whoever took over has finished what a slow server began: its files stay as the manifest lists them.
#[tokio::test]
async fn who_comes_behind_a_manifest_overwrites_none_of_its_files() {
    let mut life = Exporting::new();
    life.file(1, 50);
    life.export().await.unwrap();
    life.file(1, 30);
    let io = Io { entropy: Arc::new(SeededEntropy::new(9)), ..life.io.clone() };
    let other = exporting(&life.store, &life.engine, &io);
    {
        let mut slow = std::pin::pin!(life.export());
        tokio::select! {
            biased;
            () = life.store.hang_behind("begun-0002") => {}
            done = &mut slow => panic!("{done:?}"),
        }
        assert_eq!(other.export(life.clock.now(), None).await.unwrap().events, 30);
        let before = life.objects().await;
        // What it would write now is less.
        let rule = PurgeRule { query: Some("message:51".to_owned()), ..PurgeRule::default() };
        life.engine.purge(&rule, true, Seq(u64::MAX >> 1), None).unwrap().unwrap();
        life.store.heal();
        let error = slow.await.unwrap_err();
        assert!(error.to_string().contains("taken over"), "{error}");
        let after = life.objects().await;
        assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)));
    }
    life.archive = other;
    life.archive.erase().await.unwrap();
    life.gone.insert(51);
    assert_eq!(life.exported().await, life.due());
}

/// What is of a format that was set before is left over as well; somebody's notes are not.
#[tokio::test]
async fn files_of_another_format_that_nobody_lists_are_removed() {
    let mut life = Exporting::new();
    life.file(1, 10);
    life.export().await.unwrap();
    let day = "export/default/2026/11/20";
    for name in ["info-0009.ndjson.zst", "info-0009.parquet", "README"] {
        let path = format!("{day}/{name}").into();
        life.store.inner.put(&path, "left".into()).await.unwrap();
    }
    life.restart(2);
    life.export().await.unwrap();
    let objects = life.objects().await;
    let is_left = |name: &&String| name.contains("0009") || name.ends_with("README");
    let left: Vec<&String> = objects.keys().filter(is_left).collect();
    assert_eq!(left, [&format!("{day}/README")]);
}

/// A store that was restored from before its last export gives numbers again that were exported.
#[tokio::test]
async fn what_another_history_exported_is_not_taken_for_ours() {
    let mut life = Exporting::new();
    life.file(1, 10);
    life.archive.run_now(false).await.unwrap();
    let (_, engine) = restored(&life.store).await;
    life.file(1, 40);
    life.export().await.unwrap();
    let before = life.objects().await;

    (life.engine, life.days) = (Arc::new(engine), life.days[..10].to_vec());
    life.restart(7);
    life.file(1, 20);
    life.archive.run_now(true).await.unwrap();
    let error = life.export().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("Choose another archive.export_folder"), "{error}");
    assert_eq!(life.objects().await, before);
    let rule = PurgeRule { class: Some("info".into()), ..PurgeRule::default() };
    let plan = life.engine.purge_plan(&rule, &logstrata_engine::Cancel::default()).unwrap();
    assert!(plan.days.iter().all(|day| !day.exported), "nothing is marked");

    // Elsewhere all of it is exported, and goes on behind a purge, which lets the manifest begin anew.
    let export = ExportSettings { folder: "second".into(), ..export_settings() };
    life.archive =
        archive_of(&life.store, &life.engine, &life.io, settings()).with_export(export.clone());
    assert_eq!(life.export().await.unwrap().events, 30);
    life.engine.purge(&rule, true, Seq(u64::MAX >> 1), None).unwrap().unwrap();
    life.archive = archive_of(&life.store, &life.engine, &life.io, settings()).with_export(export);
    assert_eq!(life.export().await.unwrap().days, 1);
}

/// An export that only begun, of another history, is none of ours either.
#[tokio::test]
async fn what_another_history_began_is_not_gone_on_with() {
    let mut life = Exporting::new();
    life.file(1, 10);
    life.archive.run_now(false).await.unwrap();
    let (_, engine) = restored(&life.store).await;
    life.file(1, 40);
    tokio::select! {
        biased;
        () = life.store.hang_behind("begun-0001") => {}
        done = life.export() => panic!("{done:?}"),
    }
    life.store.heal();
    (life.engine, life.days) = (Arc::new(engine), life.days[..10].to_vec());
    life.restart(7);
    life.file(1, 60);
    life.archive.run_now(true).await.unwrap();
    let error = life.export().await.unwrap_err();
    assert!(error.to_string().contains("Choose another archive.export_folder"), "{error}");
}

#[tokio::test]
async fn a_local_file_that_can_not_be_copied_stops_no_export_of_what_was() {
    let mut life = Exporting::new();
    life.file(1, 50);
    life.archive.run_now(false).await.unwrap();
    life.file(2, 300);
    let status = life.archive.status().unwrap();
    let bad = status.files.iter().find(|file| file.copied.is_none() && file.created.is_some());
    let bad = Path::new("store").join(&bad.unwrap().name);
    let flip = || {
        let file = life.io.storage.open(&bad).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 1_000).unwrap();
        file.write_all_at(&[byte[0] ^ 1], 1_000).unwrap();
    };
    flip();
    let error = life.export().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(life.archive.export_error().is_some());
    let exported: Vec<usize> = life.exported().await.into_values().flatten().collect();
    assert_eq!(exported, (0..50).collect::<Vec<_>>(), "what the archive has");
    flip();
    life.export().await.unwrap();
    assert_eq!(life.exported().await, life.due());
}

#[tokio::test]
async fn a_day_that_can_not_be_read_keeps_no_other_waiting() {
    let mut life = Exporting::new();
    life.file(3, 5);
    life.file(2, 5);
    life.export().await.unwrap();
    for (day, bytes) in [("19", "{}"), ("18", r#"{"format":"logstrata-export","version":9}"#)] {
        let name = format!("export/default/2026/11/{day}/manifest-0001.json");
        life.store.inner.put(&name.into(), bytes.into()).await.unwrap();
    }
    life.file(1, 10);
    life.restart(2);
    life.export().await.unwrap_err();
    assert!(life.objects().await.contains_key("export/default/2026/11/20/manifest-0001.json"));
}

/// A large day delays copies, many do not.
#[tokio::test]
async fn passes_run_between_two_days() {
    let mut life = Exporting::new();
    life.file(2, 10);
    life.file(1, 10);
    let second = "export/default/2026/11/20/manifest-0001.json";
    let export = life.export();
    let pass = async {
        life.store.hang_behind("2026/11/19/manifest-0001").await;
        let pass = life.archive.run_now(false);
        let (pass, ()) = tokio::join!(pass, async { life.store.heal() });
        pass.unwrap();
        life.store.inner.head(&second.into()).await.is_err()
    };
    let (exported, was_between) = tokio::join!(export, pass);
    assert_eq!((exported.unwrap().days, was_between), (2, true));
}
