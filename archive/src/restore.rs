//! Makes a store anew from the object store alone.

use crate::archive::blocking;
use crate::catalog::{Catalog, Entry, folder_of};
use crate::copy::object_of;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::store::Store;
use futures_util::stream::TryStreamExt;
use logstrata_engine::io::Io;
use logstrata_engine::{Limits, Restore, Timestamp};
use std::path::Path;
use std::sync::Arc;

/// How often a file is fetched again whose transfer broke.
const TRIES: u32 = 4;

/// What a restore is told.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The store, if there are several below the prefix: 32 hexadecimal digits.
    pub store: Option<String>,
    /// The engine's bounds.
    pub limits: Limits,
}

/// What was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreReport {
    /// The store.
    pub store: [u8; 16],
    /// Events in it.
    pub events: u64,
    /// Files that were fetched.
    pub files: u64,
    /// Bytes that were fetched.
    pub bytes: u64,
    /// The moment that it is as of, by the clock of the server that archived it.
    pub as_of: Timestamp,
}

/// Makes the store anew in `dir`, which has to be empty, or hold what an earlier attempt left.
/// `progress` hears of each file before it is fetched.
///
/// # Errors
/// `Missing` if there is no store below the prefix; `Invalid` if there are several and none is named;
/// `Corrupt`, with every file that is damaged or missing; see [`ErrorKind`].
pub async fn restore(
    settings: &Settings,
    io: &Io,
    dir: &Path,
    options: &RestoreOptions,
    progress: &mut (dyn FnMut(&Entry) + Send),
) -> Result<RestoreReport> {
    let store = Store::open(settings)?;
    restore_from(&store, io, dir, options, progress).await
}

pub(crate) async fn restore_from(
    store: &Store,
    io: &Io,
    dir: &Path,
    options: &RestoreOptions,
    progress: &mut (dyn FnMut(&Entry) + Send),
) -> Result<RestoreReport> {
    let uuid = choose(store, options.store.as_deref()).await?;
    let catalog = Catalog::load(store, uuid).await?;
    let state = Arc::clone(catalog.state());
    let image = state.image.as_ref().ok_or_else(|| {
        let name = folder_of(&uuid);
        let what = "nothing of it was archived whole yet";
        Error::new(ErrorKind::Missing, format!("store {name} in {}: {what}", store.shown()))
    })?;
    let manifest = image.bytes()?;
    let number = image.place.manifest;
    let restore = {
        let (io, dir, limits) = (io.clone(), dir.to_owned(), options.limits.clone());
        blocking(move || Restore::begin(&io, &dir, &limits, number, &manifest)).await??
    };
    let restore = Arc::new(restore);
    let mut report = RestoreReport { store: uuid, events: 0, files: 0, bytes: 0, as_of: image.at };
    // All of it is told at once: what is whole is fetched by then.
    let mut damage = Vec::new();
    for file in restore.files() {
        let entry = state.named(&file.name).filter(|entry| {
            entry.len == file.len && file.blake3.is_none_or(|hash| hash == entry.blake3)
        });
        let fetched = match entry {
            Some(entry) => fetch(store, &restore, entry, &uuid, progress, &mut report).await,
            None => {
                let name = &file.name;
                let what = format!("{name}, which the manifest names, is not in the catalog");
                Err(Error::corrupt(what))
            }
        };
        damage.extend(damage_of(fetched)?);
    }
    // Links of earlier manifests: the chain is followed by them, no event depends on them.
    let is_before = |entry: &&Arc<Entry>| {
        let of = entry.name.strip_prefix("CHAIN-").and_then(|number| number.parse::<u64>().ok());
        // Later ones were copied by a pass that did not get to its last edit.
        of.is_some_and(|of| of < number)
    };
    for entry in state.files.values().filter(is_before) {
        let fetched = fetch(store, &restore, entry, &uuid, progress, &mut report).await;
        damage.extend(damage_of(fetched)?);
    }
    refuse_damage(&damage)?;
    let restore = Arc::into_inner(restore).expect("what fetched has ended");
    report.events = blocking(move || restore.finish()).await??;
    Ok(report)
}

