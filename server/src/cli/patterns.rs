//! `logstrata patterns`: the sentences with holes behind a result, as a table.

use super::asked::Asked;
use super::output::{Style, complain_of, print};
use super::target::TargetArgs;
use super::{Failure, table};
use logstrata_client::wire::PatternsQuery;

const EXAMPLES: &str = "\
Examples:
  logstrata patterns 'level:error' --from now-1h
  logstrata patterns 'service:checkout' --from now-1h --compare-from now-1d --compare-to now-1h
  logstrata patterns --limit 1000 --json";

/// Show the sentences with holes that the messages of a query are made of
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Compare with the time from here on: which patterns are new, which are gone
    #[arg(long, value_name = "TIME")]
    compare_from: Option<String>,
    /// Compare with the time before
    #[arg(long, value_name = "TIME")]
    compare_to: Option<String>,
    /// Show so many patterns at most [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// One JSON object a pattern
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let target = args.target.open_existing()?;
    let query = PatternsQuery {
        q: args.asked.query.clone(),
        from: args.asked.from.clone(),
        to: args.asked.to.clone(),
        compare_from: args.compare_from.clone(),
        compare_to: args.compare_to.clone(),
        limit: args.limit,
        timeout: None,
        partial: None,
        tier: args.asked.tier(),
    };
    let answer = target.patterns(&query)?;
    complain_of(&answer.meta);
    let compares = args.compare_from.is_some() || args.compare_to.is_some();
    let columns: &[&str] = match compares {
        true => &["count", "before", "change", "share", "last", "pattern"],
        false => &["count", "share", "last", "pattern"],
    };
    if args.json {
        let mut out = String::new();
        for row in &answer.patterns {
            let columns: Vec<String> = row.0.iter().map(|(name, _)| name.clone()).collect();
            table::push_json(&mut out, &columns, row);
        }
        print(&out)?;
    } else {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        print(&table::render(&columns, &answer.patterns, Style::of_stdout()))?;
    }
    target.close()
}
