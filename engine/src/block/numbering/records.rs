//! The numbers of strings that are one prefix and digits, as user ids often are: found in an array.

use crate::block::column::Records;

/// What the digits say is below this.
const COUNT_MAX: usize = 1 << 17;
/// What the array takes at most.
pub(super) const BYTES_MAX: usize = COUNT_MAX * size_of::<u32>();

/// The numbers of such strings of a field. The first that come decide for which prefix.
#[derive(Debug, Default)]
pub(super) struct KnownRecords {
    prefix: Box<[u8]>,
    /// 0: none came yet.
    digits: usize,
    /// By what the digits say; 0 if the string is not known.
    numbers: Vec<u32>,
}

impl KnownRecords {
    /// Makes room for these; `false` if they are others or their digits say too much.
    pub(super) fn make_room(&mut self, records: &Records, greatest: u32) -> bool {
        let count = greatest as usize + 1;
        if count > COUNT_MAX {
            return false;
        }
        if self.digits == 0 {
            self.prefix = records.prefix().into();
            self.digits = records.digits();
        }
        if !self.is_of(records) {
            return false;
        }
        if self.numbers.len() < count {
            self.numbers.resize(count.next_power_of_two(), 0);
        }
        true
    }

    /// Whether there is room for these.
    pub(super) fn has_room(&self, records: &Records, greatest: u32) -> bool {
        self.is_of(records) && (greatest as usize) < self.numbers.len()
    }

    fn is_of(&self, records: &Records) -> bool {
        self.digits == records.digits() && *self.prefix == *records.prefix()
    }

    /// The number of the string with these digits, 0 if it is not known. There must be room for it.
    pub(super) fn get(&self, digits: u32) -> u32 {
        self.numbers[digits as usize]
    }

    pub(super) fn set(&mut self, digits: u32, number: u32) {
        self.numbers[digits as usize] = number;
    }

    /// Writes the string with these digits.
    pub(super) fn write(&self, mut digits: u32, text: &mut Vec<u8>) {
        text.clear();
        text.extend_from_slice(&self.prefix);
        text.resize(self.prefix.len() + self.digits, b'0');
        for place in text[self.prefix.len()..].iter_mut().rev() {
            *place = b'0' + (digits % 10) as u8;
            digits /= 10;
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.numbers)
    }
}
