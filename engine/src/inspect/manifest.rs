//! Manifests.

use super::Output;
use crate::error::Result;
use crate::io::Io;
use crate::manifest::{self, Edit, FileMeta};
use crate::timestamp::Timestamp;
use std::path::Path;

pub(super) fn inspect(io: &Io, path: &Path, out: &mut Output<'_>) -> Result<()> {
    let mut lines = Vec::new();
    let contents = manifest::read(io, path, |offset, edit| {
        lines.push(format!("edit at {offset}: {}", describe(edit)));
    })?;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let state = &contents.state;
    out.line(format!("manifest {}, {} edits", contents.header.number, contents.edits))?;
    out.line(format!("store {}, incarnation {}", hex(&state.store_uuid), state.incarnation))?;
    for line in lines {
        out.line(line)?;
    }
    if contents.torn {
        out.line("the last edit was cut off; it was never acknowledged")?;
    }
    out.line(format!("hash of the last edit {}", hex(&contents.hash)))?;
    out.line(format!("next sequence number {}", state.next_seq))?;
    for file in state.files.values() {
        show_file(file, out)?;
    }
    Ok(())
}

fn describe(edit: &Edit) -> String {
    match edit {
        Edit::Snapshot(state) => format!("snapshot of {} files", state.files.len()),
        Edit::AddFile { file, .. } => format!("add the {}", file.id),
        Edit::DropSections { file, sections, reason } => {
            format!("drop {} sections of {file}: {reason}", sections.len())
        }
        Edit::Replace { added, removed } => {
            let sections: usize = removed.iter().map(|(_, sections)| sections.len()).sum();
            let added: Vec<_> = added.iter().map(|file| file.id.to_string()).collect();
            let (added, files) = (added.join(", "), removed.len());
            format!("replace {sections} sections of {files} files by {added}")
        }
    }
}

fn show_file(file: &FileMeta, out: &mut Output<'_>) -> Result<()> {
    let rows: u64 = file.sections.iter().map(|section| section.rows).sum();
    out.line("")?;
    out.line(format!("{}: {rows} events, {} bytes", file.id, file.len))?;
    for section in &file.sections {
        out.line(format!(
            "  section {}: {} events in {} blocks, {} bytes, {} to {}",
            section.partition,
            section.rows,
            section.blocks,
            section.len,
            Timestamp(section.min_ts),
            Timestamp(section.max_ts)
        ))?;
    }
    Ok(())
}
