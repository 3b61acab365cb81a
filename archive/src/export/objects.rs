//! The objects of an exported day: which there are, which are of no use any more, who may write them.

use super::manifest::{
    BYTES_MAX, Begun, DayManifest, HistoryPlace, Place, begun_name, manifest_name, number_of,
    number_of_either,
};
use super::run::Archived;
use super::{Exports, TenantDay, hex};
use crate::archive::{Archive, Work};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Created;
use futures_util::stream::TryStreamExt;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What files of every format end with, whichever is set now.
const EXTENSIONS: [&str; 2] = ["ndjson.zst", "parquet"];

/// What is known of a day before anything is written.
pub(super) struct Looked {
    pub(super) last: Option<Arc<DayManifest>>,
    /// Whether somebody has begun the manifest behind the last one: it has to be made, for it may have left
    /// files.
    pub(super) is_begun: bool,
}

impl Archive {
    /// The last manifest of a day, if there is one. Only the run at work remembers it: whoever else has
    /// looked may be behind. Before it does, it deletes what the manifest does without, unless the next one,
    /// which will, is begun.
    pub(super) async fn look(
        &self,
        work: &mut Work,
        exports: &Exports,
        of: &TenantDay,
    ) -> Result<Looked> {
        if let Some(known) = exports.known.lock().get(of) {
            return Ok(Looked { last: known.clone(), is_begun: false });
        }
        let folder = exports.folder(&of.0, of.1);
        let names = self.names(&folder).await?;
        let last = self.read_last(&folder, of, &names).await?;
        let next = last.as_ref().map_or(0, |last| last.number) + 1;
        let is_begun = names.contains(&begun_name(next));
        if let Some(last) = last.as_ref().filter(|_| !is_begun) {
            let left = left(exports, &names, last);
            if !left.is_empty() {
                self.still_holds(work).await?;
                self.delete_left(&folder, &left).await?;
            }
        }
        exports.known.lock().insert(of.clone(), last.clone());
        Ok(Looked { last, is_begun })
    }

    /// The last manifest of a day as it is known, or as it is found.
    pub(super) async fn known_manifest(
        &self,
        exports: &Exports,
        of: &TenantDay,
    ) -> Result<Option<Arc<DayManifest>>> {
        if let Some(known) = exports.known.lock().get(of) {
            return Ok(known.clone());
        }
        let folder = exports.folder(&of.0, of.1);
        let names = self.names(&folder).await?;
        self.read_last(&folder, of, &names).await
    }

    /// The names of a day's objects.
    pub(super) async fn names(&self, folder: &str) -> Result<BTreeSet<String>> {
        self.store.list(folder).map_ok(|(name, _)| name).try_collect().await
    }

    async fn read_last(
        &self,
        folder: &str,
        of: &TenantDay,
        names: &BTreeSet<String>,
    ) -> Result<Option<Arc<DayManifest>>> {
        let Some(number) = names.iter().filter_map(|name| number_of(name)).max() else {
            return Ok(None);
        };
        let name = format!("{folder}/{}", manifest_name(number));
        let bytes = self.read(&name).await?;
        let store = hex(&self.engine.store_uuid());
        let place = Place { store: &store, tenant: &of.0, day: of.1, number };
        let last = DayManifest::decode(&bytes, &name, place)?;
        self.check_past(&name, last.history.as_ref()).await?;
        Ok(Some(Arc::new(last)))
    }

    async fn read(&self, name: &str) -> Result<bytes::Bytes> {
        let bytes = self.store.get(name, BYTES_MAX).await?;
        bytes.ok_or_else(|| Error::corrupt(format!("{name} is gone")))
    }

    /// `E7`: what was exported has to be of this store's past.
    async fn check_past(&self, name: &str, history: Option<&HistoryPlace>) -> Result<()> {
        let Some(history) = history else { return Ok(()) };
        let place = history.place();
        let place = place.ok_or_else(|| Error::corrupt(format!("{name} has no history")))?;
        match self.ask(move |engine| engine.has_edit(&place)).await?? {
            true => Ok(()),
            false => Err(of_another_history(name)),
        }
    }

