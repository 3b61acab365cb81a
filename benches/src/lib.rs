//! Synthetic events for the benches: a service's envelope around log sentences with numbers in
//! them, the same for everyone. No files, no clock, no chance.

mod store;

pub use store::{EVENTS, Store};

use logstrata_engine::{Batch, BatchBuilder, Kind, Level, Limits, Timestamp};
use std::fmt::Write as _;

/// The time of the first event: a midnight.
pub const START_NS: i64 = 1_795_132_800_000_000_000;
/// The time from one event to the next.
pub const STEP_NS: i64 = 200_000_000;
/// How many events share a trace at most.
const TRACE_EVENTS_MAX: u64 = 20;
/// Traces that run at the same time.
const TRACES: usize = 64;

/// The services, the busiest first.
pub const SERVICES: [&str; 8] =
    ["checkout", "gateway", "ledger", "search", "mailer", "auth", "stock", "batch"];
/// The words that the word query looks for, from common to less common.
pub const WORDS: [&str; 4] = ["connection", "session", "failed", "received"];
/// The phrases that stand in some of the messages.
pub const PHRASES: [&str; 4] =
    ["authentication failure", "session opened", "connection from", "took too long"];
/// Words that stand in one event of 65,536 each.
pub const RARE_WORDS: [&str; 4] = ["zephyralpha", "zephyrbravo", "zephyrdelta", "zephyrecho"];
/// One event in so many has a rare word.
const RARE_EVERY: u64 = 16_384;

const CATEGORIES: [&str; 4] = ["payment", "order", "security", "http"];
const PATHS: [&str; 6] = ["/api/v1/orders", "/api/v1/users/{id}", "/login", "/search", "/", "/pay"];
const STATUSES: [&str; 6] = ["200", "200", "200", "201", "404", "500"];
/// `#` is a number of so many digits as there are of it.
const SENTENCES: [&str; 20] = [
    "connection from 10.##.###.## port ##### closed after ### ms",
    "connection from 10.##.###.## established, ## of 256 slots in use",
    "session opened for user uid=### by (uid=0), tty pts/#",
    "session closed for user uid=###, idle for #### seconds",
    "authentication failure; logname= uid=# euid=0 tty=NODEVssh rhost=172.16.##.###",
    "failed password for invalid user admin from 192.168.##.## port ##### ssh2",
    "received block blk_-################### of size ######## from /10.250.##.###",
    "PacketResponder # for block blk_############ terminating, status OK",
    "request GET /api/v1/orders/###### took too long: #### ms, budget 250 ms",
    "request POST /api/v1/pay answered with ### in ## ms (attempt #)",
    "starting task ####.# in stage ##.# (TID #####, executor ##, partition ####)",
    "cache refresh: ##### entries, ### evicted, hit ratio 0.##",
    "GC pause (young) ###M->##M(1024M), 0.0##### secs",
    "workerEnv.init() ok /etc/httpd/conf/workers2.properties child #####",
    "mod_jk child workerEnv in error state #, errno ###",
    "DHCPREQUEST of 10.##.##.### from 00:0c:29:##:##:## via eth#",
    "replica ### of shard ## is behind by ##### operations; retrying in ## s",
    "wrote ####### bytes to /var/lib/data/part-##### in ### ms, checksum ##########",
    "user u##### exceeded the limit of ### requests a minute for key k######",
    "health check passed, load #.##, ### goroutines, heap ### MiB",
];

/// The trace of each event, so that benches know needles: 32 hexadecimal digits.
fn trace_id(number: u64) -> String {
    format!("{:016x}{:016x}", mix(number), mix(!number))
}

/// Events without end, always the same ones.
#[derive(Debug, Clone)]
pub struct Generator {
    state: u64,
    number: u64,
    traces: [(u64, u64); TRACES],
    next_trace: u64,
    text: String,
}

impl Default for Generator {
    fn default() -> Self {
        let traces = std::array::from_fn(|slot| (slot as u64, slot as u64 % TRACE_EVENTS_MAX));
        Self { state: 7, number: 0, traces, next_trace: TRACES as u64, text: String::new() }
    }
}

impl Generator {
    /// The next `count` events as a batch of partitions by level.
    pub fn batch(&mut self, count: usize) -> Batch {
        self.batch_of(count, None)
    }

    /// The next `count` events, all of level info: a batch of one partition.
    pub fn batch_of_info(&mut self, count: usize) -> Batch {
        self.batch_of(count, Some(Level::Info))
    }

    /// The next `count` events as they are sent: one JSON object a line.
    pub fn ndjson(&mut self, count: usize) -> Vec<u8> {
        let (mut lines, mut fields) = (String::new(), String::new());
        for _ in 0..count {
            fields.clear();
            // No text has a character that JSON escapes.
            let (timestamp, level) = self.draw_event(|name, kind, text| {
                let quote = if kind == Kind::String { "\"" } else { "" };
                write!(fields, ",\"{name}\":{quote}{text}{quote}")
                    .expect("a String takes any text");
            });
            let level = level.name();
            writeln!(lines, "{{\"timestamp\":\"{timestamp}\",\"level\":\"{level}\"{fields}}}")
                .expect("a String takes any text");
        }
        lines.into_bytes()
    }

