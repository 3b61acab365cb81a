//! A day: what its last manifest lacks, by one manifest after the other.

use super::file::Wanted;
use super::manifest::{Content, DayFile, DayManifest, Place, manifest_name};
use super::objects::{Looked, left, of_another_history};
use super::renew::{Lost, Stale, losses_at};
use super::run::{Archived, DayNames, Exported};
use super::{Exports, TenantDay, hex};
use crate::archive::{Archive, Work};
use crate::error::{Error, ErrorKind, Result};
use logstrata_engine::{Losses, SealedPartition, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many manifests of a day are made in a row: what was begun, what came late, a renewal, and what was
/// dropped or purged meanwhile.
const STEPS_MAX: u32 = 8;

/// A day that is to be exported.
pub(super) struct Asked<'a> {
    pub(super) exports: &'a Exports,
    pub(super) of: &'a TenantDay,
    /// What there is of it.
    pub(super) partitions: &'a [SealedPartition],
    pub(super) archived: Archived,
    /// Whether it is left alone if it was neither exported nor begun.
    pub(super) must_be_begun: bool,
}

/// What became of a day.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What was written, if anything was.
    pub(super) exported: Option<Exported>,
    /// What can't be written anew, and what to do about it.
    pub(super) stuck: Option<String>,
}

/// What one look at a day comes to.
enum Step {
    /// It has a manifest more.
    Added(Exported),
    /// There is one that was not known.
    Behind,
    /// It lacks nothing but what can't be written.
    Nothing(BTreeSet<String>),
}

impl Asked<'_> {
    pub(super) fn folder(&self) -> String {
        self.exports.folder(&self.of.0, self.of.1)
    }
}

impl Archive {
    /// Exports of a day what was not: several manifests, if one had been begun before or events are gone by
    /// an exact purge. As long as the result is not there, the day is not known.
    pub(super) async fn export_whole_day(
        &self,
        work: &mut Work,
        asked: &Asked<'_>,
    ) -> Result<Done> {
        let (mut done, mut stuck) = (Done::default(), None);
        for _ in 0..STEPS_MAX {
            match self.export_day(work, asked).await? {
                Step::Nothing(found) => {
                    stuck = Some(found);
                    break;
                }
                Step::Added(more) => done.exported.get_or_insert_default().add(more),
                Step::Behind => {}
            }
        }
        let Some(stuck) = stuck else {
            let what = format!("{} changes all the time: others write or purge", asked.folder());
            return Err(Error::new(ErrorKind::Busy, what));
        };
        if let Some(exported) = &mut done.exported {
            exported.days = 1;
        }
        if !stuck.is_empty() {
            // Somebody is to change it by hand.
            asked.exports.known.lock().remove(asked.of);
            let classes = stuck.into_iter().collect::<Vec<_>>().join(", ");
            done.stuck = Some(format!(
                "{} has files of {classes} with events that were purged, and they can't be written anew, \
                 for the store has lost others of them, too: delete that folder; what is left of the day \
                 is exported anew then",
                asked.folder()
            ));
        }
        Ok(done)
    }