    /// Says up to which sequence number the next manifest will be, or what was said before.
    pub(super) async fn begin_day(
        &self,
        folder: &str,
        place: Place<'_>,
        through: u64,
        archived: Archived,
    ) -> Result<u64> {
        let name = format!("{folder}/{}", begun_name(place.number));
        let begun = Begun::new(place, through, archived.place.into());
        if self.store.create(&name, begun.encode().into()).await? == Created::New {
            return Ok(through);
        }
        let begun = Begun::decode(&self.read(&name).await?, &name, place)?;
        self.check_past(&name, begun.history.as_ref()).await?;
        match begun.through_seq {
            through if through <= archived.last => Ok(through),
            _ if begun.history.is_none() => Err(of_another_history(&name)),
            _ => Err(Error::new(
                ErrorKind::Busy,
                format!("{name} has events that the archive could not restore yet"),
            )),
        }
    }

    /// Whether no other server has taken over meanwhile.
    pub(super) async fn still_holds(&self, work: &mut Work) -> Result<()> {
        self.open_catalog(work).await?;
        match self.holds_claim(work) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Conflict,
                "another server has taken over this archive: it exports, too",
            )),
        }
    }

    /// Whether nobody else has claimed the archive, as far as the catalog was read.
    pub(super) fn holds_claim(&self, work: &Work) -> bool {
        work.catalog.as_ref().is_some_and(|catalog| catalog.state().writer == self.writer)
    }

    /// Deletes objects of a day.
    pub(super) async fn delete_left(&self, folder: &str, left: &[String]) -> Result<()> {
        for name in left {
            self.store.delete(&format!("{folder}/{name}")).await?;
        }
        Ok(())
    }

    /// Creates an object, or finds that it has these bytes.
    pub(super) async fn create_same(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let bytes = bytes::Bytes::from(bytes);
        if self.store.create(name, bytes.clone()).await? == Created::New
            || self.store.get(name, BYTES_MAX).await?.as_ref() == Some(&bytes)
        {
            return Ok(());
        }
        let kind = ErrorKind::Conflict;
        Err(Error::new(kind, format!("another server has written {name} meanwhile")))
    }
}

pub(super) fn of_another_history(name: &str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "{name} was exported from another history of this store, whose numbers are other events now: \
             the store was restored from an earlier state, or repaired. Choose another \
             archive.export_folder: days are exported anew there"
        ),
    )
}

/// What a manifest does without, of the objects beside it: files that it does not list, of an attempt that
/// would have had more or of before a renewal, and manifests from before its history begins.
pub(super) fn left(
    exports: &Exports,
    names: &BTreeSet<String>,
    manifest: &DayManifest,
) -> Vec<String> {
    let listed: BTreeSet<&str> = manifest.files.iter().map(|file| &*file.name).collect();
    let begins = manifest.begins.unwrap_or(0);
    let is_left = |name: &str| match number_of_either(name) {
        Some(number) => number < begins,
        None => is_file(name, exports.settings.format.extension()) && !listed.contains(name),
    };
    names.iter().filter(|name| is_left(name)).cloned().collect()
}

/// Whether an export may have written it: somebody's notes in the folder stay.
fn is_file(name: &str, extension: &str) -> bool {
    let (stem, found) = name.split_once('.').unwrap_or((name, ""));
    let number = stem.rsplit_once('-').map(|(_, number)| number);
    (found == extension || EXTENSIONS.contains(&found))
        && number.is_some_and(|number| number.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_file;

    #[test]
    fn files_of_any_format_are_known_and_nothing_else() {
        for name in ["info-0001.ndjson.zst", "info-late-0002.parquet", "a-b-10001.own"] {
            assert!(is_file(name, "own"), "{name}");
        }
        for name in
            ["README", "info.parquet", "info-0001.zst", "info-one.parquet", "begun-0001.json"]
        {
            assert!(!is_file(name, "own"), "{name}");
        }
    }
}
