//! Shapes that differ in few words become one pattern.
//!
//! Shapes of equally many places ([`places`]) that begin alike are compared, the frequent first, with
//! the groups that there are: what agrees in enough of its places joins. A group is then divided again
//! at places where it has few different words and those are plain: they are what is said, not what it
//! is said about.
//!
//! - `G1` The groups depend on the set of shapes with their counts, not on the order in which they
//!   came.

use super::places::{Place, core, places};
use super::words::HOLE;
use crate::error::Result;
use std::collections::BTreeMap;

/// Of the places that are no holes, so many hundredths must agree.
const ALIKE_MIN: usize = 55;
/// Groups that a shape is compared with at most: a corpus of free text has no patterns to find.
const COMPARED_MAX: usize = 256;
/// So many different plain words at one place are what is said; more are what it is said about.
const PLAIN_MAX: usize = 4;
/// A word that stands where others have a hole is what is said if it does so in this many events, and in
/// one of [`COMMON_PART`] events of its group: else it's a name that happens to have no digit.
const COMMON_MIN: u64 = 5;
const COMMON_PART: u64 = 20;

/// A pattern, and the numbers of its shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) pattern: Vec<u8>,
    pub(super) shapes: Vec<usize>,
}

/// What groups take of memory for each word of a shape.
pub(super) const WORD_BYTES: usize = size_of::<Place<'_>>() + size_of::<Option<&[u8]>>();

/// The words of a group; `None` where its shapes differ.
type Common<'a> = Vec<Option<&'a [u8]>>;

/// Shapes cut into places, and the events of each.
struct Cut<'a> {
    places: Vec<Vec<Place<'a>>>,
    events: Vec<u64>,
}

