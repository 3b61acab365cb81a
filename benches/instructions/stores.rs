//! The stores that workloads need: made once, copied for each, as a merge changes its own.

use crate::Result;
use logstrata_benches::Generator;
use logstrata_engine::{Engine, Limits, Options};
use std::path::{Path, PathBuf};

/// Events of a level-0 file: two blocks.
const FILE_EVENTS: usize = 16_384;
/// Level-0 files of a store.
const FILES: usize = 4;

/// The state in which a workload finds its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// There is none.
    Absent,
    /// Several level-0 files that nothing has merged yet.
    Flushed,
    /// The same events, compacted.
    Compacted,
}

/// Stores that can be copied.
#[derive(Debug)]
pub(crate) struct Stores {
    dir: PathBuf,
}

impl Stores {
    /// Makes them in a folder.
    ///
    /// # Errors
    /// The disk has no room.
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        let stores = Self { dir: dir.to_owned() };
        fill(&stores.path(StoreKind::Flushed))?;
        let compacted = stores.path(StoreKind::Compacted);
        stores.copy(StoreKind::Flushed, &compacted)?;
        let engine = open(&compacted)?;
        engine.compact_now()?;
        engine.close()?;
        Ok(stores)
    }

    /// A copy of one.
    ///
    /// # Errors
    /// The disk has no room.
    pub(crate) fn copy(&self, kind: StoreKind, to: &Path) -> Result<()> {
        match kind {
            StoreKind::Absent => Ok(()),
            kind => copy_folder(&self.path(kind), to),
        }
    }

    fn path(&self, kind: StoreKind) -> PathBuf {
        self.dir.join(format!("{kind:?}"))
    }
}

/// Opens a store whose queries have no helpers.
///
/// # Errors
/// It can't be opened.
pub(crate) fn open(dir: &Path) -> Result<Engine> {
    let limits = Limits { scans_max: 1, ..Limits::default() };
    Ok(Engine::open(Options { limits, ..Options::new(dir) })?)
}

fn fill(dir: &Path) -> Result<()> {
    let engine = open(dir)?;
    engine.stop_compaction();
    let mut events = Generator::default();
    for _ in 0..FILES {
        engine.append(events.batch(FILE_EVENTS))?;
        engine.flush()?;
    }
    engine.close()?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => drop(std::fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}
