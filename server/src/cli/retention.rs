//! `logstrata retention`: how long events are kept, what is due, what is held. Asks a server.

use super::output::{complain, print, size};
use super::{Failure, block_on};
use logstrata_client::Client;
use logstrata_client::wire::{
    HoldAnswer, HoldMadeAnswer, HoldQuery, ReleasedHoldAnswer, RetentionAnswer, RetentionClass,
    RetentionRunAnswer,
};
use serde::Serialize;
use std::fmt::Write as _;

const EXAMPLES: &str = "\
Examples:
  logstrata retention show
  logstrata retention run --dry-run
  logstrata retention hold add --class payments --from 2026-01-01 --owner ann --reason 'case 7'
  logstrata retention hold add --query 'user_id:u-1' --owner ann --reason 'case 8'
  logstrata retention hold release 2 --by bob --reason 'case 8 is closed'
  logstrata retention hold list --released";

/// How long events are kept: show, drop what is due, hold
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// The server's address
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LOGSTRATA_SERVER",
        default_value = "http://127.0.0.1:7600"
    )]
    server: String,
    /// The server's answer as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show each class: its rule, what is stored of it, what is due next
    Show,
    /// Drop what is due, at once
    Run {
        /// Change nothing, say what would go
        #[arg(long)]
        dry_run: bool,
        /// Also drop what was not exported yet
        #[arg(long)]
        force: bool,
    },
    /// Say that the server's clock is right, so that drops go on
    Resume,
    /// What nothing may drop
    Hold {
        #[command(subcommand)]
        command: HoldCommand,
    },
}

