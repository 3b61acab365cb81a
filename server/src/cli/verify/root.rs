//! The text of a root: `docs/verify.md`.

use logstrata_engine::Root;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "logstrata-root";
const VERSION: u32 = 1;

/// A root as JSON. Hashes are hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootText {
    format: String,
    version: u32,
    store: String,
    pub(super) manifest: u64,
    pub(super) edit: u64,
    pub(super) hash: String,
    generation: u64,
    pub(super) next_seq: u64,
    runs: u64,
    dropped_events: u64,
    runs_hash: String,
}

impl RootText {
    pub(super) fn of(root: &Root) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            store: to_hex(&root.store),
            manifest: root.manifest,
            edit: root.edit,
            hash: to_hex(&root.hash),
            generation: root.generation,
            next_seq: root.next_seq,
            runs: root.runs,
            dropped_events: root.dropped_events,
            runs_hash: to_hex(&root.runs_hash),
        }
    }

    pub(super) fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("numbers and texts");
        text.push('\n');
        text
    }

    /// The root of these bytes of a file; an error says what is wrong with them.
    pub(super) fn parse(bytes: &[u8]) -> Result<Root, String> {
        let text: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("no root of a store: {error}"))?;
        if (&*text.format, text.version) != (FORMAT, VERSION) {
            let Self { format, version, .. } = text;
            return Err(format!(
                "{format:?} of version {version}; this program knows {FORMAT:?} of version {VERSION}"
            ));
        }
        Ok(Root {
            store: from_hex(&text.store, "store")?,
            manifest: text.manifest,
            edit: text.edit,
            hash: from_hex(&text.hash, "hash")?,
            generation: text.generation,
            next_seq: text.next_seq,
            runs: text.runs,
            dropped_events: text.dropped_events,
            runs_hash: from_hex(&text.runs_hash, "runs_hash")?,
        })
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str, name: &str) -> Result<[u8; N], String> {
    let wrong = || format!("{name} has to be {} hex digits", 2 * N);
    let mut bytes = [0; N];
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(wrong());
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> Root {
        Root {
            store: [0xab; 16],
            manifest: 3,
            edit: 17,
            hash: [7; 32],
            generation: 90,
            next_seq: 1_000_001,
            runs: 540,
            dropped_events: 12,
            runs_hash: [0xf0; 32],
        }
    }

    #[test]
    fn a_root_comes_back() {
        let json = RootText::of(&example()).to_json();
        assert_eq!(RootText::parse(json.as_bytes()), Ok(example()));
    }

    #[test]
    fn what_is_no_root_is_refused() {
        let json = RootText::of(&example()).to_json();
        for (from, to) in [
            ("\"version\": 1", "\"version\": 2"),
            ("logstrata-root", "another"),
            ("abab", "abag"),
            ("abab", "ab"),
            ("\"runs\"", "\"walks\""),
            ("540", "-1"),
        ] {
            let changed = json.replacen(from, to, 1);
            assert_ne!(changed, json);
            assert!(RootText::parse(changed.as_bytes()).is_err(), "{changed}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_no_panic(bytes: Vec<u8>, at: prop::sample::Index, byte: u8) {
            let _ = RootText::parse(&bytes);
            let mut json = RootText::of(&example()).to_json().into_bytes();
            let at = at.index(json.len());
            json[at] = byte;
            let _ = RootText::parse(&json);
        }
    }
}
