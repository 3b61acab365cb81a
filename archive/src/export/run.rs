//! A run: each day that is due and has events that no manifest has, or has what an exact purge took.

use super::day::Asked;
use super::manifest::DayFile;
use super::{Exports, TenantDay};
use crate::archive::{Archive, Work};
use crate::error::{Error, ErrorKind, Result};
use logstrata_engine::{ChainPlace, Day, Engine, SealedPartition, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Days of tenants that have a new manifest.
    pub days: u64,
    /// Files that were written for them.
    pub files: u64,
    /// Their events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Days, and what there is of each.
type Days = BTreeMap<TenantDay, Vec<SealedPartition>>;

/// What the archive could restore (`E4`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Archived {
    /// The last sequence number.
    pub(super) last: u64,
    /// Where in the store's history that is.
    pub(super) place: ChainPlace,
}

/// Names for files of a day that none of it has.
pub(super) struct DayNames {
    extension: &'static str,
    taken: BTreeSet<String>,
}

impl Exported {
    /// What a manifest has more than the one before.
    pub(super) fn of(added: &[DayFile]) -> Self {
        let mut sum = Self { days: 1, files: added.len() as u64, events: 0, bytes: 0 };
        for file in added {
            sum.events += file.events;
            sum.bytes += file.bytes;
        }
        sum
    }