#[derive(Debug, clap::Subcommand)]
enum HoldCommand {
    /// Hold what fits all that is said
    Add(AddArgs),
    /// Show what is held
    List {
        /// Also the last holds that ended, and who released them
        #[arg(long)]
        released: bool,
    },
    /// End a hold
    Release {
        /// Its number
        id: u64,
        /// Who says so
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// Only this class
    #[arg(long)]
    class: Option<String>,
    /// Only this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Only days from this one on, like 2026-11-21
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Only days up to this one, itself included
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Only sections with an event that matches this
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
    /// Who wants it
    #[arg(long, value_name = "NAME")]
    owner: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// When somebody should look whether it is still needed
    #[arg(long, value_name = "DAY")]
    review: Option<String>,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let client = Client::new(&args.server).map_err(|error| Failure::Usage(error.to_string()))?;
    let json = args.json;
    let out = block_on(async {
        Ok(match args.command {
            Command::Show => shown(&client.retention().await?, json, table),
            Command::Run { dry_run, force } => {
                shown(&client.retention_run(dry_run, force).await?, json, told)
            }
            Command::Resume => {
                client.retention_resume().await?;
                "drops go on\n".to_owned()
            }
            Command::Hold { command } => match command {
                HoldCommand::Add(add) => shown(&client.hold(&add.into()).await?, json, made),
                HoldCommand::List { released } => {
                    shown(&client.holds(released).await?, json, |answer| {
                        let released = answer.released.iter().flatten().map(released_lines);
                        answer.holds.iter().map(hold_line).chain(released).collect()
                    })
                }
                HoldCommand::Release { id, by, reason } => {
                    let released = client.release_hold(id, &by, reason.as_deref()).await?;
                    shown(&released, json, released_lines)
                }
            },
        })
    })?;
    Ok(print(&out)?)
}

impl From<AddArgs> for HoldQuery {
    fn from(add: AddArgs) -> Self {
        let AddArgs { class, tenant, from, to, query, owner, reason, review } = add;
        Self { class, tenant, from_day: from, to_day: to, q: query, owner, reason, review }
    }
}

/// An answer as JSON, or for people.
fn shown<T: Serialize>(answer: &T, json: bool, people: impl FnOnce(&T) -> String) -> String {
    match json {
        true => serde_json::to_string(answer).expect("plain values serialize") + "\n",
        false => people(answer),
    }
}

fn table(answer: &RetentionAnswer) -> String {
    for why in answer.suspended.iter().chain(&answer.warnings) {
        complain("warning", why);
    }
    let widest = answer.classes.iter().map(|class| class.name.len()).max().unwrap_or(0).max(5);
    let mut out = format!(
        "{:widest$}  {:>7}  {:>8}  {:>12}  {:>10}  {:>10}  {:10}  {:20}  MATCH\n",
        "CLASS", "KEEP", "SECTIONS", "EVENTS", "ON DISK", "ARCHIVED", "OLDEST", "NEXT DROP"
    );
    for class in &answer.classes {
        let RetentionClass { name, keep, stored, oldest, next_drop, .. } = class;
        let nothing = "-".to_owned();
        let matches = match &class.matches {
            Some(matches) if class.configured => matches.clone(),
            Some(matches) => format!("{matches} (no longer in the configuration)"),
            None => "nobody knows its rule".to_owned(),
        };
        let held = if class.holds.is_empty() { "" } else { " (held in part)" };
        writeln!(
            out,
            "{name:widest$}  {keep:>7}  {:>8}  {:>12}  {:>10}  {:>10}  {:10}  {:20}  {matches}{held}",
            stored.sections,
            stored.events + class.events_in_memory,
            size(class.bytes_local),
            size(class.bytes_remote),
            oldest.as_ref().unwrap_or(&nothing),
            next_drop.as_ref().unwrap_or(&nothing),
        )
        .expect("a string takes everything");
    }
    out
}

fn told(answer: &RetentionRunAnswer) -> String {
    if let Some(why) = &answer.suspended {
        complain("warning", why);
    }
    let mut out = String::new();
    for day in &answer.days {
        let gone = day.dropped;
        let stays: Vec<String> = [(day.held, "held"), (day.waiting, "waiting")]
            .iter()
            .filter(|(amount, _)| amount.sections > 0)
            .map(|(amount, what)| format!("; {} events {what}", amount.events))
            .collect();
        writeln!(
            out,
            "{} {}: {} sections, {} events, {}{}",
            day.day,
            day.class,
            gone.sections,
            gone.events,
            size(gone.bytes),
            stays.concat()
        )
        .expect("a string takes everything");
    }
    match answer.in_memory {
        0 => {}
        due if answer.dry_run => {
            writeln!(out, "{due} events in memory are due, too: a run writes them to files first")
                .expect("a string takes everything")
        }
        due => writeln!(out, "{due} events in memory are due and stay until they are in files")
            .expect("a string takes everything"),
    }
    let verb = if answer.dry_run { "would go" } else { "went" };
    let all = answer.dropped;
    writeln!(out, "{} sections, {} events, {} {verb}", all.sections, all.events, size(all.bytes))
        .expect("a string takes everything");
    out
}

fn made(answer: &HoldMadeAnswer) -> String {
    for warning in &answer.warnings {
        complain("warning", warning);
    }
    let covers = match &answer.covers {
        Some(covers) => format!(
            "covers {} sections, {} events, {}, and {} events in memory\n",
            covers.sections,
            covers.events,
            size(covers.bytes),
            covers.in_memory
        ),
        None => "is in force; what it covers could not be counted in time\n".to_owned(),
    };
    hold_line(&answer.hold) + &covers
}

fn hold_line(hold: &HoldAnswer) -> String {
    let scope = [
        hold.class.as_ref().map(|class| format!("class {class}")),
        hold.tenant.as_ref().map(|tenant| format!("tenant {tenant}")),
        hold.from.as_ref().map(|day| format!("from {day}")),
        hold.to.as_ref().map(|day| format!("to {day}")),
        hold.q.as_ref().map(|query| format!("events that match {query:?}")),
    ];
    let scope: Vec<String> = scope.into_iter().flatten().collect();
    let review = hold.review.as_ref().map(|day| format!(", review {day}")).unwrap_or_default();
    format!(
        "hold {}: {} ({}, since {}: {}{review})\n",
        hold.id,
        scope.join(", "),
        hold.owner,
        hold.created,
        hold.reason
    )
}

fn released_lines(released: &ReleasedHoldAnswer) -> String {
    let ReleasedHoldAnswer { hold, released_by, released, release_reason } = released;
    let why = release_reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("released: {}  by {released_by}, {released}{why}\n", hold_line(hold))
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_client::wire::{RetentionDay, StoredAmount};

    #[test]
    fn a_run_is_told_by_day() {
        let gone = StoredAmount { sections: 2, events: 30, bytes: 70_000 };
        let day = RetentionDay {
            class: "debug".into(),
            day: "2026-11-21".into(),
            dropped: gone,
            held: StoredAmount { sections: 1, events: 5, bytes: 9 },
            ..RetentionDay::default()
        };
        let answer = RetentionRunAnswer {
            dry_run: true,
            dropped: gone,
            in_memory: 7,
            days: vec![day],
            ..RetentionRunAnswer::default()
        };
        assert_eq!(
            told(&answer),
            "2026-11-21 debug: 2 sections, 30 events, 68.4 KiB; 5 events held\n\
             7 events in memory are due, too: a run writes them to files first\n\
             2 sections, 30 events, 68.4 KiB would go\n"
        );
    }

    #[test]
    fn a_hold_says_what_it_holds() {
        let hold = HoldAnswer {
            id: 3,
            class: Some("debug".into()),
            q: Some("user_id:7".into()),
            owner: "ann".into(),
            reason: "case".into(),
            created: "t".into(),
            ..HoldAnswer::default()
        };
        let line = "hold 3: class debug, events that match \"user_id:7\" (ann, since t: case)\n";
        assert_eq!(hold_line(&hold), line);
        let released = ReleasedHoldAnswer {
            hold,
            released_by: "bob".into(),
            released: "u".into(),
            release_reason: Some("closed".into()),
        };
        assert_eq!(released_lines(&released), format!("released: {line}  by bob, u: closed\n"));
    }
}
