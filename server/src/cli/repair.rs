//! `logstrata repair`: mends a damaged store.

use super::Failure;
use logstrata_engine::{Damage, Limits, Loss, repair};
use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  logstrata repair /var/lib/logstrata --dry-run       only look
  logstrata repair /var/lib/logstrata
  logstrata verify /var/lib/logstrata --deep          is all well now?

The server must be stopped. Every block is read, so this takes as long as reading the store, and room on
the disk for twice what is damaged. What can be read stays in the store, under the ids that it has: sound
blocks of damaged files, sound groups behind damage of the log. A damaged or missing manifest is written
anew from what is left of it, from the files and from the log.
Before anything changes, what is damaged is copied to DIR/set-aside/<time>, with a REPORT of what is lost;
nothing is deleted that has no copy there. If it is cut off, run it again.

Exit status: 0 if nothing is damaged, or if what is was mended; 1 if there is damage and nothing was done,
also after --dry-run.";

/// Mend a damaged store, and tell what is lost
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The store's directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Look for damage and change nothing
    #[arg(long)]
    dry_run: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let io = crate::encryption::io_of_environment().map_err(Failure::Usage)?;
    let done = repair(&io, &args.dir, &Limits::default(), args.dry_run)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.json {
        let damages: Vec<Value> = done.damages.iter().map(damage_json).collect();
        let set_aside = done.set_aside.as_ref().map(|dir| dir.display().to_string());
        writeln!(out, "{}", json!({ "damages": damages, "set_aside": set_aside }))?;
    } else {
        for damage in &done.damages {
            writeln!(out, "{damage}")?;
        }
        match &done.set_aside {
            Some(dir) => writeln!(out, "set aside: {}", dir.display())?,
            None if done.damages.is_empty() => writeln!(out, "nothing is damaged")?,
            None => {}
        }
    }
    out.flush()?;
    let count = done.damages.len();
    match done.set_aside {
        None if count > 0 && args.dry_run => {
            Err(Failure::Failed(format!("{count} damaged, nothing was changed (--dry-run)")))
        }
        None if count > 0 => {
            Err(Failure::Failed(format!("{count} damaged, about which nothing can be done")))
        }
        _ => Ok(()),
    }
}

fn damage_json(damage: &Damage) -> Value {
    let place = damage.error.corruption().map(|place| {
        json!({
            "file": place.file.display().to_string(),
            "offset": place.offset,
            "what": place.what,
            "expected": place.expected,
            "found": place.found,
        })
    });
    let lost: Vec<Value> = damage.lost.iter().map(loss_json).collect();
    json!({
        "error": damage.error.to_string(),
        "place": place,
        "lost": lost,
        "remedy": damage.remedy,
    })
}

fn loss_json(loss: &Loss) -> Value {
    json!({
        "partition": loss.partition,
        "events": loss.events,
        "first_seq": loss.seqs.0,
        "last_seq": loss.seqs.1,
        "from": loss.times.map(|times| times.0.to_string()),
        "to": loss.times.map(|times| times.1.to_string()),
    })
}
