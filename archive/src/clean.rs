//! Deletes objects: of files that the store gave up a day ago, and orphans, which no edit names.

use crate::archive::{Archive, Work};
use crate::catalog::{Catalog, Hash, Op, folder_of};
use crate::copy::{hash_of, object_of};
use crate::error::{Error, ErrorKind, Result};
use futures_util::stream::TryStreamExt;
use logstrata_engine::Timestamp;

/// How long the object of a file stays that the store has given up: whoever reads it by an older
/// catalog can finish.
const GRACE_NS: i64 = 24 * HOUR_NS;
/// How old an object has to be that no edit names: an upload that is at work is younger.
const ORPHAN_NS: i64 = 48 * HOUR_NS;
/// How often orphans are looked for.
const SWEEP_EVERY_NS: i64 = 24 * HOUR_NS;
/// How far the clocks of this machine and of the store may be apart; beyond, nothing is deleted.
const SKEW_NS_MAX: i64 = HOUR_NS;
const HOUR_NS: i64 = 3_600_000_000_000;
/// How many objects an edit dooms.
const PER_EDIT: usize = 1_000;

impl Archive {
    /// Deletes what is due. Returns the number of objects.
    pub(crate) async fn delete_due(&self, work: &mut Work) -> Result<u64> {
        let now = self.io.clock.now();
        let Work { catalog: Some(catalog), swept, .. } = work else { return Ok(0) };
        let state = catalog.state();
        let since = |then: Timestamp| now.0.saturating_sub(then.0);
        // What an earlier attempt announced may be there still.
        let mut due: Vec<Hash> = state.doomed.iter().copied().collect();
        let gone = state.removed.iter().filter(|(_, gone)| since(gone.at) >= GRACE_NS);
        due.extend(gone.map(|(hash, _)| *hash));
        let is_time = swept.is_none_or(|swept| since(swept) >= SWEEP_EVERY_NS);
        if due.is_empty() && !is_time {
            return Ok(0);
        }
        if let Some(skew) = self.skew(catalog, now).await?.filter(|skew| *skew > SKEW_NS_MAX) {
            self.shown.lock().skew_seconds = Some(skew / 1_000_000_000);
            return Ok(0);
        }
        self.shown.lock().skew_seconds = None;
        if is_time {
            due.extend(self.orphans(catalog, now).await?);
            // Of an erasure that broke off.
            catalog.delete_past().await?;
            *swept = Some(now);
        }
        self.delete(catalog, &due).await?;
        Ok(due.len() as u64)
    }

    /// Deletes objects that no live file has.
    pub(crate) async fn delete(&self, catalog: &mut Catalog, due: &[Hash]) -> Result<()> {
        for hashes in due.chunks(PER_EDIT) {
            // A3: announced, by the holder of the claim.
            let announced = |hash: &&Hash| !catalog.state().doomed.contains(*hash);
            let doomed: Vec<_> =
                hashes.iter().filter(announced).map(|hash| Op::Doom(*hash)).collect();
            if !doomed.is_empty() {
                self.commit(catalog, doomed).await?;
            }
            self.delete_doomed(catalog, hashes).await?;
        }
        Ok(())
    }

    /// Deletes what was announced before, by this process or by one that held the claim earlier.
    pub(crate) async fn finish_dooms(&self, work: &mut Work) -> Result<u64> {
        let Some(catalog) = &mut work.catalog else { return Ok(0) };
        let doomed: Vec<Hash> = catalog.state().doomed.iter().copied().collect();
        for hashes in doomed.chunks(PER_EDIT) {
            self.delete_doomed(catalog, hashes).await?;
        }
        Ok(doomed.len() as u64)
    }

    /// Deletes objects whose deletion the catalog announces, and notes that.
    pub(crate) async fn delete_doomed(&self, catalog: &mut Catalog, doomed: &[Hash]) -> Result<()> {
        for hash in doomed {
            // A3: whoever took over finishes this by itself, and may then write the object anew.
            catalog.refresh().await?;
            if catalog.state().writer != self.writer {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "another server has taken over this archive: nothing more is deleted",
                ));
            }
            self.store.delete(&object_of(&self.engine.store_uuid(), hash)).await?;
        }
        if doomed.is_empty() {
            return Ok(());
        }
        self.commit(catalog, doomed.iter().map(|hash| Op::Deleted(*hash)).collect()).await
    }

    /// How far our clock is from the store's, which stamps what is written. The last object of the
    /// catalog was written when its edit says, by the clock of whoever wrote it.
    async fn skew(&self, catalog: &Catalog, now: Timestamp) -> Result<Option<i64>> {
        let name = format!("{}/probe/clock", folder_of(&self.engine.store_uuid()));
        self.store.overwrite(&name, bytes::Bytes::new()).await?;
        let Some(meta) = self.store.head(&name).await? else { return Ok(None) };
        let theirs = meta.last_modified.timestamp_nanos_opt().unwrap_or(i64::MAX);
        // An edit from the future: some clock was wrong when it was made.
        let ahead = catalog.state().time.0.saturating_sub(now.0);
        Ok(Some(now.0.abs_diff(theirs).min(i64::MAX as u64) as i64).map(|skew| skew.max(ahead)))
    }

    /// Objects that no edit names, and that are too old to be an upload at work.
    pub(crate) async fn orphans(&self, catalog: &Catalog, now: Timestamp) -> Result<Vec<Hash>> {
        let state = catalog.state();
        let mut found = Vec::new();
        let mut listed = self.store.list(&format!("{}/seg", folder_of(&self.engine.store_uuid())));
        while let Some((name, meta)) = listed.try_next().await? {
            let Some(hash) = hash_of(&name) else { continue };
            let written = meta.last_modified.timestamp_nanos_opt().unwrap_or(i64::MAX);
            let is_known = state.files.contains_key(&hash)
                || state.removed.contains_key(&hash)
                || state.doomed.contains(&hash);
            if !is_known && now.0.saturating_sub(written) >= ORPHAN_NS {
                found.push(hash);
            }
        }
        Ok(found)
    }
}
