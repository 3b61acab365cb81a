//! What the tests of Logstrata share: a reference model of the store, random workloads, and the
//! real binary with a plain HTTP client.

pub mod adverse;
pub mod dice;
pub mod http;
pub mod json;
pub mod model;
pub mod server;
pub mod simulation;
pub mod workload;
pub mod world;
