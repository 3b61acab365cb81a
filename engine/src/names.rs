//! Every file name of a store, made and parsed here and nowhere else.
//!
//! ```text
//! DIR/LOCK
//! DIR/MANIFEST-0000000001      DIR/CHAIN-0000000001
//! DIR/wal/<generation, 16 hex digits>-<index, 8 hex digits>.wal      DIR/wal/free-<number>.wal
//! DIR/segments/<generation, 16 hex digits>.l0
//! DIR/keys/<generation, 16 hex digits>.keys
//! DIR/segments/<number, 16 hex digits>.seg      DIR/segments/<number, 16 hex digits>.pack
//! ```
//! A file under construction is named as it will be, with `.tmp` behind.

use std::path::{Path, PathBuf};

/// A name that is ours. All others are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// `LOCK`: held while a process has the store open.
    Lock,
    /// `MANIFEST-0000000001`, in the store's directory.
    Manifest(u64),
    /// `CHAIN-0000000001`, in the store's directory: the links of the manifest of this number.
    Chain(u64),
    /// `0000000000000001-00000000.wal`, in `wal/`.
    Wal(WalFileId),
    /// `free-7.wal`, in `wal/`: zero-filled or recycled.
    FreeWal(u64),
    /// `0000000000000001.l0`, in `segments/`.
    LevelZero(u64),
    /// `0000000000000001.keys`, in `keys/`.
    Keys(u64),
    /// `0000000000000001.seg`, in `segments/`.
    Segment(u64),
    /// `0000000000000001.pack`, in `segments/`.
    Pack(u64),
    /// `RESTORING`: what is beside it is of a restore that has not ended.
    Restoring,
    /// `ERASING`: an exact purge took events that the archive may have still.
    Erasing,
    /// The name of any of the others, with `.tmp` behind: not finished when the process ended.
    Temporary,
}

/// A file of the log: its generation, and its place among the files of that generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WalFileId {
    /// Counts from 1.
    pub(crate) generation: u64,
    /// Counts from 0.
    pub(crate) index: u32,
}

/// The highest number that `MANIFEST-` has digits for.
pub(crate) const MANIFEST_NUMBER_MAX: u64 = 9_999_999_999;

/// The directory of the log.
pub(crate) fn wal_dir(dir: &Path) -> PathBuf {
    dir.join("wal")
}

/// The directory of level-0 files, segments and packs.
pub(crate) fn segments_dir(dir: &Path) -> PathBuf {
    dir.join("segments")
}

/// The lock of the store in `dir`.
pub(crate) fn lock(dir: &Path) -> PathBuf {
    dir.join(Name::Lock.text())
}

/// The mark of a directory that a store is restored into.
pub(crate) fn restoring(dir: &Path) -> PathBuf {
    dir.join(Name::Restoring.text())
}

/// The mark of a store whose archive has to give up what an exact purge took.
pub(crate) fn erasing(dir: &Path) -> PathBuf {
    dir.join(Name::Erasing.text())
}

/// The manifest of this number.
pub(crate) fn manifest(dir: &Path, number: u64) -> PathBuf {
    dir.join(Name::Manifest(number).text())
}

/// The links of the manifest of this number.
pub(crate) fn chain(dir: &Path, number: u64) -> PathBuf {
    dir.join(Name::Chain(number).text())
}

/// A file of the log.
pub(crate) fn wal(dir: &Path, id: WalFileId) -> PathBuf {
    wal_dir(dir).join(Name::Wal(id).text())
}

/// A file that waits to become one of the log.
pub(crate) fn free_wal(dir: &Path, number: u64) -> PathBuf {
    wal_dir(dir).join(Name::FreeWal(number).text())
}

/// The level-0 file of a generation.
pub(crate) fn level_zero(dir: &Path, generation: u64) -> PathBuf {
    segments_dir(dir).join(Name::LevelZero(generation).text())
}

/// The directory of files of keys.
pub(crate) fn keys_dir(dir: &Path) -> PathBuf {
    dir.join("keys")
}

/// The file of a generation's keys.
pub(crate) fn keys(dir: &Path, generation: u64) -> PathBuf {
    keys_dir(dir).join(Name::Keys(generation).text())
}

/// A segment.
pub(crate) fn segment(dir: &Path, number: u64) -> PathBuf {
    segments_dir(dir).join(Name::Segment(number).text())
}

/// A pack.
pub(crate) fn pack(dir: &Path, number: u64) -> PathBuf {
    segments_dir(dir).join(Name::Pack(number).text())
}

