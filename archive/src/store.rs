//! The object store, below a prefix: what the archive asks of it, and how it is told apart from one that
//! would lose data.

use crate::error::{Error, ErrorKind, Result};
use crate::rate::Rate;
use crate::settings::{Place, Settings};
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use logstrata_engine::crypt::Keyring;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error as StoreError, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions,
};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// An object store, below a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    inner: Arc<dyn ObjectStore>,
    prefix: Path,
    shown: Arc<str>,
    /// Of the objects of files.
    attributes: Attributes,
    pub(crate) part_bytes: u64,
    pub(crate) read_back: bool,
    /// Whether what is written was compared with its checksum, here or there, once it is written.
    pub(crate) compares: bool,
    rate: Arc<Rate>,
    keys: Option<Arc<Keyring>>,
    /// Whether a PUT that must not overwrite doesn't.
    conditional: Arc<AtomicBool>,
}

/// What became of a PUT that must not overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    New,
    /// There is an object of this name, as before.
    Exists,
}

impl Store {
    /// The store of these settings; nothing is connected to yet.
    pub(crate) fn open(settings: &Settings) -> Result<Self> {
        let Place { store, prefix, shown, has_classes } = settings.place()?;
        let mut opened = Self::of(store, settings);
        // A checksum is sent along (see the settings), which a store of others may ignore.
        opened.compares |= has_classes && settings.endpoint.is_none();
        opened.prefix = prefix;
        opened.shown = shown.into();
        if let Some(class) = settings.storage_class.clone().filter(|_| has_classes) {
            opened.attributes.insert(Attribute::StorageClass, class.into());
        }
        Ok(opened)
    }

    /// Any store, without a prefix.
    pub(crate) fn of(store: Arc<dyn ObjectStore>, settings: &Settings) -> Self {
        Self {
            inner: store,
            prefix: Path::default(),
            shown: settings.url.as_str().into(),
            attributes: Attributes::new(),
            part_bytes: settings.part_bytes,
            read_back: settings.read_back,
            compares: settings.read_back,
            rate: Arc::new(Rate::new(settings.bandwidth)),
            keys: settings.keys.clone(),
            conditional: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Where it is, for people.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// What the catalog is encrypted under.
    pub(crate) fn keys(&self) -> Option<&Arc<Keyring>> {
        self.keys.as_ref()
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn failed(&self, action: &str, name: &str, error: StoreError) -> Error {
        Error::of_store(action, &format!("{name} in {}", self.shown), error)
    }

    /// From now on an object is looked for before it is created: the store doesn't keep conditions.
    pub(crate) fn is_unconditional(&self) {
        self.conditional.store(false, Relaxed);
    }

    /// Creates an object, unless there is one.
    pub(crate) async fn create(&self, name: &str, bytes: Bytes) -> Result<Created> {
        let mode = match self.conditional.load(Relaxed) {
            true => PutMode::Create,
            false if self.head(name).await?.is_some() => return Ok(Created::Exists),
            false => PutMode::Overwrite,
        };
        self.put(name, bytes, mode).await
    }

    /// Creates an object by the store's own condition.
    pub(crate) async fn create_if(&self, name: &str, bytes: Bytes) -> Result<Created> {
        self.put(name, bytes, PutMode::Create).await
    }

    /// Writes an object, whatever is there.
    pub(crate) async fn overwrite(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.put(name, bytes, PutMode::Overwrite).await.map(drop)
    }

    /// Writes the object of a file, of the class that is set for them.
    pub(crate) async fn write_file(&self, name: &str, bytes: Bytes) -> Result<()> {
        let attributes = self.attributes.clone();
        let options = PutOptions { attributes, ..PutOptions::default() };
        self.put_with(name, bytes, options).await.map(drop)
    }

    async fn put(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<Created> {
        self.put_with(name, bytes, PutOptions { mode, ..PutOptions::default() }).await
    }

    async fn put_with(&self, name: &str, bytes: Bytes, options: PutOptions) -> Result<Created> {
        self.rate.take(bytes.len() as u64).await;
        let must_create = options.mode == PutMode::Create;
        match self.inner.put_opts(&self.path(name), bytes.into(), options).await {
            Ok(_) => Ok(Created::New),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. })
                if must_create =>
            {
                Ok(Created::Exists)
            }
            Err(error) => Err(self.failed("write", name, error)),
        }
    }

    /// Begins the object of a file that is sent in parts.
    pub(crate) async fn begin(&self, name: &str) -> Result<Parts> {
        let attributes = self.attributes.clone();
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let upload = self.inner.put_multipart_opts(&self.path(name), options).await;
        let upload = upload.map_err(|error| self.failed("write", name, error))?;
        Ok(Parts { store: self.clone(), name: name.to_owned(), upload })
    }

    /// What the store says of an object; `None` if there is none.
    pub(crate) async fn head(&self, name: &str) -> Result<Option<ObjectMeta>> {
        match self.inner.head(&self.path(name)).await {
            Ok(meta) => Ok(Some(meta)),
            Err(error) => self.none_if_missing("look for", name, error),
        }
    }

    fn none_if_missing<T>(&self, action: &str, name: &str, error: StoreError) -> Result<Option<T>> {
        let is_object = matches!(error, StoreError::NotFound { .. });
        let error = self.failed(action, name, error);
        match is_object && !error.to_string().contains("NoSuchBucket") {
            true => Ok(None),
            false => Err(error),
        }
    }

    /// An object of at most `bytes_max` bytes; `None` if there is none.
    pub(crate) async fn get(&self, name: &str, bytes_max: u64) -> Result<Option<Bytes>> {
        let got = match self.inner.get(&self.path(name)).await {
            Ok(got) => got,
            Err(error) => return self.none_if_missing("read", name, error),
        };
        let len = got.meta.size;
        if len > bytes_max {
            return Err(Error::corrupt(format!(
                "{name} in {} has {len} bytes, at most {bytes_max} can be read",
                self.shown
            )));
        }
        got.bytes().await.map(Some).map_err(|error| self.failed("read", name, error))
    }

    /// A range of an object that is there.
    pub(crate) async fn range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        let got = self.inner.get_range(&self.path(name), range).await;
        got.map_err(|error| self.failed("read", name, error))
    }

    /// An object piece by piece, and its length; `None` if there is none.
    pub(crate) async fn stream(
        &self,
        name: &str,
    ) -> Result<Option<(u64, BoxStream<'static, Result<Bytes>>)>> {
        let got = match self.inner.get(&self.path(name)).await {
            Ok(got) => got,
            Err(error) => return self.none_if_missing("read", name, error),
        };
        let (store, name) = (self.clone(), name.to_owned());
        let len = got.meta.size;
        let pieces = got.into_stream().map_err(move |error| store.failed("read", &name, error));
        Ok(Some((len, pieces.boxed())))
    }

    /// The objects below `folder`: the last part of their names, and what the store says of them.
    pub(crate) fn list(&self, folder: &str) -> BoxStream<'static, Result<(String, ObjectMeta)>> {
        self.list_after(folder, "")
    }

