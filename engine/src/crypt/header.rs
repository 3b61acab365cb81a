//! What stands before encrypted bytes, be they a file or a message (`docs/format/encryption.md`).

use super::Refusal;
use super::keyring::{Derived, ID_BYTES, KeyId, Keyring};
use crate::codec::crc::crc32;
use crate::codec::slice::Slice;
use crate::io::Entropy;
use std::path::Path;

/// The first bytes.
pub(super) const MAGIC: [u8; 8] = *b"LSCRYPT\0";
/// The length of the header.
pub(crate) const HEADER_BYTES: usize = 64;
/// The part that the key is derived from.
pub(super) const BOUND_BYTES: usize = 48;
/// What tells whether a key is the right one.
pub(super) const CHECK_BYTES: usize = 8;
/// What each frame and message has behind it.
pub(crate) const TAG_BYTES: usize = 16;
/// The version that this code writes.
const VERSION: u16 = 1;
/// AES-256-GCM; the key by BLAKE3 in its mode for that.
const CIPHER: u8 = 1;
const CRC_AT: usize = 60;
const SALT_BYTES: usize = 16;

/// What is encrypted. One can't take the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A file, in frames.
    File = 1,
    /// The body of a group of the log.
    Group = 2,
    /// The body of an edit of the manifest.
    Edit = 3,
    /// An object of the archive's catalog.
    Object = 4,
}

/// What stands before encrypted bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) purpose: Purpose,
    /// The key that the bytes' own key is derived from.
    pub(super) key: KeyId,
    /// Random.
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) check: [u8; CHECK_BYTES],
}

impl Header {
    /// A header under the active key, and the key of what comes behind it.
    pub(super) fn begin(
        keys: &Keyring,
        entropy: &dyn Entropy,
        purpose: Purpose,
    ) -> (Self, Derived) {
        let mut header =
            Self { purpose, key: keys.active(), salt: [0; SALT_BYTES], check: [0; CHECK_BYTES] };
        entropy.fill(&mut header.salt);
        let derived = keys.derive(header.key, &header.bound()).expect("the active key is there");
        header.check = derived.check;
        (header, derived)
    }

    /// The key of what comes behind the header.
    pub(super) fn derive(&self, keys: &Keyring) -> Result<Derived, Refusal> {
        let derived = keys.derive(self.key, &self.bound())?;
        if derived.check == self.check { Ok(derived) } else { Err(Refusal::OtherKey(self.key)) }
    }

    fn bound(&self) -> [u8; BOUND_BYTES] {
        let mut bytes = [0; BOUND_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10] = self.purpose as u8;
        bytes[11] = CIPHER;
        bytes[16..16 + ID_BYTES].copy_from_slice(self.key.bytes());
        bytes[32..].copy_from_slice(&self.salt);
        bytes
    }

    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..BOUND_BYTES].copy_from_slice(&self.bound());
        bytes[BOUND_BYTES..BOUND_BYTES + CHECK_BYTES].copy_from_slice(&self.check);
        let crc = crc32(0, &[&bytes[..CRC_AT]]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at the start of `bytes`.
    pub(super) fn decode(bytes: &[u8], purpose: Purpose) -> Result<Self, Refusal> {
        let damaged = || Refusal::damaged(0, "an encryption header");
        let mut slice = Slice::new(bytes, 0, "encryption header", Path::new(""));
        let fields = slice.take(CRC_AT).map_err(|_| damaged())?;
        let crc = slice.u32().map_err(|_| damaged())?;
        if !fields.starts_with(&MAGIC) || crc != crc32(0, &[fields]) {
            return Err(damaged());
        }
        Self::fields(fields, purpose).unwrap_or_else(|| Err(damaged()))
    }

    /// `None` for fields that nothing writes.
    fn fields(fields: &[u8], purpose: Purpose) -> Option<Result<Self, Refusal>> {
        let mut slice = Slice::new(fields, 0, "encryption header", Path::new(""));
        slice.take(MAGIC.len()).ok()?;
        let (version, found, cipher) = (slice.u16().ok()?, slice.u8().ok()?, slice.u8().ok()?);
        let features = slice.u32().ok()?;
        if version != VERSION || cipher != CIPHER || features != 0 {
            return Some(Err(Refusal::Unknown(format!(
                "encrypted in version {version} by cipher {cipher} with features {features:#x}; this \
                 program knows version {VERSION} and cipher {CIPHER} without features"
            ))));
        }
        let key = KeyId::from_bytes(slice.take(ID_BYTES).ok()?.try_into().ok()?)?;
        let salt = slice.take(SALT_BYTES).ok()?.try_into().ok()?;
        let check = slice.take(CHECK_BYTES).ok()?.try_into().ok()?;
        let is_wanted = found == purpose as u8 && slice.u32().ok()? == 0;
        is_wanted.then_some(Ok(Self { purpose, key, salt, check }))
    }
}
