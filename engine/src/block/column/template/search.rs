//! Finds variables of a whole column at once: frames are searched as they were inflated, before anything
//! is known of the variables in them. What pairs of bytes a frame has is remembered, so that the next
//! search inflates only frames that may have what it looks for.

use super::variables::VariableReader;
use super::{Templates, UNIT_VALUES};
use crate::block::sentences::{Outline, Slot};
use crate::error::Result;
use std::ops::Range;
use std::sync::OnceLock;

/// Of so many frames of a column its outline remembers the pairs.
const FRAMES_MAX: usize = 16;
/// Letters by case, `_`, and any digit.
const CLASSES: usize = 54;
const WORDS: usize = (CLASSES * CLASSES).div_ceil(64);

/// Which letters, digits and `_` stand behind each other in a frame; any digit is as good as another.
#[derive(Debug)]
struct Bigrams([u64; WORDS]);

/// The pairs in frames of other variables than numbers, of those that were inflated so far.
#[derive(Debug)]
pub(in crate::block) struct FrameBigrams {
    frames: Box<[OnceLock<Box<Bigrams>>]>,
    /// Whether these are all of the column's.
    are_all: bool,
}

impl Bigrams {
    fn of(bytes: &[u8]) -> Self {
        let mut bits = [0u64; WORDS];
        let mut before = None;
        for byte in bytes {
            let class = class(*byte);
            if let Some(bit) = before.zip(class).map(|(first, second)| first * CLASSES + second) {
                bits[bit / 64] |= 1u64 << (bit % 64);
            }
            before = class;
        }
        Self(bits)
    }

    /// Whether all pairs of a text of letters, digits and `_` are there.
    fn may_have(&self, text: &[u8]) -> bool {
        text.windows(2).all(|pair| match (class(pair[0]), class(pair[1])) {
            (Some(first), Some(second)) => {
                let bit = first * CLASSES + second;
                self.0[bit / 64] >> (bit % 64) & 1 == 1
            }
            _ => false,
        })
    }
}

fn class(byte: u8) -> Option<usize> {
    match byte {
        b'a'..=b'z' => Some(usize::from(byte - b'a')),
        b'A'..=b'Z' => Some(usize::from(byte - b'A') + 26),
        b'_' => Some(52),
        b'0'..=b'9' => Some(53),
        _ => None,
    }
}

impl FrameBigrams {
    /// What the pairs take once all frames were looked at.
    pub(in crate::block) fn bytes_max(&self) -> usize {
        self.frames.len() * (size_of::<OnceLock<Box<Bigrams>>>() + size_of::<Bigrams>())
    }

    /// Whether one of the frames may have one of the texts.
    pub(in crate::block) fn any_may_have(&self, texts: &[Box<[u8]>]) -> bool {
        !self.are_all || (0..self.frames.len()).any(|frame| self.may_have(frame, texts))
    }

    /// Whether a frame may have one of the texts: it was not looked at, or has the pairs of one.
    fn may_have(&self, frame: usize, texts: &[Box<[u8]>]) -> bool {
        let bigrams = self.frames.get(frame).and_then(OnceLock::get);
        bigrams.is_none_or(|bigrams| texts.iter().any(|text| bigrams.may_have(text)))
    }

    fn remember(&self, frame: usize, body: &[u8]) {
        if let Some(bigrams) = self.frames.get(frame) {
            bigrams.get_or_init(|| Box::new(Bigrams::of(body)));
        }
    }
}

impl Templates {
    /// What to remember of the frames.
    pub(in crate::block) fn frame_bigrams(&self) -> FrameBigrams {
        let others = self.frames.len() - self.digit_frames;
        let frames = (0..others.min(FRAMES_MAX)).map(|_| OnceLock::new()).collect();
        FrameBigrams { frames, are_all: others <= FRAMES_MAX }
    }

