//! What the archive tells of itself: of each file and each day, and what went wrong last.

use crate::catalog::State;
use crate::error::Error;
use crate::evict::Lost;
use crate::export::DayManifest;
use crate::settings::Settings;
use logstrata_engine::{ChainPlace, Checkpoint, Day, Timestamp, WaitingDay};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What passes leave for whoever asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    /// The catalog, and the number of its last object.
    pub(crate) catalog: Option<(u64, Arc<State>)>,
    /// The file that is being copied.
    pub(crate) copying: Option<String>,
    /// The last failure, until a pass works again.
    pub(crate) error: Option<(Timestamp, Error)>,
    /// When a pass last worked.
    pub(crate) worked: Option<Timestamp>,
    /// Since the server started: files and bytes copied, passes that failed.
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) failures: u64,
    /// The clock of the store is so far from ours that nothing is deleted.
    pub(crate) skew_seconds: Option<i64>,
    /// Objects that were gone.
    pub(crate) lost: Lost,
}

/// The archive of a store, at a moment.
#[derive(Debug, Clone)]
pub struct Status {
    /// Where it is.
    pub place: String,
    /// The store's uuid.
    pub store: [u8; 16],
    /// The number of the catalog's last object; `None` before it was read.
    pub catalog: Option<u64>,
    /// Up to which edit of the manifest a restore would come, when that was, and the first sequence
    /// number that it would lack.
    pub restorable: Option<(ChainPlace, Timestamp, u64)>,
    /// Every file of the store, by name.
    pub files: Vec<FileStatus>,
    /// Every day of the store, the latest first.
    pub days: Vec<DayStatus>,
    /// Bytes of the sections of each class that are copied.
    pub classes: BTreeMap<Arc<str>, u64>,
    /// Objects of files that the store has given up, and the bytes in them; they go after a day.
    pub removed: (u64, u64),
    /// The file that is being copied.
    pub copying: Option<String>,
    /// The age of the oldest file that waits for longer than it should; 0 without any.
    pub lag_seconds: u64,
    /// The last failure, unless a pass has worked since.
    pub error: Option<(Timestamp, Error)>,
    /// When a pass last worked.
    pub worked: Option<Timestamp>,
    /// Files copied since the server started.
    pub files_copied: u64,
    /// Bytes sent since then.
    pub bytes_copied: u64,
    /// Passes that failed since then.
    pub failures: u64,
    /// What may surprise.
    pub warnings: Vec<String>,
    /// What is exported of each tenant's day, as far as it was looked for.
    pub exports: Vec<Arc<DayManifest>>,
    /// When and why an export failed, unless one has worked since.
    pub export_error: Option<(Timestamp, String)>,
    /// What is due and kept until it was exported.
    pub waiting_for_export: Vec<WaitingDay>,
}

/// A file of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStatus {
    /// Its path within the store.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// When it was written, if that is known.
    pub created: Option<Timestamp>,
    /// When its copy was verified; `None` if it waits.
    pub copied: Option<Timestamp>,
    /// Whether it is on the disk.
    pub is_local: bool,
}

/// The events of a UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayStatus {
    /// The day.
    pub day: Day,
    /// Events in files, and those of them whose files are copied.
    pub events: u64,
    /// See `events`.
    pub events_copied: u64,
    /// Bytes of their sections, and those of them that are copied.
    pub bytes: u64,
    /// See `bytes`.
    pub bytes_copied: u64,
    /// When the last of them was copied.
    pub copied: Option<Timestamp>,
}

impl Status {
    pub(crate) fn of(
        place: &str,
        settings: &Settings,
        checkpoint: &Checkpoint,
        shown: Shown,
        now: Timestamp,
    ) -> Self {
        let state = shown.catalog.as_ref().map(|(_, state)| Arc::clone(state)).unwrap_or_default();
        let mut files = Vec::with_capacity(checkpoint.files.len());
        let mut days: BTreeMap<Day, DayStatus> = BTreeMap::new();
        let mut classes: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        let mut oldest = None;
        for file in &checkpoint.files {
            let copied = state.copy_of(file).map(|entry| entry.copied);
            if copied.is_none() && file.created.is_some() {
                oldest = oldest.min(file.created).or(file.created);
            }
            for section in &file.sections {
                let (day, bytes, events) = (section.partition.day, section.len, section.rows);
                let of_day = days.entry(day).or_insert(DayStatus {
                    day,
                    events: 0,
                    events_copied: 0,
                    bytes: 0,
                    bytes_copied: 0,
                    copied: None,
                });
                of_day.events += events;
                of_day.bytes += bytes;
                if copied.is_some() {
                    *classes.entry(Arc::clone(&section.partition.class)).or_default() += bytes;
                    of_day.events_copied += events;
                    of_day.bytes_copied += bytes;
                    of_day.copied = of_day.copied.max(copied);
                }
            }
            let (name, bytes, created) = (file.name.clone(), file.len, file.created);
            files.push(FileStatus { name, bytes, created, copied, is_local: file.is_local() });
        }
        let wait = u64::try_from(settings.copy_after.as_nanos()).unwrap_or(u64::MAX);
        let age = oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0).max(0) as u64);
        let mut warnings = Vec::new();
        if !settings.shared {
            warnings.push("archive.shared = false: nothing keeps other servers out".to_owned());
        }
        if let Some(skew) = shown.skew_seconds {
            warnings.push(format!(
                "the clocks of this machine and of the object store are {skew} s apart, or an edit of \
                 the catalog is from the future: nothing is deleted"
            ));
        }
        warnings.extend(shown.lost.warnings());
        Self {
            place: place.to_owned(),
            store: checkpoint.store,
            catalog: shown.catalog.as_ref().map(|(number, _)| *number),
            restorable: state.image.as_ref().map(|image| (image.place, image.at, image.next_seq)),
            files,
            days: days.into_values().rev().collect(),
            classes,
            removed: (
                state.removed.len() as u64,
                state.removed.values().map(|gone| gone.len).sum(),
            ),
            copying: shown.copying,
            lag_seconds: age.saturating_sub(wait) / 1_000_000_000,
            error: shown.error,
            worked: shown.worked,
            files_copied: shown.files,
            bytes_copied: shown.bytes,
            failures: shown.failures,
            warnings,
            exports: Vec::new(),
            export_error: None,
            waiting_for_export: Vec::new(),
        }
    }
}
