//! Finds the places at which a rule of values may match: one pass for the anchors of all rules.
//!
//! Bytes are folded with one OR (letters to lower case, `_` to another byte), so that the anchors of
//! any case are found with one pattern each; whoever is told of a place looks at the real bytes.

use super::rules::{Rule, Rules};
use aho_corasick::{AhoCorasick, Input, MatchKind, packed};

/// Folded at a time: it stays in the first-level cache.
const CHUNK_BYTES: usize = 16 << 10;
/// Bytes that are held against those of ids at a time, which takes vectors.
const ID_PIECE_BYTES: usize = 64;
/// Anchors are looked for in so many groups, by their length. Vectors tell apart few patterns, and the more
/// bytes of them the shorter ones leave: of all at once, four times as many places looked like an anchor, and
/// two passes took 0.4 of the time of one.
const GROUPS: usize = 2;

/// What an anchor is the sign of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The key of a pair such as `password=…`.
    Pair,
    /// `Bearer`.
    Bearer,
    /// `://`.
    Uri,
    /// `%3A%2F%2F`.
    UriEncoded,
    /// `AKIA`, `ASIA`.
    AwsKey,
    /// `eyJ`.
    Jwt,
    /// `-BEGIN`.
    Pem,
    /// `-----BEGIN` in base64.
    Pem64,
    /// `ghp_` and its kin.
    Github,
    /// `github_pat_`.
    GithubLong,
    /// `xox`.
    Slack,
    /// `AIza`.
    Google,
    /// `_live_`.
    Stripe,
}

/// The anchors by shape, and the rules that need them. Every key that [`super::keys`] knows as one
/// word holds one of those for pairs.
const ANCHORS: [(Shape, &[Rule], &[&str]); 13] = [
    (
        Shape::Pair,
        &[
            Rule::Password,
            Rule::Secret,
            Rule::Token,
            Rule::ApiKey,
            Rule::Authorization,
            Rule::Cookie,
            Rule::PrivateKey,
            Rule::Credentials,
        ],
        &[
            "passw",
            "passph",
            "passcode",
            "_pass",
            "pwd",
            "secret",
            "token",
            "pikey",
            "sskey",
            "tekey",
            "thkey",
            "creds",
            "_key",
            "-key",
            "pi key",
            "ss key",
            "te key",
            "authoriz",
            "cookie",
            "credential",
        ],
    ),
    (Shape::Bearer, &[Rule::Authorization], &["bearer"]),
    (Shape::Uri, &[Rule::UriPassword], &["://"]),
    (Shape::UriEncoded, &[Rule::UriPassword], &["%3a%2f%2f"]),
    (Shape::AwsKey, &[Rule::AwsKey], &["akia", "asia"]),
    (Shape::Jwt, &[Rule::Jwt], &["eyj"]),
    (Shape::Pem, &[Rule::PrivateKey], &["-begin"]),
    (Shape::Pem64, &[Rule::PrivateKey], &["ls0tls1crudj"]),
    (Shape::Github, &[Rule::GithubToken], &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]),
    (Shape::GithubLong, &[Rule::GithubToken], &["github_pat_"]),
    (Shape::Slack, &[Rule::SlackToken], &["xox"]),
    (Shape::Google, &[Rule::GoogleKey], &["aiza"]),
    (Shape::Stripe, &[Rule::StripeKey], &["_live_"]),
];

/// An anchor in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) shape: Shape,
}

/// The anchors of some rules, compiled.
#[derive(Debug)]
pub(super) struct Anchors {
    groups: [Group; GROUPS],
    longest: usize,
}

/// Some of the anchors.
#[derive(Debug)]
struct Group {
    searcher: Searcher,
    shapes: Vec<Shape>,
}

#[derive(Debug)]
enum Searcher {
    /// No rule needs an anchor.
    Nothing,
    /// Vectors.
    Packed(packed::Searcher),
    /// Processors without them.
    Automaton(AhoCorasick),
}

impl Anchors {
    pub(super) fn new(rules: Rules) -> Self {
        let mut patterns: Vec<(Vec<u8>, Shape)> = Vec::new();
        for (shape, needed_by, texts) in ANCHORS {
            if needed_by.iter().any(|rule| rules.is_on(*rule)) {
                patterns.extend(texts.iter().map(|text| (text.bytes().map(fold).collect(), shape)));
            }
        }
        patterns.sort_by_key(|(text, _)| text.len());
        let longest = patterns.last().map_or(1, |(text, _)| text.len());
        let long = patterns.split_off(patterns.len().div_ceil(GROUPS));
        Self { groups: [Group::new(patterns), Group::new(long)], longest }
    }

    /// Calls `visit` with the anchors of `bytes` in their order; it returns where to go on, which is
    /// past the anchor's start. `scratch` is for the folded bytes.
    pub(super) fn each(
        &self,
        bytes: &[u8],
        scratch: &mut Vec<u8>,
        mut visit: impl FnMut(Anchor) -> usize,
    ) {
        if self.groups.iter().all(|group| matches!(group.searcher, Searcher::Nothing)) {
            return;
        }
        let mut base = 0;
        while base < bytes.len() {
            let end = bytes.len().min(base + CHUNK_BYTES);
            scratch.clear();
            scratch.extend(bytes[base..end].iter().map(|byte| fold(*byte)));
            let mut at = 0;
            let mut next = self.groups.each_ref().map(|group| group.find(scratch, at));
            // No anchor begins with another, so there is one at most at each place.
            while let Some(first) = next.iter().flatten().min_by_key(|anchor| anchor.start) {
                let (start, end) = (base + first.start, base + first.end);
                let until = visit(Anchor { start, end, ..*first });
                debug_assert!(until > start, "A3");
                at = until - base;
                for (next, group) in next.iter_mut().zip(&self.groups) {
                    if next.is_some_and(|anchor| anchor.start < at) {
                        *next = group.find(scratch, at);
                    }
                }
            }
            if end == bytes.len() {
                return;
            }
            // An anchor may lie across the border.
            base = (base + at).max(end - (self.longest - 1));
        }
    }
}

