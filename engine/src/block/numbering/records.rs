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
    /// Makes room for these, whose digits say no more than `greatest`; `false` if they are others, or that is
    /// too much. Strings for which there was no room are not known by it.
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

    /// Whether there is room for any.
    pub(super) fn is_there(&self) -> bool {
        self.digits > 0
    }

    /// What the digits of a string say, if there is room for it.
    pub(super) fn digits_of(&self, text: &[u8]) -> Option<u32> {
        if text.len() != self.prefix.len() + self.digits || !text.starts_with(&self.prefix) {
            return None;
        }
        let mut number = 0u64;
        for byte in &text[self.prefix.len()..] {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            // There are 18 digits at most.
            number = number * 10 + u64::from(digit);
        }
        let has_room = number < self.numbers.len() as u64;
        has_room.then_some(number as u32)
    }

    /// By what the digits say, of all strings for which there is room; 0 if one is not known.
    pub(super) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Gives a string for which there is room its number.
    pub(super) fn set(&mut self, digits: u32, number: u32) {
        self.numbers[digits as usize] = number;
    }

    /// Writes the string with these digits, to where another one was written before or nothing.
    pub(super) fn write(&self, mut digits: u32, text: &mut Vec<u8>) {
        if text.is_empty() {
            text.extend_from_slice(&self.prefix);
            text.resize(self.prefix.len() + self.digits, b'0');
        }
        for place in text[self.prefix.len()..].iter_mut().rev() {
            *place = b'0' + (digits % 10) as u8;
            digits /= 10;
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.numbers)
    }
}
