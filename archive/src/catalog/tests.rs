//! Objects that come back, and damaged ones that don't.

use super::entry::{Edit, Op, Piece};
use super::format::{Body, Object};
use super::fuzzing::{forge, fuzz};
use super::golden::object;
use super::state::State;
use crate::error::ErrorKind;
use logstrata_engine::{ChainPlace, Timestamp};
use proptest::prelude::*;

fn snapshot() -> Object {
    let Body::Edit(edit) = object().body else { panic!("an edit") };
    let mut state = State::default();
    state.apply(&edit).unwrap();
    let gone = |byte| Edit {
        writer: edit.writer,
        time: Timestamp(7),
        ops: vec![Op::Doom([byte; 32]), Op::Doom([byte + 1; 32])],
    };
    state.apply(&gone(1)).unwrap();
    Object { number: 256, body: Body::Snapshot(Box::new(state)), ..object() }
}

#[test]
fn a_snapshot_comes_back() {
    let snapshot = snapshot();
    let bytes = snapshot.encode();
    assert_eq!(Object::decode(&bytes, "x").unwrap(), snapshot);
    fuzz(&bytes[88..]);
    let seed = forge(2, include_bytes!("../../../fuzz/seeds/catalog/snapshot-body"));
    assert!(matches!(Object::decode(&seed, "seed").unwrap().body, Body::Snapshot(_)));
}

#[test]
fn later_versions_are_told_from_damage() {
    let mut bytes = object().encode();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..84]).to_le_bytes();
    bytes[84..88].copy_from_slice(&crc);
    assert_eq!(Object::decode(&bytes, "x").unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn edits_that_do_not_fit_are_refused() {
    let Body::Edit(first) = object().body else { panic!("an edit") };
    let mut state = State::default();
    state.apply(&first).unwrap();
    let hash = *state.files.keys().next().unwrap();
    let place = ChainPlace { manifest: 1, edit: 3, hash: [1; 32] };
    let manifest = |place, offset, len| Op::Manifest {
        place,
        len,
        next_seq: 4,
        piece: Piece::pack(offset, &[1; 4_096]),
    };
    let refused = [
        vec![first.ops[1].clone()],
        vec![Op::Remove([9; 32])],
        vec![Op::Doom(hash)],
        vec![Op::Deleted(hash)],
        vec![Op::Remove(hash), Op::Doom(hash), first.ops[1].clone()],
        vec![manifest(place, 4_096, 12_288)],
        vec![manifest(place, 8_192, 12_289)],
        vec![manifest(ChainPlace { manifest: 0, ..place }, 0, 4_096)],
        vec![manifest(ChainPlace { manifest: 2, ..place }, 8_192, 12_288)],
    ];
    for ops in refused {
        let edit = Edit { writer: first.writer, time: Timestamp(9), ops };
        assert!(state.clone().apply(&edit).is_err(), "{edit:?}");
    }
    for ops in [
        vec![manifest(place, 8_192, 12_288)],
        vec![manifest(ChainPlace { manifest: 2, ..place }, 0, 4_096)],
        vec![Op::Remove(hash), first.ops[1].clone()],
        vec![Op::Remove(hash), Op::Doom(hash), Op::Deleted(hash), first.ops[1].clone()],
    ] {
        let edit = Edit { writer: first.writer, time: Timestamp(9), ops };
        state.clone().apply(&edit).unwrap();
        let other = Edit { writer: [9; 16], ..edit };
        assert!(state.clone().apply(&other).is_err(), "not the holder of the claim");
    }
}

#[test]
fn a_piece_that_unpacks_to_more_than_it_promised_is_refused() {
    let Body::Edit(mut edit) = object().body else { panic!("an edit") };
    let place = ChainPlace { manifest: 1, edit: 1, hash: [0; 32] };
    for wrong in [8_191, 8_193] {
        let piece = Piece { len: wrong, ..Piece::pack(0, &[0; 8_192]) };
        edit.ops = vec![Op::Claim, Op::Manifest { place, len: wrong, next_seq: 1, piece }];
        let mut state = State::default();
        state.apply(&edit).unwrap();
        assert_eq!(state.image.unwrap().bytes().unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

proptest! {
    #[test]
    fn damaged_objects_are_refused(at: prop::sample::Index, bit in 0..8u8, cut: prop::sample::Index) {
        for object in [object(), snapshot()] {
            let bytes = object.encode();
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1 << bit;
            prop_assert!(Object::decode(&flipped, "x").is_err());
            prop_assert!(Object::decode(&bytes[..cut.index(bytes.len())], "x").is_err());
        }
    }

    #[test]
    fn damaged_bodies_behind_right_checksums_do_no_harm(
        at: prop::sample::Index,
        byte: u8,
        any in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for (kind, object) in [(1, object()), (2, snapshot())] {
            let mut body = object.encode()[88..].to_vec();
            let at = at.index(body.len());
            body[at] = byte;
            fuzz(&body);
            fuzz(&forge(kind, &body));
        }
        fuzz(&any);
    }
}
