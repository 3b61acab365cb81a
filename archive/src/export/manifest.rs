//! The manifest of an exported day, and the word that one is begun: JSON, for others to read.

use crate::error::{Error, ErrorKind, Result};
use logstrata_engine::{ChainPlace, Day, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What stands in `format`, so that it is known from any other JSON.
const MANIFEST: &str = "logstrata-export";
const BEGUN: &str = "logstrata-export-begun";
/// The version of both. Readers refuse others.
const VERSION: u32 = 1;
/// A manifest of more files than anybody can have.
pub(super) const BYTES_MAX: u64 = 64 << 20;

/// What is exported of a tenant's day. Names, counts and hashes of all its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayManifest {
    format: String,
    version: u32,
    /// The store's uuid: 32 hexadecimal digits.
    pub store: String,
    /// Whose events these are.
    pub tenant: String,
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    /// From 1 on. The manifest with the highest number counts.
    pub number: u64,
    /// BLAKE3 of the manifest before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// When it was written, RFC 3339.
    pub exported: String,
    /// All events of the day up to this sequence number are in the files, itself included.
    pub through_seq: u64,
    /// Events in all files.
    pub events: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Behind a renewal: the manifest with this number is the first, those below it are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<u64>,
    /// The store's history when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryPlace>,
    /// By class: how many events exact purges had taken when the first of its files was written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub erased: BTreeMap<String, u64>,
    /// The same of events that were lost in other ways.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<String, u64>,
    /// By name of class, then in the order of their events; those of earlier manifests first.
    pub files: Vec<DayFile>,
}

/// A file of an exported day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayFile {
    /// Beside the manifest.
    pub name: String,
    /// The retention class of its events.
    pub class: String,
    /// The first manifest that lists it; behind the first one its events came late.
    pub since: u64,
    /// How many events it has.
    pub events: u64,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its bytes: 64 hexadecimal digits.
    pub blake3: String,
    /// SHA-256 of its bytes: 64 hexadecimal digits.
    pub sha256: String,
    /// The sequence numbers of its first and its last event.
    pub seqs: (u64, u64),
    /// The earliest and the latest timestamp, RFC 3339.
    pub times: (String, String),
}

/// The place of an edit in a store's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPlace {
    /// The number of its manifest.
    pub manifest: u64,
    /// The number of the edit in that.
    pub edit: u64,
    /// The hash of the edit: 64 hexadecimal digits.
    pub hash: String,
}

/// What a manifest has that does not follow from its place.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) through_seq: u64,
    pub(super) begins: Option<u64>,
    pub(super) history: Option<HistoryPlace>,
    pub(super) erased: BTreeMap<String, u64>,
    pub(super) lost: BTreeMap<String, u64>,
    pub(super) files: Vec<DayFile>,
}

/// That an export has begun: what it will have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    format: String,
    version: u32,
    pub(super) store: String,
    pub(super) tenant: String,
    pub(super) day: String,
    pub(super) number: u64,
    pub(super) through_seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) history: Option<HistoryPlace>,
}

impl From<ChainPlace> for HistoryPlace {
    fn from(place: ChainPlace) -> Self {
        let ChainPlace { manifest, edit, hash } = place;
        Self { manifest, edit, hash: blake3::Hash::from_bytes(hash).to_hex().to_string() }
    }
}

impl HistoryPlace {
    /// The same for the engine; `None` if the hash is none.
    pub(super) fn place(&self) -> Option<ChainPlace> {
        let hash = blake3::Hash::from_hex(&self.hash).ok()?;
        Some(ChainPlace { manifest: self.manifest, edit: self.edit, hash: *hash.as_bytes() })
    }
}

/// Which manifest of which day it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) store: &'a str,
    pub(super) tenant: &'a str,
    pub(super) day: Day,
    pub(super) number: u64,
}

impl DayManifest {
    /// The manifest behind `before`.
    pub(super) fn new(
        place: Place<'_>,
        before: Option<&Self>,
        exported: Timestamp,
        content: Content,
    ) -> Self {
        let Content { through_seq, begins, history, erased, lost, files } = content;
        Self {
            format: MANIFEST.to_owned(),
            version: VERSION,
            store: place.store.to_owned(),
            tenant: place.tenant.to_owned(),
            day: place.day.to_string(),
            number: place.number,
            previous: before.map(|before| blake3::hash(&before.encode()).to_hex().to_string()),
            exported: exported.to_string(),
            through_seq,
            events: files.iter().fold(0, |sum, file| file.events.saturating_add(sum)),
            bytes: files.iter().fold(0, |sum, file| file.bytes.saturating_add(sum)),
            begins,
            history,
            erased,
            lost,
            files,
        }
    }

