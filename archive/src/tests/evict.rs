//! Local copies go only while nothing speaks against it: of a store that takes more than its budget, so that all
//! go that may, or of one that keeps them for some days.

use super::*;
use crate::catalog::{Catalog, Committed, Edit, Op, folder_of};
use crate::error::ErrorKind;
use futures_util::StreamExt;
use logstrata_engine::{DiskBudget, Keep};
use object_store::ObjectStoreExt;
use object_store::path::Path as Key;

/// A store of some segments on days that are over, all of which are archived.
struct Tight {
    clock: Arc<ManualClock>,
    store: FaultyStore,
    machine: Machine,
}

impl Tight {
    /// Nothing was copied yet. Without `local_keep` it has a budget of nothing.
    fn new(settings: Settings) -> Self {
        let clock = clock();
        let (store, storage) = (FaultyStore::new(&clock), MemoryStorage::new());
        let mut machine = Machine::new(&store, &storage, &clock, 1);
        for _ in 0..2 {
            machine.file(150);
            machine.engine.compact_now().unwrap();
        }
        let Machine { io, engine, archive, events } = machine;
        drop((archive, engine));
        let mut options = options(&io);
        let is_full = settings.local_keep.is_none();
        options.limits.disk_budget = is_full.then_some(DiskBudget::Bytes(1));
        let engine = Arc::new(Engine::open(options).unwrap());
        let archive = archive_of(&store, &engine, &io, settings);
        clock.advance(25 * HOUR);
        Self { clock, store, machine: Machine { io, engine, archive, events } }
    }

    /// All of it is archived, and nothing speaks against letting it go.
    async fn archived(settings: Settings) -> Self {
        let tight = Self::new(settings);
        assert_eq!(tight.gone(), 0, "nobody said that it may");
        tight.pass().await.unwrap();
        tight
    }

    async fn pass(&self) -> crate::Result<crate::Pass> {
        self.machine.archive.run_now(false).await
    }

    /// How many local copies go for want of room.
    fn gone(&self) -> u64 {
        self.machine.engine.make_room().unwrap().files
    }

    async fn objects(&self, folder: &str) -> Vec<Key> {
        let uuid = self.machine.engine.store_uuid();
        let prefix = Key::from(format!("{}/{folder}", folder_of(&uuid)));
        let mut keys: Vec<_> = object_store::ObjectStore::list(&*self.store.inner, Some(&prefix))
            .map(|meta| meta.unwrap().location)
            .collect()
            .await;
        keys.sort();
        keys
    }

    /// The first file that may leave the disk, and its object.
    async fn first(&self) -> (String, Key) {
        let uuid = self.machine.engine.store_uuid();
        let catalog = Catalog::load(&plain(&self.store), uuid).await.unwrap();
        let name = self.machine.engine.leaves_next(Some(Keep::days(1))).swap_remove(0);
        let hash = catalog.state().named(&name).expect("it was copied").blake3;
        (name, Key::from(crate::copy::object_of(&uuid, &hash)))
    }

    fn is_local(&self, name: &str) -> bool {
        let files = self.machine.archive.status().unwrap().files;
        files.into_iter().find(|file| file.name == name).expect("it is live").is_local
    }
}

#[tokio::test]
async fn no_local_copy_goes_once_an_object_was_found_missing() {
    let tight = Tight::archived(settings()).await;
    let (_, object) = tight.first().await;
    tight.store.inner.delete(&object).await.unwrap();
    let found = tight.machine.archive.verify(false).await.unwrap();
    assert_eq!(found.damage.len(), 1, "{:?}", found.damage);
    assert_eq!(tight.gone(), 0, "the last good copy is here");
    // The next pass writes the object again.
    tight.pass().await.unwrap();
    assert!(tight.objects("seg").await.contains(&object));
    assert!(tight.gone() > 0);
    assert_eq!(verified(&tight.store, &tight.machine).await.damage, [""; 0]);
}