/// Groups shapes, each with its count. `before` is called before each shape is compared.
pub(super) fn groups(
    shapes: &[(&[u8], u64)],
    before: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<Group>> {
    let mut order: Vec<usize> = (0..shapes.len()).collect();
    order.sort_by(|a, b| shapes[*b].1.cmp(&shapes[*a].1).then(shapes[*a].0.cmp(shapes[*b].0)));
    let cut = Cut {
        places: shapes.iter().map(|(shape, _)| places(shape)).collect(),
        events: shapes.iter().map(|(_, events)| *events).collect(),
    };
    let mut buckets: BTreeMap<(usize, &[u8]), Vec<usize>> = BTreeMap::new();
    for shape in order {
        let places = &cut.places[shape];
        let first = places[0].word;
        let first = if varies(first) { &[HOLE][..] } else { first };
        buckets.entry((places.len(), first)).or_default().push(shape);
    }
    let mut out = Vec::new();
    for bucket in buckets.into_values() {
        for group in cut.alike(&bucket, before)? {
            cut.divide(group, &mut out);
        }
    }
    Ok(out)
}

/// Whether a sentence hardly begins with this word each time: it has a hole, or is a name in three parts
/// or more (`com.example.Job`).
fn varies(word: &[u8]) -> bool {
    let is_part = |part: &[u8]| {
        let is_of_name =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
        !part.is_empty() && part.iter().all(is_of_name)
    };
    let mut parts = core(word).split(|byte| *byte == b'.');
    word.contains(&HOLE) || parts.clone().count() > 2 && parts.all(is_part)
}

impl<'a> Cut<'a> {
    /// The shapes of a bucket in groups of those that agree in most places.
    fn alike(
        &self,
        bucket: &[usize],
        before: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<Vec<usize>>> {
        let mut groups: Vec<(Common<'a>, Vec<usize>)> = Vec::new();
        for shape in bucket {
            before()?;
            let mine = &self.places[*shape];
            let compared = groups.iter().take(COMPARED_MAX).enumerate();
            let best = compared
                .filter_map(|(index, (theirs, _))| Some((likeness(theirs, mine)?, index)))
                .max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
            match best {
                Some((_, index)) => {
                    let (theirs, shapes) = &mut groups[index];
                    for (their, place) in theirs.iter_mut().zip(mine) {
                        *their = their.filter(|their| *their == place.word);
                    }
                    shapes.push(*shape);
                }
                None => {
                    let words = mine.iter().map(|place| Some(place.word)).collect();
                    groups.push((words, vec![*shape]));
                }
            }
        }
        Ok(groups.into_iter().map(|(_, shapes)| shapes).collect())
    }

    /// Divides a group at its places of few plain words, and appends what comes of it.
    fn divide(&self, shapes: Vec<usize>, out: &mut Vec<Group>) {
        let len = self.places[shapes[0]].len();
        let Some(place) = (0..len).find(|place| self.says(&shapes, *place)) else {
            out.push(Group { pattern: self.pattern(&shapes), shapes });
            return;
        };
        let mut parts: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for shape in shapes {
            parts.entry(self.places[shape][place].word).or_default().push(shape);
        }
        parts.into_values().for_each(|part| self.divide(part, out));
    }

    /// Whether the words at a place differ, and are what is said.
    fn says(&self, shapes: &[usize], place: usize) -> bool {
        let mut found: Vec<(&[u8], u64)> = Vec::new();
        for shape in shapes {
            let (word, events) = (self.places[*shape][place].word, self.events[*shape]);
            match found.iter().position(|(known, _)| *known == word) {
                Some(index) => found[index].1 += events,
                None if found.len() == PLAIN_MAX => return false,
                None => found.push((word, events)),
            }
        }
        let all: u64 = found.iter().map(|(_, events)| events).sum();
        let (holes, words): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(word, _)| *word == [HOLE]);
        let is_common =
            |events: u64| events >= COMMON_MIN && events.saturating_mul(COMMON_PART) >= all;
        if !holes.is_empty() {
            return !words.is_empty()
                && words.iter().all(|(word, events)| is_plain(word) && is_common(*events));
        }
        let key = key_of(words[0].0);
        let has_key = |word: &[u8]| key_of(word) == key && is_plain(&word[key.len()..]);
        words.len() > 1
            && (words.iter().all(|(word, _)| is_plain(word))
                || !key.is_empty() && words.iter().all(|(word, _)| has_key(word)))
    }

    /// The words that all shapes have, and holes.
    fn pattern(&self, shapes: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        for place in 0..self.places[shapes[0]].len() {
            if place > 0 {
                out.push(b' ');
            }
            push_common(shapes.iter().map(|shape| self.places[*shape][place].text), &mut out);
        }
        out
    }
}

/// How many thousandths of the words agree; `None` if it is too few.
fn likeness(group: &[Option<&[u8]>], shape: &[Place<'_>]) -> Option<usize> {
    let is_hole = |word: &[u8]| word == [HOLE];
    let (mut same, mut all) = (0, 0);
    for (theirs, mine) in group.iter().zip(shape) {
        match theirs {
            None => {}
            Some(theirs) if is_hole(theirs) && is_hole(mine.word) => {}
            Some(theirs) => {
                all += 1;
                same += usize::from(*theirs == mine.word);
            }
        }
    }
    match all {
        // Nothing but holes.
        0 => Some(0),
        _ => (same > 0 && same * 100 >= all * ALIKE_MIN).then(|| same * 1_000 / all),
    }
}

/// Whether a word is one of people, but for marks around it.
fn is_plain(word: &[u8]) -> bool {
    let marks = |byte: &&u8| byte.is_ascii_punctuation();
    let head = word.iter().take_while(marks).count().min(1);
    let tail = word[head..].iter().rev().take_while(marks).count();
    let core = &word[head..word.len() - tail];
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_' || !byte.is_ascii();
    !core.is_empty() && core.iter().all(is_letter)
}

/// What a word says before its value: of `state=open,` the `state=`. Empty if it has no value.
fn key_of(word: &[u8]) -> &[u8] {
    let ends = |byte: &&u8| matches!(byte, b',' | b';' | b'.' | b':' | b')' | b']');
    let tail = word.iter().rev().take_while(ends).count();
    let bare = &word[..word.len() - tail];
    let separates = |byte: &u8| matches!(byte, b'=' | b':' | b'[' | b'(');
    let len = bare.iter().rposition(separates).map_or(0, |at| at + 1);
    if len < bare.len() { &bare[..len] } else { &[] }
}

/// Appends what texts have in common: all, or a hole between the key before it and the marks behind.
fn push_common<'a>(texts: impl Iterator<Item = &'a [u8]> + Clone, out: &mut Vec<u8>) {
    let mut others = texts.clone();
    let Some(first) = others.next() else { return };
    if others.clone().all(|text| text == first) {
        out.extend_from_slice(first);
        return;
    }
    let equal = |text: &[u8]| first.iter().zip(text).take_while(|(a, b)| a == b).count();
    let head = others.clone().map(equal).min().unwrap_or(0);
    let opens = |byte: &u8| matches!(byte, b'=' | b':' | b'(' | b'[' | b'{' | b'<' | b'"' | b'\'');
    let head = first[..head].iter().rposition(opens).map_or(0, |at| at + 1);
    let equal = |text: &[u8]| {
        let (mine, theirs) = (first[head..].iter().rev(), text[head..].iter().rev());
        mine.zip(theirs).take_while(|(a, b)| a == b && a.is_ascii_punctuation()).count()
    };
    let tail = others.map(equal).min().unwrap_or(0);
    out.extend_from_slice(&first[..head]);
    out.push(HOLE);
    out.extend_from_slice(&first[first.len() - tail..]);
}
