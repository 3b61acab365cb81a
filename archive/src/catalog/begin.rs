//! A catalog whose past is erased: old objects say when the events of each file were, and old manifests
//! in them what columns they had.
//!
//! - `B1` a snapshot is appended, as any object. Then `begin/<number>` says that the log begins with it. Only
//!   then objects before it are deleted: whoever finds one missing finds the reason first.
//! - `B2` the highest number below `begin/` counts. Earlier ones go last: what they say was true.

use super::log::{Catalog, Committed, numbers_in};
use crate::error::{Error, ErrorKind, Result};

impl Catalog {
    /// The number of the object with which the log begins, or 0 if that is the first.
    pub(super) async fn find_begin(&self) -> Result<u64> {
        let begins = numbers_in(self.store.list(&format!("{}/begin", self.folder))).await?;
        Ok(begins.last().copied().unwrap_or(0))
    }

    /// Lets the log begin with what it comes to, and deletes all that was before. For whoever holds the
    /// claim. Returns the number of objects that were deleted.
    ///
    /// # Errors
    /// `Conflict` if another has written meanwhile; what the store answers. It can be begun again.
    pub(crate) async fn forget_past(&mut self) -> Result<u64> {
        if self.number > self.begin {
            if self.append_snapshot().await? == Committed::Lost {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "another server has written to the catalog meanwhile: its past is not erased",
                ));
            }
            let name = format!("{}/begin/{:020}", self.folder, self.number);
            self.store.create(&name, bytes::Bytes::new()).await?;
            self.begin = self.number;
        }
        self.delete_past().await
    }

    /// Deletes what is before the begin.
    pub(crate) async fn delete_past(&self) -> Result<u64> {
        if self.begin == 0 {
            return Ok(0);
        }
        let mut deleted = 0;
        for folder in ["cat", "begin"] {
            let folder = format!("{}/{folder}", self.folder);
            for number in numbers_in(self.store.list(&folder)).await?.range(..self.begin) {
                self.store.delete(&format!("{folder}/{number:020}")).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Deletes the word of where the log begins: there is no such log any more.
    pub(super) async fn forget_begins(&self) -> Result<()> {
        let folder = format!("{}/begin", self.folder);
        for number in numbers_in(self.store.list(&folder)).await? {
            self.store.delete(&format!("{folder}/{number:020}")).await?;
        }
        Ok(())
    }
}