    /// How many events the files of a class have; `None` if it has no files.
    pub(super) fn events_of(&self, class: &str) -> Option<u64> {
        let of_class = self.files.iter().filter(|file| file.class == class);
        of_class.fold(None, |sum, file| Some(file.events.saturating_add(sum.unwrap_or(0))))
    }

    /// Its bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// What was put at a place, held against it and against itself.
    pub(super) fn decode(bytes: &[u8], name: &str, place: Place<'_>) -> Result<Self> {
        let found: Self = parse(bytes, name, MANIFEST)?;
        check(name, place, (&found.store, &found.tenant, &found.day, found.number))?;
        let sum = |of: fn(&DayFile) -> u64| {
            found.files.iter().try_fold(0_u64, |sum, file| sum.checked_add(of(file)))
        };
        if (sum(|file| file.events), sum(|file| file.bytes))
            != (Some(found.events), Some(found.bytes))
        {
            return Err(Error::corrupt(format!("{name} has other sums than its files")));
        }
        let is_plain = |file: &DayFile| !file.name.is_empty() && !file.name.contains('/');
        let is_before = |file: &DayFile| file.seqs.1 <= found.through_seq;
        if !found.files.iter().all(|file| is_plain(file) && is_before(file)) {
            return Err(Error::corrupt(format!("{name} names a file that can't be of it")));
        }
        if found.begins.is_some_and(|begins| begins > found.number) {
            return Err(Error::corrupt(format!("{name} begins behind itself")));
        }
        Ok(found)
    }

    /// Whether it is of this day.
    pub fn is_of(&self, day: Day) -> bool {
        self.day == day.to_string()
    }
}

impl Begun {
    pub(super) fn new(place: Place<'_>, through_seq: u64, history: HistoryPlace) -> Self {
        Self {
            format: BEGUN.to_owned(),
            version: VERSION,
            store: place.store.to_owned(),
            tenant: place.tenant.to_owned(),
            day: place.day.to_string(),
            number: place.number,
            through_seq,
            history: Some(history),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    pub(super) fn decode(bytes: &[u8], name: &str, place: Place<'_>) -> Result<Self> {
        let found: Self = parse(bytes, name, BEGUN)?;
        check(name, place, (&found.store, &found.tenant, &found.day, found.number))?;
        Ok(found)
    }
}

/// The name of a manifest, or of the word that it is begun.
pub(super) fn manifest_name(number: u64) -> String {
    format!("manifest-{number:04}.json")
}

pub(super) fn begun_name(number: u64) -> String {
    format!("begun-{number:04}.json")
}

/// The number of a manifest by its name.
pub(super) fn number_of(name: &str) -> Option<u64> {
    number_between(name, "manifest-").filter(|number| manifest_name(*number) == name)
}

/// The number of a manifest or of the word that it is begun.
pub(super) fn number_of_either(name: &str) -> Option<u64> {
    let begun = || number_between(name, "begun-").filter(|number| begun_name(*number) == name);
    number_of(name).or_else(begun)
}

fn number_between(name: &str, before: &str) -> Option<u64> {
    name.strip_prefix(before)?.strip_suffix(".json")?.parse().ok()
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("plain values always serialize");
    bytes.push(b'\n');
    bytes
}

/// What every version of these objects has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

fn parse<T: for<'a> Deserialize<'a>>(bytes: &[u8], name: &str, format: &str) -> Result<T> {
    let wrong = |what: String| Error::corrupt(format!("{name} is no {format}: {what}"));
    let head: Head = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    if head.format != format {
        return Err(wrong("it says that it is something else".to_owned()));
    }
    if head.version != VERSION {
        let (kind, version) = (ErrorKind::Unsupported, head.version);
        return Err(Error::new(kind, format!("{name} has version {version} of {format}")));
    }
    serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))
}

fn check(
    name: &str,
    place: Place<'_>,
    (store, tenant, day, number): (&str, &str, &str, u64),
) -> Result<()> {
    if store != place.store {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "{name} is of another store: two stores can't export the same tenant to the same \
                 folder. Set archive.export_folder of one of them"
            ),
        ));
    }
    if (tenant, day, number) != (place.tenant, &*place.day.to_string(), place.number) {
        return Err(Error::corrupt(format!("{name} is of another day or number")));
    }
    Ok(())
}

