//! The Logstrata server.

pub mod ingest;
