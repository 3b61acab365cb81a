//! `logstrata context`: what stood around an event.

use super::Failure;
use super::output::{Style, complain_of, print};
use super::show::push_event;
use super::target::TargetArgs;
use crate::api;
use logstrata_client::wire::ContextQuery;

const EXAMPLES: &str = "\
Examples:
  logstrata context 41M7Y2P7SWET700000000001Q4
  logstrata context 41M7Y2P7SWET700000000001Q4 --before 5 --after 50 --same service,host";

/// Show the events that stood around one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The id of the event
    id: String,
    /// So many events before it
    #[arg(long, value_name = "N", default_value_t = 20)]
    before: usize,
    /// So many events after it
    #[arg(long, value_name = "N", default_value_t = 20)]
    after: usize,
    /// Only events with the same values of these fields, separated by commas
    #[arg(long, value_name = "FIELDS")]
    same: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let target = args.target.open_existing()?;
    let query = ContextQuery {
        before: Some(args.before),
        after: Some(args.after),
        same: args.same.clone(),
        timeout: None,
        partial: None,
        tier: None,
    };
    let answer = target.ask(
        async |client| client.context(&args.id, &query).await,
        |engine, clock, control| api::context::answer(engine, clock, &args.id, &query, control),
    )?;
    complain_of(&answer.meta);
    let style = Style::of_stdout();
    let mut out = String::new();
    let before = answer.before.iter().map(|event| ("  ", event));
    let after = answer.after.iter().map(|event| ("  ", event));
    for (mark, event) in before.chain([("> ", &answer.event)]).chain(after) {
        if args.json {
            out.push_str(event.get());
            out.push('\n');
        } else {
            style.paint(&mut out, "1", mark);
            push_event(&mut out, event.get(), style);
        }
    }
    print(&out)?;
    target.close()
}
