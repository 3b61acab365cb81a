//! What was measured of many events, as Markdown.

use super::calendar;
use super::copies::Copies;
use crate::report::{QueryTimes, Waits};
use std::fmt;
use std::time::Duration;

/// Rows at each end whose rates are compared, as a share of all: one row alone tells of its merges.
const ENDS: usize = 10;
/// The stores that are calculated.
const CALCULATED: [u64; 2] = [1_000_000_000, 10_000_000_000];
const MIB: f64 = 1_048_576.0;

/// A million events.
#[derive(Debug)]
pub(super) struct Sample {
    /// Events that were acknowledged by then.
    pub(super) upto: u64,
    /// Events a second.
    pub(super) rate: f64,
    /// Microseconds an event, of the server and of the sender.
    pub(super) cpu: f64,
    pub(super) own_cpu: f64,
    /// Of the waits for an acknowledgement, in milliseconds.
    pub(super) p99: f64,
    /// The most anonymous memory in between, in bytes.
    pub(super) memory: u64,
    /// On disk, without the log.
    pub(super) bytes: u64,
}

/// A store that got its time to merge, and its queries.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) events: u64,
    /// Until the flush was over, and until merging was.
    pub(super) flushed: Duration,
    pub(super) settled: Duration,
    /// On disk, without the log.
    pub(super) bytes: u64,
    /// Anonymous, before the queries and at most with them.
    pub(super) memory: [u64; 2],
    pub(super) queries: Vec<QueryTimes>,
}

/// A start on what there is.
#[derive(Debug)]
pub(super) struct Restart {
    pub(super) name: &'static str,
    /// Files of the log when it began.
    pub(super) log_bytes: u64,
    /// From the start of the process until it is ready, and until the first needle was answered.
    pub(super) ready: Duration,
    pub(super) found: Duration,
    /// A second needle and a count of everything after that.
    pub(super) then: Duration,
    pub(super) memory: u64,
    pub(super) wrong: Option<String>,
}

/// Bytes that processes have written: to files, and of that to the disk, as the system counts both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) called: u64,
    pub(super) stored: u64,
}

impl std::ops::Add for Written {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { called: self.called + other.called, stored: self.stored + other.stored }
    }
}

/// Everything that was measured. Its rows of millions were told before.
#[derive(Debug)]
pub(crate) struct Report {
    pub(super) samples: Vec<Sample>,
    pub(super) measured: Vec<Measured>,
    pub(super) restarts: Vec<Restart>,
    pub(super) written: Written,
    pub(super) raw_bytes: u64,
}

/// Tells what will be sent, and the names of the columns of rows.
pub(super) fn begin(copies: &Copies, making: f64) {
    let (events, day) = (copies.events(), copies.per_day * copies.places.events);
    println!(
        "{events} events: {} copies of {}, {day} a day from {} on. Making one takes {making:.2} µs of CPU.\n",
        copies.copies,
        copies.places.events,
        calendar::date(copies.first_day)
    );
    println!(
        "| million | events/s | server CPU, µs | sender CPU, µs | p99, ms | RssAnon, MiB | disk, MiB \
         | bytes an event |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upto, rate, cpu, own_cpu, p99, memory, bytes } = self;
        let (memory, mib) = (*memory as f64 / MIB, *bytes as f64 / MIB);
        write!(
            f,
            "| {:.1} | {rate:.0} | {cpu:.2} | {own_cpu:.2} | {p99:.1} | {memory:.0} | {mib:.0} | \
             {:.1} |",
            *upto as f64 / 1e6,
            *bytes as f64 / *upto as f64
        )
    }
}

impl Report {
    /// The first answer that is wrong.
    pub(crate) fn wrong(&self) -> Option<&str> {
        let queries = self.measured.iter().flat_map(|measured| &measured.queries);
        let wrong = queries.filter_map(|query| query.wrong.as_deref());
        wrong.chain(self.restarts.iter().filter_map(|restart| restart.wrong.as_deref())).next()
    }