    async fn export_day(&self, work: &mut Work, asked: &Asked<'_>) -> Result<Step> {
        let Asked { exports, of, partitions, archived, .. } = asked;
        let Looked { last, is_begun } = self.look(work, exports, of).await?;
        let last = last.as_deref();
        if asked.must_be_begun && last.is_none() && !is_begun {
            return Ok(Step::Nothing(BTreeSet::new()));
        }
        let after = last.map_or(0, |last| last.through_seq);
        let folder = asked.folder();
        if after > archived.last && last.is_some_and(|last| last.history.is_none()) {
            return Err(of_another_history(&folder));
        }
        // E6: whatever goes from here on is stale at the next look.
        let lost = self.losses(asked).await?;
        let Stale { renewable, stuck } = match last {
            Some(last) => self.stale(asked, last, &lost).await?,
            None => Stale::default(),
        };
        let through = partitions.iter().map(|part| part.seqs.1.min(archived.last)).max();
        let through = through.unwrap_or(0).max(after);
        if through == after && !is_begun && renewable.is_empty() {
            self.engine.day_was_exported(&of.0, of.1, Seq(after));
            return Ok(Step::Nothing(stuck));
        }
        // Until the next manifest is there, nobody here knows whether it is.
        exports.known.lock().remove(*of);
        let store = hex(&self.engine.store_uuid());
        let number = last.map_or(0, |last| last.number) + 1;
        let place = Place { store: &store, tenant: &of.0, day: of.1, number };
        // E3.
        let through = self.begin_day(&folder, place, through, *archived).await?;
        self.engine.day_is_being_exported(&of.0, of.1, Seq(through));
        if through < after {
            return Err(Error::corrupt(format!("{folder} has begun what it has already")));
        }
        let name = format!("{folder}/{}", manifest_name(number));
        if self.store.head(&name).await?.is_some() {
            return Ok(Step::Behind);
        }
        let (content, added) = match last.filter(|last| last.through_seq == through) {
            Some(last) => self.renewed(asked, place, (last, &lost), &renewable).await?,
            None => self.with_late(asked, place, (last, &lost), through).await?,
        };
        let content = Content { history: Some(archived.place.into()), ..content };
        let manifest = DayManifest::new(place, last, self.io.clock.now(), content);
        self.still_holds(work).await?;
        // E1: what is there before it is, so that nothing is deleted that is written behind it.
        let left = left(exports, &self.names(&folder).await?, &manifest);
        self.create_same(&name, manifest.encode()).await?;
        self.engine.day_was_exported(&of.0, of.1, Seq(through));
        self.delete_left(&folder, &left).await?;
        exports.known.lock().insert((*of).clone(), Some(Arc::new(manifest)));
        Ok(Step::Added(Exported::of(&added)))
    }

    /// Writes what came behind the last manifest.
    async fn with_late(
        &self,
        asked: &Asked<'_>,
        place: Place<'_>,
        (last, lost): (Option<&DayManifest>, &Lost),
        through: u64,
    ) -> Result<(Content, Vec<DayFile>)> {
        let folder = asked.folder();
        let listed = last.map_or(&[][..], |last| &last.files);
        let after = last.map_or(0, |last| last.through_seq);
        let late = if place.number > 1 { "-late" } else { "" };
        let mut names = DayNames::new(asked.exports, listed);
        let mut added = Vec::new();
        for partition in asked.partitions.iter().filter(|part| part.seqs.1 > after) {
            let kind = format!("{}{late}", partition.key.class);
            let key = partition.key.clone();
            let wanted = Wanted { partition: key, after: Seq(after), through: Seq(through) };
            let (settings, since) = (&asked.exports.settings, place.number);
            let name = || names.next(&kind);
            added.extend(self.export_class(settings, &folder, since, wanted, name).await?);
        }
        let files: Vec<DayFile> = listed.iter().chain(&added).cloned().collect();
        let classes: BTreeSet<&str> = files.iter().map(|file| &*file.class).collect();
        let (mut erased, mut others) = (BTreeMap::new(), BTreeMap::new());
        for class in classes {
            // What files of before have may be stale.
            let then = match last.filter(|last| last.events_of(class).is_some()) {
                Some(last) => losses_at(last, class),
                None => lost.get(class).copied().unwrap_or_default(),
            };
            let Losses { erased: gone, others: dropped } = then;
            erased.extend((gone > 0).then(|| (class.to_owned(), gone)));
            others.extend((dropped > 0).then(|| (class.to_owned(), dropped)));
        }
        let begins = last.and_then(|last| last.begins);
        let through_seq = through;
        let content = Content { through_seq, begins, erased, lost: others, files, history: None };
        Ok((content, added))
    }
}