#[tokio::test]
async fn no_local_copy_goes_after_a_pass_that_failed() {
    let tight = Tight::archived(settings()).await;
    let last = tight.objects("cat").await.pop().unwrap();
    tight.store.inner.delete(&last).await.unwrap();
    let error = tight.pass().await.unwrap_err();
    assert!(error.to_string().contains("was there and is gone"), "{error}");
    assert_eq!(tight.gone(), 0);
    // Nor of an archive whose catalog has a hole.
    let tight = Tight::archived(settings()).await;
    let first = tight.objects("cat").await.swap_remove(0);
    tight.store.inner.delete(&first).await.unwrap();
    assert!(!tight.machine.archive.verify(false).await.unwrap().damage.is_empty());
    assert_eq!(tight.gone(), 0);
    // One that can't be reached for once has what it had.
    let tight = Tight::archived(settings()).await;
    tight.store.go_down();
    assert_eq!(tight.pass().await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert!(tight.gone() > 0);
}

#[tokio::test]
async fn no_local_copy_goes_once_another_server_has_taken_over() {
    for is_due in [true, false] {
        let tight = Tight::archived(settings()).await;
        let uuid = tight.machine.engine.store_uuid();
        let mut theirs = Catalog::load(&plain(&tight.store), uuid).await.unwrap();
        let edit = Edit { writer: [9; 16], time: NOON, ops: vec![Op::Claim] };
        assert_eq!(theirs.commit(edit).await.unwrap(), Committed::Done);
        let passed = tight.machine.archive.pass(is_due).await;
        assert_eq!(passed.is_err(), is_due, "{passed:?}");
        assert_eq!(tight.gone(), 0);
    }
}

/// A verification that reads every object takes hours, and may be given up before its end.
#[tokio::test]
async fn what_a_verification_found_bad_counts_at_once() {
    let tight = Tight::archived(settings()).await;
    let (_, object) = tight.first().await;
    tight.machine.archive.doubt(crate::copy::hash_of(object.filename().unwrap()).unwrap());
    assert_eq!(tight.gone(), 0);
    // A pass looks at it, and it is whole.
    tight.pass().await.unwrap();
    assert!(tight.gone() > 0);
}

/// Kept here for ten days.
fn kept() -> Settings {
    Settings { local_keep: Some(240 * HOUR), ..settings() }
}

/// A rule of the bucket that deletes what is old made each copy that was due the last one that went.
#[tokio::test]
async fn no_local_copy_goes_whose_object_was_deleted_since_it_was_copied() {
    let tight = Tight::archived(kept()).await;
    tight.clock.advance(20 * 24 * HOUR);
    let (name, object) = tight.first().await;
    tight.store.inner.delete(&object).await.unwrap();
    tight.pass().await.unwrap();
    assert!(tight.is_local(&name));
    let warnings = tight.machine.archive.status().unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("lifecycle rule")), "{warnings:?}");
    // Nobody has to ask for what makes up for it.
    tight.clock.advance(Duration::from_secs(60));
    let pass = tight.machine.archive.pass(false).await.unwrap().unwrap();
    assert!(tight.objects("seg").await.contains(&object));
    assert_eq!((pass.files, pass.evicted, tight.is_local(&name)), (1, 1, false));
    assert_eq!(verified(&tight.store, &tight.machine).await.damage, [""; 0]);
}

#[tokio::test]
async fn an_object_that_was_cut_off_keeps_its_local_copy() {
    let tight = Tight::archived(kept()).await;
    tight.clock.advance(20 * 24 * HOUR);
    let (name, object) = tight.first().await;
    let bytes = tight.store.inner.get(&object).await.unwrap().bytes().await.unwrap();
    tight.store.inner.put(&object, bytes.slice(1..).into()).await.unwrap();
    tight.pass().await.unwrap();
    assert!(tight.is_local(&name));
    tight.pass().await.unwrap();
    assert!(!tight.is_local(&name));
    assert_eq!(verified(&tight.store, &tight.machine).await.damage, [""; 0]);
}

/// Without `read_back` nobody had compared it.
#[tokio::test]
async fn what_was_never_compared_is_before_its_local_copy_goes() {
    let tight = Tight::archived(Settings { read_back: false, ..kept() }).await;
    tight.clock.advance(20 * 24 * HOUR);
    let (name, object) = tight.first().await;
    let bytes = tight.store.inner.get(&object).await.unwrap().bytes().await.unwrap();
    let mut changed = bytes.to_vec();
    changed[100] ^= 1;
    tight.store.inner.put(&object, changed.into()).await.unwrap();
    tight.pass().await.unwrap();
    assert!(tight.is_local(&name));
    tight.pass().await.unwrap();
    assert!(!tight.is_local(&name));
    assert_eq!(tight.store.inner.get(&object).await.unwrap().bytes().await.unwrap(), bytes);
}

/// Nobody has the file any more: that is told, and keeps nothing else from being archived.
#[tokio::test]
async fn an_object_that_is_gone_with_its_local_copy_is_told() {
    let mut tight = Tight::archived(kept()).await;
    tight.clock.advance(20 * 24 * HOUR);
    let (name, object) = tight.first().await;
    tight.pass().await.unwrap();
    assert!(!tight.is_local(&name));
    tight.store.inner.delete(&object).await.unwrap();
    tight.machine.file(150);
    tight.machine.engine.compact_now().unwrap();
    for _ in 0..2 {
        let pass = tight.pass().await.unwrap();
        let warnings = tight.machine.archive.status().unwrap().warnings;
        let told = |warning: &String| warning.contains("1 files have left this disk");
        assert!(warnings.iter().any(told), "{pass:?}: {warnings:?}");
    }
}
