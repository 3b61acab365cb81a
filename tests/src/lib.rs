//! What the tests of Logstrata share: a reference model of the store, random workloads, the fuzz
//! targets, and the real binary with a plain HTTP client.

pub mod adverse;
pub mod at_rest;
pub mod dice;
#[cfg(target_os = "linux")]
pub mod failing_disk;
pub mod fuzz;
pub mod http;
pub mod json;
pub mod known;
pub mod model;
pub mod printer;
pub mod server;
pub mod simulation;
mod spelling;
pub mod tail;
pub mod truth;
pub mod workload;
pub mod world;
