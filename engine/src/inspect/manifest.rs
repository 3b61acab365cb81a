//! Manifests.

use super::Output;
use crate::error::Result;
use crate::io::Io;
use crate::manifest::{self, Edit, FileMeta};
use crate::retention::Change;
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
        show_file(file, state.evicted.contains(&file.id), out)?;
    }
    Ok(())
}

fn describe(edit: &Edit) -> String {
    match edit {
        Edit::Snapshot(state) => format!("snapshot of {} files", state.files.len()),
        Edit::AddFile { file, .. } => format!("add the {}", file.id),
        Edit::DropSections { removed, reason, .. } => {
            let sections: usize = removed.iter().map(|(_, sections)| sections.len()).sum();
            format!("drop {sections} sections of {} files: {reason}", removed.len())
        }
        Edit::Replace { added, removed } => {
            let sections: usize = removed.iter().map(|(_, sections)| sections.len()).sum();
            let added: Vec<_> = added.iter().map(|file| file.id.to_string()).collect();
            let (added, files) = (added.join(", "), removed.len());
            format!("replace {sections} sections of {files} files by {added}")
        }
        Edit::Purge { added, gone, scars, .. } => {
            let rows: u64 = gone.iter().map(|gone| gone.section.rows).sum();
            let (files, scars) = (added.len(), scars.len());
            format!("purge {rows} events, what is left in {files} files, {scars} runs with scars")
        }
        Edit::Retention { change, .. } => match change {
            Change::Classes(classes) => format!("rules of {} classes", classes.len()),
            Change::Hold(hold) => format!("hold {} of {}: {}", hold.id, hold.owner, hold.reason),
            Change::Release { id, by, reason, .. } => {
                let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                format!("hold {id} released by {by}{why}")
            }
            Change::Clock => "the time".to_owned(),
            Change::Trust => "the time, on the word of somebody".to_owned(),
        },
        Edit::Evict { files, .. } => {
            let files: Vec<_> = files.iter().map(ToString::to_string).collect();
            format!("in the archive only: {}", files.join(", "))
        }
    }
}

fn show_file(file: &FileMeta, is_evicted: bool, out: &mut Output<'_>) -> Result<()> {
    let rows: u64 = file.sections.iter().map(|section| section.rows).sum();
    out.line("")?;
    let place = if is_evicted { ", in the archive only" } else { "" };
    out.line(format!("{}: {rows} events, {} bytes{place}", file.id, file.len))?;
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
