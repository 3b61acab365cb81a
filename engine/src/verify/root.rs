//! Roots: what is noted elsewhere, so that a later look can tell whether the history before was
//! rewritten.

use super::chain::{At, Current, hex};
use super::report::Findings;
use crate::codec::varint;
use crate::manifest::{Contents, ManifestState, Run};
use crate::partition::PartitionKey;

/// What is hashed before the runs.
const RUNS_DOMAIN: [u8; 8] = *b"LSROOT\0\x01";

/// A store at one edit of its manifest. The text form is in `docs/verify.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The store.
    pub store: [u8; 16],
    /// The number of the manifest that the edit is in.
    pub manifest: u64,
    /// The number of the edit there, from 1.
    pub edit: u64,
    /// The hash of the edit, which names everything before it.
    pub hash: [u8; 32],
    /// The last generation that is in files; 0 if none is.
    pub generation: u64,
    /// The first sequence number that is in no file: events below are what the root is about.
    pub next_seq: u64,
    /// The number of runs up to that generation, the dropped ones among them.
    pub runs: u64,
    /// The events of dropped runs.
    pub dropped_events: u64,
    /// The hash of those runs: their partitions, generations, counts and digests.
    pub runs_hash: [u8; 32],
}

impl Root {
    /// The root of a manifest.
    pub(super) fn of(contents: &Contents) -> Self {
        let state = &contents.state;
        let generation = state.committed_generation.unwrap_or(0);
        let (runs, runs_hash) = hash_runs(state, generation);
        let dropped = state.tombstones.iter().map(|gone| gone.section.rows);
        Self {
            store: state.store_uuid,
            manifest: contents.header.number,
            edit: contents.edits,
            hash: contents.hash,
            generation,
            next_seq: state.next_seq,
            runs,
            dropped_events: dropped.fold(0, u64::saturating_add),
            runs_hash,
        }
    }
}

/// All runs, live or dropped, by generation and partition; of those of one, what was dropped first comes
/// first.
fn runs_of(state: &ManifestState) -> Vec<(&Run, &PartitionKey)> {
    let live = state.files.values().flat_map(|file| &file.sections);
    let gone = state.tombstones.iter().map(|gone| &gone.section);
    let sections = gone.chain(live);
    let mut runs: Vec<_> = sections
        .flat_map(|section| section.runs.iter().map(move |run| (run, &section.partition)))
        .collect();
    runs.sort_by(|a, b| (a.0.generation, a.1).cmp(&(b.0.generation, b.1)));
    runs
}

/// The number and the hash of the runs up to a generation. Neither merging nor dropping changes
/// them, nor a repair that keeps a part of one: what was dropped of it has the digest of all.
fn hash_runs(state: &ManifestState, generation: u64) -> (u64, [u8; 32]) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&RUNS_DOMAIN);
    let (mut count, mut bytes) = (0, Vec::new());
    let runs = runs_of(state);
    for parts in runs.chunk_by(|a, b| (a.0.generation, a.1) == (b.0.generation, b.1)) {
        let Some((run, key)) = parts.first().filter(|(run, _)| run.generation <= generation) else {
            break;
        };
        let rows = parts.iter().map(|(part, _)| part.rows).fold(0, u64::saturating_add);
        bytes.clear();
        bytes.extend(run.generation.to_le_bytes());
        varint::encode_bytes(key.tenant.as_bytes(), &mut bytes);
        varint::encode_bytes(key.class.as_bytes(), &mut bytes);
        bytes.extend(key.day.0.to_le_bytes());
        bytes.extend(run.seqs.start.to_le_bytes());
        bytes.extend(run.seqs.end.to_le_bytes());
        bytes.extend(rows.to_le_bytes());
        bytes.push(u8::from(run.digest.is_some()));
        bytes.extend(run.digest.iter().flatten());
        hasher.update(&bytes);
        count += 1;
    }
    (count, *hasher.finalize().as_bytes())
}

/// Every event that was ever flushed is in a run, live or dropped: the generations follow each other
/// from the first event to the last. That each of them is whole the state has checked (`M3`).
pub(super) fn check_complete(current: &Current, findings: &mut Findings) {
    let state = &current.contents.state;
    let mut end = 1;
    let mut before = None;
    for (run, _) in runs_of(state) {
        if before == Some(run.generation) {
            continue;
        }
        before = Some(run.generation);
        if run.seqs.start != end {
            missing(current, end, run.seqs.start, findings);
        }
        end = run.seqs.end;
    }
    if end != state.next_seq {
        missing(current, end, state.next_seq, findings);
    }
}

fn missing(current: &Current, from: u64, to: u64, findings: &mut Findings) {
    let found = format!("none of the sequence numbers from {from} up to {to}");
    let expected = "runs, live or dropped, of every event";
    findings.damage(&current.path, None, "manifest state", expected, found, None);
}

/// Whether today's store goes on from a root.
pub(super) fn check_since(current: &Current, since: &Root, at: At, findings: &mut Findings) {
    let state = &current.contents.state;
    let mut wrong = |expected: String, found: String| {
        findings.damage(&current.path, None, "root", expected, found, None);
    };
    if since.store != state.store_uuid {
        let expected = format!("the root of store {}", hex(&state.store_uuid));
        return wrong(expected, format!("that of store {}", hex(&since.store)));
    }
    let edit = format!("edit {} of manifest {}", since.edit, since.manifest);
    match at {
        At::Hash(hash, _) if hash != since.hash => {
            wrong(format!("{edit} with hash {}", hex(&since.hash)), hex(&hash));
        }
        At::Beyond => {
            let (edits, number) = (current.contents.edits, current.number());
            wrong(edit.clone(), format!("a chain that ends at edit {edits} of manifest {number}"));
        }
        At::Unknown => wrong(edit.clone(), "a chain that can't be followed back to it".to_owned()),
        At::Hash(..) => {}
    }
    if since.next_seq > state.next_seq || since.generation > state.committed_generation.unwrap_or(0)
    {
        let (generation, next) = (since.generation, since.next_seq);
        let expected = format!("events up to generation {generation}, numbers below {next}");
        let now = (state.committed_generation.unwrap_or(0), state.next_seq);
        wrong(expected, format!("generation {}, numbers below {}", now.0, now.1));
    }
    let (runs, hash) = hash_runs(state, since.generation);
    if (runs, hash) != (since.runs, since.runs_hash) {
        let expected = format!("{} runs of hash {}", since.runs, hex(&since.runs_hash));
        wrong(expected, format!("{runs} runs of hash {} up to the same generation", hex(&hash)));
    }
    if let At::Hash(_, false) = at {
        let found = "links of edits of versions 1 and 2, which only their bodies could prove";
        findings.note(&current.path, "root", "links that prove each other since the root", found);
    }
}
