//! `logstrata fields`: the fields that events have, or the values of one.

use super::Failure;
use super::output::{Style, complain_of, print};
use super::table;
use super::target::TargetArgs;
use crate::api;
use logstrata_client::wire::{FieldsQuery, NamedField, StatsRow, ValueCount};
use serde_json::value::{RawValue, to_raw_value};

const EXAMPLES: &str = "\
Examples:
  logstrata fields                          which fields there are
  logstrata fields service -q 'level:error' which services have errors
  logstrata fields user_id --prefix u1      values that begin so";

/// List the fields that events have, or the commonest values of one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The field whose values are listed
    name: Option<String>,
    /// Only of events that this query wants
    #[arg(
        short,
        long,
        value_name = "QUERY",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    query: String,
    /// Only events since then: RFC 3339, epoch, or like now-15m
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only events before then
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// How names, or values, begin
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// So many at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let target = args.target.open_existing()?;
    let query = FieldsQuery {
        q: args.query.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        prefix: args.prefix.clone(),
        limit: args.limit,
        timeout: None,
        partial: None,
        tier: None,
    };
    let (columns, rows, meta) = match &args.name {
        None => {
            let answer = target.ask(
                async |client| client.fields(&query).await,
                |engine, clock, control| api::fields::fields_answer(engine, clock, &query, control),
            )?;
            let rows: Vec<_> = answer.fields.iter().map(row_of_field).collect();
            (["field", "events", "kinds"].as_slice(), rows, answer.meta)
        }
        Some(name) => {
            let answer = target.ask(
                async |client| client.values(name, &query).await,
                |engine, clock, control| {
                    api::fields::values_answer(engine, clock, name, &query, control)
                },
            )?;
            let rows = answer.values.into_iter().map(row_of_value).collect();
            (["value", "count"].as_slice(), rows, answer.meta)
        }
    };
    complain_of(&meta);
    let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let mut out = String::new();
    match args.json {
        true => rows.iter().for_each(|row| table::push_json(&mut out, &columns, row)),
        false => out = table::render(&columns, &rows, Style::of_stdout()),
    }
    print(&out)?;
    target.close()
}

fn row_of_field(field: &NamedField) -> StatsRow {
    let raw = |text: &str| to_raw_value(text).expect("a string is JSON");
    let kinds = field.kinds.join(",");
    StatsRow(vec![
        ("field".into(), raw(&field.name)),
        ("events".into(), count(field.events)),
        ("kinds".into(), raw(&kinds)),
    ])
}

fn row_of_value(value: ValueCount) -> StatsRow {
    StatsRow(vec![("value".into(), value.value), ("count".into(), count(value.count))])
}

fn count(count: u64) -> Box<RawValue> {
    to_raw_value(&count).expect("a number is JSON")
}
