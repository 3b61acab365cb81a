//! The bytes of what the manifest keeps of retention. Since version 4; who released holds since version 6.

use super::edit_purge::StateV5;
use super::state::ManifestState;
use crate::retention::{
    Change, ClassClock, ClassRule, Hold, HoldScope, Keep, Ledger, ReleasedHold,
};
use crate::timestamp::{Day, Timestamp};
use bincode::{Decode, Encode};
use std::collections::BTreeMap;

#[derive(Debug, Encode, Decode)]
pub(super) struct LedgerV4 {
    classes: Vec<ClassV4>,
    holds: Vec<HoldV4>,
    last_hold: u64,
}

/// What version 6 has in the place of [`StateV5`].
#[derive(Debug, Encode, Decode)]
pub(super) struct StateV6 {
    pub(super) state: StateV5,
    pub(super) released: Vec<ReleasedV6>,
}

/// The order of the variants is their number on disk, here and below.
#[derive(Debug, Encode, Decode)]
pub(super) enum ChangeV4 {
    Classes(Vec<ClassV4>),
    Hold(HoldV4),
    /// Written up to version 5.
    Release {
        id: u64,
        by: String,
    },
    Clock,
    /// Since version 5.
    Trust,
    /// Since version 6, in the place of the other.
    ReleaseV6 {
        id: u64,
        by: String,
        reason: Option<String>,
        at: i64,
    },
}

#[derive(Debug, Encode, Decode)]
pub(super) struct ReleasedV6 {
    hold: HoldV4,
    by: String,
    reason: Option<String>,
    at: i64,
}

#[derive(Debug, Encode, Decode)]
enum KeepV4 {
    For(i64),
    Forever,
}

#[derive(Debug, Encode, Decode)]
enum ClockV4 {
    Event,
    Arrival,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct ClassV4 {
    name: String,
    matches: String,
    keep: KeepV4,
    local_keep: Option<KeepV4>,
    export: bool,
    clock: ClockV4,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct HoldV4 {
    id: u64,
    class: Option<String>,
    tenant: Option<String>,
    from: Option<i32>,
    to: Option<i32>,
    query: Option<String>,
    owner: String,
    reason: String,
    created: i64,
    review: Option<i32>,
}

impl From<&Ledger> for LedgerV4 {
    fn from(ledger: &Ledger) -> Self {
        Self {
            classes: ledger.classes.values().map(ClassV4::from).collect(),
            holds: ledger.holds.values().map(HoldV4::from).collect(),
            last_hold: ledger.last_hold,
        }
    }
}

impl LedgerV4 {
    /// The ledger with these released holds, unless something is there twice.
    pub(super) fn into_ledger(self, released: Vec<ReleasedV6>) -> Result<Ledger, String> {
        let (classes, holds) = (self.classes.len(), self.holds.len());
        let rules = self.classes.into_iter().map(ClassRule::from);
        let ledger = Ledger {
            classes: rules.map(|rule| (rule.name.clone(), rule)).collect::<BTreeMap<_, _>>(),
            holds: self.holds.into_iter().map(Hold::from).map(|hold| (hold.id, hold)).collect(),
            last_hold: self.last_hold,
            released: released.into_iter().map(ReleasedHold::from).collect(),
        };
        if (ledger.classes.len(), ledger.holds.len()) != (classes, holds) {
            return Err("a class or a hold twice".to_owned());
        }
        ledger.check()?;
        Ok(ledger)
    }
}

impl StateV6 {
    /// What a snapshot of an earlier version says.
    pub(super) fn of(state: StateV5) -> Self {
        Self { state, released: Vec::new() }
    }
}

impl From<&ManifestState> for StateV6 {
    fn from(state: &ManifestState) -> Self {
        let released = state.retention.released.iter().map(ReleasedV6::from).collect();
        Self { state: state.into(), released }
    }
}

impl From<&ReleasedHold> for ReleasedV6 {
    fn from(released: &ReleasedHold) -> Self {
        let ReleasedHold { hold, by, reason, at } = released;
        Self { hold: hold.into(), by: by.clone(), reason: reason.clone(), at: at.0 }
    }
}

impl From<ReleasedV6> for ReleasedHold {
    fn from(released: ReleasedV6) -> Self {
        let ReleasedV6 { hold, by, reason, at } = released;
        Self { hold: hold.into(), by, reason, at: Timestamp(at) }
    }
}

impl From<&Change> for ChangeV4 {
    fn from(change: &Change) -> Self {
        match change {
            Change::Classes(classes) => Self::Classes(classes.iter().map(ClassV4::from).collect()),
            Change::Hold(hold) => Self::Hold(hold.into()),
            Change::Release { id, by, reason, at } => {
                Self::ReleaseV6 { id: *id, by: by.clone(), reason: reason.clone(), at: at.0 }
            }
            Change::Clock => Self::Clock,
            Change::Trust => Self::Trust,
        }
    }
}

impl ChangeV4 {
    /// The change of an edit of this time.
    pub(super) fn into_change(self, now: i64) -> Change {
        match self {
            Self::Classes(classes) => {
                Change::Classes(classes.into_iter().map(ClassRule::from).collect())
            }
            Self::Hold(hold) => Change::Hold(hold.into()),
            Self::Release { id, by } => {
                Change::Release { id, by, reason: None, at: Timestamp(now) }
            }
            Self::Clock => Change::Clock,
            Self::Trust => Change::Trust,
            Self::ReleaseV6 { id, by, reason, at } => {
                Change::Release { id, by, reason, at: Timestamp(at) }
            }
        }
    }
}

impl From<Keep> for KeepV4 {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::For(ns) => Self::For(ns),
            Keep::Forever => Self::Forever,
        }
    }
}

