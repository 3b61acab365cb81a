//! Holds the archive against itself: the log of the catalog from its first object, the manifest in it
//! against the files, and every object.

use crate::archive::{Archive, blocking};
use crate::catalog::{Catalog, End, Hash, State, folder_of};
use crate::copy::{has_hash, hash_of, object_of};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;
use futures_util::stream::TryStreamExt;
use logstrata_engine::crypt::Keyring;
use std::collections::HashMap;
use std::sync::Arc;

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Objects of the catalog that were followed.
    pub edits: u64,
    /// Files whose objects were looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that no edit names: deleted once they are two days old.
    pub orphans: u64,
    /// What is wrong. Empty if all is well.
    pub damage: Vec<String>,
}

/// What is wrong with the object of a file.
struct Bad {
    hash: Hash,
    what: String,
}

impl Archive {
    /// Verifies the archive; `deep` reads every object and compares its bytes with its hash. Copying
    /// goes on meanwhile, but for the time that the catalog is read. What is damaged or missing is
    /// copied again by the next pass, as far as its file is on this disk.
    ///
    /// # Errors
    /// What the store answers; damage is not an error but a finding.
    pub async fn verify(&self, deep: bool) -> Result<Verified> {
        self.as_asked(self.verify_once(deep)).await
    }

    async fn verify_once(&self, deep: bool) -> Result<Verified> {
        let _turn = self.verifying.lock().await;
        let uuid = self.engine.store_uuid();
        let mut verified = Verified::default();
        let walked = {
            let work = self.at_work.lock().await;
            walk(&self.store, uuid, work.seen, &mut verified).await?
        };
        if !verified.damage.is_empty() {
            self.let_none_go();
        }
        let Some(mut catalog) = walked else { return Ok(verified) };
        if catalog.state().image.is_none() {
            let checkpoint = self.checkpoint().await?;
            let has_files = !checkpoint.files.is_empty();
            blocking(move || drop(checkpoint)).await?;
            if has_files {
                let what = "the catalog has no manifest: nothing can be restored before a pass has \
                            copied all files";
                verified.damage.push(what.to_owned());
            }
        }
        let state = Arc::clone(catalog.state());
        // At once: what is next may take hours, or be given up.
        let mut doubt = |hash| self.doubt(hash);
        let (mut bad, strangers) =
            objects(&self.store, &uuid, &state, deep, &mut verified, &mut doubt).await?;
        let _work = self.at_work.lock().await;
        // What was given up meanwhile may be deleted, what was strange may be known.
        catalog.refresh().await?;
        bad.retain(|bad| catalog.state().files.contains_key(&bad.hash));
        verified.orphans = orphans(&strangers, catalog.state());
        if !bad.is_empty() {
            self.wake.notify_one();
        }
        verified.damage.extend(bad.into_iter().map(|bad| bad.what));
        Ok(verified)
    }
}

/// Verifies what is in a store, without one that was archived there.
#[cfg(test)]
pub(crate) async fn verify(store: &Store, uuid: [u8; 16], deep: bool) -> Result<Verified> {
    let mut verified = Verified::default();
    let Some(catalog) = walk(store, uuid, None, &mut verified).await? else { return Ok(verified) };
    let state = catalog.state();
    let (bad, strangers) = objects(store, &uuid, state, deep, &mut verified, &mut |_| {}).await?;
    verified.orphans = orphans(&strangers, state);
    verified.damage.extend(bad.into_iter().map(|bad| bad.what));
    Ok(verified)
}

/// Follows the catalog, which has to hold the end that was `seen`; `None` if it can't be followed.
async fn walk(
    store: &Store,
    uuid: [u8; 16],
    seen: Option<End>,
    verified: &mut Verified,
) -> Result<Option<Catalog>> {
    let walked = async {
        let catalog = Catalog::walk(store, uuid).await?;
        catalog.check_seen(seen).await?;
        Ok(catalog)
    };
    match walked.await {
        Ok(catalog) => {
            verified.edits = catalog.len();
            check_manifest(store.keys(), catalog.state(), verified);
            Ok(Some(catalog))
        }
        Err(error) if is_damage(&error) => {
            verified.damage.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Looks at the objects of all files. Returns what is wrong, of which `told` hears as soon as it is found, and
/// the names of objects that no edit has.
async fn objects(
    store: &Store,
    uuid: &[u8; 16],
    state: &State,
    deep: bool,
    verified: &mut Verified,
    told: &mut (dyn FnMut(Hash) + Send),
) -> Result<(Vec<Bad>, Vec<String>)> {
    let mut there = HashMap::new();
    let mut listed = store.list(&format!("{}/seg", folder_of(uuid)));
    while let Some((name, meta)) = listed.try_next().await? {
        there.insert(name, meta.size);
    }
    let mut bad = Vec::new();
    for (hash, entry) in &state.files {
        let object = object_of(uuid, hash);
        let plain = object.rsplit('/').next().unwrap_or_default();
        verified.files += 1;
        verified.bytes += entry.len;
        let (name, expected) = (&entry.name, entry.len);
        let what = match there.remove(plain) {
            None => format!("{object} ({name}) is missing"),
            Some(len) if len != expected => {
                format!("{object} ({name}) has {len} bytes, not {expected}")
            }
            Some(_) if deep && !has_hash(store, &object, hash).await? => {
                format!("{object} ({name}) has other bytes than its hash says")
            }
            Some(_) => continue,
        };
        told(*hash);
        bad.push(Bad { hash: *hash, what });
    }
    Ok((bad, there.into_keys().collect()))
}

/// How many of these objects no edit names.
fn orphans(names: &[String], state: &State) -> u64 {
    let is_known = |name: &&String| {
        hash_of(name).is_some_and(|hash| {
            state.files.contains_key(&hash)
                || state.removed.contains_key(&hash)
                || state.doomed.contains(&hash)
        })
    };
    names.iter().filter(|name| !is_known(name)).count() as u64
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported)
}

/// Every file that the manifest names has to be in the catalog.
fn check_manifest(keys: Option<&Arc<Keyring>>, state: &State, verified: &mut Verified) {
    let Some(image) = &state.image else { return };
    let named = image.bytes().and_then(|bytes| {
        Ok(logstrata_engine::Restore::needs(image.place.manifest, &bytes, keys)?)
    });
    match named {
        Err(error) => verified.damage.push(format!("the manifest in the catalog: {error}")),
        Ok(files) => {
            for file in files {
                let there = state.named(&file.name);
                let fits = there.is_some_and(|entry| {
                    entry.len == file.len && file.blake3.is_none_or(|hash| hash == entry.blake3)
                });
                if !fits {
                    let name = &file.name;
                    let what = format!("{name}, which the manifest names, is not in the catalog");
                    verified.damage.push(what);
                }
            }
        }
    }
}
