use super::frames::{FRAME_BYTES, Layout};
use super::fuzzing::{KEYS, file_of, plain_of, written};
use super::header::{HEADER_BYTES, TAG_BYTES};
use super::keyring::{KeyId, Keyring};
use super::message::{Sealed, open, open_object, seal_object};
use super::{Input, Output, Purpose, Refusal};
use crate::error::ErrorKind;
use crate::io::{Entropy, Fault, FaultyStorage, File, MemoryStorage, SeededEntropy, Storage};
use proptest::prelude::*;
use std::io;
use std::path::Path;
use std::sync::Arc;

const OTHER: &str = "other:1102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
const STORED: usize = FRAME_BYTES + TAG_BYTES;

fn keys() -> Arc<Keyring> {
    Arc::new(Keyring::parse(KEYS).unwrap())
}

fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SeededEntropy::new(seed).fill(&mut bytes);
    bytes
}

fn refused(file: &dyn File) -> Refusal {
    let len = match file.len() {
        Ok(len) => len,
        Err(error) => return Refusal::of(&error).expect("a refusal").clone(),
    };
    let error = file.read_exact_at(&mut vec![0; len as usize], 0).unwrap_err();
    Refusal::of(&error).unwrap_or_else(|| panic!("{error} is no refusal")).clone()
}

fn is_damage(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Damaged { .. })
}

#[test]
fn files_of_all_lengths_around_frames_come_back() {
    let keys = keys();
    for frames in 0..3 {
        for (less, more) in [(1, 0), (0, 0), (0, 1)] {
            let len = (frames * FRAME_BYTES + more).saturating_sub(less);
            let plain = bytes(len, 7);
            let stored = written(&plain, &keys);
            let layout = Layout::of(stored.len() as u64).unwrap();
            assert_eq!(
                (layout.len, layout.frames),
                (len as u64, len.div_ceil(FRAME_BYTES).max(1) as u64)
            );
            assert!(plain_of(stored, &keys).unwrap() == plain, "{len}");
        }
    }
}

/// It read as an empty one: nothing of it was asked for, so nothing was looked at.
#[test]
fn a_file_cut_to_the_length_of_an_empty_one_is_refused() {
    let keys = keys();
    let cut = written(&bytes(100, 1), &keys)[..HEADER_BYTES + TAG_BYTES].to_vec();
    assert!(is_damage(&refused(&file_of(cut, &keys))));
    let empty = written(&[], &keys);
    assert_eq!(empty.len(), HEADER_BYTES + TAG_BYTES);
    assert_eq!(plain_of(empty, &keys).unwrap(), [0; 0]);
}

#[test]
fn frames_and_files_that_change_places_are_refused() {
    let keys = keys();
    let stored = written(&bytes(4 * FRAME_BYTES, 1), &keys);
    let frame =
        |number: usize| HEADER_BYTES + number * STORED..HEADER_BYTES + (number + 1) * STORED;
    let mut swapped = stored.clone();
    swapped.copy_within(frame(1), frame(0).start);
    swapped[frame(1)].copy_from_slice(&stored[frame(0)]);
    assert!(is_damage(&refused(&file_of(swapped, &keys))));
    // At a frame's end, too: what was not the last is not the last.
    let cut = stored[..frame(2).end].to_vec();
    assert!(is_damage(&refused(&file_of(cut, &keys))));
    let mut longer = stored.clone();
    longer.extend(&stored[frame(3)]);
    assert!(is_damage(&refused(&file_of(longer, &keys))));
    // The frame of another file, at the same place.
    let disk = MemoryStorage::new();
    disk.create_dir_all(Path::new("/")).unwrap();
    let file = disk.create(Path::new("/f")).unwrap();
    let mut output = Output::begin(file, Some(&keys), &SeededEntropy::new(2)).unwrap();
    output.put(&bytes(4 * FRAME_BYTES, 1)).unwrap();
    output.finish().unwrap();
    let mut mixed = disk.read(Path::new("/f")).unwrap();
    mixed[frame(2)].copy_from_slice(&stored[frame(2)]);
    assert!(is_damage(&refused(&file_of(mixed, &keys))));
    // Without its frames.
    assert!(is_damage(&refused(&file_of(stored[..HEADER_BYTES].to_vec(), &keys))));
}

