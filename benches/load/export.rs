//! Exports of what was stored: how long a thousand events take, how fast all of them come, and what the
//! server's memory grows by meanwhile.

use crate::Result;
use crate::process::Server;
use crate::report::Waits;
use logstrata_client::Client;
use logstrata_client::wire::ExportQuery;
use std::fmt;
use std::time::{Duration, Instant};

/// Events of a short export.
const FEW: u64 = 1_000;

/// Formats and compressions, and what stands at a border of each event; nothing where that can't be
/// seen.
const KINDS: [(&str, Option<&str>, &[u8]); 7] = [
    ("ndjson", None, b"\n"),
    ("json", None, b"\n{"),
    ("csv", None, b"\r\n"),
    ("txt", None, b"\n"),
    ("parquet", None, b""),
    ("ndjson", Some("gzip"), b""),
    ("ndjson", Some("zstd"), b""),
];

/// What was measured of one kind of file.
#[derive(Debug)]
pub(crate) struct Exported {
    format: &'static str,
    compress: Option<&'static str>,
    /// Of short exports, from the request to the last byte.
    few: Waits,
    events: u64,
    bytes: u64,
    elapsed: Duration,
    /// What anonymous memory grew by, in bytes.
    growth: u64,
    /// How the number of events was wrong.
    pub(crate) wrong: Option<String>,
}

/// A file that came.
#[derive(Debug, Default)]
struct File {
    bytes: u64,
    borders: u64,
    /// The last byte of the piece before: a border may be torn.
    last: Option<u8>,
    first_bytes: Vec<u8>,
    last_bytes: Vec<u8>,
}

/// Exports a part and everything, as each kind of file.
pub(crate) async fn measure(
    client: &Client,
    server: &Server,
    events: u64,
    repetitions: usize,
) -> Result<Vec<Exported>> {
    let mut all = Vec::new();
    for (format, compress, border) in KINDS {
        let query = |q: String| ExportQuery {
            q,
            format: Some(format.into()),
            compress: compress.map(Into::into),
            ..ExportQuery::default()
        };
        let mut few = Waits::default();
        let mut wrong = None;
        for k in 0..repetitions {
            // Others each time.
            let limit = FEW.min(events) - k as u64 % 7;
            let started = Instant::now();
            let file = download(client, &query(format!("| limit {limit}")), border).await?;
            few.add(started.elapsed());
            wrong = wrong.or(file.is_wrong(format, compress, limit, border));
        }
        server.forget_peak().await;
        let before = server.peak_anonymous_bytes();
        let started = Instant::now();
        let file = download(client, &query(String::new()), border).await?;
        let elapsed = started.elapsed();
        let growth = server.peak_anonymous_bytes().saturating_sub(before);
        wrong = wrong.or(file.is_wrong(format, compress, events, border));
        let bytes = file.bytes;
        all.push(Exported { format, compress, few, events, bytes, elapsed, growth, wrong });
    }
    Ok(all)
}

async fn download(client: &Client, query: &ExportQuery, border: &[u8]) -> Result<File> {
    let mut download = client.export(query).await?;
    let mut file = File::default();
    while let Some(piece) = download.next().await? {
        file.add(&piece, border);
    }
    Ok(file)
}

impl File {
    fn add(&mut self, piece: &[u8], border: &[u8]) {
        self.bytes += piece.len() as u64;
        if self.first_bytes.len() < 4 {
            self.first_bytes.extend(piece.iter().take(4));
        }
        self.last_bytes = piece[piece.len().saturating_sub(4)..].to_vec();
        self.borders += match *border {
            [] => 0,
            [only] => piece.iter().filter(|byte| **byte == only).count() as u64,
            [a, b] => {
                let torn = self.last == Some(a) && piece.first() == Some(&b);
                piece.windows(2).filter(|two| **two == [a, b]).count() as u64 + u64::from(torn)
            }
            _ => unreachable!("no border is longer"),
        };
        self.last = piece.last().copied();
    }

    fn is_wrong(
        &self,
        format: &str,
        compress: Option<&str>,
        events: u64,
        border: &[u8],
    ) -> Option<String> {
        // The line of names.
        let wanted = events + u64::from(format == "csv");
        if !border.is_empty() && self.borders != wanted {
            return Some(format!("{} borders of events, not {wanted}", self.borders));
        }
        let is_whole = match (format, compress) {
            ("parquet", _) => self.first_bytes.starts_with(b"PAR1") && self.last_bytes == b"PAR1",
            (_, Some("gzip")) => self.first_bytes.starts_with(&[0x1f, 0x8b]),
            (_, Some(_)) => self.first_bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
            _ => true,
        };
        (!is_whole).then(|| format!("no {format} file: it begins {:x?}", self.first_bytes))
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, compress, few, events, bytes, elapsed, growth, wrong } = self;
        let name = compress.map_or((*format).to_owned(), |compress| format!("{format} {compress}"));
        let seconds = elapsed.as_secs_f64();
        write!(
            f,
            "export {name:<12} 1,000 events: median {:>6.1} ms, worst {:>6.1} ms; all: {:.0} events/s, \
             {} MiB/s, {} bytes an event, RssAnon +{} MiB",
            few.per_mille(500),
            few.per_mille(1_000),
            *events as f64 / seconds,
            (*bytes as f64 / seconds) as u64 >> 20,
            bytes / events.max(&1),
            growth >> 20,
        )?;
        match wrong {
            Some(wrong) => writeln!(f, "   WRONG: {wrong}"),
            None => writeln!(f),
        }
    }
}
