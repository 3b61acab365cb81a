//! What a workload's `facts.json` says that queries must find: a JSON object with `events` and
//! lists and maps of parameters and their answers, as the fields of [`Facts`] name them. What is asked
//! comes from here, what must be found is counted again (see truth.rs).

use crate::Result;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Parameters of queries, and what they must find in the whole workload.
#[derive(Debug, Deserialize)]
pub(crate) struct Facts {
    pub(crate) events: u64,
    /// A trace and the number of its events.
    pub(crate) needles: Vec<(String, u64)>,
    /// A word and the number of events that have it.
    pub(crate) rare: BTreeMap<String, u64>,
    /// A word and, by service, the events that have it.
    pub(crate) words: BTreeMap<String, BTreeMap<String, u64>>,
    pub(crate) phrases: BTreeMap<String, u64>,
    pub(crate) regexes: BTreeMap<String, u64>,
    pub(crate) windows: Vec<Window>,
    /// A level and the counts of its busiest users.
    pub(crate) top_users: BTreeMap<String, Vec<u64>>,
    /// A service and the 95th percentile of its durations.
    pub(crate) p95: BTreeMap<String, f64>,
}

/// A range of time and its events.
#[derive(Debug, Deserialize)]
pub(crate) struct Window {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) count: u64,
}

impl Facts {
    /// The facts of a workload; `None` if it has none.
    pub(crate) fn read(workload: &Path) -> Result<Option<Self>> {
        let path = workload.join("facts.json");
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let facts = serde_json::from_slice(&text);
        Ok(Some(facts.map_err(|error| format!("{}: {error}", path.display()))?))
    }
}