/// What is wrong with a file in the archive, if that is what came of fetching it.
fn damage_of(fetched: Result<()>) -> Result<Option<String>> {
    match fetched {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

fn refuse_damage(damage: &[String]) -> Result<()> {
    if damage.is_empty() {
        return Ok(());
    }
    let (count, list) = (damage.len(), damage.join("; "));
    Err(Error::corrupt(format!(
        "{count} files can't be restored: {list}. All others are fetched: put these back (a version of \
         the bucket, or `logstrata archive verify --deep` and `archive run` where the files still are), \
         and begin again"
    )))
}

/// The store that is meant.
async fn choose(store: &Store, named: Option<&str>) -> Result<[u8; 16]> {
    let parse = |name: &str| {
        let is_plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = Some(name).filter(|name| name.len() == 32 && name.bytes().all(is_plain))?;
        u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
    };
    if let Some(name) = named {
        return parse(name).ok_or_else(|| {
            let kind = ErrorKind::Invalid;
            Error::new(kind, format!("{name:?} is no store: 32 hexadecimal digits are wanted"))
        });
    }
    let folders = store.folders().await?;
    let found: Vec<_> = folders.iter().filter_map(|name| Some((name, parse(name)?))).collect();
    match &found[..] {
        [(_, uuid)] => Ok(*uuid),
        [] => Err(Error::new(
            ErrorKind::Missing,
            format!("there is no store in {}: correct archive.url or its prefix", store.shown()),
        )),
        several => {
            let names: Vec<_> = several.iter().map(|(name, _)| name.as_str()).collect();
            let names = names.join(", ");
            Err(Error::new(
                ErrorKind::Invalid,
                format!("there are several stores in {}: name one of {names}", store.shown()),
            ))
        }
    }
}

/// Fetches a file, unless an earlier attempt has.
async fn fetch(
    store: &Store,
    restore: &Arc<Restore>,
    entry: &Arc<Entry>,
    uuid: &[u8; 16],
    progress: &mut (dyn FnMut(&Entry) + Send),
    report: &mut RestoreReport,
) -> Result<()> {
    let is_there = {
        let (restore, entry) = (Arc::clone(restore), Arc::clone(entry));
        blocking(move || restore.has(&entry.name, entry.len, &entry.blake3)).await??
    };
    if is_there {
        return Ok(());
    }
    progress(entry);
    let object = object_of(uuid, &entry.blake3);
    let mut tries = 0;
    loop {
        match fetch_once(store, restore, entry, &object).await {
            Ok(()) => break,
            // A connection that broke on the way: the library tries requests again, not bodies.
            Err(error) if error.kind() == ErrorKind::Unreachable && tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
    report.files += 1;
    report.bytes += entry.len;
    Ok(())
}

async fn fetch_once(
    store: &Store,
    restore: &Arc<Restore>,
    entry: &Arc<Entry>,
    object: &str,
) -> Result<()> {
    let Some((len, mut pieces)) = store.stream(object).await? else {
        return Err(Error::corrupt(format!("{object} ({}) is missing", entry.name)));
    };
    if len != entry.len {
        let (name, wanted) = (&entry.name, entry.len);
        return Err(Error::corrupt(format!("{object} ({name}) has {len} bytes, not {wanted}")));
    }
    let mut file = {
        let (restore, entry) = (Arc::clone(restore), Arc::clone(entry));
        blocking(move || restore.create(&entry.name, entry.len, entry.blake3)).await??
    };
    while let Some(piece) = pieces.try_next().await? {
        file = blocking(move || file.write(&piece).map(|()| file)).await??;
    }
    Ok(blocking(move || file.finish()).await??)
}
