//! What is kept of a batch that has a key, and its bytes.

use super::{ANSWER_BYTES_MAX, BatchKey, BodyHash, Origin};
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::Corruption;
use crate::event::EventId;

/// The key of a batch before it is stored: a part of its record in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimRecord {
    pub(crate) key: BatchKey,
    pub(crate) body: BodyHash,
    /// When it came, by the clock of keys.
    pub(crate) arrival_ms: i64,
    /// What else its sender was told; at most [`ANSWER_BYTES_MAX`].
    pub(crate) answer: Box<[u8]>,
}

/// A batch that was stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) claim: ClaimRecord,
    pub(crate) first: EventId,
    pub(crate) last: EventId,
    /// The number of its events.
    pub(crate) count: u32,
}

impl ClaimRecord {
    /// Appends the encoded form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.hash);
        out.extend_from_slice(&self.key.origin.window_s().to_le_bytes());
        out.extend_from_slice(&self.body.0);
        out.extend_from_slice(&self.arrival_ms.to_le_bytes());
        varint::encode_bytes(&self.answer, out);
    }

    /// Reads the encoded form.
    pub(crate) fn decode(slice: &mut Slice<'_>) -> Result<Self, Corruption> {
        let hash = half(slice)?;
        let start = slice.clone();
        let window_s = slice.u32()?;
        let Some(origin) = Origin::of_window(window_s) else {
            return Err(start.corrupt("a window of 86400 or 600 seconds", window_s.to_string()));
        };
        let body = BodyHash(half(slice)?);
        let arrival_ms = slice.i64()?;
        let answer = slice.bytes()?;
        if answer.len() > ANSWER_BYTES_MAX {
            let expected = format!("an answer of at most {ANSWER_BYTES_MAX} bytes");
            return Err(slice.corrupt(expected, answer.len().to_string()));
        }
        let key = BatchKey { hash, origin };
        Ok(Self { key, body, arrival_ms, answer: answer.into() })
    }
}

impl Entry {
    /// Appends the encoded form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.claim.encode(out);
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.last.0.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
    }

    /// Reads the encoded form.
    pub(crate) fn decode(slice: &mut Slice<'_>) -> Result<Self, Corruption> {
        let claim = ClaimRecord::decode(slice)?;
        let first = id(slice)?;
        let start = slice.clone();
        let (last, count) = (id(slice)?, slice.u32()?);
        // The numbers of a batch are dense.
        let last_seq = count.checked_sub(1).and_then(|n| first.seq().0.checked_add(u64::from(n)));
        if last_seq != Some(last.seq().0) {
            let expected = format!("the last of {count} events from {} on", first.seq().0);
            return Err(start.corrupt(expected, last.seq().0.to_string()));
        }
        Ok(Self { claim, first, last, count })
    }
}

fn half(slice: &mut Slice<'_>) -> Result<[u8; 16], Corruption> {
    let mut half = [0; 16];
    half.copy_from_slice(slice.take(16)?);
    Ok(half)
}

fn id(slice: &mut Slice<'_>) -> Result<EventId, Corruption> {
    half(slice).map(|bytes| EventId(u128::from_le_bytes(bytes)))
}
