use super::*;
use proptest::prelude::*;
use std::path::Path;

fn decode(bytes: &[u8]) -> Result<Filter, Corruption> {
    Filter::decode(Slice::new(bytes, 0, "filter", Path::new("test")))
}

fn encode(filter: &Filter) -> Vec<u8> {
    let mut bytes = Vec::new();
    filter.encode(&mut bytes);
    bytes
}

/// Terms are hashes; so are these.
fn terms(count: u64) -> Vec<u64> {
    let mut terms: Vec<u64> = (1..=count).map(|n| mix(n.wrapping_mul(0x9e37_79b9))).collect();
    terms.sort_unstable();
    terms
}

fn bloom(count: u64) -> Filter {
    Filter::Bloom(Bloom::build(&terms(count)))
}

fn fuse(count: u64) -> Fuse {
    match Filter::build(&terms(count)) {
        Filter::Fuse(fuse) => fuse,
        other => panic!("a list of {count} terms: {other:?}"),
    }
}

proptest! {
    #[test]
    fn no_term_is_denied_and_filters_come_back(
        mut terms in prop_oneof![
            prop::collection::vec(any::<u64>(), 0..40),
            prop::collection::vec(any::<u64>(), 0..3_000),
            prop::collection::vec(0u64..5_000, 0..3_000),
        ],
        other: u64,
    ) {
        terms.sort_unstable();
        terms.dedup();
        let filter = Filter::build(&terms);
        for filter in [filter, Filter::Bloom(Bloom::build(&terms))] {
            prop_assert!(terms.iter().all(|term| filter.contains(*term)));
            let decoded = decode(&encode(&filter)).expect("our own bytes");
            prop_assert_eq!(decoded.contains(other), filter.contains(other));
            prop_assert_eq!(decoded, filter);
        }
    }

    #[test]
    fn foreign_bytes_give_errors_or_answers(
        kind in 0u8..6,
        head in prop::collection::vec(any::<u8>(), 0..24),
        small: bool,
        len in 0usize..200,
        term: u64,
    ) {
        let mut bytes = vec![VERSION, kind, 1, 0];
        bytes.extend(head);
        if kind == KIND_BLOOM && small && bytes.len() > 15 {
            bytes[8..16].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]);
            bytes.resize(144, 7);
        } else if small && bytes.len() > 23 {
            // Lengths that often fit what follows.
            bytes[16..24].copy_from_slice(&[1, 0, 0, 0, 3, 0, 0, 0]);
            bytes.resize(48, 7);
        } else {
            bytes.resize(len, 7);
        }
        if let Ok(filter) = decode(&bytes) {
            filter.contains(term);
            prop_assert!(filter == Filter::Everything || encode(&filter) == bytes);
        }
    }

    #[test]
    fn every_flipped_bit_gives_an_error_or_answers(at in 0usize..2_000, bit in 0u8..8, term: u64) {
        for filter in [Filter::Fuse(fuse(100)), bloom(100)] {
            let mut bytes = encode(&filter);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(filter) = decode(&bytes) {
                filter.contains(term);
            }
        }
    }

    #[test]
    fn cut_bytes_are_an_error(count in 0u64..60, cut in 0usize..1_000) {
        for filter in [Filter::build(&terms(count)), bloom(count)] {
            let bytes = encode(&filter);
            prop_assert!(decode(&bytes[..cut % bytes.len()]).is_err());
            let longer = [&bytes[..], &[0]].concat();
            prop_assert!(decode(&longer).is_err());
        }
    }
}

#[test]
fn false_answers_are_below_one_in_a_hundred_and_terms_below_eleven_bits() {
    let filter = Filter::Fuse(fuse(10_000));
    let stored = terms(10_000);
    let absent = (0..100_000u64).map(|n| mix(n ^ 0xabcd_0000_0000));
    let absent: Vec<u64> = absent.filter(|term| stored.binary_search(term).is_err()).collect();
    let wrong = absent.iter().filter(|term| filter.contains(**term)).count();
    assert!(absent.len() > 99_000 && wrong < absent.len() / 100, "{wrong}");
    assert!(encode(&filter).len() * 8 < 11 * 10_000, "{}", encode(&filter).len());
}

