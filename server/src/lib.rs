//! The Logstrata server: a thin HTTP edge around the engine, and the command line.
//!
//! ```text
//! serve (connections) -> guard -> router -> api (one handler a file) -> ingest -> engine
//! ```

mod api;
pub mod cli;
mod config;
mod connections;
mod files;
mod gate;
mod guard;
pub mod ingest;
mod machine;
mod metrics;
mod router;
mod serve;
mod stalled;
mod status;
mod units;

pub use serve::{Behaviour, run};
