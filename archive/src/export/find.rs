//! What others ask of exports: which files have events of a partition, which a purge of it has to tell, and
//! what is wrong.

use super::manifest::DayFile;
use super::{Exports, TenantDay};
use crate::archive::Archive;
use crate::error::Result;
use logstrata_engine::{PartitionKey, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was exported of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedPartition {
    /// Tenant, class and day.
    pub key: PartitionKey,
    /// Where its files lie, below the archive's prefix.
    pub folder: String,
    /// Those that the last manifest of its day lists. There is at least one.
    pub files: Vec<DayFile>,
}

impl Archive {
    /// When and why the daily export failed, unless it has worked since.
    pub fn export_error(&self) -> Option<(Timestamp, String)> {
        self.exports.as_ref().and_then(Exports::failed)
    }

    /// What was exported of these partitions, whether or not the store still has events of them; in the
    /// order of their keys. Nothing if no days are exported by this archive's settings: whatever was
    /// exported under others is not looked for.
    ///
    /// # Errors
    /// See [`ErrorKind`](crate::ErrorKind); `Corrupt` for a manifest that can't be read.
    pub async fn exports_of(&self, partitions: &[PartitionKey]) -> Result<Vec<ExportedPartition>> {
        let Some(exports) = &self.exports else { return Ok(Vec::new()) };
        let mut days: BTreeMap<TenantDay, BTreeSet<&PartitionKey>> = BTreeMap::new();
        for key in partitions {
            days.entry((Arc::clone(&key.tenant), key.day)).or_default().insert(key);
        }
        let mut found = Vec::new();
        for (of, keys) in days {
            let Some(manifest) = self.known_manifest(exports, &of).await? else { continue };
            let folder = exports.folder(&of.0, of.1);
            for key in keys {
                let files = manifest.files.iter().filter(|file| *file.class == *key.class);
                let files: Vec<DayFile> = files.cloned().collect();
                if !files.is_empty() {
                    found.push(ExportedPartition {
                        key: key.clone(),
                        folder: folder.clone(),
                        files,
                    });
                }
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }
}
