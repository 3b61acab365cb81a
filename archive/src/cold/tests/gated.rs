//! An object store in memory whose answers a test lets through, and a clock that goes on whenever somebody looks.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use logstrata_engine::Timestamp;
use logstrata_engine::io::Clock;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Nobody waits longer for what has to come.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// Answers a GET once the gate is open.
#[derive(Debug, Clone)]
pub(super) struct Gated {
    inner: Arc<InMemory>,
    is_open: watch::Sender<bool>,
    /// For so many GETs the gate is open although it is not.
    passes: Arc<Semaphore>,
    /// GETs that wait, and the most that did.
    waiting: Arc<(Mutex<(usize, usize)>, Condvar)>,
}

/// A GET that waits, until it ends or is given up.
struct Waiting<'a>(&'a Gated);

impl<'a> Waiting<'a> {
    fn begin(gated: &'a Gated) -> Self {
        let (counts, bell) = &*gated.waiting;
        let mut counts = counts.lock();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
        bell.notify_all();
        Self(gated)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let (counts, bell) = &*self.0.waiting;
        counts.lock().0 -= 1;
        bell.notify_all();
    }
}

impl Gated {
    pub(super) fn new() -> Self {
        let (is_open, _) = watch::channel(true);
        let passes = Arc::new(Semaphore::new(0));
        Self { inner: Arc::default(), is_open, passes, waiting: Arc::default() }
    }

    pub(super) fn open(&self, yes: bool) {
        self.is_open.send_replace(yes);
    }

    /// Lets so many through.
    pub(super) fn pass(&self, count: usize) {
        self.passes.add_permits(count);
    }

    /// Returns once so many GETs wait.
    pub(super) fn wait_for(&self, count: usize) {
        let (counts, bell) = &*self.waiting;
        let mut counts = counts.lock();
        while counts.0 != count {
            let ended = bell.wait_for(&mut counts, LONG);
            assert!(!ended.timed_out(), "{} wait, not {count}", counts.0);
        }
    }

    /// The most that waited at a time.
    pub(super) fn waited_max(&self) -> usize {
        self.waiting.0.lock().1
    }
}

impl fmt::Display for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gated")
    }
}

#[async_trait]
impl ObjectStore for Gated {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let waiting = Waiting::begin(self);
        let mut is_open = self.is_open.subscribe();
        // Sender and passes live as long as this.
        tokio::select! {
            _ = is_open.wait_for(|is_open| *is_open) => {}
            pass = self.passes.acquire() => pass.expect("it is never closed").forget(),
        }
        drop(waiting);
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A clock that goes on by some milliseconds whenever somebody looks at it.
#[derive(Debug, Default)]
pub(super) struct Ticking {
    pub(super) each: AtomicU64,
    shows: AtomicU64,
}

impl Ticking {
    /// What it shows, without a look.
    pub(super) fn shows(&self) -> Duration {
        Duration::from_millis(self.shows.load(Relaxed))
    }
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Duration {
        let each = self.each.load(Relaxed);
        Duration::from_millis(self.shows.fetch_add(each, Relaxed) + each)
    }
}
