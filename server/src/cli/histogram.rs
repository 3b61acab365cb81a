//! `logstrata histogram`: events over time, as bars.

use super::Failure;
use super::asked::Asked;
use super::output::{Style, complain_of, print};
use super::target::TargetArgs;
use crate::api;
use logstrata_client::wire::{HistogramBucket, HistogramQuery};
use std::fmt::Write as _;

/// Characters of the longest bar.
const BAR: u64 = 50;

const EXAMPLES: &str = "\
Examples:
  logstrata histogram 'level:error' --from now-1d
  logstrata histogram 'service:pay' --interval 1h --json";

/// Count the events that a query wants over time
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    asked: Asked,
    /// The width of a bucket: 30s, 5m, 1h, 1d
    #[arg(long, value_name = "DURATION")]
    interval: Option<String>,
    /// About so many buckets
    #[arg(long, value_name = "N", conflicts_with = "interval", default_value_t = 30)]
    buckets: usize,
    /// One JSON object a bucket
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let target = args.target.open_existing()?;
    let query = HistogramQuery {
        q: args.asked.query.clone(),
        from: args.asked.from.clone(),
        to: args.asked.to.clone(),
        interval: args.interval.clone(),
        buckets: args.interval.is_none().then_some(args.buckets),
        timeout: None,
        partial: None,
        tier: args.asked.tier(),
        explain: false,
    };
    let answer = target.ask(
        async |client| client.histogram(&query).await,
        |engine, clock, control| api::histogram::answer(engine, clock, &query, control),
    )?;
    complain_of(&answer.meta);
    let mut out = String::new();
    if args.json {
        for bucket in &answer.buckets {
            out.push_str(&serde_json::to_string(bucket).expect("plain values serialize"));
            out.push('\n');
        }
    } else {
        push_bars(&mut out, &answer.buckets, Style::of_stdout());
    }
    print(&out)?;
    target.close()
}

/// A line for each bucket: time, count, and a bar in proportion; the part of errors first.
fn push_bars(out: &mut String, buckets: &[HistogramBucket], style: Style) {
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0).max(1);
    let width = most.to_string().len();
    for bucket in buckets {
        let errors: u64 =
            ["error", "critical"].iter().filter_map(|level| bucket.levels.get(*level)).sum();
        // What is there is seen, however little it is.
        let length = |count: u64| {
            let scaled = u128::from(count) * u128::from(BAR) / u128::from(most);
            usize::try_from(scaled).unwrap_or(0).max(usize::from(count > 0))
        };
        write!(out, "{}  {:>width$}  ", bucket.time, bucket.count).expect("a string takes all");
        let (whole, red) = (length(bucket.count), length(errors));
        if red > 0 {
            style.paint(out, "31", &"#".repeat(red));
        }
        out.push_str(&"-".repeat(whole.saturating_sub(red)));
        let end = out.trim_end_matches(' ').len();
        out.truncate(end);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion() {
        let bucket = |count, errors| HistogramBucket {
            time: "t".into(),
            count,
            levels: [("error".to_owned(), errors)].into(),
        };
        let mut out = String::new();
        let style = Style { colour: false, multiline: false };
        push_bars(&mut out, &[bucket(100, 50), bucket(0, 0), bucket(1, 0)], style);
        let full = format!("t  100  {}{}", "#".repeat(25), "-".repeat(25));
        assert_eq!(out, format!("{full}\nt    0\nt    1  -\n"));
    }
}
