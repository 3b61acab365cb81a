//! Who may write to the archive (`A5`), and how another's is taken over.

use crate::archive::{Archive, Work};
use crate::catalog::{Catalog, Committed, Op, State};
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;

impl Archive {
    /// Makes sure that this process, and no other, may write.
    pub(crate) async fn claim(&self, work: &mut Work, adopt: bool) -> Result<()> {
        let Work { catalog: Some(catalog), has_claimed, adopts, .. } = work else {
            panic!("the catalog is opened before it is claimed")
        };
        let adopt = adopt || *adopts;
        for _ in 0..3 {
            let state = Arc::clone(catalog.state());
            let is_ours = state.writer == self.writer;
            if *has_claimed && !is_ours {
                // A5: whoever came later goes on.
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "another server has taken over this archive: the same store is open twice (a copy \
                     of its directory?). Stop one of them; restart this one to take over again",
                ));
            }
            self.check_history(&state, adopt).await?;
            if is_ours {
                // The answer to the edit that claimed it was lost.
                *has_claimed = true;
                return Ok(());
            }
            if catalog.commit(self.edit(vec![Op::Claim])).await? == Committed::Done {
                *has_claimed = true;
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Conflict, "other servers write to this archive all the time"))
    }

    /// `A5`: what was archived has to be the past of this store.
    async fn check_history(&self, state: &State, adopt: bool) -> Result<()> {
        let Some(image) = state.image.as_ref().filter(|_| !adopt) else { return Ok(()) };
        let place = image.place;
        let is_ours = self.ask(move |engine| engine.has_edit(&place)).await??;
        if is_ours {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "{} holds another history of this store: edit {} of manifest {} is not in it. \
                 Another copy of the store was archived there, or this one was repaired. Use \
                 another prefix, or `logstrata archive run --adopt` if the other is given up",
                self.store.shown(),
                place.edit,
                place.manifest
            ),
        ))
    }

    /// Takes over a catalog whatever history it holds. Its manifest stays, and with it what a restore
    /// would bring back, until this store's takes its place (`P5`). One that lacks objects is gone on
    /// with from where it can be followed to.
    pub(crate) async fn adopt(&self, work: &mut Work) -> Result<()> {
        match self.open_catalog(work).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let catalog = Catalog::cut(&self.store, self.engine.store_uuid()).await?;
                // It may know nothing of what became of them since.
                work.suspects.extend(catalog.state().files.keys());
                work.seen = Some(catalog.end());
                work.catalog = Some(catalog);
            }
            opened => opened?,
        }
        work.has_claimed = false;
        self.claim(work, true).await?;
        work.adopts = work.catalog.as_ref().is_some_and(|catalog| catalog.state().image.is_some());
        Ok(())
    }
}
