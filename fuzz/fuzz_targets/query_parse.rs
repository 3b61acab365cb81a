//! Any text is a query or a syntax error whose place is in the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use logstrata_engine::query::parse;

fuzz_target!(|text: &str| {
    if let Err(e) = parse(text) {
        assert!(text.get(e.span.clone()).is_some(), "{e:?}");
    }
});
