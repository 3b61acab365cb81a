//! Files of a store taken apart: the whole and its parts are seeds of the targets that read them.

use super::{PAGE, Seeds};
use logstrata_engine::testing;

const KEYS_HEADER_BYTES: usize = 48;
const INDEX_HEADER_BYTES: usize = 64;
const EDIT_HEADER_BYTES: usize = 64;
const GROUP_HEADER_BYTES: usize = 64;
const GROUP: &[u8] = b"LSGROUP\0";
const EDIT: &[u8] = b"LSED";
const BLOCK: &[u8] = b"LSBK";
const INDEX: &[u8] = b"LSIDX\0\0\x01";

pub(super) fn add(seeds: &mut Seeds, target: &'static str, seed: Vec<u8>) {
    seeds.entry(target).or_default().insert(seed);
}

pub(super) fn of_manifest(file: &[u8], seeds: &mut Seeds) {
    add(seeds, "manifest_file", without_padding(file, EDIT));
    bodies_of_edits(file).into_iter().for_each(|body| add(seeds, "manifest", body));
}

/// Adds the groups of a file of the log; returns the file without its padding.
pub(super) fn of_log(file: &[u8], seeds: &mut Seeds) -> Vec<u8> {
    let short = this_life(&without_padding(file, GROUP));
    for group in parts(&short, GROUP) {
        let body = group.get(GROUP_HEADER_BYTES..).unwrap_or_default();
        of_records(body, seeds);
        add(seeds, "wal_group", body.to_vec());
    }
    short
}

/// Adds the payloads of records of the log.
pub(super) fn of_records(body: &[u8], seeds: &mut Seeds) {
    testing::raw_records(body).into_iter().for_each(|raw| add(seeds, "wal_group", raw));
}

pub(super) fn of_keys(file: Vec<u8>, seeds: &mut Seeds) {
    // The first chunk: its count, its length, its entries.
    if let Some((head, rest)) =
        file.get(KEYS_HEADER_BYTES..).and_then(|chunks| chunks.split_at_checked(8))
    {
        let len = u32::from_le_bytes(head[4..].try_into().expect("4 bytes")) as usize;
        add(seeds, "keys", [&head[..1], rest.get(..len).unwrap_or(rest)].concat());
    }
    add(seeds, "keys", file);
}

pub(super) fn of_segment(file: Vec<u8>, seeds: &mut Seeds) {
    parts(&file, BLOCK).for_each(|part| add(seeds, "block_decode", part.to_vec()));
    for index in parts(&file, INDEX) {
        index_parts(index).into_iter().for_each(|part| add(seeds, "segment_index", part));
    }
    add(seeds, "segment_directory", footer(&file));
    add(seeds, "segment_file", file);
}

/// Without the zeros before a page that begins with the magic, and at the end.
fn without_padding(file: &[u8], magic: &[u8]) -> Vec<u8> {
    let mut short: Vec<u8> = Vec::new();
    let strip = |short: &mut Vec<u8>| {
        let used = short.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        short.truncate(used);
    };
    for page in file.chunks(PAGE) {
        if page.starts_with(magic) {
            strip(&mut short);
        }
        short.extend(page);
    }
    strip(&mut short);
    short
}

/// Without what a recycled file has from before: which file is recycled is by chance.
fn this_life(file: &[u8]) -> Vec<u8> {
    let head = file.windows(GROUP.len()).position(|at| at == GROUP).unwrap_or(file.len());
    let mut short = file[..head].to_vec();
    let mut next = None;
    for group in parts(file, GROUP) {
        let number = u64_at(group, 16);
        if next.is_some_and(|next| next != number) {
            break;
        }
        let len = GROUP_HEADER_BYTES + u64_at(group, 36) as u32 as usize;
        short.extend(&group[..len.min(group.len())]);
        next = Some(number + 1);
    }
    short
}

/// An index, and what of it stands behind checksums: its directory, and its ids behind the bits of
/// their hashes beyond 24.
fn index_parts(index: &[u8]) -> [Vec<u8>; 3] {
    let directory_len = u64_at(index, 24) as u32 as usize;
    let directory = index[INDEX_HEADER_BYTES..][..directory_len].to_vec();
    let words_len = u64_at(index, 32) as usize;
    let ids_at = INDEX_HEADER_BYTES + directory_len + words_len;
    let ids = &index[ids_at..][..u64_at(index, 40) as usize];
    [index.to_vec(), directory, [&[index[13] - 24], ids].concat()]
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..][..8].try_into().expect("8 bytes"))
}

fn bodies_of_edits(manifest: &[u8]) -> Vec<Vec<u8>> {
    let edits =
        manifest.chunks(PAGE).zip((0..).step_by(PAGE)).filter(|(page, _)| page.starts_with(EDIT));
    let body = |(page, at): (&[u8], usize)| {
        let len = u32::from_le_bytes(page[16..20].try_into().expect("4 bytes")) as usize;
        manifest[at + EDIT_HEADER_BYTES..][..len].to_vec()
    };
    edits.map(body).collect()
}

/// The footer of a file of sections, as its trailer says.
fn footer(file: &[u8]) -> Vec<u8> {
    let trailer = &file[file.len() - 32..];
    let offset = u64_at(trailer, 0) as usize;
    file[offset..file.len() - 32].to_vec()
}

/// What begins with `magic`, each to the end or to the next.
fn parts<'a>(bytes: &'a [u8], magic: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let begins = bytes.windows(magic.len()).enumerate().filter(move |(_, at)| *at == magic);
    let mut starts: Vec<usize> = begins.map(|(at, _)| at).collect();
    starts.push(bytes.len());
    (1..starts.len()).map(move |next| &bytes[starts[next - 1]..starts[next]])
}
