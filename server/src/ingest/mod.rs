//! What senders write becomes batches: one decoder for each form, bytes in, events out, no I/O.
//! The HTTP handlers and the command line use the same ones.

pub mod body;
mod cursor;
mod detect;
mod fields;
pub mod json;
mod level;
#[cfg(test)]
mod testing;
pub mod text;
mod time;

pub use detect::{Format, detect};
pub use fields::canonical_name;
pub use level::{level_of_name, parse_level};
pub use time::{ParsedTime, parse_query_time, parse_timestamp};
