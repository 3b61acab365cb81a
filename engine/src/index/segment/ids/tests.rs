use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The blocks of a term, as the pages have them.
fn blocks_of(map: &IdPages, term: u64, blocks: u32) -> BTreeSet<u32> {
    let hash = term >> (64 - u32::from(map.hash_bits));
    let page = map.pages.partition_point(|(first, _)| *first <= hash) - 1;
    let end = map.pages.get(page + 1).map_or(1 << map.hash_bits, |next| next.0);
    let (first, bytes) = &map.pages[page];
    let mut found = BTreeSet::new();
    let slice = Slice::new(bytes, 0, "ids", Path::new(""));
    look_up(slice, hash, &(*first..end), blocks, |block| assert!(found.insert(block)))
        .expect("just encoded");
    found
}

fn build(terms: &[Vec<u64>]) -> IdPages {
    let mut builder = IdsBuilder::default();
    for (block, terms) in terms.iter().enumerate() {
        builder.add_block(block as u32, &mut terms.clone());
    }
    builder.finish(terms.len() as u32)
}

fn check(terms: &[Vec<u64>]) -> IdPages {
    let map = build(terms);
    let blocks = terms.len() as u32;
    assert_eq!(map.pages[0].0, 0, "I2");
    assert!(map.pages.is_sorted_by(|a, b| a.0 < b.0), "I2");
    assert!(map.pages.iter().all(|(_, page)| page.len() <= CUT_BYTES));
    let mut model: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    for (block, terms) in terms.iter().enumerate() {
        for term in terms {
            let hash = term >> (64 - u32::from(map.hash_bits));
            model.entry(hash).or_default().insert(block as u32);
        }
    }
    for (hash, expected) in &model {
        let term = hash << (64 - u32::from(map.hash_bits));
        assert_eq!(blocks_of(&map, term, blocks), *expected, "I1");
    }
    for absent in (0..200u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
        let hash = absent >> (64 - u32::from(map.hash_bits));
        let expected = model.get(&hash).cloned().unwrap_or_default();
        assert_eq!(blocks_of(&map, absent, blocks), expected);
    }
    map
}

/// Terms that spread over all hashes, or lie close to each other.
fn term() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => any::<u64>(),
        2 => (0u64..40).prop_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        1 => (0u64..40).prop_map(|n| n << 38),
        1 => Just(u64::MAX),
    ]
}

proptest! {
    #[test]
    fn a_lookup_finds_what_a_map_has(
        terms in prop::collection::vec(prop::collection::vec(term(), 0..60), 0..40),
    ) {
        check(&terms);
    }

    #[test]
    fn damaged_pages_give_blocks_or_an_error(
        terms in prop::collection::vec(prop::collection::vec(term(), 0..30), 1..20),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        hash: u64,
        blocks in 1u32..40,
    ) {
        let map = build(&terms);
        let (_, mut page) = map.pages.into_iter().next().expect("a page");
        for (at, value) in damage {
            let at = at.index(page.len());
            page[at] = value;
        }
        let hashes = 0..1u64 << 24;
        let slice = Slice::new(&page, 0, "ids", Path::new(""));
        let _ = look_up(slice, hash % hashes.end, &hashes, blocks, |block| assert!(block < blocks));
    }
}

#[test]
fn many_terms_take_many_pages_and_more_bits() {
    let mix = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // Half are of one block, half of all.
    let terms: Vec<Vec<u64>> = (0..50u64)
        .map(|block| (0..1_000).flat_map(|n| [mix(n), mix(block << 32 | n)]).collect())
        .collect();
    let map = check(&terms);
    // Of the 50,000 terms of one block each takes its hash, 24 - 15 + 2 bits, and its block, 6.
    let bytes: usize = map.pages.iter().map(|(_, page)| page.len()).sum();
    assert_eq!((map.pages.len(), bytes / 50_000), (8, 2));
    let many: Vec<Vec<u64>> =
        (0..3u64).map(|b| (0..700_000).map(|n| mix(b << 40 | n)).collect()).collect();
    assert_eq!(build(&many).hash_bits, 25);
}

/// Terms made to share the first bits of their hash fill one page, not all.
#[test]
fn terms_that_crowd_are_cut_further() {
    let terms: Vec<Vec<u64>> = vec![(0..200_000u64).map(|n| n << 24).collect(); 2];
    check(&terms);
}

#[test]
fn the_largest_section_has_pages_for_terms_of_all_its_blocks() {
    let mut builder = IdsBuilder::default();
    let terms: Vec<u64> = (0..20u64).map(|n| n << 60).collect();
    for block in 0..BLOCKS_MAX {
        builder.add_block(block, &mut terms.clone());
    }
    let map = builder.finish(BLOCKS_MAX);
    assert!(map.pages.iter().all(|(_, page)| page.len() <= CUT_BYTES));
    assert_eq!(blocks_of(&map, 3 << 60, BLOCKS_MAX).len(), BLOCKS_MAX as usize);
    assert!(blocks_of(&map, 3 << 59, BLOCKS_MAX).is_empty());
}

/// The pages of all pairs, sorted as one, each half encoded once it is known to fit.
fn plainly(terms: &[Vec<u64>]) -> Vec<(u64, Vec<u8>)> {
    fn halves(pairs: &[u64], hashes: Range<u64>, blocks: u32, pages: &mut Vec<(u64, Vec<u8>)>) {
        let page = encode_page(pairs, &hashes, blocks);
        let fits = page.len() <= CUT_BYTES;
        assert_eq!(page_len(pairs, &hashes, blocks), fits.then_some(page.len()));
        if fits {
            return pages.push((hashes.start, page));
        }
        let middle = hashes.start.midpoint(hashes.end);
        let (lower, upper) = pairs.split_at(pairs.partition_point(|pair| pair >> 16 < middle));
        halves(lower, hashes.start..middle, blocks, pages);
        halves(upper, middle..hashes.end, blocks, pages);
    }
    let blocks = terms.len() as u32;
    let distinct = terms.iter().map(|terms| terms.iter().collect::<BTreeSet<_>>().len());
    let bits = (distinct.sum::<usize>().max(1).ilog2() + SPARE_BITS).clamp(24, 40);
    let pairs = (0..).zip(terms);
    let pairs = pairs
        .flat_map(|(block, terms)| terms.iter().map(move |term| term >> (64 - bits) << 16 | block));
    let pairs: BTreeSet<u64> = pairs.collect();
    let mut pages = Vec::new();
    halves(&pairs.into_iter().collect::<Vec<_>>(), 0..1 << bits, blocks, &mut pages);
    pages
}

#[test]
fn slices_give_the_pages_of_all_pairs_together() {
    let hash = |n: u64| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes());
    // Some are in one block, others in many; there are slices of a few thousand pairs, and several in one.
    let of_block = |block: u64, skew: u32| -> Vec<u64> {
        let own = (0..9_000).map(|n| hash(block << 32 | n));
        let shared = (0..4_000).map(|n| hash(n % (1 + 37 * block)));
        own.chain(shared).map(|hash| hash >> skew).collect()
    };
    for (blocks, skew) in [(1, 0), (3, 0), (30, 0), (30, 3), (12, 20)] {
        let mut terms: Vec<_> = (0..blocks).map(|block| of_block(block, skew)).collect();
        if blocks == 3 {
            terms[1].clear();
        }
        assert_eq!(build(&terms).pages, plainly(&terms), "{blocks} {skew}");
    }
    assert_eq!(build(&[]).pages, plainly(&[]));
}
