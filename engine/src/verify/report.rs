//! What a verification has found.

use super::is_missing;
use super::root::Root;
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionKey;
use std::path::{Path, PathBuf};

/// Findings that are kept; more are counted.
const FINDINGS_MAX: usize = 1_000;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A crash, a running server or an older version explains it: nothing is wrong.
    Note,
    /// It could not be read, or was written by a later version: nothing is known.
    Unread,
    /// It is not what was written.
    Damage,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// Where in the file, in bytes; `None` if it is about all of it.
    pub offset: Option<u64>,
    /// What it is about, for example `block part`.
    pub what: String,
    /// What had to be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// The events that it is about, if that is known.
    pub events: Option<Affected>,
}

/// Events that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// Their partition (`tenant/class/day`), or how many they are of.
    pub partition: String,
    /// The lowest sequence number.
    pub first_seq: u64,
    /// The highest one, if it is known.
    pub last_seq: Option<u64>,
    /// How many events, if that is known.
    pub events: Option<u64>,
}

/// How much was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Files of segments.
    pub files: u64,
    /// Their bytes, each compared by hash.
    pub bytes: u64,
    /// Live sections.
    pub sections: u64,
    /// Blocks whose own checksums were verified.
    pub blocks: u64,
    /// Events in live sections.
    pub events: u64,
    /// Events that were decoded.
    pub decoded: u64,
    /// Digests of runs that were made again from the events.
    pub digests: u64,
    /// Runs in live sections that have none: they were written before there were any.
    pub runs_without_digest: u64,
    /// Edits that the chain was followed through.
    pub edits: u64,
    /// Files of the log.
    pub log_files: u64,
    /// Events in the log that are in no file of segments yet.
    pub log_events: u64,
    /// Idempotency keys in files.
    pub keys: u64,
    /// Files that were replaced while they were looked at.
    pub replaced: u64,
    /// Files that are in the archive only: they were not looked at.
    pub evicted: u64,
}

/// The outcome of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The root of the store, if its manifest can be read.
    pub root: Option<Root>,
    /// How much was looked at.
    pub checked: Checked,
    /// What is not as it should be, as far as it is kept.
    pub findings: Vec<Finding>,
    /// How many findings were left out because there are too many, of each severity in its order.
    pub omitted: [u64; 3],
}

impl Report {
    /// The gravest of all findings.
    pub fn severity(&self) -> Option<Severity> {
        let all = [Severity::Note, Severity::Unread, Severity::Damage];
        let omitted = all.into_iter().filter(|severity| self.omitted[*severity as usize] > 0);
        self.findings.iter().map(|finding| finding.severity).chain(omitted).max()
    }

    /// How many findings of a severity there are.
    pub fn count(&self, severity: Severity) -> u64 {
        let kept = self.findings.iter().filter(|finding| finding.severity == severity);
        kept.count() as u64 + self.omitted[severity as usize]
    }
}

/// Findings, bounded.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Finding>,
    omitted: [u64; 3],
}

impl Findings {
    pub(super) fn into_parts(self) -> (Vec<Finding>, [u64; 3]) {
        (self.all, self.omitted)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether any is grave.
    pub(super) fn has_damage(&self) -> bool {
        self.all.iter().any(|finding| finding.severity == Severity::Damage)
    }

    pub(super) fn push(&mut self, finding: Finding) {
        // Damage is never left out for a note.
        if self.all.len() >= FINDINGS_MAX {
            let note = self.all.iter().rposition(|kept| kept.severity < finding.severity);
            match note {
                Some(place) => drop(self.omit(place)),
                None => return self.omitted[finding.severity as usize] += 1,
            }
        }
        self.all.push(finding);
    }

    fn omit(&mut self, place: usize) -> Finding {
        let finding = self.all.swap_remove(place);
        self.omitted[finding.severity as usize] += 1;
        finding
    }

    pub(super) fn append(&mut self, other: Self) {
        for (sum, omitted) in self.omitted.iter_mut().zip(other.omitted) {
            *sum += omitted;
        }
        other.all.into_iter().for_each(|finding| self.push(finding));
    }

    /// Damage at a place of a file, or of all of it.
    pub(super) fn damage(
        &mut self,
        file: &Path,
        offset: Option<u64>,
        what: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
        events: Option<Affected>,
    ) {
        let (file, what) = (file.to_owned(), what.to_owned());
        let (expected, found) = (expected.into(), found.into());
        let severity = Severity::Damage;
        self.push(Finding { severity, file, offset, what, expected, found, events });
    }

    pub(super) fn note(&mut self, file: &Path, what: &str, expected: &str, found: &str) {
        self.push(Finding {
            severity: Severity::Note,
            file: file.to_owned(),
            offset: None,
            what: what.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
            events: None,
        });
    }

    /// What an error says of a file.
    pub(super) fn error(&mut self, file: &Path, error: Error, events: Option<Affected>) {
        if let Some(damage) = error.corruption() {
            let file = if damage.file.as_os_str().is_empty() { file } else { &damage.file };
            let (expected, found) = (&*damage.expected, &*damage.found);
            self.damage(file, Some(damage.offset), damage.what, expected, found, events);
        } else if is_missing(&error) {
            self.damage(file, None, "file", "a file", "none", events);
        } else {
            let expected = match error.kind() {
                ErrorKind::Unsupported => "a version that this program knows",
                ErrorKind::Locked => "bytes under a key that was given",
                _ => "a file that can be read",
            };
            let (expected, found) = (expected.to_owned(), error.to_string());
            let (file, what, offset) = (file.to_owned(), "file".to_owned(), None);
            let severity = Severity::Unread;
            self.push(Finding { severity, file, offset, what, expected, found, events });
        }
    }
}

impl Affected {
    /// Events of one partition.
    pub(super) fn of(key: &PartitionKey, seqs: (u64, u64), events: u64) -> Self {
        let (first_seq, last_seq) = (seqs.0, Some(seqs.1));
        Self { partition: key.to_string(), first_seq, last_seq, events: Some(events) }
    }
}
