//! `serve --demo`: a small set of logs that the program carries, moved in time so that the last
//! event is now. `server/demo/make.py` wrote them.

use crate::ingest::json::decode_ndjson;
use logstrata_engine::{Engine, Error, Options, Result, Timestamp};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// One event a line, each beginning with [`OFFSET`] and the milliseconds between it and the last.
static EVENTS: &[u8] = include_bytes!("../../demo/demo.ndjson.zst");
const OFFSET: &str = "{\"before_ms\":";
/// More than the events take; what is beyond it was not written by `make.py`.
const BYTES_MAX: usize = 16 << 20;

/// Stores the events.
pub(super) fn load(engine: &Engine, options: &Options) -> Result<()> {
    // Whole milliseconds, like the offsets: shorter to read.
    let now = Timestamp(options.io.clock.now().millis() * 1_000_000);
    let decoded = decode_ndjson(events_until(now)?.as_bytes(), &options.limits, now);
    if let Some(rejected) = decoded.rejected.first() {
        let (line, why) = (rejected.line, &rejected.error);
        return Err(Error::invalid(format!("event {line} of the demo: {why}")));
    }
    engine.append(decoded.batch).map(drop)
}

/// The events as NDJSON, the last one at `now`.
fn events_until(now: Timestamp) -> Result<String> {
    let broken = || Error::invalid("the events of the demo are damaged");
    let events = zstd::bulk::decompress(EVENTS, BYTES_MAX).map_err(|_| broken())?;
    let events = String::from_utf8(events).map_err(|_| broken())?;
    let mut out = String::with_capacity(events.len() + (events.len() >> 3));
    for line in events.lines() {
        let rest = line.strip_prefix(OFFSET).ok_or_else(broken)?;
        let (before_ms, rest) = rest.split_once(',').ok_or_else(broken)?;
        let before_ms: u32 = before_ms.parse().map_err(|_| broken())?;
        let time = Timestamp(now.0 - i64::from(before_ms) * 1_000_000);
        writeln!(out, "{{\"timestamp\":\"{time}\",{rest}").expect("a string takes everything");
    }
    Ok(out)
}

/// What to try first.
pub(super) fn introduction(address: SocketAddr, data: &Path) -> String {
    let server = format!("http://{address}");
    let flag = match address.port() {
        7600 => String::new(),
        _ => format!(" --server {server}"),
    };
    format!(
        "\
An online shop's logs of the last two hours are in {data}
(the directory stays when the server ends: serve it again with --data).

Try, in another terminal:
  logstrata search 'level:error'{flag}
  logstrata search 'service:payment declined' --limit 10{flag}
  logstrata search 'duration_ms:>1000 path:/api/v1/checkout'{flag}
  logstrata search '\"connection pool exhausted\"' --from now-1h{flag}
  logstrata search 'error.type:PaymentGatewayTimeout' --limit 1 --json{flag}
  logstrata stats --group-by service,level{flag}
  logstrata stats 'duration_ms:*' --group-by service --agg 'p50(duration_ms),p99(duration_ms)'{flag}
  logstrata stats 'level:error' --interval 10m --from now-2h{flag}

or the same over HTTP:
  curl -sG {server}/api/v1/logs --data-urlencode 'q=level:error' -d limit=3
  curl -sG {server}/api/v1/logs/stats --data-urlencode 'q=declined' -d group_by=service
  echo '{{\"level\":\"info\",\"service\":\"me\",\"message\":\"hello\"}}' | \\
    curl -s {server}/api/v1/logs -H 'Content-Type: application/x-ndjson' --data-binary @-

",
        data = data.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::Limits;

    #[test]
    fn all_events_are_understood_and_the_last_is_now() {
        let now = Timestamp(1_800_000_000_000_000_000);
        let events = events_until(now).expect("own events");
        let decoded = decode_ndjson(events.as_bytes(), &Limits::default(), now);
        assert_eq!(
            (decoded.rejected_count, decoded.times_unread),
            (0, 0),
            "{:?}",
            decoded.rejected
        );
        assert!((2_000..=5_000).contains(&decoded.batch.len()), "{}", decoded.batch.len());
        let last = events.lines().last().expect("there are events");
        assert!(last.starts_with(&format!("{{\"timestamp\":\"{now}\",")), "{last}");
    }
}