    /// The same of those behind the name `after`.
    pub(crate) fn list_after(
        &self,
        folder: &str,
        after: &str,
    ) -> BoxStream<'static, Result<(String, ObjectMeta)>> {
        let path = self.path(folder);
        let listed = match after {
            "" => self.inner.list(Some(&path)),
            after => self.inner.list_with_offset(Some(&path), &path.clone().join(after)),
        };
        let (store, folder) = (self.clone(), folder.to_owned());
        let listed = listed.map(move |meta| match meta {
            Ok(meta) => Ok((meta.location.filename().unwrap_or_default().to_owned(), meta)),
            Err(error) => Err(store.failed("list", &folder, error)),
        });
        listed.boxed()
    }

    /// The folders directly below the prefix.
    pub(crate) async fn folders(&self) -> Result<Vec<String>> {
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let listed = self.inner.list_with_delimiter(prefix).await;
        let listed = listed.map_err(|error| self.failed("list", "the prefix", error))?;
        let names = listed.common_prefixes.iter().filter_map(|path| path.filename());
        Ok(names.map(str::to_owned).collect())
    }

    /// Deletes an object; one that is not there is fine.
    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        match self.inner.delete(&self.path(name)).await {
            Ok(()) => Ok(()),
            Err(error) => self.none_if_missing("delete", name, error).map(|_: Option<()>| ()),
        }
    }

    /// Whether the store keeps the condition of a PUT that must not overwrite. One that ignores it would
    /// let two servers write over each other, unseen.
    ///
    /// # Errors
    /// What a first PUT comes to: wrong credentials, a missing bucket.
    pub(crate) async fn probe(&self, name: &str) -> Result<bool> {
        let first = self.create_if(name, Bytes::from_static(b"first")).await;
        let second = match &first {
            Ok(_) => self.create_if(name, Bytes::from_static(b"second")).await,
            Err(_) => Ok(Created::Exists),
        };
        // Without the right to delete it stays: one for each process.
        let deleted = self.delete(name).await;
        match first {
            // The name is random: an answer was lost, and the request sent again.
            Ok(Created::New | Created::Exists) => {}
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(false),
            Err(error) => return Err(error),
        }
        let second = second?;
        deleted?;
        Ok(second == Created::Exists)
    }
}

/// An object that is sent in parts. It is there once all of it is.
#[derive(Debug)]
pub(crate) struct Parts {
    store: Store,
    name: String,
    upload: Box<dyn MultipartUpload>,
}

impl Parts {
    /// Sends the next part.
    pub(crate) async fn put(&mut self, bytes: Bytes) -> Result<()> {
        self.store.rate.take(bytes.len() as u64).await;
        let sent = self.upload.put_part(bytes.into()).await;
        sent.map_err(|error| self.store.failed("write", &self.name, error))
    }

    /// Makes the object of its parts.
    pub(crate) async fn complete(mut self) -> Result<()> {
        let done = self.upload.complete().await;
        done.map(drop).map_err(|error| self.store.failed("write", &self.name, error))
    }

    /// Gives the parts up, as far as the store can be reached.
    pub(crate) async fn abort(mut self) {
        // A lifecycle rule of the bucket removes what stays: docs/archive.md.
        let _ = self.upload.abort().await;
    }
}