#[test]
fn a_million_terms_have_a_filter() {
    let filter = fuse(1_000_000);
    assert!(terms(1_000_000).into_iter().all(|term| filter.contains(term)));
    assert_eq!(filter.layout.segment_bits, 13);
}

#[test]
fn few_terms_are_a_list() {
    for count in 0..=3 {
        let filter = Filter::build(&terms(count));
        assert_eq!(filter, Filter::List(terms(count).into()));
        assert!(!filter.contains(77));
        assert_eq!(encode(&filter).len(), 8 + 8 * count as usize);
    }
    assert!(matches!(Filter::build(&terms(16)), Filter::List(_)));
    assert!(matches!(Filter::build(&terms(17)), Filter::Fuse(_)));
}

#[test]
fn young_filters_of_many_terms_are_made_fast() {
    let young = |count| FilterBuilder::default().build_young(&terms(count));
    assert!(matches!(young(3), Filter::List(_)));
    assert!(matches!(young(BLOOM_TERMS_MIN as u64 - 1), Filter::Fuse(_)));
    assert_eq!(young(BLOOM_TERMS_MIN as u64), bloom(BLOOM_TERMS_MIN as u64));
}

/// Two terms with the same three slots stop the peeling for a seed; terms that do so for every
/// seed can be made, because the mixing is a bijection.
#[test]
fn terms_made_to_fail_every_seed_are_a_list() {
    let unmix = |hash: u64| {
        // x ^ x >> 33 is its own inverse; the factors have inverses modulo 2^64.
        let inverse = |factor: u64| {
            (0..6).fold(factor, |inverse, _| {
                inverse.wrapping_mul(2u64.wrapping_sub(factor.wrapping_mul(inverse)))
            })
        };
        let mut hash = hash ^ hash >> 33;
        hash = hash.wrapping_mul(inverse(0xc4ce_b9fe_1a85_ec53));
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(inverse(0xff51_afd7_ed55_8ccd));
        hash ^ hash >> 33
    };
    let mut terms: Vec<u64> = (0..SEEDS_MAX)
        .flat_map(|attempt| {
            // They differ in bit 17 alone, which neither picks a slot nor moves the product much.
            [0, 1 << 17].map(|bit| unmix(1 << 40 | attempt | bit).wrapping_sub(mix(attempt)))
        })
        .collect();
    terms.sort_unstable();
    assert_eq!(Filter::build(&terms), Filter::List(terms.clone().into()));
}

#[test]
fn unknown_versions_kinds_and_tokenizers_say_yes() {
    for filter in [Filter::build(&terms(3)), Filter::build(&terms(100)), bloom(100)] {
        let bytes = encode(&filter);
        assert!(!decode(&bytes).expect("known").contains(77));
        for (offset, value) in [(0, 99), (1, 99), (1, 0), (2, 99), (3, 99)] {
            let mut bytes = bytes.clone();
            bytes[offset] = value;
            assert_eq!(decode(&bytes), Ok(Filter::Everything), "{offset}");
        }
    }
    assert!(Filter::Everything.contains(77));
    assert_eq!(decode(&encode(&Filter::Everything)), Ok(Filter::Everything));
}

#[test]
fn lengths_are_checked_before_they_are_allocated() {
    let mut list = encode(&Filter::build(&terms(3)));
    list[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(decode(&list).is_err());
    let good = encode(&Filter::Fuse(fuse(100)));
    for (offset, value) in [(16, 0), (16, u32::MAX), (16, u32::MAX - 2), (20, 19), (20, 255)] {
        let mut bytes = good.clone();
        bytes[offset..offset + 4].copy_from_slice(&u32::to_le_bytes(value));
        assert!(decode(&bytes).is_err(), "{offset} {value}");
    }
    let good = encode(&bloom(100));
    for (offset, value) in [(8, 0), (8, u32::MAX), (8, 4), (12, 1)] {
        let mut bytes = good.clone();
        bytes[offset..offset + 4].copy_from_slice(&u32::to_le_bytes(value));
        assert!(decode(&bytes).is_err(), "{offset} {value}");
    }
    let mut falling = encode(&Filter::build(&terms(3)));
    falling[8..].rotate_left(8);
    assert!(decode(&falling).is_err());
}