impl Group {
    fn new(patterns: Vec<(Vec<u8>, Shape)>) -> Self {
        let (patterns, shapes): (Vec<_>, _) = patterns.into_iter().unzip();
        Self { searcher: Searcher::new(&patterns), shapes }
    }

    /// The first anchor of its own from `from` on.
    fn find(&self, folded: &[u8], from: usize) -> Option<Anchor> {
        let (start, end, pattern) = self.searcher.find(folded, from)?;
        Some(Anchor { start, end, shape: self.shapes[pattern] })
    }
}

impl Searcher {
    fn new(patterns: &[Vec<u8>]) -> Self {
        if patterns.is_empty() {
            return Self::Nothing;
        }
        match packed::Searcher::new(patterns) {
            Some(searcher) => Self::Packed(searcher),
            None => Self::Automaton(
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostFirst)
                    .build(patterns)
                    .expect("some dozen short patterns make a small automaton"),
            ),
        }
    }

    fn find(&self, folded: &[u8], from: usize) -> Option<(usize, usize, usize)> {
        if from >= folded.len() {
            return None;
        }
        let found = match self {
            Self::Nothing => None,
            Self::Packed(searcher) => searcher.find_in(folded, (from..folded.len()).into()),
            Self::Automaton(automaton) => automaton.find(Input::new(folded).range(from..)),
        };
        found.map(|found| (found.start(), found.end(), found.pattern().as_usize()))
    }
}

/// Whether a text has nothing but what ids, addresses of hosts and times are written with, of which no anchor
/// consists. Those are many columns; others mostly show within their first bytes that they are none.
pub(super) fn none_in(text: &[u8]) -> bool {
    let are_of_ids = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & is_of_ids(*byte));
    let (pieces, rest) = text.as_chunks::<ID_PIECE_BYTES>();
    pieces.iter().all(|piece| are_of_ids(piece)) && are_of_ids(rest)
}

fn is_of_ids(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-' | b'.' | b':')
}

/// Lower case for letters; other bytes may fall together, which costs a closer look.
fn fold(byte: u8) -> u8 {
    byte | 0x20
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn starts(text: &[u8]) -> Vec<(usize, Shape)> {
        let mut found = Vec::new();
        Anchors::new(Rules::default()).each(text, &mut Vec::new(), |anchor| {
            found.push((anchor.start, anchor.shape));
            anchor.start + 1
        });
        found
    }

    #[test]
    fn anchors_are_found_in_any_case_and_across_borders() {
        assert_eq!(starts(b"a PassWord, eYj"), [(2, Shape::Pair), (12, Shape::Jwt)]);
        for before in CHUNK_BYTES - 12..CHUNK_BYTES + 2 {
            let text = [vec![b'.'; before], b"github_pat_".to_vec(), vec![b'.'; CHUNK_BYTES]];
            assert_eq!(starts(&text.concat()), [(before, Shape::GithubLong)], "{before}");
        }
    }

    fn all() -> Vec<(Vec<u8>, Shape)> {
        let of = |(shape, _, texts): (Shape, _, &[&str])| {
            texts.iter().map(|text| (text.bytes().map(fold).collect(), shape)).collect::<Vec<_>>()
        };
        ANCHORS.into_iter().flat_map(of).collect()
    }

    #[test]
    fn no_anchor_begins_with_another() {
        for (index, (text, _)) in all().iter().enumerate() {
            let mut others = all();
            others.remove(index);
            assert!(!others.iter().any(|(other, _)| other.starts_with(text)), "{text:?}");
        }
    }

    #[test]
    fn every_anchor_has_a_byte_that_ids_have_not() {
        for (anchor, _) in all() {
            // All bytes that are folded to one of the anchor's.
            let may_be = |folded: &u8| (0..=u8::MAX).any(|b| fold(b) == *folded && is_of_ids(b));
            assert!(!anchor.iter().all(may_be), "{anchor:?}");
        }
        let id = "0123456789abcdef-.:".repeat(9);
        for at in 0..id.len() {
            assert!(none_in(&id.as_bytes()[at..]));
            let other = [&id[..at], "g", &id[at..]].concat();
            assert!(!none_in(other.as_bytes()), "{at}");
        }
    }

    proptest! {
        #[test]
        fn anchors_are_those_that_stand_there(
            text in "([a-z_ -]{0,6}|pass|passwd|PassCode|_keykey|te key|xoxox|eyJ|://|%3A%2F%2F|akiasia|\\-begin|gh[pousr]_|secretoken|_pass_live_){0,20}",
            step in 1usize..4,
        ) {
            let folded: Vec<u8> = text.bytes().map(fold).collect();
            let (mut wanted, mut at) = (Vec::new(), 0);
            while at < folded.len() {
                let here = all().into_iter().find(|(anchor, _)| folded[at..].starts_with(anchor));
                at += here.as_ref().map_or(1, |_| step);
                wanted.extend(here);
            }
            let mut found = Vec::new();
            Anchors::new(Rules::default()).each(text.as_bytes(), &mut Vec::new(), |anchor| {
                found.push((folded[anchor.start..anchor.end].to_vec(), anchor.shape));
                anchor.start + step
            });
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn without_rules_nothing_is_found() {
        let anchors = Anchors::new(Rules::none());
        anchors.each(b"password=x", &mut Vec::new(), |_| panic!("no rule"));
    }
}
