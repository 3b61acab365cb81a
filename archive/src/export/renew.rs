//! Renewals (`E6`): the files of classes that lost events to exact purges, written anew.

use super::day::Asked;
use super::file::Wanted;
use super::manifest::{Content, DayFile, DayManifest, Place};
use super::run::DayNames;
use crate::archive::Archive;
use crate::error::Result;
use logstrata_engine::{Losses, PartitionKey, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the classes of a day have lost, by name.
pub(super) type Lost = BTreeMap<String, Losses>;

/// Classes whose files have events that exact purges took since.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// Those that can be written anew.
    pub(super) renewable: BTreeSet<String>,
    /// Those of which less would be left than the purges left.
    pub(super) stuck: BTreeSet<String>,
}

/// What a class had lost when its files were written.
pub(super) fn losses_at(manifest: &DayManifest, class: &str) -> Losses {
    let of = |counts: &BTreeMap<String, u64>| counts.get(class).copied().unwrap_or(0);
    Losses { erased: of(&manifest.erased), others: of(&manifest.lost) }
}

/// Whether files that would have so many events lack nothing but what exact purges took.
fn is_whole(manifest: &DayManifest, class: &str, now: Losses, events: u64) -> bool {
    let then = losses_at(manifest, class);
    let erased = now.erased.saturating_sub(then.erased);
    let before = manifest.events_of(class).unwrap_or(0);
    now.others <= then.others && before <= events.saturating_add(erased)
}

impl Archive {
    /// What a day's classes have lost by now.
    pub(super) async fn losses(&self, asked: &Asked<'_>) -> Result<Lost> {
        let (tenant, day) = (Arc::clone(&asked.of.0), asked.of.1);
        self.ask(move |engine| engine.losses_of_day(&tenant, day)).await
    }

    /// Which files of a day's last manifest have events that exact purges took since.
    pub(super) async fn stale(
        &self,
        asked: &Asked<'_>,
        last: &DayManifest,
        lost: &Lost,
    ) -> Result<Stale> {
        let mut stale = Stale::default();
        for (class, now) in lost {
            let is_stale = now.erased > losses_at(last, class).erased;
            if last.events_of(class).is_none() || !is_stale {
                continue;
            }
            let (key, through) = (key_of(asked, class), Seq(last.through_seq));
            let there = self.ask(move |engine| engine.sealed_count(&key, through)).await??;
            // Behind the count: what is purged in between is in neither.
            let now = self.losses(asked).await?.get(class).copied().unwrap_or_default();
            match is_whole(last, class, now, there) {
                true => stale.renewable.insert(class.clone()),
                false => stale.stuck.insert(class.clone()),
            };
        }
        Ok(stale)
    }

    /// Writes the files of these classes anew. What has lost more than purges took by the end keeps its
    /// old ones: a drop came in between.
    pub(super) async fn renewed(
        &self,
        asked: &Asked<'_>,
        place: Place<'_>,
        (last, lost): (&DayManifest, &Lost),
        classes: &BTreeSet<String>,
    ) -> Result<(Content, Vec<DayFile>)> {
        let mut names = DayNames::new(asked.exports, &last.files);
        let folder = asked.folder();
        let mut written: BTreeMap<&str, Vec<DayFile>> = BTreeMap::new();
        for class in classes {
            let (after, through) = (Seq(0), Seq(last.through_seq));
            let wanted = Wanted { partition: key_of(asked, class), after, through };
            let (settings, since) = (&asked.exports.settings, place.number);
            let name = || names.next(class);
            let files = self.export_class(settings, &folder, since, wanted, name).await?;
            written.insert(class, files);
        }
        let now = self.losses(asked).await?;
        written.retain(|class, files| {
            let events = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.events));
            let now = now.get(*class).copied().unwrap_or_default();
            is_whole(last, class, now, events)
        });
        let is_kept = |file: &&DayFile| !written.contains_key(&*file.class);
        let mut files: Vec<DayFile> = last.files.iter().filter(is_kept).cloned().collect();
        let (mut erased, mut others) = (last.erased.clone(), last.lost.clone());
        for class in written.keys() {
            let then = lost.get(*class).copied().unwrap_or_default();
            erased.insert((*class).to_owned(), then.erased);
            others.insert((*class).to_owned(), then.others);
        }
        erased.retain(|_, events| *events > 0);
        others.retain(|_, events| *events > 0);
        let begins = if written.is_empty() { last.begins } else { Some(place.number) };
        let added: Vec<DayFile> = written.into_values().flatten().collect();
        files.extend(added.iter().cloned());
        let through_seq = last.through_seq;
        let content = Content { through_seq, begins, erased, lost: others, files, history: None };
        Ok((content, added))
    }
}

fn key_of(asked: &Asked<'_>, class: &str) -> PartitionKey {
    let (tenant, day) = asked.of;
    PartitionKey { tenant: Arc::clone(tenant), class: class.into(), day: *day }
}