/// Put again behind a write that failed, a frame would have had the number of the one that may be there in
/// part; what was pending had no room for more, and the end of the file would have been plain.
#[test]
fn nothing_is_written_behind_a_write_that_failed() {
    let keys = keys();
    for given in [Some(&*keys), None] {
        for fault in [Fault::Refused, Fault::Error, Fault::Short] {
            let (disk, path) = (MemoryStorage::new(), Path::new("/f"));
            disk.create_dir_all(Path::new("/")).unwrap();
            let faulty = FaultyStorage::new(disk.clone());
            let file = faulty.create(path).unwrap();
            let mut output = Output::begin(file, given, &SeededEntropy::new(2)).unwrap();
            output.put(&bytes(2 * FRAME_BYTES, 1)).unwrap();
            faulty.fail(0, fault(io::ErrorKind::StorageFull));
            let failed = output.put(&bytes(FRAME_BYTES + 1, 2)).unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
            faulty.heal();
            let left = disk.read(path).unwrap();
            output.put(b"more").unwrap_err();
            output.put(&bytes(FRAME_BYTES, 3)).unwrap_err();
            output.finish().unwrap_err();
            assert!(disk.read(path).unwrap() == left, "nothing more was written");
        }
    }
}

#[test]
fn nothing_is_written_behind_the_end() {
    let (disk, path) = (MemoryStorage::new(), Path::new("/f"));
    disk.create_dir_all(Path::new("/")).unwrap();
    let file = disk.create(path).unwrap();
    let mut output = Output::begin(file, Some(&keys()), &SeededEntropy::new(2)).unwrap();
    output.put(b"plain").unwrap();
    output.finish().unwrap();
    output.put(b"plain").unwrap_err();
    assert!(memchr::memmem::find(&disk.read(path).unwrap(), b"plain").is_none());
}

#[test]
fn a_missing_key_and_a_wrong_one_are_told_by_name_and_are_no_damage() {
    let stored = written(b"secret", &keys());
    let other = Arc::new(Keyring::parse(OTHER).unwrap());
    let refusal = refused(&file_of(stored.clone(), &other));
    assert_eq!(refusal, Refusal::NoKey(KeyId::new("fuzz").unwrap()));
    let error = refusal.into_error(Path::new("f"));
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("\"fuzz\""), "{error}");
    let wrong = Arc::new(Keyring::parse(&OTHER.replace("other", "fuzz")).unwrap());
    let refusal = refused(&file_of(stored.clone(), &wrong));
    assert_eq!(refusal, Refusal::OtherKey(KeyId::new("fuzz").unwrap()));
    // Both are given, the other one is active: all can be read.
    let both = Arc::new(Keyring::parse(&format!("{OTHER}\n{KEYS}")).unwrap());
    assert_eq!(both.active(), KeyId::new("other").unwrap());
    assert_eq!(plain_of(stored, &both).unwrap(), b"secret");
}

#[test]
fn a_plain_file_is_read_as_it_is() {
    for plain in [&b""[..], b"LSCRYPT", b"a file that was written before there were keys"] {
        assert_eq!(plain_of(plain.to_vec(), &keys()).unwrap(), plain);
    }
}

#[test]
fn a_damaged_header_is_damage_and_a_later_version_is_not() {
    let stored = written(b"plain", &keys());
    for at in 8..HEADER_BYTES {
        let mut damaged = stored.clone();
        damaged[at] ^= 1;
        assert!(is_damage(&refused(&file_of(damaged, &keys()))), "{at}");
    }
    for at in [8, 11, 12] {
        let mut later = stored.clone();
        later[at] ^= 2;
        let crc = crate::codec::crc::crc32(0, &[&later[..60]]);
        later[60..64].copy_from_slice(&crc.to_le_bytes());
        let refusal = refused(&file_of(later, &keys()));
        assert!(matches!(refusal, Refusal::Unknown(_)), "{refusal}");
    }
}

#[test]
fn what_is_given_for_keys_is_checked_and_never_shown() {
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let one = Keyring::parse(&format!("# of 2026\n\n a.b-c_9:{base64} \n")).unwrap();
    assert_eq!(one.active().to_string(), "a.b-c_9");
    assert!(!format!("{one:?}").contains("AAEC"));
    let same = written(b"plain", &Keyring::parse(&format!("k:{hex}")).unwrap());
    let read = Arc::new(Keyring::parse(&format!("k:{base64}")).unwrap());
    assert_eq!(plain_of(same, &read).unwrap(), b"plain", "hex and Base64 mean the same key");
    let zeros = "00".repeat(32);
    for (text, what) in [
        (String::new(), "no encryption key"),
        ("# k:1".to_owned(), "no encryption key"),
        (hex.to_owned(), "name:key"),
        (format!(":{hex}"), "its name"),
        (format!("seventeen-letters:{hex}"), "its name"),
        (format!("k/v:{hex}"), "its name"),
        (format!("k:{}", &hex[1..]), "32 bytes"),
        (format!("k:{}", &base64[4..]), "32 bytes"),
        (format!("k:{}g", &hex[1..]), "32 bytes"),
        (format!("k:{zeros}"), "not a random key"),
        (format!("k:{hex},k:{}", hex.replace('1', "2")), "same name"),
        (format!("k:{hex} l:{hex}"), "the same as another"),
    ] {
        let error = Keyring::parse(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(what), "{error}");
        assert!(!error.to_string().contains("0102"), "X3: {error}");
    }
}