    pub(super) fn add(&mut self, other: Self) {
        self.days += other.days;
        self.files += other.files;
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

impl Archive {
    /// Exports each day that is due at `as_of` and has events that were not, or only `day`, which has to
    /// be over, and writes those anew that have events that exact purges took since. Everything sealed is
    /// copied to the archive before. Between two days passes may run.
    ///
    /// # Errors
    /// `Invalid` if nothing is exported at all, or for a day that is not over; see [`ErrorKind`]. What was
    /// exported before stays.
    pub async fn export(&self, as_of: Timestamp, day: Option<Day>) -> Result<Exported> {
        let Some(exports) = &self.exports else {
            let message = "nothing is exported: archive.export_after is off";
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let now = self.io.clock.now();
        if let Some(day) = day.filter(|day| *day >= now.day()) {
            let message = format!("{day} is not over: its events can't be exported yet");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let wanted = |of: Day| match day {
            Some(day) => of == day,
            None => exports.is_due(of, as_of.min(now)),
        };
        let exported = self.export_days(exports, wanted).await;
        let failed = exported.as_ref().err().map(|error| (now, error.to_string()));
        *exports.failed.lock() = failed;
        exported
    }

    /// The same, asked by somebody now: until the archive is stopped.
    ///
    /// # Errors
    /// Those of [`Archive::export`]; `Busy` if too many ask, or the server is shut down.
    pub async fn export_now(&self, day: Option<Day>) -> Result<Exported> {
        self.as_asked(self.export(self.io.clock.now(), day)).await
    }

    async fn export_days(
        &self,
        exports: &Exports,
        wanted: impl Fn(Day) -> bool,
    ) -> Result<Exported> {
        let (archived, failed) = self.bring_up(&mut *self.at_work.lock().await).await?;
        let Some(archived) = archived else {
            return failed.map_or(Ok(Exported::default()), Err);
        };
        let mut days = Days::new();
        for partition in self.ask(Engine::sealed_partitions).await? {
            let key = &partition.key;
            if wanted(key.day) && partition.seqs.0 <= archived.last {
                days.entry((Arc::clone(&key.tenant), key.day)).or_default().push(partition);
            }
        }
        for of in self.ask(Engine::erased_days).await?.into_iter().filter(|of| wanted(of.1)) {
            days.entry(of).or_default();
        }
        let (exported, error) = self.export_each(exports, days, archived, false).await;
        error.or(failed).map_or(Ok(exported), Err)
    }

    /// Writes the files of exported days anew that have events that exact purges took.
    ///
    /// # Errors
    /// `Conflict` for a day of which less would be left than the purges left; see [`ErrorKind`].
    pub(crate) async fn renew_exports(&self) -> Result<()> {
        let Some(exports) = &self.exports else { return Ok(()) };
        let erased = self.ask(Engine::erased_days).await?;
        let mut days: Days = erased.into_iter().map(|of| (of, Vec::new())).collect();
        let archived = {
            let mut work = self.at_work.lock().await;
            self.still_holds(&mut work).await?;
            archived(&work)
        };
        let Some(archived) = archived.filter(|_| !days.is_empty()) else { return Ok(()) };
        for partition in self.ask(Engine::sealed_partitions).await? {
            let of = (Arc::clone(&partition.key.tenant), partition.key.day);
            if let Some(partitions) = days.get_mut(&of) {
                partitions.push(partition);
            }
        }
        self.export_each(exports, days, archived, true).await.1.map_or(Ok(()), Err)
    }

    /// Exports days, the oldest first: their drops wait. What is wrong with one keeps no other waiting,
    /// unless it would be the same for all. `is_purge`: only what was exported, and what can't be written
    /// anew is an error.
    async fn export_each(
        &self,
        exports: &Exports,
        days: Days,
        archived: Archived,
        is_purge: bool,
    ) -> (Exported, Option<Error>) {
        let (mut sum, mut failed) = (Exported::default(), None);
        let mut days: Vec<_> = days.into_iter().collect();
        days.sort_by_key(|((_, day), _)| *day);
        for (of, partitions) in &days {
            let asked = Asked { exports, of, partitions, archived, must_be_begun: is_purge };
            let mut work = self.at_work.lock().await;
            match self.export_whole_day(&mut work, &asked).await {
                Ok(done) => {
                    sum.add(done.exported.unwrap_or_default());
                    let mut stuck = exports.stuck.lock();
                    stuck.remove(of);
                    if let Some(why) = done.stuck {
                        if is_purge {
                            failed.get_or_insert(Error::new(ErrorKind::Conflict, why.clone()));
                        }
                        stuck.insert(of.clone(), why);
                    }
                }
                Err(error) => {
                    exports.known.lock().remove(of);
                    let is_of_all = match error.kind() {
                        ErrorKind::Unreachable | ErrorKind::Refused => true,
                        ErrorKind::Conflict => !self.holds_claim(&work),
                        _ => false,
                    };
                    failed.get_or_insert(error);
                    if is_of_all {
                        break;
                    }
                }
            }
        }
        (sum, failed)
    }

    /// Copies everything sealed, and says what the archive could restore then. A file that can't be
    /// copied keeps that from getting more, and is told at the end.
    async fn bring_up(&self, work: &mut Work) -> Result<(Option<Archived>, Option<Error>)> {
        let passed = self.work(work, true).await;
        if passed.is_err() {
            work.catalog = None;
        }
        self.note(work, &passed);
        let failed = match passed {
            Ok(_) => None,
            Err(error) if matches!(error.kind(), ErrorKind::Engine | ErrorKind::Corrupt) => {
                // What is wrong may be the catalog itself.
                let holds = self.still_holds(work).await;
                holds.map_err(|_| error.clone())?;
                Some(error)
            }
            Err(error) => return Err(error),
        };
        Ok((archived(work), failed))
    }
}

/// What the catalog has of the store's history.
fn archived(work: &Work) -> Option<Archived> {
    // E7: an adopted catalog has another history until the next manifest is in it.
    let catalog = work.catalog.as_ref().filter(|_| !work.adopts)?;
    let image = catalog.state().image.as_ref()?;
    Some(Archived { last: image.next_seq.saturating_sub(1), place: image.place })
}

impl DayNames {
    pub(super) fn new(exports: &Exports, listed: &[DayFile]) -> Self {
        let taken = listed.iter().map(|file| stem_of(&file.name).to_owned()).collect();
        Self { extension: exports.settings.format.extension(), taken }
    }

    pub(super) fn next(&mut self, kind: &str) -> String {
        let stem = free_stem(&self.taken, kind);
        let name = format!("{stem}.{}", self.extension);
        self.taken.insert(stem);
        name
    }
}

/// A file's name up to its first point: no class has one.
fn stem_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

/// The name of its kind behind all that are taken: what a renewal replaces lies there until its manifest
/// does. A class can be called `info-late`.
fn free_stem(taken: &BTreeSet<String>, kind: &str) -> String {
    let number = |stem: &String| stem.strip_prefix(kind)?.strip_prefix('-')?.parse::<u32>().ok();
    let last = taken.iter().filter_map(number).max().map_or(0, u64::from);
    let mut names = (last + 1..).map(|number| format!("{kind}-{number:04}"));
    names.find(|name| !taken.contains(name)).expect("there are more numbers than files")
}

#[cfg(test)]
mod tests {
    use super::free_stem;

    #[test]
    fn a_name_is_behind_all_of_its_kind() {
        let taken = ["info-0002", "info-late-0007", "info-late-late-0001", "error-0009", "info-x"];
        let mut taken: std::collections::BTreeSet<String> = taken.map(str::to_owned).into();
        assert_eq!(free_stem(&taken, "info"), "info-0003");
        assert_eq!(free_stem(&taken, "info-late"), "info-late-0008");
        assert_eq!(free_stem(&taken, "debug"), "debug-0001");
        taken.extend(["info-4294967295", "info-4294967296"].map(str::to_owned));
        assert_eq!(free_stem(&taken, "info"), "info-4294967297");
    }
}
