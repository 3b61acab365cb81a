//! Any bytes as an object of the catalog. Behind a right checksum, too: a fuzzer finds none.

use super::entry::Image;
use super::format::{Body, Object};
use super::state::State;

/// Decodes any bytes, then the same as the body of an edit and of a snapshot; must not panic, and what
/// is decoded is encoded as it stood.
pub(crate) fn fuzz(bytes: &[u8]) {
    check(bytes);
    for kind in [1, 2] {
        check(&forge(kind, bytes));
    }
}

fn check(bytes: &[u8]) {
    let Ok(object) = Object::decode(bytes, "fuzz") else { return };
    assert_eq!(object.encode(), bytes, "a value has one form");
    let state = match object.body {
        Body::Snapshot(state) => *state,
        Body::Edit(edit) => {
            let mut state = State::default();
            if state.apply(&edit).is_err() {
                return;
            }
            state
        }
    };
    state.check().expect("what edits come to fits");
    let _ = state.image.as_ref().map(Image::bytes);
}

/// An object of this body, whatever it is.
pub(super) fn forge(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut out = b"LSCAT\0\0\0\x01\0".to_vec();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4 + 8 + 16 + 32]);
    out.extend((body.len() as u64).to_le_bytes());
    out.extend(crc32fast::hash(body).to_le_bytes());
    let crc = crc32fast::hash(&out);
    out.extend(crc.to_le_bytes());
    out.extend(body);
    out
}
