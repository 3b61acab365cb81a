//! The catalog's log in the object store: an object for each edit, each created only if there is none
//! of its number.
//!
//! - `C1` object n + 1 is created only after object n was: the log has no holes, and who finds no
//!   object of a number, and none behind it, is at its end.
//! - `C2` each object names the hash of the one before, as it is stored, encrypted or not: a log that was
//!   changed anywhere is not followed. Its end is looked for before each edit: a log whose end is lost is
//!   not written on.
//! - `C3` the object whose number is a multiple of 256 sums up all before it. So does the one at which a
//!   log begins whose past was erased ([`begin`](super::begin)).

use super::entry::{Edit, Hash};
use super::format::{Body, OBJECT_BYTES_MAX, Object};
use super::state::State;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Created, Store};
use bytes::Bytes;
use futures_util::stream::{BoxStream, TryStreamExt};
use logstrata_engine::crypt;
use logstrata_engine::io::SystemEntropy;
use object_store::ObjectMeta;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every so many objects one is a snapshot.
pub(crate) const SNAPSHOT_EVERY: u64 = 256;

/// What to do about a catalog that lacks objects.
const REMEDY: &str = "nothing is written to it until its objects are put back, or `logstrata archive run \
                      --adopt` gives up what can't be followed";

/// The number of the last object, and its hash.
pub(crate) type End = (u64, Hash);

/// The catalog, as far as it was read.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(super) store: Store,
    uuid: [u8; 16],
    pub(super) folder: String,
    /// The snapshot before which all was erased; 0 if the log begins with its first object.
    pub(super) begin: u64,
    /// The last object's number and hash; 0 and zeros without any.
    pub(super) number: u64,
    hash: [u8; 32],
    pub(super) state: Arc<State>,
}

/// What became of an edit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is the last of the log.
    Done,
    /// Somebody else's object has its number. The catalog was read again.
    Lost,
}

