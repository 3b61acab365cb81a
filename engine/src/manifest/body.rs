//! Bodies of edits as they stand in the file: plain, or encrypted if the store has keys. The chain is
//! one of stored bodies, so that it is followed without a key.

use super::edit::EDIT_VERSION;
use super::format::{EditHash, EditHeader};
use crate::crypt::{self, HEADER_BYTES, Keyring, Purpose, Refusal, Sealed, TAG_BYTES};
use crate::io::{Io, Storage};
use std::borrow::Cow;

/// What the version of an edit has whose body is encrypted.
pub(super) const ENCRYPTED: u16 = 1 << 15;

/// The bytes that a body of so many has when it is stored.
pub(super) fn stored_len(io: &Io, plain: usize) -> usize {
    match io.storage.keys() {
        Some(_) => plain.saturating_add(HEADER_BYTES + TAG_BYTES),
        None => plain,
    }
}

/// The version and the body of an edit that follows the one of this hash.
pub(super) fn store(
    io: &Io,
    store: &[u8; 16],
    kind: u16,
    previous: &EditHash,
    plain: Vec<u8>,
) -> (u16, Vec<u8>) {
    let Some(keys) = io.storage.keys() else { return (EDIT_VERSION, plain) };
    let mut stored = Vec::with_capacity(stored_len(io, plain.len()));
    let message = Sealed::begin(&mut stored);
    stored.extend(plain);
    let version = EDIT_VERSION | ENCRYPTED;
    let place = place(store, kind, version, previous);
    message.finish(keys, &*io.entropy, (Purpose::Edit, &place), &mut stored);
    (version, stored)
}

/// The version of the plain body of an edit, and that body.
pub(super) fn plain<'a>(
    storage: &dyn Storage,
    store: &[u8; 16],
    header: &EditHeader,
    stored: &'a [u8],
) -> Result<(u16, Cow<'a, [u8]>), Refusal> {
    let EditHeader { kind, version, previous, .. } = header;
    let keys = storage.keys().map(|keys| &**keys);
    if version & ENCRYPTED == 0 {
        keys.map_or(Ok(()), Keyring::admit_plain)?;
        return Ok((*version, Cow::Borrowed(stored)));
    }
    let place = place(store, *kind, *version, previous);
    let plain = crypt::open(keys, (Purpose::Edit, &place), stored)?;
    Ok((version & !ENCRYPTED, Cow::Owned(plain)))
}

/// What a body is encrypted for: this edit, behind that one, of this store.
fn place(store: &[u8; 16], kind: u16, version: u16, previous: &EditHash) -> Vec<u8> {
    [&store[..], &kind.to_le_bytes(), &version.to_le_bytes(), previous].concat()
}
