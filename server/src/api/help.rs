//! `GET /api/v1/query/help`: the language of queries, from the page whose lines are tests.

use super::{Call, Outcome};
use crate::status::with_type;

const PAGE: &str = include_str!("../../../docs/query.md");

pub(super) async fn get(call: Call) -> Outcome {
    call.params(&[])?;
    // What is for the tests alone is not for people.
    let shown = PAGE.lines().filter(|line| !line.starts_with("<!--"));
    let text: String = shown.flat_map(|line| [line, "\n"]).collect();
    Ok(with_type("text/markdown; charset=utf-8", text))
}