fn message(keys: &Keyring, plain: &[u8]) -> Vec<u8> {
    let mut buffer = b"before".to_vec();
    let message = Sealed::begin(&mut buffer);
    buffer.extend(plain);
    message.finish(keys, &SeededEntropy::new(3), (Purpose::Group, b"here"), &mut buffer);
    assert_eq!(&buffer[..6], b"before");
    buffer.split_off(6)
}

#[test]
fn an_object_opens_under_its_own_name() {
    let stored = seal_object(&keys(), &SeededEntropy::new(1), "cat/1", b"edit");
    assert_eq!(open_object(Some(&keys()), "cat/1", &stored).unwrap(), &b"edit"[..]);
    assert_eq!(open_object(Some(&keys()), "cat/1", b"plain").unwrap(), &b"plain"[..]);
    let moved = open_object(Some(&keys()), "cat/2", &stored).unwrap_err();
    assert_eq!(moved.kind(), ErrorKind::Corrupt);
    assert_eq!(open_object(None, "cat/1", &stored).unwrap_err().kind(), ErrorKind::Locked);
}

proptest! {
    #[test]
    fn any_range_is_the_plain_one(
        len in 0..5 * FRAME_BYTES,
        ranges in prop::collection::vec((any::<prop::sample::Index>(), 0..3 * FRAME_BYTES), 1..12),
        seed: u64,
    ) {
        let plain = bytes(len, seed);
        let file: Input = file_of(written(&plain, &keys()), &keys());
        prop_assert_eq!(file.len().unwrap(), len as u64);
        for (start, wanted) in ranges {
            let start = start.index(len + 1);
            let mut buffer = vec![0; wanted];
            let read = file.read_at(&mut buffer, start as u64).unwrap();
            prop_assert_eq!(read, wanted.min(len - start));
            prop_assert!(buffer[..read] == plain[start..start + read]);
            let region = file.region(start as u64..(start + read) as u64).unwrap();
            prop_assert!(region.read(|bytes| bytes == &plain[start..start + read]).unwrap());
        }
        prop_assert!(file.region(0..len as u64 + 1).is_err());
    }

    #[test]
    fn no_flipped_bit_and_no_cut_passes(
        len in 0..2 * FRAME_BYTES,
        bit in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let stored = written(&bytes(len, 5), &keys());
        let mut flipped = stored.clone();
        // The first bytes say that it is encrypted at all; formats refuse what is not theirs.
        let bit = 64 + bit.index(8 * stored.len() - 64);
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(is_damage(&refused(&file_of(flipped, &keys()))));
        let cut = 8 + cut.index(stored.len() - 8);
        prop_assert!(is_damage(&refused(&file_of(stored[..cut].to_vec(), &keys()))));
    }

    #[test]
    fn a_message_opens_at_its_place_alone(
        plain in prop::collection::vec(any::<u8>(), 0..300),
        bit in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let keys = keys();
        let stored = message(&keys, &plain);
        prop_assert_eq!(stored.len(), plain.len() + HEADER_BYTES + TAG_BYTES);
        let read = |purpose, place: &[u8], stored: &[u8]| open(Some(&keys), (purpose, place), stored);
        prop_assert_eq!(read(Purpose::Group, b"here", &stored).unwrap(), plain);
        prop_assert!(read(Purpose::Group, b"there", &stored).is_err());
        prop_assert!(read(Purpose::Edit, b"here", &stored).is_err());
        let mut flipped = stored.clone();
        let bit = bit.index(8 * stored.len());
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(is_damage(&read(Purpose::Group, b"here", &flipped).unwrap_err()));
        let cut = cut.index(stored.len());
        prop_assert!(is_damage(&read(Purpose::Group, b"here", &stored[..cut]).unwrap_err()));
    }

    #[test]
    fn any_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        super::fuzzing::fuzz(&bytes);
    }
}
