//! Reads `docs/format/filter.md`: what the page says is what the code does.

use super::bloom::Bloom;
use super::testing::rows;
use super::tokens::for_each_token;
use super::{Filter, filter_bytes, terms};
use crate::event::Kind;

const PAGE: &str = include_str!("../../../docs/format/filter.md");

/// The contents of the page's code blocks in this language.
fn code_blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    PAGE.split(&begin).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn dump(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).enumerate().map(|(line, bytes)| {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}  {}\n", line * 16, hex.join(" "))
    });
    lines.collect()
}

#[test]
fn the_bytes_on_the_format_page_are_those_of_the_writer() {
    let messages = ["Timeout of conn4711", "a b c d e f g h i j k l m n o p q r s t"];
    let dumps = code_blocks("hex");
    assert_eq!(dumps.len(), messages.len() + 1);
    let rows_of = |message: &str| rows(&[&[("message", Kind::String, message.as_bytes())]]);
    for (message, expected) in messages.into_iter().zip(&dumps) {
        assert!(PAGE.contains(&format!(r#"{{"message":"{message}"}}"#)), "{message}");
        assert_eq!(dump(&filter_bytes(&rows_of(message))), *expected, "{message}");
    }
    let bloom = Bloom::build(&terms::collect(&rows_of(messages[1]), |_| None));
    let mut bytes = Vec::new();
    Filter::Bloom(bloom).encode(&mut bytes);
    assert_eq!(dump(&bytes), dumps[2]);
}

#[test]
fn the_tokens_on_the_format_page_are_those_of_the_tokenizer() {
    let lines: Vec<&str> = code_blocks("tokens").into_iter().flat_map(str::lines).collect();
    assert_eq!(lines.len(), 12);
    for line in lines {
        let (text, expected) = line.split_once("=>").expect("text => tokens");
        let mut tokens = Vec::new();
        for_each_token(text.as_bytes(), |token| {
            tokens.push(String::from_utf8(token.bytes.to_vec()).expect("tokens are UTF-8"));
        });
        assert_eq!(tokens.join(" "), expected.trim(), "{text}");
    }
}
