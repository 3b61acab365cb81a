//! How a line of a text log begins: where its time stands, and its level.

use super::heads;
use crate::ingest::cursor::Cursor;
use crate::ingest::time::{Civil, ParsedTime};
use logstrata_engine::{Level, Timestamp, civil_from_days};

const SECONDS_PER_DAY: i64 = 86_400;
const NS_PER_SECOND: i64 = 1_000_000_000;
/// How far back a date without a year is looked for: leap days come every eight years at worst.
const YEARS_BACK: i64 = 8;

/// What a text log leaves out of its times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Now: gives times without a year theirs.
    pub(super) now: Timestamp,
    /// Seconds east of UTC of times without a zone.
    pub(super) offset: i32,
}

/// What the beginning of a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) time: Timestamp,
    pub(super) level: Option<Level>,
}

/// The kinds of lines that are told apart, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `2015-07-29 17:41:44,747 - INFO …`, `2016-09-28 04:30:30, Info …`, RFC 3339.
    Iso,
    /// `Jun 14 15:16:01 host program[1]: …`, also behind `<34>`, and RFC 5424.
    Syslog,
    /// `[Sun Dec 04 04:47:44 2005] [error] …` (Apache).
    Bracketed,
    /// `17/06/09 20:10:40 INFO …` (Spark).
    Slashes,
    /// `081109 203518 143 INFO …` (HDFS).
    Compact,
    /// `- 1117838570 2005.06.03 node …` (Blue Gene/L, Thunderbird).
    Supercomputer,
    /// `20171223-22:15:29:606|…` (HealthApp).
    Colons,
    /// `03-17 16:13:38.811  1702  2395 D Tag: …` (Android).
    Logcat,
    /// `[10.30 16:49:06] …` (Proxifier).
    Dotted,
    /// `134681 node-246 unix.hw state 1077804742 1 …` (HPC).
    FifthColumn,
    /// `I0102 15:04:05.678901  1234 file.cc:12] …` (glog, klog).
    Glog,
    /// `1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET …` (web servers).
    Access,
    /// `1700000000.123 …`.
    Epoch,
    /// `time=2026-11-21T10:20:30Z level=info …` (logfmt).
    Logfmt,
    /// `nova-api.log 2017-05-16 00:00:00.008 …`: a word or two, then the time.
    Prefixed,
}

impl Layout {
    pub(super) const ALL: [Self; 15] = [
        Self::Iso,
        Self::Syslog,
        Self::Bracketed,
        Self::Slashes,
        Self::Compact,
        Self::Supercomputer,
        Self::Colons,
        Self::Logcat,
        Self::Dotted,
        Self::FifthColumn,
        Self::Glog,
        Self::Access,
        Self::Epoch,
        Self::Logfmt,
        Self::Prefixed,
    ];

    /// Reads the beginning of a line, if it is of this layout.
    pub(super) fn read(self, line: &[u8], clock: Clock) -> Option<Head> {
        let mut cursor = Cursor::new(line);
        let cursor = &mut cursor;
        match self {
            Self::Iso => heads::plain(heads::iso(cursor, clock)?, cursor),
            Self::Syslog => heads::syslog(cursor, clock),
            Self::Bracketed => heads::bracketed(cursor, clock),
            Self::Slashes => heads::plain(heads::slashes(cursor, clock)?, cursor),
            Self::Compact => heads::plain(heads::compact(cursor, clock)?, cursor),
            Self::Supercomputer => heads::supercomputer(cursor),
            Self::Colons => heads::colons(cursor, clock),
            Self::Logcat => heads::logcat(cursor, clock),
            Self::Dotted => heads::dotted(cursor, clock),
            Self::FifthColumn => heads::fifth_column(cursor),
            Self::Glog => heads::glog(cursor, clock),
            Self::Access => heads::access(cursor, clock),
            Self::Epoch => heads::plain(heads::epoch(cursor)?, cursor),
            Self::Logfmt => heads::logfmt(line),
            Self::Prefixed => heads::prefixed(cursor, clock),
        }
    }
}

impl Clock {
    /// The latest time of a date without a year that is at most a day ahead.
    pub(super) fn latest(self, civil: Civil) -> Option<ParsedTime> {
        let border = self.now.0.saturating_add(SECONDS_PER_DAY * NS_PER_SECOND);
        let local = border.div_euclid(NS_PER_SECOND) + i64::from(self.offset);
        let (year, _, _) = civil_from_days(local.div_euclid(SECONDS_PER_DAY));
        (0..=YEARS_BACK).find_map(|back| {
            let year = u32::try_from(year - back).ok()?;
            let time = Civil { year, ..civil }.at_offset(self.offset)?;
            (time.timestamp.0 <= border).then_some(time)
        })
    }
}
