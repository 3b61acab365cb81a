//! An object store in memory that fails as told, and whose clock is a test's.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use logstrata_engine::io::{Clock, ManualClock};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result, UploadPart,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Notify;

/// When a write fails: before it is done, or after, with its answer lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

#[derive(Debug, Default)]
struct Plan {
    /// The write that fails, counted from 0, and all behind it: the process has died.
    dies_at: Option<(u64, When)>,
    writes: u64,
    is_down: bool,
    ignores_conditions: bool,
    hangs: bool,
    /// The object whose answer is held back once it is written, by a part of its name.
    hangs_behind: Option<String>,
    changes_bytes: bool,
    /// The file's object that fails, counted from 0, and those behind it.
    refuses: Option<u64>,
    objects: u64,
    /// How long the object of a file takes.
    takes: Duration,
    /// What others write before the next list is answered.
    meanwhile: Vec<(Path, Bytes)>,
    stamps: HashMap<Path, i64>,
}

#[derive(Debug, Clone)]
pub(super) struct FaultyStore {
    pub(super) inner: Arc<InMemory>,
    plan: Arc<Mutex<Plan>>,
    hanging: Arc<Notify>,
    released: Arc<Notify>,
    clock: Arc<ManualClock>,
}

impl FaultyStore {
    pub(super) fn new(clock: &Arc<ManualClock>) -> Self {
        let clock = Arc::clone(clock);
        let (inner, hanging) = (Arc::new(InMemory::new()), Arc::new(Notify::new()));
        Self { inner, plan: Arc::default(), hanging, released: Arc::default(), clock }
    }

    /// Lets the write of this number fail, and everything behind it.
    pub(super) fn die_at(&self, write: u64, when: When) {
        let mut plan = self.plan.lock();
        (plan.dies_at, plan.writes) = (Some((write, when)), 0);
    }

    /// Whether it has failed by now.
    pub(super) fn has_died(&self) -> bool {
        let plan = self.plan.lock();
        plan.dies_at.is_some_and(|(write, _)| plan.writes > write)
    }

    pub(super) fn heal(&self) {
        let mut plan = self.plan.lock();
        (plan.dies_at, plan.is_down, plan.refuses, plan.hangs) = (None, false, None, false);
        plan.hangs_behind = None;
        self.released.notify_waiters();
    }

    /// Lets the object of the file of this number fail, and those behind it; nothing else does.
    pub(super) fn refuse_object(&self, object: u64) {
        let mut plan = self.plan.lock();
        (plan.refuses, plan.objects) = (Some(object), 0);
    }

    /// Objects that others write before the next list of their folder is answered.
    pub(super) fn write_meanwhile(&self, objects: Vec<(Path, Bytes)>) {
        self.plan.lock().meanwhile = objects;
    }

    /// Objects of files are never answered. Returns once one is on its way.
    pub(super) async fn hang(&self) {
        self.plan.lock().hangs = true;
        self.hanging.notified().await;
    }

    /// The object whose name has this in it is written and not answered, until the store is healed.
    /// Returns once it is there.
    pub(super) async fn hang_behind(&self, name: &str) {
        self.plan.lock().hangs_behind = Some(name.to_owned());
        self.hanging.notified().await;
    }

    async fn hang_behind_if_told(&self, path: &Path) {
        let hangs = |plan: &mut Plan| {
            let name = plan.hangs_behind.take_if(|name| path.as_ref().contains(&**name));
            name.is_some()
        };
        if hangs(&mut self.plan.lock()) {
            let released = self.released.notified();
            self.hanging.notify_one();
            released.await;
        }
    }

