//! The dump at the end of the format page.

use super::fuzzing::{KEYS, plain_of, written};
use super::keyring::Keyring;
use crate::codec::dump;
use std::sync::Arc;

const PAGE: &str = include_str!("../../../docs/format/encryption.md");
const PLAIN: &[u8] = b"what the format wrote";

#[test]
fn the_dump_of_the_format_page_is_read_and_written() {
    let keys = Arc::new(Keyring::parse(KEYS).unwrap());
    let bytes = written(PLAIN, &keys);
    assert!(dump::from_page(PAGE) == bytes, "the page has to end in\n{}", dump::to_text(&bytes));
    assert_eq!(plain_of(bytes, &keys).unwrap(), PLAIN);
}
