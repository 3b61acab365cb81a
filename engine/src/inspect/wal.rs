//! Files of the log.

use super::Output;
use crate::error::Result;
use crate::io::Io;
use crate::names::WalFileId;
use crate::query::{EventTable as _, RowsTable};
use crate::wal;
use std::path::Path;

pub(super) fn inspect(
    io: &Io,
    path: &Path,
    id: WalFileId,
    dump: bool,
    out: &mut Output<'_>,
) -> Result<()> {
    out.line(format!("log file {} of generation {}", id.index, id.generation))?;
    let mut failure = Ok(());
    let summary = wal::walk(io, path, |group, batch| {
        let line = match batch {
            None => out.line(format!("group {group}")),
            Some(batch) if dump => batch.parts().iter().try_for_each(|part| {
                let table = RowsTable::new(&part.rows, 0..part.rows.len());
                let rows: Vec<usize> = (0..part.rows.len()).collect();
                // The log does not know the incarnation: ids are shown with zero in its place.
                out.events(&table.fetch(&rows, 0)?)
            }),
            Some(batch) => {
                let parts = batch.parts();
                let first = parts.iter().map(|part| part.rows.seq(0).0).min().unwrap_or(0);
                out.line(format!(
                    "  batch of {} events in {} partitions, from sequence number {first}",
                    batch.len(),
                    parts.len()
                ))
            }
        };
        if let Err(error) = line {
            failure = Err(error);
        }
    })?;
    failure?;
    out.line(format!("{} groups end at byte {} of {}", summary.groups, summary.end, summary.len))
}
