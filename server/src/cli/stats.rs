//! `logstrata stats`: figures of a query as a table.

use super::asked::Asked;
use super::output::{Style, complain_of, print};
use super::target::TargetArgs;
use super::{Failure, explain, table};
use logstrata_client::wire::StatsQuery;

const EXAMPLES: &str = "\
Examples:
  logstrata stats --group-by level
  logstrata stats 'level:error' --group-by service --interval 1h --from now-1d
  logstrata stats 'duration_ms:*' --group-by service --agg 'p50(duration_ms),p99(duration_ms)'
  logstrata stats 'level:error' --group-by user_id --top 10

Figures: count (always), sum avg min max p50 p95 p99 uniq of a field.";

/// Count and compute over the events that a query wants
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// One row for each value of these fields, separated by commas
    #[arg(long, value_name = "FIELDS")]
    group_by: Option<String>,
    /// One row for each stretch of time: 30s, 5m, 1h, 1d
    #[arg(long, value_name = "DURATION")]
    interval: Option<String>,
    /// Figures besides the count, separated by commas: p95(duration_ms)
    #[arg(long, value_name = "FIGURES")]
    agg: Option<String>,
    /// Only the N groups with the highest counts, over all stretches of time
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// One JSON object a row
    #[arg(long)]
    json: bool,
    /// Show what the query does instead of what it finds
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let target = args.target.open_existing()?;
    let query = StatsQuery {
        q: args.asked.query.clone(),
        from: args.asked.from.clone(),
        to: args.asked.to.clone(),
        group_by: args.group_by.clone(),
        interval: args.interval.clone(),
        agg: args.agg.clone(),
        top: args.top,
        timeout: None,
        partial: None,
        tier: args.asked.tier(),
        explain: args.explain,
    };
    let answer = target.stats(&query)?;
    complain_of(&answer.meta);
    if let Some(plan) = &answer.meta.plan {
        print(&explain::shown(plan, args.json))?;
        return target.close();
    }
    let columns = columns(args)?;
    if args.json {
        let mut out = String::new();
        answer.rows.iter().for_each(|row| table::push_json(&mut out, &columns, row));
        print(&out)?;
    } else {
        print(&table::render(&columns, &answer.rows, Style::of_stdout()))?;
    }
    target.close()
}

/// The columns in the order in which they were asked for.
fn columns(args: &Args) -> Result<Vec<String>, Failure> {
    use crate::api::aggregate::{parse_aggregates, parse_group_by};
    let usage = |error: crate::status::ApiError| Failure::Usage(error.detail().message.clone());
    let mut columns = Vec::new();
    if args.interval.is_some() {
        columns.push("time".to_owned());
    }
    let group_by = args.group_by.as_deref().unwrap_or_default();
    columns.extend(parse_group_by(group_by, args.interval.is_some()).map_err(usage)?);
    columns.push("count".to_owned());
    let figures = parse_aggregates(args.agg.as_deref().unwrap_or_default()).map_err(usage)?;
    columns.extend(figures.into_iter().map(|column| column.name));
    Ok(columns)
}
