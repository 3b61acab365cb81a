//! Where the integers of [`super::packed`] stand: single ones are unpacked without the others.

use super::bitpack::{self, LANES, Unpacker, packed_len};
use super::packed::{DELTAS, PLAIN, decode_each, unzigzag};
use super::slice::Slice;
use crate::error::Corruption;
use std::ops::Range;
use std::sync::OnceLock;

/// Wider values reach past one load.
const NARROW_MAX: u32 = 56;

/// A packed sequence whose miniblocks are known, all of which lie in the bytes that they were read
/// from: nothing of it can fail any more.
#[derive(Debug)]
pub(crate) struct Places {
    /// Where the sequence lies in the bytes.
    range: Range<usize>,
    count: usize,
    form: Form,
    miniblocks: Box<[Miniblock]>,
}

#[derive(Debug)]
enum Form {
    Plain,
    Deltas {
        first: u64,
        /// The value before each miniblock.
        before: OnceLock<Box<[u64]>>,
    },
}

#[derive(Debug, Clone, Copy)]
struct Miniblock {
    least: u64,
    /// Where its packed values begin in the sequence.
    at: u32,
    width: u8,
}

impl Places {
    /// Goes past a sequence of `count` values; the caller has checked the count. The slice must not
    /// be longer than what a `u32` counts.
    pub(crate) fn read(slice: &mut Slice<'_>, count: usize) -> Result<Self, Corruption> {
        let start = slice.position();
        let form = match slice.u8()? {
            PLAIN => Form::Plain,
            DELTAS if count > 0 => Form::Deltas { first: slice.varint()?, before: OnceLock::new() },
            form => return Err(slice.corrupt("integers of form 1 or 2", form.to_string())),
        };
        let (deltas, mut left) = match form {
            Form::Plain => (false, count),
            Form::Deltas { .. } => (true, count - 1),
        };
        let mut miniblocks = Vec::with_capacity(left.div_ceil(LANES));
        while left > 0 {
            let least = slice.varint()?;
            let width = slice.u8()?;
            if u32::from(width) > u64::BITS {
                return Err(slice.corrupt("a width of at most 64 bits", width.to_string()));
            }
            let Ok(at) = u32::try_from(slice.position() - start) else {
                return Err(slice.corrupt("less than 4 GiB", "more"));
            };
            let some = left.min(LANES);
            slice.take(packed_len(some, width.into()))?;
            let least = if deltas { unzigzag(least) as u64 } else { least };
            miniblocks.push(Miniblock { least, at, width });
            left -= some;
        }
        let range = start..slice.position();
        Ok(Self { range, count, form, miniblocks: miniblocks.into() })
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The bytes that it takes in memory at most, besides itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.miniblocks.len() * (size_of::<Miniblock>() + size_of::<u64>())
    }

    /// The value of an index; panics past the last. `bytes` are those that this was read from.
    pub(crate) fn get(&self, bytes: &[u8], index: usize) -> u64 {
        assert!(index < self.count);
        let bytes = &bytes[self.range.clone()];
        let (first, before) = match &self.form {
            Form::Plain => {
                let miniblock = self.miniblocks[index / LANES];
                return miniblock.least.wrapping_add(self.packed(bytes, index));
            }
            Form::Deltas { first, before } => (*first, before),
        };
        let Some(index) = index.checked_sub(1) else { return first };
        let before = before.get_or_init(|| self.values_before(bytes, first));
        let at = index / LANES;
        before[at].wrapping_add(self.sum(bytes, at, index % LANES + 1))
    }

    /// Calls `each` with some values after the others, until all were given.
    pub(crate) fn for_each(&self, bytes: &[u8], each: impl FnMut(&[u64])) {
        let mut slice = Slice::new(&bytes[self.range.clone()], 0, "", std::path::Path::new(""));
        decode_each(&mut slice, self.count, each).expect("the same bytes were read before");
    }

    /// Calls `each` with the index of every value that is `wanted`, in order. Miniblocks that can't have it are
    /// gone past.
    pub(crate) fn for_each_of(&self, bytes: &[u8], wanted: u64, mut each: impl FnMut(usize)) {
        if let Form::Deltas { .. } = self.form {
            let mut index = 0;
            self.for_each(bytes, |some| {
                some.iter()
                    .zip(index..)
                    .filter(|(value, _)| **value == wanted)
                    .for_each(|(_, at)| each(at));
                index += some.len();
            });
            return;
        }
        let bytes = &bytes[self.range.clone()];
        for (number, Miniblock { least, at, width }) in self.miniblocks.iter().enumerate() {
            let packed = wanted.wrapping_sub(*least);
            if packed.checked_shr((*width).into()).unwrap_or(0) != 0 {
                continue;
            }
            let first = number * LANES;
            let block = self.unpack(&bytes[*at as usize..], number);
            let some = block[..(self.count - first).min(LANES)].iter().zip(first..);
            some.filter(|(value, _)| **value == packed).for_each(|(_, index)| each(index));
        }
    }