    fn ends(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = &self.samples[..];
        let share = rows.len().div_ceil(ENDS);
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let ends = [&rows[..share], &rows[rows.len() - share..]];
        type Figure = (&'static str, fn(&Sample) -> f64);
        let figures: [Figure; 4] = [
            ("events/s", |row| row.rate),
            ("server CPU, µs an event", |row| row.cpu),
            ("p99 of acknowledgements, ms", |row| row.p99),
            ("RssAnon at most, MiB", |row| row.memory as f64 / MIB),
        ];
        writeln!(
            f,
            "\n| | first row | last row | first tenth | last tenth | last/first tenth | least | median | most |"
        )?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for (name, figure) in figures {
            let mut all: Vec<f64> = rows.iter().map(figure).collect();
            all.sort_by(f64::total_cmp);
            let [from, to] =
                ends.map(|rows| rows.iter().map(figure).sum::<f64>() / rows.len() as f64);
            writeln!(
                f,
                "| {name} | {:.2} | {:.2} | {from:.2} | {to:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
                figure(first),
                figure(last),
                to / from,
                all[0],
                all[all.len() / 2],
                all[all.len() - 1]
            )?;
        }
        Ok(())
    }

    fn stores(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| store, million events | flush, s | merging, s | disk, MiB | bytes an event | RssAnon, MiB | with queries \
             |"
        )?;
        writeln!(f, "|---:|---:|---:|---:|---:|---:|---:|")?;
        for Measured { events, flushed, settled, bytes, memory, .. } in &self.measured {
            writeln!(
                f,
                "| {:.1} | {:.1} | {:.1} | {:.0} | {:.1} | {:.0} | {:.0} |",
                *events as f64 / 1e6,
                flushed.as_secs_f64(),
                settled.as_secs_f64(),
                *bytes as f64 / MIB,
                *bytes as f64 / *events as f64,
                memory[0] as f64 / MIB,
                memory[1] as f64 / MIB
            )?;
        }
        let Some(last) = self.measured.last() else { return Ok(()) };
        let Written { called, stored } = self.written;
        let kept = last.bytes as f64;
        writeln!(
            f,
            "\nWritten: {:.0} MiB to files, {:.0} MiB of the disk (write_bytes), of {:.0} MiB that were sent, {:.0} \
             MiB that are kept: {:.2} and {:.2} times what is kept, log included.",
            called as f64 / MIB,
            stored as f64 / MIB,
            self.raw_bytes as f64 / MIB,
            kept / MIB,
            called as f64 / kept,
            stored as f64 / kept
        )
    }

    fn queries(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [small, large] = &self.measured[..] else { return Ok(()) };
        let millions = [small, large].map(|store| store.events as f64 / 1e6);
        write!(
            f,
            "\n| median ms (worst) | {:.1} million | {:.1} million |",
            millions[0], millions[1]
        )?;
        writeln!(f, " ratio | 1 billion, calculated | 10 billion |")?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|")?;
        let median = |waits: &Waits| waits.per_mille(500);
        for (few, many) in small.queries.iter().zip(&large.queries) {
            let [low, high] = [few, many].map(|query| median(&query.waits));
            write!(
                f,
                "| {} | {low:.2} ({:.2}) | {high:.2} ({:.2}) | {:.2} |",
                few.name,
                few.waits.per_mille(1_000),
                many.waits.per_mille(1_000),
                high / low
            )?;
            // A line through both, and not below the greater store's.
            let slope = (high - low).max(0.0) / (large.events - small.events).max(1) as f64;
            for events in CALCULATED {
                write!(f, " {:.1} |", high + slope * events.saturating_sub(large.events) as f64)?;
            }
            writeln!(f)?;
            for wrong in [few, many].into_iter().filter_map(|query| query.wrong.as_ref()) {
                writeln!(f, "| WRONG: {wrong} | | | | | |")?;
            }
        }
        Ok(())
    }

    fn starts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| start | log, MiB | ready, s | first needle, s | second needle and count of all, ms | RssAnon, MiB | \
             answers |"
        )?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---|")?;
        for Restart { name, log_bytes, ready, found, then, memory, wrong } in &self.restarts {
            writeln!(
                f,
                "| {name} | {:.0} | {:.3} | {:.3} | {:.1} | {:.0} | {} |",
                *log_bytes as f64 / MIB,
                ready.as_secs_f64(),
                found.as_secs_f64(),
                then.as_secs_f64() * 1e3,
                *memory as f64 / MIB,
                wrong.as_deref().unwrap_or("right")
            )?;
        }
        Ok(())
    }

    /// What the figures say of larger stores.
    fn calculated(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(store), false) = (self.measured.last(), self.samples.is_empty()) else {
            return Ok(());
        };
        let mut rates: Vec<f64> = self.samples.iter().map(|row| row.rate).collect();
        rates.sort_by(f64::total_cmp);
        let rate = rates[rates.len() / 2];
        let an_event = store.bytes as f64 / store.events as f64;
        let writes = self.written.called as f64 / store.events as f64;
        writeln!(f, "\n| calculated from that | 1 billion | 10 billion |\n|---|---:|---:|")?;
        let [one, ten] = CALCULATED.map(|events| events as f64);
        let hours = |events: f64| events / rate / 3_600.0;
        writeln!(
            f,
            "| hours to send, at {rate:.0} events/s | {:.1} | {:.1} |",
            hours(one),
            hours(ten)
        )?;
        let gb = |events: f64| events * an_event / 1e9;
        writeln!(f, "| GB on disk, at {an_event:.1} bytes | {:.0} | {:.0} |", gb(one), gb(ten))?;
        let gb = |events: f64| events * writes / 1e9;
        writeln!(
            f,
            "| GB written meanwhile, at {writes:.0} bytes | {:.0} | {:.0} |",
            gb(one),
            gb(ten)
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ends(f)?;
        self.stores(f)?;
        self.queries(f)?;
        self.starts(f)?;
        self.calculated(f)
    }
}
