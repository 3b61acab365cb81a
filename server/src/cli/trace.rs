//! `logstrata trace`: the spans of a trace as a tree, then its events.

use super::Failure;
use super::output::{Style, complain, complain_of_gaps, print};
use super::show::{clean, push_event};
use super::target::TargetArgs;
use crate::api;
use logstrata_client::wire::{SpanNode, TimelineQuery};
use std::fmt::Write as _;

/// Show the spans and the events of a trace, the oldest first
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The id of the trace
    trace_id: String,
    /// One JSON object an event, without the spans
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let target = args.target.open_existing()?;
    let style = Style::of_stdout();
    let mut query = TimelineQuery::default();
    loop {
        let page = target.ask(
            async |client| client.trace(&args.trace_id, &query).await,
            |engine, clock, control| {
                api::timeline::trace_answer(engine, clock, &args.trace_id, &query, control)
            },
        )?;
        if query.cursor.is_none() {
            page.meta.warnings.iter().for_each(|warning| complain("warning", warning));
        }
        complain_of_gaps(&page.meta);
        let mut out = String::new();
        if let Some(spans) = page.spans.filter(|_| !args.json) {
            spans.iter().for_each(|span| push_span(&mut out, span, style));
            out.push('\n');
        }
        for event in &page.logs {
            if args.json {
                out.push_str(event.get());
                out.push('\n');
            } else {
                push_event(&mut out, event.get(), style);
            }
        }
        print(&out)?;
        query.cursor = page.next_cursor;
        if query.cursor.is_none() || page.logs.is_empty() {
            return target.close();
        }
    }
}

/// A line for the span, then for each that it called. No deeper than the server nests them.
fn push_span(out: &mut String, node: &SpanNode, style: Style) {
    let span = &node.span;
    let indent = "  ".repeat(span.depth.min(24));
    let errors: u64 =
        ["error", "critical"].iter().filter_map(|level| span.levels.get(*level)).sum();
    let services = clean(&span.services.join(","), false);
    out.push_str(&indent);
    style.paint(out, "36", &services);
    let id = clean(&span.span_id, false);
    write!(out, " {id} {}ms {} events", span.duration_ms, span.count).expect("a string takes all");
    if errors > 0 {
        style.paint(out, "31", &format!(" {errors} errors"));
    }
    if span.orphan {
        let parent = clean(span.parent_span_id.as_deref().unwrap_or_default(), false);
        write!(out, " (its parent {parent} has no event)").expect("a string takes all");
    }
    if span.circle {
        out.push_str(" (in a circle of parents)");
    }
    out.push('\n');
    node.children.iter().for_each(|child| push_span(out, child, style));
}
