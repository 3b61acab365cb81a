//! The Logstrata server: a thin HTTP edge around the engine, and the command line.
//!
//! ```text
//! serve (connections) -> guard -> router -> api (one handler a file) -> ingest -> engine
//! ```

mod api;
mod clean;
pub mod cli;
mod config;
mod connections;
mod encryption;
mod export;
mod files;
mod gate;
mod guard;
pub mod ingest;
mod keeper;
mod machine;
mod metrics;
mod openapi;
mod panics;
mod router;
mod serve;
mod slow;
mod sse;
mod stalled;
mod status;
mod tails;
mod units;

#[doc(hidden)]
pub use api::fuzzing::parameters as fuzz_parameters;
#[doc(hidden)]
pub use export::exported_bytes;
pub use keeper::Schedule;
pub use serve::{Behaviour, run};
