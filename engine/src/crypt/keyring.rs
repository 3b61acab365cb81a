//! Master keys, as they are given, and the keys of single files and messages, which are derived from
//! them.

use super::Refusal;
use super::frames::FrameCache;
use super::header::{BOUND_BYTES, CHECK_BYTES};
use crate::error::{Error, Result};
use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use zeroize::Zeroizing;

/// The bytes of a key.
const KEY_BYTES: usize = 32;
/// The characters of the name of a key at most.
pub(super) const ID_BYTES: usize = 16;
/// What keys are derived for. Another use needs other words.
const CONTEXT: &str = "Logstrata 2026-11-21 encryption at rest: key of a file or message";

/// The name of a key: 1 to 16 letters, digits, `.`, `-` and `_`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_BYTES]);

/// The keys of a store. The first one given encrypts what is written; all of them read.
pub struct Keyring {
    keys: Vec<(KeyId, Zeroizing<[u8; KEY_BYTES]>)>,
    frames: FrameCache,
    /// Whether plain bytes are refused where they could be encrypted.
    is_required: bool,
}

/// The key of one file or message.
pub(super) struct Derived {
    pub(super) key: LessSafeKey,
    /// What a header tells of the key, so that another one is told from damage.
    pub(super) check: [u8; CHECK_BYTES],
}

impl KeyId {
    /// The name that is written like this, if it is one.
    pub fn new(text: &str) -> Option<Self> {
        let mut id = [0; ID_BYTES];
        id.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Self::from_bytes(id)
    }

    /// The name of these bytes, zeros behind it, if they are one.
    pub(super) fn from_bytes(bytes: [u8; ID_BYTES]) -> Option<Self> {
        let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(ID_BYTES);
        let (name, zeros) = bytes.split_at(len);
        let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let fits = len > 0 && name.iter().all(is_fine) && zeros.iter().all(|byte| *byte == 0);
        fits.then_some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.iter().take_while(|byte| **byte != 0);
        name.map(|byte| char::from(*byte)).try_for_each(|letter| write!(f, "{letter}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Keyring {
    /// The keys of a text: `name:key`, one a line or with spaces or commas between, each key 32 bytes
    /// in hex or Base64. Lines that begin with `#` are not read.
    ///
    /// # Errors
    /// `Invalid` says what is wrong, and not what the keys are.
    pub fn parse(text: &str) -> Result<Self> {
        let mut keys: Vec<(KeyId, Zeroizing<[u8; KEY_BYTES]>)> = Vec::new();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let entries = lines.flat_map(|line| line.split([' ', '\t', ',']));
        for (number, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
            let wrong =
                |what: &str| Error::invalid(format!("encryption key {}: {what}", number + 1));
            let (name, key) = entry
                .split_once(':')
                .ok_or_else(|| wrong("expected name:key, the key as 32 bytes in hex or Base64"))?;
            let id = KeyId::new(name).ok_or_else(|| {
                wrong("its name must be 1 to 16 letters, digits, '.', '-' and '_'")
            })?;
            let key = decode(key).ok_or_else(|| wrong("expected 32 bytes in hex or Base64"))?;
            if key.iter().all(|byte| *byte == key[0]) {
                return Err(wrong("it is the same byte again and again, not a random key"));
            }
            if keys.iter().any(|(other, _)| *other == id) {
                return Err(wrong("another key has the same name"));
            }
            if keys.iter().any(|(_, other)| *other == key) {
                return Err(wrong("it is the same as another one"));
            }
            keys.push((id, key));
        }
        if keys.is_empty() {
            return Err(Error::invalid("there is no encryption key in what was given for one"));
        }
        Ok(Self { keys, frames: FrameCache::default(), is_required: false })
    }

    /// The same keys; nothing plain is read any more where it could be encrypted. Without that, who has no
    /// key can put plain bytes in the place of encrypted ones, for a store may be from before its keys.
    #[must_use]
    pub fn requiring(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Whether bytes may be read that are plain.
    pub(crate) fn admit_plain(&self) -> Result<(), Refusal> {
        if self.is_required { Err(Refusal::Plain) } else { Ok(()) }
    }

    /// The name of the key that encrypts what is written.
    pub fn active(&self) -> KeyId {
        self.first().0
    }

    /// The names of all keys, the active one first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|(id, _)| *id)
    }

    pub(super) fn frames(&self) -> &FrameCache {
        &self.frames
    }

    /// The key of what begins with these bytes of a header, derived from the key of this name.
    pub(super) fn derive(&self, id: KeyId, bound: &[u8; BOUND_BYTES]) -> Result<Derived, Refusal> {
        let known = self.keys.iter().find(|(other, _)| *other == id);
        let (_, master) = known.ok_or(Refusal::NoKey(id))?;
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&master[..]).update(bound);
        let mut derived = Zeroizing::new([0; KEY_BYTES + CHECK_BYTES]);
        hasher.finalize_xof().fill(&mut derived[..]);
        let (key, told) = derived.split_at(KEY_BYTES);
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(told);
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has the cipher's length");
        Ok(Derived { key: LessSafeKey::new(key), check })
    }

    fn first(&self) -> &(KeyId, Zeroizing<[u8; KEY_BYTES]>) {
        self.keys.first().expect("there is a key")
    }
}

impl fmt::Debug for Keyring {
    /// `X3`: the names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.ids().collect::<Vec<_>>()).finish()
    }
}

fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if text.len() == 2 * KEY_BYTES && text.is_ascii() {
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
            *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
        }
        return Some(key);
    }
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    if bytes.len() != KEY_BYTES {
        return None;
    }
    key.copy_from_slice(&bytes);
    Some(key)
}
