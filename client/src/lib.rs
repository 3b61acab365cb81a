//! A client for the Logstrata HTTP API.
//!
//! ```no_run
//! use logstrata_client::{Client, wire::SearchQuery};
//!
//! # async fn example() -> Result<(), logstrata_client::Error> {
//! let client = Client::new("http://127.0.0.1:7600")?;
//! let answer = client
//!     .ingest_ndjson(&b"{\"level\":\"error\",\"service\":\"pay\",\"message\":\"card declined\"}\n"[..])
//!     .await?;
//! assert_eq!(answer.accepted, 1);
//!
//! let page = client
//!     .search(&SearchQuery { q: "level:error declined".into(), ..SearchQuery::default() })
//!     .await?;
//! for event in &page.logs {
//!     println!("{}", event.get());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Every call is one request; [`Retry`] repeats those that the server refused for the moment, and
//! [`Batcher`] collects events into bodies of a good size.

mod archive;
mod batcher;
mod client;
mod error;
mod query_string;
mod retry;
mod sse;
mod tail;
pub mod wire;

pub use batcher::{Batcher, BatcherLimits, Body, run as run_batcher};
pub use client::{Client, Download};
pub use error::{Error, Refusal, Result};
pub use query_string::{
    BadQueryString, decode as decode_query_string, decode_segment, encode as encode_query_string,
    encode_segment,
};
pub use retry::Retry;
pub use tail::{Tail, Told};
