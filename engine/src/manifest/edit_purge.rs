//! The bytes of purges, of what they leave, and of files that leave the disk. Since version 5.

use super::edit::{
    Edit, FileV2, IdV2, Interner, StateV4, TombstoneV2, from_bytes, from_ids, to_bytes, to_ids,
};
use super::file::Range64;
use super::scar::{RunKey, Scar, ScarredPage};
use super::state::ManifestState;
use bincode::{Decode, Encode};
use std::collections::BTreeMap;

/// What version 5 has in the place of [`StateV4`].
#[derive(Debug, Encode, Decode)]
pub(super) struct StateV5 {
    pub(super) state: StateV4,
    pub(super) scars: Vec<ScarV5>,
    /// Files in the archive only.
    pub(super) evicted: Vec<IdV2>,
}

impl StateV5 {
    /// What a snapshot of an earlier version says.
    pub(super) fn of(state: StateV4) -> Self {
        Self { state, scars: Vec::new(), evicted: Vec::new() }
    }
}

impl From<&ManifestState> for StateV5 {
    fn from(state: &ManifestState) -> Self {
        let ledger = (&state.retention).into();
        let scars = to_scars(&state.scars);
        let evicted = state.evicted.iter().map(|file| (*file).into()).collect();
        Self { state: StateV4 { state: state.into(), ledger }, scars, evicted }
    }
}

#[derive(Debug, Encode, Decode)]
struct PurgeV5 {
    added: Vec<FileV2>,
    removed: Vec<(IdV2, Vec<u64>)>,
    gone: Vec<TombstoneV2>,
    scars: Vec<ScarV5>,
    clock_high_water: i64,
}

#[derive(Debug, Encode, Decode)]
struct EvictV5 {
    files: Vec<IdV2>,
    clock_high_water: i64,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct ScarV5 {
    tenant: String,
    class: String,
    day: i32,
    generation: u64,
    rows: u64,
    digest: [u8; 32],
    gone: Vec<(u64, u64)>,
    pages: Vec<PageV5>,
}

#[derive(Debug, Encode, Decode)]
struct PageV5 {
    number: u64,
    before: [u8; 32],
    after: Option<[u8; 32]>,
}

/// The body of a purge, which `edit` is.
pub(super) fn encode(edit: &Edit) -> Vec<u8> {
    let Edit::Purge { added, removed, gone, scars, clock_high_water } = edit else {
        unreachable!("the caller has looked");
    };
    to_bytes(PurgeV5 {
        added: added.iter().map(FileV2::from).collect(),
        removed: to_ids(removed),
        gone: gone.iter().map(TombstoneV2::from).collect(),
        scars: to_scars(scars),
        clock_high_water: *clock_high_water,
    })
}

/// The purge of these bytes.
pub(super) fn decode(bytes: &[u8], names: &mut Interner) -> Result<Edit, String> {
    let PurgeV5 { added, removed, gone, scars, clock_high_water } = from_bytes(bytes)?;
    Ok(Edit::Purge {
        added: added.into_iter().map(|file| file.into_meta(names)).collect(),
        removed: from_ids(removed),
        gone: gone.into_iter().map(|gone| gone.into_tombstone(names)).collect(),
        scars: from_scars(scars, names)?,
        clock_high_water,
    })
}

pub(super) fn to_scars(scars: &BTreeMap<RunKey, Scar>) -> Vec<ScarV5> {
    let scar = |((partition, generation), scar): (&RunKey, &Scar)| ScarV5 {
        tenant: partition.tenant.to_string(),
        class: partition.class.to_string(),
        day: partition.day.0,
        generation: *generation,
        rows: scar.rows,
        digest: scar.digest,
        gone: scar.gone.iter().map(|gone| (gone.start, gone.end)).collect(),
        pages: scar.pages.iter().map(PageV5::from).collect(),
    };
    scars.iter().map(scar).collect()
}

pub(super) fn from_scars(
    mirrors: Vec<ScarV5>,
    names: &mut Interner,
) -> Result<BTreeMap<RunKey, Scar>, String> {
    let mut scars = BTreeMap::new();
    for mirror in mirrors {
        let key = (names.partition(&mirror.tenant, &mirror.class, mirror.day), mirror.generation);
        let scar = Scar {
            rows: mirror.rows,
            digest: mirror.digest,
            gone: mirror.gone.into_iter().map(|(start, end)| Range64 { start, end }).collect(),
            pages: mirror.pages.into_iter().map(ScarredPage::from).collect(),
        };
        scar.check()?;
        if scars.insert(key, scar).is_some() {
            return Err("a scar twice".to_owned());
        }
    }
    Ok(scars)
}

impl From<&ScarredPage> for PageV5 {
    fn from(page: &ScarredPage) -> Self {
        let ScarredPage { number, before, after } = *page;
        Self { number, before, after }
    }
}

impl From<PageV5> for ScarredPage {
    fn from(page: PageV5) -> Self {
        let PageV5 { number, before, after } = page;
        Self { number, before, after }
    }
}

/// The bytes of an eviction.
pub(super) fn encode_evict(edit: &Edit) -> Vec<u8> {
    let Edit::Evict { files, clock_high_water } = edit else {
        unreachable!("{edit:?} evicts nothing")
    };
    let files = files.iter().map(|file| (*file).into()).collect();
    to_bytes(EvictV5 { files, clock_high_water: *clock_high_water })
}

pub(super) fn decode_evict(bytes: &[u8]) -> Result<Edit, String> {
    let EvictV5 { files, clock_high_water } = from_bytes(bytes)?;
    let files = files.into_iter().map(Into::into).collect();
    Ok(Edit::Evict { files, clock_high_water })
}
