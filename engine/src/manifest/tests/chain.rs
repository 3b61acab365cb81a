//! The links of edits: their file, and the chain through many manifests.

use super::*;
use crate::codec::dump;
use crate::manifest::chain::{self, Link, Links};

const PAGE: &str = include_str!("../../../../docs/format/chain.md");
const STORE: [u8; 16] = [7; 16];

fn example() -> Links {
    let link = |kind, text: &str| Link {
        kind,
        version: 3,
        digest: *blake3::hash(text.as_bytes()).as_bytes(),
    };
    let links = vec![link(1, "a snapshot"), link(2, "an added file")];
    Links { manifest: 3, previous: *blake3::hash(b"before").as_bytes(), links }
}

#[test]
fn the_dump_of_the_format_page_is_what_is_written_and_read() {
    let bytes = example().encode(&STORE);
    assert!(dump::from_page(PAGE) == bytes, "the page has to end in\n{}", dump::to_text(&bytes));
    assert_eq!(Links::decode(&bytes, &STORE, 3, Path::new("f")).unwrap(), example());
}

#[test]
fn another_store_or_manifest_and_any_changed_byte_are_refused() {
    let bytes = example().encode(&STORE);
    let decode = |bytes: &[u8]| Links::decode(bytes, &STORE, 3, Path::new("f"));
    for (store, number) in [([8; 16], 3), (STORE, 4)] {
        let error = Links::decode(&bytes, &store, number, Path::new("f")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert_eq!(decode(&changed).unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
        assert_eq!(decode(&bytes[..at]).unwrap_err().kind(), ErrorKind::Corrupt, "cut at {at}");
    }
}

/// Every hash that was ever current is found again from what is left, through many manifests.
#[test]
fn the_chain_is_followed_from_the_first_edit_on() {
    let disk = MemoryStorage::new();
    let io = io(disk.clone(), 1);
    let mut manifest = open(&io).unwrap();
    let mut hashes = vec![manifest.hash()];
    for index in 0..30 {
        if index == 11 {
            manifest = open(&io).unwrap();
        }
        let snapshots = manifest_path(&disk);
        manifest.commit(edit(manifest.state(), index)).unwrap();
        if manifest_path(&disk) != snapshots {
            // The snapshot of a new manifest is an edit too.
            let contents = read(&io, &manifest_path(&disk), |_, _| {}).unwrap();
            hashes.push(contents.links.hashes().next().unwrap());
        }
        hashes.push(manifest.hash());
    }
    let current = read(&io, &manifest_path(&disk), |_, _| {}).unwrap();
    assert!(current.header.number > 3, "several manifests");
    let store = current.state.store_uuid;
    let kept = 1..current.header.number;
    let mut all: Vec<Links> =
        kept.map(|number| chain::read(&io, Path::new(DIR), &store, number).unwrap()).collect();
    all.push(current.links);
    assert_eq!(all[0].previous, [0; 32]);
    assert!(all.windows(2).all(|pair| pair[0].last() == pair[1].previous));
    let found: Vec<_> = all.iter().flat_map(Links::hashes).collect();
    assert!(found == hashes, "{} and {} hashes", found.len(), hashes.len());
}

/// `L1`: whenever a manifest has its name, the links of the one before are there.
#[test]
fn the_links_are_durable_before_the_next_manifest() {
    for step in 0.. {
        let disk = MemoryStorage::new();
        let faulty = FaultyStorage::new(disk.clone());
        faulty.fail(step, Fault::Halt);
        let _ = live(&io(faulty.clone(), 1), 12, &mut Vec::new(), &mut 0);
        let disk = disk.power_cut();
        let io = io(disk.clone(), 2);
        let manifest = open(&io).unwrap();
        let store = manifest.state().store_uuid;
        let current = read(&io, &manifest_path(&disk), |_, _| {}).unwrap();
        let mut previous = current.links.previous;
        for number in (1..current.header.number).rev() {
            let links = chain::read(&io, Path::new(DIR), &store, number).unwrap();
            assert_eq!(links.last(), previous, "step {step}, manifest {number}");
            previous = links.previous;
        }
        assert_eq!(previous, [0; 32]);
        if !faulty.halted() {
            assert!(current.header.number > 1, "several manifests");
            return;
        }
    }
}
