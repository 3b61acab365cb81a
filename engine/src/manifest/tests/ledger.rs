//! What is kept of holds that ended: in edits, snapshots, and damaged ones.

use super::*;
use crate::limits::RELEASED_KEPT_MAX;
use crate::retention::{Hold, HoldScope};

fn hold(id: u64, class: Option<String>) -> Change {
    let to = class.is_none().then_some(Day(9));
    Change::Hold(Hold {
        id,
        scope: HoldScope { class, to, ..HoldScope::default() },
        owner: "ann".to_owned(),
        reason: format!("case {id}"),
        created: Timestamp(-(id as i64)),
        review: Some(Day(4)),
    })
}

fn release(id: u64, reason: Option<String>) -> Change {
    Change::Release { id, by: "bob".to_owned(), reason, at: Timestamp(id as i64) }
}

fn edit(change: Change) -> Edit {
    Edit::Retention { change, clock_high_water: 5 }
}

fn decoded(edit: &Edit) -> Edit {
    let (kind, bytes) = edit.encode();
    Edit::decode(kind, edit::EDIT_VERSION, &bytes).expect("a known kind").expect("sound")
}

/// The manifest would grow for ever.
#[test]
fn the_last_thousand_released_holds_are_kept() {
    let mut state = ManifestState::new([3; 16], 9, -4);
    let count = RELEASED_KEPT_MAX as u64 + 3;
    for id in 1..=count {
        for change in [hold(id, None), release(id, None)] {
            assert_eq!(state.check_edit(&edit(change.clone())), Ok(()));
            state.apply(edit(change));
        }
    }
    let kept: Vec<u64> = state.retention.released.iter().map(|of| of.hold.id).collect();
    assert_eq!(kept, (4..=count).collect::<Vec<_>>());
    let snapshot = Edit::Snapshot(state.clone());
    assert_eq!(decoded(&snapshot), snapshot);
    let one_more = state.retention.released[0].clone();
    state.retention.released.push_front(one_more);
    assert!(state.check().is_err());
}

#[test]
fn what_can_not_have_been_released_is_refused() {
    let mut state = ManifestState::new([3; 16], 9, -4);
    for change in [hold(1, None), hold(2, None), hold(3, None), release(2, None)] {
        state.apply(edit(change));
    }
    assert_eq!(state.check(), Ok(()));
    let spoilt = |spoil: fn(&mut crate::retention::ReleasedHold)| {
        let mut state = state.clone();
        spoil(&mut state.retention.released[0]);
        let (kind, bytes) = Edit::Snapshot(state).encode();
        Edit::decode(kind, edit::EDIT_VERSION, &bytes).expect("a known kind").is_err()
    };
    assert!(!spoilt(|of| of.reason = Some("closed".to_owned())));
    assert!(spoilt(|of| of.hold.id = 0));
    assert!(spoilt(|of| of.hold.id = 3));
    assert!(spoilt(|of| of.hold.id = 4));
    assert!(spoilt(|of| of.hold.owner.clear()));
    assert!(spoilt(|of| of.by = "b".repeat(1_025)));
    assert!(spoilt(|of| of.reason = Some("b".repeat(1_025))));
    let twice = state.retention.released[0].clone();
    state.retention.released.push_back(twice);
    assert!(state.check().is_err());
    assert!(state.check_edit(&edit(release(2, None))).is_err());
    assert!(state.check_edit(&edit(release(1, Some("b".repeat(1_025))))).is_err());
}

proptest! {
    #[test]
    fn any_ledger_comes_back(
        steps in prop::collection::vec((any::<bool>(), 1u64..9, prop::option::of("[a-z]{1,9}")), 0..40),
        at: prop::sample::Index,
        value: u8,
    ) {
        let mut state = ManifestState::new([3; 16], 9, -4);
        for (holds, id, text) in steps {
            let edit = edit(match holds {
                true => hold(state.retention.last_hold + 1, text),
                false => release(id, text),
            });
            prop_assert_eq!(&decoded(&edit), &edit);
            if state.check_edit(&edit).is_ok() {
                state.apply(edit);
            }
        }
        prop_assert_eq!(state.check(), Ok(()));
        let snapshot = Edit::Snapshot(state);
        prop_assert_eq!(&decoded(&snapshot), &snapshot);
        let (kind, mut bytes) = snapshot.encode();
        let at = at.index(bytes.len());
        bytes[at] = value;
        for version in 1..=edit::EDIT_VERSION {
            if let Some(Ok(Edit::Snapshot(state))) = Edit::decode(kind, version, &bytes) {
                prop_assert_eq!(state.check(), Ok(()));
            }
        }
    }
}