/// A path within a store as one text, the same on every system.
pub(crate) fn in_store(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// The name of a file while it is written.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

impl Name {
    /// The name; [`Name::Temporary`] has none of its own (see [`temporary`]).
    fn text(self) -> String {
        match self {
            Self::Lock => "LOCK".to_owned(),
            Self::Restoring => "RESTORING".to_owned(),
            Self::Erasing => "ERASING".to_owned(),
            Self::Manifest(number) => {
                assert!(number <= MANIFEST_NUMBER_MAX, "a manifest number has ten digits");
                format!("MANIFEST-{number:010}")
            }
            Self::Chain(number) => {
                assert!(number <= MANIFEST_NUMBER_MAX, "a manifest number has ten digits");
                format!("CHAIN-{number:010}")
            }
            Self::Wal(WalFileId { generation, index }) => {
                format!("{generation:016x}-{index:08x}.wal")
            }
            Self::FreeWal(number) => format!("free-{number}.wal"),
            Self::LevelZero(generation) => format!("{generation:016x}.l0"),
            Self::Keys(generation) => format!("{generation:016x}.keys"),
            Self::Segment(number) => format!("{number:016x}.seg"),
            Self::Pack(number) => format!("{number:016x}.pack"),
            Self::Temporary => unreachable!("temporary files are named after what they become"),
        }
    }

    /// What a name means; `None` if it is not exactly one that is made here.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(stem) = text.strip_suffix(".tmp") {
            return match Self::parse(stem)? {
                Self::Temporary => None,
                _ => Some(Self::Temporary),
            };
        }
        let name = Self::parse_any(text)?;
        // Other spellings (capitals, a sign, missing zeros) are not ours.
        (name.text() == text).then_some(name)
    }

    fn parse_any(text: &str) -> Option<Self> {
        let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
        if text == "LOCK" {
            Some(Self::Lock)
        } else if text == "RESTORING" {
            Some(Self::Restoring)
        } else if text == "ERASING" {
            Some(Self::Erasing)
        } else if let Some(number) = text.strip_prefix("MANIFEST-") {
            let number = number.parse().ok().filter(|number| *number <= MANIFEST_NUMBER_MAX)?;
            Some(Self::Manifest(number))
        } else if let Some(number) = text.strip_prefix("CHAIN-") {
            let number = number.parse().ok().filter(|number| *number <= MANIFEST_NUMBER_MAX)?;
            Some(Self::Chain(number))
        } else if let Some(generation) = text.strip_suffix(".l0") {
            Some(Self::LevelZero(hex(generation)?))
        } else if let Some(generation) = text.strip_suffix(".keys") {
            Some(Self::Keys(hex(generation)?))
        } else if let Some(number) = text.strip_suffix(".seg") {
            Some(Self::Segment(hex(number)?))
        } else if let Some(number) = text.strip_suffix(".pack") {
            Some(Self::Pack(hex(number)?))
        } else {
            let stem = text.strip_suffix(".wal")?;
            if let Some(number) = stem.strip_prefix("free-") {
                return Some(Self::FreeWal(number.parse().ok()?));
            }
            let (generation, index) = stem.split_once('-')?;
            let index = u32::try_from(hex(index)?).ok()?;
            Some(Self::Wal(WalFileId { generation: hex(generation)?, index }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_name() -> impl Strategy<Value = Name> {
        prop_oneof![
            Just(Name::Lock),
            (0..=MANIFEST_NUMBER_MAX).prop_map(Name::Manifest),
            (0..=MANIFEST_NUMBER_MAX).prop_map(Name::Chain),
            any::<(u64, u32)>()
                .prop_map(|(generation, index)| Name::Wal(WalFileId { generation, index })),
            any::<u64>().prop_map(Name::FreeWal),
            any::<u64>().prop_map(Name::LevelZero),
            any::<u64>().prop_map(Name::Keys),
            any::<u64>().prop_map(Name::Segment),
            any::<u64>().prop_map(Name::Pack),
        ]
    }

    proptest! {
        #[test]
        fn any_name_comes_back(name in any_name()) {
            let text = name.text();
            prop_assert_eq!(Name::parse(&text), Some(name));
            let path = temporary(Path::new(&text));
            prop_assert_eq!(Name::parse(path.to_str().unwrap()), Some(Name::Temporary));
        }

        #[test]
        fn a_name_that_parses_is_the_one_that_is_made(text in "[a-fLOCKMNIESTAH0-9.\\-walftmprsgk+]{0,32}") {
            if let Some(name) = Name::parse(&text).filter(|name| *name != Name::Temporary) {
                prop_assert_eq!(name.text(), text);
            }
        }
    }

    #[test]
    fn foreign_names_are_none_of_ours() {
        for text in [
            "",
            "lock",
            "LOCK ",
            "MANIFEST-1",
            "MANIFEST-00000000001",
            "MANIFEST-+000000001",
            "CHAIN-1",
            "000000000000000A.l0",
            "000000000000001.l0",
            "000000000000001.seg",
            "000000000000000A.pack",
            ".pack",
            "0000000000000001-0000000.wal",
            "0000000000000001-000000000.wal",
            "0000000000000001.wal",
            "free-.wal",
            "free-01.wal",
            "free-+1.wal",
            "notes.tmp",
            "LOCK.tmp.tmp",
            "LOCK~",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
