//! The daily export: the events of a UTC day as files for others to read, and a manifest of them.
//!
//! ```text
//! <folder>/<tenant>/YYYY/MM/DD/begun-0001.json         up to which sequence number; then
//!                              info-0001.ndjson.zst    the files; then
//!                              manifest-0001.json      what is exported. Later, if events came late:
//!                              begun-0002.json, info-late-0001.ndjson.zst, manifest-0002.json
//! ```
//!
//! - `E1` a manifest is created once and never changes; it lists all files of the day, those of the
//!   manifests before it as they stood there. What no manifest names is not exported. Nothing is deleted
//!   before the manifest is there that does without it.
//! - `E2` a manifest says up to which sequence number the day's events are in its files. The next one's
//!   files have those behind it, and no others: so each event is in one file.
//! - `E3` that number is decided, by an object that is created once, before the first file is written:
//!   whoever tries again after a crash writes the same events under the same names.
//! - `E4` nothing is exported that the archive could not restore: a sequence number that was exported is
//!   never given to another event, also if the disk is lost.
//! - `E5` memory is bounded by a piece of events, what the format holds, and two parts of an upload.
//! - `E6` an exact purge is the exception to both: a *renewal* is a manifest up to the same number, with other
//!   files of the classes that lost events since their files were written (told by counts that only rise).
//!   With it the day's history begins: what was before is deleted. A renewal never makes less of a day than
//!   the purge did: if the store has lost other events of a class since, its files stay.
//! - `E7` a sequence number means one event within one history of the store: a day that another history
//!   was exported to is left alone.

mod day;
mod file;
mod find;
mod manifest;
mod objects;
mod renew;
mod run;

pub use find::ExportedPartition;
pub use manifest::{DayFile, DayManifest, HistoryPlace};
pub use run::Exported;

use crate::catalog::folder_of;
use logstrata_engine::query::EventRecord;
use logstrata_engine::{Day, Timestamp, civil_from_days};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "testing")]
pub(crate) use manifest::fuzz;

/// Nanoseconds of a day.
const NS_PER_DAY: i64 = 86_400_000_000_000;

/// How days are exported.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// A day is exported once it began this long ago, and is over.
    pub after: Duration,
    /// The folder below the archive's prefix: parts separated by `/`.
    pub folder: String,
    /// What the files are.
    pub format: Arc<dyn ExportFormat>,
    /// A file ends with the event that brings it to so many bytes.
    pub file_bytes_max: u64,
    /// And with its event of this number.
    pub file_events_max: u64,
}

/// What files of events are.
pub trait ExportFormat: fmt::Debug + Send + Sync {
    /// What stands behind the dot of a file's name: `ndjson.zst`.
    fn extension(&self) -> &'static str;

    /// A file without events.
    ///
    /// # Errors
    /// Those of the format.
    fn begin(&self) -> io::Result<Box<dyn ExportWriter>>;
}

/// A file that is being written. The same events in the same order have to give the same bytes.
pub trait ExportWriter: Send {
    /// Adds an event, and what is ready of the file to `out`.
    ///
    /// # Errors
    /// Those of the format.
    fn event(&mut self, event: &EventRecord, out: &mut Vec<u8>) -> io::Result<()>;

    /// Adds the rest of the file to `out`.
    ///
    /// # Errors
    /// Those of the format.
    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

/// A tenant's day.
type TenantDay = (Arc<str>, Day);

/// What there is of exports while the archive is open.
#[derive(Debug)]
pub(crate) struct Exports {
    settings: ExportSettings,
    /// The last manifest of each day that was looked for; `None` if there was none.
    known: Mutex<BTreeMap<TenantDay, Option<Arc<DayManifest>>>>,
    failed: Mutex<Option<(Timestamp, String)>>,
    /// Days whose files have purged events and can't be written anew, and why.
    stuck: Mutex<BTreeMap<TenantDay, String>>,
}

impl Exports {
    pub(crate) fn new(settings: ExportSettings) -> Self {
        let (known, failed, stuck) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { settings, known, failed, stuck }
    }

    /// Whether a day is to be exported at a time.
    fn is_due(&self, day: Day, now: Timestamp) -> bool {
        let begin = i64::from(day.0).saturating_mul(NS_PER_DAY);
        let after = i64::try_from(self.settings.after.as_nanos()).unwrap_or(i64::MAX);
        begin.saturating_add(after.max(NS_PER_DAY)) <= now.0
    }

    /// The folder of a tenant's day.
    fn folder(&self, tenant: &str, day: Day) -> String {
        let (year, month, day) = civil_from_days(i64::from(day.0));
        let (folder, tenant) = (&self.settings.folder, part_of(tenant));
        format!("{folder}/{tenant}/{year:04}/{month:02}/{day:02}")
    }

    /// The manifests that are known, and what failed last.
    pub(crate) fn shown(&self) -> (Vec<Arc<DayManifest>>, Option<(Timestamp, String)>) {
        let known = self.known.lock().values().flatten().cloned().collect();
        (known, self.failed())
    }

    /// What an operator has to do about days that can't be written anew.
    pub(crate) fn stuck(&self) -> Vec<String> {
        self.stuck.lock().values().cloned().collect()
    }

    /// When and why a run failed, unless one has worked since.
    pub(crate) fn failed(&self) -> Option<(Timestamp, String)> {
        self.failed.lock().clone()
    }
}

/// A tenant as a part of a name: what is neither letter, digit, `_` nor `-` as `=` and two digits, and
/// a point, too, so that no part is `..`.
fn part_of(tenant: &str) -> String {
    let mut part = String::new();
    for byte in tenant.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => part.push(char::from(byte)),
            _ => part.push_str(&format!("={byte:02X}")),
        }
    }
    part
}

fn hex(bytes: &[u8; 16]) -> String {
    folder_of(bytes)
}

#[cfg(test)]
mod tests {
    use super::part_of;

    #[test]
    fn a_tenant_is_one_part_of_a_name() {
        assert_eq!(part_of("acme-1_X"), "acme-1_X");
        assert_eq!(part_of("../a=b/ü"), "=2E=2E=2Fa=3Db=2F=C3=BC");
    }
}
