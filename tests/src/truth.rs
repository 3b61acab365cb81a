//! Events that are known one by one, and what a real server finds of them: every event has a number,
//! its message says it, and days and levels tell the partitions apart.

use crate::dice::Dice;
use crate::http::Response;
use crate::json;
use crate::server::Server;
use logstrata_engine::EventId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The largest page of a search.
const PAGE: &str = "10000";

/// An event that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its sequence number.
    pub seq: u64,
    /// Its UTC day.
    pub day: &'static str,
    /// Its level.
    pub level: &'static str,
}

/// Every event of a store, by number.
#[derive(Debug)]
pub struct Truth {
    /// The events.
    pub events: BTreeMap<usize, Known>,
    next: usize,
    dice: Dice,
}

impl Default for Truth {
    /// No events.
    fn default() -> Self {
        Self { events: BTreeMap::new(), next: 0, dice: Dice::new(11) }
    }
}

impl Truth {
    /// Stores a batch of events of one day and level, each with so many bytes that don't compress, and
    /// with these members.
    pub fn store(
        &mut self,
        server: &Server,
        (day, level): (&'static str, &'static str),
        count: usize,
        noise: usize,
        members: &str,
    ) {
        let first = self.next;
        let lines: Vec<String> = (first..first + count)
            .map(|number| {
                let mut line = format!(
                    "{{\"timestamp\":\"{day}T{:02}:{:02}:00Z\",\"level\":\"{level}\",\
                     \"message\":\"event #{number}# ",
                    number % 24,
                    number % 60
                );
                for _ in 0..noise.div_ceil(8) {
                    write!(line, "{:016x}", self.dice.roll()).expect("a string takes everything");
                }
                write!(line, "\"{members}}}").expect("a string takes everything");
                line
            })
            .collect();
        let id: EventId = server.store(&lines).parse().expect("an id");
        for number in first..first + count {
            let seq = id.seq().0 + (number - first) as u64;
            self.events.insert(number, Known { seq, day, level });
        }
        self.next += count;
    }

    /// Days and levels that have events.
    pub fn partitions(&self) -> BTreeSet<(&'static str, &'static str)> {
        self.events.values().map(|event| (event.day, event.level)).collect()
    }

    /// The numbers of the events of a day and level.
    pub fn of(&self, partition: (&str, &str)) -> BTreeSet<usize> {
        let of = |event: &Known| (event.day, event.level) == partition;
        self.events.iter().filter(|(_, event)| of(event)).map(|(number, _)| *number).collect()
    }
}

/// The numbers of all events of a day and level that the server finds.
///
/// # Errors
/// The first answer that is not 200.
///
/// # Panics
/// If an event is there twice.
pub fn found(
    server: &Server,
    (day, level): (&str, &str),
) -> Result<BTreeSet<usize>, Box<Response>> {
    let (from, to) = (format!("{day}T00:00:00Z"), format!("{day}T23:59:59Z"));
    let level = format!("level:{level}");
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let mut parameters = vec![("q", &*level), ("from", &from), ("to", &to), ("limit", PAGE)];
        if !cursor.is_empty() {
            parameters.push(("cursor", &cursor));
        }
        let answer = server.get("/api/v1/logs", &parameters);
        if answer.status != 200 {
            return Err(Box::new(answer));
        }
        for number in numbers(&answer.body) {
            assert!(found.insert(number), "event {number} is there twice");
        }
        match json::member(&answer.body, "next_cursor").expect("next_cursor") {
            "null" => return Ok(found),
            next => cursor = json::unquoted(next),
        }
    }
}

/// The numbers of the events in a text, in its order.
pub fn numbers(text: &str) -> impl Iterator<Item = usize> {
    text.split("event #").skip(1).map(|rest| {
        let (number, _) = rest.split_once('#').expect("a number has an end");
        number.parse().expect("a number")
    })
}
