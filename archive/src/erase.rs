//! What an exact purge took goes from the object store, too.
//!
//! - `E1` first the purged store is copied, with its manifest; only then, and under the same claim, objects
//!   go. So what is there can be restored at every moment.
//! - `E2` what goes is every object that no live file has: also of files that compaction replaced before the
//!   purge, and of copies that were cut off, because those have the events as well.
//! - `E3` then the catalog's past, which says when the events of each file were and what columns they had.
//! - `E4` at last the files of exported days that have events that went are written anew.

use crate::archive::{Archive, Pass, Work};
use crate::error::{Error, ErrorKind, Result};
use logstrata_engine::Timestamp;

impl Archive {
    /// Brings the archive to what the store is now, and deletes at once the objects of all files that it is
    /// not any more: for whoever purged events that nobody may have. Every pass does so behind an exact
    /// purge. Of the catalog only what it comes to stays, and of exported days files without those events.
    /// Who restores by an older one at this moment can't finish.
    ///
    /// # Errors
    /// See [`ErrorKind`]; `Conflict` also for an exported day of which less would be left than the purge
    /// left. What was not deleted then goes with the next pass that works, exported days with the next
    /// export.
    pub async fn erase(&self) -> Result<Pass> {
        self.as_asked(async {
            let pass = self.erase_once().await?;
            // E4
            self.renew_exports().await?;
            Ok(pass)
        })
        .await
    }

    async fn erase_once(&self) -> Result<Pass> {
        // Before the copy: what is purged meanwhile is not in it, and stays owed.
        let owed = self.engine.owes_erasure();
        let mut pass = self.run_once(false).await?;
        let mut work = self.at_work.lock().await;
        let erased = self.erase_owed(&mut work, owed).await;
        match (&erased, &work.catalog) {
            (Ok(_), Some(catalog)) => work.seen = Some(catalog.end()),
            // What the store has by now is read again.
            _ => work.catalog = None,
        }
        self.note(&work, &erased);
        pass.deleted += erased?;
        Ok(pass)
    }

    /// Behind a copy of everything: deletes what no live file has. Returns the number of objects of files.
    pub(crate) async fn erase_owed(&self, work: &mut Work, owed: u64) -> Result<u64> {
        let Some(catalog) = &mut work.catalog else {
            // A pass between the two failed, and has told why.
            let what = "the catalog could not be read; it is tried again";
            return Err(Error::new(ErrorKind::Conflict, what));
        };
        let state = catalog.state();
        let mut due: Vec<_> = state.doomed.iter().chain(state.removed.keys()).copied().collect();
        // E2: however young they are, for none of ours is on its way.
        due.extend(self.orphans(catalog, Timestamp(i64::MAX)).await?);
        self.delete(catalog, &due).await?;
        // E3
        catalog.forget_past().await?;
        self.ask(move |engine| engine.was_erased(owed)).await??;
        Ok(due.len() as u64)
    }
}