    /// The packed number at a place of the sequence.
    fn packed(&self, bytes: &[u8], index: usize) -> u64 {
        let Miniblock { at, width, .. } = self.miniblocks[index / LANES];
        let (bytes, width) = (&bytes[at as usize..], u32::from(width));
        if width <= NARROW_MAX {
            return bitpack::get(bytes, index % LANES, width).expect("it lies in the bytes");
        }
        self.unpack(bytes, index / LANES)[index % LANES]
    }

    /// The numbers of a miniblock, whose packed ones `bytes` begin with.
    fn unpack(&self, bytes: &[u8], at: usize) -> [u64; LANES] {
        let values = self.count - usize::from(!matches!(self.form, Form::Plain));
        let width = u32::from(self.miniblocks[at].width);
        let len = packed_len((values - at * LANES).min(LANES), width);
        let mut block = [0; LANES];
        Unpacker::new().unpack(&bytes[..len], width, &mut block);
        block
    }

    /// The sum of the first `count` differences of a miniblock.
    fn sum(&self, bytes: &[u8], at: usize, count: usize) -> u64 {
        let Miniblock { at: start, least, .. } = self.miniblocks[at];
        let block = self.unpack(&bytes[start as usize..], at);
        let least = least.wrapping_mul(count as u64);
        block[..count].iter().fold(least, |sum, value| sum.wrapping_add(*value))
    }

    fn values_before(&self, bytes: &[u8], first: u64) -> Box<[u64]> {
        let (mut unpacker, mut block) = (Unpacker::new(), [0; LANES]);
        let mut value = first;
        let mut before = Vec::with_capacity(self.miniblocks.len());
        for Miniblock { at, least, width } in &self.miniblocks {
            before.push(value);
            // The last one may have fewer: what comes behind it is not asked for.
            let len = packed_len(LANES, (*width).into()).min(bytes.len() - *at as usize);
            unpacker.unpack(&bytes[*at as usize..][..len], (*width).into(), &mut block);
            let sum = block.iter().fold(0u64, |sum, value| sum.wrapping_add(*value));
            value = value.wrapping_add(least.wrapping_mul(LANES as u64)).wrapping_add(sum);
        }
        before.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::packed;
    use proptest::prelude::*;
    use std::path::Path;

    /// Reads the sequence behind `skipped` bytes in both ways.
    fn check(bytes: &[u8], skipped: usize, count: usize) -> bool {
        let whole = {
            let mut slice = Slice::new(bytes, 0, "integers", Path::new(""));
            slice.take(skipped).unwrap();
            packed::decode(&mut slice, count).map(|values| (values, slice.position()))
        };
        let mut slice = Slice::new(bytes, 0, "integers", Path::new(""));
        slice.take(skipped).unwrap();
        let places = Places::read(&mut slice, count);
        assert_eq!(places.is_ok(), whole.is_ok());
        let (Ok(places), Ok((values, end))) = (places, whole) else { return false };
        assert_eq!((places.len(), slice.position()), (count, end));
        // The last first: what is known of those before must not be needed.
        for index in (0..count).rev() {
            assert_eq!(places.get(bytes, index), values[index], "{index} of {count}");
        }
        let mut again = Vec::new();
        places.for_each(bytes, |some| again.extend_from_slice(some));
        assert_eq!(again, values);
        let wanted = values.iter().take(3).flat_map(|value| [*value, value.wrapping_add(1)]);
        for wanted in wanted.chain([0, 1, u64::MAX]) {
            let mut found = Vec::new();
            places.for_each_of(bytes, wanted, |index| found.push(index));
            let there: Vec<usize> = (0..count).filter(|index| values[*index] == wanted).collect();
            assert_eq!(found, there, "{wanted} of {count}");
        }
        true
    }

    proptest! {
        #[test]
        fn single_values_are_those_of_the_whole(
            values in prop::collection::vec(any::<u64>(), 0..400),
            shift in 0u32..64,
            skipped in 0usize..3,
        ) {
            let values: Vec<_> = values.into_iter().map(|value| value >> shift).collect();
            let mut rising = values.clone();
            rising.sort_unstable();
            for values in [values, rising] {
                let mut bytes = vec![9; skipped];
                packed::encode(&values, &mut bytes);
                bytes.push(7);
                prop_assert!(check(&bytes, skipped, values.len()));
            }
        }

        #[test]
        fn any_bytes_are_read_alike(bytes: Vec<u8>, form in 1u8..3, count in 0usize..300) {
            check(&[vec![form], bytes].concat(), 0, count);
        }
    }
}