    /// The number of events made so far.
    pub fn events(&self) -> u64 {
        self.number
    }

    /// A trace that some of the first events are of; another one for each number.
    pub fn needle(number: u64) -> String {
        trace_id(number % TRACES as u64)
    }

    fn batch_of(&mut self, count: usize, level: Option<Level>) -> Batch {
        let mut builder = BatchBuilder::new(&Limits::default(), Timestamp(START_NS));
        for _ in 0..count {
            self.push_event(&mut builder, level);
        }
        builder.build()
    }

    fn push_event(&mut self, builder: &mut BatchBuilder, level: Option<Level>) {
        let mut event = builder.event();
        let (timestamp, drawn) =
            self.draw_event(|name, kind, text| event.field(name, kind, text.as_bytes()));
        event.timestamp = timestamp;
        event.level = level.unwrap_or(drawn);
        event.finish().expect("synthetic events are small");
    }

    /// Draws the next event: hands out its fields, returns its time and its level.
    fn draw_event(&mut self, mut field: impl FnMut(&str, Kind, &str)) -> (Timestamp, Level) {
        let timestamp = Timestamp(START_NS + self.number as i64 * STEP_NS + self.below(1_000));
        let level = match self.below(100) {
            0 => Level::Critical,
            1..6 => Level::Error,
            6..15 => Level::Warn,
            15..30 => Level::Debug,
            _ => Level::Info,
        };
        // The square of an even draw: few are many.
        let skewed = |draw: i64, of: usize| (draw * draw) as usize * of / 1_000_000;
        field("service", Kind::String, SERVICES[skewed(self.below(1_000), SERVICES.len())]);
        self.draw(|text, draw| write!(text, "node-{:02}", draw % 40));
        field("host", Kind::String, &self.text);
        self.draw_message();
        field("message", Kind::String, &self.text);
        let trace = self.draw_trace();
        field("trace_id", Kind::String, &trace_id(trace));
        self.draw(|text, draw| write!(text, "{draw:016x}"));
        field("span_id", Kind::String, &self.text);
        let user = skewed(self.below(1_000), 10_000);
        self.draw(|text, _| write!(text, "u{user:05}"));
        field("user_id", Kind::String, &self.text);
        field("category", Kind::String, self.one_of(&CATEGORIES));
        if self.below(2) == 0 {
            field("path", Kind::String, self.one_of(&PATHS));
            field("status", Kind::Number, self.one_of(&STATUSES));
            self.draw(|text, draw| write!(text, "{}.{:02}", mix(draw) % 200, 1 + draw % 99));
            field("duration_ms", Kind::Number, &self.text);
        }
        self.number += 1;
        (timestamp, level)
    }

    fn draw_message(&mut self) {
        self.text.clear();
        for c in self.one_of(&SENTENCES).chars() {
            match c {
                '#' => {
                    let digit = char::from(b'0' + self.below(10) as u8);
                    self.text.push(digit);
                }
                c => self.text.push(c),
            }
        }
        if self.number % RARE_EVERY == RARE_EVERY / 2 {
            let word = RARE_WORDS[(self.number / RARE_EVERY) as usize % RARE_WORDS.len()];
            self.text.push(' ');
            self.text.push_str(word);
        }
    }

    fn draw_trace(&mut self) -> u64 {
        let slot = self.below(TRACES as i64) as usize;
        let (trace, left) = self.traces[slot];
        self.traces[slot] = if left > 0 {
            (trace, left - 1)
        } else {
            self.next_trace += 1;
            (self.next_trace, self.number % TRACE_EVENTS_MAX)
        };
        trace
    }

    fn draw(&mut self, render: impl FnOnce(&mut String, u64) -> std::fmt::Result) {
        let draw = self.next();
        self.text.clear();
        render(&mut self.text, draw).expect("a String takes any text");
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len() as i64) as usize]
    }

    fn below(&mut self, bound: i64) -> i64 {
        (self.next() >> 33) as i64 % bound
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(1);
        mix(self.state)
    }
}

/// The finalizer of SplitMix64.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_are_always_the_same() {
        let (mut a, mut b) = (Generator::default(), Generator::default());
        assert_eq!(a.batch(500), b.batch(500));
        assert_ne!(a.batch(500), b.batch_of_info(500));
        assert_eq!((a.events(), b.events()), (1_000, 1_000));
    }

    #[test]
    fn all_of_the_json_is_understood() {
        let body = Generator::default().ndjson(500);
        let limits = Limits::default();
        let decoded =
            logstrata_server::ingest::json::decode_ndjson(&body, &limits, Timestamp(START_NS));
        assert_eq!((decoded.batch.len(), decoded.rejected_count), (500, 0));
        assert_eq!((decoded.times_absent, decoded.times_unread, decoded.times_clamped), (0, 0, 0));
    }
}
