//! `logstrata search`: events of a query, page by page.

use super::Failure;
use super::asked::Asked;
use super::output::{Style, complain, print};
use super::show::push_event;
use super::target::TargetArgs;
use logstrata_client::wire::SearchQuery;

/// Events of a page at most: so many are shown at once.
const PAGE: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  logstrata search                                       the latest 100 events
  logstrata search 'level:error service:checkout'
  logstrata search '\"connection refused\"' --from now-15m
  logstrata search 'duration_ms:>500 -path:/health' --limit 1000 --json
  logstrata search 'message:/blk_[0-9]+77/' --from 2026-11-20T00:00:00Z --order asc

Queries: bare words and \"phrases\" in any field, field:value, field:>n >= < <=, field:*,
field:/regex/, AND OR NOT - ( ). Between terms, AND is meant.";

/// Show the events that a query wants, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Show so many events at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// The newest (desc) or the oldest (asc) first
    #[arg(long, default_value = "desc", value_parser = ["desc", "asc"])]
    order: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
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
        order: Some(args.order.clone()),
        ..SearchQuery::default()
    };
    let mut left = args.limit;
    while left > 0 {
        query.limit = Some(left.min(PAGE));
        let page = target.search(&query)?;
        if query.cursor.is_none() {
            page.meta.warnings.iter().for_each(|warning| complain("warning", warning));
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
        if query.cursor.is_none() || page.logs.is_empty() {
            break;
        }
        // `now-15m` must mean the same on every page.
        query.from = page.meta.range.from;
        query.to = page.meta.range.to;
    }
    target.close()
}
