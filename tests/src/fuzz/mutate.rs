//! Changes of inputs, the same for the same dice.

use crate::dice::Dice;

/// What decoders are most likely to get wrong.
const EDGES: [u64; 8] = [0, 1, 0x7f, 0x80, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];
const CHANGES_MAX: usize = 4;

/// `seed` with one to four changes: bits flipped, bytes and numbers replaced, pieces cut, doubled,
/// moved, or taken from `other`.
pub fn mutate(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..dice.within(1..CHANGES_MAX + 1) {
        change(&mut bytes, other, dice);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let end = (at + 1 + dice.below(16)).min(bytes.len());
    match dice.below(9) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        2 if at < bytes.len() => bytes[at] = dice.roll() as u8,
        3 => {
            let edge = EDGES[dice.below(EDGES.len())].to_le_bytes();
            let width = [1, 2, 4, 8][dice.below(4)];
            bytes.iter_mut().skip(at).zip(&edge[..width]).for_each(|(to, from)| *to = *from);
        }
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(at.min(end)..end)),
        6 => bytes.extend_from_within(at.min(end)..end),
        7 => {
            let piece = bytes[at.min(end)..end].to_vec();
            let to = dice.below(bytes.len() + 1);
            bytes.splice(to..to, piece);
        }
        _ => {
            let from = dice.below(other.len() + 1);
            let to = (from + 1 + dice.below(64)).min(other.len());
            bytes.splice(at..end.max(at), other[from..to].iter().copied());
        }
    }
}