    async fn hang_if_told(&self, path: &Path) {
        if self.plan.lock().hangs && path.as_ref().contains("/seg/") {
            self.hanging.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Lets the clock go on with each object of a file.
    pub(super) fn take(&self, time: Duration) {
        self.plan.lock().takes = time;
    }

    pub(super) fn go_down(&self) {
        self.plan.lock().is_down = true;
    }

    pub(super) fn ignore_conditions(&self) {
        self.plan.lock().ignores_conditions = true;
    }

    pub(super) fn change_bytes(&self, yes: bool) {
        self.plan.lock().changes_bytes = yes;
    }

    fn failure() -> Error {
        Error::Generic { store: "faulty", source: "connection reset".into() }
    }

    fn check(&self) -> Result<()> {
        let plan = self.plan.lock();
        let died = plan.dies_at.is_some_and(|(write, _)| plan.writes > write);
        if died || plan.is_down { Err(Self::failure()) } else { Ok(()) }
    }

    /// Counts a write; says whether its answer is lost.
    fn write(&self, path: &Path) -> Result<bool> {
        self.check()?;
        let mut plan = self.plan.lock();
        if path.as_ref().contains("/seg/") {
            plan.objects += 1;
            if plan.refuses.is_some_and(|refused| plan.objects > refused) {
                return Err(Self::failure());
            }
            self.clock.advance(plan.takes);
        }
        let at = plan.writes;
        plan.writes += 1;
        match plan.dies_at {
            Some((write, When::Before)) if write == at => Err(Self::failure()),
            Some((write, When::After)) if write == at => {
                plan.stamps.insert(path.clone(), self.clock.now().0);
                Ok(true)
            }
            _ => {
                plan.stamps.insert(path.clone(), self.clock.now().0);
                Ok(false)
            }
        }
    }

    fn stamp(&self, mut meta: ObjectMeta) -> ObjectMeta {
        if let Some(stamp) = self.plan.lock().stamps.get(&meta.location) {
            let since = Duration::from_nanos(u64::try_from(*stamp).expect("after 1970"));
            meta.last_modified = (UNIX_EPOCH + since).into();
        }
        meta
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        if options.mode == PutMode::Create && self.inner_has(path).await {
            self.check()?;
            if !self.plan.lock().ignores_conditions {
                return self.inner.put_opts(path, payload, options).await;
            }
            options.mode = PutMode::Overwrite;
        }
        self.hang_if_told(path).await;
        let is_lost = self.write(path)?;
        let payload = match self.plan.lock().changes_bytes {
            true => {
                let mut bytes = payload.iter().flatten().copied().collect::<Vec<u8>>();
                if let Some(byte) = bytes.last_mut() {
                    *byte ^= 1;
                }
                bytes.into()
            }
            false => payload,
        };
        let result = self.inner.put_opts(path, payload, options).await?;
        self.hang_behind_if_told(path).await;
        if is_lost { Err(Self::failure()) } else { Ok(result) }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check()?;
        self.hang_if_told(path).await;
        let upload = self.inner.put_multipart_opts(path, options).await?;
        Ok(Box::new(FaultyParts { store: self.clone(), path: path.clone(), upload }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.check()?;
        let mut got = self.inner.get_opts(path, options).await?;
        got.meta = self.stamp(got.meta);
        Ok(got)
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deleted = paths.then(move |path| {
            let store = store.clone();
            async move {
                let path = path?;
                let is_lost = store.write(&path)?;
                let one = futures_util::stream::once(async move { Ok(path) }).boxed();
                let done = store.inner.delete_stream(one).next().await;
                if is_lost { Err(Self::failure()) } else { done.expect("one for one") }
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Err(error) = self.check() {
            return futures_util::stream::once(async move { Err(error) }).boxed();
        }
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let is_listed = |path: &Path| prefix.as_ref().is_none_or(|of| path.prefix_matches(of));
            let meanwhile: Vec<(Path, Bytes)> = {
                let mut plan = store.plan.lock();
                let all = std::mem::take(&mut plan.meanwhile);
                let (now, later) = all.into_iter().partition(|(path, _)| is_listed(path));
                plan.meanwhile = later;
                now
            };
            for (path, bytes) in meanwhile {
                store.inner.put(&path, bytes.into()).await.expect("memory takes all");
            }
            let listed = store.inner.list(prefix.as_ref());
            listed.map(move |meta| Ok(store.stamp(meta?)))
        };
        futures_util::stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl FaultyStore {
    async fn inner_has(&self, path: &Path) -> bool {
        let options = GetOptions { head: true, ..GetOptions::default() };
        self.inner.get_opts(path, options).await.is_ok()
    }
}

#[derive(Debug)]
struct FaultyParts {
    store: FaultyStore,
    path: Path,
    upload: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for FaultyParts {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.store.check() {
            Ok(()) => self.upload.put_part(data),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let is_lost = self.store.write(&self.path)?;
        let result = self.upload.complete().await?;
        if is_lost { Err(FaultyStore::failure()) } else { Ok(result) }
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