/// Reads any bytes as either; must not panic, and what is read is written as it is.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let place = Place { store: "00", tenant: "default", day: Day(20_000), number: 1 };
    if let Ok(found) = DayManifest::decode(bytes, "fuzzed", place) {
        let again = DayManifest::decode(&found.encode(), "written", place).expect("reads back");
        assert_eq!(again, found);
    }
    if let Ok(found) = Begun::decode(bytes, "fuzzed", place) {
        assert_eq!(Begun::decode(&found.encode(), "written", place).expect("reads back"), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACE: Place<'_> = Place { store: "00", tenant: "default", day: Day(20_000), number: 1 };

    fn manifest() -> DayManifest {
        let file = DayFile {
            name: "info-0001.ndjson".into(),
            class: "info".into(),
            since: 1,
            events: 2,
            bytes: 30,
            blake3: "b".repeat(64),
            sha256: "5".repeat(64),
            seqs: (1, 5),
            times: ("2024-10-04T00:00:00Z".into(), "2024-10-04T01:00:00Z".into()),
        };
        let hash = "a".repeat(64);
        let content = Content {
            through_seq: 7,
            begins: Some(1),
            history: Some(HistoryPlace { manifest: 1, edit: 2, hash }),
            erased: BTreeMap::from([("info".to_owned(), 3)]),
            lost: BTreeMap::from([("info".to_owned(), 1)]),
            files: vec![file],
        };
        DayManifest::new(PLACE, None, Timestamp(0), content)
    }

    #[test]
    fn a_manifest_comes_back_and_lists_what_was_before() {
        let first = manifest();
        assert_eq!(DayManifest::decode(&first.encode(), "m", PLACE).unwrap(), first);
        let place = Place { number: 2, ..PLACE };
        let files = [first.files.clone(), first.files.clone()].concat();
        let content = Content { through_seq: 9, files, ..Content::default() };
        let second = DayManifest::new(place, Some(&first), Timestamp(1), content);
        assert_eq!((second.events_of("info"), second.events_of("else")), (Some(4), None));
        let bytes = second.encode();
        for absent in ["begins", "history", "erased", "lost"] {
            assert!(!std::str::from_utf8(&bytes).unwrap().contains(absent), "{absent}");
        }
        let history = first.history.as_ref().unwrap();
        assert_eq!(history.place().map(HistoryPlace::from).as_ref(), Some(history));
        assert_eq!((second.events, second.bytes, second.files.len()), (4, 60, 2));
        let hash = blake3::hash(&first.encode()).to_hex().to_string();
        assert_eq!(second.previous.as_deref(), Some(&*hash));
        assert!(DayManifest::decode(&second.encode(), "m", PLACE).is_err(), "another number");
        assert_eq!(
            (number_of("manifest-0012.json"), number_of("manifest-12.json")),
            (Some(12), None)
        );
        assert_eq!(number_of("manifest-12345.json"), Some(12_345));
        assert_eq!(
            (number_of("begun-0002.json"), number_of_either("begun-0002.json")),
            (None, Some(2))
        );
        assert_eq!(
            (number_of_either("manifest-0003.json"), number_of_either("begun-2.json")),
            (Some(3), None)
        );
    }

    #[test]
    fn what_is_another_store_s_or_damaged_is_refused() {
        let bytes = manifest().encode();
        let other = Place { store: "01", ..PLACE };
        let error = DayManifest::decode(&bytes, "m", other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let text = String::from_utf8(bytes).unwrap();
        for (from, to, kind) in [
            ("\"version\": 1", "\"version\": 2", ErrorKind::Unsupported),
            ("\"events\": 2", "\"events\": 18446744073709551615", ErrorKind::Corrupt),
            ("\"through_seq\": 7", "\"through_seq\": 4", ErrorKind::Corrupt),
            ("info-0001", "../info", ErrorKind::Corrupt),
            ("logstrata-export", "else", ErrorKind::Corrupt),
            ("\"begins\": 1", "\"begins\": 2", ErrorKind::Corrupt),
        ] {
            let error = DayManifest::decode(text.replacen(from, to, 1).as_bytes(), "m", PLACE);
            assert_eq!(error.unwrap_err().kind(), kind, "{from}");
        }
    }

    #[test]
    fn the_page_of_the_format_has_a_manifest() {
        let page = include_str!("../../../docs/format/export.md");
        let (_, rest) = page.split_once("```json\n").unwrap();
        let (json, _) = rest.split_once("```").unwrap();
        let days = logstrata_engine::days_from_civil(2026, 11, 14);
        let place = Place {
            store: "00112233445566778899aabbccddeeff",
            tenant: "default",
            day: Day(i32::try_from(days).unwrap()),
            number: 1,
        };
        let found = DayManifest::decode(json.as_bytes(), "the page", place).unwrap();
        assert_eq!((found.events, found.files.len()), (1_204, 1));
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_refused_or_read(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = manifest().encode();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            fuzz(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            fuzz(&bytes);
        }
    }
}
