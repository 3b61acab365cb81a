//! The object whose dump ends `docs/format/catalog.md`, read and made again byte for byte.

use super::entry::{Edit, Entry, Op, Piece, Section};
use super::format::{Body, Object};
use super::state::State;
use logstrata_engine::testing::{dump, dumped};
use logstrata_engine::{ChainPlace, Day, PartitionKey, Timestamp};
use std::sync::Arc;

const PAGE: &str = include_str!("../../../docs/format/catalog.md");
const NOW: Timestamp = Timestamp(1_795_219_200_000_000_000);

/// What the page's object says: a claim, a file, and the beginning of a manifest.
pub(super) fn object() -> Object {
    let partition =
        PartitionKey { tenant: "default".into(), class: "info".into(), day: Day(20_778) };
    let section = Section {
        partition,
        offset: 4_096,
        len: 500,
        rows: 2,
        times: (NOW, Timestamp(NOW.0 + 1_000)),
        seqs: (1, 2),
        levels: 1 << 2,
    };
    let entry = Entry {
        name: "segments/0000000000000001.l0".to_owned(),
        len: 5_096,
        blake3: *blake3::hash(b"a file").as_bytes(),
        created: NOW,
        copied: Timestamp(NOW.0 + 600_000_000_000),
        sections: vec![section],
    };
    let place = ChainPlace { manifest: 1, edit: 2, hash: *blake3::hash(b"an edit").as_bytes() };
    let piece = Piece::pack(0, &[7; 8_192]);
    let ops = vec![
        Op::Claim,
        Op::Add(Arc::new(entry)),
        Op::Manifest { place, len: 8_192, next_seq: 3, piece },
    ];
    let edit = Edit { writer: *b"a server's dice.", time: Timestamp(NOW.0 + 1), ops };
    let previous = [0; 32];
    Object { number: 1, store: *b"store of a test.", previous, body: Body::Edit(edit) }
}

#[test]
fn the_dump_of_the_page_is_read_and_made_again() {
    let dumped = dumped(PAGE);
    let made = object().encode();
    assert_eq!(dump(&dumped), dump(&made), "the page's dump has to be:\n{}", dump(&made));
    let object = Object::decode(&dumped, "the page").unwrap();
    assert_eq!(object, self::object());
    let Body::Edit(edit) = object.body else { panic!("an edit") };
    let mut state = State::default();
    state.apply(&edit).unwrap();
    assert_eq!(state.image.unwrap().bytes().unwrap(), [7; 8_192]);
}
