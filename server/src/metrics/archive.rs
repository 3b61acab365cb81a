//! The archive's figures.

use crate::keeper::exports::is_overdue;
use logstrata_archive::{Archive, ColdStore};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;
use std::sync::{Arc, Weak};

/// Reads the archive when somebody asks. Weak: it must not keep the engine from being closed.
#[derive(Debug)]
pub(super) struct ArchiveCollector {
    pub(super) archive: Weak<Archive>,
    pub(super) cold: Option<Arc<ColdStore>>,
}

impl Collector for ArchiveCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // A store that can't be read has other figures that say so.
        let Some(Ok(status)) = self.archive.upgrade().map(|archive| archive.status()) else {
            return Ok(());
        };
        let cold = self.cold.as_ref().map(|cold| cold.figures()).unwrap_or_default();
        let counters = [
            ("archive_requests", "Ranges that queries fetched.", None, cold.requests),
            (
                "archive_fetched",
                "Bytes that queries fetched.",
                Some(Unit::Bytes),
                cold.fetched_bytes,
            ),
            (
                "archive_cached",
                "Bytes of the archive that the cache on the disk had.",
                Some(Unit::Bytes),
                cold.cached_bytes,
            ),
            ("archive_files_copied", "Files copied to the archive.", None, status.files_copied),
            ("archive_sent", "Bytes sent to the archive.", Some(Unit::Bytes), status.bytes_copied),
            ("archive_failures", "Passes of the archive that failed.", None, status.failures),
        ];
        for (name, help, unit, value) in counters {
            let counter = ConstCounter::new(value);
            let unit = unit.as_ref();
            let metric = encoder.encode_descriptor(name, help, unit, counter.metric_type())?;
            counter.encode(metric)?;
        }
        let waiting = status.files.iter().filter(|file| file.copied.is_none());
        let kept = status.waiting_for_export.iter().map(|of| of.day.waiting.events);
        let now = logstrata_engine::io::Clock::now(&logstrata_engine::io::SystemClock::new());
        let overdue = status.waiting_for_export.iter().filter(|of| is_overdue(of, now));
        let overdue = overdue.map(|of| of.day.waiting.events).sum();
        let gauges = [
            (
                "export_failing",
                "1 if the last run of the daily export failed, else 0.",
                None,
                u64::from(status.export_error.is_some()),
            ),
            (
                "export_due_events",
                "Events that are due to be dropped and kept until they are exported.",
                None,
                kept.sum(),
            ),
            (
                "export_overdue_events",
                "Those of them that could have been exported for more than a day.",
                None,
                overdue,
            ),
            (
                "archive_cache",
                "What the cache of the archive takes on the disk.",
                Some(Unit::Bytes),
                cold.cache_bytes,
            ),
            (
                "archive_failing",
                "1 if the last pass failed, else 0.",
                None,
                u64::from(status.error.is_some()),
            ),
            (
                "archive_waiting_files",
                "Files that are not in the archive yet.",
                None,
                waiting.clone().count() as u64,
            ),
            (
                "archive_waiting",
                "Their bytes.",
                Some(Unit::Bytes),
                waiting.map(|file| file.bytes).sum(),
            ),
            (
                "archive_lag",
                "By how much the oldest of them is older than archive.copy_after.",
                Some(Unit::Seconds),
                status.lag_seconds,
            ),
        ];
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(value);
            let unit = unit.as_ref();
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