    /// Whether one of the variables of a value passes that are in a slot which is wanted. Panics past
    /// the last value and if the value has no sentence. Inflates as [`Templates::value`] does.
    pub(crate) fn has_variable(
        &self,
        index: usize,
        wanted: impl Fn(Slot) -> bool,
        passes: impl Fn(&[u8]) -> bool,
    ) -> Result<bool> {
        let (code, rank) = self.place_of(index)?;
        let code = usize::from(code);
        let layout = self.layout()?;
        let columns = layout.columns(code, rank / UNIT_VALUES);
        let mut reader = VariableReader::new(self, layout);
        for column in columns.filter(|column| wanted(column.slot())) {
            if passes(reader.variable(column, rank % UNIT_VALUES)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Which values have a variable in which something is found, of a slot that is wanted: by value
    /// index; `None` if there is none. `outline` is the column's. Where `of_sentences` is given, other
    /// sentences need not be looked at.
    ///
    /// `find` searches bytes for the first thing of some kind. Whether it is one depends on its own bytes
    /// only, which are letters, digits and `_`; it begins with one of `begins`, if that is given. Inflates
    /// the frames that have wanted variables and may have such a thing; takes apart only those in which
    /// one is found.
    pub(crate) fn find_variables(
        &self,
        outline: &Outline,
        wanted: impl Fn(Slot) -> bool,
        of_sentences: Option<&dyn Fn(usize) -> bool>,
        begins: Option<&[Box<[u8]>]>,
        find: impl Fn(&[u8]) -> Option<Range<usize>>,
    ) -> Result<Option<Vec<bool>>> {
        let layout = || self.layout_with(outline.slots());
        // Of the values with a sentence, in the order of sentences.
        let mut found: Vec<bool> = Vec::new();
        let mut starts: Vec<usize> = Vec::new();
        for index in 0..self.frames.len() {
            // Its place among those of other variables than numbers.
            let other = index.checked_sub(self.digit_frames);
            let may_have = match other {
                None => wanted(Slot::Digits),
                Some(_) if !wanted(Slot::Hex) && !wanted(Slot::Any) => false,
                Some(other) => begins.is_none_or(|texts| outline.bigrams().may_have(other, texts)),
            };
            if !may_have {
                continue;
            }
            if let Some(of_sentences) = of_sentences
                && !layout()?.has_in(index, |code, slot| wanted(slot) && of_sentences(code))
            {
                continue;
            }
            let (frame, mut first) = match self.inflated[index].get() {
                Some(frame) => match find(frame.body()) {
                    Some(first) => (frame, first),
                    None => continue,
                },
                None => {
                    let body = self.inflate(index)?;
                    if let (Some(other), Some(_)) = (other, begins) {
                        outline.bigrams().remember(other, &body);
                    }
                    let Some(first) = find(&body) else { continue };
                    (self.keep(index, body), first)
                }
            };
            let layout = layout()?;
            let columns = layout.columns_of_frame(index);
            let columns = frame.columns(columns, &self.slice_of_frame(index))?;
            if found.is_empty() {
                found = vec![false; self.counts.iter().map(|count| *count as usize).sum()];
                starts = self.starts();
            }
            loop {
                let (place, row) = columns.locate(first.start);
                let column = columns.get(place);
                let (code, unit, slot) = layout.place_of(column);
                let mut passes = |row| {
                    if wanted(slot) {
                        found[starts[code] + unit * UNIT_VALUES + row] = true;
                    }
                };
                let variable = frame.range(columns, place, row);
                let mut at = variable.end;
                if first.end <= variable.end {
                    passes(row);
                } else {
                    // Variables of equal length have nothing between them. What begins in one and goes
                    // on in the next is nothing, and could hide what there is.
                    for row in row..usize::from(column.rows) {
                        let variable = frame.range(columns, place, row);
                        at = variable.end;
                        if find(&frame.body()[variable]).is_some() {
                            passes(row);
                        }
                    }
                }
                match find(&frame.body()[at..]) {
                    Some(next) => first = at + next.start..at + next.end,
                    None => break,
                }
            }
        }
        if !found.contains(&true) {
            return Ok(None);
        }
        self.unpack()?;
        let ranks = self.ranks.get().expect("they were just unpacked");
        let by_index = self.code_list()?.iter().zip(ranks).map(|(code, rank)| {
            let start = starts.get(usize::from(*code));
            start.is_some_and(|start| found[start + usize::from(*rank)])
        });
        Ok(Some(by_index.collect()))
    }

    /// Where the values of each sentence begin, one sentence behind the other.
    fn starts(&self) -> Vec<usize> {
        let mut next = 0;
        let start = |count: &u32| {
            let start = next;
            next += *count as usize;
            start
        };
        self.counts.iter().map(start).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_may_be_where_all_its_pairs_are() {
        let bigrams = Bigrams::of(b"blk_17\0Kx\0lku");
        for text in [&b"blk_"[..], b"blk_99", b"lku", b"_0", b"K", b"", b"Kx"] {
            assert!(bigrams.may_have(text), "{}", String::from_utf8_lossy(text));
        }
        for text in [&b"bk"[..], b"7K", b"kx", b"Blk_", b"a b", b"lk\0"] {
            assert!(!bigrams.may_have(text), "{}", String::from_utf8_lossy(text));
        }
    }
}
