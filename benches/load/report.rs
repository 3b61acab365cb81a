//! What was measured, for people.

use crate::export::Exported;
use crate::latency::Latency;
use crate::send::Sent;
use crate::tail::Followed;
use std::fmt;
use std::time::Duration;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    /// One write and fdatasync of the disk itself, by bytes.
    pub(crate) fdatasync: Vec<(usize, Waits)>,
    pub(crate) sent: Sent,
    /// What the final flushes took beyond sending.
    pub(crate) searchable: Duration,
    /// Events, and the store's bytes with them.
    pub(crate) sizes: Vec<(u64, u64)>,
    pub(crate) cpu: Duration,
    pub(crate) memory: u64,
    pub(crate) peak_after_queries: u64,
    pub(crate) queries: Vec<QueryTimes>,
    pub(crate) exports: Vec<Exported>,
    /// Absent if it was not asked for.
    pub(crate) followed: Option<Followed>,
    /// Absent if it was not asked for.
    pub(crate) latency: Option<Latency>,
}

/// A kind of query.
#[derive(Debug)]
pub(crate) struct QueryTimes {
    pub(crate) name: &'static str,
    pub(crate) waits: Waits,
    /// How the first wrong answer was wrong.
    pub(crate) wrong: Option<String>,
}

/// Waits, of which quantiles are wanted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    pub(crate) fn add(&mut self, wait: Duration) {
        self.0.push(wait);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The least wait that so many of a thousand do not exceed, in milliseconds.
    pub(crate) fn per_mille(&self, rank: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * rank).div_ceil(1_000).saturating_sub(1);
        sorted.get(place).map_or(f64::NAN, Duration::as_secs_f64) * 1e3
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sent { events, bytes, elapsed, waits } = &self.sent;
        let rate = |elapsed: Duration| *events as f64 / elapsed.as_secs_f64();
        for (size, waits) in &self.fdatasync {
            let (median, high) = (waits.per_mille(500), waits.per_mille(990));
            writeln!(
                f,
                "disk: {:>4} KiB + fdatasync   p50 {median:.3} ms, p99 {high:.3} ms",
                size >> 10
            )?;
        }
        writeln!(f, "events                      {events} of {} bytes", bytes / events.max(&1))?;
        writeln!(f, "acknowledged, events/s      {:.0}", rate(*elapsed))?;
        writeln!(f, "with the flushes, events/s  {:.0}", rate(*elapsed + self.searchable))?;
        let [p50, p99, p999] = [500, 990, 999].map(|rank| waits.per_mille(rank));
        writeln!(
            f,
            "acknowledgement             p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms"
        )?;
        let cpu = self.cpu.as_secs_f64() * 1e6 / *events as f64;
        writeln!(f, "server CPU, us an event     {cpu:.2}")?;
        if let [(few, small), (many, large)] = self.sizes[..]
            && many > few
        {
            let slope = (large as f64 - small as f64) / (many - few) as f64;
            let all = large as f64 / many as f64;
            writeln!(f, "disk, bytes an event        {slope:.1} (slope), {all:.1} (whole)")?;
        }
        let (memory, later) = (self.memory >> 20, self.peak_after_queries >> 20);
        writeln!(
            f,
            "RssAnon peak, MiB           {memory} while sending, {later} with the queries"
        )?;
        for QueryTimes { name, waits, wrong } in &self.queries {
            let (median, worst) = (waits.per_mille(500), waits.per_mille(1_000));
            write!(f, "{name:<31} median {median:>8.2} ms, worst {worst:>8.2} ms")?;
            match wrong {
                Some(wrong) => writeln!(f, "   WRONG: {wrong}")?,
                None => writeln!(f)?,
            }
        }
        self.exports.iter().try_for_each(|exported| write!(f, "{exported}"))?;
        if let Some(Followed { rate, waits, missed }) = &self.followed {
            let [p50, p99, most] = [500, 990, 1_000].map(|rank| waits.per_mille(rank));
            writeln!(
                f,
                "acknowledged to tail        p50 {p50:.1} ms, p99 {p99:.1} ms, worst {most:.1} ms at \
                 {rate:.0} events/s, {missed} missed"
            )?;
        }
        if let Some(latency) = &self.latency {
            write!(f, "{latency}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_waits_that_occurred() {
        let mut waits = Waits::default();
        (1..=1_000).rev().for_each(|ms| waits.add(Duration::from_millis(ms)));
        assert_eq!(
            [500, 990, 999, 1_000].map(|rank| waits.per_mille(rank)),
            [500.0, 990.0, 999.0, 1e3]
        );
        let mut one = Waits::default();
        one.add(Duration::from_millis(7));
        assert_eq!([1, 500, 1_000].map(|rank| one.per_mille(rank)), [7.0; 3]);
    }
}
