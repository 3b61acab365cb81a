//! Bytes that are encrypted as one: a header, the bytes, a tag.

use super::header::{HEADER_BYTES, Header, Purpose, TAG_BYTES};
use super::keyring::{KeyId, Keyring};
use super::{Refusal, is_encrypted};
use crate::error::Result;
use crate::io::Entropy;
use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use std::borrow::Cow;
use std::path::Path;

/// `X1`: the key of a message encrypts nothing else.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// A message that is being written into a buffer: room for its header, then the plain bytes.
#[derive(Debug)]
pub(crate) struct Sealed {
    at: usize,
}

impl Sealed {
    /// Begins at the end of a buffer, to which the plain bytes are appended.
    pub(crate) fn begin(buffer: &mut Vec<u8>) -> Self {
        let at = buffer.len();
        buffer.resize(at + HEADER_BYTES, 0);
        Self { at }
    }

    /// Encrypts all that was appended, for the place that `place` names.
    pub(crate) fn finish(
        self,
        keys: &Keyring,
        entropy: &dyn Entropy,
        (purpose, place): (Purpose, &[u8]),
        buffer: &mut Vec<u8>,
    ) {
        let (header, derived) = Header::begin(keys, entropy, purpose);
        let (head, plain) = buffer[self.at..].split_at_mut(HEADER_BYTES);
        head.copy_from_slice(&header.encode());
        let tag = derived.key.seal_in_place_separate_tag(nonce(), Aad::from(place), plain);
        let tag = tag.expect("a message is far below what the cipher can do");
        buffer.extend(tag.as_ref());
    }
}

/// The plain bytes of a message that was written for this place.
pub(crate) fn open(
    keys: Option<&Keyring>,
    (purpose, place): (Purpose, &[u8]),
    stored: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let header = Header::decode(stored, purpose)?;
    let derived = header.derive(keys.ok_or(Refusal::NoKey(header.key))?)?;
    let damaged = || Refusal::damaged(HEADER_BYTES as u64, "what was encrypted for this place");
    let body = stored.get(HEADER_BYTES..).unwrap_or_default();
    let len = body.len().checked_sub(TAG_BYTES).ok_or_else(damaged)?;
    let (sealed, tag) = body.split_at(len);
    let mut plain = vec![0; len];
    let opened =
        derived.key.open_separate_gather(nonce(), Aad::from(place), sealed, tag, &mut plain);
    opened.map_err(|_| damaged())?;
    Ok(plain)
}

/// The name of the key that a message is encrypted under.
pub(crate) fn key_of(purpose: Purpose, stored: &[u8]) -> Result<KeyId, Refusal> {
    Ok(Header::decode(stored, purpose)?.key)
}

/// Encrypts an object of the archive's catalog, under the active key, for the object of this name.
pub fn seal_object(keys: &Keyring, entropy: &dyn Entropy, name: &str, plain: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(HEADER_BYTES + plain.len() + TAG_BYTES);
    let message = Sealed::begin(&mut stored);
    stored.extend(plain);
    message.finish(keys, entropy, (Purpose::Object, name.as_bytes()), &mut stored);
    stored
}

/// The plain bytes of an object of the archive's catalog, which may be plain.
///
/// # Errors
/// `Locked` names the key that is missing, or says that it may not be plain; `Corrupt`, `Unsupported`.
pub fn open_object<'a>(
    keys: Option<&Keyring>,
    name: &str,
    stored: &'a [u8],
) -> Result<Cow<'a, [u8]>> {
    let opened = match is_encrypted(stored) {
        true => open(keys, (Purpose::Object, name.as_bytes()), stored).map(Cow::Owned),
        false => keys.map_or(Ok(()), Keyring::admit_plain).map(|()| Cow::Borrowed(stored)),
    };
    opened.map_err(|refusal| refusal.into_error(Path::new(name)))
}
