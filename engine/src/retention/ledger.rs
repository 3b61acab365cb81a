//! What the manifest keeps of retention: the rules of classes with events, holds, and who released the
//! last of them. It outlives the configuration.

use super::hold::{Hold, HoldRequest, ReleasedHold};
use super::rule::ClassRule;
use crate::limits::{CLASSES_KEPT_MAX, HOLD_TEXT_BYTES_MAX, HOLDS_MAX, RELEASED_KEPT_MAX};
use crate::timestamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The rules of classes and the holds of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// The rules of all classes that have events, and of those that new events are given.
    pub(crate) classes: BTreeMap<String, ClassRule>,
    /// What is held, by number.
    pub(crate) holds: BTreeMap<u64, Hold>,
    /// The last number of a hold; 0 before the first.
    pub(crate) last_hold: u64,
    /// The last holds that ended, in the order in which they did.
    pub(crate) released: VecDeque<ReleasedHold>,
}

/// A change of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// These rules take the place of all before.
    Classes(Vec<ClassRule>),
    /// Something is held.
    Hold(Hold),
    /// A hold ends, on the word of somebody.
    Release {
        /// Which one.
        id: u64,
        /// Who says so.
        by: String,
        /// Why, if that was said.
        reason: Option<String>,
        /// When. Before version 6 of edits, the time of the edit.
        at: Timestamp,
    },
    /// Nothing but the time.
    Clock,
    /// Somebody says that the time is right: it is the latest from now on, also if it lies before what
    /// the store knew.
    Trust,
}

impl Ledger {
    /// Whether it is sound, whoever wrote it.
    pub(crate) fn check(&self) -> Result<(), String> {
        check_classes(self.classes.values())?;
        if self.holds.len() > HOLDS_MAX {
            return Err(format!("{} holds", self.holds.len()));
        }
        let last = self.holds.keys().next_back().copied().unwrap_or(0);
        if self.last_hold < last || self.last_hold == u64::MAX || self.holds.contains_key(&0) {
            return Err(format!("hold {last} behind hold {}", self.last_hold));
        }
        self.holds.values().try_for_each(check_hold)?;
        self.check_released()
    }

    fn check_released(&self) -> Result<(), String> {
        if self.released.len() > RELEASED_KEPT_MAX {
            return Err(format!("{} released holds", self.released.len()));
        }
        let mut once = BTreeSet::new();
        for ReleasedHold { hold, by, reason, .. } in &self.released {
            let known = (1..=self.last_hold).contains(&hold.id);
            if !known || self.holds.contains_key(&hold.id) || !once.insert(hold.id) {
                return Err(format!("hold {} released before its time", hold.id));
            }
            check_hold(hold)?;
            check_words(by, reason.as_ref())?;
        }
        Ok(())
    }

    /// Whether the change may follow.
    pub(crate) fn check_change(&self, change: &Change) -> Result<(), String> {
        match change {
            Change::Classes(classes) => check_classes(classes),
            Change::Hold(hold) if Some(hold.id) != self.last_hold.checked_add(1) => {
                Err(format!("hold {} behind hold {}", hold.id, self.last_hold))
            }
            Change::Hold(_) if self.holds.len() >= HOLDS_MAX => {
                Err(format!("there can be {HOLDS_MAX} holds at most"))
            }
            Change::Hold(hold) if hold.id == u64::MAX => Err("no number is left".to_owned()),
            Change::Hold(hold) => check_hold(hold),
            Change::Release { id, .. } if !self.holds.contains_key(id) => {
                Err(format!("there is no hold {id}"))
            }
            Change::Release { by, reason, .. } => check_words(by, reason.as_ref()),
            Change::Clock | Change::Trust => Ok(()),
        }
    }

    /// Makes a change that [`Ledger::check_change`] has approved.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Classes(classes) => {
                let classes = classes.into_iter().map(|class| (class.name.clone(), class));
                self.classes = classes.collect();
            }
            Change::Hold(hold) => {
                self.last_hold = hold.id;
                self.holds.insert(hold.id, hold);
            }
            Change::Release { id, by, reason, at } => {
                let Some(hold) = self.holds.remove(&id) else { return };
                if self.released.len() >= RELEASED_KEPT_MAX {
                    self.released.pop_front();
                }
                self.released.push_back(ReleasedHold { hold, by, reason, at });
            }
            Change::Clock | Change::Trust => {}
        }
    }

    /// The next hold.
    pub(crate) fn hold(&self, request: HoldRequest, now: Timestamp) -> Hold {
        let HoldRequest { scope, owner, reason, review } = request;
        Hold { id: self.last_hold.saturating_add(1), scope, owner, reason, created: now, review }
    }
}

fn check_classes<'a>(classes: impl IntoIterator<Item = &'a ClassRule>) -> Result<(), String> {
    let mut count = 0;
    for class in classes {
        class.check()?;
        count += 1;
    }
    if count > CLASSES_KEPT_MAX { Err(format!("{count} classes")) } else { Ok(()) }
}

/// Who releases a hold, and why.
fn check_words(by: &str, reason: Option<&String>) -> Result<(), String> {
    match by.len().max(reason.map_or(0, String::len)) > HOLD_TEXT_BYTES_MAX {
        true => Err("who releases a hold, and why, has 1,024 bytes at most".to_owned()),
        false => Ok(()),
    }
}

fn check_hold(hold: &Hold) -> Result<(), String> {
    let Hold { scope, owner, reason, review, .. } = hold.clone();
    let request = HoldRequest { scope, owner, reason, review };
    request.check_shape().map_err(|what| format!("hold {}: {what}", hold.id))
}