impl From<KeepV4> for Keep {
    fn from(keep: KeepV4) -> Self {
        match keep {
            KeepV4::For(ns) => Self::For(ns),
            KeepV4::Forever => Self::Forever,
        }
    }
}

impl From<&ClassRule> for ClassV4 {
    fn from(rule: &ClassRule) -> Self {
        Self {
            name: rule.name.clone(),
            matches: rule.matches.clone(),
            keep: rule.keep.into(),
            local_keep: rule.local_keep.map(KeepV4::from),
            export: rule.export,
            clock: match rule.clock {
                ClassClock::Event => ClockV4::Event,
                ClassClock::Arrival => ClockV4::Arrival,
            },
        }
    }
}

impl From<ClassV4> for ClassRule {
    fn from(class: ClassV4) -> Self {
        Self {
            name: class.name,
            matches: class.matches,
            keep: class.keep.into(),
            local_keep: class.local_keep.map(Keep::from),
            export: class.export,
            clock: match class.clock {
                ClockV4::Event => ClassClock::Event,
                ClockV4::Arrival => ClassClock::Arrival,
            },
        }
    }
}

impl From<&Hold> for HoldV4 {
    fn from(hold: &Hold) -> Self {
        let HoldScope { class, tenant, from, to, query } = hold.scope.clone();
        Self {
            id: hold.id,
            class,
            tenant,
            from: from.map(|day| day.0),
            to: to.map(|day| day.0),
            query,
            owner: hold.owner.clone(),
            reason: hold.reason.clone(),
            created: hold.created.0,
            review: hold.review.map(|day| day.0),
        }
    }
}

impl From<HoldV4> for Hold {
    fn from(hold: HoldV4) -> Self {
        let HoldV4 { id, class, tenant, from, to, query, owner, reason, created, review } = hold;
        let (from, to) = (from.map(Day), to.map(Day));
        Self {
            id,
            scope: HoldScope { class, tenant, from, to, query },
            owner,
            reason,
            created: Timestamp(created),
            review: review.map(Day),
        }
    }
}
