//! `logstrata cleanup`: purges events of a server.

use super::output::{complain, print, size};
use super::{Failure, block_on};
use logstrata_client::Client;
use logstrata_client::wire::{PurgeAnswer, PurgeQuery, PurgedArchive};
use std::fmt::Write as _;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  logstrata cleanup --older-than 30d --level debug,trace --dry-run
  logstrata cleanup --older-than 30d --level debug,trace
  logstrata cleanup --q 'user_id:u-1' --exact

Exit code 3: events that match stay, because they are held, or because their section has
others and the purge was not exact; or the archive or files of the daily export have copies
of them still.";

/// Purge events: whole sections and, with --exact, single events
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only events that are older, like 30d
    #[arg(long, value_name = "AGE")]
    older_than: Option<String>,
    /// Only these levels, joined by commas
    #[arg(long, value_name = "LEVELS")]
    level: Option<String>,
    /// Only this class
    #[arg(long)]
    class: Option<String>,
    /// Only events that match this
    #[arg(long, value_name = "QUERY")]
    q: Option<String>,
    /// Change nothing, say what would go
    #[arg(long)]
    dry_run: bool,
    /// Take events out of sections that are only touched, too
    #[arg(long)]
    exact: bool,
    /// The server's address
    #[arg(
        long,
        value_name = "URL",
        env = "LOGSTRATA_SERVER",
        default_value = "http://127.0.0.1:7600"
    )]
    server: String,
    /// The server's answer as JSON
    #[arg(long)]
    json: bool,
}

/// The exit code if events that match stay.
const LEFT: u8 = 3;

pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    let Args { older_than, level, class, q, dry_run, exact, server, json } = args;
    let client = Client::new(&server).map_err(|error| Failure::Usage(error.to_string()))?;
    let query = PurgeQuery { older_than, level, class, q, exact };
    let answer = block_on(async {
        let counted = client.purge(&query, None).await?;
        Ok(match counted.confirm.as_deref().filter(|_| !dry_run) {
            Some(confirm) => client.purge(&query, Some(confirm)).await?,
            None => counted,
        })
    })?;
    let out = match json {
        true => serde_json::to_string(&answer).expect("plain values serialize") + "\n",
        false => told(&answer),
    };
    print(&out)?;
    let left = left(&answer);
    left.iter().for_each(|what| complain("warning", what));
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LEFT) })
}

/// What there is still of what matches.
fn left(answer: &PurgeAnswer) -> Vec<String> {
    let mut left = Vec::new();
    if answer.left.events > 0 {
        let why = "events that match stay: they are held, or their sections have others (--exact takes them)";
        left.push(format!("{} {why}", answer.left.events));
    }
    if answer.archive == Some(PurgedArchive::Pending) {
        let error = answer.archive_error.as_deref().unwrap_or("it failed");
        left.push(format!(
            "the archive or files of the daily export have copies still: {error}. They go with the same \
             command again, or by themselves: those of the archive with the next pass that works, exported \
             files with the next export"
        ));
    }
    // Those of an exact purge are written anew, or it is pending.
    let exported = answer.days.iter().filter(|day| day.exported && !answer.exact);
    left.extend(exported.map(|day| {
        format!(
            "files of the daily export of {} may have events of {}: only --exact takes them out",
            day.day, day.class
        )
    }));
    left
}

fn told(answer: &PurgeAnswer) -> String {
    let verb = if answer.dry_run { "would go" } else { "went" };
    let (events, bytes) = (answer.purged.events, size(answer.purged.bytes));
    let mut out = format!("{events} events in sections of {bytes} {verb}\n");
    if answer.in_memory > 0 {
        let _ = writeln!(out, "{} more are in memory only", answer.in_memory);
    }
    for day in &answer.days {
        let (whole, touched, held) = (day.whole.events, day.touched.events, day.held.events);
        let _ = write!(
            out,
            "  {} {}: {whole} in whole sections, {touched} in others",
            day.day, day.class
        );
        let _ = match &*day.holds {
            [] => writeln!(out),
            holds => writeln!(out, ", {held} held by {holds:?}"),
        };
    }
    out
}
