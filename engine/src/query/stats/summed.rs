//! Figures of blocks whose rows all match, out of what is known of the numbers of each: no row is looked at.
//!
//! - `K1` What is known does not depend on the order of rows, so that figures are the same to the last bit
//!   as without.

use super::{Part, column_of};
use crate::block::GroupSummary;
use crate::error::Result;
use crate::query::request::Function;
use crate::query::table::{OwnedValue, Summed, Table};
use crate::timestamp::Timestamp;

/// Which rows of a block match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching {
    All,
    /// Those that have the field which is measured.
    WithField,
}

impl Part<'_> {
    /// Takes in the rows of a table with these levels, all of which are in range, if it is known what they
    /// come to; `false` if not.
    pub(super) fn sum_up(
        &mut self,
        table: &dyn Table,
        times: (Timestamp, Timestamp),
        levels: u8,
    ) -> Result<bool> {
        let pass = self.pass;
        let request = &pass.request;
        let Some(measured) = self.summed_field() else { return Ok(false) };
        let by = match &*request.group_by {
            [] => None,
            [name] if name != "level" => Some(column_of(name)),
            _ => return Ok(false),
        };
        let bucket = pass.bucket(times.0.0);
        let Some(matching) = self.matching(measured, levels) else { return Ok(false) };
        if bucket != pass.bucket(times.1.0) {
            return Ok(false);
        }
        let Some(Summed { summaries, field }) = table.summed(by, measured)? else {
            return Ok(false);
        };
        let known = field.as_ref().map(|field| field.known());
        // The first event of a group tells what its value was in JSON (`C2` of the tally).
        if known.as_ref().is_some_and(|known| known.is_ambiguous()) {
            return Ok(false);
        }
        self.found.scanned.blocks += 1;
        self.found.scanned.rows += table.rows() as u64;
        let events_of = |group: &GroupSummary| match matching {
            Matching::All => group.rows,
            Matching::WithField => group.rows_with,
        };
        let text_of = |number: u32| {
            known.as_ref().filter(|_| number > 0).map_or(0, |known| known.value(number).text.len())
        };
        let texts = summaries.groups().iter().map(|group| text_of(group.number)).sum();
        let columns = request.group_by.len();
        self.found.groups.make_room(summaries.groups().len(), columns, texts)?;
        for group in summaries.groups() {
            let events = events_of(group);
            if events == 0 {
                continue;
            }
            let value: Option<OwnedValue> =
                known.as_ref().filter(|_| group.number > 0).map(|known| {
                    let value = known.value(group.number);
                    (value.kind, value.text.to_vec())
                });
            let groups = &mut self.found.groups;
            let place = groups.find(bucket, by.iter().map(|_| value.as_ref()))? as usize;
            groups.count(place, events.into());
            for aggregate in 0..request.aggregates.len() {
                groups.add_summary(place, aggregate, &group.numbers);
            }
        }
        Ok(true)
    }

    /// The column whose numbers all figures measure, if they do and all groups are kept.
    fn summed_field(&self) -> Option<&str> {
        let pass = self.pass;
        let aggregates = &pass.request.aggregates;
        let field = &*aggregates.first()?.field;
        let is_summed = pass.keeps
            && pass.steps.is_empty()
            && pass.shared.prunes()
            && self.found.groups.keeps_all()
            && aggregates.iter().all(|aggregate| {
                aggregate.field == field
                    && !matches!(aggregate.function, Function::Count | Function::Uniq)
            });
        is_summed.then(|| column_of(field))
    }

    /// Which rows match, if no row needs to be looked at for that.
    fn matching(&self, measured: &str, levels: u8) -> Option<Matching> {
        let plan = &self.pass.plan;
        if plan.matches_all() || plan.decided_by_level() && levels & !plan.levels == 0 {
            Some(Matching::All)
        } else {
            plan.wants_only_field(measured).then_some(Matching::WithField)
        }
    }
}