/// The folder of a store: its uuid.
pub(crate) fn folder_of(uuid: &[u8; 16]) -> String {
    uuid.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Catalog {
    /// Reads the catalog of a store; an empty one if there is none.
    ///
    /// # Errors
    /// `Corrupt` for damaged or missing objects; `Unsupported`; what the store answers.
    pub(crate) async fn load(store: &Store, uuid: [u8; 16]) -> Result<Self> {
        let mut catalog = Self::empty(store, uuid);
        catalog.begin = catalog.find_begin().await?;
        let last = catalog.last_snapshot().await?;
        catalog.start_at(last).await?;
        catalog.refresh().await?;
        catalog.check_end().await?;
        Ok(catalog)
    }

    fn empty(store: &Store, uuid: [u8; 16]) -> Self {
        let folder = folder_of(&uuid);
        let (begin, number, hash, state) = (0, 0, [0; 32], Arc::default());
        Self { store: store.clone(), uuid, folder, begin, number, hash, state }
    }

    /// Takes in a snapshot as what is known of the log so far; 0 is none.
    async fn start_at(&mut self, number: u64) -> Result<()> {
        if number == 0 {
            return Ok(());
        }
        let bytes = self.read(number).await?.ok_or_else(|| self.hole(number))?;
        let Body::Snapshot(state) = self.decode(number, &bytes)?.body else {
            let name = self.name(number);
            return Err(Error::corrupt(format!("{name} is an edit where a snapshot has to be")));
        };
        (self.number, self.hash) = (number, *blake3::hash(&bytes).as_bytes());
        self.state = Arc::new(*state);
        Ok(())
    }

    /// The number of the last snapshot, or 0: first by doubling, then by halving.
    async fn last_snapshot(&self) -> Result<u64> {
        let base = self.begin / SNAPSHOT_EVERY;
        let is_there = async |place: u64| {
            let number = base.saturating_add(place).saturating_mul(SNAPSHOT_EVERY);
            Ok::<_, Error>(self.store.head(&self.name(number)).await?.is_some())
        };
        let mut above = 1;
        while is_there(above).await? {
            above *= 2;
        }
        let mut below = above / 2;
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            match is_there(middle).await? {
                true => below = middle,
                false => above = middle,
            }
        }
        Ok(((base + below) * SNAPSHOT_EVERY).max(self.begin))
    }

    /// Follows the log up to its end. After an error the catalog has to be loaded again.
    ///
    /// # Errors
    /// `Corrupt` if the end that was known is gone, or for what follows it; what the store answers.
    pub(crate) async fn refresh(&mut self) -> Result<()> {
        while let Some(bytes) = self.read(self.number + 1).await? {
            self.follow(&bytes)?;
        }
        self.check_last().await
    }

    /// The last object that was read is there still: nothing may go on behind one that is gone.
    async fn check_last(&self) -> Result<()> {
        let name = self.name(self.number);
        if self.number == 0 || self.store.head(&name).await?.is_some() {
            return Ok(());
        }
        Err(self.gone(self.number))
    }

    /// The end that was known before, if any, is part of this log.
    pub(crate) async fn check_seen(&self, seen: Option<End>) -> Result<()> {
        // What was before the begin is erased, by whoever held the claim then.
        let Some((number, hash)) = seen.filter(|(number, _)| *number >= self.begin.max(1)) else {
            return Ok(());
        };
        match self.read(number).await? {
            Some(bytes) if number <= self.number && *blake3::hash(&bytes).as_bytes() == hash => {
                Ok(())
            }
            Some(_) if number <= self.number => {
                let name = self.name(number);
                Err(Error::corrupt(format!("{name} was changed: {REMEDY}")))
            }
            _ => Err(self.gone(number)),
        }
    }

    fn gone(&self, number: u64) -> Error {
        Error::corrupt(format!(
            "{} was there and is gone: the catalog has lost its end, or all of it; {REMEDY}",
            self.name(number)
        ))
    }

    /// `C1`: nothing is behind the end.
    async fn check_end(&mut self) -> Result<()> {
        while let Some(behind) = self.numbers_behind().await?.first().copied() {
            // Another server may have gone on meanwhile.
            self.refresh().await?;
            if self.number < behind {
                return Err(self.hole(self.number + 1));
            }
        }
        Ok(())
    }

    /// The numbers of the objects behind the last that was read.
    async fn numbers_behind(&self) -> Result<BTreeSet<u64>> {
        let (folder, after) = (format!("{}/cat", self.folder), format!("{:020}", self.number));
        numbers_in(self.store.list_after(&folder, &after)).await
    }

    /// The catalog as far as it can be followed from its first object. What is behind is moved out of
    /// the way, into the folder `lost`, so that edits can go on: for whoever gives it up.
    ///
    /// # Errors
    /// What the store answers. It can be begun again.
    pub(crate) async fn cut(store: &Store, uuid: [u8; 16]) -> Result<Self> {
        let mut catalog = Self::empty(store, uuid);
        catalog.begin = catalog.find_begin().await?;
        if let Err(error) = catalog.start_at(catalog.begin).await {
            if error.kind() != ErrorKind::Corrupt {
                return Err(error);
            }
            // Nothing can be followed: it begins with a first object again.
            catalog.begin = 0;
            catalog.forget_begins().await?;
        }
        let followed = catalog.refresh().await;
        if let Err(error) = followed {
            if error.kind() != ErrorKind::Corrupt {
                return Err(error);
            }
            // The object that does not fit may have been taken in by half.
            let (begin, end) = (catalog.begin, catalog.number);
            catalog = Self { begin, ..Self::empty(store, uuid) };
            catalog.start_at(begin).await?;
            while catalog.number < end {
                let next = catalog.read(catalog.number + 1).await?;
                catalog.follow(&next.ok_or_else(|| catalog.gone(end))?)?;
            }
        }
        // From the end: until the first of them is moved, the catalog is known to be damaged.
        for number in catalog.numbers_behind().await?.into_iter().rev() {
            let name = catalog.name(number);
            if let Some(bytes) = catalog.read(number).await? {
                let hash = blake3::hash(&bytes).to_hex();
                let lost = format!("{}/lost/{number:020}-{hash}", catalog.folder);
                catalog.store.overwrite(&lost, bytes).await?;
            }
            catalog.store.delete(&name).await?;
        }
        Ok(catalog)
    }

    fn hole(&self, number: u64) -> Error {
        Error::corrupt(format!(
            "{} is missing, and there are later objects: the catalog has a hole; {REMEDY}",
            self.name(number)
        ))
    }

    /// The object of a number, as it stands.
    pub(crate) async fn read(&self, number: u64) -> Result<Option<Bytes>> {
        self.store.get(&self.name(number), OBJECT_BYTES_MAX).await
    }

    /// Takes in the next object.
    fn follow(&mut self, bytes: &[u8]) -> Result<()> {
        let number = self.number + 1;
        let object = self.decode(number, bytes)?;
        if object.previous != self.hash {
            let name = self.name(number);
            return Err(Error::corrupt(format!("{name} does not follow the object before it")));
        }
        match object.body {
            Body::Edit(edit) => {
                let applied = Arc::make_mut(&mut self.state).apply(&edit);
                applied.map_err(|what| {
                    let name = self.name(number);
                    Error::corrupt(format!("{name} does not fit the objects before: not {what}"))
                })?;
            }
            Body::Snapshot(state) if *state == *self.state => {}
            Body::Snapshot(_) => {
                let name = self.name(number);
                return Err(Error::corrupt(format!("{name} does not sum up what is before it")));
            }
        }
        (self.number, self.hash) = (number, *blake3::hash(bytes).as_bytes());
        Ok(())
    }

    fn decode(&self, number: u64, bytes: &[u8]) -> Result<Object> {
        let name = self.name(number);
        let keys = self.store.keys().map(|keys| &**keys);
        let opened = crypt::open_object(keys, &name, bytes)?;
        let object = Object::decode(&opened, &name)?;
        if (object.number, object.store) != (number, self.uuid) {
            let (found, store) = (object.number, folder_of(&object.store));
            return Err(Error::corrupt(format!("{name} is number {found} of store {store}")));
        }
        let is_snapshot = matches!(object.body, Body::Snapshot(_));
        if number.is_multiple_of(SNAPSHOT_EVERY) && !is_snapshot {
            return Err(Error::corrupt(format!("{name} is of the wrong kind for its number")));
        }
        Ok(object)
    }

    pub(super) fn name(&self, number: u64) -> String {
        format!("{}/cat/{number:020}", self.folder)
    }

    /// Appends an edit. When this returns `Done` it is durable and the last.
    ///
    /// # Errors
    /// What the store answers: whether the edit counts is known once the catalog is read again.
    pub(crate) async fn commit(&mut self, edit: Edit) -> Result<Committed> {
        if (self.number + 1).is_multiple_of(SNAPSHOT_EVERY)
            && self.append_snapshot().await? == Committed::Lost
        {
            return Ok(Committed::Lost);
        }
        let mut checked = State::clone(&self.state);
        checked.apply(&edit).map_err(|what| {
            let kind = ErrorKind::Conflict;
            Error::new(kind, format!("the catalog has changed: an edit is not {what}"))
        })?;
        self.append(Body::Edit(edit)).await
    }

    /// Appends what all objects so far come to.
    pub(super) async fn append_snapshot(&mut self) -> Result<Committed> {
        self.append(Body::Snapshot(Box::new(State::clone(&self.state)))).await
    }

    async fn append(&mut self, body: Body) -> Result<Committed> {
        let number = self.number + 1;
        let object = Object { number, store: self.uuid, previous: self.hash, body };
        let (name, plain) = (self.name(number), object.encode());
        let bytes = Bytes::from(match self.store.keys() {
            Some(keys) => crypt::seal_object(keys, &SystemEntropy, &name, &plain),
            None => plain,
        });
        if bytes.len() as u64 > OBJECT_BYTES_MAX {
            let len = bytes.len();
            let kind = ErrorKind::Invalid;
            return Err(Error::new(
                kind,
                format!("an object of the catalog would have {len} bytes"),
            ));
        }
        self.check_last().await?;
        let created = self.store.create(&name, bytes.clone()).await?;
        // An answer may be lost and the request sent again: then what is there is ours.
        let is_ours = created == Created::New || self.read(number).await?.as_ref() == Some(&bytes);
        if is_ours {
            self.follow(&bytes)?;
            return Ok(Committed::Done);
        }
        self.refresh().await?;
        Ok(Committed::Lost)
    }

    /// The catalog as of the last object that was read.
    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The number of the last object; 0 without any.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> u64 {
        self.number - self.begin.saturating_sub(1)
    }

    /// Where it ends, for [`Catalog::check_seen`].
    pub(crate) fn end(&self) -> End {
        (self.number, self.hash)
    }

    /// Follows the whole log from where it begins, and returns what it comes to.
    ///
    /// # Errors
    /// As [`Catalog::load`].
    pub(crate) async fn walk(store: &Store, uuid: [u8; 16]) -> Result<Self> {
        let mut catalog = Self::empty(store, uuid);
        catalog.begin = catalog.find_begin().await?;
        catalog.start_at(catalog.begin).await?;
        catalog.refresh().await?;
        catalog.check_end().await?;
        Ok(catalog)
    }
}

/// The numbers that objects are named by. What is not named as ours is nothing to us.
pub(super) async fn numbers_in(
    mut listed: BoxStream<'static, Result<(String, ObjectMeta)>>,
) -> Result<BTreeSet<u64>> {
    let mut numbers = BTreeSet::new();
    while let Some((name, _)) = listed.try_next().await? {
        let is_ours = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
        numbers.extend(name.parse::<u64>().ok().filter(|_| is_ours));
    }
    Ok(numbers)
}
