//! `logstrata search`: events of a query, page by page.

use super::asked::Asked;
use super::output::{Style, complain, complain_of_gaps, print};
use super::show::push_event;
use super::target::TargetArgs;
use super::{Failure, explain, table};
use logstrata_client::wire::{SearchQuery, StatsRow};

/// Events of a page at most: so many are shown at once.
const PAGE: usize = 1_000;

/// Events that are shown if nothing says how many.
const LIMIT_DEFAULT: usize = 100;

const EXAMPLES: &str = "\
Examples:
  logstrata search                                       the latest 100 events
  logstrata search 'level:error service:checkout'
  logstrata search '\"connection refused\"' --from now-15m
  logstrata search 'duration_ms:>500 -path:/health' --limit 1000 --json
  logstrata search 'message:/blk_[0-9]+77/' --from 2026-11-20T00:00:00Z --order asc

  logstrata search 'level:error | stats count(), p95(duration_ms) by service | sort -count'
  logstrata search '| extract \"took <ms:int>ms\" | where ms:>500 | top 10 service'

Queries: bare words and \"phrases\" in any field, field:value, field:>n >= < <=, field:*,
field:/regex/, word*, field:[a TO b], ip:10.0.0.0/8, AND OR NOT - ( ). Between terms, AND is meant.
Behind `|`: where, extract, stats, top, uniq, sort, fields, limit.";

/// Show the events that a query wants, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Show so many events at most [default: 100, or what the query's own limit says]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The newest (desc) or the oldest (asc) first [default: desc]
    #[arg(long, value_parser = ["desc", "asc"])]
    order: Option<String>,
    /// One JSON object a line
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
    let style = Style::of_stdout();
    let mut query = SearchQuery {
        q: args.asked.query.clone(),
        from: args.asked.from.clone(),
        to: args.asked.to.clone(),
        order: args.order.clone(),
        tier: args.asked.tier(),
        explain: args.explain,
        ..SearchQuery::default()
    };
    // What has stages tells its own length: it is asked for at once.
    let has_stages =
        logstrata_engine::query::parse_query(&query.q).is_ok_and(|query| !query.stages.is_empty());
    let mut left = args.limit.unwrap_or(LIMIT_DEFAULT);
    while left > 0 {
        query.limit = if has_stages { args.limit } else { Some(left.min(PAGE)) };
        let page = target.search(&query)?;
        if query.cursor.is_none() {
            page.meta.warnings.iter().for_each(|warning| complain("warning", warning));
        }
        complain_of_gaps(&page.meta);
        if let Some(plan) = &page.meta.plan {
            print(&explain::shown(plan, args.json))?;
            break;
        }
        if let Some(rows) = &page.rows {
            print(&show_rows(rows, args.json, style))?;
            break;
        }
        let mut out = String::new();
        for event in &page.logs {
            if args.json {
                out.push_str(event.get());
                out.push('\n');
            } else {
                push_event(&mut out, event.get(), style);
            }
        }
        print(&out)?;
        left = left.saturating_sub(page.logs.len());
        query.cursor = page.next_cursor;
        if query.cursor.is_none() || page.logs.is_empty() || !page.meta.partial.is_empty() {
            break;
        }
        // `now-15m` must mean the same on every page.
        query.from = page.meta.range.from;
        query.to = page.meta.range.to;
    }
    target.close()
}

/// The rows of a table, as people read them or as lines of JSON.
fn show_rows(rows: &[StatsRow], json: bool, style: Style) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let columns: Vec<String> = first.0.iter().map(|(name, _)| name.clone()).collect();
    if !json {
        return table::render(&columns, rows, style);
    }
    let mut out = String::new();
    rows.iter().for_each(|row| table::push_json(&mut out, &columns, row));
    out
}
