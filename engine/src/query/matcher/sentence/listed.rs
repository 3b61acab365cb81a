//! What a test says of the sentences of sections' lists: blocks of a section share them, so that each is looked
//! at once a query, whatever the number of blocks, and nothing is found out of blocks that few rows are wanted of.

use super::{Judge, Judged, Verdict};
use crate::block::{SentenceList, Sentences, Slot};
use crate::index::{Phrase, SLOT};
use std::sync::{Arc, Weak};

/// Lists whose verdicts are remembered: blocks are visited section by section, mostly.
const LISTS_MAX: usize = 8;

/// Verdicts on the sentences of the lists that blocks were looked at of, the youngest first.
#[derive(Debug, Default)]
pub(super) struct OfLists(Vec<OfList>);

#[derive(Debug)]
struct OfList {
    list: Weak<SentenceList>,
    /// By number, of those that were looked at.
    verdicts: Vec<Option<Verdict>>,
}

impl OfLists {
    fn of(&mut self, list: &Arc<SentenceList>) -> &mut OfList {
        let is_it = |known: &OfList| std::ptr::eq(known.list.as_ptr(), Arc::as_ptr(list));
        let place = self.0.iter().position(is_it).unwrap_or_else(|| {
            self.0.truncate(LISTS_MAX - 1);
            let verdicts = vec![None; list.len()];
            self.0.insert(0, OfList { list: Arc::downgrade(list), verdicts });
            0
        });
        &mut self.0[place]
    }
}

impl Judge {
    /// What the matcher says of a column whose sentences stand in a list by these numbers, as many values with
    /// each as `counts` says. Nothing is known of its variables. `phrase` is [`super::Matcher::phrase_of_literals`].
    pub(crate) fn judge_listed(
        &self,
        phrase: &Phrase,
        list: &Arc<SentenceList>,
        numbers: &[u32],
        counts: &[u32],
    ) -> Judged {
        let known = |number: &u32| *number as usize;
        let mut verdicts: Vec<Option<Verdict>> = {
            let mut lists = self.lists.lock();
            let of_list = lists.of(list);
            numbers.iter().map(|number| of_list.verdicts[known(number)]).collect()
        };
        if verdicts.contains(&None) {
            let mut unknown = Sentences::default();
            let mut scratch = Vec::new();
            for (number, verdict) in numbers.iter().zip(&mut verdicts) {
                let sentence = list.get(known(number));
                if verdict.is_some() {
                    continue;
                } else if !phrase.is_match(sentence) {
                    *verdict = Some(Verdict::Never);
                    continue;
                }
                scratch.clear();
                scratch.extend_from_slice(sentence);
                scratch.iter_mut().filter(|byte| **byte == SLOT).for_each(|byte| {
                    *byte = Slot::Any.byte();
                });
                unknown.push(&scratch);
            }
            let mut found = self.matcher.verdicts(&unknown).into_iter();
            let mut lists = self.lists.lock();
            let of_list = lists.of(list);
            for (number, verdict) in numbers.iter().zip(&mut verdicts) {
                *verdict = verdict.or_else(|| found.next());
                of_list.verdicts[known(number)] = *verdict;
            }
        }
        let verdicts = verdicts.into_iter().map(|verdict| verdict.expect("all were looked at"));
        Judged::new(verdicts.collect(), counts)
    }
}
